//! The terminal channel: alerts on standard output, for whoever reads cron's mail.

use super::Channel;
use super::outbox::{Destination, Entry};
use super::text;
use std::collections::BTreeSet;
use std::io::Write;

/// Its name in the config.
pub const NAME: &str = "terminal";

/// Standard output.
pub struct Terminal<'a> {
    out: &'a mut dyn Write,
    shown: BTreeSet<String>,
}

impl<'a> Terminal<'a> {
    /// A terminal on which the alerts in `shown` stand already, as part of the verdict.
    pub fn new(out: &'a mut dyn Write, shown: BTreeSet<String>) -> Self {
        Self { out, shown }
    }
}

impl Channel for Terminal<'_> {
    fn name(&self) -> &'static str {
        NAME
    }

    fn send(&mut self, entry: &Entry, _to: &Destination) -> Result<(), String> {
        if self.shown.contains(&entry.alert.id) {
            return Ok(());
        }
        // Where nobody reads any more it is owed, and the next invocation prints it.
        let written = text::alert(self.out, &entry.alert).and_then(|()| self.out.flush());
        written.map_err(|error| error.to_string())
    }
}
