//! `prometheus_textfile:` and `heartbeat_url:`: what others read of a patrol, and where it says that it
//! takes place.

use super::Address;
use super::channel::{self, Source};
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

/// `heartbeat_url:` or `heartbeat_url_file:`, checked. Empty is off.
pub(super) fn heartbeat(
    [url, file]: [&Section<'_>; 2],
    [text, path]: [Option<&raw::Text>; 2],
) -> Result<Option<Source<Address>>> {
    let (key, file_key) = ("heartbeat_url", "heartbeat_url_file");
    let text = text.map(|text| url.text(key, text)).transpose()?.filter(|text| !text.trim().is_empty());
    match (text, path) {
        (Some(_), Some(_)) => {
            let what = format!("`{key}` and `{file_key}` are both given");
            Err(file.wrong_key(file_key, &what, "keep one of the two"))
        }
        (Some(text), None) => channel::parsed(url, key, &text).map(|address| Some(Source::Here(address))),
        (None, Some(path)) => file.path(file_key, path).map(|path| Some(Source::File(path))),
        (None, None) => Ok(None),
    }
}
