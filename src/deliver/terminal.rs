//! The terminal channel: alerts on standard output, for whoever reads cron's mail.

use super::{Channel, Message, Outcome, text};
use crate::decide::Alert;
use crate::persist::step;
use crate::redact::Redactor;
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

/// Its name in the config.
pub const NAME: &str = "terminal";

/// Standard output.
pub struct Terminal<'a> {
    out: &'a mut dyn Write,
    shown: BTreeSet<String>,
    redactor: &'a Redactor,
}

impl<'a> Terminal<'a> {
    /// A terminal on which the alerts in `shown` stand already, as part of the verdict.
    pub fn new(out: &'a mut dyn Write, shown: BTreeSet<String>, redactor: &'a Redactor) -> Self {
        Self { out, shown, redactor }
    }
}

impl Channel for Terminal<'_> {
    fn name(&self) -> &str {
        NAME
    }

    fn send(&mut self, message: &Message<'_>, _limit: Duration) -> Outcome {
        for entry in message.entries.iter().filter(|entry| !self.shown.contains(&entry.alert.id)) {
            step("tell the terminal");
            // Where nobody reads any more it is owed, and the next invocation prints it.
            let written =
                text::alert(self.out, &redacted(&entry.alert, self.redactor)).and_then(|()| self.out.flush());
            if let Err(error) = written {
                return Outcome::Retry { why: error.to_string(), after: None };
            }
        }
        Outcome::Taken
    }
}

/// Cron mails what is printed: the words of the log leave the machine.
fn redacted(alert: &Alert, redactor: &Redactor) -> Alert {
    let mut alert = alert.clone();
    alert.message = redactor.redact(&alert.message);
    alert.advice = redactor.redact(&alert.advice);
    if let Some(occurrence) = &mut alert.occurrence {
        occurrence.text = redactor.redact(&occurrence.text);
    }
    for value in alert.evidence.values_mut() {
        redactor.redact_value(value);
    }
    alert
}
