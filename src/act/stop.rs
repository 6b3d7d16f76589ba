//! Stop: SIGTERM to everybody, the grace, SIGKILL to whoever is left.
//!
//! The intent names all processes of the run and when SIGKILL is due, so that whoever finishes it, be
//! it a child of the patrol or the next patrol, knows whom it may end: nobody is looked for by a number
//! alone. A stop whose patrol was killed between intent and outcome may have sent its SIGTERM or not;
//! it is not sent again, and the grace begins anew.

use super::journal::{Entry, Journal, Line, MEMBERS_MAX, What};
use super::target::{Miss, Target};
use super::{Actor, Deed, Manner, Standing, detach, standing};
use crate::clock::Clock;
use crate::decide::orders::Order;
use crate::error::{Error, Result};
use crate::observe::process::Identity;
use crate::persist::run_directory::RunDirectory;
use crate::persist::store::Store;
use chrono::{DateTime, TimeDelta, Utc};
use rustix::process::Signal;
use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

/// First argument of the child that finishes a stop: hidden from people, told to [`serve`] by `main`.
pub const ARGUMENT: &str = "__finish";

/// After SIGKILL a process is gone once the kernel lets it go: what takes longer waits for a disk or a
/// driver.
const KILLED: Duration = Duration::from_secs(5);
/// A patrol finishes a stop that is overdue by this much: the child that was left with it is dead.
const OVERDUE: TimeDelta = TimeDelta::seconds(10);

impl Actor<'_> {
    /// Begins a stop, and finishes it where this invocation waits.
    pub(super) fn stop(&self, order: &Order, grace: Duration) -> Result<Vec<Deed>> {
        let (mut deeds, begun) = self.begin_stop(order, grace)?;
        if begun {
            match self.manner {
                Manner::Wait => deeds.push(self.finish_stop(order, grace)?),
                Manner::Leave => self.leave(order, &mut deeds),
            }
        }
        Ok(deeds)
    }

    /// SIGTERM, once. Says whether the grace began with it.
    ///
    /// # Errors
    /// The journal cannot be written or is not to be trusted: then nothing is done.
    pub fn begin_stop(&self, order: &Order, grace: Duration) -> Result<(Vec<Deed>, bool)> {
        let _lock = self.lock()?;
        let mut journal = self.journal()?;
        let deed = match standing(&journal, &order.id, What::Stop) {
            Standing::Done(stop) => {
                let kill = journal.outcome(&order.id, What::Kill).map(Deed::of);
                return Ok((std::iter::once(stop).chain(kill).collect(), false));
            }
            Standing::InHand => return Ok((Vec::new(), false)),
            Standing::CutOff => self.complete(&mut journal, order)?,
            Standing::New => self.terminate(&mut journal, order, grace)?,
        };
        let begun = journal.outcome(&order.id, What::Kill).is_none();
        Ok((vec![deed], begun))
    }

    /// Waits for the grace and ends whoever is left.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn finish_stop(&self, order: &Order, grace: Duration) -> Result<Deed> {
        finish(self.store, self.run, &order.id, self.clock, grace)
    }

    fn terminate(&self, journal: &mut Journal, order: &Order, grace: Duration) -> Result<Deed> {
        let nobody = |journal: &mut Journal, why: String| {
            let deed = self.conclude(journal, order, What::Stop, false, why)?;
            self.conclude(journal, order, What::Kill, false, String::new())?;
            Ok(deed)
        };
        let Some(leader) = &order.target else {
            return nobody(journal, "no process of the run is known".to_owned());
        };
        let mut target = match Target::of(leader) {
            Ok(target) => target,
            Err(Miss::Gone(why)) => {
                return nobody(journal, format!("there was nothing to stop: {why}"));
            }
            Err(Miss::Refused(why)) => return nobody(journal, why),
        };
        let due = TimeDelta::from_std(grace).ok().and_then(|grace| self.now().checked_add_signed(grace));
        let mut members = target.identities();
        members.truncate(MEMBERS_MAX);
        journal.add(Line { members, group: target.group(), due, ..self.intent(order, What::Stop) })?;
        let sent = target.send(Signal::TERM);
        if target.is_held() {
            // Whoever is held takes its SIGTERM when it goes on.
            target.send_to_all(Signal::CONT);
        }
        let ok = sent.reached.iter().any(|kin| kin.pid == leader.pid) || sent.refused.is_empty();
        let grace = grace.as_secs_f64();
        let said = format!("stopped: SIGTERM to {}; SIGKILL follows after {grace} s", sent.to_whom());
        let said = if ok { said } else { format!("could not be stopped: SIGTERM to {}", sent.to_whom()) };
        let deed = self.conclude(journal, order, What::Stop, ok, said)?;
        if !ok {
            // Whoever does not take SIGTERM from us does not take SIGKILL.
            self.conclude(journal, order, What::Kill, false, String::new())?;
        }
        Ok(deed)
    }

    fn complete(&self, journal: &mut Journal, order: &Order) -> Result<Deed> {
        let said = "stopped: the patrol that did it was killed in the middle of it; SIGTERM is not sent a second time, and SIGKILL follows".to_owned();
        self.conclude(journal, order, What::Stop, true, said)
    }

    /// Leaves the grace to a child of its own. Where none can be started the next patrol finishes.
    fn leave(&self, order: &Order, deeds: &mut [Deed]) {
        let arguments: [OsString; 4] =
            [ARGUMENT.into(), self.store.path("").into(), self.run.into(), order.id.clone().into()];
        if let Err(why) = detach::start(&arguments)
            && let Some(stop) = deeds.first_mut()
        {
            let text = "; nobody could be left to wait for that, so the next patrol does it";
            stop.said.push_str(&format!("{text}: {why}"));
        }
    }

    /// Stops of this run whose grace is long over and that nobody finished.
    ///
    /// # Errors
    /// The journal cannot be read or written.
    pub fn finish_overdue(&self) -> Result<Vec<Deed>> {
        let Some(directory) = RunDirectory::existing(self.store, self.run)? else { return Ok(Vec::new()) };
        let journal = Journal::open(self.store, &directory)?;
        let overdue = journal.unfinished_stops().filter(|stop| {
            let outcome = journal.outcome(&stop.order, What::Stop);
            let signalled = outcome.is_some();
            let own = super::own_identity();
            let in_hand = stop.by != own && stop.by.as_ref().is_some_and(super::lives);
            // A stop that another patrol completed has its whole grace from then on.
            let late =
                outcome.map_or(TimeDelta::zero(), |outcome| (outcome.at - stop.at).max(TimeDelta::zero()));
            let over = stop.due.is_none_or(|due| self.now() >= due + late + OVERDUE);
            over && !in_hand && (signalled || self.is_old(stop.at))
        });
        let orders: Vec<String> = overdue.map(|stop| stop.order.clone()).collect();
        let finish = |order: &String| finish(self.store, self.run, order, self.clock, Duration::ZERO);
        orders.iter().map(finish).collect()
    }

    /// A stop without an outcome is completed by its own order; one that has none any more is a
    /// person's, who was killed while typing.
    fn is_old(&self, at: DateTime<Utc>) -> bool {
        self.now() - at >= OVERDUE
    }
}

/// Waits for the grace and ends whoever is left.
///
/// # Errors
/// The journal has no such stop, or cannot be read or written.
pub fn finish(store: &Store, run: &str, order: &str, clock: &Clock, grace: Duration) -> Result<Deed> {
    let began = Instant::now();
    let directory = RunDirectory::open(store, run)?;
    let journal = Journal::open(store, &directory)?;
    if let Some(outcome) = journal.outcome(order, What::Kill) {
        return Ok(Deed::of(outcome));
    }
    let Some(stop) = journal.intent(order, What::Stop).cloned() else {
        return Err(Error::State(format!("the journal of {run} has no stop {order}")));
    };
    let end = |left: &Target, until| left.outlive(until);
    let (ok, said, members) = match Target::survivors(&stop.members, stop.group) {
        Err(why) => (false, format!("could not be finished: {why}"), Vec::new()),
        Ok(left) if end(&left, began + grace).is_empty() => {
            (true, format!("it ended within {:.1} s of SIGTERM", since(&stop, clock)), Vec::new())
        }
        Ok(_) => kill(&stop),
    };
    let now = clock.wall() + TimeDelta::from_std(clock.elapsed()).unwrap_or_default();
    let line = Line { ok: Some(ok), said, members, ..Line::new(now, order, What::Kill, Entry::Outcome) };
    let deed = Deed::of(&line);
    // Somebody else may have finished it while this one waited: it is written down once.
    let mut journal = Journal::open(store, &directory)?;
    if let Some(outcome) = journal.outcome(order, What::Kill) {
        return Ok(Deed::of(outcome));
    }
    journal.add(line)?;
    Ok(deed)
}

fn kill(stop: &Line) -> (bool, String, Vec<Identity>) {
    // Looked for once more: some were started during the grace.
    let mut left = match Target::survivors(&stop.members, stop.group) {
        Ok(left) => left,
        Err(why) => return (false, format!("could not be finished: {why}"), Vec::new()),
    };
    let sent = left.send_to_all(Signal::KILL);
    let stuck = left.outlive(Instant::now() + KILLED);
    let whom = sent.to_whom();
    let grace = stop.due.map_or(0.0, |due| (due - stop.at).as_seconds_f64());
    let mut members = left.identities();
    members.truncate(MEMBERS_MAX);
    let (ok, said) = if !sent.refused.is_empty() {
        (false, format!("could not be ended: SIGKILL to {whom}"))
    } else if stuck.is_empty() {
        (true, format!("ended by SIGKILL to {whom}: SIGTERM was not enough within its grace ({grace} s)"))
    } else {
        (
            false,
            format!("SIGKILL to {whom} has no effect yet: {stuck:?} wait in the kernel (a disk, a driver)"),
        )
    };
    (ok, said, members)
}

fn since(stop: &Line, clock: &Clock) -> f64 {
    let now = clock.wall() + TimeDelta::from_std(clock.elapsed()).unwrap_or_default();
    (now - stop.at).as_seconds_f64().max(0.0)
}

/// The life of the child that finishes a stop: `__finish STATE_DIRECTORY RUN ORDER`.
///
/// # Errors
/// There is no such stop, or its outcome cannot be noted: the next patrol finishes.
pub fn serve(mut arguments: impl Iterator<Item = OsString>, clock: &Clock) -> Result<()> {
    detach::settle();
    let next = (arguments.next(), arguments.next(), arguments.next());
    let (Some(directory), Some(run), Some(order)) = next else {
        return Err(Error::Usage(format!("{ARGUMENT} takes a state directory, a run and an order")));
    };
    let (run, order) = (run.to_string_lossy(), order.to_string_lossy());
    let Some(store) = Store::open_existing(Path::new(&directory))? else { return Ok(()) };
    let journal = Journal::open(&store, &RunDirectory::open(&store, &run)?)?;
    let grace = journal.intent(&order, What::Stop).and_then(|stop| (stop.due? - stop.at).to_std().ok());
    finish(&store, &run, &order, clock, grace.unwrap_or_default()).map(drop)
}
