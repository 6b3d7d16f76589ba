//! Whom a signal reaches.
//!
//! A process is its pid, its start time and the boot. Each one is held by a pidfd that is opened
//! first and verified after: from then on the descriptor means that process and no other, however
//! often the number is given away. So nothing is signalled by number and nothing by group: a group's
//! members are listed, verified and signalled one by one, for a number that is a group's in one
//! moment may be another group's in the next.
//!
//! Of a run these are: the process itself, its descendants, and, where it leads its group and
//! trainguard does not live in that group, the members of the group, which are what it left behind
//! when a parent in between ended. Never: pid 1, trainguard itself, and those that it descends from.

use crate::observe::process::kin::{Kin, Kinship, handles};
use crate::observe::process::{Identity, boot_id};
use crate::persist::step;
use rustix::fd::OwnedFd;
use rustix::process::Signal;
use std::thread;
use std::time::{Duration, Instant};

/// Rounds in which those are looked for that were started while the others were signalled: a process
/// that is held starts nobody, so the second round usually finds none.
const ROUNDS: usize = 5;
/// How often it is looked whether processes have ended or are held: short beside a grace.
const TICK: Duration = Duration::from_millis(50);
/// Pids that a sentence names.
const NAMED: usize = 8;

/// Processes of a run, each held by a descriptor.
#[derive(Debug)]
pub struct Target {
    members: Vec<Member>,
    /// Where the run leads its group.
    group: Option<i32>,
}

#[derive(Debug)]
struct Member {
    kin: Kin,
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    fd: OwnedFd,
}

/// Why nobody is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Miss {
    /// The process has ended; its number may be another's by now.
    Gone(String),
    /// It is there, and is not to be signalled or cannot be.
    Refused(String),
}

/// Who was reached by a signal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sent {
    /// Those that took it.
    pub reached: Vec<Kin>,
    /// Those that did not, with the reason.
    pub refused: Vec<(i32, String)>,
}

impl Target {
    /// The run that this process leads.
    pub fn of(leader: &Identity) -> Result<Self, Miss> {
        let pid = leader.pid;
        if leader.boot_id != boot_id() {
            return Err(Miss::Gone(format!("process {pid} was of an earlier start of the machine")));
        }
        let kinship = Kinship::read().map_err(Miss::Refused)?;
        let own = own_line(&kinship);
        if pid == 1 || own.iter().any(|kin| kin.pid == pid) {
            let why = "trainguard itself descends from it, or it is the system's first process";
            return Err(Miss::Refused(format!("process {pid} is not signalled: {why}")));
        }
        let Some(held) = hold(pid, leader.start_ticks).map_err(Miss::Refused)? else {
            return Err(Miss::Gone(gone(&kinship, leader)));
        };
        // Listed after the leader is held: what has its number now is it.
        let leads = held.kin.group == pid && !own.iter().any(|kin| kin.group == pid);
        let mut target = Self { members: vec![held], group: leads.then_some(pid) };
        target.gather(&Kinship::read().map_err(Miss::Refused)?).map_err(Miss::Refused)?;
        Ok(target)
    }

    /// Those of these processes that still live, with whoever descends from them, and their group
    /// where they are of one that was theirs.
    pub fn survivors(of: &[Identity], group: Option<i32>) -> Result<Self, String> {
        let boot = boot_id();
        let mut members = Vec::new();
        for identity in of.iter().filter(|identity| identity.boot_id == boot) {
            members.extend(hold(identity.pid, identity.start_ticks)?);
        }
        // While one of them is in it, the group's number is that group's.
        let group = group.filter(|group| members.iter().any(|member| member.kin.group == *group));
        let mut target = Self { members, group };
        target.gather(&Kinship::read()?)?;
        Ok(target)
    }

    /// Adds those that belong to whom it already has; says whether there were any.
    fn gather(&mut self, kinship: &Kinship) -> Result<bool, String> {
        let own = own_line(kinship);
        let pids: Vec<i32> = self.members.iter().map(|member| member.kin.pid).collect();
        let mut kin = kinship.families(&pids);
        if let Some(group) = self.group {
            kin.extend(kinship.group(group));
        }
        let before = self.members.len();
        for kin in kin {
            let known = self.members.iter().any(|member| member.kin.pid == kin.pid);
            let spared = kin.pid <= 1 || own.iter().any(|own| own.pid == kin.pid);
            if !known && !spared {
                self.members.extend(hold(kin.pid, kin.start_ticks)?);
            }
        }
        Ok(self.members.len() > before)
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Who is in it.
    pub fn identities(&self) -> Vec<Identity> {
        self.members.iter().map(|member| member.kin.identity()).collect()
    }

    /// The group that the run leads.
    pub fn group(&self) -> Option<i32> {
        self.group
    }

    /// Signals everybody once.
    pub fn send(&self, signal: Signal) -> Sent {
        let mut sent = Sent::default();
        self.members.iter().for_each(|member| sent.note(member, member.send(signal)));
        sent
    }

    /// Signals everybody once, and then those that came while that was done.
    pub fn send_to_all(&mut self, signal: Signal) -> Sent {
        let mut sent = Sent::default();
        let mut done = 0;
        for _ in 0..ROUNDS {
            self.members.iter().skip(done).for_each(|member| sent.note(member, member.send(signal)));
            done = self.members.len();
            let more = Kinship::read().and_then(|kinship| self.gather(&kinship));
            if more != Ok(true) {
                break;
            }
        }
        sent
    }

    /// Signals the topmost processes that have a handler for it: whoever has none would be ended by
    /// it, and a loader's worker that inherited its parent's handler is not who was meant.
    pub fn ask(&self, signal: Signal) -> Sent {
        let catches = |member: &&Member| handles(member.kin.pid, signal.as_raw());
        let catching: Vec<&Member> = self.members.iter().filter(catches).collect();
        let above = |member: &Member| {
            let parent = |kin: &Kin| {
                self.members.iter().map(|member| &member.kin).find(|other| other.pid == kin.parent)
            };
            let mut line =
                std::iter::successors(parent(&member.kin), |kin| parent(kin)).take(self.members.len());
            line.any(|kin| catching.iter().any(|other| other.kin.pid == kin.pid))
        };
        let mut sent = Sent::default();
        catching
            .iter()
            .filter(|member| !above(member))
            .for_each(|member| sent.note(member, member.send(signal)));
        sent
    }

    /// Waits until all of them have ended; those that have not by then.
    pub fn outlive(&self, until: Instant) -> Vec<i32> {
        self.wait(until, Kin::has_ended)
    }

    /// Waits until all of them are held; those that are not by then.
    pub fn wait_held(&self, until: Instant) -> Vec<i32> {
        // What waits in the kernel is held as soon as it comes back from there.
        self.wait(until, |kin| kin.has_ended() || kin.is_stopped() || kin.state == 'D')
    }

    fn wait(&self, until: Instant, is_so: impl Fn(&Kin) -> bool) -> Vec<i32> {
        loop {
            let left: Vec<i32> = self
                .members
                .iter()
                .filter(|member| member.now().is_some_and(|kin| !is_so(&kin)))
                .map(|member| member.kin.pid)
                .collect();
            if left.is_empty() || Instant::now() >= until {
                return left;
            }
            thread::sleep(TICK);
        }
    }

    /// Whether somebody in it is held by a signal.
    pub fn is_held(&self) -> bool {
        self.members.iter().any(|member| member.now().is_some_and(|kin| kin.is_stopped()))
    }
}

impl Member {
    /// As it is now; `None` where it is no more.
    fn now(&self) -> Option<Kin> {
        Kin::read(self.kin.pid).ok().flatten().filter(|kin| kin.start_ticks == self.kin.start_ticks)
    }

    #[cfg(target_os = "linux")]
    fn send(&self, signal: Signal) -> rustix::io::Result<()> {
        step("send a signal");
        let sent = rustix::process::pidfd_send_signal(&self.fd, signal);
        step("go on after a signal");
        sent
    }

    #[cfg(not(target_os = "linux"))]
    fn send(&self, _signal: Signal) -> rustix::io::Result<()> {
        Err(rustix::io::Errno::NOSYS)
    }
}

impl Sent {
    fn note(&mut self, member: &Member, sent: rustix::io::Result<()>) {
        match sent {
            Ok(()) => self.reached.push(member.kin.clone()),
            // It ended by itself meanwhile.
            Err(rustix::io::Errno::SRCH) => {}
            Err(rustix::io::Errno::PERM) => {
                self.refused.push((member.kin.pid, "it belongs to another user".to_owned()));
            }
            Err(error) => self.refused.push((member.kin.pid, std::io::Error::from(error).to_string())),
        }
    }

    /// `4711 (python3) and 7 more`, and who refused.
    pub fn to_whom(&self) -> String {
        let mut text = match self.reached.as_slice() {
            [] => "nobody".to_owned(),
            [first, rest @ ..] => {
                let named: Vec<String> = rest.iter().take(NAMED).map(|kin| kin.pid.to_string()).collect();
                let more = rest.len().saturating_sub(NAMED);
                let named = if named.is_empty() { String::new() } else { format!(", {}", named.join(", ")) };
                let more = if more > 0 { format!(" and {more} more") } else { String::new() };
                format!("{} ({}){named}{more}", first.pid, first.name)
            }
        };
        for (pid, why) in &self.refused {
            text.push_str(&format!("; not to {pid}: {why}"));
        }
        text
    }
}

/// This process and those that it descends from.
fn own_line(kinship: &Kinship) -> Vec<&Kin> {
    let own = i32::try_from(std::process::id()).unwrap_or_default();
    kinship.get(own).into_iter().chain(kinship.ancestors(own)).collect()
}

/// Holds a process, verified after it is held; `None` where it has ended or the number is another's.
#[cfg(target_os = "linux")]
fn hold(pid: i32, start_ticks: u64) -> Result<Option<Member>, String> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let Some(number) = Pid::from_raw(pid) else { return Ok(None) };
    let fd = match pidfd_open(number, PidfdFlags::empty()) {
        Ok(fd) => fd,
        Err(rustix::io::Errno::SRCH) => return Ok(None),
        Err(error) => {
            let error = std::io::Error::from(error);
            return Err(format!("process {pid} cannot be held, so it is not signalled: {error}"));
        }
    };
    let kin = Kin::read(pid)?.filter(|kin| kin.start_ticks == start_ticks && !kin.has_ended());
    Ok(kin.map(|kin| Member { kin, fd }))
}

#[cfg(not(target_os = "linux"))]
fn hold(_pid: i32, _start_ticks: u64) -> Result<Option<Member>, String> {
    Err("processes are signalled on Linux only".to_owned())
}

fn gone(kinship: &Kinship, leader: &Identity) -> String {
    let pid = leader.pid;
    match kinship.get(pid) {
        Some(other) if other.start_ticks != leader.start_ticks => {
            format!(
                "process {pid} has ended, and its number is now that of '{}', which is left alone",
                other.name
            )
        }
        _ => format!("process {pid} has ended"),
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
