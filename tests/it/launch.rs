//! `launch`: what a training is given, what it survives, and what is known of its end.

mod patrolled;
mod survival;

use crate::scene::{Answer, Process, Scene, findings, until};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Child, Stdio};

/// Waits until the file `go` is there, and goes on with what follows.
const WAIT: &str = "while [ ! -e go ]; do sleep 0.02; done; ";

/// A scene whose launched runs end with it.
struct Launches(Scene);

impl Launches {
    fn new() -> Self {
        Self(Scene::new())
    }

    fn launch(&self, arguments: &[&str]) -> Answer {
        self.0.run(&[&["launch"], arguments].concat())
    }

    /// `launch --name demo -- sh -c SCRIPT`, attended.
    fn shell(&self, script: &str) -> Answer {
        self.launch(&["--name", "demo", "--", "sh", "-c", script])
    }

    /// The same with `--detach`.
    fn detach(&self, script: &str) -> Answer {
        let answer = self.launch(&["--name", "demo", "--detach", "--", "sh", "-c", script]);
        assert_eq!(answer.code, 0, "{answer:?}");
        answer
    }

    /// The same as a process of its own, from the moment on when the run is recorded.
    fn attended(&self, script: &str) -> Child {
        let mut command = self.0.command(&["launch", "--name", "demo", "--", "sh", "-c", script]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        self.started();
        child
    }

    fn started(&self) {
        until("the run is recorded", || self.0.path(".trainguard/demo/run.json").exists());
    }

    fn go(&self) {
        self.0.write("go", "");
    }

    fn record(&self) -> Value {
        serde_json::from_str(&self.0.read(".trainguard/demo/run.json")).unwrap()
    }

    fn pid(&self, of: &str) -> i32 {
        i32::try_from(self.record()[of]["pid"].as_i64().unwrap()).unwrap()
    }

    /// So many hours after the run `demo` was started.
    fn later(&self, hours: i64) -> String {
        let record = self.record();
        let started: chrono::DateTime<chrono::Utc> = record["started"].as_str().unwrap().parse().unwrap();
        (started + chrono::TimeDelta::hours(hours)).to_rfc3339()
    }

    fn exit(&self) -> Value {
        until("the end is noted", || self.0.path(".trainguard/demo/exit.json").exists());
        serde_json::from_str(&self.0.read(".trainguard/demo/exit.json")).unwrap()
    }

    fn log(&self) -> String {
        self.0.read("demo.log")
    }

    /// `patrol --format json`, with its exit code.
    fn patrol(&self, arguments: &[&str]) -> (i32, Value) {
        let answer = self.0.run(&[&["patrol", "--format", "json"], arguments].concat());
        let report = serde_json::from_str(&answer.stdout);
        (answer.code, report.unwrap_or_else(|error| panic!("{error}: {answer:?}")))
    }
}

impl Drop for Launches {
    fn drop(&mut self) {
        for entry in std::fs::read_dir(self.0.path(".trainguard")).into_iter().flatten().flatten() {
            let Ok(text) = std::fs::read_to_string(entry.path().join("run.json")) else { continue };
            let Ok(record) = serde_json::from_str::<Value>(&text) else { continue };
            for of in ["process", "keeper"] {
                let pid = record[of]["pid"].as_i64().and_then(|pid| Pid::from_raw(pid as i32));
                if let Some(pid) = pid.filter(|pid| ticks(pid.as_raw_pid()) == record[of]["start_ticks"]) {
                    let _ = kill_process_group(pid, Signal::KILL);
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
        }
    }
}

/// Fields of `/proc/PID/stat` behind the name, from the third on.
fn stat(pid: i32) -> Vec<String> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = text.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    fields.split_whitespace().map(str::to_owned).collect()
}

fn ticks(pid: i32) -> Value {
    stat(pid).get(19).and_then(|ticks| ticks.parse::<u64>().ok()).into()
}

fn lives(pid: i32) -> bool {
    stat(pid).first().is_some_and(|state| state != "Z" && state != "X")
}

fn kill(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).unwrap(), signal).unwrap();
}

fn messages(report: &Value) -> String {
    let findings =
        report["runs"].as_array().unwrap().iter().flat_map(|run| run["findings"].as_array().unwrap());
    findings.map(|finding| format!("{}\n", finding["message"].as_str().unwrap())).collect()
}

#[test]
fn the_exit_code_is_the_commands_own_or_that_of_a_shell_for_a_signal() {
    let launches = Launches::new();
    for (script, code) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let answer = launches.shell(script);
        assert_eq!(answer.code, code, "{script}: {answer:?}");
    }
    assert_eq!(launches.exit()["signal"], 15);
}

#[test]
fn a_command_gets_the_log_itself_no_input_unbuffered_python_and_its_directory() {
    let launches = Launches::new();
    launches.0.write("demo.log", "an earlier attempt\n");
    let script = "echo out; echo err >&2; readlink /proc/self/fd/0; pwd -P; echo unbuffered=$PYTHONUNBUFFERED; \
        grep flags /proc/self/fdinfo/1; ls /proc/self/fd | tr '\\n' ' '; echo; cut -d' ' -f5,6 /proc/$$/stat; echo pid=$$";
    let answer = launches.shell(script);
    assert_eq!(answer.code, 0, "{answer:?}");
    let log = launches.log();
    assert_eq!(log, format!("an earlier attempt\n{}", answer.stdout), "the copy is what is new");
    let lines: Vec<&str> = answer.stdout.lines().collect();
    let directory = launches.0.path("").canonicalize().unwrap();
    assert_eq!(lines[..5], ["out", "err", "/dev/null", directory.to_str().unwrap(), "unbuffered=1"]);
    let flags = u32::from_str_radix(lines[5].split_whitespace().last().unwrap(), 8).unwrap();
    assert_ne!(flags & 0o2000, 0, "O_APPEND: {}", lines[5]);
    let plain = std::process::Command::new("ls").arg("/proc/self/fd").stdin(Stdio::null()).output().unwrap();
    let plain = String::from_utf8(plain.stdout).unwrap().replace('\n', " ");
    assert_eq!(lines[6].trim(), plain.trim(), "no file of ours beyond those that everybody here has");
    let pid = launches.pid("process").to_string();
    let keeper = launches.pid("keeper").to_string();
    assert_eq!(lines[7], format!("{pid} {keeper}"), "it leads its group, in the keeper's session");
    assert_eq!(lines[8], format!("pid={pid}"));
}

#[test]
fn a_record_says_how_the_run_was_started_and_keeps_no_values() {
    let launches = Launches::new();
    let mut command = launches.0.command(&[
        "launch",
        "--name",
        "demo",
        "--",
        "TOKEN=secret",
        "CUDA_VISIBLE_DEVICES=0,2",
        "sh",
        "-c",
    ]);
    let status = command.arg("test $TOKEN = secret").env("OTHER", "secret as well").output().unwrap().status;
    assert_eq!(status.code(), Some(0));
    let record = launches.record();
    assert_eq!(record["command"], serde_json::json!(["sh", "-c", "test $TOKEN = secret"]));
    assert_eq!(record["gpus"], serde_json::json!(["0", "2"]));
    let variables = record["variables"].as_array().unwrap();
    for name in ["TOKEN", "OTHER", "CUDA_VISIBLE_DEVICES", "PYTHONUNBUFFERED", "PATH"] {
        assert!(variables.contains(&name.into()), "{name}: {variables:?}");
    }
    assert!(!launches.0.read(".trainguard/demo/run.json").contains("as well"));
    let mode = std::fs::metadata(launches.0.path(".trainguard/demo/run.json")).unwrap().permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o600);
}

#[test]
fn a_record_keeps_values_where_a_restart_needs_them() {
    let launches = Launches::new();
    launches.0.write(
        "trainguard.yaml",
        "runs:\n  - {name: demo, log: demo.log, actions: {process_dead: restart}}\n",
    );
    assert_eq!(launches.launch(&["--name", "demo", "--", "TOKEN=secret", "true"]).code, 0);
    assert_eq!(launches.record()["environment"]["TOKEN"], "secret");
    assert_eq!(launches.record()["environment"]["PYTHONUNBUFFERED"], "1");
}

#[test]
fn a_record_names_the_commit_and_whether_files_differ_from_it() {
    let launches = Launches::new();
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.args(["-c", "user.name=A", "-c", "user.email=a@b"]).args(arguments);
        git.current_dir(launches.0.path("")).env("HOME", launches.0.path("")).output().expect("git").stdout
    };
    git(&["init", "-q"]);
    launches.0.write("train.py", "1");
    git(&["add", "train.py"]);
    git(&["commit", "-qm", "one"]);
    let commit = String::from_utf8(git(&["rev-parse", "HEAD"])).unwrap().trim().to_owned();
    assert_eq!(commit.len(), 40);
    launches.shell("true");
    assert_eq!(launches.record()["git"], commit);
    launches.0.write("train.py", "2");
    launches.shell("true");
    assert_eq!(launches.record()["git"], format!("{commit}-dirty"));
}

#[test]
fn standard_input_is_handed_on_where_it_is_asked_for() {
    let launches = Launches::new();
    let mut command = launches.0.command(&["launch", "--name", "demo", "--stdin", "--", "cat"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"to the training\n").unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"to the training\n");
}

#[test]
fn a_detached_launch_says_what_to_type_next_and_that_works() {
    let launches = Launches::new();
    let answer = launches.detach(&format!("{WAIT} exit 0"));
    let pid = launches.pid("process");
    assert!(answer.stdout.starts_with(&format!("demo runs: pid {pid}\n")), "{answer:?}");
    assert!(answer.stdout.contains(launches.0.path("demo.log").to_str().unwrap()), "{answer:?}");
    let next = answer.stdout.lines().find_map(|line| line.split_once("trainguard ")).unwrap().1;
    let mut patrol = launches.0.command(&next.split(' ').collect::<Vec<_>>());
    let patrol: Answer = patrol.current_dir("/").output().unwrap().into();
    assert_eq!(patrol.code, 0, "{patrol:?}");
    assert!(patrol.stdout.contains("demo"), "{patrol:?}");
}

#[test]
fn the_name_of_a_living_run_is_taken_and_one_that_is_made_up_gets_a_number() {
    let launches = Launches::new();
    launches.detach(WAIT);
    let answer = launches.shell("exit 0");
    assert_eq!(answer.code, 3);
    let pid = launches.pid("process");
    assert!(answer.stderr.contains(&format!("`demo` runs already: process {pid} (sh -c")), "{answer:?}");
    assert_eq!(launches.pid("process"), pid, "its record stays");
    launches.go();
    launches.0.write("train.sh", "exit 0");
    let now = ["--now", "2026-03-01T10:00:00Z", "--", "sh", "train.sh"];
    for name in ["train-20260301-100000", "train-20260301-100000-2", "train-20260301-100000-3"] {
        assert_eq!(launches.launch(&now).code, 0);
        assert!(launches.0.path(format!("{name}.log")).exists(), "{name}");
    }
}

#[test]
fn of_launches_of_one_name_at_once_one_runs() {
    let launches = Launches::new();
    let launch = |number: i32| {
        let script = format!("echo {number}; {WAIT}");
        let mut command =
            launches.0.command(&["launch", "--name", "demo", "--detach", "--", "sh", "-c", &script]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<Child> = (0..6).map(launch).collect();
    let codes: Vec<i32> = all.into_iter().map(|mut launch| launch.wait().unwrap().code().unwrap()).collect();
    assert_eq!(
        (codes.iter().filter(|code| **code == 0).count(), codes.iter().sum::<i32>()),
        (1, 15),
        "{codes:?}"
    );
    until("it writes", || !launches.log().is_empty());
    assert_eq!(launches.log().lines().count(), 1);
}

#[test]
fn what_cannot_be_started_exits_3_and_leaves_no_run() {
    let launches = Launches::new();
    launches.0.write("train.py", "print(1)");
    launches.0.write("directory/x", "");
    let cases: [(&[&str], &str); 8] = [
        (&["no-such-program"], "no directory of $PATH has it"),
        (&["./train.py"], "chmod +x ./train.py"),
        (&["python3 train.py"], "leave the quotes away"),
        (&["A=1"], "no command behind the variables"),
        (&["--log", "directory", "true"], "not a regular file"),
        (&["--log", "train.py/x.log", "true"], "name another with --log"),
        (&["--name", "a/b", "true"], "a run's name"),
        (&[], "CMD"),
    ];
    for (arguments, says) in cases {
        let answer = launches.launch(arguments);
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(answer.stderr.contains(says), "{says}: {answer:?}");
    }
    let fifo = launches.0.path("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert_eq!(launches.launch(&["--log", "fifo", "true"]).code, 3);
    let mut command = launches.0.command(&["launch", "--", "echo"]);
    let answer: Answer = command.arg(OsStr::from_bytes(b"caf\xe9")).output().unwrap().into();
    assert!(answer.code == 3 && answer.stderr.contains("not UTF-8"), "{answer:?}");
    let is_run = |path: &Path| path.is_dir() || path.extension().is_some_and(|ending| ending == "log");
    let left = std::fs::read_dir(launches.0.path(".trainguard"))
        .unwrap()
        .chain(std::fs::read_dir(launches.0.path("")).unwrap());
    let left: Vec<_> = left.map(|entry| entry.unwrap().path()).filter(|path| is_run(path)).collect();
    assert_eq!(left.len(), 2, "`directory` and `.trainguard`: {left:?}");
}
