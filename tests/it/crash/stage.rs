//! A situation in which a patrol dies, and what must stand in the end wherever it died.

use crate::scene::Scene;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// More steps than any scene has: who dies this late does not die.
const STEPS_MAX: u64 = 500;
/// Of all pairs of two deaths in a row one of so many is tried. `TRAINGUARD_TEST_PAIRS=1` tries all.
const PAIRS_STRIDE: u64 = 211;
/// Patrols after the last kill: one repeats what was lost, one resolves a failed delivery.
const CLEAN: usize = 2;

/// One situation: what was before, the patrol that dies, and what happens before the next.
#[derive(Clone, Copy)]
pub struct Play {
    pub before: fn(&Scene),
    pub patrol: &'static [&'static str],
    pub after: fn(&Scene),
    /// When the patrol that dies takes place, hours from now.
    pub hours: i64,
    /// Syndromes about the delivery itself, which a kill may rightly spare.
    pub spared: &'static [&'static str],
}

pub const BARE: &[&str] = &["patrol", "--log", "train.log", "--name", "demo", "-q"];
pub const CONFIG: &[&str] = &["patrol", "-q"];
/// What the patrols before told.
pub const TOLD: &str = "told";

impl Default for Play {
    fn default() -> Self {
        Self { before: |_| (), patrol: BARE, after: |_| (), hours: 0, spared: &[] }
    }
}

/// What stands in the end, without what rightly differs from one performance to the next.
#[derive(Debug, PartialEq)]
struct End {
    code: i32,
    /// Severity, run, state and syndrome of each line of the alert file, sorted.
    alerts: Vec<String>,
    /// What the last verdict says of each run.
    runs: Vec<Value>,
}

struct Stage {
    scene: Scene,
    play: Play,
    now: DateTime<Utc>,
    told: String,
}

impl Stage {
    fn new(play: Play) -> Self {
        let scene = Scene::new();
        (play.before)(&scene);
        let now = DateTime::from(SystemTime::now()) + TimeDelta::hours(play.hours);
        let told = fs::read_to_string(scene.path(TOLD)).unwrap_or_default();
        Self { scene, play, now, told }
    }

    /// Every patrol has its own minute: an alert that is told twice is not the same line twice.
    fn next(&mut self) -> String {
        self.now += TimeDelta::minutes(1);
        self.now.to_rfc3339()
    }

    /// Whether the patrol was killed before its step `at`.
    fn dies(&mut self, at: u64) -> bool {
        let now = self.next();
        let mut command = self.scene.command(self.play.patrol);
        let output = command.args(["--now", &now]).env("TRAINGUARD_DIE_AT", at.to_string()).output().unwrap();
        self.told += &String::from_utf8(output.stdout).unwrap();
        let killed = output.status.signal() == Some(9);
        assert!(killed || output.status.code().is_some(), "{:?}", output.status);
        killed
    }

    fn clean(&mut self) {
        let now = self.next();
        let answer = self.scene.run(&[self.play.patrol, &["--now", &now]].concat());
        self.told += &answer.stdout;
    }

    fn end(mut self) -> End {
        (self.play.after)(&self.scene);
        for _ in 0..CLEAN {
            self.clean();
        }
        self.age_leftovers();
        let now = self.next();
        let verdict: Vec<_> = self.play.patrol.iter().filter(|&&word| word != "-q").copied().collect();
        let answer = self.scene.run(&[&verdict[..], &["--now", &now, "--format", "json"]].concat());
        let report: Value =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        assert_eq!(answer.stderr, "");
        let alerts = self.alerts();
        self.expect_told(&alerts);
        self.expect_order();
        let runs = report["runs"].as_array().unwrap().iter().map(known).collect();
        End { code: answer.code, alerts: alerts.into_iter().map(|alert| alert.join(" ")).collect(), runs }
    }

    /// Severity, run, state and syndrome of each alert in the file.
    fn alerts(&self) -> Vec<[String; 4]> {
        let file = [".trainguard/alerts.log", "alerts/alerts.log"].map(|name| self.scene.path(name));
        let text = file.iter().find_map(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        assert!(text.is_empty() || text.ends_with('\n'), "half a line: {text}");
        let mut alerts: Vec<[String; 4]> = text
            .lines()
            .map(|line| {
                let words: Vec<_> = line.split(' ').collect();
                [1, 2, 3, 4].map(|at| words[at].to_owned())
            })
            .filter(|alert| !self.play.spared.contains(&alert[3].as_str()))
            .collect();
        alerts.sort();
        alerts
    }

    /// The terminal may repeat, and forgets nothing.
    fn expect_told(&self, alerts: &[[String; 4]]) {
        for [severity, run, state, syndrome] in alerts.iter().filter(|alert| alert[0] != "INFO") {
            let said = format!(" {state} {syndrome}: ");
            let word = if state == "resolved" { "RESOLVED" } else { severity.as_str() };
            let line = |line: &&str| line.starts_with(&format!("{word} {run}")) && line.contains(&said);
            assert!(self.told.lines().any(|told| line(&told)), "not told: {said}, but\n{}", self.told);
        }
    }

    /// Every file is whole and none is left over.
    fn expect_order(&self) {
        for path in self.files() {
            let name = path.file_name().unwrap().to_str().unwrap();
            let bytes = fs::read(&path).unwrap();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if ["json", "prev"].contains(&ending) {
                let parsed = serde_json::from_slice::<Value>(&bytes);
                assert!(parsed.is_ok(), "{} is damaged", path.display());
            }
            if name == "delivered.json" {
                let mut ids: Vec<String> = serde_json::from_slice(&bytes).unwrap();
                let all = ids.len();
                ids.sort();
                ids.dedup();
                assert_eq!(ids.len(), all, "delivered twice");
            } else if path.parent().unwrap().ends_with("outbox") {
                panic!("left in the outbox: {name}");
            }
            if name == "agent_health.yaml" {
                let health: serde_yaml::Value = serde_yaml::from_slice(&bytes).unwrap();
                assert_eq!(health["schema"], "trainguard/health/1");
            }
            if name == "reserve" {
                assert_eq!(bytes.len(), 256 * 1024, "a reserve that reserves nothing");
            }
            assert!(!["tmp", "link"].contains(&ending), "left over: {name}");
        }
    }

    /// An hour and more later: nobody can still be writing what a killed patrol began.
    fn age_leftovers(&self) {
        let long_ago = SystemTime::now() - Duration::from_hours(2);
        for path in self.files() {
            if path.extension().is_some_and(|ending| ending == "tmp" || ending == "link") {
                File::options().append(true).open(path).unwrap().set_modified(long_ago).unwrap();
            }
        }
    }

    fn files(&self) -> Vec<PathBuf> {
        fn below(directory: &Path, files: &mut Vec<PathBuf>) {
            for entry in fs::read_dir(directory).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() { below(&path, files) } else { files.push(path) }
            }
        }
        let mut files = Vec::new();
        below(&self.scene.path(""), &mut files);
        files
    }
}

/// What a verdict knows of a run. Findings that no log line tells count patrols, of which a killed one may be.
fn known(run: &Value) -> Value {
    let mut findings = BTreeMap::new();
    for finding in run["findings"].as_array().unwrap() {
        let words = finding["check"] == "words";
        let count = if words { finding["count"].clone() } else { Value::Null };
        findings.insert(
            finding["syndrome"].as_str().unwrap().to_owned(),
            serde_json::json!([finding["severity"], finding["state"], count]),
        );
    }
    let log = &run["log"];
    serde_json::json!({
        "name": run["name"], "severity": run["severity"], "attempt": run["attempt"], "step": run["step"],
        "metrics": run["metrics"], "offset": log["offset"], "backlog": log["backlog"], "findings": findings,
    })
}

#[allow(clippy::print_stdout, reason = "how much was tried is part of the proof")]
/// Dies at every step, and at a sample of all pairs of steps.
pub fn play(play: Play) {
    let mut undisturbed = Stage::new(play);
    undisturbed.clean();
    let expected = undisturbed.end();
    assert!(!expected.alerts.is_empty(), "a scene in which nothing is told proves nothing");
    let mut steps = 0;
    for at in 1..STEPS_MAX {
        let mut stage = Stage::new(play);
        let died = stage.dies(at);
        assert_eq!(stage.end(), expected, "killed before step {at}");
        if !died {
            break;
        }
        steps = at;
    }
    assert!((10..STEPS_MAX - 1).contains(&steps), "{steps} steps");
    let stride =
        std::env::var("TRAINGUARD_TEST_PAIRS").map_or(PAIRS_STRIDE, |stride| stride.parse().unwrap());
    let mut pairs = 0;
    for (first, second) in (1..=steps).flat_map(|first| (1..=steps).map(move |second| (first, second))) {
        if (first * 11 + second * 7).is_multiple_of(stride) {
            let mut stage = Stage::new(play);
            stage.dies(first);
            stage.dies(second);
            assert_eq!(stage.end(), expected, "killed before step {first} and then before step {second}");
            pairs += 1;
        }
    }
    println!("{steps} crash points and {pairs} pairs of them");
}
