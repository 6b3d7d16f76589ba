//! What a round does about what it found: orders before the state is kept, deeds after the verdict is
//! told.

use super::{Keep, Outcome, Round};
use crate::act::{self, Actor, Deed, Manner};
use crate::decide::orders::{self, Facts, Launch, Order};
use crate::decide::{Alert, Decision};
use crate::deliver::route;
use crate::error::{Result, chain};
use crate::judge::Context;
use crate::observe::process;
use crate::persist::run_directory::RunDirectory;
use crate::persist::state::State;
use crate::persist::store::Store;
use std::time::{Duration, Instant};

/// How a round does what is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Acting {
    /// It does it, and leaves to others what takes its time.
    Leave,
    /// It does it, and waits.
    Wait,
    /// It says what it would do.
    Say,
}

/// Share of `--timeout` after which no program of the user's runs: the rest is for delivery.
const PROGRAMS: f64 = 0.8;

impl Round<'_> {
    /// Gives orders, and notes in the state that they were given. Returns the alerts about what is
    /// not done; the verdict says all of it.
    pub(super) fn order(
        &self,
        context: &Context<'_>,
        state: &mut State,
        decision: &Decision,
        notes: &mut Vec<String>,
    ) -> Vec<Alert> {
        let Some(keep) = self.keep else { return Vec::new() };
        let launch = match launched(&keep.store, &state.run) {
            Ok(launch) => launch,
            Err(error) => {
                notes.push(format!("nothing is done about {}: {}", state.run, chain(&error)));
                return Vec::new();
            }
        };
        let mut orders = std::mem::take(&mut state.orders);
        let facts = Facts { context, memory: &state.memory, launch: launch.as_ref() };
        if !orders.pending.is_empty() {
            match act::begun(&keep.store, &state.run) {
                Ok(begun) => {
                    let dropped = orders.take_back(&decision.findings, &facts, begun);
                    let say = |order: &Order| {
                        format!("{}: taken back, for its cause is over: {}", state.run, order.sentence())
                    };
                    notes.extend(dropped.iter().map(say));
                }
                Err(error) => notes.push(format!("{}: {}", state.run, chain(&error))),
            }
        }
        let given = orders.give(&decision.findings, &state.ledger, &facts);
        notes.extend(given.refused.iter().map(|refusal| format!("{}: {}", state.run, refusal.sentence())));
        let mut alerts = Vec::new();
        if self.acting == Acting::Say {
            let say = |order: &Order| format!("{}: dry run, it would {}", state.run, order.sentence());
            notes.extend(orders.pending.iter().chain(&given.orders).map(say));
        } else {
            orders.keep(&given);
            let new = given.refused.iter().filter(|refusal| refusal.is_new);
            alerts.extend(new.map(|refusal| refusal.alert(&state.run, context.now.wall)));
        }
        state.orders = orders;
        alerts
    }

    /// Carries out what was ordered, and puts the alerts about it into the outbox. Returns what could
    /// not be done for a fault of the tool's own.
    pub(super) fn act(&self, keep: &Keep, outcomes: &[Outcome]) -> Vec<String> {
        let mut troubles = Vec::new();
        if self.acting == Acting::Say || !self.config.trusted || self.last {
            return troubles;
        }
        for outcome in outcomes.iter().filter(|outcome| outcome.kept) {
            let Some(state) = &outcome.state else { continue };
            let actor = self.actor(keep, &state.run);
            for order in &state.orders.pending {
                let done =
                    actor.carry_out(order).and_then(|deeds| self.tell(keep, order, &deeds, outcome.mode));
                troubles.extend(done.err().map(|error| format!("{}: {}", state.run, chain(&error))));
            }
            // What a killed patrol and its child left unfinished; it is told when its order is reviewed.
            let overdue = actor.finish_overdue();
            troubles.extend(overdue.err().map(|error| format!("{}: {}", state.run, chain(&error))));
        }
        troubles
    }

    fn actor<'a>(&'a self, keep: &'a Keep, run: &'a str) -> Actor<'a> {
        let programs = self.common.timeout.mul_f64(PROGRAMS).saturating_sub(self.clock.elapsed());
        Actor {
            store: &keep.store,
            run,
            clock: self.clock,
            lock_wait: self.common.lock_wait,
            until: Instant::now() + programs.max(Duration::from_secs(1)),
            manner: if self.acting == Acting::Wait { Manner::Wait } else { Manner::Leave },
        }
    }

    /// What was done is told, with the same id whoever tells it.
    pub(super) fn tell(&self, keep: &Keep, order: &Order, deeds: &[Deed], mode: u32) -> Result<()> {
        for deed in deeds.iter().filter(|deed| deed.is_news()) {
            let id = [order.id.as_str(), deed.what.word()];
            let said = format!("{}; because of {}", deed.said, order.cause.why());
            let alert = orders::told(&order.run, self.clock.wall(), &id, &order.cause, deed.ok, &said);
            keep.outbox.add(&alert, route(self.config, &alert), mode)?;
        }
        Ok(())
    }

    /// What came of earlier orders is part of what is known of the run, and told if it was not.
    pub(super) fn review(&self, keep: &Keep, state: &mut State) -> Result<()> {
        for (order, deed) in act::review(&keep.store, state)? {
            // What it quotes of the log has no reader but its owner until the log is looked at.
            self.tell(keep, &order, &[deed], 0o600)?;
        }
        Ok(())
    }
}

/// How the run was launched.
fn launched(store: &Store, run: &str) -> Result<Option<Launch>> {
    let Some(directory) = RunDirectory::existing(store, run)? else { return Ok(None) };
    let facts = directory.record()?.map(|record| Launch {
        lives: record.process.boot_id == process::boot_id()
            && process::start_ticks(record.process.pid) == Some(record.process.start_ticks),
        environment: record.environment.is_some(),
        process: record.process,
    });
    Ok(facts)
}
