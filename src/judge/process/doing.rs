//! How fast the run's process works, and what it does, in a word.

use super::{APART_S, IDLE_IO, apart_s};
use crate::judge::{Context, Memory};
use serde::{Deserialize, Serialize};

/// How fast a process tree works.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::judge) struct Rates {
    /// Cores that it keeps busy.
    pub(in crate::judge) cpu_cores: f64,
    /// Bytes that it reads and writes a second, where that may be known.
    pub(in crate::judge) io_bytes_per_s: Option<f64>,
    /// Its processes.
    pub(in crate::judge) processes: usize,
}

/// How fast it has worked since the look that is remembered; unknown where that was a moment ago.
pub(in crate::judge) fn rates(context: &Context<'_>, memory: &Memory) -> Option<Rates> {
    let (life, sample) = (context.living()?, memory.process.sample.as_ref()?);
    let apart = apart_s(&sample.at, context.now).filter(|apart| *apart >= APART_S)?;
    (memory.process.identity.as_ref() == Some(&life.identity)).then(|| Rates {
        cpu_cores: (life.cpu_s - sample.cpu_s).max(0.0) / apart,
        io_bytes_per_s: life
            .io_bytes
            .zip(sample.io_bytes)
            .map(|(now, before)| now.saturating_sub(before) as f64 / apart),
        processes: life.processes,
    })
}

/// What a process does, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Doing {
    /// It computes.
    Computing,
    /// It reads or writes.
    Reading,
    /// Neither.
    Waiting,
}

/// Cores above which a process computes.
const COMPUTING: f64 = 0.2;

/// What the run's process does; unknown where it was looked at a moment ago.
pub(super) fn doing(context: &Context<'_>, memory: &Memory) -> Option<Doing> {
    let rates = rates(context, memory)?;
    Some(if rates.cpu_cores >= COMPUTING {
        Doing::Computing
    } else if rates.io_bytes_per_s.is_some_and(|io| io > IDLE_IO) {
        Doing::Reading
    } else {
        Doing::Waiting
    })
}
