//! Who holds a card's memory.

use crate::observe::process::start_ticks;
use serde::{Deserialize, Serialize};

/// A process that the driver lists for a card.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Holder {
    /// Its pid, as the driver sees it: in a container not that of `/proc`.
    pub pid: u32,
    /// Memory that it holds, bytes.
    pub memory_bytes: Option<u64>,
    /// Whether a process of that pid lives here; `None` where nobody looked.
    pub lives: Option<bool>,
    /// Its name, where it lives.
    pub command: Option<String>,
}

impl Holder {
    /// A process as the driver lists it.
    pub(super) fn new(pid: u32, memory_bytes: Option<u64>) -> Self {
        Self { pid, memory_bytes, ..Self::default() }
    }

    /// Looks for the pid here.
    pub(super) fn look_up(&mut self) {
        self.lives = Some(i32::try_from(self.pid).is_ok_and(lives));
        let name = std::fs::read(format!("/proc/{}/comm", self.pid)).ok();
        self.command = name.map(|name| {
            let name = String::from_utf8_lossy(&name);
            name.trim_end().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
        });
    }
}

/// A zombie does not live; a process that `/proc` hides (hidepid) does: it refuses a signal.
fn lives(pid: i32) -> bool {
    let refuses = |pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::PERM);
    start_ticks(pid).is_some() || rustix::process::Pid::from_raw(pid).is_some_and(refuses)
}
