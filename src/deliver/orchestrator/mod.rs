//! The orchestrator: a server that keeps runs, shows their alerts to an operator and takes his choices.
//! It is told how a run stands, what was found and which rows were read; it may say that a run is to be
//! stopped.
//!
//! Nothing here holds a lock of a run or of the health file while it waits for the server, and nothing
//! that the server says changes a verdict. [`memory`] is what is kept between looks.

mod alerts;
pub mod choices;
pub mod memory;
pub mod rows;
pub mod status;

use super::http::{Answer, Client, Request};
use super::outbox::Destination;
use super::webhook::first_line;
use super::{Channel, Outcome, Site};
use crate::config::orchestrator::{Orchestrator, Token};
use crate::config::{Config, Run};
use crate::decide::Alert;
use crate::decide::alert::Transition;
use crate::finding::Severity;
use crate::persist::store::Store;
use alerts::Alerts;
use serde_json::Value;
use std::time::Duration;

/// The word in `severity_routing:`.
pub const NAME: &str = "orchestrator";
/// The header of the token.
const TOKEN_HEADER: &str = "X-Auth-Token";
/// Bytes of an answer: a run is some KB, and hundreds of alerts are some hundreds of KB.
const ANSWER_MAX: u64 = 4 * 1024 * 1024;
/// No request takes longer: a server of one's own answers in milliseconds, and all channels together
/// have ten seconds.
const REQUEST_MAX: Duration = Duration::from_secs(3);
/// Less than this is no time to send anything in.
const LEAST: Duration = Duration::from_millis(50);

/// The name of a run's channel: a server that is down holds up no other run's alerts.
pub fn channel_name(run: &str) -> String {
    format!("{NAME}.{run}")
}

/// Whether a channel is a run's orchestrator.
pub fn is_channel(name: &str) -> bool {
    name.strip_prefix(NAME).is_some_and(|rest| rest.starts_with('.'))
}

/// Where an alert goes, where its run is on a server: openings and worsenings, of warnings and worse
/// unless `severity_routing:` names the orchestrator.
pub fn destination(config: &Config, alert: &Alert) -> Option<Destination> {
    let run = config.runs.iter().find(|run| run.name == alert.run)?;
    run.orchestrator.as_ref()?;
    let is_news = matches!(alert.transition, Transition::Opened | Transition::Worsened);
    let routed = |severity| {
        let names = config.routing.get(severity);
        names.is_some_and(|names| names.iter().any(|name| name == NAME))
    };
    let told = if config.routing.keys().any(routed) {
        routed(&alert.severity)
    } else {
        alert.severity >= Severity::Warning
    };
    (is_news && told).then(|| Destination { channel: channel_name(&run.name), path: None })
}

/// The channels of the runs that are on a server.
pub fn channels<'a>(config: &'a Config, store: &'a Store, site: Site<'a>) -> Vec<Box<dyn Channel + 'a>> {
    let channel = |run: &'a Run| -> Option<Box<dyn Channel + 'a>> {
        let settings = run.orchestrator.as_ref()?;
        Some(Box::new(Alerts::new(&run.name, settings, config.trusted, store, site)))
    };
    config.runs.iter().filter_map(channel).collect()
}

/// A server, and what it is shown.
pub struct Server<'a> {
    settings: &'a Orchestrator,
    site: Site<'a>,
    token: Option<String>,
}

impl<'a> Server<'a> {
    /// Reads the token.
    ///
    /// # Errors
    /// Why there is none, for people.
    pub fn open(settings: &'a Orchestrator, site: Site<'a>) -> Result<Self, String> {
        let token = match &settings.token {
            None => None,
            Some(Token::File(path)) => Some(first_line(path)?),
            Some(Token::Env(name)) => {
                let value = (site.env)(name).and_then(|value| value.into_string().ok());
                let value = value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
                Some(value.ok_or_else(|| {
                    format!("the token is not there: the variable {name} is not set where this runs (cron sets none: use `token_file:`)")
                })?)
            }
        };
        Ok(Self { settings, site, token })
    }

    /// The path of the run, and of something below it.
    fn run_path(&self, below: &str) -> String {
        format!("/runs/{}{below}", self.settings.run_id)
    }

    fn get(&self, path: &str, limit: Duration) -> Result<Value, Outcome> {
        let answer = self.ask("GET", path, &[], None, limit)?;
        serde_json::from_slice(&answer.body).map_err(|_| {
            let many = answer.body.len() as u64 >= ANSWER_MAX;
            let why = if many { "its answer is longer than 4 MiB" } else { "its answer is no JSON" };
            self.later(why)
        })
    }

    fn post(&self, path: &str, body: &Value, key: Option<&str>, limit: Duration) -> Result<Answer, Outcome> {
        self.ask("POST", path, body.to_string().as_bytes(), key, limit)
    }

    /// An answer that means that the request was taken.
    fn ask(
        &self,
        method: &str,
        path: &str,
        body: &[u8],
        key: Option<&str>,
        limit: Duration,
    ) -> Result<Answer, Outcome> {
        if limit < LEAST {
            return Err(self.later("no time was left for it"));
        }
        let refused = |why| Outcome::Refused { why, content: false };
        let address = self.settings.address.below(path).map_err(refused)?;
        let later = |why| Outcome::Retry { why, after: None };
        let client = Client::new(&address, None, self.site.env, self.site.now).map_err(later)?;
        let client = client.reading(ANSWER_MAX).hiding(self.token.clone());
        let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        headers.extend(self.token.clone().map(|token| (TOKEN_HEADER.to_owned(), token)));
        headers.extend(key.map(|key| ("Idempotency-Key".to_owned(), key.to_owned())));
        let request = Request { method, headers: &headers, body };
        let answer = client.send(&request, limit.min(REQUEST_MAX), true)?;
        let what = |why: String| format!("{method} {} of {}: {why}", shown(path), self.settings.address);
        match answer.outcome() {
            Outcome::Taken => Ok(answer),
            Outcome::Retry { why, after } => Err(Outcome::Retry { why: what(why), after }),
            Outcome::Refused { why, content } => Err(Outcome::Refused { why: what(why), content }),
        }
    }

    fn later(&self, why: &str) -> Outcome {
        Outcome::Retry { why: format!("{}: {why}", self.settings.address), after: None }
    }
}

/// The last word of a path: what was asked of the server.
fn shown(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Why something was not taken.
fn reason(outcome: Outcome) -> String {
    match outcome {
        Outcome::Taken => String::new(),
        Outcome::Retry { why, .. } | Outcome::Refused { why, .. } => why,
    }
}
