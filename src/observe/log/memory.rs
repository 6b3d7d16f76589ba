//! What the reader remembers of each content from one patrol to the next.
//!
//! A content is known by what it says, not by where it stands: the hash of its head, the hash of
//! the bytes just before the offset (its marker), and the hash of what stood behind the offset at
//! the last look (its unfinished tail). As JSON one entry is at most some 512 bytes.

use super::open::{Opened, Stat, read_up_to};
use super::stream::Position;
use crate::metrics::file::Format;
use crate::metrics::text::FileContext;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Log files of one run that are remembered, at most; a glob that matches more says so.
pub const MAX_FILES: usize = 4096;
/// Bytes of the head that tell a content from others. A banner of a few lines is longer than 256
/// bytes and shorter than this.
pub(super) const HEAD: usize = 1024;
/// Bytes before the offset that tell a content from others. Log lines are made from templates, so
/// one line is too few.
pub(super) const MARKER: usize = 1024;
/// Below this many bytes a marker may be just a banner that every start of the run prints: then the
/// inode and the neighbours are asked as well.
pub(super) const STRONG: u64 = 256;
/// Longest path that is kept as it is (bytes); of a longer one the end and a hash are kept.
const LONGEST_KEY: usize = 128;

/// What is remembered of a run's logs. Opaque to everybody else; bounded.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogMemory {
    pub(super) files: Vec<FileMemory>,
}

impl LogMemory {
    /// Whether nothing was ever read.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// What is remembered of one content.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct FileMemory {
    /// The log that it belongs to, see [`key`].
    pub path: String,
    /// Where it stands now that it is an archive of that log; `None` while it is the log itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Where the log's symbolic link led to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real: Option<String>,
    /// The file at the last look; for a compressed archive the compressed file.
    #[serde(flatten)]
    pub stat: Stat,
    /// For a log's content that waits in an archive: when the log was last written to at the last
    /// look that found it in its place (nanoseconds since 1970). 0 elsewhere.
    #[serde(skip_serializing_if = "is_default")]
    pub waits_since: i64,
    /// The next byte to deliver.
    pub offset: u64,
    /// `\n` before the offset.
    pub lines: u64,
    /// Hash and length of the head.
    pub head: (u64, u64),
    /// Hash and length of the bytes before the offset.
    pub marker: (u64, u64),
    /// Hash and length of the bytes behind the offset at the last look, the first 1024 of them.
    #[serde(skip_serializing_if = "is_default")]
    pub tail: (u64, u64),
    /// The unfinished record was judged up to this offset; 0 for not at all.
    #[serde(skip_serializing_if = "is_default")]
    pub judged: u64,
    /// The offset is inside a record that is longer than the buffer.
    #[serde(skip_serializing_if = "is_default")]
    pub inside: bool,
    /// Bytes behind the offset that belong to a record that is too long to be held.
    #[serde(skip_serializing_if = "is_default")]
    pub skip: u64,
    /// How it is written.
    #[serde(skip_serializing_if = "is_default")]
    pub format: Format,
    /// The log that held it is gone and no neighbour holds it: since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_since: Option<DateTime<Utc>>,
    /// The sink's own memory.
    #[serde(skip_serializing_if = "is_default")]
    pub context: FileContext,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Hash and length of some bytes; zeros for none.
pub(super) fn print_of(bytes: &[u8]) -> (u64, u64) {
    if bytes.is_empty() { (0, 0) } else { (xxh3_64(bytes), bytes.len() as u64) }
}

/// Under which name a log is remembered: its path, bounded and free of what JSON would blow up.
pub(super) fn key(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    let plain = |c: char| !c.is_control() && c != '"' && c != '\\';
    match path.to_str() {
        Some(text) if text.len() <= LONGEST_KEY && text.chars().all(plain) => text.to_owned(),
        _ => {
            let end: String = path
                .to_string_lossy()
                .chars()
                .rev()
                .filter(|&c| plain(c) && c.is_ascii())
                .take(LONGEST_KEY / 2)
                .collect();
            format!("{}#{:016x}", end.chars().rev().collect::<String>(), xxh3_64(bytes))
        }
    }
}

/// A path as it is kept for opening it again; `None` where it would not survive or is too long.
pub(super) fn reopenable(path: &Path) -> Option<String> {
    path.to_str().filter(|text| *text == key(path)).map(str::to_owned)
}

impl FileMemory {
    /// Whether the head and marker can be used at all: nothing here is trusted, it comes from a file.
    pub(super) fn sound(&self) -> bool {
        self.head.1 <= self.offset.min(HEAD as u64)
            && self.marker.1 <= self.offset.min(MARKER as u64)
            && (self.offset == 0 || self.marker.1 > 0)
            && self.tail.1 <= MARKER as u64
            && self.lines <= self.offset
    }

    /// Archives written after this (nanoseconds since 1970) were written since the last look at the
    /// log itself. Late writes into an archive do not move it.
    pub(super) fn seen_until(&self) -> i64 {
        if self.waits_since == 0 { self.stat.mtime } else { self.waits_since }
    }

    /// Whether the marker is long enough to stand alone.
    pub(super) fn strong(&self) -> bool {
        self.marker.1 >= STRONG
    }

    /// Whether the bytes read so far mean that something can be missed.
    pub(super) fn empty(&self) -> bool {
        self.offset == 0 && self.tail.1 == 0
    }

    /// Where to go on in this file, if it holds this content.
    pub(super) fn find_in(&self, opened: &Opened) -> io::Result<Option<Position>> {
        if !self.sound() || opened.stat.size < self.offset {
            return Ok(None);
        }
        let before = self.marker.1;
        let mut around = vec![0; (before + self.tail.1) as usize];
        let got = read_up_to(&opened.file, &mut around, self.offset - before)?;
        around.truncate(got);
        if (got as u64) < before {
            return Ok(None);
        }
        let (marker, tail) = around.split_at(before as usize);
        let head = if self.offset == before {
            marker.to_vec()
        } else {
            let mut head = vec![0; self.head.1 as usize];
            let got = read_up_to(&opened.file, &mut head, 0)?;
            head.truncate(got);
            head
        };
        Ok(self.compare(&opened.stat, head, marker.to_vec(), tail))
    }

    /// The same, for bytes that were already read: the head, what stands before the offset and what
    /// stands behind it.
    pub(super) fn compare(
        &self,
        stat: &Stat,
        head: Vec<u8>,
        marker: Vec<u8>,
        tail: &[u8],
    ) -> Option<Position> {
        let same_tail = print_of(tail) == self.tail;
        let same = if self.offset > 0 {
            print_of(&head) == self.head && print_of(&marker) == self.marker
        } else if self.tail.1 > 0 {
            same_tail
        } else {
            stat.same_file(&self.stat)
        };
        same.then(|| Position {
            offset: self.offset,
            begun_at: self.offset,
            lines: self.lines,
            judged: if same_tail { self.judged } else { 0 },
            inside: self.inside,
            skip: self.skip,
            format: self.format,
            known: true,
            unchanged: same_tail && stat.size == self.stat.size,
            head,
            head_print: String::new(),
            recent: marker,
            context: self.context.clone(),
        })
    }
}
