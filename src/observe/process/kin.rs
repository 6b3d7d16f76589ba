//! Who belongs to whom: parents, groups and states of processes, and the signals that they handle.

#[cfg(target_os = "linux")]
use super::proc::Stat;
use super::{Identity, boot_id};
use std::collections::HashMap;
use std::fs;

/// A process among its kin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kin {
    /// Its pid.
    pub pid: i32,
    /// Its parent's.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// When it started, clock ticks since boot.
    pub start_ticks: u64,
    /// State letter of `/proc/PID/stat`.
    pub state: char,
    /// Its name, as the kernel keeps it: at most 15 characters.
    pub name: String,
}

impl Kin {
    /// A process; `None` where there is none.
    ///
    /// # Errors
    /// `/proc` does not say.
    #[cfg(target_os = "linux")]
    pub fn read(pid: i32) -> Result<Option<Self>, String> {
        Ok(Stat::read(pid)?.map(Self::from))
    }

    /// A process: only Linux tells what is needed.
    ///
    /// # Errors
    /// Always.
    #[cfg(not(target_os = "linux"))]
    pub fn read(_pid: i32) -> Result<Option<Self>, String> {
        Err("no /proc on this platform".to_owned())
    }

    /// Whether it runs no more.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }

    /// Whether it is held by a signal.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }

    /// Who it is.
    pub fn identity(&self) -> Identity {
        Identity { pid: self.pid, start_ticks: self.start_ticks, boot_id: boot_id() }
    }
}

#[cfg(target_os = "linux")]
impl From<Stat> for Kin {
    fn from(stat: Stat) -> Self {
        let Stat { pid, parent, group, start_ticks, state, comm: name, .. } = stat;
        Self { pid, parent, group, start_ticks, state, name }
    }
}

/// All processes that live.
#[derive(Debug)]
pub struct Kinship(HashMap<i32, Kin>);

impl Kinship {
    /// Reads the table.
    ///
    /// # Errors
    /// `/proc` cannot be listed.
    pub fn read() -> Result<Self, String> {
        let listing = fs::read_dir("/proc").map_err(|error| format!("cannot list /proc: {error}"))?;
        let pids = listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        // Whoever ends between the listing and now is none of them.
        let kin = pids.filter_map(|pid| Kin::read(pid).ok().flatten()).filter(|kin| !kin.has_ended());
        Ok(Self(kin.map(|kin| (kin.pid, kin)).collect()))
    }

    /// The processes above one, nearest first.
    pub fn ancestors(&self, pid: i32) -> Vec<&Kin> {
        let parent = |kin: &&Kin| self.0.get(&kin.parent);
        // A table that changed while it was read may hold a ring.
        std::iter::successors(self.0.get(&pid).and_then(|kin| parent(&kin)), parent)
            .take(self.0.len())
            .collect()
    }

    /// One of them.
    pub fn get(&self, pid: i32) -> Option<&Kin> {
        self.0.get(&pid)
    }

    /// Those that descend from one of these, and these themselves, in order of pid.
    pub fn families(&self, of: &[i32]) -> Vec<&Kin> {
        let of_them = |kin: &&Kin| {
            of.contains(&kin.pid) || self.ancestors(kin.pid).iter().any(|above| of.contains(&above.pid))
        };
        self.ordered(of_them)
    }

    /// Those of one group, in order of pid.
    pub fn group(&self, group: i32) -> Vec<&Kin> {
        self.ordered(|kin| kin.group == group)
    }

    fn ordered(&self, which: impl Fn(&&Kin) -> bool) -> Vec<&Kin> {
        let mut found: Vec<_> = self.0.values().filter(which).collect();
        found.sort_unstable_by_key(|kin| kin.pid);
        found
    }
}

/// Whether a process has a handler for a signal: without one most of them end it.
pub fn handles(pid: i32, signal: i32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("SigCgt:")?.trim(), 16).ok());
    let bit = u32::try_from(signal - 1).ok().and_then(|bit| 1_u64.checked_shl(bit));
    caught.zip(bit).is_some_and(|(caught, bit)| caught & bit != 0)
}
