//! Check `log`: whether the log could be read, and all of it.

use super::say::size;
use super::{Context, Memory, words};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::digest::Likely;
use crate::observe::log::LogFacts;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Its name.
pub const NAME: &str = "log";
/// Files or gaps that one message names.
const NAMED: usize = 3;

/// Records without a row that are enough to tell of a log that is complete,
const RECORDS: u64 = 300;
/// and of one that goes on: configurations, the program's own source and a model's layers fill some
/// thousand lines before the first step.
const RECORDS_GOING_ON: u64 = 2000;
/// Looks that brought some, unless it is the last one: the first step may follow right behind the first.
const LOOKS: u32 = 2;
/// How long it may take to make its log: logging is set up after the imports.
const MAKING: Duration = Duration::from_mins(1);
/// How long a run that is attended may print without a number.
const ATTENDED: Duration = Duration::from_mins(10);

/// What of the log was understood.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogMemory {
    /// Records so far, and looks that brought some, of a log without a row.
    records: u64,
    looks: u32,
    /// Those that look most like metrics.
    likely: Vec<Likely>,
}

impl LogMemory {
    /// Whether there is nothing to remember: rows were found, or nothing was read.
    pub(super) fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}

/// `log_missing`, `log_gap`, `backlog`, `no_metrics` and `probe_timeout`.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let mut opinions = match &context.look.log {
        Observation::Absent => Vec::new(),
        // Told as `probe_timeout`.
        Observation::Failed { why } if context.look.stuck.iter().any(|stuck| stuck.explains(why)) => {
            Vec::new()
        }
        // The log of a run that is over may be put away.
        Observation::Failed { .. } if memory.end.is_some() => {
            vec![Opinion::Well(Subject::new(NAME, "log_missing"), "the run is over".to_owned())]
        }
        Observation::Failed { .. } if is_starting(context) => Vec::new(),
        Observation::Failed { why } => vec![missing(why.clone())],
        Observation::Known(facts) => read(facts).into_iter().chain(understood(context, memory)).collect(),
    };
    let stuck = &context.look.stuck;
    let over = context.open.iter().filter(|open| open.check == NAME && open.syndrome == "probe_timeout");
    let over = over.filter(|open| !stuck.iter().any(|stuck| open.of.as_ref() == Some(&stuck.what)));
    opinions.extend(over.map(|open| Opinion::Well(open.clone(), "it answers again".to_owned())));
    opinions.extend(stuck.iter().map(|stuck| {
        let since = stuck.since.format("%Y-%m-%d %H:%M UTC");
        let message = format!("no answer from the probe of {} (stuck since {since}, pid {})", stuck.what, stuck.pid);
        let advice = "A file system or driver hangs: try `ls` there in another shell, look at dmesg and the mount; no second probe is started while this one hangs";
        let subject = Subject::new(NAME, "probe_timeout").of(stuck.what.clone());
        Claim::new(subject, Scope::Surroundings, Severity::Unknown, message, advice).holds()
    }));
    opinions
}

/// Whether the process of a run that is attended lives and has had no time to make its log.
fn is_starting(context: &Context<'_>) -> bool {
    let young = context.attended.is_some_and(|watch| watch.lasted(context.now) < MAKING);
    young && context.living().is_some() && context.look.digest.numbers.rows == 0
}

fn read(facts: &LogFacts) -> Vec<Opinion> {
    let mut opinions = Vec::new();
    if facts.unreadable.is_empty() {
        opinions.push(Opinion::Well(Subject::new(NAME, "log_missing"), "the log can be read".to_owned()));
    } else {
        let named = facts.unreadable.iter().map(|(path, why)| format!("{}: {why}", path.display()));
        let total = facts.unreadable.len() + facts.files.len();
        opinions.push(missing(format!(
            "{} of {total} log files cannot be read: {}",
            facts.unreadable.len(),
            some(named)
        )));
    }
    let gap = Subject::new(NAME, "log_gap");
    if facts.gaps.is_empty() {
        opinions.push(Opinion::Well(gap, "nothing was lost since".to_owned()));
    } else {
        let named = facts.gaps.iter().map(|gap| format!("{}: {}", gap.path.display(), gap.why));
        let advice = "What stood there was never judged: keep rotated logs beside the log (name.1, name.1.gz) until the next patrol";
        opinions.push(Claim::new(gap, Scope::Surroundings, Severity::Info, some(named), advice).holds());
    }
    let backlog = Subject::new(NAME, "backlog");
    if facts.backlog_bytes == 0 {
        opinions.push(Opinion::Well(backlog, "the log is read to its end".to_owned()));
    } else {
        let message = format!(
            "{} of the log are still to be read; the next patrol goes on there",
            size(facts.backlog_bytes)
        );
        let advice = "Patrol again, or give more --timeout: what is said so far holds for what was read";
        let claim = Claim::new(backlog, Scope::Surroundings, Severity::Info, message, advice);
        opinions.push(claim.with("bytes", facts.backlog_bytes).holds());
    }
    opinions
}

/// A log that is read and says nothing that is understood: its silence is no health.
fn understood(context: &Context<'_>, memory: &mut Memory) -> Option<Opinion> {
    let digest = &context.look.digest;
    let subject = Subject::new(NAME, "no_metrics");
    if digest.numbers.rows + digest.numbers.other_rows > 0 {
        memory.log = LogMemory::default();
        return Some(Opinion::Well(subject, "metrics are found in the log".to_owned()));
    }
    if let Some(path) = &digest.binary {
        let message =
            format!("{} is a binary file, not a log: there is nothing to read in it", path.display());
        let advice = "Give the file that the training's standard output and error go to";
        return Some(Claim::new(subject, Scope::Surroundings, Severity::Unknown, message, advice).holds());
    }
    let log = &mut memory.log;
    log.records += digest.records;
    log.looks += u32::from(digest.records > 0);
    Likely::merge(&mut log.likely, digest.likely.iter().cloned());
    // A run that failed before its first step has said what is wrong with it.
    let failed = !digest.hits.is_empty() || context.open.iter().any(|open| open.check == words::NAME);
    let least = if context.last_look { RECORDS } else { RECORDS_GOING_ON };
    // Looks that are seconds apart see a start-up that prints for minutes: there it takes time as well.
    let early = context.attended.is_some_and(|watch| watch.lasted(context.now) < ATTENDED);
    let enough = log.records >= least && (log.looks >= LOOKS && !early || context.last_look);
    if failed || !enough || memory.end.is_some() {
        return None;
    }
    let shows = !context.is_open(NAME, "no_metrics");
    Some(not_understood(subject, &memory.log, shows))
}

/// The lines are shown where it is news (`shows`).
fn not_understood(subject: Subject, log: &LogMemory, shows: bool) -> Opinion {
    let message = format!("no metrics are understood in {} lines of the log", log.records);
    let advice = match log.likely.first() {
        Some(likely) => format!(
            "`trainguard metrics LOG` shows what is understood. If one of the lines below carries the loss, teach its name in the config: `metrics: {{aliases: {{{:?}: loss}}}}`; otherwise give the file that the training's output goes to",
            likely.name
        ),
        None => "No line looks like metrics: give the file that the training's standard output and error go to, or have the script print its loss".to_owned(),
    };
    let mut claim = Claim::new(subject, Scope::Surroundings, Severity::Unknown, message, advice);
    if shows {
        claim.occurrences = log.likely.iter().map(|likely| likely.record.clone()).collect();
        claim.hits = claim.occurrences.len() as u64;
    }
    claim.with("lines", log.records).holds()
}

fn missing(message: String) -> Opinion {
    let advice = "Check the path and its rights; the guard does not know how the run is while it cannot read";
    Claim::new(Subject::new(NAME, "log_missing"), Scope::Surroundings, Severity::Unknown, message, advice)
        .holds()
}

/// The first few of a list.
fn some(items: impl ExactSizeIterator<Item = String>) -> String {
    let more = items.len().saturating_sub(NAMED);
    let mut named: Vec<_> = items.take(NAMED).collect();
    if more > 0 {
        named.push(format!("and {more} more"));
    }
    named.join("; ")
}
