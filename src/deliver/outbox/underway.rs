//! The message that is under way to a channel: `outbox/CHANNEL.under-way.json`, written before it is
//! sent for the first time, so that its repetition after a kill or a time-out carries the same key and
//! the same alerts. There is one for each channel: what comes later waits behind it, in order.

use super::{Entry, Outbox, read_bytes};
use crate::decide::alert;
use crate::error::{Error, Result};
use crate::persist::step;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

const SCHEMA: &str = "trainguard/message/1";
const ENDING: &str = ".under-way.json";
/// Three messages in a row are read, more of them mute the channel: so many alerts go as one.
const ROLL_UP_FROM: usize = 4;
/// The first pause after a failure: less than any patrol's interval, more than a watch's tick.
const PAUSE: TimeDelta = TimeDelta::minutes(1);
/// The longest: a server that is back is noticed within the hour.
const PAUSE_MAX: TimeDelta = TimeDelta::hours(1);
/// The longest pause that a server may ask for: what asks for more is mistaken.
const ASKED_MAX: TimeDelta = TimeDelta::hours(6);

/// A message on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Underway {
    schema: String,
    /// The channel.
    pub channel: String,
    /// Its key: the alert's id, or for several a hash of theirs.
    pub id: String,
    /// The alerts in it, in order.
    pub alerts: Vec<String>,
    /// When it was made up.
    pub formed: DateTime<Utc>,
    /// Attempts that failed.
    #[serde(default)]
    pub failures: u32,
    /// Why the last one failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// Not before this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next_try: Option<DateTime<Utc>>,
    /// When it was taken; the marks of its alerts may not say so yet.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub taken: Option<DateTime<Utc>>,
}

impl Underway {
    /// The next message to a channel that takes at most so many alerts at once.
    pub(super) fn form(channel: &str, queue: &[&Entry], most: usize, now: DateTime<Utc>) -> Option<Self> {
        let count = if queue.len() >= ROLL_UP_FROM { most.max(1) } else { 1 };
        let alerts = queue.iter().take(count).map(|entry| entry.alert.id.clone()).collect();
        (!queue.is_empty()).then(|| Self::of(channel, alerts, now))
    }

    fn of(channel: &str, alerts: Vec<String>, now: DateTime<Utc>) -> Self {
        let id = match alerts.as_slice() {
            [alone] => alone.clone(),
            several => {
                let parts: Vec<&str> =
                    ["message", channel].into_iter().chain(several.iter().map(String::as_str)).collect();
                alert::id(&parts)
            }
        };
        Self {
            schema: SCHEMA.to_owned(),
            channel: channel.to_owned(),
            id,
            alerts,
            formed: now,
            failures: 0,
            error: None,
            next_try: None,
            taken: None,
        }
    }

    /// Its first half, for a channel that refused the whole for what is in it.
    pub(super) fn half(&self, now: DateTime<Utc>) -> Self {
        let half = self.alerts.iter().take(self.alerts.len().div_ceil(2)).cloned().collect();
        Self::of(&self.channel, half, now)
    }

    /// Whether it may be tried now. A time that no pause of ours reaches is of a clock that was set back.
    pub(super) fn is_due(&self, now: DateTime<Utc>) -> bool {
        self.next_try.is_none_or(|at| now >= at || at - now > ASKED_MAX)
    }

    /// Notes a failure, and when the next attempt is due.
    pub(super) fn failed(&mut self, why: String, asked: Option<Duration>, now: DateTime<Utc>) {
        let pause = PAUSE * (1 << self.failures.min(16));
        let asked = asked.map_or(TimeDelta::zero(), |asked| {
            TimeDelta::from_std(asked).unwrap_or(ASKED_MAX).min(ASKED_MAX)
        });
        self.next_try = now.checked_add_signed(pause.min(PAUSE_MAX).max(asked));
        self.failures = self.failures.saturating_add(1);
        self.error = Some(why);
    }
}

impl Outbox {
    /// All messages that are under way.
    pub fn underways(&self) -> Result<Vec<Underway>> {
        let mut all = Vec::new();
        for item in std::fs::read_dir(&self.directory).map_err(Error::io("list", &self.directory))? {
            let name = item.map_err(Error::io("list", &self.directory))?.file_name();
            if let Some(channel) = name.to_str().and_then(|name| name.strip_suffix(ENDING)) {
                all.extend(self.underway(channel)?);
            }
        }
        Ok(all)
    }

    /// The message under way to a channel. A damaged one counts as none: its alerts are still there.
    pub(super) fn underway(&self, channel: &str) -> Result<Option<Underway>> {
        let bytes = read_bytes(&self.underway_path(channel))?;
        let underway = bytes.and_then(|bytes| serde_json::from_slice::<Underway>(&bytes).ok());
        Ok(underway.filter(|underway| underway.channel == channel && !underway.alerts.is_empty()))
    }

    pub(super) fn write_underway(&self, underway: &Underway) -> Result<()> {
        let path = self.underway_path(&underway.channel);
        let bytes = serde_json::to_vec(underway)
            .map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        self.store.write(&path, &bytes)
    }

    pub(super) fn remove_underway(&self, channel: &str) -> Result<()> {
        let path = self.underway_path(channel);
        step("remove a message that is no longer under way");
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", &path)(error)),
            _ => Ok(()),
        }
    }

    fn underway_path(&self, channel: &str) -> PathBuf {
        self.directory.join(format!("{channel}{ENDING}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_a_server_may_ask_for_more() {
        let now: DateTime<Utc> = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut underway = Underway::of("web", vec!["a".to_owned()], now);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            underway.failed("down".to_owned(), None, now);
            pauses.push((underway.next_try.unwrap() - now).num_minutes());
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        for (asked, minutes) in [(7_200, 120), (60, 60), (1 << 40, 360)] {
            underway.failed("slow".to_owned(), Some(Duration::from_secs(asked)), now);
            assert_eq!((underway.next_try.unwrap() - now).num_minutes(), minutes, "{asked}");
        }
        assert!(!underway.is_due(now) && underway.is_due(now + TimeDelta::hours(6)));
        assert!(underway.is_due(now - TimeDelta::days(365)), "the clock was set back");
    }
}
