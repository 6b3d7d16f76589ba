//! The command channel: a program of the user's that reads the message as JSON on its standard input,
//! and its most important words in `TRAINGUARD_*` variables. Whatever it ends with but 0 is for later.

use super::bulletin::{Bulletin, cut};
use super::text::one_line;
use super::{Channel, Message, Outcome, Reach, Site};
use crate::config;
use crate::persist::step;
use crate::program::{Ended, Running};
use serde_json::Value;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Alerts in a message: a mail of 100 lines is read.
const MOST: usize = 100;
/// Bytes of what it says that are kept, and characters of that which are shown.
const SAID_MAX: usize = 4 * 1024;
const SHOWN_MAX: usize = 200;
/// Characters of a variable: the environment is bounded, and the input holds everything.
const VARIABLE_MAX: usize = 4_000;
/// The variables, each of the field with the same name.
const VARIABLES: &[&str] = &[
    "id",
    "title",
    "text",
    "status",
    "severity",
    "run",
    "transition",
    "syndrome",
    "message",
    "step",
    "count",
    "host",
];

/// A program.
pub struct Program<'a> {
    name: &'a str,
    settings: &'a config::Program,
    site: Site<'a>,
}

impl<'a> Program<'a> {
    /// The channel of this name.
    pub fn new(name: &'a str, settings: &'a config::Program, site: Site<'a>) -> Self {
        Self { name, settings, site }
    }

    fn run(&self, bulletin: &Bulletin, limit: Duration) -> Result<Ended, String> {
        let until = Instant::now() + limit;
        let (program, arguments) = self.settings.command.split_first().ok_or("it has no command")?;
        let mut command = Command::new(program);
        command.args(arguments).stdout(Stdio::null()).stderr(Stdio::piped());
        for name in VARIABLES {
            let text = match bulletin.field(name) {
                Value::String(text) => text,
                Value::Null => String::new(),
                other => other.to_string(),
            };
            let variable = format!("TRAINGUARD_{}", name.to_ascii_uppercase());
            command.env(variable, cut(&text, VARIABLE_MAX).replace('\0', " "));
        }
        let input = bulletin.json() + "\n";
        step("run a command");
        let ended = Running::start(command, input.as_bytes(), SAID_MAX)?.end(until, limit, false);
        step("note how a command ended");
        ended
    }
}

impl Channel for Program<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn reach(&self) -> Reach {
        Reach::Remote { most: if self.settings.roll_up { MOST } else { 1 } }
    }

    fn send(&mut self, message: &Message<'_>, limit: Duration) -> Outcome {
        let bulletin = Bulletin::new(message, self.site.redactor, self.site.host);
        let later = |why| Outcome::Retry { why, after: None };
        match self.run(&bulletin, limit.min(self.settings.timeout)) {
            Ok(ended) if ended.status.success() => Outcome::Taken,
            Ok(ended) => {
                let mut said = ended.said.unwrap_or_default();
                if said.len() > SAID_MAX {
                    // The line at which it was cut says nothing.
                    said.truncate(memchr::memrchr(b'\n', &said).unwrap_or(SAID_MAX));
                }
                let said = self.site.redactor.redact(String::from_utf8_lossy(&said).trim());
                let last = said.lines().last().map(one_line).unwrap_or_default();
                let colon = if last.is_empty() { "" } else { ": " };
                later(format!("it failed ({}){colon}{}", ended.status, cut(&last, SHOWN_MAX)))
            }
            Err(why) => later(why),
        }
    }
}
