//! GPUs before a start: who is on them is waited for, told, and asked about, with the tests' own driver,
//! whose state is a file that it reads at each call.

mod answers;
mod launched;
mod requests;

use crate::gpu::{Machine, NVML, SMI, training};
use crate::scene::{Answer, Process, until};
use serde_json::Value;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// No longer than a test may take, and never waited for in full.
const LONG: &str = "5m";
const FREE: &str = "0 0 300\n1 0 300\n";
/// On the second card of the two.
const ON_SECOND: &[&str] = &["CUDA_VISIBLE_DEVICES=GPU-bbbbbbbb", "python", "train.py"];

/// A machine with two GPUs of which the test says who is on them.
struct Node(Machine);

impl Node {
    fn new(source: &str) -> Self {
        let node = Self(Machine::new(source));
        node.set(FREE);
        node.config("");
        node
    }

    /// What the driver tells from now on, at once and whole.
    fn set(&self, state: &str) {
        self.0.scene.write("state.new", state);
        std::fs::rename(self.0.scene.path("state.new"), self.0.scene.path("state")).unwrap();
    }

    fn config(&self, more: &str) {
        self.0.scene.write("trainguard.yaml", format!("gpu: {{{}}}\n{more}", self.0.gpu));
    }

    /// The second card is held by a process.
    fn occupied(&self, by: &Process) {
        self.set(&format!("0 0 300\n1 0 2400 {}:2048\n", by.pid()));
    }

    fn command(&self, flags: &[&str], command: &[&str]) -> Command {
        let name = ["preflight", "--name", "demo"];
        let arguments = [&name, flags, &["--"], command].concat();
        let mut preflight = self.0.scene.command(&arguments);
        self.equip(&mut preflight);
        preflight
    }

    fn equip(&self, command: &mut Command) {
        self.0.equip(command);
        command.env("FAKE_NVML_STATE", self.0.scene.path("state"));
    }

    fn preflight(&self, flags: &[&str], command: &[&str]) -> Answer {
        self.command(flags, command).output().unwrap().into()
    }

    /// Starts it; what it prints goes into a file.
    fn start(&self, flags: &[&str], command: &[&str]) -> Asking<'_> {
        self.begin(self.command(flags, command).stdin(Stdio::null()))
    }

    fn begin(&self, command: &mut Command) -> Asking<'_> {
        let out = std::fs::File::create(self.0.scene.path("out")).unwrap();
        Asking { node: self, child: command.stdout(out).spawn().unwrap() }
    }

    fn respond(&self, alert: &str, choice: &str) -> Answer {
        self.0.scene.run(&["respond", alert, choice])
    }

    /// The alerts of the alert file: state and all behind it.
    fn alerts(&self) -> Vec<String> {
        let lines = self.0.scene.alerts();
        lines.iter().map(|line| line.split_once(" demo ").unwrap().1.to_owned()).collect()
    }

    /// The questions that are kept for the run.
    fn questions(&self) -> Vec<(PathBuf, Value)> {
        let Ok(listing) = self.0.scene.path(".trainguard/demo/alerts").read_dir() else { return Vec::new() };
        let paths = listing.map(|item| item.unwrap().path());
        let paths = paths.filter(|path| path.extension().is_some_and(|end| end == "json"));
        paths
            .map(|path| (path.clone(), serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()))
            .collect()
    }

    fn looks(&self) -> usize {
        self.0.calls().iter().filter(|call| *call == "init").count()
    }
}

/// A preflight that runs.
struct Asking<'n> {
    node: &'n Node,
    child: Child,
}

impl Asking<'_> {
    fn said(&self) -> String {
        self.node.0.scene.read("out")
    }

    /// Waits until it has said something.
    fn says(&self, text: &str) {
        until(&format!("it says {text}"), || self.said().contains(text));
    }

    /// The id of the alert that it asks with.
    fn alert(&self) -> String {
        self.says("Stop Job: trainguard respond ");
        let said = self.said();
        let (_, command) = said.split_once("Stop Job: trainguard respond ").unwrap();
        command.split_whitespace().next().unwrap().to_owned()
    }

    /// Its exit code.
    fn ends(mut self) -> i32 {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().expect("ended by a signal");
            }
            assert!(begin.elapsed() < Duration::from_mins(1), "waited in vain for its end: {}", self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn an_occupied_gpu_is_waited_for_then_asked_about_and_without_an_answer_the_job_stops() {
    for source in [NVML, SMI] {
        let node = Node::new(source);
        let holder = training(&[]);
        node.occupied(&holder);
        let flags = ["--wait", "1s", "--poll", "100ms", "--decision-timeout", "300ms"];
        let answer = node.preflight(&flags, ON_SECOND);
        assert_eq!(answer.code, 1, "{answer:?}");
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let held = format!(
            "GPU 1 (GPU-bbbbbbbb) is busy: process {} of {} (sleep 600) since 20",
            holder.pid(),
            user.trim()
        );
        let lines: Vec<&str> = answer.stdout.lines().collect();
        assert!(lines[0].starts_with(&format!("waiting 0 s of 1 s: {held}")), "{answer:?}");
        assert!(lines[0].contains("UTC holds 2.1 GB"), "{answer:?}");
        assert!(lines[1].starts_with(&format!("WARNING demo opened gpu_busy: {held}")), "{answer:?}");
        assert_eq!(lines.last(), Some(&"Stop Job: no answer within 0 s"));
        assert_eq!(lines.len(), 6, "one line for each change: {answer:?}");
        let alerts = node.alerts();
        assert!(alerts[0].starts_with(&format!("opened gpu_busy {held}")), "{alerts:?}");
        assert!(
            alerts[0].contains("without an answer within 0 s: Stop Job [trainguard respond "),
            "{alerts:?}"
        );
        assert!(alerts[1].starts_with("resolved gpu_busy Stop Job: no answer within"), "{alerts:?}");
        assert_eq!(alerts.len(), 2);
        let [(_, question)] = node.questions().try_into().unwrap();
        assert_eq!(question["alert"]["choices"], serde_json::json!(["Continue Anyway", "Stop Job"]));
        let process = &question["alert"]["evidence"]["gpus"][0]["processes"][0];
        assert_eq!(process["pid"].to_string(), holder.pid());
        assert_eq!(
            (&question["outcome"]["choice"], &question["default"]),
            (&"Stop Job".into(), &"Stop Job".into())
        );
    }
}

#[test]
fn what_makes_a_gpu_busy_is_said_and_what_does_not_is_free() {
    let node = Node::new(NVML);
    let desktop = node.0.scene.path("bin/gnome-shell");
    std::fs::copy("/bin/sleep", &desktop).unwrap();
    let desktop = Process(Command::new(desktop).arg("600").stdin(Stdio::null()).spawn().unwrap());
    let holder = training(&[]);
    let (pid, desktop, own) = (holder.pid(), desktop_pid(&desktop), std::process::id());
    let held = format!("process {pid} of ");
    // What the config says, what the second card shows (per cent, MiB, who), and what is said of it.
    let table: &[(&str, String, Option<&str>)] = &[
        ("", "0 1000".to_owned(), None),
        ("", "0 1200".to_owned(), Some("1.3 GB are held, and no process is shown that holds them")),
        ("", "0 70000".to_owned(), Some("85 % of its memory is in use")),
        ("", "84 300".to_owned(), None),
        ("", "85 300".to_owned(), Some("it computes 85 % of the time")),
        ("", format!("0 800 {pid}:500"), Some(&held)),
        ("", format!("0 800 {own}:500"), None),
        (
            "",
            "0 800 4194304:500".to_owned(),
            Some("process 4194304 holds 524 MB, which cannot be seen from here"),
        ),
        ("", format!("0 800 {desktop}:500"), None),
        ("", format!("0 1700 {desktop}:1500"), Some("bin/gnome-shell 600)")),
        ("preflight: {utilization_max: 0.5}", "60 300".to_owned(), Some("it computes 60 %")),
        ("preflight: {utilization_max: 1, memory_max: 1}", "99 300".to_owned(), None),
        ("preflight: {memory_max: 0.01}", "0 900".to_owned(), Some("1 % of its memory is in use")),
        ("preflight: {ignore: ['sleep 6..']}", format!("0 800 {pid}:500"), None),
    ];
    for (config, second, expected) in table {
        node.config(config);
        // The first card is nobody's concern.
        node.set(&format!("0 99 80000 {pid}:79000\n1 {second}\n"));
        let answer = node.preflight(&["--wait", "0", "--decision-timeout", "0"], ON_SECOND);
        match expected {
            None => {
                let free = "free: GPU 1 (GPU-bbbbbbbb) (CUDA_VISIBLE_DEVICES of the command)\n";
                assert_eq!((answer.code, answer.stdout.as_str()), (0, free), "{config} {second}");
            }
            Some(why) => {
                assert_eq!(answer.code, 1, "{second} {answer:?}");
                assert!(answer.stdout.contains(why), "{second}: {answer:?}");
                assert!(!answer.stdout.contains("waiting"), "{answer:?}");
            }
        }
    }
}

fn desktop_pid(desktop: &Process) -> String {
    let comm = format!("/proc/{}/comm", desktop.pid());
    until("it has its name", || std::fs::read_to_string(&comm).is_ok_and(|name| name == "gnome-shell\n"));
    desktop.pid()
}

#[test]
fn a_gpu_that_is_freed_in_the_middle_of_the_wait_or_of_the_question_needs_no_answer() {
    for (wait, stands) in [(LONG, "waiting 0 s of 5 min: GPU 1"), ("0", "Stop Job: trainguard respond ")] {
        let node = Node::new(NVML);
        let holder = training(&[]);
        node.occupied(&holder);
        let flags = ["--wait", wait, "--poll", "100ms", "--decision-timeout", LONG];
        let asking = node.start(&flags, ON_SECOND);
        asking.says(stands);
        // Another one takes it, and that is said once.
        let next = training(&[]);
        node.occupied(&next);
        if wait == LONG {
            asking.says(&format!("process {} of ", next.pid()));
        }
        let before = node.looks();
        until("it looks again", || node.looks() > before + 1);
        node.set(FREE);
        asking.says(if wait == LONG { "free after " } else { "the GPUs are free now" });
        let said = asking.said();
        assert_eq!(asking.ends(), 0, "{said}");
        assert!(said.lines().filter(|line| line.starts_with("waiting")).count() <= 3, "{said}");
        let alerts = node.alerts();
        if wait == LONG {
            assert!(alerts.is_empty() && node.questions().is_empty(), "{alerts:?}");
        } else {
            assert!(alerts[1].starts_with("resolved gpu_busy the GPUs are free now"), "{alerts:?}");
            assert_eq!(node.questions()[0].1["outcome"]["choice"], Value::Null);
        }
    }
}

#[test]
fn a_card_that_has_fallen_off_the_bus_could_not_be_looked_at() {
    let node = Node::new(NVML);
    node.set("scene lost\n0 0 300\n1 0 300\n");
    let answer = node.preflight(&[], ON_SECOND);
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.contains("GPU 1 (GPU-bbbbbbbb): it has fallen off the bus"), "{answer:?}");
    assert_eq!(node.preflight(&[], &["CUDA_VISIBLE_DEVICES=GPU-a", "python"]).code, 0);
}

#[test]
fn a_wedged_driver_could_not_be_looked_at_within_its_deadline() {
    let node = Node::new(NVML);
    node.set("scene hanging\n0 0 300\n1 0 300\n");
    let begin = Instant::now();
    let answer = node.preflight(&["--timeout", "2s", "--wait", LONG], ON_SECOND);
    assert!(begin.elapsed() < Duration::from_secs(30), "{:?}", begin.elapsed());
    assert_eq!(answer.code, 3);
    assert!(
        answer.stderr.contains("could not be looked at: GPUs (NVIDIA driver): no answer within 1 s"),
        "{answer:?}"
    );
}

#[test]
fn a_driver_that_hangs_in_the_middle_of_the_wait_is_asked_again_and_one_that_stays_so_is_an_error() {
    for (wait, ends) in [(LONG, 0), ("10s", 3)] {
        let node = Node::new(NVML);
        let holder = training(&[]);
        node.occupied(&holder);
        let asking = node.start(&["--timeout", "2s", "--wait", wait, "--poll", "100ms"], ON_SECOND);
        asking.says("waiting 0 s of ");
        node.set("scene hanging\n1 0 300\n");
        asking.says("the GPUs could not be looked at: GPUs (NVIDIA driver): no answer within 1 s");
        if wait == LONG {
            node.set(FREE);
            asking.says("free after ");
        }
        assert_eq!(asking.ends(), ends);
    }
}

#[test]
fn a_secret_on_the_command_line_of_whoever_holds_the_gpu_is_not_told() {
    let node = Node::new(NVML);
    let mut holder = Command::new("/usr/bin/python3");
    holder.args(["-c", "input()", "--api-key=abcdefghijklmnop"]).stdin(Stdio::piped());
    let holder = Process(holder.spawn().unwrap());
    node.occupied(&holder);
    let answer = node.preflight(&["--wait", "0", "--decision-timeout", "0"], ON_SECOND);
    assert!(answer.stdout.contains("--api-key=[redacted]"), "{answer:?}");
    let kept = node.questions()[0].1.to_string();
    assert!(!kept.contains("abcdefghijklmnop") && kept.contains("[redacted]"), "{kept}");
}
