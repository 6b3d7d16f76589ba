//! Records without what terminals draw: escape sequences, NULs and backspaces.

/// This many backspaces in a row rewind a progress bar: what stood before it was drawn over.
const REWIND: usize = 8;

/// Whether bytes have something that [`clean`] takes away.
pub(crate) fn is_dirty(bytes: &[u8]) -> bool {
    memchr::memchr3(0x1b, 0x08, 0, bytes).is_some()
}

/// Writes the record without escape sequences, NULs and backspaces.
pub(crate) fn clean(record: &[u8], into: &mut Vec<u8>) {
    into.clear();
    let mut at = 0;
    while let Some(&byte) = record.get(at) {
        match byte {
            0x1b => at += escape_length(&record[at..]),
            0 => at += 1,
            0x08 => {
                let run = record[at..].iter().take_while(|byte| **byte == 0x08).count();
                if run >= REWIND {
                    into.clear();
                }
                at += run;
            }
            _ => {
                let plain = memchr::memchr3(0x1b, 0x08, 0, &record[at..]).unwrap_or(record.len() - at);
                into.extend_from_slice(&record[at..at + plain]);
                at += plain;
            }
        }
    }
}

/// Whether a character commands a terminal, breaks a line or turns the direction of the text around
/// it: nothing that a log wrote may do that to whoever reads about it.
pub(crate) fn is_command(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Length of the escape sequence that `bytes` begin with: CSI `ESC [ … letter`, OSC `ESC ] …` up to
/// BEL or `ESC \`, or two bytes.
fn escape_length(bytes: &[u8]) -> usize {
    match bytes.get(1) {
        Some(b'[') => {
            bytes[2..].iter().position(|byte| (0x40..=0x7e).contains(byte)).map_or(bytes.len(), |end| end + 3)
        }
        Some(b']') => match bytes[2..].iter().position(|byte| matches!(byte, 7 | 0x1b)) {
            Some(end) if bytes[2 + end] == 7 => end + 3,
            Some(end) if bytes.get(3 + end) == Some(&b'\\') => end + 4,
            _ => 2,
        },
        Some(_) => 2,
        None => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::clean;

    #[test]
    fn colours_nuls_and_rewound_bars_leave_no_trace() {
        for (dirty, plain) in [
            (&b"\x1b[36mloss\x1b[0m: \x1b[1;31m2.3\x1b[0m"[..], &b"loss: 2.3"[..]),
            (b"\0\0loss 1", b"loss 1"),
            (b"1/9 loss 5\x08\x08\x08\x08\x08\x08\x08\x08\x08\x082/9 loss 4", b"2/9 loss 4"),
            (b"\x1b]0;title\x07loss 1", b"loss 1"),
            (b"\x1b]8;;http://a\x1b\\loss 1\x1b]8;;\x1b\\ \x07", b"loss 1 \x07"),
            (b"loss 1\x1b[", b"loss 1"),
            (b"loss 1\x1b", b"loss 1"),
        ] {
            let mut out = Vec::new();
            clean(dirty, &mut out);
            assert_eq!(out, plain);
        }
    }
}
