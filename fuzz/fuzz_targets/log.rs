//! Arbitrary bytes as a log, cut into blocks as the log reader cuts them: rows, numbers, words.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use trainguard::metrics::numbers::Numbers;
use trainguard::metrics::text::{FileContext, records};
use trainguard::observe::digest::{Digest, Options};
use trainguard::observe::log::{Block, Part, Sink, Source};

fuzz_target!(|input: (u16, &[u8])| {
    let (buffer, bytes) = (usize::from(input.0).max(2), input.1);
    let mut digest = Digest::new(Numbers::default(), Options::default());
    let mut context = FileContext::default();
    let path = Path::new("train.log");
    let source = Source { head: "head", ..Source::of(path) };
    let (mut at, mut line, mut inside) = (0, 1, false);
    while at < bytes.len() {
        let rest = &bytes[at..bytes.len().min(at + buffer)];
        let (length, part) = match (inside, records::first(rest), records::whole(rest)) {
            (true, Some(first), _) => (first, Part::LastPiece),
            (false, _, whole) if whole > 0 => (whole, Part::Whole),
            _ if at + rest.len() == bytes.len() => (rest.len(), Part::Tail),
            _ => (rest.len(), Part::Piece),
        };
        inside = part == Part::Piece;
        let block = Block { bytes: &rest[..length], offset: at as u64, line, part, ends: &[] };
        digest.block(&source, &mut context, &block);
        line += rest[..length].iter().filter(|byte| **byte == b'\n').count() as u64;
        at += length;
    }
    let facts = digest.finish();
    assert!(facts.rows <= facts.records);
});
