//! Not a check, but what they rest on: whether the run was stopped or is held on somebody's word, so
//! that its being gone or silent is no news.

use super::{Context, Memory, Phase};
use crate::finding::Opinion;
use crate::observe::Observation;
use crate::observe::process::{Identity, Life};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Rows by which a run that was asked to pause shows that it goes on: fewer were under way.
const ROWS_OF_PROGRESS: u64 = 3;

/// What a run that does nothing on somebody's word is not told of.
const QUIET: &[&str] = &[
    "process_dead",
    "process_zombie",
    "process_stuck",
    "process_unknown",
    "log_silent",
    "hang_suspected",
    "checkpoint_overdue",
    "gpu_idle",
    "throughput_regression",
];

/// How [`Held::by`] begins where a finding led to it.
pub const OF_A_FINDING: &str = "because of";

/// How a run is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// It was ended.
    Stopped,
    /// SIGSTOP.
    Frozen,
    /// It was asked to pause, by a signal or a program of the user's.
    Asked,
}

/// On whose word a run does nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// How.
    pub how: How,
    /// When.
    pub at: DateTime<Utc>,
    /// On whose word: `trainguard stop`, or a syndrome.
    pub by: String,
    /// The process that was meant.
    pub process: Identity,
    /// Rows since then.
    #[serde(default)]
    pub rows: u64,
}

impl Held {
    /// Whether this process was ended.
    pub fn has_stopped(&self, process: &Identity) -> bool {
        self.how == How::Stopped && self.process == *process
    }

    /// Whether a finding of this syndrome led to it.
    pub fn is_because_of(&self, syndrome: &str) -> bool {
        self.by.strip_prefix(OF_A_FINDING).is_some_and(|cause| cause.trim_start() == syndrome)
    }

    /// Whether a finding led to it, and not a person's command.
    pub fn is_of_a_finding(&self) -> bool {
        self.by.starts_with(OF_A_FINDING)
    }
}

/// Lets go of a run that goes on: by another process, because somebody continued it, or because it
/// did not heed what it was asked.
pub(super) fn follow(context: &Context<'_>, memory: &mut Memory) {
    let Some(mut held) = memory.held.take() else { return };
    held.rows += context.look.digest.rows;
    let living = context.living();
    let other = living.is_some_and(|life| life.identity != held.process);
    let goes_on = match how_it_is(context) {
        Being::Lives(life) => match held.how {
            How::Stopped => false,
            // D: it waits for a child that is held between fork and exec, or it runs and waits for a disk.
            How::Frozen if life.state == 'D' => context.look.digest.rows > 0,
            How::Frozen => !matches!(life.state, 'T' | 't'),
            How::Asked => held.rows > ROWS_OF_PROGRESS,
        },
        // Whoever is held by a signal does not end by itself: that is told.
        Being::Gone => held.how == How::Frozen,
        Being::Unknown => false,
    };
    if other || goes_on {
        memory.silence.begin_anew(context.now);
    } else {
        memory.held = Some(held);
    }
}

enum Being<'a> {
    Lives(&'a Life),
    Gone,
    Unknown,
}

fn how_it_is<'a>(context: &Context<'a>) -> Being<'a> {
    match &context.look.process {
        Observation::Known(facts) if facts.has_ended() => Being::Gone,
        _ => context.look.process.known().map_or(Being::Unknown, |facts| match &facts.found {
            crate::observe::process::Found::Process(life) => Being::Lives(life),
            _ => Being::Unknown,
        }),
    }
}

/// Takes back what is no news of a run that is held, and ends what is open of it.
pub(super) fn quiet(context: &Context<'_>, memory: &Memory, opinions: &mut Vec<Opinion>) {
    let Some(held) = &memory.held else { return };
    let is_quiet = |syndrome: &str| QUIET.contains(&syndrome);
    opinions.retain(|opinion| {
        !matches!(opinion, Opinion::Holds(claim) if !claim.over && is_quiet(&claim.subject.syndrome))
    });
    let open = context.open.iter().filter(|open| is_quiet(&open.syndrome));
    let word = match held.how {
        How::Stopped => "stopped",
        How::Frozen | How::Asked => "paused",
    };
    opinions
        .extend(open.map(|open| Opinion::Well(open.clone(), format!("the run was {word} ({})", held.by))));
}

/// Where a run stands that is held; none while it still runs to its end, and none of one that was
/// complete before. One that heeds SIGTERM and exits with 0 is stopped and not complete.
pub(super) fn phase(context: &Context<'_>, memory: &Memory) -> Option<Phase> {
    let held = memory.held.as_ref()?;
    if memory.end.as_ref().is_some_and(|end| end.by_operator || end.at < held.at) {
        return None;
    }
    match held.how {
        How::Stopped => context.living().is_none().then_some(Phase::Stopped),
        How::Frozen | How::Asked => Some(Phase::Paused),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::Scene;

    fn hold(scene: &mut Scene, how: How) {
        let process = scene.life().identity.clone();
        let at = scene.now();
        scene.memory.held = Some(Held { how, at, by: "trainguard".to_owned(), process, rows: 0 });
    }

    #[test]
    fn a_stopped_run_is_not_dead_and_its_next_process_is_another_story() {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        hold(&mut scene, How::Stopped);
        scene.patrol();
        assert_eq!(scene.phase(), "patrol", "it is still on its way to its end");
        scene.gone(10).patrol();
        assert!(scene.claims().is_empty(), "{:?}", scene.claims());
        assert_eq!(scene.phase(), "stopped");
        scene.process(20).patrol();
        scene.gone(20).patrol();
        assert!(scene.claim("process_dead").is_some());
    }

    #[test]
    fn what_was_open_of_a_run_that_is_then_stopped_is_over() {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        scene.gone(10).patrol();
        assert!(scene.claim("process_dead").is_some());
        scene.process(10);
        hold(&mut scene, How::Stopped);
        scene.gone(10).patrol();
        assert!(scene.is_well("process_dead"));
    }

    #[test]
    fn a_frozen_run_is_neither_silent_nor_hung_until_somebody_lets_it_go() {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        scene.life().state = 'T';
        hold(&mut scene, How::Frozen);
        scene.later(7200).patrol();
        assert!(scene.claims().is_empty(), "{:?}", scene.claims());
        assert_eq!(scene.phase(), "paused");
        scene.life().state = 'S';
        scene.patrol();
        assert!(scene.memory.held.is_none());
        assert_eq!(scene.phase(), "patrol");
    }

    #[test]
    fn a_frozen_run_that_is_killed_is_told() {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        scene.life().state = 'T';
        hold(&mut scene, How::Frozen);
        scene.gone(10).patrol();
        assert!(scene.claim("process_dead").is_some());
    }

    #[test]
    fn a_run_that_was_asked_may_end_and_one_that_does_not_heed_it_goes_on() {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        hold(&mut scene, How::Asked);
        scene.rows(100..102).patrol();
        assert_eq!(scene.phase(), "paused");
        scene.gone(10).patrol();
        assert!(scene.claims().is_empty() && scene.phase() == "paused");
        scene.process(10);
        hold(&mut scene, How::Asked);
        scene.rows(102..110).patrol();
        assert!(scene.memory.held.is_none());
    }
}
