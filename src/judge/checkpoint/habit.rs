//! What is remembered of a run's checkpoints: when they come, and how large they are.

use super::Standing;
use crate::observe::checkpoint::{Checkpoint, CheckpointFacts};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::Path;
use xxhash_rust::xxh3::xxh3_64;

/// Files written this close to each other, seconds, are one checkpoint.
const TOGETHER_S: f64 = 120.0;
/// Times that are remembered: enough for a median that one late checkpoint does not move.
const TIMES: usize = 20;
/// Recent checkpoints of which the usual size is the median: a lone final or best one moves it not.
const SIZES: usize = 5;

/// What is remembered of checkpoints.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CheckpointMemory {
    /// The first look at this run.
    pub(super) since: Option<DateTime<Utc>>,
    /// A directory that nobody configured received a checkpoint of this run: it is one of the run's.
    pub(super) receives: bool,
    /// When checkpoints were written, oldest first.
    written: Vec<DateTime<Utc>>,
    /// The newest ones at the previous look.
    seen: Vec<Seen>,
    /// Files that were written anew over themselves, so that the old one's space was theirs: hashes
    /// of their paths.
    in_place: BTreeSet<u64>,
    /// What this look found.
    #[serde(skip)]
    pub standing: Option<Standing>,
}

/// A checkpoint as a look found it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Seen {
    /// Hash of its path.
    path: u64,
    modified: DateTime<Utc>,
    bytes: u64,
    inode: u64,
    /// The most that was found under this path in this attempt.
    held: u64,
    attempt: u32,
}

impl CheckpointMemory {
    /// Notes when checkpoints were written. A run that overwrites its only one shows its habit from
    /// patrol to patrol. In a directory that nobody named, what is older than the run is not its own.
    pub(super) fn note(&mut self, facts: &CheckpointFacts, began: DateTime<Utc>) {
        let times = facts.newest.iter().map(|newest| newest.modified);
        self.written.extend(times.filter(|time| facts.configured || *time >= began));
        self.written.sort_unstable();
        // Files of one checkpoint are written together: its time is the last of them.
        let mut one_each: Vec<DateTime<Utc>> = Vec::new();
        for time in self.written.drain(..) {
            match one_each.last_mut() {
                Some(last) if (time - *last).as_seconds_f64() <= TOGETHER_S => *last = time,
                _ => one_each.push(time),
            }
        }
        one_each.drain(..one_each.len().saturating_sub(TIMES));
        self.written = one_each;
        for newest in facts.newest.iter().filter(|newest| newest.inode != 0) {
            if let Some(before) = self.seen(newest).filter(|before| before.modified != newest.modified) {
                let (path, same) = (before.path, before.inode == newest.inode);
                self.in_place.retain(|known| *known != path);
                self.in_place.extend(same.then_some(path));
            }
        }
    }

    /// The run's usual interval: the median of those between recent checkpoints, seconds.
    pub(super) fn usual_s(&self) -> f64 {
        let pairs = self.written.windows(2);
        let mut gaps: Vec<f64> = pairs.map(|pair| (pair[1] - pair[0]).as_seconds_f64()).collect();
        gaps.sort_by(f64::total_cmp);
        gaps.get(gaps.len().saturating_sub(1) / 2).copied().unwrap_or(0.0)
    }

    fn seen(&self, checkpoint: &Checkpoint) -> Option<&Seen> {
        let path = hash(&checkpoint.path);
        self.seen.iter().find(|seen| seen.path == path)
    }

    /// Whether it was smaller at the previous look.
    pub(super) fn grew(&self, checkpoint: &Checkpoint) -> bool {
        self.seen(checkpoint).is_some_and(|seen| seen.bytes < checkpoint.bytes)
    }

    /// The most that this path held in this attempt.
    pub(super) fn held(&self, checkpoint: &Checkpoint, attempt: u32) -> Option<u64> {
        self.seen(checkpoint).filter(|seen| seen.attempt == attempt).map(|seen| seen.held)
    }

    /// What the next checkpoint takes from the free space: the usual size of recent ones. One that
    /// replaces another needs its whole size as well, for the old one goes after the new one is
    /// there; only a file that is truncated and written again under the same inode needs none.
    pub(super) fn next_bytes(&self, settled: &[&Checkpoint]) -> Option<u64> {
        let mut sizes: Vec<(DateTime<Utc>, u64)> = Vec::new();
        let mut counted = BTreeSet::new();
        for one in settled {
            // `latest.pt` may be a link to another one.
            if one.inode != 0 && !counted.insert(one.inode) {
                continue;
            }
            let bytes = if self.in_place.contains(&hash(&one.path)) { 0 } else { one.bytes };
            let enough = sizes.len() >= SIZES;
            match sizes.last_mut() {
                Some((time, sum)) if (*time - one.modified).as_seconds_f64() <= TOGETHER_S => {
                    (*time, *sum) = (one.modified, sum.saturating_add(bytes));
                }
                _ if enough => break,
                _ => sizes.push((one.modified, bytes)),
            }
        }
        let mut sizes: Vec<u64> = sizes.into_iter().map(|(_, bytes)| bytes).collect();
        sizes.sort_unstable();
        sizes.get(sizes.len() / 2).copied()
    }

    /// Notes this look for the next one.
    pub(super) fn remember(&mut self, facts: &CheckpointFacts, attempt: u32, standing: Standing) {
        let seen = facts.newest.iter().map(|newest| {
            let before = self.seen(newest);
            let held = before.filter(|before| before.attempt == attempt).map_or(0, |before| before.held);
            Seen {
                path: hash(&newest.path),
                modified: newest.modified,
                bytes: newest.bytes,
                inode: newest.inode,
                held: held.max(newest.bytes),
                attempt,
            }
        });
        let seen: Vec<Seen> = seen.collect();
        self.in_place.retain(|path| seen.iter().any(|seen| seen.path == *path));
        self.seen = seen;
        self.standing = Some(standing);
    }
}

/// Whether two checkpoints have names that differ in numbers only.
pub(super) fn same_kind(one: &Checkpoint, other: &Checkpoint) -> bool {
    kind(&one.path) == kind(&other.path)
}

fn kind(path: &Path) -> String {
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let mut kind = String::new();
    for c in name.chars() {
        match c {
            '0'..='9' if kind.ends_with('#') => {}
            '0'..='9' => kind.push('#'),
            c => kind.push(c),
        }
    }
    kind
}

fn hash(path: &Path) -> u64 {
    xxh3_64(path.as_os_str().as_encoded_bytes())
}
