//! Running a program of the user's: in a process group of its own, within a time, with an output that is
//! read to a bound.
//!
//! Its input is written and its output is read at the same time, so that neither side waits for the
//! other. The only processes that are signalled here are those of the group that was started here; a
//! process that leaves the group, as daemons do, is out of reach.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// How often it is looked whether the program has ended.
const TICK: Duration = Duration::from_millis(10);
/// For what still stands in the pipe of a program that has ended.
const GRACE: Duration = Duration::from_secs(1);

/// A program that was started.
pub struct Running {
    child: Child,
    group: Pid,
    said: Receiver<Vec<u8>>,
    most: usize,
}

/// How it ended.
pub struct Ended {
    /// With which code or signal.
    pub status: ExitStatus,
    /// What it said, one byte more than was asked for where it said more; `None` where a process that it
    /// left behind holds its output open.
    pub said: Option<Vec<u8>>,
}

impl Running {
    /// Starts it with an input. Its output is the one that the caller made a pipe.
    ///
    /// # Errors
    /// Why it cannot be started, for people.
    pub fn start(mut command: Command, input: &[u8], most: usize) -> Result<Self, String> {
        let program = command.get_program().to_string_lossy().into_owned();
        command.process_group(0).stdin(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{program} cannot be started: {error}"))?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let stdin = child.stdin.take();
        let output: Option<Box<dyn Read + Send>> = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), _) => Some(Box::new(stdout)),
            (None, Some(stderr)) => Some(Box::new(stderr)),
            (None, None) => None,
        };
        let (send, said) = mpsc::channel();
        let (Some(mut stdin), Some(mut output), Some(group)) = (stdin, output, group) else {
            return Err(format!("{program} has no pipes"));
        };
        let running = Self { child, group, said, most };
        let input = input.to_owned();
        // The end of the program closes both pipes, and so ends both threads; nobody waits for them.
        let writes = thread::Builder::new().spawn(move || {
            // A program that does not read its input may answer all the same.
            drop(stdin.write_all(&input));
        });
        let reads = thread::Builder::new().spawn(move || {
            let mut bytes = Vec::new();
            drop(output.by_ref().take(most as u64 + 1).read_to_end(&mut bytes));
            drop(send.send(bytes));
            // Who talks on is not stopped by a closed pipe.
            drop(std::io::copy(&mut output, &mut std::io::sink()));
        });
        match writes.and(reads) {
            Ok(_) => Ok(running),
            Err(error) => Err(running.abandon(format!("no thread can be started for it: {error}"))),
        }
    }

    /// Waits for its end, or for more output than was asked for where that is to end it.
    ///
    /// # Errors
    /// It took too long and was ended, or its end cannot be waited for.
    pub fn end(mut self, until: Instant, limit: Duration, ends_talkers: bool) -> Result<Ended, String> {
        let mut said: Option<Vec<u8>> = None;
        loop {
            match &said {
                None => match self.said.recv_timeout(TICK) {
                    Ok(bytes) => said = Some(bytes),
                    Err(RecvTimeoutError::Disconnected) => said = Some(Vec::new()),
                    Err(RecvTimeoutError::Timeout) => {}
                },
                Some(said) if ends_talkers && said.len() > self.most => break,
                Some(_) => {}
            }
            if self.has_ended() {
                break;
            }
            if Instant::now() >= until {
                let limit = limit.as_secs_f64();
                return Err(self.abandon(format!("it took longer than {limit:.1} s and was ended")));
            }
            if said.is_some() {
                thread::sleep(TICK);
            }
        }
        // Whom it started and left behind ends with it. It is not reaped yet, so the group is its own.
        self.kill();
        let grace = until.saturating_duration_since(Instant::now()).clamp(TICK, GRACE);
        let said = said.or_else(|| self.said.recv_timeout(grace).ok());
        let status = self.child.wait().map_err(|error| format!("its end cannot be waited for: {error}"))?;
        Ok(Ended { status, said })
    }

    /// Whether it has ended; it is not reaped, so that its number stays its own.
    fn has_ended(&self) -> bool {
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(waitid(WaitId::Pid(self.group), look), Ok(None))
    }

    fn kill(&self) {
        // Where nobody is left there is nobody to be killed.
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    /// Ends it. One that hangs in the kernel ends when it can: nobody waits for it.
    fn abandon(mut self, why: String) -> String {
        self.kill();
        drop(thread::Builder::new().spawn(move || self.child.wait()));
        why
    }
}
