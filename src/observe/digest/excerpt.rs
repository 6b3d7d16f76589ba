//! What is shown of a record: printable, and short.

use crate::metrics::text::clean;
use std::ops::Range;

/// Longest text of an occurrence, bytes.
const TEXT: usize = 300;
/// Of these, how many may stand before the hit.
const BEFORE: usize = 100;
/// Longest quote in a message, bytes.
const QUOTE: usize = 160;
/// Longest part of a word that a quote is led back by, bytes.
const WORD: usize = 24;

/// The record without escape sequences. One of which `judged` bytes were judged before stays as it
/// is: its offsets count.
pub(super) fn plain<'a>(record: &'a [u8], judged: usize, into: &'a mut Vec<u8>) -> &'a [u8] {
    if judged > 0 || !clean::is_dirty(record) {
        return record;
    }
    clean::clean(record, into);
    into
}

/// At most 300 bytes around the hit, without control characters and escape sequences.
pub(super) fn around(record: &[u8], hit: &Range<usize>) -> String {
    let from = if record.len() <= TEXT { 0 } else { hit.start.saturating_sub(BEFORE) };
    let from = if from == 0 { 0 } else { from + cut_word(&record[from..hit.start]) };
    let mut plain = Vec::new();
    clean::clean(&record[from..record.len().min(from + 4 * TEXT)], &mut plain);
    printable(&plain, TEXT)
}

/// Bytes of the word that a text begins in the middle of: half a secret is of no shape that is known.
fn cut_word(text: &[u8]) -> usize {
    text.iter().position(u8::is_ascii_whitespace).unwrap_or(text.len())
}

/// The record from the hit on, for a message.
pub(super) fn quote(record: &[u8], hit: &Range<usize>) -> String {
    let whole = hit.start < QUOTE / 2 && record.len() < QUOTE;
    let from = if whole { 0 } else { hit.start - letters_before(record, hit.start) };
    printable(&record[from..record.len().min(from + 4 * QUOTE)], QUOTE)
}

/// Letters and digits right before a place: a hit may begin within a word.
fn letters_before(record: &[u8], at: usize) -> usize {
    record[..at].iter().rev().take(WORD).take_while(|byte| byte.is_ascii_alphanumeric()).count()
}

fn printable(bytes: &[u8], most: usize) -> String {
    let mut text = String::new();
    for letter in String::from_utf8_lossy(bytes).chars() {
        let letter = if clean::is_command(letter) { ' ' } else { letter };
        if text.len() + letter.len_utf8() > most {
            break;
        }
        if letter != ' ' || !text.ends_with(' ') {
            text.push(letter);
        }
    }
    text.trim().to_owned()
}
