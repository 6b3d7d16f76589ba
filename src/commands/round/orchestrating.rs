//! A round and the servers that keep the runs: what operators chose there is heeded before anything is
//! done, and how the runs stand is told when all else is. No lock of a run is held while a server is
//! waited for, and none of it is part of the verdict.

use super::{Keep, Outcome, Round};
use crate::config::{Orchestrator, Run};
use crate::decide::orders::Order;
use crate::deliver::Site;
use crate::deliver::orchestrator::choices::{self, Choice};
use crate::deliver::orchestrator::memory::{self, Memory};
use crate::deliver::orchestrator::status::{self, Told};
use crate::deliver::orchestrator::{self, Server};
use crate::error::{Result, chain};
use crate::judge::Phase;
use crate::observe::guard::Undelivered;
use crate::observe::launched::Ending;
use crate::observe::process::{self, Identity};
use crate::persist::run_directory::RunDirectory;
use crate::persist::run_directory::answers::Answer;
use crate::persist::state::State;
use crate::redact::Redactor;
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Asking for choices takes so long at most, all servers together: a quarter of what all channels have.
const ASKING_MAX: Duration = Duration::from_millis(2_500);
/// Share of the time for delivery that is left to telling how runs stand.
const TELLING: f64 = 0.4;
/// A run that is started again by a rule has failed for good once it was down for this long: the pause
/// before its third restart is over by then, and the server takes no word back.
const RESTARTED_WITHIN: TimeDelta = TimeDelta::minutes(30);
/// What a shell adds to a signal's number.
const BY_SIGNAL: i32 = 128;

/// What servers did not take is said, and is no finding: a server that is down changes no verdict.
pub(super) fn notes(owed: &mut Vec<Undelivered>) -> Vec<String> {
    let (theirs, others): (Vec<_>, Vec<_>) =
        std::mem::take(owed).into_iter().partition(|owed| orchestrator::is_channel(&owed.channel));
    *owed = others;
    let note = |owed: &Undelivered| {
        let next = if owed.refused == 0 {
            "the next patrol sends what waits"
        } else {
            "`trainguard alerts` lists it, and `trainguard alerts retry` sends it again"
        };
        format!("{}: {} alerts are not there yet: {}; {next}", owed.channel, owed.alerts, owed.error)
    };
    theirs.iter().map(note).collect()
}

impl Round<'_> {
    /// Heeds what operators chose: a stop is an order that is durable when this returns, and is carried
    /// out by this very round. Returns what went wrong.
    pub(super) fn heed(&self, keep: &Keep, outcomes: &mut [Outcome]) -> Vec<String> {
        let mut troubles = Vec::new();
        if self.dry() {
            return troubles;
        }
        let left = self.common.timeout.saturating_sub(self.clock.elapsed());
        let until = Instant::now() + left.min(ASKING_MAX);
        let mut mute = BTreeSet::new();
        for outcome in outcomes.iter_mut() {
            let Some(run) = self.config.runs.iter().find(|run| run.name == outcome.report.name) else {
                continue;
            };
            let (Some(state), true) = (&mut outcome.state, outcome.kept) else { continue };
            let heeded = self.heed_run(keep, run, state, until, &mut mute);
            troubles.extend(heeded.into_iter().map(|why| format!("{}: {why}", run.name)));
        }
        troubles
    }

    fn heed_run(
        &self,
        keep: &Keep,
        run: &Run,
        state: &mut State,
        until: Instant,
        mute: &mut BTreeSet<String>,
    ) -> Vec<String> {
        let directory = match RunDirectory::existing(&keep.store, &run.name) {
            Ok(Some(directory)) => directory,
            Ok(None) => return Vec::new(),
            Err(error) => return vec![chain(&error)],
        };
        let server = run.orchestrator.as_ref();
        let known = server.map(|settings| memory::read(&keep.store, &run.name, settings)).transpose();
        let known = match known {
            Ok(known) => known,
            Err(error) => return vec![chain(&error)],
        };
        let (mut found, mut troubles) = choices::written(&directory, known.as_ref());
        if !self.config.trusted {
            // On the word of a config that others can change nobody is stopped.
            if !found.is_empty() {
                troubles.push(format!(
                    "{} answers wait: others can change the config, so nothing is done on its word",
                    found.len()
                ));
            }
            return troubles;
        }
        if let (Some(settings), Some(known)) = (server, &known) {
            match self.ask(settings, known, until, mute) {
                Ok(asked) => found.extend(asked),
                Err(why) => {
                    // Whoever is told at every look, or wants to hear of news alone, knows it already.
                    let quiet = self.common.quiet || self.watcher.is_some();
                    if !quiet || known.failed.is_none() {
                        troubles.push(format!("the orchestrator was not asked for choices: {why}"));
                    }
                    let failed = |memory: &mut Memory| memory.failed = Some(self.clock.wall());
                    drop(memory::change(&keep.store, &run.name, settings, failed));
                }
            }
        }
        for choice in found {
            let heeded = self.heed_one(keep, run, state, &choice);
            troubles.extend(heeded.unwrap_or_else(|error| Some(chain(&error))));
        }
        troubles
    }

    /// What the server knows of choices. One that did not answer is not asked again in this round.
    fn ask(
        &self,
        settings: &Orchestrator,
        known: &Memory,
        until: Instant,
        mute: &mut BTreeSet<String>,
    ) -> std::result::Result<Vec<Choice>, String> {
        let address = settings.address.uri().to_string();
        if mute.contains(&address) || status::is_spared(known, self.watcher.is_some(), self.clock.wall()) {
            return Ok(Vec::new());
        }
        let redactor = Redactor::default();
        let env = |name: &str| std::env::var_os(name);
        let site = Site { env: &env, now: self.clock.wall(), host: "", redactor: &redactor };
        let left = until.saturating_duration_since(Instant::now());
        let asked = Server::open(settings, site).and_then(|server| choices::asked(&server, known, left));
        if asked.is_err() {
            mute.insert(address);
        }
        asked
    }

    /// Order, state, note, and only then the answer is gone: whoever is killed in between leaves what is
    /// recognised as the same order.
    fn heed_one(&self, keep: &Keep, run: &Run, state: &mut State, choice: &Choice) -> Result<Option<String>> {
        let said = if choice.stops() { self.order_stop(keep, run, state, choice)? } else { None };
        if let Some(settings) = &run.orchestrator {
            let answer = |memory: &mut Memory| memory.answer(&choice.alert, &choice.said);
            memory::change(&keep.store, &run.name, settings, answer)?;
        }
        choice.file.as_ref().map_or(Ok(()), |(path, _)| Answer::take(path))?;
        Ok(said)
    }

    /// Orders the stop; says why not where the word was about an earlier start.
    fn order_stop(
        &self,
        keep: &Keep,
        run: &Run,
        seen: &mut State,
        choice: &Choice,
    ) -> Result<Option<String>> {
        let lock = keep.store.lock_run(&run.name, self.common.lock_wait)?;
        let mut state = State::load(&keep.store, &run.name, run.log.as_deref(), self.clock)?.state;
        let target = target(keep, &state)?;
        if target.as_ref().and_then(process::began).is_some_and(|began| choice.is_older(began)) {
            return Ok(Some(format!(
                "{:?} was answered to {} before the process of now began: it is not stopped; `trainguard stop {}` stops it",
                choice.said, choice.alert, run.name
            )));
        }
        let about = choice.syndrome.as_deref().unwrap_or(&choice.alert);
        let why = format!("somebody answered {:?} to {about}", choice.said);
        let step = state.memory.numbers.printed_step();
        let order = Order::answered(&run.name, &choice.alert, why, target, step, self.clock.wall());
        state.orders.obey(order);
        state.save(&keep.store)?;
        keep.store.sync()?;
        drop(lock);
        seen.orders = state.orders;
        Ok(None)
    }

    /// Tells the servers how the runs stand. Returns what went wrong; under `-q` what is known is not
    /// repeated.
    pub(super) fn tell_orchestrators(
        &self,
        keep: &Keep,
        outcomes: &[Outcome],
        until: Instant,
    ) -> Vec<String> {
        let runs = outcomes.iter().filter_map(|outcome| {
            let run = self.config.runs.iter().find(|run| run.name == outcome.report.name)?;
            Some((run, run.orchestrator.as_ref()?, outcome))
        });
        let runs: Vec<_> = runs.filter(|(.., outcome)| outcome.kept && outcome.state.is_some()).collect();
        if runs.is_empty() {
            return Vec::new();
        }
        let redactor = Redactor::of_environment(std::env::vars_os());
        let env = |name: &str| std::env::var_os(name);
        let site = Site { env: &env, now: self.clock.wall(), host: "", redactor: &redactor };
        let mut faults = BTreeMap::new();
        let mut down: BTreeMap<String, String> = BTreeMap::new();
        for (run, settings, outcome) in runs {
            let address = settings.address.uri().to_string();
            let told = match down.get(&address) {
                _ if !self.config.trusted => {
                    Err("others can change the config, so nothing is sent on its word".to_owned())
                }
                Some(why) => Err(why.clone()),
                None => self
                    .stand(keep, run, settings, outcome)
                    .and_then(|told| status::tell(&told, &keep.store, site, until)),
            };
            if let Err(why) = &told {
                down.insert(address, why.clone());
            }
            faults.insert(run.name.clone(), told.err());
        }
        let before = keep.store.exchange_note("outbox/orchestrator.json", &faults);
        let known = |run: &String| before.get(run).is_some_and(Option::is_some);
        let told = faults.iter().filter_map(|(run, why)| Some((run, why.as_ref()?)));
        let told = told.filter(|(run, _)| !(self.common.quiet || self.watcher.is_some()) || !known(run));
        told.map(|(run, why)| format!("{run}: the orchestrator was not told: {why}")).collect()
    }

    fn stand<'o>(
        &self,
        keep: &Keep,
        run: &'o Run,
        settings: &'o Orchestrator,
        outcome: &'o Outcome,
    ) -> std::result::Result<Told<'o>, String> {
        let state = outcome.state.as_deref();
        Ok(Told {
            run: &run.name,
            settings,
            report: &outcome.report,
            status: state.and_then(|state| self.word(run, state)),
            exit_code: exit_code(keep, &run.name).map_err(|error| chain(&error))?,
            watched: self.watcher.is_some(),
        })
    }

    /// The protocol's word for where a run stands; none for a log that was old at its first look: how it
    /// ended nobody knows, and the server would believe it for ever.
    fn word(&self, run: &Run, state: &State) -> Option<&'static str> {
        match state.phase {
            Phase::Waiting | Phase::Watch | Phase::Patrol | Phase::Paused => Some("running"),
            Phase::Finished => Some("finished"),
            Phase::Stopped => Some("stopped"),
            Phase::Failed => {
                let since = state.memory.process.dead_since;
                let recent = since.is_some_and(|since| self.clock.wall() - since < RESTARTED_WITHIN);
                Some(if run.actions.restart() && recent { "running" } else { "failed" })
            }
            Phase::Ended => None,
        }
    }

    fn dry(&self) -> bool {
        self.acting == super::Acting::Say || self.last
    }

    /// What of the time for delivery is kept for the runs' servers.
    pub(super) fn reserved(&self, outcomes: &[Outcome], until: Instant) -> Duration {
        let of = |outcome: &Outcome| {
            let run = self.config.runs.iter().find(|run| run.name == outcome.report.name);
            run.is_some_and(|run| run.orchestrator.is_some())
        };
        let left = until.saturating_duration_since(Instant::now());
        if outcomes.iter().any(of) { left.mul_f64(TELLING) } else { Duration::ZERO }
    }
}

/// The run's process: as it was last seen, else as it was launched.
fn target(keep: &Keep, state: &State) -> Result<Option<Identity>> {
    if let Some(seen) = state.memory.process.identity.clone() {
        return Ok(Some(seen));
    }
    let directory = RunDirectory::existing(&keep.store, &state.run)?;
    let record = directory.map_or(Ok(None), |directory| directory.record())?;
    Ok(record.map(|record| record.process))
}

/// How the launched process ended, as a shell would say it.
fn exit_code(keep: &Keep, run: &str) -> Result<Option<i32>> {
    let Some(directory) = RunDirectory::existing(&keep.store, run)? else { return Ok(None) };
    let Some(record) = directory.record()? else { return Ok(None) };
    Ok(directory.exit_of(&record.process)?.and_then(|exit| match exit.ending() {
        Ending::Code(code) => Some(code),
        Ending::Signal(signal) => Some(BY_SIGNAL + signal),
        Ending::Unknown(_) => None,
    }))
}
