//! Lines that an operator types while other things are waited for.
//!
//! No thread reads: one that hangs in a read would take the first line of whoever reads standard
//! input afterwards.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{QueueSelector, tcflush};
use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;

/// Bytes of one line that are kept; an answer is a word or two.
const LINE: usize = 1024;

pub(super) struct Terminal {
    listens: bool,
    typed: Vec<u8>,
}

impl Terminal {
    /// Standard input, where somebody may type there.
    pub(super) fn new(attended: bool) -> Self {
        let listens = attended && io::stdin().is_terminal();
        // What was typed before the question is no answer to it.
        if listens && in_foreground() {
            let _ = tcflush(io::stdin(), QueueSelector::IFlush);
        }
        Self { listens, typed: Vec::new() }
    }

    pub(super) fn listens(&self) -> bool {
        self.listens && in_foreground()
    }

    /// The next line, or nothing once `patience` is over.
    pub(super) fn next(&mut self, patience: Duration) -> Option<String> {
        // Reading from the background would stop this process.
        if !self.listens() {
            thread::sleep(patience);
            return None;
        }
        let stdin = io::stdin();
        let timeout =
            Timespec { tv_sec: patience.as_secs() as i64, tv_nsec: i64::from(patience.subsec_nanos()) };
        let mut files = [PollFd::new(&stdin, PollFlags::IN)];
        match poll(&mut files, Some(&timeout)) {
            Ok(0) => return None,
            Ok(_) if in_foreground() => {}
            // Somebody moved it to the background, or a signal came.
            Ok(_) | Err(_) => {
                thread::sleep(patience);
                return None;
            }
        }
        let mut bytes = [0; 256];
        match rustix::io::read(&stdin, &mut bytes) {
            Ok(0) | Err(_) => {
                self.listens = false;
                None
            }
            Ok(count) => {
                self.typed.extend_from_slice(bytes.get(..count).unwrap_or_default());
                self.line()
            }
        }
    }

    fn line(&mut self) -> Option<String> {
        let Some(end) = self.typed.iter().position(|byte| *byte == b'\n') else {
            self.typed.truncate(LINE);
            return None;
        };
        let line: Vec<u8> = self.typed.drain(..=end).collect();
        Some(String::from_utf8_lossy(&line).trim().to_owned())
    }
}

fn in_foreground() -> bool {
    rustix::termios::tcgetpgrp(io::stdin()).is_ok_and(|group| group == rustix::process::getpgrp())
}
