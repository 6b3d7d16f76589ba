//! Telling: the outbox that loses nothing, the channels, the health file, and the reports.
//!
//! To add a channel: one file here that implements [`Channel`], one entry in [`channels`].

pub mod file;
pub mod github;
pub mod health;
pub mod http;
pub mod junit;
pub mod nagios;
pub mod note;
pub mod outbox;
pub mod prometheus;
pub mod report;
pub mod terminal;
pub mod text;

use crate::config::Config;
use crate::finding::Severity;
use crate::persist::store::Store;
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

/// The channels of this invocation. `shown` are the alerts that the verdict already told.
pub fn channels<'a>(
    store: &'a Store,
    out: &'a mut dyn Write,
    shown: BTreeSet<String>,
) -> Vec<Box<dyn Channel + 'a>> {
    vec![Box::new(terminal::Terminal::new(out, shown)), Box::new(file::AlertFile::new(store))]
}

/// Which channels an alert of this severity goes to, and where they lead.
pub fn route(config: &Config, severity: Severity) -> Vec<Destination> {
    let names = config.routing.get(&severity).map_or(&[][..], Vec::as_slice);
    let mut destinations: Vec<_> = names.iter().filter_map(|name| destination(config, name)).collect();
    destinations.dedup();
    destinations
}

fn destination(config: &Config, name: &str) -> Option<Destination> {
    match name {
        terminal::NAME => {
            config.channels.terminal.then(|| Destination { channel: name.to_owned(), path: None })
        }
        file::NAME => config
            .channels
            .file
            .clone()
            .map(|path| Destination { channel: name.to_owned(), path: Some(path) }),
        // The config has already said that it is not in effect in this version.
        _ => None,
    }
}
