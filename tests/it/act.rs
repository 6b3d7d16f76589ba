//! What is configured is done to the run and to nobody else, once, and said: with real processes.

mod held;
mod killed;
mod programs;
mod reach;
mod restart;
mod stop;

use crate::scene::{Answer, Scene, failure, until};
use serde_json::Value;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

/// A training that writes its pid, and rows until `hush` exists.
pub const TRAINER: &str = "
echo $$ > train.pid
i=0
while :; do
    if [ -e hush ]; then : > hushed; else echo \"step $i: loss 3.$((99999 - i)), lr 1e-3\" >> train.log; fi
    i=$((i + 1))
    sleep 0.02
done";

/// A process in a session of its own, ended with the test together with all of its group.
pub struct Session(pub Child);

impl Session {
    /// Runs a script as somebody would with `setsid`.
    pub fn start(scene: &Scene, script: &str) -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(scene.path("")).process_group(0);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(shell.spawn().unwrap())
    }

    pub fn pid(&self) -> i32 {
        i32::try_from(self.0.id()).unwrap()
    }

    /// `kill -9` of it alone, and its parent has noticed.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_raw(self.pid()).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// State letter of a process; `None` where it is gone or a zombie.
pub fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let state = stat.rsplit_once(')')?.1.trim_start().chars().next()?;
    (!matches!(state, 'Z' | 'X')).then_some(state)
}

/// The state letters of everybody in a group.
pub fn group(group: i32) -> Vec<char> {
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let of = |pid: &i32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit_once(')')?.1.split_whitespace().nth(2)?.parse::<i32>().ok()
    };
    pids.filter(|pid| of(pid) == Some(group)).filter_map(state).collect()
}

/// A config of the run `demo` with these actions.
pub fn config(scene: &Scene, more: &str) {
    scene.write(
        "trainguard.yaml",
        format!("runs:\n- name: demo\n  log: train.log\n  process: {{pid_file: train.pid}}\n{more}\n"),
    );
}

pub fn rows(scene: &Scene) -> usize {
    let log = std::fs::read_to_string(scene.path("train.log")).unwrap_or_default();
    log.lines().filter(|line| line.starts_with("step ")).count()
}

/// Waits for so many rows more.
pub fn grows(scene: &Scene, more: usize) {
    let before = rows(scene);
    until("the training writes rows", || rows(scene) >= before + more);
}

/// A training that a patrol has seen alive.
pub fn seen(scene: &Scene, actions: &str) -> Session {
    config(scene, actions);
    let training = Session::start(scene, TRAINER);
    grows(scene, 10);
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    training
}

/// The training says nothing more, and then that it has failed.
pub fn fails(scene: &Scene) {
    scene.write("hush", "");
    until("the training is quiet", || scene.path("hushed").exists());
    scene.append("train.log", failure(0));
}

pub fn journal(scene: &Scene) -> Vec<Value> {
    let text = std::fs::read_to_string(scene.path(".trainguard/demo/journal.jsonl")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The journal's lines of one kind.
pub fn entries(scene: &Scene, what: &str, entry: &str) -> Vec<Value> {
    let is = |line: &Value| line["what"] == what && line["entry"] == entry;
    journal(scene).into_iter().filter(is).collect()
}

/// Lines of the alert file about one syndrome.
pub fn told(scene: &Scene, syndrome: &str) -> Vec<String> {
    let word = format!(" {syndrome} ");
    scene.alerts().into_iter().filter(|line| line.contains(&word)).collect()
}

/// The patrol's phase of the run.
pub fn phase(answer: &Answer) -> String {
    let report: Value =
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
    report["runs"][0]["phase"].as_str().unwrap().to_owned()
}

/// Whether anything was begun.
pub fn journal_exists(scene: &Scene) -> bool {
    scene.path(".trainguard/demo/journal.jsonl").exists()
}
