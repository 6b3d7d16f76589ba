//! `NAME/` in the state directory: what launch and actions know of a run.
//!
//! - `run.json`, `"schema":"trainguard/run/1"`: the [`Record`] of the last start.
//! - `exit.json`, `"schema":"trainguard/exit/1"`: the [`Exit`] of that start, written by its parent.
//! - `journal.jsonl`: what was done to the run's process, intents before outcomes.
//! - `alerts/ID.json`, `"schema":"trainguard/question/1"`: an alert that asks, and how it was answered.
//! - `alerts/ID.response`: an operator's answer to it.
//!
//! All are 0600, opened without following links, and believed only where nobody else could have
//! written them.

pub mod answers;
pub mod questions;

use crate::config::name_fault;
use crate::error::{Error, Result};
use crate::observe::launched::Ending;
use crate::observe::process::Identity;
use crate::persist::store::Store;
use crate::persist::trust;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const RECORD: &str = "run.json";
const EXIT: &str = "exit.json";
const JOURNAL: &str = "journal.jsonl";
const ALERTS: &str = "alerts";
/// A record holds a command line and an environment, which the kernel limits to some 2 MiB together;
/// as JSON they may double. What is larger is none of ours.
const SIZE_MAX: u64 = 8 * 1024 * 1024;
/// An answer is a word or two.
const RESPONSE_MAX: u64 = 4096;

/// How a run was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// `trainguard/run/1`.
    pub schema: String,
    /// The run's name.
    pub run: String,
    /// Program and arguments.
    pub command: Vec<String>,
    /// The working directory. Absolute.
    pub directory: PathBuf,
    /// The log that is its standard output and error. Absolute.
    pub log: PathBuf,
    /// When it was started.
    pub started: DateTime<Utc>,
    /// The process.
    pub process: Identity,
    /// The parent that waits for it and writes `exit.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keeper: Option<Identity>,
    /// The commit that the working directory had checked out, with `-dirty` where files differed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<String>,
    /// The GPUs that it was started with, as UUIDs or as the environment named them.
    #[serde(default)]
    pub gpus: Vec<String>,
    /// The machine on which it was started: elsewhere its process is not to be looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Names of the variables of its environment.
    pub variables: Vec<String>,
    /// The variables with their values: kept only where a restart is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<BTreeMap<String, String>>,
}

/// The name of this machine.
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl Record {
    /// Whether it was started on this machine, as far as is known.
    pub fn is_here(&self) -> bool {
        self.host.as_ref().is_none_or(|started| *started == host())
    }

    /// The schema that this version writes.
    pub const SCHEMA: &str = "trainguard/run/1";
}

/// How a run's process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exit {
    /// `trainguard/exit/1`.
    pub schema: String,
    /// The process that ended.
    pub process: Identity,
    /// When.
    pub ended: DateTime<Utc>,
    /// Its exit code, where it ended by itself.
    pub code: Option<i32>,
    /// The signal that ended it, where one did.
    pub signal: Option<i32>,
}

impl Exit {
    /// The schema that this version writes.
    pub const SCHEMA: &str = "trainguard/exit/1";

    /// How it ended.
    pub fn ending(&self) -> Ending {
        match (self.code, self.signal) {
            (Some(code), _) => Ending::Code(code),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => Ending::Unknown("the note of its end does not say how".to_owned()),
        }
    }
}

/// A run's directory.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    store: Store,
    path: PathBuf,
}

impl RunDirectory {
    /// Opens it, making it if need be.
    pub fn open(store: &Store, run: &str) -> Result<Self> {
        Ok(Self { store: store.clone(), path: store.directory(run)? })
    }

    /// Opens it only if it is there.
    pub fn existing(store: &Store, run: &str) -> Result<Option<Self>> {
        match std::fs::symlink_metadata(store.path(run)) {
            Ok(_) => Self::open(store, run).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("look at", &store.path(run))(error)),
        }
    }

    /// Whether it is still there.
    pub fn is_there(&self) -> bool {
        self.path.is_dir()
    }

    /// Removes it where nothing is in it: what could not be started leaves no trace.
    pub fn forget(&self) {
        drop(std::fs::remove_dir(&self.path));
    }

    /// The names of the runs that were launched, in order.
    pub fn recorded(store: &Store) -> Result<Vec<String>> {
        let directory = store.path("");
        let failed = |error| Error::io("list", &directory)(error);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            if name_fault(&name).is_none() && entry.path().join(RECORD).symlink_metadata().is_ok() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// How the run was last started; `None` where it was not launched from here.
    pub fn record(&self) -> Result<Option<Record>> {
        self.read(RECORD)
    }

    /// Keeps how it was started. Durable when this returns.
    pub fn keep_record(&self, record: &Record) -> Result<()> {
        self.write(RECORD, record)
    }

    /// How `process` ended, where its parent has noted that.
    pub fn exit_of(&self, process: &Identity) -> Result<Option<Exit>> {
        let exit: Option<Exit> = self.read(EXIT)?;
        Ok(exit.filter(|exit| exit.process == *process))
    }

    /// Keeps how it ended. Durable when this returns.
    pub fn keep_exit(&self, exit: &Exit) -> Result<()> {
        self.write(EXIT, exit)
    }

    /// The journal of what was done to the run's process.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// An operator's answer to an alert: the file's first line, trimmed; `None` where there is none yet.
    pub fn response(&self, alert: &str) -> Result<Option<String>> {
        let path = self.path.join(ALERTS).join(format!("{alert}.response"));
        let Some(bytes) = read_bytes(&path, RESPONSE_MAX)? else { return Ok(None) };
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned))
    }

    /// Writes an operator's answer to an alert.
    pub fn respond(&self, alert: &str, choice: &str) -> Result<PathBuf> {
        let path = self.alerts()?.join(format!("{alert}.response"));
        self.store.write(&path, format!("{choice}\n").as_bytes())?;
        Ok(path)
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>> {
        let path = self.path.join(name);
        let Some(bytes) = read_bytes(&path, SIZE_MAX)? else { return Ok(None) };
        let parsed = serde_json::from_slice(&bytes);
        parsed.map(Some).map_err(|error| {
            let next = "move it away, and the run is as one that was not launched from here";
            Error::State(format!("{} does not parse ({error}): {next}", path.display()))
        })
    }

    fn write<T: Serialize>(&self, name: &str, what: &T) -> Result<()> {
        let path = self.path.join(name);
        let bytes =
            serde_json::to_vec(what).map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        self.store.write(&path, &bytes)
    }
}

fn read_bytes(path: &Path, most: u64) -> Result<Option<Vec<u8>>> {
    let file = match trust::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Error::Untrusted(format!("cannot use {}: {error}", path.display())));
        }
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    fn directory() -> (tempfile::TempDir, RunDirectory) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let run = RunDirectory::open(&store, "demo").unwrap();
        (dir, run)
    }

    fn process(pid: i32) -> Identity {
        Identity { pid, start_ticks: 5, boot_id: "boot".to_owned() }
    }

    #[test]
    fn an_exit_is_that_of_the_process_that_it_names() {
        let (_dir, run) = directory();
        assert_eq!(run.exit_of(&process(7)).unwrap(), None);
        let ended = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let exit =
            Exit { schema: Exit::SCHEMA.to_owned(), process: process(7), ended, code: Some(1), signal: None };
        run.keep_exit(&exit).unwrap();
        assert_eq!(run.exit_of(&process(7)).unwrap(), Some(exit));
        assert_eq!(run.exit_of(&process(8)).unwrap(), None);
    }

    #[test]
    fn an_answer_is_the_first_word_that_somebody_wrote_and_a_strangers_is_refused() {
        let (_dir, run) = directory();
        assert_eq!(run.response("ab").unwrap(), None);
        let path = run.respond("ab", "Stop Job").unwrap();
        assert_eq!(run.response("ab").unwrap().as_deref(), Some("Stop Job"));
        std::fs::File::create(&path).unwrap().write_all(b"\n  Continue Anyway \r\nmore").unwrap();
        assert_eq!(run.response("ab").unwrap().as_deref(), Some("Continue Anyway"));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert!(matches!(run.response("ab"), Err(Error::Untrusted(_))));
    }
}
