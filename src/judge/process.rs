//! Check `process`: alive, a zombie, gone before its work was done, or stuck in the kernel.

mod death;

mod doing;

pub use doing::Doing;
pub(super) use doing::{Rates, rates};

use super::attempt::ROWS_OF_PROGRESS;
use super::say::span;
use super::{Context, Memory, silence, words};
use crate::clock::Reading;
use crate::finding::{Claim, Occurrence, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::process::{Found, Identity, Life, ProcessFacts};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Its name.
pub const NAME: &str = "process";

const DEAD: &str = "process_dead";
const ZOMBIE: &str = "process_zombie";
const STUCK: &str = "process_stuck";
const UNKNOWN: &str = "process_unknown";

/// Looks closer together than this, seconds, say nothing about movement: a clock tick is 10 ms, and
/// a process that waits for its GPU may use none of them for a while.
const APART_S: f64 = 10.0;
/// Where looks are seconds apart a wait in the kernel is stuck after this long, seconds: a file server
/// that is busy lets one wait for a minute.
const STUCK_S: f64 = 120.0;
/// CPU that a hung run's idle threads (heartbeats, watchdogs) may use: a thousandth of one core.
const IDLE_CPU: f64 = 1e-3;
/// Bytes per second that they may read and write.
const IDLE_IO: f64 = 1024.0;

/// Lines of the log's end that a death is told with.
const LAST_LINES: usize = 3;

/// What is remembered of the run's process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessMemory {
    /// Who it was when it was last seen.
    pub identity: Option<Identity>,
    /// Its command line then.
    command: String,
    /// When that was.
    seen: Option<DateTime<Utc>>,
    /// Since when it is known to be gone without a sign of completion.
    pub dead_since: Option<DateTime<Utc>>,
    /// Rows that the log has had since then.
    rows_since_death: u64,
    /// The log went on although it was gone: another process writes it.
    is_another: bool,
    /// What the log said last, at most 3 lines.
    last_lines: Vec<Occurrence>,
    /// What it had done at an earlier look.
    sample: Option<Sample>,
    /// What it was last seen to do, where somebody stays and asks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub doing: Option<Doing>,
}

impl ProcessMemory {
    /// The end of the log as people read it: `FILE:LINE: TEXT`.
    pub fn last_lines(&self) -> Vec<String> {
        let line = |line: &Occurrence| format!("{}:{}: {}", line.file, line.line, line.text);
        self.last_lines.iter().map(line).collect()
    }
}

/// What a process tree had done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sample {
    at: Reading,
    state: char,
    cpu_s: f64,
    io_bytes: Option<u64>,
}

/// Whether a process tree did something since an earlier look.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Movement {
    /// It used CPU, or read or wrote.
    Moved,
    /// Neither, for so many seconds.
    Still(f64),
    /// There is no earlier look to compare with.
    Unknown,
}

/// `process_dead`, `process_zombie`, `process_stuck` and `process_unknown`.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    if !context.look.digest.last_lines.is_empty() {
        // A patrol that read one line has seen those before it all the same, unless the log is another.
        let lines = &context.look.digest.last_lines;
        let last = &mut memory.process.last_lines;
        let begin = lines.first();
        last.retain(|old| begin.is_some_and(|new| old.file == new.file && old.offset < new.offset));
        last.extend(lines.iter().cloned());
        last.drain(..last.len().saturating_sub(LAST_LINES));
    }
    let facts = match &context.look.process {
        Observation::Absent => return Vec::new(),
        Observation::Failed { why } if context.look.stuck.iter().any(|stuck| stuck.explains(why)) => {
            return Vec::new();
        }
        Observation::Failed { .. }
        | Observation::Known(ProcessFacts { found: Found::Ambiguous { .. }, .. })
            if memory.end.is_some() =>
        {
            return vec![Opinion::Well(Subject::new(NAME, UNKNOWN), "the run is complete".to_owned())];
        }
        Observation::Failed { why } => {
            let message = format!("cannot look at the process: {why}");
            return vec![
                unknown(message, "Check the pid, pid file or pattern of this run, and its rights").holds(),
            ];
        }
        Observation::Known(facts) => facts,
    };
    match &facts.found {
        Found::Process(life) if matches!(life.state, 'X' | 'x') => {
            gone(context, memory, facts, Some(life.identity.pid))
        }
        Found::Process(life) => present(context, memory, life),
        Found::Gone { pid, .. } => gone(context, memory, facts, *pid),
        Found::Ambiguous { matches } => {
            let named = matches.iter().map(|(pid, command)| format!("{pid} ({})", short(command)));
            let message = format!(
                "{}: several unrelated processes: {}",
                facts.how,
                named.collect::<Vec<_>>().join(", ")
            );
            let claim = unknown(message, "Give a pattern that only this run matches, or a pid file")
                .with("pids", matches.iter().map(|(pid, _)| *pid).collect::<Vec<i32>>());
            vec![claim.holds()]
        }
    }
}

/// Remembers who the process is and what it has done, for the next look. A sample is replaced only
/// when the next one is far enough from it to say something.
pub(super) fn remember(context: &Context<'_>, memory: &mut Memory) {
    let Some(life) = context.living() else { return };
    let doing = context.attended.and_then(|_| doing::doing(context, memory));
    let process = &mut memory.process;
    let same = process.identity.as_ref() == Some(&life.identity);
    process.identity = Some(life.identity.clone());
    process.command.clone_from(&life.command);
    process.seen = Some(context.now.wall);
    process.doing = doing.or(process.doing.filter(|_| same && context.attended.is_some()));
    let recent = process
        .sample
        .as_ref()
        .is_some_and(|sample| apart_s(&sample.at, context.now).is_some_and(|apart| apart < APART_S));
    // Where looks are seconds apart, what stands still is measured from where it came to stand.
    let still = context.attended.is_some() && matches!(movement(context, memory), Movement::Still(_));
    let process = &mut memory.process;
    if !(same && (recent || still)) {
        let at = context.now.clone();
        process.sample = Some(Sample { at, state: life.state, cpu_s: life.cpu_s, io_bytes: life.io_bytes });
    }
}

/// Awake seconds between two readings of the same boot.
fn apart_s(earlier: &Reading, later: &Reading) -> Option<f64> {
    (earlier.boot_id == later.boot_id)
        .then_some(later.monotonic_s - earlier.monotonic_s)
        .filter(|apart| *apart >= 0.0)
}

/// What the tree did since the look that is remembered.
pub(super) fn movement(context: &Context<'_>, memory: &Memory) -> Movement {
    let (Some(life), Some(sample)) = (context.living(), &memory.process.sample) else {
        return Movement::Unknown;
    };
    let apart = apart_s(&sample.at, context.now).filter(|apart| *apart >= APART_S);
    let Some(apart) = apart.filter(|_| memory.process.identity.as_ref() == Some(&life.identity)) else {
        return Movement::Unknown;
    };
    // A tree that lost a process has less than before: that is movement as well.
    let cpu = (life.cpu_s - sample.cpu_s).abs() / apart > IDLE_CPU;
    let io = match (life.io_bytes, sample.io_bytes) {
        (Some(now), Some(before)) => now.abs_diff(before) as f64 / apart > IDLE_IO,
        _ => false,
    };
    if cpu || io { Movement::Moved } else { Movement::Still(apart) }
}

fn present(context: &Context<'_>, memory: &mut Memory, life: &Life) -> Vec<Opinion> {
    let pid = life.identity.pid;
    let well =
        |syndrome, why: &str| Opinion::Well(Subject::new(NAME, syndrome), format!("process {pid} {why}"));
    let mut opinions = vec![well(UNKNOWN, "was found")];
    if life.state == 'Z' {
        opinions.push(if let Some(end) = &memory.end {
            well(ZOMBIE, &format!("ended and the run is complete: {}", end.how))
        } else {
            memory.process.dead_since.get_or_insert(context.now.wall);
            let message = format!(
                "process {pid} has ended{} and is a zombie: whoever started it has not noticed",
                context.at_step()
            );
            let advice = format!(
                "Read the end of the log; {} if it finished; end its parent (ps -o ppid= -p {pid})",
                context.done_command()
            );
            claim(ZOMBIE, message, advice)
                .with("pid", pid)
                .with("last_lines", memory.process.last_lines())
                .holds()
        });
        return opinions;
    }
    (memory.process.dead_since, memory.process.is_another) = (None, false);
    opinions.push(well(ZOMBIE, "is no zombie"));
    // Another process than the dead one ends that finding when it makes progress, not before.
    if memory.start.is_current(&life.identity) {
        opinions.push(well(DEAD, "lives"));
    }
    let least_s = if context.attended.is_some() { STUCK_S } else { 0.0 };
    let was_stuck = memory.process.sample.as_ref().is_some_and(|sample| sample.state == 'D');
    match movement(context, memory) {
        Movement::Still(apart) if life.state == 'D' && was_stuck && apart >= least_s => {
            let message = format!(
                "process {pid} is stuck in the kernel (state D){}: no CPU time and no I/O for {}",
                context.at_step(),
                span(apart)
            );
            let advice = format!(
                "No signal reaches it: look at /proc/{pid}/stack, dmesg and the mounts; a dead NFS server or a fallen GPU are the usual causes"
            );
            opinions
                .push(claim(STUCK, message, advice).with("pid", pid).with("still_s", apart.round()).holds());
        }
        Movement::Moved => opinions.push(well(STUCK, "moves")),
        Movement::Still(_) | Movement::Unknown if life.state != 'D' => {
            opinions.push(well(STUCK, "is not stuck in the kernel"));
        }
        Movement::Still(_) | Movement::Unknown => {}
    }
    opinions
}

fn gone(context: &Context<'_>, memory: &mut Memory, facts: &ProcessFacts, pid: Option<i32>) -> Vec<Opinion> {
    let subject = |syndrome| Subject::new(NAME, syndrome);
    let mut opinions: Vec<Opinion> = [ZOMBIE, STUCK]
        .map(|syndrome| Opinion::Well(subject(syndrome), "the process is gone".to_owned()))
        .into_iter()
        .collect();
    if let Some(end) = &memory.end {
        let why = format!("the run is complete: {}", end.how);
        opinions.push(Opinion::Well(subject(UNKNOWN), why.clone()));
        opinions.push(match death::after_its_end(context, end) {
            Some(claim) => claim.holds(),
            None => Opinion::Well(subject(DEAD), why),
        });
        return opinions;
    }
    let launched = context.look.launched.as_ref();
    if memory.process.dead_since.is_some_and(|since| launched.is_some_and(|this| since < this.started)) {
        memory.process.dead_since = None;
        opinions.push(Opinion::Well(subject(DEAD), "it was launched again".to_owned()));
    }
    let why = match &facts.found {
        Found::Gone { why, .. } => why.as_str(),
        Found::Process(_) | Found::Ambiguous { .. } => "it has ended",
    };
    let seen = memory.process.identity.is_some();
    if another_writes(context, memory) {
        let message = format!("the log grows, but {}: {why}", facts.how);
        opinions.push(Opinion::Well(subject(DEAD), "the log goes on growing".to_owned()));
        memory.process.dead_since = None;
        memory.process.is_another = true;
        opinions.push(
            unknown(message, "Another process writes this log: give its pid, pid file or pattern").holds(),
        );
        return opinions;
    }
    if !seen && launched.is_none() && context.look.log.known().is_none() {
        let message = format!("no process and no log yet: {why}");
        opinions.push(
            unknown(
                message,
                "Check the pid, pid file or pattern of this run; if it has not started yet, wait",
            )
            .holds(),
        );
        return opinions;
    }
    // A pattern that nothing matches or a pid file that is not there names no process that could have
    // died: it may as well be mistyped, and while the log is fresh that is likelier.
    if !seen && pid.is_none() && !silence::is_long(context, memory) {
        let advice = "Check the pattern or the pid file of this run: none of its processes was ever seen, and its log is fresh";
        opinions.push(unknown(format!("cannot look at the process: {why}"), advice).holds());
        return opinions;
    }
    memory.process.is_another = false;
    if memory.process.dead_since.is_none() {
        memory.process.dead_since = Some(context.now.wall);
        memory.process.rows_since_death = 0;
    }
    opinions.push(Opinion::Well(subject(UNKNOWN), "it was looked for".to_owned()));
    opinions.push(death::dead(context, memory, why, pid).holds());
    opinions
}

/// Whether rows came since it was found dead, or although it was never seen. Less than these is
/// what was left in a buffer, or a launcher that clears up.
fn another_writes(context: &Context<'_>, memory: &mut Memory) -> bool {
    let rows = context.look.digest.rows;
    let process = &mut memory.process;
    let progress = match (process.dead_since, &process.identity) {
        _ if process.is_another => rows > 0,
        (Some(_), _) => {
            process.rows_since_death += rows;
            process.rows_since_death >= ROWS_OF_PROGRESS
        }
        (None, Some(_)) => false,
        // What a launched process wrote before anybody looked is its own.
        (None, None) => context.look.launched.is_none() && rows >= ROWS_OF_PROGRESS,
    };
    progress && silence::grew(context, memory)
}

/// Whether a critical hit in the log's words stands with no progress after it.
fn told_by_words(context: &Context<'_>) -> bool {
    let digest = &context.look.digest;
    let entry = |syndrome: &str| context.config.playbook.entry(syndrome);
    let critical = |syndrome: &str| entry(syndrome).is_some_and(|entry| entry.severity == Severity::Critical);
    context.open.iter().any(|open| open.check == words::NAME && critical(&open.syndrome))
        || digest.hits.iter().any(|hit| {
            critical(&hit.syndrome)
                && hit.rows_after < ROWS_OF_PROGRESS
                && hit.attempt >= digest.numbers.attempt
        })
}

fn claim(syndrome: &str, message: String, advice: impl Into<String>) -> Claim {
    Claim::new(Subject::new(NAME, syndrome), Scope::Attempt, Severity::Critical, message, advice)
}

fn unknown(message: String, advice: &str) -> Claim {
    Claim::new(Subject::new(NAME, UNKNOWN), Scope::Attempt, Severity::Unknown, message, advice)
}

/// A command line within a sentence.
fn short(command: &str) -> String {
    const SHOWN: usize = 60;
    let cut = command.chars().count() > SHOWN;
    let shown: String = command.chars().take(SHOWN).collect();
    if cut { format!("{shown}…") } else { shown }
}

#[cfg(test)]
mod tests;
