//! A log that is no longer the content it was: where the old one stands, and what came between.

use super::Gap;
use super::gzip::{self, Held};
use super::members::Member;
use super::memory::{FileMemory, key, reopenable};
use super::neighbours::Neighbour;
use super::open::{Opened, Stat, open};
use super::patrol::{Bytes, Patrol};
use super::stream::Position;
use std::cmp::Ordering;
use std::io;
use std::path::{Path, PathBuf};

/// Why an archive is passed over.
const ONLY_GZIP: &str = "of compressed archives only .gz is read";

/// A content, found again.
pub(super) struct Found {
    pub path: PathBuf,
    pub bytes: Bytes,
    pub position: Position,
}

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

/// What one candidate is.
enum Look {
    Yes(Bytes, Position),
    Closed,
    No,
    Late,
}

/// How a search ended.
enum Search {
    Found(Box<Found>, Neighbour),
    /// In a compressed archive that has nothing new.
    Closed(PathBuf, Stat),
    /// Nowhere; with the neighbours that could not be searched.
    Nowhere(Vec<String>),
    /// The time was up.
    Late,
}

impl Patrol<'_> {
    /// Looks for an archive that was finished and is no longer where it was.
    pub(super) fn search_archive(&mut self, entry: FileMemory) {
        let Some(entry) = self.come_back(entry) else {
            return;
        };
        let around = self.around(
            &self.path_of(&entry.path),
            entry.real.as_deref(),
            &entry.stat,
        );
        match self.find(&entry, &around) {
            Search::Found(found, _) => {
                let (entry, _) = self.finish_in(*found, entry);
                self.keep_archive(entry);
            }
            Search::Closed(path, stat) => {
                self.claim(&path, &stat);
                self.keep_archive(FileMemory { at: reopenable(&path), stat, ..entry });
            }
            Search::Late => self.keep(entry),
            Search::Nowhere(_) => {}
        }
    }

    /// Reads on where an archive was given its old name again. Gives the entry back if it was not.
    fn come_back(&mut self, entry: FileMemory) -> Option<FileMemory> {
        let Some(member) = self
            .member(&entry.path)
            .filter(|m| !self.claimed.contains(&m.path))
        else {
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
                self.keep(entry);
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
        let (key, real, seen, since) = (
            entry.path.clone(),
            entry.real.clone(),
            entry.stat,
            entry.seen_until(),
        );
        match self.find(
            &entry,
            &self.around(&self.path_of(&key), real.as_deref(), &seen),
        ) {
            Search::Found(found, holder) => {
                let (entry, finished) = self.finish_in(*found, entry);
                if finished && !self.pump.late() {
                    return Some(Settled {
                        key,
                        real,
                        seen,
                        since,
                        last: Some((entry, holder)),
                    });
                }
                self.wait_at(entry, since);
                None
            }
            Search::Nowhere(reasons) if !self.pump.late() => {
                self.lost(entry, &reasons).then_some(Settled {
                    key,
                    real,
                    seen,
                    since,
                    last: None,
                })
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
        let Settled {
            key,
            real,
            seen,
            since,
            last,
        } = settled;
        let (mut last, holder) = last.unzip();
        let around = self.around(&self.path_of(&key), real.as_deref(), &seen);
        let mut between: Vec<&Neighbour> = around
            .iter()
            .filter(|n| {
                n.rotation.is_some() && !self.claimed.contains(&n.path) && !self.is_known(&n.path)
            })
            .filter(|n| is_newer(n, since, &seen, holder.as_ref()))
            .collect();
        between.sort_by_cached_key(|n| n.age());
        for neighbour in between {
            let Some(found) = self.take_whole(neighbour, &key) else {
                continue;
            };
            if let Some(entry) = last.take() {
                self.keep_archive(entry);
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
            Some(entry) => self.keep_archive(entry),
            None => {}
        }
        self.due.insert(key);
    }

    /// Looks through the neighbours: first the file that it was, then those written to since the
    /// last look, oldest first, then the others.
    fn find(&self, entry: &FileMemory, around: &[Neighbour]) -> Search {
        if entry.empty() {
            // Nothing was read of it: what was written since the last look tells more than an inode,
            // which may have been given to another file.
            return Search::Nowhere(Vec::new());
        }
        let mut candidates: Vec<&Neighbour> =
            around.iter().filter(|n| !self.claimed.contains(&n.path)).collect();
        candidates.sort_by_cached_key(|n| {
            let stale = n.stat.mtime < entry.stat.mtime;
            (!n.stat.same_file(&entry.stat), stale, n.age())
        });
        let mut reasons = Vec::new();
        for candidate in candidates {
            match self.look_into(candidate, entry) {
                Ok(Look::Yes(bytes, position)) => {
                    let found = Found { path: candidate.path.clone(), bytes, position };
                    return Search::Found(Box::new(found), candidate.clone());
                }
                Ok(Look::Closed) => return Search::Closed(candidate.path.clone(), candidate.stat),
                Ok(Look::Late) => return Search::Late,
                Ok(Look::No) => {}
                Err(e) if candidate.rotation.is_some() && candidate.stat.mtime >= entry.stat.mtime => {
                    reasons.push(format!("{} cannot be searched: {e}", candidate.path.display()));
                }
                Err(_) => {}
            }
        }
        Search::Nowhere(reasons)
    }

    fn look_into(&self, candidate: &Neighbour, entry: &FileMemory) -> io::Result<Look> {
        if candidate.is_opaque() {
            return Err(io::Error::other(ONLY_GZIP));
        }
        let opened = open(&candidate.path)?;
        if !candidate.is_gzip() {
            let position = entry.find_in(&opened)?;
            return Ok(position.map_or(Look::No, |position| Look::Yes(Bytes::Plain(opened), position)));
        }
        if entry.at.is_some() && (opened.stat == entry.stat || gzip::ends_at_offset(&opened, entry)?) {
            return Ok(Look::Closed);
        }
        Ok(match gzip::find_in(&opened, entry, || self.pump.late())? {
            Held::Yes(unpacked, position) => Look::Yes(Bytes::Gzip(unpacked, opened), *position),
            Held::No => Look::No,
            Held::Late => Look::Late,
        })
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
            Ok(Bytes::Plain(opened)) if self.is_copy(&neighbour.path, &opened) => None,
            Ok(bytes) => {
                let position = Position {
                    context: self.carried.get(key).cloned().unwrap_or_default(),
                    ..Position::default()
                };
                Some(Found { path: neighbour.path.clone(), bytes, position })
            }
            Err(e) => {
                let why = format!("{}, which nobody read yet, cannot be read: {e}", neighbour.path.display());
                self.gaps.push(Gap { path: self.path_of(key), why });
                None
            }
        }
    }

    /// Whether the log's old content stands beside it although the log begins like it: the inode
    /// says so, and so does a holder written since while what was read is no more than a banner.
    pub(super) fn stands_elsewhere(&self, entry: &FileMemory, member: &Member, opened: &Opened) -> bool {
        let replaced = !opened.stat.same_file(&entry.stat);
        if opened.stat == entry.stat || entry.strong() && !replaced {
            return false;
        }
        if entry.empty() {
            return true;
        }
        let since = |n: &Neighbour| {
            n.stat.mtime > entry.stat.mtime || replaced && n.stat.mtime == entry.stat.mtime
        };
        self.around(&member.path, entry.real.as_deref(), &entry.stat)
            .iter()
            .filter(|n| {
                !self.claimed.contains(&n.path) && !n.stat.same_file(&opened.stat) && !self.is_known(&n.path)
            })
            .filter(|n| n.stat.same_file(&entry.stat) || !entry.strong() && since(n))
            .any(|n| matches!(self.look_into(n, entry), Ok(Look::Yes(..))))
    }

    /// Whether a file that nobody knows holds what was read of a log beside it.
    pub(super) fn is_copy(&self, path: &Path, opened: &Opened) -> bool {
        let path = path.to_string_lossy();
        let name = path.rfind('/').map_or(0, |at| at + 1);
        let stems = (name..=path.len()).filter_map(|end| self.stems.get(path.get(..end)?));
        stems.flatten().any(|&at| matches!(self.kept[at].find_in(opened), Ok(Some(_))))
    }

    /// Whether a file is a log on its own that an earlier patrol read.
    fn is_known(&self, path: &Path) -> bool {
        self.logs.contains(&key(path))
    }

    pub(super) fn path_of(&self, key: &str) -> PathBuf {
        self.member(key).map_or_else(|| PathBuf::from(key), |member| member.path.clone())
    }

    fn around(&self, log: &Path, real: Option<&str>, seen: &Stat) -> Vec<Neighbour> {
        let mut around = self.listed.list(log, seen.inode);
        if let Some(real) = real.map(Path::new) {
            // The link led to another file at the last look: that file itself, and what it became.
            around.extend(self.listed.list(real, seen.inode));
            around.extend(Neighbour::alone(real));
        }
        around.sort_by(|a, b| a.path.cmp(&b.path));
        around.dedup_by(|a, b| a.path == b.path);
        around
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
