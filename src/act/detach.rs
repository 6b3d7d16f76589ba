//! Starting this program once more, apart from whoever starts it: in a session of its own, without
//! locks, open files or a terminal, and, where systemd runs this invocation, in a unit of its own,
//! because the end of a service ends all that it started.

use super::descriptors;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Set by systemd for what it runs.
const UNDER_SYSTEMD: &str = "INVOCATION_ID";
/// What systemd-run may take: a word to a service manager that is busy.
const SYSTEMD: Duration = Duration::from_secs(10);
const TICK: Duration = Duration::from_millis(20);
/// Variables that a unit is given of ours: to find programs, and their own configuration.
const KEPT: [&str; 2] = ["PATH", "HOME"];
/// What the child says once it is on its own.
const READY: &[u8] = b"ready\n";

/// Starts the child; when this returns it is on its own.
///
/// # Errors
/// Why there is none, for people.
pub(super) fn start(arguments: &[OsString]) -> Result<(), String> {
    descriptors::seal();
    if std::env::var_os(UNDER_SYSTEMD).is_some() { in_unit(arguments) } else { in_session(arguments) }
}

/// This program. Where it was replaced meanwhile, the one that runs is still to be had.
fn program() -> PathBuf {
    let path = std::env::current_exe().ok().filter(|path| path.exists());
    path.unwrap_or_else(|| "/proc/self/exe".into())
}

fn in_session(arguments: &[OsString]) -> Result<(), String> {
    let mut command = Command::new(program());
    command.args(arguments).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(|error| format!("it cannot be started: {error}"))?;
    let mut said = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        drop(BufReader::new(stdout).read_until(b'\n', &mut said));
    }
    // Reaped where this process lives on; else by whoever inherits it.
    drop(thread::Builder::new().spawn(move || child.wait()));
    if said == READY { Ok(()) } else { Err("it ended before it was on its own".to_owned()) }
}

/// As a transient service: it has none of this service's limits and outlives it.
fn in_unit(arguments: &[OsString]) -> Result<(), String> {
    let mut command = Command::new("systemd-run");
    if !rustix::process::geteuid().is_root() {
        command.arg("--user");
    }
    let settings = KEPT.iter().filter_map(|name| {
        let mut setting = OsString::from(format!("--setenv={name}="));
        setting.push(std::env::var_os(name)?);
        Some(setting)
    });
    command.args(["--collect", "--quiet", "--no-ask-password"]).args(settings).arg("--");
    command.arg(program()).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("systemd-run cannot be started: {error}"))?;
    let until = Instant::now() + SYSTEMD;
    loop {
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return Ok(()),
            Ok(Some(status)) => {
                let mut said = String::new();
                if let Some(stderr) = child.stderr.take() {
                    drop(BufReader::new(stderr).read_line(&mut said));
                }
                return Err(format!("systemd-run failed ({status}): {}", said.trim()));
            }
            Ok(None) if Instant::now() < until => thread::sleep(TICK),
            Ok(None) => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("systemd-run took longer than {} s", SYSTEMD.as_secs()));
            }
            Err(error) => return Err(format!("systemd-run cannot be waited for: {error}")),
        }
    }
}

/// The child's side: leaves the session, and says so.
pub(super) fn settle() {
    // Under systemd it leads a session already.
    let _ = rustix::process::setsid();
    let mut out = std::io::stdout();
    // Whoever does not listen any more has left it on its own.
    drop(out.write_all(READY).and_then(|()| out.flush()));
}

/// The same program with other arguments and exactly this environment, in this process's place.
///
/// # Errors
/// It cannot be started.
pub(super) fn become_with(
    arguments: &[&OsStr],
    environment: impl IntoIterator<Item = (String, String)>,
) -> std::io::Error {
    use std::os::unix::process::CommandExt;
    Command::new(program()).args(arguments).env_clear().envs(environment).exec()
}
