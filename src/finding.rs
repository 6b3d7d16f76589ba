//! The nouns that every stage shares: how bad something is, and what was found.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// How bad it is. The order is the exit code's order of precedence:
/// critical beats unknown beats warning beats info beats ok.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing to say.
    #[default]
    Ok,
    /// Worth a line, no action.
    Info,
    /// Look at it today.
    Warning,
    /// It could not look; never the same as well.
    Unknown,
    /// Look at it now.
    Critical,
}

impl Severity {
    /// The exit code of the Nagios plugin convention.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Ok | Self::Info => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// The word in upper case, as the first line and the health file print it. `info` counts as OK there.
    pub fn status_word(self) -> &'static str {
        match self {
            Self::Ok | Self::Info => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// The word in lower case, as config and JSON write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Unknown => "unknown",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Facts that support an opinion, by name. Names carry their unit (`free_bytes`, `age_s`).
pub type Evidence = BTreeMap<String, serde_json::Value>;

/// What part a finding plays in the story of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A cause.
    #[default]
    Root,
    /// An effect of something that happened before.
    Cascade,
    /// Says only that something else is true.
    Confirmation,
}

/// Where in a log something stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Occurrence {
    /// The log file.
    pub file: String,
    /// 1-based; only `\n` counts.
    pub line: u64,
    /// Byte offset of the record's start in the file.
    pub offset: u64,
    /// The step of the last row before it, as printed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub step: Option<f64>,
    /// At most 300 bytes around the hit, without control characters and escape sequences.
    pub text: String,
}

/// Whether a finding belongs to one attempt of the run or to what surrounds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// From log, process and numbers: a new attempt that makes progress ends it.
    Attempt,
    /// Disk, memory, GPU, agents, config, delivery: attempts do not touch it.
    Surroundings,
}

/// What an opinion is about: the key by which it opens, stays and resolves.
/// With the run's name (and the attempt, where the scope says so) it makes the signature.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Subject {
    /// The check that has the opinion.
    pub check: String,
    /// The contract's id of what is wrong.
    pub syndrome: String,
    /// The GPU, path or rank group, where one syndrome can hold for several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub of: Option<String>,
}

impl Subject {
    /// A subject without a GPU, path or rank group.
    pub fn new(check: &str, syndrome: &str) -> Self {
        Self { check: check.to_owned(), syndrome: syndrome.to_owned(), of: None }
    }

    /// The same subject for one GPU, path or rank group.
    #[must_use]
    pub fn of(mut self, what: impl Into<String>) -> Self {
        self.of = Some(what.into());
        self
    }
}

/// What a check says of one subject. A subject that no opinion mentions keeps the state it had:
/// not having looked is not the same as being well.
#[derive(Debug, Clone)]
pub enum Opinion {
    /// It holds now.
    Holds(Box<Claim>),
    /// It was looked at and does not hold (any more), for the reason given.
    Well(Subject, String),
}

/// A check's opinion that something is wrong.
#[derive(Debug, Clone)]
pub struct Claim {
    /// What it is about.
    pub subject: Subject,
    /// Attempt or surroundings.
    pub scope: Scope,
    /// How bad.
    pub severity: Severity,
    /// One sentence: what, where, since when.
    pub message: String,
    /// What an expert would do next.
    pub advice: String,
    /// Facts behind it.
    pub evidence: Evidence,
    /// Its part in the story.
    pub role: Role,
    /// For a hit in a log: the file's head hash and the offset of the first occurrence, so that a
    /// re-read after damage gives the same alert id. `None` for anything else.
    pub occasion: Option<String>,
    /// Hits that this invocation read: the first 20.
    pub occurrences: Vec<Occurrence>,
    /// All hits that this invocation read.
    pub hits: u64,
    /// Over before this patrol read it: it becomes history and is never alerted.
    pub over: bool,
}

impl Claim {
    /// A claim with its sentence and advice and nothing else; the builder methods add the rest.
    pub fn new(
        subject: Subject,
        scope: Scope,
        severity: Severity,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            subject,
            scope,
            severity,
            message: message.into(),
            advice: advice.into(),
            evidence: Evidence::new(),
            role: Role::Root,
            occasion: None,
            occurrences: Vec::new(),
            hits: 0,
            over: false,
        }
    }

    /// Adds one fact.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<serde_json::Value>) -> Self {
        self.evidence.insert(name.to_owned(), value.into());
        self
    }

    /// As an opinion.
    pub fn holds(self) -> Opinion {
        Opinion::Holds(Box::new(self))
    }
}

/// Where a finding stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// Opened by this invocation.
    New,
    /// Open since an earlier one.
    Ongoing,
    /// Was open and is over.
    Resolved,
    /// Was over before it was read.
    History,
}

/// An opinion with its life: what reports print.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// The check that found it.
    pub check: String,
    /// The contract's id of what is wrong.
    pub syndrome: String,
    /// How bad.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// What an expert would do next.
    pub advice: String,
    /// Stable while it is the same trouble: run, check, syndrome, subject, attempt.
    pub signature: String,
    /// Where it stands in its life.
    pub state: Standing,
    /// When it opened.
    pub since: DateTime<Utc>,
    /// Hits in all, for a finding from a log; else patrols that saw it.
    pub count: u64,
    /// Hits that this invocation read: the first 20.
    pub occurrences: Vec<Occurrence>,
    /// The first hit of all, where it came from a log: it says where to look when this invocation
    /// read nothing new.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub first: Option<Occurrence>,
    /// Facts behind it.
    pub evidence: Evidence,
    /// Its part in the story.
    pub role: Role,
    /// Set when somebody took it: it stays visible and does not count for the exit code.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub acknowledged: Option<Acknowledged>,
}

impl Finding {
    /// Whether it counts for the exit code.
    pub fn counts(&self) -> bool {
        matches!(self.state, Standing::New | Standing::Ongoing) && self.acknowledged.is_none()
    }
}

/// An operator's word that a finding is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When.
    pub at: DateTime<Utc>,
    /// Until when; `None` is for good.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<DateTime<Utc>>,
    /// Why, in the operator's words.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}
