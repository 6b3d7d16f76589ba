//! Checks: pure functions from what was observed and what is remembered to opinions.
//! They touch no file, no clock and no network.
//!
//! To add a check: one file here, one entry in [`CHECKS`].

pub mod checkpoint;
pub mod disk;
pub mod guard;
pub mod log;
pub mod nan;
pub mod say;
pub mod words;

use crate::clock::Reading;
use crate::config::{Config, Run};
use crate::finding::{Opinion, Subject};
use crate::metrics::numbers::Numbers;
use crate::observe::Look;
use crate::observe::process::Identity;
use serde::{Deserialize, Serialize};

/// What a check may look at.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Thresholds.
    pub config: &'a Config,
    /// The run in question.
    pub run: &'a Run,
    /// What was observed.
    pub look: &'a Look,
    /// The clocks of this patrol.
    pub now: &'a Reading,
    /// The clocks of the previous patrol of this run.
    pub previous: Option<&'a Reading>,
    /// The log is complete: nothing will follow (`--final`, `--stateless`).
    pub last_look: bool,
    /// What is open from earlier patrols.
    pub open: &'a [Subject],
}

impl Context<'_> {
    pub fn process_started(&self) -> Option<chrono::DateTime<chrono::Utc>> {
        None
    }

    /// Whether a finding of this syndrome is open.
    pub fn is_open(&self, check: &str, syndrome: &str) -> bool {
        self.open.iter().any(|subject| subject.check == check && subject.syndrome == syndrome)
    }
}

/// A check: its name and its function. The function takes the old memory, leaves the new one, and
/// says what it thinks; it must give the same answer for the same arguments.
pub struct Check {
    /// The noun of its source.
    pub name: &'static str,
    /// The check itself.
    pub judge: fn(&Context<'_>, &mut Memory) -> Vec<Opinion>,
}

/// All checks, in the order in which people expect their findings: hard facts first.
pub const CHECKS: &[Check] = &[
    Check { name: guard::NAME, judge: guard::check },
    Check { name: log::NAME, judge: log::check },
    Check { name: words::NAME, judge: words::judge },
    Check { name: nan::NAME, judge: nan::check },
    Check { name: disk::NAME, judge: disk::check },
    Check { name: checkpoint::NAME, judge: checkpoint::check },
];

/// What the checks remember of a run between patrols. Bounded in size; part of the run's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Which start of the run this is, from 1.
    pub attempt: u32,
    /// The run's numbers so far.
    pub numbers: Numbers,
    /// Log syndromes.
    pub words: words::WordsMemory,
    /// Checkpoints.
    pub checkpoint: checkpoint::CheckpointMemory,
    /// Non-finite rows that were judged.
    pub nan_rows: u64,
}

impl Memory {
    pub fn process_identity(&self) -> Option<&Identity> {
        None
    }
    pub fn ended_by_operator(&self) -> bool {
        false
    }
    pub fn end_by_operator(&mut self, _at: chrono::DateTime<chrono::Utc>) {}
    pub fn progress(&self) -> bool {
        self.numbers.attempt_rows >= 3
    }
}

pub fn judge(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    memory.numbers = context.look.digest.numbers.clone();
    memory.attempt = memory.numbers.attempt.max(1);
    CHECKS.iter().flat_map(|check| (check.judge)(context, memory)).collect()
}

pub fn phase(_context: &Context<'_>, _memory: &Memory) -> Phase {
    Phase::Patrol
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing seen yet.
    #[default]
    Waiting,
    Patrol,
}
impl Phase {
    pub fn word(self) -> &'static str {
        "patrol"
    }
    pub fn is_over(self) -> bool {
        false
    }
}
