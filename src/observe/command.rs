//! A command that is run to learn something: with a deadline, in a process group of its own that is
//! ended with it, without standard input, and with what it says bounded.
//!
//! It is run in the probe child only: a command that cannot be killed hangs there and nowhere else.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of each output that are kept: a large terminal's screen many times over.
const OUTPUT_MAX: u64 = 1 << 20;
/// How often it is looked whether the command has ended.
const TICK: Duration = Duration::from_millis(5);
/// For what still stands in the pipes of a command that has ended.
const GRACE: Duration = Duration::from_millis(500);

/// What a command said, and whether it succeeded.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) success: bool,
    /// `exit status: 1`, `signal: 9 (SIGKILL)`.
    pub(super) status: String,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Said {
    /// The first line of what it complained of, else of what it said.
    pub(super) fn complaint(&self) -> String {
        let mut lines = self.stderr.lines().chain(self.stdout.lines());
        let line = lines.find(|line| !line.trim().is_empty()).unwrap_or(&self.status);
        line.chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

/// Runs a command and waits for its end, at most for `limit`.
///
/// # Errors
/// It cannot be started ([`io::ErrorKind::NotFound`] where there is no such program), or took longer
/// ([`io::ErrorKind::TimedOut`]).
pub(super) fn run<S: AsRef<OsStr>>(
    program: &str,
    arguments: &[S],
    directory: Option<&Path>,
    limit: Duration,
) -> io::Result<Said> {
    let until = Instant::now() + limit;
    let mut command = Command::new(program);
    command.args(arguments).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(directory) = directory {
        command.current_dir(directory);
    }
    let mut child = command.spawn()?;
    let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let stdout = child.stdout.take().map(listen);
    let stderr = child.stderr.take().map(listen);
    while !has_ended(group) {
        if Instant::now() >= until {
            end(group);
            drop(thread::Builder::new().spawn(move || child.wait()));
            let why = format!("no answer within {:.1} s", limit.as_secs_f64());
            return Err(io::Error::new(io::ErrorKind::TimedOut, why));
        }
        thread::sleep(TICK);
    }
    // Whom it left behind ends with it. It is not reaped yet, so that the group is its own.
    end(group);
    let status = child.wait()?;
    let text = |said: Option<Receiver<Vec<u8>>>| {
        let bytes = said.and_then(|said| said.recv_timeout(GRACE).ok()).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    Ok(Said {
        success: status.success(),
        status: status.to_string(),
        stdout: text(stdout),
        stderr: text(stderr),
    })
}

/// Keeps the beginning of what is said and reads the rest, so that nobody waits for a full pipe.
fn listen(pipe: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, said) = mpsc::channel();
    let read = move || {
        let mut pipe = pipe;
        let mut bytes = Vec::new();
        drop(pipe.by_ref().take(OUTPUT_MAX).read_to_end(&mut bytes));
        drop(io::copy(&mut pipe, &mut io::sink()));
        drop(send.send(bytes));
    };
    drop(thread::Builder::new().spawn(read));
    said
}

fn has_ended(child: Option<Pid>) -> bool {
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    child.is_none_or(|child| !matches!(waitid(WaitId::Pid(child), look), Ok(None)))
}

fn end(group: Option<Pid>) {
    // Where nobody is left there is nobody to be killed.
    let _ = group.map(|group| kill_process_group(group, Signal::KILL));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_says_what_it_says_and_how_it_ended() {
        let said =
            run("sh", &["-c", "echo out; echo err >&2; exit 3"], None, Duration::from_mins(1)).unwrap();
        assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("out\n", "err\n"));
        assert!(!said.success && said.status.contains('3'), "{said:?}");
        assert_eq!(said.complaint(), "err");
    }

    #[test]
    fn one_that_hangs_is_ended_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let script = "sleep 1000 & echo $! > child; wait";
        let error = run("sh", &["-c", script], Some(dir.path()), Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let child: i32 = std::fs::read_to_string(dir.path().join("child")).unwrap().trim().parse().unwrap();
        let begin = Instant::now();
        while crate::observe::process::start_ticks(child).is_some() {
            assert!(begin.elapsed() < Duration::from_mins(1), "it lives on");
            thread::sleep(TICK);
        }
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        let error = run::<&str>("no-such-program", &[], None, Duration::from_secs(1)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
