//! Check `download`: does it come, will it fit, is it what it should be.

use super::say::{size, span};
use super::wards::Judged;
use crate::config::Download;
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::download::{DownloadFacts, Job, Progress, SumFacts, Wanted};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

/// Its name.
pub const NAME: &str = "download";

const STALLED: &str = "download_stalled";
const RESTARTED: &str = "download_restarted";
const MISMATCH: &str = "checksum_mismatch";
const FULL: &str = "disk_full_soon";
const UNKNOWN: &str = "download_unknown";

/// Mirrors change, proxies retry: a pause that is shorter is usual.
const STALL_MIN: TimeDelta = TimeDelta::minutes(5);
/// A download that paused once and went on may pause this much longer before it is told.
const STALL_FACTOR: i32 = 3;
/// However long its pauses were.
const STALL_MAX: TimeDelta = TimeDelta::hours(6);
/// Whoever configured it means to begin soon.
const BEGIN: TimeDelta = TimeDelta::minutes(30);
/// A pace below this share of its own median is as good as none.
const CRAWL: f64 = 0.02;
/// Paces that make a median.
const PACES_MIN: usize = 4;
/// A file that nobody has written to for this long is whole.
const SETTLED: TimeDelta = TimeDelta::minutes(1);
/// Fewer bytes than this share of what was there before: it began anew.
const LOST: f64 = 0.5;
/// Samples that are kept: some hours of patrols.
const SAMPLES: usize = 16;
/// Mismatches that are told one by one.
const BAD: usize = 20;

/// What is remembered of a download between patrols. Bounded by the manifest's own bound.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DownloadMemory {
    /// Bytes by time.
    samples: Vec<(DateTime<Utc>, u64)>,
    /// When bytes last came.
    #[serde(skip_serializing_if = "Option::is_none")]
    grew: Option<DateTime<Utc>>,
    /// The longest pause after which it went on, and the one that lasts, seconds.
    longest_pause_s: i64,
    pause_s: i64,
    /// The most bytes that were there, before it began anew.
    peak: u64,
    /// Keys of files whose checksum is right.
    good: Vec<u64>,
    /// Names and keys of those whose checksum is wrong.
    bad: BTreeMap<String, u64>,
    /// The file in which the last patrol was interrupted: its key and how far it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<(u64, Progress)>,
}

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct DownloadContext<'a> {
    /// The download.
    pub download: &'a Download,
    /// What is there of it.
    pub facts: &'a Observation<DownloadFacts>,
    /// Checksums that were made in this patrol.
    pub sums: Option<&'a SumFacts>,
    /// Wall time.
    pub now: DateTime<Utc>,
    /// The wall time of the previous patrol of it.
    pub previous: Option<DateTime<Utc>>,
    /// Since when it is under guard.
    pub since: DateTime<Utc>,
}

/// Files that are whole and whose checksum is not known yet: the one that was begun first.
pub fn jobs(
    download: &Download,
    facts: &DownloadFacts,
    memory: &DownloadMemory,
    now: DateTime<Utc>,
) -> Vec<Job> {
    let whole = is_whole(download, facts);
    let newest = facts.wanted.iter().filter_map(|wanted| Some(wanted.there?.1)).max();
    let settled = |wanted: &&Wanted| {
        // Until all is there the file that was written last may not be.
        wanted.there.is_some_and(|(_, written)| now - written >= SETTLED && (whole || Some(written) < newest))
    };
    let known = |key: u64| memory.good.contains(&key) || memory.bad.values().any(|bad| *bad == key);
    let open = memory.open.as_ref();
    let jobs = facts.wanted.iter().filter(settled).filter_map(|wanted| Some((key(wanted)?, wanted)));
    let mut jobs: Vec<(bool, Job)> = jobs
        .filter(|(key, _)| !known(*key))
        .map(|(key, wanted)| {
            let from = open.filter(|(of, _)| *of == key).map(|(_, progress)| progress.clone());
            let (name, path) = (wanted.name.clone(), wanted.path.clone());
            (from.is_none(), Job { name, path, algorithm: wanted.algorithm, from })
        })
        .collect();
    jobs.sort_by_key(|(fresh, _)| *fresh);
    jobs.into_iter().map(|(_, job)| job).collect()
}

/// What a file with its checksum is known by: once it is written to, it is another.
fn key(wanted: &Wanted) -> Option<u64> {
    let (size, written) = wanted.there?;
    let written = written.timestamp_nanos_opt().unwrap_or_default();
    Some(xxh3_64(format!("{}\0{size}\0{written}\0{}", wanted.path, wanted.digest).as_bytes()))
}

/// Whether all that was asked for is there, by its size and its names.
fn is_whole(download: &Download, facts: &DownloadFacts) -> bool {
    let enough = |wanted: Option<u64>, there: u64| wanted.is_none_or(|wanted| there >= wanted);
    facts.begun
        && facts.partial == 0
        && facts.manifest_fault.is_none()
        && enough(download.bytes, facts.bytes)
        && enough(download.files, facts.files)
        && facts.wanted.iter().all(|wanted| wanted.there.is_some())
}

/// Judges one download.
pub fn check(context: &DownloadContext<'_>, memory: &mut DownloadMemory) -> Judged {
    let name = &context.download.name;
    let facts = match context.facts {
        Observation::Known(facts) => facts,
        Observation::Failed { why } => return unknown(name, why),
        Observation::Absent => return unknown(name, "it was not looked at"),
    };
    follow(context, facts, memory);
    let mut opinions = sums(context, facts, memory);
    let mismatches = memory.bad.len();
    let whole = is_whole(context.download, facts);
    let speed = speed(memory);
    let missing = context.download.bytes.map(|bytes| bytes.saturating_sub(facts.bytes));
    let eta = missing.zip(speed).filter(|(_, speed)| *speed > 0.0).map(|(left, speed)| left as f64 / speed);
    opinions.push(unknown_manifest(name, facts));
    opinions.push(restarted(name, facts, whole, memory));
    opinions.push(fits(name, facts, missing.filter(|_| !whole)));
    let stalled = stalled(context, facts, whole, memory, speed);
    let verified = facts.wanted.iter().filter_map(key).filter(|key| memory.good.contains(key)).count();
    let all = !facts.wanted.is_empty() && verified == facts.wanted.len();
    let progress = progress(context.download, facts);
    let (state, says) = if mismatches > 0 {
        ("corrupt", format!("{mismatches} of its files do not match the manifest"))
    } else if let Some(claim) = &stalled {
        ("stalled", claim.message.clone())
    } else if whole && all {
        ("verified", format!("complete and verified, {progress}"))
    } else if whole && !facts.wanted.is_empty() {
        ("verifying", format!("complete, {verified} of {} files verified", facts.wanted.len()))
    } else if whole {
        ("complete", format!("complete, {progress}"))
    } else if facts.begun {
        let pace = speed.map_or_else(String::new, |speed| format!(", {}/s", size(speed as u64)));
        let eta = eta.map_or_else(String::new, |eta| format!(", ready in {}", span(eta)));
        ("downloading", format!("{progress}{pace}{eta}"))
    } else {
        ("waiting", "has not begun".to_owned())
    };
    opinions.push(match stalled {
        Some(claim) => claim.holds(),
        None => Opinion::Well(subject(STALLED), says.clone()),
    });
    let mut figures = BTreeMap::from([
        ("bytes", facts.bytes.into()),
        ("files", facts.files.into()),
        ("partial_files", facts.partial.into()),
        ("verified_files", verified.into()),
    ]);
    let more = [
        ("total_bytes", context.download.bytes.map(Into::into)),
        ("total_files", context.download.files.map(Into::into)),
        ("bytes_per_s", speed.map(|speed| speed.round().into())),
        ("eta_s", eta.filter(|_| !whole).map(|eta| eta.round().into())),
    ];
    figures.extend(more.into_iter().filter_map(|(name, value)| Some((name, value?))));
    Judged { state, says, last_output: memory.grew, figures, opinions }
}

fn subject(syndrome: &str) -> Subject {
    Subject::new(NAME, syndrome)
}

fn claim(syndrome: &str, severity: Severity, message: String, advice: &str) -> Claim {
    Claim::new(subject(syndrome), Scope::Surroundings, severity, message, advice)
}

fn unknown(name: &str, why: &str) -> Judged {
    let message = format!("cannot tell how download {name} goes: {why}");
    let claim =
        claim(UNKNOWN, Severity::Unknown, message, "Look by hand, as the user that the patrol runs as");
    Judged {
        state: "unknown",
        says: why.to_owned(),
        last_output: None,
        figures: BTreeMap::new(),
        opinions: vec![claim.holds()],
    }
}

/// A manifest may come with the download; one that is there and says nothing is told.
fn unknown_manifest(name: &str, facts: &DownloadFacts) -> Opinion {
    match &facts.manifest_fault {
        Some(why) if !why.ends_with("is not there") => {
            let message = format!("download {name} cannot be verified: {why}");
            let advice = "Give a file that sha256sum or md5sum wrote, or delete `manifest`";
            claim(UNKNOWN, Severity::Unknown, message, advice).holds()
        }
        _ => Opinion::Well(subject(UNKNOWN), "it can be looked at".to_owned()),
    }
}

/// Remembers how much is there and when it came.
fn follow(context: &DownloadContext<'_>, facts: &DownloadFacts, memory: &mut DownloadMemory) {
    let now = context.now;
    let before = memory.samples.last().map(|(_, bytes)| *bytes);
    if before.is_none_or(|before| facts.bytes != before) {
        // What came after the previous patrol came after it, whatever the files' clock says.
        let written = facts.written.filter(|_| facts.begun).map(|written| written.min(now));
        let since = context.previous.filter(|_| before.is_some());
        memory.grew = written.max(since).or(memory.grew);
        memory.longest_pause_s = memory.longest_pause_s.max(memory.pause_s);
        memory.pause_s = 0;
    } else if let Some(grew) = memory.grew {
        memory.pause_s = (now - grew).num_seconds().max(0);
    }
    if before.is_some_and(|before| facts.bytes < before) {
        memory.samples.clear();
    }
    memory.samples.push((now, facts.bytes));
    let excess = memory.samples.len().saturating_sub(SAMPLES);
    memory.samples.drain(..excess);
}

/// Bytes per second over what is remembered.
fn speed(memory: &DownloadMemory) -> Option<f64> {
    let ((from, first), (to, last)) = (memory.samples.first()?, memory.samples.last()?);
    let seconds = (*to - *from).as_seconds_f64();
    (seconds > 0.0).then(|| last.saturating_sub(*first) as f64 / seconds)
}

fn stalled(
    context: &DownloadContext<'_>,
    facts: &DownloadFacts,
    whole: bool,
    memory: &DownloadMemory,
    speed: Option<f64>,
) -> Option<Claim> {
    let name = &context.download.name;
    if whole {
        return None;
    }
    let advice = "Look at whoever fetches it: is it still running, and what does it say; most resume where they stopped";
    let Some(grew) = memory.grew.filter(|_| facts.begun) else {
        let waited = context.now - context.since;
        let message = format!("download {name} has not begun for {}", span(waited.as_seconds_f64()));
        return (waited > BEGIN).then(|| claim(STALLED, Severity::Warning, message, advice));
    };
    let own = TimeDelta::seconds(memory.longest_pause_s) * STALL_FACTOR;
    let own = own.clamp(STALL_MIN, STALL_MAX);
    let limit = context.download.stalled.and_then(|limit| TimeDelta::from_std(limit).ok()).unwrap_or(own);
    let quiet = context.now - grew;
    let progress = progress(context.download, facts);
    if quiet > limit {
        let (quiet, limit) = (quiet.as_seconds_f64(), limit.as_seconds_f64());
        let message = format!(
            "download {name} has stalled: nothing came for {} (limit {}) at {progress}",
            span(quiet),
            span(limit)
        );
        let claim = claim(STALLED, Severity::Warning, message, advice);
        return Some(claim.with("quiet_s", quiet.round()).with("limit_s", limit).with("bytes", facts.bytes));
    }
    let (now, median) = paces(memory)?;
    (now < CRAWL * median).then(|| {
        let message = format!(
            "download {name} crawls at {}/s, where {}/s was usual, at {progress}",
            size(now as u64),
            size(median as u64)
        );
        claim(STALLED, Severity::Warning, message, advice)
            .with("bytes_per_s", now.round())
            .with("usual_bytes_per_s", median.round())
            .with("mean_bytes_per_s", speed.unwrap_or_default().round())
    })
}

/// The last pace, over at least the time in which a pause is usual, and the median of those before it.
fn paces(memory: &DownloadMemory) -> Option<(f64, f64)> {
    let pace = |pair: &[(DateTime<Utc>, u64)]| {
        let seconds = (pair[1].0 - pair[0].0).as_seconds_f64();
        (seconds > 0.0).then(|| pair[1].1.saturating_sub(pair[0].1) as f64 / seconds)
    };
    let last = memory.samples.windows(2).last()?;
    if last[1].0 - last[0].0 < STALL_MIN {
        return None;
    }
    let mut paces: Vec<f64> = memory.samples.windows(2).filter_map(pace).collect();
    let now = paces.pop()?;
    paces.sort_by(f64::total_cmp);
    (paces.len() >= PACES_MIN).then(|| (now, paces[paces.len() / 2]))
}

fn restarted(name: &str, facts: &DownloadFacts, whole: bool, memory: &mut DownloadMemory) -> Opinion {
    let lost = (facts.bytes as f64) < LOST * memory.peak as f64;
    if whole || facts.bytes >= memory.peak {
        memory.peak = facts.bytes;
    }
    if !lost || whole {
        return Opinion::Well(subject(RESTARTED), "it has what it had again".to_owned());
    }
    let message =
        format!("download {name} began anew: {} are there, {} were", size(facts.bytes), size(memory.peak));
    let advice = "Let whoever fetches it resume (curl -C -, wget -c, aria2c -c), and look why it did not";
    claim(RESTARTED, Severity::Warning, message, advice)
        .with("bytes", facts.bytes)
        .with("bytes_before", memory.peak)
        .holds()
}

fn fits(name: &str, facts: &DownloadFacts, missing: Option<u64>) -> Opinion {
    match missing.zip(facts.free_bytes) {
        Some((missing, free)) if missing > free => {
            let message = format!(
                "the disk will not suffice for download {name}: {} are to come, {} are free",
                size(missing),
                size(free)
            );
            claim(
                FULL,
                Severity::Warning,
                message,
                "Make room before it fails, or move `path` to another disk",
            )
            .with("missing_bytes", missing)
            .with("free_bytes", free)
            .holds()
        }
        _ => Opinion::Well(subject(FULL), "there is room for what is to come".to_owned()),
    }
}

/// Takes over new checksums; forgets those of files that were written to since.
fn sums(context: &DownloadContext<'_>, facts: &DownloadFacts, memory: &mut DownloadMemory) -> Vec<Opinion> {
    let wanted: BTreeMap<&str, &Wanted> = facts.wanted.iter().map(|one| (one.name.as_str(), one)).collect();
    let before: Vec<String> = memory.bad.keys().cloned().collect();
    let present: Vec<u64> = facts.wanted.iter().filter_map(key).collect();
    memory.good.retain(|good| present.contains(good));
    memory.bad.retain(|_, bad| present.contains(bad));
    if let Some(sums) = context.sums {
        memory.open = None;
        for (name, digest) in &sums.done {
            let Some((key, wanted)) = wanted.get(name.as_str()).and_then(|one| Some((key(one)?, one))) else {
                continue;
            };
            match digest {
                Ok(digest) if *digest == wanted.digest => memory.good.push(key),
                Ok(_) => drop(memory.bad.insert(name.clone(), key)),
                // It is asked for again: it may be gone, or on a disk that fails.
                Err(_) => {}
            }
        }
        if let Some((name, progress)) = &sums.open {
            let key = wanted.get(name.as_str()).and_then(|one| key(one));
            memory.open = key.map(|key| (key, progress.clone()));
        }
    }
    let told = memory.bad.keys().take(BAD);
    let mut opinions: Vec<Opinion> = told
        .map(|name| {
            let path = wanted.get(name.as_str()).map_or(name.as_str(), |one| one.path.as_str());
            let message = format!(
                "{path} of download {} does not match its checksum: it is corrupt or cut short",
                context.download.name
            );
            let advice = "Remove this file and fetch it again; do not train on it";
            let claim = claim(MISMATCH, Severity::Critical, message, advice);
            Claim { subject: claim.subject.clone().of(name.clone()), ..claim }.holds()
        })
        .collect();
    let over = before.into_iter().filter(|name| !memory.bad.contains_key(name));
    opinions.extend(
        over.map(|name| Opinion::Well(subject(MISMATCH).of(name), "the file was written anew".to_owned())),
    );
    opinions
}

/// `1.2 GB of 5.0 GB, 3 of 8 files`.
fn progress(download: &Download, facts: &DownloadFacts) -> String {
    let mut text = size(facts.bytes);
    if let Some(total) = download.bytes {
        let percent = (facts.bytes as f64 / total as f64 * 100.0).min(100.0);
        text = format!("{text} of {} ({percent:.0} %)", size(total));
    }
    let wanted = facts.wanted.len() as u64;
    match download.files.or((wanted > 0).then_some(wanted)) {
        Some(files) => format!("{text}, {} of {files} files", facts.files),
        None => text,
    }
}

#[cfg(test)]
mod tests;
