//! A heartbeat: a JSON or YAML mapping with `updated_at`, `requests` and `errors`, as `trainguard
//! heartbeat` writes it; any other file by the time at which it was written.

use super::{AgentFacts, Missing, Observation};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_yaml::Value;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// A beat is a few lines; what is larger is known by its time alone.
const SIZE_MAX: u64 = 64 * 1024;

/// A heartbeat as it was read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BeatFacts {
    /// The file.
    pub path: String,
    /// When it was written last, by its own word or else by the file's time.
    pub at: DateTime<Utc>,
    /// The time is the file's and not its own word.
    pub by_file: bool,
    /// What it counts, where it does.
    pub counts: Option<Counts>,
}

/// Counters that only grow while their writer lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Requests so far.
    pub requests: u64,
    /// Those that failed.
    pub errors: u64,
}

pub(super) fn read(path: &Path) -> Observation<AgentFacts> {
    let shown = path.display();
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let why = format!("there is no {shown}");
            return Observation::Known(AgentFacts::Missing { what: Missing::File, why });
        }
        Err(error) => return Observation::Failed { why: format!("{shown}: {error}") },
    };
    if !metadata.is_file() {
        return Observation::Failed { why: format!("{shown} is not a regular file") };
    }
    let modified: DateTime<Utc> = match metadata.modified() {
        Ok(modified) => modified.into(),
        Err(error) => return Observation::Failed { why: format!("{shown}: {error}") },
    };
    let mut text = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SIZE_MAX + 1).read_to_end(&mut text));
    if let Err(error) = read {
        return Observation::Failed { why: format!("{shown}: {error}") };
    }
    let document: Option<Value> =
        (text.len() as u64 <= SIZE_MAX).then(|| serde_yaml::from_slice(&text).ok()).flatten();
    let told = document.as_ref().and_then(|document| time(document.get("updated_at")?));
    Observation::Known(AgentFacts::Beat(BeatFacts {
        path: shown.to_string(),
        at: told.unwrap_or(modified),
        by_file: told.is_none(),
        counts: document.as_ref().and_then(counts),
    }))
}

/// RFC 3339, or seconds since 1970.
fn time(value: &Value) -> Option<DateTime<Utc>> {
    match value {
        Value::String(text) => text.trim().parse().ok(),
        Value::Number(number) => {
            let seconds = number.as_f64().filter(|seconds| seconds.is_finite())?;
            DateTime::from_timestamp_millis((seconds * 1000.0) as i64)
        }
        _ => None,
    }
}

fn counts(document: &Value) -> Option<Counts> {
    let count = |key: &str| document.get(key).and_then(Value::as_u64);
    Some(Counts { requests: count("requests")?, errors: count("errors").unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn beat(text: &str) -> BeatFacts {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        match read(file.path()) {
            Observation::Known(AgentFacts::Beat(beat)) => beat,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn json_yaml_and_seconds_say_when_and_anything_else_is_as_old_as_its_file() {
        let at: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        for text in [
            "{\"updated_at\": \"2026-01-02T03:04:05Z\"}",
            "updated_at: 2026-01-02T03:04:05Z\n",
            "updated_at: '2026-01-02T04:04:05+01:00'\n",
            "{\"updated_at\": 1767323045}",
        ] {
            let beat = beat(text);
            assert_eq!((beat.at, beat.by_file), (at, false), "{text}");
        }
        for text in ["", "ok", "{\"updated_at\": \"yesterday\"}", "{half", "- 1\n", "\0\u{1}"] {
            assert!(beat(text).by_file, "{text}");
        }
    }

    #[test]
    fn counters_are_whole_numbers_and_no_errors_are_none() {
        let counts = |text| beat(text).counts;
        assert_eq!(counts("{\"requests\": 7, \"errors\": 2}"), Some(Counts { requests: 7, errors: 2 }));
        assert_eq!(counts("requests: 7\n"), Some(Counts { requests: 7, errors: 0 }));
        assert_eq!(counts("requests: many\n"), None);
    }
}
