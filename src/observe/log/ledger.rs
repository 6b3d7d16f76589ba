//! What a patrol writes down: facts for the checks, and memory for the next patrol.

use super::members::Members;
use super::memory::{FileMemory, LogMemory, MAX_FILES, reopenable};
use super::open::{Opened, Stat};
use super::{FileFacts, Gap, LogFacts};
use crate::observe::Observation;
use chrono::DateTime;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Reasons that are quoted where nothing could be read.
const REASONS: usize = 3;

/// The books of one patrol.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    kept: Vec<FileMemory>,
    /// Places in `kept` by what a copy's path begins with, and the extension it ends with: the
    /// log's path and nothing, or its stem and its extension.
    named: HashMap<(String, String), Vec<usize>>,
    files: BTreeMap<PathBuf, FileFacts>,
    facts: LogFacts,
}

impl Ledger {
    pub(super) fn new(members: &Members, first_look: bool) -> Self {
        let unreadable = members.unreadable.clone();
        Self { facts: LogFacts { first_look, unreadable, ..LogFacts::default() }, ..Self::default() }
    }

    /// Remembers a content.
    pub(super) fn keep(&mut self, entry: FileMemory) {
        if entry.strong() {
            let path = Path::new(&entry.path);
            let stem = path.with_extension("").to_string_lossy().into_owned();
            let around = path.extension().map(|e| (stem, e.to_string_lossy().into_owned()));
            for name in std::iter::once((entry.path.clone(), String::new())).chain(around) {
                self.named.entry(name).or_default().push(self.kept.len());
            }
        }
        self.kept.push(entry);
    }

    /// Remembers an archive, where its path can be opened again and it is known by more than its inode.
    pub(super) fn keep_archive(&mut self, entry: FileMemory) {
        if entry.at.is_some() && !entry.empty() {
            self.keep(entry);
        }
    }

    /// Whether a file that nobody knows holds what was read of a log beside it.
    pub(super) fn is_copy(&self, path: &Path, opened: &Opened) -> bool {
        let extension = path.extension().unwrap_or_default().to_string_lossy().into_owned();
        let path = path.to_string_lossy();
        let name = path.rfind('/').map_or(0, |at| at + 1);
        let beginnings = (name..path.len()).filter_map(|end| path.get(..end));
        beginnings
            .flat_map(|begin| [(begin.to_owned(), String::new()), (begin.to_owned(), extension.clone())])
            .filter_map(|name| self.named.get(&name))
            .flatten()
            .any(|&at| matches!(self.kept[at].find_in(opened), Ok(Some(_))))
    }

    pub(super) fn unreadable(&mut self, path: &Path, why: &impl Display) {
        self.facts.unreadable.push((path.to_owned(), why.to_string()));
    }

    pub(super) fn gap(&mut self, path: &Path, why: String) {
        self.facts.gaps.push(Gap { path: path.to_owned(), why });
    }

    pub(super) fn damage(&mut self, log: &Path, path: &Path, damage: (u64, u64)) {
        self.facts.gaps.push(Gap::damage(log, path, damage));
    }

    pub(super) fn backlog(&mut self, bytes: u64) {
        self.facts.backlog_bytes += bytes;
    }

    /// A file of the run was looked at.
    pub(super) fn looked_at(&mut self, stat: &Stat) {
        self.facts.modified = self.facts.modified.max(Some(DateTime::from_timestamp_nanos(stat.mtime)));
    }

    /// How far a log was read. An archive reports only what was read of it.
    pub(super) fn report(&mut self, log: &Path, entry: &FileMemory, size: u64, bytes: u64) {
        if entry.at.is_some() && bytes == 0 {
            return;
        }
        let facts = self.files.entry(log.to_owned()).or_insert_with(|| FileFacts {
            path: log.to_owned(),
            offset: 0,
            size: 0,
            lines: 0,
            bytes_read: 0,
        });
        (facts.offset, facts.lines, facts.size) = (entry.offset, entry.lines, size);
        facts.bytes_read += bytes;
    }

    /// Closes the books. Where no log could be looked at, the memory stays as it was.
    pub(super) fn close(mut self, members: &Members, memory: &mut LogMemory) -> Observation<LogFacts> {
        if self.files.is_empty() {
            let reasons = self.facts.unreadable.iter().take(REASONS);
            let reasons: Vec<String> =
                reasons.map(|(path, why)| format!("cannot read {}: {why}", path.display())).collect();
            let why = if reasons.is_empty() {
                "no file matches the log's pattern".to_owned()
            } else {
                reasons.join("; ")
            };
            return Observation::Failed { why };
        }
        self.facts.bytes_read = self.files.values().map(|file| file.bytes_read).sum();
        self.facts.files = self.files.into_values().collect();
        memory.files = bounded(self.kept, members);
        Observation::Known(self.facts)
    }
}

/// Of archives only the newest of each log is kept, and those that a glob would take for logs.
fn bounded(mut kept: Vec<FileMemory>, members: &Members) -> Vec<FileMemory> {
    let globbed: HashSet<String> =
        members.files.iter().filter(|_| members.globbed).filter_map(|m| reopenable(&m.path)).collect();
    // In the order in which they were written: the last archive of a log is its newest.
    let (mut newest, mut places) = (HashSet::new(), HashSet::new());
    kept.reverse();
    kept.retain(|entry| match &entry.at {
        None => true,
        Some(at) => places.insert(at.clone()) && (newest.insert(entry.path.clone()) || globbed.contains(at)),
    });
    kept.reverse();
    kept.sort_by_key(|entry| (entry.at.is_some(), entry.missing_since.is_some()));
    kept.truncate(MAX_FILES);
    kept
}
