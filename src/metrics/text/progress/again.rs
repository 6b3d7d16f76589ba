//! Files that are written anew, or go on from another one: which of their rows are new.

use super::FileContext;
use crate::metrics::{Metric, Values};
use serde::{Deserialize, Serialize};

/// The last row's step, and how many rows had it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Reached(Option<f64>, u32);

impl FileContext {
    /// The file is one of metrics: it may be written anew as a whole.
    pub fn counts_rows(&mut self) {
        self.reached.get_or_insert_default();
    }

    /// For the same file, written anew: only what goes beyond what was read counts.
    #[must_use]
    pub fn read_again(&self) -> Self {
        Self {
            again: self.reached.filter(|reached| reached.1 > 0),
            columns: Vec::new(),
            block: None,
            ..self.clone()
        }
    }

    /// Whether another file of the same history was read further.
    pub fn reached_less_than(&self, other: &Self) -> bool {
        self.reached.map(|reached| reached.0) < other.reached.map(|reached| reached.0)
    }

    /// For the next file of one writer after another: its steps may begin anew, once.
    #[must_use]
    pub fn continued(&self) -> Self {
        Self { one_attempt: false, again: None, ..self.clone() }
    }

    /// The file has one writer and belongs to one attempt.
    pub(in crate::metrics) fn has_one_writer(&mut self) {
        self.one_writer = true;
    }

    /// Whether a row was counted before the file was written anew.
    #[inline]
    pub(in crate::metrics::text) fn repeats(&mut self, values: &Values) -> bool {
        self.reached.is_some() && self.repeats_one(values)
    }

    #[cold]
    fn repeats_one(&mut self, values: &Values) -> bool {
        let step = values.get(Metric::Step).or(values.get(Metric::Epoch));
        if let Some(again) = &mut self.again {
            if step < again.0 {
                return true;
            }
            if step == again.0 && again.1 > 0 {
                again.1 -= 1;
                return true;
            }
            self.again = None;
        }
        let reached = self.reached.get_or_insert_default();
        let rows = if reached.0 == step { reached.1.saturating_add(1) } else { 1 };
        *reached = Reached(step, rows);
        false
    }
}
