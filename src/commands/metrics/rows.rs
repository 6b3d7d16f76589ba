//! The rows of a file of any kind, and which of them are asked for.

use super::Stop;
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::metrics::file::{Format, Points};
use crate::metrics::text::{Extractor, FileContext};
use crate::metrics::{Metric, Row};
use crate::observe::log::{Block, Part, Playback, Sink, Source, Stretch};
use chrono::DateTime;
use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

/// What of the rows is printed.
#[derive(Debug, Default, Clone)]
pub(super) struct Chosen {
    pub(super) keys: Vec<String>,
    pub(super) since_step: Option<f64>,
    /// Names that rows carry, some of them; looked at only where keys are asked for.
    pub(super) names: BTreeSet<String>,
}

/// Names that a message about an unknown one lists.
const NAMES: usize = 40;

impl Chosen {
    /// Whether the row is printed.
    pub(super) fn takes(&self, row: &Row) -> bool {
        let step = row.global_step.or(row.values.get(Metric::Step));
        let late = self.since_step.is_none_or(|since| step.is_some_and(|step| step >= since));
        let keyed = self.keys.is_empty()
            || Metric::ALL.iter().any(|metric| row.values.get(*metric).is_some() && self.has(metric.name()))
            || row.other.iter().any(|(name, _)| self.has(name));
        late && keyed
    }

    /// Remembers what there is to ask for.
    fn note(&mut self, row: &Row) {
        if self.keys.is_empty() {
            return;
        }
        let canonical = row.values.iter().map(|(metric, _)| metric.name());
        for name in canonical.chain(row.other.iter().map(|(name, _)| name.as_str())) {
            let asked = self.keys.iter().any(|key| key == name);
            if !self.names.contains(name) && (asked || self.names.len() < NAMES + self.keys.len()) {
                self.names.insert(name.to_owned());
            }
        }
    }

    /// Keys that no row carries.
    fn unknown(&self) -> Vec<&str> {
        self.keys.iter().filter(|key| !self.names.contains(*key)).map(String::as_str).collect()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|key| key == name)
    }

    /// Whether the metric is printed: where a row stands always is.
    pub(super) fn shows(&self, metric: Metric) -> bool {
        matches!(metric, Metric::Step | Metric::Epoch) || self.has(metric.name())
    }
}

/// Bytes read at once.
const AT_ONCE: u64 = 256 * 1024;

/// The rows of a log, one after the other.
pub(super) struct Rows {
    pub(super) chosen: Chosen,
    from: Playback,
    pub(super) seen: RowSink,
    ended: bool,
}

/// Takes the rows of what is read next.
pub(super) struct RowSink {
    extractor: Extractor,
    points: Option<Points>,
    found: VecDeque<Row>,
    /// The row that was given last.
    row: Row,
    pub(super) records: u64,
    /// Rows so far, printed or not.
    pub(super) count: u64,
    /// What the file says of itself, once it is read.
    pub(super) context: FileContext,
    damage: Vec<String>,
}

impl Rows {
    pub(super) fn open(path: &Path, extractor: Extractor) -> Result<Self> {
        let seen = RowSink {
            extractor,
            points: None,
            found: VecDeque::new(),
            row: Row::default(),
            records: 0,
            count: 0,
            context: FileContext::default(),
            damage: Vec::new(),
        };
        let from = Playback::open(path).map_err(Error::Usage)?;
        Ok(Self { chosen: Chosen::default(), from, seen, ended: false })
    }

    /// What is said of the file when all of it was printed.
    pub(super) fn verdict(&self, path: &Path) -> Result<Severity> {
        if let Some(why) = self.seen.damage.first() {
            let more = match self.seen.damage.len() - 1 {
                0 => String::new(),
                more => format!(" (and {more} more places)"),
            };
            return Err(Error::Usage(format!("{why}{more}; what is sound is printed")));
        }
        let unknown = self.chosen.unknown();
        if unknown.is_empty() {
            return Ok(Severity::Ok);
        }
        let unknown = unknown.join("`, `");
        let names: Vec<&str> = self.chosen.names.iter().map(String::as_str).collect();
        let next = match names.as_slice() {
            [] => "it has no rows with numbers at all".to_owned(),
            names => format!("--keys can be {}", names.join(", ")),
        };
        Err(Error::Usage(format!("no row of {} carries `{unknown}`: {next}", path.display())))
    }

    /// The next row.
    pub(super) fn next(&mut self) -> std::result::Result<Option<&Row>, Stop> {
        loop {
            while let Some(row) = self.seen.found.pop_front() {
                self.chosen.note(&row);
                if self.chosen.takes(&row) {
                    self.seen.row = row;
                    return Ok(Some(&self.seen.row));
                }
            }
            if self.ended {
                return Ok(None);
            }
            let read = self.from.read(Stretch::Bytes(AT_ONCE), &mut self.seen, DateTime::UNIX_EPOCH);
            let facts = read.map_err(|(path, error)| Stop::Read(path, error))?;
            self.seen.damage.extend(facts.gaps.into_iter().map(|gap| gap.why));
            self.ended = self.from.is_at_end().map_err(|(path, error)| Stop::Read(path, error))?;
        }
    }
}

impl RowSink {
    fn take(&mut self) {
        self.count += 1;
        self.found.push_back(self.extractor.row().clone());
    }

    fn take_points(&mut self, context: &mut FileContext) {
        let Some(mut points) = self.points.take() else { return };
        while points.next(&mut self.extractor, context) {
            self.records += 1;
            self.take();
        }
        self.points = Some(points);
    }
}

impl Sink for RowSink {
    fn block(&mut self, source: &Source<'_>, context: &mut FileContext, block: &Block<'_>) {
        if source.format != Format::Text {
            let mut points =
                self.points.take().unwrap_or_else(|| Points::new(source.format, source.path, true));
            for (record, number, offset) in block.records() {
                let told = points.record(record, number, offset, self.extractor.aliases());
                // Of events several make a row.
                self.records += u64::from(!told);
            }
            self.points = Some(points);
            return self.take_points(context);
        }
        if matches!(block.part, Part::Piece | Part::LastPiece) {
            self.records += u64::from(block.part == Part::LastPiece);
            return;
        }
        let (mut at, mut line) = (0, block.line);
        while at < block.bytes.len() {
            let (end, row) = self.extractor.read(context, block.bytes, at, line, block.offset + at as u64);
            if row {
                self.take();
            }
            self.records += 1;
            line += u64::from(end.line);
            at = end.next;
        }
    }

    fn end(&mut self, _source: &Source<'_>, context: &mut FileContext) {
        if let Some(points) = &mut self.points {
            points.close();
        }
        self.take_points(context);
        if self.extractor.close(context) {
            self.take();
        }
        self.context = context.clone();
    }
}
