//! One patrol over a run's logs: first what stands where it stood, then what was moved away, then
//! what is new. So no file is taken for new that is the archive of a known one.

use super::archives::Found;
use super::gzip;
use super::members::{Member, Members};
use super::memory::{FileMemory, LogMemory, MAX_FILES, reopenable};
use super::neighbours::Listed;
use super::open::{Opened, Span, Stat, open};
use super::stream::{End, Place, Position, Pump};
use super::{FileFacts, Gap, Limits, LogFacts, Sink};
use crate::metrics::text::FileContext;
use crate::observe::Observation;
use chrono::{DateTime, Duration, Utc};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// An unfinished tail that nobody wrote to for so long will not be finished soon: a writer that
/// flushes by lines leaves none, one that flushes by blocks returns within a few steps.
const QUIET: Duration = Duration::seconds(60);
/// How long a member of a glob that is gone is remembered, in case it comes back.
const REMEMBER_MISSING: Duration = Duration::days(7);

/// Where the bytes of a content stand.
pub(super) enum Bytes {
    /// In a file as it was written.
    Plain(Opened),
    /// In an archive; the file is the compressed one.
    Gzip(Box<gzip::Unpacked>, Opened),
}

impl Bytes {
    pub(super) fn opened(&self) -> &Opened {
        match self {
            Self::Plain(opened) | Self::Gzip(_, opened) => opened,
        }
    }

    /// Bytes behind an offset; of an archive as far as it says.
    fn behind(&self, offset: u64) -> u64 {
        match self {
            Self::Plain(opened) => opened.stat.size,
            Self::Gzip(_, opened) => gzip::unpacked_size(opened),
        }
        .saturating_sub(offset)
    }
}

/// The patrol in progress.
pub(super) struct Patrol<'a> {
    pub limits: &'a Limits,
    pub pump: Pump<'a>,
    pub gaps: Vec<Gap>,
    pub members: &'a Members,
    /// Files that are spoken for.
    pub claimed: HashSet<PathBuf>,
    /// Logs whose old content is not finished: their new one has to wait.
    pub waiting: HashSet<String>,
    /// Logs whose old content is settled: their new one has to be begun, or nobody would know what
    /// came before it.
    pub due: HashSet<String>,
    /// The sink's memory at the end of a finished content, for the one that continues it.
    pub carried: HashMap<String, FileContext>,
    /// Places in `kept` by the log's path without its extension.
    pub stems: HashMap<String, Vec<usize>>,
    /// What the next patrol will know.
    pub kept: Vec<FileMemory>,
    /// Names in the directories that were listed for a glob.
    pub listed: Listed,
    indices: HashMap<String, usize>,
    /// Logs that earlier patrols read.
    pub logs: HashSet<String>,
    by_key: HashMap<&'a str, &'a Member>,
    inodes: HashSet<(u64, u64)>,
    files: BTreeMap<PathBuf, FileFacts>,
    unreadable: Vec<(PathBuf, String)>,
    backlog: u64,
    modified: i64,
}

/// Reads all that is new. See [`super::read`].
pub(super) fn run(
    members: &Members,
    memory: &mut LogMemory,
    sink: &mut dyn Sink,
    limits: &Limits,
) -> Observation<LogFacts> {
    // A plain log that cannot be opened changes nothing, and it is opened only once.
    let mut only = None;
    if let ([member], false) = (members.members.as_slice(), members.globbed) {
        match open(&member.path) {
            Ok(opened) => only = Some(opened),
            Err(e) => {
                return Observation::Failed { why: format!("cannot read {}: {e}", member.path.display()) };
            }
        }
    }
    let first_look = memory.is_empty();
    let mut entries = memory.files.clone();
    entries.sort_by(|a, b| (&a.path, a.at.is_none()).cmp(&(&b.path, b.at.is_none())));
    let mut patrol = Patrol::new(members, sink, limits, &entries);

    let mut moved = Vec::new();
    for entry in entries {
        moved.extend(if entry.at.is_some() {
            patrol.follow_archive(entry)
        } else {
            patrol.follow_log(entry, &mut only)
        });
    }
    let mut settled = Vec::new();
    for entry in moved {
        if entry.at.is_some() {
            patrol.search_archive(entry);
        } else {
            settled.extend(patrol.search(entry));
        }
    }
    for settled in settled {
        patrol.catch_up(settled);
    }
    for member in &members.members {
        if !patrol.claimed.contains(&member.path) {
            patrol.begin(member, only.take());
        }
    }
    patrol.finish(memory, first_look)
}

impl<'a> Patrol<'a> {
    fn new(members: &'a Members, sink: &'a mut dyn Sink, limits: &'a Limits, entries: &[FileMemory]) -> Self {
        let mut keys: Vec<&String> =
            members.members.iter().map(|m| &m.key).chain(entries.iter().map(|e| &e.path)).collect();
        keys.sort();
        keys.dedup();
        Self {
            limits,
            pump: Pump::new(sink, limits.deadline),
            gaps: Vec::new(),
            members,
            claimed: HashSet::new(),
            waiting: HashSet::new(),
            due: HashSet::new(),
            carried: HashMap::new(),
            stems: HashMap::new(),
            kept: Vec::new(),
            listed: Listed::new(members.globbed),
            logs: entries.iter().filter(|e| e.at.is_none()).map(|e| e.path.clone()).collect(),
            by_key: members.members.iter().map(|m| (m.key.as_str(), m)).collect(),
            indices: keys.into_iter().enumerate().map(|(index, key)| (key.clone(), index)).collect(),
            inodes: HashSet::new(),
            files: BTreeMap::new(),
            unreadable: members.unreadable.clone(),
            backlog: 0,
            modified: i64::MIN,
        }
    }

    pub(super) fn member(&self, key: &str) -> Option<&'a Member> {
        self.by_key.get(key).copied()
    }

    /// Reads on in an archive that was finished before: whoever still had it open may have written
    /// to it. Gives the entry back if it is no longer there.
    fn follow_archive(&mut self, entry: FileMemory) -> Option<FileMemory> {
        let Some(at) = entry.at.as_ref().map(PathBuf::from) else {
            return Some(entry);
        };
        let Ok(metadata) = std::fs::metadata(&at) else {
            return Some(entry);
        };
        let stat = Stat::of(&metadata);
        if stat.same_file(&entry.stat) && stat.size == entry.stat.size {
            self.claim(&at, &stat);
            self.keep(entry);
            return None;
        }
        let Ok(opened) = open(&at) else {
            return Some(entry);
        };
        let Ok(Some(position)) = entry.find_in(&opened) else {
            return Some(entry);
        };
        self.claim(&at, &opened.stat);
        let (entry, _) = self.read_on(Bytes::Plain(opened), &at, position, entry, true);
        self.keep(entry);
        None
    }

    /// Reads on in a log that is still the content it was. Gives the entry back if it is not.
    fn follow_log(&mut self, entry: FileMemory, only: &mut Option<Opened>) -> Option<FileMemory> {
        let Some(member) = self.member(&entry.path) else {
            return Some(entry);
        };
        let opened = match only.take().map_or_else(|| open(&member.path), Ok) {
            Ok(opened) => opened,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Some(entry),
            Err(e) => {
                self.cannot_read(member, entry, &e);
                return None;
            }
        };
        match entry.find_in(&opened) {
            Ok(Some(position)) if !self.stands_elsewhere(&entry, member, &opened) => {
                self.claim(&member.path, &opened.stat);
                let (entry, _) = self.read_on(Bytes::Plain(opened), &member.path, position, entry, false);
                self.keep(entry);
                None
            }
            Ok(_) => {
                *only = (!self.members.globbed).then_some(opened);
                Some(entry)
            }
            Err(e) => {
                self.cannot_read(member, entry, &e);
                None
            }
        }
    }

    pub(super) fn keep(&mut self, entry: FileMemory) {
        if entry.strong() {
            let stem = Path::new(&entry.path).with_extension("").to_string_lossy().into_owned();
            self.stems.entry(stem).or_default().push(self.kept.len());
        }
        self.kept.push(entry);
    }

    fn cannot_read(&mut self, member: &Member, entry: FileMemory, e: &io::Error) {
        self.unreadable.push((member.path.clone(), e.to_string()));
        self.claimed.insert(member.path.clone());
        self.keep(entry);
    }

    pub(super) fn claim(&mut self, path: &Path, stat: &Stat) {
        self.claimed.insert(path.to_owned());
        self.inodes.insert((stat.dev, stat.inode));
    }

    /// Reads a file from its first byte on.
    fn begin(&mut self, member: &Member, opened: Option<Opened>) {
        let opened = match opened.map_or_else(|| open(&member.path), Ok) {
            Ok(opened) => opened,
            Err(e) => {
                self.unreadable.push((member.path.clone(), e.to_string()));
                return;
            }
        };
        self.modified = self.modified.max(opened.stat.mtime);
        if self.waiting.contains(&member.key) {
            self.backlog += opened.stat.size;
            return;
        }
        if self.members.globbed
            && (self.inodes.contains(&(opened.stat.dev, opened.stat.inode))
                || self.is_copy(&member.path, &opened))
        {
            return;
        }
        if self.pump.late() && !self.due.contains(&member.key) {
            self.backlog += opened.stat.size;
            self.report(&member.path, &FileMemory::default(), opened.stat.size, 0);
            return;
        }
        let is_link = std::fs::symlink_metadata(&member.path).is_ok_and(|m| m.is_symlink());
        let real = if is_link {
            std::fs::canonicalize(&member.path).ok().and_then(|path| reopenable(&path))
        } else {
            None
        };
        let entry = FileMemory { path: member.key.clone(), real, ..FileMemory::default() };
        let position =
            Position { context: self.carried.remove(&member.key).unwrap_or_default(), ..Position::default() };
        self.claim(&member.path, &opened.stat);
        let (entry, _) = self.read_on(Bytes::Plain(opened), &member.path, position, entry, false);
        self.keep(entry);
    }

    /// Reads from a position on. `closed`: nothing more is awaited here, so the tail is judged now.
    /// Gives back what to remember, and whether it came to the end.
    pub(super) fn read_on(
        &mut self,
        mut bytes: Bytes,
        path: &Path,
        mut position: Position,
        mut entry: FileMemory,
        closed: bool,
    ) -> (FileMemory, bool) {
        let stat = bytes.opened().stat;
        let log = self.member(&entry.path).map_or(path, |member| &member.path);
        let place = Place { index: self.indices.get(&entry.path).copied().unwrap_or_default(), path };
        let before = self.pump.bytes;
        let judge = closed
            || self.limits.last_look
            || self.limits.process_gone
            || position.unchanged
            || self.is_quiet(&stat);
        let seen = position.unchanged && (position.judged == stat.size || position.offset == stat.size);
        let mut finished = true;
        if seen {
            entry.stat = stat;
            entry.missing_since = None;
        } else if position.known && self.pump.late() {
            finished = false;
        } else {
            let run = match &mut bytes {
                Bytes::Plain(opened) => {
                    let mut span = Span { file: &opened.file, at: position.offset, end: stat.size };
                    self.pump.run(&mut span as &mut dyn Read, place, &mut position)
                }
                Bytes::Gzip(unpacked, _) => self.pump.run(unpacked.as_mut(), place, &mut position),
            };
            let mut tail = 0;
            match run {
                Ok(End::Done(length)) => {
                    tail = length;
                    if judge {
                        self.pump.judge(length, place, &mut position);
                    }
                }
                Ok(End::Stopped) => finished = false,
                Err(e) if closed => {
                    let why = format!(
                        "{} cannot be read beyond byte {} ({e}): what follows is lost",
                        path.display(),
                        position.offset
                    );
                    self.gaps.push(Gap { path: log.to_owned(), why });
                }
                Err(e) => self.unreadable.push((path.to_owned(), e.to_string())),
            }
            position.store(&mut entry, stat, self.pump.tail(tail));
        }
        if !finished {
            self.backlog += bytes.behind(entry.offset);
            self.waiting.insert(entry.path.clone());
            // No size: whoever compares sizes must not take it for unchanged.
            entry.stat.size = 0;
        }
        entry.waits_since = 0;
        self.modified = self.modified.max(stat.mtime);
        self.report(log, &entry, stat.size, self.pump.bytes - before);
        self.carried.insert(entry.path.clone(), entry.context.clone());
        (entry, finished)
    }

    fn is_quiet(&self, stat: &Stat) -> bool {
        self.limits.now.signed_duration_since(time(stat.mtime)) > QUIET
    }

    fn report(&mut self, path: &Path, entry: &FileMemory, size: u64, bytes: u64) {
        if entry.at.is_some() && bytes == 0 {
            return;
        }
        let facts = self.files.entry(path.to_owned()).or_insert_with(|| FileFacts {
            path: path.to_owned(),
            offset: 0,
            size: 0,
            lines: 0,
            bytes_read: 0,
        });
        (facts.offset, facts.lines, facts.size) = (entry.offset, entry.lines, size);
        facts.bytes_read += bytes;
    }

    /// What a log that was not found leaves: a gap, told once, or for a member of a glob that is
    /// itself gone a memory of it for some days. Says whether there is a log to go on with.
    pub(super) fn lost(&mut self, mut entry: FileMemory, reasons: &[String]) -> bool {
        let present = self.member(&entry.path).is_some();
        if !entry.empty() && entry.missing_since.is_none() {
            let because = if present { "its content is another one" } else { "it is gone" };
            let reasons: String = reasons.iter().map(|reason| format!("; {reason}")).collect();
            let why = format!(
                "{because}, and the old content from byte {} on is in no neighbour{reasons}",
                entry.offset
            );
            self.gaps.push(Gap { path: self.path_of(&entry.path), why });
        }
        if !present {
            let since = *entry.missing_since.get_or_insert(self.limits.now);
            if self.limits.now.signed_duration_since(since) < REMEMBER_MISSING {
                self.keep(entry);
            }
        }
        present
    }

    /// Reads a content to its end where it was found. Gives back what to remember, and whether it
    /// came to the end.
    pub(super) fn finish_in(&mut self, found: Found, mut entry: FileMemory) -> (FileMemory, bool) {
        self.claim(&found.path, &found.bytes.opened().stat);
        entry.at = Some(String::new());
        let (mut entry, finished) = self.read_on(found.bytes, &found.path, found.position, entry, true);
        entry.at = reopenable(&found.path);
        (entry, finished)
    }

    /// Keeps an archive, where its path can be opened again and it is known by more than its inode.
    pub(super) fn keep_archive(&mut self, entry: FileMemory) {
        if entry.at.is_some() && !entry.empty() {
            self.keep(entry);
        }
    }

    /// Keeps a content as the place where the next patrol goes on with a log, wherever it stands:
    /// it is found again by what it says.
    pub(super) fn wait_at(&mut self, entry: FileMemory, waits_since: i64) {
        self.waiting.insert(entry.path.clone());
        self.keep(FileMemory {
            at: None,
            waits_since,
            ..entry
        });
    }

    fn finish(mut self, memory: &mut LogMemory, first_look: bool) -> Observation<LogFacts> {
        if self.files.is_empty() && self.pump.bytes == 0 {
            let why = match self.unreadable.as_slice() {
                [] => "no file matches the log's pattern".to_owned(),
                list => list
                    .iter()
                    .take(3)
                    .map(|(path, why)| format!("cannot read {}: {why}", path.display()))
                    .collect::<Vec<_>>()
                    .join("; "),
            };
            return Observation::Failed { why };
        }
        memory.files = self.bounded();
        Observation::Known(LogFacts {
            files: self.files.into_values().collect(),
            bytes_read: self.pump.bytes,
            backlog_bytes: self.backlog,
            first_look,
            gaps: self.gaps,
            unreadable: self.unreadable,
            modified: (self.modified > i64::MIN).then(|| time(self.modified)),
        })
    }

    /// Of archives only the newest of each log is kept, and those that a glob would take for logs.
    fn bounded(&mut self) -> Vec<FileMemory> {
        let members: HashSet<String> = self
            .members
            .members
            .iter()
            .filter(|_| self.members.globbed)
            .filter_map(|m| reopenable(&m.path))
            .collect();
        let mut kept = std::mem::take(&mut self.kept);
        // In the order in which they were written: the last archive of a log is its newest.
        let (mut newest, mut places) = (HashSet::new(), HashSet::new());
        kept.reverse();
        kept.retain(|entry| match &entry.at {
            None => true,
            Some(at) => {
                places.insert(at.clone()) && (newest.insert(entry.path.clone()) || members.contains(at))
            }
        });
        kept.reverse();
        kept.sort_by_key(|entry| (entry.at.is_some(), entry.missing_since.is_some()));
        kept.truncate(MAX_FILES);
        kept
    }
}

fn time(nanoseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanoseconds)
}
