//! The dead man's switch: a service that is told when a patrol begins and how it ended, and raises the
//! alarm when it hears nothing. In the manner of healthchecks.io: `URL/start`, then `URL/EXITCODE` with
//! the end of the report as body.
//!
//! It is told beside the patrol and after it; that it cannot be is no part of the verdict.

use super::Outcome;
use super::http::{Client, Env, Request};
use crate::config::{Address, Config, Source};
use crate::redact::Redactor;
use chrono::{DateTime, Utc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Such services answer in a fraction of a second; half of what all channels have together.
const LIMIT: Duration = Duration::from_secs(5);
/// Bytes of a body: what healthchecks.io has always kept.
const BODY_MAX: usize = 10_000;
/// What stands where the middle of a body was left out.
const CUT: &str = "\n…\n";

/// A patrol that is under way, as the service knows it.
pub struct Heartbeat<'a> {
    address: Result<Address, String>,
    env: Env<'a>,
    now: DateTime<Utc>,
    started: Option<JoinHandle<Option<String>>>,
}

impl<'a> Heartbeat<'a> {
    /// Says that a patrol begins, and does not wait for the answer. None where nobody is to be told.
    pub fn begin(config: &Config, env: Env<'a>, now: DateTime<Utc>) -> Option<Self> {
        let source = config.heartbeat.as_ref()?;
        let address = if config.trusted {
            Source::read(source)
        } else {
            Err("others can change the config, so it is not told on its word".to_owned())
        };
        let mut heartbeat = Self { address, env, now, started: None };
        if let Ok(client) = heartbeat.client("/start") {
            let start = move || told(&client, &Request { method: "GET", headers: &[], body: &[] }, LIMIT);
            // Where there is no thread for it, it is told of the end alone.
            heartbeat.started = std::thread::Builder::new().spawn(start).ok();
        }
        Some(heartbeat)
    }

    /// Says how it ended, within `limit` and what the beginning still takes. Returns what went wrong.
    pub fn end(mut self, code: u8, report: &str, redactor: &Redactor, limit: Duration) -> Option<String> {
        // An end that overtakes its beginning would be taken for a patrol that never ends.
        let late = self.started.take().and_then(|started| started.join().unwrap_or(None));
        let client = match self.client(&format!("/{code}")) {
            Ok(client) => client,
            Err(why) => return Some(why),
        };
        let headers = [("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        let body = body(report, redactor);
        let request = Request { method: "POST", headers: &headers, body: body.as_bytes() };
        told(&client, &request, limit.min(LIMIT)).or(late)
    }

    fn client(&self, path: &str) -> Result<Client, String> {
        let address = self.address.clone()?.below(path)?;
        Client::new(&address, None, self.env, self.now)
    }
}

/// Sends one request; says what went wrong.
fn told(client: &Client, request: &Request<'_>, limit: Duration) -> Option<String> {
    if limit.is_zero() {
        return Some("no time was left for it".to_owned());
    }
    match client.send(request, limit, false).map_or_else(|outcome| outcome, |answer| answer.outcome()) {
        Outcome::Taken => None,
        Outcome::Retry { why, .. } | Outcome::Refused { why, .. } => Some(why),
    }
}

/// The report without secrets: its first line, which is the verdict, and its end where that is not all.
fn body(report: &str, redactor: &Redactor) -> String {
    let lines: Vec<_> = report.lines().map(|line| redactor.redact(line)).collect();
    let text = lines.join("\n");
    if text.len() <= BODY_MAX {
        return text;
    }
    let first = text.lines().next().unwrap_or_default();
    let first = &first[..first.floor_char_boundary(BODY_MAX / 2)];
    let rest = BODY_MAX - first.len() - CUT.len();
    format!("{first}{CUT}{}", &text[text.ceil_char_boundary(text.len() - rest)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_redacted_and_keeps_the_verdict_and_the_end() {
        let redactor = Redactor::of_environment([("DB_PASSWORD".into(), "correct-horse-9".into())]);
        let body = |text: &str| body(text, &redactor);
        assert_eq!(body("OK at correct-horse-9"), "OK at [redacted]");
        let token = format!("hf_{}", "aB3dE5gH7jK9".repeat(3));
        assert_eq!(body(&format!("OK demo\n  {token}\n")), "OK demo\n  [redacted]");
        let long = format!("CRITICAL demo\n{}last line", "é ".repeat(BODY_MAX));
        let text = body(&long);
        assert!(text.len() <= BODY_MAX && text.len() > BODY_MAX - 8, "{}", text.len());
        assert!(text.starts_with("CRITICAL demo\n…\n") && text.ends_with("last line"), "{text}");
        assert!(body(&"é".repeat(BODY_MAX)).len() <= BODY_MAX);
    }
}
