//! What the user typed, checked and made ready to use.

pub mod duration;

use crate::finding::Severity;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

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
    /// Thresholds of the first phase and of numbers.
    pub training: Training,
    /// Thresholds of patrols.
    pub patrol: Patrol,
    /// Where alerts go.
    pub channels: Channels,
    /// Which channels a severity goes to, by channel name.
    pub routing: BTreeMap<Severity, Vec<String>>,
    /// The runs under guard, in the order of the file.
    pub runs: Vec<Run>,
    /// Where state is kept.
    pub state_dir: PathBuf,
    /// The health file.
    pub health_file: PathBuf,
    /// Things the verdict must say once: keys that are not in effect in this version, a config that others can write.
    pub notes: Vec<String>,
    /// Whether commands may be run and signals sent on this config's word.
    pub trusted: bool,
}

/// `training:`.
#[derive(Debug, Clone)]
pub struct Training {
    /// Steps of the attended first phase.
    pub phase1_steps: u64,
    /// What a non-finite loss leads to.
    pub loss_nan_action: NanAction,
    /// Gradient norm.
    pub gradient_norm_max: Setting<f64>,
    /// Mean GPU utilisation, 0–1.
    pub gpu_util_min: f64,
    /// Used memory, 0–1.
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

/// `channels:`. Channels of later versions are accepted and named in [`Config::notes`].
#[derive(Debug, Clone)]
pub struct Channels {
    /// Alerts under `-q`.
    pub terminal: bool,
    /// The alert file's path, where it is enabled.
    pub file: Option<PathBuf>,
}

/// One run under guard.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its name: unique, and part of file names.
    pub name: String,
    /// Its log: a path, or a glob with one file per rank. Absolute.
    pub log: Option<PathBuf>,
    /// How its process is found.
    pub process: Option<ProcessSpec>,
    /// Where its checkpoints go.
    pub checkpoints: Option<CheckpointSpec>,
    /// Steps that it is to make.
    pub total_steps: Option<u64>,
    /// A regex on new log lines of the current attempt that shows completion; checked to compile.
    pub done_when: Option<String>,
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
}

/// `runs[].checkpoints`.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointSpec {
    /// The directory. Absolute.
    pub dir: PathBuf,
    /// A glob on the names in it; without one, names that look like checkpoints.
    pub pattern: Option<String>,
}
