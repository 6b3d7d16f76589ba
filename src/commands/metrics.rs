//! `trainguard metrics`: the rows that are read out of a log, as they are read.

use super::load_args;
use crate::cli::{Common, Metrics, RowFormat};
use crate::config;
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::metrics::file::{Format, Points};
use crate::metrics::names::Aliases;
use crate::metrics::text::{Extractor, FileContext};
use crate::metrics::{Metric, Row};
use crate::observe::log::{Block, Part, Playback, Sink, Source, Stretch};
use chrono::DateTime;
use std::collections::{BTreeSet, VecDeque};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

mod table;

/// Bytes read at once, and held before they are printed.
const BUFFER: u64 = 256 * 1024;

/// Prints the rows of a log.
///
/// # Errors
/// A log that cannot be opened or read, or is a directory; output that cannot be written, but for a
/// reader that went away, which ends the work in peace.
pub fn run(args: &Metrics, common: &Common, out: &mut dyn Write) -> Result<Severity> {
    let path = args.log.as_path();
    let aliases = if common.config.is_empty() {
        Aliases::default()
    } else {
        config::load(&load_args(common, None)?)?.aliases
    };
    let mut rows = Rows::open(path, Extractor::with_other().with_aliases(aliases))?;
    rows.chosen = Chosen { keys: args.keys.clone(), since_step: args.since_step, ..Chosen::default() };
    let mut out = BufWriter::with_capacity(BUFFER as usize, out);
    let printed = match args.format {
        RowFormat::Jsonl => jsonl(&mut rows, &mut out),
        RowFormat::Csv => csv(&mut rows, &mut out),
        RowFormat::Table => table::print(&mut rows, &mut out),
    };
    match printed.and_then(|()| out.flush().map_err(Stop::Write)) {
        Err(Stop::Write(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Severity::Ok),
        Err(Stop::Write(error)) => Err(Error::io("write", Path::new("standard output"))(error)),
        Err(Stop::Read(path, error)) => Err(Error::io("read", &path)(error)),
        Ok(()) => rows.verdict(path),
    }
}

/// Reads a log's rows, one after the other.
///
/// # Errors
/// A log that cannot be opened or read, or is a directory.
pub(super) fn each_row(path: &Path, mut take: impl FnMut(&Row)) -> Result<()> {
    let mut rows = Rows::open(path, Extractor::default())?;
    loop {
        match rows.next() {
            Ok(Some(row)) => take(row),
            Ok(None) => return Ok(()),
            Err(Stop::Read(path, error)) => return Err(Error::io("read", &path)(error)),
            Err(Stop::Write(error)) => return Err(Error::io("read", path)(error)),
        }
    }
}

/// What can end the printing.
enum Stop {
    Read(PathBuf, io::Error),
    Write(io::Error),
}

/// What of the rows is printed.
#[derive(Debug, Default, Clone)]
struct Chosen {
    keys: Vec<String>,
    since_step: Option<f64>,
    /// Names that rows carry, some of them; looked at only where keys are asked for.
    names: BTreeSet<String>,
}

/// Names that a message about an unknown one lists.
const NAMES: usize = 40;

impl Chosen {
    /// Whether the row is printed.
    fn takes(&self, row: &Row) -> bool {
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

    fn has(&self, name: &str) -> bool {
        self.keys.is_empty() || self.keys.iter().any(|key| key == name)
    }

    /// Whether the metric is printed: where a row stands always is.
    fn shows(&self, metric: Metric) -> bool {
        matches!(metric, Metric::Step | Metric::Epoch) || self.has(metric.name())
    }
}

/// The rows of a log, one after the other.
struct Rows {
    chosen: Chosen,
    from: Playback,
    rows: RowSink,
    ended: bool,
}

/// Takes the rows of what is read next.
struct RowSink {
    extractor: Extractor,
    points: Option<Points>,
    found: VecDeque<Row>,
    /// The row that was given last.
    row: Row,
    records: u64,
    /// Rows so far, printed or not.
    count: u64,
    /// What the file says of itself, once it is read.
    context: FileContext,
    damage: Vec<String>,
}

impl Rows {
    fn open(path: &Path, extractor: Extractor) -> Result<Self> {
        let rows = RowSink {
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
        Ok(Self { chosen: Chosen::default(), from, rows, ended: false })
    }

    /// What is said of the file when all of it was printed.
    fn verdict(&self, path: &Path) -> Result<Severity> {
        if let Some(why) = self.rows.damage.first() {
            let more = match self.rows.damage.len() - 1 {
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
    fn next(&mut self) -> std::result::Result<Option<&Row>, Stop> {
        loop {
            while let Some(row) = self.rows.found.pop_front() {
                self.chosen.note(&row);
                if self.chosen.takes(&row) {
                    self.rows.row = row;
                    return Ok(Some(&self.rows.row));
                }
            }
            if self.ended {
                return Ok(None);
            }
            let read = self.from.read(Stretch::Bytes(BUFFER), &mut self.rows, DateTime::UNIX_EPOCH);
            let facts = read.map_err(|(path, error)| Stop::Read(path, error))?;
            self.rows.damage.extend(facts.gaps.into_iter().map(|gap| gap.why));
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
            let points = self.points.get_or_insert_with(|| Points::new(source.format, source.path, true));
            let told = points.record(block.bytes, block.line, block.offset, self.extractor.aliases());
            // Of events several make a row.
            self.records += u64::from(!told);
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

fn jsonl(rows: &mut Rows, out: &mut impl Write) -> std::result::Result<(), Stop> {
    let mut text = Vec::new();
    let chosen = rows.chosen.clone();
    while let Some(row) = rows.next()? {
        text.clear();
        object(row, &chosen, &mut text);
        text.push(b'\n');
        out.write_all(&text).map_err(Stop::Write)?;
    }
    Ok(())
}

/// The row as the contract's JSON object.
fn object(row: &Row, chosen: &Chosen, text: &mut Vec<u8>) {
    text.extend_from_slice(format!("{{\"line\":{},\"offset\":{}", row.line, row.offset).as_bytes());
    if let Some(time) = row.time {
        text.extend_from_slice(format!(",\"time\":\"{}\"", stamp(time)).as_bytes());
    }
    text.extend_from_slice(format!(",\"attempt\":{}", row.attempt).as_bytes());
    if let Some(rank) = row.rank {
        text.extend_from_slice(format!(",\"rank\":{rank}").as_bytes());
    }
    for (metric, value) in row.values.iter().filter(|(metric, _)| chosen.shows(*metric)) {
        let value = tidy(metric, value);
        text.extend_from_slice(format!(",\"{}\":", metric.name()).as_bytes());
        number(value, text);
        if metric == Metric::Step
            && let Some(global_step) = row.global_step
        {
            text.extend_from_slice(b",\"global_step\":");
            number(global_step, text);
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for (name, value) in &row.other {
        if seen.contains(&name.as_str()) || !chosen.has(name) {
            continue;
        }
        text.extend_from_slice(if seen.is_empty() { b",\"other\":{" } else { b"," });
        text.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
        text.push(b':');
        number(*value, text);
        seen.push(name);
    }
    text.extend_from_slice(if seen.is_empty() { b"}" } else { b"}}" });
}

fn stamp(time: chrono::DateTime<chrono::Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)
}

/// The number as JSON: whole ones without a point, and what is not finite as the contract's string.
fn number(value: f64, text: &mut Vec<u8>) {
    if value.is_nan() {
        text.extend_from_slice(b"\"NaN\"");
    } else if value.is_infinite() {
        text.extend_from_slice(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
    } else {
        text.extend_from_slice(shown(value).as_bytes());
    }
}

/// The value without the last bit that the division by a unit cost: 412.5 ms are 0.4125 s.
fn tidy(metric: Metric, value: f64) -> f64 {
    let scaled = matches!(
        metric,
        Metric::StepTimeS
            | Metric::Mfu
            | Metric::MemoryGb
            | Metric::TrainAccuracy
            | Metric::ValAccuracy
            | Metric::SuccessRate
    );
    if !scaled || !value.is_finite() {
        return value;
    }
    let short: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    if short.to_bits().abs_diff(value.to_bits()) <= 2 { short } else { value }
}

/// Integers above this have no exact neighbours any more and are printed as floats.
const EXACT: f64 = 9e15;

/// The number for people and programs; words for what is not finite.
fn shown(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < EXACT {
        return format!("{}", value as i64);
    }
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "Infinity".to_owned() } else { "-Infinity".to_owned() };
    }
    serde_json::Number::from_f64(value).map_or_else(|| value.to_string(), |number| number.to_string())
}

/// A column per metric, and the other numbers as one JSON object in the last.
fn csv(rows: &mut Rows, out: &mut impl Write) -> std::result::Result<(), Stop> {
    let chosen = rows.chosen.clone();
    let metrics: Vec<Metric> = Metric::ALL.iter().copied().filter(|metric| chosen.shows(*metric)).collect();
    let mut text = String::from("line,offset,time,attempt,rank,global_step");
    for metric in &metrics {
        text.push(',');
        text.push_str(metric.name());
    }
    text.push_str(",other\n");
    out.write_all(text.as_bytes()).map_err(Stop::Write)?;
    while let Some(row) = rows.next()? {
        text.clear();
        let _ = write!(
            text,
            "{},{},{},{}",
            row.line,
            row.offset,
            row.time.map(stamp).unwrap_or_default(),
            row.attempt
        );
        let rank = row.rank.map(f64::from);
        let value = |metric: &Metric| row.values.get(*metric).map(|value| tidy(*metric, value));
        for value in [rank, row.global_step].into_iter().chain(metrics.iter().map(value)) {
            text.push(',');
            text.push_str(&value.map(shown).unwrap_or_default());
        }
        text.push(',');
        text.push_str(&quoted(&others(row, &chosen)));
        text.push('\n');
        out.write_all(text.as_bytes()).map_err(Stop::Write)?;
    }
    Ok(())
}

/// The other numbers as a JSON object; empty where there are none.
fn others(row: &Row, chosen: &Chosen) -> String {
    let mut object = serde_json::Map::new();
    for (name, value) in row.other.iter().filter(|(name, _)| chosen.has(name)) {
        if !object.contains_key(name) {
            let mut text = Vec::new();
            number(*value, &mut text);
            object.insert(name.clone(), serde_json::from_slice(&text).unwrap_or_default());
        }
    }
    if object.is_empty() { String::new() } else { serde_json::Value::Object(object).to_string() }
}

/// A cell that may hold commas and quotes.
fn quoted(cell: &str) -> String {
    if cell.is_empty() { String::new() } else { format!("\"{}\"", cell.replace('"', "\"\"")) }
}
