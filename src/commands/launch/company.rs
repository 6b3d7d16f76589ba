//! Keeping a run company: its log is copied, signals are passed on, and its end is waited for.

use super::say;
use crate::launch::copy::Copy;
use crate::launch::signals::Signals;
use crate::launch::{self, Running};
use crate::persist::run_directory::{Exit, Record, RunDirectory};
use crate::persist::store::Store;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How often the log is copied and signals are passed on: as good as at once for a person.
const TICK: Duration = Duration::from_millis(50);

/// Whoever stays with a run.
pub(super) struct Company<'a> {
    pub(super) running: Running,
    pub(super) signals: &'a Signals,
    pub(super) store: &'a Store,
}

impl Company<'_> {
    /// Stays until the command has ended; `None` where nobody noted how.
    pub(super) fn keep(self) -> Option<Exit> {
        let Record { run, process, log, .. } = self.running.record.clone();
        let mut copy = Copy::new(&log, self.running.log_from)
            .inspect_err(|error| say(&format!("the log is not copied here, it cannot be read: {error}")))
            .ok();
        let mut out = standard_output();
        let ended = self.running.ended();
        let mut alone = false;
        let exit = loop {
            let news = copy.as_mut().is_some_and(|copy| copy.advance(&mut out));
            for name in self.signals.pass_on(&process) {
                say(&format!("{name} is passed on to {run}; waiting for its end"));
            }
            match ended.recv_timeout(if news { Duration::ZERO } else { TICK }) {
                Ok(exit) => break Some(exit),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) if !launch::lives(&process) => {
                    let directory = RunDirectory::existing(self.store, &run).ok().flatten();
                    break directory.and_then(|directory| directory.exit_of(&process).ok().flatten());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    if !alone {
                        say(&format!("the process that waits for {run} was killed; {run} goes on"));
                    }
                    alone = true;
                    std::thread::sleep(TICK);
                }
            }
        };
        if let Some(copy) = &mut copy {
            copy.finish(&mut out);
        }
        exit
    }
}

/// Standard output by a name of its own: the main thread holds the lock of the usual one.
fn standard_output() -> Box<dyn Write> {
    match io::stdout().as_fd().try_clone_to_owned() {
        Ok(out) => Box::new(File::from(out)),
        Err(error) => {
            say(&format!("the log is not copied here: {error}"));
            Box::new(io::sink())
        }
    }
}
