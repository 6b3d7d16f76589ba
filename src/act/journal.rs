//! `NAME/journal.jsonl`: what was done to a run's process, one JSON object a line.
//!
//! Before a signal is sent or a program started an intent is synced, after it the outcome. An order
//! with an intent is never begun a second time, whoever finds it. Whoever acts names itself in the
//! intent: while that process lives the order is in its hands; once it is gone without an outcome,
//! the order was cut off, and is only completed.
//!
//! `"schema":"trainguard/journal/1"`. A line that was cut off by a power cut or a full disk is
//! skipped, and the next one begins on a line of its own. At `SIZE_MAX` the oldest finished orders
//! are dropped, whole, until half of that is left: a year of daily restarts is a tenth of it.

use crate::error::{Error, Result};
use crate::observe::process::Identity;
use crate::persist::run_directory::RunDirectory;
use crate::persist::store::Store;
use crate::persist::{atomic, step, trust};
use chrono::{DateTime, Utc};
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// The schema that this version writes.
pub const SCHEMA: &str = "trainguard/journal/1";
/// Bytes at which it is shortened: read and parsed at every patrol of a run that was acted on, it
/// has to stay small.
const SIZE_MAX: u64 = 256 * 1024;
/// What is larger is none of ours, and is not read into memory.
const READ_MAX: u64 = 16 * 1024 * 1024;
/// Processes that a line names: the rest of a larger run is found again as their descendants.
pub const MEMBERS_MAX: usize = 512;

/// What was or is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// SIGTERM.
    Stop,
    /// SIGKILL after the grace.
    Kill,
    /// SIGSTOP, a signal that asks, or a program.
    Pause,
    /// SIGCONT.
    Resume,
    /// A start.
    Restart,
    /// The user's program.
    Command,
}

impl What {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Kill => "kill",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Restart => "restart",
            Self::Command => "command",
        }
    }
}

/// Before or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// It is about to be done.
    Intent,
    /// It was done, or could not be.
    Outcome,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// `trainguard/journal/1`.
    pub schema: String,
    /// When.
    pub at: DateTime<Utc>,
    /// The order's id.
    pub order: String,
    /// What.
    pub what: What,
    /// Before or after.
    pub entry: Entry,
    /// The alert that led to it; none where a person ordered it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<String>,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// The run's process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Identity>,
    /// Whoever acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Identity>,
    /// Of a stop: the processes of the run, at most [`MEMBERS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Identity>,
    /// Of a stop: the group that the run leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<i32>,
    /// Of a stop: when SIGKILL follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// Of an outcome: whether it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<bool>,
    /// Of an outcome: what was done to whom, or why not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub said: String,
}

impl Line {
    /// A line with its least.
    pub fn new(at: DateTime<Utc>, order: &str, what: What, entry: Entry) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            at,
            order: order.to_owned(),
            what,
            entry,
            alert: None,
            why: String::new(),
            target: None,
            by: None,
            members: Vec::new(),
            group: None,
            due: None,
            ok: None,
            said: String::new(),
        }
    }

    /// Whether it is this order's and says this of it.
    fn is(&self, order: &str, what: What, entry: Entry) -> bool {
        self.order == order && self.what == what && self.entry == entry
    }
}

/// A run's journal.
#[derive(Debug)]
pub struct Journal {
    store: Store,
    path: PathBuf,
    lines: Vec<Line>,
    size: u64,
    /// The last byte ends a line.
    whole: bool,
}

impl Journal {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, or others could have written it: nothing is done then.
    pub fn open(store: &Store, directory: &RunDirectory) -> Result<Self> {
        let path = directory.journal();
        let mut bytes = Vec::new();
        match trust::open(&path) {
            Ok(file) => {
                file.take(READ_MAX).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::Untrusted(format!("cannot use {}: {error}", path.display())));
            }
            Err(error) => return Err(Error::io("open", &path)(error)),
        }
        let lines = bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
        let whole = bytes.last().is_none_or(|byte| *byte == b'\n');
        Ok(Self { store: store.clone(), lines: lines.collect(), size: bytes.len() as u64, path, whole })
    }

    /// The intent of an order.
    pub fn intent(&self, order: &str, what: What) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.is(order, what, Entry::Intent))
    }

    /// The outcome of an order.
    pub fn outcome(&self, order: &str, what: What) -> Option<&Line> {
        self.lines.iter().rev().find(|line| line.is(order, what, Entry::Outcome))
    }

    /// Intents of stops whose SIGKILL is neither sent nor spared yet, oldest first.
    pub fn unfinished_stops(&self) -> impl Iterator<Item = &Line> {
        let stops = self.lines.iter().filter(|line| line.what == What::Stop && line.entry == Entry::Intent);
        stops.filter(|line| self.outcome(&line.order, What::Kill).is_none())
    }

    /// All lines, oldest first.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Adds a line; durable when this returns.
    pub fn add(&mut self, line: Line) -> Result<()> {
        if self.size > SIZE_MAX {
            self.shorten()?;
        }
        let mut bytes = if self.whole { Vec::new() } else { vec![b'\n'] };
        serde_json::to_writer(&mut bytes, &line)
            .map_err(|error| Error::io("write", &self.path)(io::Error::other(error)))?;
        bytes.push(b'\n');
        let new = self.size == 0;
        self.store.with_reserve(|| append(&self.path, &bytes)).map_err(Error::io("write", &self.path))?;
        if new {
            let directory = self.path.parent().unwrap_or(Path::new("."));
            atomic::sync_directory(directory).map_err(Error::io("sync", directory))?;
        }
        self.size += bytes.len() as u64;
        self.whole = true;
        self.lines.push(line);
        Ok(())
    }

    /// Drops the oldest finished orders, each whole.
    fn shorten(&mut self) -> Result<()> {
        let length = |line: &Line| serde_json::to_string(line).map_or(0, |text| text.len() as u64 + 1);
        let unfinished = self.lines.iter().filter(|line| !self.is_finished(line));
        let mut kept: BTreeSet<String> = unfinished.map(|line| line.order.clone()).collect();
        let mut room = SIZE_MAX / 2;
        for line in self.lines.iter().rev() {
            if kept.contains(&line.order) {
                continue;
            }
            let order: u64 = self.lines.iter().filter(|other| other.order == line.order).map(length).sum();
            if order > room {
                break;
            }
            room -= order;
            kept.insert(line.order.clone());
        }
        self.lines.retain(|line| kept.contains(&line.order));
        let texts = self.lines.iter().filter_map(|line| serde_json::to_string(line).ok());
        let text: String = texts.flat_map(|text| [text, "\n".to_owned()]).collect();
        self.store.write(&self.path, text.as_bytes())?;
        self.size = text.len() as u64;
        self.whole = true;
        Ok(())
    }

    fn is_finished(&self, line: &Line) -> bool {
        let ended = |what| self.outcome(&line.order, what).is_some();
        match line.what {
            What::Stop | What::Kill => ended(What::Kill),
            what => ended(what),
        }
    }
}

/// One write, so that whoever appends at the same moment does not tear it.
fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    step("open the journal");
    let mut file = File::from(rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)?);
    step("write to the journal");
    file.write_all(bytes)?;
    step("sync the journal");
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn journal(dir: &Path) -> Journal {
        let store = Store::open(dir).unwrap();
        let directory = RunDirectory::open(&store, "demo").unwrap();
        Journal::open(&store, &directory).unwrap()
    }

    fn line(order: &str, what: What, entry: Entry) -> Line {
        Line::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap(), order, what, entry)
    }

    #[test]
    fn a_torn_line_is_skipped_and_the_next_one_begins_on_its_own() {
        let dir = tempfile::tempdir().unwrap();
        journal(dir.path()).add(line("a", What::Pause, Entry::Intent)).unwrap();
        let path = dir.path().join("demo/journal.jsonl");
        File::options().append(true).open(&path).unwrap().write_all(b"{\"schema\":\"trainguard/jou").unwrap();
        let mut torn = journal(dir.path());
        assert_eq!(torn.lines().len(), 1);
        torn.add(line("a", What::Pause, Entry::Outcome)).unwrap();
        let read = journal(dir.path());
        assert_eq!(read.lines(), torn.lines());
        assert!(read.outcome("a", What::Pause).is_some() && read.outcome("b", What::Pause).is_none());
    }

    #[test]
    fn it_stays_small_and_forgets_no_order_that_is_not_finished() {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = journal(dir.path());
        journal.add(line("open", What::Stop, Entry::Intent)).unwrap();
        journal.add(line("open", What::Stop, Entry::Outcome)).unwrap();
        let long = "x".repeat(10_000);
        for number in 0..60 {
            for entry in [Entry::Intent, Entry::Outcome] {
                let order = format!("order-{number}");
                journal.add(Line { why: long.clone(), ..line(&order, What::Command, entry) }).unwrap();
            }
        }
        let read = self::journal(dir.path());
        assert_eq!(read.lines(), journal.lines());
        assert!(read.size <= SIZE_MAX + 2 * 11_000, "{}", read.size);
        assert_eq!(read.unfinished_stops().count(), 1);
        assert!(read.outcome("order-59", What::Command).is_some());
        assert!(read.intent("order-0", What::Command).is_none());
        let half: Vec<_> = read
            .lines()
            .iter()
            .filter(|line| line.entry == Entry::Outcome && line.what == What::Command)
            .filter(|line| read.intent(&line.order, What::Command).is_none())
            .collect();
        assert!(half.is_empty(), "an order is kept whole or not at all: {half:?}");
    }

    #[test]
    fn a_strangers_journal_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        journal(dir.path()).add(line("a", What::Pause, Entry::Intent)).unwrap();
        let path = dir.path().join("demo/journal.jsonl");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let store = Store::open(dir.path()).unwrap();
        let directory = RunDirectory::open(&store, "demo").unwrap();
        assert!(matches!(Journal::open(&store, &directory), Err(Error::Untrusted(_))));
    }
}
