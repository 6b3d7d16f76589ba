//! How fast metric files are read, and in how much memory: `cargo bench --bench metric_files`.
//!
//! `TRAINGUARD_BENCH_GIB=1` also makes a gibibyte of events and has the release binary replay and patrol
//! it: seconds and the greatest resident size of each.

#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a bench tells what it finds")]

use chrono::DateTime;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fs::File;
use std::hint::black_box;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;
use trainguard::metrics::numbers::Numbers;
use trainguard::observe::digest::{Digest, Options};
use trainguard::observe::log::{Playback, Stretch};

/// The sum that guards records, the slow and obvious way.
fn masked(bytes: &[u8]) -> [u8; 4] {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0x82f6_3b78 } else { sum >> 1 };
        }
    }
    (!sum).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// A scalar as `add_scalar` writes it.
fn event(step: u32, tag: &str, value: f32) -> Vec<u8> {
    let value = [&field(1, tag.as_bytes())[..], &[0x15], &value.to_le_bytes()].concat();
    let mut number = Vec::new();
    let mut rest = step;
    while rest >= 0x80 {
        number.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    number.push(rest as u8);
    let time = 1.7e9 + f64::from(step) / 10.0;
    let summary = field(5, &field(1, &value));
    let data = [&[0x09], &time.to_le_bytes()[..], &[0x10], &number, &summary].concat();
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), &data, &masked(&data)].concat()
}

/// So many bytes of steps with four scalars each.
fn write(path: &Path, bytes: u64) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let (mut written, mut step) = (0, 0);
    while written < bytes {
        step += 1;
        let wave = (step as f32).sin();
        for (tag, value) in [
            ("train/loss", 2.5 + wave),
            ("train/lr", 1e-4),
            ("train/grad_norm", 1.0 + wave),
            ("perf/tokens_per_s", 9e4),
        ] {
            let record = event(step, tag, value);
            written += record.len() as u64;
            out.write_all(&record).unwrap();
        }
    }
    out.flush().unwrap();
}

fn events(criterion: &mut Criterion) {
    const BYTES: u64 = 4 << 20;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("events.out.tfevents.1.bench");
    write(&path, BYTES);
    let mut group = criterion.benchmark_group("metric files");
    group.throughput(Throughput::Bytes(path.metadata().unwrap().len())).sample_size(10);
    group.bench_function("events", |bencher| {
        bencher.iter(|| {
            let mut digest = Digest::new(Numbers::default(), Options::default());
            let mut playback = Playback::open(&path).unwrap();
            playback.read(Stretch::Rest, &mut digest, DateTime::UNIX_EPOCH).unwrap();
            black_box(digest.finish().rows)
        });
    });
    group.finish();
    if std::env::var_os("TRAINGUARD_BENCH_GIB").is_some() {
        whole(directory.path(), &path);
    }
}

/// A gibibyte, by the binary.
fn whole(directory: &Path, path: &Path) {
    write(path, 1 << 30);
    let config = directory.join("trainguard.yaml");
    writeln!(File::create(&config).unwrap(), "runs:\n  - {{name: bench, metrics: {}}}", path.display())
        .unwrap();
    let config = config.to_str().unwrap();
    for arguments in [
        vec!["metrics", path.to_str().unwrap(), "--since-step", "1e12"],
        vec!["patrol", "--stateless", "--timeout", "10m", "--config", config],
    ] {
        let told = Command::new("/usr/bin/time")
            .args(["-f", "%e s, %U s user, %M KiB", env!("CARGO_BIN_EXE_trainguard")])
            .args(&arguments)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&told.stderr).into_owned();
        println!("1 GiB of events, {}: {}", arguments[0], told.lines().last().unwrap_or_default());
    }
}

criterion_group!(benches, events);
criterion_main!(benches);
