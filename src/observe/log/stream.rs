//! Bytes into blocks: whole records in one reused buffer, whatever the length of a record.
//!
//! A record ends with `\n`, or with a `\r` that a byte other than `\n` follows; a `\r` at the very
//! end is undecided. A record longer than the buffer is delivered in pieces as it comes, so that
//! neither memory nor the work of the next patrol grows with it: the offset is then saved
//! [`OVERLAP`] bytes before the end of the last piece and these bytes are delivered again, marked
//! as judged, so that a pattern split by two patrols is still seen whole.

use super::memory::{FileMemory, HEAD, MARKER, print_of};
use super::open::Stat;
use super::{Block, Part, Role, Sink, Source};
use crate::metrics::file::{Cut, Format, RECORD_MAX};
use crate::metrics::text::{FileContext, records};
use memchr::memchr_iter;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Bytes read at once. It stays in the second-level cache, so that a sink finds its block there.
pub(super) const BUFFER: usize = 256 * 1024;
/// Longest record with its frame that is held, bytes.
const LONGEST: usize = RECORD_MAX + BUFFER;
/// Bytes of an over-long record that are delivered again to the next patrol: more than any
/// pattern is long.
const OVERLAP: usize = 4096;

/// Time beyond the deadline for unpacking up to the offset: some 3 GB, and with 30 s of reading it
/// leaves an invocation of 50 s enough for the rest.
const OVERRUN: Duration = Duration::from_secs(10);

/// How far a content was read, with all that is needed to go on.
#[derive(Debug, Default)]
pub(super) struct Position {
    /// The next byte to deliver.
    pub offset: u64,
    /// The offset when this patrol began with it.
    pub begun_at: u64,
    /// `\n` before the offset.
    pub lines: u64,
    /// Up to where the record at the offset was judged.
    pub judged: u64,
    /// The offset is inside an over-long record.
    pub inside: bool,
    /// Bytes at the offset that belong to a record that is too long to be held.
    pub skip: u64,
    /// How the content is written.
    pub format: Format,
    /// An earlier patrol came this far.
    pub known: bool,
    /// The file is as the previous patrol left it.
    pub unchanged: bool,
    /// The first bytes of the content, at most [`HEAD`] of them and none behind the offset.
    pub head: Vec<u8>,
    /// The bytes before the offset.
    pub recent: Vec<u8>,
    /// The hash of the head, as the sink is told it.
    pub head_print: String,
    /// The sink's own memory.
    pub context: FileContext,
}

impl Position {
    fn remember(&mut self, bytes: &[u8]) {
        self.remember_head(bytes);
        self.remember_recent(bytes);
    }

    fn remember_head(&mut self, bytes: &[u8]) {
        let missing = HEAD.saturating_sub(self.head.len()).min(bytes.len());
        self.head.extend_from_slice(&bytes[..missing]);
        if missing > 0 || self.head_print.is_empty() {
            self.head_print = format!("{:016x}", print_of(&self.head).0);
        }
    }

    fn remember_recent(&mut self, bytes: &[u8]) {
        const KEEP: usize = MARKER + OVERLAP;
        self.recent.extend_from_slice(&bytes[bytes.len().saturating_sub(KEEP)..]);
        self.recent.drain(..self.recent.len().saturating_sub(KEEP));
    }

    /// Writes down where to go on and by what to know the place again; `tail` is what follows the offset.
    pub(super) fn store(self, entry: &mut FileMemory, stat: Stat, tail: &[u8]) {
        let back =
            if self.inside && self.offset > self.begun_at { OVERLAP.min(self.recent.len()) } else { 0 };
        let (before, again) = self.recent.split_at(self.recent.len() - back);
        let tail = if back > 0 { again } else { tail };
        entry.stat = stat;
        entry.offset = self.offset - back as u64;
        entry.lines = self.lines;
        entry.judged = if back > 0 { self.judged.max(self.offset) } else { self.judged };
        entry.inside = self.inside;
        (entry.skip, entry.format) = (self.skip, self.format);
        entry.head = print_of(&self.head);
        entry.marker = print_of(&before[before.len().saturating_sub(MARKER)..]);
        entry.tail = print_of(&tail[..tail.len().min(MARKER)]);
        entry.missing_since = None;
        entry.context = self.context;
    }
}

/// Where the bytes come from, for the sink.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub index: usize,
    pub log: &'a Path,
    pub path: &'a Path,
    pub role: Role,
}

/// How reading ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At the end of the bytes; so many of them are an unfinished tail.
    Done(usize),
    /// The time was up.
    Stopped,
}

/// Reads, cuts and hands over.
pub(super) struct Pump<'a> {
    sink: &'a mut dyn Sink,
    deadline: Instant,
    buffer: Vec<u8>,
    /// Bytes handed over by this patrol that no earlier patrol judged.
    pub bytes: u64,
    begun: bool,
    /// Records that may still be delivered.
    pub records: u64,
    /// Stretches that were no record: where they begin and how long they are.
    pub damage: Vec<(u64, u64)>,
    /// Kept from block to block for its memory alone.
    ends: Vec<usize>,
}

impl<'a> Pump<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, deadline: Instant) -> Self {
        Self {
            sink,
            deadline,
            buffer: Vec::new(),
            bytes: 0,
            begun: false,
            records: u64::MAX,
            damage: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// Whether the time is up. A patrol makes some progress however late it is, or a backlog would
    /// never end.
    pub(super) fn late(&self) -> bool {
        self.begun && Instant::now() >= self.deadline
    }

    /// Whether to give up looking for a place in an archive: a patrol that delivered nothing yet
    /// overruns its time somewhat, or a large archive would never be read.
    pub(super) fn late_for_search(&self) -> bool {
        self.late() || Instant::now() >= self.deadline + OVERRUN
    }

    /// Delivers all whole records of `from`, which stands at the position. After an error what was
    /// whole is delivered, and the position is sound.
    pub(super) fn run(
        &mut self,
        from: &mut dyn Read,
        place: Place<'_>,
        position: &mut Position,
    ) -> io::Result<End> {
        if self.buffer.len() < BUFFER {
            self.buffer.resize(BUFFER, 0);
        }
        let mut filled = 0;
        loop {
            let ended = loop {
                if filled == self.buffer.len() {
                    break None;
                }
                match from.read(&mut self.buffer[filled..]) {
                    Ok(0) => break Some(Ok(())),
                    Ok(n) => filled += n,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => break Some(Err(e)),
                }
            };
            let done = if position.format == Format::Text {
                self.cut(filled, place, position)
            } else {
                self.cut_records(filled, place, position)
            };
            self.buffer.copy_within(done..filled, 0);
            filled -= done;
            match ended {
                Some(result) => return result.map(|()| End::Done(filled)),
                None if self.late() => return Ok(End::Stopped),
                None if self.records == 0 => return Ok(End::Done(filled)),
                None => {}
            }
        }
    }

    /// Delivers what is decided of the buffer's first bytes and says how many they were.
    fn cut(&mut self, filled: usize, place: Place<'_>, position: &mut Position) -> usize {
        let mut done = 0;
        if position.inside
            && let Some(end) = records::first(&self.buffer[..filled])
        {
            position.inside = false;
            self.advance(0..end, Part::LastPiece, place, position);
            done = end;
        }
        if !position.inside {
            // Record by record until the head is whole: see `Source::head`.
            while position.offset < HEAD as u64
                && let Some(end) = records::first(&self.buffer[done..filled])
            {
                self.advance(done..done + end, Part::Whole, place, position);
                done += end;
            }
            let end = done + records::whole(&self.buffer[done..filled]);
            if end > done {
                self.advance(done..end, Part::Whole, place, position);
                done = end;
            }
        }
        if done == 0 && filled == BUFFER {
            done = filled - usize::from(self.buffer[filled - 1] == b'\r');
            position.inside = true;
            self.advance(0..done, Part::Piece, place, position);
        }
        done
    }

    /// The same for a format whose records say themselves how long they are.
    fn cut_records(&mut self, filled: usize, place: Place<'_>, position: &mut Position) -> usize {
        let mut done = 0;
        let mut ends = std::mem::take(&mut self.ends);
        while self.records > 0 {
            if position.skip > 0 {
                let there = usize::try_from(position.skip).unwrap_or(usize::MAX).min(filled - done);
                done += self.pass(done..done + there, position);
                position.skip -= there as u64;
                if position.skip > 0 {
                    break;
                }
                position.lines += 1;
            }
            // Sound records that stand behind each other go together, but for those in the head: see `Source::head`.
            ends.clear();
            let mut length = 0;
            let cut = loop {
                let at = done + length;
                match position.format.cut(&self.buffer[at..filled], position.offset + length as u64) {
                    Cut::Record(more) if self.records > 0 => {
                        length += more;
                        ends.push(length);
                        self.records -= 1;
                        if position.offset < HEAD as u64 || self.records == 0 {
                            break None;
                        }
                    }
                    other => break Some(other),
                }
            };
            self.deliver_records(done..done + length, &ends, place, position);
            done += length;
            match cut {
                None | Some(Cut::Record(_)) => {}
                Some(Cut::Skip(length)) => position.skip = length,
                Some(Cut::Damage(length)) => done += self.note_damage(done..done + length, position),
                // Longer than anything that is held: a record without an end, or bytes that are none.
                Some(Cut::More) if done == 0 && filled >= LONGEST => {
                    done = self.note_damage(0..filled, position);
                }
                Some(Cut::More) => break,
            }
        }
        self.ends = ends;
        position.remember_recent(&self.buffer[..done]);
        if done == 0 && filled == self.buffer.len() {
            self.buffer.resize((2 * filled).min(LONGEST), 0);
        }
        done
    }

    fn deliver_records(
        &mut self,
        range: Range<usize>,
        ends: &[usize],
        place: Place<'_>,
        position: &mut Position,
    ) {
        if ends.is_empty() {
            return;
        }
        let bytes = &self.buffer[range.clone()];
        let Place { index, log, path, role } = place;
        let format = position.format;
        position.remember_head(bytes);
        let source = Source { index, log, path, head: &position.head_print, judged: 0, role, format };
        let (offset, line) = (position.offset, position.lines + 1);
        let block = Block { bytes, offset, line, part: Part::Whole, ends };
        self.sink.block(&source, &mut position.context, &block);
        position.lines += ends.len() as u64;
        self.go_on(range.len(), position);
    }

    /// Goes on behind some bytes.
    fn pass(&mut self, range: Range<usize>, position: &mut Position) -> usize {
        let length = range.len();
        position.remember_head(&self.buffer[range]);
        self.go_on(length, position);
        length
    }

    fn go_on(&mut self, length: usize, position: &mut Position) {
        position.offset += length as u64;
        self.bytes += length as u64;
        self.begun = true;
    }

    fn note_damage(&mut self, range: Range<usize>, position: &mut Position) -> usize {
        let length = range.len() as u64;
        match self.damage.last_mut() {
            Some((at, before)) if *at + *before == position.offset => *before += length,
            _ => self.damage.push((position.offset, length)),
        }
        self.pass(range, position)
    }

    /// Tells that this is all for now.
    pub(super) fn rest(&mut self, place: Place<'_>, position: &mut Position) {
        let Place { index, log, path, role } = place;
        let format = position.format;
        let source = Source { index, log, path, head: &position.head_print, judged: 0, role, format };
        self.sink.rest(&source, &mut position.context);
    }

    fn advance(&mut self, range: Range<usize>, part: Part, place: Place<'_>, position: &mut Position) {
        position.remember(&self.buffer[range.clone()]);
        let head = position.head.clone();
        self.deliver(range.clone(), part, place, position, &head);
        let bytes = &self.buffer[range];
        position.offset += bytes.len() as u64;
        position.lines += memchr_iter(b'\n', bytes).count() as u64;
    }

    /// Has the unfinished tail, the buffer's first `length` bytes, judged as far as it was not.
    pub(super) fn judge(&mut self, length: usize, place: Place<'_>, position: &mut Position) {
        let end = position.offset + length as u64;
        // Half a record of another kind says nothing.
        if position.format != Format::Text {
            return;
        }
        if length == 0 || position.judged >= end {
            return;
        }
        let mut head = position.head.clone();
        head.extend_from_slice(&self.buffer[..length.min(HEAD - head.len())]);
        self.deliver(0..length, Part::Tail, place, position, &head);
        position.judged = end;
    }

    /// Tells that nothing will follow.
    pub(super) fn end(&mut self, place: Place<'_>, position: &mut Position) {
        let head = format!("{:016x}", print_of(&position.head).0);
        let Place { index, log, path, role } = place;
        let source = Source { index, log, path, head: &head, judged: 0, role, format: position.format };
        self.sink.end(&source, &mut position.context);
    }

    fn deliver(
        &mut self,
        range: Range<usize>,
        part: Part,
        place: Place<'_>,
        position: &mut Position,
        head: &[u8],
    ) {
        let bytes = &self.buffer[range];
        let judged = position.judged.saturating_sub(position.offset).min(bytes.len() as u64);
        let head = format!("{:016x}", print_of(head).0);
        let Place { index, log, path, role } = place;
        let source = Source { index, log, path, head: &head, judged, role, format: position.format };
        let block = Block { bytes, offset: position.offset, line: position.lines + 1, part, ends: &[] };
        self.sink.block(&source, &mut position.context, &block);
        self.bytes += bytes.len() as u64 - judged;
        self.begun = true;
    }

    /// What the last run left in the buffer.
    pub(super) fn tail(&self, length: usize) -> &[u8] {
        &self.buffer[..length]
    }
}
