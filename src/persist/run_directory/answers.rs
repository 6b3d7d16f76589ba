//! `alerts/ID.response` of alerts that nobody waits at: whoever looks at the run next takes them.

use super::{ALERTS, RESPONSE_MAX, RunDirectory, read_bytes};
use crate::error::{Error, Result, chain};
use crate::persist::step;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Answers that are taken by one look: an operator writes a few.
const TAKEN_MAX: usize = 64;

/// An answer that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The id that it names: whose it is, ours or a server's, is not known here.
    pub id: String,
    /// Its first line.
    pub said: String,
    /// When it was written.
    pub written: Option<SystemTime>,
    /// Where it stands.
    pub path: PathBuf,
}

impl RunDirectory {
    /// The answers that wait, less those to questions: whoever asks takes its own. And what is wrong
    /// with others, for people.
    pub fn answers(&self) -> (Vec<Answer>, Vec<String>) {
        let directory = self.path.join(ALERTS);
        let (mut answers, mut troubles) = (Vec::new(), Vec::new());
        let listing = match std::fs::read_dir(&directory) {
            Ok(listing) => listing,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return (answers, troubles),
            Err(error) => return (answers, vec![chain(&Error::io("list", &directory)(error))]),
        };
        let mut paths: Vec<PathBuf> = listing.filter_map(|item| item.ok().map(|item| item.path())).collect();
        paths.sort();
        for path in paths {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let Some(id) = name.strip_suffix(".response").map(str::to_owned) else { continue };
            if directory.join(format!("{id}.json")).symlink_metadata().is_ok() || answers.len() >= TAKEN_MAX {
                continue;
            }
            match said(&path) {
                Ok(Some(said)) => {
                    let written = path.symlink_metadata().and_then(|meta| meta.modified()).ok();
                    answers.push(Answer { id, said, written, path });
                }
                // Whoever writes it is about to.
                Ok(None) => {}
                Err(error) => troubles.push(chain(&error)),
            }
        }
        (answers, troubles)
    }
}

impl Answer {
    /// Takes it away: it was heeded.
    pub fn take(path: &Path) -> Result<()> {
        step("remove an answer that was heeded");
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
            _ => Ok(()),
        }
    }
}

fn said(path: &Path) -> Result<Option<String>> {
    let Some(bytes) = read_bytes(path, RESPONSE_MAX)? else { return Ok(None) };
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned))
}
