//! Questions that may never be answered (a dead NFS server, a wedged driver), asked in a child
//! process with a deadline.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A probe that did not answer in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    /// What was asked: `disk /mnt/ckpt`, `log /mnt/run/train.log`.
    pub what: String,
    /// Since when a child hangs on it.
    pub since: DateTime<Utc>,
    /// The child.
    pub pid: u32,
    /// Its start time in ticks, so that a reused pid is not taken for it.
    pub start_ticks: u64,
}
