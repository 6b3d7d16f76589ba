//! The terminal's copy of the log, read back from it: nothing of the training goes through us.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// Bytes that are copied in one go, so that signals are heeded in between.
const PIECE: usize = 64 * 1024;

/// A log that is copied as it grows.
pub struct Copy {
    log: File,
    at: u64,
    buffer: Vec<u8>,
    /// Nobody reads the copy any more.
    deaf: bool,
}

impl Copy {
    /// Begins behind what the log held before.
    pub fn new(log: &Path, from: u64) -> io::Result<Self> {
        Ok(Self { log: File::open(log)?, at: from, buffer: vec![0; PIECE], deaf: false })
    }

    /// Copies what is new, a piece at most; says whether there was any.
    pub fn advance(&mut self, out: &mut dyn Write) -> bool {
        if self.deaf {
            return false;
        }
        let Ok(piece) = self.read() else { return false };
        let piece = self.buffer.get(..piece).unwrap_or_default();
        // A reader that went away ends the copy and nothing else: the training is in the log.
        self.deaf = out.write_all(piece).and_then(|()| out.flush()).is_err();
        !piece.is_empty()
    }

    fn read(&mut self) -> io::Result<usize> {
        // A rotation that copies and truncates begins again at the start.
        if self.log.metadata()?.len() < self.at {
            self.at = 0;
        }
        self.log.seek(SeekFrom::Start(self.at))?;
        let read = self.log.read(&mut self.buffer)?;
        self.at += read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_begins_behind_the_old_attempt_and_follows_a_truncation() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut log = File::options().append(true).open(file.path()).unwrap();
        log.write_all(b"old\n").unwrap();
        let mut copy = Copy::new(file.path(), 4).unwrap();
        let mut out = Vec::new();
        log.write_all(&vec![b'x'; 3 * PIECE]).unwrap();
        while copy.advance(&mut out) {}
        assert_eq!(out.len(), 3 * PIECE);
        log.set_len(0).unwrap();
        log.write_all(b"new\n").unwrap();
        out.clear();
        while copy.advance(&mut out) {}
        assert_eq!(out, b"new\n");
    }
}
