//! The run's checkpoints: which there are and how old.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// The checkpoints of a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointFacts {
    /// The directory.
    pub dir: PathBuf,
    /// Named in the config or by a flag, rather than found beside the log.
    pub configured: bool,
    /// The newest complete ones, newest first, at most 20; temporary files are not among them.
    pub newest: Vec<Checkpoint>,
    /// How many there are.
    pub count: usize,
}

/// One checkpoint: a file or a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its path.
    pub path: PathBuf,
    /// When it was last written (a directory: its newest member).
    pub modified: DateTime<Utc>,
    /// Its size, bytes (a directory: of its direct members).
    pub bytes: u64,
}
