//! Telling: the outbox that loses nothing, the channels, the health file, and the reports.
//!
//! To add a channel: one file here that implements [`Channel`], one entry in [`channels`].

pub mod file;
pub mod github;
pub mod health;
pub mod junit;
pub mod nagios;
pub mod note;
pub mod outbox;
pub mod report;
pub mod terminal;
pub mod text;

use crate::config::Config;
use crate::finding::Severity;
use crate::persist::store::Store;
use outbox::{Destination, Entry};
use std::collections::BTreeSet;
use std::io::Write;

/// Where alerts go. Sending the same entry twice must be harmless: a kill between sending and
/// marking repeats it.
pub trait Channel {
    /// Its name in the config and in the outbox.
    fn name(&self) -> &'static str;
    /// Sends one alert; the error says what went wrong, for people.
    fn send(&mut self, entry: &Entry, to: &Destination) -> Result<(), String>;
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
