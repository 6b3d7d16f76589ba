//! One look at some runs: what `patrol` does once and `watch` again and again.
//!
//! The order is the crash rule: alerts into the outbox, then the state that would make the next round
//! forget them, then the health file; then the verdict is told; then what is configured is done; then
//! channels are served, which may take long and changes nothing of the verdict.

mod acting;
mod attending;
mod counsel;
mod ending;
mod keeping;
mod look;
mod orchestrating;
mod verdict;
mod wards;

use super::delivery::{DELIVERY_MAX, Post};
use super::launched;
use crate::cli::Common;
use crate::clock::Clock;
use crate::config::{Config, ENVIRONMENT, Run};
use crate::decide::Alert;
use crate::deliver::alertmanager::{self, Desk, Seen};
use crate::deliver::health::{self, Update};
use crate::deliver::outbox::{Delivery, Outbox};
use crate::deliver::report::{Report, RunReport, SCHEMA, WardReport};
use crate::deliver::{Site, prometheus, text};
use crate::error::{Error, Result, chain};
use crate::finding::Severity;
use crate::judge::{self, Phase};
use crate::observe::guard::{GuardFacts, Undelivered};
use crate::observe::probe::{self, Answers, Question};
use crate::persist::lock::Lock;
use crate::persist::run_directory::Record;
use crate::persist::state::{Loaded, State};
use crate::persist::store::Store;
use crate::redact::Redactor;
pub(crate) use acting::Acting;
pub(crate) use attending::{Doing, Glimpse, Watcher};
use counsel::Stage;
pub(crate) use ending::Ending;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

pub(crate) use wards::{Ward, WardOutcome, judge_environment, select};

/// Where a round keeps what it must remember.
pub(crate) struct Keep {
    pub(crate) store: Store,
    pub(crate) outbox: Outbox,
}

/// A run whose lock this round holds.
struct Held<'a> {
    run: &'a Run,
    /// How it was launched, where it was.
    record: Option<Record>,
    state: State,
    damage: Option<String>,
    /// Which of the probes' answers are this run's.
    asked: Range<usize>,
    /// What was asked for it, as stuck probes name it.
    whats: Vec<String>,
    lock: Option<Lock>,
}

impl Held<'_> {
    fn asks(&self, what: &str) -> bool {
        self.whats.iter().any(|asked| asked == what)
    }
}

/// What came of one run.
pub(crate) struct Outcome {
    pub(crate) report: RunReport,
    pub(crate) alerts: Vec<Alert>,
    /// Alerts and state are durable.
    pub(crate) kept: bool,
    /// The state as it was kept; none where the run could not be looked at.
    pub(crate) state: Option<Box<State>>,
    /// The attended phase ends with this look.
    pub(crate) ending: Option<Ending>,
    /// How it is doing, where somebody stays with it.
    pub(crate) glimpse: Option<Glimpse>,
    /// What could not be kept, for people.
    troubles: Vec<String>,
    /// What the verdict says besides.
    notes: Vec<String>,
    /// Greatest mode of a file that quotes this run's log.
    mode: u32,
    /// Another invocation looks at it.
    pub(crate) busy: bool,
}

/// What a round has to tell.
pub(crate) struct Told<'a> {
    pub(crate) report: &'a Report,
    pub(crate) outcomes: &'a [Outcome],
    /// What came of what stands around the runs.
    pub(crate) wards: &'a [WardOutcome],
    /// What could not be done, for people.
    pub(crate) troubles: &'a [String],
}

impl Told<'_> {
    /// Alerts that are in the outbox.
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Alert> {
        let wards = self.wards.iter().filter(|ward| ward.kept).flat_map(|ward| &ward.alerts);
        self.outcomes.iter().filter(|outcome| outcome.kept).flat_map(|outcome| &outcome.alerts).chain(wards)
    }

    /// Alerts that no outbox could take.
    pub(crate) fn unkept(&self) -> impl Iterator<Item = &Alert> {
        let wards = self.wards.iter().filter(|ward| !ward.kept).flat_map(|ward| &ward.alerts);
        self.outcomes.iter().filter(|outcome| !outcome.kept).flat_map(|outcome| &outcome.alerts).chain(wards)
    }
}

/// How a round speaks to whoever started it.
pub(crate) trait Voice {
    /// Tells the verdict; returns the ids of the alerts that it told: none where nobody reads any more.
    fn tell(&mut self, told: &Told<'_>) -> io::Result<BTreeSet<String>>;
    /// Where alerts go that the verdict has not told.
    fn terminal(&mut self) -> &mut dyn Write;
    /// Standard error is for what the tool itself could not do.
    fn complain(&mut self, troubles: &[String]) {
        complain(troubles);
    }
}

/// Says on standard error what the tool itself could not do.
pub(crate) fn complain(troubles: &[String]) {
    let mut stderr = io::stderr().lock();
    for trouble in troubles {
        drop(writeln!(stderr, "trainguard: {}", text::one_line(trouble)));
    }
}

/// What came of a round.
pub(crate) struct Verdict {
    /// The worst of all runs; `unknown` at least where something could not be kept or told.
    pub(crate) severity: Severity,
    pub(crate) outcomes: Vec<Outcome>,
}

/// One look: what it rests on.
pub(crate) struct Round<'a> {
    pub(crate) common: &'a Common,
    /// The clocks of this round.
    pub(crate) clock: &'a Clock,
    pub(crate) config: &'a Config,
    pub(crate) keep: Option<&'a Keep>,
    /// What stands around the runs and is looked at with them.
    pub(crate) wards: &'a [Ward<'a>],
    /// All runs of the config are looked at: the health file forgets those that it no longer has.
    pub(crate) whole: bool,
    /// The logs are complete: nothing will follow.
    pub(crate) last: bool,
    /// How what is configured is done.
    pub(crate) acting: Acting,
    /// This invocation stays with the runs for their first steps.
    pub(crate) watcher: Option<&'a Watcher>,
}

impl Round<'_> {
    /// Looks at the runs, keeps and tells what was found, and serves the channels.
    pub(crate) fn look(&self, runs: Vec<&Run>, voice: &mut dyn Voice) -> Verdict {
        let lock_until = Instant::now() + self.common.lock_wait;
        let mut held: Vec<_> = runs.into_iter().map(|run| (run, self.hold(run, lock_until))).collect();
        let mut wards = wards::hold(self, lock_until);
        let answers = self.probe(&mut held, &mut wards);
        let owed = self.keep.map_or(Ok(Vec::new()), |keep| keep.outbox.undelivered());
        let (mut owed, unread) =
            owed.map_or_else(|error| (Vec::new(), Some(chain(&error))), |owed| (owed, None));
        if let Some(keep) = self.keep {
            owed.extend(alertmanager::undelivered(&keep.store, self.config));
        }
        let mut notes = orchestrating::notes(&mut owed);
        let mut left = held.len();
        let stages: Vec<_> = held
            .into_iter()
            .map(|(run, held)| {
                left -= 1;
                match held {
                    Ok(held) => self.judge(held, &answers, &owed, left + 1),
                    Err(error) => Stage::Over(Box::new(Outcome::failed(run, &error, self.clock))),
                }
            })
            .collect();
        let mut outcomes = counsel::conclude(self, stages);
        let wards = wards::conclude(self, wards, &answers, &owed);
        let mut troubles: Vec<String> =
            outcomes.iter().flat_map(|outcome| outcome.troubles.clone()).collect();
        troubles.extend(wards.iter().filter_map(|ward| ward.trouble.clone()));
        troubles.extend(unread);
        if let Some(keep) = self.keep {
            match self.write_health(keep, &outcomes, &wards) {
                Ok(note) => notes.extend(note),
                Err(error) => troubles.push(chain(&error)),
            }
        }
        let report = self.report(&outcomes, &wards, notes);
        let told = Told { report: &report, outcomes: &outcomes, wards: &wards, troubles: &troubles };
        let shown = voice.tell(&told).unwrap_or_else(|error| {
            troubles.push(format!("cannot print the verdict: {error}"));
            BTreeSet::new()
        });
        voice.complain(&troubles);
        // What is configured to be done about a finding is done here: the alerts are durable, the
        // verdict is told, and the runs' locks are free.
        if let Some(keep) = self.keep {
            let asking = Instant::now();
            voice.complain(&self.heed(keep, &mut outcomes));
            let asked = asking.elapsed();
            voice.complain(&self.act(keep, &outcomes));
            // A channel's failure is the next round's finding, and no part of this verdict.
            let until = self.deliver_until(asked);
            let own = until.checked_sub(self.reserved(&outcomes, until)).unwrap_or(until);
            let Delivery { troubles, dropped } = self.deliver(keep, voice.terminal(), shown, &outcomes, own);
            let told = self.common.quiet && report.tells(judge::guard::DELIVERY_FAILED);
            voice.complain(if told { &[] } else { &troubles });
            voice.complain(&dropped);
            voice.complain(&self.tell_orchestrators(keep, &outcomes, until));
        }
        let worst = report.severity;
        let severity = if troubles.is_empty() { worst } else { worst.max(Severity::Unknown) };
        Verdict { severity, outcomes }
    }

    fn report(&self, outcomes: &[Outcome], wards: &[WardOutcome], own: Vec<String>) -> Report {
        let mut notes = self.config.notes.clone();
        notes.extend(own);
        notes.extend(outcomes.iter().flat_map(|outcome| outcome.notes.clone()));
        let runs: Vec<_> = outcomes.iter().map(|outcome| outcome.report.clone()).collect();
        let around = wards.iter().map(|ward| ward.report.severity);
        let severity = runs.iter().map(|run| run.severity).chain(around).max().unwrap_or_default();
        let section = |section| -> Vec<WardReport> {
            let of = wards.iter().filter(|ward| ward.section == section);
            of.map(|ward| ward.report.clone()).collect()
        };
        let environment = section(ENVIRONMENT).pop();
        let (time, agents, downloads) = (self.clock.wall(), section("agents"), section("downloads"));
        Report { schema: SCHEMA, severity, time, runs, agents, downloads, environment, notes }
    }

    /// Takes a run's lock and loads its state. A new state is durable before anything rests on it:
    /// its lineage is part of the ids of alerts.
    fn hold<'a>(&self, run: &'a Run, lock_until: Instant) -> Result<Held<'a>> {
        let log = run.log.as_deref();
        let record = launched::record_in(&self.config.state_dir, &run.name)?;
        let held =
            |state, damage, lock| Held { run, record, state, damage, asked: 0..0, whats: Vec::new(), lock };
        let Some(keep) = self.keep else {
            return Ok(held(State::new(&run.name, log, self.clock), None, None));
        };
        let wait = lock_until.saturating_duration_since(Instant::now());
        let lock = keep.store.lock_run(&run.name, wait)?;
        let known = State::exists(&keep.store, &run.name);
        let Loaded { mut state, damage } = State::load(&keep.store, &run.name, log, self.clock)?;
        self.review(keep, &mut state)?;
        if !known {
            // On a full disk it looks all the same, and says at the end what could not be kept.
            drop(state.save(&keep.store).and_then(|()| keep.store.sync()));
        }
        Ok(held(state, damage, Some(lock)))
    }

    /// Asks what may block, for all runs in one child.
    fn probe(&self, held: &mut [(&Run, Result<Held<'_>>)], wards: &mut [wards::Held<'_>]) -> Answers {
        let (mut questions, mut stuck) = (Vec::new(), Vec::new());
        let gpus = look::gpu_question(self.config, self.common);
        for held in held.iter_mut().filter_map(|(_, held)| held.as_mut().ok()) {
            let from = questions.len();
            questions.extend(look::questions(held, self.config, self.keep.is_some()));
            held.asked = from..questions.len();
            held.whats = questions[from..].iter().chain(&gpus).map(Question::what).collect();
            stuck.append(&mut held.state.stuck);
        }
        if !questions.is_empty() {
            questions.extend(gpus);
        }
        // Once all runs are under way nobody waits for the environment.
        let waits = |held: &Held<'_>| held.state.phase == Phase::Waiting;
        let waits = held.is_empty() || held.iter().filter_map(|(_, held)| held.as_ref().ok()).any(waits);
        for ward in wards {
            ward.ask(self.config, waits, &mut questions, &mut stuck);
        }
        probe::ask(&questions, look::probe_deadline(self.common), &stuck, self.clock.wall())
    }

    /// Observe and judge, for one run; decide and keep too where the judge has nothing to add.
    fn judge<'r>(
        &self,
        mut held: Held<'r>,
        answers: &Answers,
        owed: &[Undelivered],
        runs_left: usize,
    ) -> Stage<'r> {
        let damage = held.damage.take();
        let undelivered = owed.iter().filter(|owed| owed.run == held.run.name).cloned().collect();
        let guard = GuardFacts { damage, undelivered };
        let looked = look::look(&mut held, self, answers, guard, runs_left);
        let Held { run, state, lock, .. } = held;
        Stage::judge(self, run, state, looked, lock)
    }

    /// The health file's sync makes the states beside it durable as well. A patrol that read nothing
    /// and told nothing loses nothing in a power cut that brings back the files before it. Says what kept
    /// it from writing the metrics beside it, on which nothing rests.
    fn write_health(
        &self,
        keep: &Keep,
        outcomes: &[Outcome],
        wards: &[WardOutcome],
    ) -> Result<Option<String>> {
        let news = |outcome: &Outcome| {
            let read = outcome.report.log.as_ref().is_some_and(|log| log.bytes_read > 0);
            read || !outcome.report.findings.is_empty() || outcome.report.since_last_s.is_none()
        };
        let around =
            |ward: &WardOutcome| !ward.report.findings.is_empty() || ward.report.since_last_s.is_none();
        let durable = outcomes.iter().any(news) || wards.iter().any(around);
        let update = Update {
            runs: outcomes
                .iter()
                .filter(|outcome| outcome.report.error.is_none())
                .map(|outcome| {
                    (outcome.report.name.clone(), verdict::health(&outcome.report, self.clock.wall()))
                })
                .collect(),
            failed: outcomes.iter().filter_map(Outcome::failure).collect(),
            only: self.whole.then(|| self.config.runs.iter().map(|run| run.name.clone()).collect()),
            around: wards::health(self, wards),
            mode: outcomes
                .iter()
                .map(|outcome| outcome.mode)
                .chain(wards.iter().map(|ward| ward.mode))
                .fold(0o666, |all, mode| all & mode),
            durable,
        };
        if durable && !keep.store.holds(&self.config.health_file) {
            keep.store.sync()?;
        }
        let (now, wait) = (self.clock.wall(), self.common.lock_wait);
        let written = health::write(&keep.store, &self.config.health_file, update, now, wait)?;
        let Some(path) = &self.config.prometheus_textfile else { return Ok(None) };
        let exposed = prometheus::write(&keep.store, path, &written.runs);
        Ok(exposed.err().map(|error| format!("prometheus_textfile is as it was: {}", chain(&error))))
    }

    /// All that is sent has so long together, less what asking took.
    fn deliver_until(&self, asked: Duration) -> Instant {
        let left = self.common.timeout.saturating_sub(self.clock.elapsed());
        Instant::now() + left.min(DELIVERY_MAX.saturating_sub(asked))
    }

    fn deliver(
        &self,
        keep: &Keep,
        out: &mut dyn Write,
        shown: BTreeSet<String>,
        outcomes: &[Outcome],
        until: Instant,
    ) -> Delivery {
        let post = Post { config: self.config, store: &keep.store, outbox: &keep.outbox };
        let mut delivery = post.serve(out, shown, self.clock.wall(), until);
        delivery.troubles.extend(self.tell_alertmanagers(keep, outcomes, until));
        delivery
    }

    fn tell_alertmanagers(&self, keep: &Keep, outcomes: &[Outcome], until: Instant) -> Vec<String> {
        let seen = outcomes.iter().filter_map(|outcome| {
            let open = &outcome.state.as_ref()?.ledger.open;
            Some(Seen { run: &outcome.report.name, open })
        });
        let seen: Vec<_> = seen.collect();
        let redactor = Redactor::of_environment(std::env::vars_os());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let env = |name: &str| std::env::var_os(name);
        let site = Site { env: &env, now: self.clock.wall(), host: &host, redactor: &redactor };
        let desk = Desk { store: &keep.store, config: self.config, site, whole: self.whole };
        desk.tell(&seen, until)
    }
}

impl Keep {
    pub(crate) fn open(config: &Config) -> Result<Self> {
        let store = Store::open(&config.state_dir)?;
        let outbox = Outbox::open(&store)?;
        Ok(Self { store, outbox })
    }
}

impl Outcome {
    fn failed(run: &Run, error: &Error, clock: &Clock) -> Self {
        let report = RunReport::failed(&run.name, chain(error), clock.wall());
        let busy = matches!(error, Error::Locked(_));
        Self {
            report,
            alerts: Vec::new(),
            kept: true,
            state: None,
            ending: None,
            glimpse: None,
            troubles: Vec::new(),
            notes: Vec::new(),
            mode: 0o666,
            busy,
        }
    }

    /// Why the run could not be looked at, for its health entry: whoever looks at it at this moment
    /// knows better.
    fn failure(&self) -> Option<(String, String)> {
        let why = self.report.error.clone().filter(|_| !self.busy)?;
        Some((self.report.name.clone(), why))
    }
}
