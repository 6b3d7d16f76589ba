//! Pause and resume: SIGSTOP and SIGCONT, or a signal that the run has a handler for.
//!
//! A run of several processes is held as a whole. One of several machines is not: its other ranks
//! wait in a collective, and end at its timeout. That is said whenever a run is held.

use super::journal::What;
use super::target::{Miss, Target};
use super::{Actor, Deed};
use crate::config::actions::AskedBy;
use crate::decide::orders::Order;
use crate::error::Result;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// How long it takes until a process that runs is held.
const HELD: Duration = Duration::from_secs(2);

const WARNING: &str = "a distributed run with ranks elsewhere ends when its collectives time out";

/// SIGSTOP to everybody; says whether the run is held and who was reached.
pub(super) fn freeze(actor: &Actor<'_>, order: &Order) -> (bool, String) {
    let mut target = match of(order) {
        Ok(target) => target,
        Err(why) => return (false, why),
    };
    let sent = target.send_to_all(Signal::STOP);
    let going = target.wait_held(
        Instant::now() + HELD.min(actor.until.saturating_duration_since(Instant::now()).max(HELD)),
    );
    let whom = sent.to_whom();
    if !sent.refused.is_empty() || sent.reached.is_empty() {
        return (false, format!("could not be paused: SIGSTOP to {whom}"));
    }
    let late = if going.is_empty() { String::new() } else { format!(" ({going:?} are not held yet)") };
    (
        true,
        format!(
            "paused: SIGSTOP to {whom}{late}; `trainguard resume {}` lets it go on; {WARNING}",
            actor.run
        ),
    )
}

/// Holding somebody twice is holding him once.
pub(super) fn complete(actor: &Actor<'_>, order: &Order) -> (bool, String) {
    let held = of(order).map(|target| target.is_held());
    match held {
        Ok(true) => (true, format!("paused; `trainguard resume {}` lets it go on; {WARNING}", actor.run)),
        Ok(false) => freeze(actor, order),
        Err(why) => (false, why),
    }
}

/// A signal to those that have a handler for it.
pub(super) fn ask(order: &Order, by: AskedBy) -> (bool, String) {
    let signal = match by {
        AskedBy::USR1 => Signal::USR1,
        AskedBy::USR2 => Signal::USR2,
        AskedBy::INT => Signal::INT,
        AskedBy::HUP => Signal::HUP,
    };
    let target = match of(order) {
        Ok(target) => target,
        Err(why) => return (false, why),
    };
    let sent = target.ask(signal);
    let (name, whom) = (by.word(), sent.to_whom());
    if sent.reached.is_empty() && sent.refused.is_empty() {
        let why = "no process of the run has a handler for it, and without one it would end the run";
        return (false, format!("could not be asked to pause by SIG{name}: {why}"));
    }
    (sent.refused.is_empty(), format!("asked to pause: SIG{name} to {whom}"))
}

fn of(order: &Order) -> std::result::Result<Target, String> {
    let leader = order.target.as_ref().ok_or("no process of the run is known")?;
    Target::of(leader).map_err(|miss| match miss {
        Miss::Gone(why) | Miss::Refused(why) => why,
    })
}

impl Actor<'_> {
    /// SIGCONT to everybody.
    ///
    /// # Errors
    /// The journal cannot be written or is not to be trusted: then nothing is done.
    pub fn resume(&self, order: &Order) -> Result<Vec<Deed>> {
        self.once(order, What::Resume, |_, order| {
            let mut target = match of(order) {
                Ok(target) => target,
                Err(why) => return (false, why),
            };
            let sent = target.send_to_all(Signal::CONT);
            let ok = sent.refused.is_empty() && !sent.reached.is_empty();
            (ok, format!("resumed: SIGCONT to {}", sent.to_whom()))
        })
    }

    /// Whether the run is held by a signal.
    pub fn is_held(&self, order: &Order) -> std::result::Result<bool, String> {
        of(order).map(|target| target.is_held())
    }
}
