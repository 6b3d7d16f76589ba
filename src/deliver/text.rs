//! The verdict for people: the first line says it all, at most 20 lines follow.

use super::report::{CheckpointReport, Report, RunReport};
use crate::decide::{Alert, Transition};
use crate::finding::{Evidence, Finding, Occurrence, Severity, Standing};
use crate::judge::checkpoint::Cost;
use crate::judge::say::{plain, span};
use crate::metrics::text::clean::is_command;
use chrono::{DateTime, Utc};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Lines after the first. Mails and agents' consoles cut the middle of longer texts away.
const LINES_MAX: usize = 20;
/// Runs that the first line names.
const NAMED_MAX: usize = 10;
/// Lines of evidence under one finding.
const EVIDENCE_MAX: usize = 3;

/// How to print.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// ANSI colour for the severity word.
    pub color: bool,
    /// Print all findings and evidence, however long.
    pub verbose: bool,
}

/// Prints a verdict.
pub fn report(out: &mut dyn Write, report: &Report, style: Style) -> io::Result<()> {
    let mut lines = Vec::new();
    let all = report.all();
    if let [run] = all.as_slice() {
        writeln!(out, "{}", first_line(run, style))?;
        details(&mut lines, run, report.time);
    } else {
        writeln!(out, "{}", summary(report, style))?;
        for run in &all {
            lines.push(format!("  {}", first_line(run, Style { color: false, ..style })));
            if run.severity > Severity::Info {
                let mut inner = Vec::new();
                details(&mut inner, run, report.time);
                lines.extend(inner.into_iter().map(|line| format!("  {line}")));
            }
        }
    }
    lines.extend(report.notes.iter().map(|note| format!("  note: {}", one_line(note))));
    let room = if style.verbose { usize::MAX } else { LINES_MAX };
    if lines.len() > room {
        let left = lines.len() - (room - 1);
        lines.truncate(room - 1);
        lines.push(format!("  … {left} more lines: trainguard patrol -v, or --format json"));
    }
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// Prints one alert, for `-q`.
pub fn alert(out: &mut dyn Write, alert: &Alert) -> io::Result<()> {
    let step = alert.step.map_or_else(String::new, |step| format!(" step {}", plain(step)));
    // A filter that pages for CRITICAL must not page for its end.
    let word = match alert.transition {
        Transition::Resolved => "RESOLVED",
        _ => alert.severity.status_word(),
    };
    writeln!(
        out,
        "{word} {}{step} {} {}: {}",
        alert.run,
        alert.transition.word(),
        alert.syndrome,
        one_line(&alert.message)
    )?;
    if let Some(occurrence) = &alert.occurrence {
        writeln!(out, "    {}", place(occurrence))?;
    }
    if alert.transition != Transition::Resolved {
        for line in last_lines(&alert.evidence) {
            writeln!(out, "{line}")?;
        }
    }
    if alert.transition != Transition::Resolved && !alert.advice.is_empty() {
        writeln!(out, "    next: {}", one_line(&alert.advice))?;
    }
    for choice in &alert.choices {
        writeln!(out, "    {choice}: {} '{choice}'", one_line(&alert.respond))?;
    }
    Ok(())
}

fn summary(report: &Report, style: Style) -> String {
    let word = paint(report.severity, style.color);
    let all = report.all();
    let bad: Vec<_> = all.iter().filter(|run| run.severity > Severity::Info).collect();
    if bad.is_empty() {
        return format!("{word} {} are well", report.counted());
    }
    let mut text = format!("{word} {} of {} need a look:", bad.len(), report.counted());
    for run in bad.iter().take(NAMED_MAX) {
        let what = run
            .findings
            .iter()
            .find(|finding| finding.counts())
            .map_or("could not be patrolled", |finding| &finding.syndrome);
        let _ = write!(text, " {} ({what})", run.name);
    }
    if bad.len() > NAMED_MAX {
        let _ = write!(text, " and {} more", bad.len() - NAMED_MAX);
    }
    text
}

fn first_line(run: &RunReport, style: Style) -> String {
    let mut text = format!("{} {}", paint(run.severity, style.color), run.name);
    if let Some(step) = run.step {
        let _ = write!(text, " step {}", plain(step));
        if let Some(total) = run.total_steps {
            let _ = write!(text, "/{}", plain(total));
        }
    }
    // A run without findings is headed by its phase anyway.
    if matches!(run.phase.as_str(), "paused" | "stopped") && run.findings.iter().any(is_headline) {
        let _ = write!(text, " ({})", run.phase);
    }
    let _ = write!(text, ": {}", headline(run));
    if let Some(eta) = &run.eta {
        let (low, high) = (span(eta.low_s), span(eta.high_s));
        let spread = if low == high { String::new() } else { format!(" ({low} to {high})") };
        let _ = write!(text, ", eta {}{spread}", span(eta.seconds));
    }
    let changes = changes(run);
    if !changes.is_empty() {
        let _ = write!(text, " | {changes}");
    }
    text
}

/// What is wrong, or how it goes.
pub(super) fn headline(run: &RunReport) -> String {
    if let Some(why) = &run.error {
        return format!("could not patrol it: {}", one_line(why));
    }
    let counting: Vec<_> = run.findings.iter().filter(|finding| is_headline(finding)).collect();
    if let Some(first) = counting.first() {
        let more = match counting.len() {
            1 => String::new(),
            2 => " (and 1 more finding)".to_owned(),
            n => format!(" (and {} more findings)", n - 1),
        };
        return format!("{}{more}", one_line(&first.message));
    }
    let mut parts = vec![run.phase.clone()];
    if run.log.is_some() && run.metrics.is_empty() {
        parts.push("no numbers found in the log yet".to_owned());
    }
    parts.extend(
        ["loss", "reward", "val_loss"]
            .iter()
            .filter_map(|name| Some(format!("{name} {}", short(run.metrics.get(name)?.0))))
            .take(2),
    );
    if let Some(finding) = run.findings.iter().find(|finding| finding.acknowledged.is_some()) {
        parts.push(format!("{} acknowledged", finding.syndrome));
    }
    parts.join(", ")
}

/// What changed since the last patrol.
fn changes(run: &RunReport) -> String {
    let mut parts = Vec::new();
    for (state, word) in [(Standing::New, "new"), (Standing::Resolved, "resolved")] {
        let ids: Vec<_> = run
            .findings
            .iter()
            .filter(|finding| finding.state == state)
            .map(|finding| finding.syndrome.as_str())
            .collect();
        if !ids.is_empty() {
            parts.push(format!("{word}: {}", counted(&ids)));
        }
    }
    if parts.is_empty() && run.findings.iter().any(|finding| finding.state == Standing::Ongoing) {
        parts.push("nothing new".to_owned());
    }
    if let Some(log) = &run.log {
        parts.push(format!("read {} bytes, {} rows", log.bytes_read, log.rows));
    }
    match run.since_last_s {
        Some(since) => parts.push(late(since, run.expected_s)),
        None if run.error.is_none() => parts.push("first patrol".to_owned()),
        None => {}
    }
    parts.join(", ")
}

/// Each id once, with its number where there are several.
fn counted(ids: &[&str]) -> String {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for id in ids {
        match counts.iter_mut().find(|(known, _)| known == id) {
            Some((_, count)) => *count += 1,
            None => counts.push((id, 1)),
        }
    }
    let words = counts
        .iter()
        .map(|(id, count)| if *count == 1 { (*id).to_owned() } else { format!("{id} ×{count}") });
    words.collect::<Vec<_>>().join(", ")
}

/// How long since the last patrol, and how long that should have been where it was much longer.
fn late(since_s: f64, expected_s: f64) -> String {
    let text = format!("last patrol {} ago", span(since_s));
    if since_s > 1.5 * expected_s { format!("{text}, expected {}", span(expected_s)) } else { text }
}

fn details(lines: &mut Vec<String>, run: &RunReport, now: DateTime<Utc>) {
    let headline = run.findings.iter().find(|finding| is_headline(finding));
    if let Some(headline) = headline.filter(|headline| !headline.advice.is_empty()) {
        lines.push(format!("  next: {}", one_line(&headline.advice)));
    }
    for finding in &run.findings {
        let told = headline.is_some_and(|headline| headline.signature == finding.signature);
        let life = format!("  {} {}, {}", finding.severity, finding.syndrome, life(finding, now));
        lines.push(if told { life } else { format!("{life}: {}", one_line(&finding.message)) });
        let open = matches!(finding.state, Standing::New | Standing::Ongoing);
        if open && (finding.severity > Severity::Info || finding.state == Standing::New) {
            evidence(lines, finding);
        }
    }
    lines.extend(run.checkpoint.as_ref().and_then(checkpoint));
}

/// What there is to go back to, and what that costs.
fn checkpoint(checkpoint: &CheckpointReport) -> Option<String> {
    let cost = Cost { seconds: checkpoint.crash_costs_s?, steps: checkpoint.crash_costs_steps };
    let writing = if checkpoint.writing { ", a newer one is being written" } else { "" };
    Some(format!("  checkpoint {}: {}{writing}", one_line(&checkpoint.path), cost.sentence()))
}

/// Whether a finding may stand in the first line: what counts and is more than a hint.
fn is_headline(finding: &Finding) -> bool {
    finding.counts() && finding.severity > Severity::Info
}

fn evidence(lines: &mut Vec<String>, finding: &Finding) {
    lines.extend(
        finding.occurrences.iter().take(EVIDENCE_MAX).map(|occurrence| format!("    {}", place(occurrence))),
    );
    if let (Some(first), true) = (&finding.first, finding.occurrences.is_empty()) {
        lines.push(format!("    {}", place(first)));
    }
    if finding.occurrences.len() > EVIDENCE_MAX {
        lines.push(format!("    … {} in all", finding.count));
    }
    lines.extend(last_lines(&finding.evidence));
    if let Some(word) = &finding.acknowledged {
        let until = word
            .until
            .map_or_else(String::new, |until| format!(" until {}", until.format("%Y-%m-%d %H:%M UTC")));
        let note = word.note.as_deref().map_or_else(String::new, |note| format!(": {}", one_line(note)));
        lines.push(format!("    acknowledged{until}{note}"));
    }
}

/// The end of the log, of a finding that is told with it.
fn last_lines(evidence: &Evidence) -> Vec<String> {
    let lines = evidence.get("last_lines").and_then(serde_json::Value::as_array);
    let lines = lines.into_iter().flatten().filter_map(serde_json::Value::as_str);
    lines.map(|line| format!("    {}", one_line(line))).collect()
}

fn life(finding: &Finding, now: DateTime<Utc>) -> String {
    match finding.state {
        Standing::New => "new".to_owned(),
        Standing::Ongoing => format!("open for {}", span((now - finding.since).as_seconds_f64())),
        Standing::Resolved => "resolved".to_owned(),
        Standing::History => "over".to_owned(),
    }
}

pub(crate) fn place(occurrence: &Occurrence) -> String {
    let step = occurrence.step.map_or_else(String::new, |step| format!(" step {}", plain(step)));
    format!("{}:{}{step} | {}", one_line(&occurrence.file), occurrence.line, one_line(&occurrence.text))
}

/// The severity word: coloured on a terminal.
fn paint(severity: Severity, color: bool) -> String {
    let word = severity.status_word();
    let code = match severity {
        Severity::Ok | Severity::Info => 32,
        Severity::Warning => 33,
        Severity::Critical => 31,
        Severity::Unknown => 35,
    };
    if color { format!("\x1b[1;{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// Text in one line without control characters: what a log wrote must not drive a terminal.
pub fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_command(c) { ' ' } else { c }).collect::<String>().trim().to_owned()
}

/// Four significant digits.
fn short(value: f64) -> String {
    if !value.is_finite() {
        return if value.is_nan() { "NaN".to_owned() } else { format!("{value}") };
    }
    let magnitude = if value == 0.0 { 0.0 } else { value.abs().log10().floor() };
    if (-4.0..6.0).contains(&magnitude) {
        let digits = (3.0 - magnitude).max(0.0) as usize;
        format!("{value:.digits$}")
    } else {
        format!("{value:.3e}")
    }
}
