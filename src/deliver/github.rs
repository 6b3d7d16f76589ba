//! The verdict for GitHub Actions: an annotation per open finding, then the text that people read.
//!
//! Workflow commands as GitHub documents them: `::error file=F,line=N,title=T::MESSAGE`, with `%`, line
//! ends and, in properties, `:` and `,` percent-encoded. The text quotes logs, and a runner obeys what a
//! log says: it is printed between `::stop-commands::TOKEN` and `::TOKEN::`, with a token that no log
//! can know. Runners obey the old `##[command]` too, wherever it stands in a line: it is taken apart.
//! What is printed here may be public, and goes without what looks like a secret.

use super::report::{Report, RunReport};
use super::text::{self, Style, one_line};
use crate::finding::{Finding, Occurrence, Severity};
use crate::redact::redact;
use std::io::{self, Write};
use std::path::Path;

/// GitHub shows ten annotations of a kind and step; more only hide the rest.
const ANNOTATIONS_MAX: usize = 10;

/// Prints a verdict. `troubles` are what the patrol itself could not do; `token` is random; `workspace`
/// is the checkout, in which annotated files are named.
pub fn report(
    out: &mut dyn Write,
    report: &Report,
    troubles: &[String],
    token: u64,
    workspace: Option<&Path>,
) -> io::Result<()> {
    for trouble in troubles {
        annotate(out, "error", &[("title", "trainguard: UNKNOWN")], &one_line(trouble))?;
    }
    let all = report.all();
    for run in &all {
        if let Some(why) = &run.error {
            let what = format!("could not patrol it: {}", one_line(why));
            annotate(out, "error", &[("title", &format!("{}: UNKNOWN", run.name))], &what)?;
        }
    }
    let mut findings: Vec<_> = all.iter().flat_map(open).collect();
    findings.sort_by_key(|(_, finding)| std::cmp::Reverse(finding.severity));
    for (run, finding) in findings.iter().take(ANNOTATIONS_MAX) {
        self::finding(out, run, finding, workspace)?;
    }
    let mut body = Vec::new();
    text::report(&mut body, report, Style { color: false, verbose: true })?;
    guarded(out, &String::from_utf8_lossy(&body), token)
}

/// Prints why there is no verdict at all.
pub fn failure(out: &mut dyn Write, why: &str, token: u64) -> io::Result<()> {
    annotate(out, "error", &[("title", "trainguard: UNKNOWN")], why)?;
    guarded(out, why, token)
}

fn open(run: &RunReport) -> Vec<(&str, &Finding)> {
    let counting = run.findings.iter().filter(|finding| finding.counts());
    counting.map(|finding| (run.name.as_str(), finding)).collect()
}

/// Text in which the runner looks for no command but the token.
fn guarded(out: &mut dyn Write, text: &str, token: u64) -> io::Result<()> {
    writeln!(out, "::stop-commands::{token:016x}")?;
    for line in text.lines() {
        writeln!(out, "{}", harmless(line))?;
    }
    writeln!(out, "::{token:016x}::")
}

/// A line without secrets that no runner takes for a command.
fn harmless(line: &str) -> String {
    let line = redact(line).replace("##[", "## [");
    match line.trim_start().strip_prefix("::") {
        Some(rest) => format!(": :{rest}"),
        None => line,
    }
}

/// A stream beside the verdict, which the runner reads too: what goes to it is made harmless line by line.
pub struct Guarded<W: Write> {
    inner: W,
    line: Vec<u8>,
}

impl<W: Write> Guarded<W> {
    /// Wraps a stream.
    pub fn new(inner: W) -> Self {
        Self { inner, line: Vec::new() }
    }
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            self.line.push(byte);
            if byte == b'\n' {
                self.flush()?;
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let (text, end) = line.strip_suffix('\n').map_or((&*line, ""), |text| (text, "\n"));
        write!(self.inner, "{}{end}", harmless(text))?;
        self.inner.flush()
    }
}

fn finding(out: &mut dyn Write, run: &str, finding: &Finding, workspace: Option<&Path>) -> io::Result<()> {
    let command = match finding.severity {
        Severity::Critical | Severity::Unknown => "error",
        Severity::Warning => "warning",
        Severity::Ok | Severity::Info => "notice",
    };
    let title = format!("{run}: {} {}", finding.severity.status_word(), finding.syndrome);
    let inside = |place: &Occurrence| {
        let file = Path::new(&place.file);
        let file = workspace.and_then(|workspace| file.strip_prefix(workspace).ok()).unwrap_or(file);
        (file.to_string_lossy().into_owned(), place.line.to_string())
    };
    let place = finding.first.as_ref().or(finding.occurrences.first()).map(inside);
    let mut properties: Vec<(&str, &str)> = Vec::new();
    if let Some((file, line)) = &place {
        properties.extend([("file", file.as_str()), ("line", line.as_str())]);
    }
    properties.push(("title", &title));
    let mut message = one_line(&finding.message);
    if !finding.advice.is_empty() {
        message.push_str("\nnext: ");
        message.push_str(&one_line(&finding.advice));
    }
    annotate(out, command, &properties, &message)
}

fn annotate(
    out: &mut dyn Write,
    command: &str,
    properties: &[(&str, &str)],
    message: &str,
) -> io::Result<()> {
    let properties: Vec<_> =
        properties.iter().map(|(key, value)| format!("{key}={}", property(value))).collect();
    writeln!(out, "::{command} {}::{}", properties.join(","), data(message))
}

/// The value of a command.
fn data(text: &str) -> String {
    let text = redact(text).replace("##[", "## [");
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_log_says_can_neither_end_a_property_nor_begin_a_command() {
        let mut out = Vec::new();
        let hostile = "a,line=1::x\r\n::error::100%";
        annotate(&mut out, "error", &[("file", hostile), ("title", "t")], hostile).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "::error file=a%2Cline=1%3A%3Ax%0D%0A%3A%3Aerror%3A%3A100%25,title=t::a,line=1::x%0D%0A::error::100%25\n"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_stream_beside_the_verdict_carries_no_command() {
        let mut guarded = Guarded::new(Vec::new());
        for piece in ["a ##[err", "or]b\n  ::err", "or::x\n::stop-commands::t\n", "hf_aB3dE5gH7jK9aB3d"] {
            guarded.write_all(piece.as_bytes()).unwrap();
        }
        guarded.flush().unwrap();
        let text = String::from_utf8(guarded.inner).unwrap();
        assert_eq!(text, "a ## [error]b\n: :error::x\n: :stop-commands::t\n[redacted]");
    }
}
