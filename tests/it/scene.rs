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
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
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
