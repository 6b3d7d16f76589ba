//! The run's process: who it is, whether it lives, and whether it does anything.

pub mod kin;
#[cfg(target_os = "linux")]
mod matching;
#[cfg(target_os = "linux")]
mod proc;
#[cfg(target_os = "linux")]
mod who;

use super::Observation;
use crate::config::ProcessSpec;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What makes a process the same process: a pid alone is reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Process id.
    pub pid: i32,
    /// Start time in clock ticks since boot, `/proc/PID/stat` field 22.
    pub start_ticks: u64,
    /// The boot in which it started.
    pub boot_id: String,
}

/// What was found when the run's process was looked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// How it was looked for: `pid 1234`, `pid file train.pid`, `match /train.py/`.
    pub how: String,
    /// What was found.
    pub found: Found,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// A process, in whatever state.
    Process(Life),
    /// None, with the reason: `no process 1234`, `pid 1234 of train.pid now is 'bash', which started later than the file was written`.
    Gone {
        /// The pid that was looked for, where one was named.
        pid: Option<i32>,
        /// For people.
        why: String,
    },
    /// Several unrelated ones.
    Ambiguous {
        /// Their pids and command lines, at most 10.
        matches: Vec<(i32, String)>,
    },
}

/// A process as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Life {
    /// Who it is.
    pub identity: Identity,
    /// State letter of `/proc/PID/stat`: R S D Z T t X I.
    pub state: char,
    /// When it started.
    pub started: DateTime<Utc>,
    /// Its command line, at most 300 characters.
    pub command: String,
    /// Its arguments, the program first; none where they cannot be read or are too long.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// User and system CPU seconds of the whole process tree so far (children that were waited for included).
    pub cpu_s: f64,
    /// Bytes read and written by the whole tree so far (`rchar` + `wchar`), where `/proc/PID/io` may be read.
    pub io_bytes: Option<u64>,
    /// Resident memory of the whole tree, bytes.
    pub resident_bytes: u64,
    /// How many processes the tree has.
    pub processes: usize,
    /// Their pids, this one first, as far as they are counted.
    #[serde(default)]
    pub tree: Vec<i32>,
    /// Which GPUs it was started with.
    #[serde(default)]
    pub visible: Visible,
}

/// What a process's environment said of GPUs when it started. Empty where it may not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Visible {
    /// `CUDA_VISIBLE_DEVICES`.
    pub devices: Option<String>,
    /// `CUDA_DEVICE_ORDER` is `PCI_BUS_ID`: the numbers above are places on the bus.
    pub by_bus: bool,
}

/// A process, as far as it can be seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Who {
    /// Its pid.
    pub pid: u32,
    /// Its owner's name, or number where no name is known.
    pub user: Option<String>,
    /// Its command line, at most 300 characters; its name in brackets where it has none.
    pub command: Option<String>,
    /// When it started.
    pub started: Option<DateTime<Utc>>,
}

impl ProcessFacts {
    /// Whether the run's process has ended, as far as anybody can tell. Several unrelated ones say
    /// nothing.
    pub fn has_ended(&self) -> bool {
        match &self.found {
            Found::Gone { .. } => true,
            Found::Process(life) => life.has_ended(),
            Found::Ambiguous { .. } => false,
        }
    }
}

impl Life {
    /// Whether it runs no more: a zombie that its parent has not noticed, or one that is just going.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

/// Looks for the run's process. `known` is who it was at an earlier look: a pid that now is another
/// process is gone, and one that was believed once needs no second proof.
#[cfg(target_os = "linux")]
pub fn read(spec: &ProcessSpec, known: Option<&Identity>) -> Observation<ProcessFacts> {
    let how = match spec {
        ProcessSpec::Pid(pid) => format!("pid {pid}"),
        ProcessSpec::PidFile(path) => format!("pid file {}", path.display()),
        ProcessSpec::Match(regex) => format!("match /{regex}/"),
        ProcessSpec::Launched(process) => format!("launched as pid {}", process.pid),
    };
    let found = match spec {
        ProcessSpec::Pid(pid) => by_pid(*pid, known),
        ProcessSpec::PidFile(path) => by_pid_file(path, known),
        ProcessSpec::Match(regex) => by_match(regex, known),
        ProcessSpec::Launched(process) => by_identity(process),
    };
    match found {
        Ok(found) => Observation::Known(ProcessFacts { how, found }),
        Err(why) => Observation::Failed { why: format!("{how}: {why}") },
    }
}

/// Looks for the run's process: only Linux tells what is needed.
#[cfg(not(target_os = "linux"))]
pub fn read(_spec: &ProcessSpec, _known: Option<&Identity>) -> Observation<ProcessFacts> {
    Observation::Failed { why: "no /proc on this platform".to_owned() }
}

#[cfg(target_os = "linux")]
pub use proc::{began, boot_id, identity, start_ticks};
#[cfg(target_os = "linux")]
pub use who::{own_line, who};

/// Nothing is known of this boot on a platform without /proc.
#[cfg(not(target_os = "linux"))]
pub fn boot_id() -> String {
    String::new()
}

/// Nothing is known of processes on a platform without /proc.
#[cfg(not(target_os = "linux"))]
pub fn who(_pids: &[u32]) -> Vec<Who> {
    Vec::new()
}

/// Nothing is known of the processes above this one on a platform without /proc.
#[cfg(not(target_os = "linux"))]
pub fn own_line() -> Vec<i32> {
    vec![std::process::id() as i32]
}

/// Start time of a living process; never known on a platform without /proc.
#[cfg(not(target_os = "linux"))]
pub fn start_ticks(_pid: i32) -> Option<u64> {
    None
}

/// A process and its descendants.
#[cfg(target_os = "linux")]
pub fn tree(pid: i32) -> Vec<i32> {
    std::iter::once(pid).chain(proc::descendants(pid)).collect()
}

/// A process alone, on a platform without /proc.
#[cfg(not(target_os = "linux"))]
pub fn tree(pid: i32) -> Vec<i32> {
    vec![pid]
}

/// The command line of a living process, its arguments parted by spaces.
pub fn command_line(pid: i32) -> Option<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace('\0', " ");
    Some(text.trim_end().to_owned()).filter(|text| !text.is_empty())
}

/// Who a process is; never known on a platform without /proc.
#[cfg(not(target_os = "linux"))]
pub fn identity(_pid: i32) -> Option<Identity> {
    None
}

/// When a process began; never known on a platform without /proc.
#[cfg(not(target_os = "linux"))]
pub fn began(_identity: &Identity) -> Option<std::time::SystemTime> {
    None
}

#[cfg(target_os = "linux")]
mod search {
    use super::{Found, Identity, matching, proc};
    use std::io::Read;
    use std::path::Path;
    use std::time::{Duration, SystemTime};

    /// A pid file is written just after its process starts. Both times are whole clock ticks of
    /// different clocks, the boot time whole seconds: this much later is still before.
    const PID_FILE_SLACK: Duration = Duration::from_secs(2);

    /// Two clock ticks and a pause between two readings: what differs where a process writes its own
    /// number at once.
    const REUSED_SLACK: Duration = Duration::from_millis(50);

    /// A pid and a newline; what is longer is no pid file.
    const PID_FILE_BYTES: u64 = 64;

    pub(super) fn by_pid(pid: i32, known: Option<&Identity>) -> Result<Found, String> {
        let Some(stat) = proc::Stat::read(pid)? else {
            return Ok(Found::Gone { pid: Some(pid), why: format!("no process {pid}") });
        };
        let identity = stat.identity();
        match known {
            Some(known) if known.pid == pid && *known != identity => Ok(Found::Gone {
                pid: Some(pid),
                why: format!("pid {pid} now is {}, another process than the one seen before", stat.name()),
            }),
            _ => proc::life(&stat, &proc::descendants(pid)).map(Found::Process),
        }
    }

    pub(super) fn by_identity(process: &Identity) -> Result<Found, String> {
        let pid = process.pid;
        let gone = |why| Ok(Found::Gone { pid: Some(pid), why });
        if process.boot_id != proc::boot_id() {
            return gone(format!("the machine was started anew since process {pid} was launched"));
        }
        match proc::Stat::read(pid)? {
            None => gone(format!("no process {pid}")),
            Some(stat) if stat.identity() != *process => {
                let name = stat.name();
                gone(format!("pid {pid} now is {name}, another process than the one that was launched"))
            }
            Some(stat) => proc::life(&stat, &proc::descendants(pid)).map(Found::Process),
        }
    }

    pub(super) fn by_pid_file(path: &Path, known: Option<&Identity>) -> Result<Found, String> {
        let gone = |pid, why| Ok(Found::Gone { pid, why });
        let (pid, written) = match read_pid_file(path) {
            Ok(read) => read,
            Err(PidFile::Missing) => {
                return gone(None, format!("pid file {} does not exist", path.display()));
            }
            Err(PidFile::Bad(why)) => return Err(why),
        };
        let Some(stat) = proc::Stat::read(pid)? else {
            return gone(Some(pid), format!("no process {pid}"));
        };
        let believed = known.is_some_and(|known| *known == stat.identity());
        // The number of the process that was seen before is another's now: it is the run's only where
        // the file was written for it, and no slack makes a stranger the run.
        let reused = known.is_some_and(|known| known.pid == pid) && !believed;
        let stranger = reused && proc::started_precisely(&stat) > written + REUSED_SLACK;
        let started = proc::started(&stat)?;
        if stranger || (!believed && started > written + PID_FILE_SLACK) {
            let why = format!(
                "pid {pid} of {} now is {}, which started later than the file was written",
                path.display(),
                stat.name()
            );
            return gone(Some(pid), why);
        }
        proc::life(&stat, &proc::descendants(pid)).map(Found::Process)
    }

    enum PidFile {
        Missing,
        Bad(String),
    }

    fn read_pid_file(path: &Path) -> Result<(i32, SystemTime), PidFile> {
        let io = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => PidFile::Missing,
            _ => PidFile::Bad(error.to_string()),
        };
        let metadata = std::fs::metadata(path).map_err(io)?;
        if !metadata.is_file() {
            return Err(PidFile::Bad("not a regular file".to_owned()));
        }
        let mut text = Vec::new();
        let file = std::fs::File::open(path).map_err(io)?;
        file.take(PID_FILE_BYTES).read_to_end(&mut text).map_err(io)?;
        let text = String::from_utf8_lossy(&text);
        let pid =
            text.split_whitespace().next().and_then(|word| word.parse::<i32>().ok()).filter(|pid| *pid > 0);
        let quoted: String = text.chars().filter(|c| !c.is_control()).take(20).collect();
        let pid = pid.ok_or_else(|| PidFile::Bad(format!("it holds no process id but '{quoted}'")))?;
        Ok((pid, metadata.modified().map_err(io)?))
    }

    pub(super) fn by_match(regex: &str, known: Option<&Identity>) -> Result<Found, String> {
        let regex = regex::bytes::Regex::new(regex).map_err(|error| error.to_string())?;
        let table = matching::Table::read()?;
        let mut roots = table.roots(&regex);
        let found = match roots.len() {
            1 => roots.pop(),
            // A zombie has no command line any more, and a process may rename itself.
            0 => known.map(|known| known.pid),
            _ => {
                let matches = roots.into_iter().take(10).map(|pid| (pid, table.command(pid))).collect();
                return Ok(Found::Ambiguous { matches });
            }
        };
        let why = format!("no process matches /{regex}/");
        let Some(pid) = found else {
            return Ok(Found::Gone { pid: None, why });
        };
        match proc::Stat::read(pid)? {
            Some(stat)
                if !table.is_match(pid, &regex) && known.is_none_or(|known| *known != stat.identity()) =>
            {
                Ok(Found::Gone { pid: Some(pid), why })
            }
            Some(stat) => proc::life(&stat, &table.descendants(pid)).map(Found::Process),
            None => Ok(Found::Gone { pid: Some(pid), why }),
        }
    }
}
#[cfg(target_os = "linux")]
use search::{by_identity, by_match, by_pid, by_pid_file};

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests;
