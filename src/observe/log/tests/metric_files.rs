//! Metric files that grow while patrols come, are killed, or run out of time: each record once, whatever
//! is cut where.

use super::*;
use crate::metrics::file::Format;
use crate::observe::log::{Playback, Stretch, read_metric_files};
use proptest::prelude::*;

/// Records that were delivered, by what stands in them.
#[derive(Default, Clone)]
struct Taken(Vec<(u64, Vec<u8>)>);

impl Sink for Taken {
    fn block(&mut self, source: &Source<'_>, _: &mut FileContext, block: &Block<'_>) {
        assert_ne!(source.format, Format::Text);
        assert_eq!(block.line, self.0.len() as u64 + 1, "a record's number");
        self.0.extend(block.records().map(|(record, _, offset)| (offset, record.to_vec())));
    }
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metric-files").join(name)).unwrap()
}

/// The records of a file that is whole.
fn all(name: &str) -> Vec<(u64, Vec<u8>)> {
    let mut taken = Taken::default();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metric-files").join(name);
    let mut playback = Playback::open(&path).unwrap();
    playback.read(Stretch::Rest, &mut taken, DateTime::UNIX_EPOCH).unwrap();
    taken.0
}

fn patrol(bench: &mut Bench, taken: &mut Taken) -> LogFacts {
    let (pattern, limits) = (bench.pattern.clone(), bench.limits);
    read_metric_files(&pattern, &mut bench.memory, taken, &limits).known().cloned().unwrap()
}

#[test]
fn a_patrol_that_is_killed_at_any_record_is_repeated_and_takes_each_record_once() {
    for name in ["torch.tfevents", "run.wandb"] {
        let (bytes, records) = (fixture(name), all(name));
        let (mut bench, mut taken) = (Bench::with_pattern(name), Taken::default());
        let mut written = 0;
        for (offset, record) in &records {
            // The end of the record before and half of this one.
            let end = *offset as usize + record.len() / 2;
            bench.append(name, &bytes[written..end]);
            written = end;
            // A patrol that is killed leaves neither memory nor numbers behind: they are one file.
            let (memory, before) = (bench.memory.clone(), taken.clone());
            patrol(&mut bench, &mut taken);
            bench.memory = memory;
            taken = before;
            let facts = patrol(&mut bench, &mut taken);
            assert!(facts.gaps.is_empty(), "{:?}", facts.gaps);
        }
        bench.append(name, &bytes[written..]);
        patrol(&mut bench, &mut taken);
        assert!(taken.0 == records, "{name}: {} of {}", taken.0.len(), records.len());
    }
}

#[test]
fn a_length_of_two_to_the_sixty_is_passed_over_with_a_word_and_allocates_nothing() {
    let name = "torch.tfevents";
    let (bytes, records) = (fixture(name), all(name));
    let (offset, _) = records[10];
    let (head, tail) = bytes.split_at(offset as usize);
    // A length with the sum that fits it: masked CRC-32C of eight bytes that say 2^60.
    let lie = [0, 0, 0, 0, 0, 0, 0, 0x10, 0xc4, 0x23, 0x4e, 0x8e];
    let (mut bench, mut taken) = (Bench::with_pattern(name), Taken::default());
    bench.append(name, [head, &lie].concat());
    assert!(patrol(&mut bench, &mut taken).gaps.is_empty(), "it may be one that is not all there");
    assert_eq!(taken.0.len(), 10);
    bench.append(name, tail);
    let facts = patrol(&mut bench, &mut taken);
    assert_eq!((taken.0.len(), facts.gaps.len()), (records.len(), 1));
    assert!(facts.gaps[0].why.starts_with(&format!("12 bytes at byte {offset} of ")), "{:?}", facts.gaps);
    assert!(patrol(&mut bench, &mut taken).gaps.is_empty(), "told once");
}

#[test]
fn a_replay_in_stretches_of_any_size_gives_each_record_once() {
    for name in ["torch.tfevents", "run.wandb"] {
        let records = all(name);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/metric-files").join(name);
        for stretch in [Stretch::Lines(5), Stretch::Bytes(1000)] {
            let (mut taken, mut playback) = (Taken::default(), Playback::open(&path).unwrap());
            let mut patrols = 0;
            while !playback.is_at_end().unwrap() {
                playback.read(stretch, &mut taken, DateTime::UNIX_EPOCH).unwrap();
                patrols += 1;
            }
            assert!(taken.0 == records, "{name} in {stretch:?}");
            if let Stretch::Lines(lines) = stretch {
                let most = records.len() as u64 / lines + 2;
                assert!(patrols <= most && patrols + 2 > most, "{patrols} patrols in {stretch:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Random lengths written, patrols that are killed or in a hurry, and a bit that is flipped.
    #[test]
    fn whatever_happens_to_a_growing_file_no_sound_record_is_lost_or_told_twice(
        wandb in any::<bool>(),
        acts in prop::collection::vec((1_usize..3000, 0_u8..4), 1..60),
        flip in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let name = if wandb { "run.wandb" } else { "torch.tfevents" };
        let (mut bytes, records) = (fixture(name), all(name));
        let flipped = flip.map(|flip| flip.index(bytes.len()));
        if let Some(at) = flipped {
            bytes[at] ^= 4;
        }
        let (mut bench, mut taken) = (Bench::with_pattern(name), Taken::default());
        let (mut written, mut sink_gaps) = (0, 0);
        bench.append(name, b"");
        for (length, act) in acts {
            let end = (written + length).min(bytes.len());
            bench.append(name, &bytes[written..end]);
            written = end;
            let (memory, before) = (bench.memory.clone(), taken.0.len());
            bench.limits.deadline = Instant::now() + Duration::from_secs(if act == 1 { 0 } else { 600 });
            let facts = patrol(&mut bench, &mut taken);
            if act == 2 {
                bench.memory = memory;
                taken.0.truncate(before);
            } else {
                sink_gaps += facts.gaps.len();
            }
        }
        bench.append(name, &bytes[written..]);
        bench.limits.deadline = Instant::now() + Duration::from_mins(10);
        sink_gaps += patrol(&mut bench, &mut taken).gaps.len();
        let is_hit = |(offset, record): &&(u64, Vec<u8>)| {
            flipped.is_some_and(|at| (*offset as usize..*offset as usize + record.len()).contains(&at))
        };
        let hit = records.iter().position(|record| is_hit(&record));
        let mut left: Vec<_> = records.iter().map(|(offset, _)| *offset).collect();
        let last = hit == Some(records.len() - 1);
        hit.map(|hit| left.remove(hit));
        let got: Vec<u64> = taken.0.iter().map(|(offset, _)| *offset).collect();
        let version = wandb && flipped == Some(6);
        if !version {
            prop_assert_eq!(got, left);
            prop_assert_eq!(sink_gaps, usize::from(hit.is_some() && !last));
        }
    }
}
