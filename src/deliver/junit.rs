//! The verdict as JUnit XML, which CI systems show and compare: a suite for each run, a test for each
//! check, a failure where the check's findings make the exit code differ from 0.
//!
//! Every check is a test, also where it found nothing: so a report tells what has become better.

use super::report::{Report, RunReport};
use super::text::one_line;
use crate::finding::{Finding, Severity};
use crate::judge::CHECKS;
use crate::redact::redact;
use std::io::{self, Write};

/// What one check came to.
struct Case<'a> {
    name: &'a str,
    findings: Vec<&'a Finding>,
}

/// Prints a verdict. Findings below `threshold` are told in the test's output and fail nothing.
/// `troubles` are what the patrol itself could not do: they make it unknown, as the exit code does.
pub fn report(
    out: &mut dyn Write,
    report: &Report,
    troubles: &[String],
    threshold: Severity,
) -> io::Result<()> {
    begin_document(out)?;
    own(out, troubles)?;
    for run in &report.all() {
        suite(out, run, report, threshold)?;
    }
    writeln!(out, "</testsuites>")
}

/// Prints why there is no verdict at all.
pub fn failure(out: &mut dyn Write, why: &str) -> io::Result<()> {
    begin_document(out)?;
    own(out, &[why.to_owned()])?;
    writeln!(out, "</testsuites>")
}

fn begin_document(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, r#"<?xml version="1.0" encoding="UTF-8"?>"#)?;
    writeln!(out, r#"<testsuites name="trainguard">"#)
}

/// A suite of what the tool itself could not do; none where all went well.
fn own(out: &mut dyn Write, troubles: &[String]) -> io::Result<()> {
    if troubles.is_empty() {
        return Ok(());
    }
    let count = troubles.len();
    writeln!(out, r#"  <testsuite name="trainguard" tests="{count}" failures="0" errors="{count}">"#)?;
    for trouble in troubles {
        writeln!(out, r#"    <testcase classname="trainguard" name="trainguard" time="0">"#)?;
        let message = text(&one_line(trouble));
        writeln!(out, r#"      <error type="unknown" message="{message}">{}</error>"#, text(trouble))?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>")
}

/// Whether a severity makes the exit code differ from 0: not having looked always does.
fn fails(severity: Severity, threshold: Severity) -> bool {
    severity == Severity::Unknown || severity >= threshold
}

fn suite(out: &mut dyn Write, run: &RunReport, report: &Report, threshold: Severity) -> io::Result<()> {
    let cases = cases(run);
    let worst = |case: &Case<'_>| case.findings.iter().map(|finding| finding.severity).max();
    let failing = |severity| cases.iter().filter(|case| worst(case) == Some(severity)).count();
    let failures: usize = [Severity::Warning, Severity::Critical]
        .into_iter()
        .filter(|severity| fails(*severity, threshold))
        .map(failing)
        .sum();
    let errors = failing(Severity::Unknown) + usize::from(run.error.is_some());
    let tests = cases.len() + usize::from(run.error.is_some());
    writeln!(
        out,
        r#"  <testsuite name="{}" tests="{tests}" failures="{failures}" errors="{errors}" timestamp="{}">"#,
        text(&run.name),
        report.time.format("%Y-%m-%dT%H:%M:%S")
    )?;
    if let Some(why) = &run.error {
        begin(out, run, "patrol")?;
        writeln!(out, r#"      <error type="unknown" message="{}"/>"#, text(&one_line(why)))?;
        writeln!(out, "    </testcase>")?;
    }
    for case in &cases {
        begin(out, run, case.name)?;
        self::case(out, case, threshold)?;
        writeln!(out, "    </testcase>")?;
    }
    writeln!(out, "  </testsuite>")
}

fn begin(out: &mut dyn Write, run: &RunReport, name: &str) -> io::Result<()> {
    writeln!(
        out,
        r#"    <testcase classname="trainguard.{}" name="{}" time="0">"#,
        text(&run.name),
        text(name)
    )
}

/// The checks, and whoever else has an open finding.
fn cases(run: &RunReport) -> Vec<Case<'_>> {
    let mut cases: Vec<Case<'_>> = Vec::new();
    // What is no run has none of their checks.
    if run.error.is_none() && run.attempt > 0 {
        cases.extend(CHECKS.iter().map(|check| Case { name: check.name, findings: Vec::new() }));
    }
    for finding in run.findings.iter().filter(|finding| finding.counts()) {
        match cases.iter_mut().find(|case| case.name == finding.check) {
            Some(case) => case.findings.push(finding),
            None => cases.push(Case { name: &finding.check, findings: vec![finding] }),
        }
    }
    cases
}

fn case(out: &mut dyn Write, case: &Case<'_>, threshold: Severity) -> io::Result<()> {
    let Some(worst) = case.findings.iter().max_by_key(|finding| finding.severity) else { return Ok(()) };
    let told: Vec<String> = case.findings.iter().map(|finding| story(finding)).collect();
    let told = text(&told.join("\n"));
    if !fails(worst.severity, threshold) {
        return writeln!(out, "      <system-out>{told}</system-out>");
    }
    let element = if worst.severity == Severity::Unknown { "error" } else { "failure" };
    let message = text(&format!("{}: {}", worst.syndrome, one_line(&worst.message)));
    writeln!(out, r#"      <{element} type="{}" message="{message}">{told}</{element}>"#, worst.severity)
}

fn story(finding: &Finding) -> String {
    let mut lines = vec![format!(
        "{} {}: {}",
        finding.severity.status_word(),
        finding.syndrome,
        one_line(&finding.message)
    )];
    for place in finding.first.iter().chain(&finding.occurrences).take(1) {
        lines.push(format!("  {}:{} | {}", one_line(&place.file), place.line, one_line(&place.text)));
    }
    if !finding.advice.is_empty() {
        lines.push(format!("  next: {}", one_line(&finding.advice)));
    }
    lines.join("\n")
}

/// Text in XML 1.0 without secrets: what it cannot hold is a blank, what means something is an entity.
/// So is what a CI runner on whose console it is printed would take for a command.
fn text(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    for c in redact(raw).chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\n' | '\t' => text.push(c),
            '\u{FFFE}' | '\u{FFFF}' => text.push(' '),
            c if c.is_control() => text.push(' '),
            c => text.push(c),
        }
    }
    text.replace("##[", "##&#91;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_xml_cannot_hold_is_a_blank_and_its_signs_are_entities() {
        assert_eq!(
            text("a]]><b c=\"d\">&\u{1b}[0m\0\u{FFFF}é"),
            "a]]&gt;&lt;b c=&quot;d&quot;&gt;&amp; [0m  é"
        );
        assert_eq!(text("##[error]"), "##&#91;error]");
    }

    #[test]
    fn what_could_not_be_looked_at_fails_under_every_threshold() {
        for threshold in [Severity::Warning, Severity::Critical] {
            assert!(fails(Severity::Unknown, threshold) && fails(Severity::Critical, threshold));
        }
        assert!(fails(Severity::Warning, Severity::Warning) && !fails(Severity::Warning, Severity::Critical));
    }
}
