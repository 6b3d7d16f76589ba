//! `training:` and `patrol:`: their defaults, what each may be, and why.

use super::raw;
use super::section::{Range, Section};
use super::{NanAction, Patrol, Setting, Training};
use crate::error::Result;
use std::time::Duration;

/// Steps: most runs that die young do so before the thousandth.
const PHASE1_STEPS: f64 = 1_000.0;
/// Hours: nobody stays for longer, and a run that makes its first steps so slowly is as well patrolled.
const PHASE1_MAX_HOURS: f64 = 6.0;
/// Gradient norm: healthy clipped training stays near 1, so this is two orders above.
const GRADIENT_NORM_MAX: f64 = 100.0;
/// A ratio: a card that is idle half of the time waits for its data.
const GPU_UTIL_MIN: f64 = 0.5;
/// A ratio of the host's memory: above it the next longer batch may call the kernel's killer.
const MEMORY_USAGE_MAX: f64 = 0.95;
/// Minutes between patrols: what the shipped crontab line does.
const INTERVAL_MINUTES: f64 = 30.0;
/// Flat patrols: one may fall into a pause, two do not.
const LOSS_PLATEAU_PATIENCE: f64 = 2.0;
/// GB (10^9 bytes): one checkpoint of a model with a billion parameters and its optimizer.
const DISK_MIN_GB: f64 = 10.0;
/// Hours of work that a crash may cost.
const CHECKPOINT_MAX_HOURS: f64 = 2.0;
/// Degrees Celsius: data-centre cards slow down a few degrees above.
const GPU_TEMP_MAX: f64 = 85.0;
/// Hours: a day, so that an open alarm is seen once by everybody's working day.
const RENOTIFY_HOURS: f64 = 24.0;
/// Minutes: one patrol, so that a crash loop is one story.
const REOPEN_QUIET_MINUTES: f64 = 30.0;

/// Counts of steps above this lose digits as a float.
pub(super) const MOST_STEPS: f64 = 1e15;

const STEPS: Range = Range { least: 0.0, least_allowed: true, most: MOST_STEPS, whole: true, unit: "steps" };
const NORM: Range = Range { least: 0.0, least_allowed: false, most: 1e30, whole: false, unit: "a norm" };
const LOSS: Range =
    Range { least: -1e30, least_allowed: true, most: 1e30, whole: false, unit: "the unit of the loss" };
const RATIO: Range =
    Range { least: 0.0, least_allowed: true, most: 1.0, whole: false, unit: "a ratio: 95 % is 0.95" };
const MINUTES: Range =
    Range { least: 0.0, least_allowed: false, most: 525_600.0, whole: false, unit: "minutes" };
const PATROLS: Range =
    Range { least: 1.0, least_allowed: true, most: 10_000.0, whole: true, unit: "patrols" };
const GIGABYTES: Range = Range {
    least: 0.0,
    least_allowed: true,
    most: 1e9,
    whole: false,
    unit: "GB of 10^9 bytes; 0 never warns",
};
const HOURS: Range = Range { least: 0.0, least_allowed: false, most: 8_760.0, whole: false, unit: "hours" };
const CELSIUS: Range =
    Range { least: 0.0, least_allowed: false, most: 150.0, whole: false, unit: "degrees Celsius" };
const RENOTIFY: Range = Range { least_allowed: true, unit: "hours; 0 never reminds", ..HOURS };
const QUIET: Range = Range { least_allowed: true, ..MINUTES };

/// `training:`, checked.
pub(super) fn training(at: &Section<'_>, raw: Option<&raw::Training>) -> Result<Training> {
    let unset = raw::Training::default();
    let raw = raw.unwrap_or(&unset);
    let loss_nan_action = match &raw.loss_nan_action {
        None => NanAction::Stop,
        Some(text) => {
            let word = at.text("loss_nan_action", text)?;
            match word.as_str() {
                "stop" => NanAction::Stop,
                "pause" => NanAction::Pause,
                "alert" => NanAction::Alert,
                _ => {
                    return Err(at.wrong_word("loss_nan_action", &word, &["stop", "pause", "alert"]));
                }
            }
        }
    };
    let norm = at.number("gradient_norm_max", raw.gradient_norm_max.as_ref(), NORM)?;
    // No default: a language model begins near 11 and is well, a regression in its own unit anywhere.
    let loss_max = at.number("loss_max", raw.loss_max.as_ref(), LOSS)?;
    let number = |key, raw: &Option<_>, range| at.number(key, raw.as_ref(), range);
    let steps = number("phase1_steps", &raw.phase1_steps, STEPS)?;
    let hours = number("phase1_max_hours", &raw.phase1_max_hours, HOURS)?;
    let busy = number("gpu_util_min", &raw.gpu_util_min, RATIO)?;
    let memory = number("memory_usage_max", &raw.memory_usage_max, RATIO)?;
    Ok(Training {
        phase1_steps: steps.unwrap_or(PHASE1_STEPS) as u64,
        phase1_max: Duration::from_secs_f64(hours.unwrap_or(PHASE1_MAX_HOURS) * 3_600.0),
        loss_nan_action: Setting { value: loss_nan_action, by_user: raw.loss_nan_action.is_some() },
        gradient_norm_max: Setting {
            value: norm.unwrap_or(GRADIENT_NORM_MAX),
            by_user: raw.gradient_norm_max.is_some(),
        },
        loss_max,
        gpu_util_min: busy.unwrap_or(GPU_UTIL_MIN),
        memory_usage_max: memory.unwrap_or(MEMORY_USAGE_MAX),
    })
}

/// `patrol:`, checked.
pub(super) fn patrol(at: &Section<'_>, raw: Option<&raw::Patrol>) -> Result<Patrol> {
    let unset = raw::Patrol::default();
    let raw = raw.unwrap_or(&unset);
    let number = |key, raw: &Option<_>, range| at.number(key, raw.as_ref(), range);
    let minutes = |minutes: f64| Duration::from_secs_f64(minutes * 60.0);
    let hours = |hours: f64| Duration::from_secs_f64(hours * 3_600.0);
    let interval = number("interval_minutes", &raw.interval_minutes, MINUTES)?;
    let patience = number("loss_plateau_patience", &raw.loss_plateau_patience, PATROLS)?;
    let disk = number("disk_min_gb", &raw.disk_min_gb, GIGABYTES)?;
    let checkpoint = number("checkpoint_max_hours", &raw.checkpoint_max_hours, HOURS)?;
    let temperature = number("gpu_temp_max", &raw.gpu_temp_max, CELSIUS)?;
    let renotify = number("renotify_hours", &raw.renotify_hours, RENOTIFY)?;
    let reopen = number("reopen_quiet_minutes", &raw.reopen_quiet_minutes, QUIET)?;
    let renotify = renotify.unwrap_or(RENOTIFY_HOURS);
    Ok(Patrol {
        interval: minutes(interval.unwrap_or(INTERVAL_MINUTES)),
        loss_plateau_patience: patience.unwrap_or(LOSS_PLATEAU_PATIENCE) as u32,
        disk_min_bytes: (disk.unwrap_or(DISK_MIN_GB) * 1e9) as u64,
        checkpoint_max: Setting {
            value: hours(checkpoint.unwrap_or(CHECKPOINT_MAX_HOURS)),
            by_user: checkpoint.is_some(),
        },
        gpu_temp_max: temperature.unwrap_or(GPU_TEMP_MAX),
        renotify: (renotify > 0.0).then(|| hours(renotify)),
        reopen_quiet: minutes(reopen.unwrap_or(REOPEN_QUIET_MINUTES)),
    })
}
