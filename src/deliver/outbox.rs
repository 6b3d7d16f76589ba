//! Alerts on their way: one file each, durable before the state that would make the patrol forget
//! them, removed when every channel has taken them.
//!
//! Format: `outbox/ID.json` with `"schema":"trainguard/alert/1"`, and `outbox/delivered.json` with
//! the ids of the last 1,000 alerts that left. An alert is recorded as delivered before its file is
//! removed, and whoever adds looks for the file first: so no id is added twice.

use super::{Channel, terminal};
use crate::decide::Alert;
use crate::error::{Error, Result, chain};
use crate::observe::guard::Undelivered;
use crate::persist::lock::Lock;
use crate::persist::store::Store;
use crate::persist::trust;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

const SCHEMA: &str = "trainguard/alert/1";
/// How many delivered alerts are remembered.
const DELIVERED_MAX: usize = 1_000;
/// An entry is a few kilobytes; what is larger is damage.
const ENTRY_MAX: u64 = 1024 * 1024;

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
        let marks = to.into_iter().map(|to| Mark { to, delivered: None, failures: 0, error: None }).collect();
        self.write(&Entry { schema: SCHEMA.to_owned(), alert: alert.clone(), mode, marks })
    }

    /// What is owed: alerts whose delivery was tried and failed. The terminal is left out: what it
    /// is owed this invocation prints.
    pub fn undelivered(&self) -> Result<Vec<Undelivered>> {
        let mut owed: Vec<Undelivered> = Vec::new();
        for id in self.list()? {
            let Some(Entry { alert, marks, .. }) = self.read(&id)? else { continue };
            let marks = marks
                .into_iter()
                .filter(|mark| mark.delivered.is_none() && mark.to.channel != terminal::NAME);
            for (channel, error) in marks.filter_map(|mark| Some((mark.to.channel, mark.error?))) {
                match owed.iter_mut().find(|owed| owed.run == alert.run && owed.channel == channel) {
                    Some(owed) => owed.alerts += 1,
                    None => owed.push(Undelivered { run: alert.run.clone(), channel, alerts: 1, error }),
                }
            }
        }
        Ok(owed)
    }

    /// Delivers what is there, in order of time. Returns what went wrong, for people.
    ///
    /// The holder of the lock lists again after releasing it, because whoever added meanwhile
    /// could not get it; and who could not get it tries once more.
    pub fn drain(&self, channels: &mut [Box<dyn Channel + '_>], now: DateTime<Utc>) -> Result<Vec<String>> {
        let mut tried = HashSet::new();
        let mut troubles = Vec::new();
        let mut refused = false;
        while self.list()?.iter().any(|id| !tried.contains(id)) {
            match Lock::try_acquire(&self.store.path("outbox.lock"))? {
                Some(_lock) => self.pass(channels, now, &mut tried, &mut troubles),
                None if refused => break,
                None => refused = true,
            }
        }
        Ok(troubles)
    }

    /// One pass over what is there. A fault of one entry holds up no other.
    fn pass(
        &self,
        channels: &mut [Box<dyn Channel + '_>],
        now: DateTime<Utc>,
        tried: &mut HashSet<String>,
        troubles: &mut Vec<String>,
    ) {
        let mut entries = Vec::new();
        for id in self.list().unwrap_or_else(|error| {
            troubles.push(chain(&error));
            Vec::new()
        }) {
            if tried.insert(id.clone()) {
                match self.read(&id) {
                    Ok(entry) => entries.extend(entry),
                    Err(error) => troubles.push(chain(&error)),
                }
            }
        }
        entries.sort_by(|a, b| {
            (a.alert.time, a.alert.order, &a.alert.id).cmp(&(b.alert.time, b.alert.order, &b.alert.id))
        });
        for mut entry in entries {
            for mark in 0..entry.marks.len() {
                self.send(channels, &mut entry, mark, now, troubles);
            }
            if entry.marks.iter().all(|mark| mark.delivered.is_some()) {
                troubles.extend(self.finish(&entry.alert.id).err().map(|error| chain(&error)));
            }
        }
    }

    /// Sends to one destination and notes the outcome before anything else is sent.
    fn send(
        &self,
        channels: &mut [Box<dyn Channel + '_>],
        entry: &mut Entry,
        mark: usize,
        now: DateTime<Utc>,
        troubles: &mut Vec<String>,
    ) {
        let to = entry.marks[mark].to.clone();
        if entry.marks[mark].delivered.is_some() {
            return;
        }
        let Some(channel) = channels.iter_mut().find(|channel| channel.name() == to.channel) else { return };
        match channel.send(entry, &to) {
            Ok(()) => entry.marks[mark].delivered = Some(now),
            Err(why) => {
                troubles.push(format!("channel {}: {why}", to.channel));
                entry.marks[mark].failures += 1;
                entry.marks[mark].error = Some(why);
            }
        }
        // The last mark needs no write of its own: the record of delivered alerts says as much.
        if entry.marks.iter().any(|mark| mark.delivered.is_none()) {
            troubles.extend(self.write(entry).err().map(|error| chain(&error)));
        }
    }

    fn finish(&self, id: &str) -> Result<()> {
        let mut delivered = self.delivered()?;
        delivered.push(id.to_owned());
        let excess = delivered.len().saturating_sub(DELIVERED_MAX);
        delivered.drain(..excess);
        let path = self.directory.join("delivered.json");
        let bytes = serde_json::to_vec(&delivered)
            .map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        self.store.write(&path, &bytes)?;
        let entry = self.entry(id);
        std::fs::remove_file(&entry).map_err(Error::io("remove", &entry))
    }

    /// The ids of delivered alerts. A damaged list counts as empty: told twice is better than never.
    fn delivered(&self) -> Result<Vec<String>> {
        let bytes = read_bytes(&self.directory.join("delivered.json"))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
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
mod tests {
    use super::*;
    use crate::decide::Transition;
    use crate::finding::{Evidence, Severity};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// A channel that takes alerts into a list, or refuses them.
    struct Fake {
        name: &'static str,
        taken: Rc<RefCell<Vec<String>>>,
        refuses: bool,
    }

    impl Channel for Fake {
        fn name(&self) -> &'static str {
            self.name
        }

        fn send(&mut self, entry: &Entry, _to: &Destination) -> std::result::Result<(), String> {
            if self.refuses {
                return Err("the disk is full".to_owned());
            }
            self.taken.borrow_mut().push(entry.alert.message.clone());
            Ok(())
        }
    }

    fn now() -> DateTime<Utc> {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    fn alert(number: u32) -> Alert {
        Alert {
            id: format!("{number:032x}"),
            time: now() + chrono::TimeDelta::seconds(i64::from(number)),
            run: "demo".to_owned(),
            transition: Transition::Opened,
            severity: Severity::Critical,
            check: "process".to_owned(),
            syndrome: "process_dead".to_owned(),
            message: format!("alert {number}"),
            advice: String::new(),
            step: None,
            occurrence: None,
            evidence: Evidence::new(),
            role: crate::finding::Role::Root,
            order: 0,
        }
    }

    fn to(names: &[&str]) -> Vec<Destination> {
        names.iter().map(|&name| Destination { channel: name.to_owned(), path: None }).collect()
    }

    struct Bench {
        _dir: tempfile::TempDir,
        outbox: Outbox,
        taken: Rc<RefCell<Vec<String>>>,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store = Store::open(&dir.path().join("state")).unwrap();
            Self { outbox: Outbox::open(&store).unwrap(), _dir: dir, taken: Rc::default() }
        }

        fn drain(&self, refusing: &[&str]) -> Vec<String> {
            let fake = |name: &'static str| -> Box<dyn Channel> {
                Box::new(Fake { name, taken: Rc::clone(&self.taken), refuses: refusing.contains(&name) })
            };
            self.outbox.drain(&mut [fake("terminal"), fake("file")], now()).unwrap()
        }
    }

    #[test]
    fn alerts_leave_in_order_once_and_are_remembered() {
        let bench = Bench::new();
        for number in [3, 1, 2] {
            bench.outbox.add(&alert(number), to(&["file"]), 0o644).unwrap();
        }
        assert!(bench.drain(&[]).is_empty());
        bench.outbox.add(&alert(2), to(&["file"]), 0o644).unwrap();
        bench.drain(&[]);
        assert_eq!(*bench.taken.borrow(), ["alert 1", "alert 2", "alert 3"]);
        assert!(bench.outbox.list().unwrap().is_empty());
    }

    #[test]
    fn a_channel_that_refuses_is_asked_again_and_the_others_are_not() {
        let bench = Bench::new();
        bench.outbox.add(&alert(1), to(&["file", "terminal"]), 0o644).unwrap();
        assert_eq!(bench.drain(&["file"]), ["channel file: the disk is full"]);
        let owed = bench.outbox.undelivered().unwrap();
        assert_eq!(
            owed,
            [Undelivered {
                run: "demo".into(),
                channel: "file".into(),
                alerts: 1,
                error: "the disk is full".into()
            }]
        );
        bench.drain(&[]);
        bench.drain(&[]);
        assert_eq!(*bench.taken.borrow(), ["alert 1", "alert 1"], "once by the terminal, once by the file");
        assert!(bench.outbox.undelivered().unwrap().is_empty());
    }

    #[test]
    fn a_damaged_entry_is_told_and_holds_up_no_other() {
        let bench = Bench::new();
        bench.outbox.add(&alert(1), to(&["file"]), 0o644).unwrap();
        bench.outbox.store.write(&bench.outbox.entry(&alert(2).id), b"{\"half").unwrap();
        let troubles = bench.drain(&[]);
        assert_eq!(*bench.taken.borrow(), ["alert 1"]);
        assert!(troubles[0].contains("is damaged and was not delivered"), "{troubles:?}");
        assert!(bench.drain(&[]).is_empty());
    }

    #[test]
    fn an_alert_without_a_channel_is_not_kept() {
        let bench = Bench::new();
        bench.outbox.add(&alert(1), Vec::new(), 0o644).unwrap();
        assert!(bench.outbox.list().unwrap().is_empty());
    }
}
