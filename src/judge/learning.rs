//! Check `learning`: whether the loss of a run that is attended falls at all, and the reward of a
//! policy does not go down. Only in the first phase: later `plateau` and `policy` ask, with more
//! patience.

use super::number::{self, Word, at, say};
use super::profile::{Profile, profile};
use super::say::plain;
use super::{Context, Memory};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::metrics::numbers::Numbers;
use crate::metrics::numbers::curve::Bin;
use crate::metrics::numbers::episode::Place;

/// Its name.
pub const NAME: &str = "learning";
const SYNDROME: &str = "loss_not_decreasing";
const REWARD: &str = "reward_decreasing";

/// Nothing is said before so many rows of the attempt (the contract's numbers, as the next two).
const ROWS_LEAST: u64 = 20;
/// A window is so many steps, or so many rows, whichever is longer.
const WINDOW_STEPS: f64 = 100.0;
const WINDOW_ROWS: u64 = 10;
/// Standard errors by which chance is ruled out for one window, at looks that come every few seconds.
const SURE: f64 = 3.0;
/// A fall by less than this share from one window to the next is none: the flat loss of `plateau`.
const FLAT: f64 = 1e-3;
/// The halves of an attempt are compared too, because a noisy loss shows nothing in a short window:
/// from so many rows on, with fewer standard errors, for it is one comparison and not many, and by
/// this share of the level, less than which no run learns from its beginning.
const HALVES_ROWS: u64 = 64;
const HALVES_SURE: f64 = 2.0;
const HALVES_FLAT: f64 = 1e-2;
/// A loss that came down to a tenth of its start has arrived rather than got stuck.
const CONVERGED: f64 = 10.0;

/// Levels of the reward (medians of three rows) in each half, below which nothing is said of it.
const LEVELS: usize = 6;
/// Standard errors by which the second half of a policy's rewards is below the first: its episodes
/// differ more, and less independently, than the batches of other work; and by which share of all that
/// was seen so far.
const REWARD_SURE: f64 = 5.0;
const REWARD_LOST: f64 = 0.3;

/// Correlation of one level with the next above which the few levels say no more of it.
const FOLLOWS_MOST: f64 = 0.9;

/// A fall from one window to the next.
#[derive(Debug, Clone, Copy)]
struct Fall {
    before: f64,
    now: f64,
    /// Share of the level before.
    share: f64,
    /// Standard error of that.
    error: f64,
    rows: u64,
    from_step: f64,
    to_step: f64,
}

impl Fall {
    /// Even a fall by this share would have been seen.
    fn is_none(&self, sure: f64, flat: f64) -> bool {
        self.share + sure * self.error < flat
    }

    fn is_seen(&self, sure: f64) -> bool {
        self.share - sure * self.error > 0.0
    }
}

/// `loss_not_decreasing`, `reward_decreasing`.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let mut opinions = loss(context, memory);
    opinions.extend(reward(context, memory));
    opinions
}

fn reward(context: &Context<'_>, memory: &Memory) -> Option<Opinion> {
    let subject = Subject::new(NAME, REWARD);
    let well = |why: &str| {
        let open = context.is_open(NAME, REWARD);
        open.then(|| Opinion::Well(subject.clone(), why.to_owned()))
    };
    if context.attended.is_none() {
        return well("the first phase is over; from here on it is judged as reward_collapse");
    }
    let returns = &context.look.digest.numbers.returns;
    if memory.end.is_some() || returns.collapse.as_ref().is_some_and(|collapse| !collapse.over) {
        return well("it is told otherwise");
    }
    let levels = returns.levels();
    let (before, now) = levels.split_at(levels.len() / 2);
    if context.look.digest.rows == 0 || before.len() < LEVELS {
        return None;
    }
    let ((before, error_before), (now, error_now)) = (mean(before), mean(now));
    let error = error_before.hypot(error_now);
    let (low, high) = levels
        .iter()
        .fold((f64::MAX, f64::MIN), |(low, high), (_, level)| (low.min(*level), high.max(*level)));
    let bar = (REWARD_SURE * error).max(REWARD_LOST * (high - low));
    if before - now <= bar {
        return well("the reward no longer goes down");
    }
    let since = levels[levels.len() / 2].0;
    let message = format!(
        "the reward goes down: {} on average since{}, after {} before",
        say(now),
        at(since).trim_start_matches(" at"),
        say(before)
    );
    let advice = "Watch on if exploration is still being annealed; otherwise lower the learning rate, and look at the sign of the reward, the advantages and the divergence from the reference";
    let word = Word { severity: Severity::Warning, message, advice };
    Some(number::claim(context, (NAME, REWARD), word, (since, now, before)).holds())
}

/// The mean of some levels and its standard error, which is larger where one level follows another, as
/// running means do.
fn mean(levels: &[(Place, f64)]) -> (f64, f64) {
    let count = levels.len() as f64;
    let mean = levels.iter().map(|(_, level)| level).sum::<f64>() / count;
    let squares = levels.iter().map(|(_, level)| (level - mean).powi(2)).sum::<f64>();
    let pairs = levels.windows(2).map(|pair| (pair[0].1 - mean) * (pair[1].1 - mean)).sum::<f64>();
    let follows = if squares > 0.0 { (pairs / squares).clamp(0.0, FOLLOWS_MOST) } else { 0.0 };
    let variance = squares / (count - 1.0).max(1.0) / count;
    (mean, (variance * (1.0 + follows) / (1.0 - follows)).sqrt())
}

fn loss(context: &Context<'_>, memory: &Memory) -> Vec<Opinion> {
    let subject = Subject::new(NAME, SYNDROME);
    let over = |why: &str| {
        let open = context.is_open(NAME, SYNDROME);
        if open { vec![Opinion::Well(subject.clone(), why.to_owned())] } else { Vec::new() }
    };
    let Some(watch) = context.attended else {
        return over("the first phase is over; from here on it is judged as loss_plateau");
    };
    if memory.end.is_some() {
        return over("the run is complete");
    }
    if profile(context).kind == Profile::ReinforcementLearning {
        return over("a policy's loss need not fall");
    }
    let numbers = &context.look.digest.numbers;
    // A run that goes on from far along its way falls by less in a phase than its noise.
    if numbers.first_step.is_some_and(|first| first > watch.steps as f64) {
        return over("the run went on from beyond its first steps");
    }
    if super::number::is_lost(numbers) || context.look.digest.rows == 0 || numbers.attempt_rows < ROWS_LEAST {
        return Vec::new();
    }
    let converged = numbers.losses.first.zip(numbers.curve.bins.last());
    if converged.is_some_and(|(first, last)| first > 0.0 && last.mean < first / CONVERGED) {
        return over("it is down to a tenth of where it began");
    }
    let window = recent(numbers);
    let halves = halves(numbers);
    let stuck = window
        .filter(|fall| fall.is_none(SURE, FLAT))
        .filter(|_| !halves.is_some_and(|halves| halves.is_seen(HALVES_SURE) && halves.share > HALVES_FLAT))
        .or_else(|| {
            halves.filter(|fall| !fall.is_seen(HALVES_SURE) && fall.is_none(HALVES_SURE, HALVES_FLAT))
        });
    match stuck {
        Some(fall) => vec![claim(subject, &fall).holds()],
        None if window.is_some_and(|fall| fall.is_seen(HALVES_SURE)) => over("the loss falls"),
        // What cannot be told leaves an open finding open.
        None => Vec::new(),
    }
}

fn claim(subject: Subject, fall: &Fall) -> Claim {
    let how = if fall.share < -FLAT { "rises" } else { "does not fall" };
    let message = format!(
        "the loss {how}: {} on average from step {} to {}, after {} in as many rows before",
        say(fall.now),
        plain(fall.from_step),
        plain(fall.to_step),
        say(fall.before),
    );
    let advice = "Watch on if the learning rate still warms up; otherwise check that the optimizer has the model's parameters, that gradients are not zero, and that labels and inputs belong together: a model that learns overfits a single batch within minutes";
    Claim::new(subject, Scope::Attempt, Severity::Warning, message, advice)
        .with("loss", fall.now)
        .with("loss_before", fall.before)
        .with("fall", fall.share)
        .with("fall_error", fall.error)
        .with("rows", fall.rows)
        .with("from_step", fall.from_step)
        .with("to_step", fall.to_step)
}

/// The last window against the one before. The curve's bins are what is known of single rows: a window
/// is whole bins.
fn recent(numbers: &Numbers) -> Option<Fall> {
    let bins = &numbers.curve.bins;
    let last = bins.last()?.step;
    let mut from = bins.len();
    let mut rows = 0;
    while from > 0 && (rows < WINDOW_ROWS || last - bins[from - 1].step < WINDOW_STEPS) {
        from -= 1;
        rows += bins[from].count;
    }
    let mut before = from;
    let mut rows_before = 0;
    while before > 0 && rows_before < rows {
        before -= 1;
        rows_before += bins[before].count;
    }
    let known = rows_before >= rows && rows + rows_before <= numbers.attempt_rows;
    known.then(|| fall(&bins[before..from], &bins[from..])).flatten()
}

/// The second half of the attempt against the first.
fn halves(numbers: &Numbers) -> Option<Fall> {
    let bins = &numbers.curve.bins;
    let mut rows = 0;
    let own = bins.iter().rev().take_while(|bin| {
        rows += bin.count;
        rows <= numbers.attempt_rows
    });
    let own = &bins[bins.len() - own.count()..];
    let rows: u64 = own.iter().map(|bin| bin.count).sum();
    let (before, now) = own.split_at(own.len() / 2);
    (rows >= HALVES_ROWS).then(|| fall(before, now)).flatten()
}

fn fall(before: &[Bin], now: &[Bin]) -> Option<Fall> {
    let merged = |bins: &[Bin]| bins.iter().copied().reduce(Bin::merged);
    let from_step = now.first()?.step;
    let (before, now) = (merged(before)?, merged(now)?);
    let error = |bin: &Bin| bin.squares / (bin.count.max(2) - 1) as f64 / bin.count as f64;
    let level = before.mean.abs().max(now.mean.abs());
    (level > 0.0).then(|| Fall {
        before: before.mean,
        now: now.mean,
        share: (before.mean - now.mean) / level,
        error: (error(&before) + error(&now)).sqrt() / level,
        rows: now.count,
        from_step,
        to_step: now.step,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::Scene;

    /// Values by step.
    type Series<'a> = &'a dyn Fn(u64) -> f64;

    fn wobble(step: u64) -> f64 {
        ((step * 7919 + step * step * 31) % 1009) as f64 / 1009.0 - 0.5
    }

    /// A look every five rows; the row at which it was told first.
    fn told(rows: u64, every: u64, loss: impl Fn(u64) -> f64) -> Option<u64> {
        let mut scene = Scene::new();
        scene.attend(1000);
        (0..rows / 5).find_map(|look| {
            for row in 5 * look..5 * (look + 1) {
                scene.losses(row * every..row * every + 1, &loss);
            }
            scene.patrol();
            scene.claim(SYNDROME).map(|_| 5 * (look + 1))
        })
    }

    #[test]
    fn a_loss_that_stands_or_rises_is_told_and_one_that_falls_is_not() {
        let table: [(&str, u64, Series<'_>, Option<u64>); 8] = [
            ("stands, a row every ten steps", 10, &|_| 2.3, Some(20)),
            ("stands, a row every step", 1, &|_| 2.3, Some(65)),
            ("stands with a little noise", 1, &|step| 2.3 + 0.01 * wobble(step), Some(65)),
            ("rises", 10, &|step| 2.0 + 1e-3 * step as f64, Some(20)),
            ("falls", 10, &|step| 2.0 + 8.0 / (1.0 + step as f64 / 50.0), None),
            ("falls slowly in noise", 1, &|step| 2.0 - 3e-4 * step as f64 + 0.4 * wobble(step), None),
            ("falls, then stands at half", 1, &|step| 2.0 + 2.0 * (-(step as f64) / 60.0).exp(), None),
            ("is all noise", 1, &|step| 2.0 + 1.5 * wobble(step), None),
        ];
        for (name, every, loss, expected) in table {
            assert_eq!(told(400, every, loss), expected, "{name}");
        }
    }

    #[test]
    fn it_is_a_question_of_the_first_phase_alone() {
        let mut scene = Scene::new();
        scene.losses(0..400, |_| 2.3).patrol();
        assert!(scene.claim(SYNDROME).is_none());
        let mut scene = Scene::new();
        scene.attend(1000);
        scene.losses(0..400, |_| 2.3).patrol();
        assert_eq!(scene.severity(SYNDROME), Some(Severity::Warning));
        scene.unattended().losses(400..410, |_| 2.3).patrol();
        assert!(scene.is_well(SYNDROME));
    }

    #[test]
    fn a_run_that_goes_on_from_far_along_its_way_need_not_fall() {
        let mut scene = Scene::new();
        scene.attend(1000);
        scene.losses(14_000..14_400, |_| 2.3).patrol();
        assert!(scene.claim(SYNDROME).is_none());
    }

    #[test]
    fn a_policy_whose_reward_goes_down_is_told_and_one_that_wavers_is_not() {
        let told = |reward: Series<'_>| {
            let mut scene = Scene::new();
            scene.attend(1000);
            (0..30).find_map(|look| {
                for step in 10 * look..10 * (look + 1) {
                    scene.row(step, |row| row.values.set(crate::metrics::Metric::Reward, reward(step)));
                }
                scene.patrol();
                scene.claim("reward_decreasing").map(|_| ())
            })
        };
        assert_eq!(told(&|step| 100.0 - 0.3 * step as f64 + 20.0 * wobble(step)), Some(()));
        assert_eq!(told(&|step| 100.0 + 0.3 * step as f64 + 20.0 * wobble(step)), None);
        assert_eq!(told(&|step| 100.0 + 80.0 * wobble(step)), None);
        assert_eq!(told(&|_| 0.0), None);
    }

    #[test]
    fn a_loss_that_falls_again_ends_it() {
        let mut scene = Scene::new();
        scene.attend(1000);
        scene.losses(0..200, |_| 2.3).patrol();
        assert_eq!(scene.severity(SYNDROME), Some(Severity::Warning));
        scene.losses(200..420, |step| 2.3 - 0.005 * (step - 200) as f64).patrol();
        assert!(scene.is_well(SYNDROME), "{:?}", scene.opinions);
    }
}
