//! A run's numbers in bounded size: what the checks rest on, folded row by row.

use serde::{Deserialize, Serialize};

/// Numbers of a run, over all of its log so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Numbers {
    /// Rows with metrics so far.
    pub rows: u64,
    /// Which start of the run the last row belongs to, from 1; 0 before the first row.
    pub attempt: u32,
}

impl Numbers {
    /// Takes the next row.
    pub fn fold(&mut self, row: &super::Row) {
        self.rows += 1;
        self.attempt = row.attempt;
    }
}
