//! Check `memory`: how full the memory of the run's machine and control group is, how fast it
//! fills, and whether the run itself is what grows.

use super::say::{size, span};
use super::{Context, Memory};
use crate::clock::Reading;
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::memory::{MemoryFacts, Space};
use crate::observe::process::Identity;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// Its name.
pub const NAME: &str = "memory";

const HIGH: &str = "memory_high";

/// An open finding is over when this share less than the limit is used, so that a data loader that
/// comes and goes around the limit is told once.
const HYSTERESIS: f64 = 0.02;
/// Looks closer together than this, seconds, are one: a batch in flight is no growth.
const APART_S: f64 = 30.0;
/// Looks that a trend needs: two may fall on both sides of one allocation.
const LOOKS_LEAST: usize = 3;
/// Looks that are remembered.
const LOOKS: usize = 5;
/// A trend's slowest part has at least this share of the speed of its fastest: a model that was
/// loaded between two looks is not growth that goes on.
const STEADY: f64 = 0.5;
/// Growth over all looks of a trend, as a share of the limit: less is the machine's own coming and going.
const GROWTH_LEAST: f64 = 0.01;
/// How far ahead a trend is believed, in spans of what was observed of it.
const AHEAD: f64 = 2.0;
/// Who grows by this share of the whole growth is its cause.
const CAUSE: f64 = 0.5;
/// Seconds of an hour: growth is told by the hour.
const HOUR_S: f64 = 3_600.0;

/// What is remembered of memory.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryMemory {
    /// The boot whose monotonic clock the looks are told by.
    boot_id: String,
    /// The machine's used bytes.
    machine: Series,
    /// The control group that was looked at, and its used bytes.
    cgroup: String,
    group: Series,
    /// The process that was looked at, and its tree's resident bytes.
    process: Option<Identity>,
    resident: Series,
}

/// Monotonic seconds and bytes of the latest looks, oldest first; at most [`LOOKS`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Series(VecDeque<(f64, u64)>);

/// Steady growth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trend {
    bytes_per_s: f64,
    over_s: f64,
}

impl Series {
    pub(super) fn note(&mut self, at_s: f64, bytes: u64) {
        if self.0.back().is_none_or(|(last_s, _)| at_s - last_s >= APART_S) {
            self.0.push_back((at_s, bytes));
            self.0.drain(..self.0.len().saturating_sub(LOOKS));
        }
    }

    /// Growth that every look confirms, of at least so many bytes in all.
    pub(super) fn trend(&self, least_bytes: f64) -> Option<Trend> {
        let ((first_s, first), (last_s, last)) = (self.0.front()?, self.0.back()?);
        let pairs = self.0.iter().zip(self.0.iter().skip(1));
        let speeds = pairs.map(|((from_s, from), (to_s, to))| (*to as f64 - *from as f64) / (to_s - from_s));
        let (slowest, fastest) = speeds.fold((f64::INFINITY, 0.0), |(least, most): (f64, f64), speed| {
            (least.min(speed), most.max(speed))
        });
        let (bytes, over_s) = (last.saturating_sub(*first) as f64, last_s - first_s);
        let steady = self.0.len() >= LOOKS_LEAST && slowest > 0.0 && slowest >= STEADY * fastest;
        (steady && bytes >= least_bytes).then_some(Trend { bytes_per_s: bytes / over_s, over_s })
    }
}

impl MemoryMemory {
    /// Another boot, group or process has no growth in common with the last.
    fn note(&mut self, context: &Context<'_>, facts: &MemoryFacts) {
        let Reading { boot_id, monotonic_s, .. } = context.now;
        if self.boot_id != *boot_id {
            *self = Self { boot_id: boot_id.clone(), ..Self::default() };
        }
        for space in &facts.spaces {
            if let Some(cgroup) = &space.cgroup {
                if self.cgroup != *cgroup {
                    self.cgroup.clone_from(cgroup);
                    self.group = Series::default();
                }
                self.group.note(*monotonic_s, space.used_bytes);
            } else {
                self.machine.note(*monotonic_s, space.used_bytes);
            }
        }
        let Some(life) = context.living() else { return };
        if self.process.as_ref() != Some(&life.identity) {
            self.process = Some(life.identity.clone());
            self.resident = Series::default();
        }
        self.resident.note(*monotonic_s, life.resident_bytes);
    }
}

/// `memory_high`, for the machine and for the run's control group.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    if memory.end.is_some() {
        return super::over(context, NAME);
    }
    let unknown = Subject::new(NAME, "memory_unknown");
    let facts = match &context.look.memory {
        Observation::Known(facts) => facts,
        Observation::Absent => return Vec::new(),
        // Told as `probe_timeout`.
        Observation::Failed { why } if context.look.stuck.iter().any(|stuck| stuck.explains(why)) => {
            return Vec::new();
        }
        Observation::Failed { why } => {
            let message = format!("cannot look at the memory: {why}");
            let advice = "Check that /proc and /sys/fs/cgroup are mounted and readable";
            return vec![
                Claim::new(unknown, Scope::Surroundings, Severity::Unknown, message, advice).holds(),
            ];
        }
    };
    memory.memory.note(context, facts);
    let mut opinions = vec![Opinion::Well(unknown, "it can be looked at".to_owned())];
    opinions.extend(facts.spaces.iter().map(|space| judge(context, &memory.memory, facts, space)));
    // A group that the run has left is nobody's trouble any more.
    let left = context.open.iter().filter(|open| {
        open.check == NAME
            && open.syndrome == HIGH
            && !facts.spaces.iter().any(|space| subject(space) == **open)
    });
    opinions.extend(left.map(|open| Opinion::Well(open.clone(), "the run is not in that group".to_owned())));
    opinions
}

fn subject(space: &Space) -> Subject {
    Subject::new(NAME, HIGH).of(space.cgroup.as_deref().unwrap_or("machine"))
}

fn judge(context: &Context<'_>, memory: &MemoryMemory, facts: &MemoryFacts, space: &Space) -> Opinion {
    let subject = subject(space);
    let open = context.open.contains(&subject);
    let series = if space.cgroup.is_some() { &memory.group } else { &memory.machine };
    let trend = series.trend(GROWTH_LEAST * space.limit_bytes as f64);
    let free = space.limit_bytes.saturating_sub(space.used_bytes) as f64;
    let full_in_s =
        trend.map(|trend| (free / trend.bytes_per_s, trend)).filter(|(s, trend)| *s <= AHEAD * trend.over_s);
    let full_in_s = full_in_s.map(|(seconds, _)| seconds);
    let ahead_s = next_patrol_s(context) * if open { AHEAD } else { 1.0 };
    let soon = full_in_s.is_some_and(|seconds| seconds <= ahead_s);
    let max = context.config.training.memory_usage_max;
    let share = space.used_bytes as f64 / space.limit_bytes.max(1) as f64;
    let high = share > max - if open { HYSTERESIS } else { 0.0 };
    if !(high || soon) {
        return Opinion::Well(subject, format!("{} used", percent(share)));
    }
    let whose = match &space.cgroup {
        None => "the machine's memory".to_owned(),
        Some(cgroup) => format!("the memory of control group {cgroup}"),
    };
    let (used, limit) = (size(space.used_bytes), size(space.limit_bytes));
    let mut message = format!("{} of {whose} is used, {used} of {limit}", percent(share));
    let mut advice = "Find who holds it (ps aux --sort -rss): beyond the limit the kernel kills the largest process, most likely the training";
    let mut claim = Claim::new(subject, Scope::Surroundings, Severity::Warning, "", "")
        .with("used_bytes", space.used_bytes)
        .with("limit_bytes", space.limit_bytes)
        .with("used_ratio", thousandths(share))
        .with("max_ratio", max)
        .with("swap_total_bytes", facts.swap_total_bytes)
        .with("swap_used_bytes", facts.swap_used_bytes);
    if high && !soon && share > max {
        message += &format!(", wanted at most {}", percent(max));
    }
    if let Some(trend) = trend {
        message += &format!("; it grows by {} an hour", hourly(trend));
        claim = claim.with("growth_bytes_per_h", (trend.bytes_per_s * HOUR_S).round());
    }
    if let Some(seconds) = full_in_s {
        message += &format!(", full in {}", span(seconds));
        claim = claim.with("full_in_s", seconds.round());
    }
    if let Some(life) = context.living() {
        claim = claim.with("resident_bytes", life.resident_bytes);
        let own = trend.and_then(|whole| Some((whole, memory.resident.trend(0.0)?)));
        if let Some((whole, own)) = own {
            claim = claim.with("resident_growth_bytes_per_h", (own.bytes_per_s * HOUR_S).round());
            if own.bytes_per_s >= CAUSE * whole.bytes_per_s {
                let resident = size(life.resident_bytes);
                message +=
                    &format!(": the run itself leaks, {resident} resident and {} more an hour", hourly(own));
                advice = "The run leaks: look for tensors that are kept with their graph (append loss.item(), not loss), caches without bound and data-loader workers that copy Python objects; save a checkpoint and restart before it is killed";
            }
        }
    }
    claim.message = message;
    advice.clone_into(&mut claim.advice);
    claim.holds()
}

/// How long until somebody looks again: as configured, or as it was last time.
fn next_patrol_s(context: &Context<'_>) -> f64 {
    let configured = context.config.patrol.interval.as_secs_f64();
    let last = context.previous.filter(|previous| previous.boot_id == context.now.boot_id);
    last.map_or(configured, |previous| configured.max(context.now.monotonic_s - previous.monotonic_s))
}

fn hourly(trend: Trend) -> String {
    size((trend.bytes_per_s * HOUR_S) as u64)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn thousandths(share: f64) -> f64 {
    (share * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests;
