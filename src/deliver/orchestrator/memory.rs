//! `NAME/orchestrator.json`, `"schema":"trainguard/orchestrator/1"`: what a run's server has been told
//! and has said. It is changed under `NAME/orchestrator.lock`, which is held for as long as a small file
//! takes to be written and never over the network.
//!
//! Another address or run id is another story: it begins anew.

use crate::config::Orchestrator;
use crate::decide::alert;
use crate::error::{Error, Result};
use crate::persist::lock::Lock;
use crate::persist::store::Store;
use crate::persist::trust;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::Duration;

const SCHEMA: &str = "trainguard/orchestrator/1";
/// Alerts whose ids are kept, the newest: more than a run can have open.
const ALERTS_MAX: usize = 256;
/// The file holds at most what it is bounded to; what is larger is damage.
const FILE_MAX: u64 = 1024 * 1024;
/// Whoever holds the lock writes a small file.
const WAIT: Duration = Duration::from_secs(2);

/// What is kept of a run's server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    schema: String,
    /// Hash of address and run id.
    of: String,
    /// The alerts that the server has, oldest first.
    pub alerts: Vec<Sent>,
    /// When a status was last taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub posted: Option<DateTime<Utc>>,
    /// The terminal status that was taken, and of which attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<(u32, String)>,
    /// When something last failed: a watch leaves the server alone for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<DateTime<Utc>>,
}

/// An alert that the server has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// Our id.
    pub alert: String,
    /// The server's.
    pub id: String,
    /// What it is about.
    pub syndrome: String,
    /// The operator's choice, once it is known and heeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answered: Option<String>,
}

impl Memory {
    /// The alert of this id, ours or the server's.
    pub fn alert(&self, id: &str) -> Option<&Sent> {
        self.alerts.iter().find(|sent| sent.alert == id || sent.id == id)
    }

    /// Notes that the server has an alert.
    pub fn add(&mut self, sent: Sent) {
        self.alerts.retain(|known| known.alert != sent.alert);
        self.alerts.push(sent);
        let excess = self.alerts.len().saturating_sub(ALERTS_MAX);
        self.alerts.drain(..excess);
    }

    /// Notes an operator's choice.
    pub fn answer(&mut self, alert: &str, choice: &str) {
        for sent in self.alerts.iter_mut().filter(|sent| sent.alert == alert) {
            sent.answered = Some(choice.to_owned());
        }
    }
}

/// What is kept. Damage counts as nothing: the server is asked before it is told anything.
pub fn read(store: &Store, run: &str, settings: &Orchestrator) -> Result<Memory> {
    let path = path(store, run);
    let fresh = Memory { schema: SCHEMA.to_owned(), of: of(settings), ..Memory::default() };
    let file = match trust::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(fresh),
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
    let known = serde_json::from_slice::<Memory>(&bytes).ok();
    Ok(known.filter(|known| known.schema == SCHEMA && known.of == fresh.of).unwrap_or(fresh))
}

/// Changes what is kept. Durable when this returns.
pub fn change(
    store: &Store,
    run: &str,
    settings: &Orchestrator,
    change: impl FnOnce(&mut Memory),
) -> Result<()> {
    let directory = store.directory(run)?;
    let _lock = Lock::acquire(&directory.join("orchestrator.lock"), WAIT)?;
    let known = read(store, run, settings)?;
    let mut memory = known.clone();
    change(&mut memory);
    if memory == known {
        return Ok(());
    }
    let path = path(store, run);
    let bytes =
        serde_json::to_vec(&memory).map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
    store.write(&path, &bytes)
}

fn path(store: &Store, run: &str) -> PathBuf {
    store.path(run).join("orchestrator.json")
}

fn of(settings: &Orchestrator) -> String {
    alert::id(&[&settings.address.uri().to_string(), &settings.run_id])
}
