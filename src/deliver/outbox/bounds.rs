//! What the outbox gives up, so that a receiver that never comes back fills no disk: the oldest and
//! least severe alerts beyond a number, a size or an age. What is given up is said, and named in
//! `outbox/dropped.json`.

use super::{Entry, Outbox, read_bytes};
use crate::error::{Error, Result};
use crate::finding::Severity;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::io;

/// Alerts that are kept: a busy machine's of some weeks, read in a fraction of a second.
const COUNT_MAX: usize = 2_000;
/// Bytes of alerts that are kept: ten times what so many amount to.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// A channel that is not mended in a holiday will not be, and older news help nobody.
const AGE_MAX: TimeDelta = TimeDelta::days(14);
/// Older than any training: one of two clocks was wrong, and nothing is given up for that.
const AGE_ABSURD: TimeDelta = TimeDelta::days(365);
/// Dropped alerts that are remembered.
const DROPPED_MAX: usize = 200;

/// An alert that was given up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dropped {
    /// Its id.
    pub id: String,
    /// When it was given up.
    pub at: DateTime<Utc>,
    /// Why.
    pub why: String,
    /// The channels that did not take it.
    pub channels: Vec<String>,
    /// When it was made.
    pub time: DateTime<Utc>,
    /// The run.
    pub run: String,
    /// How severe.
    pub severity: Severity,
    /// The syndrome.
    pub syndrome: String,
    /// One sentence.
    pub message: String,
}

/// Which of the entries (with their sizes, in order of time) go, and why.
fn excess(entries: &[(Entry, usize)], now: DateTime<Utc>) -> Vec<(usize, &'static str)> {
    let mut gone = Vec::new();
    let mut kept: Vec<usize> = Vec::new();
    for (index, (entry, _)) in entries.iter().enumerate() {
        let age = now - entry.alert.time;
        if age > AGE_MAX && age < AGE_ABSURD {
            gone.push((index, "older than 14 days"));
        } else {
            kept.push(index);
        }
    }
    let mut bytes: usize = kept.iter().map(|&index| entries[index].1).sum();
    let mut count = kept.len();
    // The least severe and oldest go first; the order of time is the list's.
    kept.sort_by_key(|&index| Reverse((entries[index].0.alert.severity, index)));
    while let Some(index) = kept.pop()
        && (count > COUNT_MAX || bytes > BYTES_MAX)
    {
        gone.push((index, if count > COUNT_MAX { "more than 2000 wait" } else { "more than 32 MiB wait" }));
        count -= 1;
        bytes -= entries[index].1;
    }
    gone
}

impl Outbox {
    /// Gives up what is beyond the bounds; returns what to say of it.
    pub(super) fn bound(
        &self,
        entries: Vec<(Entry, usize)>,
        now: DateTime<Utc>,
    ) -> Result<(Vec<Entry>, Vec<String>)> {
        let gone = excess(&entries, now);
        if gone.is_empty() {
            return Ok((entries.into_iter().map(|(entry, _)| entry).collect(), Vec::new()));
        }
        let dropped: Vec<Dropped> =
            gone.iter().map(|&(index, why)| Dropped::of(&entries[index].0, why, now)).collect();
        let mut all = self.dropped()?;
        all.extend_from_slice(&dropped);
        let excess = all.len().saturating_sub(DROPPED_MAX);
        all.drain(..excess);
        let path = self.directory.join("dropped.json");
        let bytes =
            serde_json::to_vec(&all).map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        // First the record, then the alerts: a kill in between names some twice.
        self.store.write(&path, &bytes)?;
        let ids: Vec<String> = dropped.iter().map(|dropped| dropped.id.clone()).collect();
        self.finish(&ids)?;
        let left = entries.into_iter().map(|(entry, _)| entry).filter(|entry| !ids.contains(&entry.alert.id));
        Ok((left.collect(), say(&dropped)))
    }

    /// What was given up, the latest last. A damaged list counts as empty.
    pub fn dropped(&self) -> Result<Vec<Dropped>> {
        let bytes = read_bytes(&self.directory.join("dropped.json"))?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
    }
}

impl Dropped {
    fn of(entry: &Entry, why: &str, now: DateTime<Utc>) -> Self {
        let alert = &entry.alert;
        let missed = entry.marks.iter().filter(|mark| mark.delivered.is_none());
        Self {
            id: alert.id.clone(),
            at: now,
            why: why.to_owned(),
            channels: missed.map(|mark| mark.to.channel.clone()).collect(),
            time: alert.time,
            run: alert.run.clone(),
            severity: alert.severity,
            syndrome: alert.syndrome.clone(),
            message: alert.message.clone(),
        }
    }
}

fn say(dropped: &[Dropped]) -> Vec<String> {
    let mut said: Vec<String> = Vec::new();
    let mut reasons: Vec<&str> = dropped.iter().map(|dropped| dropped.why.as_str()).collect();
    reasons.sort_unstable();
    reasons.dedup();
    for why in reasons {
        let these: Vec<_> = dropped.iter().filter(|dropped| dropped.why == why).collect();
        let worst = these.iter().max_by_key(|dropped| dropped.severity);
        let worst = worst.map_or_else(String::new, |worst| {
            format!("; the worst is {} {} {}", worst.severity, worst.run, worst.syndrome)
        });
        let count = these.len();
        said.push(format!(
            "{count} undelivered alerts were given up ({why}){worst}: `trainguard alerts` names them"
        ));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::super::tests::{alert, now, to};
    use super::super::{Mark, SCHEMA};
    use super::*;

    fn entries(count: u32, change: impl Fn(u32, &mut Entry)) -> Vec<(Entry, usize)> {
        let entry = |number| {
            let marks = to(&["web"]).into_iter().map(Mark::new).collect();
            let mut entry = Entry { schema: SCHEMA.to_owned(), alert: alert(number), mode: 0o600, marks };
            change(number, &mut entry);
            (entry, 1_000)
        };
        (0..count).map(entry).collect()
    }

    #[test]
    fn what_is_two_weeks_old_goes_and_what_a_wrong_clock_made_stays() {
        let days = [1, 13, 15, 364, 400, 20_000];
        let list = entries(6, |number, entry| {
            entry.alert.time = now() - TimeDelta::days(days[number as usize]);
        });
        let gone: Vec<usize> = excess(&list, now()).into_iter().map(|(index, _)| index).collect();
        assert_eq!(gone, [2, 3]);
    }

    #[test]
    fn of_too_many_the_least_severe_and_then_the_oldest_go() {
        let list = entries(2_003, |number, entry| {
            entry.alert.severity = if number == 7 { Severity::Info } else { Severity::Critical };
        });
        let gone = excess(&list, now() + TimeDelta::hours(1));
        assert_eq!(gone.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [7, 0, 1]);
        assert_eq!(gone[0].1, "more than 2000 wait");
    }

    #[test]
    fn what_is_too_large_in_all_goes_too() {
        let mut list = entries(40, |_, _| ());
        for (_, bytes) in &mut list {
            *bytes = 1024 * 1024;
        }
        let gone = excess(&list, now() + TimeDelta::hours(1));
        assert_eq!(gone.len(), 8);
        assert_eq!(gone[0], (0, "more than 32 MiB wait"));
    }
}
