//! What the user typed, checked and made ready to use.
//!
//! [`load`](fn@load) finds the files, `raw` mirrors them, one file per section checks the values, and every
//! mistake ends as `file:line:column` with its source line and what to do next.

pub mod actions;
pub mod address;
mod agents;
mod alerting;
pub mod alertmanager;
mod audit;
mod bare;
mod channel;
mod diagnose;
mod document;
mod downloads;
pub mod duration;
mod environment;
mod expand;
mod exposure;
mod files;
mod gpu;
mod history;
mod judge;
mod load;
mod locate;
mod metrics;
pub mod orchestrator;
mod paths;
mod playbook;
mod preflight;
mod raw;
mod runs;
mod section;
pub mod template;
#[cfg(test)]
mod tests;
mod thresholds;
pub mod trust;
pub mod version;

pub use actions::{Action, Actions};
pub use address::Address;
pub use agents::{Agent, AgentKind, Heartbeat, Probe, SessionSpec, TmuxPane};
pub use bare::BareLog;
pub use channel::{Format, Hidden, Kind, Named, Program, Source, Webhook};
pub(crate) use diagnose::nearest;
pub use downloads::Download;
pub use environment::Environment;
pub use expand::Env;
pub use gpu::{Gpu, GpuName, GpuSource};
pub use history::History;
pub use judge::Judge;
pub use load::{EXAMPLE, LoadArgs, load};
pub use orchestrator::Orchestrator;
pub use paths::{absolute, is_glob, log_directory};
pub use preflight::{Decision, Preflight};
pub use runs::{compile, name_fault};

use crate::error::{Error, Result};

use crate::finding::Severity;
use crate::metrics::names::Aliases;
use crate::observe::process::Identity;
use crate::playbook::Catalogue;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The directory of the state, in the base.
pub const STATE_DIR: &str = ".trainguard";
/// The name under which the state and the findings of `environment:` stand.
pub const ENVIRONMENT: &str = "environment";
/// The name of the health file where none is configured.
pub const HEALTH_FILE: &str = "agent_health.yaml";

/// A value and whether the user's own file set it: some thresholds mean more when they were chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setting<T> {
    /// The value in effect.
    pub value: T,
    /// Set by the user's own file rather than by default.
    pub by_user: bool,
}

/// Everything that an invocation needs to know, from files, flags and defaults.
#[derive(Debug, Clone)]
pub struct Config {
    /// The files that were read; empty with a bare `--log`.
    pub files: Vec<PathBuf>,
    /// The flags that name this config or log from any directory, with a leading space: what a message
    /// appends to a command to type.
    pub flags: String,
    /// Thresholds of the first phase and of numbers.
    pub training: Training,
    /// Thresholds of patrols.
    pub patrol: Patrol,
    /// Where readings of GPUs come from and how many there have to be.
    pub gpu: Gpu,
    /// When a GPU is busy before a start, and how long it is waited for.
    pub preflight: Preflight,
    /// The playbook, as `playbook:` changes it.
    pub playbook: Catalogue,
    /// Where alerts go.
    pub channels: Channels,
    /// Which channels a severity goes to, by channel name.
    pub routing: BTreeMap<Severity, Vec<String>>,
    /// What is remembered of runs that ended.
    pub history: History,
    /// What the names in the logs mean, beyond those that are known.
    pub aliases: Aliases,
    /// The program that is asked where the checks found nothing.
    pub judge: Option<Judge>,
    /// The runs under guard, in the order of the file.
    pub runs: Vec<Run>,
    /// The agents under guard, by name.
    pub agents: Vec<Agent>,
    /// The downloads under guard, by name.
    pub downloads: Vec<Download>,
    /// What has to be there before a run can start.
    pub environment: Option<Environment>,
    /// What state, health file and the logs of launched runs are in by default.
    pub base: PathBuf,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// The health file.
    pub health_file: PathBuf,
    /// What node_exporter's textfile collector reads; written beside the health file and from it.
    pub prometheus_textfile: Option<PathBuf>,
    /// What is told that a patrol begins and ends.
    pub heartbeat: Option<Source<Address>>,
    /// The server of the one run that there is, where the config itself names none: a launched one.
    pub orchestrator: Option<Orchestrator>,
    /// Things the verdict must say once: keys that are not in effect in this version, a config that others can write.
    pub notes: Vec<String>,
    /// Whether commands may be run and signals sent on this config's word.
    pub trusted: bool,
}

impl Config {
    /// The runs of these names, in the order of the file; all of them where no name is given.
    ///
    /// # Errors
    /// No runs at all, for looking at nothing must not pass for well; a name that the config does
    /// not have, with the nearest that it has.
    pub fn select(&self, names: &[String]) -> Result<Vec<&Run>> {
        let around = self.agents.iter().map(|agent| agent.name.as_str());
        let around = around.chain(self.downloads.iter().map(|download| download.name.as_str()));
        let around = around.chain(self.environment.iter().map(|_| ENVIRONMENT));
        let known: Vec<&str> = self.runs.iter().map(|run| run.name.as_str()).chain(around).collect();
        if known.is_empty() {
            let files: Vec<String> = self.files.iter().map(|file| file.display().to_string()).collect();
            return Err(Error::Usage(format!(
                "the config names no runs, so there is nothing to look at ({})\nadd them, as in:\n{EXAMPLE}or give a log: trainguard patrol --log train.log",
                files.join(", ")
            )));
        }
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let next = match diagnose::nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", diagnose::listed(&known)),
            };
            return Err(Error::Usage(format!("there is no run `{name}`: {next}")));
        }
        let wanted = |run: &&Run| names.is_empty() || names.contains(&run.name);
        Ok(self.runs.iter().filter(wanted).collect())
    }
}

fn not_in_effect(key: &str) -> String {
    format!("{key} is not in effect in this version")
}

/// `training:`.
#[derive(Debug, Clone)]
pub struct Training {
    /// Steps of the attended first phase.
    pub phase1_steps: u64,
    /// The phase ends after this long at the latest.
    pub phase1_max: Duration,
    /// What a non-finite loss leads to.
    pub loss_nan_action: Setting<NanAction>,
    /// Gradient norm; judged by it only where the user set it.
    pub gradient_norm_max: Setting<f64>,
    /// Training loss that is never to be exceeded for long; `None` judges the run by itself alone.
    pub loss_max: Option<f64>,
    /// Mean GPU utilisation, 0–1.
    pub gpu_util_min: f64,
    /// Used memory of the machine or the run's control group, 0–1.
    pub memory_usage_max: f64,
}

/// `training.loss_nan_action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NanAction {
    /// SIGTERM, then SIGKILL.
    Stop,
    /// SIGSTOP.
    Pause,
    /// Tell and do nothing.
    Alert,
}

/// `patrol:`.
#[derive(Debug, Clone)]
pub struct Patrol {
    /// How often patrols are expected.
    pub interval: Duration,
    /// Flat patrols before a warning.
    pub loss_plateau_patience: u32,
    /// Least free space of a file system, bytes (GB are 10^9).
    pub disk_min_bytes: u64,
    /// Greatest age of the newest checkpoint.
    pub checkpoint_max: Setting<Duration>,
    /// Degrees Celsius.
    pub gpu_temp_max: f64,
    /// An open finding is told again after this long; `None` is never.
    pub renotify: Option<Duration>,
    /// What opens again within this long of its resolution is not told alone.
    pub reopen_quiet: Duration,
}

/// `channels:`. Those of later versions are accepted and named in [`Config::notes`].
#[derive(Debug, Clone)]
pub struct Channels {
    /// Alerts under `-q`.
    pub terminal: bool,
    /// The alert file's path, where it is enabled.
    pub file: Option<PathBuf>,
    /// The others that are enabled, in the order of the file.
    pub named: Vec<Named>,
}

/// One run under guard.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name: unique, and part of file names.
    pub name: String,
    /// Its log: a path, or a glob with one file per rank. Absolute.
    pub log: Option<PathBuf>,
    /// Its metric files.
    pub metrics: Option<MetricFiles>,
    /// The command that starts it, as a shell would take it: runs of one command are compared.
    pub command: Option<String>,
    /// How its process is found.
    pub process: Option<ProcessSpec>,
    /// Where its checkpoints go.
    pub checkpoints: Option<CheckpointSpec>,
    /// Steps that it is to make.
    pub total_steps: Option<u64>,
    /// A regex on new log lines of the current attempt that shows completion; checked to compile.
    pub done_when: Option<String>,
    /// The GPUs that are its, where the user says so.
    pub gpus: Vec<GpuName>,
    /// The kind of its work, where the user says so.
    pub profile: Option<Profile>,
    /// What is done about which finding.
    pub actions: Actions,
    /// The server that keeps this run, where there is one.
    pub orchestrator: Option<Orchestrator>,
}

/// `runs[].metrics`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MetricFiles {
    /// Found beside the log.
    Auto,
    /// A path or a glob. Absolute.
    At(PathBuf),
}

/// `runs[].profile`: a kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// A policy learns from rewards: its loss need not fall.
    ReinforcementLearning,
    /// A model learns from labelled or given data, and is evaluated on some that is held out.
    Supervised,
    /// Nothing is known but that a loss should fall.
    Generic,
}

impl Profile {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ReinforcementLearning, Self::Supervised, Self::Generic];

    /// The word in config and reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::ReinforcementLearning => "reinforcement_learning",
            Self::Supervised => "supervised",
            Self::Generic => "generic",
        }
    }
}

/// `runs[].process`.
#[derive(Debug, Clone, PartialEq)]
pub enum ProcessSpec {
    /// A pid.
    Pid(i32),
    /// A file that holds a pid. Absolute.
    PidFile(PathBuf),
    /// A regex on the command line; checked to compile.
    Match(String),
    /// The very process that `launch` started and recorded.
    Launched(Identity),
}

/// `runs[].checkpoints`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointSpec {
    /// The directory. Absolute.
    pub dir: PathBuf,
    /// A glob on the names in it; without one, names that look like checkpoints.
    pub pattern: Option<String>,
}
