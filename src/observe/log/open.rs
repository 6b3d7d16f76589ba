//! Opening what is said to be a log: a regular file and nothing else.

use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Which file it is and how far it goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Stat {
    pub dev: u64,
    pub inode: u64,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub mtime: i64,
}

impl Stat {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            mtime: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
        }
    }

    pub(super) fn same_file(&self, other: &Self) -> bool {
        (self.dev, self.inode) == (other.dev, other.inode)
    }
}

/// A regular file, open for reading.
#[derive(Debug)]
pub(super) struct Opened {
    pub file: File,
    pub stat: Stat,
}

/// Opens a regular file. Anything else is an error that says what it is. It is looked at before it
/// is opened, because opening has effects: whoever waits to write into a FIFO would be let go and
/// then killed by `SIGPIPE`.
pub(super) fn open(path: &Path) -> io::Result<Opened> {
    regular(&std::fs::metadata(path)?)?;
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let metadata = file.metadata()?;
    regular(&metadata)?;
    if metadata.size() == 0 && is_window_into_the_kernel(&file) {
        return Err(io::Error::other("it is not a file on a disk but a window into the kernel"));
    }
    Ok(Opened { stat: Stat::of(&metadata), file })
}

fn regular(metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "a directory"
    } else if kind.is_fifo() {
        "a FIFO"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    };
    Err(io::Error::other(format!("it is {what}, not a file")))
}

/// `/proc/PID/mem` and its like call themselves regular and of size 0: an empty log that is well.
#[cfg(target_os = "linux")]
fn is_window_into_the_kernel(file: &File) -> bool {
    // proc, sysfs, debugfs, tracefs, cgroup2: linux/magic.h.
    const KINDS: [u64; 5] = [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x6367_7270];
    rustix::fs::fstatfs(file).is_ok_and(|fs| KINDS.contains(&(fs.f_type as u64)))
}

#[cfg(not(target_os = "linux"))]
fn is_window_into_the_kernel(_: &File) -> bool {
    false
}

/// Fills the buffer from an offset on, as far as the file goes.
pub(super) fn read_up_to(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

/// A file from one offset to another: a log that grows while it is read ends all the same.
pub(super) struct Span<'a> {
    pub file: &'a File,
    pub at: u64,
    pub end: u64,
}

impl Read for Span<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX));
        let got = self.file.read_at(&mut buffer[..want], self.at)?;
        self.at += got as u64;
        Ok(got)
    }
}
