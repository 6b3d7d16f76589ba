//! How the attended first phase of a run ends.

use crate::config::Action;
use crate::decide::Decision;
use crate::finding::{Finding, Severity, Standing};
use crate::judge::attendance::Progress;
use crate::judge::{Context, Phase, nan, words};
use crate::observe::process::ProcessFacts;
use crate::persist::state::State;
use std::cmp::Reverse;

/// A failure that only words tell stands for so long, seconds, before it is believed of a process that
/// lives: a traceback that is caught is followed by rows, and one that is not by the process's end.
const WORDS_S: f64 = 8.0;

/// How it ends.
#[derive(Debug, Clone)]
pub(crate) enum Ending {
    /// The run has made its first steps, or was well for as long as anybody stays: patrols go on.
    HandedOver(Progress),
    /// What was found must not wait.
    Critical(Box<Finding>),
    /// The run has ended by itself.
    RunEnded {
        /// How.
        phase: Phase,
        /// What it ended of, where it failed.
        cause: Option<Box<Finding>>,
    },
    /// Whoever started the watch has ended it: the run goes on.
    Interrupted,
}

impl Ending {
    /// The exit code.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::RunEnded { phase: Phase::Finished | Phase::Ended, .. }
            | Self::RunEnded { phase: Phase::Stopped, cause: None }
            | Self::HandedOver(_)
            | Self::Interrupted => 0,
            Self::Critical(_) | Self::RunEnded { .. } => Severity::Critical.exit_code(),
        }
    }
}

/// Whether the phase ends with this look, and how. Who stays goes on after something critical, and hands
/// over with it open.
pub(super) fn ending(
    context: &Context<'_>,
    state: &State,
    decision: &Decision,
    stays: bool,
) -> Option<Ending> {
    let watch = context.attended?;
    // A run that is about to be started again begins its phase again.
    if state.orders.pending.iter().any(|order| matches!(order.action, Action::Restart(_))) {
        return None;
    }
    let critical = decision.findings.iter().filter(|finding| {
        let open = matches!(finding.state, Standing::New | Standing::Ongoing);
        open && finding.severity == Severity::Critical && finding.acknowledged.is_none()
    });
    let first = critical.clone().next().map(|finding| Box::new(finding.clone()));
    if state.phase.is_over() {
        let held = state.memory.held.as_ref();
        let blamed = |finding: &&Finding| held.is_some_and(|held| held.is_because_of(&finding.syndrome));
        let blamed = decision.findings.iter().find(blamed).map(|finding| Box::new(finding.clone()));
        return Some(Ending::RunEnded { phase: state.phase, cause: blamed.or(first) });
    }
    let progress = watch.progress(&state.memory.numbers);
    let long = watch.lasted(context.now) >= context.config.training.phase1_max;
    let enough = progress.is_complete() || long;
    // Of several the newest: the others were told when they were.
    let settled = critical.filter(|finding| is_settled(context, state, finding));
    let settled = settled.min_by_key(|finding| Reverse(finding.since));
    match settled {
        Some(finding) if !(stays && enough && is_told(finding)) => {
            Some(Ending::Critical(Box::new(finding.clone())))
        }
        // What is critical and not settled yet is waited for.
        None if first.is_some() => None,
        _ => enough.then_some(Ending::HandedOver(progress)),
    }
}

/// Whether an earlier look found it, and told it.
fn is_told(finding: &Finding) -> bool {
    finding.state == Standing::Ongoing
}

/// Whether a critical finding is there to stay: one NaN of a scaler and a caught exception are not.
fn is_settled(context: &Context<'_>, state: &State, finding: &Finding) -> bool {
    match finding.check.as_str() {
        nan::NAME => nan::is_certain(context, &state.memory),
        words::NAME => {
            let known = context.look.process.known();
            let gone = known.is_some_and(ProcessFacts::has_ended);
            gone || (context.now.wall - finding.since).as_seconds_f64() >= WORDS_S
        }
        _ => true,
    }
}
