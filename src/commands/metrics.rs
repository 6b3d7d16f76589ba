//! `trainguard metrics`: the rows that are read out of a log, as they are read.

use super::load_args;
use crate::cli::{Common, Metrics, RowFormat};
use crate::config;
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::metrics::names::Aliases;
use crate::metrics::text::Extractor;
use crate::metrics::{Metric, Row};
use rows::{Chosen, Rows};
use std::fmt::Write as _;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

mod rows;
mod table;

/// Bytes held before they are printed.
const BUFFER: usize = 256 * 1024;

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
    let mut out = BufWriter::with_capacity(BUFFER, out);
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
