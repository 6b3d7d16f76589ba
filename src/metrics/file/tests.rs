//! Cutting, on bytes that are torn, damaged or lie about their length. What the packages write is in
//! `tests/it/metric_files.rs`.

use super::*;
use crate::metrics::Metric;
use crate::metrics::names::Aliases;
use crate::metrics::text::{Extractor, FileContext};

/// A record file's record.
fn event(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let sum = |bytes: &[u8]| crc32c::masked(bytes).to_le_bytes();
    [&length[..], &sum(&length), data, &sum(data)].concat()
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 128);
    [&[number << 3 | 2, bytes.len() as u8], bytes].concat()
}

/// An event with one scalar of old.
fn scalar(step: u8, tag: &str, value: f32) -> Vec<u8> {
    let value = [&field(1, tag.as_bytes())[..], &[0x15], &value.to_le_bytes()].concat();
    let summary = field(5, &field(1, &value));
    event(&[&[0x09], &1.7e9_f64.to_le_bytes()[..], &[0x10, step], &summary].concat())
}

/// A chunk of a W&B file.
fn chunk(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(&[&[kind], data].concat());
    [&sum.sum().to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), &[kind], data].concat()
}

fn history(step: u8) -> Vec<u8> {
    let item = |name: &str, value: &str| {
        field(
            1,
            &[field(2, name.as_bytes()), [&[0x82, 0x01, value.len() as u8], value.as_bytes()].concat()]
                .concat(),
        )
    };
    field(2, &[item("loss", "2.5"), item("_step", &step.to_string())].concat())
}

const WANDB_HEAD: &[u8] = b":W&B\xe1\xbe\x00";

/// Where something stands, and how long it is.
type Place = (usize, usize);

/// Offsets and lengths of the sound records of a whole file, and what was passed over.
fn cuts(format: Format, bytes: &[u8]) -> (Vec<Place>, Vec<Place>) {
    let (mut at, mut sound, mut damage) = (0, Vec::new(), Vec::new());
    while at < bytes.len() {
        let (list, length) = match format.cut(&bytes[at..], at as u64) {
            Cut::Record(length) => (&mut sound, length),
            Cut::Damage(length) => (&mut damage, length),
            Cut::Skip(_) | Cut::More => break,
        };
        assert!(length > 0);
        list.push((at, length));
        at += length;
    }
    (sound, damage)
}

#[test]
fn a_record_that_is_not_all_there_is_waited_for() {
    let events = [scalar(1, "loss", 2.5), scalar(2, "loss", 2.25)].concat();
    let wandb = [WANDB_HEAD, &chunk(1, &history(1)), &chunk(1, &history(2))].concat();
    for (format, bytes) in [(Format::Events, events), (Format::Wandb, wandb)] {
        let whole = cuts(format, &bytes).0;
        for length in 0..bytes.len() {
            let (sound, damage) = cuts(format, &bytes[..length]);
            assert!(damage.is_empty());
            let complete: Vec<_> = whole.iter().copied().filter(|(at, long)| at + long <= length).collect();
            assert_eq!(sound, complete, "{format:?} of {length} bytes");
        }
    }
}

#[test]
fn a_flipped_bit_costs_the_record_that_it_is_in_and_no_other() {
    let events: Vec<u8> = (1..=5).flat_map(|step| scalar(step, "loss", 2.5)).collect();
    let wandb = [WANDB_HEAD.to_vec(), (1..=5).flat_map(|step| chunk(1, &history(step))).collect()].concat();
    for (format, bytes) in [(Format::Events, events), (Format::Wandb, wandb)] {
        let whole = cuts(format, &bytes).0;
        let last = whole.last().unwrap().0;
        for bit in 0..8 * last {
            let mut bytes = bytes.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let (sound, damage) = cuts(format, &bytes);
            let hit = whole.iter().position(|(at, length)| (*at..at + length).contains(&(bit / 8))).unwrap();
            let mut left = whole.clone();
            let lost = left.remove(hit);
            // The version of a W&B file stands behind what it is known by.
            let harmless = format == Format::Wandb && bit / 8 == WANDB_HEAD.len() - 1;
            if !harmless {
                assert_eq!((sound, damage), (left, vec![lost]), "{format:?}, bit {bit}");
            }
        }
    }
}

#[test]
fn a_length_beyond_reason_is_damage_and_one_beyond_what_is_held_is_passed_over() {
    let length = (1_u64 << 60).to_le_bytes();
    let mut lie = [&length[..], &crc32c::masked(&length).to_le_bytes()].concat();
    assert_eq!(Format::Events.cut(&lie, 0), Cut::More, "nothing sound follows it yet");
    let lied = lie.len();
    lie.extend(scalar(1, "loss", 2.5));
    assert_eq!(Format::Events.cut(&lie, 0), Cut::Damage(lied));
    let length = (RECORD_MAX as u64 + 1).to_le_bytes();
    let long = [&length[..], &crc32c::masked(&length).to_le_bytes()].concat();
    assert_eq!(Format::Events.cut(&long, 0), Cut::Skip(RECORD_MAX as u64 + 1 + 16));
}

#[test]
fn a_record_in_chunks_over_blocks_is_one_and_its_chunks_alone_are_damage() {
    const BLOCK: usize = 32 * 1024;
    let fill = BLOCK - WANDB_HEAD.len() - 7 - 7 - 20;
    // A record that leaves 27 bytes of the block, then one in three chunks.
    let long: Vec<u8> = [history(9), field(99 % 16, &[7; 100]).repeat(400)].concat();
    let first = chunk(1, &field(15, &[1; 100]).repeat(fill / 102 + 1)[..fill]);
    let bytes = [
        WANDB_HEAD.to_vec(),
        first.clone(),
        chunk(2, &long[..20]),
        chunk(3, &long[20..20 + BLOCK - 7]),
        chunk(4, &long[20 + BLOCK - 7..]),
        chunk(1, &history(10)),
    ]
    .concat();
    let (sound, damage) = cuts(Format::Wandb, &bytes);
    assert_eq!((sound.len(), damage.len()), (4, 0));
    let (at, length) = sound[2];
    let mut values = Vec::new();
    Format::Wandb
        .read(&bytes[at..at + length], at as u64, &mut |point| values.push((point.step, point.value)));
    assert_eq!(values, [(Some(9.0), 2.5)]);
    // Without its first chunk the rest is nothing.
    let mut torn = bytes.clone();
    torn[WANDB_HEAD.len() + first.len() + 8] ^= 1;
    let (sound, damage) = cuts(Format::Wandb, &torn);
    assert_eq!((sound.len(), damage.iter().map(|(_, length)| length).sum()), (3, length));
}

#[test]
fn zeros_at_the_end_are_waited_for_and_in_the_middle_passed_over() {
    let zeros = vec![0; 5000];
    let events = [scalar(1, "loss", 2.5), zeros.clone()].concat();
    assert_eq!(cuts(Format::Events, &events).0.len(), 1);
    assert!(cuts(Format::Events, &events).1.is_empty());
    let goes_on = [events, scalar(2, "loss", 2.25)].concat();
    let (sound, damage) = cuts(Format::Events, &goes_on);
    assert_eq!((sound.len(), damage.len(), damage[0].1), (2, 1, 5000));
}

/// The rows of a file's bytes.
fn rows(format: Format, path: &str, bytes: &[u8]) -> Vec<Vec<(Metric, f64)>> {
    let (mut points, mut rows) = (Points::new(format, Path::new(path), false), Vec::new());
    let (mut extractor, mut context) = (Extractor::default(), FileContext::default());
    for (line, (at, length)) in cuts(format, bytes).0.into_iter().enumerate() {
        points.record(&bytes[at..at + length], line as u64 + 1, at as u64, &Aliases::default());
    }
    points.close();
    while points.next(&mut extractor, &mut context) {
        rows.push(extractor.row().values.iter().collect());
    }
    rows
}

#[test]
fn numbers_of_one_step_are_one_row_and_a_name_that_comes_again_begins_another() {
    use Metric::{Loss, Lr, Step, ValLoss};
    let bytes = [
        scalar(1, "train/loss", 2.5),
        scalar(1, "train/lr", 0.5),
        scalar(1, "train/loss", 2.25),
        scalar(2, "val/loss", 2.75),
    ]
    .concat();
    assert_eq!(
        rows(Format::Events, "/runs/one/events", &bytes),
        [
            vec![(Step, 1.0), (Loss, 2.5), (Lr, 0.5)],
            vec![(Step, 1.0), (Loss, 2.25)],
            vec![(Step, 2.0), (ValLoss, 2.75)]
        ]
    );
}

#[test]
fn a_directory_says_of_what_data_its_numbers_are() {
    let keras = scalar(3, "epoch_loss", 2.5);
    let metric = |path: &str, bytes: &[u8]| rows(Format::Events, path, bytes)[0][1].0;
    assert_eq!(metric("/logs/train/events", &keras), Metric::Loss);
    assert_eq!(metric("/logs/validation/events", &keras), Metric::ValLoss);
    // What `add_scalars("loss/all", {"val": …})` makes.
    let scalars = scalar(3, "loss", 2.5);
    assert_eq!(metric("/runs/a/loss_val/events", &scalars), Metric::ValLoss);
    assert_eq!(metric("/runs/a/loss_train/events", &scalars), Metric::Loss);
}

#[test]
fn formats_are_told_by_content_and_by_name_where_there_is_none() {
    let detect = |bytes: &[u8], name: &str| Format::detect(bytes, Path::new(name));
    assert_eq!(detect(&scalar(1, "loss", 1.0), "x"), Ok(Format::Events));
    assert_eq!(detect(b"", "/runs/events.out.tfevents.17.host"), Ok(Format::Events));
    assert_eq!(detect(WANDB_HEAD, "x"), Ok(Format::Wandb));
    assert_eq!(detect(b"{\"epoch\": 1.0, \"log_history\": [{", "x"), Ok(Format::Document));
    assert_eq!(detect(b"{\"epoch\": 1.0, \"loss\": 2.5}\n", "x.jsonl"), Ok(Format::Text));
    assert_eq!(detect(b"step 1 loss 2.5\n", "train.log"), Ok(Format::Text));
    assert_eq!(detect(b"", "train.log"), Ok(Format::Text));
    assert!(detect(b"\x89HDF\r\n", "x").is_err());
}
