//! What holds of every format of metric files: cutting goes on, never beyond the bytes, and reading
//! takes no more than there is.

use std::path::Path;
use trainguard::metrics::file::{Cut, Format, Points};
use trainguard::metrics::names::Aliases;
use trainguard::metrics::text::{Extractor, FileContext};

/// Cuts and reads the bytes, which stand at `offset` in their file; and takes them for one record, for
/// few arbitrary bytes have a checksum that fits.
pub fn read(format: Format, offset: u64, bytes: &[u8]) {
    let (mut points, mut context) = (Points::new(format, Path::new("/runs/train/file"), true), FileContext::default());
    let (mut extractor, aliases) = (Extractor::default(), Aliases::default());
    let (mut at, mut line) = (0, 0);
    while at < bytes.len() {
        let length = match format.cut(&bytes[at..], offset + at as u64) {
            Cut::Record(length) => {
                line += 1;
                points.record(&bytes[at..at + length], line, offset + at as u64, &aliases);
                length
            }
            Cut::Damage(length) => length,
            Cut::Skip(length) => usize::try_from(length).unwrap_or(usize::MAX),
            Cut::More => break,
        };
        assert!(length > 0);
        at = at.saturating_add(length);
    }
    points.record(bytes, line + 1, offset.max(1), &aliases);
    points.close();
    let mut rows = 0;
    while points.next(&mut extractor, &mut context) {
        rows += 1;
    }
    assert!(rows <= bytes.len());
}
