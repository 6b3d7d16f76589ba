//! A run's numbers in bounded size: what the checks rest on, folded row by row.
//!
//! As JSON all of it stays below 48 KiB, however long the log. Non-finite values never enter a
//! mean; where one is kept it is written as a string, because JSON has no number for it.

pub mod curve;
pub mod episode;
pub mod evaluations;
mod extent;
pub mod gradient;
mod json;
pub mod losses;
pub(crate) mod noise;
pub mod nonfinite;
pub mod pace;
pub mod policy;
pub mod returns;
pub mod speed;
mod spread;
pub mod standstill;
pub mod steps;
mod success;
pub mod thinned;

use super::{METRICS, Metric, Row, Values};
use curve::{Curve, HUGE};
use episode::Place;
use evaluations::Evaluations;
use gradient::Gradient;
use losses::Losses;
use nonfinite::{Bad, NonFinite, Spot};
use pace::Pace;
use policy::{Divergence, Entropy};
use returns::Returns;
use serde::{Deserialize, Serialize};
use speed::Speed;
use standstill::Standstill;
use std::collections::BTreeMap;
use steps::Steps;
use thinned::Thinned;

/// Log files other than the lead's whose non-finite rows are kept apart; a run with more bad ranks
/// than this is as bad as one with so many.
const OTHER_FILES: usize = 16;

/// Numbers of a run, over all of its log so far.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Numbers {
    /// Rows with metrics so far.
    pub rows: u64,
    /// Which start of the run the last row belongs to, from 1; 0 before the first row.
    pub attempt: u32,
    /// Rows in this attempt.
    pub attempt_rows: u64,
    /// 1-based line of the last row.
    pub last_line: u64,
    /// First step of this attempt, monotonic within it.
    pub first_step: Option<f64>,
    /// Step of the last row that had one, monotonic within the attempt.
    pub last_step: Option<f64>,
    /// Greatest step of this attempt.
    pub max_step: Option<f64>,
    /// Rows of this attempt with a step.
    pub step_rows: u64,
    /// The printed step fell back within the attempt while the global step rose: it counts within
    /// an epoch, and so does the printed total.
    pub step_restarts: bool,
    /// The printed step rose from one epoch to the next: it counts through the run, and so does the
    /// printed total.
    pub step_goes_on: bool,
    /// Steps that the run is to make, as the log last said.
    pub total_steps: Option<f64>,
    /// The latest canonical values; each from the last row that had it.
    #[serde(with = "json::by_name")]
    pub latest: Values,
    /// The least loss among the steps that stand (those that a restart threw away are not).
    pub best: Option<Best>,
    /// The greatest learning rate among the steps that stand.
    pub peak_lr: Option<f64>,
    /// Rows whose loss or gradient norm is not finite.
    pub nonfinite: NonFinite,
    /// The same for log files other than the lead's, while something is wrong there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub others: BTreeMap<String, NonFinite>,
    /// Rows of other rank files so far.
    pub other_rows: u64,
    /// In the last pass that brought losses the lead had none, or there was no telling which file
    /// was to lead: the next loss elects.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lead_idle: bool,
    /// The loss over the steps.
    pub curve: Curve,
    /// Intervals between rows by the log's own times.
    pub pace: Pace,
    /// Steps by the log's own times.
    pub steps: Steps,
    /// The loss against its own recent past.
    pub losses: Losses,
    /// Norms of the gradient.
    pub gradient: Gradient,
    /// The pace as the log says it.
    pub speed: Speed,
    /// What does not move.
    pub standstill: Standstill,
    /// What was measured on held-out data.
    pub evaluations: Evaluations,
    /// The pace over the steps of this attempt: the log's own throughput, or steps per second where it
    /// says how long a step takes. For comparing runs.
    pub rates: Thinned,
    /// The best validation accuracy so far over the steps, as printed. For comparing runs.
    pub accuracies: Thinned,
    /// Rewards and success.
    pub returns: Returns,
    /// Entropy of the policy.
    pub entropy: Entropy,
    /// Its divergence from the reference.
    pub kl: Divergence,
}

/// The least loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Its value.
    pub loss: f64,
    /// Its step, where the log counts them.
    pub step: Option<f64>,
    /// Its line.
    pub line: u64,
}

impl Numbers {
    /// A pass over new rows begins: what was over in other files was told.
    pub fn begin_pass(&mut self) {
        self.nonfinite.fresh = 0;
        self.others.retain(|_, facts| facts.goes_on());
        self.others.values_mut().for_each(|facts| facts.fresh = 0);
        self.losses.begin_pass();
        self.gradient.begin_pass();
        self.speed.begin_pass();
        self.evaluations.begin_pass();
        self.returns.begin_pass();
        self.entropy.begin_pass();
        self.kl.begin_pass();
    }

    /// Takes the next row of the lead file, whose content is known by its head's hash. Costs some
    /// nanoseconds and allocates nothing.
    #[inline]
    pub fn fold(&mut self, row: &Row, head: &str) {
        let step = row.global_step.filter(|step| step.is_finite());
        if row.attempt > self.attempt {
            self.begin(row.attempt, step);
        }
        self.rows += 1;
        self.attempt_rows += 1;
        self.last_line = row.line;
        if let Some(step) = step {
            let printed = row.values.get(Metric::Step);
            if self.last_step.is_some_and(|last| step > last)
                && printed < self.latest.get(Metric::Step)
                && printed.is_some()
            {
                self.step_restarts = true;
                self.losses.begin_epoch();
            } else if self.enters_epoch(row) && printed > self.latest.get(Metric::Step) {
                self.step_goes_on = true;
            }
            self.first_step = self.first_step.or(Some(step));
            self.last_step = Some(step);
            self.max_step = Some(self.max_step.map_or(step, |max| max.max(step)));
            self.step_rows += 1;
        }
        if let Some(total) = row.values.get(Metric::TotalSteps).filter(|total| total.is_finite()) {
            self.total_steps = Some(total);
        }
        self.latest.absorb(&row.values);
        let loss = row.values.get(Metric::Loss);
        self.nonfinite.fold(loss, row.values.get(Metric::GradNorm), || Spot::of(row, head));
        if let Some(loss) = loss.filter(|loss| loss.is_finite()).map(|loss| loss.clamp(-HUGE, HUGE)) {
            // Rows without any step are counted instead, so that a curve has an abscissa.
            let at = self.last_step.unwrap_or(self.attempt_rows as f64);
            self.curve.push(at, loss);
            self.losses.of_policy = row.policy_loss;
            self.losses.push(loss, || Place::of(row));
            self.standstill.loss(loss, || Place::of(row));
            if self.best.is_none_or(|best| loss < best.loss) {
                self.best = Some(Best { loss, step: self.last_step, line: row.line });
            }
        }
        if let Some(lr) = finite(row, Metric::Lr) {
            if self.peak_lr.is_none_or(|peak| lr > peak) {
                self.peak_lr = Some(lr);
            }
            self.standstill.lr(lr, || Place::of(row));
        }
        self.fold_others(row);
        if let Some(time) = row.time {
            self.pace.push(time);
            if let Some(step) = step {
                self.steps.push(time.timestamp_millis() as f64 / 1e3, step);
            }
        }
    }

    /// What not every row carries.
    #[inline]
    fn fold_others(&mut self, row: &Row) {
        let value = |metric| finite(row, metric);
        if let Some(norm) = value(Metric::GradNorm) {
            self.gradient.push(norm, Place::of(row));
        }
        if let Some(seconds) = value(Metric::StepTimeS).or_else(|| {
            value(Metric::Throughput).filter(|rate| *rate > 0.0).map(|rate| (1.0 / rate).min(HUGE))
        }) {
            self.speed.push(seconds, Place::of(row));
            let rate = 1.0 / seconds;
            if rate > 0.0 && rate.is_finite() {
                self.rates.push(self.last_step.unwrap_or(self.attempt_rows as f64), rate);
            }
        }
        if let Some(scale) = value(Metric::LossScale) {
            self.standstill.scale(scale, Place::of(row));
        }
        let (accuracy, loss) = (value(Metric::ValAccuracy), value(Metric::ValLoss));
        if accuracy.is_some() || loss.is_some() {
            let training = (value(Metric::Loss), value(Metric::Epoch));
            let before = self.evaluations.accuracy.count;
            self.evaluations.push(accuracy, loss, training, self.losses.smooth, Place::of(row));
            let known = &self.evaluations.accuracy;
            if known.count > before {
                self.accuracies.push(self.last_step.unwrap_or(known.count as f64), known.best);
            }
        }
        if let Some(reward) = value(Metric::Reward) {
            self.returns.push(reward, Place::of(row));
        }
        if let Some(rate) = value(Metric::SuccessRate) {
            self.returns.push_success(rate, Place::of(row));
        }
        if let Some(entropy) = value(Metric::Entropy) {
            self.entropy.push(entropy, self.returns.success_now(), Place::of(row));
        }
        if let Some(kl) = value(Metric::Kl) {
            self.kl.push(kl, Place::of(row));
        }
    }

    /// Whether a row is of a later epoch than the one before.
    fn enters_epoch(&self, row: &Row) -> bool {
        let (now, before) = (row.values.get(Metric::Epoch), self.latest.get(Metric::Epoch));
        now.zip(before).is_some_and(|(now, before)| now.floor() > before.floor())
    }

    /// Takes a row of another rank's file: its non-finite values and its progress count, nothing else.
    pub fn fold_other(&mut self, row: &Row, file: &str, head: &str) {
        self.other_rows += 1;
        let (loss, grad_norm) = (row.values.get(Metric::Loss), row.values.get(Metric::GradNorm));
        if let Some(known) = self.others.get_mut(file) {
            known.fold(loss, grad_norm, || Spot::of(row, head));
        } else if (Bad::of(loss).is_some() || Bad::of(grad_norm).is_some()) && self.others.len() < OTHER_FILES
        {
            let mut new = NonFinite::default();
            new.fold(loss, grad_norm, || Spot::of(row, head));
            self.others.insert(file.to_owned(), new);
        }
    }

    /// Another file leads from this row on. Gives the attempt of the row: one begins where the steps
    /// fall back, or there are none to tell.
    pub fn change_lead(&mut self, row: &Row, from: &str, to: &str) -> u32 {
        let goes_on = row.global_step.is_some_and(|step| self.last_step.is_some_and(|last| step >= last));
        let mine = self.others.remove(to).unwrap_or_default();
        let left = std::mem::replace(&mut self.nonfinite, mine);
        if left.goes_on() {
            self.others.insert(from.to_owned(), left);
        }
        row.attempt.max(self.attempt + u32::from(!goes_on))
    }

    /// A new attempt. A resume keeps the steps that stand; a start from scratch keeps nothing.
    #[cold]
    fn begin(&mut self, attempt: u32, step: Option<f64>) {
        if self.attempt > 0 {
            self.others.clear();
        }
        let scratch = step.is_none_or(|step| self.first_step.is_none_or(|first| step <= first));
        self.attempt = attempt;
        self.attempt_rows = 0;
        self.step_rows = 0;
        (self.first_step, self.last_step, self.max_step) = (None, None, None);
        (self.step_restarts, self.step_goes_on) = (false, false);
        self.total_steps = None;
        self.nonfinite.streak = None;
        self.pace = Pace::default();
        self.steps = Steps::default();
        self.latest.clear();
        self.curve.fall_back_to(step.unwrap_or(0.0));
        if self.curve.bins.is_empty() {
            self.peak_lr = None;
        }
        (self.gradient, self.speed, self.standstill, self.rates) = Default::default();
        if scratch {
            (self.losses, self.evaluations, self.returns, self.accuracies) = Default::default();
            (self.entropy, self.kl) = Default::default();
        } else {
            self.losses.resume();
            self.accuracies.fall_back_to(step.unwrap_or(0.0));
        }
        if self
            .best
            .is_some_and(|best| best.step.is_none() || best.step >= step || self.curve.bins.is_empty())
        {
            self.best = None;
        }
    }

    /// The last step as the log printed it, else the count that is monotonic in the attempt.
    pub fn printed_step(&self) -> Option<f64> {
        self.latest.get(Metric::Step).or(self.last_step)
    }

    /// Steps between two rows, on average over this attempt.
    pub fn steps_per_row(&self) -> Option<f64> {
        let (first, last) = (self.first_step?, self.last_step?);
        (self.step_rows >= 2 && last > first).then(|| (last - first) / (self.step_rows - 1) as f64)
    }
}

/// A value that arithmetic stays finite with: the state has no number for an infinity.
#[inline]
fn finite(row: &Row, metric: Metric) -> Option<f64> {
    row.values.get(metric).filter(|value| value.is_finite()).map(|value| value.clamp(-HUGE, HUGE))
}

impl Values {
    /// Takes over what the other one has.
    #[inline]
    fn absorb(&mut self, other: &Self) {
        let mut present = other.present;
        self.present |= present;
        while present != 0 {
            let index = present.trailing_zeros() as usize % METRICS;
            self.values[index] = other.values[index];
            present &= present - 1;
        }
    }
}

#[cfg(test)]
mod tests;
