//! Rows from the text of a log.
//!
//! A record goes through `field` (numbers with their names and units) and the names
//! (which of them are the row); its `shape` is kept, and later records of the same shape are read
//! by it alone. `progress` then says which attempt and step the row belongs to.

mod block;
mod cells;
pub(crate) mod clean;
mod columns;
mod comma;
mod field;
mod key;
mod likely;
mod number;
mod position;
mod progress;
pub mod records;
mod resolve;
mod shape;
mod stems;
mod taken;
pub(crate) mod time;
pub(crate) mod trace;
#[cfg(test)]
pub(crate) mod work;

pub use likely::likely;
pub use progress::FileContext;

use super::names::{self, Aliases};
use super::{Metric, Row, Values};
use block::{Block, Place, Taken};
use columns::Columns;
use field::{Field, Slot};
use records::End;
use resolve::{announce, announce_held_out, resolve};
use shape::Shape;
use stems::has_stem;
use time::Times;

/// Metrics that make a record a row by themselves.
const MEASURES: &[Metric] = &[
    Metric::Loss,
    Metric::GradNorm,
    Metric::ValLoss,
    Metric::ValAccuracy,
    Metric::TrainAccuracy,
    Metric::Perplexity,
    Metric::Reward,
    Metric::SuccessRate,
    Metric::Kl,
    Metric::Entropy,
];

/// Metrics that make a record a row beside a step.
const PACE: &[Metric] = &[Metric::Lr, Metric::Throughput, Metric::StepTimeS, Metric::Mfu];

/// Longest record that is searched for numbers, bytes: beyond it stands a dump, not a row.
const LONGEST: usize = 64 * 1024;

/// Shapes kept: a log alternates between a handful.
const SHAPES: usize = 16;

/// Shapes at the front that stay in place.
const TRIED_FIRST: usize = 3;

/// Shapes that may be learnt without one of them being used; each use gives one back. Beyond it
/// only every 64th record is learnt from, so that a log without shapes does not pay for them.
const CREDIT: u32 = 64;

/// Sets a value, unless it is of a kind that is never not finite: `step_avg:nanms`.
#[inline]
pub(in crate::metrics) fn assign(values: &mut Values, metric: Metric, value: f64) {
    let value = match metric {
        Metric::ValAccuracy | Metric::TrainAccuracy | Metric::SuccessRate
            if value > 1.0 && value <= 100.0 =>
        {
            value / 100.0
        }
        _ => value,
    };
    if value.is_finite() || MEASURES.contains(&metric) {
        values.set(metric, value);
    }
}

/// Reads rows out of records. One for all files of a run: what belongs to a file is in its
/// [`FileContext`].
#[derive(Debug, Clone, Default)]
pub struct Extractor {
    row: Row,
    shapes: Vec<Shape>,
    spent: u32,
    fields: Vec<Field>,
    plain: Vec<u8>,
    pointed: Vec<u8>,
    times: Times,
    with_other: bool,
    /// Whether a record has no words that matter, nor has any other that differs by numbers alone.
    is_quiet: Option<fn(&[u8]) -> bool>,
    /// The record that was read last has the shape of a quiet one.
    quiet: bool,
    aliases: Aliases,
}

impl Extractor {
    /// An extractor that fills [`Row::other`] too.
    pub fn with_other() -> Self {
        Self { with_other: true, ..Self::default() }
    }

    /// An extractor that says of records by their shape whether they are quiet, so that nobody has to
    /// look at them again. `is_quiet` is asked about the records that shapes are learnt from; what
    /// it says must hold for all that differ from it by numbers alone.
    pub fn told_by(is_quiet: fn(&[u8]) -> bool) -> Self {
        Self { is_quiet: Some(is_quiet), ..Self::default() }
    }

    /// Whether the record that was read last is known to be quiet; see [`Extractor::told_by`].
    #[inline]
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The same, with the user's names too.
    #[must_use]
    pub fn with_aliases(self, aliases: Aliases) -> Self {
        Self { aliases, ..self }
    }

    /// The row that was read last.
    pub fn row(&self) -> &Row {
        &self.row
    }

    /// The row belongs to another attempt than its own file says: the file continues another one.
    pub fn set_attempt(&mut self, attempt: u32) {
        self.row.attempt = attempt;
    }

    /// Reads the record of `bytes` that begins at `at`: where it ends, and whether it carries a row.
    /// `line` and `offset` are those of `at`.
    #[inline]
    pub fn read(
        &mut self,
        context: &mut FileContext,
        bytes: &[u8],
        at: usize,
        line: u64,
        offset: u64,
    ) -> (End, bool) {
        (self.row.line, self.row.offset) = (line, offset);
        self.quiet = false;
        if let Some(end) = self.by_shape(context, bytes, at) {
            if context.block.is_some() {
                context.block = None;
            }
            return (end, self.finish(context));
        }
        let end = records::end(bytes, at);
        let row = self.search(context, &bytes[at..end.end]);
        (end, row)
    }

    /// The file ends here: whether a block that was still open is a row.
    pub fn close(&mut self, context: &mut FileContext) -> bool {
        context.block.take().is_some_and(|block| self.end_block(context, &block))
    }

    fn clear(&mut self) {
        self.row.values.clear();
        self.row.other.clear();
        (self.row.time, self.row.rank, self.row.global_step) = (None, None, None);
    }

    #[inline]
    fn by_shape(&mut self, context: &FileContext, bytes: &[u8], at: usize) -> Option<End> {
        for index in 0..self.shapes.len() {
            self.clear();
            let shape = &self.shapes[index];
            let quiet = shape.quiet;
            if shape.elected == context.election()
                && let Some(end) = shape.read(bytes, at, &mut self.row, &mut self.times)
            {
                // A shape in use moves up among those that are tried first; there, order costs
                // less than moving.
                if index >= TRIED_FIRST {
                    self.shapes.swap(index, index / 2);
                }
                self.spent = self.spent.saturating_sub(1);
                self.quiet = quiet;
                return Some(end);
            }
        }
        None
    }

    /// Reads a record by its names.
    fn search(&mut self, context: &mut FileContext, record: &[u8]) -> bool {
        #[cfg(test)]
        work::add(record.len());
        let in_table = context.block.is_some()
            || !context.columns.is_empty()
            || context.heading.as_ref().is_some_and(|heading| heading.fresh);
        if record.len() > LONGEST || !in_table && !self.has_stem(record) && !block::may_be_cell(record) {
            return false;
        }
        if !clean::is_dirty(record) {
            return self.search_plain(context, record);
        }
        let mut plain = std::mem::take(&mut self.plain);
        clean::clean(record, &mut plain);
        // The end that a shape looks for.
        plain.push(b'\n');
        let row = match self.by_shape(context, &plain, 0) {
            Some(_) => self.finish(context),
            None => self.search_plain(context, &plain[..plain.len() - 1]),
        };
        self.plain = plain;
        row
    }

    fn search_plain(&mut self, context: &mut FileContext, record: &[u8]) -> bool {
        self.clear();
        let mut pointed = std::mem::take(&mut self.pointed);
        let by_comma = context.columns.iter().any(Columns::is_by_comma);
        let row = if !by_comma && comma::to_points(record, &mut pointed) {
            self.search_fields(context, &pointed, false)
        } else {
            self.search_fields(context, record, true)
        };
        self.pointed = pointed;
        row
    }

    /// Reads a record whose numbers are as they should be. Its shape is learnt only where it is the
    /// record's own (`learns`).
    fn search_fields(&mut self, context: &mut FileContext, record: &[u8], learns: bool) -> bool {
        if let Some(row) = self.by_table(context, record) {
            return row;
        }
        let mut fields = std::mem::take(&mut self.fields);
        field::fields(record, &self.aliases, &mut self.times, &mut fields);
        let steady = resolve(context, record, &mut fields);
        self.fill(record, &fields);
        let row = !is_source(context, record, &fields) && self.finish(context);
        if row && steady && learns {
            self.learn(record, &fields, context.election());
        } else if !row {
            announce(context, record, &fields, &self.row.values);
        }
        self.fields = fields;
        row
    }

    /// Reads a record as part of a table, where it is one: whether it gives a row.
    fn by_table(&mut self, context: &mut FileContext, record: &[u8]) -> Option<bool> {
        let (line, offset) = (self.row.line, self.row.offset);
        match Block::take(context, record, &self.aliases, Place { line, offset, with_other: self.with_other })
        {
            Taken::Not => {}
            Taken::In => return Some(false),
            Taken::Next(done) => return Some(self.end_block(context, &done)),
            // What ended the block may be a row itself; only one of the two can be told.
            Taken::Over(done) => {
                if self.end_block(context, &done) {
                    self.announce_only(context, record);
                    return Some(true);
                }
                (self.row.line, self.row.offset) = (line, offset);
                self.clear();
            }
        }
        if !self.has_stem(record) && context.columns.is_empty() {
            announce_held_out(context, record);
            return Some(false);
        }
        if Columns::read(context, record, &mut self.row, self.with_other) {
            return Some(self.finish(context));
        }
        if !self.has_stem(record) {
            return Some(false);
        }
        Columns::open(context, record, &self.aliases, self.with_other).then_some(false)
    }

    /// Looks at a record only for what it says of those below it.
    fn announce_only(&mut self, context: &mut FileContext, record: &[u8]) {
        if Columns::open(context, record, &self.aliases, self.with_other) {
            return;
        }
        let mut fields = std::mem::take(&mut self.fields);
        field::fields(record, &self.aliases, &mut self.times, &mut fields);
        let mut values = Values::default();
        for field in &fields {
            let value = number::read(&record[field.start..field.end]);
            if let (Slot::Value { metric, .. } | Slot::Total { metric }, Some((value, _))) =
                (field.slot, value)
            {
                values.set(metric, value);
            }
        }
        announce(context, record, &fields, &values);
        self.fields = fields;
    }

    fn has_stem(&self, record: &[u8]) -> bool {
        has_stem(record) || self.aliases.stand_in(record)
    }

    fn end_block(&mut self, context: &mut FileContext, block: &Block) -> bool {
        self.clear();
        block.fill(context, &mut self.row);
        self.finish(context)
    }

    fn fill(&mut self, record: &[u8], fields: &[Field]) {
        for field in fields {
            let text = &record[field.start..field.end];
            let number = number::read(text).map(|(value, _)| value);
            match (field.slot, number) {
                (Slot::Value { metric, scale, .. }, Some(value)) => {
                    assign(&mut self.row.values, metric, names::scaled(value, scale));
                }
                (Slot::Total { metric }, Some(value)) => {
                    assign(&mut self.row.values, metric, value);
                }
                (Slot::Other { scale }, Some(value)) if self.with_other => {
                    self.row.other.push((
                        String::from_utf8_lossy(&record[field.key.0..field.key.1]).into_owned(),
                        names::scaled(value, scale),
                    ));
                }
                (Slot::Rank, Some(value)) => self.row.rank = Some(value as u32),
                (Slot::Time, _) => self.row.time = self.times.read(text).map(|(time, _)| time),
                _ => {}
            }
        }
    }

    /// Whether the values are a row; if so it gets its place in the file.
    #[inline]
    fn finish(&mut self, context: &mut FileContext) -> bool {
        if !self.is_row() || context.sums_up(&self.row.values) && !self.without_loss(context) {
            return false;
        }
        if context.repeats(&self.row.values) {
            return false;
        }
        // A generator's loss follows its opponent's, as a policy's does its own: neither need fall.
        self.row.policy_loss = matches!(context.election().0, names::OF_A_PART | names::GENERATOR);
        context.place(&mut self.row);
        true
    }

    #[inline]
    fn is_row(&self) -> bool {
        let values = &self.row.values;
        let has = |metrics: &[Metric]| metrics.iter().any(|metric| values.get(*metric).is_some());
        has(MEASURES) || values.get(Metric::Step).is_some() && has(PACE)
    }

    /// Makes the loss one of the other numbers. Says whether a row is left.
    #[cold]
    fn without_loss(&mut self, context: &FileContext) -> bool {
        if let Some(loss) = self.row.values.remove(Metric::Loss)
            && self.with_other
        {
            self.row.other.push((context.loss_name.clone(), loss));
        }
        self.is_row()
    }

    fn learn(&mut self, record: &[u8], fields: &[Field], elected: (u8, bool)) {
        self.spent = self.spent.wrapping_add(1);
        if self.spent > CREDIT && !self.spent.is_multiple_of(64) {
            return;
        }
        let mut shape =
            if self.shapes.len() < SHAPES { Shape::default() } else { self.shapes.pop().unwrap_or_default() };
        if shape.learn(record, fields, self.with_other, elected) {
            shape.quiet = !shape.has_bar() && self.is_quiet.is_some_and(|is_quiet| is_quiet(record));
            self.shapes.insert(0, shape);
        }
    }
}

/// `    best_loss = 0.0` above the first row: a script that printed its own source.
fn is_source(context: &FileContext, record: &[u8], fields: &[Field]) -> bool {
    context.rows == 0
        && fields.len() == 1
        && record.starts_with(b"    ")
        && memchr::memmem::find(record, b" = ").is_some()
}

#[cfg(test)]
mod tests;
