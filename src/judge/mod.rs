//! Checks: pure functions from what was observed and what is remembered to opinions.
//! They touch no file, no clock and no network.
//!
//! To add a check: one file here, one entry in [`CHECKS`].

pub mod agents;
pub mod attempt;
pub mod attendance;
pub mod checkpoint;
pub mod disk;
pub mod download;
pub mod ending;
pub mod environment;
pub mod eta;
pub mod gpu;
pub mod gradient;
pub mod guard;
pub mod held;
pub mod history;
pub mod learning;
pub mod log;
pub mod loss;
pub mod memory;
pub mod nan;
mod number;
pub mod own;
mod phase;
pub mod plateau;
pub mod policy;
pub mod process;
pub mod profile;
pub mod quality;
pub mod say;
pub mod silence;
pub mod speed;
pub mod standstill;
pub mod trend;
pub mod validation;
pub mod wards;
pub mod words;

pub use phase::{Phase, phase};

use self::attendance::Attendance;
use crate::clock::Reading;
use crate::config::{Config, Run};
use crate::finding::{Opinion, Scope, Subject};
use crate::metrics::numbers::Numbers;
use crate::observe::process::{Found, Life};
use crate::observe::{Look, Observation};
use chrono::{DateTime, Utc};
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
    /// Somebody stays with the run for its first steps and looks every few seconds.
    pub attended: Option<&'a Attendance>,
}

impl Context<'_> {
    /// Whether a finding of this syndrome is open.
    pub fn is_open(&self, check: &str, syndrome: &str) -> bool {
        self.open.iter().any(|subject| subject.check == check && subject.syndrome == syndrome)
    }

    /// The run's process, where one was found, in whatever state.
    pub fn process(&self) -> Option<&Life> {
        match &self.look.process.known()?.found {
            Found::Process(life) => Some(life),
            Found::Gone { .. } | Found::Ambiguous { .. } => None,
        }
    }

    /// The run's process, where it lives.
    pub fn living(&self) -> Option<&Life> {
        self.process().filter(|life| !life.has_ended())
    }

    /// When the run's process started.
    pub fn process_started(&self) -> Option<DateTime<Utc>> {
        self.living().map(|life| life.started)
    }

    /// What to type when the run has finished, from any directory.
    fn done_command(&self) -> String {
        format!("`trainguard done {}{}`", self.run.name, self.config.flags)
    }

    /// ` at step 1200`, as the log printed it; empty where it prints none.
    fn at_step(&self) -> String {
        let step = self.look.digest.numbers.printed_step();
        step.map_or_else(String::new, |step| format!(" at step {}", say::plain(step)))
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

/// All checks, in the order in which people expect their findings: hard facts, the log's own words, the
/// rules of the run's profile, what drifts from a baseline. Among findings of one severity and rank the
/// first is the headline.
pub const CHECKS: &[Check] = &[
    Check { name: process::NAME, judge: process::check },
    Check { name: nan::NAME, judge: nan::check },
    Check { name: words::NAME, judge: words::check },
    Check { name: loss::NAME, judge: loss::check },
    Check { name: learning::NAME, judge: learning::check },
    Check { name: gradient::NAME, judge: gradient::check },
    Check { name: policy::NAME, judge: policy::check },
    Check { name: validation::NAME, judge: validation::check },
    Check { name: silence::NAME, judge: silence::check },
    Check { name: log::NAME, judge: log::check },
    Check { name: gpu::NAME, judge: gpu::check },
    Check { name: memory::NAME, judge: memory::check },
    // The disk check asks what the next checkpoint needs.
    Check { name: checkpoint::NAME, judge: checkpoint::check },
    Check { name: disk::NAME, judge: disk::check },
    Check { name: standstill::NAME, judge: standstill::check },
    Check { name: plateau::NAME, judge: plateau::check },
    Check { name: speed::NAME, judge: speed::check },
    Check { name: quality::NAME, judge: quality::check },
    Check { name: guard::NAME, judge: guard::check },
];

/// Those whose findings belong to an attempt and end with an operator's word.
const OF_THE_ATTEMPT: &[&str] = &[
    process::NAME,
    words::NAME,
    nan::NAME,
    loss::NAME,
    learning::NAME,
    gradient::NAME,
    policy::NAME,
    validation::NAME,
    silence::NAME,
    standstill::NAME,
    plateau::NAME,
    speed::NAME,
    quality::NAME,
];

/// What the checks remember of a run between patrols. Bounded in size; part of the run's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Which start of the run this is, from 1.
    pub attempt: u32,
    /// The run's numbers at the end of the last patrol: the next one reads on from here.
    pub numbers: Numbers,
    /// How attempts are told apart.
    pub start: attempt::StartMemory,
    /// The sign of completion, where there was one.
    pub end: Option<attempt::End>,
    /// On whose word it was stopped or is held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<held::Held>,
    /// What of the log was understood.
    #[serde(skip_serializing_if = "log::LogMemory::is_idle")]
    pub log: log::LogMemory,
    /// Log syndromes.
    pub words: words::WordsMemory,
    /// The run's process.
    pub process: process::ProcessMemory,
    /// What is its own.
    pub own: own::OwnMemory,
    /// When the log last brought something.
    pub silence: silence::SilenceMemory,
    /// Flat patrols.
    pub plateau: plateau::PlateauMemory,
    /// Checkpoints.
    pub checkpoint: checkpoint::CheckpointMemory,
    /// Steps between patrols.
    pub eta: eta::EtaMemory,
    /// Free space between patrols.
    pub disk: disk::DiskMemory,
    /// The run's GPUs.
    pub gpu: gpu::GpuMemory,
    /// Memory of the machine, the control group and the run.
    pub memory: memory::MemoryMemory,
    /// What earlier runs of the same command are known by.
    pub history: history::HistoryMemory,
}

impl Memory {
    /// Whether the current attempt has made progress, or the run is complete, so that earlier
    /// attempts' troubles are over.
    pub fn progress(&self) -> bool {
        self.end.is_some() || self.start.has_progress()
    }

    /// An operator says that the run has finished and is well.
    pub fn end_by_operator(&mut self, now: DateTime<Utc>) {
        let how = "`trainguard done`".to_owned();
        self.end = Some(attempt::End { at: now, how, step: self.numbers.max_step, by_operator: true });
    }

    /// Whether an operator said that the run has finished and is well.
    pub fn ended_by_operator(&self) -> bool {
        self.end.as_ref().is_some_and(|end| end.by_operator)
    }
}

/// Judges one look: attempts and completion first, then every check.
pub fn judge(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    attempt::follow(context, memory);
    held::follow(context, memory);
    silence::follow(context, memory);
    eta::follow(context, memory);
    history::follow(context, memory);
    let mut opinions: Vec<Opinion> = CHECKS.iter().flat_map(|check| (check.judge)(context, memory)).collect();
    if memory.ended_by_operator() {
        // What the log still says as it is torn down is no news, and what is open of it is over.
        let stands = |opinion: &Opinion| !matches!(opinion, Opinion::Holds(claim) if claim.scope == Scope::Attempt && !claim.over);
        opinions.retain(stands);
        let over = context.open.iter().filter(|open| is_of_the_attempt(&open.check));
        opinions
            .extend(over.map(|open| Opinion::Well(open.clone(), "the run was declared finished".to_owned())));
    }
    held::quiet(context, memory, &mut opinions);
    opinions.extend(no_longer_asked(context));
    process::remember(context, memory);
    own::follow(context, memory);
    memory.numbers = context.look.digest.numbers.clone();
    opinions
}

/// Whether a check rests on what was read: what its findings say may be of an earlier process.
pub fn is_of_what_was_read(check: &str) -> bool {
    is_of_the_attempt(check) && ![process::NAME, silence::NAME].contains(&check)
}

/// Whether a check's findings belong to an attempt of the run.
pub fn is_of_the_attempt(check: &str) -> bool {
    OF_THE_ATTEMPT.contains(&check)
}

/// What is open of a check that has nothing to say once the run is over.
fn over(context: &Context<'_>, check: &str) -> Vec<Opinion> {
    let open = context.open.iter().filter(|open| open.check == check);
    open.map(|open| Opinion::Well(open.clone(), "the run has ended".to_owned())).collect()
}

/// What nobody looks at any more, because the config no longer names it, stays open for no one.
fn no_longer_asked(context: &Context<'_>) -> Vec<Opinion> {
    let look = context.look;
    let asked = |check: &str| match check {
        process::NAME => look.process != Observation::Absent,
        checkpoint::NAME => look.checkpoints != Observation::Absent,
        log::NAME => context.run.log.is_some(),
        _ => true,
    };
    let over = context.open.iter().filter(|open| !asked(&open.check));
    over.map(|open| Opinion::Well(open.clone(), "it is no longer looked at".to_owned())).collect()
}

#[cfg(test)]
pub(crate) mod scene;
#[cfg(test)]
mod tests;
