//! The verdict for Nagios, Icinga and their like: one line of text, performance data, long text.
//!
//! After the Monitoring Plugins guidelines: `TEXT | 'label'=value[UOM];warn;crit;min;max …`, then lines
//! of long text. Values are plain decimals, for exponents and words make receivers drop all of them; a
//! number that is not known or not finite is left out. A threshold is the range that is well: `10` is
//! 0 to 10, `10:` is 10 and more.

use super::report::{Report, RunReport};
use super::text::{self, Style, one_line};
use crate::finding::{Finding, Severity};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, Write};

/// The service, as the first word of every line.
const SERVICE: &str = "TRAINGUARD";
/// Greater values are nonsense, and their digits would fill the line.
const VALUE_MAX: f64 = 1e18;
/// Digits after the point: a learning rate of 1e-9 keeps four of its own.
const DIGITS: usize = 12;

/// Prints a verdict. `troubles` are what the patrol itself could not do: they make it unknown, as the
/// exit code does.
pub fn report(out: &mut dyn Write, report: &Report, troubles: &[String]) -> io::Result<()> {
    let severity = if troubles.is_empty() { report.severity } else { report.severity.max(Severity::Unknown) };
    let mut perfdata = Perfdata::default();
    let all = report.all();
    for run in &all {
        let prefix = if all.len() > 1 { format!("{} ", run.name) } else { String::new() };
        perfdata.run(&prefix, run);
    }
    let line = format!("{SERVICE} {} - {}", severity.status_word(), plain(&summary(report, troubles)));
    writeln!(out, "{line} |{}", perfdata.text)?;
    let mut long = Vec::new();
    text::report(&mut long, report, Style { color: false, verbose: false })?;
    for line in String::from_utf8_lossy(&long).lines().skip(1) {
        writeln!(out, "{}", line.replace('|', "/"))?;
    }
    Ok(())
}

/// Prints why there is no verdict at all.
pub fn failure(out: &mut dyn Write, why: &str) -> io::Result<()> {
    let mut lines = why.lines();
    writeln!(out, "{SERVICE} UNKNOWN - {}", plain(lines.next().unwrap_or_default()))?;
    lines.try_for_each(|line| writeln!(out, "{}", plain(line)))
}

/// The worst run and what is wrong with it.
fn summary(report: &Report, troubles: &[String]) -> String {
    // Of equally bad runs the first of the config.
    let all = report.all();
    let worst = all.iter().rev().max_by_key(|run| run.severity);
    let Some(worst) = worst else { return "nothing to look at".to_owned() };
    if let Some(trouble) = troubles.first().filter(|_| worst.severity < Severity::Unknown) {
        return trouble.clone();
    }
    let bad = all.iter().filter(|run| run.severity > Severity::Info).count();
    let counted = report.counted();
    match all.len() {
        1 => format!("{}: {}", worst.name, text::headline(worst)),
        _ if bad == 0 => format!("{counted} are well"),
        _ => format!("{}: {} ({bad} of {counted} need a look)", worst.name, text::headline(worst)),
    }
}

/// One line without the sign that begins performance data.
fn plain(text: &str) -> String {
    one_line(text).replace('|', "/")
}

#[derive(Default)]
struct Perfdata {
    text: String,
    labels: BTreeSet<String>,
}

/// One measurement but for its label and value.
#[derive(Default)]
struct Bounds {
    unit: &'static str,
    warn: String,
    crit: String,
    min: Option<f64>,
    max: Option<f64>,
}

impl Perfdata {
    fn run(&mut self, prefix: &str, run: &RunReport) {
        let bounds = |unit| Bounds { unit, min: Some(0.0), ..Bounds::default() };
        let mut add = |label: &str, value: f64, bounds| self.add(&format!("{prefix}{label}"), value, bounds);
        let state = Bounds { warn: "0".to_owned(), crit: "1".to_owned(), max: Some(3.0), ..bounds("") };
        add("severity", f64::from(run.severity.exit_code()), state);
        if run.error.is_some() {
            return;
        }
        for severity in [Severity::Critical, Severity::Unknown, Severity::Warning] {
            let counts = |finding: &&Finding| finding.counts() && finding.severity == severity;
            add(severity.word(), run.findings.iter().filter(counts).count() as f64, bounds(""));
        }
        if let Some(step) = run.step {
            let unit = if step.fract() == 0.0 { "c" } else { "" };
            add("step", step, Bounds { max: run.total_steps, ..bounds(unit) });
        }
        for name in ["loss", "grad_norm", "throughput"] {
            if let Some(value) = run.metrics.get(name) {
                add(name, value.0, Bounds::default());
            }
        }
        if let Some(checkpoint) = &run.checkpoint {
            let warn = checkpoint.limit_s.map(|limit| number(limit.round()).unwrap_or_default());
            let warn = warn.unwrap_or_default();
            add("checkpoint_age", checkpoint.age_s.round(), Bounds { warn, ..bounds("s") });
        }
        for disk in &run.disks {
            let warn = format!("{}:", disk.limit_bytes);
            let crit = format!("{}:", disk.limit_bytes / 2);
            let max = Some(disk.total_bytes as f64);
            let label = format!("disk_free {}", disk.path);
            add(&label, disk.free_bytes as f64, Bounds { warn, crit, max, ..bounds("B") });
        }
        for space in &run.memory {
            let label = if space.cgroup.is_some() { "memory_cgroup" } else { "memory" };
            let percent = |share: f64| (share * 1_000.0).round() / 10.0;
            let warn = number(percent(space.max_ratio)).unwrap_or_default();
            let used = space.used_bytes as f64 / space.limit_bytes.max(1) as f64;
            add(label, percent(used), Bounds { warn, max: Some(100.0), ..bounds("%") });
        }
        if let Some(log) = &run.log {
            add("log_offset", log.offset as f64, bounds("c"));
        }
    }

    fn add(&mut self, label: &str, value: f64, bounds: Bounds) {
        let Some(value) = number(value) else { return };
        let label = self.unique(label);
        let limit = |limit: Option<f64>| limit.and_then(number).unwrap_or_default();
        let Bounds { unit, warn, crit, min, max } = bounds;
        let fields = format!("{value}{unit};{warn};{crit};{};{}", limit(min), limit(max));
        let _ = write!(self.text, " {label}={}", fields.trim_end_matches(';'));
    }

    /// A label without what ends one, told from all others, quoted where it must be.
    fn unique(&mut self, label: &str) -> String {
        let clean = plain(label).replace(['=', '\''], "_");
        let mut label = clean.clone();
        let mut number = 1;
        while !self.labels.insert(label.clone()) {
            number += 1;
            label = format!("{clean} {number}");
        }
        let bare = label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if bare { label } else { format!("'{label}'") }
    }
}

/// A plain decimal; `None` for what is none.
fn number(value: f64) -> Option<String> {
    if !value.is_finite() || value.abs() > VALUE_MAX {
        return None;
    }
    let text = format!("{value:.DIGITS$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    Some(if text == "-0" { "0" } else { text }.to_owned())
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_plain_decimals() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (-1e-13, "0"),
            (1e-9, "0.000000001"),
            (-2.5, "-2.5"),
            (100.0, "100"),
            (1e15, "1000000000000000"),
        ] {
            assert_eq!(number(value).as_deref(), Some(text));
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1e300, f64::MAX] {
            assert_eq!(number(value), None, "{value}");
        }
    }
}
