//! `trainguard patrol`: one look at every run.
//!
//! The order is the crash rule: alerts into the outbox, then the state that would make the patrol
//! forget them, then the health file; then the verdict is printed; then channels are served, which
//! may take long and changes nothing of the verdict.

mod look;
mod verdict;

use crate::cli::{Color, Common, FailOn, Patrol as Args, ReportFormat};
use crate::clock::Clock;
use crate::config::{self, Config, Run};
use crate::decide::{Alert, Rules, decide};
use crate::deliver::health::{self, Update};
use crate::deliver::outbox::Outbox;
use crate::deliver::report::{Report, RunReport, SCHEMA};
use crate::deliver::{channels, route, text};
use crate::error::{Error, Result, chain};
use crate::finding::Severity;
use crate::judge::{self, Context};
use crate::observe::guard::GuardFacts;
use crate::observe::probe;
use crate::persist::lock::Lock;
use crate::persist::state::{Loaded, State};
use crate::persist::store::Store;
use std::collections::HashSet;
use std::io::{self, IsTerminal, Write};
use std::path::Path;

/// Where a patrol keeps what it must remember.
struct Keep {
    store: Store,
    outbox: Outbox,
}

/// A run whose lock this patrol holds.
struct Held<'a> {
    run: &'a Run,
    state: State,
    damage: Option<String>,
    _lock: Option<Lock>,
}

/// What came of one run.
struct Outcome {
    report: RunReport,
    alerts: Vec<Alert>,
    /// What could not be kept, for people.
    troubles: Vec<String>,
    /// Greatest mode of a file that quotes this run's log.
    mode: u32,
}

/// Looks once; returns the exit code.
pub fn run(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    let config = config::load(&load_args(args, common)?)?;
    let keep = if args.stateless { None } else { Some(Keep::open(&config)?) };
    let runs = config.runs.iter().map(|run| (run, hold(run, keep.as_ref(), common, clock)));
    let runs: Vec<_> = runs.collect();
    let questions = runs.iter().filter_map(|(_, held)| held.as_ref().ok()).flat_map(|held| look::questions(held, &config));
    let stuck: Vec<_> = runs.iter().filter_map(|(_, held)| held.as_ref().ok()).flat_map(|held| held.state.stuck.clone()).collect();
    let answers = probe::ask(&questions.collect::<Vec<_>>(), look::probe_deadline(common), &stuck);

    let patrol = Patrol { args, common, clock, config: &config, keep: keep.as_ref(), answers: &answers };
    let outcomes: Vec<_> = runs
        .into_iter()
        .map(|(run, held)| match held {
            Ok(held) => patrol.patrol(held),
            Err(error) => Outcome::failed(run, &error, clock),
        })
        .collect();
    let mut troubles: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.troubles.clone()).collect();
    if let Some(keep) = &keep {
        troubles.extend(patrol.write_health(keep, &outcomes).err().map(|error| chain(&error)));
    }
    let worst = outcomes.iter().map(|outcome| outcome.report.severity).max().unwrap_or_default();
    let (reports, alerts): (Vec<_>, Vec<_>) = outcomes.into_iter().map(|outcome| (outcome.report, outcome.alerts)).unzip();
    let report = Report { schema: SCHEMA, severity: worst, time: clock.wall(), runs: reports, notes: config.notes.clone() };
    let shown = patrol.print(out, &report, &alerts.concat())?;
    if let Some(keep) = &keep {
        troubles.extend(patrol.deliver(keep, out, shown));
    }
    complain(&troubles);
    let severity = if troubles.is_empty() { worst } else { worst.max(Severity::Unknown) };
    Ok(if severity == Severity::Warning && args.fail_on == FailOn::Critical { 0 } else { severity.exit_code() })
}

fn load_args(args: &Args, common: &Common) -> Result<config::LoadArgs> {
    let mut load = super::load_args(common)?;
    load.log.clone_from(&args.log);
    load.pid = args.pid;
    load.pid_file.clone_from(&args.pid_file);
    load.r#match.clone_from(&args.r#match);
    load.checkpoints.clone_from(&args.checkpoints);
    load.name.clone_from(&args.name);
    load.runs.clone_from(&args.runs);
    Ok(load)
}

/// Takes a run's lock and loads its state.
fn hold<'a>(run: &'a Run, keep: Option<&Keep>, common: &Common, clock: &Clock) -> Result<Held<'a>> {
    let Some(keep) = keep else {
        return Ok(Held { run, state: State::new(&run.name, run.log.as_deref(), clock.wall()), damage: None, _lock: None });
    };
    let lock = keep.store.lock_run(&run.name, common.lock_wait)?;
    let Loaded { state, damage } = State::load(&keep.store, &run.name, run.log.as_deref(), clock.wall())?;
    Ok(Held { run, state, damage, _lock: Some(lock) })
}

/// Standard error is for what the tool itself could not do.
fn complain(troubles: &[String]) {
    let mut stderr = io::stderr().lock();
    for trouble in troubles {
        drop(writeln!(stderr, "trainguard: {}", text::one_line(trouble)));
    }
}

impl Keep {
    fn open(config: &Config) -> Result<Self> {
        let store = Store::open(&config.state_dir)?;
        let outbox = Outbox::open(&store)?;
        Ok(Self { store, outbox })
    }
}

impl Outcome {
    fn failed(run: &Run, error: &Error, clock: &Clock) -> Self {
        let report = RunReport::failed(&run.name, chain(error), clock.wall());
        Self { report, alerts: Vec::new(), troubles: Vec::new(), mode: 0o644 }
    }
}

/// One invocation's patrol.
struct Patrol<'a> {
    args: &'a Args,
    common: &'a Common,
    clock: &'a Clock,
    config: &'a Config,
    keep: Option<&'a Keep>,
    answers: &'a probe::Answers,
}

impl Patrol<'_> {
    fn is_final(&self) -> bool {
        self.args.last || self.args.stateless
    }

    /// Observe, judge, decide and keep, for one run.
    fn patrol(&self, held: Held<'_>) -> Outcome {
        let Held { run, mut state, damage, _lock } = held;
        let before = state.last.clone();
        let mut troubles = Vec::new();
        let undelivered = self.keep.map_or(Ok(Vec::new()), |keep| keep.outbox.undelivered(&run.name));
        let undelivered = undelivered.unwrap_or_else(|error| {
            troubles.push(chain(&error));
            Vec::new()
        });
        let guard = GuardFacts { damage, undelivered };
        let looked = look::look(run, &mut state, self, guard);
        let open = state.ledger.subjects();
        let context = Context {
            config: self.config,
            run,
            look: &looked.look,
            now: &self.clock.now,
            previous: before.as_ref(),
            last_look: self.is_final(),
            open: &open,
        };
        let opinions = judge::judge(&context, &mut state.memory);
        let rules = Rules {
            run: &run.name,
            lineage: &state.lineage,
            attempt: state.memory.attempt,
            progress: state.memory.progress(),
            step: state.memory.numbers.last_step(),
            now: self.clock.wall(),
            renotify: self.config.patrol.renotify,
            reopen_quiet: self.config.patrol.reopen_quiet,
        };
        let decision = decide(opinions, &mut state.ledger, &rules);
        state.phase = judge::phase(&context, &state.memory);
        state.advance(&self.clock.now);
        let report = verdict::report(&context, &state, &decision);
        if let Some(keep) = self.keep {
            troubles.extend(self.keep_all(keep, &state, &decision.alerts, looked.mode).err().map(|error| chain(&error)));
        }
        Outcome { report, alerts: decision.alerts, troubles, mode: looked.mode }
    }

    /// Outbox before state: a kill in between repeats this patrol with the same alert ids.
    fn keep_all(&self, keep: &Keep, state: &State, alerts: &[Alert], mode: u32) -> Result<()> {
        for alert in alerts {
            keep.outbox.add(alert, route(self.config, alert.severity), mode)?;
        }
        state.save(&keep.store)
    }

    fn write_health(&self, keep: &Keep, outcomes: &[Outcome]) -> Result<()> {
        let named = self.args.runs.is_empty() && self.args.log.is_none();
        let update = Update {
            runs: outcomes.iter().map(|outcome| (outcome.report.name.clone(), verdict::health(&outcome.report, self.clock.wall()))).collect(),
            only: named.then(|| self.config.runs.iter().map(|run| run.name.clone()).collect()),
            mode: outcomes.iter().fold(0o666, |mode, outcome| mode & outcome.mode),
        };
        health::write(&keep.store, &self.config.health_file, update, self.clock.wall(), self.common.lock_wait)
    }

    /// Prints the verdict; returns the ids of the alerts that it told.
    fn print(&self, out: &mut dyn Write, report: &Report, alerts: &[Alert]) -> Result<HashSet<String>> {
        let failed = report.runs.iter().any(|run| run.error.is_some());
        let json = self.args.format == ReportFormat::Json;
        let quiet = self.common.quiet && !(json && (failed || !alerts.is_empty()));
        if quiet {
            let failed: Vec<_> = report.runs.iter().filter(|run| run.error.is_some()).cloned().collect();
            if !failed.is_empty() {
                let failed = Report { runs: failed, notes: Vec::new(), ..report.clone() };
                printed(text::report(out, &failed, self.style()))?;
            }
            return Ok(HashSet::new());
        }
        if json {
            let line = serde_json::to_string(report).map_err(io::Error::other);
            printed(line.and_then(|line| writeln!(out, "{line}")))?;
        } else {
            printed(text::report(out, report, self.style()))?;
        }
        printed(out.flush())?;
        Ok(alerts.iter().map(|alert| alert.id.clone()).collect())
    }

    fn style(&self) -> text::Style {
        let color = match self.common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        };
        text::Style { color, verbose: self.common.verbose > 0 }
    }

    /// Serves the channels. What an earlier, killed patrol owes the terminal goes to standard error
    /// beside a JSON verdict, which must stay one document.
    fn deliver(&self, keep: &Keep, out: &mut dyn Write, shown: HashSet<String>) -> Vec<String> {
        let mut stderr = io::stderr();
        let out: &mut dyn Write = if self.args.format == ReportFormat::Json { &mut stderr } else { out };
        let mut channels = channels(&keep.store, out, shown);
        keep.outbox.drain(&mut channels, self.clock.wall()).unwrap_or_else(|error| vec![chain(&error)])
    }
}

/// A reader that went away is no fault.
fn printed(written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Error::io("write to", Path::new("standard output"))(error)),
        _ => Ok(()),
    }
}
