//! A program of the user's: it is given the finding, its time is limited, and so is what is kept of
//! what it says.
//!
//! It runs in the directory of the config, with trainguard's own environment and `TRAINGUARD_RUN`,
//! `_SYNDROME`, `_SEVERITY`, `_MESSAGE`, `_STEP`, `_PID`, `_ALERT` and `_STATE_DIR` in it; the finding
//! stands on its standard input as JSON. What it says on its standard error is told. It leads a process
//! group, and whatever is left of that ends with it.

use super::{Actor, descriptors};
use crate::config::actions::Program;
use crate::decide::orders::Order;
use crate::program::Running;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Bytes that are kept of what it says.
const SAID: usize = 4096;
/// Characters of it that are told.
const TOLD: usize = 300;

/// Runs it; says whether it succeeded, and what it said.
pub(super) fn run(actor: &Actor<'_>, order: &Order, program: &Program) -> (bool, String) {
    descriptors::seal();
    let shown = program.arguments.join(" ");
    let limit = program.timeout.min(actor.until.saturating_duration_since(Instant::now()));
    let mut command = Command::new(program.arguments.first().map_or("", String::as_str));
    command.args(program.arguments.iter().skip(1)).current_dir(&program.directory);
    command.envs(variables(actor, order)).stdout(Stdio::null()).stderr(Stdio::piped());
    let input = order.cause.finding.to_string();
    let ended = Running::start(command, input.as_bytes(), SAID)
        .and_then(|running| running.end(Instant::now() + limit, limit, false));
    let ended = match ended {
        Ok(ended) => ended,
        Err(why) => return (false, format!("`{shown}`: {why}")),
    };
    let said = String::from_utf8_lossy(ended.said.as_deref().unwrap_or_default()).into_owned();
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let said: String = said.trim().chars().take(TOLD).collect();
    let said = if said.is_empty() { String::new() } else { format!("; it said: {said}") };
    if ended.status.success() {
        (true, format!("ran `{shown}`{said}"))
    } else {
        (false, format!("`{shown}` failed ({}){said}", ended.status))
    }
}

fn variables(actor: &Actor<'_>, order: &Order) -> Vec<(&'static str, String)> {
    let cause = &order.cause;
    let mut variables = vec![
        ("TRAINGUARD_RUN", actor.run.to_owned()),
        ("TRAINGUARD_SYNDROME", cause.syndrome.clone()),
        ("TRAINGUARD_SEVERITY", cause.severity.word().to_owned()),
        // A NUL in it would keep the program from being started.
        ("TRAINGUARD_MESSAGE", cause.message.replace('\0', " ")),
        ("TRAINGUARD_ALERT", order.alert.clone()),
        ("TRAINGUARD_STATE_DIR", actor.store.path("").to_string_lossy().into_owned()),
    ];
    variables.extend(cause.step.map(|step| ("TRAINGUARD_STEP", step.to_string())));
    variables.extend(order.target.as_ref().map(|target| ("TRAINGUARD_PID", target.pid.to_string())));
    variables
}
