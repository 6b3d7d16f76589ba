//! Alertmanager, API v2: it is told what is so, not what has changed.
//!
//! An alert there is its labels; whoever sends them again keeps it, and whoever sends them with an end
//! in the past resolves it. So this is no queue of transitions: every round sends all findings that are
//! open and routed here, and the end of those that were sent before and are no more. A severity that
//! changes is another alert by its labels, as routes want it: the old one ends in the same request. An
//! Alertmanager that was down or lost its memory is right again after the next round, and sending twice
//! is harmless. What opened and ended while it was down it never hears of: other channels tell that.
//!
//! Format: `outbox/CHANNEL.firing.json`, `"schema":"trainguard/firing/1"`, written before it is sent: a
//! kill in between forgets no alert that has to be ended.

use super::http::{Client, Request};
use super::text::one_line;
use super::{Channel, Message, Outcome, Reach, Site};
use crate::config::alertmanager::Alertmanager;
use crate::config::{Config, Hidden, Kind};
use crate::decide::{Alert, Open};
use crate::error::{Error, Result, chain};
use crate::finding::Severity;
use crate::judge::say::plain;
use crate::observe::guard::Undelivered;
use crate::persist::lock::Lock;
use crate::persist::step;
use crate::persist::store::Store;
use crate::persist::trust;
use crate::redact::Redactor;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const SCHEMA: &str = "trainguard/firing/1";
/// Where alerts are posted, below the address.
pub const PATH: &str = "/api/v2/alerts";
/// An alert that nobody sends again ends after this. Long beyond any interval: a guard that has died
/// must not resolve what it last saw, for not having looked is not being well.
const KEPT: TimeDelta = TimeDelta::hours(24);
/// A test alert ends after this: long enough to be seen.
const TRIED: TimeDelta = TimeDelta::minutes(5);
/// What is unchanged is sent again after this: a patrol always does, a watch's ticks do not.
const AGAIN: TimeDelta = TimeDelta::minutes(1);
/// The pause after a failure: shorter than a patrol's interval, longer than a watch's tick.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// The longest pause that a server may ask for.
const PAUSE_MAX: TimeDelta = TimeDelta::hours(6);
/// Alerts in one request: some 400 KB.
const BATCH: usize = 200;
/// Alerts of one channel in all: as many as eight runs can have open.
const ALERTS_MAX: usize = 1_024;
/// Characters of an annotation: notifications show some lines.
const TEXT_MAX: usize = 1_000;
/// The file holds at most what it is bounded to; what is larger is damage.
const FILE_MAX: u64 = 16 * 1024 * 1024;

/// What a round saw of a run.
pub struct Seen<'a> {
    /// The run.
    pub run: &'a str,
    /// Its open findings.
    pub open: &'a [Open],
}

/// Where telling starts from.
pub struct Desk<'a> {
    /// The state directory.
    pub store: &'a Store,
    /// The config.
    pub config: &'a Config,
    /// The rest of what a channel knows.
    pub site: Site<'a>,
    /// The runs were all of the config: what is known of others is over.
    pub whole: bool,
}

/// An alert as it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Sent {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    since: DateTime<Utc>,
    /// When it ended; it stays until that was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    over: Option<DateTime<Utc>>,
}

/// What one channel was told.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Firing {
    schema: String,
    alerts: Vec<Sent>,
    /// When all of it was taken.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    taken: Option<DateTime<Utc>>,
    /// Not before this, after a failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    next_try: Option<DateTime<Utc>>,
    /// Why the last attempt failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    error: Option<String>,
}

impl Desk<'_> {
    /// Tells every Alertmanager of the config, until `until` at the latest. Returns what went wrong.
    pub fn tell(&self, seen: &[Seen<'_>], until: Instant) -> Vec<String> {
        let told =
            channels(self.config).map(|(name, settings)| (name, tell(self, name, settings, seen, until)));
        told.filter_map(|(name, told)| Some(format!("channel {name}: {}", told.err()?))).collect()
    }
}

/// What is owed to Alertmanagers that did not take it.
pub fn undelivered(store: &Store, config: &Config) -> Vec<Undelivered> {
    let mut owed: Vec<Undelivered> = Vec::new();
    for (name, _) in channels(config) {
        let Ok(Firing { alerts, error: Some(error), .. }) = read(store, name) else { continue };
        for run in alerts.iter().filter_map(|alert| alert.labels.get("run")) {
            match owed.iter_mut().find(|owed| owed.channel == name && owed.run == *run) {
                Some(owed) => owed.alerts += 1,
                None => owed.push(Undelivered {
                    run: run.clone(),
                    channel: name.to_owned(),
                    alerts: 1,
                    refused: 0,
                    error: error.clone(),
                }),
            }
        }
    }
    owed
}

/// The Alertmanagers of the config, by name.
pub(super) fn channels(config: &Config) -> impl Iterator<Item = (&str, &Alertmanager)> {
    config.channels.named.iter().filter_map(|named| match &named.kind {
        Kind::Alertmanager(settings) => Some((named.name.as_str(), &**settings)),
        _ => None,
    })
}

fn tell(
    desk: &Desk<'_>,
    name: &str,
    settings: &Alertmanager,
    seen: &[Seen<'_>],
    until: Instant,
) -> std::result::Result<(), String> {
    let wait = until.saturating_duration_since(Instant::now());
    let lock = desk.store.path(&format!("outbox/{name}.firing.lock"));
    let _lock = Lock::acquire(&lock, wait).map_err(|error| chain(&error))?;
    let known = read(desk.store, name).map_err(|error| chain(&error))?;
    let mut firing = renew(known.clone(), desk, name, seen);
    if firing.alerts != known.alerts {
        // Durable before it is sent, and not taken until it was: a kill in between leaves it due.
        firing.taken = None;
        save(desk.store, name, &firing)?;
    }
    if firing.alerts.is_empty() || !is_due(&firing, desk.site.now) {
        return Ok(());
    }
    step("tell Alertmanager");
    let told = post(desk, settings, &firing.alerts, until);
    step("note what Alertmanager took");
    let answer = match told {
        Outcome::Taken => {
            firing.alerts.retain(|alert| alert.over.is_none());
            (firing.taken, firing.next_try, firing.error) = (Some(desk.site.now), None, None);
            Ok(())
        }
        Outcome::Retry { why, after } => Err((why, after)),
        Outcome::Refused { why, .. } => Err((why, None)),
    };
    let answer = answer.map_err(|(why, after)| {
        let asked = after.and_then(|after| TimeDelta::from_std(after).ok()).unwrap_or(PAUSE);
        firing.next_try = desk.site.now.checked_add_signed(asked.clamp(PAUSE, PAUSE_MAX));
        firing.error = Some(why.clone());
        why
    });
    save(desk.store, name, &firing)?;
    answer
}

/// What is so now: open findings that are routed here, what is known of runs that were not looked at,
/// and the end of everything else.
fn renew(known: Firing, desk: &Desk<'_>, name: &str, seen: &[Seen<'_>]) -> Firing {
    let routed = |severity: Severity| {
        desk.config.routing.get(&severity).is_some_and(|names| names.iter().any(|routed| routed == name))
    };
    let mut alerts: Vec<Sent> = Vec::new();
    let mut labels = BTreeSet::new();
    for Seen { run, open } in seen {
        // One that came back a moment ago waits for its roll-up, here as elsewhere.
        for open in open.iter().filter(|open| open.told != Severity::Ok && routed(open.severity)) {
            let alert = sent(run, open, &desk.site);
            if labels.insert(alert.labels.clone()) {
                alerts.push(alert);
            }
        }
    }
    for mut old in known.alerts {
        if labels.contains(&old.labels) {
            continue;
        }
        let run = old.labels.get("run").map_or("", String::as_str);
        let looked_at = seen.iter().any(|seen| seen.run == run);
        let gone = desk.whole && !desk.config.runs.iter().any(|config| config.name == run);
        if looked_at || gone {
            old.over = old.over.or(Some(desk.site.now));
        }
        alerts.push(old);
    }
    // What has ended longest ago is what can be spared.
    alerts.sort_by_key(|alert| std::cmp::Reverse(alert.over.unwrap_or(DateTime::<Utc>::MAX_UTC)));
    alerts.truncate(ALERTS_MAX);
    Firing { schema: SCHEMA.to_owned(), alerts, ..known }
}

/// A clock that was set back holds nothing up.
fn is_due(firing: &Firing, now: DateTime<Utc>) -> bool {
    if let Some(at) = firing.next_try {
        return now >= at || at - now > PAUSE_MAX;
    }
    firing.taken.is_none_or(|taken| !(TimeDelta::zero()..AGAIN).contains(&(now - taken)))
}

fn post(desk: &Desk<'_>, settings: &Alertmanager, alerts: &[Sent], until: Instant) -> Outcome {
    if !desk.config.trusted {
        let why = "others can change the config, so nothing is sent on its word";
        return Outcome::Retry { why: why.to_owned(), after: None };
    }
    let documents: Vec<_> = alerts.iter().map(|alert| document(alert, KEPT, desk.site.now)).collect();
    send(settings, &desk.site, &documents, until)
}

fn send(settings: &Alertmanager, site: &Site<'_>, documents: &[Value], until: Instant) -> Outcome {
    let address = settings.address.read().and_then(|address| address.below(PATH));
    let client =
        address.and_then(|address| Client::new(&address, settings.ca_file.as_deref(), site.env, site.now));
    let client = match client {
        Ok(client) => client,
        Err(why) => return Outcome::Retry { why, after: None },
    };
    let mut headers: Vec<_> =
        settings.headers.iter().map(|(name, Hidden(value))| (name.clone(), value.clone())).collect();
    headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    for batch in documents.chunks(BATCH) {
        let body = Value::from(batch.to_vec()).to_string();
        let limit = settings.timeout.min(until.saturating_duration_since(Instant::now()));
        if limit.is_zero() {
            return Outcome::Retry { why: "no time was left for it".to_owned(), after: None };
        }
        let request = Request { method: "POST", headers: &headers, body: body.as_bytes() };
        let answer = client.send(&request, limit, false);
        let outcome = answer.map_or_else(|outcome| outcome, |answer| answer.outcome());
        if outcome != Outcome::Taken {
            return outcome;
        }
    }
    Outcome::Taken
}

fn document(alert: &Sent, kept: TimeDelta, now: DateTime<Utc>) -> Value {
    let stamp = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Millis, true);
    let end = alert.over.or_else(|| now.checked_add_signed(kept)).unwrap_or(now);
    json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": stamp(alert.since.min(end)),
        "endsAt": stamp(end),
    })
}

/// A finding as an alert. The labels are what stays the same while it is open at one severity: neither
/// step nor attempt nor message.
fn sent(run: &str, open: &Open, site: &Site<'_>) -> Sent {
    let inert = |text: &str| inert(text, site.redactor);
    let mut labels = BTreeMap::from(
        [
            ("alertname", open.subject.syndrome.as_str()),
            ("check", &open.subject.check),
            ("instance", site.host),
            ("run", run),
            ("severity", open.severity.word()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned())),
    );
    // The GPU, path or rank group.
    if let Some(of) = &open.subject.of {
        labels.insert("subject".to_owned(), inert(of));
    }
    let mut annotations = BTreeMap::from([
        ("summary".to_owned(), inert(&format!("{run}: {}", open.message))),
        ("description".to_owned(), description(open, &inert)),
    ]);
    if !open.advice.is_empty() {
        annotations.insert("advice".to_owned(), inert(&open.advice));
    }
    if let Some(first) = &open.first {
        annotations.insert("evidence".to_owned(), inert(&format!("{}:{}", first.file, first.line)));
    }
    if open.is_acknowledged(site.now) {
        let note = open.acknowledged.as_ref().and_then(|word| word.note.as_deref());
        annotations.insert("acknowledged".to_owned(), inert(note.unwrap_or("yes")));
    }
    Sent { labels, annotations, since: open.since, over: None }
}

/// What stands there, and what the log last said.
fn description(open: &Open, inert: &dyn Fn(&str) -> String) -> String {
    let mut lines = Vec::new();
    if let Some(first) = &open.first {
        let step = first.step.map_or_else(String::new, |step| format!(" step {}", plain(step)));
        lines.push(inert(&format!("{}:{}{step} | {}", first.file, first.line, first.text)));
    }
    let last = open.evidence.get("last_lines").and_then(Value::as_array);
    lines.extend(last.into_iter().flatten().filter_map(Value::as_str).map(inert));
    if lines.is_empty() {
        lines.push(inert(&open.message));
    }
    cut(&lines.join("\n"))
}

/// One line without secrets, in which nothing is markup or a call for all: Alertmanager's templates hand
/// annotations to chats as they are.
fn inert(text: &str, redactor: &Redactor) -> String {
    let text = one_line(&redactor.redact(text)).replace('<', "‹").replace('>', "›").replace('&', "＆");
    // A word joiner, which nobody sees.
    let text = ["everyone", "here", "channel", "all"]
        .iter()
        .fold(text, |text, word| text.replace(&format!("@{word}"), &format!("@\u{2060}{word}")));
    cut(&text)
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn path(store: &Store, name: &str) -> PathBuf {
    store.path(&format!("outbox/{name}.firing.json"))
}

/// What the channel was told. Damage counts as nothing told: alerts that are open are sent anew, and
/// those that are not end by themselves within a day.
fn read(store: &Store, name: &str) -> Result<Firing> {
    let path = path(store, name);
    let file = match trust::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Firing::default()),
        Err(error) => return Err(Error::io("open", &path)(error)),
    };
    let mut bytes = Vec::new();
    file.take(FILE_MAX).read_to_end(&mut bytes).map_err(Error::io("read", &path))?;
    let firing = serde_json::from_slice::<Firing>(&bytes).ok().filter(|firing| firing.schema == SCHEMA);
    Ok(firing.unwrap_or_default())
}

fn save(store: &Store, name: &str, firing: &Firing) -> std::result::Result<(), String> {
    let bytes = serde_json::to_vec(firing).map_err(|error| error.to_string())?;
    store.write(&path(store, name), &bytes).map_err(|error| chain(&error))
}

/// A channel for `trainguard check --alerts` alone: what it sends ends by itself. What is open is told by
/// [`Desk::tell`] and never waits in the outbox.
pub struct Trial<'a> {
    name: &'a str,
    settings: &'a Alertmanager,
    site: Site<'a>,
}

impl<'a> Trial<'a> {
    /// The channel.
    pub fn new(name: &'a str, settings: &'a Alertmanager, site: Site<'a>) -> Self {
        Self { name, settings, site }
    }
}

impl Channel for Trial<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn reach(&self) -> Reach {
        Reach::Remote { most: BATCH }
    }

    fn send(&mut self, message: &Message<'_>, limit: Duration) -> Outcome {
        let Site { now, host, redactor, .. } = self.site;
        let document = |alert: &Alert| {
            let labels = [
                ("alertname", alert.syndrome.as_str()),
                ("check", &alert.check),
                ("instance", host),
                ("run", &alert.run),
                ("severity", alert.severity.word()),
            ];
            let labels = labels.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let summary = inert(&format!("{}: {}", alert.run, alert.message), redactor);
            let annotations = BTreeMap::from([("summary".to_owned(), summary)]);
            let sent = Sent { labels: labels.into(), annotations, since: alert.time, over: None };
            self::document(&sent, TRIED, now)
        };
        let documents: Vec<_> = message.entries.iter().map(|entry| document(&entry.alert)).collect();
        send(self.settings, &self.site, &documents, Instant::now() + limit)
    }
}

#[cfg(test)]
mod tests;
