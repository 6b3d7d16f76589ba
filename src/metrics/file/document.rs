//! Hugging Face's `trainer_state.json`: one JSON document, written anew as a whole, whose
//! `log_history` is a list of rows.
//!
//! The list's elements are the records. What stands before the list is one record without a row, and
//! so is what stands behind it.

use super::{Cut, Point, json};
use memchr::memmem;

const LIST: &[u8] = b"\"log_history\"";

/// The place behind the bracket that opens the list.
fn list(bytes: &[u8]) -> Option<usize> {
    let behind = memmem::find(bytes, LIST)? + LIST.len();
    let opens = |byte: &u8| !byte.is_ascii_whitespace() && *byte != b':';
    let at = behind + bytes[behind..].iter().position(opens)?;
    (bytes[at] == b'[').then_some(at + 1)
}

/// Whether a file that begins with these bytes is such a document.
pub(super) fn is_begin(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{') && list(bytes).is_some()
}

pub(super) fn cut(bytes: &[u8], offset: u64) -> Cut {
    if offset == 0 {
        return list(bytes).map_or(Cut::More, Cut::Record);
    }
    match bytes.iter().position(|byte| matches!(byte, b'{' | b']')) {
        Some(at) if bytes[at] == b'{' => json::end(bytes, at).map_or(Cut::More, Cut::Record),
        Some(_) => Cut::Record(bytes.len()),
        None => Cut::More,
    }
}

pub(super) fn read(record: &[u8], offset: u64, take: &mut dyn FnMut(Point<'_>)) {
    let Some(at) = record.iter().position(|byte| matches!(byte, b'{' | b']')) else { return };
    if offset == 0 || record[at] == b']' {
        return;
    }
    let object = &record[at..];
    let step =
        json::members(object).find(|(name, _)| *name == b"step").and_then(|(_, value)| json::number(value));
    // The last entry sums the run up: its loss is a mean over all of it.
    let sums_up = json::members(object).any(|(name, _)| name == b"train_runtime");
    if step.is_none() || sums_up {
        return;
    }
    for (name, value) in json::members(object).filter(|(name, _)| *name != b"step") {
        if let Some(value) = json::number(value) {
            take(Point { name, value, step, time: None });
        }
    }
}
