//! Not a check, but what they rest on: which start of the run this is, and whether it is complete.

use super::{Context, Memory, ending};
use crate::observe::launched::Ending;
use crate::observe::process::Identity;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Rows that show that the run goes on (the contract's number). Fewer may have been buffered before
/// a crash and written after its message.
pub(super) const ROWS_OF_PROGRESS: u64 = 3;

/// How one start of the run is told from the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartMemory {
    /// The log's own count of attempts that is accounted for.
    log_attempt: u32,
    /// Rows of the current attempt.
    rows: u64,
    /// The process of the current attempt, where it was seen.
    identity: Option<Identity>,
    /// Rows that come now are not by that process: the previous look found it gone, or another one.
    is_past: bool,
}

impl StartMemory {
    /// Whether rows that come now are by another process than the attempt's: it begins the next one.
    pub fn begins(&self, identity: &Identity) -> bool {
        self.is_past && !self.is_current(identity)
    }

    /// Whether the current attempt goes on: a row alone may be its last.
    pub(super) fn has_progress(&self) -> bool {
        self.rows >= ROWS_OF_PROGRESS
    }

    /// Whether a process is the current attempt's, as far as is known.
    pub(super) fn is_current(&self, identity: &Identity) -> bool {
        self.identity.as_ref().is_none_or(|known| known == identity)
    }
}

/// A sign that the run is complete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// When it was seen.
    pub at: DateTime<Utc>,
    /// What it was, for people.
    pub how: String,
    /// The greatest step then: progress beyond it takes the sign back.
    pub step: Option<f64>,
    /// An operator's word: only a new attempt takes it back.
    pub by_operator: bool,
}

/// Counts attempts and notes completion.
pub(super) fn follow(context: &Context<'_>, memory: &mut Memory) {
    let restarts = restarts(context, memory);
    if restarts > 0 {
        memory.attempt = memory.attempt.saturating_add(restarts);
        memory.end = None;
        memory.process.dead_since = None;
    } else if context.look.digest.begun {
        // It is counted with its first row; what it says before is no longer the finished run's.
        memory.end = None;
    }
    if let Some(launched) = &context.look.launched
        && memory.end.as_ref().is_some_and(|end| end.at < launched.started)
    {
        // An earlier start's end is not this one's, whatever the log says of it yet.
        memory.end = None;
    }
    complete(context, memory);
}

/// A new attempt is a step that fell back, or another process that made progress; where both show
/// the same restart it counts once.
fn restarts(context: &Context<'_>, memory: &mut Memory) -> u32 {
    let digest = &context.look.digest;
    let start = &mut memory.start;
    let living = context.living().map(|life| &life.identity);
    if memory.attempt == 0 {
        // What the log holds of earlier attempts was over before anybody looked.
        memory.attempt = digest.numbers.attempt.max(1);
        start.log_attempt = digest.numbers.attempt;
        start.rows = digest.numbers.attempt_rows;
        start.identity = living.cloned();
        return 0;
    }
    let falls = digest.numbers.attempt.saturating_sub(start.log_attempt.max(1));
    start.log_attempt = digest.numbers.attempt;
    let other = living.is_some() && start.identity.is_some() && living != start.identity.as_ref();
    // The rows of the look that first shows another process may be the old one's last.
    let progress = other && digest.rows > 0 && start.is_past;
    let restarts = falls.max(u32::from(progress));
    start.rows = match (falls, progress) {
        (0, false) => start.rows.saturating_add(digest.rows),
        (0, true) => digest.rows,
        _ => digest.numbers.attempt_rows,
    };
    if restarts > 0 || start.identity.is_none() {
        // Without a living process the new attempt's is adopted when it is first seen.
        start.identity = living.cloned();
        start.is_past = false;
    } else if context.look.process.known().is_some() {
        start.is_past = living != start.identity.as_ref();
    }
    restarts
}

/// The exit code of a launched process, where it says that all is done. One that was asked to end may
/// well exit with 0, and is not done.
fn exited_well(context: &Context<'_>, memory: &Memory) -> Option<String> {
    let launched = context.look.launched.as_ref()?;
    if memory.held.as_ref().is_some_and(|held| held.has_stopped(&launched.process)) {
        return None;
    }
    let ended = launched.ended.as_ref()?;
    let seconds = ended.at.map(|at| (at - launched.started).as_seconds_f64());
    (ended.how == Ending::Code(0)).then(|| ending::after(&ended.how, seconds))
}

/// Notes a sign of completion, and takes it back when the run goes on.
fn complete(context: &Context<'_>, memory: &mut Memory) {
    let digest = &context.look.digest;
    let step = digest.numbers.max_step;
    let sign = match &digest.completed {
        Some(line) => Some(format!("line {} says so: {}", line.line, line.text)),
        None => digest.numbers.complete(context.run.total_steps).or_else(|| exited_well(context, memory)),
    };
    let gone_on = memory.end.as_ref().is_some_and(|end| !end.by_operator && step > end.step);
    if let Some(how) = sign {
        if memory.end.is_none() || gone_on {
            memory.end = Some(End { at: context.now.wall, how, step, by_operator: false });
        }
    } else if gone_on {
        memory.end = None;
    }
}

#[cfg(test)]
mod tests {
    use crate::judge::scene::Scene;

    #[test]
    fn a_step_that_falls_back_is_a_new_attempt() {
        let mut scene = Scene::new();
        scene.rows(1..100).patrol();
        assert_eq!(scene.memory.attempt, 1);
        scene.restart_in_log(1..5).patrol();
        assert_eq!(scene.memory.attempt, 2);
        scene.rows(5..50).patrol();
        assert_eq!(scene.memory.attempt, 2);
    }

    #[test]
    fn a_log_of_three_attempts_begins_with_the_third() {
        let mut scene = Scene::new();
        scene.rows(1..10).restart_in_log(1..10).restart_in_log(1..10).patrol();
        assert_eq!(scene.memory.attempt, 3);
    }

    #[test]
    fn another_process_is_a_new_attempt_once_it_makes_progress() {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        scene.gone(10).patrol();
        scene.process(20).patrol();
        assert_eq!(scene.memory.attempt, 1, "no progress yet");
        scene.rows(100..102).patrol();
        assert_eq!(scene.memory.attempt, 2);
        scene.rows(102..110).patrol();
        assert_eq!(scene.memory.attempt, 2);
    }

    #[test]
    fn the_last_rows_of_the_old_process_are_not_the_new_ones_progress() {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        scene.process(20).rows(100..120).patrol();
        assert_eq!(scene.memory.attempt, 1);
        scene.rows(120..121).patrol();
        assert_eq!(scene.memory.attempt, 2);
    }

    #[test]
    fn a_restart_that_both_log_and_process_show_counts_once() {
        for gone_between in [true, false] {
            let mut scene = Scene::new();
            scene.process(10).rows(1..100).patrol();
            if gone_between {
                scene.gone(10).patrol();
            }
            scene.process(20).restart_in_log(1..5).patrol();
            scene.rows(5..9).patrol();
            scene.rows(9..12).patrol();
            assert_eq!(scene.memory.attempt, 2, "gone between: {gone_between}");
        }
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).patrol();
        scene.gone(10).restart_in_log(1..5).patrol();
        scene.process(20).rows(5..9).patrol();
        scene.rows(9..12).patrol();
        assert_eq!(scene.memory.attempt, 2, "the log told first, the pid file later");
    }

    #[test]
    fn a_sign_of_completion_stays_until_the_run_goes_on() {
        let mut scene = Scene::new();
        scene.rows(1..100).patrol();
        scene.completed().patrol();
        assert!(scene.memory.end.is_some());
        scene.patrol();
        assert!(scene.memory.end.is_some());
        scene.rows(100..110).patrol();
        assert!(scene.memory.end.is_none());
    }

    #[test]
    fn an_operators_word_stays_until_a_new_attempt() {
        let mut scene = Scene::new();
        scene.rows(1..100).patrol();
        let now = scene.now();
        scene.memory.end_by_operator(now);
        scene.rows(100..110).patrol();
        assert!(scene.memory.ended_by_operator());
        scene.restart_in_log(1..5).patrol();
        assert!(scene.memory.end.is_none());
    }
}
