//! One delivery: what is at hand first, then the channels elsewhere, each within its share of the time.

use super::{Delivery, Destination, Entry, Outbox, Underway, order};
use crate::deliver::{Channel, Message, Outcome, Reach};
use crate::error::{Result, chain};
use chrono::{DateTime, Utc};
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Refusals in a row after which a channel has no more of this delivery: it is not the alerts' fault.
const REFUSALS_MAX: u32 = 3;
/// Less than this is no time to send anything in.
const LEAST: Duration = Duration::from_millis(50);

/// A delivery, which may pass over the outbox several times.
pub(super) struct Round<'r, 'c> {
    outbox: &'r Outbox,
    channels: &'r mut [Box<dyn Channel + 'c>],
    now: DateTime<Utc>,
    until: Instant,
    /// Alerts that were seen.
    seen: HashSet<String>,
    /// Channels that have had their turn and failed.
    halted: HashSet<String>,
    delivery: Delivery,
}

/// What follows from one attempt.
#[derive(PartialEq)]
enum Next {
    GoOn,
    Refused,
    Stop,
}

impl<'r, 'c> Round<'r, 'c> {
    pub(super) fn new(
        outbox: &'r Outbox,
        channels: &'r mut [Box<dyn Channel + 'c>],
        now: DateTime<Utc>,
        until: Instant,
    ) -> Self {
        let (seen, halted) = (HashSet::new(), HashSet::new());
        Self { outbox, channels, now, until, seen, halted, delivery: Delivery::default() }
    }

    pub(super) fn has_seen(&self, id: &str) -> bool {
        self.seen.contains(id)
    }

    pub(super) fn end(self) -> Delivery {
        self.delivery
    }

    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|error| self.delivery.troubles.push(chain(&error))).ok()
    }

    /// One pass over what is there. A fault of one entry or channel holds up no other.
    pub(super) fn pass(&mut self) {
        let before = self.seen.clone();
        let Some(mut entries) = self.load() else { return };
        for entry in entries.iter_mut().filter(|entry| !before.contains(&entry.alert.id)) {
            for mark in 0..entry.marks.len() {
                self.send_here(entry, mark);
            }
        }
        self.finish(&mut entries);
        self.clear(&entries);
        let owed = |channel: &dyn Channel, entries: &[Entry]| {
            matches!(channel.reach(), Reach::Remote { .. })
                && entries.iter().any(|entry| entry.is_pending(channel.name()))
        };
        let mut left = self.channels.iter().filter(|channel| owed(channel.as_ref(), &entries)).count();
        for index in 0..self.channels.len() {
            if owed(self.channels[index].as_ref(), &entries) {
                let share = self.until.saturating_duration_since(Instant::now()) / left as u32;
                left -= 1;
                let until = Instant::now() + share;
                if let Err(error) = self.serve(index, until, &mut entries) {
                    self.delivery.troubles.push(chain(&error));
                }
            }
        }
    }

    /// What is there and was not delivered, in order; what is beyond the bounds is given up.
    fn load(&mut self) -> Option<Vec<Entry>> {
        let ids = self.outbox.list();
        let ids = self.note(ids)?;
        let delivered = self.outbox.delivered();
        let delivered: HashSet<String> = self.note(delivered)?.into_iter().collect();
        let mut entries = Vec::with_capacity(ids.len());
        for id in ids {
            let entry = self.outbox.read(&id);
            self.seen.insert(id.clone());
            let Some(entry) = self.note(entry).flatten() else { continue };
            if delivered.contains(&id) {
                // Whoever told it was killed before its file was removed.
                let removed = self.outbox.remove(&id);
                self.note(removed);
            } else {
                let bytes = self.outbox.entry(&id).metadata().map_or(0, |meta| meta.len() as usize);
                entries.push((entry, bytes));
            }
        }
        entries.sort_by(|(a, _), (b, _)| order(a).cmp(&order(b)));
        let bounded = self.outbox.bound(entries, self.now);
        let (entries, said) = self.note(bounded)?;
        self.delivery.dropped.extend(said);
        Some(entries)
    }

    /// Removes messages all of whose alerts are gone.
    fn clear(&mut self, entries: &[Entry]) {
        let underways = self.outbox.underways();
        for underway in self.note(underways).unwrap_or_default() {
            if parts(&underway, entries).is_empty() {
                let removed = self.outbox.remove_underway(&underway.channel);
                self.note(removed);
            }
        }
    }

    /// Sends to one destination at hand and notes the outcome before anything else is sent.
    fn send_here(&mut self, entry: &mut Entry, mark: usize) {
        let to = entry.marks[mark].to.clone();
        let mut channels = self.channels.iter_mut();
        let channel = channels.find(|channel| channel.name() == to.channel && channel.reach() == Reach::Here);
        let (Some(channel), true) = (channel, entry.marks[mark].is_pending()) else { return };
        let message = Message { id: &entry.alert.id, entries: vec![&*entry], to: &to };
        let outcome = channel.send(&message, self.until.saturating_duration_since(Instant::now()));
        match outcome {
            Outcome::Taken => entry.marks[mark].delivered = Some(self.now),
            Outcome::Retry { why, .. } | Outcome::Refused { why, .. } => {
                self.delivery.troubles.push(format!("channel {}: {why}", to.channel));
                entry.marks[mark].failures += 1;
                entry.marks[mark].error = Some(why);
            }
        }
        // The last mark needs no write of its own: the record of delivered alerts says as much.
        if !entry.is_done() {
            let written = self.outbox.write(entry);
            self.note(written);
        }
    }

    /// Takes out what every channel has taken.
    fn finish(&mut self, entries: &mut Vec<Entry>) {
        let done = entries.iter().filter(|entry| entry.is_done());
        let done: Vec<String> = done.map(|entry| entry.alert.id.clone()).collect();
        let finished = self.outbox.finish(&done);
        if self.note(finished).is_some() {
            entries.retain(|entry| !entry.is_done());
        }
    }

    /// Sends to one channel elsewhere what is due, message by message, until its time is up.
    fn serve(&mut self, index: usize, until: Instant, entries: &mut Vec<Entry>) -> Result<()> {
        let name = self.channels[index].name().to_owned();
        let (mut sent, mut refusals) = (0, 0);
        while !self.halted.contains(&name)
            && let Some(mut underway) = self.next(index, entries)?
            && underway.is_due(self.now)
        {
            let limit = until.saturating_duration_since(Instant::now());
            if limit < LEAST {
                self.halted.insert(name.clone());
                if sent == 0 {
                    let why = "no time was left for it in this invocation: see --timeout";
                    self.delivery.troubles.push(format!("channel {name}: {why}"));
                    underway.error = Some(why.to_owned());
                    self.outbox.write_underway(&underway)?;
                }
                break;
            }
            sent += 1;
            match self.send(index, underway, limit, entries)? {
                Next::GoOn => refusals = 0,
                Next::Refused if refusals + 1 < REFUSALS_MAX => refusals += 1,
                Next::Refused | Next::Stop => {
                    self.halted.insert(name.clone());
                }
            }
        }
        Ok(())
    }

    /// The message under way to a channel, or the next one, which is durable when this returns.
    fn next(&mut self, index: usize, entries: &mut Vec<Entry>) -> Result<Option<Underway>> {
        let channel = self.channels[index].name().to_owned();
        let Reach::Remote { most } = self.channels[index].reach() else { return Ok(None) };
        if let Some(underway) = self.outbox.underway(&channel)? {
            if underway.taken.is_some() {
                self.settle(&underway, entries)?;
            } else if parts(&underway, entries).len() == underway.alerts.len() {
                return Ok(Some(underway));
            } else {
                // Some of it was delivered or dropped: what is left is another message.
                self.outbox.remove_underway(&channel)?;
            }
        }
        let queue: Vec<&Entry> = entries.iter().filter(|entry| entry.is_pending(&channel)).collect();
        let underway = Underway::form(&channel, &queue, most, self.now);
        if let Some(underway) = &underway {
            self.outbox.write_underway(underway)?;
        }
        Ok(underway)
    }

    fn send(
        &mut self,
        index: usize,
        mut underway: Underway,
        limit: Duration,
        entries: &mut Vec<Entry>,
    ) -> Result<Next> {
        let channel = underway.channel.clone();
        let to = Destination { channel: channel.clone(), path: None };
        let message = Message { id: &underway.id, entries: parts(&underway, entries), to: &to };
        let outcome = self.channels[index].send(&message, limit);
        match outcome {
            Outcome::Taken => {
                underway.taken = Some(self.now);
                // The mark of a single one says it as well.
                if underway.alerts.len() > 1 {
                    self.outbox.write_underway(&underway)?;
                }
                self.settle(&underway, entries)?;
                Ok(Next::GoOn)
            }
            Outcome::Retry { why, after } => {
                self.delivery.troubles.push(format!("channel {channel}: {why}"));
                underway.failed(why, after, self.now);
                self.outbox.write_underway(&underway)?;
                Ok(Next::Stop)
            }
            Outcome::Refused { content: true, .. } if underway.alerts.len() > 1 => {
                self.outbox.write_underway(&underway.half(self.now))?;
                Ok(Next::GoOn)
            }
            Outcome::Refused { why, .. } => {
                self.delivery.troubles.push(format!("channel {channel}: refused for good: {why}"));
                let now = self.now;
                self.each(&underway, entries, |mark| {
                    mark.refused = Some(now);
                    mark.failures += 1;
                    mark.error = Some(why.clone());
                })?;
                self.outbox.remove_underway(&channel)?;
                Ok(Next::Refused)
            }
        }
    }

    /// Marks the alerts of a message that was taken.
    fn settle(&mut self, underway: &Underway, entries: &mut Vec<Entry>) -> Result<()> {
        let taken = underway.taken;
        self.each(underway, entries, |mark| {
            mark.delivered = taken;
            mark.error = None;
        })?;
        self.finish(entries);
        self.outbox.remove_underway(&underway.channel)
    }

    /// Changes the pending marks of a message's alerts. A mark that ends an entry is not written: the
    /// record of delivered alerts says as much.
    fn each(
        &mut self,
        underway: &Underway,
        entries: &mut [Entry],
        change: impl Fn(&mut super::Mark),
    ) -> Result<()> {
        for entry in entries.iter_mut().filter(|entry| underway.alerts.contains(&entry.alert.id)) {
            let marks = entry.marks.iter_mut();
            marks.filter(|mark| mark.to.channel == underway.channel && mark.is_pending()).for_each(&change);
            if !entry.is_done() {
                self.outbox.write(entry)?;
            }
        }
        Ok(())
    }
}

/// The alerts of a message that wait for it, in its order.
fn parts<'e>(underway: &Underway, entries: &'e [Entry]) -> Vec<&'e Entry> {
    let find = |id: &String| {
        entries.iter().find(|entry| entry.alert.id == *id && entry.is_pending(&underway.channel))
    };
    underway.alerts.iter().filter_map(find).collect()
}
