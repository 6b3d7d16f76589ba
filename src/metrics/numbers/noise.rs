//! How much a series moves from row to row: in shares of its level where it is positive, else in its own units.

use super::curve::HUGE;
use std::f64::consts::SQRT_2;

/// A median absolute deviation by this is a standard deviation of normal noise.
pub(super) const OF_NORMAL: f64 = 1.4826;
/// Jumps below which there is no saying how large they are.
const JUMPS_LEAST: usize = 8;

/// How differences of a series are counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Measure {
    /// As logarithms of ratios: a loss of 4 is as far above 2 as one of 2 above 1.
    Ratios,
    /// As they are, where values may be zero or negative.
    Differences,
}

impl Measure {
    /// The one for these values.
    pub(super) fn of<'a>(mut values: impl Iterator<Item = &'a f64>) -> Self {
        if values.all(|value| *value > 0.0) { Self::Ratios } else { Self::Differences }
    }

    /// How far `to` lies above `from`.
    pub(super) fn rise(self, from: f64, to: f64) -> f64 {
        match self {
            Self::Ratios => (to / from).ln(),
            Self::Differences => to - from,
        }
    }

    /// The value that lies so far above.
    pub(super) fn above(self, from: f64, rise: f64) -> f64 {
        match self {
            Self::Ratios => (from * rise.exp()).min(HUGE),
            Self::Differences => from + rise,
        }
    }

    /// The rise to so many times the level.
    pub(super) fn times(self, level: f64, factor: f64) -> f64 {
        match self {
            Self::Ratios => factor.ln(),
            Self::Differences => level.abs() * (factor - 1.0),
        }
    }
}

/// The middle one; of an even number the mean of two. Zero of nothing.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().reduce(f64::max).filter(|_| even);
    lower.map_or(*upper, |lower| f64::midpoint(lower, *upper))
}

/// Jumps from row to row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Noise {
    /// Their robust standard deviation, as of the values themselves.
    pub(super) sigma: f64,
    /// The largest.
    pub(super) largest: f64,
}

impl Noise {
    /// Of values in their order; repetitions of a value are no jumps.
    pub(super) fn of(measure: Measure, values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut before = None;
        let mut jumps: Vec<f64> = values
            .filter_map(|value| before.replace(value).map(|before| measure.rise(before, value).abs()))
            .filter(|jump| *jump > 0.0 && jump.is_finite())
            .collect();
        if jumps.len() < JUMPS_LEAST {
            return None;
        }
        let largest = jumps.iter().copied().fold(0.0, f64::max);
        Some(Self { sigma: median(&mut jumps) * OF_NORMAL / SQRT_2, largest })
    }
}
