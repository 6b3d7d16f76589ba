use super::*;
use crate::finding::Severity::{Critical, Ok, Warning};

const GB: u64 = 1_000_000_000;

fn disk(total: u64, free: u64, purposes: &[Purpose]) -> DiskFacts {
    DiskFacts {
        path: "/data".into(),
        purposes: purposes.to_vec(),
        device: 1,
        total_bytes: total,
        free_bytes: free,
        inodes: 1_000_000,
        free_inodes: 900_000,
        by_quota: false,
    }
}

fn severity(opinion: &Opinion) -> Severity {
    match opinion {
        Opinion::Holds(claim) => claim.severity,
        Opinion::Well(..) => Ok,
    }
}

#[test]
fn free_space_is_judged_by_the_limit_small_disks_by_their_size_and_the_state_by_its_needs() {
    let (run, state) = (&[Purpose::Log, Purpose::State][..], &[Purpose::State][..]);
    let table = [
        (disk(1_000 * GB, 10 * GB, run), Ok),
        (disk(1_000 * GB, 10 * GB - 1, run), Warning),
        (disk(1_000 * GB, 5 * GB - 1, run), Critical),
        (disk(20 * GB, 3 * GB, run), Ok),
        (disk(20 * GB, 2 * GB - 1, run), Warning),
        (disk(20 * GB, GB - 1, run), Critical),
        (disk(1_000 * GB, 65 * 1024 * 1024, state), Ok),
        (disk(1_000 * GB, 63 * 1024 * 1024, state), Warning),
        (disk(1_000 * GB, 31 * 1024 * 1024, state), Critical),
        (disk(16_000_000, 8_000_000, state), Ok),
    ];
    for (disk, expected) in table {
        assert_eq!(severity(&bytes(&disk, 10 * GB, false)), expected, "{disk:?}");
    }
}

#[test]
fn an_open_finding_is_over_when_a_tenth_more_is_free() {
    let run = &[Purpose::Log][..];
    for (free, expected) in [(10 * GB, Warning), (11 * GB - 1, Warning), (11 * GB, Ok)] {
        assert_eq!(severity(&bytes(&disk(1_000 * GB, free, run), 10 * GB, true)), expected, "{free}");
    }
}

#[test]
fn inodes_run_out_while_space_is_left_and_are_not_counted_everywhere() {
    let table = [
        (1_000_000, 10_000, Ok),
        (1_000_000, 9_999, Warning),
        (50_000, 6_000, Ok),
        (50_000, 4_999, Warning),
        (0, 0, Ok),
    ];
    for (inodes, free_inodes, expected) in table {
        let disk = DiskFacts { inodes, free_inodes, ..disk(100 * GB, 50 * GB, &[Purpose::Log]) };
        assert_eq!(severity(&super::inodes(&disk, false)), expected, "{inodes} {free_inodes}");
    }
}
