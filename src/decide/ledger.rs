//! What is open, what was open a moment ago, and how often each subject opened: the memory that
//! makes alerts changes and not repetitions. Bounded; part of a run's state.

use crate::finding::{
    Acknowledged, Claim, Evidence, Finding, Occurrence, Role, Scope, Severity, Standing, Subject,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most findings that one run keeps open: a patrol that opens more has one cause.
pub(crate) const OPEN_MAX: usize = 128;
/// Most resolved findings that are remembered for telling a reopening.
pub(crate) const RECENT_MAX: usize = 64;

/// Most places of hits that are remembered.
const PLACES_MAX: usize = 64;

/// A run's findings between patrols.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ledger {
    /// Open findings, in the order of opening.
    pub open: Vec<Open>,
    /// Resolved lately, for telling a reopening.
    pub(crate) recent: Vec<Recent>,
    /// How often each subject (with its attempt) opened: part of an alert's occasion.
    pub(crate) openings: BTreeMap<String, Openings>,
    /// How often a hit at the same place of the same content opened, the latest last: a run without
    /// time stamps that dies twice alike leaves the same bytes behind.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) places: Vec<(String, u32)>,
}

/// How often a subject opened.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Openings {
    /// The attempt, where the subject belongs to one: once it is past, the counter is not asked for again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) attempt: Option<u32>,
    /// Openings so far.
    pub(crate) number: u32,
}

/// An open finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    /// What it is about.
    pub subject: Subject,
    /// Attempt or surroundings.
    pub scope: Scope,
    /// The attempt in which it opened.
    pub attempt: u32,
    /// How bad it is now.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// What an expert would do next.
    pub advice: String,
    /// Facts behind it.
    pub evidence: Evidence,
    /// Its part in the story.
    pub role: Role,
    /// When it opened.
    pub since: DateTime<Utc>,
    /// When it was last read: the last patrol with hits, or that saw it where it has none.
    #[serde(default)]
    pub(crate) read: Option<DateTime<Utc>>,
    /// The later attempt that failed like the one in which it opened, and when that was seen: one
    /// story for people, and new for what is to be done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) again: Option<(u32, DateTime<Utc>)>,
    /// Hits in all, or patrols that saw it.
    pub count: u64,
    /// The first hit of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Occurrence>,
    /// What makes its alerts' ids its own.
    pub(crate) occasion: String,
    /// The highest severity that was told; `ok` while it waits for a roll-up.
    pub(crate) told: Severity,
    /// All severities as which it was told.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub(crate) told_as: Vec<Severity>,
    /// When it was last told.
    pub(crate) told_at: DateTime<Utc>,
    /// Reminders so far.
    pub(crate) reminders: u32,
    /// How often it reopened soon after it was resolved.
    #[serde(default)]
    pub(crate) reopened: u32,
    /// Since when a reopening waits for a roll-up.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) untold_since: Option<DateTime<Utc>>,
    /// An operator took it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged: Option<Acknowledged>,
}

/// A finding that was resolved a moment ago.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recent {
    /// The finding as it was.
    pub(crate) was: Open,
    /// When it ended.
    pub(crate) resolved: DateTime<Utc>,
    /// Since when it waits for a roll-up, where its last opening was not told.
    pub(crate) untold_since: Option<DateTime<Utc>>,
}

impl Ledger {
    /// The occasion of a hit in a log: its place, and its number where that opened before. A re-read
    /// after damage counts anew and gives the same.
    pub(crate) fn occasion(&mut self, place: String) -> String {
        let known = self.places.iter().position(|(known, _)| *known == place);
        let number = known.map_or(1, |index| self.places.remove(index).1 + 1);
        let occasion = if number == 1 { place.clone() } else { format!("{place}#{number}") };
        self.places.push((place, number));
        let excess = self.places.len().saturating_sub(PLACES_MAX);
        self.places.drain(..excess);
        occasion
    }

    /// The subjects of all open findings.
    pub fn subjects(&self) -> Vec<Subject> {
        self.open.iter().map(|open| open.subject.clone()).collect()
    }

    /// Takes open findings as known: all, or those of one syndrome. Returns how many there were.
    pub fn acknowledge(&mut self, syndrome: Option<&str>, word: &Acknowledged) -> usize {
        let matching =
            self.open.iter_mut().filter(|open| syndrome.is_none_or(|id| id == open.subject.syndrome));
        matching.map(|open| open.acknowledged = Some(word.clone())).count()
    }

    /// The worst severity that is open and not acknowledged.
    pub fn severity(&self, now: DateTime<Utc>) -> Severity {
        let counting = self.open.iter().filter(|open| !open.is_acknowledged(now));
        counting.map(|open| open.severity).max().unwrap_or_default()
    }
}

impl Open {
    /// Whether an operator's word is in effect.
    pub fn is_acknowledged(&self, now: DateTime<Utc>) -> bool {
        self.acknowledged.as_ref().is_some_and(|word| word.until.is_none_or(|until| now < until))
    }

    /// Notes that it was told as severe as it is now.
    pub(crate) fn note_told(&mut self, now: DateTime<Utc>) {
        self.told_at = now;
        if !self.told_as.contains(&self.severity) {
            self.told_as.push(self.severity);
        }
    }

    /// The key by which openings are counted.
    pub(crate) fn key(subject: &Subject, scope: Scope, attempt: u32) -> String {
        let of = subject.of.as_deref().unwrap_or("");
        match scope {
            Scope::Attempt => format!("{}/{}/{of}#{attempt}", subject.check, subject.syndrome),
            Scope::Surroundings => format!("{}/{}/{of}", subject.check, subject.syndrome),
        }
    }

    /// The finding as reports print it.
    pub(crate) fn finding(
        &self,
        run: &str,
        state: Standing,
        occurrences: Vec<Occurrence>,
        now: DateTime<Utc>,
    ) -> Finding {
        Finding {
            check: self.subject.check.clone(),
            syndrome: self.subject.syndrome.clone(),
            severity: self.severity,
            message: self.message.clone(),
            advice: self.advice.clone(),
            signature: format!("{run}/{}", Self::key(&self.subject, self.scope, self.attempt)),
            state,
            since: self.since,
            count: self.count,
            occurrences,
            first: self.first.clone(),
            evidence: self.evidence.clone(),
            role: self.role,
            acknowledged: self.is_acknowledged(now).then(|| self.acknowledged.clone()).flatten(),
        }
    }

    /// A claim that opens; nothing of it is told yet.
    pub(crate) fn new(claim: Claim, attempt: u32, occasion: String, now: DateTime<Utc>) -> Self {
        Self {
            subject: claim.subject,
            scope: claim.scope,
            attempt,
            severity: claim.severity,
            message: claim.message,
            advice: claim.advice,
            evidence: claim.evidence,
            role: claim.role,
            since: now,
            read: Some(now),
            again: None,
            count: claim.hits.max(1),
            first: claim.occurrences.into_iter().next(),
            occasion,
            told: Severity::Ok,
            told_as: Vec::new(),
            told_at: now,
            reminders: 0,
            reopened: 0,
            untold_since: None,
            acknowledged: None,
        }
    }

    /// Takes over what a claim says now. Hits add up; anything else counts the patrols that saw it.
    pub(crate) fn update(&mut self, claim: Claim, attempt: u32, now: DateTime<Utc>) {
        if claim.occasion.is_none() || claim.hits > 0 {
            self.read = Some(now);
        }
        if self.scope == Scope::Attempt && self.attempt != attempt {
            self.again = Some((attempt, now));
        }
        self.attempt = attempt;
        self.severity = claim.severity;
        self.message = claim.message;
        self.advice = claim.advice;
        self.evidence = claim.evidence;
        self.role = claim.role;
        self.count += if claim.occasion.is_some() { claim.hits } else { 1 };
    }
}
