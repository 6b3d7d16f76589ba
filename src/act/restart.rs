//! Restart: the command that `launch` recorded, or the user's own, once for each order.
//!
//! A child of its own starts it, for it has to outlive the patrol. What it is to start stands in
//! `NAME/starts/ORDER.json`, and there it notes what came of it. Before it starts anything it makes
//! `NAME/starts/ORDER.claim`, which only one can: whoever is killed wherever, and however often the
//! order is taken up again, there is no second start.
//!
//! A recorded command is started by the same keeper as at its launch, which records the new process in
//! `run.json` and notes how it ends. A user's command is either a client (`systemctl restart`, `scontrol
//! requeue`), which succeeds by exiting with 0, or the training itself, which succeeds by living.

use super::journal::What;
use super::target::{Miss, Target};
use super::{Actor, Deed, Manner, Standing, detach, lives, standing};
use crate::config::actions::{GRACE, Program, Restart};
use crate::decide::orders::Order;
use crate::error::{Error, Result, chain};
use crate::launch;
use crate::observe::process::{self, Identity};
use crate::persist::run_directory::RunDirectory;
use crate::persist::store::Store;
use crate::persist::{step, trust};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// First argument of the child that starts a run: hidden from people, told to [`serve`] by `main`.
pub const ARGUMENT: &str = "__restart";

/// A start that fails does so at once, or within its first imports (the contract's number).
const ALIVE: Duration = Duration::from_secs(3);
/// What a busy machine takes to start a child that starts a child.
const PATIENCE: Duration = Duration::from_secs(20);
const TICK: Duration = Duration::from_millis(50);
/// Starts that are remembered as files: a week of the most that are allowed by default.
const STARTS: usize = 20;
/// A start is a command line and a path; what is larger is none of ours.
const SIZE_MAX: u64 = 1024 * 1024;
const SCHEMA: &str = "trainguard/start/1";
/// A shell's exit code for a command that a signal ended is this and the signal's number.
const OF_A_SIGNAL: i32 = 128;

/// What is to be started, and what came of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Start {
    schema: String,
    /// The user's command; without one what was recorded.
    command: Option<Program>,
    /// The log that takes the output of a user's command.
    log: Option<PathBuf>,
    /// What was started.
    process: Option<Identity>,
    /// Why nothing was.
    refused: Option<String>,
    /// How a user's command ended: its exit code, or that of a shell for the signal that ended it.
    ended: Option<i32>,
}

impl Actor<'_> {
    /// Ends what still lives of the run, and starts it anew once that is gone.
    pub(super) fn restart(&self, order: &Order, restart: &Restart) -> Result<Vec<Deed>> {
        let mut deeds = Vec::new();
        if let Some(leader) = &order.target {
            let stopped = self.journal()?.outcome(&order.id, What::Kill).is_some();
            match Target::of(leader) {
                Err(Miss::Gone(_)) => {}
                Err(Miss::Refused(why)) => {
                    return self.once(order, What::Restart, |_, _| (false, why));
                }
                Ok(_) if stopped => {
                    let why = "the run does not end, and two of it would write to the same files".to_owned();
                    return self.once(order, What::Restart, |_, _| (false, why));
                }
                Ok(_) => {
                    deeds = self.stop(order, GRACE)?;
                    let failed = deeds.iter().any(|deed| !deed.ok);
                    // A patrol leaves the grace to a child; the start is the next patrol's.
                    if failed || self.manner == Manner::Leave {
                        return Ok(deeds);
                    }
                }
            }
        }
        let mut journal = {
            let _lock = self.lock()?;
            let mut journal = self.journal()?;
            match standing(&journal, &order.id, What::Restart) {
                Standing::Done(deed) => return Ok(vec![deed]),
                Standing::InHand => return Ok(Vec::new()),
                Standing::CutOff => {}
                Standing::New => journal.add(self.intent(order, What::Restart))?,
            }
            journal
        };
        let (ok, said) = self.start(order, restart).unwrap_or_else(|error| (false, chain(&error)));
        deeds.push(self.conclude(&mut journal, order, What::Restart, ok, said)?);
        Ok(deeds)
    }

    fn start(&self, order: &Order, restart: &Restart) -> Result<(bool, String)> {
        let starts = starts(self.store, self.run)?;
        if !path(&starts, &order.id, "json").exists() {
            sweep(&starts);
            let log = restart.log.clone();
            let start = Start {
                schema: SCHEMA.to_owned(),
                command: restart.command.clone(),
                log,
                process: None,
                refused: None,
                ended: None,
            };
            start.keep(self.store, &starts, &order.id)?;
        }
        if !path(&starts, &order.id, "claim").exists() {
            let arguments: [OsString; 4] =
                [ARGUMENT.into(), self.store.path("").into(), self.run.into(), order.id.clone().into()];
            step("start the run");
            if let Err(why) = detach::start(&arguments) {
                return Ok((false, format!("could not be restarted: {why}")));
            }
            step("go on after starting the run");
        }
        Ok(self.outcome(order, restart, &starts))
    }

    /// Waits until it is known what came of a start.
    fn outcome(&self, order: &Order, restart: &Restart, starts: &Path) -> (bool, String) {
        let shown = self.shown(restart);
        let count = order
            .count
            .map_or_else(String::new, |(number, most)| format!(", restart {number} of {most} within a day"));
        let until = Instant::now() + PATIENCE;
        let mut since = None;
        loop {
            let start = match Start::read(starts, &order.id) {
                Ok(start) => start,
                Err(error) => return (false, format!("could not be restarted: {}", chain(&error))),
            };
            if let Some(why) = &start.refused {
                return (false, format!("could not be restarted: {why}"));
            }
            if let Some(process) = &start.process {
                let pid = process.pid;
                let at = *since.get_or_insert_with(Instant::now);
                match (&restart.command, start.ended) {
                    (Some(_), Some(0)) => {
                        return (true, format!("restarted: `{shown}` ended well{count}"));
                    }
                    (Some(_), Some(code)) => {
                        let how = format!("ended with code {code}");
                        return (false, format!("could not be restarted: `{shown}` {how}{count}"));
                    }
                    (None, _) if !lives(process) => {
                        let why = "see the end of its log";
                        return (
                            false,
                            format!(
                                "could not be restarted: `{shown}` (process {pid}) ended within {} s: {why}{count}",
                                ALIVE.as_secs()
                            ),
                        );
                    }
                    _ if at.elapsed() >= ALIVE => {
                        return (true, format!("restarted: `{shown}` as process {pid}{count}"));
                    }
                    _ => {}
                }
            } else if Instant::now() >= until {
                let why = "whoever was to start it did not say that it did; look whether it runs before you start it";
                return (false, format!("could not be restarted: {why}"));
            }
            thread::sleep(TICK);
        }
    }

    fn shown(&self, restart: &Restart) -> String {
        let recorded = || {
            let record = self.directory().and_then(|directory| directory.record());
            record.ok().flatten().map(|record| record.command)
        };
        let command = restart.command.as_ref().map(|program| program.arguments.clone()).or_else(recorded);
        command.map(|command| launch::command::shown(&command)).unwrap_or_default()
    }
}

fn starts(store: &Store, run: &str) -> Result<PathBuf> {
    let directory = Path::new(run).join("starts");
    store.directory(&directory.to_string_lossy())
}

fn path(starts: &Path, order: &str, ending: &str) -> PathBuf {
    starts.join(format!("{order}.{ending}"))
}

/// Forgets the oldest starts.
fn sweep(starts: &Path) {
    let files = std::fs::read_dir(starts).into_iter().flatten().flatten();
    let mut files: Vec<_> = files
        .filter_map(|entry| Some((entry.metadata().and_then(|meta| meta.modified()).ok()?, entry.path())))
        .collect();
    files.sort();
    let excess = files.len().saturating_sub(2 * STARTS);
    files.into_iter().take(excess).for_each(|(_, file)| drop(std::fs::remove_file(file)));
}

impl Start {
    fn read(starts: &Path, order: &str) -> Result<Self> {
        let path = path(starts, order, "json");
        let file = trust::open(&path).map_err(Error::io("open", &path))?;
        let mut bytes = Vec::new();
        file.take(SIZE_MAX).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::io("read", &path)(error.into()))
    }

    fn keep(&self, store: &Store, starts: &Path, order: &str) -> Result<()> {
        let path = path(starts, order, "json");
        let bytes = serde_json::to_vec(self).map_err(|error| Error::io("write", &path)(error.into()))?;
        store.write(&path, &bytes)
    }
}

/// The life of the child that starts a run: `__restart STATE_DIRECTORY RUN ORDER`, and the same with
/// `recorded` behind it once it has the recorded environment.
///
/// # Errors
/// Somebody else starts it, or nothing can be noted; everything else is noted.
pub fn serve(mut arguments: impl Iterator<Item = OsString>) -> Result<()> {
    let next = (arguments.next(), arguments.next(), arguments.next());
    let (Some(state_dir), Some(run), Some(order)) = next else {
        return Err(Error::Usage(format!("{ARGUMENT} takes a state directory, a run and an order")));
    };
    let (run, order) = (run.to_string_lossy().into_owned(), order.to_string_lossy().into_owned());
    let Some(store) = Store::open_existing(Path::new(&state_dir))? else { return Ok(()) };
    let starts = starts(&store, &run)?;
    let started = if arguments.next().is_some() {
        recorded(&store, &run, &starts, &order, &state_dir)
    } else {
        detach::settle();
        claim(&starts, &order)?;
        match Start::read(&starts, &order)?.command {
            Some(program) => own(&store, &starts, &order, &program),
            None => Err(dress(&store, &run, &state_dir, &order)),
        }
    };
    match started {
        Ok(()) => Ok(()),
        Err(why) => {
            let start = Start::read(&starts, &order)?;
            Start { refused: Some(why), ..start }.keep(&store, &starts, &order)
        }
    }
}

/// Takes the start of an order: only one can.
fn claim(starts: &Path, order: &str) -> Result<()> {
    let path = path(starts, order, "claim");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let claimed = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR).map_err(std::io::Error::from);
    claimed.map_err(Error::io("claim the start by", &path))?;
    crate::persist::atomic::sync_directory(starts).map_err(Error::io("sync", starts))
}

/// Becomes this program with the environment that was recorded and no other; returns why not.
fn dress(store: &Store, run: &str, state_dir: &OsStr, order: &str) -> String {
    let record = RunDirectory::open(store, run).and_then(|directory| directory.record());
    let environment = match record {
        Ok(Some(record)) => record.environment,
        Ok(None) => None,
        Err(error) => return chain(&error),
    };
    let Some(environment) = environment else { return "no environment of it is recorded".to_owned() };
    let arguments =
        [OsStr::new(ARGUMENT), state_dir, OsStr::new(run), OsStr::new(order), OsStr::new("recorded")];
    let error = detach::become_with(&arguments, environment);
    format!("its environment cannot be given back: {error}")
}

/// Starts the recorded command under a keeper, and stays as long as that: under systemd the unit ends
/// with this process.
fn recorded(
    store: &Store,
    run: &str,
    starts: &Path,
    order: &str,
    state_dir: &OsStr,
) -> std::result::Result<(), String> {
    let record = RunDirectory::open(store, run).and_then(|directory| directory.record());
    let record = record.map_err(|error| chain(&error))?.ok_or("it was not launched from here")?;
    let launch = launch::Order {
        run: run.to_owned(),
        command: record.command,
        variables: BTreeMap::new(),
        directory: record.directory,
        log: record.log,
        state_dir: PathBuf::from(state_dir),
        git: record.git,
        gpus: record.gpus,
        keep_environment: true,
    };
    let running = launch::start(&launch, Stdio::null()).map_err(|error| chain(&error))?;
    let process = running.record.process.clone();
    note(store, starts, order, |start| start.process = Some(process));
    // It ends with the keeper, whatever came.
    drop(running.ended().recv());
    Ok(())
}

/// Starts the user's command and notes how it ends.
fn own(store: &Store, starts: &Path, order: &str, program: &Program) -> std::result::Result<(), String> {
    let log = Start::read(starts, order).ok().and_then(|start| start.log);
    let out = || match &log {
        None => Stdio::null(),
        Some(log) => std::fs::File::options()
            .append(true)
            .create(true)
            .open(log)
            .map_or_else(|_| Stdio::null(), Stdio::from),
    };
    let mut command = Command::new(program.arguments.first().map_or("", String::as_str));
    command.args(program.arguments.iter().skip(1)).current_dir(&program.directory);
    command.stdin(Stdio::null()).stdout(out()).stderr(out());
    command.process_group(0);
    let mut child = command
        .spawn()
        .map_err(|error| format!("`{}` cannot be started: {error}", program.arguments.join(" ")))?;
    let process = i32::try_from(child.id()).ok().and_then(process::identity);
    note(store, starts, order, |start| start.process = process);
    let ended = child.wait().map_err(|error| error.to_string())?;
    note(store, starts, order, |start| start.ended = Some(code(ended)));
    Ok(())
}

fn code(ended: ExitStatus) -> i32 {
    ended.code().unwrap_or_else(|| OF_A_SIGNAL + ended.signal().unwrap_or_default())
}

/// Notes what came of a start. Where that fails the order's outcome says that nobody knows.
fn note(store: &Store, starts: &Path, order: &str, change: impl FnOnce(&mut Start)) {
    if let Ok(mut start) = Start::read(starts, order) {
        change(&mut start);
        drop(start.keep(store, starts, order));
    }
}
