//! An alert: a finding's change that is told. Its id is the same when a killed patrol is repeated.

use crate::finding::{Evidence, Occurrence, Role, Severity};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transition {
    /// It began.
    Opened,
    /// It became more severe.
    Worsened,
    /// It is still so.
    Reminder,
    /// It is over.
    Resolved,
}

impl Transition {
    /// The word that channels print.
    pub fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Worsened => "worsened",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
        }
    }
}

/// One message to whoever should know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Hash of run, check, syndrome, subject, transition and occasion: an `Idempotency-Key`.
    pub id: String,
    /// The patrol that made it.
    pub time: DateTime<Utc>,
    /// The run.
    pub run: String,
    /// What changed.
    pub transition: Transition,
    /// The finding's severity; of a resolved one the highest that was told, so that a recovery
    /// goes to those who were told of the failure.
    pub severity: Severity,
    /// The check.
    pub check: String,
    /// The syndrome.
    pub syndrome: String,
    /// One sentence.
    pub message: String,
    /// What an expert would do next.
    pub advice: String,
    /// The run's last step.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<f64>,
    /// The first occurrence, of a finding from a log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub occurrence: Option<Occurrence>,
    /// What an operator may answer; empty where nothing is asked.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub choices: Vec<String>,
    /// The command that answers, from any directory, less the choice; empty where nothing is asked.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub respond: String,
    /// Facts behind it.
    pub evidence: Evidence,
    /// Its part in the story.
    #[serde(default)]
    pub role: Role,
    /// The severities as which it was told before, where they lead elsewhere: a recovery goes to those
    /// who were told of the failure.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub told_as: Vec<Severity>,
    /// Its place among the alerts of one patrol: causes before effects.
    #[serde(default)]
    pub order: usize,
}

impl Alert {
    /// The choice that was typed: in any case, and as short as it is the only one that begins so.
    pub fn choice(&self, typed: &str) -> Option<&str> {
        let plain = |text: &str| text.trim().to_lowercase().replace(['-', '_'], " ");
        let typed = plain(typed);
        let mut found = self.choices.iter().filter(|choice| plain(choice).starts_with(&typed));
        match (found.next(), found.next()) {
            (Some(only), None) if !typed.is_empty() => Some(only),
            _ => self.choices.iter().find(|choice| plain(choice) == typed).map(String::as_str),
        }
    }

    /// What may be answered and how, in one line; `None` where nothing is asked.
    pub fn question(&self) -> Option<String> {
        if self.choices.is_empty() || self.respond.is_empty() {
            return None;
        }
        let ways = self.choices.iter().map(|choice| format!("{} '{choice}'", self.respond));
        Some(ways.collect::<Vec<_>>().join(" | "))
    }
}

/// Makes an alert's id from what it is about. Every part is length-prefixed, so that no two lists
/// of parts read the same.
pub(crate) fn id(parts: &[&str]) -> String {
    let mut bytes = Vec::new();
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_known_by_as_much_as_tells_it_from_the_others() {
        let alert: Alert = serde_json::from_value(serde_json::json!({
            "id": "ab", "time": "2026-01-01T00:00:00Z", "run": "demo", "transition": "opened",
            "severity": "warning", "check": "preflight", "syndrome": "gpu_busy", "message": "", "advice": "",
            "evidence": {}, "choices": ["Continue Anyway", "Stop Job", "Stop"],
        }))
        .unwrap();
        for (typed, expected) in [
            ("continue anyway", Some("Continue Anyway")),
            (" C\r", Some("Continue Anyway")),
            ("CONTINUE-anyway", Some("Continue Anyway")),
            ("stop_j", Some("Stop Job")),
            ("stop", Some("Stop")),
            ("sto", None),
            ("", None),
            ("  ", None),
            ("yes", None),
        ] {
            assert_eq!(alert.choice(typed), expected, "{typed}");
        }
    }
}
