//! The run's checkpoints: which there are and how old.

use super::Observation;
use crate::config::CheckpointSpec;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::fs::{DirEntry, Metadata};
use std::io::ErrorKind;
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
    /// Its size, bytes (a directory: of its direct members).
    pub bytes: u64,
}

/// Entries that one patrol looks at, over all directories: some 50 ms on a local disk.
pub const ENTRIES: usize = 10_000;

/// Checkpoints that are kept: enough for a run's usual interval.
const NEWEST: usize = 20;

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
const TEMPORARY_SUFFIXES: &[&str] = &[".tmp", ".temp", ".part", ".partial", ".incomplete", ".lock"];

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
                continue;
            }
            let looks = match pattern {
                Some(pattern) => pattern.matches(&entry.file_name().to_string_lossy()),
                None => is_checkpoint_file(&name) || is_step_directory(&name),
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

    /// A file as it is; a directory with the newest time and the sum of its direct members.
    fn checkpoint(&mut self, entry: &DirEntry, metadata: &Metadata) -> Option<Checkpoint> {
        let mut modified = metadata.modified().ok()?;
        let mut bytes = metadata.len();
        if metadata.is_dir() {
            bytes = 0;
            let mut members = 0_usize;
            for member in std::fs::read_dir(entry.path()).ok()?.flatten() {
                self.entries += 1;
                if self.entries > ENTRIES {
                    break;
                }
                let Ok(metadata) = member.metadata() else {
                    continue;
                };
                members += 1;
                bytes = bytes.saturating_add(if metadata.is_file() { metadata.len() } else { 0 });
                let time = metadata.modified().ok()?;
                modified = if members == 1 { time } else { modified.max(time) };
            }
            if members == 0 {
                return None;
            }
        }
        // Names are for people and go through JSON: bytes that are no UTF-8 are replaced.
        let path = PathBuf::from(entry.path().to_string_lossy().into_owned());
        Some(Checkpoint { path, modified: modified.into(), bytes })
    }

    fn facts(mut self, dir: &Path, configured: bool) -> CheckpointFacts {
        let count = self.found.len();
        self.found.sort_by(|a, b| b.modified.cmp(&a.modified).then_with(|| a.path.cmp(&b.path)));
        self.found.truncate(NEWEST);
        let dir = match self.found.first().and_then(|newest| newest.path.parent()) {
            Some(parent) if !configured => parent.to_owned(),
            _ => PathBuf::from(dir.to_string_lossy().into_owned()),
        };
        CheckpointFacts { dir, configured, newest: self.found, count, cut: self.entries > ENTRIES }
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

fn is_checkpoint_file(name: &str) -> bool {
    SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || (name.ends_with(BIN) && BIN_WORDS.iter().any(|word| name.contains(word)))
}

/// `checkpoint-500`, `global_step1000`, `epoch_3`, `iter_0000100`, `step=100`.
fn is_step_directory(name: &str) -> bool {
    STEP_PREFIXES.iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| {
            let number = rest.trim_start_matches(['-', '_', '=']);
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests;
