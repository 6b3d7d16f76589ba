//! A temporary place with the real binary, and what it answered.

use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const BINARY: &str = env!("CARGO_BIN_EXE_trainguard");

/// A temporary directory in which the binary runs.
pub struct Scene {
    dir: tempfile::TempDir,
}

/// What one invocation answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Scene {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a whole file, making its directory.
    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(&path).unwrap().write_all(text.as_ref()).unwrap();
        path
    }

    /// Appends to a file.
    pub fn append(&self, name: &str, text: impl AsRef<[u8]>) {
        let mut file = std::fs::OpenOptions::new().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_ref()).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The binary with nothing of the caller's own configuration.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", self.dir.path());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.command(arguments).output().unwrap().into()
    }

    /// One patrol of `train.log` with more arguments.
    pub fn patrol(&self, arguments: &[&str]) -> Answer {
        self.run(&[&["patrol", "--log", "train.log", "--name", "demo"], arguments].concat())
    }

    /// One patrol as JSON.
    pub fn report(&self, arguments: &[&str]) -> Value {
        let answer = self.patrol(&[&["--format", "json"], arguments].concat());
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// The lines of the alert file.
    pub fn alerts(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(".trainguard/alerts.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("ended by a signal"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The open findings of a report's first run: syndrome, severity and state.
pub fn findings(report: &Value) -> Vec<(String, String, String)> {
    let text = |finding: &Value, key: &str| finding[key].as_str().unwrap().to_owned();
    let list = report["runs"][0]["findings"].as_array().unwrap().iter();
    list.map(|finding| (text(finding, "syndrome"), text(finding, "severity"), text(finding, "state")))
        .collect()
}

/// `rows` rows of a healthy log, from a step on.
pub fn healthy(from: u64, rows: u64) -> String {
    (from..from + rows)
        .map(|step| format!("step {step}: loss {:.4}, lr 1e-3\n", 1.0 + 2.0 / (1 + step) as f64))
        .collect()
}

/// Waits until something holds; fails with its name after a minute.
pub fn until(what: &str, holds: impl Fn() -> bool) {
    within(Duration::from_mins(1), what, holds);
}

/// Waits until something holds; fails with its name once patience is at its end.
pub fn within(patience: Duration, what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < patience, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A process of the test's own that is ended with the test.
pub struct Process(pub Child);

impl Process {
    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// `kill -9`, and its parent has noticed.
    pub fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A failure line that can be told from every other one.
pub fn failure(number: usize) -> String {
    format!("RuntimeError: CUDA error: an illegal memory access was encountered [hit {number}]\n")
}

/// All syndromes of a report's first run, whatever their state.
pub fn syndromes(report: &Value) -> Vec<String> {
    findings(report).into_iter().map(|(syndrome, ..)| syndrome).collect()
}

/// The occurrences of failure lines that a report's runs tell.
pub fn occurrences(report: &Value) -> Vec<Value> {
    let runs = report["runs"].as_array().unwrap().iter();
    let findings = runs.flat_map(|run| run["findings"].as_array().unwrap());
    let failures = findings.filter(|finding| finding["syndrome"] == "cuda_illegal_access");
    failures.flat_map(|finding| finding["occurrences"].as_array().unwrap()).cloned().collect()
}

/// The numbers of the failure lines among occurrences.
pub fn numbers(occurrences: &[Value]) -> Vec<usize> {
    let number = |at: &Value| {
        let text = at["text"].as_str().unwrap();
        text.rsplit_once("[hit ").unwrap().1.split_once(']').unwrap().0.parse().unwrap()
    };
    occurrences.iter().map(number).collect()
}

/// A log that grows, and what all patrols together took from it.
pub struct Reading {
    pub scene: Scene,
    pub occurrences: Vec<Value>,
    pub rows_written: u64,
    rows_read: u64,
    log: &'static str,
    step: u64,
    failures: usize,
}

impl Reading {
    pub fn new() -> Self {
        Self::of("train.log")
    }

    /// Of a log or a glob of logs.
    pub fn of(log: &'static str) -> Self {
        let scene = Scene::new();
        Self { scene, occurrences: Vec::new(), rows_written: 0, rows_read: 0, log, step: 0, failures: 0 }
    }

    /// The next failure line, which the caller writes.
    pub fn failure(&mut self) -> String {
        self.failures += 1;
        failure(self.failures - 1)
    }

    /// Appends healthy rows.
    pub fn healthy(&mut self, file: &str, rows: u64) {
        self.scene.append(file, healthy(self.step, rows));
        self.step += rows;
        self.rows_written += rows;
    }

    /// Appends rows and a failure.
    pub fn grow(&mut self, file: &str, rows: u64) {
        self.healthy(file, rows);
        let failure = self.failure();
        self.scene.append(file, failure);
    }

    /// The training starts again: its steps do, and the first line says so.
    pub fn restart(&mut self) {
        self.step = 0;
        self.scene.append(self.log, format!("training starts, stamp {}\n", self.failures));
    }

    pub fn size(&self, file: &str) -> u64 {
        std::fs::metadata(self.scene.path(file)).unwrap().len()
    }

    /// Replaces a file by its gzip archive.
    pub fn compress(&self, file: &str, archive: &str) {
        let bytes = std::fs::read(self.scene.path(file)).unwrap();
        let target = std::fs::File::create(self.scene.path(archive)).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(target, flate2::Compression::fast());
        encoder.write_all(&bytes).unwrap();
        encoder.finish().unwrap();
        std::fs::remove_file(self.scene.path(file)).unwrap();
    }

    pub fn patrol(&mut self) -> Value {
        self.patrol_with(&[])
    }

    /// One patrol, of which all that it read is noted.
    pub fn patrol_with(&mut self, arguments: &[&str]) -> Value {
        let command = ["patrol", "--log", self.log, "--name", "demo", "--format", "json"];
        let answer = self.scene.run(&[&command, arguments].concat());
        let report: Value =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        self.rows_read += report["runs"][0]["log"]["rows"].as_u64().unwrap_or_else(|| panic!("{report:#}"));
        self.occurrences.extend(occurrences(&report));
        report
    }

    /// Every failure line was taken by exactly one patrol, and so was every row.
    pub fn expect_all_taken_once(&self) {
        let mut taken = numbers(&self.occurrences);
        taken.sort_unstable();
        assert_eq!(taken, (0..self.failures).collect::<Vec<_>>(), "{:#?}", self.occurrences);
        assert_eq!(self.rows_read, self.rows_written, "rows");
    }
}

/// Debian's Python, with `yaml` and jsonschema reads `input`; what it prints.
pub fn python(script: &str, input: &str) -> String {
    let mut python = Command::new("/usr/bin/python3");
    python.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut python =
        python.spawn().expect("/usr/bin/python3 is missing: `sh tests/run.sh` sets the machine up");
    python.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{said}\n`sh tests/run.sh` installs python3-yaml and python3-jsonschema"
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a shell script in a mount namespace of its own, where it may mount what it likes.
pub fn in_own_mounts(scene: &Scene, script: &str) -> Answer {
    let mut shell = Command::new("unshare");
    let own = if rustix::process::geteuid().is_root() { "-m" } else { "-rm" };
    shell.args([own, "sh", "-c", script]).current_dir(scene.path(""));
    shell.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", scene.path(""));
    shell.env("TRAINGUARD", BINARY).stdin(Stdio::null()).output().expect("unshare of util-linux").into()
}
