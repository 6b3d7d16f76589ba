//! `downloads:`: what a run waits for, by name.

use super::agents::check_name;
use super::locate::Aim;
use super::raw;
use super::section::{Range, Section};
use crate::error::Result;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

const BYTES: Range = Range { least: 1.0, least_allowed: true, most: 1e18, whole: true, unit: "bytes" };
const FILES: Range = Range { least: 1.0, least_allowed: true, most: 1e9, whole: true, unit: "files" };
const MINUTES: Range = Range {
    least: 0.0,
    least_allowed: false,
    most: 525_600.0,
    whole: false,
    unit: "minutes, fractions are allowed",
};

/// A download under guard.
#[derive(Debug, Clone, PartialEq)]
pub struct Download {
    /// Its name: unique among runs, agents and downloads, and part of file names.
    pub name: String,
    /// The file, or the directory that it fills. Absolute.
    pub path: PathBuf,
    /// Bytes in all, where the user knows.
    pub bytes: Option<u64>,
    /// Files in all, where the user knows.
    pub files: Option<u64>,
    /// A list of checksums, as `sha256sum` and `md5sum` write it; its names are relative to the directory.
    pub manifest: Option<PathBuf>,
    /// It is stalled after this long without a byte; `None` goes by its own pace.
    pub stalled: Option<Duration>,
}

/// `downloads:`, checked.
pub(super) fn downloads(
    at: &Section<'_>,
    raw: Option<&BTreeMap<String, raw::Download>>,
    taken: &[&str],
) -> Result<Vec<Download>> {
    let mut downloads = Vec::new();
    for (name, raw) in raw.into_iter().flatten() {
        check_name(at, name, taken.iter().copied())?;
        downloads.push(download(&at.key(name), name, raw)?);
    }
    Ok(downloads)
}

fn download(at: &Section<'_>, name: &str, raw: &raw::Download) -> Result<Download> {
    let Some(path) = &raw.path else {
        let next = "add a line such as `path: models/llama`";
        return Err(at.wrong_here(Aim::Value, "this download has no `path`", next));
    };
    let path = at.path("path", path)?;
    let bytes = at.number("bytes", raw.bytes.as_ref(), BYTES)?.map(|bytes| bytes as u64);
    let files = at.number("files", raw.files.as_ref(), FILES)?.map(|files| files as u64);
    let manifest = raw.manifest.as_ref().map(|path| at.path("manifest", path)).transpose()?;
    if bytes.is_none() && files.is_none() && manifest.is_none() {
        let what = "nothing says when this download is complete";
        let next = "add `bytes`, `files` or `manifest` (a SHA256SUMS or md5sum file)";
        return Err(at.wrong_here(Aim::Value, what, next));
    }
    let stalled = at.number("stalled_minutes", raw.stalled_minutes.as_ref(), MINUTES)?;
    let stalled = stalled.map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    Ok(Download { name: name.to_owned(), path, bytes, files, manifest, stalled })
}
