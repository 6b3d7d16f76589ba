//! `trainguard pause`, `resume` and `stop`: a person acts on a run's process.
//!
//! The process is the one that the last patrol saw, verified; what was done is a line in the run's
//! journal and an alert; the state remembers on whose word the run does nothing.

use super::Named;
use crate::act::{Actor, Deed, Manner};
use crate::cli::{Common, Hold, Stop};
use crate::clock::Clock;
use crate::config::actions::Hold as How;
use crate::config::{self, Action, BareLog};
use crate::decide::alert;
use crate::decide::orders::{self, Cause, Order};
use crate::deliver::outbox::Outbox;
use crate::deliver::route;
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::judge::Phase;
use crate::judge::held::{self, Held};
use crate::observe::process::Identity;
use crate::persist::run_directory::RunDirectory;
use crate::persist::state::State;
use crate::persist::store::Store;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// A program of the user's has no part in what a person types.
const NO_PROGRAM: Duration = Duration::ZERO;
/// Mode of what quotes nothing of the log.
const ANY_MODE: u32 = 0o666;

/// `trainguard pause`.
///
/// # Errors
/// Nothing is known of the run or its process.
pub fn pause(args: &Hold, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<Severity> {
    let word = Word::find(args, "pause", Action::Pause(How::Freeze), common, clock)?;
    if args.dry_run {
        return word.say(out);
    }
    if word.is_held()? {
        return print(out, &format!("{} is paused already: nothing was done", args.run));
    }
    let deeds = word.actor().carry_out(&word.order)?;
    word.remember(&deeds, |state, held| {
        state.memory.held = Some(Held { how: held::How::Frozen, ..held });
        state.phase = Phase::Paused;
    })?;
    word.conclude(out, &deeds)
}

/// `trainguard resume`.
///
/// # Errors
/// Nothing is known of the run or its process.
pub fn resume(args: &Hold, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<Severity> {
    let word = Word::find(args, "resume", Action::Pause(How::Freeze), common, clock)?;
    if !word.is_held()? {
        let pid = word.process.pid;
        return print(out, &format!("{} is not paused: process {pid} runs, and nothing was done", args.run));
    }
    if args.dry_run {
        let pid = word.process.pid;
        return print(
            out,
            &format!("dry run: it would send SIGCONT to process {pid} and those that belong to it"),
        );
    }
    let deeds = word.actor().resume(&word.order)?;
    word.remember(&deeds, |state, _| {
        state.memory.held = None;
        state.memory.silence.begin_anew(&clock.now);
        state.phase = Phase::Patrol;
    })?;
    word.conclude(out, &deeds)
}

/// `trainguard stop`. It waits for the grace; whoever interrupts it leaves the rest to the next patrol.
///
/// # Errors
/// Nothing is known of the run or its process.
pub fn stop(args: &Stop, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<Severity> {
    let word = Word::find(&args.hold, "stop", Action::Stop { grace: args.grace }, common, clock)?;
    if args.hold.dry_run {
        return word.say(out);
    }
    let actor = word.actor();
    let (mut deeds, begun) = actor.begin_stop(&word.order, args.grace)?;
    word.remember(&deeds, |state, held| {
        state.memory.held = Some(Held { how: held::How::Stopped, ..held });
        state.phase = Phase::Stopped;
    })?;
    let severity = word.conclude(out, &deeds)?;
    if !begun {
        return Ok(severity);
    }
    deeds = vec![actor.finish_stop(&word.order, args.grace)?];
    Ok(severity.max(word.conclude(out, &deeds)?))
}

/// A person's word about a run.
struct Word<'a> {
    order: Order,
    process: Identity,
    store: Store,
    typed: &'a str,
    args: &'a Hold,
    common: &'a Common,
    clock: &'a Clock,
}

impl<'a> Word<'a> {
    fn find(
        args: &'a Hold,
        typed: &'a str,
        action: Action,
        common: &'a Common,
        clock: &'a Clock,
    ) -> Result<Self> {
        let named = Named::find(&args.run, args.log.as_ref(), common, clock)?;
        let process = process(&named)?.ok_or_else(|| {
            Error::Usage(format!(
                "no process of run '{}' is known: give the patrol its --pid, --pid-file or --match (process: in the config), and patrol once",
                args.run
            ))
        })?;
        let number = format!("{:016x}", clock.entropy);
        let cause = Cause {
            syndrome: format!("trainguard {typed}"),
            severity: Severity::Info,
            message: "on a person's word".to_owned(),
            step: named.state.memory.numbers.printed_step(),
            finding: serde_json::Value::Null,
        };
        let order = Order {
            id: alert::id(&["typed", &args.run, typed, &named.state.lineage, &number]),
            run: args.run.clone(),
            alert: String::new(),
            given: clock.wall(),
            action,
            target: Some(process.clone()),
            cause,
            count: None,
        };
        Ok(Self { order, process, store: named.store.clone(), typed, args, common, clock })
    }

    fn actor(&self) -> Actor<'_> {
        Actor {
            store: &self.store,
            run: &self.args.run,
            clock: self.clock,
            lock_wait: self.common.lock_wait,
            until: Instant::now() + NO_PROGRAM,
            manner: Manner::Wait,
        }
    }

    fn is_held(&self) -> Result<bool> {
        let held = self.actor().is_held(&self.order);
        held.map_err(|why| Error::Usage(format!("cannot {} '{}': {why}", self.typed, self.args.run)))
    }

    /// Takes what was done into the state; what was not done changes nothing.
    fn remember(&self, deeds: &[Deed], change: impl FnOnce(&mut State, Held)) -> Result<()> {
        if !deeds.iter().any(|deed| deed.ok) {
            return Ok(());
        }
        let mut named = Named::find(&self.args.run, self.args.log.as_ref(), self.common, self.clock)?;
        let by = format!("`trainguard {}`", self.typed);
        let at = self.clock.wall();
        let held = Held { how: held::How::Stopped, at, by, process: self.process.clone(), rows: 0 };
        change(&mut named.state, held);
        named.state.save(&named.store)?;
        named.store.sync()
    }

    fn say(&self, out: &mut dyn Write) -> Result<Severity> {
        print(out, &format!("dry run: it would {}", self.order.sentence()))
    }

    fn conclude(&self, out: &mut dyn Write, deeds: &[Deed]) -> Result<Severity> {
        for deed in deeds.iter().filter(|deed| !deed.said.is_empty()) {
            print(out, &format!("{}: {}", self.args.run, deed.said))?;
        }
        self.tell(deeds)?;
        let failed = deeds.iter().any(|deed| !deed.ok);
        Ok(if failed { Severity::Unknown } else { Severity::Ok })
    }

    /// The alerts wait for the next patrol's delivery. Without a config nobody is named to be told.
    fn tell(&self, deeds: &[Deed]) -> Result<()> {
        let log = self.args.log.as_ref().map(BareLog::new);
        let Ok(config) = config::load(&super::load_args(self.common, log)?) else { return Ok(()) };
        let outbox = Outbox::open(&self.store)?;
        for deed in deeds.iter().filter(|deed| deed.is_news()) {
            let id = [self.order.id.as_str(), deed.what.word()];
            let said = format!("{}; {}", deed.said, self.order.cause.why());
            let alert =
                orders::told(&self.args.run, self.clock.wall(), &id, &self.order.cause, deed.ok, &said);
            outbox.add(&alert, route(&config, &alert), ANY_MODE)?;
        }
        Ok(())
    }
}

fn print(out: &mut dyn Write, text: &str) -> Result<Severity> {
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(Error::io("write to", Path::new("standard output")))?;
    Ok(Severity::Ok)
}

/// The run's process: as it was last seen, else as it was launched.
fn process(named: &Named) -> Result<Option<Identity>> {
    if let Some(seen) = named.state.memory.process.identity.clone() {
        return Ok(Some(seen));
    }
    let Some(directory) = RunDirectory::existing(&named.store, &named.state.run)? else { return Ok(None) };
    Ok(directory.record()?.map(|record| record.process))
}
