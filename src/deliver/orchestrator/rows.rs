//! Rows on their way to a run's server: `NAME/rows/TIME-KEY.json`, one file for each look that read
//! any, written before the state that would make the next look forget them, and removed once the server
//! has taken them. Whoever repeats a killed look replaces its file; whoever repeats a request whose
//! answer was lost sends the same key.

use super::{Server, reason};
use crate::deliver::Outcome;
use crate::error::{Error, Result, chain};
use crate::persist::step;
use crate::persist::store::Store;
use crate::persist::trust;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rows of one look, the newest: a dashboard draws some thousand points, and a backlog of a million rows
/// is none of its business.
pub const MOST: usize = 1_000;
/// Looks that wait, the newest: an hour of a watch's, weeks of a patrol's.
const FILES_MAX: usize = 1_000;
/// Bytes of a file: a thousand rows of every metric are some hundreds of KB.
const FILE_MAX: u64 = 4 * 1024 * 1024;

/// Keeps the rows of one look. Durable when this returns.
pub fn keep(store: &Store, run: &str, key: &str, rows: &[Value], now: DateTime<Utc>) -> Result<()> {
    if rows.is_empty() {
        return Ok(());
    }
    store.directory(run)?;
    let directory = store.directory(&format!("{run}/rows"))?;
    let waiting = list(&directory)?;
    let spare = (waiting.len() + 1).saturating_sub(FILES_MAX);
    let repeated = waiting.iter().skip(spare).filter(|path| key_of(path) == Some(key));
    for path in waiting.iter().take(spare).chain(repeated) {
        remove(path)?;
    }
    let path = directory.join(format!("{:014}-{key}.json", now.timestamp_millis()));
    store.write(&path, json!({"rows": rows}).to_string().as_bytes())
}

/// Sends what waits, oldest first, until `until`. Says what went wrong; what the server refuses for good
/// is given up.
pub fn send(
    server: &Server<'_>,
    store: &Store,
    run: &str,
    until: Instant,
) -> std::result::Result<(), String> {
    let directory = store.path(run).join("rows");
    let waiting = list(&directory).map_err(|error| chain(&error))?;
    let mut refused = None;
    for path in waiting {
        let Some(key) = key_of(&path) else { continue };
        let Some(body) = read(&path) else {
            remove(&path).map_err(|error| chain(&error))?;
            continue;
        };
        step("send rows to the orchestrator");
        let limit = until.saturating_duration_since(Instant::now());
        match server.post(&server.run_path("/metrics"), &body, Some(key), limit) {
            Ok(_) => {}
            Err(Outcome::Refused { why, .. }) => refused = Some(format!("rows are given up: {why}")),
            Err(outcome) => return Err(format!("rows wait: {}", reason(outcome))),
        }
        step("remove rows that the orchestrator has taken");
        remove(&path).map_err(|error| chain(&error))?;
    }
    refused.map_or(Ok(()), Err)
}

/// The files that wait, oldest first.
fn list(directory: &Path) -> Result<Vec<PathBuf>> {
    let listing = match std::fs::read_dir(directory) {
        Ok(listing) => listing,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", directory)(error)),
    };
    let paths = listing.filter_map(|item| item.ok().map(|item| item.path()));
    let mut paths: Vec<PathBuf> = paths.filter(|path| key_of(path).is_some()).collect();
    paths.sort();
    Ok(paths)
}

fn key_of(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_suffix(".json")?.split_once('-').map(|(_, key)| key)
}

fn read(path: &Path) -> Option<Value> {
    let mut bytes = Vec::new();
    trust::open(path).ok()?.take(FILE_MAX).read_to_end(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
