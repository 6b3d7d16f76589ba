//! What launch's own files tell of a run's process: who it is and how it ended.

use super::process::Identity;
use chrono::{DateTime, Utc};

/// The start that was recorded last.
#[derive(Debug, Clone, PartialEq)]
pub struct LaunchFacts {
    /// The process.
    pub process: Identity,
    /// Its command line.
    pub command: String,
    /// When it was started.
    pub started: DateTime<Utc>,
    /// How it ended; `None` while it lives, as far as is known.
    pub ended: Option<Ended>,
}

/// The end of a launched process.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// When, where that was noted.
    pub at: Option<DateTime<Utc>>,
    /// How.
    pub how: Ending,
}

/// How a process ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// By itself, with this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody noted it: why, for people.
    Unknown(String),
}
