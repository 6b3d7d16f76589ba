//! Check `checkpoint`: whether the run still saves, by its own habit before any fixed number.

use super::say::span;
use super::{Context, Memory};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::checkpoint::CheckpointFacts;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Its name.
pub const NAME: &str = "checkpoint";
/// A checkpoint is overdue after this many of the run's usual intervals: one may be late by an
/// evaluation.
const INTERVALS: f64 = 2.0;
/// Files written this close to each other, seconds, are one checkpoint.
const TOGETHER_S: f64 = 120.0;
/// Times that are remembered: enough for a median that one late checkpoint does not move.
const TIMES: usize = 20;

/// What is remembered of checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointMemory {
    /// The first look at this run.
    since: Option<DateTime<Utc>>,
    /// A directory that nobody configured received a checkpoint of this run: it is one of the run's.
    receives: bool,
    /// When checkpoints were written, oldest first.
    written: Vec<DateTime<Utc>>,
}

/// `checkpoint_overdue`, once it is known that the run saves at all.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let now = context.now.wall;
    let since = *memory.checkpoint.since.get_or_insert(now);
    let subject = Subject::new(NAME, "checkpoint_overdue");
    let unknown = Subject::new(NAME, "checkpoint_unknown");
    let facts = match &context.look.checkpoints {
        Observation::Known(facts) => facts,
        Observation::Absent => return Vec::new(),
        // Told as `probe_timeout`.
        Observation::Failed { why } if context.look.stuck.iter().any(|stuck| stuck.explains(why)) => {
            return Vec::new();
        }
        Observation::Failed { why } => {
            let message = format!("cannot look at the checkpoints: {why}");
            let advice = "Check the path and its rights";
            return vec![
                Claim::new(unknown, Scope::Surroundings, Severity::Unknown, message, advice).holds(),
            ];
        }
    };
    let newest = facts.newest.first();
    let under_guard = context.process_started().unwrap_or(since).min(since);
    memory.checkpoint.receives |= newest.is_some_and(|newest| newest.modified > under_guard);
    memory.checkpoint.note(facts, under_guard);
    let mut opinions = vec![Opinion::Well(unknown, "they can be looked at".to_owned())];
    if super::phase(context, memory).is_over() {
        opinions.push(Opinion::Well(subject, "the run has ended".to_owned()));
        return opinions;
    }
    if !facts.configured && !memory.checkpoint.receives {
        return opinions;
    }
    let began = context.process_started().unwrap_or(since);
    // A checkpoint from before this start of the run does not make the first one overdue.
    let last = newest.map_or(began, |newest| newest.modified.max(began));
    let age_s = (now - last).as_seconds_f64();
    let limit_s = usual_limit_s(context, &memory.checkpoint);
    if age_s <= limit_s {
        opinions.push(Opinion::Well(subject, format!("the newest is {} old", span(age_s))));
        return opinions;
    }
    let message = match newest.filter(|newest| newest.modified >= began) {
        Some(newest) => format!(
            "the newest checkpoint, {}, is {} old, at most {} was expected",
            newest.path.display(),
            span(age_s),
            span(limit_s)
        ),
        None => format!(
            "no checkpoint in {} since the run began {} ago, one was expected after {}",
            facts.dir.display(),
            span(age_s),
            span(limit_s)
        ),
    };
    let advice = "A crash now costs all of that time: look for errors of saving in the log, at the disk, and at the step at which the next one is due";
    let claim = Claim::new(subject, Scope::Surroundings, Severity::Warning, message, advice);
    opinions.push(claim.with("age_s", age_s.round()).with("limit_s", limit_s.round()).holds());
    opinions
}

/// At what age the newest is overdue, seconds; `None` where the run is not known to save.
pub fn limit_s(context: &Context<'_>, memory: &Memory) -> Option<f64> {
    let configured = context.look.checkpoints.known().is_some_and(|facts| facts.configured);
    let saves = configured || memory.checkpoint.receives;
    let over = super::phase(context, memory).is_over();
    (saves && !over).then(|| usual_limit_s(context, &memory.checkpoint))
}

/// The user's own limit as it is; else the default, stretched to the run's own habit.
fn usual_limit_s(context: &Context<'_>, memory: &CheckpointMemory) -> f64 {
    let setting = context.config.patrol.checkpoint_max;
    let limit = setting.value.as_secs_f64();
    if setting.by_user { limit } else { limit.max(INTERVALS * memory.usual_s()) }
}

impl CheckpointMemory {
    /// Notes when checkpoints were written. A run that overwrites its only one shows its habit from
    /// patrol to patrol. In a directory that nobody named, what is older than the run is not its own.
    fn note(&mut self, facts: &CheckpointFacts, began: DateTime<Utc>) {
        let times = facts.newest.iter().map(|newest| newest.modified);
        self.written.extend(times.filter(|time| facts.configured || *time >= began));
        self.written.sort_unstable();
        // Files of one checkpoint are written together: its time is the last of them.
        let mut one_each: Vec<DateTime<Utc>> = Vec::new();
        for time in self.written.drain(..) {
            match one_each.last_mut() {
                Some(last) if (time - *last).as_seconds_f64() <= TOGETHER_S => *last = time,
                _ => one_each.push(time),
            }
        }
        one_each.drain(..one_each.len().saturating_sub(TIMES));
        self.written = one_each;
    }

    /// The run's usual interval: the median of those between recent checkpoints, seconds.
    fn usual_s(&self) -> f64 {
        let pairs = self.written.windows(2);
        let mut gaps: Vec<f64> = pairs.map(|pair| (pair[1] - pair[0]).as_seconds_f64()).collect();
        gaps.sort_by(f64::total_cmp);
        gaps.get(gaps.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use crate::config::CheckpointSpec;
    use crate::finding::Severity::{Unknown, Warning};
    use crate::judge::scene::Scene;
    use crate::observe::Observation;

    const MINUTE: i64 = 60;
    const HOUR: i64 = 60 * MINUTE;

    /// A run with a configured directory whose checkpoints are so many seconds old.
    fn run(ages: &[i64]) -> Scene {
        let mut scene = Scene::new();
        scene.run.checkpoints = Some(CheckpointSpec { dir: "/ckpt".into(), pattern: None });
        scene.process_since(10, 12 * HOUR).rows(1..50).checkpoints(true, ages);
        scene
    }

    #[test]
    fn the_newest_is_overdue_after_the_limit_or_twice_the_runs_own_interval() {
        let hours = |ages: &[i64]| ages.iter().map(|age| age * HOUR).collect::<Vec<i64>>();
        let table: &[(Vec<i64>, bool)] = &[
            (vec![119 * MINUTE], false),
            (vec![121 * MINUTE], true),
            (hours(&[5, 8, 11]), false), // every 3 h: 6 h
            (hours(&[7, 10]), true),
            (vec![5 * HOUR, 5 * HOUR + 20, 5 * HOUR + 40, 8 * HOUR, 8 * HOUR + 20], false), // shards
        ];
        for (ages, overdue) in table {
            let mut scene = run(ages);
            scene.patrol();
            assert_eq!(scene.severity("checkpoint_overdue") == Some(Warning), *overdue, "{ages:?}");
        }
    }

    #[test]
    fn the_users_own_limit_is_not_stretched() {
        let mut scene = run(&[5 * HOUR, 8 * HOUR, 11 * HOUR]);
        scene.config.patrol.checkpoint_max.by_user = true;
        scene.patrol();
        assert_eq!(scene.severity("checkpoint_overdue"), Some(Warning));
    }

    #[test]
    fn without_a_checkpoint_the_runs_start_counts_and_one_of_an_earlier_start_does_not() {
        for (age_of_process, ages, overdue) in [
            (3 * HOUR, &[][..], true),
            (HOUR, &[], false),
            (HOUR, &[9 * HOUR], false),
            (3 * HOUR, &[9 * HOUR, 10 * HOUR], true),
        ] {
            let mut scene = run(ages);
            scene.process_since(10, age_of_process).patrol();
            assert_eq!(scene.severity("checkpoint_overdue").is_some(), overdue, "{age_of_process} {ages:?}");
        }
    }

    #[test]
    fn a_directory_that_nobody_named_counts_once_it_received_one() {
        let mut scene = Scene::new();
        scene.rows(1..50).checkpoints(false, &[9 * HOUR]).patrol();
        assert_eq!(scene.severity("checkpoint_overdue"), None, "weights that were there before");
        scene.later(600).rows(50..60).checkpoints(false, &[60]).patrol();
        scene.later(3 * HOUR).rows(60..70).checkpoints(false, &[3 * HOUR + 60]).patrol();
        assert_eq!(scene.severity("checkpoint_overdue"), Some(Warning));
        scene.later(60).rows(70..80).checkpoints(false, &[5]).patrol();
        assert!(scene.is_well("checkpoint_overdue"));
    }

    #[test]
    fn nothing_is_overdue_once_the_run_has_ended() {
        let mut scene = run(&[9 * HOUR]);
        scene.completed().patrol();
        assert!(scene.is_well("checkpoint_overdue"));
        let mut scene = run(&[60]);
        scene.patrol();
        scene.gone(10).later(9 * HOUR).checkpoints(true, &[9 * HOUR]).patrol();
        assert!(scene.is_well("checkpoint_overdue"), "process_dead says it");
    }

    #[test]
    fn a_directory_that_cannot_be_looked_at_is_unknown() {
        let mut scene = run(&[]);
        scene.look.checkpoints = Observation::Failed { why: "/ckpt: permission denied".to_owned() };
        scene.patrol();
        assert_eq!(scene.severity("checkpoint_unknown"), Some(Unknown));
    }
}
