//! Running the judge's program: in an empty directory that is gone afterwards, with an environment of
//! `PATH`, `HOME` and what the config lists, in a process group of its own that is ended with it.

use crate::config::Judge;
use crate::program::Running;
use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Bytes of an answer: a hundred times what one needs.
const ANSWER_MAX: usize = 64 * 1024;
/// Variables that every program needs: to be found, and to find its own configuration.
const ALWAYS: [&str; 2] = ["PATH", "HOME"];

/// Runs the program and returns what it said on its standard output.
///
/// # Errors
/// Why there is nothing, for people: it cannot be started, takes too long, fails, or talks too much.
pub fn ask(
    judge: &Judge,
    input: &str,
    limit: Duration,
    env: &dyn Fn(&str) -> Option<OsString>,
) -> Result<String, String> {
    let until = Instant::now() + limit;
    let place = tempfile::Builder::new().prefix("trainguard-judge-").tempdir();
    let place = place.map_err(|error| format!("no empty directory can be made for it: {error}"))?;
    set_mode(place.path(), 0o500)?;
    let said = run(judge, input, place.path(), env, until, limit);
    // As its owner it may have changed the mode; nothing that it made stays.
    drop(set_mode(place.path(), 0o700));
    said
}

fn set_mode(path: &Path, mode: u32) -> Result<(), String> {
    let set = std::fs::set_permissions(path, Permissions::from_mode(mode));
    set.map_err(|error| format!("its directory cannot be closed: {error}"))
}

fn run(
    judge: &Judge,
    input: &str,
    place: &Path,
    env: &dyn Fn(&str) -> Option<OsString>,
    until: Instant,
    limit: Duration,
) -> Result<String, String> {
    let (program, arguments) = judge.command.split_first().ok_or("it has no command")?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(place).env_clear();
    for name in ALWAYS.into_iter().chain(judge.env.iter().map(String::as_str)) {
        if let Some(value) = env(name) {
            command.env(name, value);
        }
    }
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let ended = Running::start(command, input.as_bytes(), ANSWER_MAX)?.end(until, limit, true)?;
    match ended.said {
        Some(said) if said.len() > ANSWER_MAX => Err(format!("it said more than {} KiB", ANSWER_MAX / 1024)),
        _ if !ended.status.success() => Err(format!("it failed ({})", ended.status)),
        Some(said) => Ok(String::from_utf8_lossy(&said).into_owned()),
        None => Err("a process that it left behind holds its output open".to_owned()),
    }
}
