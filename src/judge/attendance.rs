//! Not a check: the attended first phase of a run, who stays with it, and how far it is.

use crate::clock::Reading;
use crate::metrics::numbers::Numbers;
use crate::observe::process::Identity;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A watcher that has not looked for so long, seconds, is none: it was stopped, or its machine slept.
const ASLEEP_S: f64 = 300.0;

/// Somebody stays with a run for its first steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attendance {
    /// The process that watches.
    pub watcher: Identity,
    /// The steps of the phase.
    pub steps: u64,
    /// The attempt whose first steps are attended.
    pub attempt: u32,
    /// The look with which that began.
    pub since: Reading,
    /// The watcher's last look.
    pub last: Reading,
}

/// How far the first phase is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// Steps of this attempt so far; rows where the log counts no steps.
    pub done: f64,
    /// How many the phase has.
    pub of: u64,
    /// Whether `done` counts steps.
    pub in_steps: bool,
}

impl Progress {
    /// Whether the phase has had its steps.
    pub fn is_complete(&self) -> bool {
        self.done >= self.of as f64
    }
}

impl Attendance {
    /// Begins with this look.
    pub fn new(watcher: Identity, steps: u64, attempt: u32, now: &Reading) -> Self {
        Self { watcher, steps, attempt, since: now.clone(), last: now.clone() }
    }

    /// A look by the watcher. Another attempt of the run begins the phase again.
    pub fn look(&mut self, attempt: u32, now: &Reading) {
        if attempt > self.attempt {
            // A run that was not seen before has no attempt yet.
            if self.attempt > 0 {
                self.since = now.clone();
            }
            self.attempt = attempt;
        }
        self.last = now.clone();
    }

    /// Whether the watcher looked lately, as far as its last look says.
    pub fn is_awake(&self, now: &Reading) -> bool {
        // Whoever waited for the run's lock read its clocks before the watcher's last look.
        self.last.boot_id == now.boot_id && now.monotonic_s - self.last.monotonic_s < ASLEEP_S
    }

    /// How long the phase has lasted; nothing on another boot.
    pub fn lasted(&self, now: &Reading) -> Duration {
        Duration::from_secs_f64(awake_s(&self.since, now).unwrap_or_default())
    }

    /// How far the run is in it.
    pub fn progress(&self, numbers: &Numbers) -> Progress {
        progress(numbers, self.steps)
    }
}

/// Seconds between two readings of one boot in which the machine was awake.
fn awake_s(earlier: &Reading, later: &Reading) -> Option<f64> {
    let seconds = later.monotonic_s - earlier.monotonic_s;
    (earlier.boot_id == later.boot_id && seconds >= 0.0).then_some(seconds)
}

/// Steps that this attempt has made, of those that the phase has. A resume counts from where it began.
fn progress(numbers: &Numbers, of: u64) -> Progress {
    let Some((max, first)) = numbers.max_step.zip(numbers.first_step) else {
        return Progress { done: numbers.attempt_rows as f64, of, in_steps: false };
    };
    // The first row tells of the steps before it: as many as lie between any two rows, or, of a run
    // that begins at its beginning, all.
    let before = numbers.steps_per_row().map_or(0.0, |steps| (first - steps).max(0.0));
    let base = if numbers.step_rows < 2 && first > of as f64 { first } else { before };
    Progress { done: max - base, of, in_steps: true }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::Scene;

    fn done(scene: &Scene) -> f64 {
        progress(&scene.look.digest.numbers, 1000).done
    }

    #[test]
    fn steps_are_counted_from_where_the_attempt_began() {
        let mut scene = Scene::new();
        assert_eq!(progress(&scene.look.digest.numbers, 10), Progress { done: 0.0, of: 10, in_steps: false });
        scene.rows(1..2);
        assert!((done(&scene) - 1.0).abs() < 1e-9);
        scene.rows(2..301);
        assert!((done(&scene) - 300.0).abs() < 1e-9);
        let mut resumed = Scene::new();
        for step in [50_010, 50_020, 50_030] {
            resumed.rows(step..step + 1);
        }
        assert!((done(&resumed) - 30.0).abs() < 1e-9);
        let mut resumed = Scene::new();
        resumed.rows(50_010..50_011);
        assert!(done(&resumed).abs() < 1e-9, "one row does not say how many steps it tells of");
    }

    #[test]
    fn where_no_steps_are_counted_rows_are() {
        let mut scene = Scene::new();
        for step in 0..7 {
            scene.row(step, |row| {
                row.global_step = None;
                row.values = crate::metrics::Values::default();
                row.values.set(crate::metrics::Metric::Loss, 1.0);
            });
        }
        let progress = progress(&scene.look.digest.numbers, 7);
        assert_eq!(progress, Progress { done: 7.0, of: 7, in_steps: false });
        assert!(progress.is_complete());
    }

    #[test]
    fn a_restart_begins_the_phase_again_and_a_sleeper_does_not_watch() {
        let mut scene = Scene::new();
        let watcher = Identity { pid: 7, start_ticks: 1, boot_id: "boot".to_owned() };
        let mut watch = Attendance::new(watcher, 1000, 1, &scene.clock);
        scene.later(100);
        watch.look(1, &scene.clock);
        assert_eq!(watch.lasted(&scene.clock), Duration::from_secs(100));
        watch.look(2, &scene.clock);
        assert_eq!((watch.lasted(&scene.clock), watch.attempt), (Duration::ZERO, 2));
        scene.later(-5);
        assert!(watch.is_awake(&scene.clock), "this look waited for the lock meanwhile");
        scene.later(205);
        assert!(watch.is_awake(&scene.clock));
        scene.later(200);
        assert!(!watch.is_awake(&scene.clock));
        scene.clock.boot_id = "another".to_owned();
        assert!(!watch.is_awake(&scene.clock));
    }
}
