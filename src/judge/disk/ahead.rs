//! What the disk will be: whether the next checkpoint fits, and when it is full at this rate.

use super::{NAME, is_open, uses};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::judge::say::{size, span};
use crate::judge::{Context, Memory, eta};
use crate::observe::disk::{DiskFacts, Purpose};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub(super) const SOON: &str = "disk_full_soon";

/// Looks that are remembered of one file system: eight hours at the usual interval, so that a run
/// that saves every few hours shows its rate.
const LOOKS: usize = 16;
/// Looks below which a rate is a guess.
const LOOKS_LEAST: usize = 3;
/// Looks closer together than this, seconds, are one: a compiler or a cache that writes for a moment
/// is no rate.
const APART_S: f64 = 60.0;
/// A rate is believed for so many times as long as it was seen: that of an hour says nothing of next
/// week.
const REACH: f64 = 16.0;
/// File systems that are remembered: log, checkpoints, state and one to spare.
const DISKS: usize = 4;
/// Share of all pairs of looks between which space must have fallen. A run that writes and removes
/// stays below it, one that saves every few patrols above.
const FALLING: f64 = 0.75;
/// Full within this, seconds, is worth a warning: beyond a day a rate of some hours is a guess, and
/// a day is time enough to act.
const HORIZON_S: f64 = 24.0 * 3600.0;
/// An open finding is over when it would take this many times as long.
const HYSTERESIS: f64 = 2.0;

/// Free space between patrols.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskMemory {
    disks: Vec<Series>,
}

/// Free space of one file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Series {
    /// The path that was asked about.
    path: String,
    /// Size of the file system: another one is mounted where it changes.
    total_bytes: u64,
    /// When, and bytes that were free, oldest first.
    free: Vec<(DateTime<Utc>, u64)>,
}

impl DiskMemory {
    /// Notes what is free now, and returns the series of this file system.
    fn note(&mut self, disk: &DiskFacts, now: DateTime<Utc>) -> &[(DateTime<Utc>, u64)] {
        let path = disk.path.to_string_lossy().into_owned();
        let same = |series: &Series| series.path == path && series.total_bytes == disk.total_bytes;
        let mut series = match self.disks.iter().position(same) {
            Some(index) => self.disks.remove(index),
            None => Series { path: path.clone(), total_bytes: disk.total_bytes, free: Vec::new() },
        };
        self.disks.retain(|other| other.path != path);
        self.disks.drain(..(self.disks.len() + 1).saturating_sub(DISKS));
        // A clock that was set back makes the times before it worthless.
        if series.free.last().is_some_and(|(last, _)| *last > now) {
            series.free.clear();
        }
        if series.free.last().is_none_or(|(last, _)| (now - last).as_seconds_f64() >= APART_S) {
            series.free.drain(..(series.free.len() + 1).saturating_sub(LOOKS));
            series.free.push((now, disk.free_bytes));
        }
        self.disks.push(series);
        self.disks.last().map_or(&[], |series| &series.free)
    }
}

/// Bytes per second that the free space falls by, where it does so throughout: the median slope of
/// all pairs of looks (Theil and Sen's), or what the later half shows where that is less, so that a
/// download that has ended is no rate.
fn rate(free: &[(DateTime<Utc>, u64)]) -> Option<f64> {
    if free.len() < LOOKS_LEAST {
        return None;
    }
    let slope = |a: &(DateTime<Utc>, u64), b: &(DateTime<Utc>, u64)| {
        (a.1 as f64 - b.1 as f64) / (b.0 - a.0).as_seconds_f64()
    };
    let mut slopes: Vec<f64> = Vec::new();
    for (index, later) in free.iter().enumerate() {
        slopes.extend(free[..index].iter().map(|earlier| slope(earlier, later)));
    }
    let falling = slopes.iter().filter(|slope| **slope > 0.0).count();
    slopes.sort_by(f64::total_cmp);
    let whole = *slopes.get(slopes.len() / 2)?;
    let later = slope(free.get((free.len() - 1) / 2)?, free.last()?);
    let rate = whole.min(later);
    (falling as f64 >= FALLING * slopes.len() as f64 && rate > 0.0).then_some(rate)
}

/// `disk_full_soon` of one file system; nothing while a checkpoint is being written to it.
pub(super) fn check(context: &Context<'_>, memory: &mut Memory, disk: &DiskFacts) -> Option<Opinion> {
    let free = memory.disk.note(disk, context.now.wall);
    let seen_s = free.first().map_or(0.0, |(first, _)| (context.now.wall - first).as_seconds_f64());
    let rate = rate(free);
    let open = is_open(context, SOON, disk);
    let subject = Subject::new(NAME, SOON).of(disk.path.display().to_string());
    if crate::judge::phase(context, memory).is_over() {
        return Some(Opinion::Well(subject, "the run has ended".to_owned()));
    }
    let saves = saves_to(context, disk).then_some(memory.checkpoint.standing.as_ref()).flatten();
    if saves.is_some_and(|standing| standing.writing) {
        return None;
    }
    let next = saves.and_then(|standing| standing.next_bytes).filter(|next| *next > disk.free_bytes);
    let shown = disk.path.display();
    let soon = |message: String, advice: &str| {
        Claim::new(subject.clone(), Scope::Surroundings, Severity::Warning, message, advice)
            .with("free_bytes", disk.free_bytes)
    };
    if let Some(next) = next {
        let message = format!(
            "the next checkpoint will not fit: they take {}, and {} is free in {shown}",
            size(next),
            size(disk.free_bytes)
        );
        let advice = "Free space before the next one is due: old checkpoints first, then caches; one that is cut off by a full disk cannot be resumed from";
        return Some(soon(message, advice).with("next_checkpoint_bytes", next).holds());
    }
    let full_s = rate.map(|rate| disk.free_bytes as f64 / rate);
    let ends_s = eta::eta(context, memory).map_or(HORIZON_S, |eta| eta.high_s.min(HORIZON_S));
    let limit_s = ends_s.min(REACH * seen_s) * if open { HYSTERESIS } else { 1.0 };
    let Some((full_s, rate)) = full_s.zip(rate).filter(|(full_s, _)| *full_s < limit_s) else {
        return Some(Opinion::Well(subject, format!("{} free, and it lasts", size(disk.free_bytes))));
    };
    let message = format!(
        "full in about {} at the rate of the last patrols ({} an hour): {} free in {shown}, where the {}",
        span(full_s),
        size((rate * 3600.0) as u64),
        size(disk.free_bytes),
        uses(&disk.purposes)
    );
    let advice = "Find what grows (du -x -d2, newest first): remove old checkpoints or keep fewer of them (save_total_limit), before the run stops with 'No space left on device'";
    let claim = soon(message, advice).with("full_in_s", full_s.round());
    Some(claim.with("bytes_per_hour", (rate * 3600.0).round()).holds())
}

/// Whether the checkpoints go to this file system: those that nobody configured lie beside the log.
fn saves_to(context: &Context<'_>, disk: &DiskFacts) -> bool {
    let purpose = match context.run.checkpoints {
        Some(_) => Purpose::Checkpoints,
        None => Purpose::Log,
    };
    disk.purposes.contains(&purpose)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CheckpointSpec;
    use crate::finding::Severity::Warning;
    use crate::judge::scene::Scene;
    use crate::observe::Observation;
    use chrono::TimeDelta;

    const GB: u64 = 1_000_000_000;
    const HALF_HOUR: i64 = 1800;

    fn series(free_gb: &[u64]) -> Vec<(DateTime<Utc>, u64)> {
        let at = |index: usize| DateTime::UNIX_EPOCH + TimeDelta::seconds(HALF_HOUR * index as i64);
        free_gb.iter().enumerate().map(|(index, free)| (at(index), free * GB)).collect()
    }

    #[test]
    fn a_rate_needs_three_looks_and_a_fall_that_goes_on() {
        let table: &[(&[u64], Option<f64>)] = &[
            (&[100], None),
            (&[100, 90], None),
            (&[100, 90, 80], Some(20.0)),
            (&[100, 90, 81, 70, 60], Some(20.0)),
            (&[100, 100, 100], None),
            (&[80, 90, 100], None),
            (&[100, 90, 100, 90, 100, 90], None), // writes and removes
            (&[100, 100, 70, 70, 70, 40, 40, 40, 10], Some(20.0)), // saves every third patrol
            (&[200, 180, 160, 140, 120, 120, 120, 120, 120], None), // a download that ended
        ];
        for (free, expected) in table {
            let found = rate(&series(free)).map(|rate| rate * 3600.0 / GB as f64);
            let near = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 5.0,
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(near, "{free:?} {found:?}");
        }
    }

    #[test]
    fn looks_within_a_minute_are_one_and_an_hour_is_not_believed_for_a_day() {
        let mut scene = run();
        for free_gb in [100, 99, 98, 97, 96, 95] {
            look(&mut scene, free_gb * GB);
            scene.patrol().later(-290);
        }
        assert!(scene.is_well(SOON), "a gigabyte in ten seconds");
        let mut scene = run();
        for (look_number, free_gb) in [330, 320, 310, 300, 290].into_iter().enumerate() {
            later(&mut scene, free_gb * GB); // 15 h more at the third look, 14.5 h at the fifth
            assert_eq!(scene.severity(SOON).is_some(), look_number >= 2, "look {look_number}");
        }
        let mut scene = run();
        for (look_number, free_gb) in [430, 420, 410, 400].into_iter().enumerate() {
            later(&mut scene, free_gb * GB); // 20 h more
            assert_eq!(scene.severity(SOON).is_some(), look_number >= 3, "look {look_number}");
        }
    }

    /// A run whose disk has so much free.
    fn look(scene: &mut Scene, free_bytes: u64) {
        let facts = DiskFacts {
            path: "/ckpt".into(),
            purposes: vec![Purpose::Checkpoints],
            device: 1,
            total_bytes: 2000 * GB,
            free_bytes,
            inodes: 0,
            free_inodes: 0,
            by_quota: false,
        };
        scene.look.disks = vec![Observation::Known(facts)];
    }

    fn run() -> Scene {
        let mut scene = Scene::new();
        scene.run.checkpoints = Some(CheckpointSpec { dir: "/ckpt".into(), pattern: None });
        scene.process(10).rows(1..50);
        look(&mut scene, 1000 * GB);
        scene
    }

    /// Half an hour passes, and so much is free after it.
    fn later(scene: &mut Scene, free_bytes: u64) {
        scene.later(HALF_HOUR - 300).rows(50..51);
        look(scene, free_bytes);
        scene.patrol();
    }

    #[test]
    fn a_disk_that_is_full_tomorrow_is_told_at_the_third_look_and_is_over_when_it_is_freed() {
        let mut scene = run();
        for (look, free_gb) in [1000, 990, 980, 970].into_iter().enumerate() {
            later(&mut scene, free_gb * GB / 4);
            assert_eq!(scene.severity(SOON), None, "5 GB an hour lasts for two days: look {look}");
        }
        let mut scene = run();
        for (look, free_gb) in [250, 240, 230].into_iter().enumerate() {
            later(&mut scene, free_gb * GB);
            assert_eq!(scene.severity(SOON), (look == 2).then_some(Warning), "look {look}");
        }
        let claim = scene.claim(SOON).unwrap();
        assert!(claim.message.starts_with("full in about 11 h 30 min"), "{}", claim.message);
        for _ in 0..8 {
            later(&mut scene, 1000 * GB);
        }
        assert!(scene.is_well(SOON));
    }

    #[test]
    fn a_run_that_ends_before_the_disk_is_full_needs_no_warning() {
        let mut scene = run();
        scene.run.total_steps = Some(100); // 10 s each
        for free_gb in [240, 230, 220, 210] {
            later(&mut scene, free_gb * GB);
        }
        assert!(scene.is_well(SOON), "{:?}", scene.claim(SOON));
    }

    #[test]
    fn the_next_checkpoint_does_not_fit_before_it_is_written() {
        let mut scene = run();
        scene.checkpoints(true, &[100, 2_000, 4_000]);
        look(&mut scene, 1_001);
        scene.patrol();
        assert!(scene.is_well(SOON), "each has 1,000 bytes");
        look(&mut scene, 999);
        scene.patrol();
        let claim = scene.claim(SOON).unwrap();
        assert!(claim.message.starts_with("the next checkpoint will not fit"), "{}", claim.message);
    }

    #[test]
    fn a_file_that_is_written_anew_in_place_needs_no_space_and_one_that_is_replaced_does() {
        for (inode, needs) in [(1, false), (2, true)] {
            let mut scene = run();
            scene.checkpoints(true, &[100]);
            rename(&mut scene, 1);
            scene.patrol();
            scene.checkpoints(true, &[90]);
            rename(&mut scene, inode);
            look(&mut scene, 500);
            scene.patrol();
            assert_eq!(scene.severity(SOON).is_some(), needs, "inode {inode}");
        }
    }

    /// The newest checkpoint is `last.pt` with this inode.
    fn rename(scene: &mut Scene, inode: u64) {
        if let Observation::Known(facts) = &mut scene.look.checkpoints {
            facts.newest[0].path = "/ckpt/last.pt".into();
            facts.newest[0].inode = inode;
        }
    }

    #[test]
    fn nothing_is_said_of_space_while_a_checkpoint_is_being_written_or_after_the_end() {
        let mut scene = run();
        scene.checkpoints(true, &[5, 2_000]);
        look(&mut scene, 10);
        scene.patrol();
        assert!(scene.severity(SOON).is_none() && !scene.is_well(SOON));
        scene.checkpoints(true, &[305, 2_300]);
        let now = scene.now();
        if let Observation::Known(facts) = &mut scene.look.checkpoints {
            facts.unfinished = Some(now);
        }
        scene.patrol();
        assert!(scene.severity(SOON).is_none(), "what a temporary file takes is the next one's");
        scene.checkpoints(true, &[605, 2_600]).patrol();
        assert_eq!(scene.severity(SOON), Some(Warning));
        scene.completed().patrol();
        assert!(scene.is_well(SOON));
    }
}
