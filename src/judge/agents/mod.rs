//! Check `agents`: whether those who drive the runs live, work, or wait for somebody.
//!
//! Of `agent_dead`, `waiting_for_input`, `agent_silent` and `agent_unknown` at most one holds: the fact
//! that explains the others. What is not known leaves what was known open.

mod beat;
mod pane;
mod prompt;
mod screen;

use super::say::span;
use crate::clock::Reading;
use crate::config::{Agent, AgentKind, SessionSpec};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::agents::{AgentFacts, Missing, PaneKey};
use crate::observe::process::Identity;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Its name.
pub const NAME: &str = "agents";

const DEAD: &str = "agent_dead";
const WAITS: &str = "waiting_for_input";
const SILENT: &str = "agent_silent";
const UNKNOWN: &str = "agent_unknown";
const FAILING: &str = "agent_failing";
const RENAMED: &str = "agent_renamed";
/// Those of which at most one holds.
const STANDS: [&str; 4] = [DEAD, WAITS, SILENT, UNKNOWN];

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct AgentContext<'a> {
    /// The agent.
    pub agent: &'a Agent,
    /// What was seen of it; absent where nothing was asked this time.
    pub facts: &'a Observation<AgentFacts>,
    /// The clocks of this patrol.
    pub now: &'a Reading,
    /// The clocks of the previous patrol of this agent.
    pub previous: Option<&'a Reading>,
    /// Since when it is under guard.
    pub since: DateTime<Utc>,
}

/// What is remembered of an agent between patrols. Bounded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentMemory {
    /// It was seen alive: that it is not there is its end, and not a wrong name.
    seen: bool,
    /// Where it stood.
    state: AgentState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pane: Option<pane::PaneMemory>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Identity>,
    #[serde(skip_serializing_if = "Option::is_none")]
    asked: Option<Asked>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    beats: Vec<beat::Sample>,
}

/// When an agent was asked last, and how that went.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Asked {
    at: DateTime<Utc>,
    good: bool,
}

impl AgentMemory {
    /// The pane that was the agent's, for finding it under another name.
    pub fn pane(&self) -> Option<&PaneKey> {
        self.pane.as_ref().map(|pane| &pane.key)
    }

    /// The process that was the agent's.
    pub fn process(&self) -> Option<&Identity> {
        self.process.as_ref()
    }

    /// Whether it is time to ask: an answer that was not good is asked for again at once.
    pub fn is_due(&self, now: DateTime<Utc>, interval: Duration) -> bool {
        let rests = |asked: &Asked| {
            let age = (now - asked.at).to_std().unwrap_or_default();
            asked.good && asked.at <= now && age < interval
        };
        !self.asked.as_ref().is_some_and(rests)
    }
}

/// Where an agent stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentState {
    /// It puts out, beats or has answered.
    Working,
    /// It lives; whether it works was not asked.
    Alive,
    /// Nobody asks it.
    NotProbed,
    /// It has put nothing out, sent no beat or given no good answer for too long.
    Silent,
    /// It waits for somebody to press a key.
    WaitingForInput,
    /// It is not there any more.
    Dead,
    /// It could not be looked at.
    #[default]
    Unknown,
}

impl AgentState {
    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::Alive => "alive",
            Self::NotProbed => "not_probed",
            Self::Silent => "silent",
            Self::WaitingForInput => "waiting_for_input",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        }
    }
}

/// What was made of an agent.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Where it stands.
    pub state: AgentState,
    /// The same in a few words, for people.
    pub says: String,
    /// When it last put something out or beat, where that is known.
    pub last_output: Option<DateTime<Utc>>,
    /// What is thought of it.
    pub opinions: Vec<Opinion>,
}

impl Judged {
    fn new(state: AgentState, says: impl Into<String>) -> Self {
        Self { state, says: says.into(), last_output: None, opinions: Vec::new() }
    }

    fn at(mut self, last: DateTime<Utc>) -> Self {
        self.last_output = Some(last);
        self
    }

    /// It is not well, and this is what to tell; its sentence stands for it.
    fn claims(mut self, claim: Claim) -> Self {
        self.says.clone_from(&claim.message);
        self.opinions.push(claim.holds());
        self
    }
}

impl From<Judged> for super::wards::Judged {
    fn from(judged: Judged) -> Self {
        let Judged { state, says, last_output, opinions } = judged;
        Self { state: state.word(), says, last_output, figures: std::collections::BTreeMap::new(), opinions }
    }
}

/// Judges one agent.
pub fn check(context: &AgentContext<'_>, memory: &mut AgentMemory) -> Judged {
    let mut judged = match context.facts {
        Observation::Absent => rests(context, memory),
        Observation::Failed { why } => context.unknown(why),
        Observation::Known(facts) => match facts {
            AgentFacts::Pane(facts) => pane::check(context, facts, memory),
            AgentFacts::Beat(facts) => beat::check(context, facts, memory),
            AgentFacts::Missing { what: Missing::File, why } => beat::missing(context, why, memory),
            AgentFacts::Missing { what: Missing::Server, why } if !memory.seen => {
                let hint = "; if one runs elsewhere, say where with `socket:`";
                context.unknown(&format!("{why}{hint}"))
            }
            AgentFacts::Missing { what, why } => context.dead(*what, why),
            AgentFacts::Alive { what, identity } => {
                memory.seen = true;
                memory.process.clone_from(identity);
                Judged::new(AgentState::Alive, what.clone())
            }
            AgentFacts::Answer { good, said } => answered(context, *good, said, memory),
            AgentFacts::NoAnswer { why } => match &context.agent.kind {
                AgentKind::Session(_) => context.unknown(why),
                _ => answered(context, false, why, memory),
            },
        },
    };
    memory.state = judged.state;
    let asked = *context.facts != Observation::Absent;
    if asked && judged.state != AgentState::Unknown {
        let why = format!("{} is {}: {}", context.agent.name, judged.state.word(), judged.says);
        let held: Vec<&str> = STANDS.into_iter().filter(|syndrome| !judged.holds(syndrome)).collect();
        judged
            .opinions
            .extend(held.into_iter().map(|syndrome| Opinion::Well(subject(syndrome), why.clone())));
    }
    judged
}

impl Judged {
    fn holds(&self, syndrome: &str) -> bool {
        let holds = |opinion: &Opinion| matches!(opinion, Opinion::Holds(claim) if claim.subject.syndrome == syndrome);
        self.opinions.iter().any(holds)
    }
}

fn subject(syndrome: &str) -> Subject {
    Subject::new(NAME, syndrome)
}

fn claim(syndrome: &str, severity: Severity, message: String, advice: &str) -> Claim {
    Claim::new(subject(syndrome), Scope::Surroundings, severity, message, advice)
}

/// An agent of which nothing was asked this time.
fn rests(context: &AgentContext<'_>, memory: &AgentMemory) -> Judged {
    match (&context.agent.kind, &memory.asked) {
        (AgentKind::Stateless(None), _) => Judged::new(AgentState::NotProbed, "not probed"),
        (_, Some(asked)) => {
            let ago = span((context.now.wall - asked.at).as_seconds_f64());
            Judged::new(memory.state, format!("answered {ago} ago")).at(asked.at)
        }
        _ => Judged::new(memory.state, "not asked this time"),
    }
}

fn answered(context: &AgentContext<'_>, good: bool, said: &str, memory: &mut AgentMemory) -> Judged {
    let now = context.now.wall;
    memory.asked = Some(Asked { at: now, good });
    if matches!(context.agent.kind, AgentKind::Session(SessionSpec::Command(_))) {
        if !good {
            return context.dead(Missing::Session, said);
        }
        memory.seen = true;
        return Judged::new(AgentState::Alive, "its command says that it lives");
    }
    if good {
        return Judged::new(AgentState::Working, format!("answered '{said}'")).at(now);
    }
    Judged::new(AgentState::Silent, said).claims(claim(
        SILENT,
        Severity::Warning,
        format!("agent {} does not answer its probe: {said}", context.agent.name),
        "Type the probe's command yourself: a login, a quota or the network may have ended; each patrol asks again until the answer is good",
    ))
}

impl AgentContext<'_> {
    fn unknown(&self, why: &str) -> Judged {
        Judged::new(AgentState::Unknown, why).claims(claim(
            UNKNOWN,
            Severity::Unknown,
            format!("cannot tell whether agent {} is well: {why}", self.agent.name),
            "Look by hand, as the user that the patrol runs as",
        ))
    }

    fn dead(&self, what: Missing, why: &str) -> Judged {
        let advice = match what {
            Missing::Server | Missing::Session => {
                "Start it again; if its session has another name now, change `target` in the config"
            }
            _ => "Look at its last lines for why it ended, then start it again",
        };
        let message = format!("agent {} is dead: {why}", self.agent.name);
        let claim = claim(DEAD, Severity::Critical, message, advice).with("missing", what.word());
        Judged::new(AgentState::Dead, why).claims(claim)
    }

    /// How long this machine slept since the previous patrol.
    fn asleep(&self) -> TimeDelta {
        let Some(previous) = self.previous.filter(|previous| previous.boot_id == self.now.boot_id) else {
            return TimeDelta::zero();
        };
        let passed = self.now.boottime_s - previous.boottime_s;
        let awake = self.now.monotonic_s - previous.monotonic_s;
        TimeDelta::milliseconds(((passed - awake).max(0.0) * 1000.0) as i64)
    }
}

#[cfg(test)]
mod tests;
