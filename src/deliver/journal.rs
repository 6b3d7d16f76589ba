//! The machine's own logs: a line for syslog, an entry for systemd's journal. Both are one datagram to a
//! socket, one for each alert.

use super::bulletin::{Bulletin, CUT, Told};
use super::{Channel, Message, Outcome, Reach, Site};
use crate::decide::Transition;
use crate::finding::Severity;
use crate::judge::say::plain;
use crate::persist::step;
use chrono::Local;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

/// Facility `daemon` of RFC 3164.
const FACILITY: u8 = 3;
/// Bytes of a line: RFC 3164 knows 1,024 in all.
const LINE_MAX: usize = 900;

/// How an alert is written.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A line of RFC 3164, as `logger` and `syslog(3)` send it to a local socket.
    Syslog,
    /// Fields of the journal's native protocol.
    Journald,
}

/// A log of the machine.
pub struct Journal<'a> {
    name: &'a str,
    kind: Kind,
    socket: &'a Path,
    site: Site<'a>,
}

impl<'a> Journal<'a> {
    /// The channel of this name.
    pub fn new(name: &'a str, kind: Kind, socket: &'a Path, site: Site<'a>) -> Self {
        Self { name, kind, socket, site }
    }
}

impl Channel for Journal<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn reach(&self) -> Reach {
        Reach::Remote { most: 1 }
    }

    fn send(&mut self, message: &Message<'_>, limit: Duration) -> Outcome {
        let bulletin = Bulletin::new(message, self.site.redactor, self.site.host);
        let sent = UnixDatagram::unbound().and_then(|socket| {
            socket.connect(self.socket)?;
            socket.set_write_timeout(Some(limit.max(Duration::from_millis(1))))?;
            for told in &bulletin.told {
                let bytes = match self.kind {
                    Kind::Syslog => line(told).into_bytes(),
                    Kind::Journald => entry(told).into_bytes(),
                };
                step("send to a log of the machine");
                socket.send(&bytes)?;
            }
            Ok(())
        });
        match sent {
            Ok(()) => Outcome::Taken,
            Err(error) => Outcome::Retry {
                why: format!("{} takes nothing: {error}", self.socket.display()),
                after: None,
            },
        }
    }
}

/// The severity of RFC 5424.
fn priority(told: &Told) -> u8 {
    match (told.transition, told.severity) {
        (Transition::Resolved, _) | (_, Severity::Ok) => 5,
        (_, Severity::Critical) => 2,
        (_, Severity::Unknown | Severity::Warning) => 4,
        (_, Severity::Info) => 6,
    }
}

fn text(told: &Told) -> String {
    let step = told.step.map_or_else(String::new, |step| format!(" step {}", plain(step)));
    let place = told.place.as_ref().map_or_else(String::new, |place| format!(" ({place})"));
    let change = told.transition.word();
    format!("{} {}{step} {change} {}: {}{place}", told.word(), told.run, told.syndrome, told.message)
}

fn line(told: &Told) -> String {
    let mut text = text(told);
    if text.len() > LINE_MAX {
        text.truncate(text.floor_char_boundary(LINE_MAX - CUT.len()));
        text.push_str(CUT);
    }
    let time = told.time.with_timezone(&Local).format("%b %e %H:%M:%S");
    let pid = std::process::id();
    format!("<{}>{time} trainguard[{pid}]: {text}", FACILITY * 8 + priority(told))
}

/// `NAME=value` lines; no value holds a line break.
fn entry(told: &Told) -> String {
    let mut fields = vec![
        ("MESSAGE", text(told)),
        ("PRIORITY", priority(told).to_string()),
        ("SYSLOG_IDENTIFIER", "trainguard".to_owned()),
        ("TRAINGUARD_ID", told.id.clone()),
        ("TRAINGUARD_RUN", told.run.clone()),
        ("TRAINGUARD_SEVERITY", told.severity.word().to_owned()),
        ("TRAINGUARD_TRANSITION", told.transition.word().to_owned()),
        ("TRAINGUARD_CHECK", told.check.clone()),
        ("TRAINGUARD_SYNDROME", told.syndrome.clone()),
        ("TRAINGUARD_ADVICE", told.advice.clone()),
    ];
    fields.extend(told.step.map(|step| ("TRAINGUARD_STEP", plain(step))));
    fields.extend(told.line.clone().map(|line| ("TRAINGUARD_LINE", line)));
    let mut entry = String::new();
    for (name, value) in fields {
        entry.push_str(&format!("{name}={}\n", value.replace('\n', " ")));
    }
    entry
}
