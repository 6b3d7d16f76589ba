//! What a round makes durable of one run: alerts, history and state.

use super::{Keep, Round};
use crate::decide::{Alert, Decision};
use crate::deliver::route;
use crate::error::{Result, chain};
use crate::finding::{Severity, Standing};
use crate::judge::{self, Context};
use crate::persist::history;
use crate::persist::state::State;

impl Round<'_> {
    /// Outbox before state: a kill in between repeats this round with the same alert ids.
    pub(super) fn keep_all(&self, keep: &Keep, state: &State, alerts: &[Alert], mode: u32) -> Result<()> {
        for alert in alerts {
            keep.outbox.add(alert, route(self.config, alert), mode)?;
        }
        state.save(&keep.store)
    }

    /// Notes a run that has ended in the history, before the state that remembers having done so: the
    /// repetition of a killed round replaces its own line. Says what went wrong; nothing rests on it.
    pub(super) fn keep_history(
        &self,
        context: &Context<'_>,
        state: &mut State,
        decision: &Decision,
    ) -> Option<String> {
        let keep = self.keep.filter(|_| self.config.history.enabled)?;
        let critical = decision.findings.iter().any(|finding| {
            let open = matches!(finding.state, Standing::New | Standing::Ongoing);
            open && finding.severity == Severity::Critical && judge::is_of_the_attempt(&finding.check)
        });
        let ended = judge::history::ended(context, &state.memory, &state.lineage, critical)?;
        match history::add(&keep.store, &ended, self.config.history.keep) {
            Ok(()) => state.memory.history.wrote(&ended),
            Err(error) => return Some(format!("the run is not in the history yet: {}", chain(&error))),
        }
        None
    }
}
