//! The table for people: columns as wide as the first rows need, and a last line that says what was
//! understood.

use super::rows::Rows;
use super::{Stop, shown};
use crate::metrics::{Metric, Row};
use std::fmt::Write as _;
use std::io::Write;

/// Rows that are looked at before the first is printed, to choose columns and widths.
const LOOK_AHEAD: usize = 50;

/// Numbers are shown to this many significant digits.
const DIGITS: i32 = 6;

struct Column {
    metric: Metric,
    width: usize,
}

pub(super) fn print(rows: &mut Rows, out: &mut impl Write) -> Result<(), Stop> {
    let shown_metrics: Vec<Metric> =
        Metric::ALL.iter().copied().filter(|metric| rows.chosen.shows(*metric)).collect();
    let mut first = Vec::new();
    while first.len() < LOOK_AHEAD
        && let Some(row) = rows.next()?
    {
        first.push(row.clone());
    }
    let mut columns: Vec<Column> = Vec::new();
    for &metric in Metric::ALL.iter().filter(|metric| shown_metrics.contains(metric)) {
        let widest =
            first.iter().filter_map(|row| row.values.get(metric)).map(|value| brief(value).len()).max();
        if let Some(widest) = widest {
            columns.push(Column { metric, width: widest.max(metric.name().len()) });
        }
    }
    let mut count = first.len() as u64;
    let mut attempt = 1;
    let mut text = String::new();
    if !first.is_empty() {
        let _ = write!(text, "{:>8}", "line");
        for column in &columns {
            let _ = write!(text, "  {:>width$}", column.metric.name(), width = column.width);
        }
        text.push('\n');
    }
    for row in &first {
        line(row, &columns, &mut attempt, &mut text);
    }
    out.write_all(text.as_bytes()).map_err(Stop::Write)?;
    while let Some(row) = rows.next()? {
        text.clear();
        line(row, &columns, &mut attempt, &mut text);
        out.write_all(text.as_bytes()).map_err(Stop::Write)?;
        count += 1;
    }
    understood(rows, count, attempt, out)
}

/// What was understood: which name is the loss, where a row stands, and what carried nothing.
fn understood(rows: &Rows, count: u64, attempt: u32, out: &mut impl Write) -> Result<(), Stop> {
    let loss = match rows.seen.context.loss_name.as_str() {
        "" => "no training loss found".to_owned(),
        name => format!("the loss is '{name}'"),
    };
    let place = rows.seen.context.counted_by();
    let attempts = if attempt > 1 { format!(", {attempt} attempts") } else { String::new() };
    let hidden = if rows.seen.count > count { format!(" of {}", rows.seen.count) } else { String::new() };
    let rest = rows.seen.records.saturating_sub(rows.seen.count);
    let rest = if rest == 1 { "1 record".to_owned() } else { format!("{rest} records") };
    writeln!(out, "{count}{hidden} rows{attempts}; {loss}; {place}; {rest} carried no numbers of training")
        .map_err(Stop::Write)
}

fn line(row: &Row, columns: &[Column], attempt: &mut u32, text: &mut String) {
    if row.attempt > *attempt {
        *attempt = row.attempt;
        let _ = writeln!(text, "-- attempt {attempt} --");
    }
    let _ = write!(text, "{:>8}", row.line);
    for column in columns {
        let value = row.values.get(column.metric).map(brief).unwrap_or_default();
        let _ = write!(text, "  {value:>width$}", width = column.width);
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
}

/// The number to six significant digits.
fn brief(value: f64) -> String {
    if value == 0.0 || !value.is_finite() || value.fract() == 0.0 {
        return shown(value);
    }
    let magnitude = value.abs().log10().floor() as i32;
    if !(-4..DIGITS).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let places = (DIGITS - 1 - magnitude).clamp(0, 9) as usize;
    let text = format!("{value:.places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
