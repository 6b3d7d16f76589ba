//! The verdict as data: `trainguard/report/1`, whose JSON Schema is `docs/report.schema.json`.

use super::note::Monitoring;
use crate::config::Profile;
use crate::finding::{Finding, Severity, Standing};
use crate::judge::eta::Eta;
use crate::judge::trend::Trend;
use crate::observe::gpu::Gpu;
use crate::redact::Redactor;
use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;

/// The schema's name.
pub const SCHEMA: &str = "trainguard/report/1";

/// One patrol's verdict over all its runs.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// `trainguard/report/1`.
    pub schema: &'static str,
    /// The worst of all runs.
    pub severity: Severity,
    /// When the patrol began.
    pub time: DateTime<Utc>,
    /// The runs, in the order of the config.
    pub runs: Vec<RunReport>,
    /// Agents under guard, by name.
    pub agents: Vec<WardReport>,
    /// Downloads under guard, by name.
    pub downloads: Vec<WardReport>,
    /// The environment, where the config asks for any.
    pub environment: Option<WardReport>,
    /// What the verdict says besides: keys that are not in effect, a config that others can write.
    pub notes: Vec<String>,
}

/// One of what stands around the runs.
#[derive(Debug, Clone, Serialize)]
pub struct WardReport {
    /// Its name.
    pub name: String,
    /// Its kind: of agents `tmux`, `session`, `stateless` or `heartbeat`; else `download` or `environment`.
    pub kind: &'static str,
    /// The worst finding that counts.
    pub severity: Severity,
    /// Where it stands, in a word.
    pub state: &'static str,
    /// The same in a few words, for people.
    pub says: String,
    /// When it last did something, where that is known.
    pub last_output: Option<DateTime<Utc>>,
    /// Figures of it by name; names carry their unit.
    pub figures: BTreeMap<&'static str, serde_json::Value>,
    /// Seconds since the previous patrol of it.
    pub since_last_s: Option<f64>,
    /// Seconds that patrols are expected to be apart.
    pub expected_s: f64,
    /// When the next patrol is due at the latest.
    pub next_patrol_by: DateTime<Utc>,
    /// Findings, the headline first.
    pub findings: Vec<Finding>,
    /// Why it could not be patrolled at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl WardReport {
    /// One that could not be patrolled.
    pub fn failed(name: &str, kind: &'static str, why: String, now: DateTime<Utc>) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            severity: Severity::Unknown,
            state: "unknown",
            says: why.clone(),
            last_output: None,
            figures: BTreeMap::new(),
            since_last_s: None,
            expected_s: 0.0,
            next_patrol_by: now,
            findings: Vec::new(),
            error: Some(why),
        }
    }

    /// The same in the form of a run, for formats that tell of both alike.
    pub fn as_run(&self) -> RunReport {
        let run = RunReport::failed(&self.name, String::new(), self.next_patrol_by);
        RunReport {
            severity: self.severity,
            phase: self.says.clone(),
            since_last_s: self.since_last_s,
            expected_s: self.expected_s,
            findings: self.findings.clone(),
            error: self.error.clone(),
            ..run
        }
    }
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct RunReport {
    /// Its name.
    pub name: String,
    /// The worst finding that counts.
    pub severity: Severity,
    /// Where it stands.
    pub phase: String,
    /// What kind of work it does: `reinforcement_learning`, `supervised` or `generic`.
    pub profile: &'static str,
    /// Why it is thought so.
    pub profile_because: String,
    /// Which start of the run this is.
    pub attempt: u32,
    /// The last step, as printed.
    #[serde(serialize_with = "number")]
    pub step: Option<f64>,
    /// Steps that it is to make.
    #[serde(serialize_with = "number")]
    pub total_steps: Option<f64>,
    /// When it ends; only for a run under way whose total and pace are known.
    pub eta: Option<Eta>,
    /// The latest value of each metric; non-finite ones are `"NaN"`, `"Infinity"`, `"-Infinity"`.
    pub metrics: BTreeMap<&'static str, Number>,
    /// The least training loss so far and its step.
    pub best_loss: Option<Best>,
    /// Where the loss is heading; none with too few rows.
    pub loss_trend: Option<Trend>,
    /// The log, where the run has one.
    pub log: Option<LogReport>,
    /// The newest whole checkpoint, else the newest.
    pub checkpoint: Option<CheckpointReport>,
    /// The file systems that the run and its guard write to.
    pub disks: Vec<DiskReport>,
    /// The machine's memory, then that of the run's control group.
    pub memory: Vec<MemoryReport>,
    /// The process.
    pub process: Option<ProcessReport>,
    /// Seconds since the previous patrol of this run.
    pub since_last_s: Option<f64>,
    /// Seconds that patrols are expected to be apart.
    pub expected_s: f64,
    /// When the next patrol is due at the latest.
    pub next_patrol_by: DateTime<Utc>,
    /// The run's GPUs.
    pub gpus: Vec<Gpu>,
    /// By which rule they are the run's.
    pub gpus_by: Option<String>,
    /// Findings, the headline first.
    pub findings: Vec<Finding>,
    /// The run in one line of at most 220 characters.
    pub monitor_note: String,
    /// Words to search by: at most 8 of at most 40 characters.
    pub monitor_tags: Vec<String>,
    /// The run in a few fields; none where it could not be patrolled.
    pub monitoring: Option<Monitoring>,
    /// Why this run could not be patrolled at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A level that was reached at a step.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Best {
    /// The value.
    pub value: Number,
    /// The step.
    #[serde(serialize_with = "number")]
    pub step: Option<f64>,
}

/// What was read.
#[derive(Debug, Clone, Serialize)]
pub struct LogReport {
    /// Path or glob.
    pub path: String,
    /// Where the next patrol goes on (all files together).
    pub offset: u64,
    /// Bytes that this patrol read.
    pub bytes_read: u64,
    /// Rows with metrics that this patrol read.
    pub rows: u64,
    /// Bytes that time did not suffice for.
    pub backlog: u64,
}

/// The newest whole checkpoint.
#[derive(Debug, Clone, Serialize)]
pub struct CheckpointReport {
    /// Its path.
    pub path: String,
    /// Its age, seconds.
    pub age_s: f64,
    /// Its size.
    pub bytes: u64,
    /// A newer one is being written.
    pub writing: bool,
    /// Seconds of work that a crash now costs; none where the run is over or does not save here.
    pub crash_costs_s: Option<f64>,
    /// The same in steps, by the run's own pace.
    #[serde(serialize_with = "number")]
    pub crash_costs_steps: Option<f64>,
    /// It is overdue at this age, seconds; `None` where the run is not known to save.
    pub limit_s: Option<f64>,
}

/// One file system.
#[derive(Debug, Clone, Serialize)]
pub struct DiskReport {
    /// The path that was asked about.
    pub path: String,
    /// Free for an unprivileged user.
    pub free_bytes: u64,
    /// Its size.
    pub total_bytes: u64,
    /// Less is `disk_low`, less than half of it critical.
    pub limit_bytes: u64,
}

/// Memory below one limit.
#[derive(Debug, Clone, Serialize)]
pub struct MemoryReport {
    /// The control group; `None` is the machine.
    pub cgroup: Option<String>,
    /// In use, without page cache that nobody uses.
    pub used_bytes: u64,
    /// All there is.
    pub limit_bytes: u64,
    /// A greater share, 0-1, is `memory_high`.
    pub max_ratio: f64,
}

/// The process.
#[derive(Debug, Clone, Serialize)]
pub struct ProcessReport {
    /// Its pid.
    pub pid: Option<i32>,
    /// `alive`, `zombie`, `gone`, `ambiguous` or `unknown`.
    pub state: &'static str,
    /// Its command line.
    pub command: Option<String>,
}

/// A number that JSON can hold: whole numbers without a fraction, non-finite ones as strings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number(pub f64);

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// Whole numbers below this are exact in an f64.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        match self.0 {
            value if value.is_nan() => serializer.serialize_str("NaN"),
            f64::INFINITY => serializer.serialize_str("Infinity"),
            f64::NEG_INFINITY => serializer.serialize_str("-Infinity"),
            value if value.fract() == 0.0 && value.abs() < EXACT => serializer.serialize_i64(value as i64),
            value => serializer.serialize_f64(value),
        }
    }
}

#[allow(clippy::ref_option, reason = "serde's own signature")]
fn number<S: Serializer>(value: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    value.map(Number).serialize(serializer)
}

impl Report {
    /// The runs, and what stands around them in the same form.
    pub fn all(&self) -> Vec<RunReport> {
        self.runs.iter().cloned().chain(self.around().map(WardReport::as_run)).collect()
    }

    fn around(&self) -> impl Iterator<Item = &WardReport> {
        self.agents.iter().chain(&self.downloads).chain(&self.environment)
    }

    /// What was looked at, counted: `3 runs`, `2 runs and 3 agents`.
    pub fn counted(&self) -> String {
        let count = |number: usize, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            number => Some(format!("{number} {many}")),
        };
        let parts = [
            count(self.runs.len(), "run", "runs"),
            count(self.agents.len(), "agent", "agents"),
            count(self.downloads.len(), "download", "downloads"),
            self.environment.as_ref().map(|_| "the environment".to_owned()),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        match parts.split_last() {
            None => "nothing".to_owned(),
            Some((last, [])) => last.clone(),
            Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
        }
    }

    /// The same without what looks like a secret: for a reader who may see more of it than of the log.
    #[must_use]
    pub fn redacted(&self, redactor: &Redactor) -> Self {
        let mut report = self.clone();
        let clean = |text: &mut String| *text = redactor.redact(text);
        report.notes.iter_mut().for_each(clean);
        report.runs.iter_mut().for_each(|run| run.redact(redactor));
        let around = report.agents.iter_mut().chain(&mut report.downloads).chain(&mut report.environment);
        for ward in around {
            clean(&mut ward.says);
            ward.error.iter_mut().for_each(clean);
            ward.findings.iter_mut().for_each(|finding| finding.redact(redactor));
        }
        report
    }

    /// Whether an open finding of this syndrome is in it, from an earlier patrol.
    pub fn tells(&self, syndrome: &str) -> bool {
        let around = self.around().flat_map(|ward| &ward.findings);
        let mut findings = self.runs.iter().flat_map(|run| &run.findings).chain(around);
        findings.any(|finding| finding.syndrome == syndrome && finding.state == Standing::Ongoing)
    }
}

impl Finding {
    fn redact(&mut self, redactor: &Redactor) {
        let clean = |text: &mut String| *text = redactor.redact(text);
        [&mut self.message, &mut self.advice].into_iter().for_each(clean);
        self.occurrences.iter_mut().chain(&mut self.first).for_each(|at| clean(&mut at.text));
        self.evidence.values_mut().for_each(|value| redactor.redact_value(value));
        if let Some(note) = self.acknowledged.as_mut().and_then(|word| word.note.as_mut()) {
            clean(note);
        }
    }
}

impl RunReport {
    /// Takes out what looks like a secret: findings quote logs.
    pub fn redact(&mut self, redactor: &Redactor) {
        self.error.iter_mut().for_each(|error| *error = redactor.redact(error));
        self.findings.iter_mut().for_each(|finding| finding.redact(redactor));
    }

    /// A run that could not be patrolled.
    pub fn failed(name: &str, why: String, now: DateTime<Utc>) -> Self {
        Self {
            name: name.to_owned(),
            severity: Severity::Unknown,
            phase: "unknown".to_owned(),
            profile: Profile::Generic.word(),
            profile_because: String::new(),
            attempt: 0,
            step: None,
            total_steps: None,
            eta: None,
            metrics: BTreeMap::new(),
            best_loss: None,
            loss_trend: None,
            log: None,
            checkpoint: None,
            disks: Vec::new(),
            memory: Vec::new(),
            process: None,
            since_last_s: None,
            expected_s: 0.0,
            next_patrol_by: now,
            gpus: Vec::new(),
            gpus_by: None,
            findings: Vec::new(),
            monitor_note: String::new(),
            monitor_tags: Vec::new(),
            monitoring: None,
            error: Some(why),
        }
    }
}
