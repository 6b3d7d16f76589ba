//! `judge:`, the program that is asked last.

use super::raw;
use super::section::{Range, Section};
use crate::error::Result;
use std::time::Duration;

/// What a model usually takes is some ten seconds; the rest of a patrol's 50 s leaves no more.
const TIMEOUT: Duration = Duration::from_secs(30);
/// No model answers in less, and no patrol waits for more.
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(10)];
/// Calls cost money, and a run's curve says little new in less.
const MIN_INTERVAL: Duration = Duration::from_mins(10);
/// Between any patrol, and a judge that might as well be off.
const MIN_INTERVALS: [Duration; 2] = [Duration::ZERO, Duration::from_hours(24 * 7)];
/// Rows that show a course and are still read.
const MAX_ROWS: usize = 40;
/// They are kept in the run's state, which stays small.
const ROWS: Range = Range { least: 1.0, least_allowed: true, most: 100.0, whole: true, unit: "rows" };

/// `judge:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judge {
    /// The program and its arguments. A program with a slash in it is an absolute path by now.
    pub command: Vec<String>,
    /// It is killed after this long.
    pub timeout: Duration,
    /// It is asked about a run at most this often.
    pub min_interval: Duration,
    /// Rows that it is shown at most.
    pub max_rows: usize,
    /// Variables of the environment that it is given besides `PATH` and `HOME`.
    pub env: Vec<String>,
}

/// `judge:`, checked; `None` where there is no such section.
pub(super) fn judge(at: &Section<'_>, raw: Option<&raw::Judge>) -> Result<Option<Judge>> {
    let Some(raw) = raw else { return Ok(None) };
    let command = words(at, raw.command.as_deref().unwrap_or_default())?;
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        let what = "`judge` has no `command`";
        let next = "add a line such as `command: [./judge.sh]`, or delete the section";
        let aim = super::locate::Aim::Key;
        return Err(match raw.command {
            Some(_) => at.wrong("command", what, next),
            None => at.wrong_here(aim, what, next),
        });
    }
    let [least, most] = TIMEOUTS;
    let timeout = at.span("timeout", raw.timeout.as_ref(), least..=most)?;
    let [least, most] = MIN_INTERVALS;
    let min_interval = at.span("min_interval", raw.min_interval.as_ref(), least..=most)?;
    let max_rows = at.number("max_rows", raw.max_rows.as_ref(), ROWS)?;
    Ok(Some(Judge {
        command,
        timeout: timeout.unwrap_or(TIMEOUT),
        min_interval: min_interval.unwrap_or(MIN_INTERVAL),
        max_rows: max_rows.map_or(MAX_ROWS, |rows| rows as usize),
        env: variables(at, raw.env.as_deref().unwrap_or_default())?,
    }))
}

/// A program and its arguments under `command`. A program with a slash in it becomes an absolute path.
pub(super) fn words(at: &Section<'_>, raw: &[raw::Text]) -> Result<Vec<String>> {
    let mut command = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        let here = at.key("command").index(index);
        let word = here.text_here(text)?;
        if word.contains('\0') {
            let what = "`command` holds a NUL byte";
            return Err(here.wrong_here(super::locate::Aim::Value, what, "write it without"));
        }
        let is_path = index == 0 && word.contains('/');
        command.push(if is_path { at.absolute(&word).to_string_lossy().into_owned() } else { word });
    }
    Ok(command)
}

fn variables(at: &Section<'_>, raw: &[raw::Text]) -> Result<Vec<String>> {
    let mut names = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        let here = at.key("env").index(index);
        let name = here.text_here(text)?;
        let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !letters || name.as_bytes()[0].is_ascii_digit() {
            let what = format!("`{}` is no name of a variable", name.split('=').next().unwrap_or_default());
            let next =
                "list names only, such as OPENAI_API_KEY: the values come from trainguard's own environment";
            return Err(here.wrong_here(super::locate::Aim::Value, &what, next));
        }
        names.push(name);
    }
    Ok(names)
}
