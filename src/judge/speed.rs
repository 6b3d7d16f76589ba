//! Check `speed`: the run is slower than it was, or than earlier runs of the same command.

use super::history::{self, PREDECESSORS_LEAST};
use super::number::{self, Word, at, say};
use super::{Context, Memory, gpu};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::gpu::{Gpu, Throttle};
use std::time::Duration;

/// Its name.
pub const NAME: &str = "speed";
const SYNDROME: &str = "throughput_regression";

/// A run is slow at this share of its predecessors' median pace (the contract's number), and well again at
/// the other: a neighbour on the machine costs less, another kind of GPU or a starving loader more.
const SLOW: f64 = 0.6;
const WELL: f64 = 0.75;

/// Time for which whoever stays with a run does not judge its pace: caches fill, clocks settle, and a
/// neighbour's compilation is no regression.
const SETTLES: Duration = Duration::from_mins(5);

/// `throughput_regression`. The run's own past speaks first, because it says since when; what was slow
/// from the beginning only its predecessors can tell.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    if let Some(answer) = number::unasked(context, memory, NAME) {
        return answer;
    }
    let settles = context.attended.is_some_and(|watch| watch.lasted(context.now) < SETTLES);
    if settles && !context.is_open(NAME, SYNDROME) {
        return Vec::new();
    }
    let own = against_itself(context);
    let told = own.iter().any(|opinion| matches!(opinion, Opinion::Holds(claim) if !claim.over));
    if told { own } else { against_predecessors(context, memory).map_or(own, |claim| vec![claim.holds()]) }
}

/// Against the median of finished runs of the same command at the same step.
fn against_predecessors(context: &Context<'_>, memory: &Memory) -> Option<Claim> {
    let usual = history::pace(context, memory)?;
    let bar = if context.is_open(NAME, SYNDROME) { WELL } else { SLOW };
    let slow = usual.ratio() <= bar && usual.own < usual.least && usual.runs >= PREDECESSORS_LEAST;
    let (cause, advice) = cause(context);
    let message = format!(
        "the run makes {} a second, {:.2} times the {} that {} finished runs of this command made at this step{cause}",
        say(usual.own),
        usual.ratio(),
        say(usual.throughput),
        usual.runs,
    );
    let claim = Claim::new(Subject::new(NAME, SYNDROME), Scope::Attempt, Severity::Warning, message, advice)
        .with("value", usual.own)
        .with("compared_with", usual.throughput)
        .with("predecessors", usual.runs);
    slow.then_some(claim)
}

/// Against the run's own fastest quarter.
fn against_itself(context: &Context<'_>) -> Vec<Opinion> {
    let speed = &context.look.digest.numbers.speed;
    number::opinion(context, (NAME, SYNDROME), (speed.slow.as_ref(), speed.rows()), |slow| {
        let (cause, advice) = cause(context);
        Word {
            severity: Severity::Warning,
            message: format!(
                "steps take up to {:.1} times as long as those of the run's faster quarter since{}{cause}{}",
                slow.peak,
                at(slow.first).trim_start_matches(" at"),
                if slow.over { " (they are fast again)" } else { "" }
            ),
            advice,
        }
    })
}

/// What the cards' readings say of it.
fn cause(context: &Context<'_>) -> (&'static str, &'static str) {
    let chosen = gpu::choose(context);
    let cards: Vec<&Gpu> = chosen.iter().flat_map(|chosen| chosen.cards.iter().copied()).collect();
    let hot = |card: &&Gpu| card.throttle.as_ref().is_some_and(|holds| holds.contains(&Throttle::Heat));
    let idle =
        |card: &Gpu| card.utilization.is_some_and(|share| share < context.config.training.gpu_util_min);
    if cards.iter().any(hot) {
        (
            "; a card slows itself down for its heat",
            "Cool it: look at the fans, the air flow and what else runs in the box; one hot card holds up all ranks",
        )
    } else if !cards.is_empty() && cards.iter().all(|card| idle(card)) {
        (
            "; the cards wait for work",
            "Look at the data loader, the file system and the CPU load: the cards wait for data",
        )
    } else {
        (
            "",
            "Look at what changed: longer inputs or answers, the data loader, the file system, a hot or shared GPU, the network between ranks",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::Scene;
    use crate::metrics::Metric;

    /// Values by step.
    type Series<'a> = &'a dyn Fn(u64) -> f64;

    /// A patrol every fifty rows; the step at which it began.
    fn first(metric: Metric, value: Series<'_>) -> Option<f64> {
        let mut scene = Scene::new();
        (0..8).find_map(|patrol| {
            for step in 50 * patrol..50 * (patrol + 1) {
                scene.row(step, |row| row.values.set(metric, value(step)));
            }
            scene.patrol().claim(SYNDROME)?.occurrences[0].step
        })
    }

    #[test]
    fn a_pace_is_slow_against_the_runs_own() {
        let table: [(&str, Metric, Series<'_>, Option<f64>); 8] = [
            ("half as fast", Metric::Throughput, &|step| if step < 200 { 50.0 } else { 20.0 }, Some(200.0)),
            ("slower and slower", Metric::StepTimeS, &|step| 200.0 + 3.0 * step as f64, Some(130.0)),
            ("a third slower", Metric::Throughput, &|step| if step < 200 { 50.0 } else { 34.0 }, None),
            ("the first step compiles", Metric::StepTimeS, &|step| if step == 0 { 300.0 } else { 1.0 }, None),
            ("checkpoints", Metric::StepTimeS, &|step| if step % 25 == 0 { 90.0 } else { 9.0 }, None),
            (
                "three slow rows",
                Metric::StepTimeS,
                &|step| if (100..103).contains(&step) { 50.0 } else { 9.0 },
                None,
            ),
            ("short answers later", Metric::StepTimeS, &|step| if step < 100 { 400.0 } else { 35.0 }, None),
            ("no pace at all", Metric::Throughput, &|_| 0.0, None),
        ];
        for (name, metric, value, expected) in table {
            let told = first(metric, value);
            let near = told.zip(expected).is_some_and(|(told, expected)| (told - expected).abs() < 12.0);
            assert!(near || told == expected, "{name}: {told:?}");
        }
    }

    #[test]
    fn a_card_that_throttles_is_named_as_the_cause() {
        let mut scene = Scene::new();
        for step in 0..100 {
            scene.row(step, |row| row.values.set(Metric::StepTimeS, if step < 80 { 1.0 } else { 4.0 }));
        }
        let hot = Gpu { throttle: Some(vec![Throttle::Heat]), ..Gpu::default() };
        let facts = crate::observe::gpu::GpuFacts { cards: vec![hot], ..Default::default() };
        scene.look.gpus = crate::observe::Observation::Known(facts);
        scene.patrol();
        assert!(scene.claim(SYNDROME).unwrap().message.contains("heat"), "{:?}", scene.claims());
    }
}
