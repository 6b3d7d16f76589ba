//! Points into rows: numbers that stand behind each other and belong to one step are one row.

use super::{Format, Point};
use crate::metrics::names::{Aliases, Name};
use crate::metrics::text::{Extractor, FileContext};
use crate::metrics::{METRICS, Metric, Row};
use chrono::{DateTime, Utc};
use std::collections::{HashMap, VecDeque};
use std::path::Path;

/// Names whose meaning is kept. A file that has more, such as one histogram per layer, is read all the
/// same, more slowly.
const NAMES_MAX: usize = 4096;
/// Directories that say of what is in them that it is about held-out data, as Keras's callback and
/// estimators name them.
const HELD_OUT: &[&[u8]] = &[b"validation", b"valid", b"val", b"eval", b"evaluation"];

/// Makes rows of the records of one file.
#[derive(Debug, Default)]
pub struct Points {
    format: Format,
    with_other: bool,
    /// The name of the directory that the file stands in.
    directory: Vec<u8>,
    /// What each name means, and its number.
    meanings: HashMap<Vec<u8>, (Name, usize)>,
    open: Option<Open>,
    done: VecDeque<Open>,
}

/// A row to which numbers may still come.
#[derive(Debug, Default)]
struct Open {
    row: Row,
    ranks: Ranks,
    /// Its name for the loss, and how surely it is one.
    loss: Option<(u8, Vec<u8>)>,
    /// The numbers of its names.
    named: Vec<usize>,
}

/// How surely each value is its metric.
#[derive(Debug)]
struct Ranks([u8; METRICS]);

impl Default for Ranks {
    fn default() -> Self {
        Self([u8::MAX; METRICS])
    }
}

impl Points {
    /// For a file of a format that stands at a path. `with_other`: numbers that are no canonical
    /// metric are kept as well.
    pub fn new(format: Format, path: &Path, with_other: bool) -> Self {
        let directory = path.parent().and_then(Path::file_name).unwrap_or_default();
        Self { format, with_other, directory: directory.as_encoded_bytes().to_vec(), ..Self::default() }
    }

    /// Takes the numbers of a record that begins at `offset` and is the `line`-th, from 1. Rows that it
    /// completes are given by [`Points::next`]. Says whether it has any number.
    pub fn record(&mut self, record: &[u8], line: u64, offset: u64, aliases: &Aliases) -> bool {
        let format = self.format;
        let mut told = false;
        format.read(record, offset, &mut |point| {
            told = true;
            self.point(point, line, offset, aliases);
        });
        // Only events come one by one.
        if format != Format::Events {
            self.done.extend(self.open.take());
        }
        told
    }

    /// Nothing more belongs to the open row.
    pub fn close(&mut self) {
        self.done.extend(self.open.take());
    }

    /// The next complete row, into the extractor: `false` where there is none. A row that says nothing
    /// is passed over.
    pub fn next(&mut self, extractor: &mut Extractor, context: &mut FileContext) -> bool {
        if matches!(self.format, Format::Events | Format::Wandb) {
            context.has_one_writer();
        }
        while let Some(mut open) = self.done.pop_front() {
            if let Some((rank, name)) = &open.loss
                && !context.takes_loss(*rank, name)
                && let Some(value) = open.row.values.remove(Metric::Loss)
                && self.with_other
            {
                open.row.other.push((String::from_utf8_lossy(name).into_owned(), value));
            }
            if extractor.take(context, open.row) {
                return true;
            }
        }
        false
    }

    fn point(&mut self, point: Point<'_>, line: u64, offset: u64, aliases: &Aliases) {
        let (meaning, number) = self.meaning(point.name, aliases);
        let goes_on =
            |open: &Open| open.row.values.get(Metric::Step) == point.step && !open.named.contains(&number);
        if !self.open.as_ref().is_some_and(goes_on) {
            self.done.extend(self.open.take());
        }
        let open = self.open.get_or_insert_with(|| {
            let mut open = Open::default();
            (open.row.line, open.row.offset) = (line, offset);
            open.row.time = point.time.and_then(time);
            if let Some(step) = point.step {
                open.row.values.set(Metric::Step, step);
            }
            open
        });
        open.named.push(number);
        open.put(point, meaning, self.with_other);
    }

    fn meaning(&mut self, name: &[u8], aliases: &Aliases) -> (Name, usize) {
        if let Some(known) = self.meanings.get(name) {
            return *known;
        }
        let meaning = match self.qualified(name) {
            Some(qualified) => aliases.classify(&qualified),
            None => aliases.classify(name),
        };
        let known = (meaning, self.meanings.len());
        if self.meanings.len() < NAMES_MAX {
            self.meanings.insert(name.to_vec(), known);
        }
        known
    }

    /// What the directory adds to a name: Keras writes `epoch_loss` into `train` and into `validation`;
    /// `add_scalars("loss", {"val": …})` writes `loss` into `loss_val`.
    fn qualified(&self, name: &[u8]) -> Option<Vec<u8>> {
        if self.format != Format::Events {
            return None;
        }
        let plain: Vec<u8> = name.iter().map(|byte| if *byte == b'/' { b'_' } else { *byte }).collect();
        let part = self.directory.strip_prefix(plain.as_slice()).and_then(|rest| rest.strip_prefix(b"_"));
        match part {
            Some(part) => Some([name, b"_", part].concat()),
            None if HELD_OUT.contains(&self.directory.as_slice()) => Some([b"val_", name].concat()),
            None => None,
        }
    }
}

impl Open {
    fn put(&mut self, point: Point<'_>, meaning: Name, with_other: bool) {
        let other = |row: &mut Row, name: &[u8], value| {
            if with_other {
                row.other.push((String::from_utf8_lossy(name).into_owned(), value));
            }
        };
        let (metric, rank) = match meaning {
            // W&B counts calls; a step that the training names itself is the one of its log.
            _ if point.name.ends_with(b"global_step") => (Metric::Step, 0),
            Name::Metric(metric, rank) if metric != Metric::Step => (metric, rank),
            _ => return other(&mut self.row, point.name, point.value),
        };
        let ranks = &mut self.ranks.0;
        if rank >= ranks[metric as usize] {
            return other(&mut self.row, point.name, point.value);
        }
        ranks[metric as usize] = rank;
        if metric == Metric::Loss {
            let before = self.loss.replace((rank, point.name.to_vec()));
            if let (Some((_, name)), Some(value)) = (before, self.row.values.get(Metric::Loss)) {
                other(&mut self.row, &name, value);
            }
        }
        crate::metrics::text::assign(&mut self.row.values, metric, point.value);
    }
}

fn time(seconds: f64) -> Option<DateTime<Utc>> {
    /// The year 2200: beyond it stands no time.
    const LATEST: f64 = 7_258_118_400.0;
    (seconds > 0.0 && seconds < LATEST)
        .then(|| DateTime::from_timestamp_micros((seconds * 1e6).round() as i64))?
}
