//! The runs that were launched, beside those that the config names.
//!
//! A launched run is patrolled from `NAME/run.json` on. It is left out again once it is over, nothing
//! of it waits for a word (a failure does until `ack` or `done`), and that was so for [`KEPT`]; a run
//! that is asked for by name never is, and neither is the last one where there would be none at all.

use crate::config::{self, Actions, Config, LoadArgs, ProcessSpec, Run};
use crate::error::{Error, Result, chain};
use crate::finding::{Scope, Severity};
use crate::launch;
use crate::launch::command::shown;
use crate::observe::launched::{Ended, Ending, LaunchFacts};
use crate::observe::process::{Found, Identity, ProcessFacts};
use crate::observe::{Look, Observation};
use crate::persist::run_directory::{Record, RunDirectory};
use crate::persist::state::State;
use crate::persist::store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use std::path::Path;
use std::time::{Duration, Instant};

/// A run that is over stays in the verdicts for this long: whoever looks in the morning sees how the
/// night's runs ended.
const KEPT: TimeDelta = TimeDelta::days(1);

/// The keeper reaps the process and then notes its end: a look may fall between the two. Writing and
/// syncing a small file takes this long on a busy disk.
const NOTING: Duration = Duration::from_secs(2);
/// How often it is looked whether the end is noted.
const TICK: Duration = Duration::from_millis(20);

/// Loads the config with the runs that were launched. `names` are those that are asked for.
///
/// # Errors
/// Those of [`config::load`], which is also what says that there is nothing to do at all.
pub(crate) fn load(args: LoadArgs<'_>, names: &[String], now: DateTime<Utc>) -> Result<Config> {
    let args = args.without_config();
    let mut config = config::load(&args)?;
    adopt(&mut config, args.log.is_some(), names, now)?;
    if config.runs.is_empty() && config.files.is_empty() {
        return config::load(&LoadArgs { needs_no_config: false, ..args });
    }
    Ok(config)
}

/// Adds launched runs, and tells those of the config where their process and log are.
fn adopt(config: &mut Config, bare: bool, names: &[String], now: DateTime<Utc>) -> Result<()> {
    let Some(store) = Store::open_existing(&config.state_dir)? else { return Ok(()) };
    let mut over: Vec<(DateTime<Utc>, Run)> = Vec::new();
    for name in RunDirectory::recorded(&store)? {
        // One that cannot be read is in the verdict as a run that could not be patrolled.
        let record = record(&store, &name).ok().flatten();
        if let Some(run) = config.runs.iter_mut().find(|run| run.name == name) {
            let Some(record) = record else { continue };
            if let Some(process) = process(&record, &mut config.notes) {
                run.process.get_or_insert(process);
            }
            run.log.get_or_insert(record.log);
        } else if !bare {
            let run = run(&name, record.as_ref(), &mut config.notes);
            match record.filter(|_| !names.contains(&name)) {
                Some(record) if is_settled(&store, &record, now) => over.push((record.started, run)),
                _ => config.runs.push(run),
            }
        }
    }
    if config.runs.is_empty() {
        config.runs.extend(over.into_iter().max_by_key(|(started, _)| *started).map(|(_, run)| run));
    }
    if let ([run], true) = (config.runs.as_mut_slice(), config.orchestrator.is_some()) {
        run.orchestrator = config.orchestrator.take();
    }
    Ok(())
}

/// How the process is found: on the machine where it was started, for elsewhere its number means
/// somebody else, and its absence nothing.
fn process(record: &Record, notes: &mut Vec<String>) -> Option<ProcessSpec> {
    if record.is_here() {
        return Some(ProcessSpec::Launched(record.process.clone()));
    }
    let host = record.host.as_deref().unwrap_or_default();
    notes.push(format!("{} was launched on {host}: its process is looked at only there", record.run));
    None
}

fn run(name: &str, record: Option<&Record>, notes: &mut Vec<String>) -> Run {
    Run {
        name: name.to_owned(),
        log: record.map(|record| record.log.clone()),
        command: record.map(|record| shown(&record.command)),
        process: record.and_then(|record| process(record, notes)),
        metrics: None,
        checkpoints: None,
        total_steps: None,
        done_when: None,
        gpus: Vec::new(),
        profile: None,
        actions: Actions::default(),
        orchestrator: None,
    }
}

/// Whether a run is over, was so for long enough, and nothing of it waits for an answer.
fn is_settled(store: &Store, record: &Record, now: DateTime<Utc>) -> bool {
    if launch::lives(&record.process) {
        return false;
    }
    // What cannot be read is for the patrol to say.
    let Ok(Some(state)) = State::peek(store, &record.run) else { return false };
    let waits = state.ledger.open.iter().any(|open| {
        open.scope == Scope::Attempt && open.severity >= Severity::Warning && !open.is_acknowledged(now)
    });
    let noted = RunDirectory::existing(store, &record.run).ok().flatten();
    let noted = noted.and_then(|directory| directory.exit_of(&record.process).ok().flatten());
    let memory = &state.memory;
    let seen = memory.end.as_ref().map(|end| end.at).or(memory.process.dead_since);
    let ended = noted.map(|exit| exit.ended).max(seen);
    // What was said of an earlier start is not about this one.
    let told = state.last.is_some_and(|last| ended.is_some_and(|ended| last.wall >= ended));
    told && state.phase.is_over() && !waits && ended.is_some_and(|ended| now - ended >= KEPT)
}

/// How a run was launched last, where it was.
pub(crate) fn record(store: &Store, run: &str) -> Result<Option<Record>> {
    RunDirectory::existing(store, run)?.map_or(Ok(None), |directory| directory.record())
}

/// The same from a state directory that may not be there.
///
/// # Errors
/// Others could have written it, or it makes no sense.
pub(crate) fn record_in(state_dir: &Path, run: &str) -> Result<Option<Record>> {
    Store::open_existing(state_dir)?.map_or(Ok(None), |store| record(&store, run))
}

/// Notes what is known of a launched process in a look that has looked for it. `known` is the process
/// that an earlier look took for the run's.
pub(crate) fn observe(
    look: &mut Look,
    record: &Record,
    run: &Run,
    known: Option<&Identity>,
    state_dir: &Path,
) {
    let named = matches!(&run.process, Some(ProcessSpec::Launched(process)) if *process == record.process);
    if !(named || known == Some(&record.process)) {
        return;
    }
    let gone = look.process.known().is_some_and(|facts| has_ended(facts, &record.process));
    let ended = end(record, state_dir, gone).unwrap_or_else(|error| {
        let how = Ending::Unknown(chain(&error));
        gone.then_some(Ended { at: None, how })
    });
    if ended.is_some()
        && let Observation::Known(facts) = &mut look.process
        && matches!(facts.found, Found::Process(_))
    {
        // It ended between the two looks; or its keeper was killed, and a container's first process
        // reaps nobody.
        facts.found = Found::Gone { pid: Some(record.process.pid), why: "it has ended".to_owned() };
    }
    look.launched = Some(LaunchFacts {
        process: record.process.clone(),
        command: shown(&record.command),
        started: record.started,
        ended,
    });
}

fn has_ended(facts: &ProcessFacts, process: &Identity) -> bool {
    match &facts.found {
        Found::Process(life) => life.identity == *process && life.has_ended(),
        Found::Gone { .. } => true,
        Found::Ambiguous { .. } => false,
    }
}

/// How it ended. Where it is gone and its keeper is not, that is about to be noted.
fn end(record: &Record, state_dir: &Path, gone: bool) -> Result<Option<Ended>> {
    let until = Instant::now() + NOTING;
    loop {
        let store = Store::open_existing(state_dir)?;
        let directory = store.map_or(Ok(None), |store| RunDirectory::existing(&store, &record.run))?;
        let exit = directory.map_or(Ok(None), |directory| directory.exit_of(&record.process))?;
        if let Some(exit) = exit {
            return Ok(Some(Ended { at: Some(exit.ended), how: exit.ending() }));
        }
        if !gone {
            return Ok(None);
        }
        let keeper = record.keeper.as_ref();
        if !keeper.is_some_and(launch::lives) {
            let who = keeper.map_or_else(String::new, |keeper| format!(" (pid {})", keeper.pid));
            let why = format!("the process that waited for it{who} is gone as well");
            return Ok(Some(Ended { at: None, how: Ending::Unknown(why) }));
        }
        if Instant::now() >= until {
            let why = "it is not written yet: a full disk, perhaps".to_owned();
            return Ok(Some(Ended { at: None, how: Ending::Unknown(why) }));
        }
        std::thread::sleep(TICK);
    }
}

/// A name that cannot be taken, and why.
pub(crate) fn refuse_if_it_lives(record: &Record, now: DateTime<Utc>) -> Result<()> {
    if !launch::lives(&record.process) {
        return Ok(());
    }
    let since = (now - record.started).as_seconds_f64();
    Err(Error::Usage(format!(
        "`{}` runs already: process {} ({}), started {} ago; stop it first (trainguard stop {}), or give this one another --name",
        record.run,
        record.process.pid,
        shown(&record.command),
        crate::judge::say::span(since),
        record.run,
    )))
}
