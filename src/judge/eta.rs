//! Not a check, but what reports and checks ahead rest on: how fast the run goes, and when it ends.

use super::{Context, Memory};
use crate::metrics::numbers::steps::{StepTime, Steps};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Options of command lines that say how many steps a run is to make, `-` and `_` being one:
/// Transformers, Diffusers, Megatron-LM, nanoGPT, T5X and those who follow them.
const TOTALS: &[&str] = &[
    "max_steps",
    "max_train_steps",
    "total_steps",
    "num_train_steps",
    "total_timesteps",
    "train_iters",
    "max_iters",
    "total_iters",
];
/// Findings under which a run makes no steps.
const STANDING_STILL: &[&str] = &["hang_suspected", "log_silent", "process_stuck"];
/// A run that needs longer than this, seconds, needs no estimate: it is a century.
const SECONDS_MOST: f64 = 100.0 * 365.0 * 86_400.0;

/// Steps as patrols found them, for logs without times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EtaMemory {
    attempt: u32,
    boot_id: String,
    steps: Steps,
}

/// When the run ends, if it goes on as it does.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Eta {
    /// Seconds from now, by the usual time of a step.
    pub seconds: f64,
    /// The same by a fast and by a slow one: four of five steps lie between, and so does the mean.
    pub low_s: f64,
    /// See `low_s`.
    pub high_s: f64,
    /// `seconds` from now as a time.
    pub at: DateTime<Utc>,
}

/// Notes how far the run is.
pub(super) fn follow(context: &Context<'_>, memory: &mut Memory) {
    let numbers = &context.look.digest.numbers;
    let eta = &mut memory.eta;
    let now = context.now;
    if eta.attempt != numbers.attempt || eta.boot_id != now.boot_id {
        *eta = EtaMemory { attempt: numbers.attempt, boot_id: now.boot_id.clone(), steps: Steps::default() };
    }
    if let Some(step) = numbers.max_step.filter(|_| context.look.digest.rows > 0) {
        // The monotonic clock stands still while the machine sleeps, and so does the run.
        eta.steps.push(now.monotonic_s, step);
    }
}

/// Seconds for one step: by the log's own times, else between patrols.
pub fn step_time(context: &Context<'_>, memory: &Memory) -> Option<StepTime> {
    context.look.digest.numbers.steps.step_time().or_else(|| memory.eta.steps.step_time())
}

/// When a run that is under way ends; `None` where its total or its pace is not known.
pub fn eta(context: &Context<'_>, memory: &Memory) -> Option<Eta> {
    let known = context.look.process.known().is_some();
    let stands_still = context.open.iter().any(|open| STANDING_STILL.contains(&open.syndrome.as_str()));
    if !matches!(super::phase(context, memory), super::Phase::Patrol | super::Phase::Watch)
        || (known && context.living().is_none())
        || context.last_look
        || stands_still
    {
        return None;
    }
    let numbers = &context.look.digest.numbers;
    let left = total(context)? - numbers.max_step?;
    let time = step_time(context, memory)?;
    let seconds = |step_s: f64| (left * step_s).round();
    if left <= 0.0 || seconds(time.high_s) > SECONDS_MOST {
        return None;
    }
    let at = context.now.wall.checked_add_signed(TimeDelta::seconds(seconds(time.usual_s) as i64))?;
    Some(Eta { seconds: seconds(time.usual_s), low_s: seconds(time.low_s), high_s: seconds(time.high_s), at })
}

/// Steps that the run is to make: the config's word, else the log's, else the command line's.
fn total(context: &Context<'_>) -> Option<f64> {
    let numbers = &context.look.digest.numbers;
    let command = || context.living().and_then(|life| of_command(&life.command));
    numbers.total_of_run(context.run.total_steps).or_else(command)
}

/// `--max_steps 1000`, `--max-steps=1_000`, `trainer.max_steps=1000`. A command line is quoted up to
/// 300 characters, so a number that it ends with may be cut.
fn of_command(command: &str) -> Option<f64> {
    let mut words = command.split_whitespace().peekable();
    while let Some(word) = words.next() {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None if word.starts_with("--") => (word, words.peek().copied()),
            None => continue,
        };
        let name = name.rsplit('.').next().unwrap_or(name).trim_start_matches('-').replace('-', "_");
        let number = value.and_then(|value| value.replace('_', "").parse::<u64>().ok());
        let cut = command.chars().count() >= 300 && value.is_some_and(|value| command.ends_with(value));
        if let Some(number) = number.filter(|number| *number > 0 && !cut)
            && TOTALS.contains(&name.as_str())
        {
            return Some(number as f64);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::{ROW_S, Scene};
    use crate::metrics::Metric;

    fn eta_of(scene: &Scene) -> Option<Eta> {
        scene.with_context(|context| eta(context, &scene.memory))
    }

    fn seconds(scene: &Scene) -> Option<f64> {
        eta_of(scene).map(|eta| eta.seconds)
    }

    /// A run of 1,000 steps with rows 10 s apart, at step 400.
    fn run() -> Scene {
        let mut scene = Scene::new();
        scene.run.total_steps = Some(1000);
        scene.process(10).rows(1..401);
        scene
    }

    #[test]
    fn the_end_is_as_far_as_the_steps_that_are_left() {
        let mut scene = run();
        scene.patrol();
        let eta = eta_of(&scene).unwrap();
        assert_eq!((eta.seconds, eta.low_s, eta.high_s), (6000.0, 6000.0, 6000.0));
        assert_eq!(eta.at, scene.now() + TimeDelta::seconds(600 * ROW_S));
    }

    #[test]
    fn a_log_without_times_is_timed_by_patrols() {
        let mut scene = Scene::new();
        scene.run.total_steps = Some(1000);
        scene.process(10);
        for patrol in 1..=4_u64 {
            assert_eq!(eta_of(&scene), None, "patrol {patrol}");
            scene.row(patrol * 100, |row| row.time = None).patrol();
        }
        assert_eq!(seconds(&scene), Some(1800.0), "300 s for 100 steps");
    }

    #[test]
    fn without_a_total_or_with_the_run_over_or_hung_there_is_none() {
        let mut scene = run();
        scene.run.total_steps = None;
        scene.patrol();
        assert_eq!(eta_of(&scene), None);
        scene.run.total_steps = Some(400);
        scene.patrol();
        assert_eq!(eta_of(&scene), None, "complete");
        let mut scene = run();
        scene.patrol();
        scene.gone(10).patrol();
        assert_eq!(eta_of(&scene), None, "dead");
        let mut scene = run();
        scene.patrol();
        scene.later(4 * 3600).patrol();
        assert_eq!(eta_of(&scene), None, "silent");
    }

    #[test]
    fn a_new_attempt_has_a_pace_of_its_own() {
        let mut scene = run();
        scene.patrol();
        scene.restart_in_log(1..3).patrol();
        assert_eq!(eta_of(&scene), None);
        scene.rows(3..11).patrol();
        assert_eq!(seconds(&scene), Some(9900.0));
    }

    #[test]
    fn a_total_in_the_log_counts_unless_it_may_be_an_epochs() {
        let table = [
            (&[None][..], None, Some(6000.0)),
            (&[Some(1.0)], None, None),
            (&[Some(1.0), Some(2.0)], None, Some(6000.0)),
            (&[Some(1.37)], None, Some(6000.0)),
            (&[Some(1.0)], Some(1.0), Some(6000.0)),
        ];
        for (epochs, of, expected) in table {
            let mut scene = Scene::new();
            for step in 1..=400 {
                scene.row(step, |row| {
                    row.values.set(Metric::TotalSteps, 1000.0);
                    let index = (step as usize * epochs.len() - 1) / 400;
                    if let Some(epoch) = epochs[index] {
                        row.values.set(Metric::Epoch, epoch);
                    }
                    if let Some(of) = of {
                        row.values.set(Metric::TotalEpochs, of);
                    }
                });
            }
            scene.patrol();
            assert_eq!(seconds(&scene), expected, "{epochs:?} {of:?}");
        }
    }

    #[test]
    fn the_command_line_names_the_total() {
        let long = format!("python train.py {} --max_steps 12", "x".repeat(269));
        let table = [
            ("python train.py --max_steps 5000 --lr 1e-3", Some(5000.0)),
            ("python train.py --max-steps=5_000", Some(5000.0)),
            ("torchrun --nproc-per-node 8 pretrain.py --train-iters 500000", Some(500_000.0)),
            ("python train.py trainer.max_steps=7", Some(7.0)),
            ("python train.py --max_steps -1", None),
            ("python train.py --max_steps", None),
            ("python train.py --warmup_steps 100 max_steps 3", None),
            (long.as_str(), None),
        ];
        for (command, expected) in table {
            assert_eq!(of_command(command), expected, "{command}");
        }
        let mut scene = run();
        scene.run.total_steps = None;
        scene.life().command = "python train.py --max_steps 1000".to_owned();
        scene.patrol();
        assert_eq!(seconds(&scene), Some(6000.0));
    }
}
