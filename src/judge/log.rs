//! Check `log`: whether the log could be read, and all of it.

use super::say::size;
use super::{Context, Memory};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::digest::DigestFacts;
use crate::observe::log::LogFacts;

/// Its name.
pub const NAME: &str = "log";
/// Files or gaps that one message names.
const NAMED: usize = 3;

/// `log_missing`, `log_gap`, `backlog`, `no_metrics` (of a binary file) and `probe_timeout`.
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
        Observation::Failed { why } => vec![missing(why.clone())],
        Observation::Known(facts) => read(facts).into_iter().chain(text(&context.look.digest)).collect(),
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

/// A binary file given for a log: it will never say anything, and that is no health.
fn text(digest: &DigestFacts) -> Option<Opinion> {
    let subject = Subject::new(NAME, "no_metrics");
    let Some(path) = &digest.binary else {
        return (digest.records > 0).then(|| Opinion::Well(subject, "the log is text".to_owned()));
    };
    let message = format!("{} is a binary file, not a log: there is nothing to read in it", path.display());
    let advice = "Give the file that the training's standard output and error go to";
    Some(Claim::new(subject, Scope::Surroundings, Severity::Unknown, message, advice).holds())
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
