//! What a pass is told and what it tells.

use super::unread::Likely;
use crate::finding::Occurrence;
use crate::metrics::names::Aliases;
use crate::metrics::numbers::Numbers;
use crate::observe::log::LogFacts;
use crate::playbook::Catalogue;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// What one pass over the new bytes found. Bounded, whatever the size of the log.
#[derive(Debug, Clone, Default)]
pub struct DigestFacts {
    /// The run's numbers, continued from what was remembered.
    pub numbers: Numbers,
    /// Rows with metrics that this patrol read.
    pub rows: u64,
    /// Hits by syndrome, in order of first occurrence.
    pub hits: Vec<Hits>,
    /// The last sign of completion among the new lines of the current attempt (`done_when`, a
    /// framework's final summary), where no row of progress followed it.
    pub completed: Option<Occurrence>,
    /// The log's content is another one than before and nothing is left of the old one: the run was
    /// started anew, whether or not it has had a row.
    pub begun: bool,
    /// The last lines of the log with anything printable in them, oldest first, at most 3.
    pub last_lines: Vec<Occurrence>,
    /// The last rows, oldest first, at most [`Options::recent`]: objects of canonical values.
    pub recent: Vec<serde_json::Value>,
    /// The log's last whole lines, a few kilobytes, without escape sequences; only with
    /// [`Options::recent`].
    pub tail: String,
    /// Records that were read; a digest of an empty read leaves everything as it was.
    pub records: u64,
    /// The log whose rows are the run's numbers: the first that had rows with a loss. To be given
    /// back in [`Options::lead`].
    pub lead: Option<PathBuf>,
    /// The records that look most like metrics, best first, where none was understood.
    pub likely: Vec<Likely>,
    /// A file without a row whose first new bytes are no text.
    pub binary: Option<PathBuf>,
}

impl DigestFacts {
    /// Forgets what is wrong in log files that are gone: nobody can mend them, and they will never
    /// be well. Where something was left unread nothing is known to be gone.
    pub fn forget_gone(&mut self, facts: &[&LogFacts]) {
        if facts.iter().any(|facts| facts.backlog_bytes > 0) {
            return;
        }
        let files = facts.iter().flat_map(|facts| facts.files.iter().map(|file| &file.path));
        let unreadable = facts.iter().flat_map(|facts| facts.unreadable.iter().map(|(path, _)| path));
        let there: HashSet<_> = files.chain(unreadable).map(|path| path.to_string_lossy()).collect();
        self.numbers.others.retain(|file, _| there.contains(file.as_str()));
    }
}

/// All hits of one syndrome in one pass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Hits {
    /// The playbook's id.
    pub syndrome: String,
    /// How many.
    pub count: u64,
    /// Identity of the first: the file's head hash and the offset, `HEAD:OFFSET`.
    pub occasion: String,
    /// The first 20.
    pub occurrences: Vec<Occurrence>,
    /// What to quote in the message: the exception's text, or the record of the first hit.
    pub quote: String,
    /// Rows with metrics after the last hit in the same file. A file that never had rows has no
    /// order in time with those that have: there it is 0, and the next patrol's rows count.
    pub rows_after: u64,
    /// Records after the last hit in the same file.
    pub records_after: u64,
    /// The attempt (see [`Numbers::attempt`]) of the last hit.
    pub attempt: u32,
    /// The rank that said it first, where the record tells.
    pub first_rank: Option<u32>,
    /// All ranks that said it, in order, as far as records tell; at most 64.
    pub ranks: Vec<u32>,
    /// The log's own time of the first: in its record, else of the row before it.
    pub time: Option<DateTime<Utc>>,
}

/// What a pass needs to know beforehand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The user's own sign of completion, a regex on records.
    pub done_when: Option<&'a str>,
    /// The run's process is not the one of the previous patrol: an attempt begins.
    pub new_process: bool,
    /// [`DigestFacts::lead`] of the previous pass.
    pub lead: Option<&'a Path>,
    /// What the user says that names mean.
    pub aliases: Option<&'a Aliases>,
    /// The playbook that words are judged by.
    pub playbook: &'a Catalogue,
    /// Rows to be kept as they are.
    pub recent: usize,
}
