//! How long a step takes, from samples of time and step that are thinned as they grow older.

use serde::{Deserialize, Serialize};

/// Samples that are kept: some 1.5 KiB of state, and enough intervals for quantiles.
const SAMPLES: usize = 32;
/// Least and greatest seconds between samples. With the greatest they span five hours: an evaluation
/// that comes round every few hours is among them, the pace of yesterday is not.
const SPACING_S: f64 = 1.0;
const SPACING_MOST_S: f64 = 600.0;
/// Ranks whose lines are interleaved fall back by less than this, seconds; a clock that was set by more.
const FALL_S: f64 = 60.0;
/// Intervals below which nothing is said: the first steps compile and fill caches.
const INTERVALS_LEAST: usize = 3;
/// The shares of steps between which a usual step lies.
const LOW: f64 = 0.1;
const HIGH: f64 = 0.9;

/// Times and steps of one attempt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Steps {
    /// Seconds and step, both rising. Only differences mean anything.
    samples: Vec<(f64, f64)>,
    spacing_s: f64,
}

/// Seconds for one step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepTime {
    /// The mean, pauses that come round included and what is slower than a slow one cut down to it.
    pub usual_s: f64,
    /// A fast one; not above the usual.
    pub low_s: f64,
    /// A slow one; not below the mean, pauses included.
    pub high_s: f64,
}

impl Steps {
    /// Takes the time and step of a row, or of a patrol.
    #[inline]
    pub fn push(&mut self, time_s: f64, step: f64) {
        if let Some(&(last_s, last_step)) = self.samples.last() {
            if time_s < last_s - FALL_S {
                self.samples.clear();
            } else if time_s < last_s + self.spacing_s || step <= last_step {
                return;
            }
        }
        self.keep(time_s, step);
    }

    #[cold]
    fn keep(&mut self, time_s: f64, step: f64) {
        if self.samples.len() >= SAMPLES {
            if self.spacing_s < SPACING_MOST_S {
                // Every other one stays, the newest among them.
                let mut index = 0;
                self.samples.retain(|_| {
                    index += 1;
                    index % 2 == 0
                });
                self.spacing_s *= 2.0;
            } else {
                self.samples.remove(0);
            }
        }
        self.spacing_s = self.spacing_s.clamp(SPACING_S, SPACING_MOST_S);
        self.samples.push((time_s, step));
    }

    /// How long a step takes, where enough was seen.
    pub fn step_time(&self) -> Option<StepTime> {
        let interval = |pair: &[(f64, f64)]| {
            let steps = pair[1].1 - pair[0].1;
            ((pair[1].0 - pair[0].0) / steps, steps)
        };
        let mut intervals: Vec<(f64, f64)> = self.samples.windows(2).map(interval).collect();
        if intervals.len() < INTERVALS_LEAST {
            return None;
        }
        intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
        let all: f64 = intervals.iter().map(|(_, steps)| steps).sum();
        let mean_s = intervals.iter().map(|(seconds, steps)| seconds * steps).sum::<f64>() / all;
        let at = |share: f64| {
            let mut before = 0.0;
            let reaches = |(_, steps): &&(f64, f64)| {
                before += steps;
                before >= share * all
            };
            intervals.iter().find(reaches).map_or(mean_s, |(seconds, _)| *seconds)
        };
        let slow_s = at(HIGH);
        let usual_s = intervals.iter().map(|(seconds, steps)| seconds.min(slow_s) * steps).sum::<f64>() / all;
        // What was cut down is in the spread.
        Some(StepTime { usual_s, low_s: at(LOW).min(usual_s), high_s: slow_s.max(mean_s) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(points: impl IntoIterator<Item = (f64, f64)>) -> Steps {
        let mut steps = Steps::default();
        for (time_s, step) in points {
            steps.push(time_s, step);
        }
        steps
    }

    fn steady(rows: u32, seconds: f64) -> impl Iterator<Item = (f64, f64)> {
        (0..rows).map(move |row| (f64::from(row) * seconds, f64::from(row)))
    }

    #[test]
    fn a_steady_run_has_one_pace_and_no_spread() {
        let time = of(steady(50_000, 0.5)).step_time().unwrap();
        assert!((time.low_s - 0.5).abs() < 1e-9 && (time.high_s - 0.5).abs() < 1e-9, "{time:?}");
    }

    #[test]
    fn three_rows_say_nothing_yet() {
        assert_eq!(of(steady(3, 10.0)).step_time(), None);
        assert!(of(steady(4, 10.0)).step_time().is_some());
    }

    #[test]
    fn an_evaluation_now_and_then_widens_the_spread_and_leaves_the_usual_pace() {
        let paused = |(time_s, step): (f64, f64)| (time_s + 600.0 * (step / 1000.0).floor(), step);
        let time = of(steady(9_000, 1.0).map(paused)).step_time().unwrap();
        assert!(time.usual_s < 1.7 && time.high_s >= 1.5 && time.low_s >= 0.99, "{time:?}");
    }

    #[test]
    fn the_first_step_that_compiles_does_not_move_the_usual_pace() {
        let slow = |(time_s, step): (f64, f64)| (if step > 0.0 { time_s + 300.0 } else { 0.0 }, step);
        let time = of(steady(20, 2.0).map(slow)).step_time().unwrap();
        assert!((time.usual_s - 2.0).abs() < 1e-9 && time.high_s > 10.0, "{time:?}");
    }

    #[test]
    fn a_pace_of_yesterday_is_forgotten() {
        let slower = |(time_s, step): (f64, f64)| {
            if step < 50_000.0 { (time_s, step) } else { (time_s + 3.0 * (step - 50_000.0), step) }
        };
        let time = of(steady(60_000, 1.0).map(slower)).step_time().unwrap();
        assert!((time.low_s - 4.0).abs() < 0.2, "{time:?}");
    }

    #[test]
    fn a_clock_that_was_set_back_begins_anew_and_interleaved_ranks_do_not() {
        let set =
            steady(100, 10.0).chain(steady(100, 10.0).map(|(time, step)| (time - 5_000.0, step + 100.0)));
        let time = of(set).step_time().unwrap();
        assert!((time.high_s - 10.0).abs() < 1e-9, "{time:?}");
        let ranks = steady(100, 10.0).flat_map(|(time, step)| [(time, step), (time - 3.0, step)]);
        assert_eq!(of(ranks).step_time(), of(steady(100, 10.0)).step_time());
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_the_spread_holds_the_usual(
            gaps in prop::collection::vec((-100.0_f64..5_000.0, -3.0_f64..50.0), 0..600)
        ) {
            let mut at = (0.0, 0.0);
            let points = gaps.into_iter().map(|(time, step)| {
                at = (at.0 + time, at.1 + step);
                at
            });
            let steps = of(points);
            prop_assert!(steps.samples.len() <= SAMPLES);
            if let Some(time) = steps.step_time() {
                prop_assert!(time.low_s > 0.0 && time.low_s <= time.usual_s);
                prop_assert!(time.usual_s <= time.high_s * (1.0 + 1e-9) && time.high_s.is_finite());
            }
        }
    }
}
