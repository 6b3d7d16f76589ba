//! The name in front of a number: where it begins, and what stands between the two.

use crate::metrics::names::{self, Name};

/// The name in front of a number.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Key {
    pub(super) start: usize,
    pub(super) end: usize,
    /// The brackets' inside behind the name.
    pub(super) unit: Option<(usize, usize)>,
    /// `:`, `=` or quotes stand between name and number, rather than a space.
    pub(super) strong: bool,
}

/// Most words of a name that stand apart by spaces.
const SPACED_WORDS: usize = 5;

impl Key {
    pub(super) fn in_front(record: &[u8], number: usize) -> Self {
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

    pub(super) fn name(&self, record: &[u8]) -> Name {
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
        let of_a_value = VALUE_TYPES
            .contains(&record[call..at - 1].rsplit(|byte| *byte == b'.').next().unwrap_or_default());
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
            || word.iter().find(|byte| byte.is_ascii_alphanumeric()).is_some_and(u8::is_ascii_digit)
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
