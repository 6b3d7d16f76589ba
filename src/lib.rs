//! `trainguard` guards long deep-learning training runs.
//!
//! One invocation is one look, and data flows one way through it:
//!
//! ```text
//! config ▶ observe ▶ judge ▶ decide ▶ persist ▶ print ▶ act ▶ deliver ▶ mark
//! ```
//!
//! * [`config`] turns YAML and flags into ready-to-use types.
//! * [`observe`] reads logs, processes, disks and checkpoints: facts, no opinion.
//! * [`metrics`] and [`playbook`] know what the bytes of a log mean: rows and syndromes.
//! * [`judge`] holds the checks: pure functions from observations and memory to opinions.
//! * [`preflight`] says, before a run starts, which GPUs it will use and who is on them.
//! * [`consult`] asks the program that the user named for it, where the checks found nothing.
//! * [`decide`] compares opinions with what is open and says what is new, worse or over.
//! * [`persist`] keeps state: whole files, synced and renamed, under locks.
//! * [`act`] stops, pauses and restarts runs, and is the only stage that signals them.
//! * [`deliver`] tells people and programs: outbox, channels, health file, reports.
//! * [`launch`] starts a training so that nothing of it hangs on whoever started it.
//! * [`program`] runs what the user named, within a time and in a group of its own.
//! * [`redact`] takes secrets out of what leaves the machine.
//! * [`commands`] strings the stages together, one file per subcommand.
//!
//! Arrows may skip a stage and never point back.

pub mod act;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod consult;
pub mod decide;
pub mod deliver;
pub mod error;
pub mod finding;
pub mod judge;
pub mod launch;
pub mod metrics;
pub mod observe;
pub mod persist;
pub mod playbook;
pub mod preflight;
pub mod program;
pub mod redact;
