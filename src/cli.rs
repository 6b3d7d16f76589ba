//! The command line: clap derive and nothing else.

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// Guards long deep-learning training runs: one look, one verdict, one exit code.
///
/// Start with a log you have:  trainguard patrol --log train.log
///
/// Exit codes: 0 ok or info, 1 warning, 2 critical, 3 could not look.
#[derive(Debug, Parser)]
#[command(name = "trainguard", version, propagate_version = true, max_term_width = 100)]
#[command(
    after_help = "Exit codes: 0 ok or info · 1 warning · 2 critical · 3 unknown (bad arguments, bad config, could not look)"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Options that all commands share.
    #[command(flatten)]
    pub common: Common,
}

/// Options that all commands share.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// A config file or a directory of them; may be repeated [default: $TRAINGUARD_CONFIG, ./trainguard.yaml, ./trainguard/, $XDG_CONFIG_HOME/trainguard/]
    #[arg(long, value_name = "PATH", global = true)]
    pub config: Vec<PathBuf>,
    /// Where state is kept [default: .trainguard/ beside the config, or beside a bare --log]
    #[arg(long, value_name = "DIR", global = true)]
    pub state_dir: Option<PathBuf>,
    /// The health file [default: agent_health.yaml beside the config; with a bare --log in the state directory]
    #[arg(long, value_name = "FILE", global = true)]
    pub health_file: Option<PathBuf>,
    /// Print only what is new: an alert of this invocation, or what could not be looked at for the first time
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Print more evidence; twice for more
    #[arg(short, long, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,
    /// End by then, with progress saved (500ms, 50s, 5m, 2h, 1d; a bare number is seconds)
    #[arg(long, value_name = "DURATION", default_value = "50s", value_parser = crate::config::duration::at_least_100_ms, global = true)]
    pub timeout: Duration,
    /// Wait this long for another patrol of the same run
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = crate::config::duration::parse, global = true)]
    pub lock_wait: Duration,
    /// Colour; off a terminal and with NO_COLOR there is none
    #[arg(long, value_enum, default_value_t = Color::Auto, global = true)]
    pub color: Color,
    /// The wall clock to believe (tests)
    #[arg(long, hide = true, value_name = "RFC3339", global = true)]
    pub now: Option<DateTime<Utc>>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// One look at every configured run, or at a bare --log: says what is wrong and exits with its severity
    Patrol(Patrol),
    /// Phase 1: look every few seconds until the first steps are made, then hand over to patrols
    Watch(Watch),
    /// Start a training so that neither its terminal's end nor ours ends it; records it for patrols
    Launch(Launch),
    /// Take a finding: it stays visible and stops counting for the exit code until it worsens
    Ack(Ack),
    /// This run is finished and well: no more alarms about it
    Done(Done),
    /// Hold a run where it is (SIGSTOP), until `resume`
    Pause(Hold),
    /// Let a paused run go on (SIGCONT)
    Resume(Hold),
    /// End a run: SIGTERM, and SIGKILL for what still lives after the grace
    Stop(Stop),
    /// What a syndrome means, how it is told from its look-alikes and what to do; or what a log shows
    Explain(Explain),
    /// What patrols would have said, and when, over a log that is complete
    Replay(Replay),
    /// List the runs that ended, with what each came to
    History(History),
    /// A beat of an agent, from any script: it lives, and how its last request went
    Heartbeat(Heartbeat),
    /// Print the rows of numbers that trainguard reads out of a log
    Metrics(Metrics),
    /// List the alerts that were not delivered yet; retry or drop them
    Alerts(Alerts),
    /// Look whether the GPUs that a command asks for are free; wait for them, then ask
    Preflight(Preflight),
    /// Answer an alert that asks
    Respond(Respond),
    /// Check the config: every mistake is named with file, line and key
    Check(Check),
}

/// `trainguard alerts`.
#[derive(Debug, Clone, Args)]
pub struct Alerts {
    /// What to do with them [default: list]
    #[command(subcommand)]
    pub action: Option<AlertsAction>,
    /// The log, where the run has no config
    #[arg(long, value_name = "FILE", global = true)]
    pub log: Option<PathBuf>,
}

/// What to do with undelivered alerts.
#[derive(Debug, Clone, Subcommand)]
pub enum AlertsAction {
    /// List them: where each is to go, how often that failed, and why
    List,
    /// Send them now, also what was refused for good
    Retry {
        /// The alerts, by the beginning of their ids [default: all]
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// Give them up
    Drop {
        /// The alerts, by the beginning of their ids
        #[arg(value_name = "ID", required = true)]
        ids: Vec<String>,
    },
}

/// `trainguard check`.
#[derive(Debug, Clone, Args)]
pub struct Check {
    /// Send a test message through every channel, and say what came of it
    #[arg(long)]
    pub alerts: bool,
    /// Look whether what `environment:` asks for is there
    #[arg(long)]
    pub environment: bool,
}

/// Which runs are meant: all of the config, some of it by name, or a log without any config.
#[derive(Debug, Clone, Default, Args)]
pub struct Selection {
    /// Only this run of the config; may be repeated
    #[arg(long = "run", value_name = "NAME")]
    pub runs: Vec<String>,
    /// A log to look at without any config; quote a glob for one file per rank
    #[arg(long, value_name = "FILE", conflicts_with = "runs")]
    pub log: Option<PathBuf>,
    /// The training's process id
    #[arg(long, value_name = "N", requires = "log", conflicts_with_all = ["pid_file", "match"], value_parser = clap::value_parser!(i32).range(1..))]
    pub pid: Option<i32>,
    /// A file that holds the training's process id
    #[arg(long, value_name = "F", requires = "log", conflicts_with = "match")]
    pub pid_file: Option<PathBuf>,
    /// A regex on the training's command line
    #[arg(long = "match", value_name = "REGEX", requires = "log")]
    pub r#match: Option<String>,
    /// Where the training writes its checkpoints
    #[arg(long, value_name = "DIR", requires = "log")]
    pub checkpoints: Option<PathBuf>,
    /// A name for the run [default: from the log's path]
    #[arg(long, value_name = "N", requires = "log")]
    pub name: Option<String>,
}

/// `trainguard patrol`.
#[derive(Debug, Clone, Args)]
pub struct Patrol {
    /// Which runs.
    #[command(flatten)]
    pub selection: Selection,
    /// How to print the verdict
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    pub format: ReportFormat,
    /// Write nothing, read from the start, take the log as final (for CI)
    #[arg(long)]
    pub stateless: bool,
    /// The log is complete: nothing will follow
    #[arg(long = "final")]
    pub last: bool,
    /// Say what the configured actions would do to the run, and do none of it
    #[arg(long)]
    pub dry_run: bool,
    /// The least severity that makes the exit code differ from 0
    #[arg(long, value_enum, default_value_t = FailOn::Warning, value_name = "SEVERITY")]
    pub fail_on: FailOn,
}

/// Formats of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people.
    Text,
    /// For programs: `trainguard/report/1`.
    Json,
    /// For Nagios, Icinga and their like: one line with performance data, then details.
    Nagios,
    /// For GitHub Actions: annotations, then the text.
    Github,
    /// For CI systems: JUnit XML, a suite for each run and a test for each check.
    Junit,
}

/// `--fail-on`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// Exit 1 on a warning.
    Warning,
    /// A warning exits 0.
    Critical,
}

/// `trainguard watch`.
#[derive(Debug, Clone, Args)]
pub struct Watch {
    /// Which runs.
    #[command(flatten)]
    pub selection: Selection,
    /// Look so often
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = crate::config::duration::at_least_100_ms)]
    pub interval: Duration,
    /// Stay for so many steps of this start of the run, or rows where no steps are counted [default: training.phase1_steps, 1000]
    #[arg(long, value_name = "N")]
    pub phase1_steps: Option<u64>,
    /// Say what the configured actions would do to the run, and do none of it
    #[arg(long)]
    pub dry_run: bool,
}

/// `trainguard launch`.
#[derive(Debug, Clone, Args)]
pub struct Launch {
    /// The run's name: one of the config, or a new one [default: the script's, with the time]
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// Where its standard output and error go [default: the config's log of that run, else NAME.log]
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// Give it our standard input, and not /dev/null
    #[arg(long)]
    pub stdin: bool,
    /// Return at once
    #[arg(long)]
    pub detach: bool,
    /// Start it whoever is on the GPUs, without looking
    #[arg(long)]
    pub no_preflight: bool,
    /// How the GPUs are looked at before.
    #[command(flatten)]
    pub gpus: GpuCheck,
    /// The command, with variables before it as a shell takes them: -- A=1 python train.py
    #[arg(required = true, trailing_var_arg = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// `trainguard ack`.
#[derive(Debug, Clone, Args)]
pub struct Ack {
    /// The run, by the name that the verdict prints
    pub run: String,
    /// Only this syndrome [default: all that is open]
    pub syndrome: Option<String>,
    /// For this long [default: until it is over or worsens]
    #[arg(long = "for", value_name = "DURATION", value_parser = crate::config::duration::parse)]
    pub for_: Option<Duration>,
    /// Why, for whoever looks next
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The log, where the run has no config
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// `trainguard done`.
#[derive(Debug, Clone, Args)]
pub struct Done {
    /// The run, by the name that the verdict prints
    pub run: String,
    /// The log, where the run has no config
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// `trainguard pause` and `trainguard resume`.
#[derive(Debug, Clone, Args)]
pub struct Hold {
    /// The run, by the name that the verdict prints
    pub run: String,
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub dry_run: bool,
    /// The log, where the run has no config
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// `trainguard stop`.
#[derive(Debug, Clone, Args)]
pub struct Stop {
    /// Which run, and whether it is done.
    #[command(flatten)]
    pub hold: Hold,
    /// SIGKILL follows this long after SIGTERM
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::config::duration::parse)]
    pub grace: Duration,
}

/// `trainguard explain`.
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// The syndrome's id, as verdicts print it [default: the list of all]
    #[arg(conflicts_with = "log")]
    pub syndrome: Option<String>,
    /// Explain what this log shows
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
}

/// `trainguard replay`.
#[derive(Debug, Clone, Args)]
pub struct Replay {
    /// The log; quote a glob for one file per rank; `-` is standard input
    pub log: PathBuf,
    /// A patrol every so many lines
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..), conflicts_with_all = ["every_bytes", "every"])]
    pub every_lines: u64,
    /// A patrol every so many bytes
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "every")]
    pub every_bytes: Option<u64>,
    /// A patrol every so often, by the log's own times (30m, 2h)
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration::at_least_100_ms)]
    pub every: Option<Duration>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t = ReplayFormat::Text)]
    pub format: ReplayFormat,
}

/// Formats of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReplayFormat {
    /// For people.
    Text,
    /// One JSON object per finding, then a summary.
    Jsonl,
}

/// `trainguard heartbeat`.
#[derive(Debug, Clone, Args)]
pub struct Heartbeat {
    /// The agent, by its name in `agents:`
    pub name: String,
    /// A request was answered well
    #[arg(long, conflicts_with = "error")]
    pub ok: bool,
    /// A request failed
    #[arg(long)]
    pub error: bool,
}

/// `trainguard preflight`.
#[derive(Debug, Clone, Args)]
pub struct Preflight {
    /// How the GPUs are looked at.
    #[command(flatten)]
    pub gpus: GpuCheck,
    /// A name for the run [default: the script's, or the program's, and the time]
    #[arg(long, value_name = "N")]
    pub name: Option<String>,
    /// The command that is to be started
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<String>,
}

/// How GPUs are looked at before a start. What is not given is as in `preflight:` of the config.
#[derive(Debug, Clone, Default, Args)]
pub struct GpuCheck {
    /// The GPUs that the command will use, as nvidia-smi shows them: numbers or UUIDs, `0,GPU-8f6d` [default: as CUDA_VISIBLE_DEVICES or Slurm say, else all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub gpus: Vec<String>,
    /// Wait this long for a busy GPU; 0 never waits [default: 180s]
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration::parse)]
    pub wait: Option<Duration>,
    /// Look this often [default: 10s]
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration::at_least_100_ms)]
    pub poll: Option<Duration>,
    /// Ask this long for a decision [default: 10m]
    #[arg(long, value_name = "DURATION", value_parser = crate::config::duration::parse)]
    pub decision_timeout: Option<Duration>,
    /// What is done when nobody decides [default: stop]
    #[arg(long = "default", value_enum, value_name = "DECISION")]
    pub default_decision: Option<crate::config::Decision>,
}

/// `trainguard respond`.
#[derive(Debug, Clone, Args)]
pub struct Respond {
    /// The alert's id or its first six or more digits; or the run, where only one of its alerts asks
    pub alert: String,
    /// One of the choices that the alert offers, or its beginning
    pub choice: String,
}

/// `trainguard history`.
#[derive(Debug, Clone, Args)]
pub struct History {
    /// Only runs of this name
    pub run: Option<String>,
    /// The log, where the run has no config
    #[arg(long, value_name = "FILE")]
    pub log: Option<PathBuf>,
    /// How to print them
    #[arg(long, value_enum, default_value_t = HistoryFormat::Table)]
    pub format: HistoryFormat,
}

/// Formats of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum HistoryFormat {
    /// For people.
    Table,
    /// One JSON object per run, as it is kept.
    Jsonl,
}

/// `trainguard metrics`.
#[derive(Debug, Clone, Args)]
pub struct Metrics {
    /// The log; `-` is standard input
    pub log: PathBuf,
    /// How to print the rows
    #[arg(long, value_enum, default_value_t = RowFormat::Table)]
    pub format: RowFormat,
    /// Only these metrics, by canonical name or as the log calls them: `loss,lr`
    #[arg(long, value_delimiter = ',')]
    pub keys: Vec<String>,
    /// Only rows from this step on
    #[arg(long, value_name = "STEP")]
    pub since_step: Option<f64>,
}

/// Formats of rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RowFormat {
    /// For people.
    Table,
    /// One JSON object per row.
    Jsonl,
    /// Comma-separated values.
    Csv,
}
