//! The memory that a run may use: its control group's, and the machine's.

use super::Observation;
use serde::{Deserialize, Serialize};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

/// How much memory there is for the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemoryFacts {
    /// The machine's, then that of the tightest limit among the run's control groups, where one is
    /// below what the machine has.
    pub spaces: Vec<Space>,
    /// Swap of the machine, bytes.
    pub swap_total_bytes: u64,
    /// Of that in use, bytes.
    pub swap_used_bytes: u64,
}

/// One limit and what is used below it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Space {
    /// The control group's path; `None` is the machine.
    pub cgroup: Option<String>,
    /// Beyond it the kernel kills, bytes.
    pub limit_bytes: u64,
    /// What cannot be given back at once, bytes: page cache that nobody uses is not counted.
    pub used_bytes: u64,
}

/// Reads what the machine has, and the control groups of a process. May block as little as /proc does.
pub fn read(pid: Option<i32>) -> Observation<MemoryFacts> {
    if cfg!(target_os = "linux") { read_below(Path::new("/"), pid) } else { Observation::Absent }
}

/// `root` stands for `/`.
fn read_below(root: &Path, pid: Option<i32>) -> Observation<MemoryFacts> {
    let path = root.join("proc/meminfo");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => return Observation::Failed { why: format!("{}: {error}", path.display()) },
    };
    let bytes = |name| field(&text, name).map(|kib| kib.saturating_mul(1024));
    let (Some(total), Some(available)) = (bytes("MemTotal:"), bytes("MemAvailable:")) else {
        return Observation::Failed { why: format!("{} has no MemTotal and MemAvailable", path.display()) };
    };
    let machine = Space { cgroup: None, limit_bytes: total, used_bytes: total.saturating_sub(available) };
    let mut spaces = vec![machine];
    match pid.map_or(Ok(None), |pid| tightest(root, pid)) {
        Ok(group) => spaces.extend(group.filter(|group| group.limit_bytes < total)),
        Err(why) => return Observation::Failed { why },
    }
    let swap = bytes("SwapTotal:").unwrap_or(0);
    let swap_used_bytes = swap.saturating_sub(bytes("SwapFree:").unwrap_or(0));
    Observation::Known(MemoryFacts { spaces, swap_total_bytes: swap, swap_used_bytes })
}

/// The number behind a name at the start of a line, as `/proc/meminfo` and `memory.stat` have it.
fn field(text: &str, name: &str) -> Option<u64> {
    let number = |line: &str| line.strip_prefix(name)?.split_ascii_whitespace().next()?.parse().ok();
    text.lines().find_map(number)
}

/// The files of one version of the memory controller.
struct Controller {
    limit: &'static str,
    usage: &'static str,
    /// In `memory.stat`: what is given back before anything is killed. Data that is read epoch after
    /// epoch is active page cache, and in large groups that is most of it.
    cache: &'static [&'static str],
}

const V1: Controller = Controller {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    cache: &["total_inactive_file ", "total_active_file "],
};
const V2: Controller = Controller {
    limit: "memory.max",
    usage: "memory.current",
    cache: &["inactive_file ", "active_file ", "slab_reclaimable "],
};

/// The group with the least left below its limit, of those of a process and those above them. A process that is
/// gone has none, and its own check says that it is.
fn tightest(root: &Path, pid: i32) -> Result<Option<Space>, String> {
    let read = |path: PathBuf| match std::fs::read_to_string(&path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if is_gone(&error) => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    };
    let groups = read(root.join(format!("proc/{pid}/cgroup")))?;
    let mounts = read(root.join("proc/self/mountinfo"))?;
    let (Some(groups), Some(mounts)) = (groups, mounts) else { return Ok(None) };
    let mut least: Option<Space> = None;
    for (controller, group) in memory_groups(&groups) {
        let Some((mount, mut below)) = mounted(&mounts, controller, group) else { continue };
        let mount = root.join(mount.trim_start_matches('/'));
        loop {
            if let Some(space) = space(&mount.join(&below), &below, controller)
                && least.as_ref().is_none_or(|least| left(&space) < left(least))
            {
                least = Some(space);
            }
            if !below.pop() {
                break;
            }
        }
    }
    Ok(least)
}

fn left(space: &Space) -> u64 {
    space.limit_bytes.saturating_sub(space.used_bytes)
}

fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
        || error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
}

/// The lines of `/proc/PID/cgroup` that may bound memory, each `ID:CONTROLLERS:PATH`.
fn memory_groups(text: &str) -> impl Iterator<Item = (&'static Controller, &str)> {
    text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, group) = (parts.next()?, parts.next()?);
        let v1 = controllers.split(',').any(|controller| controller == "memory");
        if v1 { Some((&V1, group)) } else { controllers.is_empty().then_some((&V2, group)) }
    })
}

/// Where the controller is mounted, and the group's path below that: a container sees the mount
/// begin at a group of its own.
fn mounted<'a>(mounts: &'a str, controller: &Controller, group: &str) -> Option<(&'a str, PathBuf)> {
    let v1 = controller.limit == V1.limit;
    mounts.lines().find_map(|line| {
        // mountinfo: ID PARENT DEV ROOT POINT OPTIONS [TAGS] - TYPE SOURCE SUPER
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (top, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let fits = match right.next()? {
            "cgroup" => v1 && right.nth(1)?.split(',').any(|option| option == "memory"),
            "cgroup2" => !v1,
            _ => false,
        };
        let below = Path::new(group).strip_prefix(top).or_else(|_| Path::new(group).strip_prefix("/"));
        // A group beside those of this namespace (`/../x`) cannot be seen from here.
        let below =
            below.ok().filter(|below| below.components().all(|part| matches!(part, Component::Normal(_))));
        fits.then_some(())?;
        Some((point, below?.to_owned()))
    })
}

/// A group's limit and use; `None` where it has none or is not to be seen.
fn space(dir: &Path, group: &Path, controller: &Controller) -> Option<Space> {
    let read = |name: &str| std::fs::read_to_string(dir.join(name)).ok();
    // `max` of the second version is no number, and no limit.
    let limit_bytes = read(controller.limit)?.trim().parse().ok()?;
    let usage: u64 = read(controller.usage)?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let cache: u64 = controller.cache.iter().filter_map(|name| field(&stat, name)).sum();
    let cgroup = Some(format!("/{}", group.display()));
    Some(Space { cgroup, limit_bytes, used_bytes: usage.saturating_sub(cache) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const MIB: u64 = 1024 * 1024;
    const MEMINFO: &str = "MemTotal:       1048576 kB\nMemFree:  1 kB\nMemAvailable:    786432 kB\nSwapTotal: 2048 kB\nSwapFree: 1024 kB\n";

    /// A root with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in [("proc/meminfo", MEMINFO)].iter().chain(files) {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
        }
        root
    }

    /// Group, limit and use of the run's control group.
    fn group(files: &[(&str, &str)]) -> Option<(String, u64, u64)> {
        let root = root(files);
        let facts = read_below(root.path(), Some(7)).known().cloned().unwrap();
        assert_eq!(facts.spaces[0], Space { cgroup: None, limit_bytes: 1024 * MIB, used_bytes: 256 * MIB });
        let group = facts.spaces.get(1)?.clone();
        Some((group.cgroup?, group.limit_bytes, group.used_bytes))
    }

    const MOUNT2: (&str, &str) =
        ("proc/self/mountinfo", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");

    #[test]
    fn this_machine_has_memory_and_uses_some() {
        let facts = read(Some(i32::try_from(std::process::id()).unwrap())).known().cloned().unwrap();
        for space in &facts.spaces {
            assert!(space.limit_bytes > 0 && space.used_bytes > 0, "{facts:?}");
        }
        assert!(facts.swap_used_bytes <= facts.swap_total_bytes);
    }

    #[test]
    fn without_a_process_or_a_limit_there_is_the_machine_alone() {
        let swap = read_below(root(&[]).path(), None).known().cloned().unwrap();
        assert_eq!((swap.spaces.len(), swap.swap_total_bytes, swap.swap_used_bytes), (1, 2 * MIB, MIB));
        assert_eq!(group(&[]), None, "the process is gone");
        let unlimited = [
            MOUNT2,
            ("proc/7/cgroup", "0::/job\n"),
            ("sys/fs/cgroup/job/memory.max", "max\n"),
            ("sys/fs/cgroup/job/memory.current", "1048576\n"),
        ];
        assert_eq!(group(&unlimited), None);
    }

    #[test]
    fn the_group_with_the_least_left_above_the_process_counts_without_its_page_cache() {
        let files = |slurm| {
            [
                MOUNT2,
                ("proc/7/cgroup", "0::/slurm/job_1/step_0\n"),
                ("sys/fs/cgroup/slurm/job_1/step_0/memory.max", "max\n"),
                ("sys/fs/cgroup/slurm/job_1/step_0/memory.current", "300000000\n"),
                ("sys/fs/cgroup/slurm/job_1/memory.max", "536870912\n"),
                ("sys/fs/cgroup/slurm/job_1/memory.current", "400000000\n"),
                (
                    "sys/fs/cgroup/slurm/job_1/memory.stat",
                    "anon 1\ninactive_file 60000000\nactive_file 30000000\nslab_reclaimable 10000000\n",
                ),
                ("sys/fs/cgroup/slurm/memory.max", "800000000\n"),
                ("sys/fs/cgroup/slurm/memory.current", slurm),
            ]
        };
        assert_eq!(group(&files("500000000\n")), Some(("/slurm/job_1".to_owned(), 512 * MIB, 300_000_000)));
        assert_eq!(group(&files("790000000\n")), Some(("/slurm".to_owned(), 800_000_000, 790_000_000)));
    }

    #[test]
    fn the_first_version_beside_the_second_and_a_limit_beyond_the_machine() {
        let mounts = "40 31 0:35 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let files = |limit| {
            [
                ("proc/self/mountinfo", mounts),
                ("proc/7/cgroup", "5:devices:/\n4:cpu,memory:/job\n0::/\n"),
                ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", limit),
                ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "200\n"),
                ("sys/fs/cgroup/memory/job/memory.stat", "inactive_file 7\ntotal_inactive_file 50\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
                ("sys/fs/cgroup/memory/memory.usage_in_bytes", "999\n"),
            ]
        };
        assert_eq!(group(&files("1000\n")), Some(("/job".to_owned(), 1000, 150)));
        assert_eq!(group(&files("9223372036854771712\n")), None);
    }

    #[test]
    fn a_container_whose_mount_begins_at_its_own_group() {
        let mount = ("proc/self/mountinfo", "9 8 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
        let limits = [("sys/fs/cgroup/memory.max", "1000\n"), ("sys/fs/cgroup/memory.current", "900\n")];
        let files = |line| [mount, ("proc/7/cgroup", line), limits[0], limits[1]];
        assert_eq!(group(&files("0::/docker/abc\n")), Some(("/".to_owned(), 1000, 900)));
        assert_eq!(group(&files("0::/docker/abc/step\n")), Some(("/".to_owned(), 1000, 900)));
        assert_eq!(group(&files("0::/../other\n")), None, "another container's group");
    }

    #[test]
    fn what_makes_no_sense_is_a_failure_and_no_memory() {
        for text in ["", "MemTotal: x kB\nMemAvailable: 1 kB\n", "MemTotal: 5 kB\n"] {
            let root = root(&[("proc/meminfo", text)]);
            assert!(matches!(read_below(root.path(), None), Observation::Failed { .. }), "{text:?}");
        }
    }
}
