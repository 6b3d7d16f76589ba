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

/// A content, found again.
pub(super) struct Found {
    pub path: PathBuf,
    pub bytes: Bytes,
    pub position: Position,
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
    /// Looks for a content that is not where it was, finishes it, and reads what was written and
    /// rotated away since.
    pub(super) fn search(&mut self, entry: FileMemory) {
        if entry.missing_since.is_some() && self.member(&entry.path).is_none() {
            self.lost(entry, &[]);
            return;
        }
        let around = self.around(&self.path_of(&entry.path), entry.real.as_deref());
        let (key, seen_until, is_archive) =
            (entry.path.clone(), entry.stat.mtime, entry.at.is_some());
        let holder = match self.find(&entry, &around) {
            Search::Late => {
                self.waiting.insert(key);
                self.kept.push(entry);
                return;
            }
            Search::Found(found, holder) => {
                if !self.finish_in(*found, entry) {
                    return;
                }
                Some(holder)
            }
            Search::Closed(path, stat) => {
                self.claim(&path, &stat);
                self.kept.push(FileMemory {
                    at: reopenable(&path),
                    stat,
                    ..entry
                });
                return;
            }
            Search::Nowhere(reasons) => {
                if is_archive || !self.lost(entry, &reasons) {
                    return;
                }
                None
            }
        };
        if is_archive {
            return;
        }
        let mut between: Vec<&Neighbour> = around
            .iter()
            .filter(|n| {
                n.rotation.is_some() && !self.claimed.contains(&n.path) && !self.is_known(&n.path)
            })
            .filter(|n| is_newer(n, seen_until, holder.as_ref()))
            .collect();
        between.sort_by_cached_key(|n| n.age());
        for neighbour in between {
            if !self.read_whole(neighbour, &key) {
                return;
            }
        }
    }

    /// Looks through the neighbours: first the file that it was, then those written to since the
    /// last look, oldest first, then the others.
    fn find(&self, entry: &FileMemory, around: &[Neighbour]) -> Search {
        let mut candidates: Vec<&Neighbour> = around
            .iter()
            .filter(|n| !self.claimed.contains(&n.path))
            .collect();
        candidates.sort_by_cached_key(|n| {
            let stale = n.stat.mtime < entry.stat.mtime;
            (!n.stat.same_file(&entry.stat), stale, n.age())
        });
        let mut reasons = Vec::new();
        for candidate in candidates {
            match self.look_into(candidate, entry) {
                Ok(Look::Yes(bytes, position)) => {
                    let found = Found {
                        path: candidate.path.clone(),
                        bytes,
                        position,
                    };
                    return Search::Found(Box::new(found), candidate.clone());
                }
                Ok(Look::Closed) => return Search::Closed(candidate.path.clone(), candidate.stat),
                Ok(Look::Late) => return Search::Late,
                Ok(Look::No) => {}
                Err(e)
                    if candidate.rotation.is_some() && candidate.stat.mtime >= entry.stat.mtime =>
                {
                    reasons.push(format!(
                        "{} cannot be searched: {e}",
                        candidate.path.display()
                    ));
                }
                Err(_) => {}
            }
        }
        Search::Nowhere(reasons)
    }

    fn look_into(&self, candidate: &Neighbour, entry: &FileMemory) -> io::Result<Look> {
        if candidate.is_opaque() {
            return Err(io::Error::other("of compressed archives only .gz is read"));
        }
        let opened = open(&candidate.path)?;
        if !candidate.is_gzip() {
            let position = entry.find_in(&opened)?;
            return Ok(position.map_or(Look::No, |position| {
                Look::Yes(Bytes::Plain(opened), position)
            }));
        }
        if entry.at.is_some()
            && (opened.stat == entry.stat || gzip::ends_at_offset(&opened, entry)?)
        {
            return Ok(Look::Closed);
        }
        Ok(match gzip::find_in(&opened, entry, || self.pump.late())? {
            Held::Yes(unpacked, position) => Look::Yes(Bytes::Gzip(unpacked, opened), *position),
            Held::No => Look::No,
            Held::Late => Look::Late,
        })
    }

    /// Reads a generation that came and went between two patrols. Says whether it came to its end.
    fn read_whole(&mut self, neighbour: &Neighbour, key: &str) -> bool {
        let log = self.path_of(key);
        let opened = match open(&neighbour.path) {
            Ok(_) if neighbour.is_opaque() => {
                Err(io::Error::other("of compressed archives only .gz is read"))
            }
            other => other,
        };
        let bytes = opened.and_then(|opened| {
            Ok(if neighbour.is_gzip() {
                Bytes::Gzip(Box::new(gzip::unpack(&opened)?), opened)
            } else {
                Bytes::Plain(opened)
            })
        });
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(e) => {
                let why = format!(
                    "{}, which nobody read yet, cannot be read: {e}",
                    neighbour.path.display()
                );
                self.gaps.push(Gap { path: log, why });
                return true;
            }
        };
        if matches!(&bytes, Bytes::Plain(opened) if self.is_copy(&neighbour.path, opened)) {
            return true;
        }
        let position = Position {
            context: self.carried.get(key).cloned().unwrap_or_default(),
            ..Position::default()
        };
        let entry = FileMemory {
            path: key.to_owned(),
            ..FileMemory::default()
        };
        self.finish_in(
            Found {
                path: neighbour.path.clone(),
                bytes,
                position,
            },
            entry,
        )
    }

    /// Whether the log's old content stands beside it although the log begins like it. It can only
    /// be told by its inode, or while what was read is no more than a banner: then by a holder, and
    /// where nothing was read by any archive, that was written since.
    pub(super) fn stands_elsewhere(
        &self,
        entry: &FileMemory,
        member: &Member,
        opened: &Opened,
    ) -> bool {
        let replaced = !opened.stat.same_file(&entry.stat);
        if opened.stat == entry.stat || entry.strong() && !replaced {
            return false;
        }
        let around = self.around(&member.path, entry.real.as_deref());
        let mut others = around.iter().filter(|n| {
            !self.claimed.contains(&n.path)
                && !n.stat.same_file(&opened.stat)
                && !self.is_known(&n.path)
        });
        if entry.empty() {
            return others.any(|n| n.rotation.is_some() && is_newer(n, entry.stat.mtime, None));
        }
        let since = |n: &Neighbour| {
            n.stat.mtime > entry.stat.mtime || replaced && n.stat.mtime == entry.stat.mtime
        };
        others
            .filter(|n| n.stat.same_file(&entry.stat) || !entry.strong() && since(n))
            .any(|n| matches!(self.look_into(n, entry), Ok(Look::Yes(..))))
    }

    /// Whether a file that nobody knows holds what was read of a log beside it.
    pub(super) fn is_copy(&self, path: &Path, opened: &Opened) -> bool {
        let name = path.to_string_lossy();
        self.kept
            .iter()
            .filter(|entry| {
                entry.strong()
                    && name.starts_with(
                        Path::new(&entry.path)
                            .with_extension("")
                            .to_string_lossy()
                            .as_ref(),
                    )
            })
            .any(|entry| matches!(entry.find_in(opened), Ok(Some(_))))
    }

    /// Whether a file is a log on its own that an earlier patrol read.
    fn is_known(&self, path: &Path) -> bool {
        self.logs.contains(&key(path))
    }

    pub(super) fn path_of(&self, key: &str) -> PathBuf {
        self.member(key)
            .map_or_else(|| PathBuf::from(key), |member| member.path.clone())
    }

    fn around(&self, log: &Path, real: Option<&str>) -> Vec<Neighbour> {
        let mut around = self.listed.list(log);
        if let Some(real) = real.map(Path::new) {
            // The link led to another file at the last look: that file itself, and what it became.
            around.extend(self.listed.list(real));
            around.extend(Neighbour::alone(real));
        }
        around.sort_by(|a, b| a.path.cmp(&b.path));
        around.dedup_by(|a, b| a.path == b.path);
        around
    }
}

/// Whether a generation was written after the last look, that is, is one that nobody read.
fn is_newer(neighbour: &Neighbour, seen_until: i64, holder: Option<&Neighbour>) -> bool {
    match (neighbour.stat.mtime.cmp(&seen_until), holder) {
        (Ordering::Less, _) | (Ordering::Equal, None) => false,
        (Ordering::Equal, Some(holder)) => neighbour.is_named_newer_than(holder),
        (Ordering::Greater, None) => true,
        (Ordering::Greater, Some(holder)) => {
            !neighbour.is_numbered_older_than(holder) || neighbour.stat.mtime > holder.stat.mtime
        }
    }
}
