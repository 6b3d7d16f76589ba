//! What a patrol costs as a whole process, start to exit, beside floors and a peer measured in the
//! same run: `cargo bench --bench process`. Ratios are what counts; machines are shared and noisy.
//!
//! State goes to a temporary directory: set TMPDIR to a tmpfs to leave the disk's syncs out.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot run should stop")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One tick of cron on a busy log.
const TICK: usize = 1 << 20;
/// A backlog: large enough that starting the process does not count.
const BACKLOG: usize = 64 << 20;
/// What people grep a log for.
const PATTERNS: &str = "out of memory|CUDA error|Traceback|NCCL|Segmentation fault|No space left|Killed|DUE TO TIME LIMIT|ChildFailedError|oom-kill|ECC error|loss.*nan";

/// nanoGPT-like lines from a step on.
fn lines(from: u32, bytes: usize) -> (String, u32) {
    let (mut text, mut step) = (String::with_capacity(bytes + 100), from);
    while text.len() < bytes {
        step += 1;
        let wave = f64::from(step).sin();
        let _ = writeln!(
            text,
            "iter {step}: loss {:.4}, time {:.2}ms, mfu {:.2}%",
            3.0 + wave,
            350.0 + wave,
            40.0
        );
    }
    (text, step)
}

fn append(log: &Path, text: &str) {
    let file = std::fs::OpenOptions::new().append(true).create(true).open(log);
    file.unwrap().write_all(text.as_bytes()).unwrap();
}

fn time(program: &str, arguments: &[&str], directory: &Path) -> Duration {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(directory).stdin(Stdio::null()).stdout(Stdio::null());
    let begin = Instant::now();
    assert!(command.status().unwrap().code().is_some());
    begin.elapsed()
}

fn patrol(directory: &Path) -> Duration {
    time(env!("CARGO_BIN_EXE_trainguard"), &["patrol", "-q", "--log", "train.log"], directory)
}

fn process(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (here, log) = (dir.path(), dir.path().join("train.log"));
    append(&log, &lines(0, TICK).0);
    patrol(here);
    let mut group = criterion.benchmark_group("process");
    group.bench_function("floor: true", |bencher| bencher.iter(|| time("/bin/true", &[], here)));
    group.bench_function("nothing new", |bencher| bencher.iter(|| patrol(here)));
    group.bench_function("tick of 1 MiB", |bencher| {
        bencher.iter_custom(|times| {
            std::fs::remove_file(&log).unwrap();
            let (mut text, mut step) = lines(0, TICK);
            append(&log, &text);
            patrol(here);
            let mut total = Duration::ZERO;
            for _ in 0..times {
                (text, step) = lines(step, TICK);
                append(&log, &text);
                total += patrol(here);
            }
            total
        });
    });
    group.finish();
}

fn backlog(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (here, log) = (dir.path(), dir.path().join("train.log"));
    append(&log, &lines(0, BACKLOG).0);
    let mut group = criterion.benchmark_group("backlog");
    group.sample_size(10).throughput(Throughput::Bytes(BACKLOG as u64));
    group.bench_function("floor: wc -l", |bencher| bencher.iter(|| time("wc", &["-l", "train.log"], here)));
    group.bench_function("peer: grep -cE of 12 patterns", |bencher| {
        bencher.iter(|| time("grep", &["-cE", PATTERNS, "train.log"], here));
    });
    group.bench_function("patrol", |bencher| {
        bencher.iter_custom(|times| {
            (0..times)
                .map(|_| {
                    std::fs::remove_dir_all(here.join(".trainguard")).ok();
                    patrol(here)
                })
                .sum()
        });
    });
    group.finish();
}

criterion_group!(benches, process, backlog);
criterion_main!(benches);
