//! `prometheus_textfile:`, what collectors of metrics read.

use super::raw;
use super::section::Section;
use crate::error::Result;
use std::path::PathBuf;

/// The name's end that node_exporter's collector looks for.
const ENDING: &str = "prom";

/// `prometheus_textfile:`, checked.
pub(super) fn textfile(top: &Section<'_>, raw: Option<&raw::Text>) -> Result<Option<PathBuf>> {
    const KEY: &str = "prometheus_textfile";
    let Some(text) = raw else { return Ok(None) };
    let path = top.path(KEY, text)?;
    if path.extension().is_none_or(|ending| ending != ENDING) {
        let what = format!("`{KEY}` does not end in .{ENDING}: {}", path.display());
        return Err(top.wrong(KEY, &what, "node_exporter reads no other files: rename it"));
    }
    Ok(Some(path))
}
