//! The file systems that a run and its guard write to.

use super::Observation;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the file system is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// The run's log.
    Log,
    /// The run's checkpoints.
    Checkpoints,
    /// The guard's own state.
    State,
}

/// One file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskFacts {
    /// The path that was asked about.
    pub path: PathBuf,
    /// What it is used for, all purposes that share the file system.
    pub purposes: Vec<Purpose>,
    /// Device number: two paths with the same one share a file system.
    pub device: u64,
    /// Size, bytes.
    pub total_bytes: u64,
    /// Free for an unprivileged user, bytes.
    pub free_bytes: u64,
    /// Inodes in all; 0 where the file system does not count them.
    pub inodes: u64,
    /// Free inodes.
    pub free_inodes: u64,
    /// Size and free space are those of this user's quota, which is narrower than the disk.
    #[serde(default)]
    pub by_quota: bool,
}

/// Asks the file system of a path, or of its nearest ancestor that exists: a checkpoint directory
/// is made when the first checkpoint is.
pub fn read(path: &Path, purpose: Purpose) -> Observation<DiskFacts> {
    let mut at = path;
    let metadata = loop {
        match std::fs::metadata(at) {
            Ok(metadata) => break metadata,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // The parent of a bare name is the empty path: the working directory.
                at = match at.parent() {
                    Some(parent) if parent.as_os_str().is_empty() && !at.as_os_str().is_empty() => {
                        Path::new(".")
                    }
                    Some(parent) => parent,
                    None => {
                        return Observation::Failed { why: format!("{}: {error}", path.display()) };
                    }
                };
            }
            Err(error) => {
                return Observation::Failed { why: format!("{}: {error}", at.display()) };
            }
        }
    };
    match rustix::fs::statvfs(at) {
        Ok(space) => Observation::Known(DiskFacts {
            path: path.to_owned(),
            purposes: vec![purpose],
            device: metadata.dev(),
            total_bytes: space.f_blocks.saturating_mul(space.f_frsize),
            free_bytes: space.f_bavail.saturating_mul(space.f_frsize),
            inodes: space.f_files,
            free_inodes: space.f_favail,
            by_quota: false,
        }),
        Err(error) => Observation::Failed { why: format!("statvfs {}: {error}", at.display()) },
    }
}

/// One observation per file system: purposes that share a device are joined under the first path.
pub fn merge(asked: Vec<Observation<DiskFacts>>) -> Vec<Observation<DiskFacts>> {
    let mut merged: Vec<Observation<DiskFacts>> = Vec::new();
    for observation in asked {
        let same = observation.known().and_then(|new| {
            merged.iter_mut().find_map(|old| match old {
                Observation::Known(old) if old.device == new.device => Some(old),
                _ => None,
            })
        });
        match (same, &observation) {
            (Some(old), Observation::Known(new)) => {
                old.purposes.extend(&new.purposes);
                old.purposes.sort_unstable();
                old.purposes.dedup();
            }
            _ => merged.push(observation),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_does_not_exist_yet_is_on_its_parents_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let here = read(dir.path(), Purpose::Log).known().cloned().unwrap();
        let there = read(&dir.path().join("not/yet/made"), Purpose::Checkpoints).known().cloned().unwrap();
        assert_eq!((here.device, here.total_bytes), (there.device, there.total_bytes));
        assert!(here.free_bytes <= here.total_bytes && here.total_bytes > 0);
        assert!(read(Path::new("no-such-name"), Purpose::State).known().is_some());
    }

    #[test]
    fn purposes_on_one_device_are_one_file_system() {
        let dir = tempfile::tempdir().unwrap();
        let proc = read(Path::new("/proc"), Purpose::Log);
        let failed = Observation::Failed { why: "x".to_owned() };
        let asked = vec![
            read(dir.path(), Purpose::State),
            failed.clone(),
            read(dir.path(), Purpose::Log),
            proc.clone(),
            read(dir.path(), Purpose::Log),
        ];
        let merged = merge(asked);
        assert_eq!(merged.len(), 3);
        assert_eq!(merged[0].known().unwrap().purposes, [Purpose::Log, Purpose::State]);
        assert_eq!(merged[1..], [failed, proc]);
    }
}
