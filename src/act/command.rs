//! A program of the user's: it is given the finding, its time is limited, and so is what is kept of
//! what it says.
//!
//! It runs in the directory of the config, with trainguard's own environment and `TRAINGUARD_RUN`,
//! `_SYNDROME`, `_SEVERITY`, `_MESSAGE`, `_STEP`, `_PID`, `_ALERT` and `_STATE_DIR` in it; the finding
//! stands on its standard input as JSON. It leads a process group, which is ended with it when its
//! time is over; what it leaves behind when it ends by itself is its own business.

use super::{Actor, descriptors};
use crate::config::actions::Program;
use crate::decide::orders::Order;
use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that are kept of what it says.
const SAID: usize = 4096;
/// Characters of it that are told.
const TOLD: usize = 300;
/// How often it is looked whether it has ended.
const TICK: Duration = Duration::from_millis(20);
/// For what still stands in the pipe of a program that has ended.
const DRAIN: Duration = Duration::from_millis(500);

/// Runs it; says whether it succeeded, and what it said.
pub(super) fn run(actor: &Actor<'_>, order: &Order, program: &Program) -> (bool, String) {
    descriptors::seal();
    let shown = program.arguments.join(" ");
    let until = actor.until.min(Instant::now() + program.timeout);
    let mut command = Command::new(program.arguments.first().map_or("", String::as_str));
    command.args(program.arguments.iter().skip(1)).current_dir(&program.directory).process_group(0);
    command.envs(variables(actor, order));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return (false, format!("`{shown}` cannot be started: {error}")),
    };
    let said = talk(&mut child, order.cause.finding.to_string());
    let (status, late) = wait(&mut child, until);
    let deadline = Instant::now() + DRAIN;
    let mut text = Vec::new();
    while let Ok(more) = said.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        text.extend_from_slice(&more);
        text.truncate(SAID);
    }
    let text: String =
        String::from_utf8_lossy(&text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let text = text.trim();
    let said: String = text.chars().take(TOLD).collect();
    let said = if said.is_empty() { String::new() } else { format!("; it said: {said}") };
    match status {
        _ if late => (false, format!("`{shown}` took too long and was ended{said}")),
        Some(status) if status.success() => (true, format!("ran `{shown}`{said}")),
        Some(status) => (false, format!("`{shown}` failed ({status}){said}")),
        None => (false, format!("`{shown}` cannot be waited for{said}")),
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

/// Gives it the finding and takes what it says: at the same time, so that neither waits for the other.
/// What is beyond the limit is read and dropped.
fn talk(child: &mut Child, input: String) -> mpsc::Receiver<Vec<u8>> {
    let (send, said) = mpsc::channel();
    let stdin = child.stdin.take();
    let writes = move || {
        // A program that does not read its input may do its work all the same.
        stdin.into_iter().for_each(|mut stdin| drop(stdin.write_all(input.as_bytes())));
    };
    drop(thread::Builder::new().spawn(writes));
    let stdout = child.stdout.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    let stderr = child.stderr.take().map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
    for mut pipe in stdout.into_iter().chain(stderr) {
        let send = send.clone();
        let reads = move || {
            let mut piece = [0_u8; SAID];
            let mut kept = 0;
            while let Ok(read) = pipe.read(&mut piece) {
                let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else { break };
                if kept < SAID && send.send(bytes.to_vec()).is_err() {
                    break;
                }
                kept += read;
            }
        };
        drop(thread::Builder::new().spawn(reads));
    }
    said
}

/// How it ended, and whether its time was over.
fn wait(child: &mut Child, until: Instant) -> (Option<ExitStatus>, bool) {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return (Some(status), false),
            Ok(None) if Instant::now() < until => thread::sleep(TICK),
            Ok(None) => {
                // It is not reaped, so the group is its own.
                if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process_group(group, Signal::KILL);
                }
                return (child.wait().ok(), true);
            }
            Err(_) => return (None, false),
        }
    }
}
