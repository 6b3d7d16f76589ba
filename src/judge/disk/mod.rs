//! Check `disk`: free bytes and inodes of the file systems that the run and its guard write to, now
//! and ahead.

mod ahead;

pub use ahead::DiskMemory;

use super::say::size;
use super::{Context, Memory};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::disk::{DiskFacts, Purpose};

/// Its name.
pub const NAME: &str = "disk";

/// A file system smaller than this many times `disk_min_gb` (a tmpfs, a small scratch) is judged by
/// its own size: 10 GB free of a 20 GB disk is no trouble.
const SMALL_DISK: u64 = 4;
/// Share of a small file system that must be free.
const SMALL_DISK_FREE: u64 = 10;
/// What the guard's own state needs, with generations and an outbox, bytes.
const STATE_FREE: u64 = 64 * 1024 * 1024;
/// Free inodes below which a data loader's cache or a sharded checkpoint can fail. Smaller file
/// systems are judged by a tenth of their inodes.
const INODES_FREE: u64 = 10_000;

/// An open finding is over when a tenth more than the limit is free, so that a training that writes
/// and removes around the limit is told once.
const HYSTERESIS: u64 = 10;

/// `disk_low`, `inodes_low` and `disk_full_soon`, for each file system.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let minimum = context.config.patrol.disk_min_bytes;
    let mut opinions = Vec::new();
    for disk in &context.look.disks {
        match disk {
            Observation::Known(facts) => {
                let open = is_open(context, "disk_low", facts);
                opinions.push(bytes(facts, minimum, open));
                opinions.push(inodes(facts, is_open(context, "inodes_low", facts)));
                opinions.extend(ahead::check(context, memory, facts));
                opinions.push(Opinion::Well(unknown(), "it answers".to_owned()));
            }
            // Told as `probe_timeout`.
            Observation::Failed { why } if context.look.stuck.iter().any(|stuck| stuck.explains(why)) => {}
            Observation::Failed { why } => opinions.push(failed(why)),
            Observation::Absent => {}
        }
    }
    opinions.extend(elsewhere(context));
    // One file system that cannot be looked at is not made up for by another that can.
    if opinions.iter().any(|opinion| matches!(opinion, Opinion::Holds(claim) if claim.subject == unknown())) {
        opinions.retain(|opinion| !matches!(opinion, Opinion::Well(subject, _) if *subject == unknown()));
    }
    opinions
}

/// Paths that are no longer asked about, or share a file system with one that is, where all answered.
fn elsewhere(context: &Context<'_>) -> Vec<Opinion> {
    let disks = &context.look.disks;
    let known: Vec<_> =
        disks.iter().filter_map(Observation::known).map(|facts| facts.path.display().to_string()).collect();
    let per_path =
        |open: &&Subject| open.check == NAME && open.of.as_ref().is_some_and(|path| !known.contains(path));
    let over = context.open.iter().filter(per_path).filter(|_| known.len() == disks.len());
    over.map(|open| Opinion::Well(open.clone(), "it is no longer looked at".to_owned())).collect()
}

fn unknown() -> Subject {
    Subject::new(NAME, "disk_unknown")
}

fn failed(why: &str) -> Opinion {
    let message = format!("cannot look at free space: {why}");
    let advice = "Check that the path exists and its file system is mounted";
    Claim::new(unknown(), Scope::Surroundings, Severity::Unknown, message, advice).holds()
}

fn is_open(context: &Context<'_>, syndrome: &str, disk: &DiskFacts) -> bool {
    let subject = Subject::new(NAME, syndrome).of(disk.path.display().to_string());
    context.open.contains(&subject)
}

/// Bytes that should be free: `disk_min_gb` is the minimum, but for small file systems and those that
/// hold the guard's state alone.
pub fn limit_bytes(disk: &DiskFacts, minimum: u64) -> u64 {
    let only_state = disk.purposes.iter().all(|purpose| *purpose == Purpose::State);
    match only_state {
        true => STATE_FREE.min(disk.total_bytes / SMALL_DISK_FREE),
        false if disk.total_bytes < SMALL_DISK * minimum => disk.total_bytes / SMALL_DISK_FREE,
        false => minimum,
    }
}

fn bytes(disk: &DiskFacts, minimum: u64, open: bool) -> Opinion {
    let shown = disk.path.display().to_string();
    let subject = Subject::new(NAME, "disk_low").of(shown.clone());
    let limit = limit_bytes(disk, minimum);
    if disk.free_bytes >= limit + if open { limit / HYSTERESIS } else { 0 } {
        return Opinion::Well(subject, format!("{} free", size(disk.free_bytes)));
    }
    let severity = if disk.free_bytes < limit / 2 { Severity::Critical } else { Severity::Warning };
    let message = format!(
        "{} of {}{} free where the {} ({shown}), wanted {}",
        size(disk.free_bytes),
        size(disk.total_bytes),
        if disk.by_quota { " of this user's quota" } else { "" },
        uses(&disk.purposes),
        size(limit),
    );
    let advice = "Free space before the next checkpoint: old checkpoints first, then caches (HF_HOME, TRITON_CACHE_DIR, /tmp)";
    Claim::new(subject, Scope::Surroundings, severity, message, advice)
        .with("free_bytes", disk.free_bytes)
        .with("total_bytes", disk.total_bytes)
        .with("limit_bytes", limit)
        .holds()
}

fn inodes(disk: &DiskFacts, open: bool) -> Opinion {
    let subject = Subject::new(NAME, "inodes_low").of(disk.path.display().to_string());
    let limit = INODES_FREE.min(disk.inodes / SMALL_DISK_FREE);
    let well_above = limit + if open { limit / HYSTERESIS } else { 0 };
    // File systems that make inodes as they need them report none.
    if disk.inodes == 0 || disk.free_inodes >= well_above {
        return Opinion::Well(subject, format!("{} inodes free", disk.free_inodes));
    }
    let message = format!(
        "{} of {} inodes free where the {} ({})",
        disk.free_inodes,
        disk.inodes,
        uses(&disk.purposes),
        disk.path.display()
    );
    let advice = "Remove or pack many small files (df -i shows them): 'No space left on device' comes although df shows space";
    Claim::new(subject, Scope::Surroundings, Severity::Warning, message, advice)
        .with("free_inodes", disk.free_inodes)
        .with("inodes", disk.inodes)
        .holds()
}

fn uses(purposes: &[Purpose]) -> String {
    let words: Vec<_> = purposes
        .iter()
        .map(|purpose| match purpose {
            Purpose::Log => "log goes",
            Purpose::Checkpoints => "checkpoints go",
            Purpose::State => "guard's state goes",
        })
        .collect();
    words.join(", ")
}

#[cfg(test)]
mod tests;
