//! How a run stands, told to its server at every patrol, and at most every half minute by a watch.

use super::{Server, memory, reason, rows};
use crate::config::Orchestrator;
use crate::deliver::Site;
use crate::deliver::report::RunReport;
use crate::error::chain;
use crate::finding::{Severity, Standing};
use crate::persist::lock::Lock;
use crate::persist::step;
use crate::persist::store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

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
    let attempt = told.report.attempt;
    let directory = store.directory(run).map_err(|error| chain(&error))?;
    // Whoever is at it tells as much: two at once could both take a run for one that is under way.
    let lock = Lock::try_acquire(&directory.join("orchestrator.status.lock"));
    let Some(_lock) = lock.map_err(|error| chain(&error))? else { return Ok(()) };
    let known = memory::read(store, run, settings).map_err(|error| chain(&error))?;
    if is_spared(&known, told.watched, site.now) {
        return Ok(());
    }
    let server = Server::open(settings, site)?;
    let mut posted = None;
    let told = tell_all(told, &known, &server, store, site, until, &mut posted);
    step("note what the orchestrator was told");
    let noted = memory::change(store, run, settings, |memory| {
        memory.failed = told.is_err().then_some(site.now);
        if let Some(status) = posted {
            memory.posted = Some(site.now);
            if TERMINAL.contains(&status) {
                memory.ended = Some((attempt, status.to_owned()));
            }
        }
    });
    told.and(noted.map_err(|error| chain(&error)))
}

/// Asks where the run stands there, sends the rows that wait, and then the status where it is due: a
/// server may take no rows of a run that has ended.
fn tell_all(
    told: &Told<'_>,
    known: &memory::Memory,
    server: &Server<'_>,
    store: &Store,
    site: Site<'_>,
    until: Instant,
    posted: &mut Option<&'static str>,
) -> Result<(), String> {
    let left = || until.saturating_duration_since(Instant::now());
    let due = due(told, known, site.now);
    let ended = due.map(|_| has_ended(server, left())).transpose()?;
    let rows = rows::send(server, store, told.run, until);
    if let (Some(status), Some(false)) = (due, ended) {
        let mut body = body(told, status);
        site.redactor.redact_value(&mut body);
        step("send a status to the orchestrator");
        server.post(&server.run_path("/status"), &body, None, left()).map_err(reason)?;
        *posted = Some(status);
    }
    rows
}

/// The status that is to be told now: a terminal one once, any other at every patrol.
fn due(told: &Told<'_>, known: &memory::Memory, now: DateTime<Utc>) -> Option<&'static str> {
    let status = told.status?;
    if TERMINAL.contains(&status) {
        let said = known.ended.as_ref().is_some_and(|(attempt, _)| *attempt == told.report.attempt);
        return (!said).then_some(status);
    }
    let recent = known.posted.is_some_and(|at| is_within(now - at, EVERY));
    (!(told.watched && recent)).then_some(status)
}

/// Whether the run is over there: it is not moved out of that.
fn has_ended(server: &Server<'_>, limit: Duration) -> Result<bool, String> {
    let run = server.get(&server.run_path(""), limit).map_err(reason)?;
    let words = [run.get("status"), run.pointer("/run/status")];
    let there = words.into_iter().flatten().find_map(Value::as_str);
    let why = "its answer about the run names no status";
    let there = there.ok_or_else(|| reason(server.later(why)))?;
    Ok(TERMINAL.contains(&there))
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
