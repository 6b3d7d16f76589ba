//! Bytes that nobody meant as a log: no panic, the same facts however they are cut, and work that
//! grows with the bytes and not with the length of a record. `fuzz/` has the same for a fuzzer.

use super::{CARRY, Digest, DigestFacts, Options};
use crate::metrics::numbers::Numbers;
use crate::metrics::text::{FileContext, records, work};
use crate::observe::log::{Block, Part, Sink, Source};
use proptest::prelude::*;
use std::path::Path;

/// Reads with a buffer of this size, as the log reader does.
fn read(bytes: &[u8], buffer: usize) -> DigestFacts {
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
        line += memchr::memchr_iter(b'\n', &rest[..length]).count() as u64;
        at += length;
    }
    digest.finish()
}

/// What takes readers of logs apart.
const PIECES: &[&str] = &[
    "\r",
    "\n",
    "\r\n",
    "[",
    "]",
    "{",
    "}",
    "key=",
    "loss",
    "loss: ",
    "step ",
    "epoch",
    " ",
    "\t",
    ",",
    ":",
    "/",
    "-",
    ".",
    "e",
    "%|",
    "|",
    "1",
    "17",
    "2.5",
    "nan",
    "-inf",
    "1e400",
    "\x1b[",
    "\x1b]",
    "m",
    "\x08",
    "\0",
    "Traceback (most recent call last)",
    "  File \"a.py\", line 1, in f",
    "RuntimeError: ",
    "CUDA out of memory",
    "Killed",
    "Errno 28",
    "损失",
    "12:30:01",
    "2024-10-15 15:58:28,190",
    "\"",
    "'",
];

fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(PIECES).prop_map(|piece| piece.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..9),
    ];
    prop::collection::vec((piece, 1usize..5), 0..120)
        .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, times)| piece.repeat(times)).collect())
}

proptest! {
    #[test]
    fn whatever_the_bytes_they_are_read_and_whole_records_are_the_same_in_any_blocks(
        bytes in hostile(),
        small in 2usize..200,
    ) {
        let whole = read(&bytes, usize::MAX / 2);
        prop_assert!(whole.rows <= whole.records);
        read(&bytes, small);
        let longest = bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::len).max().unwrap_or(0);
        let cut = read(&bytes, longest + 2);
        prop_assert_eq!((cut.rows, cut.records), (whole.rows, whole.records));
        prop_assert_eq!(
            cut.hits.iter().map(|hits| (&hits.syndrome, hits.count)).collect::<Vec<_>>(),
            whole.hits.iter().map(|hits| (&hits.syndrome, hits.count)).collect::<Vec<_>>()
        );
    }
}

/// As the log reader has it.
const BUFFER: usize = 256 * 1024;

/// Bytes looked at for each byte of a log, at most: finding the record's end, the words of rows, the
/// shapes that are tried, the numbers and their names, four searches for stems, and the patterns where
/// a literal stands. What grows with the square of a record's length is beyond it by far.
const LOOKS: u64 = 60;

/// The log is not in memory as a whole: `length` bytes of `piece` come buffer by buffer as one record.
fn read_one_record(piece: &[u8], length: usize) -> Digest {
    let mut digest = Digest::new(Numbers::default(), Options::default());
    let mut context = FileContext::default();
    let path = Path::new("train.log");
    let source = Source { head: "head", ..Source::of(path) };
    let buffer = piece.repeat(BUFFER / piece.len());
    let blocks = length / buffer.len();
    for block in 0..=blocks {
        let part = if block < blocks { Part::Piece } else { Part::LastPiece };
        let bytes = if block < blocks { &buffer[..] } else { b"\n" };
        let offset = (block * buffer.len()) as u64;
        digest.block(&source, &mut context, &Block { bytes, offset, line: 1, part, ends: &[] });
        let held = digest.files.values().map(|state| state.carry.capacity()).sum::<usize>();
        assert!(held <= CARRY, "{held} bytes of {piece:?} are held");
    }
    digest
}

#[test]
fn records_of_any_length_are_looked_at_a_bounded_number_of_times() {
    const TOTAL: usize = 320 * 1024;
    for piece in [
        "[",
        "{",
        "(",
        "[[[[1",
        "{\"a\":",
        "key=",
        "key=1 ",
        "loss",
        "loss: ",
        "loss 1 ",
        "step ",
        "1",
        "1 ",
        "1/",
        "1:",
        "1,",
        "-",
        ".",
        " ",
        "|",
        "%|",
        "\x08",
        "\x1b[",
        "\x1b]",
        "\0",
        "nan ",
        "\"",
        "'1",
        "Killed ",
        "Traceback (most recent call last) ",
        "CUDA out of memory ",
        "error ",
        "text ",
        "损失",
    ] {
        // Up to 64 KiB a record is searched for numbers; longer than the buffer it comes in pieces.
        for length in [60 * 1024, TOTAL - 8] {
            let record = piece.repeat(length / piece.len()) + "loss\n";
            let text = record.repeat(TOTAL / record.len());
            let looks = work::of(|| drop(read(text.as_bytes(), BUFFER))) / text.len() as u64;
            assert!(looks <= LOOKS, "{piece:?} in records of {length} bytes: {looks} looks at each byte");
        }
    }
}

#[test]
fn of_a_record_of_many_buffers_little_is_in_memory() {
    const LENGTH: usize = 4 << 20;
    for piece in [&b"x"[..], b"1 "] {
        let looks =
            work::of(|| assert_eq!(read_one_record(piece, LENGTH).finish().records, 1)) / LENGTH as u64;
        assert!(looks <= LOOKS, "{piece:?}: {looks} looks at each byte");
    }
}

#[test]
fn a_million_keys_numbers_or_brackets_and_the_widest_tables_cost_what_their_bytes_cost() {
    let mut header = String::new();
    for column in 0..20_000 {
        header.push_str(&format!("loss{column},"));
    }
    let cells = "0.5,".repeat(20_000);
    for text in [
        "key=".repeat(1_000_000) + "\n",
        "loss 7 ".repeat(1_000_000) + "\n",
        "[".repeat(1_000_000) + "\n",
        "{\"a\":".repeat(200_000) + "1" + &"}".repeat(200_000) + "\n",
        format!("step,{header}\n{}", format!("1,{cells}\n").repeat(10)),
    ] {
        let looks = work::of(|| drop(read(text.as_bytes(), BUFFER))) / text.len() as u64;
        assert!(looks <= LOOKS, "{:?}…: {looks} looks at each byte", &text[..20]);
    }
}

#[test]
fn ten_million_carriage_returns_are_ten_million_records_and_nothing_else() {
    let bytes = vec![b'\r'; 10_000_000];
    let looks = work::of(|| {
        let facts = read(&bytes, BUFFER);
        assert_eq!((facts.records, facts.rows, facts.hits.len()), (10_000_000, 0, 0));
    });
    assert!(looks <= LOOKS * bytes.len() as u64);
}
