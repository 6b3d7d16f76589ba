//! The verdict of a patrol, in the format that was asked for.

use crate::cli::{Common, FailOn, Patrol as Args, ReportFormat};
use crate::clock::Clock;
use crate::commands::round::{Keep, Told, Voice};
use crate::commands::style;
use crate::deliver::report::{Report, RunReport};
use crate::deliver::{github, junit, nagios, text};
use crate::finding::Severity;
use crate::persist::step;
use crate::redact::Redactor;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;

/// Where and how a patrol prints.
pub(super) struct Printer<'a> {
    args: &'a Args,
    common: &'a Common,
    clock: &'a Clock,
    keep: Option<&'a Keep>,
    out: &'a mut dyn Write,
    stderr: Box<dyn Write>,
    /// The verdict as people read it.
    said: String,
}

impl<'a> Printer<'a> {
    pub(super) fn new(
        args: &'a Args,
        common: &'a Common,
        clock: &'a Clock,
        keep: Option<&'a Keep>,
        out: &'a mut dyn Write,
    ) -> Self {
        let stderr: Box<dyn Write> = match args.format {
            ReportFormat::Github => Box::new(github::Guarded::new(io::stderr())),
            _ => Box::new(io::stderr()),
        };
        Self { args, common, clock, keep, out, stderr, said: String::new() }
    }

    /// The verdict as people read it, whatever was printed.
    pub(super) fn said(self) -> String {
        self.said
    }

    /// Whether the verdict is for programs: printed always and alone.
    fn is_document(&self) -> bool {
        self.args.format != ReportFormat::Text
    }

    /// The least severity that makes the exit code differ from 0.
    fn threshold(&self) -> Severity {
        match self.args.fail_on {
            FailOn::Warning => Severity::Warning,
            FailOn::Critical => Severity::Critical,
        }
    }

    /// Says whether the verdict was written: with `-q` and for people only what could not be patrolled
    /// is, and alerts that no outbox could take.
    fn write(&mut self, told: &Told<'_>) -> io::Result<bool> {
        let report = told.report;
        let failed: Vec<_> = report.all().into_iter().filter(|run| run.error.is_some()).collect();
        let failed = if self.common.quiet { self.unsaid(failed) } else { failed };
        let verdict = !self.common.quiet || self.is_document();
        let style = style(self.common);
        let threshold = self.threshold();
        let out = &mut *self.out;
        step("print the verdict");
        if verdict {
            match self.args.format {
                ReportFormat::Json => {
                    writeln!(out, "{}", serde_json::to_string(report).map_err(io::Error::other)?)?;
                }
                ReportFormat::Nagios => nagios::report(out, report, told.troubles)?,
                ReportFormat::Github | ReportFormat::Junit => {
                    let redactor = Redactor::of_environment(std::env::vars_os());
                    let report = report.redacted(&redactor);
                    let troubles: Vec<_> =
                        told.troubles.iter().map(|trouble| redactor.redact(trouble)).collect();
                    if self.args.format == ReportFormat::Junit {
                        junit::report(out, &report, &troubles, threshold)?;
                    } else {
                        let workspace = std::env::var_os("GITHUB_WORKSPACE").map(PathBuf::from);
                        github::report(out, &report, &troubles, self.clock.entropy, workspace.as_deref())?;
                    }
                }
                ReportFormat::Text => text::report(out, report, style)?,
            }
        } else {
            if !failed.is_empty() {
                let failed = Report {
                    runs: failed,
                    agents: Vec::new(),
                    downloads: Vec::new(),
                    environment: None,
                    notes: Vec::new(),
                    ..report.clone()
                };
                text::report(out, &failed, style)?;
            }
            for alert in told.unkept() {
                text::alert(out, alert)?;
            }
        }
        out.flush()?;
        step("go on after the verdict");
        Ok(verdict)
    }

    /// Of the runs that could not be patrolled, those that were not said to be so by the previous
    /// patrol with `-q`.
    fn unsaid(&self, failed: Vec<RunReport>) -> Vec<RunReport> {
        let now: BTreeMap<_, _> = failed.iter().map(|run| (run.name.clone(), run.error.clone())).collect();
        let before =
            self.keep.map(|keep| keep.store.exchange_note("unpatrolled.json", &now)).unwrap_or_default();
        failed.into_iter().filter(|run| before.get(&run.name) != Some(&run.error)).collect()
    }
}

impl Voice for Printer<'_> {
    fn complain(&mut self, troubles: &[String]) {
        for trouble in troubles {
            drop(writeln!(self.stderr, "trainguard: {}", text::one_line(trouble)));
        }
    }

    fn tell(&mut self, told: &Told<'_>) -> io::Result<BTreeSet<String>> {
        let mut said = Vec::new();
        text::report(&mut said, told.report, text::Style { color: false, verbose: false })?;
        self.said = String::from_utf8_lossy(&said).into_owned();
        match self.write(told) {
            Ok(true) => Ok(told.kept().map(|alert| alert.id.clone()).collect()),
            Ok(false) => Ok(BTreeSet::new()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// What an earlier, killed patrol owes the terminal goes to standard error beside a verdict that
    /// must stay one document.
    fn terminal(&mut self) -> &mut dyn Write {
        if self.is_document() { &mut *self.stderr } else { &mut *self.out }
    }
}
