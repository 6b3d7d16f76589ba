//! The program as its users meet it: one file per behaviour, all in one binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "short texts")]
#![allow(unreachable_pub, reason = "one binary of many modules")]

mod act;
mod agents;
mod alertmanager;
mod bad_config;
mod bad_input;
mod beats;
mod checkpoints;
mod ci;
mod crash;
mod cron;
mod daemons;
mod deliver;
mod disks;
mod downloads;
mod environment;
mod explain;
mod failures;
mod fixtures;
mod frameworks;
mod gpu;
mod heartbeat;
mod histories;
mod history;
mod judge;
mod launch;
mod lifecycle;
mod metric_files;
mod metrics;
mod misbehave;
mod mistakes;
mod nagios;
mod numbers;
mod orchestrator;
mod own_syndromes;
mod panes;
mod preflight;
mod prometheus;
mod races;
mod readme;
mod records;
mod regressions;
mod replay;
mod report;
mod rotation;
mod scene;
mod state_files;
mod stuck;
mod surroundings;
mod told;
mod watch;
