//! A log that is no longer the content it was: its old one is finished, then what came between.

use super::gzip;
use super::memory::{self, FileMemory, reopenable};
use super::neighbours::{Neighbour, bases, oldest_first};
use super::open::{Stat, open};
use super::patrol::Patrol;
use super::reading::Bytes;
use super::search::{Found, ONLY_GZIP, Search};
use super::stream::Position;
use std::cmp::Ordering;
use std::io;

/// A log whose old content is finished, or lost.
pub(super) struct Settled {
    key: String,
    real: Option<String>,
    /// The file at the last look.
    seen: Stat,
    /// See [`FileMemory::seen_until`].
    since: i64,
    /// The content that was finished, and where.
    last: Option<(FileMemory, Neighbour)>,
}

impl Patrol<'_> {
    /// Looks for an archive that was finished and is no longer where it was.
    pub(super) fn search_archive(&mut self, entry: FileMemory) {
        let Some(entry) = self.come_back(entry) else {
            return;
        };
        let around = self.around(&self.path_of(&entry.path), entry.real.as_deref(), &entry.stat);
        match self.find(&entry, &around) {
            Search::Found(found, _) => {
                let (entry, _) = self.finish_in(*found, entry);
                self.ledger.keep_archive(entry);
            }
            Search::Closed(path, stat) => {
                self.claim(&path, &stat);
                self.ledger.keep_archive(FileMemory { at: reopenable(&path), stat, ..entry });
            }
            Search::Late => self.ledger.keep(entry),
            Search::Nowhere(_) => {}
        }
    }

    /// Reads on where an archive was given its old name again. Gives the entry back if it was not.
    fn come_back(&mut self, entry: FileMemory) -> Option<FileMemory> {
        let Some(member) = self.member(&entry.path).filter(|m| !self.claimed.contains(&m.path)) else {
            return Some(entry);
        };
        let Ok(opened) = open(&member.path) else {
            return Some(entry);
        };
        match entry.find_in(&opened) {
            Ok(Some(position)) if entry.strong() || opened.stat.same_file(&entry.stat) => {
                self.claim(&member.path, &opened.stat);
                let (entry, _) = self.read_on(
                    Bytes::Plain(opened),
                    &member.path,
                    position,
                    FileMemory { at: None, ..entry },
                    false,
                );
                self.ledger.keep(entry);
                None
            }
            _ => Some(entry),
        }
    }

    /// Looks for a log's content that is not where it was, and finishes it. Gives back what
    /// [`Self::catch_up`] needs where that came to an end.
    pub(super) fn search(&mut self, entry: FileMemory) -> Option<Settled> {
        if entry.missing_since.is_some() && self.member(&entry.path).is_none() {
            self.lost(entry, &[]);
            return None;
        }
        let (key, real, seen, since) =
            (entry.path.clone(), entry.real.clone(), entry.stat, entry.seen_until());
        match self.find(&entry, &self.around(&self.path_of(&key), real.as_deref(), &seen)) {
            Search::Found(found, holder) => {
                let (entry, finished) = self.finish_in(*found, entry);
                if finished && !self.pump.late() {
                    return Some(Settled { key, real, seen, since, last: Some((entry, holder)) });
                }
                self.wait_at(entry, since);
                None
            }
            Search::Nowhere(reasons) if !self.pump.late() => {
                self.lost(entry, &reasons).then_some(Settled { key, real, seen, since, last: None })
            }
            Search::Nowhere(_) | Search::Closed(..) | Search::Late => {
                self.wait_at(entry, since);
                None
            }
        }
    }

    /// Reads what was written and rotated away between a log's old content and its new one. All old
    /// contents have been found by then, so none of them is taken for unread.
    pub(super) fn catch_up(&mut self, settled: Settled) {
        let Settled { key, real, seen, since, last } = settled;
        let (mut last, holder) = last.unzip();
        let path = self.path_of(&key);
        let around = self.around(&path, real.as_deref(), &seen);
        // Under a pattern that matches archives each of them is followed by the one before it.
        let is_archive = bases(&path).iter().any(|base| self.member(&memory::key(base)).is_some());
        let mut between: Vec<&Neighbour> = around
            .iter()
            .filter(|n| {
                n.rotation.is_some()
                    && !is_archive
                    && !self.claimed.contains(&n.path)
                    && !self.is_known(&n.path)
            })
            .filter(|n| is_newer(n, since, &seen, holder.as_ref()))
            .collect();
        oldest_first(&mut between, holder.as_ref());
        for neighbour in between {
            let Some(found) = self.take_whole(neighbour, &key) else {
                continue;
            };
            if let Some(entry) = last.take() {
                self.ledger.keep_archive(entry);
            }
            let (entry, finished) =
                self.finish_in(found, FileMemory { path: key.clone(), ..FileMemory::default() });
            if !finished || self.pump.late() {
                self.wait_at(entry, since);
                return;
            }
            last = Some(entry);
        }
        match last {
            // There is no new log yet: its forerunner tells the next patrol from where on to look.
            Some(entry) if self.member(&key).is_none() => self.wait_at(entry, since),
            Some(entry) => self.ledger.keep_archive(entry),
            None => {}
        }
        self.due.insert(key);
    }

    /// A generation that came and went between two patrols, from its first byte on. One that
    /// cannot be read is a gap.
    fn take_whole(&mut self, neighbour: &Neighbour, key: &str) -> Option<Found> {
        let opened =
            if neighbour.is_opaque() { Err(io::Error::other(ONLY_GZIP)) } else { open(&neighbour.path) };
        let bytes = opened.and_then(|opened| {
            Ok(if neighbour.is_gzip() {
                Bytes::Gzip(Box::new(gzip::unpack(&opened)?), opened)
            } else {
                Bytes::Plain(opened)
            })
        });
        match bytes {
            Ok(Bytes::Plain(opened)) if self.ledger.is_copy(&neighbour.path, &opened) => None,
            Ok(bytes) => {
                let position = Position {
                    context: self.carried.get(key).cloned().unwrap_or_default(),
                    ..Position::default()
                };
                Some(Found { path: neighbour.path.clone(), bytes, position })
            }
            Err(e) => {
                let why = format!("{}, which nobody read yet, cannot be read: {e}", neighbour.path.display());
                let log = self.path_of(key);
                self.ledger.gap(&log, why);
                None
            }
        }
    }
}

/// Whether a generation was written after the last look, that is, is one that nobody read. One that
/// is both named and written before the holder of the old content is older than that.
fn is_newer(neighbour: &Neighbour, since: i64, seen: &Stat, holder: Option<&Neighbour>) -> bool {
    match (neighbour.stat.mtime.cmp(&since), holder) {
        (Ordering::Less, _) => false,
        (Ordering::Equal, None) => neighbour.stat.same_file(seen) && neighbour.stat.size > 0,
        (Ordering::Equal, Some(holder)) => neighbour.is_named_newer_than(holder),
        (Ordering::Greater, None) => true,
        (Ordering::Greater, Some(holder)) => {
            !holder.is_named_newer_than(neighbour) || neighbour.stat.mtime > holder.stat.mtime
        }
    }
}
