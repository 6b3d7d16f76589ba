//! Who stays with a run for its first steps, as its state remembers it.

use super::Round;
use super::ending::{Ending, ending};
use crate::decide::Decision;
use crate::judge::attendance::{Attendance, Progress};
pub(crate) use crate::judge::process::Doing;
use crate::judge::{Context, Memory, Phase, eta};
use crate::observe::process::{Identity, boot_id, identity};
use crate::persist::state::State;
use std::time::Duration;

/// The invocation that stays.
pub(crate) struct Watcher {
    identity: Identity,
    /// The steps of the first phase.
    pub(crate) steps: u64,
    /// It stays although something critical was found: the run is not to go on alone.
    pub(crate) stays: bool,
}

impl Watcher {
    /// This process.
    pub(crate) fn this(steps: u64, stays: bool) -> Self {
        let pid = i32::try_from(std::process::id()).unwrap_or_default();
        let unknown = || Identity { pid, start_ticks: 0, boot_id: boot_id() };
        Self { identity: identity(pid).unwrap_or_else(unknown), steps, stays }
    }

    /// Whoever else stays with the run whose state this is.
    pub(crate) fn other<'s>(&self, state: &'s State) -> Option<&'s Identity> {
        let watcher = &state.watch.as_ref()?.watcher;
        (*watcher != self.identity).then_some(watcher)
    }
}

/// How a run is doing that is attended, for whoever stays.
#[derive(Debug, Clone)]
pub(crate) struct Glimpse {
    /// How far it is in its first phase.
    pub(crate) progress: Progress,
    /// How long its process has lived, else how long somebody has stayed.
    pub(crate) since: Duration,
    /// What its process was last seen to do.
    pub(crate) doing: Option<Doing>,
    /// Seconds for one step.
    pub(crate) step_s: Option<f64>,
}

impl Glimpse {
    pub(super) fn of(context: &Context<'_>, memory: &Memory) -> Option<Self> {
        let watch = context.attended?;
        let since = context.process_started().and_then(|started| (context.now.wall - started).to_std().ok());
        Some(Self {
            progress: watch.progress(&memory.numbers),
            since: since.unwrap_or_else(|| watch.lasted(context.now)),
            doing: memory.process.doing,
            step_s: eta::step_time(context, memory).map(|time| time.usual_s),
        })
    }
}

/// Whether a process lives: the same that was known, not another one of its pid.
fn lives(known: &Identity) -> bool {
    identity(known.pid).as_ref() == Some(known)
}

impl Round<'_> {
    /// Who stays with the run at this look, whoever it is that looks. A watcher that was killed, or has
    /// not looked for minutes, is forgotten.
    pub(super) fn attendance(&self, state: &mut State) -> Option<Attendance> {
        let now = &self.clock.now;
        let known = state.watch.take().filter(|watch| {
            let own = self.watcher.is_some_and(|watcher| watcher.identity == watch.watcher);
            own || watch.is_awake(now) && lives(&watch.watcher)
        });
        state.watch = match (known, self.watcher) {
            (Some(mut watch), Some(watcher)) if watch.watcher == watcher.identity => {
                watch.look(state.memory.attempt, now);
                Some(watch)
            }
            (None, Some(watcher)) => {
                let attempt = state.memory.attempt;
                Some(Attendance::new(watcher.identity.clone(), watcher.steps, attempt, now))
            }
            (known, _) => known,
        };
        state.watch.clone()
    }

    /// Notes in the state how the phase ends, where it does: whoever looks next patrols.
    pub(super) fn close(
        &self,
        context: &Context<'_>,
        state: &mut State,
        decision: &Decision,
    ) -> Option<Ending> {
        let watcher = self.watcher?;
        if watcher.other(state).is_some() {
            return None;
        }
        let ending = ending(context, state, decision, watcher.stays)?;
        if watcher.stays && matches!(ending, Ending::Critical(_)) {
            return Some(ending);
        }
        state.watch = None;
        if state.phase == Phase::Watch {
            state.phase = Phase::Patrol;
        }
        Some(ending)
    }
}
