//! Whether a path can have been changed by others.
//!
//! A path is trusted when root or the caller owns it and when neither the world nor a group other
//! than the caller's primary one may write it (a private group per user is usual, hence the
//! exception).

use crate::config::trust::{self, Caller};
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Why the owner and mode of a path cannot be trusted, with the command that mends it; `None` when they can.
pub fn doubt(path: &Path, meta: &Metadata) -> Option<String> {
    trust::fault(path, meta, Caller::current())
}

/// Opens a file of ours for reading: no symlink is followed, nothing blocks, and a file that
/// others could have written is refused with [`io::ErrorKind::PermissionDenied`].
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("{} is not a regular file", path.display()),
        ));
    }
    match doubt(path, &meta) {
        None => Ok(file),
        Some(why) => Err(io::Error::new(io::ErrorKind::PermissionDenied, why)),
    }
}
