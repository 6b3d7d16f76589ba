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
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::Duration;

/// How often the log is copied and signals are passed on: as good as at once for a person.
const TICK: Duration = Duration::from_millis(50);
/// A reader that has not taken the last lines after so long does not read.
const LAST_LINES: Duration = Duration::from_secs(10);

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
        let over = Arc::new(AtomicBool::new(false));
        let copied = copy(&log, self.running.log_from, &over);
        let ended = self.running.ended();
        let mut alone = false;
        let exit = loop {
            for name in self.signals.pass_on(&process) {
                say(&format!("{name} is passed on to {run}; waiting for its end"));
            }
            match ended.recv_timeout(TICK) {
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
                    thread::sleep(TICK);
                }
            }
        };
        over.store(true, Ordering::Release);
        // Nobody copies any more where the thread has ended.
        let _ = copied.recv_timeout(LAST_LINES);
        exit
    }
}

/// Copies the log until all is over; a word comes when it is done. In a thread of its own: a reader
/// that does not read must not keep signals from the run.
fn copy(log: &Path, from: u64, over: &Arc<AtomicBool>) -> Receiver<()> {
    let (done, copied) = mpsc::channel();
    let (log, over) = (log.to_owned(), Arc::clone(over));
    let follow = move || {
        let mut copy = match Copy::new(&log, from) {
            Ok(copy) => copy,
            Err(error) => return say(&format!("the log is not copied here, it cannot be read: {error}")),
        };
        let mut out = standard_output();
        loop {
            let last = over.load(Ordering::Acquire);
            if copy.advance(&mut out) {
                continue;
            }
            if last {
                break;
            }
            thread::sleep(TICK);
        }
        // Whoever waited longer than that has gone.
        let _ = done.send(());
    };
    if let Err(error) = thread::Builder::new().spawn(follow) {
        say(&format!("the log is not copied here: {error}"));
    }
    copied
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
