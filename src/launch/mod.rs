//! Starting a training so that nothing of it hangs on whoever started it.
//!
//! `launch` starts a [`keeper`], this program once more in a session of its own; the keeper starts
//! the command, records it in `NAME/run.json`, waits for its end and notes that in `NAME/exit.json`.
//! The command writes to the log itself. So `launch` may be killed and its terminal may close: the
//! training goes on, and how it ended is known.
//!
//! The two talk over a pair of sockets that is the keeper's standard output until the command runs:
//! an [`Order`] one way, as JSON until its end; lines of JSON the other. A keeper whose `launch` is
//! gone goes on all the same.

pub mod command;
pub mod copy;
pub mod git;
pub mod keeper;
mod log;
pub mod signals;

use crate::error::{Error, Result};
use crate::observe::process::Identity;
use crate::persist::run_directory::{Exit, Record, RunDirectory};
use crate::persist::store::Store;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// A keeper that has not said anything for so long hangs on the log's file system, or the state's.
const PATIENCE: Duration = Duration::from_mins(1);

/// What is to be started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Order {
    /// The run's name.
    pub run: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Variables beyond the environment that the keeper inherits.
    pub variables: BTreeMap<String, String>,
    /// The working directory. Absolute.
    pub directory: PathBuf,
    /// The log. Absolute.
    pub log: PathBuf,
    /// The state directory that the run's own directory is in. Absolute.
    pub state_dir: PathBuf,
    /// The commit that is checked out.
    pub git: Option<String>,
    /// The GPUs that it is to use.
    pub gpus: Vec<String>,
    /// The values of the environment are recorded: a restart is configured.
    pub keep_environment: bool,
}

/// What a keeper says to whoever started it, a line each.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    /// The command runs and is recorded.
    Started(Box<Record>),
    /// It does not run, and there is no record of it: why, and what to do.
    Refused(String),
    /// It has ended.
    Ended(Exit),
}

/// A command that was started.
#[derive(Debug)]
pub struct Running {
    /// How it is recorded.
    pub record: Record,
    /// Bytes of the log before its first.
    pub log_from: u64,
    words: BufReader<UnixStream>,
    keeper: Child,
}

impl Running {
    /// How the command ends, once it does; nothing comes where its keeper is killed before. The
    /// keeper is reaped in the end.
    pub fn ended(self) -> Receiver<Exit> {
        let (send, ended) = mpsc::channel();
        let Self { mut words, mut keeper, .. } = self;
        // Without a thread the channel closes at once, as after a keeper that was killed: whoever
        // listens looks for the process then.
        drop(thread::Builder::new().spawn(move || {
            if let Ok(Some(Word::Ended(exit))) = next(&mut words) {
                drop(send.send(exit));
            }
            drop(send);
            drop(keeper.wait());
        }));
        ended
    }
}

/// Starts a command under a keeper; `stdin` becomes its standard input. When this returns it runs
/// and its record is durable.
///
/// # Errors
/// What keeps it from being started, and what to do. Nothing runs then.
pub fn start(order: &Order, stdin: Stdio) -> Result<Running> {
    let text = serde_json::to_vec(order).map_err(|error| unusable(order, &error))?;
    let failed =
        |error: io::Error| Error::io("start", Path::new("the process that waits for the run"))(error);
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0(env!("CARGO_PKG_NAME")).arg(keeper::ARGUMENT).arg(&order.run);
    command.stdin(stdin).stdout(OwnedFd::from(theirs)).stderr(Stdio::null());
    let log_from = std::fs::metadata(&order.log).map_or(0, |meta| meta.len());
    let keeper = command.spawn().map_err(failed)?;
    // The command holds a copy of the keeper's end, and no end of the stream would come.
    drop(command);
    let mut words = BufReader::new(ours);
    match hand_over(&mut words, &text) {
        Ok(Some(Word::Started(record))) => Ok(Running { record: *record, log_from, words, keeper }),
        Ok(Some(Word::Refused(why))) => {
            reap(keeper);
            Err(Error::Usage(why))
        }
        Ok(Some(Word::Ended(_)) | None) => {
            if let Some(record) = recorded(order, &keeper) {
                return Ok(Running { record, log_from, words, keeper });
            }
            reap(keeper);
            Err(Error::State(format!(
                "the process that was to start {} and wait for it was killed: see with `ps` whether the command runs before you start it again",
                order.run
            )))
        }
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            abandon(keeper);
            Err(Error::State(format!(
                "{} could not be started within {} s: does {} or {} hang? (see with `ps` whether the command runs)",
                order.run,
                PATIENCE.as_secs(),
                order.log.display(),
                order.state_dir.display()
            )))
        }
        Err(error) => {
            abandon(keeper);
            Err(failed(error))
        }
    }
}

/// Gives the order and takes the answer.
fn hand_over(words: &mut BufReader<UnixStream>, order: &[u8]) -> io::Result<Option<Word>> {
    words.get_ref().set_read_timeout(Some(PATIENCE))?;
    words.get_mut().write_all(order)?;
    words.get_ref().shutdown(Shutdown::Write)?;
    let answer = next(words)?;
    words.get_ref().set_read_timeout(None)?;
    Ok(answer)
}

/// What a keeper recorded that was killed before it could say so: the command runs.
fn recorded(order: &Order, keeper: &Child) -> Option<Record> {
    let store = Store::open_existing(&order.state_dir).ok()??;
    let record = RunDirectory::existing(&store, &order.run).ok()??.record().ok()??;
    let by = record.keeper.as_ref()?;
    // It is not reaped yet, so its number is its own.
    (crate::observe::process::identity(by.pid).as_ref() == Some(by) && by.pid.unsigned_abs() == keeper.id())
        .then_some(record)
}

fn abandon(mut keeper: Child) {
    drop(keeper.kill());
    reap(keeper);
}

fn reap(mut keeper: Child) {
    drop(thread::Builder::new().spawn(move || keeper.wait()));
}

/// A path that is no text: JSON has no other.
fn unusable(order: &Order, error: &serde_json::Error) -> Error {
    Error::Usage(format!(
        "cannot record how {} is started ({error}): working directory, log and state directory need paths in UTF-8",
        order.run
    ))
}

fn next(words: &mut impl BufRead) -> io::Result<Option<Word>> {
    let mut line = String::new();
    if words.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&line)?))
}

/// Whether the process of a record still runs.
pub fn lives(process: &Identity) -> bool {
    process.boot_id == crate::observe::process::boot_id()
        && crate::observe::process::start_ticks(process.pid) == Some(process.start_ticks)
}
