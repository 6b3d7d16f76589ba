//! Check `gradient`: the norm of the gradient is high by the user's word or against the run's own,
//! or mixed precision skips every step because of it.

use super::number::{self, Word, at, say};
use super::{Context, Memory};
use crate::finding::{Opinion, Severity, Subject};
use crate::metrics::numbers::Numbers;
use crate::metrics::numbers::noise::median;

/// Its name.
pub const NAME: &str = "gradient";
const HIGH: &str = "grad_norm_high";
const SKIPPED: &str = "steps_skipped";

/// Rows over the user's limit, of the newest eight: a single batch may be odd.
const OVER: usize = 3;
/// The newest norms rise where their median is so many times that of the run.
const RISEN: f64 = 1.25;
/// Rows with a loss scale at its bottom: it may touch it once.
const DOWN_ROWS: u64 = 16;
/// Halvings in a row: a scale that starts at 2^32 is halved 16 times in health.
const HALVINGS: u64 = 24;

/// `grad_norm_high`, `steps_skipped`.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    if let Some(answer) = number::unasked(context, memory, NAME) {
        return answer;
    }
    let numbers = &context.look.digest.numbers;
    if number::is_lost(numbers) {
        return Vec::new();
    }
    let mut opinions = match over_limit(context, numbers) {
        Some(opinion) => vec![opinion],
        None => against_itself(context, numbers),
    };
    opinions.push(skipped(context, numbers));
    opinions
}

const ADVICE: &str = "Clip the gradient, lower the learning rate, and look at the batches around there; a norm that stays high comes before a loss that diverges";

/// The user's limit, where the user set one: the default says little (healthy runs have norms of thousands).
fn over_limit(context: &Context<'_>, numbers: &Numbers) -> Option<Opinion> {
    let limit = context.config.training.gradient_norm_max;
    let mut over = numbers.gradient.newest.iter().filter(|(_, norm)| limit.by_user && *norm > limit.value);
    let &(first, norm) = over.next()?;
    let (rows, worst) = over.fold((1, norm), |(rows, worst), (_, norm)| (rows + 1, norm.max(worst)));
    let message = format!(
        "the gradient norm is up to {}, over gradient_norm_max {}, since{}",
        say(worst),
        say(limit.value),
        at(first).trim_start_matches(" at")
    );
    let severity =
        if context.attended.is_some() || rises(numbers) { Severity::Warning } else { Severity::Info };
    let word = Word { severity, message, advice: ADVICE };
    (rows >= OVER).then(|| number::claim(context, (NAME, HIGH), word, (first, worst, limit.value)).holds())
}

/// Whether the norm is on its way up, or the loss: a run whose norms are as large as ever is well.
fn rises(numbers: &Numbers) -> bool {
    let gradient = &numbers.gradient;
    let up = |usual: f64| {
        let mut newest: Vec<f64> = gradient.newest.iter().map(|(_, norm)| *norm).collect();
        median(&mut newest) > RISEN * usual
    };
    let losses = &numbers.losses;
    gradient.high.as_ref().is_some_and(|high| !high.over)
        || gradient.spread.quantile(0.5).is_some_and(up)
        || losses.divergence.as_ref().is_some_and(|rise| !rise.over)
}

fn against_itself(context: &Context<'_>, numbers: &Numbers) -> Vec<Opinion> {
    let gradient = &numbers.gradient;
    number::opinion(context, (NAME, HIGH), (gradient.high.as_ref(), gradient.spread.rows), |high| Word {
        severity: Severity::Warning,
        message: format!(
            "the gradient norm rose to {}{}, {:.0} times its median {}",
            say(high.peak),
            at(high.first),
            high.peak / high.usual,
            say(high.usual)
        ),
        advice: ADVICE,
    })
}

/// A scale that is halved without end says that every step overflows and is skipped.
fn skipped(context: &Context<'_>, numbers: &Numbers) -> Opinion {
    let still = &numbers.standstill;
    let down = Some(&still.scale_down).filter(|down| down.rows >= DOWN_ROWS);
    let Some(streak) = down.or(Some(&still.scale_falls).filter(|falls| falls.rows >= HALVINGS)) else {
        return Opinion::Well(Subject::new(NAME, SKIPPED), "the loss scale is not at its bottom".to_owned());
    };
    let scale = numbers.latest.get(crate::metrics::Metric::LossScale).unwrap_or_default();
    let message = format!(
        "the loss scale is down to {} from {} since{}: the gradients overflow and the steps are skipped",
        say(scale),
        say(still.scale_peak),
        at(streak.first).trim_start_matches(" at"),
    );
    let advice = "Use bf16 rather than fp16, or lower the learning rate and look for a layer whose activations overflow; skipped steps train nothing";
    let word = Word { severity: Severity::Warning, message, advice };
    number::claim(context, (NAME, SKIPPED), word, (streak.first, scale, still.scale_peak)).holds()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::Scene;
    use crate::metrics::Metric;

    /// Values by step.
    type Series<'a> = &'a dyn Fn(u64) -> f64;

    /// A patrol every fifty rows; the step at which it began.
    fn first(syndrome: &str, limit: Option<f64>, metric: Metric, value: Series<'_>) -> Option<f64> {
        let mut scene = Scene::new();
        if let Some(limit) = limit {
            scene.config.training.gradient_norm_max = crate::config::Setting { value: limit, by_user: true };
        }
        (0..8).find_map(|patrol| {
            for step in 50 * patrol..50 * (patrol + 1) {
                scene.row(step, |row| row.values.set(metric, value(step)));
            }
            scene.patrol().claim(syndrome)?.occurrences[0].step
        })
    }

    #[test]
    fn a_norm_is_high_against_its_own_median() {
        let table: [(&str, Series<'_>, Option<f64>); 7] = [
            ("rises and stays", &|step| if step < 120 { 0.8 } else { 13.0 }, Some(120.0)),
            ("explodes within the first rows", &|step| if step < 9 { 0.5 } else { 1e6 }, Some(9.0)),
            ("thousands, and steady", &|step| 90_000.0 + step as f64, None),
            ("large first rows", &|step| if step < 5 { 200.0 } else { 0.9 }, None),
            ("one batch of eight times", &|step| if step == 100 { 6.5 } else { 0.8 }, None),
            ("two batches of fifteen times", &|step| if step % 60 == 50 { 12.0 } else { 0.8 }, None),
            ("one batch of thirty times", &|step| if step == 100 { 24.0 } else { 0.8 }, Some(100.0)),
        ];
        for (name, norm, expected) in table {
            assert_eq!(first(HIGH, None, Metric::GradNorm, norm), expected, "{name}");
        }
    }

    #[test]
    fn the_users_limit_counts_where_it_is_exceeded_for_three_rows() {
        let high = |step| if step >= 130 { 60.0 } else { 40.0 };
        assert_eq!(first(HIGH, Some(50.0), Metric::GradNorm, &high), Some(142.0));
        assert_eq!(first(HIGH, None, Metric::GradNorm, &high), None);
        let once = |step| if step == 149 { 60.0 } else { 40.0 };
        assert_eq!(first(HIGH, Some(50.0), Metric::GradNorm, &once), None);
    }

    #[test]
    fn over_the_users_limit_is_a_warning_while_somebody_stays_or_while_it_rises() {
        let severity = |attended: bool, norm: Series<'_>| {
            let mut scene = Scene::new();
            scene.config.training.gradient_norm_max = crate::config::Setting { value: 50.0, by_user: true };
            if attended {
                scene.attend(1000);
            }
            for step in 0..100 {
                scene.row(step, |row| row.values.set(Metric::GradNorm, norm(step)));
            }
            scene.patrol().severity(HIGH)
        };
        let steady: Series<'_> = &|_| 60.0;
        let rising: Series<'_> = &|step| 30.0 + step as f64;
        assert_eq!(severity(true, steady), Some(Severity::Warning));
        assert_eq!(severity(false, steady), Some(Severity::Info));
        assert_eq!(severity(false, rising), Some(Severity::Warning));
    }

    #[test]
    fn a_loss_scale_at_its_bottom_says_that_steps_are_skipped() {
        let table: [(&str, Series<'_>, Option<f64>); 5] = [
            ("halved to the bottom", &|step| (65536.0 / 2_f64.powi(step as i32)).max(1.0), Some(16.0)),
            ("halved without end", &|step| 2_f64.powi(40 - step.min(39) as i32), Some(1.0)),
            ("found from 2^32", &|step| (2_f64.powi(32 - step.min(32) as i32)).max(65536.0), None),
            ("a format that needs none", &|_| 1.0, None),
            ("up and down", &|step| if step % 40 < 20 { 65536.0 } else { 32768.0 }, None),
        ];
        for (name, scale, expected) in table {
            assert_eq!(first(SKIPPED, None, Metric::LossScale, scale), expected, "{name}");
        }
    }
}
