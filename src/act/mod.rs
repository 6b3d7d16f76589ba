//! Acting on a run: the only code that signals a process of it, or starts one for it.
//!
//! Every deed is an intent in the journal, the deed, and its outcome in the journal. Whoever is killed
//! in between leaves an intent without an outcome, which the next patrol completes and never begins
//! anew: no second SIGTERM, no second start. The run's lock is held while an order is begun and not
//! while anything is waited for.

pub mod command;
mod descriptors;
pub mod detach;
pub mod journal;
pub mod pause;
pub mod restart;
pub mod stop;
pub mod target;

use crate::clock::Clock;
use crate::config::Action;
use crate::config::actions::Hold;
use crate::decide::orders::{Begun, Order};
use crate::error::Result;
use crate::judge::held::{Held, How, OF_A_FINDING};
use crate::observe::process::{self, Identity};
use crate::persist::lock::Lock;
use crate::persist::run_directory::RunDirectory;
use crate::persist::state::State;
use crate::persist::store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use journal::{Entry, Journal, Line, What};
use std::time::{Duration, Instant};

/// Who waits for what takes its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// A patrol: the grace is left to a process of its own.
    Leave,
    /// `watch`, `launch` and a person's command: it is waited for here.
    Wait,
}

/// Whoever acts on a run.
#[derive(Debug, Clone, Copy)]
pub struct Actor<'a> {
    /// The state directory.
    pub store: &'a Store,
    /// The run.
    pub run: &'a str,
    /// The clocks of this invocation.
    pub clock: &'a Clock,
    /// How long the run's lock is waited for.
    pub lock_wait: Duration,
    /// When a program of the user's is to have ended at the latest.
    pub until: Instant,
    /// Who waits.
    pub manner: Manner,
}

/// Something that was done, or could not be.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// The order's id.
    pub order: String,
    /// What.
    pub what: What,
    /// Whether it was done.
    pub ok: bool,
    /// What was done to whom, or why not.
    pub said: String,
    /// Of SIGKILL: whether anybody was left for it.
    killed: bool,
}

impl Deed {
    /// Whether it is told: that nobody was left to be killed is in the journal and no news.
    pub fn is_news(&self) -> bool {
        !self.said.is_empty() && (self.what != What::Kill || !self.ok || self.killed)
    }

    fn of(line: &Line) -> Self {
        let Line { order, what, ok, said, members, .. } = line.clone();
        Self { order, what, ok: ok.unwrap_or(false), said, killed: !members.is_empty() }
    }
}

/// Where an order stands by the journal.
enum Standing {
    /// Nobody began it.
    New,
    /// Somebody who lives is at it.
    InHand,
    /// Whoever was at it is gone.
    CutOff,
    /// It has its outcome.
    Done(Deed),
}

impl Actor<'_> {
    /// The wall clock now: the invocation's, and what has passed since.
    pub fn now(&self) -> DateTime<Utc> {
        let passed = TimeDelta::from_std(self.clock.elapsed()).unwrap_or_default();
        self.clock.wall().checked_add_signed(passed).unwrap_or_default()
    }

    fn directory(&self) -> Result<RunDirectory> {
        RunDirectory::open(self.store, self.run)
    }

    fn journal(&self) -> Result<Journal> {
        Journal::open(self.store, &self.directory()?)
    }

    fn lock(&self) -> Result<Lock> {
        self.store.lock_run(self.run, self.lock_wait)
    }

    /// Carries out an order, or completes it, or says what came of it before.
    ///
    /// # Errors
    /// The journal cannot be written or is not to be trusted: then nothing is done.
    pub fn carry_out(&self, order: &Order) -> Result<Vec<Deed>> {
        match &order.action {
            Action::Alert => Ok(Vec::new()),
            Action::Stop { grace } => self.stop(order, *grace),
            Action::Pause(Hold::Freeze) => self.once(order, What::Pause, pause::freeze),
            Action::Pause(Hold::Signal(signal)) => {
                self.once(order, What::Pause, |_, order| pause::ask(order, *signal))
            }
            Action::Pause(Hold::Command(program)) => {
                self.once(order, What::Pause, |actor, order| command::run(actor, order, program))
            }
            Action::Command(program) => {
                self.once(order, What::Command, |actor, order| command::run(actor, order, program))
            }
            Action::Restart(restart) => self.restart(order, restart),
        }
    }

    /// Does what may be done once and takes its time, if any, without the run's lock.
    fn once(
        &self,
        order: &Order,
        what: What,
        deed: impl FnOnce(&Self, &Order) -> (bool, String),
    ) -> Result<Vec<Deed>> {
        let mut journal = {
            let _lock = self.lock()?;
            let mut journal = self.journal()?;
            match standing(&journal, &order.id, what) {
                Standing::Done(deed) => return Ok(vec![deed]),
                Standing::InHand => return Ok(Vec::new()),
                Standing::CutOff => {
                    let (ok, said) = self.cut_off(order);
                    return self.conclude(&mut journal, order, what, ok, said).map(|deed| vec![deed]);
                }
                Standing::New => journal.add(self.intent(order, what))?,
            }
            journal
        };
        let (ok, said) = deed(self, order);
        self.conclude(&mut journal, order, what, ok, said).map(|deed| vec![deed])
    }

    /// What becomes of a deed whose doer was killed: holding somebody twice is holding him once; a
    /// signal that asks and a program are not repeated.
    fn cut_off(&self, order: &Order) -> (bool, String) {
        match &order.action {
            Action::Pause(Hold::Freeze) => pause::complete(self, order),
            _ => (
                false,
                "whoever did it was killed in the middle of it, and whether it was done is not known: it is not done a second time".to_owned(),
            ),
        }
    }

    fn intent(&self, order: &Order, what: What) -> Line {
        Line {
            alert: Some(order.alert.clone()).filter(|alert| !alert.is_empty()),
            why: order.cause.why(),
            target: order.target.clone(),
            by: own_identity(),
            ..Line::new(self.now(), &order.id, what, Entry::Intent)
        }
    }

    fn conclude(
        &self,
        journal: &mut Journal,
        order: &Order,
        what: What,
        ok: bool,
        said: String,
    ) -> Result<Deed> {
        let line = Line { ok: Some(ok), said, ..Line::new(self.now(), &order.id, what, Entry::Outcome) };
        let deed = Deed::of(&line);
        journal.add(line)?;
        Ok(deed)
    }
}

/// Tells which orders about a run somebody has begun to carry out, by its journal.
///
/// # Errors
/// The journal cannot be read or is not to be trusted.
pub fn begun(store: &Store, run: &str) -> Result<impl Fn(&Order) -> Begun> {
    let journal = RunDirectory::existing(store, run)?.map(|directory| Journal::open(store, &directory));
    let journal = journal.transpose()?;
    Ok(move |order: &Order| {
        let what = match &order.action {
            Action::Alert => return Begun::Nothing,
            Action::Stop { .. } => What::Stop,
            Action::Pause(_) => What::Pause,
            Action::Command(_) => What::Command,
            Action::Restart(_) => What::Restart,
        };
        let has = |what| journal.as_ref().is_some_and(|journal| journal.intent(&order.id, what).is_some());
        match &order.action {
            _ if has(what) => Begun::Whole,
            Action::Restart(_) if has(What::Stop) => Begun::Half,
            _ => Begun::Nothing,
        }
    })
}

/// Where an order stands.
fn standing(journal: &Journal, order: &str, what: What) -> Standing {
    match (journal.outcome(order, what), journal.intent(order, what)) {
        (Some(outcome), _) => Standing::Done(Deed::of(outcome)),
        (None, None) => Standing::New,
        // Whoever asks is not at it any more: its outcome could not be written.
        (None, Some(intent)) if intent.by != own_identity() && intent.by.as_ref().is_some_and(lives) => {
            Standing::InHand
        }
        (None, Some(_)) => Standing::CutOff,
    }
}

/// Whether a process still is the one that was meant.
fn lives(identity: &Identity) -> bool {
    identity.boot_id == process::boot_id() && process::start_ticks(identity.pid) == Some(identity.start_ticks)
}

fn own_identity() -> Option<Identity> {
    i32::try_from(std::process::id()).ok().and_then(process::identity)
}

/// Takes what came of earlier orders into a run's state, under its lock: what is held is held, and what
/// has its outcome waits no more. Returns the deeds, so that none goes untold.
///
/// # Errors
/// The journal cannot be read or is not to be trusted.
pub fn review(store: &Store, state: &mut State) -> Result<Vec<(Order, Deed)>> {
    if state.orders.pending.is_empty() {
        return Ok(Vec::new());
    }
    let Some(directory) = RunDirectory::existing(store, &state.run)? else { return Ok(Vec::new()) };
    let journal = Journal::open(store, &directory)?;
    let mut deeds = Vec::new();
    for order in std::mem::take(&mut state.orders.pending) {
        let what = last_deed(&order.action);
        let Some(outcome) = journal.outcome(&order.id, what) else {
            // What a stop has begun is true before its grace is over.
            let stop = journal.outcome(&order.id, What::Stop).filter(|_| what == What::Kill);
            hold(state, &order, stop);
            state.orders.pending.push(order);
            continue;
        };
        let begun = journal.outcome(&order.id, What::Stop).filter(|_| what == What::Kill);
        hold(state, &order, begun.or(Some(outcome)));
        deeds.extend(begun.map(|line| (order.clone(), Deed::of(line))));
        deeds.push((order.clone(), Deed::of(outcome)));
    }
    Ok(deeds)
}

/// The deed with whose outcome an order is done.
fn last_deed(action: &Action) -> What {
    match action {
        Action::Alert | Action::Command(_) => What::Command,
        Action::Stop { .. } => What::Kill,
        Action::Pause(_) => What::Pause,
        Action::Restart(_) => What::Restart,
    }
}

fn hold(state: &mut State, order: &Order, outcome: Option<&Line>) {
    let Some(outcome) = outcome.filter(|outcome| outcome.ok == Some(true)) else { return };
    let how = match &order.action {
        Action::Stop { .. } => How::Stopped,
        Action::Pause(Hold::Freeze) => How::Frozen,
        Action::Pause(Hold::Signal(_) | Hold::Command(_)) => How::Asked,
        Action::Restart(_) => return state.memory.held = None,
        Action::Alert | Action::Command(_) => return,
    };
    let Some(process) = order.target.clone() else { return };
    let known = state.memory.held.as_ref().is_some_and(|held| held.process == process && held.how == how);
    if !known {
        let by = format!("{OF_A_FINDING} {}", order.cause.syndrome);
        state.memory.held = Some(Held { how, at: outcome.at, by, process, rows: 0 });
    }
}
