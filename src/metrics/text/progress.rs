//! Which attempt a row belongs to, and its step counted through epochs: what one file remembers.

mod again;

use super::block::Block;
use super::columns::Columns;
use super::trace::Traces;
use crate::metrics::names;
use crate::metrics::{Metric, Row, Values};
use again::Reached;
use serde::{Deserialize, Serialize};

/// What reading one file remembers from one patrol to the next. At most some 300 bytes as JSON,
/// 900 while tracebacks are half read, and some 400 more below a table's header (three times that until its first row) or in an open block.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one file")]
pub struct FileContext {
    /// The epoch that a header line announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<f64>,
    /// The global step that a header line announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<f64>,
    /// Rows so far.
    pub rows: u64,
    /// Which start of the run the last row belongs to, from 1; 0 before the first row.
    pub attempt: u32,
    /// How surely the name taken for the loss is the training loss: less is surer; 255 is none yet.
    pub loss_rank: u8,
    /// The name that was taken for the loss.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub loss_name: String,
    /// Rows that carried it, up to [`ESTABLISHED`].
    loss_rows: u8,
    /// Rows with a loss have a step of their own: an epoch is none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    counts_steps: bool,
    /// Rows with a loss and a step of their own, up to [`MOST_STEPPED`]; less those that go without
    /// one right behind another.
    stepped_rows: u8,
    /// The last row with a loss had no step of its own.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stepless: bool,
    /// Steps as the attempt counts them.
    track: Track,
    /// The next row begins an attempt: the run's process is another one.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    begin: bool,
    /// The unfinished tail that was judged had its row counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) tail_counted: bool,
    /// What the last header of a table says of the rows below it; several ways to read it until the
    /// first row.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) columns: Vec<Columns>,
    /// A block of records that is not over yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) block: Option<Box<Block>>,
    /// The last heading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) heading: Option<Heading>,
    /// Python tracebacks that are not over yet.
    #[serde(skip_serializing_if = "Traces::is_idle")]
    pub(crate) traces: Traces,
    /// How far a file that may be written anew was read; `None` for a log.
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<Reached>,
    /// It was written anew: what is to be passed over.
    #[serde(skip_serializing_if = "Option::is_none")]
    again: Option<Reached>,
    /// Its steps fall back only where a file begins: one writer's numbers of several kinds may count
    /// several things.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    one_attempt: bool,
    /// One writer wrote this file, from its first row to its last.
    #[serde(skip)]
    one_writer: bool,
}

impl Default for FileContext {
    fn default() -> Self {
        Self {
            epoch: None,
            step: None,
            rows: 0,
            attempt: 0,
            loss_rank: u8::MAX,
            loss_name: String::new(),
            loss_rows: 0,
            counts_steps: false,
            stepped_rows: 0,
            stepless: false,
            track: Track::default(),
            begin: false,
            tail_counted: false,
            columns: Vec::new(),
            block: None,
            heading: None,
            traces: Traces::default(),
            reached: None,
            again: None,
            one_attempt: false,
            one_writer: false,
        }
    }
}

/// A line above rows that says where they stand, and no more than that: it holds for rows that do
/// not say it themselves.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Heading {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) step: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) total: Option<f64>,
    /// The row below it is one from before, told again: the best.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) recalls: bool,
    /// What stands indented below it is about held-out data.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) held_out: bool,
    /// Nothing but blank lines followed it yet.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) fresh: bool,
}

/// Steps within one attempt.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Track {
    /// Step of the last row, as printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<f64>,
    /// First and highest step since the step last fell.
    first: f64,
    top: f64,
    /// The largest rise from row to row among the recent ones: how far interleaved ranks fall back.
    rise: f64,
    /// Steps of the epochs before.
    base: f64,
    /// The total that was printed beside the step.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<f64>,
    /// It began by the process; a fall of the step in the same read is the same event.
    #[serde(skip)]
    begun: bool,
    /// Epoch of the last row.
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<f64>,
}

/// A name that carried the loss for this many rows stays: a summary at the end of an epoch may have
/// a name that says more, and is no row of training.
const ESTABLISHED: u8 = 16;

/// After this many rows with a step and a loss, a loss without a step is an epoch's summary.
const STEPPED: u8 = 2;

/// So many are remembered at most: each rank may sum an epoch up, and a file whose rows have no step,
/// but for those glued behind a progress bar, shall be known by as few.
const MOST_STEPPED: u8 = 16;

/// Interleaved ranks and repeated lines fall back by this many rises from row to row, at most.
const JITTER_RISES: f64 = 2.0;

/// No run takes 2^53 steps; beyond it they could not be told apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

impl FileContext {
    /// Which loss this file's rows carry, and whether another may still take its place.
    #[inline]
    pub(super) fn election(&self) -> (u8, bool) {
        (self.loss_rank, self.loss_rows >= ESTABLISHED)
    }

    /// Takes the name for the training loss.
    pub(super) fn elect(&mut self, rank: u8, name: &[u8]) {
        self.loss_rank = rank;
        self.loss_rows = 0;
        self.loss_name = String::from_utf8_lossy(name).chars().take(40).collect();
    }

    /// Whether a loss of this rank and name is the file's; it is elected where it is surer.
    pub(in crate::metrics) fn takes_loss(&mut self, rank: u8, name: &[u8]) -> bool {
        let (elected, established) = self.election();
        if !established && rank < elected {
            self.elect(rank, name);
        }
        rank == self.loss_rank && (rank < names::PART || self.is_elected(name))
    }

    /// Whether the name is the one that was taken for the loss.
    pub(super) fn is_elected(&self, name: &[u8]) -> bool {
        let name = String::from_utf8_lossy(name);
        self.loss_name.chars().eq(name.chars().take(40))
    }

    /// Takes note of whether a row with a loss has a step: whether its loss only sums up those of an
    /// epoch, which have steps.
    #[inline]
    pub(super) fn sums_up(&mut self, values: &Values) -> bool {
        if values.get(Metric::Loss).is_none() {
            return false;
        }
        if values.get(Metric::Step).is_some() {
            self.stepped_rows = (self.stepped_rows + 1).min(MOST_STEPPED);
            self.stepless = false;
            return false;
        }
        if self.step.is_some()
            || values.get(Metric::Epoch).is_none()
                && self.heading.as_ref().is_some_and(|heading| heading.step.is_some())
        {
            return false;
        }
        let sums_up = self.stepped_rows >= STEPPED;
        self.stepped_rows = self.stepped_rows.saturating_sub(u8::from(self.stepless));
        self.stepless = true;
        sums_up
    }

    /// What the rows' steps are, for people.
    pub fn counted_by(&self) -> &'static str {
        match (self.counts_steps, self.track.last.is_some(), self.track.base > 0.0) {
            (_, false, _) => "rows have no step",
            (true, _, true) => "steps are counted within an epoch",
            (true, _, false) => "steps are as printed",
            (false, ..) => "the step is the epoch",
        }
    }

    /// The run's process is another one: the next row begins an attempt.
    pub fn begin_attempt(&mut self) {
        self.begin = self.rows > 0;
    }

    /// For the content that took this one's place and keeps nothing of it: it is the next attempt.
    /// Where the old one may only have been moved out of sight (`moved`), the steps decide.
    #[must_use]
    pub fn replaced(&self, moved: bool) -> Self {
        let attempt = self.attempt + u32::from(self.rows > 0);
        if moved {
            Self { track: self.track.clone(), attempt: self.attempt, ..Self::default() }
        } else {
            Self { attempt, ..Self::default() }
        }
    }

    /// A new read begins: what was said of the process is settled.
    pub fn begin_read(&mut self) {
        self.track.begun = false;
        self.traces.begin_read();
    }

    /// Counts the row and gives it its epoch, step, attempt and global step.
    pub(super) fn place(&mut self, row: &mut Row) {
        let values = &mut row.values;
        let placed = values.get(Metric::Epoch).is_some();
        match values.get(Metric::Epoch) {
            Some(_) => {}
            None => {
                if let Some(epoch) = self.epoch {
                    values.set(Metric::Epoch, epoch);
                }
            }
        }
        let printed = values.get(Metric::Step);
        let recalled = self.heading.take_if(|heading| heading.recalls).is_some();
        let headed = self.heading.as_ref().and_then(|heading| heading.step).filter(|_| !placed);
        let own = printed.or(self.step).or(headed);
        if printed.is_some() {
            // What says only how fast a step was stands above the step's numbers.
            let measured = super::MEASURES.iter().any(|metric| values.get(*metric).is_some());
            self.heading = (!measured).then(|| Heading { step: printed, ..Heading::default() });
        }
        let trains = values.get(Metric::Loss).is_some();
        self.counts_steps |= own.is_some() && (trains || self.loss_rank == u8::MAX);
        let epoch = values.get(Metric::Epoch).filter(|_| !self.counts_steps);
        if let Some(step) = own.or(epoch) {
            values.set(Metric::Step, step);
        }
        self.rows += 1;
        if self.attempt == 0 {
            self.attempt = 1;
        }
        if std::mem::take(&mut self.begin) {
            self.attempt += 1;
            self.track = Track { begun: true, ..Track::default() };
        }
        // Validation lines and timers may count something else; only the loss's own rows are steps.
        let has_loss = values.get(Metric::Loss).is_some();
        self.loss_rows = (self.loss_rows + u8::from(has_loss)).min(ESTABLISHED);
        let falls = |step| self.track.last.is_some_and(|last| step < last);
        let aside = self.one_attempt && values.get(Metric::Step).is_some_and(falls);
        let counts = (has_loss || self.loss_rank == u8::MAX) && !aside;
        self.one_attempt |= counts && self.one_writer;
        if let Some(step) = values.get(Metric::Step).filter(|step| step.abs() < EXACT) {
            let course = if recalled {
                Course::Back
            } else if counts {
                let total = values.get(Metric::TotalSteps).filter(|total| total.abs() < EXACT);
                self.track.advance(step, values.get(Metric::Epoch), total)
            } else {
                Course::On
            };
            self.attempt += u32::from(course == Course::Anew);
            if course == Course::Aside {
                // An evaluation with a bar of its own says `loss` and means that of held-out data.
                for metric in [Metric::Loss, Metric::TrainAccuracy] {
                    if let Some(value) = values.remove(metric) {
                        values.set(names::held_out(metric), value);
                    }
                }
            }
            let counted = matches!(course, Course::On | Course::Anew);
            row.global_step = counted.then_some(self.track.base + step);
        }
        row.attempt = self.attempt;
    }
}

/// Where a step leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// On in the attempt.
    On,
    /// It fell back: an attempt begins.
    Anew,
    /// It counts something else.
    Aside,
    /// To a row from before, told again.
    Back,
}

impl Track {
    /// Takes the next step.
    fn advance(&mut self, step: f64, epoch: Option<f64>, total: Option<f64>) -> Course {
        let Some(last) = self.last.replace(step) else {
            *self = Self {
                last: Some(step),
                first: step,
                top: step,
                epoch,
                total,
                begun: self.begun,
                ..Self::default()
            };
            return Course::On;
        };
        let earlier = self.epoch;
        // An evaluation with a bar of its own after the epoch's: `75/75` behind `600/600`.
        let own_bar =
            matches!((self.total, total), (Some(before), Some(now)) if now < before && self.top >= before);
        if own_bar && earlier.is_some() && earlier == epoch {
            self.last = Some(last);
            return Course::Aside;
        }
        self.total = total.or(self.total);
        self.epoch = epoch.or(earlier);
        if step >= last {
            self.rise = if step > last { (step - last).max(self.rise / 2.0) } else { self.rise };
            self.top = self.top.max(step);
            return Course::On;
        }
        let new_epoch = matches!((earlier, epoch), (Some(earlier), Some(epoch)) if epoch > earlier);
        let complete =
            total.is_some_and(|total| total > 0.0 && self.top >= 0.9 * total && step <= 0.1 * total);
        if new_epoch
            || complete && !matches!((earlier, epoch), (Some(earlier), Some(epoch)) if epoch < earlier)
        {
            // A restart from the step's lowest value; a resumed global step goes on instead.
            self.base += total.filter(|total| *total >= self.top).unwrap_or(self.top);
            (self.first, self.top) = (step, step);
            return Course::On;
        }
        let restarted = step <= self.first && self.top > self.first + self.rise;
        if self.top - step <= JITTER_RISES * self.rise && !restarted {
            return Course::On;
        }
        let same_event = self.begun;
        *self =
            Self { last: Some(step), first: step, top: step, epoch: self.epoch, total, ..Self::default() };
        if same_event { Course::On } else { Course::Anew }
    }
}

#[cfg(test)]
mod tests;
