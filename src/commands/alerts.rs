//! `trainguard alerts`: what was not delivered, and what to do with it; and the test of the channels.

use super::{load_args, state_directory};
use crate::cli::{Alerts as Args, AlertsAction, Common};
use crate::clock::Clock;
use crate::config::{self, BareLog, Config};
use crate::decide::{Alert, Transition};
use crate::deliver::outbox::{Delivery, Entry, Mark, Outbox, Underway};
use crate::deliver::text::one_line;
use crate::deliver::{Channel, Message, Outcome, Site, at_hand, destinations, elsewhere};
use crate::error::{Error, Result};
use crate::finding::{Evidence, Role, Severity};
use crate::persist::store::Store;
use crate::redact::Redactor;
use chrono::{DateTime, Utc};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Somebody waits and watches: longer than a patrol's delivery, shorter than patience.
const RETRY_MAX: Duration = Duration::from_secs(30);
/// Characters of an id that a list shows, and the least that name one.
const ID_SHOWN: usize = 8;
const ID_MIN: usize = 4;
/// Given-up alerts that a list shows.
const DROPPED_SHOWN: usize = 10;

/// Lists, retries or drops; returns the exit code.
pub fn run(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    match args.action.clone().unwrap_or(AlertsAction::List) {
        AlertsAction::List => {
            let text = match outbox(args, common)? {
                Some(outbox) => list(&outbox)?,
                None => NOTHING.to_owned(),
            };
            print(out, &text)?;
            Ok(0)
        }
        AlertsAction::Retry { ids } => retry(args, &ids, common, clock, out),
        AlertsAction::Drop { ids } => {
            let outbox = outbox(args, common)?;
            let outbox = outbox.ok_or_else(|| Error::Usage(NOTHING.trim_end().to_owned()))?;
            let chosen = chosen(&outbox, &ids)?;
            let gone = outbox.discard(|alert| chosen.contains(&alert.id), common.lock_wait)?;
            print(out, &format!("given up: {}\n", counted(gone.len())))?;
            Ok(0)
        }
    }
}

const NOTHING: &str = "no alert waits to be delivered\n";

fn print(out: &mut dyn Write, text: &str) -> Result<()> {
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(Error::io("write", Path::new("standard output")))
}

fn outbox(args: &Args, common: &Common) -> Result<Option<Outbox>> {
    let directory = state_directory(args.log.as_ref(), common)?;
    Store::open_existing(&directory)?.map(|store| Outbox::open(&store)).transpose()
}

fn counted(alerts: usize) -> String {
    if alerts == 1 { "1 alert".to_owned() } else { format!("{alerts} alerts") }
}

/// The alerts whose ids begin like that; each beginning must name one.
fn chosen(outbox: &Outbox, ids: &[String]) -> Result<Vec<String>> {
    let known: Vec<String> = outbox.entries()?.into_iter().map(|entry| entry.alert.id).collect();
    let mut chosen = Vec::new();
    for id in ids {
        let mut matching = known.iter().filter(|known| known.starts_with(&id.to_ascii_lowercase()));
        match (matching.next(), matching.next()) {
            (Some(one), None) if id.len() >= ID_MIN => chosen.push(one.clone()),
            (None, _) => {
                return Err(Error::Usage(format!(
                    "no undelivered alert has the id '{id}': `trainguard alerts` lists them"
                )));
            }
            _ => {
                return Err(Error::Usage(format!(
                    "'{id}' is the beginning of several ids or too short: give more of it"
                )));
            }
        }
    }
    Ok(chosen)
}

fn list(outbox: &Outbox) -> Result<String> {
    let (entries, underways, dropped) = (outbox.entries()?, outbox.underways()?, outbox.dropped()?);
    let redactor = Redactor::of_environment(std::env::vars_os());
    let mut text = if entries.is_empty() { NOTHING.to_owned() } else { String::new() };
    for Entry { alert, marks, .. } in &entries {
        let message = one_line(&redactor.redact(&alert.message));
        text.push_str(&format!(
            "{} {} {} {} {} {}: {message}\n",
            &alert.id[..ID_SHOWN.min(alert.id.len())],
            minute(alert.time),
            alert.severity.word().to_uppercase(),
            alert.run,
            alert.transition.word(),
            alert.syndrome,
        ));
        for mark in marks.iter().filter(|mark| mark.delivered.is_none()) {
            text.push_str(&format!("    {}: {}\n", mark.to.channel, standing(mark, &alert.id, &underways)));
        }
    }
    if !entries.is_empty() {
        let refused = |entry: &&Entry| entry.marks.iter().any(|mark| mark.refused.is_some());
        let refused = entries.iter().filter(refused).count();
        text.push_str(&format!("{} not delivered", counted(entries.len())));
        if refused > 0 {
            text.push_str(&format!(
                ", {refused} refused for good: mend the channel, then trainguard alerts retry"
            ));
        }
        text.push('\n');
    }
    if !dropped.is_empty() {
        text.push_str(&format!("{} given up before, the latest:\n", counted(dropped.len())));
        for dropped in dropped.iter().rev().take(DROPPED_SHOWN) {
            text.push_str(&format!(
                "    {} {} {} {}: {} ({}; given up at {}, {})\n",
                minute(dropped.time),
                dropped.severity.word().to_uppercase(),
                dropped.run,
                dropped.syndrome,
                one_line(&redactor.redact(&dropped.message)),
                dropped.channels.join(", "),
                minute(dropped.at),
                dropped.why,
            ));
        }
    }
    Ok(text)
}

fn standing(mark: &Mark, id: &str, underways: &[Underway]) -> String {
    let why = mark.error.as_deref().map_or_else(String::new, |why| format!(": {}", one_line(why)));
    if let Some(refused) = mark.refused {
        return format!("refused for good at {}{why}", minute(refused));
    }
    let under = underways.iter().find(|under| under.channel == mark.to.channel);
    let Some(under) = under else {
        return if mark.failures == 0 {
            "waits".to_owned()
        } else {
            format!("failed {}{why}", times(mark.failures))
        };
    };
    if !under.alerts.iter().any(|known| known == id) {
        return format!("waits behind {}", &under.id[..ID_SHOWN.min(under.id.len())]);
    }
    let why = under.error.as_deref().map_or_else(String::new, |why| format!(": {}", one_line(why)));
    let next = under.next_try.map_or_else(String::new, |next| format!(", next try from {}", minute(next)));
    format!("failed {}{next}{why}", times(under.failures))
}

fn times(number: u32) -> String {
    if number == 1 { "once".to_owned() } else { format!("{number} times") }
}

fn minute(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%d %H:%M UTC").to_string()
}

fn retry(args: &Args, ids: &[String], common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    let config = config::load(&load_args(common, args.log.as_ref().map(BareLog::new))?)?;
    let Some(store) = Store::open_existing(&config.state_dir)? else {
        print(out, NOTHING)?;
        return Ok(0);
    };
    let outbox = Outbox::open(&store)?;
    let chosen = chosen(&outbox, ids)?;
    let before = outbox.revive(|alert| ids.is_empty() || chosen.contains(&alert.id), common.lock_wait)?;
    let Delivery { troubles, dropped } = {
        let mut told = Vec::new();
        let mut channels = Channels::new(&config, clock);
        let until = Instant::now() + RETRY_MAX.min(common.timeout);
        let delivery =
            channels.with(&store, &mut told, |channels| outbox.drain(channels, clock.wall(), until))?;
        print(out, &String::from_utf8_lossy(&told))?;
        delivery
    };
    let left: Vec<String> = outbox.entries()?.into_iter().map(|entry| entry.alert.id).collect();
    let undelivered = before.iter().filter(|id| left.contains(id)).count();
    let mut text = format!("delivered: {}\n", counted(before.len() - undelivered));
    for trouble in troubles.iter().chain(&dropped) {
        text.push_str(&format!("{}\n", one_line(trouble)));
    }
    if undelivered > 0 {
        text.push_str(&format!("still not delivered: {}\n", counted(undelivered)));
    }
    print(out, &text)?;
    Ok(if undelivered > 0 { Severity::Warning.exit_code() } else { 0 })
}

/// What the channels of a command need around them.
struct Channels<'a> {
    config: &'a Config,
    redactor: Redactor,
    host: String,
    now: DateTime<Utc>,
}

impl<'a> Channels<'a> {
    fn new(config: &'a Config, clock: &Clock) -> Self {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let redactor = Redactor::of_environment(std::env::vars_os());
        Self { config, redactor, host, now: clock.wall() }
    }

    fn with<T>(
        &mut self,
        store: &Store,
        out: &mut dyn Write,
        use_them: impl FnOnce(&mut [Box<dyn Channel + '_>]) -> T,
    ) -> T {
        let env = |name: &str| std::env::var_os(name);
        let site = Site { env: &env, now: self.now, host: &self.host, redactor: &self.redactor };
        let mut channels = at_hand(store, out, BTreeSet::new(), &self.redactor);
        channels.extend(elsewhere(self.config, site));
        use_them(&mut channels)
    }
}

/// Sends a test message through every channel that is in effect; a channel that fails is a warning.
pub fn test(common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<Severity> {
    let config = config::load(&load_args(common, None)?)?;
    let store = Store::open(&config.state_dir)?;
    let alert = sample(clock);
    let (mut told, mut lines, mut failed) = (Vec::new(), Vec::new(), 0);
    Channels::new(&config, clock).with(&store, &mut told, |channels| {
        for to in destinations(&config) {
            let Some(channel) = channels.iter_mut().find(|channel| channel.name() == to.channel) else {
                continue;
            };
            let entry = Entry::loose(alert.clone(), to.clone());
            let message = Message { id: &alert.id, entries: vec![&entry], to: &to };
            let begin = Instant::now();
            let said = match channel.send(&message, RETRY_MAX.min(common.timeout)) {
                Outcome::Taken => format!("taken ({:.1} s)", begin.elapsed().as_secs_f64()),
                Outcome::Retry { why, .. } | Outcome::Refused { why, .. } => {
                    failed += 1;
                    format!("FAILED: {}", one_line(&why))
                }
            };
            lines.push(format!("{:<14}{said}", to.channel));
        }
    });
    print(out, &String::from_utf8_lossy(&told))?;
    let severity = if failed == 0 { Severity::Ok } else { Severity::Warning };
    let count = lines.len();
    let of = if count == 1 { "channel" } else { "channels" };
    let first = format!("{}: a test alert through {count} {of}, {failed} failed", severity.status_word());
    print(out, &format!("{first}\n{}\n", lines.join("\n")))?;
    Ok(severity)
}

fn sample(clock: &Clock) -> Alert {
    Alert {
        id: format!("{:032x}", u128::from(clock.entropy) | (1 << 127)),
        time: clock.wall(),
        run: "trainguard".to_owned(),
        transition: Transition::Opened,
        severity: Severity::Info,
        check: "check".to_owned(),
        syndrome: "test".to_owned(),
        message: "this is a test of trainguard's channels: nothing is wrong".to_owned(),
        advice: "Nothing is to be done".to_owned(),
        step: None,
        occurrence: None,
        choices: Vec::new(),
        respond: String::new(),
        evidence: Evidence::new(),
        role: Role::Root,
        told_as: Vec::new(),
        order: 0,
    }
}
