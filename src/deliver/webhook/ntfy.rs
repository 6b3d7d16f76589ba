//! ntfy: plain text as the body, and headers for the rest. A text of more than 4,096 bytes would
//! become an attachment.

use crate::decide::Transition;
use crate::deliver::bulletin::{Bulletin, CUT, cut};
use crate::finding::Severity;

/// Alerts in a message: so many lines of 220 bytes fit the body.
pub(super) const MOST: usize = 18;
/// Bytes of a body.
const BODY: usize = 4_000;
/// Characters of a title: a phone shows two lines of it.
const TITLE: usize = 150;

/// Headers and body.
pub(super) fn request(bulletin: &Bulletin) -> (Vec<(String, String)>, String) {
    let head = bulletin.head();
    let (priority, tag) = match (head.transition, head.severity) {
        (Transition::Resolved, _) | (_, Severity::Ok) => ("3", "white_check_mark"),
        (_, Severity::Critical) => ("5", "rotating_light"),
        (_, Severity::Unknown) => ("4", "question"),
        (_, Severity::Warning) => ("4", "warning"),
        (_, Severity::Info) => ("2", "information_source"),
    };
    // A header is ASCII; runs and syndromes are anyway.
    let title: String = cut(&bulletin.title(), TITLE)
        .chars()
        .map(|letter| match letter {
            ' '..='~' => letter,
            '…' => '.',
            _ => '?',
        })
        .collect();
    let headers = [("Title", title.trim()), ("Priority", priority), ("Tags", tag)];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    if bulletin.is_rolled_up() {
        let lines = bulletin.told.iter().map(|told| bytes(&told.in_a_line(), BODY / MOST - 1));
        return (headers, lines.collect::<Vec<_>>().join("\n"));
    }
    (headers, bytes(&bulletin.text(), BODY))
}

fn bytes(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    format!("{}{CUT}", &text[..text.floor_char_boundary(most - CUT.len())])
}
