//! How fast rows follow each other, by the log's own times.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Stretches of the log's time whose slowest interval is kept, and their length in seconds.
/// Together they are a day: an evaluation that comes round every few hours is known, the compilation
/// of the first step is forgotten tomorrow.
const STRETCHES: usize = 32;
const STRETCH_S: i64 = 45 * 60;

/// Intervals between rows of one attempt, by the log's own times.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pace {
    /// Time of the last row that had one. Only differences mean anything: a log rarely tells its zone.
    pub last: Option<DateTime<Utc>>,
    /// Rows with a time.
    pub rows: u64,
    /// Stretch (seconds since the epoch by [`STRETCH_S`]) and its slowest interval in seconds,
    /// oldest first.
    stretches: Vec<(i64, f64)>,
}

impl Pace {
    /// Takes the time of the next row. A time that falls back (a clock that was set, ranks
    /// interleaved) is no interval.
    #[inline]
    pub(super) fn push(&mut self, time: DateTime<Utc>) {
        self.rows += 1;
        let before = self.last.replace(time);
        let Some(interval_ms) =
            before.map(|before| time.timestamp_millis() - before.timestamp_millis()).filter(|ms| *ms >= 0)
        else {
            return;
        };
        let seconds = interval_ms as f64 / 1e3;
        let stretch = time.timestamp().div_euclid(STRETCH_S);
        match self.stretches.last_mut() {
            Some((known, slowest)) if *known == stretch => *slowest = slowest.max(seconds),
            _ => {
                if self.stretches.len() >= STRETCHES {
                    self.stretches.remove(0);
                }
                self.stretches.push((stretch, seconds));
            }
        }
    }

    /// The slowest recent interval between two rows, seconds.
    pub fn slowest_s(&self) -> Option<f64> {
        self.stretches.iter().map(|(_, slowest)| *slowest).reduce(f64::max)
    }
}
