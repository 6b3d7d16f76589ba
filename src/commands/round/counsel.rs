//! A run between its checks and its verdict: where there is a judge, it is asked here.
//!
//! All runs are looked at first. A run about which there is something to tell holds the judge off:
//! whoever waits for an alert does not wait for a model. The next round asks.

use super::attending::Glimpse;
use super::look::Looked;
use super::{Outcome, Round, verdict};
use crate::clock::Reading;
use crate::commands::delivery::DELIVERY_MAX;
use crate::commands::settle;
use crate::config::{Judge, Run};
use crate::consult::{self, Brief, Reply, program};
use crate::error::chain;
use crate::finding::{Opinion, Subject};
use crate::judge::attendance::Attendance;
use crate::judge::{self, Context};
use crate::persist::lock::Lock;
use crate::persist::state::State;
use crate::redact::Redactor;
use std::thread;
use std::time::Duration;

/// Judges that are asked side by side, and in one round: the other runs have their turn at the next.
const AT_ONCE: usize = 4;
/// Share of `--timeout` that is left to keeping, printing and delivery.
const DELIVERY: f64 = 0.2;

/// What a round saw of a run.
struct Sight<'a> {
    run: &'a Run,
    looked: Looked,
    before: Option<Reading>,
    open: Vec<Subject>,
    /// Rows that the run had before.
    rows: u64,
    attended: Option<Attendance>,
}

impl<'a> Sight<'a> {
    fn context(&'a self, round: &'a Round<'_>) -> Context<'a> {
        Context {
            config: round.config,
            run: self.run,
            look: &self.looked.look,
            now: &round.clock.now,
            previous: self.before.as_ref(),
            last_look: round.last,
            open: &self.open,
            attended: self.attended.as_ref(),
        }
    }
}

/// A run whose checks have had their say.
pub(super) struct Checked<'a> {
    sight: Sight<'a>,
    state: State,
    opinions: Vec<Opinion>,
    /// What to ask the judge, and what came of it.
    brief: Option<Brief>,
    reply: Reply,
    _lock: Option<Lock>,
}

/// A run on its way to its verdict.
pub(super) enum Stage<'a> {
    /// It has one, or could not be looked at.
    Over(Box<Outcome>),
    /// Nothing was found, and the judge is to be asked.
    Asks(Box<Checked<'a>>),
}

impl<'a> Stage<'a> {
    /// Judges a run. One about which nobody is to be asked is kept at once.
    pub(super) fn judge(
        round: &Round<'_>,
        run: &'a Run,
        mut state: State,
        looked: Looked,
        lock: Option<Lock>,
    ) -> Self {
        let before = state.last.clone();
        let attended = round.attendance(&mut state);
        let rows = state.memory.numbers.rows;
        let sight = Sight { run, looked, before, open: state.ledger.subjects(), rows, attended };
        let context = sight.context(round);
        let opinions = judge::judge(&context, &mut state.memory);
        // Looks that are seconds apart are none that a model is asked about.
        let asks = round.keep.is_some() && context.attended.is_none();
        let brief = asks.then(|| consult::question(&context, &mut state, &opinions)).flatten();
        let checked = Checked { sight, state, opinions, brief, reply: Reply::Unasked, _lock: lock };
        match checked.brief {
            Some(_) => Self::Asks(Box::new(checked)),
            None => Self::Over(Box::new(checked.conclude(round))),
        }
    }

    fn is_news(&self) -> bool {
        matches!(self, Self::Over(outcome) if !outcome.alerts.is_empty())
    }
}

impl Checked<'_> {
    fn ask(&mut self, judge: &Judge, limit: Option<Duration>) {
        self.reply = match (self.brief.take(), limit) {
            (Some(brief), Some(limit)) => {
                let said = program::ask(judge, &brief.input, limit, &|name| std::env::var_os(name));
                Reply::Asked(brief, said)
            }
            _ => Reply::NoTime,
        };
    }

    /// Decides and keeps.
    fn conclude(self, round: &Round<'_>) -> Outcome {
        let Self { sight, mut state, mut opinions, reply, _lock, .. } = self;
        let context = sight.context(round);
        opinions.extend(consult::hear(&context, &mut state, reply));
        let mut decision = settle(&context, &mut state, opinions);
        let glimpse = Glimpse::of(&context, &state.memory);
        let mut notes: Vec<String> = sight.looked.note.clone().into_iter().collect();
        notes.extend(round.keep_history(&context, &mut state, &decision));
        let refused = round.order(&context, &mut state, &decision, &mut notes);
        decision.alerts.extend(refused);
        let ending = round.close(&context, &mut state, &decision);
        let mut report = verdict::report(&context, &state, &decision);
        if !report.findings.is_empty() {
            // Verdicts go to mails, agents and dashboards, whose readers may not read the log.
            report.redact(&Redactor::of_environment(std::env::vars_os()));
        }
        notes.extend(round.keep_rows(&context, &state, sight.rows));
        let kept = round.keep.map(|keep| round.keep_all(keep, &state, &decision.alerts, sight.looked.mode));
        let trouble = kept.and_then(Result::err).map(|error| chain(&error));
        Outcome {
            report,
            alerts: decision.alerts,
            kept: trouble.is_none(),
            state: Some(Box::new(state)),
            ending,
            glimpse,
            troubles: trouble.into_iter().collect(),
            notes,
            mode: sight.looked.mode,
            busy: false,
        }
    }
}

/// Asks the judge about the runs that wait for it, from the time that is left; and concludes them all.
pub(super) fn conclude(round: &Round<'_>, mut stages: Vec<Stage<'_>>) -> Vec<Outcome> {
    if let Some(judge) = &round.config.judge
        && !stages.iter().any(Stage::is_news)
    {
        let limit = consult::limit(judge, left(round));
        thread::scope(|scope| {
            for checked in turn(&mut stages) {
                // One for which there is no thread is asked by the next round.
                drop(thread::Builder::new().spawn_scoped(scope, move || checked.ask(judge, limit)));
            }
        });
    }
    let outcome = |stage| match stage {
        Stage::Over(outcome) => *outcome,
        Stage::Asks(checked) => checked.conclude(round),
    };
    stages.into_iter().map(outcome).collect()
}

/// Those whose turn it is: who waited longest.
fn turn<'s, 'a>(stages: &'s mut [Stage<'a>]) -> Vec<&'s mut Checked<'a>> {
    let waiting = stages.iter_mut().filter_map(|stage| match stage {
        Stage::Asks(checked) => Some(&mut **checked),
        Stage::Over(_) => None,
    });
    let mut waiting: Vec<_> = waiting.collect();
    waiting.sort_by_key(|checked| checked.state.consult.asked);
    waiting.truncate(AT_ONCE);
    waiting
}

/// What is left of the round's time but for delivery.
pub(super) fn left(round: &Round<'_>) -> Duration {
    let delivery = round.common.timeout.mul_f64(DELIVERY).min(DELIVERY_MAX);
    round.common.timeout.saturating_sub(delivery).saturating_sub(round.clock.elapsed())
}
