//! Alerts on their way: one file each, durable before the state that would make the patrol forget
//! them, removed when every channel has taken them.
//!
//! Format: `outbox/ID.json` with `"schema":"trainguard/alert/1"`, and `outbox/delivered.json` with
//! the ids of the last 1,000 alerts that left. An alert is recorded as delivered before its file is
//! removed, and whoever adds looks for the file first: so no id is added twice.
//!
//! What goes to a machine elsewhere is a message of one or several alerts, and there is one message
//! under way for each channel: `outbox/CHANNEL.under-way.json`, written before it is sent for the
//! first time (`underway.rs`). It is repeated with the same key and the same alerts until it is taken
//! or refused. What is refused for good stays as a dead letter, its mark says why, until somebody
//! retries or drops it. `outbox/dropped.json` names what was given up (`bounds.rs`).

mod bounds;
mod round;
mod underway;

pub use bounds::Dropped;
pub use underway::Underway;

use super::{Channel, terminal};
use crate::decide::Alert;
use crate::error::{Error, Result};
use crate::observe::guard::Undelivered;
use crate::persist::lock::Lock;
use crate::persist::step;
use crate::persist::store::Store;
use crate::persist::trust;
use chrono::{DateTime, TimeDelta, Utc};
use round::Round;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SCHEMA: &str = "trainguard/alert/1";
/// How many delivered alerts are remembered.
const DELIVERED_MAX: usize = 1_000;
/// An entry is a few kilobytes; what is larger is damage.
const ENTRY_MAX: u64 = 1024 * 1024;
/// A temporary file this old has no writer any more: writing one takes milliseconds.
const LEFT_BEHIND: TimeDelta = TimeDelta::hours(1);

/// An alert and how far it got.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    schema: String,
    /// The alert.
    pub alert: Alert,
    /// Greatest mode of a file that quotes it: that of the log.
    pub mode: u32,
    /// Where it goes, and how far it got there.
    pub marks: Vec<Mark>,
}

/// Where an alert goes: the channel, and its place where the config names one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The channel's name.
    pub channel: String,
    /// The file of a file channel.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<PathBuf>,
}

/// How far an alert got with one destination.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Mark {
    /// Where it goes.
    #[serde(flatten)]
    pub to: Destination,
    /// When it was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub delivered: Option<DateTime<Utc>>,
    /// Attempts that failed.
    #[serde(default)]
    pub failures: u32,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// When it was refused for good: a dead letter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refused: Option<DateTime<Utc>>,
}

impl Mark {
    fn new(to: Destination) -> Self {
        Self { to, delivered: None, failures: 0, error: None, refused: None }
    }

    /// Whether it is still to be sent.
    pub fn is_pending(&self) -> bool {
        self.delivered.is_none() && self.refused.is_none()
    }
}

impl Entry {
    /// An entry that is in no outbox: a test of a channel.
    pub fn loose(alert: Alert, to: Destination) -> Self {
        Self { schema: SCHEMA.to_owned(), alert, mode: 0o666, marks: vec![Mark::new(to)] }
    }

    /// How far it got with one channel.
    pub fn mark(&self, channel: &str) -> Option<&Mark> {
        self.marks.iter().find(|mark| mark.to.channel == channel)
    }

    fn is_pending(&self, channel: &str) -> bool {
        self.mark(channel).is_some_and(Mark::is_pending)
    }

    fn is_done(&self) -> bool {
        self.marks.iter().all(|mark| mark.delivered.is_some())
    }
}

/// What came of a delivery, for people.
#[derive(Debug, Default)]
pub struct Delivery {
    /// What went wrong and is tried again.
    pub troubles: Vec<String>,
    /// What was given up.
    pub dropped: Vec<String>,
}

/// The outbox of a state directory.
#[derive(Debug, Clone)]
pub struct Outbox {
    store: Store,
    directory: PathBuf,
}

impl Outbox {
    /// Opens it, making its directory if need be.
    pub fn open(store: &Store) -> Result<Self> {
        Ok(Self { store: store.clone(), directory: store.directory("outbox")? })
    }

    /// Adds an alert, unless it is there or was delivered. Durable when this returns.
    pub fn add(&self, alert: &Alert, to: Vec<Destination>, mode: u32) -> Result<()> {
        let path = self.entry(&alert.id);
        if to.is_empty() || path.exists() || self.delivered()?.contains(&alert.id) {
            return Ok(());
        }
        let marks = to.into_iter().map(Mark::new).collect();
        self.write(&Entry { schema: SCHEMA.to_owned(), alert: alert.clone(), mode, marks })
    }

    /// What is owed: alerts of channels that did not take what they were sent. The terminal is left
    /// out: what it is owed this invocation prints.
    pub fn undelivered(&self) -> Result<Vec<Undelivered>> {
        let entries = self.entries()?;
        let marks = || entries.iter().flat_map(|entry| entry.marks.iter().map(move |mark| (entry, mark)));
        let owed =
            || marks().filter(|(_, mark)| mark.delivered.is_none() && mark.to.channel != terminal::NAME);
        // One fault is every waiting alert's: those behind it wait for their turn.
        let mut faults: BTreeMap<&str, String> = BTreeMap::new();
        for (_, mark) in owed() {
            if let Some(error) = &mark.error {
                faults.insert(&mark.to.channel, error.clone());
            }
        }
        let underways = self.underways()?;
        for underway in &underways {
            if let Some(error) = &underway.error {
                faults.insert(&underway.channel, error.clone());
            }
        }
        let mut all: Vec<Undelivered> = Vec::new();
        for (entry, mark) in owed() {
            let (run, channel) = (&entry.alert.run, &mark.to.channel);
            let Some(fault) = faults.get(channel.as_str()) else { continue };
            let known = all.iter().position(|owed| owed.run == *run && owed.channel == *channel);
            let index = known.unwrap_or_else(|| {
                let error = fault.clone();
                all.push(Undelivered {
                    run: run.clone(),
                    channel: channel.clone(),
                    alerts: 0,
                    refused: 0,
                    error,
                });
                all.len() - 1
            });
            all[index].alerts += 1;
            all[index].refused += usize::from(mark.refused.is_some());
        }
        Ok(all)
    }

    /// All alerts that are here, in order of time. A damaged one is left to the next delivery.
    pub fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for id in self.list()? {
            let bytes = read_bytes(&self.entry(&id))?;
            entries.extend(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
        }
        entries.sort_by(|a, b| order(a).cmp(&order(b)));
        Ok(entries)
    }

    /// Delivers what is there, in order of time, until `until` at the latest.
    ///
    /// The holder of the lock lists again after releasing it, because whoever added meanwhile
    /// could not get it; and who could not get it tries once more.
    pub fn drain(
        &self,
        channels: &mut [Box<dyn Channel + '_>],
        now: DateTime<Utc>,
        until: Instant,
    ) -> Result<Delivery> {
        self.sweep(now)?;
        let mut round = Round::new(self, channels, now, until);
        let mut refused = false;
        // A message may be left whose alerts are gone.
        let mut left = !self.underways()?.is_empty();
        while left || self.list()?.iter().any(|id| !round.has_seen(id)) {
            match Lock::try_acquire(&self.store.path("outbox.lock"))? {
                Some(_lock) => {
                    left = false;
                    round.pass();
                }
                None if refused => break,
                None => refused = true,
            }
        }
        Ok(round.end())
    }

    /// Makes those of the alerts that match due at once, dead letters too. Returns their ids.
    pub fn revive(&self, matches: impl Fn(&Alert) -> bool, wait: Duration) -> Result<Vec<String>> {
        let _lock = Lock::acquire(&self.store.path("outbox.lock"), wait)?;
        let mut revived = Vec::new();
        for mut entry in self.entries()?.into_iter().filter(|entry| matches(&entry.alert)) {
            if entry.marks.iter().any(|mark| mark.refused.is_some()) {
                entry.marks.iter_mut().for_each(|mark| mark.refused = None);
                self.write(&entry)?;
            }
            revived.push(entry.alert.id);
        }
        for mut underway in self.underways()? {
            if underway.alerts.iter().any(|id| revived.contains(id)) && underway.next_try.take().is_some() {
                self.write_underway(&underway)?;
            }
        }
        Ok(revived)
    }

    /// Gives up the alerts that match. Returns their ids.
    pub fn discard(&self, matches: impl Fn(&Alert) -> bool, wait: Duration) -> Result<Vec<String>> {
        let _lock = Lock::acquire(&self.store.path("outbox.lock"), wait)?;
        let ids = self.entries()?.into_iter().map(|entry| entry.alert).filter(|alert| matches(alert));
        let ids: Vec<String> = ids.map(|alert| alert.id).collect();
        self.finish(&ids)?;
        Ok(ids)
    }

    /// Records alerts as delivered, and removes their files.
    fn finish(&self, ids: &[String]) -> Result<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut delivered = self.delivered()?;
        delivered.extend_from_slice(ids);
        let excess = delivered.len().saturating_sub(DELIVERED_MAX.max(ids.len()));
        delivered.drain(..excess);
        let path = self.directory.join("delivered.json");
        let bytes = serde_json::to_vec(&delivered)
            .map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        self.store.write(&path, &bytes)?;
        ids.iter().try_for_each(|id| self.remove(id))
    }

    fn remove(&self, id: &str) -> Result<()> {
        let entry = self.entry(id);
        step("remove a delivered alert");
        std::fs::remove_file(&entry).map_err(Error::io("remove", &entry))
    }

    /// The ids of delivered alerts. A damaged list counts as empty: told twice is better than never.
    fn delivered(&self) -> Result<Vec<String>> {
        let bytes = read_bytes(&self.directory.join("delivered.json"))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }

    /// Removes what killed patrols were writing: most entries are written once, so that nobody else would.
    fn sweep(&self, now: DateTime<Utc>) -> Result<()> {
        for item in std::fs::read_dir(&self.directory).map_err(Error::io("list", &self.directory))? {
            let path = item.map_err(Error::io("list", &self.directory))?.path();
            let modified = || path.symlink_metadata().and_then(|meta| meta.modified()).map(DateTime::from);
            if path.extension().is_some_and(|ending| ending == "tmp")
                && modified().is_ok_and(|modified: DateTime<Utc>| now - modified > LEFT_BEHIND)
            {
                step("remove a temporary file that was left behind");
                drop(std::fs::remove_file(&path));
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<String>> {
        let mut ids = Vec::new();
        let listing = std::fs::read_dir(&self.directory).map_err(Error::io("list", &self.directory))?;
        for item in listing {
            let name = item.map_err(Error::io("list", &self.directory))?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".json"));
            if let Some(id) =
                id.filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
            {
                ids.push(id.to_owned());
            }
        }
        Ok(ids)
    }

    /// An entry; `None` when somebody else has finished it meanwhile. A damaged one is set aside, so
    /// that it is complained of once.
    fn read(&self, id: &str) -> Result<Option<Entry>> {
        let path = self.entry(id);
        let Some(bytes) = read_bytes(&path)? else {
            return Ok(None);
        };
        match serde_json::from_slice::<Entry>(&bytes) {
            Ok(entry) if entry.alert.id == id => Ok(Some(entry)),
            _ => {
                let aside = path.with_extension("damaged");
                step("set a damaged alert aside");
                std::fs::rename(&path, &aside).map_err(Error::io("set aside", &path))?;
                Err(Error::State(format!(
                    "an alert is damaged and was not delivered; it is kept as {}",
                    aside.display()
                )))
            }
        }
    }

    fn write(&self, entry: &Entry) -> Result<()> {
        let path = self.entry(&entry.alert.id);
        let bytes =
            serde_json::to_vec(entry).map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        self.store.write(&path, &bytes)
    }

    fn entry(&self, id: &str) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }
}

/// The order of time; causes before effects.
fn order(entry: &Entry) -> (DateTime<Utc>, usize, &str) {
    (entry.alert.time, entry.alert.order, &entry.alert.id)
}

fn read_bytes(path: &Path) -> Result<Option<Vec<u8>>> {
    let file = match trust::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(ENTRY_MAX).read_to_end(&mut bytes).map_err(Error::io("read", path))?;
    Ok(Some(bytes))
}

#[cfg(test)]
pub(crate) mod tests;
