//! The log of a command that is started: opened for appending, so that several writers, a rotation
//! by truncation and a second attempt lose nothing.

use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io;
use std::path::Path;

/// A log that is open for appending.
pub(super) struct Log {
    pub(super) file: File,
    /// It was not there before.
    made: bool,
}

impl Log {
    /// Opens it, making it and its directory if need be.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let there = std::fs::metadata(path).ok();
        // Looked at before it is opened: opening a FIFO waits for its reader.
        if there.as_ref().is_some_and(|meta| !meta.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        if let Some(directory) = path.parent().filter(|_| there.is_none()) {
            std::fs::create_dir_all(directory)?;
        }
        let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
        let file = File::from(rustix::fs::open(path, flags, mode)?);
        Ok(Self { file, made: there.is_none() })
    }

    /// Takes it back where nothing was started: an empty file would pass for a run's.
    pub(super) fn forget(&self, path: &Path) {
        if self.made && self.file.metadata().is_ok_and(|meta| meta.len() == 0) {
            drop(std::fs::remove_file(path));
        }
    }
}
