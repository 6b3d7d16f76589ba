//! Which parts of an over-long record are searched as if they were records.

use std::ops::Range;

/// Bytes around a literal that belong to what it says.
const AROUND: usize = 2048;
/// Longest stretch that is looked at in one go, so that what is harmless in one place excuses
/// nothing far from it.
const MOST: usize = 16 * AROUND;

/// The stretches around the literals found (in order) in a record of this length: all of what
/// stands around each, and none twice but for what two of them share at a cut.
pub(super) fn around(literals: &[usize], length: usize) -> Vec<Range<usize>> {
    let mut regions: Vec<Range<usize>> = Vec::new();
    for &found in literals {
        let (from, to) = (found.saturating_sub(AROUND), (found + AROUND).min(length));
        match regions.last_mut() {
            Some(last) if from <= last.end && to - last.start <= MOST => last.end = to,
            _ => regions.push(from..to),
        }
    }
    regions
}

#[cfg(test)]
mod tests {
    use super::{AROUND, around};
    use proptest::prelude::*;
    use std::collections::BTreeSet;
    use std::ops::Range;

    const LENGTH: usize = 64 * 1024;

    proptest! {
        #[test]
        fn all_that_stands_around_a_literal_is_searched_and_hardly_anything_twice(
            found in prop::collection::btree_set(0..LENGTH, 1..100),
            dense in any::<bool>(),
        ) {
            let found: BTreeSet<usize> = if dense { (0..LENGTH).step_by(97).collect() } else { found };
            let literals: Vec<usize> = found.into_iter().collect();
            let regions = around(&literals, LENGTH);
            let searched: usize = regions.iter().map(Range::len).sum();
            prop_assert!(searched <= LENGTH + LENGTH / 4, "{searched} bytes");
            for at in literals {
                let whole = at.saturating_sub(AROUND)..(at + AROUND).min(LENGTH);
                prop_assert!(regions.iter().any(|r| r.start <= whole.start && whole.end <= r.end), "{at}");
            }
        }
    }
}
