//! Observing one run: everything that a check may look at.

use super::{Held, Patrol};
use crate::cli::Common;
use crate::config::{CheckpointSpec, Config, Run};
use crate::observe::digest::{self, Digest};
use crate::observe::guard::GuardFacts;
use crate::observe::log::{self, Limits};
use crate::observe::probe::{Answers, Question};
use crate::observe::process::Found;
use crate::observe::{Look, Observation};
use crate::persist::state::State;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest that all probes together may take.
const PROBES: Duration = Duration::from_secs(5);
/// Share of `--timeout` in which logs are read; the rest is for keeping, printing and delivery.
const READING: f64 = 0.6;

/// What was observed, and what of it is not for checks.
pub(super) struct Looked {
    pub(super) look: Look,
    /// Greatest mode of a file that quotes the log.
    pub(super) mode: u32,
}

/// How long probes may take under this `--timeout`.
pub(super) fn probe_deadline(common: &Common) -> Duration {
    PROBES.min(common.timeout.mul_f64(0.5))
}
