//! The life of a finding: it opens, stays, worsens, is recalled, and ends when somebody looked and
//! found it well, or when a new attempt of the run makes progress.

use super::alert::{self, Alert, Transition};
use super::ledger::{Ledger, OPEN_MAX, Open, RECENT_MAX, Recent};
use crate::finding::{Claim, Finding, Opinion, Scope, Severity, Standing};
use crate::playbook;
use chrono::{DateTime, TimeDelta, Utc};
use std::cmp::Reverse;
use std::time::Duration;

/// What deciding rests on besides opinions and ledger.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The run's name.
    pub run: &'a str,
    /// The state's lineage: a random id written when the state was first made.
    pub lineage: &'a str,
    /// The current attempt, from 1.
    pub attempt: u32,
    /// The current attempt has made progress: earlier attempts' troubles are over.
    pub progress: bool,
    /// The run's last step, for the alerts.
    pub step: Option<f64>,
    /// Wall time.
    pub now: DateTime<Utc>,
    /// An open finding is told again after this long; `None` is never.
    pub renotify: Option<Duration>,
    /// What opens again within this long of its resolution is not told alone.
    pub reopen_quiet: Duration,
    /// An operator ended the attempt: what opens after that is no reopening.
    pub ended_by_operator: bool,
}

/// What was decided.
#[derive(Debug, Clone, Default)]
pub struct Decision {
    /// All findings of this patrol, the headline first.
    pub findings: Vec<Finding>,
    /// What is to be told.
    pub alerts: Vec<Alert>,
    /// The worst finding that counts.
    pub severity: Severity,
}

/// Compares opinions with what is open; the ledger becomes the new one.
pub fn decide(opinions: Vec<Opinion>, ledger: &mut Ledger, rules: &Rules<'_>) -> Decision {
    let mut stage = Stage { rules, ledger, findings: Vec::new(), alerts: Vec::new(), seen: Vec::new() };
    stage.expire();
    let (claims, well): (Vec<_>, Vec<_>) =
        opinions.into_iter().partition(|opinion| matches!(opinion, Opinion::Holds(_)));
    for opinion in well {
        if let Opinion::Well(subject, why) = opinion {
            stage.resolve(&why, |open| {
                open.subject == subject
                    && (open.scope == Scope::Surroundings || open.attempt == rules.attempt)
            });
        }
    }
    if rules.progress {
        let why = format!("attempt {} of the run makes progress", rules.attempt);
        stage.resolve(&why, |open| open.scope == Scope::Attempt && open.attempt < rules.attempt);
    }
    for opinion in claims {
        if let Opinion::Holds(claim) = opinion {
            stage.hold(*claim);
        }
    }
    stage.carry_on();
    stage.remind();
    stage.roll_up();
    stage.finish()
}

struct Stage<'a> {
    rules: &'a Rules<'a>,
    ledger: &'a mut Ledger,
    findings: Vec<Finding>,
    alerts: Vec<Alert>,
    /// Keys of the open findings that a claim of this patrol confirmed or opened.
    seen: Vec<String>,
}

impl Stage<'_> {
    /// Forgets resolutions that are too old to make an opening a reopening, and counters that can
    /// never be asked for again.
    fn expire(&mut self) {
        let quiet = delta(self.rules.reopen_quiet);
        let now = self.rules.now;
        self.ledger.recent.retain(|recent| recent.untold_since.is_some() || now - recent.resolved <= quiet);
        self.ledger
            .openings
            .retain(|_, openings| openings.attempt.is_none_or(|attempt| attempt >= self.rules.attempt));
    }

    fn resolve(&mut self, why: &str, ends: impl Fn(&Open) -> bool) {
        let now = self.rules.now;
        let (over, open): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.ledger.open).into_iter().partition(|open| ends(open));
        self.ledger.open = open;
        for mut old in over {
            let was = old.message.clone();
            old.message = format!("{why} (it was: {was})");
            self.findings.push(old.finding(self.rules.run, Standing::Resolved, Vec::new(), now));
            let untold_since = old.untold_since.take();
            if untold_since.is_none() {
                let mut alert = self.alert(&old, Transition::Resolved, "");
                alert.severity = old.told;
                alert.told_as = old.told_as.iter().copied().filter(|told| *told != old.told).collect();
                self.alerts.push(alert);
            }
            self.ledger.recent.retain(|recent| recent.was.subject != old.subject);
            old.message = was;
            if !(self.rules.ended_by_operator && old.scope == Scope::Attempt) {
                self.ledger.recent.push(Recent { resolved: now, untold_since, was: old });
            }
        }
        let excess = self.ledger.recent.len().saturating_sub(RECENT_MAX);
        self.ledger.recent.drain(..excess);
    }

    fn hold(&mut self, claim: Claim) {
        let key = Open::key(&claim.subject, claim.scope, self.rules.attempt);
        let known = self
            .ledger
            .open
            .iter()
            .position(|open| Open::key(&open.subject, open.scope, open.attempt) == key)
            .or_else(|| {
                self.ledger
                    .open
                    .iter()
                    .position(|open| claim.scope == Scope::Attempt && open.subject == claim.subject)
            });
        match known {
            _ if claim.over => self.history(claim),
            Some(index) => self.still_holds(index, key, claim),
            None => self.opens(key, claim),
        }
    }

    /// What was over before this patrol read it: counted, never told.
    fn history(&mut self, mut claim: Claim) {
        claim.severity = Severity::Info;
        let occurrences = std::mem::take(&mut claim.occurrences);
        let open = Open::new(claim, self.rules.attempt, String::new(), self.rules.now);
        self.findings.push(open.finding(self.rules.run, Standing::History, occurrences, self.rules.now));
    }

    fn still_holds(&mut self, index: usize, key: String, claim: Claim) {
        let now = self.rules.now;
        let open = &mut self.ledger.open[index];
        let occurrences = claim.occurrences.clone();
        // An attempt that failed like the one before it without progress between them.
        open.update(claim, self.rules.attempt, now);
        let worsened = open.severity > open.told && open.told != Severity::Ok;
        if worsened {
            open.acknowledged = None;
            open.told = open.severity;
            open.note_told(now);
        }
        let open = open.clone();
        if worsened {
            let alert = self.alert(&open, Transition::Worsened, open.severity.word());
            self.alerts.push(alert);
        }
        self.findings.push(open.finding(self.rules.run, Standing::Ongoing, occurrences, now));
        self.seen.push(key);
    }

    fn opens(&mut self, key: String, mut claim: Claim) {
        let now = self.rules.now;
        let openings = self.ledger.openings.entry(key.clone()).or_default();
        openings.attempt = (claim.scope == Scope::Attempt).then_some(self.rules.attempt);
        openings.number += 1;
        let number = openings.number;
        let occasion = match claim.occasion.take() {
            Some(of_the_log) => self.ledger.occasion(of_the_log),
            None => format!("{}/{key}/{number}", self.rules.lineage),
        };
        let again = self.ledger.recent.iter().position(|recent| recent.was.subject == claim.subject);
        let before = again.map(|index| self.ledger.recent.remove(index));
        let occurrences = claim.occurrences.clone();
        let mut open = Open::new(claim, self.rules.attempt, occasion, now);
        if let Some(before) = before {
            open.reopened = before.was.reopened + 1;
            open.untold_since = Some(before.untold_since.unwrap_or(now));
        } else {
            open.told = open.severity;
            open.note_told(now);
        }
        self.findings.push(open.finding(self.rules.run, Standing::New, occurrences, now));
        self.seen.push(key);
        // Beyond the cap it is reported and counts for the exit code. It is not told: it would be at
        // every patrol, and those that were told are enough to bring somebody.
        if self.ledger.open.len() < OPEN_MAX {
            if open.told != Severity::Ok {
                let alert = self.alert(&open, Transition::Opened, "");
                self.alerts.push(alert);
            }
            self.ledger.open.push(open);
        }
    }

    /// What nobody mentioned stays as it was: not having looked is not being well.
    fn carry_on(&mut self) {
        for open in &self.ledger.open {
            let key = Open::key(&open.subject, open.scope, open.attempt);
            if !self.seen.contains(&key) {
                self.findings.push(open.finding(
                    self.rules.run,
                    Standing::Ongoing,
                    Vec::new(),
                    self.rules.now,
                ));
            }
        }
    }

    /// What is still so is recalled after a time, and when an acknowledgement has ended: whoever gave
    /// it for two hours wants to hear after two hours.
    fn remind(&mut self) {
        let now = self.rules.now;
        let after = self.rules.renotify.map(delta);
        let mut due = Vec::new();
        for open in &mut self.ledger.open {
            let ended = open.acknowledged.is_some() && !open.is_acknowledged(now);
            if ended {
                open.acknowledged = None;
            }
            let told = open.told >= Severity::Warning && open.severity >= Severity::Warning;
            let waited = after.is_some_and(|after| now - open.told_at >= after);
            if told && open.acknowledged.is_none() && (waited || ended) {
                open.note_told(now);
                open.reminders += 1;
                due.push((open.clone(), ended));
            }
        }
        for (open, ended) in due {
            let mut alert = self.alert(&open, Transition::Reminder, &open.reminders.to_string());
            let since = open.since.format("%Y-%m-%d %H:%M UTC");
            let ended = if ended { "the acknowledgement has ended; " } else { "" };
            alert.message = format!("{} ({ended}open since {since})", open.message);
            self.alerts.push(alert);
        }
    }

    /// Reopenings are told together with the next alert, or alone once they have waited for as long
    /// as makes an opening a reopening: a crash loop is one story, and a run that stays down is told.
    fn roll_up(&mut self) {
        let (now, quiet) = (self.rules.now, delta(self.rules.reopen_quiet));
        let waited = |since: &Option<DateTime<Utc>>| since.is_some_and(|since| now - since >= quiet);
        let due = !self.alerts.is_empty()
            || self.ledger.open.iter().any(|open| waited(&open.untold_since))
            || self.ledger.recent.iter().any(|recent| waited(&recent.untold_since));
        if !due {
            return;
        }
        let mut told = Vec::new();
        for open in &mut self.ledger.open {
            if !open.is_acknowledged(now)
                && let Some(since) = open.untold_since.take()
            {
                open.told = open.severity;
                open.note_told(now);
                told.push((open.clone(), since, Transition::Opened));
            }
        }
        for recent in &mut self.ledger.recent {
            if let Some(since) = recent.untold_since.take() {
                told.push((recent.was.clone(), since, Transition::Resolved));
            }
        }
        for (open, since, transition) in told {
            let mut alert = self.alert(&open, transition, "");
            let times = match open.reopened {
                1 => "came back once".to_owned(),
                times => {
                    format!("came back {times} times, the last untold since {}", since.format("%H:%M UTC"))
                }
            };
            let over = if transition == Transition::Resolved { "it is over again; " } else { "" };
            alert.message = format!("{over}{times}: {}", open.message);
            self.alerts.push(alert);
        }
    }

    fn alert(&self, open: &Open, transition: Transition, number: &str) -> Alert {
        let of = open.subject.of.as_deref().unwrap_or("");
        let parts = [
            self.rules.run,
            &open.subject.check,
            &open.subject.syndrome,
            of,
            transition.word(),
            number,
            &open.occasion,
        ];
        Alert {
            id: alert::id(&parts),
            time: self.rules.now,
            run: self.rules.run.to_owned(),
            transition,
            severity: open.severity,
            check: open.subject.check.clone(),
            syndrome: open.subject.syndrome.clone(),
            message: open.message.clone(),
            advice: open.advice.clone(),
            step: self.rules.step,
            occurrence: open.first.clone(),
            choices: Vec::new(),
            respond: String::new(),
            evidence: open.evidence.clone(),
            role: open.role,
            told_as: Vec::new(),
            order: 0,
        }
    }

    /// The headline comes first: what counts, then the worst, then causes before effects, then the earliest.
    fn finish(mut self) -> Decision {
        self.findings.sort_by_key(|finding| {
            let life = match finding.state {
                Standing::New | Standing::Ongoing => u8::from(finding.acknowledged.is_some()),
                Standing::Resolved => 2,
                Standing::History => 3,
            };
            // What is left keeps the order of the opinions: that of the story.
            let cause = (finding.role, playbook::precedence(&finding.syndrome));
            (life, Reverse(finding.severity), cause, finding.since)
        });
        let counting = self.findings.iter().filter(|finding| finding.counts());
        let severity = counting.map(|finding| finding.severity).max().unwrap_or_default();
        // A cause is told before its echo.
        self.alerts.sort_by_key(|alert| {
            (alert.role, Reverse(alert.severity), playbook::precedence(&alert.syndrome))
        });
        for (order, alert) in self.alerts.iter_mut().enumerate() {
            alert.order = order;
        }
        Decision { findings: self.findings, alerts: self.alerts, severity }
    }
}

fn delta(duration: Duration) -> TimeDelta {
    TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX)
}
