//! Reading one content from where it was left.

use super::Role;
use super::gzip;
use super::memory::{FileMemory, reopenable};
use super::open::{Opened, Span, Stat};
use super::patrol::Patrol;
use super::search::Found;
use super::stream::{End, Place, Position};
use chrono::{DateTime, Duration};
use std::io::Read;
use std::path::Path;

/// An unfinished tail that nobody wrote to for so long will not be finished soon: a writer that
/// flushes by lines leaves none, one that flushes by blocks returns within a few steps.
const QUIET: Duration = Duration::seconds(60);

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
    pub(super) fn behind(&self, offset: u64) -> u64 {
        match self {
            Self::Plain(opened) => opened.stat.size,
            Self::Gzip(_, opened) => gzip::unpacked_size(opened),
        }
        .saturating_sub(offset)
    }
}

impl Patrol<'_> {
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
        let log = &self.path_of(&entry.path);
        let index = self.indices.get(&entry.path).copied().unwrap_or_default();
        let place = Place { index, log, path, role: self.role };
        if self.role == Role::Metrics {
            position.context.counts_rows();
        }
        let before = self.pump.bytes;
        let judge = closed
            || self.limits.last_look
            || self.limits.process_gone
            || position.unchanged
            || self.is_quiet(&stat);
        let seen = position.unchanged && (position.judged == stat.size || position.offset == stat.size);
        let (mut finished, mut failed) = (true, false);
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
                    if self.limits.last_look && !closed {
                        self.pump.end(place, &mut position);
                    }
                }
                Ok(End::Stopped) => finished = false,
                Err(e) if closed => {
                    let why = format!(
                        "{} cannot be read beyond byte {} ({e}): what follows is lost",
                        path.display(),
                        position.offset
                    );
                    self.ledger.gap(log, why);
                }
                Err(e) => {
                    self.ledger.unreadable(path, &e);
                    failed = self.pump.bytes == before;
                }
            }
            self.tell_damage(log, path);
            if !failed {
                self.pump.rest(place, &mut position);
                position.store(&mut entry, stat, self.pump.tail(tail));
            }
        }
        if failed {
            return (entry, true);
        }
        if !finished {
            self.ledger.backlog(bytes.behind(entry.offset));
            self.waiting.insert(entry.path.clone());
            // No size: whoever compares sizes must not take it for unchanged.
            entry.stat.size = 0;
        }
        entry.waits_since = 0;
        self.ledger.looked_at(&stat);
        self.ledger.report(log, &entry, stat.size, self.pump.bytes - before);
        self.carried.insert(entry.path.clone(), entry.context.clone());
        (entry, finished)
    }

    fn tell_damage(&mut self, log: &Path, path: &Path) {
        for damage in std::mem::take(&mut self.pump.damage) {
            self.ledger.damage(log, path, damage);
        }
    }

    fn is_quiet(&self, stat: &Stat) -> bool {
        self.limits.now.signed_duration_since(DateTime::from_timestamp_nanos(stat.mtime)) > QUIET
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
}
