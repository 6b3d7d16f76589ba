//! The clocks of one invocation, read once by `main` and passed to whoever needs them.
//!
//! Three clocks tell a hang from a machine that slept and from a clock that was set:
//! the wall clock jumps when it is set, the monotonic clock stops in suspend, boottime does neither.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io::Read;
use std::time::{Duration, Instant};

/// One reading of all clocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// Wall clock, UTC.
    pub wall: DateTime<Utc>,
    /// `CLOCK_MONOTONIC`, seconds: stands still while the machine sleeps.
    pub monotonic_s: f64,
    /// `CLOCK_BOOTTIME`, seconds: runs while the machine sleeps.
    pub boottime_s: f64,
    /// `/proc/sys/kernel/random/boot_id`; empty where there is none. Another boot makes the two
    /// counters above incomparable.
    pub boot_id: String,
}

/// The time of this invocation.
#[derive(Debug, Clone)]
pub struct Clock {
    /// The clocks when the invocation began (`--now` replaces the wall clock).
    pub now: Reading,
    /// For deadlines within the invocation.
    pub started: Instant,
    /// Random bits of this invocation: a state that is made by it is named by them.
    pub entropy: u64,
}

impl Clock {
    /// Reads all clocks; `wall` comes from `--now` or from the system.
    pub fn read(wall: DateTime<Utc>) -> Self {
        let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let now = Reading {
            wall,
            monotonic_s: seconds(rustix::time::ClockId::Monotonic),
            #[cfg(target_os = "linux")]
            boottime_s: seconds(rustix::time::ClockId::Boottime),
            #[cfg(not(target_os = "linux"))]
            boottime_s: seconds(rustix::time::ClockId::Monotonic),
            boot_id: boot_id.trim().to_owned(),
        };
        Self { now, started: Instant::now(), entropy: entropy(wall) }
    }

    /// Wall time of the invocation's start.
    pub fn wall(&self) -> DateTime<Utc> {
        self.now.wall
    }

    /// How long the invocation has been running.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

/// From the kernel; where that does not answer, from the clock and the pid.
fn entropy(wall: DateTime<Utc>) -> u64 {
    let mut bytes = [0_u8; 8];
    let random = std::fs::File::open("/dev/urandom").and_then(|mut source| source.read_exact(&mut bytes));
    if random.is_err() {
        let seed = format!("{}-{}", wall.timestamp_nanos_opt().unwrap_or_default(), std::process::id());
        return xxhash_rust::xxh3::xxh3_64(seed.as_bytes());
    }
    u64::from_le_bytes(bytes)
}

fn seconds(id: rustix::time::ClockId) -> f64 {
    let time = rustix::time::clock_gettime(id);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}
