//! `environment:`: what has to be there before a run can start.

use super::raw;
use super::section::{Range, Section};
use super::version::Wanted;
use crate::error::Result;
use std::path::PathBuf;
use std::time::Duration;

const COUNT: Range = Range { least: 1.0, least_allowed: true, most: 1e12, whole: true, unit: "open files" };
const GIGABYTES: Range =
    Range { least: 0.0, least_allowed: false, most: 1e9, whole: false, unit: "GB of 10^9 bytes" };
/// What importing torch takes from a cold network disk; the rest of a patrol's 50 s leaves no more.
const TIMEOUT: Duration = Duration::from_secs(30);
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(10)];

/// `environment:`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Environment {
    /// Programs on the `PATH`, or paths of them.
    pub commands: Vec<String>,
    /// Files and directories. Absolute.
    pub files: Vec<PathBuf>,
    /// An interpreter, or the directory of a virtual or conda environment; `None` is the active one.
    pub python: Option<PathBuf>,
    /// Python packages by name, and the versions that are wanted, as pip writes them.
    pub packages: Vec<(String, String)>,
    /// Driver and CUDA runtime have to fit each other.
    pub cuda: bool,
    /// `torch.cuda.is_available()` has to be true, within this time.
    pub torch_cuda: Option<Duration>,
    /// Open files that a process may have at least.
    pub open_files_min: Option<u64>,
    /// Memory that may be locked at least, bytes.
    pub locked_memory_min: Option<u64>,
    /// Size of `/dev/shm` at least, bytes.
    pub shm_min: Option<u64>,
}

/// `environment:`, checked; `None` where there is no such section.
pub(super) fn environment(
    at: &Section<'_>,
    raw: Option<&raw::Environment>,
    taken: &[&str],
) -> Result<Option<Environment>> {
    let Some(raw) = raw else { return Ok(None) };
    if taken.contains(&super::ENVIRONMENT) {
        let what = "`environment` is also the name of something else under guard";
        return Err(at.wrong_here(super::locate::Aim::Key, what, "give that another name"));
    }
    let mut commands = Vec::new();
    for (index, text) in raw.commands.iter().flatten().enumerate() {
        let word = at.key("commands").index(index).text_here(text)?;
        commands.push(if word.contains('/') {
            at.absolute(&word).to_string_lossy().into_owned()
        } else {
            word
        });
    }
    let mut files = Vec::new();
    for (index, text) in raw.files.iter().flatten().enumerate() {
        files.push(at.absolute(&at.key("files").index(index).text_here(text)?));
    }
    let mut packages = Vec::new();
    for (name, text) in raw.packages.iter().flatten() {
        let wanted = at.key("packages").text(name, text)?;
        if let Err(why) = Wanted::parse(&wanted) {
            let next = "write it as pip does: '>=2.1,<3', '==1.26.*', or '*' for any version";
            return Err(at.key("packages").wrong(name, &why, next));
        }
        packages.push((name.clone(), wanted));
    }
    let torch = at.flag("torch_cuda", raw.torch_cuda.as_ref(), false)?;
    let [least, most] = TIMEOUTS;
    let timeout = at.span("timeout", raw.timeout.as_ref(), least..=most)?.unwrap_or(TIMEOUT);
    let bytes = |key, number: &Option<_>| {
        Ok(at.number(key, number.as_ref(), GIGABYTES)?.map(|gigabytes| (gigabytes * 1e9) as u64))
    };
    Ok(Some(Environment {
        commands,
        files,
        python: raw.python.as_ref().map(|path| at.path("python", path)).transpose()?,
        packages,
        cuda: at.flag("cuda", raw.cuda.as_ref(), false)?,
        torch_cuda: torch.then_some(timeout),
        open_files_min: at.number("open_files_min", raw.open_files_min.as_ref(), COUNT)?.map(|n| n as u64),
        locked_memory_min: bytes("locked_memory_min_gb", &raw.locked_memory_min_gb)?,
        shm_min: bytes("shm_min_gb", &raw.shm_min_gb)?,
    }))
}
