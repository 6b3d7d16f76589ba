//! Alerts on their way to a run's server, as a channel of the outbox.

use super::memory::{self, Sent};
use super::{Server, channel_name};
use crate::config::Orchestrator;
use crate::consult;
use crate::decide::Alert;
use crate::deliver::{Channel, Message, Outcome, Reach, Site};
use crate::error::chain;
use crate::finding::Severity;
use crate::judge::{log, quality, silence, speed, words};
use crate::persist::step;
use crate::persist::store::Store;
use serde_json::{Value, json};
use std::time::Duration;

/// What an operator is offered where the alert itself offers nothing.
const CHOICES: [&str; 2] = ["Ignore", "Stop Job"];
/// Bytes of evidence: what is larger is left out, the message says what it is about.
const EVIDENCE_MAX: usize = 32 * 1024;
/// Characters of an id: what is longer is none.
const ID_MAX: usize = 128;

/// The alerts of one run.
pub(super) struct Alerts<'a> {
    name: String,
    run: &'a str,
    settings: &'a Orchestrator,
    trusted: bool,
    store: &'a Store,
    site: Site<'a>,
}

impl<'a> Alerts<'a> {
    pub(super) fn new(
        run: &'a str,
        settings: &'a Orchestrator,
        trusted: bool,
        store: &'a Store,
        site: Site<'a>,
    ) -> Self {
        Self { name: channel_name(run), run, settings, trusted, store, site }
    }

    fn deliver(&self, alert: &Alert, key: &str, limit: Duration) -> Result<(), Outcome> {
        let later = |why| Outcome::Retry { why, after: None };
        let server = Server::open(self.settings, self.site).map_err(later)?;
        let mut body = body(alert);
        self.site.redactor.redact_value(&mut body);
        step("send an alert to the orchestrator");
        let answer = server.post(&server.run_path("/alerts"), &body, Some(key), limit)?;
        step("note the orchestrator's id of an alert");
        let said = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        // Whoever answers all requests with a page has not taken it, and its operator could not be heard.
        let id = id_of(&said).ok_or_else(|| server.later("its answer to an alert holds no alert_id"))?;
        let sent = Sent { alert: alert.id.clone(), id, syndrome: alert.syndrome.clone(), answered: None };
        let noted = memory::change(self.store, self.run, self.settings, |memory| memory.add(sent));
        // The repeat carries the same key: the server tells the same id again.
        noted.map_err(|error| later(chain(&error)))
    }
}

impl Channel for Alerts<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn reach(&self) -> Reach {
        Reach::Remote { most: 1 }
    }

    fn send(&mut self, message: &Message<'_>, limit: Duration) -> Outcome {
        if !self.trusted {
            let why = "others can change the config, so nothing is sent on its word";
            return Outcome::Retry { why: why.to_owned(), after: None };
        }
        let mut sent = message.entries.iter().map(|entry| self.deliver(&entry.alert, message.id, limit));
        sent.find_map(Result::err).unwrap_or(Outcome::Taken)
    }
}

/// The alert as the protocol has it.
fn body(alert: &Alert) -> Value {
    let choices = if alert.choices.is_empty() { json!(CHOICES) } else { json!(alert.choices) };
    let evidence = json!(alert.evidence);
    let evidence = if evidence.to_string().len() > EVIDENCE_MAX { json!({}) } else { evidence };
    json!({
        "message": alert.message,
        "choices": choices,
        "severity": match alert.severity {
            Severity::Critical => "critical",
            Severity::Warning | Severity::Unknown => "warning",
            Severity::Ok | Severity::Info => "info",
        },
        "source": source(alert),
        "syndrome": alert.syndrome,
        "evidence": evidence,
    })
}

/// Whose finding it is, in the protocol's words.
fn source(alert: &Alert) -> &'static str {
    match alert.check.as_str() {
        "preflight" => "preflight",
        consult::NAME => "alert_judge",
        words::NAME => "playbook",
        silence::NAME | log::NAME => "logwatch",
        speed::NAME | quality::NAME => "baseline",
        _ => "rulebased",
    }
}

/// The server's id of an alert, where its answer holds one.
fn id_of(said: &Value) -> Option<String> {
    ["alert_id", "id"].iter().find_map(|key| text(said.get(key)?))
}

/// An id as text: servers number their alerts, or name them.
pub(super) fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    (!text.is_empty() && text.len() <= ID_MAX).then_some(text)
}
