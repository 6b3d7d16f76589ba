//! The file systems that a run and its guard write to.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// What the file system is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The run's log.
    Log,
    /// The run's checkpoints.
    Checkpoints,
    /// The guard's own state.
    State,
}

/// One file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskFacts {
    /// The path that was asked about.
    pub path: PathBuf,
    /// What it is used for, all purposes that share the file system.
    pub purposes: Vec<Purpose>,
    /// Device number: two paths with the same one share a file system.
    pub device: u64,
    /// Size, bytes.
    pub total_bytes: u64,
    /// Free for an unprivileged user, bytes.
    pub free_bytes: u64,
    /// Inodes in all; 0 where the file system does not count them.
    pub inodes: u64,
    /// Free inodes.
    pub free_inodes: u64,
}
