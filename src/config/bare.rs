//! A bare `--log`: one run, no `runs:`, and state beside the log.

use super::load::LoadArgs;
use super::runs::{compile, name_fault};
use super::trust::{self, Caller};
use super::{Actions, CheckpointSpec, ProcessSpec, Run, STATE_DIR, paths};
use crate::error::{Error, Result};
use rustix::fs::Access;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

/// Characters that each of the two parts of a made-up name may have.
const NAME_PART_CHARS: usize = 40;

/// `--log` and the flags that go with it, as typed.
#[derive(Debug, Clone, Default)]
pub struct BareLog {
    /// `--log`: a path or a glob.
    pub log: PathBuf,
    /// `--pid`, `--pid-file` or `--match`.
    pub process: Option<ProcessSpec>,
    /// `--checkpoints`.
    pub checkpoints: Option<PathBuf>,
    /// `--name`.
    pub name: Option<String>,
}

impl BareLog {
    /// Just a log.
    pub fn new(log: impl Into<PathBuf>) -> Self {
        Self { log: log.into(), ..Self::default() }
    }

    /// From the flags; `None` without `--log`.
    pub fn from_flags(flags: &crate::cli::Selection) -> Option<Self> {
        let process = match (&flags.pid, &flags.pid_file, &flags.r#match) {
            (Some(pid), _, _) => Some(ProcessSpec::Pid(*pid)),
            (None, Some(file), _) => Some(ProcessSpec::PidFile(file.clone())),
            (None, None, Some(pattern)) => Some(ProcessSpec::Match(pattern.clone())),
            (None, None, None) => None,
        };
        let log = flags.log.clone()?;
        Some(Self { log, process, checkpoints: flags.checkpoints.clone(), name: flags.name.clone() })
    }
}

/// The run and the directory that its state goes under.
pub(super) struct Bare {
    pub(super) run: Run,
    pub(super) base: PathBuf,
}

/// Checks the flags and decides where state goes; a note says so where that is not beside the log.
pub(super) fn resolve(
    typed: &BareLog,
    args: &LoadArgs<'_>,
    has_state_dir: bool,
    notes: &mut Vec<String>,
) -> Result<Bare> {
    if typed.log.as_os_str().is_empty() {
        return Err(Error::Usage("--log is empty: name the training's log".to_owned()));
    }
    let absolute = |path: &Path| paths::absolute(path, &args.cwd, args.env);
    let log = absolute(&typed.log);
    if paths::is_glob(&log) {
        glob::Pattern::new(&log.to_string_lossy()).map_err(|error| {
            Error::Usage(format!("--log {}: not a usable glob: {}", typed.log.display(), error.msg))
        })?;
    }
    let process = match &typed.process {
        Some(ProcessSpec::PidFile(file)) => Some(ProcessSpec::PidFile(absolute(file))),
        Some(ProcessSpec::Match(pattern)) => {
            compile(pattern)
                .map_err(|why| Error::Usage(format!("--match '{pattern}': not a usable regex: {why}")))?;
            Some(ProcessSpec::Match(pattern.clone()))
        }
        other => other.clone(),
    };
    let directory = paths::log_directory(&log);
    let identity = identity(&log, &directory);
    let name = match &typed.name {
        Some(name) => match name_fault(name) {
            Some(fault) => return Err(Error::Usage(format!("--name '{name}': {fault}"))),
            None => name.clone(),
        },
        None => name_of(&identity, &directory),
    };
    let base = match unusable(&directory).filter(|_| !has_state_dir) {
        None => directory,
        Some(why) => {
            let Some(state) = paths::xdg_state(args.env) else {
                let next = "give --state-dir DIR (neither $XDG_STATE_HOME nor $HOME is set)";
                return Err(Error::Usage(format!("state cannot be kept beside the log: {why}; {next}")));
            };
            let base = state.join(format!("{:016x}", hash(&identity)));
            notes.push(format!("state is kept in {}: {why}", base.join(STATE_DIR).display()));
            base
        }
    };
    let checkpoints = typed.checkpoints.as_deref();
    let checkpoints = checkpoints.map(|dir| CheckpointSpec { dir: absolute(dir), pattern: None });
    let run = Run {
        name,
        log: Some(log),
        process,
        checkpoints,
        total_steps: None,
        done_when: None,
        gpus: Vec::new(),
        command: None,
        profile: None,
        actions: Actions::default(),
    };
    Ok(Bare { run, base })
}

/// The log's path with its directory's links followed: cron and a shell that came through a link
/// mean the same log. The log's own name stays, for `latest.log` may be a link to another each day.
fn identity(log: &Path, directory: &Path) -> PathBuf {
    match (directory.canonicalize(), log.strip_prefix(directory)) {
        (Ok(real), Ok(rest)) => real.join(rest),
        _ => log.to_owned(),
    }
}

fn hash(identity: &Path) -> u64 {
    xxh3_64(identity.as_os_str().as_bytes())
}

/// `DIRECTORY-STEM-HASH`, in characters that file names take everywhere.
fn name_of(identity: &Path, directory: &Path) -> String {
    let plain = |part: Option<&std::ffi::OsStr>| -> String {
        let part = part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default();
        let chars = part.chars().take(NAME_PART_CHARS);
        chars.map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
    };
    let parent = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
    let (parent, stem) = (plain(parent.file_name()), plain(identity.file_stem()));
    let digits = hash(identity) & 0xff_ffff;
    let name = format!("{parent}-{stem}-{digits:06x}");
    match name.strip_prefix(['.', '-']) {
        Some(rest) => format!("_{rest}"),
        None => name,
    }
}

/// Why state cannot be kept in a directory's `.trainguard`, if so.
fn unusable(directory: &Path) -> Option<String> {
    let state = directory.join(STATE_DIR);
    let writable = |path: &Path| {
        let answer = rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK);
        answer.err().map(|error| {
            let why = std::io::Error::from(error);
            format!("{} cannot be written to ({why})", path.display())
        })
    };
    match state.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => Some(format!("{} is a symbolic link", state.display())),
        Ok(metadata) if !metadata.is_dir() => Some(format!("{} is not a directory", state.display())),
        Ok(metadata) => trust::fault(&state, &metadata, Caller::current()).or_else(|| writable(&state)),
        Err(error) if error.kind() == ErrorKind::NotFound => writable(directory),
        Err(error) => Some(format!("{} cannot be looked at ({error})", state.display())),
    }
}
