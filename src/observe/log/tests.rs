//! The cases in which readers of logs lose or repeat lines, one test each.

mod cases;
mod globs;
mod hostile;
mod metric_files;
mod model;
mod oversize;

use super::{Block, Limits, LogFacts, LogMemory, Part, Sink, Source, read};
use crate::metrics::text::FileContext;
use crate::observe::Observation;
use chrono::{DateTime, TimeDelta};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;

/// What was delivered, record by record.
#[derive(Default)]
struct Recorder {
    /// Whole records without their ends; of a longer one than the buffer the pieces joined.
    records: Vec<String>,
    /// Unfinished tails that were judged.
    tails: Vec<String>,
    /// Line, offset, head and bytes judged before, for every record that begins in a block.
    places: Vec<(u64, u64, String, u64)>,
    /// Which log and which file each block came from.
    sources: Vec<(usize, PathBuf)>,
    long: Vec<u8>,
    largest: usize,
}

impl Sink for Recorder {
    fn block(&mut self, source: &Source<'_>, context: &mut FileContext, block: &Block<'_>) {
        context.epoch = Some(context.epoch.unwrap_or_default() + 1.0);
        self.largest = self.largest.max(block.bytes.len());
        self.sources.push((source.index, source.path.to_owned()));
        match block.part {
            Part::Piece => {
                self.long.extend_from_slice(&block.bytes[(source.judged as usize).min(block.bytes.len())..]);
            }
            Part::LastPiece => {
                self.long.extend_from_slice(&block.bytes[source.judged as usize..]);
                self.records.push(text(&std::mem::take(&mut self.long)));
            }
            Part::Tail => self.tails.push(text(block.bytes)),
            Part::Whole => {
                let (mut offset, mut line, mut judged) = (block.offset, block.line, source.judged);
                for record in split(block.bytes) {
                    self.records.push(text(record));
                    self.places.push((line, offset, source.head.to_owned(), judged));
                    offset += record.len() as u64;
                    line += u64::from(record.ends_with(b"\n"));
                    judged = 0;
                }
            }
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end_matches(['\n', '\r']).to_owned()
}

/// The slow and obvious way to cut a block into its records.
fn split(bytes: &[u8]) -> Vec<&[u8]> {
    let mut records = Vec::new();
    let mut begin = 0;
    for at in 0..bytes.len() {
        if bytes[at] == b'\n' || bytes[at] == b'\r' && bytes.get(at + 1) != Some(&b'\n') {
            records.push(&bytes[begin..=at]);
            begin = at + 1;
        }
    }
    assert_eq!(begin, bytes.len(), "a block of whole records ends with a record");
    records
}

/// A log in a directory of its own, and the memory of its patrols.
struct Bench {
    directory: TempDir,
    pattern: PathBuf,
    memory: LogMemory,
    limits: Limits,
}

impl Bench {
    fn new() -> Self {
        Self::with_pattern("train.log")
    }

    fn with_pattern(pattern: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Files written by a test are a moment old: young enough for their tails to be awaited.
        let limits = Limits {
            deadline: Instant::now() + Duration::from_mins(10),
            last_look: false,
            process_gone: false,
            now: DateTime::from(SystemTime::now()),
        };
        Self { pattern: directory.path().join(pattern), directory, memory: LogMemory::default(), limits }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn append(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file = OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    /// `> NAME` and new content: same inode.
    fn overwrite(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).open(self.path(name)).unwrap();
        file.write_all(bytes.as_ref()).unwrap();
    }

    /// The file was last written to some seconds later than it was, whatever the file system's clock
    /// can tell apart.
    fn written_later(&self, name: &str, seconds: u64) {
        let file = OpenOptions::new().append(true).open(self.path(name)).unwrap();
        file.set_modified(file.metadata().unwrap().modified().unwrap() + Duration::from_secs(seconds))
            .unwrap();
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.path(from), self.path(to)).unwrap();
    }

    fn copy(&self, from: &str, to: &str) {
        fs::copy(self.path(from), self.path(to)).unwrap();
    }

    /// As gzip does: the time of the last write stays.
    fn gzip(&self, from: &str, to: &str) {
        let modified = fs::metadata(self.path(from)).unwrap().modified().unwrap();
        let mut encoder = GzEncoder::new(File::create(self.path(to)).unwrap(), Compression::fast());
        encoder.write_all(&fs::read(self.path(from)).unwrap()).unwrap();
        encoder.finish().unwrap().set_modified(modified).unwrap();
        fs::remove_file(self.path(from)).unwrap();
    }

    fn look(&mut self) -> (Recorder, Observation<LogFacts>) {
        // As between real patrols: what is remembered goes through JSON.
        let mut memory = serde_json::from_str(&serde_json::to_string(&self.memory).unwrap()).unwrap();
        let mut recorder = Recorder::default();
        let facts = read(&self.pattern, &mut memory, &mut recorder, &self.limits);
        self.memory = memory;
        (recorder, facts)
    }

    /// A patrol that could look.
    fn patrol(&mut self) -> (Recorder, LogFacts) {
        match self.look() {
            (recorder, Observation::Known(facts)) => (recorder, facts),
            (_, other) => panic!("{other:?}"),
        }
    }

    /// The whole records that a patrol delivers.
    fn records(&mut self) -> Vec<String> {
        self.patrol().0.records
    }

    fn reason(&mut self) -> String {
        let before = self.memory.clone();
        let (recorder, observation) = self.look();
        assert!(recorder.sources.is_empty() && self.memory == before, "a failed look changes nothing");
        match observation {
            Observation::Failed { why } => why,
            other => panic!("{other:?}"),
        }
    }
}

/// `FROM 0`, `FROM 1`, …: enough of them are longer than any marker.
fn lines(name: &str, count: usize) -> String {
    let lines: Vec<String> = (0..count).map(|n| format!("{name} step {n} loss 2.{n:04}\n")).collect();
    lines.concat()
}

fn expected(name: &str, count: usize) -> Vec<String> {
    lines(name, count).lines().map(str::to_owned).collect()
}

fn later(limits: &Limits, seconds: i64) -> Limits {
    Limits { now: limits.now + TimeDelta::seconds(seconds), ..*limits }
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).unwrap().ino()
}
