//! Passing on what the terminal and schedulers send: the run is in a session of its own, and Ctrl-C
//! would not reach it.

use crate::observe::process::{self, Identity};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Signals that are meant for the run.
const PASSED_ON: [(Signal, &str); 2] = [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")];

/// Signals that came and were not passed on yet.
pub struct Signals([(Arc<AtomicBool>, Signal, &'static str); 2]);

impl Signals {
    /// Takes them from now on.
    pub fn take() -> io::Result<Self> {
        let taken = PASSED_ON.map(|(signal, name)| (Arc::new(AtomicBool::new(false)), signal, name));
        for (flag, signal, _) in &taken {
            signal_hook::flag::register(signal.as_raw(), Arc::clone(flag))?;
        }
        Ok(Self(taken))
    }

    /// Passes on what came to the group of a process that leads one; the names of what was passed on.
    pub fn pass_on(&self, process: &Identity) -> Vec<&'static str> {
        let came = self.0.iter().filter(|(flag, ..)| flag.swap(false, Ordering::Relaxed));
        came.filter(|(_, signal, _)| send(process, *signal)).map(|(.., name)| *name).collect()
    }
}

/// Signals the group that a process leads; says whether it was there. It is looked at first, so that
/// a number that went to somebody else is left alone.
fn send(process: &Identity, signal: Signal) -> bool {
    process::identity(process.pid).as_ref() == Some(process)
        && Pid::from_raw(process.pid).is_some_and(|group| kill_process_group(group, signal).is_ok())
}
