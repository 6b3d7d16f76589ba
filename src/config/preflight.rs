//! `preflight:`: when a GPU counts as busy before a start, and how long anybody waits for it.

use super::raw;
use super::runs::compile;
use super::section::{Range, Section};
use crate::error::Result;
use regex::bytes::Regex;
use std::time::Duration;

/// Share of time in which a kernel ran. A training that is fed well shows more, a desktop less.
const UTILIZATION_MAX: f64 = 0.85;
/// Share of memory in use that leaves no room for a training.
const MEMORY_MAX: f64 = 0.85;
/// A job that is ending frees its GPU within a minute or two.
const WAIT: Duration = Duration::from_mins(3);
/// Short beside the wait, long beside a look's tenth of a second.
const POLL: Duration = Duration::from_secs(10);
/// Whoever started the run by hand is still there; after this nobody is.
const DECISION_TIMEOUT: Duration = Duration::from_mins(10);
/// A look takes up to five seconds; an hour between two is no waiting.
const POLLS: [Duration; 2] = [Duration::from_millis(100), Duration::from_hours(1)];
/// None at all, and a week: queues are for longer.
const WAITS: [Duration; 2] = [Duration::ZERO, Duration::from_hours(24 * 7)];

const RATIO: Range =
    Range { least: 0.0, least_allowed: false, most: 1.0, whole: false, unit: "a ratio: 85 % is 0.85" };

/// What a busy GPU leads to, or an operator's answer to the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Decision {
    /// The run is started all the same.
    Continue,
    /// It is not started.
    Stop,
}

/// `preflight:`.
#[derive(Debug, Clone)]
pub struct Preflight {
    /// Time in which a kernel ran, 0–1, from which on a GPU is busy.
    pub utilization_max: f64,
    /// Share of memory in use, 0–1, from which on it is.
    pub memory_max: f64,
    /// How long a busy GPU is waited for; zero never waits.
    pub wait: Duration,
    /// How often it is looked at.
    pub poll: Duration,
    /// How long an operator has for an answer.
    pub decision_timeout: Duration,
    /// What happens without one.
    pub default: Decision,
    /// Commands that may be on the GPU.
    pub ignore: Vec<Regex>,
}

impl Default for Preflight {
    fn default() -> Self {
        Self {
            utilization_max: UTILIZATION_MAX,
            memory_max: MEMORY_MAX,
            wait: WAIT,
            poll: POLL,
            decision_timeout: DECISION_TIMEOUT,
            default: Decision::Stop,
            ignore: Vec::new(),
        }
    }
}

/// `preflight:`, checked.
pub(super) fn preflight(at: &Section<'_>, raw: Option<&raw::Preflight>) -> Result<Preflight> {
    let usual = Preflight::default();
    let Some(raw) = raw else { return Ok(usual) };
    let [least, most] = WAITS;
    let waits = least..=most;
    let [least, most] = POLLS;
    let word = raw.default.as_ref().map(|text| at.text("default", text)).transpose()?;
    let default = match word.as_deref() {
        None => usual.default,
        Some("stop") => Decision::Stop,
        Some("continue") => Decision::Continue,
        Some(word) => return Err(at.wrong_word("default", word, &["stop", "continue"])),
    };
    let mut ignore = Vec::new();
    for (index, text) in raw.ignore.iter().flatten().enumerate() {
        let here = at.key("ignore").index(index);
        let pattern = here.text_here(text)?;
        ignore.push(compile(&pattern).map_err(|why| {
            let what = format!("`ignore` is not a usable regex: {why}");
            let next = "write words of the command that may be on the GPU, such as 'ollama serve'";
            here.wrong_here(super::locate::Aim::Value, &what, next)
        })?);
    }
    let ratio =
        |key, raw: &Option<_>, usual| at.number(key, raw.as_ref(), RATIO).map(|value| value.unwrap_or(usual));
    Ok(Preflight {
        utilization_max: ratio("utilization_max", &raw.utilization_max, usual.utilization_max)?,
        memory_max: ratio("memory_max", &raw.memory_max, usual.memory_max)?,
        wait: at.span("wait", raw.wait.as_ref(), waits.clone())?.unwrap_or(usual.wait),
        poll: at.span("poll", raw.poll.as_ref(), least..=most)?.unwrap_or(usual.poll),
        decision_timeout: at
            .span("decision_timeout", raw.decision_timeout.as_ref(), waits)?
            .unwrap_or(usual.decision_timeout),
        default,
        ignore,
    })
}
