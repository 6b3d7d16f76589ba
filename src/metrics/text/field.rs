//! The tokeniser: every number of a record with the name in front of it and the unit behind it.
//! What the names mean is [`names`]' business.

use super::number;
use super::time::Times;
use crate::metrics::Metric;
use crate::metrics::names::{self, Name, Unit};

/// What stands in one place of a record.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Slot {
    /// A canonical metric's value; times `scale` it is in the canonical unit.
    Value { metric: Metric, rank: u8, scale: f64 },
    /// A whole number of a position's second half: `10/1000`.
    Total { metric: Metric },
    /// A number under its own name, times `scale`.
    Other { scale: f64 },
    /// The rank that printed the record.
    Rank,
    /// The record's own time.
    Time,
    /// A number that means nothing here.
    Number,
    /// Digits with colons, points, slashes or dashes between them: clock times, dates, versions.
    Clock,
    /// What a progress bar draws, up to the byte given.
    Bar(u8),
}

/// A slot and where it stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Field {
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where its name stands in the record; empty where it has none.
    pub(super) key: (usize, usize),
    pub(super) slot: Slot,
}

impl Field {
    fn unnamed(start: usize, end: usize, slot: Slot) -> Self {
        Self { start, end, key: (start, start), slot }
    }
}

/// A bar is not longer than this, bytes: the widest terminals draw some 250 cells of 3 bytes.
const BAR: usize = 1024;

/// The fields of a record, in order. `fields` is reused from record to record.
pub(super) fn fields(record: &[u8], times: &mut Times, fields: &mut Vec<Field>) {
    fields.clear();
    let mut at = prefix(record, fields);
    let mut timed = false;
    while at < record.len() {
        let byte = record[at];
        if byte.is_ascii_alphabetic() || byte == b'_' {
            match number::read(&record[at..]).filter(|_| !is_inside_word(record, at)) {
                Some((_, length)) => {
                    push(record, at, at + length, fields);
                    at += length;
                }
                None => at = word_end(record, at),
            }
            continue;
        }
        if let Some(end) = bar(record, at) {
            fields.push(Field::unnamed(at, end, Slot::Bar(record[end])));
            at = end;
            continue;
        }
        let signed = (byte == b'-' || byte == b'+') && !is_inside_word(record, at);
        let begins = byte.is_ascii_digit()
            || (signed || byte == b'.')
                && record.get(at + 1).is_some_and(|next| {
                    next.is_ascii_digit() || signed && matches!(next, b'.' | b'n' | b'N' | b'i' | b'I')
                });
        if !begins {
            at += 1;
            continue;
        }
        if is_inside_word(record, at) {
            at = word_end(record, at);
        } else if let Some((_, length)) = (!timed).then(|| times.read(&record[at..])).flatten() {
            fields.push(Field::unnamed(at, at + length, Slot::Time));
            timed = true;
            at += length;
        } else if let Some(end) = clock(record, at) {
            fields.push(Field::unnamed(at, end, Slot::Clock));
            at = end;
        } else if let Some((_, length)) = number::read(&record[at..]) {
            at = push(record, at, at + length, fields);
        } else {
            at += 1;
        }
    }
}

/// Digits of a rank: beyond it stands a time or a count.
pub(super) const RANK_DIGITS: std::ops::RangeInclusive<usize> = 1..=5;

/// A number at the line's begin that says which rank printed it: `55:  `, `[rank0]:`, `[1,0]<stderr>:`.
fn prefix(record: &[u8], fields: &mut Vec<Field>) -> usize {
    let spaces = record.iter().take_while(|byte| **byte == b' ').count();
    let rest = &record[spaces..];
    let word = [&b"[rank"[..], b"[default", b"[Rank ", b"[1,"]
        .iter()
        .find(|word| rest.starts_with(word))
        .map_or(0, |word| word.len());
    let digits = rest[word..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let behind = &rest[word + digits..];
    let labelled = if word > 0 {
        behind.starts_with(b"]")
    } else {
        behind.starts_with(b": ")
    };
    if !RANK_DIGITS.contains(&digits) || !labelled {
        return 0;
    }
    let start = spaces + word;
    fields.push(Field::unnamed(start, start + digits, Slot::Rank));
    start + digits
}

/// Whether the byte at `at` goes on with a word that began before it.
fn is_inside_word(record: &[u8], at: usize) -> bool {
    let before = |back: usize| at.checked_sub(back).map_or(b' ', |at| record[at]);
    let joins = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    joins(before(1)) || matches!(before(1), b'.' | b'-' | b'/' | b'#') && joins(before(2))
}

fn word_end(record: &[u8], at: usize) -> usize {
    at + record[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count().max(1)
}

/// The end of a run of digits and separators that is no number: `12:30:05`, `1.2.3`, `2024-10-15`.
pub(super) fn clock(record: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    let (mut points, mut others, mut slashes) = (0, 0, 0);
    while let Some(byte) = record.get(end) {
        match byte {
            b'0'..=b'9' => {}
            b':' | b'.' | b'-' | b'/' if end > at && record.get(end + 1).is_some_and(u8::is_ascii_digit) => {
                match byte {
                    b'.' => points += 1,
                    b'/' => slashes += 1,
                    _ => others += 1,
                }
            }
            _ => break,
        }
        end += 1;
    }
    (others > 0 || points > 1 && slashes == 0 || slashes > 1).then_some(end)
}

/// The end of what a progress bar draws at `at`: behind `%|` up to the next `|`, and `[==>..]` up to `]`.
pub(super) fn bar(record: &[u8], at: usize) -> Option<usize> {
    let drawn = match record.get(at)? {
        b'|' if at > 0 && record[at - 1] == b'%' => b'|',
        b'[' if matches!(record.get(at + 1), Some(b'=' | b'>' | b'.')) => b']',
        _ => return None,
    };
    let limit = record.len().min(at + BAR);
    let length =
        record[at + 1..limit].iter().position(|byte| *byte == drawn || *byte == b'\n' || *byte == b'\r')?;
    let end = at + 1 + length;
    let plain = drawn == b'|' || record[at + 1..end].iter().all(|byte| matches!(byte, b'=' | b'>' | b'.'));
    (record[end] == drawn && plain).then_some(end)
}

/// Adds the number at `start..end` with what belongs to it; says where to go on.
fn push(record: &[u8], start: usize, end: usize, fields: &mut Vec<Field>) -> usize {
    let (unit, after) = unit_behind(record, end);
    let key = Key::in_front(record, start);
    let per = key.unit.map_or(1.0, |(from, to)| key_scale(&record[from..to]));
    let total = if unit.is_none() { total_behind(record, end) } else { None };
    let attached_word = record.get(after).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_');
    let slot = match (key.name(record), unit) {
        _ if attached_word => Slot::Number,
        (Name::Metric(metric, rank), Some(Unit::Scale(scale))) => {
            Slot::Value { metric, rank, scale: scale * per }
        }
        (Name::Metric(metric, rank), None) => Slot::Value { metric, rank, scale: per },
        (_, Some(Unit::PerSecond)) => Slot::Value { metric: Metric::Throughput, rank: 3, scale: 1.0 },
        (_, Some(Unit::SecondsPerStep(scale))) => Slot::Value { metric: Metric::StepTimeS, rank: 4, scale },
        (Name::Setting, _) => Slot::Number,
        (Name::Other, _) if total.is_some() && !key.strong => {
            Slot::Value { metric: Metric::Step, rank: names::UNNAMED, scale: 1.0 }
        }
        (Name::Other, unit) if key.start < key.end => {
            let scale = if let Some(Unit::Scale(scale)) = unit { scale * per } else { per };
            Slot::Other { scale }
        }
        (Name::Other, _) => Slot::Number,
    };
    let word = record[end - 1].is_ascii_alphabetic();
    if word && !matches!(slot, Slot::Value { .. }) {
        // `number of nan iterations`: a word, not a number.
        return after;
    }
    fields.push(Field {
        start,
        end,
        key: (key.start, key.end),
        slot,
    });
    let Some((from, to)) = total else {
        return skip_mean(record, after, fields);
    };
    let metric = match slot {
        Slot::Value { metric: Metric::Epoch, .. } => Some(Metric::TotalEpochs),
        Slot::Value { metric: Metric::Step, .. } => Some(Metric::TotalSteps),
        _ => None,
    };
    if metric == Some(Metric::TotalSteps) {
        bracketed_epoch(record, start, fields);
    }
    fields.push(Field::unnamed(from, to, metric.map_or(Slot::Number, |metric| Slot::Total { metric })));
    to
}

/// `TRAIN [3][1930/1938]`: the number in brackets right before a position's brackets is the epoch.
fn bracketed_epoch(record: &[u8], start: usize, fields: &mut [Field]) {
    let [.., epoch, _] = fields else { return };
    let joined = record.get(epoch.end..start) == Some(b"][");
    if joined && matches!(epoch.slot, Slot::Other { .. } | Slot::Number) {
        epoch.slot = Slot::Value { metric: Metric::Epoch, rank: 2, scale: 1.0 };
    }
}

/// The unit behind a number and where it ends; a rate's unit may stand behind a space.
fn unit_behind(record: &[u8], end: usize) -> (Option<Unit>, usize) {
    let spaced = end + record[end..].iter().take_while(|byte| **byte == b' ').count();
    let length = record[spaced..]
        .iter()
        .take_while(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'%'))
        .count();
    let word = &record[spaced..spaced + length];
    match names::unit(word) {
        Some(unit) if spaced == end || matches!(unit, Unit::PerSecond | Unit::SecondsPerStep(_)) => {
            (Some(unit), spaced + length)
        }
        _ => (None, end),
    }
}

/// The digits behind `/`: the total of a position. Not where a third number follows, as in a date.
fn total_behind(record: &[u8], end: usize) -> Option<(usize, usize)> {
    let spaces = |at: usize| at + record[at..].iter().take_while(|byte| **byte == b' ').count();
    let slash = spaces(end);
    if record.get(slash) != Some(&b'/') {
        return None;
    }
    let from = spaces(slash + 1);
    let to = from + record[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let word =
        record.get(to).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'.'));
    (to > from && !word).then_some((from, to))
}

/// `5.254 (5.1)`: the number in brackets is the running mean of the one before it.
fn skip_mean(record: &[u8], end: usize, fields: &mut Vec<Field>) -> usize {
    let open = end + record[end..].iter().take_while(|byte| **byte == b' ').count();
    if record.get(open) != Some(&b'(') {
        return end;
    }
    match number::read(&record[open + 1..]) {
        Some((_, length)) if record.get(open + 1 + length) == Some(&b')') => {
            fields.push(Field::unnamed(open + 1, open + 1 + length, Slot::Number));
            open + 1 + length
        }
        _ => end,
    }
}

/// What a unit in brackets behind a name says: `(ms)`, and `(1e-3)` for a value that was multiplied.
fn key_scale(unit: &[u8]) -> f64 {
    match (names::unit(unit), number::read(unit)) {
        (Some(Unit::Scale(scale)), _) => scale,
        (_, Some((scale, length))) if length == unit.len() && scale > 0.0 && scale.is_finite() => scale,
        _ => 1.0,
    }
}

/// The name in front of a number.
#[derive(Debug, Clone, Copy, Default)]
struct Key {
    start: usize,
    end: usize,
    /// The brackets' inside behind the name.
    unit: Option<(usize, usize)>,
    /// `:`, `=` or quotes stand between name and number, rather than a space.
    strong: bool,
}

/// Most words of a name that stand apart by spaces.
const SPACED_WORDS: usize = 5;

impl Key {
    fn in_front(record: &[u8], number: usize) -> Self {
        let mut key = Self::default();
        let mut at = peel(record, number);
        loop {
            at = skip_back(record, at);
            match at.checked_sub(1).map(|before| record[before]) {
                Some(b':' | b'=') => (key.strong, at) = (true, at - 1),
                Some(b'>') if at > 1 && matches!(record[at - 2], b'-' | b'=') => at -= 2,
                Some(b'|') if !key.strong => at -= 1,
                _ => break,
            }
            if !key.strong {
                at = skip_back(record, at);
                break;
            }
        }
        if let Some(quote) =
            at.checked_sub(1).map(|before| record[before]).filter(|byte| matches!(byte, b'"' | b'\''))
        {
            let open = memchr::memrchr(quote, &record[..at - 1]);
            (key.start, key.end) = open.map_or((at, at), |open| (open + 1, at - 1));
            key.strong = true;
            return key;
        }
        if record[..at].ends_with(b")")
            && let Some(open) = memchr::memrchr(b'(', &record[at.saturating_sub(24)..at])
        {
            let open = at.saturating_sub(24) + open;
            key.unit = Some((open + 1, at - 1));
            at = skip_back(record, open);
        }
        (key.start, key.end) = (phrase(record, at), at);
        key
    }

    fn name(&self, record: &[u8]) -> Name {
        let name = &record[self.start..self.end];
        if name.starts_with(b"--") || name.is_empty() { Name::Other } else { names::classify(name) }
    }
}

fn skip_back(record: &[u8], mut at: usize) -> usize {
    while at > 0 && matches!(record[at - 1], b' ' | b'\t') {
        at -= 1;
    }
    at
}

/// Types that print their values as calls: `np.float64(0.03)`, `tensor(0.3, device='cuda:0')`.
const VALUE_TYPES: &[&[u8]] = &[
    b"tensor",
    b"Tensor",
    b"array",
    b"Array",
    b"DeviceArray",
    b"float",
    b"int",
    b"float16",
    b"float32",
    b"float64",
    b"bfloat16",
    b"int32",
    b"int64",
];

/// Steps back over what may wrap a value: quotes, an open bracket, a call such as `np.float64(`.
fn peel(record: &[u8], number: usize) -> usize {
    let mut at = number;
    if at > 0 && matches!(record[at - 1], b'"' | b'\'') {
        at -= 1;
    }
    if at > 0 && record[at - 1] == b'[' {
        return at - 1;
    }
    if at > 0 && record[at - 1] == b'(' {
        let mut call = at - 1;
        while call > 0
            && (record[call - 1].is_ascii_alphanumeric() || matches!(record[call - 1], b'.' | b'_'))
        {
            call -= 1;
        }
        let before = skip_back(record, call);
        let of_a_value = VALUE_TYPES.contains(
            &record[call..at - 1]
                .rsplit(|byte| *byte == b'.')
                .next()
                .unwrap_or_default(),
        );
        if of_a_value && before > 0 && matches!(record[before - 1], b':' | b'=') {
            return call;
        }
    }
    at
}

/// Begin of the words that end at `end`.
fn phrase(record: &[u8], end: usize) -> usize {
    let mut start = end;
    for _ in 0..SPACED_WORDS {
        let gap =
            if start == end { start } else { start - usize::from(start > 0 && record[start - 1] == b' ') };
        let mut at = gap;
        while at > 0
            && (record[at - 1].is_ascii_alphanumeric()
                || matches!(record[at - 1], b'_' | b'.' | b'/' | b'-' | b'@' | b'#' | b'%')
                || record[at - 1] >= 0x80)
        {
            at -= 1;
        }
        let word = &record[at..gap];
        if at == gap
            || start != end && gap == start
            || word
                .iter()
                .find(|byte| byte.is_ascii_alphanumeric())
                .is_some_and(u8::is_ascii_digit)
            || word.iter().all(|byte| matches!(byte, b'-' | b'.' | b'/'))
        {
            break;
        }
        // A full stop before the last word ends a sentence.
        if start != end && word.ends_with(b".") {
            break;
        }
        start = at;
    }
    start
}
