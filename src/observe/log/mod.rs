//! Reading logs: every line that still exists exactly once, by content and not by name.
//!
//! [`read`] finds the files (`members`), sees whether each is still the content it was (`patrol`,
//! `memory`), searches the neighbours for what was rotated away (`archives`, `search`, `neighbours`,
//! `gzip`), hands all new bytes to the [`Sink`] in blocks of whole records (`reading`, `stream`), and
//! writes down how far it came (`ledger`).

mod archives;
mod gzip;
mod ledger;
mod members;
mod memory;
mod neighbours;
mod open;
mod patrol;
mod playback;
mod reading;
mod search;
mod stream;
#[cfg(test)]
mod tests;
mod writers;

pub use memory::{LogMemory, MAX_FILES};
pub use playback::{Playback, Stretch};

use crate::metrics::file::Format;
use crate::metrics::text::FileContext;
use crate::observe::Observation;
use chrono::{DateTime, Utc};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What bounds one reading, and what is known of the run besides its log.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// When to stop and save the progress. It is looked at between blocks, after the first one.
    pub deadline: Instant,
    /// The log is complete: an unfinished tail is judged now.
    pub last_look: bool,
    /// The process that wrote it is gone: likewise.
    pub process_gone: bool,
    /// The wall clock, for the age of an unfinished tail.
    pub now: DateTime<Utc>,
}

/// Reads what is new in a log, or in all logs that a glob matches, and remembers how far it came.
/// The memory describes exactly what the sink was given. `Failed` (no such file, not a file, not
/// readable, not one readable member) means that the sink was given nothing and the memory is as
/// it was.
pub fn read(
    pattern: &Path,
    memory: &mut LogMemory,
    sink: &mut dyn Sink,
    limits: &Limits,
) -> Observation<LogFacts> {
    match members::find(pattern) {
        Ok(members) => patrol::run(&members, Role::Log, memory, sink, limits),
        Err(why) => Observation::Failed { why },
    }
}

/// Reads what is new in a run's metric files, by the same rules but one: such a file may be written
/// anew as a whole, and has no archives. What was counted of it counts once.
pub fn read_metric_files(
    pattern: &Path,
    memory: &mut LogMemory,
    sink: &mut dyn Sink,
    limits: &Limits,
) -> Observation<LogFacts> {
    match members::find(pattern) {
        Ok(members) => patrol::run(&members, Role::Metrics, memory, sink, limits),
        Err(why) => Observation::Failed { why },
    }
}

/// What a file is to its run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// What the training said: words and rows.
    #[default]
    Log,
    /// Rows alone, in a file that the training writes besides.
    Metrics,
}

/// A stretch of a log: whole records, or a piece of one that is longer than the buffer.
#[derive(Debug, Clone, Copy)]
pub struct Block<'a> {
    /// The bytes. `Part::Whole` ends with a record end (`\n`, or a `\r` that no `\n` follows).
    pub bytes: &'a [u8],
    /// Offset of the first byte in the file.
    pub offset: u64,
    /// 1-based line of the first byte (only `\n` counts).
    pub line: u64,
    /// Whether these are whole records.
    pub part: Part,
    /// Where the records end, in these bytes, of a file that is no text.
    pub ends: &'a [usize],
}

impl<'a> Block<'a> {
    /// The records of a file that is no text: bytes, number and offset of each.
    pub fn records(&self) -> impl Iterator<Item = (&'a [u8], u64, u64)> + use<'a> {
        let Self { bytes, offset, line, ends, .. } = *self;
        let begins = std::iter::once(0).chain(ends.iter().copied());
        let records = begins.zip(ends).zip(line..);
        records.map(move |((begin, end), line)| {
            (bytes.get(begin..*end).unwrap_or_default(), line, offset + begin as u64)
        })
    }
}

/// Whether a block holds whole records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Whole records and nothing else.
    Whole,
    /// A piece of an over-long record; more of the same record follows in the next block.
    Piece,
    /// The last piece of an over-long record, its end included. Where an earlier patrol took the
    /// first pieces, this patrol begins with one.
    LastPiece,
    /// The unfinished tail of a file: no record end yet, but judged now. After a piece it is the rest
    /// of that record.
    Tail,
}

/// The file that a block comes from.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Position among the run's log files, in order of path; archives count as the file they were.
    pub index: usize,
    /// The log whose bytes these are, wherever they stand now.
    pub log: &'a Path,
    /// The path that is read: the log's, or that of its archive.
    pub path: &'a Path,
    /// Hash of the content's first 1024 bytes, or of all up to the block's end where that is less:
    /// what a log hit's identity rests on, together with its offset. It never changes as the file
    /// grows, because records that begin in these bytes come one by one. (Only a tail in these bytes
    /// that was judged, and finished later, gets another head when it is read anew after damage.)
    pub head: &'a str,
    /// How many bytes from the block's start on were judged before, as an unfinished tail or as the
    /// end of a piece (0: none). Hits that end within them, and rows of that record, were counted.
    pub judged: u64,
    /// What the file is to its run.
    pub role: Role,
    /// How it is written. Of all but text the line is the record's number.
    pub format: Format,
}

impl<'a> Source<'a> {
    /// The only log of a run, with no head yet.
    pub fn of(path: &'a Path) -> Self {
        Self { index: 0, log: path, path, head: "", judged: 0, role: Role::Log, format: Format::Text }
    }
}

/// Whoever takes the blocks.
pub trait Sink {
    /// Takes the next block of a file. `context` is the file's own memory between blocks and patrols.
    fn block(&mut self, source: &Source<'_>, context: &mut FileContext, block: &Block<'_>);

    /// The new bytes of a file end here, for this read.
    fn rest(&mut self, _source: &Source<'_>, _context: &mut FileContext) {}

    /// A file is complete: nothing will follow its last block.
    fn end(&mut self, _source: &Source<'_>, _context: &mut FileContext) {}
}

/// What was read of a run's logs.
#[derive(Debug, Clone, Default)]
pub struct LogFacts {
    /// The files, in order of path.
    pub files: Vec<FileFacts>,
    /// Bytes read by this patrol, archives included.
    pub bytes_read: u64,
    /// Bytes that time did not suffice for.
    pub backlog_bytes: u64,
    /// Nothing was known of this log before.
    pub first_look: bool,
    /// Content that was due and is nowhere to be found any more.
    pub gaps: Vec<Gap>,
    /// Files that are there but cannot be read, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
    /// Newest modification time over all files.
    pub modified: Option<DateTime<Utc>>,
}

/// One log file after reading.
#[derive(Debug, Clone)]
pub struct FileFacts {
    /// Its path.
    pub path: PathBuf,
    /// Where the next patrol goes on.
    pub offset: u64,
    /// Its size when it was looked at.
    pub size: u64,
    /// Lines up to the offset.
    pub lines: u64,
    /// Bytes read by this patrol.
    pub bytes_read: u64,
}

impl Gap {
    /// Bytes of a log, where they stand and how many they are, that hold no record.
    fn damage(log: &Path, path: &Path, (at, length): (u64, u64)) -> Self {
        let file = path.display();
        let why = format!(
            "{length} bytes at byte {at} of {file} are damaged (a checksum or a length does not fit); they were passed over"
        );
        Self { path: log.to_owned(), why }
    }
}

/// Lines that are lost to the patrol.
#[derive(Debug, Clone)]
pub struct Gap {
    /// The log.
    pub path: PathBuf,
    /// What happened, for people: from which offset of the old content on nothing was found.
    pub why: String,
}
