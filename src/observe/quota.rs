//! The user's quota on a file system, where the `quota` command is there and answers: a disk may be
//! far from full, and 'Disk quota exceeded' stop the run all the same.

use super::Observation;
use super::disk::DiskFacts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// It asks file servers, and one of them may be gone: what is said by then counts. Shorter than a
/// probe's deadline, because a quota that nobody tells is no fault of the run.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often is looked whether it has ended.
const PAUSE: Duration = Duration::from_millis(5);
/// Its output is a line for each file system.
const OUTPUT_BYTES: u64 = 64 * 1024;
/// `quota` counts blocks of this size, bytes.
const BLOCK: u64 = 1024;

/// A user's quota on one file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuotaFacts {
    /// Device number of the file system.
    pub device: u64,
    /// What may be used in all, bytes: the hard limit, else the soft one.
    pub limit_bytes: u64,
    /// What is used, bytes.
    pub used_bytes: u64,
}

/// The command, where there is one: without it nothing is asked.
pub fn command() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let dirs = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    dirs.map(|dir| dir.join("quota")).find(|command| command.is_file())
}

/// Asks. No answer within 2 s is no quota.
pub fn read() -> Observation<Vec<QuotaFacts>> {
    let said = command().and_then(ask).unwrap_or_default();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let quotas = parse(&said, &devices(&mounts));
    if quotas.is_empty() { Observation::Absent } else { Observation::Known(quotas) }
}

/// What the command says within its time; its exit code tells only whether a quota is exceeded.
fn ask(command: PathBuf) -> Option<String> {
    let mut command = Command::new(command);
    // Without wrapped lines, and with times as numbers.
    command.args(["-w", "-p"]).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let until = Instant::now() + PATIENCE;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= until {
            drop(child.kill());
            return None;
        }
        std::thread::sleep(PAUSE);
    }
    let mut said = Vec::new();
    child.stdout?.take(OUTPUT_BYTES).read_to_end(&mut said).ok()?;
    Some(String::from_utf8_lossy(&said).into_owned())
}

/// Device numbers by the name of what is mounted, from `/proc/self/mountinfo`.
fn devices(mountinfo: &str) -> BTreeMap<String, u64> {
    let device = |line: &str| {
        let (mount, source) = line.split_once(" - ")?;
        let (major, minor) = mount.split(' ').nth(2)?.split_once(':')?;
        let device = rustix::fs::makedev(major.parse().ok()?, minor.parse().ok()?);
        Some((source.split(' ').nth(1)?.to_owned(), device))
    };
    mountinfo.lines().filter_map(device).collect()
}

/// `/dev/sda1 9000* 8000 10000 0 5 0 0 0`: what is used (with a star where that is too much), the
/// soft and the hard limit, in blocks.
fn parse(said: &str, devices: &BTreeMap<String, u64>) -> Vec<QuotaFacts> {
    let quota = |line: &str| {
        let mut words = line.split_whitespace();
        let device = *devices.get(words.next()?)?;
        let mut blocks = || words.next()?.trim_end_matches('*').parse::<u64>().ok();
        let (used, soft, hard) = (blocks()?, blocks()?, blocks()?);
        let limit = if hard > 0 { hard } else { soft };
        let bytes = |blocks: u64| blocks.saturating_mul(BLOCK);
        (limit > 0).then(|| QuotaFacts { device, limit_bytes: bytes(limit), used_bytes: bytes(used) })
    };
    said.lines().filter_map(quota).collect()
}

/// Where a quota leaves less than the disk has, it is the disk's size and free space for this user.
pub fn limit(disks: &mut [Observation<DiskFacts>], quotas: &[QuotaFacts]) {
    for disk in disks {
        let Observation::Known(disk) = disk else { continue };
        for quota in quotas.iter().filter(|quota| quota.device == disk.device) {
            let left = quota.limit_bytes.saturating_sub(quota.used_bytes);
            if left < disk.free_bytes {
                disk.free_bytes = left;
                disk.total_bytes = disk.total_bytes.min(quota.limit_bytes);
                disk.by_quota = true;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::disk::{self, Purpose};

    const SAID: &str = "Disk quotas for user ada (uid 1000): \n     Filesystem   blocks   quota   limit   grace   files   quota   limit   grace\n/dev/sda1   9000*   8000   10000   1700000000   5   0   0   0\nnas:/home   500  1000   0   0   5   0   0   0\n/dev/sdb1   500  0   0   0   5   0   0   0\n";
    const MOUNTS: &str = "36 35 8:1 / / rw - ext4 /dev/sda1 rw\n37 36 0:50 / /home rw,relatime shared:1 - nfs4 nas:/home rw,vers=4.2\n38 36 8:17 / /data rw - xfs /dev/sdb1 rw\n";

    #[test]
    fn limits_are_joined_with_devices_and_none_is_no_limit() {
        let quota = |major, minor, limit, used| QuotaFacts {
            device: rustix::fs::makedev(major, minor),
            limit_bytes: limit * BLOCK,
            used_bytes: used * BLOCK,
        };
        assert_eq!(parse(SAID, &devices(MOUNTS)), [quota(8, 1, 10_000, 9_000), quota(0, 50, 1_000, 500)]);
        assert_eq!(parse("Disk quotas for user ada (uid 1000): none\n", &devices(MOUNTS)), []);
        assert_eq!(parse(SAID, &devices("torn line 8:1\n")), []);
    }

    #[test]
    fn a_quota_narrows_the_disk_that_it_is_on_and_no_other() {
        let known = disk::read(&std::env::temp_dir(), Purpose::Log);
        let device = known.known().unwrap().device;
        let narrowed = |device: u64, left: u64| {
            let mut disks = vec![known.clone()];
            limit(&mut disks, &[QuotaFacts { device, limit_bytes: 100_000, used_bytes: 100_000 - left }]);
            let facts = disks[0].known().unwrap();
            (facts.by_quota, facts.free_bytes, facts.total_bytes)
        };
        assert_eq!(narrowed(device, 10), (true, 10, 100_000));
        assert!(!narrowed(device + 1, 10).0);
    }
}
