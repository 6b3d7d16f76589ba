//! Check `silence`: the log says nothing any more, measured against the run's own pace.

use super::process::{Movement, movement};
use super::say::span;
use super::{Context, Memory};
use crate::clock::Reading;
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::metrics::Metric;
use crate::metrics::numbers::Numbers;
use crate::observe::process::Life;
use serde::{Deserialize, Serialize};

/// Its name.
pub const NAME: &str = "silence";

const SILENT: &str = "log_silent";
const HANG: &str = "hang_suspected";

/// A row is overdue after this many of the slowest recent intervals (the contract's numbers, as all
/// of these).
const INTERVALS: f64 = 6.0;
/// Never sooner, seconds: a pause of a minute is an evaluation or a checkpoint.
const LEAST_S: f64 = 90.0;
/// Not later, seconds, but for runs whose intervals are longer than a third of it.
const MOST_S: f64 = 30.0 * 60.0;
const MOST_INTERVALS: f64 = 3.0;
/// Before the second row there is no pace: compiling, downloading and caching take this long, seconds.
const BEFORE_PACE_S: f64 = 30.0 * 60.0;
/// A busy process (a hung collective spins) that is silent for so many limits hangs as well.
const HANG_LIMITS: f64 = 3.0;
const HANG_LEAST_S: f64 = 30.0 * 60.0;
/// A log alone that is this old at its first patrol is a finished story, seconds.
const ENDED_S: f64 = 30.0 * 60.0;
/// Patrols whose mean interval between rows is remembered, for logs without times.
const PATROLS: usize = 32;

/// When the log last brought something.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SilenceMemory {
    /// The look that last saw progress.
    at: Option<Reading>,
    /// How old the progress was then, seconds.
    age_s: f64,
    /// Rows of all files then.
    rows: u64,
    /// Size of all files at the last look.
    size: u64,
    /// The last look found them changed.
    grew: bool,
    /// A patrol saw the log bring something since an earlier one.
    growing: bool,
    /// A log alone that no patrol saw growing and that is old.
    pub ended: bool,
    /// Mean intervals between rows of recent patrols, seconds, oldest first.
    intervals_s: Vec<f64>,
}

impl SilenceMemory {
    /// What was silent on somebody's word is as if it had said something now.
    pub fn begin_anew(&mut self, now: &Reading) {
        if let Some(at) = &mut self.at {
            (*at, self.age_s) = (now.clone(), 0.0);
        }
    }

    /// No log was seen yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.at.is_none()
    }
}

/// Notes what the log brought, and whether a log alone has ended.
pub(super) fn follow(context: &Context<'_>, memory: &mut Memory) {
    note(context, memory);
    let silence = &mut memory.silence;
    let old = silent_s(context, silence).is_some_and(|silent| silent >= ENDED_S);
    silence.ended = context.run.process.is_none() && !silence.growing && old;
}

/// Rows are progress; before the second row any byte is.
fn note(context: &Context<'_>, memory: &mut Memory) {
    let Some(log) = context.look.log.known() else { return };
    let numbers = &context.look.digest.numbers;
    let rows = numbers.rows + numbers.other_rows;
    let silence = &mut memory.silence;
    let first = silence.at.is_none();
    let size = log.files.iter().map(|file| file.size).sum();
    silence.grew = !first && size != silence.size;
    silence.size = size;
    let progress = rows > silence.rows || (numbers.attempt_rows < 2 && silence.grew);
    if !(first || progress) {
        return;
    }
    let mut age_s =
        log.modified.map_or(0.0, |modified| (context.now.wall - modified).as_seconds_f64().max(0.0));
    // What is new since the previous look is no older than it, whatever wall clock and file say: a
    // clock that was set and a machine that slept do not make a run silent.
    let since = context.previous.filter(|_| !first).and_then(|previous| awake_s(previous, context.now));
    if let Some(since) = since {
        age_s = age_s.min(since);
    }
    if let Some(before) =
        silence.at.as_ref().and_then(|at| awake_s(at, context.now)).filter(|_| rows > silence.rows)
    {
        let interval_s = (before + silence.age_s - age_s).max(0.0) / (rows - silence.rows) as f64;
        if silence.intervals_s.len() >= PATROLS {
            silence.intervals_s.remove(0);
        }
        silence.intervals_s.push(interval_s);
    }
    silence.growing |= !first;
    silence.at = Some(context.now.clone());
    silence.age_s = age_s;
    silence.rows = rows;
}

/// Seconds between two readings in which the machine was awake; the wall clock's after a reboot.
fn awake_s(earlier: &Reading, later: &Reading) -> Option<f64> {
    (earlier.boot_id == later.boot_id && later.monotonic_s >= earlier.monotonic_s)
        .then_some(later.monotonic_s - earlier.monotonic_s)
}

/// How long the log has brought nothing, seconds.
fn silent_s(context: &Context<'_>, silence: &SilenceMemory) -> Option<f64> {
    let at = silence.at.as_ref()?;
    let since =
        awake_s(at, context.now).unwrap_or_else(|| (context.now.wall - at.wall).as_seconds_f64().max(0.0));
    Some(silence.age_s + since)
}

/// The slowest recent interval between rows: by their own times, else by patrols and step time.
fn interval_s(numbers: &Numbers, silence: &SilenceMemory) -> Option<f64> {
    if numbers.attempt_rows < 2 {
        return None;
    }
    let own = numbers.pace.slowest_s();
    let of_patrols = silence.intervals_s.iter().copied().reduce(f64::max);
    let of_steps =
        numbers.latest.get(Metric::StepTimeS).zip(numbers.steps_per_row()).map(|(time, steps)| time * steps);
    own.or(of_patrols.into_iter().chain(of_steps).filter(|seconds| seconds.is_finite()).reduce(f64::max))
}

/// How long the log may bring nothing, seconds.
fn limit_s(interval_s: Option<f64>) -> f64 {
    interval_s.map_or(BEFORE_PACE_S, |interval| {
        (INTERVALS * interval).max(LEAST_S).min(MOST_S.max(MOST_INTERVALS * interval))
    })
}

/// Whether nothing came for longer than the run's own pace explains.
pub(super) fn is_long(context: &Context<'_>, memory: &Memory) -> bool {
    let limit = limit_s(interval_s(&context.look.digest.numbers, &memory.silence));
    memory.silence.ended || silent_s(context, &memory.silence).is_some_and(|silent| silent >= limit)
}

/// A log of many rows a second says nothing by its silence in less time than this, seconds: a
/// checkpoint that is written takes as long.
const LASTING_LEAST_S: f64 = 10.0;

/// Whether nothing came for so many of the slowest recent intervals between rows.
pub(super) fn lasts(context: &Context<'_>, memory: &Memory, intervals: f64) -> bool {
    let limit =
        interval_s(&context.look.digest.numbers, &memory.silence).map(|interval| intervals * interval);
    let limit = limit.unwrap_or(BEFORE_PACE_S).max(LASTING_LEAST_S);
    silent_s(context, &memory.silence).is_some_and(|silent| silent >= limit)
}

/// Whether the log brought something since the previous look, or, at the first, lately.
pub(super) fn grew(context: &Context<'_>, memory: &Memory) -> bool {
    let Some(log) = context.look.log.known().filter(|_| !context.last_look) else { return false };
    if log.first_look || context.previous.is_none() {
        let limit = limit_s(interval_s(&context.look.digest.numbers, &memory.silence));
        return silent_s(context, &memory.silence).is_some_and(|silent| silent < limit);
    }
    memory.silence.grew && log.backlog_bytes == 0
}

/// `log_silent` and `hang_suspected`.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let Some(log) = context.look.log.known() else { return Vec::new() };
    if let Some(why) = excuse(context, memory) {
        return vec![well(SILENT, why), well(HANG, why)];
    }
    let (Some(silent), false) =
        (silent_s(context, &memory.silence), log.backlog_bytes > 0 || context.last_look)
    else {
        return Vec::new();
    };
    if memory.silence.ended {
        let message = format!(
            "no patrol saw this log grow, and it has been unchanged for {}: taken as ended (give --pid if it should be alive)",
            span(silent)
        );
        let advice = "If the run should still be alive, give --pid, --pid-file or --match, so that its process is looked at";
        return vec![
            claim(SILENT, Severity::Info, message, advice).holds(),
            well(HANG, "no process is known"),
        ];
    }
    // A log alone that nobody saw growing yet may be a run that ended a moment ago.
    if context.run.process.is_none() && !memory.silence.growing {
        return Vec::new();
    }
    let interval = interval_s(&context.look.digest.numbers, &memory.silence);
    let limit = limit_s(interval);
    if silent < limit {
        return vec![well(SILENT, "the log goes on"), well(HANG, "the log goes on")];
    }
    let moves = movement(context, memory);
    // Imports, compilation and caching of data are told where somebody looks on, and are no alarm while
    // something moves.
    let starting = context.attended.is_some() && context.look.digest.numbers.attempt_rows == 0;
    if starting && context.living().is_some() && !matches!(moves, Movement::Still(_)) {
        return vec![well(SILENT, "the run is starting up"), well(HANG, "the run is starting up")];
    }
    let measured = |claim: Claim| {
        let claim = claim.with("silent_s", silent.round()).with("limit_s", limit.round());
        match interval {
            Some(interval) => claim.with("slowest_interval_s", interval),
            None => claim,
        }
    };
    let usual = match interval {
        Some(interval) => format!("rows came every {} at the slowest", span(interval)),
        None => "it has no second row yet".to_owned(),
    };
    let quiet = format!("nothing new in the log for {}{}; {usual}", span(silent), context.at_step());
    match context.living() {
        Some(life) if hangs(context, moves, silent, limit) => {
            let message = format!("{quiet}; {}", doing(life, moves));
            let pid = life.identity.pid;
            let advice = format!(
                "Look where it stands before you end it: py-spy dump --pid {pid}, nvidia-smi, and for several ranks TORCH_NCCL_TRACE_BUFFER_SIZE with its dump"
            );
            let claim = claim(HANG, Severity::Critical, message, advice)
                .with("pid", pid)
                .with("state", life.state.to_string());
            vec![measured(claim).holds(), well(SILENT, "told as hang_suspected")]
        }
        Some(life) => {
            let message = format!("{quiet}; {}", doing(life, moves));
            let advice = "A long evaluation or checkpoint may explain it; if not, look where it stands: py-spy dump --pid PID";
            vec![measured(claim(SILENT, Severity::Warning, message, advice)).holds()]
        }
        None => {
            let message = format!("{quiet}; no process is known");
            let advice = format!(
                "Give --pid, --pid-file or --match (process: in the config) to tell a hang from an end; {} if it finished",
                context.done_command()
            );
            vec![
                measured(claim(SILENT, Severity::Warning, message, advice)).holds(),
                well(HANG, "no process is known"),
            ]
        }
    }
}

/// Why silence is to be expected.
fn excuse(context: &Context<'_>, memory: &Memory) -> Option<&'static str> {
    if memory.end.is_some() {
        return Some("the run is complete");
    }
    context.look.process.known()?.has_ended().then_some("the process has ended")
}

/// A hang that was told stays one until the log goes on: a watchdog thread that wakes once is no life.
fn hangs(context: &Context<'_>, moves: Movement, silent_s: f64, limit_s: f64) -> bool {
    matches!(moves, Movement::Still(_))
        || silent_s >= (HANG_LIMITS * limit_s).max(HANG_LEAST_S)
        || context.is_open(NAME, HANG)
}

fn doing(life: &Life, moves: Movement) -> String {
    let pid = life.identity.pid;
    if matches!(life.state, 'T' | 't') {
        return format!("process {pid} is stopped (state {}; kill -CONT {pid} lets it go on)", life.state);
    }
    match moves {
        Movement::Moved => format!("process {pid} lives and is busy"),
        Movement::Still(apart) => {
            format!("process {pid} lives and has used no CPU and done no I/O for {}", span(apart))
        }
        Movement::Unknown => format!("process {pid} lives"),
    }
}

fn well(syndrome: &str, why: &str) -> Opinion {
    Opinion::Well(Subject::new(NAME, syndrome), why.to_owned())
}

fn claim(syndrome: &str, severity: Severity, message: String, advice: impl Into<String>) -> Claim {
    Claim::new(Subject::new(NAME, syndrome), Scope::Attempt, severity, message, advice)
}

#[cfg(test)]
mod tests;
