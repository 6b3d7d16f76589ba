//! What stands around the runs, each under guard by a name of its own.

use super::agents::AgentMemory;
use super::download::DownloadMemory;
use crate::finding::Opinion;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is remembered of a ward between patrols; of a run nothing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WardMemory {
    /// An agent.
    #[serde(skip_serializing_if = "is_idle")]
    pub agent: AgentMemory,
    /// A download.
    #[serde(skip_serializing_if = "is_idle")]
    pub download: DownloadMemory,
}

fn is_idle<T: Default + PartialEq>(memory: &T) -> bool {
    *memory == T::default()
}

impl WardMemory {
    /// Whether nothing is remembered.
    pub fn is_idle(&self) -> bool {
        is_idle(self)
    }
}

/// What was made of a ward.
#[derive(Debug, Clone)]
pub struct Judged {
    /// Where it stands, in a word.
    pub state: &'static str,
    /// The same in a few words, for people.
    pub says: String,
    /// When it last did something, where that is known.
    pub last_output: Option<DateTime<Utc>>,
    /// Figures of it by name; names carry their unit.
    pub figures: BTreeMap<&'static str, serde_json::Value>,
    /// What is thought of it.
    pub opinions: Vec<Opinion>,
}
