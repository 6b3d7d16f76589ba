//! Checks: pure functions from what was observed and what is remembered to opinions.
//! They touch no file, no clock and no network.
//!
//! To add a check: one file here, one entry in [`CHECKS`].

use crate::clock::Reading;
use crate::config::{Config, Run};
use crate::finding::{Opinion, Subject};
use crate::observe::Look;
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
    /// Whether a finding of this syndrome is open.
    pub fn is_open(&self, check: &str, syndrome: &str) -> bool {
        self.open
            .iter()
            .any(|subject| subject.check == check && subject.syndrome == syndrome)
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
pub mod guard;

pub const CHECKS: &[Check] = &[];

/// What the checks remember of a run between patrols. Bounded in size; part of the run's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Which start of the run this is, from 1.
    pub attempt: u32,
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing seen yet.
    #[default]
    Waiting,
}
