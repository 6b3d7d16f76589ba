//! Random histories of a log under whole patrols, of which any may be killed at any step, against a model that
//! knows each failure line's fate.
//!
//! What is held, after every patrol: a patrol that came to its end told every failure line that stood in the log or
//! an archive and that no patrol had taken, and no other. Of a killed one the model asks the state file: its open
//! finding counts either as many hits as before, and the next patrol takes them, or exactly those lines more, and
//! none does; what it had printed of them is the same lines. So no line is in two counts, and none that a patrol
//! could see is in no count. A failure on a line that is not finished yet may be taken early, but only once. Lines
//! that were cut or removed before any patrol looked are lost, as they are for every reader.

use crate::scene::{Scene, failure, numbers, occurrences};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::time::{Duration, SystemTime};

const LOG: &str = "train.log";
/// A patrol tells at most 20 occurrences of a syndrome, so that more unread failures would be told by number only.
const UNREAD_MAX: usize = 15;
/// A little more steps than a patrol has that opens nothing: some killed ones survive.
const STEPS: u64 = 45;
/// The first second of all histories.
const START: u64 = 1_800_000_000;

#[derive(Debug, Clone, Copy)]
enum Act {
    /// So many failures, a line that says nothing before each.
    Append(u8),
    /// A failure whose line is not finished.
    Half,
    Finish,
    Rotate,
    RotateAndCompress,
    CopyTruncate,
    CompressNewest,
    Truncate,
    Remove,
    RemoveOldest,
    /// The same bytes on another inode.
    Replace,
    Patrol,
    /// Killed before that step.
    Killed(u64),
}

/// The failures of one content: on whole lines, and on the one that is not finished.
#[derive(Debug, Default, Clone)]
struct Content {
    whole: Vec<usize>,
    half: Option<usize>,
}

struct World {
    scene: Scene,
    pattern: &'static str,
    dated: bool,
    seconds: u64,
    log: Option<Content>,
    /// Newest first.
    archives: Vec<(String, Content)>,
    taken: BTreeSet<usize>,
    failures: usize,
}

impl World {
    fn new(dated: bool, pattern: &'static str) -> Self {
        let mut world = Self {
            scene: Scene::new(),
            pattern,
            dated,
            seconds: START,
            log: None,
            archives: Vec::new(),
            taken: BTreeSet::new(),
            failures: 0,
        };
        world.act(Act::Append(1));
        world.act(Act::Patrol);
        world
    }

    fn stamp(&self, name: &str) {
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(self.seconds);
        File::options().append(true).open(self.scene.path(name)).unwrap().set_modified(time).unwrap();
    }

    fn write(&mut self, text: &str) -> &mut Content {
        self.scene.append(LOG, text);
        self.stamp(LOG);
        self.log.get_or_insert_default()
    }

    fn failure(&mut self) -> (usize, String) {
        self.failures += 1;
        (self.failures, failure(self.failures))
    }

    fn cut(&self) {
        File::options().write(true).open(self.scene.path(LOG)).unwrap().set_len(0).unwrap();
        self.stamp(LOG);
    }

    fn rename(&self, from: &str, to: &str) {
        fs::rename(self.scene.path(from), self.scene.path(to)).unwrap();
    }

    /// Makes room for a newest archive and says its name.
    fn shift(&mut self) -> String {
        if self.dated {
            return format!("{LOG}-{}", self.seconds);
        }
        for at in (0..self.archives.len()).rev() {
            let old = self.archives[at].0.clone();
            let packed = if is_packed(&old) { ".gz" } else { "" };
            let new = format!("{LOG}.{}{packed}", at + 2);
            self.rename(&old, &new);
            self.archives[at].0 = new;
        }
        format!("{LOG}.1")
    }

    fn rotate(&mut self) {
        if let Some(content) = self.log.take() {
            let name = self.shift();
            self.rename(LOG, &name);
            self.archives.insert(0, (name, content));
            self.write("");
        }
    }

    fn compress(&mut self) {
        if let Some((name, _)) = self.archives.first_mut()
            && !is_packed(name)
        {
            let path = self.scene.path(&*name);
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            *name += ".gz";
            let target = File::create(self.scene.path(&*name)).unwrap();
            let mut encoder = flate2::write::GzEncoder::new(target, flate2::Compression::fast());
            encoder.write_all(&fs::read(&path).unwrap()).unwrap();
            encoder.finish().unwrap().set_modified(modified).unwrap();
            fs::remove_file(path).unwrap();
        }
    }

    fn finish(&mut self) {
        if let Some(half) = self.log.as_mut().and_then(|log| log.half.take()) {
            self.write(" end\n").whole.push(half);
        }
    }

    fn act(&mut self, act: Act) {
        self.seconds += 1;
        match act {
            Act::Append(count) => {
                self.finish();
                for _ in 0..count {
                    if self.due().0.len() < UNREAD_MAX {
                        let (number, text) = self.failure();
                        self.write(&format!("line before {number}\n{text}")).whole.push(number);
                    }
                }
            }
            Act::Half => {
                // Of two the model could not tell which one a killed patrol took.
                if self.contents().all(|content| content.half.is_none()) {
                    let (number, text) = self.failure();
                    self.write(text.trim_end()).half = Some(number);
                }
            }
            Act::Finish => self.finish(),
            Act::Rotate => self.rotate(),
            Act::RotateAndCompress => {
                self.rotate();
                self.compress();
            }
            Act::CompressNewest => self.compress(),
            Act::CopyTruncate => {
                if let Some(content) = self.log.replace(Content::default()) {
                    let name = self.shift();
                    fs::copy(self.scene.path(LOG), self.scene.path(&name)).unwrap();
                    self.stamp(&name);
                    self.archives.insert(0, (name, content));
                    self.seconds += 1;
                    self.cut();
                } else {
                    self.log = None;
                }
            }
            Act::Truncate => {
                if let Some(log) = self.log.as_mut() {
                    *log = Content::default();
                    self.cut();
                }
            }
            Act::Remove => {
                if self.log.take().is_some() {
                    fs::remove_file(self.scene.path(LOG)).unwrap();
                }
            }
            Act::RemoveOldest => {
                if let Some((name, _)) = self.archives.pop() {
                    fs::remove_file(self.scene.path(name)).unwrap();
                }
            }
            Act::Replace => {
                if self.log.is_some() {
                    let modified = fs::metadata(self.scene.path(LOG)).unwrap().modified().unwrap();
                    fs::copy(self.scene.path(LOG), self.scene.path("copy")).unwrap();
                    self.rename("copy", LOG);
                    let log = File::options().append(true).open(self.scene.path(LOG)).unwrap();
                    log.set_modified(modified).unwrap();
                }
            }
            Act::Patrol => self.patrol(None),
            // Without the log a patrol reads what it finds of the archives, and the model knows not which.
            Act::Killed(step) => self.patrol(self.log.is_some().then_some(step)),
        }
    }

    fn contents(&self) -> impl Iterator<Item = &Content> {
        self.archives.iter().map(|(_, content)| content).chain(&self.log)
    }

    /// The failures that the next patrol takes, and the one that it may take.
    fn due(&self) -> (BTreeSet<usize>, Option<usize>) {
        let new = |number: &&usize| !self.taken.contains(number);
        let whole = self.contents().flat_map(|content| &content.whole).filter(new).copied().collect();
        (whole, self.contents().filter_map(|content| content.half.as_ref()).find(new).copied())
    }

    /// The failures that the state counts.
    fn counted(&self) -> usize {
        let Ok(text) = fs::read(self.scene.path(".trainguard/demo.json")) else { return 0 };
        let state: Value = serde_json::from_slice(&text).unwrap();
        let open = state["ledger"]["open"].as_array().unwrap().iter();
        let failures = open.filter(|open| open["subject"]["syndrome"] == "cuda_illegal_access");
        failures.map(|open| usize::try_from(open["count"].as_u64().unwrap()).unwrap()).sum()
    }

    fn patrol(&mut self, dies_at: Option<u64>) {
        let (whole, half) = self.due();
        let before = self.counted();
        let now = chrono::DateTime::from_timestamp(i64::try_from(self.seconds).unwrap(), 0).unwrap();
        let now = now.to_rfc3339();
        let arguments =
            ["patrol", "--log", self.pattern, "--name", "demo", "--format", "json", "--now", &now];
        let mut command = self.scene.command(&arguments);
        if let Some(step) = dies_at {
            command.env("TRAINGUARD_DIE_AT", step.to_string());
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let survived = output.status.code().is_some_and(|code| code < 4);
        assert!(survived || said.contains("killed before"), "{:?}: {said}", output.status);
        let told = serde_json::from_slice(&output.stdout).map(|report: Value| numbers(&occurrences(&report)));
        assert!(!survived || told.is_ok(), "a patrol that survives has a verdict");
        let counted = self.counted() - before;
        let all = |also: Option<usize>| -> BTreeSet<usize> { whole.iter().copied().chain(also).collect() };
        let taken: BTreeSet<usize> = match told {
            Ok(told) => {
                let once: BTreeSet<usize> = told.iter().copied().collect();
                assert_eq!(once.len(), told.len(), "told twice: {told:?}");
                once
            }
            Err(_) if counted == 0 => return,
            Err(_) if counted == whole.len() => all(None),
            Err(_) => all(half),
        };
        assert_eq!(counted, taken.len(), "counted beside told or due: {taken:?}, killed before {dies_at:?}");
        assert!(taken.is_subset(&all(half)), "{taken:?} taken, but {whole:?} and {half:?} are there");
        assert!(self.log.is_none() || taken.is_superset(&whole), "{taken:?} taken of {whole:?}");
        self.taken.extend(taken);
    }

    /// Two patrols more: everything that still exists is taken, told once, and nothing is damaged.
    fn end(mut self) {
        self.finish();
        self.seconds += 1;
        self.write("a last line\n");
        self.act(Act::Patrol);
        self.act(Act::Patrol);
        assert_eq!(self.due().0, BTreeSet::new());
        let alerts = self.scene.alerts();
        let opened = alerts.iter().filter(|line| line.contains(" opened cuda_illegal_access ")).count();
        assert_eq!(opened, 1, "{alerts:#?}");
        assert!(!self.scene.path(".trainguard/demo.json.damaged").exists());
        let owed = fs::read_dir(self.scene.path(".trainguard/outbox")).unwrap();
        let owed: Vec<_> = owed.map(|entry| entry.unwrap().file_name()).collect();
        assert!(owed.iter().all(|name| name == "delivered.json"), "{owed:?}");
    }
}

fn is_packed(name: &str) -> bool {
    name.rsplit('.').next() == Some("gz")
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (1u8..4).prop_map(Act::Append),
        2 => Just(Act::Half),
        2 => Just(Act::Finish),
        3 => Just(Act::Rotate),
        2 => Just(Act::RotateAndCompress),
        2 => Just(Act::CopyTruncate),
        1 => Just(Act::CompressNewest),
        1 => Just(Act::Truncate),
        1 => Just(Act::Remove),
        1 => Just(Act::RemoveOldest),
        1 => Just(Act::Replace),
        3 => Just(Act::Patrol),
        7 => (1..STEPS).prop_map(Act::Killed),
    ];
    proptest::collection::vec(act, 1..25)
}

fn play(dated: bool, pattern: &'static str, acts: &[Act]) {
    let mut world = World::new(dated, pattern);
    for act in acts {
        world.act(*act);
    }
    world.end();
}

proptest! {
    #[test]
    fn every_failure_is_taken_by_exactly_one_patrol_however_many_are_killed(dated: bool, acts in acts()) {
        play(dated, LOG, &acts);
    }

    #[test]
    fn it_is_so_under_a_pattern_that_matches_the_archives(dated: bool, acts in acts()) {
        play(dated, "train.log*", &acts);
    }
}
