//! The run's checkpoints: which there are, how old, and whether the newest are what they claim to be.

mod directory;
mod format;

use super::Observation;
use crate::config::CheckpointSpec;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fs::{DirEntry, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The checkpoints of a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckpointFacts {
    /// The configured directory, or the one in which the newest was found.
    pub dir: PathBuf,
    /// Named in the config or by a flag, rather than found beside the log.
    pub configured: bool,
    /// The newest complete ones, newest first, at most 20; temporary files are not among them.
    pub newest: Vec<Checkpoint>,
    /// How many there are.
    pub count: usize,
    /// When a file or directory that is being written under a temporary name was last written.
    #[serde(default)]
    pub unfinished: Option<DateTime<Utc>>,
    /// The directory has more entries than are looked at ([`ENTRIES`]), so the newest may be missing.
    pub cut: bool,
}

/// One checkpoint: a file or a directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Its path.
    pub path: PathBuf,
    /// When it was last written (a directory: its newest member).
    pub modified: DateTime<Utc>,
    /// Its size, bytes (a directory: of all its members).
    pub bytes: u64,
    /// The inode of a file: one that is written in place keeps it. 0 for a directory.
    #[serde(default)]
    pub inode: u64,
    /// What is wrong with it inside, where that was looked for (the newest [`LOOKED_INTO`]) and found.
    #[serde(default)]
    pub fault: Option<String>,
}

/// Entries that one patrol looks at, over all directories: some 50 ms on a local disk.
pub const ENTRIES: usize = 10_000;

/// Checkpoints that are kept: enough for a run's usual interval.
const NEWEST: usize = 20;

/// Checkpoints whose inside is looked at, newest first: the one that a restart takes, and the one
/// before it where that one is being written.
pub const LOOKED_INTO: usize = 2;

/// Directories within a checkpoint directory: Orbax nests three.
const DEPTH: usize = 4;

/// Orbax names its checkpoints by the bare step and puts this into them.
const ORBAX: &str = "_CHECKPOINT_METADATA";

/// What directories beside a log are called where checkpoints are looked for without being told.
const DIRECTORY_WORDS: &[&str] = &["checkpoint", "ckpt", "weights", "snapshots"];

/// Suffixes of checkpoint files.
const SUFFIXES: &[&str] =
    &[".pt", ".pth", ".ckpt", ".safetensors", ".h5", ".keras", ".msgpack", ".npz", ".pdparams"];

/// Such a file is a checkpoint only with one of the words below.
const BIN: &str = ".bin";

/// Words that make a `.bin` a checkpoint: data sets have that suffix as well.
const BIN_WORDS: &[&str] = &["model", "ckpt", "pytorch"];

/// Prefixes that with a number behind them name a checkpoint directory.
const STEP_PREFIXES: &[&str] = &["checkpoint", "global_step", "step", "epoch", "iter", "ckpt"];

/// Marks of files that are being written; a rename makes them checkpoints.
const TEMPORARY_SUFFIXES: &[&str] = &[".tmp", ".temp", ".part", ".partial", ".incomplete", LOCK];

/// A lock is not finished either, and becomes nothing.
const LOCK: &str = ".lock";

/// Looks for checkpoints: in the configured directory, else in the log's and those below it that
/// are named like one. Without a configured directory and without a find there are none.
pub fn read(spec: Option<&CheckpointSpec>, log: Option<&Path>) -> Observation<CheckpointFacts> {
    let mut search = Search::default();
    if let Some(spec) = spec {
        let pattern = match spec.pattern.as_deref().map(glob::Pattern::new).transpose() {
            Ok(pattern) => pattern,
            Err(error) => {
                return Observation::Failed { why: format!("pattern of checkpoints: {error}") };
            }
        };
        return match search.directory(&spec.dir, pattern.as_ref(), false) {
            // It is made with the first checkpoint.
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Observation::Failed { why: format!("{}: {error}", spec.dir.display()) }
            }
            _ => Observation::Known(search.facts(&spec.dir, true)),
        };
    }
    let Some(dir) = log.and_then(Path::parent) else {
        return Observation::Absent;
    };
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    if let Err(error) = search.directory(dir, None, true) {
        return match error.kind() {
            ErrorKind::NotFound => Observation::Absent,
            _ => Observation::Failed { why: format!("{}: {error}", dir.display()) },
        };
    }
    for below in std::mem::take(&mut search.below) {
        // A directory that is not ours to read was not named by anybody: it says nothing.
        drop(search.directory(&below, None, false));
    }
    let facts = search.facts(dir, false);
    if facts.count == 0 { Observation::Absent } else { Observation::Known(facts) }
}

#[derive(Default)]
struct Search {
    found: Vec<Checkpoint>,
    below: Vec<PathBuf>,
    unfinished: Option<DateTime<Utc>>,
    entries: usize,
}

impl Search {
    fn directory(
        &mut self,
        dir: &Path,
        pattern: Option<&glob::Pattern>,
        note_below: bool,
    ) -> std::io::Result<()> {
        for entry in std::fs::read_dir(dir)? {
            // One entry that vanished while it was listed says nothing about the others.
            let Ok(entry) = entry else { continue };
            self.entries += 1;
            if self.entries > ENTRIES {
                break;
            }
            let name = entry.file_name().to_string_lossy().to_lowercase();
            if is_temporary(&name) {
                if becomes_checkpoint(&name) {
                    self.note_unfinished(&entry);
                }
                continue;
            }
            let looks = match pattern {
                Some(pattern) => pattern.matches(&entry.file_name().to_string_lossy()),
                // Bare numbers are everywhere but where checkpoints are.
                None => {
                    is_checkpoint_file(&name)
                        || is_step_directory(&name)
                        || (!note_below && is_number(&name) && entry.path().join(ORBAX).exists())
                }
            };
            let below = note_below && DIRECTORY_WORDS.iter().any(|word| name.contains(word));
            if !looks && !below {
                continue;
            }
            // Followed: `latest.pt` may be a link, and a dangling one is no checkpoint.
            let Ok(metadata) = std::fs::metadata(entry.path()) else {
                continue;
            };
            if looks && (pattern.is_some() || metadata.is_dir() != is_checkpoint_file(&name)) {
                let found = self.checkpoint(&entry, &metadata);
                self.found.extend(found);
            } else if below && metadata.is_dir() {
                self.below.push(entry.path());
            }
        }
        Ok(())
    }

    fn note_unfinished(&mut self, entry: &DirEntry) {
        if let Ok(metadata) = entry.metadata()
            && let Some(found) = self.checkpoint(entry, &metadata)
        {
            self.unfinished = self.unfinished.max(Some(found.modified));
        }
    }

    /// A file as it is; a directory with the newest time and the sum of its members.
    fn checkpoint(&mut self, entry: &DirEntry, metadata: &Metadata) -> Option<Checkpoint> {
        let mut found = Checkpoint {
            path: entry.path(),
            modified: metadata.modified().ok()?.into(),
            bytes: metadata.len(),
            inode: metadata.ino(),
            fault: None,
        };
        if metadata.is_dir() {
            (found.bytes, found.inode) = (0, 0);
            let mut newest = None;
            for (_, metadata) in self.members(&entry.path()) {
                if metadata.is_file() {
                    found.bytes = found.bytes.saturating_add(metadata.len());
                    newest = newest.max(metadata.modified().ok());
                }
            }
            found.modified = newest?.into();
        }
        Some(found)
    }

    /// All members below a directory, by their paths in it.
    fn members(&mut self, dir: &Path) -> Vec<(String, Metadata)> {
        let mut members = Vec::new();
        let mut below = vec![(PathBuf::new(), 0)];
        while let Some((folder, depth)) = below.pop() {
            let Ok(entries) = std::fs::read_dir(dir.join(&folder)) else { continue };
            for entry in entries.flatten() {
                self.entries += 1;
                if self.entries > ENTRIES {
                    return members;
                }
                let name = folder.join(entry.file_name());
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() && depth + 1 < DEPTH {
                    below.push((name.clone(), depth + 1));
                }
                members.push((name.to_string_lossy().into_owned(), metadata));
            }
        }
        members
    }

    /// What is wrong inside; nothing where it cannot be read, or was not looked at as a whole.
    fn fault(&mut self, path: &Path) -> Option<String> {
        if !path.is_dir() {
            let name = path.file_name()?.to_string_lossy().to_lowercase();
            return format::fault(path, &name).ok()?;
        }
        let members: BTreeSet<String> = self.members(path).into_iter().map(|(name, _)| name).collect();
        if self.entries > ENTRIES { None } else { directory::fault(path, &members) }
    }

    fn facts(mut self, dir: &Path, configured: bool) -> CheckpointFacts {
        let count = self.found.len();
        self.found.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.path.cmp(&b.path)));
        self.found.truncate(NEWEST);
        let mut newest = std::mem::take(&mut self.found);
        for found in newest.iter_mut().take(LOOKED_INTO) {
            found.fault = self.fault(&found.path);
        }
        for found in &mut newest {
            // Names are for people and go through JSON: bytes that are no UTF-8 are replaced.
            found.path = PathBuf::from(found.path.to_string_lossy().into_owned());
        }
        let dir = match newest.first().and_then(|newest| newest.path.parent()) {
            Some(parent) if !configured => parent.to_owned(),
            _ => PathBuf::from(dir.to_string_lossy().into_owned()),
        };
        CheckpointFacts {
            dir,
            configured,
            newest,
            unfinished: self.unfinished,
            count,
            cut: self.entries > ENTRIES,
        }
    }
}

/// Names in lower case that mean 'not finished yet'.
fn is_temporary(name: &str) -> bool {
    name.starts_with('.')
        || name.starts_with('~')
        || name.ends_with('~')
        || name.starts_with("tmp-")
        || name.starts_with("tmp_")
        || name.contains("-tmp-") // Orbax: 1000.orbax-checkpoint-tmp-1712…
        || name.contains(".tmp-")
        || TEMPORARY_SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Whether a temporary name is that of a checkpoint to be. Hidden ones and locks are anybody's.
fn becomes_checkpoint(name: &str) -> bool {
    let names = SUFFIXES.iter().chain(STEP_PREFIXES);
    !name.starts_with('.') && !name.ends_with(LOCK) && names.into_iter().any(|part| name.contains(part))
}

fn is_number(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// Names in lower case by which a file is a checkpoint, or a part of one.
fn is_checkpoint_file(name: &str) -> bool {
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || (name.ends_with(BIN) && BIN_WORDS.iter().any(|word| name.contains(word)))
}

/// `checkpoint-500`, `global_step1000`, `epoch_3`, `iter_0000100`, `step=100`.
fn is_step_directory(name: &str) -> bool {
    STEP_PREFIXES.iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| is_number(rest.trim_start_matches(['-', '_', '='])))
    })
}

#[cfg(test)]
mod tests;
