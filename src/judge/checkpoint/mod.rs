//! Check `checkpoint`: whether the run still saves, by its own habit before any fixed number, and
//! whether the newest is whole.

mod habit;

pub use habit::CheckpointMemory;

use super::say::{size, span};
use super::{Context, Memory, eta};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::checkpoint::{Checkpoint, CheckpointFacts, ENTRIES, LOOKED_INTO};
use crate::observe::process::Found;
use chrono::{DateTime, Utc};

/// Its name.
pub const NAME: &str = "checkpoint";

const OVERDUE: &str = "checkpoint_overdue";
const INCOMPLETE: &str = "checkpoint_incomplete";
const UNKNOWN: &str = "checkpoint_unknown";

/// A checkpoint is overdue after this many of the run's usual intervals: one may be late by an
/// evaluation.
const INTERVALS: f64 = 2.0;
/// Files written within this many seconds of each other belong to one checkpoint.
const MOMENT_S: f64 = 10.0;
/// What was written this lately, seconds, is still being written: writers flush in bursts.
const WRITING_S: f64 = 60.0;
/// What also grew since the previous look is for this long: network file systems tell
/// times late, and a writer that gathers shards pauses.
const GROWING_S: f64 = 600.0;
/// A checkpoint has less than this share of the one before it: a part of it is missing. Optimizers
/// and averages that come and go change it by less, or change the name.
const SMALLER: f64 = 0.5;

/// What a look found, for reports and for the disk check.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    /// The newest that is whole.
    pub whole: Option<Checkpoint>,
    /// A newer one is being written, under its own name or a temporary one.
    pub writing: bool,
    /// Bytes that the next one takes from the free space; `None` where no habit is known.
    pub next_bytes: Option<u64>,
    /// What a crash now costs; `None` for a run that is over.
    pub cost: Option<Cost>,
}

/// Work since the last whole checkpoint.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cost {
    /// Seconds.
    pub seconds: f64,
    /// Steps by the run's own pace, where that is known.
    pub steps: Option<f64>,
}

impl Cost {
    /// `a crash now costs 1 h 50 min (about 6600 steps)`.
    pub fn sentence(&self) -> String {
        let steps = self.steps.map_or_else(String::new, |steps| format!(" (about {steps:.0} steps)"));
        format!("a crash now costs {}{steps}", span(self.seconds))
    }
}

/// `checkpoint_overdue` and `checkpoint_incomplete`, once it is known that the run saves at all.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let now = context.now.wall;
    let since = *memory.checkpoint.since.get_or_insert(now);
    memory.checkpoint.standing = None;
    let unknown = Subject::new(NAME, UNKNOWN);
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
    let under_guard = context.process_started().unwrap_or(since).min(since);
    memory.checkpoint.receives |= facts.newest.first().is_some_and(|newest| newest.modified > under_guard);
    memory.checkpoint.note(facts, under_guard);
    let mut opinions = vec![Opinion::Well(unknown, "they can be looked at".to_owned())];
    let over = super::phase(context, memory).is_over();
    if facts.configured || memory.checkpoint.receives {
        let began = context.process_started().unwrap_or(since);
        let sorted = Sorted::of(context, &memory.checkpoint, facts);
        opinions.extend(incomplete(&sorted, now));
        let cost = (!over).then(|| cost(context, memory, sorted.whole, began));
        if let Some(cost) = cost {
            opinions.extend(overdue(context, &memory.checkpoint, facts, &sorted, cost, began));
        }
        // What was saved before anybody looked may be an earlier run's, unless the process is known:
        // then nobody can say what a crash costs.
        let known =
            context.process_started().is_some() || sorted.whole.is_some_and(|whole| whole.modified > since);
        let standing = Standing {
            whole: sorted.whole.cloned(),
            writing: sorted.writing,
            next_bytes: memory.checkpoint.next_bytes(&sorted.settled),
            cost: cost.filter(|_| known),
        };
        memory.checkpoint.remember(facts, context.look.digest.numbers.attempt, standing);
    }
    if over {
        opinions.push(Opinion::Well(Subject::new(NAME, OVERDUE), "the run has ended".to_owned()));
    }
    opinions
}

/// The checkpoints of one look, told apart.
struct Sorted<'a> {
    /// One is being written.
    writing: bool,
    /// Those that are not, and in which nothing wrong was found, newest first.
    settled: Vec<&'a Checkpoint>,
    /// The first of them.
    whole: Option<&'a Checkpoint>,
    /// The newest that is broken and that no newer one of its kind makes up for, and why it is.
    broken: Option<(&'a Checkpoint, String)>,
}

impl<'a> Sorted<'a> {
    fn of(context: &Context<'_>, memory: &CheckpointMemory, facts: &'a CheckpointFacts) -> Self {
        let is_writing = |checkpoint: &Checkpoint| is_writing(context, memory, checkpoint);
        let unfinished = facts.unfinished.is_some_and(|time| is_fresh(context, time, WRITING_S));
        let writing = unfinished || facts.newest.first().is_some_and(&is_writing);
        let all: Vec<&Checkpoint> = facts.newest.iter().filter(|one| !is_writing(one)).collect();
        let (mut settled, mut broken): (Vec<&Checkpoint>, _) = (Vec::new(), None);
        for (index, checkpoint) in all.iter().enumerate() {
            // Of those that were not looked into nothing is known, and nothing is said.
            let looked = facts.newest.iter().take(LOOKED_INTO).any(|one| one.path == checkpoint.path);
            let comparable = !facts.cut && !is_part(checkpoint);
            let before = all[index + 1..].iter().copied();
            let small = || {
                // Files of one moment are parts of one checkpoint, and parts differ in size.
                let apart =
                    |one: &Checkpoint| (checkpoint.modified - one.modified).as_seconds_f64() > MOMENT_S;
                let before = before.clone().find(|one| habit::same_kind(one, checkpoint) && apart(one));
                small(context, memory, checkpoint, before)
            };
            let fault = || checkpoint.fault.clone().or_else(|| comparable.then(small).flatten());
            match looked.then(fault).flatten() {
                None => settled.push(checkpoint),
                Some(_) if settled.iter().any(|newer| habit::same_kind(newer, checkpoint)) => {}
                Some(why) => broken = broken.or(Some((*checkpoint, why))),
            }
        }
        Self { writing, whole: settled.first().copied(), settled, broken }
    }
}

/// Whether a name says that it is one part of several: the parts of one checkpoint differ in size.
fn is_part(checkpoint: &Checkpoint) -> bool {
    let name = checkpoint.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    ["-of-", "rank", "shard"].iter().any(|word| name.contains(word))
}

/// Whether a checkpoint is still being written; one whose writer is gone is not.
fn is_writing(context: &Context<'_>, memory: &CheckpointMemory, checkpoint: &Checkpoint) -> bool {
    is_fresh(context, checkpoint.modified, WRITING_S)
        || (memory.grew(checkpoint) && is_fresh(context, checkpoint.modified, GROWING_S))
}

/// Whether something was written so lately, seconds, by a run whose process may live. A file server's
/// clock may be ahead.
fn is_fresh(context: &Context<'_>, modified: DateTime<Utc>, within_s: f64) -> bool {
    let gone = context.look.process.known().is_some_and(|facts| matches!(facts.found, Found::Gone { .. }));
    !gone && (-GROWING_S..within_s).contains(&(context.now.wall - modified).as_seconds_f64())
}

/// Why a checkpoint is too small, compared with the one before it of its kind in this start of the
/// run, or with what its own file held.
fn small(
    context: &Context<'_>,
    memory: &CheckpointMemory,
    checkpoint: &Checkpoint,
    before: Option<&Checkpoint>,
) -> Option<String> {
    let is_small = |bytes: u64| (checkpoint.bytes as f64) < SMALLER * bytes as f64;
    let ours = |before: &&Checkpoint| context.process_started().is_none_or(|began| before.modified >= began);
    if let Some(before) = before {
        let before = Some(before).filter(ours).filter(|before| is_small(before.bytes))?;
        return Some(format!(
            "it has {}, the one before it, {}, {}",
            size(checkpoint.bytes),
            before.path.display(),
            size(before.bytes)
        ));
    }
    let held =
        memory.held(checkpoint, context.look.digest.numbers.attempt).filter(|bytes| is_small(*bytes))?;
    Some(format!("it has {}, and had {} before it was written anew", size(checkpoint.bytes), size(held)))
}

fn incomplete(sorted: &Sorted<'_>, now: DateTime<Utc>) -> Option<Opinion> {
    let subject = Subject::new(NAME, INCOMPLETE);
    let Some((broken, why)) = &sorted.broken else {
        // While the only one is being written, nothing is known.
        return sorted.whole.map(|whole| {
            Opinion::Well(subject, format!("nothing wrong is seen in {}", whole.path.display()))
        });
    };
    let instead = sorted.whole.map_or("there is no other".to_owned(), |whole| {
        let age = span((now - whole.modified).as_seconds_f64());
        format!("the newest whole one is {}, {age} old", whole.path.display())
    });
    let message = format!("the checkpoint {} is incomplete: {why}; {instead}", broken.path.display());
    let advice = "Do not resume from it, and keep the one before from being rotated away; look in the log for a kill or an error while it was saved, and at the free space";
    let mut claim = Claim::new(subject, Scope::Surroundings, Severity::Warning, message, advice)
        .with("path", broken.path.to_string_lossy())
        .with("bytes", broken.bytes)
        .with("why", why.as_str());
    if let Some(whole) = sorted.whole {
        claim = claim.with("whole", whole.path.to_string_lossy());
    }
    Some(claim.holds())
}

fn overdue(
    context: &Context<'_>,
    memory: &CheckpointMemory,
    facts: &CheckpointFacts,
    sorted: &Sorted<'_>,
    cost: Cost,
    began: DateTime<Utc>,
) -> Option<Opinion> {
    let subject = Subject::new(NAME, OVERDUE);
    let (age_s, limit_s) = (cost.seconds, usual_limit_s(context, memory));
    if age_s <= limit_s {
        return Some(Opinion::Well(subject, format!("the newest is {} old", span(age_s))));
    }
    if sorted.writing {
        // It may be over in a minute.
        return None;
    }
    if facts.cut {
        let message = format!(
            "cannot look at all of {}: it has more than {ENTRIES} entries, and the newest seen is {} old",
            facts.dir.display(),
            span(age_s)
        );
        let advice = "Name the directory that receives the checkpoints, with fewer entries, or a pattern (checkpoints: {dir, pattern})";
        let unknown = Subject::new(NAME, "checkpoint_unknown");
        return Some(Claim::new(unknown, Scope::Surroundings, Severity::Unknown, message, advice).holds());
    }
    // A checkpoint from before this start of the run does not make the first one overdue.
    let costs = cost.sentence();
    let message = match sorted.whole.filter(|newest| newest.modified >= began) {
        Some(newest) => format!(
            "the newest checkpoint, {}, is {} old, at most {} was expected: {costs}",
            newest.path.display(),
            span(age_s),
            span(limit_s)
        ),
        None => format!(
            "no checkpoint in {} since the run began {} ago, one was expected after {}: {costs}",
            facts.dir.display(),
            span(age_s),
            span(limit_s)
        ),
    };
    let advice = "A crash now costs all of that time: look for errors of saving in the log, at the disk, and at the step at which the next one is due";
    let mut claim = Claim::new(subject, Scope::Surroundings, Severity::Warning, message, advice)
        .with("age_s", age_s.round())
        .with("limit_s", limit_s.round());
    if let Some(steps) = cost.steps {
        claim = claim.with("crash_costs_steps", steps);
    }
    Some(claim.holds())
}

/// What a crash now costs: since the newest whole checkpoint, or since the run began.
fn cost(context: &Context<'_>, memory: &Memory, whole: Option<&Checkpoint>, began: DateTime<Utc>) -> Cost {
    let last = whole.map_or(began, |whole| whole.modified.max(began));
    let seconds = (context.now.wall - last).as_seconds_f64().max(0.0);
    let numbers = &context.look.digest.numbers;
    // No more than this attempt made.
    let made = numbers.max_step.zip(numbers.first_step).map(|(last, first)| last - first);
    let steps = eta::step_time(context, memory)
        .zip(made)
        .map(|(time, made)| (seconds / time.usual_s).min(made).round())
        .filter(|steps| *steps > 0.0);
    Cost { seconds, steps }
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

#[cfg(test)]
mod tests;
