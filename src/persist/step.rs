//! A fail point before every step that outlives the process: the tests kill a patrol at each of them in turn.
//!
//! `TRAINGUARD_DIE_AT=N` in the environment ends the process, as `kill -9` would, just before its N-th step.

use std::io::{self, Write as _};
use std::process;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

const VARIABLE: &str = "TRAINGUARD_DIE_AT";

/// Steps until death; 0 lives for ever.
static LEFT: LazyLock<AtomicU64> = LazyLock::new(|| {
    let left = std::env::var(VARIABLE).ok().and_then(|number| number.parse().ok());
    AtomicU64::new(left.unwrap_or(0))
});

/// Stands before a step that leaves something behind: a name, bytes, a sync, a line printed.
pub fn step(what: &str) {
    if LEFT.load(Ordering::Relaxed) > 0 && LEFT.fetch_sub(1, Ordering::Relaxed) == 1 {
        die(what);
    }
}

#[cold]
fn die(what: &str) {
    drop(writeln!(io::stderr(), "trainguard: {VARIABLE}: killed before: {what}"));
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    process::abort();
}
