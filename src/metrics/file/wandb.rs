//! Weights & Biases' transaction logs (`run-ID.wandb`), the framing of LevelDB's logs.
//!
//! A file begins with `":W&B"`, `0xBEE1: u16`, a version byte. It is blocks of 32 KiB, that header
//! included, of chunks: `CRC-32 of type and data: u32`, `length: u16`, `type: u8` (1 whole, 2 first,
//! 3 middle, 4 last), data, little-endian. A chunk never crosses a block; where fewer than 7 bytes of
//! one are left, they are zeros. A record is a whole chunk, or a first, some middle and a last one; it
//! holds a `Record`, whose `history = 2` is the rows: `item = 1` with `key = 1` or `nested_key = 2`
//! and `value_json = 16`, `step = 2`. Summaries repeat the history and are not read.

use super::json;
use super::protobuf::{Fields, Wire};
use super::{Cut, Point};
use flate2::Crc;
use std::borrow::Cow;

/// A file's first bytes.
const IDENT: &[u8] = b":W&B";
const HEADER: usize = 7;
const MAGIC: [u8; 2] = 0xbee1_u16.to_le_bytes();
/// A block, bytes.
const BLOCK: u64 = 32 * 1024;

const WHOLE: u8 = 1;
const FIRST: u8 = 2;
const MIDDLE: u8 = 3;
const LAST: u8 = 4;

/// Whether a file that begins with these bytes is such a log.
pub(super) fn is_begin(bytes: &[u8]) -> bool {
    bytes.starts_with(IDENT) && bytes.get(4..6) == Some(&MAGIC)
}

/// What stands at a place of the file.
enum Chunk {
    /// A chunk of this type, and its length with its header.
    Sound(u8, usize),
    /// Zeros up to the block's end.
    Padding(usize),
    /// Not all of it is there.
    Cut,
    Unsound,
}

fn chunk(bytes: &[u8], offset: u64) -> Chunk {
    let left = (BLOCK - offset % BLOCK) as usize;
    if left < HEADER {
        return if bytes.len() < left { Chunk::Cut } else { Chunk::Padding(left) };
    }
    let Some(header) = bytes.get(..HEADER) else { return Chunk::Cut };
    let (kind, length) = (header[6], HEADER + usize::from(u16::from_le_bytes([header[4], header[5]])));
    if !(WHOLE..=LAST).contains(&kind) || length > left {
        return Chunk::Unsound;
    }
    let Some(summed) = bytes.get(6..length) else { return Chunk::Cut };
    let mut sum = Crc::new();
    sum.update(summed);
    if sum.sum().to_le_bytes() == header[..4] { Chunk::Sound(kind, length) } else { Chunk::Unsound }
}

pub(super) fn cut(bytes: &[u8], offset: u64) -> Cut {
    if offset == 0 {
        return match bytes.get(..HEADER) {
            Some(_) if is_begin(bytes) => Cut::Record(HEADER),
            Some(_) => resynchronise(bytes, offset, HEADER),
            None => Cut::More,
        };
    }
    let (mut at, mut begun) = (0, false);
    loop {
        match chunk(bytes.get(at..).unwrap_or_default(), offset + at as u64) {
            Chunk::Padding(length) => at += length,
            Chunk::Sound(WHOLE, length) if !begun => return Cut::Record(at + length),
            Chunk::Sound(LAST, length) if begun => return Cut::Record(at + length),
            Chunk::Sound(FIRST, length) if !begun => (at, begun) = (at + length, true),
            Chunk::Sound(MIDDLE, length) if begun => at += length,
            // The end of a record whose begin is lost, or one that was not finished.
            Chunk::Sound(WHOLE | FIRST, _) => return Cut::Damage(at),
            Chunk::Sound(_, length) => return Cut::Damage(at + length),
            // A length that is wrong but fits the block looks like a chunk that goes on; what follows tells.
            Chunk::Cut | Chunk::Unsound => return resynchronise(bytes, offset, at + 1),
        }
    }
}

/// What does not fit is damage once a record begins behind it; until then its bytes may not all have
/// arrived.
fn resynchronise(bytes: &[u8], offset: u64, from: usize) -> Cut {
    let begins = |at: &usize| {
        let kind = bytes.get(at + HEADER - 1);
        matches!(kind, Some(&(WHOLE | FIRST)))
            && matches!(chunk(&bytes[*at..], offset + *at as u64), Chunk::Sound(..))
    };
    (from..bytes.len()).find(begins).map_or(Cut::More, Cut::Damage)
}

/// The points of a record, as [`cut`] found it.
pub(super) fn read(record: &[u8], offset: u64, take: &mut dyn FnMut(Point<'_>)) {
    if offset == 0 {
        return;
    }
    let (mut at, mut whole, mut parts) = (0, Cow::Borrowed(&[][..]), 0);
    while at < record.len() {
        match chunk_unchecked(&record[at..], offset + at as u64) {
            Some((data, length)) if parts == 0 => (whole, at, parts) = (Cow::Borrowed(data), at + length, 1),
            Some((data, length)) => {
                whole.to_mut().extend_from_slice(data);
                at += length;
            }
            None => at += (BLOCK - (offset + at as u64) % BLOCK) as usize,
        }
    }
    for field in Fields::of(&whole) {
        if let (2, Wire::Bytes(history)) = field {
            row(history, take);
        }
    }
}

/// A chunk whose sum was checked: its data and its length. `None` is padding.
fn chunk_unchecked(bytes: &[u8], offset: u64) -> Option<(&[u8], usize)> {
    if BLOCK - offset % BLOCK < HEADER as u64 {
        return None;
    }
    let header = bytes.get(..HEADER)?;
    let length = HEADER + usize::from(u16::from_le_bytes([header[4], header[5]]));
    Some((bytes.get(HEADER..length)?, length))
}

fn row(history: &[u8], take: &mut dyn FnMut(Point<'_>)) {
    let (mut step, mut time) = (None, None);
    let items = || {
        Fields::of(history).filter_map(|field| match field {
            (1, Wire::Bytes(item)) => self::item(item),
            _ => None,
        })
    };
    for field in Fields::of(history) {
        if let (2, Wire::Bytes(message)) = field {
            let number = Fields::of(message).find_map(|field| match field {
                (1, Wire::Varint(number)) => Some(number as i64 as f64),
                _ => None,
            });
            // A step of 0 is not written out.
            step = Some(number.unwrap_or(0.0));
        }
    }
    for (name, value) in items() {
        match &*name {
            b"_step" => step = Some(value),
            b"_timestamp" => time = Some(value),
            _ => {}
        }
    }
    for (name, value) in items().filter(|(name, _)| !matches!(&**name, b"_step" | b"_timestamp")) {
        take(Point { name: &name, value, step, time });
    }
}

/// A name, as one word with points, and its number.
fn item(message: &[u8]) -> Option<(Cow<'_, [u8]>, f64)> {
    let (mut name, mut value) = (Cow::Borrowed(&[][..]), None);
    for field in Fields::of(message) {
        match field {
            (1 | 2, Wire::Bytes(part)) if name.is_empty() => name = Cow::Borrowed(part),
            (2, Wire::Bytes(part)) => {
                name.to_mut().push(b'.');
                name.to_mut().extend_from_slice(part);
            }
            (5, Wire::Varint(number)) => value = Some(number as i64 as f64),
            (6, Wire::Eight(number)) => value = Some(f64::from_le_bytes(number)),
            (16, Wire::Bytes(text)) => value = json::number(text),
            _ => {}
        }
    }
    (!name.is_empty()).then_some((name, value?))
}
