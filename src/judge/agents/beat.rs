//! An agent that writes a heartbeat: is it fresh, and how many of its requests fail.

use super::{AgentContext, AgentMemory, AgentState, FAILING, Judged, SILENT, claim, subject};
use crate::config::{AgentKind, Heartbeat};
use crate::finding::{Opinion, Severity};
use crate::judge::say::span;
use crate::observe::agents::{BeatFacts, Counts};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Clocks of two machines differ by less.
const AHEAD: TimeDelta = TimeDelta::minutes(2);
/// Errors are counted over this long where patrols are closer together.
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// A share of fewer requests says nothing.
const REQUESTS_MIN: u64 = 10;
/// Samples that are kept: a patrol a minute over the window, and some.
const SAMPLES: usize = 64;

/// Counters as one patrol saw them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sample {
    at: DateTime<Utc>,
    counts: Counts,
}

fn spec<'a>(context: &AgentContext<'a>) -> Option<&'a Heartbeat> {
    match &context.agent.kind {
        AgentKind::Heartbeat(spec) => Some(spec),
        _ => None,
    }
}

pub(super) fn check(context: &AgentContext<'_>, facts: &BeatFacts, memory: &mut AgentMemory) -> Judged {
    let Some(spec) = spec(context) else { return context.unknown("it has no heartbeat any more") };
    let now = context.now.wall;
    let (name, path) = (&context.agent.name, &facts.path);
    if facts.at - now > AHEAD {
        let ahead = span((facts.at - now).as_seconds_f64());
        return context.unknown(&format!("its last beat in {path} is {ahead} in the future"));
    }
    memory.seen = true;
    let age = now - facts.at;
    let limit = spec.max_age;
    let mut judged = if age.to_std().is_ok_and(|age| age > limit) {
        silent(context, age, &format!("has sent no heartbeat to {path}"))
    } else {
        Judged::new(AgentState::Working, format!("last beat {} ago", span(age.as_seconds_f64())))
    };
    judged.opinions.extend(errors(name, spec, facts.counts, now, memory));
    judged.at(facts.at)
}

/// A heartbeat that is not there: one that never was is waited for as long as one that is late.
pub(super) fn missing(context: &AgentContext<'_>, why: &str, memory: &AgentMemory) -> Judged {
    let Some(spec) = spec(context) else { return context.unknown("it has no heartbeat any more") };
    let waited = context.now.wall - context.since;
    if memory.seen {
        let message = format!("the heartbeat of agent {} is gone: {why}", context.agent.name);
        let advice = "Look whether the agent still runs, and who removed the file";
        return Judged::new(AgentState::Silent, "").claims(claim(SILENT, Severity::Warning, message, advice));
    }
    if waited.to_std().is_ok_and(|waited| waited > spec.max_age) {
        return silent(context, waited, &format!("has never sent a heartbeat ({why}), watched"));
    }
    context.unknown(&format!("{why} yet"))
}

fn silent(context: &AgentContext<'_>, age: TimeDelta, what: &str) -> Judged {
    let limit = spec(context).map_or(0.0, |spec| spec.max_age.as_secs_f64());
    let message = format!(
        "agent {} {what} for {} (limit {})",
        context.agent.name,
        span(age.as_seconds_f64()),
        span(limit)
    );
    let advice = format!(
        "Look whether it still runs; it beats with `trainguard heartbeat {}`, or by writing the file",
        context.agent.name
    );
    let claim = claim(SILENT, Severity::Warning, message, &advice)
        .with("quiet_s", age.num_seconds())
        .with("limit_s", limit);
    Judged::new(AgentState::Silent, "").claims(claim)
}

/// The share of requests that failed between two patrols an hour or more apart. What was counted before
/// the first patrol is history.
fn errors(
    name: &str,
    spec: &Heartbeat,
    counts: Option<Counts>,
    now: DateTime<Utc>,
    memory: &mut AgentMemory,
) -> Option<Opinion> {
    let well = |why: &str| Some(Opinion::Well(subject(FAILING), why.to_owned()));
    let Some(most) = spec.error_rate_max else { return well("errors are no longer judged") };
    let counts = counts?;
    // Counters that fell are those of a writer that began anew.
    if memory.beats.last().is_some_and(|last| last.counts.requests > counts.requests) {
        memory.beats.clear();
        memory.beats.push(Sample { at: now, counts: Counts { requests: 0, errors: 0 } });
    }
    // The last one from before the window is where it begins.
    let outside = memory.beats.iter().filter(|sample| now - sample.at >= WINDOW).count();
    memory.beats.drain(..outside.saturating_sub(1));
    let first = memory.beats.first().copied();
    memory.beats.push(Sample { at: now, counts });
    if memory.beats.len() > SAMPLES {
        memory.beats.remove(1);
    }
    let first = first?;
    let requests = counts.requests - first.counts.requests;
    let errors = counts.errors.saturating_sub(first.counts.errors);
    if requests < REQUESTS_MIN {
        return None;
    }
    let rate = errors as f64 / requests as f64;
    if rate <= most {
        return well(&format!("{errors} of its last {requests} requests failed"));
    }
    let message = format!(
        "{errors} of {requests} requests of agent {name} failed in the last {} ({:.0} %, limit {:.0} %)",
        span((now - first.at).as_seconds_f64()),
        rate * 100.0,
        most * 100.0
    );
    let advice =
        "Look at what the agent's requests are answered with: a quota, a login, or the service itself";
    let claim = claim(FAILING, Severity::Warning, message, advice);
    Some(claim.with("error_rate", rate).with("requests", requests).with("errors", errors).holds())
}
