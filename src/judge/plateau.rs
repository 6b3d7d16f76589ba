//! Check `plateau`: the loss has stopped falling, as far as its noise lets one say so.

use super::profile::{Profile, profile};
use super::say::plain;
use super::{Context, Memory};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::metrics::Metric;
use crate::metrics::numbers::Numbers;
use crate::metrics::numbers::curve::Bin;
use serde::{Deserialize, Serialize};

/// Its name.
pub const NAME: &str = "plateau";
const SYNDROME: &str = "loss_plateau";

/// Flat is a relative fall per window whose upper 95 % bound is below this (the contract's number).
const FLAT: f64 = 1e-3;
/// A rise by more than this per window is no plateau but trouble of another name.
const RISE: f64 = 1e-2;
/// One-sided 95 % quantile of the normal distribution.
const Z95: f64 = 1.645;
/// Windows, as shares of the curve: large enough that a healthy run, whose loss falls like a power
/// of the step, falls by whole per cents in each.
const WINDOWS: [f64; 2] = [0.25, 0.5];
/// Rows and bins in a window at least: fewer say nothing about the noise.
const ROWS: u64 = 64;
const BINS: usize = 16;
/// Two looks at the same rows are one, however often patrols come: this part of the rows is to be new.
const NEW_SHARE: u64 = 16;
/// A learning rate below this share of its peak explains a flat end, and so does this much of the
/// steps being done (the contract's numbers).
const DECAYED: f64 = 0.1;
const NEARLY_DONE: f64 = 0.9;
/// A loss that came down to a tenth of its start has arrived rather than got stuck: no loss that has a
/// floor of its own, as a language model's has, comes down so far.
const CONVERGED: f64 = 10.0;

/// Flat patrols so far. Kept over a resume.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlateauMemory {
    /// Consecutive patrols that brought new steps and found the loss flat.
    flat: u32,
    /// The last step that was judged, and rows of the curve then.
    step: Option<f64>,
    rows: u64,
    /// The attempt that was warned about, and whether that warning still stands.
    warned: Option<u32>,
    stands: bool,
}

/// The trend of a loss over a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trend {
    /// Fall from the window's begin to its end, as a share of the level.
    pub(super) fall: f64,
    /// Standard error of that.
    pub(super) error: f64,
    /// First and last step.
    steps: (f64, f64),
}

impl Trend {
    pub(super) fn upper(&self) -> f64 {
        self.fall + Z95 * self.error
    }

    pub(super) fn is_flat(&self) -> bool {
        self.upper() < FLAT && self.fall > -RISE
    }

    fn falls(&self) -> bool {
        self.fall - Z95 * self.error > 0.0 && self.upper() >= FLAT
    }
}

/// `loss_plateau`.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let subject = Subject::new(NAME, SYNDROME);
    if let Some(end) = &memory.end {
        return vec![Opinion::Well(subject, format!("the run is complete: {}", end.how))];
    }
    if profile(context).kind == Profile::ReinforcementLearning {
        return vec![Opinion::Well(subject, "a policy's loss need not fall".to_owned())];
    }
    // Looks that are seconds apart count no flat patrols: `learning` judges the first phase.
    if context.attended.is_some() {
        return Vec::new();
    }
    let numbers = &context.look.digest.numbers;
    let before = &mut memory.plateau;
    // After a resume the same steps are made again; those are no new ones until they are passed.
    let new = match (numbers.max_step, before.step) {
        (Some(now), Some(known)) => now > known || numbers.curve.bins.len() < BINS,
        _ => numbers.curve.rows() != before.rows,
    };
    let rows = numbers.curve.rows();
    let too_few = (before.rows..before.rows + ROWS.max(rows / NEW_SHARE)).contains(&rows);
    if !new || before.rows > 0 && too_few && !context.last_look {
        return Vec::new();
    }
    (before.step, before.rows) = (numbers.max_step, numbers.curve.rows());
    let trends = trends(numbers);
    let Some(flat) = trends.iter().find(|trend| trend.is_flat()) else {
        before.flat = 0;
        // What is neither flat nor falling cannot be told, and leaves an open finding open.
        let falls = trends.iter().find(|trend| trend.falls());
        before.stands &= falls.is_none();
        let well =
            falls.map(|trend| format!("the loss falls again: {} over the last window", percent(trend.fall)));
        return well.map(|why| Opinion::Well(subject, why)).into_iter().collect();
    };
    before.flat = before.flat.saturating_add(1);
    if before.flat < context.config.patrol.loss_plateau_patience {
        return Vec::new();
    }
    if let Some(excuse) = excuse(context, numbers, flat) {
        before.stands = false;
        return vec![Opinion::Well(subject, excuse)];
    }
    let again = before.warned == Some(memory.attempt) && !before.stands;
    let severity = if again { Severity::Info } else { Severity::Warning };
    if severity == Severity::Warning {
        (before.warned, before.stands) = (Some(memory.attempt), true);
    }
    vec![claim(subject, severity, flat, before.flat, numbers).holds()]
}

fn claim(subject: Subject, severity: Severity, flat: &Trend, patrols: u32, numbers: &Numbers) -> Claim {
    let level = numbers.curve.bins.last().map_or(0.0, |bin| bin.mean);
    let message = format!(
        "the loss is flat at {level:.4} since about step {}: it falls by at most {} from there to step {}, for {patrols} patrols",
        plain(flat.steps.0),
        percent(flat.upper()),
        plain(flat.steps.1),
    );
    let advice = "Compare the validation loss; if it is flat too, end the run or lower the learning rate, and check that the gradients are not zero and the data still changes";
    Claim::new(subject, Scope::Attempt, severity, message, advice)
        .with("loss", level)
        .with("fall", flat.fall)
        .with("fall_upper_95", flat.upper())
        .with("from_step", flat.steps.0)
        .with("to_step", flat.steps.1)
        .with("flat_patrols", patrols)
}

/// What explains a flat end.
fn excuse(context: &Context<'_>, numbers: &Numbers, flat: &Trend) -> Option<String> {
    let lr = numbers.latest.get(Metric::Lr).zip(numbers.peak_lr);
    // A rate that decayed explains what came of it; one that was 0 all the while is the trouble itself.
    let zero = &numbers.standstill.lr_zero;
    let all_zero = zero.rows > 0 && zero.first.step.is_some_and(|step| step <= flat.steps.0);
    if let Some((lr, peak)) = lr.filter(|(lr, peak)| *lr < DECAYED * *peak && !all_zero) {
        return Some(format!("the learning rate is down to {lr:e} of {peak:e}"));
    }
    let level = numbers.curve.bins.last().map_or(0.0, |bin| bin.mean);
    if let Some(first) = numbers.losses.first.filter(|first| level > 0.0 && *first > CONVERGED * level) {
        return Some(format!("it came down from {first:.4}"));
    }
    let done = numbers.done(context.run.total_steps).filter(|done| *done >= NEARLY_DONE)?;
    Some(format!("{} of the steps are done", percent(done)))
}

fn percent(share: f64) -> String {
    format!("{:.2} %", 100.0 * share)
}

/// The trends of the last windows, the shorter first; none where there are too few rows.
pub(super) fn trends(numbers: &Numbers) -> Vec<Trend> {
    WINDOWS.iter().filter_map(|share| trend(numbers, *share)).collect()
}

/// Least squares over the last share of the curve's rows, each bin one point (all but the last
/// stand for equally many rows). Neighbouring bins are alike, so the error is widened by what their
/// residuals' correlation takes from the number of independent points.
fn trend(numbers: &Numbers, share: f64) -> Option<Trend> {
    let bins = &numbers.curve.bins;
    // A last bin that is not half full is more noise than signal.
    let full = bins.last().is_some_and(|bin| bin.count * 2 >= numbers.curve.width);
    let bins = &bins[..bins.len() - usize::from(!full && !bins.is_empty())];
    let count = ((bins.len() as f64 * share).ceil() as usize).max(BINS);
    let window: &[Bin] = bins.get(bins.len().checked_sub(count)?..)?;
    if window.iter().map(|bin| bin.count).sum::<u64>() < ROWS {
        return None;
    }
    let n = window.len() as f64;
    let (mid, mean) = ((n - 1.0) / 2.0, window.iter().map(|bin| bin.mean).sum::<f64>() / n);
    let spread = n * (n * n - 1.0) / 12.0;
    let slope =
        window.iter().enumerate().map(|(index, bin)| (index as f64 - mid) * bin.mean).sum::<f64>() / spread;
    let residual = |(index, bin): (usize, &Bin)| bin.mean - mean - slope * (index as f64 - mid);
    let residuals: Vec<f64> = window.iter().enumerate().map(residual).collect();
    let squares: f64 = residuals.iter().map(|off| off * off).sum();
    let neighbours: f64 = residuals.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let alike = if squares > 0.0 { (neighbours / squares).clamp(0.0, 0.9) } else { 0.0 };
    let error = (squares / (n - 2.0) / spread * (1.0 + alike) / (1.0 - alike)).sqrt();
    let level = mean.abs();
    let trend = Trend {
        fall: -slope * (n - 1.0) / level,
        error: error * (n - 1.0) / level,
        steps: (window.first()?.step, window.last()?.step),
    };
    // A level of zero has no shares.
    (trend.fall.is_finite() && trend.error.is_finite()).then_some(trend)
}

#[cfg(test)]
mod tests;
