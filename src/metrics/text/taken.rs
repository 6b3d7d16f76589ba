//! Rows that were put together elsewhere, of files that are no text.

use super::{Extractor, FileContext};
use crate::metrics::names::{self, Aliases};
use crate::metrics::{Metric, Row};

impl Extractor {
    /// Takes a row that was read elsewhere, of a file that is no text: whether it says anything.
    pub(in crate::metrics) fn take(&mut self, context: &mut FileContext, row: Row) -> bool {
        self.row = row;
        let says = |metric| {
            !matches!(metric, Metric::Step | Metric::Epoch | Metric::TotalSteps | Metric::TotalEpochs)
        };
        let values = &self.row.values;
        if !values.iter().any(|(metric, _)| says(metric)) && self.row.other.is_empty()
            || context.repeats(values)
        {
            return false;
        }
        self.row.policy_loss = matches!(context.election().0, names::OF_A_PART | names::GENERATOR);
        context.place(&mut self.row);
        true
    }

    /// The user's names.
    pub fn aliases(&self) -> &Aliases {
        &self.aliases
    }
}
