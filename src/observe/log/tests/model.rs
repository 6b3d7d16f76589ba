//! Random histories of a log on a real disk against a model that knows which lines still exist.

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeSet, HashSet};

#[derive(Debug, Clone, Copy)]
enum Act {
    Append(u8),
    /// Long enough that markers are strong and a late patrol does not come to the end.
    AppendMany,
    Half,
    Finish,
    Rotate,
    RotateAndCompress,
    /// The log is renamed, and created only by the next writer.
    RotateAway,
    CopyTruncate,
    CompressNewest,
    /// Whoever still has the newest archive open writes to it.
    Late,
    Truncate,
    Remove,
    RemoveOldest,
    /// The same bytes on another inode.
    Replace,
    Patrol,
    /// A patrol whose time is up after the first block.
    Hurried,
}

#[derive(Debug, Clone, Copy)]
struct Setting {
    dated: bool,
    glob: bool,
}

/// One content: its whole lines in order, and the half line behind them.
#[derive(Debug, Default, Clone)]
struct Content {
    lines: Vec<String>,
    half: Option<String>,
}

impl Content {
    fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.half.is_none()
    }
}

struct World {
    bench: Bench,
    dated: bool,
    /// Seconds since an arbitrary start: every act has its own time of writing.
    time: u64,
    log: Option<Content>,
    /// Newest first, with their names.
    archives: Vec<(String, Content)>,
    read: HashSet<String>,
    tails: BTreeSet<String>,
    next: usize,
}

fn is_packed(name: &str) -> bool {
    name.rsplit('.').next() == Some("gz")
}

const LOG: &str = "train.log";
const START: u64 = 1_700_000_000;

impl World {
    fn new(setting: Setting) -> Self {
        let bench = Bench::with_pattern(if setting.glob { "train.log*" } else { LOG });
        let mut world = Self {
            bench,
            dated: setting.dated,
            time: START,
            log: None,
            archives: Vec::new(),
            read: HashSet::new(),
            tails: BTreeSet::new(),
            next: 0,
        };
        world.act(Act::Append(1));
        world.act(Act::Patrol);
        world
    }

    fn stamp(&self, name: &str) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.time);
        OpenOptions::new().append(true).open(self.bench.path(name)).unwrap().set_modified(time).unwrap();
    }

    fn write(&self, name: &str, text: &str) {
        self.bench.append(name, text);
        self.stamp(name);
    }

    fn line(&mut self, size: usize) -> String {
        self.next += 1;
        format!("line {} {}", self.next, "x".repeat(size))
    }

    /// Makes room for a newest archive and says its name.
    fn shift(&mut self) -> String {
        if self.dated {
            return format!("{LOG}-{}", self.time);
        }
        for at in (0..self.archives.len()).rev() {
            let old = self.archives[at].0.clone();
            let ending = if is_packed(&old) { ".gz" } else { "" };
            let new = format!("{LOG}.{}{ending}", at + 2);
            self.bench.rename(&old, &new);
            self.archives[at].0 = new;
        }
        format!("{LOG}.1")
    }

    fn rotate(&mut self) {
        if let Some(content) = self.log.take() {
            let name = self.shift();
            self.bench.rename(LOG, &name);
            self.archives.insert(0, (name, content));
        }
    }

    fn create(&mut self) {
        if self.log.is_none() {
            self.log = Some(Content::default());
            self.write(LOG, "");
        }
    }

    fn compress(&mut self) {
        if let Some((name, _)) = self.archives.first_mut()
            && !is_packed(name)
        {
            let packed = format!("{name}.gz");
            self.bench.gzip(name, &packed);
            *name = packed;
        }
    }

    fn append(&mut self, count: usize, size: usize) {
        self.create();
        let lines: Vec<String> = (0..count).map(|_| self.line(size)).collect();
        let text = lines.join("\n") + "\n";
        self.write(LOG, &text);
        let content = self.log.as_mut().unwrap();
        for line in lines {
            let begun = content.half.take().unwrap_or_default();
            content.lines.push(begun + &line);
        }
    }

    fn act(&mut self, act: Act) {
        self.time += 1;
        match act {
            Act::Append(count) => self.append(usize::from(count), 5),
            Act::AppendMany => self.append(1800, 150),
            Act::Half => {
                self.create();
                let text = self.line(3);
                self.write(LOG, &text);
                let half = &mut self.log.as_mut().unwrap().half;
                *half = Some(half.take().unwrap_or_default() + &text);
            }
            Act::Finish => {
                if let Some(content) = self.log.as_mut()
                    && let Some(half) = content.half.take()
                {
                    content.lines.push(half + " end");
                    self.write(LOG, " end\n");
                }
            }
            Act::Rotate => {
                self.rotate();
                self.create();
            }
            Act::RotateAndCompress => {
                self.rotate();
                self.compress();
                self.create();
            }
            Act::RotateAway => self.rotate(),
            Act::CompressNewest => self.compress(),
            Act::CopyTruncate => {
                if let Some(content) = self.log.take() {
                    let name = self.shift();
                    self.bench.copy(LOG, &name);
                    self.stamp(&name);
                    self.archives.insert(0, (name, content));
                    self.time += 1;
                    self.bench.overwrite(LOG, "");
                    self.create();
                }
            }
            Act::Late => {
                // An archive that was empty when it was rotated away is not known again.
                let open = |(name, content): &&(String, Content)| !is_packed(name) && !content.is_empty();
                if self.archives.first().as_ref().is_some_and(open) {
                    let line = self.line(5);
                    let (name, content) = &mut self.archives[0];
                    let begun = content.half.take().unwrap_or_default();
                    content.lines.push(begun + &line);
                    let name = name.clone();
                    self.write(&name, &format!("{line}\n"));
                }
            }
            Act::Truncate => {
                if self.log.take().is_some() {
                    self.bench.overwrite(LOG, "");
                    self.create();
                }
            }
            Act::Remove => {
                if self.log.take().is_some() {
                    fs::remove_file(self.bench.path(LOG)).unwrap();
                }
            }
            Act::RemoveOldest => {
                if let Some((name, _)) = self.archives.pop() {
                    fs::remove_file(self.bench.path(&name)).unwrap();
                }
            }
            Act::Replace => {
                if self.log.is_some() {
                    let modified = fs::metadata(self.bench.path(LOG)).unwrap().modified().unwrap();
                    self.bench.copy(LOG, "copy");
                    self.bench.rename("copy", LOG);
                    File::options()
                        .append(true)
                        .open(self.bench.path(LOG))
                        .unwrap()
                        .set_modified(modified)
                        .unwrap();
                }
            }
            Act::Patrol => self.patrol(false),
            Act::Hurried => self.patrol(true),
        }
    }

    fn contents(&self) -> impl Iterator<Item = &Content> {
        self.archives.iter().map(|(_, content)| content).chain(&self.log)
    }

    fn patrol(&mut self, hurried: bool) {
        let deadline = if hurried { Instant::now() } else { Instant::now() + Duration::from_mins(10) };
        let now = DateTime::from_timestamp(self.time as i64, 0).unwrap();
        self.bench.limits = Limits { deadline, now, ..self.bench.limits };
        let existing: HashSet<String> =
            self.contents().flat_map(|content| content.lines.iter().cloned()).collect();
        let (recorder, observation) = self.bench.look();
        for record in recorder.records {
            assert!(existing.contains(&record), "read what no file holds: {record}");
            assert!(self.read.insert(record.clone()), "read twice: {record}");
        }
        for tail in recorder.tails {
            assert!(
                self.contents().any(|content| content.half.as_ref() == Some(&tail)),
                "judged what no file holds: {tail}"
            );
            assert!(self.tails.insert(tail.clone()), "judged twice: {tail}");
        }
        if self.log.is_none() {
            return;
        }
        let Observation::Known(facts) = observation else { panic!("{observation:?}") };
        if hurried {
            return;
        }
        assert_eq!(facts.backlog_bytes, 0);
        let unread: Vec<&String> = existing.iter().filter(|line| !self.read.contains(*line)).collect();
        assert!(unread.is_empty(), "not read: {unread:?}");
    }

    /// The last look: every half line that still exists is judged by then.
    fn end(&mut self) {
        self.append(1, 5);
        self.act(Act::Half);
        self.bench.limits.last_look = true;
        self.act(Act::Patrol);
        let half = self.log.as_ref().and_then(|content| content.half.clone());
        assert!(half.is_none_or(|half| self.tails.contains(&half)));
    }
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1u8..30).prop_map(Act::Append),
        1 => Just(Act::AppendMany),
        3 => Just(Act::Half),
        2 => Just(Act::Finish),
        3 => Just(Act::Rotate),
        2 => Just(Act::RotateAndCompress),
        1 => Just(Act::RotateAway),
        2 => Just(Act::CopyTruncate),
        1 => Just(Act::CompressNewest),
        2 => Just(Act::Late),
        1 => Just(Act::Truncate),
        1 => Just(Act::Remove),
        1 => Just(Act::RemoveOldest),
        1 => Just(Act::Replace),
        8 => Just(Act::Patrol),
        2 => Just(Act::Hurried),
    ];
    proptest::collection::vec(act, 1..40)
}

fn play(setting: Setting, acts: &[Act]) {
    let mut world = World::new(setting);
    for act in acts {
        world.act(*act);
    }
    world.end();
}

proptest! {
    #[test]
    fn every_line_that_still_exists_is_read_exactly_once(dated: bool, acts in acts()) {
        play(Setting { dated, glob: false }, &acts);
    }

    #[test]
    fn it_is_so_under_a_pattern_that_matches_the_archives(dated: bool, acts in acts()) {
        play(Setting { dated, glob: true }, &acts);
    }
}
