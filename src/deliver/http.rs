//! One small HTTP client: everything that leaves the machine over HTTP goes through here.
//!
//! It never waits longer than it is told, follows no redirect, reads a few KiB of an answer and no
//! more, and says what came of it in three words: taken, later, never. An [`Address`] may be a
//! secret: nothing here prints more of it than scheme and host.

use super::Outcome;
use super::text::one_line;
use crate::config::Address;
use crate::redact::redact;
use chrono::{DateTime, Utc};
use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use ureq::http;
use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Proxy};

/// Bytes of an answer that are read: servers say in a line what is wrong.
const ANSWER_MAX: u64 = 4 * 1024;
/// Characters of an answer that are shown.
const SHOWN_MAX: usize = 200;
/// Bytes of a file of certificates: all public authorities together are some 200 KiB.
const CA_MAX: u64 = 4 * 1024 * 1024;

/// How the environment is asked.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// One request.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST`.
    pub method: &'a str,
    /// Names and values.
    pub headers: &'a [(String, String)],
    /// What is sent.
    pub body: &'a [u8],
}

/// A complete answer: its head, and the beginning of its body where it was asked for or is a refusal.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long the server asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The first KiB of the body.
    pub body: Vec<u8>,
    /// The body's beginning as one printable line without secrets.
    said: String,
}

impl Answer {
    /// What the status means for whoever sent something.
    pub fn outcome(&self) -> Outcome {
        let said = if self.said.is_empty() { String::new() } else { format!(": {}", self.said) };
        let name = http::StatusCode::from_u16(self.status).ok().and_then(|status| status.canonical_reason());
        let status = format!("{} {}", self.status, name.unwrap_or("")).trim_end().to_owned();
        match self.status {
            200..=299 => Outcome::Taken,
            408 | 425 | 429 | 500..=599 => {
                Outcome::Retry { why: format!("it answered {status}{said}"), after: self.retry_after }
            }
            300..=399 => Outcome::Refused {
                why: format!(
                    "it answered {status}, and redirects are not followed: give the address that it leads to"
                ),
                content: false,
            },
            // About what was sent: another message, or a part of this one, may pass.
            400 | 413 | 414 | 422 => {
                Outcome::Refused { why: format!("it answered {status}{said}"), content: true }
            }
            _ => Outcome::Refused { why: format!("it answered {status}{said}"), content: false },
        }
    }
}

/// A client for one address.
pub struct Client {
    agent: Agent,
    address: Address,
    now: DateTime<Utc>,
}

impl Client {
    /// A client that goes through the proxy of the environment, if there is one for this address, and
    /// trusts the authorities of `ca_file` (or `$SSL_CERT_FILE`) in place of the public ones.
    ///
    /// # Errors
    /// Why there can be none, for people.
    pub fn new(
        address: &Address,
        ca_file: Option<&Path>,
        env: Env<'_>,
        now: DateTime<Utc>,
    ) -> Result<Self, String> {
        let from_env = env("SSL_CERT_FILE").filter(|path| !path.is_empty());
        let ca_file = ca_file.or(from_env.as_ref().map(Path::new)).filter(|_| address.is_https());
        let roots = ca_file.map_or(Ok(RootCerts::WebPki), authorities)?;
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(proxy(address, env)?)
            .user_agent(concat!("trainguard/", env!("CARGO_PKG_VERSION")))
            .tls_config(TlsConfig::builder().root_certs(roots).build())
            .build();
        Ok(Self { agent: config.new_agent(), address: address.clone(), now })
    }

    /// Sends a request and waits for the answer, from the name's look-up to the last byte at most
    /// `limit` long. A body is read where `read_body` says so, and where the request was not taken.
    ///
    /// # Errors
    /// There was no complete answer: what it means for whoever sent something.
    pub fn send(&self, request: &Request<'_>, limit: Duration, read_body: bool) -> Result<Answer, Outcome> {
        let mut builder = http::Request::builder().method(request.method).uri(self.address.uri().clone());
        for (name, value) in request.headers {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let built = builder.body(request.body);
        let built = built.map_err(|error| self.lasting(&format!("the request cannot be made: {error}")))?;
        let built = self.agent.configure_request(built).timeout_global(Some(limit)).build();
        let response = self.agent.run(built).map_err(|error| self.failed(&error, limit))?;
        let (head, body) = response.into_parts();
        let mut bytes = Vec::new();
        if read_body || !head.status.is_success() {
            // What came before it broke off is good enough to be shown.
            let read = body.into_reader().take(ANSWER_MAX).read_to_end(&mut bytes);
            if let (Err(error), true) = (read, read_body && head.status.is_success()) {
                return Err(self.passing(&format!("its answer broke off: {error}")));
            }
        }
        let header = head.headers.get("retry-after").and_then(|value| value.to_str().ok());
        let said = String::from_utf8_lossy(&bytes).into_owned();
        Ok(Answer {
            status: head.status.as_u16(),
            retry_after: header.and_then(|text| retry_after(text, self.now)),
            said: self.brief(&said),
            body: bytes,
        })
    }

    fn failed(&self, error: &ureq::Error, limit: Duration) -> Outcome {
        use ureq::Error;
        let why = match error {
            Error::Timeout(_) => {
                format!("it did not answer within {:.1} s", limit.as_secs_f64())
            }
            Error::HostNotFound => format!("the name {} cannot be looked up", self.address.host()),
            Error::ConnectionFailed => "no connection could be made".to_owned(),
            Error::Io(error) => chained(error),
            Error::BadUri(_) | Error::Http(_) => return self.lasting("the request cannot be made"),
            other => chained(other),
        };
        self.passing(&why)
    }

    fn passing(&self, why: &str) -> Outcome {
        Outcome::Retry { why: format!("{}: {}", self.address, self.brief(why)), after: None }
    }

    fn lasting(&self, why: &str) -> Outcome {
        Outcome::Refused { why: format!("{}: {}", self.address, self.brief(why)), content: false }
    }

    fn brief(&self, text: &str) -> String {
        let text = one_line(&redact(&self.address.conceal(text)));
        match text.char_indices().nth(SHOWN_MAX) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

fn chained(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) if !error.to_string().contains(&source.to_string()) => {
            format!("{error}: {source}")
        }
        _ => error.to_string(),
    }
}

fn authorities(path: &Path) -> Result<RootCerts, String> {
    let why =
        |why: &dyn fmt::Display| format!("the certificates in {} cannot be used: {why}", path.display());
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| why(&error))?;
    file.take(CA_MAX).read_to_end(&mut pem).map_err(|error| why(&error))?;
    let mut roots = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|error| why(&error))? {
            roots.push(certificate);
        }
    }
    if roots.is_empty() {
        return Err(why(&"there is none in it"));
    }
    Ok(roots.into())
}

/// The proxy of the environment for an address, as other programs choose it. `ALL_PROXY` is for both schemes.
fn proxy(address: &Address, env: Env<'_>) -> Result<Option<Proxy>, String> {
    let ask = |names: &[&'static str]| {
        names.iter().find_map(|&name| {
            let value = env(name)?.into_string().ok()?;
            (!value.trim().is_empty()).then(|| (name, value.trim().to_owned()))
        })
    };
    let spared = ask(&["no_proxy", "NO_PROXY"]).is_some_and(|(_, list)| is_spared(address.host(), &list));
    if spared {
        return Ok(None);
    }
    // Without `HTTP_PROXY`: a CGI server sets that from a request's header.
    let names: &[&str] = if address.is_https() {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "all_proxy", "ALL_PROXY"]
    };
    let Some((name, url)) = ask(names) else { return Ok(None) };
    Proxy::new(&url)
        .map(Some)
        .map_err(|_| format!("the proxy in ${name} cannot be used: it is no http(s) URL"))
}

/// Whether a list such as `localhost,.corp.example` names the host. Ports in it are not looked at.
fn is_spared(host: &str, list: &str) -> bool {
    list.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let entry = entry.trim_start_matches("*.").trim_start_matches('.');
        entry == "*" || host == entry || host.strip_suffix(entry).is_some_and(|rest| rest.ends_with('.'))
    })
}

/// `Retry-After`: seconds, or a date.
fn retry_after(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let date = DateTime::parse_from_rfc2822(text).ok()?;
    Some((date.with_timezone(&Utc) - now).to_std().unwrap_or(Duration::ZERO))
}

#[cfg(test)]
mod tests;
