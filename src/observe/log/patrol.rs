//! One patrol over a run's logs: first what stands where it stood, then what was moved away, then
//! what is new. So no file is taken for new that is the archive of a known one.

use super::ledger::Ledger;
use super::members::{Member, Members};
use super::memory::{FileMemory, LogMemory, reopenable};
use super::neighbours::Listed;
use super::open::{Opened, Stat, open, read_up_to};
use super::reading::Bytes;
use super::stream::{Position, Pump};
use super::writers::Writers;
use super::{Limits, LogFacts, Role, Sink};
use crate::metrics::file::{Format, SNIFF};
use crate::metrics::text::FileContext;
use crate::observe::Observation;
use chrono::Duration;
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

/// How long a member of a glob that is gone is remembered, in case it comes back.
const REMEMBER_MISSING: Duration = Duration::days(7);

/// The patrol in progress.
pub(super) struct Patrol<'a> {
    pub limits: &'a Limits,
    pub role: Role,
    pub pump: Pump<'a>,
    pub ledger: Ledger,
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
    /// Names in the directories that were listed for a glob.
    pub listed: Listed,
    /// Position of each log among all, in order of path.
    pub indices: HashMap<String, usize>,
    /// Logs of which earlier patrols read something.
    pub logs: HashSet<String>,
    /// Metric files that others may go on from.
    pub writers: Writers,
    by_key: HashMap<&'a str, &'a Member>,
    inodes: HashSet<(u64, u64)>,
}

/// Reads all that is new. See [`super::read`].
pub(super) fn run(
    members: &Members,
    role: Role,
    memory: &mut LogMemory,
    sink: &mut dyn Sink,
    limits: &Limits,
) -> Observation<LogFacts> {
    // A plain log that cannot be opened changes nothing, and it is opened only once.
    let mut only = None;
    if let ([member], false) = (members.files.as_slice(), members.globbed) {
        match open(&member.path) {
            Ok(opened) => only = Some(opened),
            Err(e) => {
                return Observation::Failed { why: format!("cannot read {}: {e}", member.path.display()) };
            }
        }
    }
    let mut entries = memory.files.clone();
    entries.sort_by(|a, b| (&a.path, a.at.is_none()).cmp(&(&b.path, b.at.is_none())));
    let mut patrol = Patrol::new(members, role, sink, limits, &entries);

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
        if role == Role::Metrics {
            patrol.lost(entry, &[]);
        } else if entry.at.is_some() {
            patrol.search_archive(entry);
        } else {
            settled.extend(patrol.search(entry));
        }
    }
    for settled in settled {
        patrol.catch_up(settled);
    }
    for member in &members.files {
        if !patrol.claimed.contains(&member.path) {
            patrol.begin(member, only.take());
        }
    }
    patrol.ledger.close(members, memory)
}

impl<'a> Patrol<'a> {
    fn new(
        members: &'a Members,
        role: Role,
        sink: &'a mut dyn Sink,
        limits: &'a Limits,
        entries: &[FileMemory],
    ) -> Self {
        let mut keys: Vec<&String> =
            members.files.iter().map(|m| &m.key).chain(entries.iter().map(|e| &e.path)).collect();
        keys.sort();
        keys.dedup();
        let first_look = entries.is_empty();
        Self {
            limits,
            role,
            writers: Writers::of(entries),
            pump: Pump::new(sink, limits.deadline),
            ledger: Ledger::new(members, first_look),
            members,
            claimed: HashSet::new(),
            waiting: HashSet::new(),
            due: HashSet::new(),
            carried: HashMap::new(),
            listed: Listed::new(members.globbed),
            logs: entries.iter().filter(|e| e.at.is_none() && !e.empty()).map(|e| e.path.clone()).collect(),
            by_key: members.files.iter().map(|m| (m.key.as_str(), m)).collect(),
            indices: keys.into_iter().enumerate().map(|(index, key)| (key.clone(), index)).collect(),
            inodes: HashSet::new(),
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
        if stat == entry.stat {
            self.claim(&at, &stat);
            self.ledger.looked_at(&stat);
            self.ledger.keep(entry);
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
        self.ledger.keep(entry);
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
        if self.role == Role::Metrics {
            return self.follow_metrics(entry, member, opened);
        }
        match entry.find_in(&opened) {
            Ok(Some(position)) if !self.stands_elsewhere(&entry, member, &opened) => {
                self.claim(&member.path, &opened.stat);
                let (entry, _) = self.read_on(Bytes::Plain(opened), &member.path, position, entry, false);
                self.ledger.keep(entry);
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

    fn cannot_read(&mut self, member: &Member, entry: FileMemory, e: &io::Error) {
        self.ledger.unreadable(&member.path, &e);
        self.claimed.insert(member.path.clone());
        self.ledger.keep(entry);
    }

    pub(super) fn claim(&mut self, path: &Path, stat: &Stat) {
        self.claimed.insert(path.to_owned());
        self.inodes.insert((stat.dev, stat.inode));
    }

    /// Reads on in a metric file, or what is new in one that was written anew.
    fn follow_metrics(
        &mut self,
        mut entry: FileMemory,
        member: &Member,
        opened: Opened,
    ) -> Option<FileMemory> {
        let position = match entry.find_in(&opened) {
            Ok(Some(position)) => position,
            Ok(None) => match self.format_of(&member.path, &opened) {
                Ok(format) => {
                    entry.tail = (0, 0);
                    Position { format, context: entry.context.read_again(), ..Position::default() }
                }
                Err(why) => {
                    self.cannot_read(member, entry, &io::Error::other(why));
                    return None;
                }
            },
            Err(e) => {
                self.cannot_read(member, entry, &e);
                return None;
            }
        };
        self.claim(&member.path, &opened.stat);
        let (entry, _) = self.read_on(Bytes::Plain(opened), &member.path, position, entry, false);
        self.writers.keep(&member.path, &entry);
        self.ledger.keep(entry);
        None
    }

    /// How a metric file is written. A log is text whatever it looks like.
    fn format_of(&self, path: &Path, opened: &Opened) -> Result<Format, String> {
        if self.role == Role::Log {
            return Ok(Format::Text);
        }
        let mut head = vec![0; SNIFF];
        let length = read_up_to(&opened.file, &mut head, 0).map_err(|e| e.to_string())?;
        Format::detect(&head[..length], path).map_err(|what| format!("it is {what}"))
    }

    /// Reads a file from its first byte on.
    fn begin(&mut self, member: &Member, opened: Option<Opened>) {
        let opened = match opened.map_or_else(|| open(&member.path), Ok) {
            Ok(opened) => opened,
            Err(e) => {
                self.ledger.unreadable(&member.path, &e);
                return;
            }
        };
        self.ledger.looked_at(&opened.stat);
        if self.waiting.contains(&member.key) {
            self.ledger.backlog(opened.stat.size);
            return;
        }
        // A link to a file that was read, or one that was renamed while this patrol went on.
        let was_read = self.inodes.contains(&(opened.stat.dev, opened.stat.inode));
        if was_read || self.members.globbed && self.ledger.is_copy(&member.path, &opened) {
            return;
        }
        if self.pump.late() && !self.due.contains(&member.key) {
            self.ledger.backlog(opened.stat.size);
            self.ledger.report(&member.path, &FileMemory::default(), opened.stat.size, 0);
            return;
        }
        let is_link = std::fs::symlink_metadata(&member.path).is_ok_and(|m| m.is_symlink());
        let real = if is_link {
            std::fs::canonicalize(&member.path).ok().and_then(|path| reopenable(&path))
        } else {
            None
        };
        let entry = FileMemory { path: member.key.clone(), real, ..FileMemory::default() };
        let format = match self.format_of(&member.path, &opened) {
            Ok(format) => format,
            Err(why) => return self.ledger.unreadable(&member.path, &why),
        };
        let context = match self.role {
            Role::Log => self.carried.remove(&member.key).unwrap_or_default(),
            Role::Metrics => self.writers.next(&member.path, format),
        };
        let position = Position { format, context, ..Position::default() };
        self.claim(&member.path, &opened.stat);
        let (entry, _) = self.read_on(Bytes::Plain(opened), &member.path, position, entry, false);
        if self.role == Role::Metrics {
            self.writers.keep(&member.path, &entry);
        }
        self.ledger.keep(entry);
    }

    /// What a log that was not found leaves: a gap, told once, or for a member of a glob that is
    /// itself gone a memory of it for some days. Says whether there is a log to go on with.
    pub(super) fn lost(&mut self, mut entry: FileMemory, reasons: &[String]) -> bool {
        let present = self.member(&entry.path).is_some();
        if self.role == Role::Metrics {
            // A checkpoint that was cleared away took its file along: what it said is counted.
            let since = *entry.missing_since.get_or_insert(self.limits.now);
            if self.limits.now.signed_duration_since(since) < REMEMBER_MISSING {
                self.ledger.keep(entry);
            }
            return false;
        }
        self.carried.insert(entry.path.clone(), entry.context.replaced(!reasons.is_empty()));
        if !entry.empty() && entry.missing_since.is_none() {
            let because = if present { "its content is another one" } else { "it is gone" };
            let reasons =
                if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join("; ")) };
            let why = format!(
                "{because}, and the old content from byte {} on is in no neighbour{reasons}",
                entry.offset
            );
            let path = self.path_of(&entry.path);
            self.ledger.gap(&path, why);
        }
        if !present {
            let since = *entry.missing_since.get_or_insert(self.limits.now);
            if self.limits.now.signed_duration_since(since) < REMEMBER_MISSING {
                self.ledger.keep(entry);
            }
        }
        present
    }

    /// Keeps a content as the place where the next patrol goes on with a log, wherever it stands:
    /// it is found again by what it says.
    pub(super) fn wait_at(&mut self, entry: FileMemory, waits_since: i64) {
        self.waiting.insert(entry.path.clone());
        // An empty one is not found again, and nobody wrote to it late.
        let waits_since = if entry.empty() { 0 } else { waits_since };
        let entry = FileMemory { at: None, waits_since, ..entry };
        let path = self.path_of(&entry.path);
        self.ledger.report(&path, &entry, entry.stat.size, 0);
        self.ledger.keep(entry);
    }
}
