//! `trainguard patrol`: one look at every run.
//!
//! The order is the crash rule: alerts into the outbox, then the state that would make the patrol
//! forget them, then the health file; then the verdict is printed; then channels are served, which
//! may take long and changes nothing of the verdict.

mod counsel;
mod keeping;
mod look;
mod verdict;

use crate::cli::{Color, Common, FailOn, Patrol as Args, ReportFormat};
use crate::clock::Clock;
use crate::config::{self, BareLog, Config, Run};
use crate::decide::Alert;
use crate::deliver::health::{self, Update};
use crate::deliver::outbox::{Delivery, Outbox};
use crate::deliver::report::{Report, RunReport, SCHEMA};
use crate::deliver::{Site, at_hand, elsewhere, nagios, text};
use crate::error::{Error, Result, chain};
use crate::finding::Severity;
use crate::judge;
use crate::observe::guard::{GuardFacts, Undelivered};
use crate::observe::probe::{self, Answers, Question};
use crate::persist::lock::Lock;
use crate::persist::state::{Loaded, State};
use crate::persist::step;
use crate::persist::store::Store;
use crate::redact::Redactor;
use counsel::Stage;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::time::{Duration, Instant};

/// All channels together have so long, and never more than is left of `--timeout`.
const DELIVERY_MAX: Duration = Duration::from_secs(10);

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
struct Outcome {
    report: RunReport,
    alerts: Vec<Alert>,
    /// Alerts and state are durable.
    kept: bool,
    /// What could not be kept, for people.
    troubles: Vec<String>,
    /// What the verdict says besides.
    notes: Vec<String>,
    /// Greatest mode of a file that quotes this run's log.
    mode: u32,
    /// Another patrol looks at it.
    busy: bool,
}

/// Looks once; returns the exit code.
pub fn run(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    match look_once(args, common, clock, out) {
        // Whoever runs a plugin reads its standard output and nothing else; the code says it as well.
        Err(error) if args.format == ReportFormat::Nagios => {
            drop(nagios::failure(out, &chain(&error)));
            Ok(Severity::Unknown.exit_code())
        }
        ended => ended,
    }
}

fn look_once(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    let config = config::load(&super::load_args(common, BareLog::from_flags(args))?)?;
    let runs = config.select(&args.runs)?;
    let keep = if args.stateless { None } else { Some(Keep::open(&config)?) };
    let patrol = Patrol { args, common, clock, config: &config, keep: keep.as_ref() };

    let lock_until = Instant::now() + common.lock_wait;
    let mut held: Vec<_> = runs.into_iter().map(|run| (run, patrol.hold(run, lock_until))).collect();
    let answers = patrol.probe(&mut held);
    let owed = keep.as_ref().map_or(Ok(Vec::new()), |keep| keep.outbox.undelivered());
    let (owed, unread) = owed.map_or_else(|error| (Vec::new(), Some(chain(&error))), |owed| (owed, None));
    let mut left = held.len();
    let stages: Vec<_> = held
        .into_iter()
        .map(|(run, held)| {
            left -= 1;
            match held {
                Ok(held) => patrol.patrol(held, &answers, &owed, left + 1),
                Err(error) => Stage::Over(Box::new(Outcome::failed(run, &error, clock))),
            }
        })
        .collect();
    let outcomes = counsel::conclude(&patrol, stages);
    let mut troubles: Vec<String> = outcomes.iter().flat_map(|outcome| outcome.troubles.clone()).collect();
    troubles.extend(unread);
    if let Some(keep) = &keep {
        troubles.extend(patrol.write_health(keep, &outcomes).err().map(|error| chain(&error)));
    }
    let worst = outcomes.iter().map(|outcome| outcome.report.severity).max().unwrap_or_default();
    let (mut reports, mut alerts, mut unkept) = (Vec::new(), Vec::new(), Vec::new());
    let mut notes = config.notes.clone();
    for outcome in outcomes {
        notes.extend(outcome.notes);
        reports.push(outcome.report);
        (if outcome.kept { &mut alerts } else { &mut unkept }).extend(outcome.alerts);
    }
    let report =
        Report { schema: SCHEMA, severity: worst, time: clock.wall(), runs: reports, agents: [], notes };
    let shown = patrol.print(out, &report, &alerts, &unkept, &troubles).unwrap_or_else(|error| {
        troubles.push(format!("cannot print the verdict: {error}"));
        BTreeSet::new()
    });
    complain(&troubles);
    if let Some(keep) = &keep {
        // A channel's failure is the next patrol's finding, and no part of this verdict.
        let Delivery { troubles, dropped } = patrol.deliver(keep, out, shown);
        let told = common.quiet && report.tells(judge::guard::DELIVERY_FAILED);
        complain(if told { &[] } else { &troubles });
        complain(&dropped);
    }
    let severity = if troubles.is_empty() { worst } else { worst.max(Severity::Unknown) };
    Ok(if severity == Severity::Warning && args.fail_on == FailOn::Critical {
        0
    } else {
        severity.exit_code()
    })
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
        let busy = matches!(error, Error::Locked(_));
        Self {
            report,
            alerts: Vec::new(),
            kept: true,
            troubles: Vec::new(),
            notes: Vec::new(),
            mode: 0o666,
            busy,
        }
    }

    /// Why the run could not be patrolled, for its health entry: whoever patrols it at this moment
    /// knows better.
    fn failure(&self) -> Option<(String, String)> {
        let why = self.report.error.clone().filter(|_| !self.busy)?;
        Some((self.report.name.clone(), why))
    }
}

/// One invocation's patrol.
struct Patrol<'a> {
    args: &'a Args,
    common: &'a Common,
    clock: &'a Clock,
    config: &'a Config,
    keep: Option<&'a Keep>,
}

impl Patrol<'_> {
    fn is_final(&self) -> bool {
        self.args.last || self.args.stateless
    }

    /// Whether the verdict is for programs: printed always and alone.
    fn is_document(&self) -> bool {
        self.args.format != ReportFormat::Text
    }

    /// Takes a run's lock and loads its state. A new state is durable before anything rests on it:
    /// its lineage is part of the ids of alerts.
    fn hold<'a>(&self, run: &'a Run, lock_until: Instant) -> Result<Held<'a>> {
        let log = run.log.as_deref();
        let held = |state, damage, lock| Held { run, state, damage, asked: 0..0, whats: Vec::new(), lock };
        let Some(keep) = self.keep else {
            return Ok(held(State::new(&run.name, log, self.clock), None, None));
        };
        let wait = lock_until.saturating_duration_since(Instant::now());
        let lock = keep.store.lock_run(&run.name, wait)?;
        let known = State::exists(&keep.store, &run.name);
        let Loaded { state, damage } = State::load(&keep.store, &run.name, log, self.clock)?;
        if !known {
            // On a full disk it looks all the same, and says at the end what could not be kept.
            drop(state.save(&keep.store).and_then(|()| keep.store.sync()));
        }
        Ok(held(state, damage, Some(lock)))
    }

    /// Asks what may block, for all runs in one child.
    fn probe(&self, held: &mut [(&Run, Result<Held<'_>>)]) -> Answers {
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
        probe::ask(&questions, look::probe_deadline(self.common), &stuck, self.clock.wall())
    }

    /// Observe and judge, for one run; decide and keep too where the judge has nothing to add.
    fn patrol<'r>(
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
    /// and told nothing loses nothing in a power cut that brings back the files before it.
    fn write_health(&self, keep: &Keep, outcomes: &[Outcome]) -> Result<()> {
        let named = self.args.runs.is_empty() && self.args.log.is_none();
        let news = |outcome: &Outcome| {
            let read = outcome.report.log.as_ref().is_some_and(|log| log.bytes_read > 0);
            read || !outcome.report.findings.is_empty() || outcome.report.since_last_s.is_none()
        };
        let durable = outcomes.iter().any(news);
        let update = Update {
            runs: outcomes
                .iter()
                .filter(|outcome| outcome.report.error.is_none())
                .map(|outcome| {
                    (outcome.report.name.clone(), verdict::health(&outcome.report, self.clock.wall()))
                })
                .collect(),
            failed: outcomes.iter().filter_map(Outcome::failure).collect(),
            only: named.then(|| self.config.runs.iter().map(|run| run.name.clone()).collect()),
            mode: outcomes.iter().fold(0o666, |mode, outcome| mode & outcome.mode),
            durable,
        };
        if durable && !keep.store.holds(&self.config.health_file) {
            keep.store.sync()?;
        }
        health::write(&keep.store, &self.config.health_file, update, self.clock.wall(), self.common.lock_wait)
    }

    /// Prints the verdict; returns the ids of the alerts that it told: none where nobody reads any more.
    fn print(
        &self,
        out: &mut dyn Write,
        report: &Report,
        alerts: &[Alert],
        unkept: &[Alert],
        troubles: &[String],
    ) -> io::Result<BTreeSet<String>> {
        match self.write(out, report, unkept, troubles) {
            Ok(true) => Ok(alerts.iter().map(|alert| alert.id.clone()).collect()),
            Ok(false) => Ok(BTreeSet::new()),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        }
    }

    /// Says whether the verdict was written: with `-q` and for people only what could not be patrolled
    /// is, and alerts that no outbox could take.
    fn write(
        &self,
        out: &mut dyn Write,
        report: &Report,
        unkept: &[Alert],
        troubles: &[String],
    ) -> io::Result<bool> {
        let failed: Vec<_> = report.runs.iter().filter(|run| run.error.is_some()).cloned().collect();
        let failed = if self.common.quiet { self.unsaid(failed) } else { failed };
        let verdict = !self.common.quiet || self.is_document();
        step("print the verdict");
        if verdict {
            match self.args.format {
                ReportFormat::Json => {
                    writeln!(out, "{}", serde_json::to_string(report).map_err(io::Error::other)?)?;
                }
                ReportFormat::Nagios => nagios::report(out, report, troubles)?,
                ReportFormat::Text => text::report(out, report, self.style())?,
            }
        } else {
            if !failed.is_empty() {
                let failed = Report { runs: failed, notes: Vec::new(), ..report.clone() };
                text::report(out, &failed, self.style())?;
            }
            for alert in unkept {
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

    fn style(&self) -> text::Style {
        let color = match self.common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => {
                io::stdout().is_terminal()
                    && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
            }
        };
        text::Style { color, verbose: self.common.verbose > 0 }
    }

    /// Serves the channels. What an earlier, killed patrol owes the terminal goes to standard error
    /// beside a verdict that must stay one document.
    fn deliver(&self, keep: &Keep, out: &mut dyn Write, shown: BTreeSet<String>) -> Delivery {
        let mut stderr = io::stderr();
        let out: &mut dyn Write = if self.is_document() { &mut stderr } else { out };
        let redactor = Redactor::of_environment(std::env::vars_os());
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let env = |name: &str| std::env::var_os(name);
        let site = Site { env: &env, now: self.clock.wall(), host: &host, redactor: &redactor };
        let mut channels = at_hand(&keep.store, out, shown, &redactor);
        channels.extend(elsewhere(self.config, site));
        let time = self.common.timeout.saturating_sub(self.clock.elapsed()).min(DELIVERY_MAX);
        let drained = keep.outbox.drain(&mut channels, self.clock.wall(), Instant::now() + time);
        drained.unwrap_or_else(|error| Delivery { troubles: vec![chain(&error)], dropped: Vec::new() })
    }
}
