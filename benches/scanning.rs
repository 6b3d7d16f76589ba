//! How fast a log is read: `cargo bench`. The figures of the README come from here and from whole
//! processes, on logs that are made up on the spot.

#![allow(missing_docs, reason = "criterion's macros make public functions")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::fmt::Write;
use std::hint::black_box;
use std::path::Path;
use trainguard::metrics::numbers::Numbers;
use trainguard::metrics::text::{Extractor, FileContext};
use trainguard::observe::digest::{Digest, DigestFacts, Options};
use trainguard::observe::log::{Block, Part, Sink, Source};
use trainguard::playbook;

/// A log of nanoGPT-like lines and Hugging Face dictionaries in turn, some 1 MiB.
fn mixed_log() -> String {
    let mut text = String::new();
    let mut step = 0u32;
    while text.len() < 1 << 20 {
        step += 1;
        let wave = f64::from(step).sin();
        let _ = writeln!(
            text,
            "iter {step}: loss {:.4}, time {:.2}ms, mfu {:.2}%",
            3.0 + wave,
            350.0 + 100.0 * wave,
            40.0 + wave
        );
        let _ = writeln!(
            text,
            "{{'loss': {:.4}, 'grad_norm': {}, 'learning_rate': {:e}, 'epoch': {:.2}}}",
            3.0 - wave,
            1.5 + wave,
            1e-4 * (1.1 + wave),
            f64::from(step) / 1e4
        );
    }
    text
}

/// Rows with what a trainer says at every tenth of them.
fn rows_with_noise() -> String {
    let mut text = String::new();
    for (index, row) in mixed_log().split_inclusive('\n').enumerate() {
        text.push_str(row);
        if index % 10 == 0 {
            let _ = writeln!(text, "Saving model checkpoint to /out/checkpoint-{index}");
        }
    }
    text
}

/// What stands between the rows: text without numbers of training.
fn talk() -> String {
    "2024-10-15 15:58:28,190 - INFO - Loading dataset shard 17 of 64 from /data/shards/part-00017.parquet\n"
        .repeat(10_000)
}

/// Rows in which the words of failures stand, and nothing is wrong.
fn common_stems() -> String {
    let mut text = String::new();
    for step in 0..10_000 {
        let _ = writeln!(
            text,
            "epoch {step} error: 0.0{step} memory: {step} MB retries 0 failed=0 step {step} loss 2.{step}"
        );
    }
    text
}

/// The same words in lines that are no rows: every one of them has to be looked at.
fn common_stems_in_talk() -> String {
    "worker a - no error, memory available, nothing failed in this shard\n".repeat(15_000)
}

/// One failure, again and again.
fn storm() -> String {
    let mut text = String::new();
    for thread in 0..8_000 {
        let _ = writeln!(
            text,
            "Indexing.cu:1292: select: block: [{thread},0,0], thread: [61,0,0] Assertion `index < size` failed."
        );
    }
    text
}

fn scanning(criterion: &mut Criterion) {
    let (log, talk, noisy) = (mixed_log(), talk(), rows_with_noise());
    let mut group = criterion.benchmark_group("scanning");
    for (name, text) in [("rows", &log), ("rows with noise", &noisy), ("talk", &talk)] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let (mut extractor, mut context) = (Extractor::default(), FileContext::default());
                let (mut at, mut rows) = (0, 0u64);
                while at < text.len() {
                    let (end, row) = extractor.read(&mut context, text.as_bytes(), at, 1, 0);
                    rows += u64::from(row);
                    at = end.next;
                }
                black_box(rows)
            });
        });
    }
    group.throughput(Throughput::Bytes(log.len() as u64));
    group.bench_function("literals", |bencher| {
        bencher.iter(|| black_box(playbook::candidates(log.as_bytes())));
    });
    // "rows" beside "digest, rows" and so on: what folding the rows and looking for the catalogue cost.
    for (name, text) in [
        ("digest, rows", &log),
        ("digest, rows with noise", &noisy),
        ("digest, talk", &talk),
        ("digest, rows with common stems", &common_stems()),
        ("digest, talk with common stems", &common_stems_in_talk()),
        ("digest, storm", &storm()),
    ] {
        group.throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(name, |bencher| bencher.iter(|| black_box(digest(text))));
    }
    group.finish();
}

fn digest(text: &str) -> DigestFacts {
    let mut digest = Digest::new(Numbers::default(), Options::default());
    let path = Path::new("train.log");
    let source = Source::of(path);
    let block = Block { bytes: text.as_bytes(), offset: 0, line: 1, part: Part::Whole, ends: &[] };
    digest.block(&source, &mut FileContext::default(), &block);
    digest.finish()
}

criterion_group!(benches, scanning);
criterion_main!(benches);
