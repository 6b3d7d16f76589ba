//! A download: how much of it is there, what its manifest asks for, and whether files match it.

mod manifest;
mod sums;

pub use manifest::{Algorithm, Wanted};
pub use sums::{Job, Progress, SumFacts};

use super::Observation;
use super::disk::{self, Purpose};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Files that are looked at: the largest sets of shards have some ten thousand.
const FILES: usize = 200_000;
/// How unfinished files are called by those who fetch them.
const PARTIAL: &[&str] = &["part", "partial", "incomplete", "crdownload", "download", "aria2", "tmp"];

/// What is asked. Paths are bytes on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "made by the functions below")]
pub enum DownloadQuestion {
    Look { path: OsString, manifest: Option<OsString> },
    Sums { jobs: Vec<Job>, budget: Duration },
}

/// What is there of a download.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DownloadFacts {
    /// There is anything at all.
    pub begun: bool,
    /// Bytes of whole and unfinished files.
    pub bytes: u64,
    /// Whole files, as far as their names say.
    pub files: u64,
    /// Files that are called unfinished.
    pub partial: u64,
    /// When any of them was written last.
    pub written: Option<DateTime<Utc>>,
    /// There are more files than are looked at.
    pub cut: bool,
    /// What the manifest asks for; empty where there is none.
    pub wanted: Vec<Wanted>,
    /// Why the manifest says nothing.
    pub manifest_fault: Option<String>,
    /// Free space where it goes, bytes.
    pub free_bytes: Option<u64>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DownloadAnswer {
    /// What is there.
    Look(DownloadFacts),
    /// Checksums.
    Sums(SumFacts),
}

/// What is there, and what ought to be.
pub fn look(path: &Path, manifest: Option<&Path>) -> DownloadQuestion {
    DownloadQuestion::Look { path: path.into(), manifest: manifest.map(Into::into) }
}

/// Looks. May block for ever, and takes its budget where it reads files.
pub(super) fn read(question: DownloadQuestion) -> Observation<DownloadAnswer> {
    match question {
        DownloadQuestion::Look { path, manifest } => {
            facts(Path::new(&path), manifest.as_deref().map(Path::new)).map_or_else(
                |why| Observation::Failed { why },
                |facts| Observation::Known(DownloadAnswer::Look(facts)),
            )
        }
        DownloadQuestion::Sums { jobs, budget } => {
            Observation::Known(DownloadAnswer::Sums(sums::read(jobs, budget)))
        }
    }
}

fn facts(path: &Path, manifest: Option<&Path>) -> Result<DownloadFacts, String> {
    let mut facts = DownloadFacts::default();
    let mut sizes: HashMap<PathBuf, (u64, DateTime<Utc>)> = HashMap::new();
    let is_directory = path.is_dir();
    let roots = if is_directory { vec![path.to_owned()] } else { siblings(path) };
    let mut left = roots;
    while let Some(path) = left.pop() {
        let metadata = match path.symlink_metadata() {
            Ok(metadata) => metadata,
            // What is renamed while we look is whole by now.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        if metadata.is_dir() {
            let entries = path.read_dir().map_err(|error| format!("{}: {error}", path.display()))?;
            left.extend(entries.flatten().map(|entry| entry.path()));
        } else if metadata.is_file() && Some(path.as_path()) != manifest {
            facts.cut |= facts.files + facts.partial >= FILES as u64;
            if facts.cut {
                break;
            }
            note(&mut facts, &path, &metadata);
            sizes.insert(path, (metadata.len(), modified(&metadata)));
        }
    }
    facts.free_bytes = disk::read(path, Purpose::Checkpoints).known().map(|disk| disk.free_bytes);
    if let Some(manifest) = manifest {
        let directory = if is_directory { path } else { path.parent().unwrap_or(path) };
        match manifest::read(manifest) {
            Ok(lines) => facts.wanted = lines.into_iter().map(|line| line.at(directory, &sizes)).collect(),
            Err(why) => facts.manifest_fault = Some(why),
        }
    }
    Ok(facts)
}

/// A file, and what it is called while it is unfinished.
fn siblings(path: &Path) -> Vec<PathBuf> {
    let beside = PARTIAL.iter().map(|ending| {
        let mut name = path.as_os_str().to_owned();
        name.push(".");
        name.push(ending);
        PathBuf::from(name)
    });
    std::iter::once(path.to_owned()).chain(beside).collect()
}

fn note(facts: &mut DownloadFacts, path: &Path, metadata: &Metadata) {
    facts.begun = true;
    facts.bytes += metadata.len();
    if is_partial(path) {
        facts.partial += 1;
    } else {
        facts.files += 1;
    }
    facts.written = facts.written.max(Some(modified(metadata)));
}

fn is_partial(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    ending.is_some_and(|ending| PARTIAL.contains(&ending))
}

fn modified(metadata: &Metadata) -> DateTime<Utc> {
    DateTime::from_timestamp(metadata.mtime(), metadata.mtime_nsec() as u32).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn put(dir: &Path, name: &str, bytes: usize) {
        let path = dir.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path).unwrap().write_all(&vec![7; bytes]).unwrap();
    }

    #[test]
    fn whole_and_unfinished_files_are_counted_apart_and_their_bytes_together() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!facts(&dir.path().join("later"), None).unwrap().begun);
        put(dir.path(), "a.bin", 10);
        put(dir.path(), "deep/b.bin.incomplete", 5);
        put(dir.path(), "c.part", 1);
        let facts = facts(dir.path(), None).unwrap();
        assert_eq!((facts.files, facts.partial, facts.bytes), (1, 2, 16));
        assert!(facts.written.is_some() && facts.free_bytes.is_some());
    }

    #[test]
    fn one_file_is_found_under_the_name_of_its_unfinished_self() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "model.bin.part", 4);
        put(dir.path(), "other.bin", 100);
        let facts = facts(&dir.path().join("model.bin"), None).unwrap();
        assert_eq!((facts.files, facts.partial, facts.bytes), (0, 1, 4));
    }
}
