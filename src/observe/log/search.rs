//! Where a content stands that is not where it was: among the neighbours, told by what it says.

use super::gzip::{self, Held};
use super::members::Member;
use super::memory::{self, FileMemory};
use super::neighbours::Neighbour;
use super::open::{Opened, Stat, open};
use super::patrol::Patrol;
use super::reading::Bytes;
use super::stream::Position;
use std::io;
use std::path::{Path, PathBuf};

/// Why an archive is passed over.
pub(super) const ONLY_GZIP: &str = "of compressed archives only .gz is read";

/// A content, found again.
pub(super) struct Found {
    pub path: PathBuf,
    pub bytes: Bytes,
    pub position: Position,
}

/// What one candidate is.
enum Look {
    Yes(Box<(Bytes, Position)>),
    Closed,
    No,
    Late,
}

/// How a search ended.
pub(super) enum Search {
    Found(Box<Found>, Neighbour),
    /// In a compressed archive that has nothing new.
    Closed(PathBuf, Stat),
    /// Nowhere; with the neighbours that could not be searched.
    Nowhere(Vec<String>),
    /// The time was up.
    Late,
}

impl Patrol<'_> {
    /// Looks through the neighbours: first the file that it was, then those written to since the
    /// last look, oldest first, then the others.
    pub(super) fn find(&self, entry: &FileMemory, around: &[Neighbour]) -> Search {
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
                Ok(Look::Yes(held)) => {
                    let (bytes, position) = *held;
                    let found = Found { path: candidate.path.clone(), bytes, position };
                    return Search::Found(Box::new(found), candidate.clone());
                }
                Ok(Look::Closed) => return Search::Closed(candidate.path.clone(), candidate.stat),
                Ok(Look::Late) => return Search::Late,
                Err(e) if candidate.rotation.is_some() && candidate.stat.mtime >= entry.stat.mtime => {
                    reasons.push(format!("{} cannot be searched: {e}", candidate.path.display()));
                }
                Ok(Look::No) | Err(_) => {}
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
            return Ok(
                position.map_or(Look::No, |position| Look::Yes(Box::new((Bytes::Plain(opened), position))))
            );
        }
        if entry.at.is_some() && (opened.stat == entry.stat || gzip::ends_at_offset(&opened, entry)?) {
            return Ok(Look::Closed);
        }
        Ok(match gzip::find_in(&opened, entry, || self.pump.late_for_search())? {
            Held::Yes(unpacked, position) => Look::Yes(Box::new((Bytes::Gzip(unpacked, opened), *position))),
            Held::No => Look::No,
            Held::Late => Look::Late,
        })
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
        let since =
            |n: &Neighbour| n.stat.mtime > entry.stat.mtime || replaced && n.stat.mtime == entry.stat.mtime;
        self.around(&member.path, entry.real.as_deref(), &entry.stat)
            .iter()
            .filter(|n| {
                !self.claimed.contains(&n.path) && !n.stat.same_file(&opened.stat) && !self.is_known(&n.path)
            })
            .filter(|n| n.stat.same_file(&entry.stat) || !entry.strong() && since(n))
            .any(|n| matches!(self.look_into(n, entry), Ok(Look::Yes(..))))
    }

    /// Whether a file is a log on its own that an earlier patrol read.
    pub(super) fn is_known(&self, path: &Path) -> bool {
        self.logs.contains(&memory::key(path))
    }

    pub(super) fn path_of(&self, key: &str) -> PathBuf {
        self.member(key).map_or_else(|| PathBuf::from(key), |member| member.path.clone())
    }

    pub(super) fn around(&self, log: &Path, real: Option<&str>, seen: &Stat) -> Vec<Neighbour> {
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
