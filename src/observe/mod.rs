//! Sources: they say what is, and have no opinion on it.
//!
//! To add a source: one file here with a type of facts, one field in [`Look`], and a check of the
//! same name in [`crate::judge`].

pub mod agents;
pub mod checkpoint;
mod command;
pub mod digest;
pub mod disk;
pub mod download;
pub mod environment;
pub mod gpu;
pub mod guard;
pub mod launched;
pub mod log;
pub mod memory;
pub mod metric_files;
pub mod past;
pub mod probe;
pub mod process;
pub mod quota;
pub mod schedule;

/// What a source answers. 'There is none', 'it could not be looked at' and a fact are three
/// different things, and the second is never the same as well.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Observation<T> {
    /// Looked, and this is it.
    Known(T),
    /// Nothing of the kind here (not configured, or none exists).
    Absent,
    /// Could not look.
    Failed {
        /// What was tried and what went wrong, for people.
        why: String,
    },
}

impl<T> Observation<T> {
    /// The fact, where there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(fact) => Some(fact),
            Self::Absent | Self::Failed { .. } => None,
        }
    }
}

/// All that one patrol observed of one run.
#[derive(Debug, Clone)]
pub struct Look {
    /// The run's log files.
    pub log: Observation<log::LogFacts>,
    /// The run's metric files.
    pub metric_files: Observation<log::LogFacts>,
    /// What the log's new bytes say: rows and syndromes.
    pub digest: digest::DigestFacts,
    /// The start of the run that trainguard made, where it did.
    pub launched: Option<launched::LaunchFacts>,
    /// The run's process.
    pub process: Observation<process::ProcessFacts>,
    /// The file systems that the run and the guard write to.
    pub disks: Vec<Observation<disk::DiskFacts>>,
    /// The memory that the run may use.
    pub memory: Observation<memory::MemoryFacts>,
    /// The run's checkpoints.
    pub checkpoints: Observation<checkpoint::CheckpointFacts>,
    /// The machine's GPUs.
    pub gpus: Observation<gpu::GpuFacts>,
    /// The guard itself.
    pub guard: guard::GuardFacts,
    /// Probes that did not answer in time.
    pub stuck: Vec<probe::Stuck>,
    /// Runs of the same command that ended, oldest first.
    pub past: Vec<past::Ended>,
}

impl Look {
    /// A look that saw nothing yet but what the log's digest is before anything was read.
    pub fn blind(digest: digest::DigestFacts) -> Self {
        Self {
            log: Observation::Absent,
            metric_files: Observation::Absent,
            digest,
            launched: None,
            process: Observation::Absent,
            disks: Vec::new(),
            memory: Observation::Absent,
            checkpoints: Observation::Absent,
            gpus: Observation::Absent,
            guard: guard::GuardFacts::default(),
            stuck: Vec::new(),
            past: Vec::new(),
        }
    }
}
