//! Files that hold metrics in a form of their own, not as lines of text: where their records begin
//! and end, and what stands in them.
//!
//! To add a format: a file here with `is_begin`, `cut` and `read`, and a line in each `match` below.
//! Cutting and reading are functions of bytes and of the place where they stand; nothing is kept
//! between records, so that reading goes on at any record's end.

mod binary;
mod crc32c;
mod document;
mod events;
mod json;
mod points;
mod protobuf;
mod wandb;

pub use binary::Sample;
pub use points::Points;

use serde::{Deserialize, Serialize};
use std::path::Path;

/// Longest record that is held, bytes. A longer one is passed over without a look: it is images or
/// histograms, and memory is bounded.
pub const RECORD_MAX: usize = 4 << 20;

/// Bytes of a file by which its format is told.
pub const SNIFF: usize = 64 * 1024;

/// How a file is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Lines of text: logs, JSON lines, tables.
    #[default]
    Text,
    /// TensorBoard's events.
    Events,
    /// W&B's transaction log.
    Wandb,
    /// A JSON document that is written anew as a whole.
    Document,
}

/// What stands at a place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A sound record of so many bytes.
    Record(usize),
    /// A sound record that is longer than [`RECORD_MAX`]: so many bytes to pass over.
    Skip(u64),
    /// So many bytes are no record, and something sound follows them.
    Damage(usize),
    /// More bytes have to come before it is clear.
    More,
}

/// A number of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<'a> {
    /// Its name as the file has it.
    pub name: &'a [u8],
    /// Its value.
    pub value: f64,
    /// The step that it belongs to.
    pub step: Option<f64>,
    /// Seconds since 1970.
    pub time: Option<f64>,
}

impl Format {
    /// The format of a file that begins with these bytes, at most [`SNIFF`] of them: by content, and
    /// by name where there is none yet.
    ///
    /// # Errors
    /// It is no format that is read: what it is, for people.
    pub fn detect(head: &[u8], path: &Path) -> Result<Self, &'static str> {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let named = |part: &[u8]| memchr::memmem::find(name, part).is_some();
        if events::is_begin(head) || named(b"tfevents") {
            Ok(Self::Events)
        } else if wandb::is_begin(head) || name.ends_with(b".wandb") {
            Ok(Self::Wandb)
        } else if document::is_begin(head) || named(b"trainer_state.json") {
            Ok(Self::Document)
        } else {
            what_it_is(head).map_or(Ok(Self::Text), Err)
        }
    }

    /// What stands at the begin of `bytes`, which stand at `offset` in the file.
    pub fn cut(self, bytes: &[u8], offset: u64) -> Cut {
        match self {
            // Lines have their own way: they need no place in the file to be found.
            Self::Text => Cut::More,
            Self::Events => events::cut(bytes),
            Self::Wandb => wandb::cut(bytes, offset),
            Self::Document => document::cut(bytes, offset),
        }
    }

    /// The numbers of a record that [`Format::cut`] found at `offset`.
    pub fn read(self, record: &[u8], offset: u64, take: &mut dyn FnMut(Point<'_>)) {
        match self {
            Self::Text => {}
            Self::Events => events::read(record, take),
            Self::Wandb => wandb::read(record, offset, take),
            Self::Document => document::read(record, offset, take),
        }
    }
}

/// Files that are no text, by their first bytes.
const KNOWN: &[(&[u8], &str)] = &[
    (b"\xff\xfe", "text in UTF-16: make it UTF-8 with `iconv -f UTF-16 -t UTF-8`"),
    (b"\xfe\xff", "text in UTF-16: make it UTF-8 with `iconv -f UTF-16 -t UTF-8`"),
    (b"BZh", "compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd: unpack it first"),
    (b"PK\x03\x04", "a zip archive, as PyTorch's checkpoints are: there are no metrics in it"),
    (b"SQLite format 3", "an SQLite database: export its metrics as CSV or JSON lines"),
    (b"\x7fELF", "a program, not its log"),
    (b"\x89HDF", "an HDF5 file, as Keras's checkpoints are: there are no metrics in it"),
    (b"\x80\x02", "a Python pickle, as PyTorch's old checkpoints are: there are no metrics in it"),
];

/// What a file is that holds no text.
fn what_it_is(head: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = KNOWN.iter().find(|(begin, _)| head.starts_with(begin)) {
        return Some(what);
    }
    let mut sample = Sample::default();
    sample.take(head);
    sample.is_binary().then_some("a binary file of no kind that is read here: give a text log, JSON lines, CSV, a TensorBoard event file, a .wandb file or a trainer_state.json")
}

#[cfg(test)]
mod tests;
