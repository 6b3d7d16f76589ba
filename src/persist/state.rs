//! What is known of a run between patrols: `NAME.json` in the state directory.
//!
//! Format: JSON with `"schema":"trainguard/state/1"`. A new generation is written beside the old
//! and renamed over it; the old one stays as `NAME.json.prev` by a hard link, so that at every
//! instant there is a file under `NAME.json`. One that does not parse stays as `NAME.json.damaged`
//! and the previous generation is used: it repeats the last patrol, whose alerts have the same ids
//! and are therefore not told again.

use crate::clock::{Clock, Reading};
use crate::consult;
use crate::decide::Ledger;
use crate::decide::orders::Orders;
use crate::error::{Error, Result};
use crate::judge::attendance::Attendance;
use crate::judge::wards::WardMemory;
use crate::judge::{Memory, Phase};
use crate::observe::log::LogMemory;
use crate::observe::metric_files::MetricFilesMemory;
use crate::observe::probe::Stuck;
use crate::persist::step;
use crate::persist::store::Store;
use crate::persist::trust;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The schema that this version writes.
pub const SCHEMA: &str = "trainguard/state/1";
/// No state of ours is larger: 64 KiB, 512 bytes for each of 4,096 log files, and as much again
/// for paths. What is larger is damage, and is not read into memory.
const SIZE_MAX: u64 = 8 * 1024 * 1024;

/// A run's state.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct State {
    /// `trainguard/state/1`.
    pub schema: String,
    /// The run.
    pub run: String,
    /// The log (path or glob) that this state is about.
    pub log: Option<String>,
    /// A random id from when the state was first made: part of the ids of alerts that no log line has.
    pub lineage: String,
    /// When the state was first made.
    pub created: DateTime<Utc>,
    /// The clocks of the last patrol.
    #[serde(default)]
    pub last: Option<Reading>,
    /// The interval between the last two patrols, seconds.
    #[serde(default)]
    pub interval_s: Option<f64>,
    /// Where the run stands.
    #[serde(default)]
    pub phase: Phase,
    /// Who stays with the run for its first steps.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watch: Option<Attendance>,
    /// Where the logs were left.
    #[serde(default)]
    pub logs: LogMemory,
    /// Where the metric files were left.
    #[serde(default, skip_serializing_if = "MetricFilesMemory::is_empty")]
    pub metric_files: MetricFilesMemory,
    /// What the checks remember.
    #[serde(default)]
    pub memory: Memory,
    /// What is remembered of what is no run.
    #[serde(default, skip_serializing_if = "WardMemory::is_idle")]
    pub ward: WardMemory,
    /// What is remembered of asking the judge.
    #[serde(default)]
    pub consult: consult::Memory,
    /// Open findings.
    #[serde(default)]
    pub ledger: Ledger,
    /// What was ordered to be done about findings.
    #[serde(default, skip_serializing_if = "Orders::is_idle")]
    pub orders: Orders,
    /// Probes that hang.
    #[serde(default)]
    pub stuck: Vec<Stuck>,
    /// Patrols so far.
    #[serde(default)]
    pub patrols: u64,
    /// The file of this name is damaged: saving sets it aside and keeps the previous generation.
    #[serde(skip)]
    replaces_damage: bool,
}

/// A state as it was found.
#[derive(Debug)]
pub struct Loaded {
    /// The state, new where there was none.
    pub state: State,
    /// What was wrong with the file, for people; the damaged file was set aside.
    pub damage: Option<String>,
}

impl State {
    /// A state for a run that nothing is known of.
    pub fn new(run: &str, log: Option<&Path>, clock: &Clock) -> Self {
        Self {
            schema: SCHEMA.to_owned(),
            run: run.to_owned(),
            log: log.map(|path| path.to_string_lossy().into_owned()),
            lineage: format!("{:016x}", clock.entropy),
            created: clock.wall(),
            last: None,
            interval_s: None,
            phase: Phase::default(),
            watch: None,
            logs: LogMemory::default(),
            metric_files: MetricFilesMemory::default(),
            memory: Memory::default(),
            ward: WardMemory::default(),
            consult: consult::Memory::default(),
            ledger: Ledger::default(),
            orders: Orders::default(),
            stuck: Vec::new(),
            patrols: 0,
            replaces_damage: false,
        }
    }

    /// Loads a run's state; the caller holds the run's lock. It must be about the log given.
    pub fn load(store: &Store, run: &str, log: Option<&Path>, clock: &Clock) -> Result<Loaded> {
        let loaded = Self::load_any(store, run, log, clock)?;
        let asked = log.map(|log| log.to_string_lossy().into_owned());
        if loaded.state.log == asked {
            return Ok(loaded);
        }
        Err(Error::State(format!(
            "{} is the state of run '{run}' with log {}, not {}: give this one another name (--name, or name: in \
             the config), or remove that file to start over",
            store.path(&file_name(run)).display(),
            loaded.state.log.as_deref().unwrap_or("(none)"),
            asked.as_deref().unwrap_or("(none)"),
        )))
    }

    /// Loads a run's state whatever log it is about; the caller holds the run's lock.
    pub fn load_any(store: &Store, run: &str, log: Option<&Path>, clock: &Clock) -> Result<Loaded> {
        let path = store.path(&file_name(run));
        let damage = match read(&path)? {
            None => return Ok(Loaded { state: Self::new(run, log, clock), damage: None }),
            Some(Parsed::Whole(state)) => return Ok(Loaded { state: *state, damage: None }),
            Some(Parsed::Damaged(why)) => why,
        };
        let aside = store.path(&format!("{}.damaged", file_name(run)));
        let previous = store.path(&format!("{}.prev", file_name(run)));
        let (mut state, instead) = match read(&previous)? {
            Some(Parsed::Whole(state)) => (*state, "the previous generation is used"),
            Some(Parsed::Damaged(_)) | None => {
                // The same again for a patrol that repeats this one: the damaged file stays until it is replaced.
                let fresh = Self::new(run, log, clock);
                let lineage = lineage_of(&path).unwrap_or_else(|_| fresh.lineage.clone());
                (Self { lineage, ..fresh }, "the log is read from its start")
            }
        };
        state.replaces_damage = true;
        let damage =
            format!("{} {damage}; it is set aside as {}, {instead}", path.display(), aside.display());
        Ok(Loaded { state, damage: Some(damage) })
    }

    /// A run's state for somebody who changes nothing and holds no lock; `None` where there is none
    /// that is whole.
    pub fn peek(store: &Store, run: &str) -> Result<Option<Self>> {
        Ok(match read(&store.path(&file_name(run)))? {
            Some(Parsed::Whole(state)) => Some(*state),
            Some(Parsed::Damaged(_)) | None => None,
        })
    }

    /// Whether anything is known of a run.
    pub fn exists(store: &Store, run: &str) -> bool {
        store.path(&file_name(run)).exists()
    }

    /// Notes that a patrol looked.
    pub fn advance(&mut self, now: &Reading) {
        if let Some(last) = &self.last {
            let interval = (now.wall - last.wall).as_seconds_f64();
            self.interval_s = (interval > 0.0).then_some(interval).or(self.interval_s);
        }
        self.last = Some(now.clone());
        self.patrols += 1;
    }

    /// Saves it; the caller holds the run's lock and owes the store's sync.
    pub fn save(&self, store: &Store) -> Result<()> {
        let path = store.path(&file_name(&self.run));
        let bytes =
            serde_json::to_vec(self).map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        let kept = if self.replaces_damage { "damaged" } else { "prev" };
        let kept = store.path(&format!("{}.{kept}", file_name(&self.run)));
        store.with_reserve(|| keep(&path, &kept)).map_err(Error::io("keep the old state as", &kept))?;
        store.write_unsynced(&path, &bytes)
    }
}

enum Parsed {
    Whole(Box<State>),
    Damaged(String),
}

/// Only the schema, to tell a newer version's file from a damaged one.
#[derive(Deserialize)]
struct Tag {
    schema: String,
}

fn read(path: &Path) -> Result<Option<Parsed>> {
    let file = match trust::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(Error::Untrusted(format!("cannot use the state: {error}")));
        }
        Err(error) => return Err(Error::io("open the state", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut bytes).map_err(Error::io("read the state", path))?;
    if bytes.is_empty() {
        return Ok(Some(Parsed::Damaged("is empty".to_owned())));
    }
    if bytes.len() as u64 > SIZE_MAX {
        return Ok(Some(Parsed::Damaged(format!("is larger than any state ({SIZE_MAX} bytes)"))));
    }
    match serde_json::from_slice::<State>(&bytes) {
        Ok(state) if state.schema == SCHEMA => Ok(Some(Parsed::Whole(Box::new(state)))),
        parsed => match serde_json::from_slice::<Tag>(&bytes) {
            Ok(tag) if tag.schema != SCHEMA => Err(Error::State(format!(
                "{} was written by another version of trainguard ({}, this one reads {SCHEMA}): use that version, or remove the file to start over",
                path.display(),
                tag.schema
            ))),
            _ => Ok(Some(Parsed::Damaged(
                parsed.err().map_or_else(String::new, |error| format!("does not parse ({error})")),
            ))),
        },
    }
}

/// Gives the present file a second name; copies it where there are no hard links.
fn keep(path: &Path, kept: &Path) -> io::Result<()> {
    let link = kept.with_extension("link");
    step("remove an old link");
    drop(std::fs::remove_file(&link));
    step("link the old state");
    match std::fs::hard_link(path, &link) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error)
            if matches!(error.kind(), io::ErrorKind::Unsupported | io::ErrorKind::PermissionDenied) =>
        {
            std::fs::copy(path, &link)?;
        }
        linked => linked?,
    }
    step("rename the link to the old state");
    std::fs::rename(&link, kept)?;
    // Between two names of one file, as after a patrol that was killed here, a rename does nothing.
    step("remove the link");
    drop(std::fs::remove_file(&link));
    Ok(())
}

fn file_name(run: &str) -> String {
    format!("{run}.json")
}

/// The lineage that follows on a damaged file: from the file, which no other one is.
fn lineage_of(path: &Path) -> io::Result<String> {
    let meta = std::fs::symlink_metadata(path)?;
    let file = format!("{}:{}:{}:{}", meta.dev(), meta.ino(), meta.mtime(), meta.mtime_nsec());
    Ok(format!("{:016x}", xxhash_rust::xxh3::xxh3_64(file.as_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_was_kept_by_a_killed_patrol_is_kept_again_and_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let (path, kept) = (dir.path().join("demo.json"), dir.path().join("demo.json.prev"));
        std::fs::File::create(&path).unwrap();
        keep(&path, &kept).unwrap();
        keep(&path, &kept).unwrap();
        assert!(kept.exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
