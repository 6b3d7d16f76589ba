//! A message as every channel elsewhere tells it: redacted, without control characters, one line per
//! text. What a target takes for markup is the target's own to escape.

use super::Message;
use super::text::one_line;
use crate::decide::{Alert, Transition};
use crate::finding::Severity;
use crate::judge::say::plain;
use crate::redact::Redactor;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Facts and last lines that stand in a text for people.
const FACTS_MAX: usize = 8;
const LINES_MAX: usize = 5;
/// Facts that the place says already.
const IN_PLACE: &[&str] = &["file", "line", "offset"];
/// Characters of a line for one of several alerts.
const LINE_CHARS: usize = 200;
/// What stands where something was cut.
pub const CUT: &str = "… [cut]";

/// An alert on its way out.
#[derive(Debug, Clone)]
pub struct Told {
    /// Its id.
    pub id: String,
    /// When.
    pub time: DateTime<Utc>,
    /// The run.
    pub run: String,
    /// What changed.
    pub transition: Transition,
    /// How severe.
    pub severity: Severity,
    /// The check.
    pub check: String,
    /// What is wrong.
    pub syndrome: String,
    /// One sentence.
    pub message: String,
    /// What to do next; nothing for what is over.
    pub advice: String,
    /// The run's last step.
    pub step: Option<f64>,
    /// File and line of the first occurrence.
    pub place: Option<String>,
    /// What stands there.
    pub line: Option<String>,
    /// Facts.
    pub evidence: Map<String, Value>,
}

/// A message on its way out.
#[derive(Debug, Clone)]
pub struct Bulletin {
    /// Its key.
    pub id: String,
    /// The machine.
    pub host: String,
    /// Its alerts, in order of time; at least one.
    pub told: Vec<Told>,
    /// The one that stands for all: the worst, and of those the first. What is over is not the worst.
    head: usize,
}

impl Told {
    fn new(alert: &Alert, redactor: &Redactor) -> Self {
        let clean = |text: &str| one_line(&redactor.redact(text));
        let over = alert.transition == Transition::Resolved;
        let place = alert.occurrence.as_ref().map(|at| format!("{}:{}", clean(&at.file), at.line));
        let evidence = alert.evidence.iter();
        Self {
            id: alert.id.clone(),
            time: alert.time,
            run: clean(&alert.run),
            transition: alert.transition,
            severity: alert.severity,
            check: alert.check.clone(),
            syndrome: clean(&alert.syndrome),
            message: clean(&alert.message),
            advice: if over { String::new() } else { clean(&alert.advice) },
            step: alert.step,
            place,
            line: alert.occurrence.as_ref().map(|at| clean(&at.text)),
            evidence: evidence.map(|(name, value)| (clean(name), cleaned(value, &clean))).collect(),
        }
    }

    /// The word that stands first.
    pub fn word(&self) -> String {
        match self.transition {
            Transition::Resolved => "RESOLVED".to_owned(),
            _ => self.severity.word().to_uppercase(),
        }
    }

    /// Red, yellow, violet, blue, and green for what is over.
    pub fn color(&self) -> u32 {
        match (self.transition, self.severity) {
            (Transition::Resolved, _) | (_, Severity::Ok) => 0x2e_7d32,
            (_, Severity::Critical) => 0xd3_2f2f,
            (_, Severity::Warning) => 0xf9_a825,
            (_, Severity::Unknown) => 0x7b_1fa2,
            (_, Severity::Info) => 0x19_76d2,
        }
    }

    /// The severity as pagers know it.
    pub fn level(&self) -> &'static str {
        match self.severity {
            Severity::Critical => "critical",
            Severity::Unknown => "error",
            Severity::Warning => "warning",
            Severity::Info | Severity::Ok => "info",
        }
    }

    /// Whether it still holds: `firing`, or `resolved`, as alert managers say.
    pub fn status(&self) -> &'static str {
        if self.transition == Transition::Resolved { "resolved" } else { "firing" }
    }

    fn title(&self) -> String {
        let step = self.step.map_or_else(String::new, |step| format!(" step {}", plain(step)));
        let change = match self.transition {
            Transition::Resolved => String::new(),
            other => format!(" {}", other.word()),
        };
        format!("{} {}{step}: {}{change}", self.word(), self.run, self.syndrome)
    }

    /// Everything in one line, for a list.
    pub fn in_a_line(&self) -> String {
        let time = self.time.format("%m-%d %H:%M UTC");
        let change = self.transition.word();
        let text =
            format!("{time} {} {} {change} {}: {}", self.word(), self.run, self.syndrome, self.message);
        cut(&text, LINE_CHARS)
    }

    /// Facts that say something by themselves: numbers, words.
    pub fn facts(&self) -> Vec<(String, String)> {
        let scalar = |(name, value): (&String, &Value)| {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(_) | Value::Bool(_) => value.to_string(),
                _ => return None,
            };
            (!text.is_empty()).then(|| (name.clone(), text))
        };
        let said = |(name, _): &(&String, &Value)| !IN_PLACE.contains(&name.as_str());
        self.evidence.iter().filter(said).filter_map(scalar).take(FACTS_MAX).collect()
    }

    /// What the log says there: the first occurrence, or its last lines.
    pub fn quotes(&self) -> Vec<String> {
        if let (Some(place), Some(line)) = (&self.place, &self.line) {
            return vec![format!("{place} | {line}")];
        }
        let lines = self.evidence.get("last_lines").and_then(Value::as_array);
        let lines = lines.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let lines: Vec<String> = lines.collect();
        lines[lines.len().saturating_sub(LINES_MAX)..].to_vec()
    }

    /// As an object for programs.
    pub fn object(&self) -> Value {
        json!({
            "id": self.id,
            "time": stamp(self.time),
            "run": self.run,
            "transition": self.transition.word(),
            "status": self.status(),
            "severity": self.severity.word(),
            "check": self.check,
            "syndrome": self.syndrome,
            "message": self.message,
            "advice": self.advice,
            "step": self.step,
            "place": self.place,
            "line": self.line,
            "evidence": self.evidence,
        })
    }
}

impl Bulletin {
    /// Makes a message ready to leave.
    pub fn new(message: &Message<'_>, redactor: &Redactor, host: &str) -> Self {
        let told: Vec<Told> = message.entries.iter().map(|entry| Told::new(&entry.alert, redactor)).collect();
        let rank = |told: &Told| (told.transition != Transition::Resolved, told.severity);
        let mut head = 0;
        for (index, next) in told.iter().enumerate() {
            if rank(next) > rank(&told[head]) {
                head = index;
            }
        }
        Self { id: message.id.to_owned(), host: host.to_owned(), told, head }
    }

    /// The alert that stands for all.
    pub fn head(&self) -> &Told {
        &self.told[self.head]
    }

    /// Whether it holds several.
    pub fn is_rolled_up(&self) -> bool {
        self.told.len() > 1
    }

    /// The first line.
    pub fn title(&self) -> String {
        let head = self.head();
        if !self.is_rolled_up() {
            return head.title();
        }
        let mut runs: Vec<&str> = self.told.iter().map(|told| told.run.as_str()).collect();
        runs.sort_unstable();
        runs.dedup();
        let of = if runs.len() == 1 { String::new() } else { format!(" of {} runs", runs.len()) };
        format!("{} alerts{of}, first of all: {}", self.told.len(), head.title())
    }

    /// All of it as plain text, the title apart.
    pub fn text(&self) -> String {
        let mut lines = Vec::new();
        if self.is_rolled_up() {
            lines.extend(self.told.iter().map(Told::in_a_line));
            return lines.join("\n");
        }
        let head = self.head();
        lines.push(head.message.clone());
        lines.extend(head.quotes().into_iter().map(|line| format!("  {line}")));
        if !head.advice.is_empty() {
            lines.push(format!("next: {}", head.advice));
        }
        let mut facts = String::new();
        for (name, value) in head.facts() {
            let comma = if facts.is_empty() { "" } else { ", " };
            let _ = write!(facts, "{comma}{name} {value}");
        }
        if !facts.is_empty() {
            lines.push(facts);
        }
        lines.join("\n")
    }

    /// Who says so, and where to look it up.
    pub fn footer(&self) -> String {
        format!("trainguard on {} · {}", self.host, self.id)
    }

    /// A field of a template.
    pub fn field(&self, name: &str) -> Value {
        let head = self.head();
        match name {
            "action" => if head.status() == "resolved" { "resolve" } else { "trigger" }.into(),
            "advice" => head.advice.as_str().into(),
            "alerts" => self.told.iter().map(Told::object).collect(),
            "check" => head.check.as_str().into(),
            "color" => format!("#{:06x}", head.color()).into(),
            "count" => self.told.len().into(),
            "evidence" => head.evidence.clone().into(),
            "host" => self.host.as_str().into(),
            "id" => self.id.as_str().into(),
            "level" => head.level().into(),
            "line" => head.line.clone().into(),
            "message" => head.message.as_str().into(),
            "place" => head.place.clone().into(),
            "run" => head.run.as_str().into(),
            "severity" => head.severity.word().into(),
            "status" => head.status().into(),
            "step" => head.step.into(),
            "syndrome" => head.syndrome.as_str().into(),
            "text" => self.text().into(),
            "time" => stamp(head.time).into(),
            "title" => self.title().into(),
            "transition" => head.transition.word().into(),
            _ => Value::Null,
        }
    }

    /// All of it as one object for programs: `trainguard/message/1`.
    pub fn object(&self) -> Value {
        let mut object = Map::new();
        object.insert("schema".to_owned(), "trainguard/message/1".into());
        let fields = [
            "id",
            "time",
            "host",
            "title",
            "text",
            "color",
            "status",
            "severity",
            "run",
            "transition",
            "check",
            "syndrome",
            "message",
            "advice",
            "step",
            "place",
            "line",
            "evidence",
            "count",
            "alerts",
        ];
        for name in fields {
            object.insert(name.to_owned(), self.field(name));
        }
        Value::Object(object)
    }

    /// [`Self::object`] as text in which nothing is markup, whoever forwards it.
    pub fn json(&self) -> String {
        inert(&self.object())
    }
}

/// JSON without `<`, `>` and `&`, which stand in strings alone and are written as escapes.
pub fn inert(value: &Value) -> String {
    value.to_string().replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026")
}

/// At most so many characters, and the cut is said.
pub fn cut(text: &str, chars: usize) -> String {
    if text.chars().count() <= chars {
        return text.to_owned();
    }
    let kept = chars.saturating_sub(CUT.chars().count());
    text.chars().take(kept).chain(CUT.chars()).collect()
}

/// The text, escaped character by character, in at most so many UTF-16 units, as the services count.
/// No escape is cut in two, and the cut is said.
pub fn escaped(text: &str, units: usize, escape: impl Fn(char, &mut String)) -> String {
    let room = units.saturating_sub(CUT.encode_utf16().count());
    let (mut out, mut fits, mut count) = (String::new(), 0, 0);
    for letter in text.chars() {
        let before = out.len();
        escape(letter, &mut out);
        count += out[before..].encode_utf16().count();
        if count <= room {
            fits = out.len();
        }
        if count > units {
            out.truncate(fits);
            return out + CUT;
        }
    }
    out
}

fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn cleaned(value: &Value, clean: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(clean(text)),
        Value::Array(list) => list.iter().map(|item| cleaned(item, clean)).collect(),
        Value::Object(map) => map.iter().map(|(name, value)| (clean(name), cleaned(value, clean))).collect(),
        other => other.clone(),
    }
}
