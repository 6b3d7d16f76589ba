//! `/proc/PID/{stat,io,cmdline,task/*/children}`: read as little as is needed.

use super::{Identity, Life, Visible};
use chrono::{DateTime, Utc};
use std::fs;
use std::io::{ErrorKind, Read};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A command line is quoted up to here, characters.
const COMMAND: usize = 300;

/// Arguments are read up to here, bytes: twenty times what long commands of training are.
const ARGUMENTS: u64 = 1 << 16;

/// An environment is read up to here, bytes: the kernel's usual limit for one string of it times eight.
const ENVIRONMENT: u64 = 1 << 20;

/// Characters of a list of devices: 64 UUIDs of MIG instances and more.
const VISIBLE: usize = 4096;

/// Processes of one tree that are counted; beyond it the sums are incomplete and still move.
const TREE: usize = 4096;

/// `/proc/PID/stat`, as far as it is used.
#[derive(Debug)]
pub(super) struct Stat {
    pub(super) pid: i32,
    pub(super) comm: String,
    pub(super) state: char,
    pub(super) parent: i32,
    pub(super) group: i32,
    /// User and system time, own and of children that were waited for, ticks.
    cpu_ticks: u64,
    pub(super) start_ticks: u64,
    resident_pages: u64,
    threads: i64,
}

impl Stat {
    /// Reads it; `None` where there is no such process.
    pub(super) fn read(pid: i32) -> Result<Option<Self>, String> {
        let path = format!("/proc/{pid}/stat");
        match fs::read(&path) {
            Ok(bytes) => {
                let mut stat =
                    Self::parse(pid, &bytes).ok_or_else(|| format!("cannot make sense of {path}"))?;
                if stat.state == 'Z' && stat.threads > 1 {
                    stat.state = state_of_threads(pid).unwrap_or(stat.state);
                }
                Ok(Some(stat))
            }
            // Gone between open and read, or never there.
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(None),
            Err(error) if error.kind() == ErrorKind::NotFound && hidden(pid) => {
                Err(format!("process {pid} exists, but /proc does not show it to this user (hidepid)"))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("cannot read {path}: {error}")),
        }
    }

    /// The name may hold spaces and brackets, so fields are counted from the last `)`.
    pub(super) fn parse(pid: i32, bytes: &[u8]) -> Option<Self> {
        let open = bytes.iter().position(|byte| *byte == b'(')?;
        let close = bytes.iter().rposition(|byte| *byte == b')')?;
        let comm = String::from_utf8_lossy(bytes.get(open + 1..close)?).into_owned();
        let fields: Vec<&str> =
            std::str::from_utf8(bytes.get(close + 1..)?).ok()?.split_ascii_whitespace().collect();
        // Field N of proc_pid_stat(5) stands at N - 3.
        let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
        let mut cpu_ticks = 0_u64;
        for field in 14..=17 {
            cpu_ticks = cpu_ticks.saturating_add(u64::try_from(number(field)?).ok()?);
        }
        Some(Self {
            pid,
            comm,
            state: fields.first()?.chars().next()?,
            parent: i32::try_from(number(4)?).ok()?,
            group: i32::try_from(number(5)?).ok()?,
            cpu_ticks,
            start_ticks: u64::try_from(number(22)?).ok()?,
            resident_pages: u64::try_from(number(24)?).unwrap_or(0),
            threads: number(20)?,
        })
    }

    pub(super) fn identity(&self) -> Identity {
        Identity { pid: self.pid, start_ticks: self.start_ticks, boot_id: boot_id() }
    }

    pub(super) fn name(&self) -> String {
        format!("'{}'", self.comm)
    }
}

/// The state of a process whose first thread has ended while others live: a killed process that waits
/// for one of them to leave the kernel looks like a zombie and is none.
fn state_of_threads(pid: i32) -> Option<char> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
    let stats = tasks.filter_map(|task| Stat::parse(pid, &fs::read(task.path().join("stat")).ok()?));
    let mut states = stats.map(|stat| stat.state).filter(|state| !matches!(state, 'Z' | 'X' | 'x'));
    let first = states.next()?;
    Some(if first == 'D' || states.any(|state| state == 'D') { 'D' } else { first })
}

/// A process that exists and that `/proc` hides: asking for leave to signal it is refused.
fn hidden(pid: i32) -> bool {
    rustix::process::Pid::from_raw(pid)
        .is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::PERM))
}

/// `/proc/sys/kernel/random/boot_id`; empty where it cannot be read.
pub fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Start time of a process in ticks since boot; `None` where it does not live (a zombie does not).
pub fn start_ticks(pid: i32) -> Option<u64> {
    Stat::read(pid).ok()?.filter(|stat| !matches!(stat.state, 'Z' | 'X' | 'x')).map(|stat| stat.start_ticks)
}

/// Who a process is, in whatever state: one that has ended and was not reaped keeps its number.
pub fn identity(pid: i32) -> Option<Identity> {
    Some(Stat::read(pid).ok()??.identity())
}

/// When a process started, by the wall clock of now.
pub(super) fn started(stat: &Stat) -> Result<SystemTime, String> {
    let text =
        fs::read_to_string("/proc/stat").map_err(|error| format!("cannot read /proc/stat: {error}"))?;
    let boot = text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse::<u64>().ok());
    let boot = boot.ok_or("no boot time in /proc/stat")?;
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    let since_boot = Duration::from_secs_f64(stat.start_ticks as f64 / per_second as f64);
    Ok(UNIX_EPOCH + Duration::from_secs(boot) + since_boot)
}

/// The same to a clock tick: `/proc/stat` tells the boot in whole seconds, the two clocks to the
/// nanosecond. They are read one after the other, and a wall clock that was set since then moves both.
pub(super) fn started_precisely(stat: &Stat) -> SystemTime {
    let read = |id| {
        let time = rustix::time::clock_gettime(id);
        Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
    };
    let up = read(rustix::time::ClockId::Boottime);
    let boot = read(rustix::time::ClockId::Realtime).saturating_sub(up);
    let per_second = rustix::param::clock_ticks_per_second().max(1);
    UNIX_EPOCH + boot + Duration::from_secs_f64(stat.start_ticks as f64 / per_second as f64)
}

/// The descendants of a process, from `/proc/PID/task/*/children`; where the kernel does not keep
/// those, from the whole table.
pub(super) fn descendants(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut next = vec![pid];
    while let Some(parent) = next.pop() {
        let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else {
            continue;
        };
        for task in tasks.flatten() {
            let text = match fs::read_to_string(task.path().join("children")) {
                Ok(text) => text,
                Err(error)
                    if error.kind() == ErrorKind::NotFound && parent == pid && task.path().exists() =>
                {
                    return super::matching::Table::parents()
                        .map(|table| table.descendants(pid))
                        .unwrap_or_default();
                }
                Err(_) => continue,
            };
            let room = TREE.saturating_sub(found.len());
            let children =
                text.split_ascii_whitespace().filter_map(|word| word.parse::<i32>().ok()).take(room);
            let before = found.len();
            found.extend(children);
            next.extend_from_slice(&found[before..]);
        }
    }
    found
}

/// A process with the sums over its tree.
pub(super) fn life(root: &Stat, descendants: &[i32]) -> Result<Life, String> {
    let (mut cpu_ticks, mut pages, mut tree) = (root.cpu_ticks, root.resident_pages, vec![root.pid]);
    let mut io_bytes = io_bytes(root.pid);
    // Whoever ends between the listing and now is not counted.
    for stat in descendants.iter().take(TREE).filter_map(|pid| Stat::read(*pid).ok().flatten()) {
        cpu_ticks = cpu_ticks.saturating_add(stat.cpu_ticks);
        pages = pages.saturating_add(stat.resident_pages);
        tree.push(stat.pid);
        if let (Some(sum), Some(more)) = (io_bytes, self::io_bytes(stat.pid)) {
            io_bytes = Some(sum.saturating_add(more));
        }
    }
    Ok(Life {
        identity: root.identity(),
        state: root.state,
        started: DateTime::<Utc>::from(started(root)?),
        arguments: arguments(root.pid).unwrap_or_default(),
        command: command(root.pid).unwrap_or_else(|| format!("[{}]", root.comm)),
        cpu_s: cpu_ticks as f64 / rustix::param::clock_ticks_per_second().max(1) as f64,
        io_bytes,
        resident_bytes: pages.saturating_mul(rustix::param::page_size() as u64),
        processes: tree.len(),
        tree,
        visible: visible(root.pid),
    })
}

/// Bytes read and written, where that may be known.
fn io_bytes(pid: i32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/io")).ok()?;
    let field =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    Some(field("rchar:")?.saturating_add(field("wchar:")?))
}

/// The environment as it was when the process started.
fn visible(pid: i32) -> Visible {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/environ")).ok();
    if file.is_none_or(|file| file.take(ENVIRONMENT).read_to_end(&mut bytes).is_err()) {
        return Visible::default();
    }
    let value = |name: &[u8]| {
        let value = bytes.split(|byte| *byte == 0).find_map(|line| line.strip_prefix(name));
        value.map(|value| String::from_utf8_lossy(value).chars().take(VISIBLE).collect::<String>())
    };
    Visible {
        devices: value(b"CUDA_VISIBLE_DEVICES="),
        by_bus: value(b"CUDA_DEVICE_ORDER=").is_some_and(|order| order == "PCI_BUS_ID"),
    }
}

/// The command line; `None` where there is none (a zombie, a kernel thread).
pub(super) fn command(pid: i32) -> Option<String> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(4 * COMMAND as u64).read_to_end(&mut bytes).ok()?;
    let text = printable(&bytes);
    (!text.is_empty()).then_some(text)
}

/// The arguments in full: what is cut would pass for another command's beginning.
fn arguments(pid: i32) -> Option<Vec<String>> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/cmdline")).ok()?;
    file.take(ARGUMENTS + 1).read_to_end(&mut bytes).ok()?;
    if bytes.is_empty() || bytes.len() as u64 > ARGUMENTS {
        return None;
    }
    let arguments = bytes.strip_suffix(b"\0").unwrap_or(&bytes).split(|byte| *byte == 0);
    Some(arguments.map(|argument| String::from_utf8_lossy(argument).into_owned()).collect())
}

/// Bytes of a command line for people: NULs between arguments become spaces.
pub(super) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim_end().chars().take(COMMAND).collect()
}
