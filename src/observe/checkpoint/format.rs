//! Whether a checkpoint file is what its name claims, from a few KiB of it: its head, its index, its end.
//!
//! Formats: zip by PKWARE's APPNOTE (`torch.save` since 1.6, `numpy.savez`, Keras 3), safetensors by
//! its own README, HDF5 by its file format specification, msgpack by its specification. A pickle has
//! no end that could be looked for, and is believed.

use memchr::memmem;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// `torch.save` and `numpy.savez` write no comment, so that the end record is in the last bytes.
const ZIP_TAIL: u64 = 4 * 1024;
/// The end record and the longest comment behind it.
const ZIP_TAIL_MOST: u64 = 22 + 65_535;
/// In a zip64 archive, fields that do not suffice hold this.
const ZIP64: u64 = 0xffff_ffff;
/// Of a safetensors header its first and last bytes are read: tensors stand there by their offsets.
const HEADER_PART: u64 = 32 * 1024;
/// No safetensors header is longer (the format's own limit).
const HEADER_MOST: u64 = 100_000_000;
/// Where an HDF5 superblock may stand.
const HDF5_PLACES: [u64; 4] = [0, 512, 1024, 2048];

/// What is wrong with a file of this name, for people; `None` where nothing is, or nothing can be
/// said. A file that cannot be read, or shrinks while it is, is an error.
pub(super) fn fault(path: &Path, name: &str) -> io::Result<Option<String>> {
    let claims = |suffixes: &[&str]| suffixes.iter().any(|suffix| name.ends_with(suffix));
    let torch = claims(&[".pt", ".pth", ".ckpt", ".bin"]);
    let zip = claims(&[".npz", ".keras"]);
    let known = torch || zip || claims(&[".safetensors", ".h5", ".msgpack", ".pdparams"]);
    if !known || !std::fs::metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = File::open(path)?;
    let file = Bytes { size: file.metadata()?.len(), file };
    if file.size == 0 {
        return Ok(Some("it is empty".to_owned()));
    }
    let head = file.at(0, 16)?;
    if head.iter().all(|byte| *byte == 0) && !claims(&[".safetensors"]) {
        return Ok(Some("it begins with zeros: space was set aside and never written".to_owned()));
    }
    if claims(&[".safetensors"]) {
        file.safetensors()
    } else if claims(&[".h5"]) {
        file.hdf5()
    } else if claims(&[".msgpack"]) {
        Ok(msgpack(&head))
    } else if head.starts_with(b"PK\x03\x04") && (torch || zip) {
        file.zip()
    } else if zip {
        Ok(Some("it does not begin as a zip does".to_owned()))
    } else {
        Ok(None)
    }
}

struct Bytes {
    file: File,
    size: u64,
}

impl Bytes {
    /// At most so many bytes from an offset on; fewer at the end.
    fn at(&self, offset: u64, most: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; most.min(self.size.saturating_sub(offset)) as usize];
        self.file.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn zip(&self) -> io::Result<Option<String>> {
        let mut ends = false;
        for most in [ZIP_TAIL, ZIP_TAIL_MOST] {
            let from = self.size.saturating_sub(most);
            let tail = self.at(from, most)?;
            // Bytes of a comment or of a tensor may look like the record.
            for found in memmem::rfind_iter(&tail, b"PK\x05\x06") {
                ends = true;
                if self.has_directory(from + found as u64, &tail[found..])? {
                    return Ok(None);
                }
            }
            if from == 0 {
                break;
            }
        }
        let why = if ends {
            "its zip directory is not where the end record says"
        } else {
            "the end of the zip is missing (no end-of-central-directory record)"
        };
        Ok(Some(why.to_owned()))
    }

    /// Whether the end record that stands here names a central directory that is there.
    fn has_directory(&self, at: u64, record: &[u8]) -> io::Result<bool> {
        let (Some(entries), Some(size), Some(offset), Some(comment)) =
            (number(record, 10, 2), number(record, 12, 4), number(record, 16, 4), number(record, 20, 2))
        else {
            return Ok(false);
        };
        if 22 + comment > record.len() as u64 {
            return Ok(false);
        }
        let (size, offset) = if size == ZIP64 || offset == ZIP64 {
            // The locator of the zip64 record stands right before this one.
            let locator = self.at(at.saturating_sub(20), 20)?;
            let Some(place) = number(&locator, 8, 8).filter(|_| locator.starts_with(b"PK\x06\x07")) else {
                return Ok(false);
            };
            let record = self.at(place, 56)?;
            match (number(&record, 40, 8), number(&record, 48, 8)) {
                (Some(size), Some(offset)) if record.starts_with(b"PK\x06\x06") => (size, offset),
                _ => return Ok(false),
            }
        } else {
            (size, offset)
        };
        let ends_before = offset.checked_add(size).is_some_and(|end| end <= at);
        Ok(ends_before && (entries == 0 || self.at(offset, 4)? == b"PK\x01\x02"))
    }

    fn safetensors(&self) -> io::Result<Option<String>> {
        let head = self.at(0, 8)?;
        let Some(length) = number(&head, 0, 8).filter(|length| (2..=HEADER_MOST).contains(length)) else {
            return Ok(Some("it does not begin with the length of a safetensors header".to_owned()));
        };
        let data = 8 + length;
        if data > self.size {
            return Ok(Some(format!("its header takes {data} bytes, the file has {}", self.size)));
        }
        let first = self.at(8, length.min(HEADER_PART))?;
        if first.first() != Some(&b'{') {
            return Ok(Some("its header is not JSON".to_owned()));
        }
        let last_from = data.saturating_sub(HEADER_PART).max(8);
        let last = self.at(last_from, data - last_from)?;
        let end = data.saturating_add(last_offset(&first).max(last_offset(&last)));
        Ok((end > self.size)
            .then(|| format!("its header names tensors up to byte {end}, the file ends at {}", self.size)))
    }

    fn hdf5(&self) -> io::Result<Option<String>> {
        for place in HDF5_PLACES {
            let block = self.at(place, 64)?;
            if !block.starts_with(b"\x89HDF\r\n\x1a\n") {
                continue;
            }
            let (version, offset_bytes) = match number(&block, 8, 1) {
                Some(version @ 0..=1) => (version, number(&block, 13, 1)),
                Some(version @ 2..=3) => (version, number(&block, 9, 1)),
                _ => return Ok(None),
            };
            // Base address, address of free space or extension, end of file: each an offset.
            let Some(width) = offset_bytes.filter(|width| matches!(width, 4 | 8)) else { return Ok(None) };
            let base = match version {
                0 => 24,
                1 => 28,
                _ => 12,
            };
            let end = number(&block, (base + 2 * width) as usize, width as usize);
            return Ok(end.filter(|end| *end > self.size).map(|end| {
                format!("its superblock says that it ends at byte {end}, the file has {}", self.size)
            }));
        }
        Ok(Some("it has no HDF5 signature".to_owned()))
    }
}

/// A saved tree is a map or a list, rarely one object of bytes.
fn msgpack(head: &[u8]) -> Option<String> {
    let tree = matches!(head.first(), Some(0x80..=0x9f | 0xc4..=0xc9 | 0xd4..=0xdf));
    (!tree).then(|| "it does not begin as a msgpack tree does".to_owned())
}

/// A little-endian number of at most 8 bytes.
fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(width)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

/// The greatest end of the `"data_offsets":[begin,end]` in a piece of a header.
fn last_offset(header: &[u8]) -> u64 {
    const KEY: &[u8] = b"\"data_offsets\"";
    let ends = memmem::find_iter(header, KEY).filter_map(|found| {
        let rest = &header[found + KEY.len()..];
        let list = rest.get(memchr::memchr(b'[', rest)? + 1..)?;
        let list = list.get(..memchr::memchr(b']', list)?)?;
        std::str::from_utf8(list).ok()?.split_once(',')?.1.trim().parse().ok()
    });
    ends.max().unwrap_or(0)
}

#[cfg(test)]
pub(super) mod tests;
