//! The run's process: who it is, whether it lives, and whether it does anything.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What makes a process the same process: a pid alone is reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot, `/proc/PID/stat` field 22.
    pub start_ticks: u64,
    /// The boot in which it started.
    pub boot_id: String,
}

/// What was found when the run's process was looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// How it was looked for: `pid 1234`, `pid file train.pid`, `match /train.py/`.
    pub how: String,
    /// What was found.
    pub found: Found,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// A process, in whatever state.
    Process(Life),
    /// None, with the reason: `no process 1234`, `pid 1234 of train.pid now is 'bash', which started later than the file was written`.
    Gone {
        /// The pid that was looked for, where one was named.
        pid: Option<i32>,
        /// For people.
        why: String,
    },
    /// Several unrelated ones.
    Ambiguous {
        /// Their pids and command lines, at most 10.
        matches: Vec<(i32, String)>,
    },
}

/// A process as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Who it is.
    pub identity: Identity,
    /// State letter of `/proc/PID/stat`: R S D Z T t X I.
    pub state: char,
    /// When it started.
    pub started: DateTime<Utc>,
    /// Its command line, at most 300 characters.
    pub command: String,
    /// User and system CPU seconds of the whole process tree so far (children that were waited for included).
    pub cpu_s: f64,
    /// Bytes read and written by the whole tree so far (`rchar` + `wchar`), where `/proc/PID/io` may be read.
    pub io_bytes: Option<u64>,
    /// Resident memory of the whole tree, bytes.
    pub resident_bytes: u64,
    /// How many processes the tree has.
    pub processes: usize,
}
