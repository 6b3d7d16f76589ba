//! The webhook channel: one HTTP request per message, in the form that the receiver understands.
//!
//! To add a form: one file here, one arm in `Webhook::request`, one word in the config.

mod discord;
mod generic;
mod ntfy;
mod slack;
#[cfg(test)]
mod tests;

use super::bulletin::{Bulletin, inert};
use super::http::{Client, Request};
use super::{Channel, Message, Outcome, Reach, Site};
use crate::config::trust::{self, Caller};
use crate::config::{self, Address, Format, Hidden, Source};
use crate::persist::step;
use ring::hmac;
use std::fmt::Write as _;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// Bytes of a file with an address or a secret.
const SECRET_MAX: u64 = 16 * 1024;
/// The signature of GitHub's webhooks, which many receivers know to check.
const SIGNATURE: &str = "X-Hub-Signature-256";

/// A webhook.
pub struct Webhook<'a> {
    name: &'a str,
    settings: &'a config::Webhook,
    site: Site<'a>,
    /// Where it leads and what goes there, once something is to be sent; the fault otherwise.
    open: Option<Result<Open, String>>,
}

struct Open {
    address: Address,
    format: Format,
    secret: Option<String>,
    client: Client,
}

impl<'a> Webhook<'a> {
    /// The channel of this name.
    pub fn new(name: &'a str, settings: &'a config::Webhook, site: Site<'a>) -> Self {
        Self { name, settings, site, open: None }
    }

    /// Reads address and secret. Nothing is read before something is to be sent.
    fn open(&self) -> Result<Open, String> {
        let address = match &self.settings.address {
            Source::Here(address) => address.clone(),
            Source::File(path) => {
                let text = first_line(path)?;
                Address::parse(&text)
                    .map_err(|why| format!("the address in {} cannot be used: {why}", path.display()))?
            }
        };
        let secret = match &self.settings.secret {
            None => None,
            Some(Source::Here(Hidden(text))) => Some(text.clone()),
            Some(Source::File(path)) => Some(first_line(path)?),
        };
        let client = Client::new(&address, self.settings.ca_file.as_deref(), self.site.env, self.site.now)?;
        let format = recognised(self.settings.format, &address);
        Ok(Open { address, format, secret, client })
    }

    /// Headers and body.
    fn request(&self, open: &Open, bulletin: &Bulletin) -> (Vec<(String, String)>, String) {
        let (mut headers, body) = match open.format {
            Format::Slack => (Vec::new(), inert(&slack::body(bulletin))),
            Format::Discord => (Vec::new(), inert(&discord::body(bulletin))),
            Format::Ntfy => ntfy::request(bulletin),
            Format::Auto | Format::Generic => {
                (Vec::new(), generic::body(bulletin, self.settings.body.as_ref()))
            }
        };
        let kind = if open.format == Format::Ntfy { "text/plain; charset=utf-8" } else { "application/json" };
        headers.push(("Content-Type".to_owned(), kind.to_owned()));
        // What the user sets replaces what is set here.
        for (name, Hidden(value)) in &self.settings.headers {
            headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
            headers.push((name.clone(), value.clone()));
        }
        headers.push(("Idempotency-Key".to_owned(), bulletin.id.clone()));
        if let Some(secret) = &open.secret {
            headers.push((SIGNATURE.to_owned(), signature(secret, body.as_bytes())));
        }
        (headers, body)
    }
}

impl Channel for Webhook<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn reach(&self) -> Reach {
        let format = match &self.settings.address {
            Source::Here(address) => recognised(self.settings.format, address),
            Source::File(_) => match &self.open {
                Some(Ok(open)) => open.format,
                _ => self.settings.format,
            },
        };
        let most = match format {
            Format::Slack => slack::MOST,
            Format::Discord => discord::MOST,
            // What is not known yet may turn out to be the narrowest.
            Format::Ntfy | Format::Auto => ntfy::MOST,
            Format::Generic => generic::MOST,
        };
        Reach::Remote { most: if self.settings.roll_up { most } else { 1 } }
    }

    fn send(&mut self, message: &Message<'_>, limit: Duration) -> Outcome {
        if self.open.is_none() {
            self.open = Some(self.open());
        }
        let open = match &self.open {
            Some(Ok(open)) => open,
            Some(Err(why)) => return Outcome::Retry { why: why.clone(), after: None },
            None => return Outcome::Retry { why: "it was not opened".to_owned(), after: None },
        };
        let bulletin = Bulletin::new(message, self.site.redactor, self.site.host);
        let (headers, body) = self.request(open, &bulletin);
        let request = Request { method: "POST", headers: &headers, body: body.as_bytes() };
        step("send to a webhook");
        let answer = open.client.send(&request, self.settings.timeout.min(limit), false);
        step("note what a webhook answered");
        match answer.map(|answer| answer.outcome()) {
            Ok(Outcome::Retry { why, after }) => {
                Outcome::Retry { why: format!("{}: {why}", open.address), after }
            }
            Ok(Outcome::Refused { why, content }) => {
                Outcome::Refused { why: format!("{}: {why}", open.address), content }
            }
            Ok(outcome) | Err(outcome) => outcome,
        }
    }
}

/// The form that an address wants, where the user leaves it to us.
fn recognised(format: Format, address: &Address) -> Format {
    let (host, path) = (address.host(), address.uri().path());
    let discord = matches!(host, "discord.com" | "discordapp.com" | "ptb.discord.com" | "canary.discord.com");
    match format {
        Format::Auto if matches!(host, "hooks.slack.com" | "hooks.slack-gov.com") => Format::Slack,
        Format::Auto if discord && path.ends_with("/slack") => Format::Slack,
        Format::Auto if discord => Format::Discord,
        Format::Auto if host == "ntfy.sh" || host.starts_with("ntfy.") => Format::Ntfy,
        Format::Auto => Format::Generic,
        chosen => chosen,
    }
}

/// `sha256=` and the HMAC of the body in hexadecimal digits.
fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let mut text = "sha256=".to_owned();
    for byte in hmac::sign(&key, body).as_ref() {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The first line of a file of secrets. Who may write it may send our alerts elsewhere. Symbolic links
/// are followed: Kubernetes lays secrets out with them.
fn first_line(path: &Path) -> Result<String, String> {
    let why = |why: &dyn std::fmt::Display| format!("{} cannot be read: {why}", path.display());
    let meta = path.metadata().map_err(|error| why(&error))?;
    if !meta.is_file() {
        return Err(why(&"it is not a regular file"));
    }
    if let Some(fault) = trust::fault(path, &meta, Caller::current()) {
        return Err(format!("{fault} (nothing is sent before)"));
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|error| why(&error))?;
    file.take(SECRET_MAX).read_to_string(&mut text).map_err(|error| why(&error))?;
    match text.lines().map(str::trim).find(|line| !line.is_empty()) {
        Some(line) => Ok(line.to_owned()),
        None => Err(why(&"it is empty")),
    }
}
