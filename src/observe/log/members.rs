//! Which files a log's path or pattern means now.

use super::memory::{MAX_FILES, key};
use super::neighbours::is_compressed;
use std::path::{Path, PathBuf};

/// One file that is a log, or with a glob perhaps the archive of one.
#[derive(Debug)]
pub(super) struct Member {
    pub path: PathBuf,
    /// Under which name it is remembered.
    pub key: String,
}

/// What a path or pattern means.
#[derive(Debug)]
pub(super) struct Members {
    /// In order of path.
    pub files: Vec<Member>,
    /// It is a pattern: members may be each other's archives, and come and go.
    pub globbed: bool,
    /// What could not be looked at, with the reason.
    pub unreadable: Vec<(PathBuf, String)>,
}

/// Finds the members. An error is for people.
pub(super) fn find(pattern: &Path) -> Result<Members, String> {
    if is_compressed(pattern) && pattern.exists() {
        return Err(format!("{} is a compressed archive, not a log", pattern.display()));
    }
    find_any(pattern)
}

/// The same, and a path that names a compressed file is one.
pub(super) fn find_any(pattern: &Path) -> Result<Members, String> {
    let member = |path: PathBuf| Member { key: key(&path), path };
    let Some(text) = pattern.to_str().filter(|text| text.contains(['*', '?', '[']) && !pattern.exists())
    else {
        return Ok(Members {
            files: vec![member(pattern.to_owned())],
            globbed: false,
            unreadable: Vec::new(),
        });
    };
    let found = glob::glob(text).map_err(|e| format!("{text} is no pattern for files: {e}"))?;
    let mut paths = Vec::new();
    let mut unreadable = Vec::new();
    for path in found {
        match path {
            Ok(path) if is_compressed(&path) => {}
            Ok(path) if paths.len() < MAX_FILES => paths.push(path),
            Ok(path) => {
                unreadable.push((
                    path,
                    format!("more than {MAX_FILES} files match; from here on they are not read"),
                ));
                break;
            }
            Err(e) => unreadable.push((e.path().to_owned(), e.error().to_string())),
        }
    }
    paths.sort();
    Ok(Members { files: paths.into_iter().map(member).collect(), globbed: true, unreadable })
}
