//! What is to be done about what was found: from findings, the user's `actions` and what was done
//! before to orders. Pure; [`crate::act`] carries them out.
//!
//! An order's id comes from the alert that opened its finding, so that a killed patrol's repetition
//! gives the same one. It is kept in the state before it is carried out and stays there until its
//! outcome was told.

mod order;
mod word;

pub use order::{Cause, NAME, Order, Refusal, told};

use super::alert::{self, Transition};
use super::ledger::{Ledger, Open};
use crate::config::actions::{GRACE, Hold};
use crate::config::{Action, Actions, NanAction};
use crate::finding::{Finding, Severity, Standing};
use crate::judge::{self, Context, Memory, nan, words};
use crate::observe::Observation;
use crate::observe::process::{Found, Identity, Life};
use crate::playbook;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Orders that wait at most: one patrol gives one for the process and one for each program.
const PENDING_MAX: usize = 16;
/// Ids of orders that are remembered: twice what may be open.
const GIVEN_MAX: usize = 256;
/// The span in which restarts are counted (the contract's).
const DAY: TimeDelta = TimeDelta::days(1);
/// Pause before the second restart within a day; each further one is four times as long. What comes
/// and goes (a node's network, a server's restart) is gone by then or needs a person.
const BACK_OFF: TimeDelta = TimeDelta::minutes(1);
const BACK_OFF_FACTOR: i32 = 4;

/// The orders of a run between patrols. Bounded; part of a run's state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Orders {
    /// Given, and not known to be carried out.
    pub pending: Vec<Order>,
    /// Ids that were given or refused, the latest last.
    given: Vec<String>,
    /// Restarts of the last day.
    restarts: Vec<DateTime<Utc>>,
}

/// How the run was launched, where trainguard did it.
#[derive(Debug, Clone, PartialEq)]
pub struct Launch {
    /// Its process.
    pub process: Identity,
    /// That process lives.
    pub lives: bool,
    /// Its environment is recorded.
    pub environment: bool,
}

/// What giving orders rests on.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The look.
    pub context: &'a Context<'a>,
    /// What the checks remember after it.
    pub memory: &'a Memory,
    /// How it was launched.
    pub launch: Option<&'a Launch>,
}

/// What was decided.
#[derive(Debug, Default)]
pub struct Given {
    /// To be done now.
    pub orders: Vec<Order>,
    /// Not to be done.
    pub refused: Vec<Refusal>,
}

/// Where the run's process is.
enum Standpoint<'a> {
    Lives(Identity, Option<&'a Life>),
    Gone,
    Unknown(String),
}

/// How far an order got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// Nobody began it.
    Nothing,
    /// Of a restart: the run was ended, and is not started yet.
    Half,
    /// Somebody began it, and it is completed.
    Whole,
}

/// Whether a run ended because a person pressed Ctrl-C, here or at `trainguard launch`.
fn is_a_persons_end(finding: &Finding) -> bool {
    let is = |name: &str, value: serde_json::Value| finding.evidence.get(name) == Some(&value);
    is("signal", "SIGINT".into()) || is("exit_code", 130.into())
}

impl Orders {
    /// Takes back what was ordered and is not to be done any more: what it was ordered for is over or
    /// somebody has taken it, or another process runs than the one that was meant. What was `begun` is
    /// completed whatever became of its cause. Returns what was taken back.
    pub fn take_back(
        &mut self,
        findings: &[Finding],
        facts: &Facts<'_>,
        begun: impl Fn(&Order) -> Begun,
    ) -> Vec<Order> {
        let living = facts.context.living().map(|life| &life.identity);
        let stays = |order: &Order| {
            let stands = |finding: &Finding| finding.syndrome == order.cause.syndrome && finding.counts();
            let other = living.is_some() && living != order.target.as_ref();
            // What a person ordered rests on no finding.
            match begun(order) {
                _ if order.cause.finding.is_null() => true,
                Begun::Whole => true,
                // The run was ended for it: only somebody else's start makes the second half needless.
                Begun::Half => !other,
                Begun::Nothing => findings.iter().any(stands) && !(other && order.action.is_of_the_process()),
            }
        };
        let (kept, dropped) = std::mem::take(&mut self.pending).into_iter().partition(stays);
        self.pending = kept;
        dropped
    }

    /// Nothing was ordered yet: the state need not say so.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }

    /// Gives orders about what was found. At most one of a patrol is about the process.
    pub fn give(&mut self, findings: &[Finding], ledger: &Ledger, facts: &Facts<'_>) -> Given {
        let now = facts.context.now.wall;
        self.restarts.retain(|at| now - *at < DAY);
        let mut given = Given::default();
        if !facts.context.config.trusted || facts.context.last_look {
            return given;
        }
        let place = standpoint(facts);
        let mut process = self.pending.iter().any(|order| order.action.is_of_the_process());
        let open = findings.iter().filter(|finding| {
            matches!(finding.state, Standing::New | Standing::Ongoing) && finding.acknowledged.is_none()
        });
        for finding in open {
            let Some(action) = rule(finding, facts, &place) else { continue };
            let Some(open) = open_of(finding, ledger, facts) else { continue };
            if !is_of_this_process(open, facts, &place) {
                continue;
            }
            if finding.syndrome == nan::SYNDROME
                && !matches!(action, Action::Command(_))
                && !nan::is_certain(facts.context, facts.memory)
            {
                continue;
            }
            let is_program = matches!(action, Action::Command(_));
            if !is_program && process {
                continue;
            }
            match self.order(finding, &action, open, facts, &place, findings) {
                Some(Ok(order)) => {
                    process |= !is_program;
                    given.orders.push(order);
                }
                // Several findings of one death are refused the same for the same reason: once.
                Some(Err(refusal)) => {
                    let same = |other: &Refusal| (other.action, &other.why) == (refusal.action, &refusal.why);
                    if !given.refused.iter().any(same) {
                        given.refused.push(refusal);
                    }
                }
                None => {}
            }
        }
        given
    }

    /// Keeps what was decided.
    pub fn keep(&mut self, given: &Given) {
        for order in &given.orders {
            if matches!(order.action, Action::Restart(_)) {
                self.restarts.push(order.given);
            }
            self.given.push(order.id.clone());
            self.pending.push(order.clone());
        }
        self.given
            .extend(given.refused.iter().filter(|refusal| refusal.is_new).map(|refusal| refusal.id.clone()));
        let excess = self.given.len().saturating_sub(GIVEN_MAX);
        self.given.drain(..excess);
        let excess = self.pending.len().saturating_sub(PENDING_MAX);
        self.pending.drain(..excess);
    }

    fn order(
        &self,
        finding: &Finding,
        action: &Action,
        open: &Open,
        facts: &Facts<'_>,
        place: &Standpoint<'_>,
        findings: &[Finding],
    ) -> Option<Result<Order, Refusal>> {
        let now = facts.context.now.wall;
        let alert = opening(open, facts);
        let opening = match open.again {
            None => alert.clone(),
            Some((attempt, _)) => alert::id(&["again", &alert, &attempt.to_string()]),
        };
        // A restart may be ordered again for the same finding: the run died again before it got on.
        let id_of = |number: &str| alert::id(&["order", &opening, action.word(), number]);
        let mut earlier = 0_usize;
        while matches!(action, Action::Restart(_)) && self.given.contains(&id_of(&earlier.to_string())) {
            earlier += 1;
        }
        let id =
            id_of(&if matches!(action, Action::Restart(_)) { earlier.to_string() } else { String::new() });
        let refuse = |why: String| {
            let id = alert::id(&["refused", &opening, action.word()]);
            let is_new = !self.given.contains(&id);
            Some(Err(Refusal { is_new, action: action.word(), cause: cause(finding, facts), why, id }))
        };
        if self.given.contains(&id) {
            return None;
        }
        let target = match (action, place) {
            (_, Standpoint::Unknown(why)) if action.is_of_the_process() => return refuse(why.clone()),
            (Action::Restart(_), Standpoint::Lives(..)) if earlier > 0 => return None,
            (Action::Alert, _) | (Action::Stop { .. } | Action::Pause(_), Standpoint::Gone) => return None,
            (_, Standpoint::Lives(identity, _)) => Some(identity.clone()),
            (_, Standpoint::Gone | Standpoint::Unknown(_)) => None,
        };
        let mut count = None;
        if let Action::Restart(restart) = action {
            if facts.memory.end.is_some() {
                return None;
            }
            if is_a_persons_end(finding) {
                return refuse("somebody ended it with Ctrl-C (SIGINT)".to_owned());
            }
            if let Some((syndrome, why)) = hopeless(findings) {
                return refuse(format!("a restart repeats {syndrome}: {why}"));
            }
            let done = self.restarts.len() as u32;
            if done >= restart.max_restarts {
                let times = if done == 1 { "once".to_owned() } else { format!("{done} times") };
                return refuse(format!(
                    "it was restarted {times} within a day, and max_restarts is {}",
                    restart.max_restarts
                ));
            }
            if restart.command.is_none() {
                match facts.launch {
                    None => return refuse(NOT_LAUNCHED.to_owned()),
                    Some(launch) if !launch.environment => return refuse(NO_ENVIRONMENT.to_owned()),
                    // What was launched still runs though the process that is looked for has ended: it
                    // may be about to start the next by itself.
                    Some(launch) if launch.lives && target.is_none() => return None,
                    Some(_) => {}
                }
            }
            let last = self.restarts.iter().copied().max();
            if last.is_some_and(|last| now - last < back_off(done)) {
                return None;
            }
            count = Some((done + 1, restart.max_restarts));
        }
        let cause = cause(finding, facts);
        let run = facts.context.run.name.clone();
        Some(Ok(Order { id, run, alert, given: now, action: action.clone(), target, cause, count }))
    }
}

const NOT_LAUNCHED: &str = "how to start it is not known: it was not started by `trainguard launch`, and the rule names no command (restart: [program, …])";
const NO_ENVIRONMENT: &str = "its environment was not recorded when it was launched, and without it another program would start: launch it once more now that a restart is configured, or name a command (restart: [program, …])";

/// How long the last of so many restarts has to be over.
fn back_off(restarts: u32) -> TimeDelta {
    match restarts {
        0 => TimeDelta::zero(),
        n => (1..n).try_fold(BACK_OFF, |wait, _| wait.checked_mul(BACK_OFF_FACTOR)).unwrap_or(DAY).min(DAY),
    }
}

/// What is to be done about a finding: the user's rule, else what a non-finite loss leads to.
fn rule(finding: &Finding, facts: &Facts<'_>, place: &Standpoint<'_>) -> Option<Action> {
    let actions: &Actions = &facts.context.run.actions;
    let own = actions.of_syndrome(&finding.syndrome);
    let by_severity = actions.of(&finding.syndrome, finding.severity);
    let action = if finding.syndrome == nan::SYNDROME && own.is_none() {
        let setting = facts.context.config.training.loss_nan_action;
        let launched = matches!((place, facts.launch), (Standpoint::Lives(process, _), Some(launch)) if launch.process == *process);
        match setting.value {
            // The user's word stands before a default.
            _ if !setting.by_user && by_severity.is_some() => by_severity.cloned(),
            _ if !setting.by_user && !launched => None,
            NanAction::Alert => by_severity.cloned().filter(|_| !setting.by_user),
            NanAction::Stop => Some(Action::Stop { grace: GRACE }),
            NanAction::Pause => Some(Action::Pause(Hold::Freeze)),
        }
    } else {
        by_severity.cloned()
    };
    action.filter(|action| *action != Action::Alert)
}

/// A trouble of an attempt is that of the process that lived when it opened: whoever was started
/// after it is not to blame. What the log held when the process was first seen is nobody's for sure:
/// what it says counts once more of it was read.
fn is_of_this_process(open: &Open, facts: &Facts<'_>, place: &Standpoint<'_>) -> bool {
    let Standpoint::Lives(process, life) = place else { return true };
    let check = open.subject.check.as_str();
    if !judge::is_of_the_attempt(check) {
        return true;
    }
    let since = open.again.map_or(open.since, |(_, since)| since);
    if life.is_some_and(|life| life.started > since) {
        return false;
    }
    let own = &facts.memory.own;
    let is_hit = [nan::NAME, words::NAME].contains(&check);
    !judge::is_of_what_was_read(check)
        || (open.read.is_some_and(|read| own.is_read_of(process, read)) && (is_hit || own.rows > 0))
}

fn standpoint<'a>(facts: &Facts<'a>) -> Standpoint<'a> {
    match &facts.context.look.process {
        Observation::Known(known) => match &known.found {
            Found::Process(life) if life.has_ended() => Standpoint::Gone,
            Found::Process(life) => Standpoint::Lives(life.identity.clone(), Some(life)),
            Found::Gone { .. } => Standpoint::Gone,
            Found::Ambiguous { .. } => {
                Standpoint::Unknown(format!("{}: several unrelated processes", known.how))
            }
        },
        Observation::Failed { why } => Standpoint::Unknown(why.clone()),
        Observation::Absent => match facts.launch {
            Some(launch) if launch.lives => Standpoint::Lives(launch.process.clone(), None),
            Some(_) => Standpoint::Gone,
            None => Standpoint::Unknown(
                "no process of the run is known: give its pid, pid file or pattern (process: in the config)"
                    .to_owned(),
            ),
        },
    }
}

/// What the ledger keeps of a finding; none where it is beyond what is kept open.
fn open_of<'a>(finding: &Finding, ledger: &'a Ledger, facts: &Facts<'_>) -> Option<&'a Open> {
    let run = &facts.context.run.name;
    let key = |open: &&Open| {
        format!("{run}/{}", Open::key(&open.subject, open.scope, open.attempt)) == finding.signature
    };
    ledger.open.iter().find(key)
}

/// The id of the alert that opened a finding.
fn opening(open: &Open, facts: &Facts<'_>) -> String {
    let of = open.subject.of.as_deref().unwrap_or("");
    let opened = Transition::Opened.word();
    let run = &facts.context.run.name;
    alert::id(&[run, &open.subject.check, &open.subject.syndrome, of, opened, "", &open.occasion])
}

/// A failure among the findings that the next start repeats.
fn hopeless(findings: &[Finding]) -> Option<(&str, &'static str)> {
    let open = findings.iter().filter(|finding| matches!(finding.state, Standing::New | Standing::Ongoing));
    let mut critical = open.filter(|finding| finding.severity == Severity::Critical);
    critical.find_map(|finding| Some((finding.syndrome.as_str(), playbook::repeats(&finding.syndrome)?)))
}

fn cause(finding: &Finding, facts: &Facts<'_>) -> Cause {
    Cause {
        syndrome: finding.syndrome.clone(),
        severity: finding.severity,
        message: finding.message.clone(),
        step: facts.memory.numbers.printed_step(),
        finding: serde_json::to_value(finding).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
