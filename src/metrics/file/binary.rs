//! Whether bytes are text at all: a checkpoint or an archive given for a log has no rows and no
//! words, and its silence must not pass for health.

/// Bytes that are looked at: a page.
const SAMPLE: usize = 4096;
/// A text has next to no control bytes but those of terminals; among random bytes they are one in ten.
const CONTROLS_PER_100: usize = 3;
/// Fewer say nothing.
const CONTROLS_MIN: usize = 16;

/// The first bytes of a file in one pass, which may come in many blocks.
#[derive(Debug, Default)]
pub struct Sample {
    seen: usize,
    filled: usize,
    controls: usize,
}

impl Sample {
    /// Takes the next bytes, until there are enough. NULs do not count: preallocated logs have whole
    /// pages of them.
    pub fn take(&mut self, bytes: &[u8]) {
        let bytes = &bytes[..bytes.len().min(SAMPLE - self.seen)];
        self.seen += bytes.len();
        self.filled += bytes.iter().filter(|byte| **byte != 0).count();
        self.controls += bytes.iter().filter(|byte| matches!(byte, 1..=6 | 14..=26 | 28..=31)).count();
    }

    /// Whether they look like no text.
    pub fn is_binary(&self) -> bool {
        self.controls >= CONTROLS_MIN && self.controls * 100 >= self.filled * CONTROLS_PER_100
    }
}

#[cfg(test)]
mod tests {
    use super::Sample;

    fn is_binary(bytes: &[u8]) -> bool {
        let mut sample = Sample::default();
        bytes.chunks(70).for_each(|chunk| sample.take(chunk));
        sample.is_binary()
    }

    #[test]
    fn archives_and_random_bytes_are_binary_and_dirty_logs_are_not() {
        let random: Vec<u8> = (0..9000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(is_binary(&random));
        assert!(!is_binary(b"step 1: loss 2.5\n"));
        assert!(!is_binary(&[0; 5000]));
        let bar = "\x1b[32m 5%\x1b[0m\x08\x08\x08\x08\r\x07 r\u{e9}sum\u{e9} ━━━━";
        assert!(!is_binary(bar.repeat(200).as_bytes()));
        assert!(!is_binary(&b"\xe9t\xe9 \xff\xfe\n".repeat(500)));
    }
}
