//! Python tracebacks, followed from record to record down to the exception's own line. Part of a
//! file's memory, so that one that is split between two reads is one all the same.

use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// A traceback whose exception has not been printed yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Trace {
    /// What stands in front of each of its records: `[rank1]: `.
    #[serde(skip_serializing_if = "String::is_empty")]
    prefix: String,
    /// The innermost frame of the user's own code: `train.py:354 in main`.
    #[serde(skip_serializing_if = "String::is_empty")]
    frame: String,
    /// Records since its header.
    records: u32,
    /// It is an effect of another exception that was printed before it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) chained: bool,
    /// It was told while it was unfinished.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) told: bool,
}

/// What a record is to an open traceback.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Then {
    /// A frame, a line of code, or another rank's record.
    GoesOn,
    /// The exception's line: its text, with the innermost frame of the user's own code.
    Exception(String),
    /// Too long without an exception: forget it.
    Lost,
}

/// A deep recursion prints some 1,000 frames of two records; beyond it the end was lost.
const RECORDS: u32 = 3000;
/// Longest prefix and frame that are kept, bytes.
const PREFIX: usize = 48;
const FRAME: usize = 120;
/// Longest exception text that is quoted, bytes.
const TEXT: usize = 300;

impl Trace {
    /// The traceback that begins with `header` at the given place of the record. `None` where the
    /// words before it say that it is told for information only.
    pub(crate) fn begin(record: &[u8], header: usize, chained: bool) -> Option<Self> {
        const TOLD_ONLY: [&str; 6] = ["WARNING", "WARN", "INFO", "DEBUG", "warning:", "Warning"];
        let before = String::from_utf8_lossy(&record[..header]).into_owned();
        if TOLD_ONLY.iter().any(|level| before.contains(level)) {
            return None;
        }
        // A record glued behind a progress bar has no prefix that the next ones share.
        let prefix = if before.len() <= PREFIX
            && !before.contains("it/s")
            && !before.contains('|')
            && !before.ends_with(|letter: char| letter.is_alphanumeric())
        {
            before.trim_end_matches('<').to_owned()
        } else {
            String::new()
        };
        let prefix = if prefix.contains("it]") || prefix.contains('<') { String::new() } else { prefix };
        Some(Self { prefix, chained, ..Self::default() })
    }

    /// Takes the next record.
    pub(crate) fn next(&mut self, record: &[u8]) -> Then {
        self.records += 1;
        if self.records > RECORDS {
            return Then::Lost;
        }
        let prefix = self.prefix.trim_end();
        let Some(text) = record.strip_prefix(prefix.as_bytes()) else {
            return Then::GoesOn;
        };
        let text = if prefix.is_empty() { text } else { text.strip_prefix(b" ").unwrap_or(text) };
        if let Some(frame) = frame(text) {
            if self.frame.is_empty() || !is_library(&frame) {
                self.frame = frame;
            }
            return Then::GoesOn;
        }
        if !is_exception(text) {
            return Then::GoesOn;
        }
        let mut text = String::from_utf8_lossy(&text[..text.len().min(TEXT)]).trim_end().to_owned();
        if !self.frame.is_empty() {
            let _ = write!(text, " ({})", shorten(&self.frame));
        }
        Then::Exception(text)
    }
}

/// `  File "/path/train.py", line 354, in main`, shortened to what leads to it.
fn frame(text: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(text).ok()?.trim_start().strip_prefix("File \"")?;
    let (path, rest) = text.split_once("\", line ")?;
    let (line, function) = rest.split_once(", in ").unwrap_or((rest, ""));
    let path: String = path.chars().rev().take(FRAME).collect::<Vec<_>>().into_iter().rev().collect();
    Some(if function.is_empty() {
        format!("{path}:{line}")
    } else {
        format!("{path}:{line} in {}", function.trim_end().chars().take(40).collect::<String>())
    })
}

fn is_library(frame: &str) -> bool {
    ["site-packages", "dist-packages", "/lib/python", "<frozen"].iter().any(|part| frame.contains(part))
}

/// The last two parts of the path are enough to find it.
fn shorten(frame: &str) -> &str {
    frame.rmatch_indices('/').nth(1).and_then(|(at, _)| frame.get(at + 1..)).unwrap_or(frame)
}

/// Whether the record is `Name: text` or `Name` with a name as exceptions have it.
fn is_exception(text: &[u8]) -> bool {
    let length =
        text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')).count();
    let (name, rest) = text.split_at(length);
    let class = name.rsplit(|byte| *byte == b'.').next().unwrap_or_default();
    let named = class.first().is_some_and(u8::is_ascii_uppercase)
        && class.iter().any(u8::is_ascii_lowercase)
        && class.len() > 3
        || class.ends_with(b"error")
        || class.ends_with(b"timeout");
    named
        && !name.starts_with(b".")
        && (rest.trim_ascii().is_empty()
            || rest.starts_with(b": ")
            || rest.starts_with(b":\r")
            || rest == b":")
}

#[cfg(test)]
mod tests {
    use super::{Then, Trace};

    fn follow(header: &str, records: &[&str]) -> Option<String> {
        let at = header.find("Traceback").unwrap();
        let mut trace = Trace::begin(header.as_bytes(), at, false)?;
        records.iter().find_map(|record| match trace.next(record.as_bytes()) {
            Then::Exception(text) => Some(text),
            _ => None,
        })
    }

    #[test]
    fn the_exception_is_quoted_with_the_innermost_frame_of_the_users_code() {
        let text = follow(
            "Traceback (most recent call last):",
            &[
                "  File \"/home/u/proj/train.py\", line 12, in main",
                "    loss = model(x)",
                "  File \"/opt/lib/python3.10/site-packages/torch/nn/modules/module.py\", line 1518, in _call_impl",
                "    return forward_call(*args)",
                "           ^^^^^^^^^^^^^",
                "ValueError: bad shape",
            ],
        );
        assert_eq!(text.as_deref(), Some("ValueError: bad shape (proj/train.py:12 in main)"));
    }

    #[test]
    fn other_ranks_between_its_records_do_not_end_it() {
        let text = follow(
            "[rank1]: Traceback (most recent call last):",
            &[
                "[rank0]: ValueError: not mine",
                "[rank1]:   File \"a.py\", line 3, in f",
                "[rank1]: TypeError: mine",
            ],
        );
        assert_eq!(text.as_deref(), Some("TypeError: mine (a.py:3 in f)"));
    }

    #[test]
    fn a_header_glued_behind_a_progress_bar_is_followed() {
        let text = follow(
            "200/1963 [01:43<08:13]Traceback (most recent call last):",
            &["  File \"a.py\", line 3, in f", "RuntimeError: no"],
        );
        assert_eq!(text.as_deref(), Some("RuntimeError: no (a.py:3 in f)"));
    }

    #[test]
    fn one_that_is_told_as_a_warning_is_not_followed() {
        assert!(Trace::begin(b"[WARNING] Traceback (most recent call last):", 10, false).is_none());
    }
}
