//! One config file as text, and how its mistakes are shown: `file:line:column`, the source line, a
//! caret, and what to do next.

use crate::error::Error;
use regex::Regex;
use std::fmt::Write;
use std::path::PathBuf;
use std::sync::LazyLock;

/// Characters of a source line that are shown around a mistake: one line of a terminal.
const SHOWN_CHARS: usize = 100;
/// Characters of what is wrong: it may quote the file, and the file may hold anything.
const WHAT_CHARS: usize = 400;

/// A config file that was read.
#[derive(Debug)]
pub(super) struct Document {
    /// As the user named it, for messages.
    pub(super) shown: String,
    /// Absolute.
    pub(super) path: PathBuf,
    /// Its content, without a byte order mark.
    pub(super) text: String,
}

impl Document {
    /// A mistake at a byte offset of the text. `what` says what is wrong, `next` what to do.
    pub(super) fn mistake(&self, offset: usize, what: &str, next: &str) -> Error {
        let offset = self.text.floor_char_boundary(offset);
        let (line, column) = position(&self.text, offset);
        let start = offset_of_line(&self.text, offset);
        let end = self.text[start..].find('\n').map_or(self.text.len(), |length| start + length);
        let source = masked(&self.text[start..end]);
        Error::Config(render(&self.shown, (line, column), &source, what, next))
    }

    /// `file:line:column` of a byte offset.
    pub(super) fn place(&self, offset: usize) -> String {
        let (line, column) = position(&self.text, self.text.floor_char_boundary(offset));
        format!("{}:{line}:{column}", self.shown)
    }
}

/// What may be a secret, in the last group: the path of an address, the value of a key that says so.
/// A `${NAME}` is none.
static SECRETS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let shapes = [
        r"(?i)\b([a-z][a-z0-9+.-]*://)([^/\s@]+)@",
        r#"(?i)\b([a-z][a-z0-9+.-]*://[^/\s"']*/)([^\s"',}]+)"#,
        r#"(?i)\b(url["']?\s*:\s*["']?)([^\s"',}$:/]+)["',}\s]"#,
        r#"(?i)\b((?:secret|password|authorization|[a-z0-9_-]*token|[a-z0-9_-]*api[_-]?key)["']?\s*:\s*["']?)([^"',}$]+)"#,
    ];
    shapes.into_iter().filter_map(|shape| Regex::new(shape).ok()).collect()
});

/// A source line whose secrets are stars, as many as they have characters: the caret stays in its place.
fn masked(source: &str) -> String {
    let mut line = source.to_owned();
    for shape in SECRETS.iter() {
        let found: Vec<_> =
            shape.captures_iter(&line).filter_map(|found| Some(found.get(2)?.range())).collect();
        for range in found.into_iter().rev() {
            let secret = &line[range.clone()];
            if !secret.contains("${") {
                let stars = "*".repeat(secret.chars().count());
                line.replace_range(range, &stars);
            }
        }
    }
    line
}

/// A mistake with its place, as all of them are printed.
pub(super) fn render(
    file: &str,
    (line, column): (usize, usize),
    source: &str,
    what: &str,
    next: &str,
) -> String {
    let skipped = column.saturating_sub(SHOWN_CHARS * 3 / 4);
    let shown: String = source
        .trim_end_matches('\r')
        .chars()
        .skip(skipped)
        .take(SHOWN_CHARS)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let indent = " ".repeat(column - 1 - skipped);
    let what: String = what.chars().take(WHAT_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut text = format!("{file}:{line}:{column}: {what}");
    let _ = write!(text, "\n {number} | {}\n {margin} | {indent}^", shown.trim_end());
    if !next.is_empty() {
        let _ = write!(text, "\n{next}");
    }
    text
}

/// Line and column of a byte offset, both from 1; columns count characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let start = offset_of_line(text, offset);
    let line = memchr::memchr_iter(b'\n', &text.as_bytes()[..start]).count() + 1;
    (line, text[start..offset].chars().count() + 1)
}

fn offset_of_line(text: &str, offset: usize) -> usize {
    text[..offset].rfind('\n').map_or(0, |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, offset: usize) -> String {
        let document = Document { shown: "a.yaml".into(), path: "/a.yaml".into(), text: text.to_owned() };
        document.mistake(offset, "it is wrong", "mend it").to_string()
    }

    #[test]
    fn a_mistake_shows_its_place_its_line_and_a_caret_under_the_column() {
        assert_eq!(shown("a: 1\nbc: xx\n", 9), "a.yaml:2:5: it is wrong\n 2 | bc: xx\n   |     ^\nmend it");
    }

    #[test]
    fn columns_count_characters_and_not_bytes() {
        assert!(shown("ü: é!", 6).starts_with("a.yaml:1:5:"), "{}", shown("ü: é!", 6));
    }

    #[test]
    fn the_end_of_the_text_is_a_place_too() {
        assert!(shown("a: 1", 4).starts_with("a.yaml:1:5:"));
        assert!(shown("", 0).starts_with("a.yaml:1:1:"));
        assert!(shown("a\r\n", 3).starts_with("a.yaml:2:1:"));
    }

    #[test]
    fn a_very_long_line_is_shown_around_the_mistake_only() {
        let text = format!("{}X{}", "a".repeat(100_000), "b".repeat(100_000));
        let shown = shown(&text, 100_000);
        let lines: Vec<&str> = shown.lines().collect();
        assert!(shown.len() < 500);
        assert_eq!(lines[1].find('X'), lines[2].find('^'));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        assert!(!shown("a: \u{1b}[31mred\tx", 3).contains(['\u{1b}', '\t']));
    }
}
