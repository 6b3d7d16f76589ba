//! `agent_health.yaml`: the state of all runs for agents and dashboards.
//!
//! Every string and key is double-quoted and every float has a dot, so that YAML 1.1 readers such
//! as PyYAML read the same values as YAML 1.2 readers. Several patrols write it, each its own
//! entries, under `agent_health.yaml.lock`; whoever writes marks entries that are past due.

use crate::error::{Error, Result};
use crate::persist::lock::Lock;
use crate::persist::step;
use crate::persist::store::Store;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::time::Duration;

const SCHEMA: &str = "trainguard/health/1";
/// Mode of a new health file, before the logs' own modes narrow it: agents of other users read it.
const FILE_MODE: u32 = 0o644;
/// What it tells of, in this order.
const SECTIONS: [&str; 4] = ["runs", "agents", "downloads", "environment"];
/// A file that is larger is not ours.
const SIZE_MAX: u64 = 64 * 1024 * 1024;

/// What one patrol has to say.
#[derive(Debug, Default)]
pub struct Update {
    /// Entries by run, as JSON objects with at least `status`, `updated_at` and `next_patrol_by`.
    pub runs: BTreeMap<String, Value>,
    /// Runs that could not be patrolled, with the reason.
    pub failed: Vec<(String, String)>,
    /// The runs of the whole config, where this was a full patrol of one: other entries are dropped.
    pub only: Option<Vec<String>>,
    /// What stands around the runs, by section.
    pub around: Vec<(&'static str, Part)>,
    /// Greatest mode that the quoted logs allow.
    pub mode: u32,
    /// Something new is told. Where nothing is, the file may come back a patrol older after a power cut.
    pub durable: bool,
}

/// What one patrol has to say in one section.
#[derive(Debug, Default)]
pub struct Part {
    /// Entries by name, as JSON objects with at least `status`, `updated_at` and `next_patrol_by`.
    pub entries: BTreeMap<String, Value>,
    /// Those that could not be patrolled, with the reason.
    pub failed: Vec<(String, String)>,
    /// All of the whole config, where this was a full patrol of one: other entries are dropped.
    pub only: Option<Vec<String>>,
}

impl Part {
    fn update(self, section: &mut Map<String, Value>, now: DateTime<Utc>) {
        if let Some(only) = &self.only {
            section.retain(|name, _| only.contains(name));
        }
        section.extend(self.entries);
        for (name, why) in &self.failed {
            fail(section, name, why, now);
        }
        section.iter_mut().for_each(|(_, entry)| mark_overdue(entry, now));
    }
}

/// What the health file says, while nobody else changes it.
pub struct Written {
    /// The entries by run.
    pub runs: Map<String, Value>,
    _lock: Lock,
}

/// Writes the entries into the health file; no other patrol's entry is lost.
pub fn write(
    store: &Store,
    path: &Path,
    update: Update,
    now: DateTime<Utc>,
    wait: Duration,
) -> Result<Written> {
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        step("make the health file's directory");
        std::fs::create_dir_all(parent).map_err(Error::io("create the directory", parent))?;
    }
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let lock = Lock::acquire(Path::new(&lock), wait)?;
    let old = read(path)?;
    let narrowest = std::fs::symlink_metadata(path).map_or(FILE_MODE, |meta| {
        use std::os::unix::fs::PermissionsExt;
        meta.permissions().mode() & 0o777
    });
    let runs = Part { entries: update.runs, failed: update.failed, only: update.only };
    let mut parts = vec![("runs", runs)];
    parts.extend(update.around);
    let sections = SECTIONS.map(|name| {
        let mut section = old.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
        let part = parts.iter().position(|(of, _)| *of == name).map(|index| parts.swap_remove(index).1);
        part.unwrap_or_default().update(&mut section, now);
        (name, section)
    });
    let text = render(&document(&sections, now));
    let mode = narrowest & update.mode & FILE_MODE | 0o600;
    store.write_with_mode(path, text.as_bytes(), mode, update.durable)?;
    let [(_, runs), ..] = sections;
    Ok(Written { runs, _lock: lock })
}

/// Present entries. A file that does not parse holds nothing worth keeping, for every patrol writes
/// its entry anew; one that cannot be read may hold others' entries, and stays.
fn read(path: &Path) -> Result<Value> {
    let text = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Value::Null),
        Err(error) => return Err(Error::io("look at", path)(error)),
        Ok(meta) if !meta.is_file() || meta.len() > SIZE_MAX => {
            let why = io::Error::new(
                io::ErrorKind::InvalidData,
                "it is no health file: move it away, or name another with --health-file",
            );
            return Err(Error::io("replace", path)(why));
        }
        Ok(_) => std::fs::read(path).map_err(Error::io("read", path))?,
    };
    Ok(serde_yaml::from_slice(&text).unwrap_or_default())
}

/// Notes that a run could not be patrolled: what is known of it stays.
fn fail(runs: &mut Map<String, Value>, run: &str, why: &str, now: DateTime<Utc>) {
    let entry = runs.entry(run).or_insert_with(|| Value::Object(Map::new()));
    if !entry.is_object() {
        *entry = Value::Object(Map::new());
    }
    let Some(entry) = entry.as_object_mut() else { return };
    let known = entry.get("status").and_then(Value::as_str).unwrap_or("OK");
    let status = if rank(known) > rank("UNKNOWN") { known } else { "UNKNOWN" }.to_owned();
    entry.insert("status".to_owned(), status.into());
    entry.insert("error".to_owned(), why.into());
    entry.entry("updated_at").or_insert_with(|| stamp(now).into());
}

fn mark_overdue(entry: &mut Value, now: DateTime<Utc>) {
    let finished = is_over(entry);
    let due = time(entry, "next_patrol_by");
    if finished || due.is_none_or(|due| due >= now) {
        return;
    }
    let since = entry.get("updated_at").and_then(Value::as_str).unwrap_or("an unknown time").to_owned();
    if let Some(entry) = entry.as_object_mut() {
        entry.insert("status".to_owned(), "UNKNOWN".into());
        entry.insert("overdue".to_owned(), format!("not patrolled since {since}").into());
    }
}

/// Whether no further patrol of the run is waited for. A failed one may be restarted.
fn is_over(entry: &Value) -> bool {
    matches!(entry.get("phase").and_then(Value::as_str), Some("finished" | "stopped" | "ended"))
}

fn time(entry: &Value, key: &str) -> Option<DateTime<Utc>> {
    entry.get(key)?.as_str()?.parse().ok()
}

fn document(sections: &[(&str, Map<String, Value>)], now: DateTime<Utc>) -> Value {
    let entries = || sections.iter().flat_map(|(_, section)| section.values());
    let worst = entries()
        .filter_map(|entry| entry.get("status")?.as_str())
        .max_by_key(|status| rank(status))
        .unwrap_or("OK");
    let unfinished = entries().filter(|entry| !is_over(entry));
    let next = unfinished.filter_map(|entry| time(entry, "next_patrol_by")).min();
    let mut document = Map::new();
    document.insert("schema".to_owned(), SCHEMA.into());
    document.insert("status".to_owned(), worst.into());
    document.insert("updated_at".to_owned(), stamp(now).into());
    document.insert("next_patrol_by".to_owned(), next.map(stamp).into());
    for (name, section) in sections {
        document.insert((*name).to_owned(), Value::Object(section.clone()));
    }
    Value::Object(document)
}

fn rank(status: &str) -> u8 {
    match status {
        "OK" => 0,
        "WARNING" => 1,
        "UNKNOWN" => 2,
        _ => 3,
    }
}

/// A time as the health file and the reports write it.
pub fn stamp(time: DateTime<Utc>) -> String {
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// YAML that readers of 1.1 and 1.2 agree on.
fn render(document: &Value) -> String {
    let mut text = String::new();
    node(&mut text, document, 0);
    text
}

fn node(text: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let _ = write!(text, "{indent}{}:", quoted(key));
                child(text, value, depth);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for value in list {
                let _ = write!(text, "{indent}-");
                child(text, value, depth);
            }
        }
        leaf => {
            let _ = writeln!(text, "{indent}{}", scalar(leaf));
        }
    }
}

fn child(text: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            text.push('\n');
            node(text, value, depth + 1);
        }
        Value::Array(list) if !list.is_empty() => {
            text.push('\n');
            node(text, value, depth + 1);
        }
        leaf => {
            let _ = writeln!(text, " {}", scalar(leaf));
        }
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => match number.as_f64() {
            Some(value) if number.is_f64() => float(value),
            _ => number.to_string(),
        },
        Value::String(text) => quoted(text),
        Value::Array(_) => "[]".to_owned(),
        Value::Object(_) => "{}".to_owned(),
    }
}

/// A float that YAML 1.1 takes for one: with a dot, and a signed exponent.
fn float(value: f64) -> String {
    let text = format!("{value:?}");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let digits = if digits.contains('.') { digits.to_owned() } else { format!("{digits}.0") };
            let sign = if exponent.starts_with('-') { "" } else { "+" };
            format!("{digits}e{sign}{exponent}")
        }
    }
}

/// A double-quoted string; whatever YAML 1.1 does not print or would fold is escaped.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            ' '..='~'
            | '\u{a0}'..='\u{2027}'
            | '\u{202a}'..='\u{d7ff}'
            | '\u{e000}'..='\u{fefe}'
            | '\u{ff00}'..='\u{fffd}'
            | '\u{10000}'.. => quoted.push(c),
            other => {
                let _ = write!(quoted, "\\u{:04x}", other as u32);
            }
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn floats_have_a_dot_and_a_signed_exponent() {
        assert_eq!(float(1e-7), "1.0e-7");
        assert_eq!(float(2.5e21), "2.5e+21");
        assert_eq!(float(2.0), "2.0");
    }

    #[test]
    fn strings_that_yaml_1_1_takes_for_other_types_stay_strings() {
        let text = render(
            &json!({"no": ["on", "12:30", "2026-01-01", "!tag", "\u{85}\u{7f}é"], "empty": {}, "none": null}),
        );
        let back: Value = serde_yaml::from_str(&text).unwrap();
        assert_eq!(back["no"], json!(["on", "12:30", "2026-01-01", "!tag", "\u{85}\u{7f}é"]), "{text}");
        assert!(text.contains("\\u0085\\u007f"), "{text}");
    }

    #[test]
    fn an_entry_past_due_is_unknown_unless_its_run_has_finished() {
        let now = "2026-01-02T00:00:00Z".parse().unwrap();
        let mut entry = json!({"status": "OK", "phase": "patrol", "updated_at": "2026-01-01T00:00:00Z", "next_patrol_by": "2026-01-01T01:00:00Z"});
        mark_overdue(&mut entry, now);
        assert_eq!(entry["status"], "UNKNOWN");
        assert_eq!(entry["overdue"], "not patrolled since 2026-01-01T00:00:00Z");
        let mut done = json!({"status": "OK", "phase": "finished", "next_patrol_by": "2026-01-01T01:00:00Z"});
        mark_overdue(&mut done, now);
        assert_eq!(done["status"], "OK");
    }
}
