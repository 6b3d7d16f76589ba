//! Not a check, but what orders rest on: what was read since the run's present process was first
//! seen. What the log held by then may be what an earlier one left behind.

use super::{Context, Memory};
use crate::metrics::numbers::Numbers;
use crate::metrics::numbers::nonfinite::{NonFinite, Streak};
use crate::observe::Observation;
use crate::observe::process::Identity;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known to be the present process's own.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct OwnMemory {
    /// The process.
    process: Option<Identity>,
    /// The look that first saw it.
    first_seen: Option<DateTime<Utc>>,
    /// Rows of the looks after that one.
    pub rows: u64,
    /// Bad rows of the streaks that were there at that look, by the place where they began. As many
    /// as files are kept apart.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    found: BTreeMap<String, u64>,
}

impl OwnMemory {
    /// Whether what was read at a look is a process's own: an earlier look had seen it.
    pub fn is_read_of(&self, process: &Identity, at: DateTime<Utc>) -> bool {
        self.process.as_ref() == Some(process) && self.first_seen.is_some_and(|first| first < at)
    }

    /// Bad rows that follow each other up to the last one and are its own.
    pub fn in_a_row(&self, streak: &Streak) -> u64 {
        let found = self.found.get(&place(streak)).copied().unwrap_or(0);
        streak.in_a_row.min(streak.rows.saturating_sub(found))
    }
}

/// Files with non-finite rows.
pub(super) fn nonfinite(numbers: &Numbers) -> impl Iterator<Item = &NonFinite> {
    std::iter::once(&numbers.nonfinite).chain(numbers.others.values())
}

/// Begins anew with another process.
pub(super) fn follow(context: &Context<'_>, memory: &mut Memory) {
    let look = context.look;
    let launched = look.launched.as_ref().filter(|start| start.ended.is_none()).map(|start| &start.process);
    let launched = launched.filter(|_| look.process == Observation::Absent);
    let Some(process) = context.living().map(|life| &life.identity).or(launched) else { return };
    if memory.own.process.as_ref() == Some(process) {
        memory.own.rows = memory.own.rows.saturating_add(look.digest.rows);
        return;
    }
    let streaks = nonfinite(&look.digest.numbers).filter_map(|facts| facts.streak.as_ref());
    memory.own = OwnMemory {
        process: Some(process.clone()),
        first_seen: Some(context.now.wall),
        rows: 0,
        found: streaks.map(|streak| (place(streak), streak.rows)).collect(),
    };
}

fn place(streak: &Streak) -> String {
    format!("{}:{}", streak.first.head, streak.first.offset)
}
