//! How a run stands, told to its server at every patrol, and at most every half minute by a watch.

use super::{Server, memory, reason, rows};
use crate::config::Orchestrator;
use crate::deliver::report::RunReport;
use crate::deliver::{Outcome, Site};
use crate::error::chain;
use crate::finding::{Severity, Standing};
use crate::persist::lock::Lock;
use crate::persist::step;
use crate::persist::store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use std::time::Instant;

/// The least time between two statuses of a watch.
const EVERY: TimeDelta = TimeDelta::seconds(30);
/// A watch leaves a server that failed alone for so long.
const PAUSE: TimeDelta = TimeDelta::seconds(30);
/// Statuses that a run is not moved out of.
const TERMINAL: [&str; 3] = ["finished", "failed", "stopped"];

/// What is told of a run.
pub struct Told<'a> {
    /// Its name here.
    pub run: &'a str,
    /// Its server.
    pub settings: &'a Orchestrator,
    /// What was seen of it.
    pub report: &'a RunReport,
    /// `running`, or how it ended; none where nobody knows whether it runs.
    pub status: Option<&'static str>,
    /// Of a run that was launched from here and has ended.
    pub exit_code: Option<i32>,
    /// A watch tells it, which looks every few seconds.
    pub watched: bool,
}

/// Whether a server that failed is left alone by a watch. A clock that was set back holds nothing up.
pub fn is_spared(memory: &memory::Memory, watched: bool, now: DateTime<Utc>) -> bool {
    watched && memory.failed.is_some_and(|at| is_within(now - at, PAUSE))
}

/// Tells a run's server how it stands, and the rows that wait.
///
/// # Errors
/// What went wrong, for people.
pub fn tell(told: &Told<'_>, store: &Store, site: Site<'_>, until: Instant) -> Result<(), String> {
    let Told { run, settings, .. } = *told;
    let directory = store.directory(run).map_err(|error| chain(&error))?;
    // Whoever is at it tells as much: two at once could both take a run for one that is under way.
    let lock = Lock::try_acquire(&directory.join("orchestrator.status.lock"));
    let Some(_lock) = lock.map_err(|error| chain(&error))? else { return Ok(()) };
    let known = memory::read(store, run, settings).map_err(|error| chain(&error))?;
    if is_spared(&known, told.watched, site.now) {
        return Ok(());
    }
    let server = Server::open(settings, site)?;
    let stood = stand(told, &known, &server, site, until);
    let posted = stood.as_ref().ok().copied().flatten();
    let rows = if stood.is_ok() { rows::send(&server, store, run, until) } else { Ok(()) };
    let failed = (stood.is_err() || rows.is_err()).then_some(site.now);
    step("note what the orchestrator was told");
    let noted = memory::change(store, run, settings, |memory| {
        memory.failed = failed;
        if let Some(status) = posted {
            memory.posted = Some(site.now);
            if TERMINAL.contains(&status) {
                memory.ended = Some((told.report.attempt, status.to_owned()));
            }
        }
    });
    stood?;
    rows?;
    noted.map_err(|error| chain(&error))
}

/// Posts the status, if it is due. Returns the one that was taken.
fn stand(
    told: &Told<'_>,
    known: &memory::Memory,
    server: &Server<'_>,
    site: Site<'_>,
    until: Instant,
) -> Result<Option<&'static str>, String> {
    let Some(status) = told.status else { return Ok(None) };
    let is_terminal = TERMINAL.contains(&status);
    if is_terminal && known.ended.as_ref().is_some_and(|(attempt, _)| *attempt == told.report.attempt) {
        return Ok(None);
    }
    let recent = known.posted.is_some_and(|at| is_within(site.now - at, EVERY));
    if told.watched && recent && !is_terminal {
        return Ok(None);
    }
    let left = || until.saturating_duration_since(Instant::now());
    let run = server.get(&server.run_path(""), left()).map_err(reason)?;
    let Some(there) =
        [run.get("status"), run.pointer("/run/status")].into_iter().flatten().find_map(Value::as_str)
    else {
        return Err(reason(server.later("its answer about the run names no status")));
    };
    if TERMINAL.contains(&there) {
        return Ok(None);
    }
    let mut body = body(told, status);
    site.redactor.redact_value(&mut body);
    step("send a status to the orchestrator");
    match server.post(&server.run_path("/status"), &body, None, left()) {
        Ok(_) => Ok(Some(status)),
        Err(Outcome::Taken) => Ok(None),
        Err(outcome) => Err(reason(outcome)),
    }
}

fn body(told: &Told<'_>, status: &str) -> Value {
    let report = told.report;
    let mut body = Map::new();
    body.insert("status".to_owned(), status.into());
    if TERMINAL.contains(&status) {
        body.extend(told.exit_code.map(|code| ("exit_code".to_owned(), code.into())));
    }
    if status == "failed" {
        body.extend(failure(report).map(|why| ("error".to_owned(), why.into())));
    }
    body.insert("monitor_note".to_owned(), report.monitor_note.as_str().into());
    body.insert("monitor_tags".to_owned(), json!(report.monitor_tags));
    body.insert("monitoring".to_owned(), json!(report.monitoring));
    Value::Object(body)
}

/// What a failed run failed of.
fn failure(report: &RunReport) -> Option<String> {
    let mut open = report.findings.iter().filter(|finding| {
        matches!(finding.state, Standing::New | Standing::Ongoing) && finding.severity == Severity::Critical
    });
    open.next().map(|finding| format!("{}: {}", finding.syndrome, finding.message))
}

fn is_within(passed: TimeDelta, span: TimeDelta) -> bool {
    (TimeDelta::zero()..span).contains(&passed)
}
