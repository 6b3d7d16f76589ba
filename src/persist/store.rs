//! The state directory: made if need be, refused if others could write it, and able to write one
//! last alert onto a full disk.

use crate::error::{Error, Result};
use crate::persist::lock::Lock;
use crate::persist::{atomic, trust};
use rustix::fs::{Mode, OFlags};
use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Set aside while there is space, given up when there is none: enough for an outbox entry, a
/// state and a health file of ordinary size.
const RESERVE_BYTES: u64 = 256 * 1024;
/// Mode of our files: they quote logs.
const FILE_MODE: u32 = 0o600;
const RESERVE: &str = "reserve";

/// The state directory.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

impl Store {
    /// Opens the directory, making it and its parents if need be.
    pub fn open(directory: &Path) -> Result<Self> {
        let store = Self { directory: directory.to_owned() };
        make_directory(directory, 0o755)?;
        store.trusted()?;
        store.reserve();
        Ok(store)
    }

    /// Opens the directory only if it is there.
    pub fn open_existing(directory: &Path) -> Result<Option<Self>> {
        if std::fs::symlink_metadata(directory).is_err() {
            return Ok(None);
        }
        let store = Self { directory: directory.to_owned() };
        store.trusted()?;
        Ok(Some(store))
    }

    /// The path of a file or directory in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Locks a run.
    pub fn lock_run(&self, run: &str, wait: Duration) -> Result<Lock> {
        Lock::acquire(&self.path(&format!("{run}.lock")), wait)
    }

    /// Makes a directory in it.
    pub fn directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        make_directory(&path, 0o700)?;
        check(&path)?;
        Ok(path)
    }

    /// Replaces a file in it or below it. On a full disk the reserve is given up for it.
    pub fn write(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.write_with_mode(path, bytes, FILE_MODE, true)
    }

    /// The same without making the rename durable: [`Self::sync`] does that for several at once.
    pub fn write_unsynced(&self, path: &Path, bytes: &[u8]) -> Result<()> {
        self.write_with_mode(path, bytes, FILE_MODE, false)
    }

    /// Makes renames in the directory durable.
    pub fn sync(&self) -> Result<()> {
        atomic::sync_directory(&self.directory).map_err(Error::io("sync", &self.directory))
    }

    /// Whether a path lies directly in it.
    pub fn holds(&self, path: &Path) -> bool {
        path.parent() == Some(&self.directory)
    }

    /// The same with a mode of the caller's; the path may lie elsewhere.
    pub fn write_with_mode(&self, path: &Path, bytes: &[u8], mode: u32, durable: bool) -> Result<()> {
        let write = if durable { atomic::replace } else { atomic::exchange };
        self.with_reserve(|| write(path, bytes, mode)).map_err(Error::io("write", path))
    }

    /// Replaces a small note of ours by another and returns what it was. Nothing rests on it but that
    /// something is not said twice: a fault says it again.
    pub fn exchange_note(
        &self,
        name: &str,
        note: &BTreeMap<String, Option<String>>,
    ) -> BTreeMap<String, Option<String>> {
        let path = self.path(name);
        let read = |file: File| serde_json::from_reader(io::BufReader::new(file)).ok();
        let before: BTreeMap<_, _> = trust::open(&path).ok().and_then(read).unwrap_or_default();
        if before != *note
            && let Ok(bytes) = serde_json::to_vec(note)
        {
            drop(self.write_unsynced(&path, &bytes));
        }
        before
    }

    /// Runs a write again without the reserve when the disk is full.
    pub fn with_reserve<T>(&self, write: impl Fn() -> io::Result<T>) -> io::Result<T> {
        write().or_else(|error| {
            let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if full && std::fs::remove_file(self.path(RESERVE)).is_ok() { write() } else { Err(error) }
        })
    }

    fn trusted(&self) -> Result<()> {
        check(&self.directory)
    }

    /// Sets the reserve aside. That there is no space for it is the disk check's to say.
    fn reserve(&self) {
        let path = self.path(RESERVE);
        if std::fs::symlink_metadata(&path).is_ok() {
            return;
        }
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::open(&path, flags, Mode::RUSR | Mode::WUSR) else {
            return;
        };
        if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, RESERVE_BYTES).is_err() {
            drop(std::fs::remove_file(&path));
        }
    }
}

fn make_directory(path: &Path, mode: u32) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(Error::io("create the directory", path))
}

fn check(directory: &Path) -> Result<()> {
    let meta = std::fs::symlink_metadata(directory).map_err(Error::io("look at", directory))?;
    if meta.is_symlink() {
        return Err(Error::Untrusted(format!(
            "{} is a symbolic link: state is kept in a real directory only; name its target with --state-dir",
            directory.display()
        )));
    }
    match trust::doubt(directory, &meta) {
        None => Ok(()),
        Some(why) => Err(Error::Untrusted(format!(
            "{why} (nothing there is read or obeyed before), or choose another with --state-dir"
        ))),
    }
}
