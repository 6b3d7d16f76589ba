//! The old content in a compressed archive: streamed, in bounded memory.

use super::memory::{FileMemory, HEAD, MARKER, print_of};
use super::open::{Opened, Stat, read_up_to};
use super::stream::Position;
use flate2::read::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read, Seek, SeekFrom};

/// Compressed bytes read at once.
const INPUT: usize = 64 * 1024;

/// The bytes of an archive, decompressed; in front those that were already looked at.
pub(super) type Unpacked = Chain<Cursor<Vec<u8>>, MultiGzDecoder<BufReader<File>>>;

/// What an archive is to a content.
pub(super) enum Held {
    /// It holds the content; the reader stands at the position.
    Yes(Box<Unpacked>, Box<Position>),
    /// It holds something else.
    No,
    /// The time was up before that was clear.
    Late,
}

/// The archive from its first byte on.
pub(super) fn unpack(opened: &Opened) -> io::Result<Unpacked> {
    Ok(Cursor::new(Vec::new()).chain(decoder(opened)?))
}

fn decoder(opened: &Opened) -> io::Result<MultiGzDecoder<BufReader<File>>> {
    let mut file = opened.file.try_clone()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(MultiGzDecoder::new(BufReader::with_capacity(INPUT, file)))
}

/// Bytes that the archive says it holds. The format keeps the lower 32 bits of the last member.
pub(super) fn unpacked_size(opened: &Opened) -> u64 {
    let mut last = [0; 4];
    match read_up_to(&opened.file, &mut last, opened.stat.size.saturating_sub(4)) {
        Ok(4) => u64::from(u32::from_le_bytes(last)),
        _ => opened.stat.size,
    }
}

/// Looks for a content in an archive. Of an archive that holds another one only the head is unpacked.
pub(super) fn find_in(opened: &Opened, entry: &FileMemory, late: impl Fn() -> bool) -> io::Result<Held> {
    if !entry.sound() || entry.empty() {
        return Ok(Held::No);
    }
    let mut reader = decoder(opened)?;
    let mut head = Vec::new();
    reader.by_ref().take(entry.offset.min(HEAD as u64)).read_to_end(&mut head)?;
    if print_of(&head) != entry.head {
        return Ok(Held::No);
    }
    let mut before = head.clone();
    let mut left = entry.offset - head.len() as u64;
    while left > 0 {
        if late() {
            return Ok(Held::Late);
        }
        let kept = before.len();
        reader.by_ref().take(left.min(INPUT as u64)).read_to_end(&mut before)?;
        if before.len() == kept {
            return Ok(Held::No);
        }
        left -= (before.len() - kept) as u64;
        before.drain(..before.len().saturating_sub(MARKER));
    }
    before.drain(..before.len().saturating_sub(entry.marker.1 as usize));
    let mut tail = Vec::new();
    reader.by_ref().take(entry.tail.1).read_to_end(&mut tail)?;
    // The compressed file is another one than the log was: its size says nothing.
    Ok(match entry.compare(&Stat::default(), head, before, &tail) {
        Some(position) => Held::Yes(Box::new(Cursor::new(tail).chain(reader)), Box::new(position)),
        None => Held::No,
    })
}

/// Whether an archive begins like the content and ends at its offset: nothing new is in it.
pub(super) fn ends_at_offset(opened: &Opened, entry: &FileMemory) -> io::Result<bool> {
    if !entry.sound() || entry.offset == 0 || unpacked_size(opened) != entry.offset & u64::from(u32::MAX) {
        return Ok(false);
    }
    let mut head = Vec::new();
    decoder(opened)?.take(entry.head.1).read_to_end(&mut head)?;
    Ok(print_of(&head) == entry.head)
}
