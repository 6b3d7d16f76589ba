//! Telling: the outbox that loses nothing, the channels, the health file, and the reports.
//!
//! To add a channel: one file here that implements [`Channel`], one arm in [`elsewhere`], one type in the config.

pub mod alertmanager;
pub mod bulletin;
pub mod command;
pub mod file;
pub mod github;
pub mod health;
pub mod heartbeat;
pub mod http;
pub mod journal;
pub mod junit;
pub mod nagios;
pub mod note;
pub mod outbox;
pub mod prometheus;
pub mod report;
pub mod terminal;
pub mod text;
pub mod webhook;

use crate::config::{Config, Kind, Named};
use crate::decide::Alert;
use crate::persist::store::Store;
use crate::redact::Redactor;
use chrono::{DateTime, Utc};
use outbox::{Destination, Entry};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

/// What came of sending something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It arrived.
    Taken,
    /// It did not, and may later.
    Retry {
        /// Why, for people.
        why: String,
        /// How long the receiver asks to be left alone.
        after: Option<Duration>,
    },
    /// It will not: sending it again changes nothing.
    Refused {
        /// Why, for people.
        why: String,
        /// It is what was sent that was refused, not the sender: a smaller message may pass.
        content: bool,
    },
}

/// What is sent at once: an alert, or several that are rolled up.
pub struct Message<'a> {
    /// Its key: the same, for the same alerts, whenever it is repeated.
    pub id: &'a str,
    /// The alerts, in order of time; at least one.
    pub entries: Vec<&'a Entry>,
    /// Where it goes.
    pub to: &'a Destination,
}

/// How far away a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// At hand: every alert by itself, and tried by every invocation.
    Here,
    /// Elsewhere: what is sent is a message with a key that is durable before, of so many alerts at most.
    Remote {
        /// Alerts in a message.
        most: usize,
    },
}

/// Where alerts go. Sending the same message twice must be harmless: a kill between sending and
/// marking repeats it.
pub trait Channel {
    /// Its name in the config and in the outbox.
    fn name(&self) -> &str;
    /// How far away it is.
    fn reach(&self) -> Reach {
        Reach::Here
    }
    /// Sends one message, and is back within the limit.
    fn send(&mut self, message: &Message<'_>, limit: Duration) -> Outcome;
}

/// What a channel knows of where it is.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    /// How the environment is asked.
    pub env: http::Env<'a>,
    /// The time of this invocation.
    pub now: DateTime<Utc>,
    /// The name of this machine.
    pub host: &'a str,
    /// What takes secrets out of what leaves it.
    pub redactor: &'a Redactor,
}

/// The channels that are always there. `shown` are the alerts that the verdict already told.
pub fn at_hand<'a>(
    store: &'a Store,
    out: &'a mut dyn Write,
    shown: BTreeSet<String>,
    redactor: &'a Redactor,
) -> Vec<Box<dyn Channel + 'a>> {
    vec![
        Box::new(terminal::Terminal::new(out, shown, redactor)),
        Box::new(file::AlertFile::new(store, redactor)),
    ]
}

/// The channels of the config's own. On the word of a config that others can change nothing is sent.
pub fn elsewhere<'a>(config: &'a Config, site: Site<'a>) -> Vec<Box<dyn Channel + 'a>> {
    let named = config.channels.named.iter();
    let channel = |named: &'a Named| -> Box<dyn Channel + 'a> {
        if !config.trusted {
            return Box::new(Mute { name: &named.name });
        }
        match &named.kind {
            Kind::Webhook(settings) => Box::new(webhook::Webhook::new(&named.name, settings, site)),
            Kind::Command(settings) => Box::new(command::Program::new(&named.name, settings, site)),
            Kind::Syslog(socket) => {
                Box::new(journal::Journal::new(&named.name, journal::Kind::Syslog, socket, site))
            }
            Kind::Journald(socket) => {
                Box::new(journal::Journal::new(&named.name, journal::Kind::Journald, socket, site))
            }
            Kind::Alertmanager(settings) => Box::new(alertmanager::Trial::new(&named.name, settings, site)),
        }
    };
    named.map(channel).collect()
}

/// A channel that nothing may be sent through.
struct Mute<'a> {
    name: &'a str,
}

impl Channel for Mute<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn reach(&self) -> Reach {
        Reach::Remote { most: 1 }
    }

    fn send(&mut self, _message: &Message<'_>, _limit: Duration) -> Outcome {
        let why = "others can change the config, so nothing is sent on its word: `trainguard check` names the file and the command that mends it";
        Outcome::Retry { why: why.to_owned(), after: None }
    }
}

/// Which channels an alert goes to, and where they lead. What is over is told wherever it was told.
pub fn route(config: &Config, alert: &Alert) -> Vec<Destination> {
    let severities = std::iter::once(&alert.severity).chain(&alert.told_as);
    let mut destinations: Vec<Destination> = Vec::new();
    // An Alertmanager is told what is open, and nothing of what changes.
    let queued = |name: &&String| !alertmanager::channels(config).any(|(known, _)| known == *name);
    for name in severities.filter_map(|severity| config.routing.get(severity)).flatten().filter(queued) {
        if let Some(destination) = destination(config, name)
            && !destinations.contains(&destination)
        {
            destinations.push(destination);
        }
    }
    destinations
}

/// The places of all channels that are in effect.
pub fn destinations(config: &Config) -> Vec<Destination> {
    let fixed = [terminal::NAME, file::NAME].into_iter();
    let named = config.channels.named.iter().map(|named| named.name.as_str());
    fixed.chain(named).filter_map(|name| destination(config, name)).collect()
}

fn destination(config: &Config, name: &str) -> Option<Destination> {
    let to = |path| Destination { channel: name.to_owned(), path };
    match name {
        terminal::NAME => config.channels.terminal.then(|| to(None)),
        file::NAME => config.channels.file.clone().map(|path| to(Some(path))),
        // One that is off, or of a later version: the config has said so.
        _ => config.channels.named.iter().any(|named| named.name == name).then(|| to(None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Severity;
    use crate::judge::scene::Scene;

    #[test]
    fn what_is_over_goes_to_everybody_who_was_told_of_it_and_once() {
        let mut config = Scene::new().config;
        let log = |name: &str| Named { name: name.to_owned(), kind: Kind::Syslog("/dev/log".into()) };
        config.channels.named = vec![log("chat"), log("pager")];
        let names = |list: &[&str]| list.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        config.routing.insert(Severity::Warning, names(&["terminal", "chat", "file"]));
        config.routing.insert(Severity::Critical, names(&["pager", "terminal", "gone"]));
        let mut alert = outbox::tests::alert(1);
        let channels =
            |alert: &Alert| route(&config, alert).into_iter().map(|to| to.channel).collect::<Vec<_>>();
        assert_eq!(channels(&alert), ["pager", "terminal"]);
        alert.told_as = vec![Severity::Warning];
        assert_eq!(channels(&alert), ["pager", "terminal", "chat"]);
    }
}
