//! Advisory locks that name their holder. Always taken in the order run, health file, outbox.
//!
//! A lock file is never renamed or removed: another process may hold it open.

use crate::error::{Error, Result};
use crate::persist::step;
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a held lock is asked for again: short beside a patrol's tens of milliseconds.
const RETRY: Duration = Duration::from_millis(20);
/// Longest note of a holder that is read.
const NOTE_MAX: u64 = 300;

/// A lock; dropping it (or dying) releases it.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock, waiting at most `wait`; says who holds it otherwise.
    pub fn acquire(path: &Path, wait: Duration) -> Result<Self> {
        let file = open(path)?;
        let begin = Instant::now();
        loop {
            if try_lock(&file, path)? {
                return Ok(Self::note(file));
            }
            if begin.elapsed() >= wait {
                return Err(Error::Locked(format!(
                    "{} is held by {} (waited {:.1} s): let it finish, or wait longer with --lock-wait",
                    path.display(),
                    holder(file),
                    wait.as_secs_f64()
                )));
            }
            std::thread::sleep(RETRY.min(wait.saturating_sub(begin.elapsed())));
        }
    }

    /// Takes the lock if nobody holds it.
    pub fn try_acquire(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        Ok(try_lock(&file, path)?.then(|| Self::note(file)))
    }

    /// Writes who holds it. Best effort: a full disk must not keep a patrol from looking.
    fn note(mut file: File) -> Self {
        let host = rustix::system::uname();
        let note = format!(
            "pid {} on {}, started {}\n",
            std::process::id(),
            host.nodename().to_string_lossy(),
            started()
        );
        step("clear a lock's note");
        if file.set_len(0).is_ok() && file.rewind().is_ok() {
            step("write a lock's note");
            drop(file.write_all(note.as_bytes()));
        }
        Self { _file: file }
    }
}

/// This process's start as ticks since boot: with the pid it names the holder for good.
fn started() -> String {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    after
        .split_whitespace()
        .nth(19)
        .map_or_else(|| "at an unknown time".to_owned(), |ticks| format!("at tick {ticks}"))
}

fn open(path: &Path) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    step("open a lock");
    let fd = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map_err(std::io::Error::from);
    fd.map(File::from).map_err(Error::io("open the lock", path))
}

fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match fs2::FileExt::try_lock_exclusive(file) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == fs2::lock_contended_error().raw_os_error() => Ok(false),
        Err(error) => Err(Error::io("lock", path)(error)),
    }
}

fn holder(mut file: File) -> String {
    let mut note = String::new();
    let read = file.rewind().and_then(|()| file.take(NOTE_MAX).read_to_string(&mut note));
    match (read, note.trim()) {
        (Ok(_), "") | (Err(_), _) => "another trainguard".to_owned(),
        (Ok(_), note) => note.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_names_its_holder_and_a_released_one_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("run.lock");
        let held = Lock::acquire(&path, Duration::ZERO).unwrap();
        let refused = Lock::acquire(&path, Duration::ZERO).unwrap_err().to_string();
        assert!(refused.contains(&format!("held by pid {}", std::process::id())), "{refused}");
        assert!(Lock::try_acquire(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_acquire(&path).unwrap().is_some());
    }
}
