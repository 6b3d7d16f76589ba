//! `launch`: what a training is given, what it survives, and what is known of its end.

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
fn kill_9_of_launch_costs_neither_the_training_nor_its_exit_code() {
    let launches = Launches::new();
    let script = format!("{WAIT} echo after; exit 5");
    let mut launch = launches.attended(&script);
    launch.kill().unwrap();
    launch.wait().unwrap();
    assert!(lives(launches.pid("process")));
    launches.go();
    assert_eq!(launches.exit()["code"], 5);
    assert_eq!(launches.log(), "after\n");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2);
    assert!(messages(&report).contains("exited with code 5"), "{report:#}");
}

#[test]
fn kill_9_of_the_keeper_costs_the_exit_code_alone_and_that_is_said() {
    let launches = Launches::new();
    let script = format!("{WAIT} echo after; exit 5");
    let launch = launches.attended(&script);
    let (process, keeper) = (launches.pid("process"), launches.pid("keeper"));
    kill(keeper, Signal::KILL);
    until("the keeper is gone", || !lives(keeper));
    assert!(lives(process));
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, findings(&report)), (0, Vec::new()), "{report:#}");
    launches.go();
    let answer: Answer = launch.wait_with_output().unwrap().into();
    assert_eq!((answer.code, launches.log().as_str()), (3, "after\n"), "{answer:?}");
    assert!(answer.stderr.contains("with which exit code is unknown"), "{answer:?}");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "{report:#}");
    let said = messages(&report);
    assert!(
        said.contains("exit status is unknown") && said.contains(&format!("(pid {keeper}) is gone as well")),
        "{said}"
    );
}

#[test]
fn the_end_of_the_terminal_reaches_neither_keeper_nor_training() {
    let launches = Launches::new();
    let inner = format!("{} launch --name demo -- sh -c '{WAIT} echo after; exit 5'", crate::scene::BINARY);
    let mut script = std::process::Command::new("script");
    script.args(["-q", "-e", "-c", &inner, "/dev/null"]).current_dir(launches.0.path(""));
    script.env("HOME", launches.0.path("")).env_remove("TRAINGUARD_CONFIG");
    script.stdin(Stdio::null()).stdout(Stdio::null());
    let terminal = Process(script.spawn().expect("script of bsdutils"));
    launches.started();
    let (process, keeper) = (launches.pid("process"), launches.pid("keeper"));
    let parent = stat(keeper)[1].clone();
    terminal.kill();
    until("launch has ended with its terminal", || stat(keeper).get(1) != Some(&parent));
    assert!(lives(process) && lives(keeper));
    launches.go();
    assert_eq!(launches.exit()["code"], 5);
    assert_eq!(launches.log(), "after\n");
}

#[test]
fn neither_hangup_nor_a_kill_by_name_ends_the_keeper() {
    let launches = Launches::new();
    launches.detach(&format!("{WAIT} exit 5"));
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        kill(launches.pid("keeper"), signal);
    }
    launches.go();
    assert_eq!(launches.exit()["code"], 5);
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
fn ctrl_c_and_sigterm_reach_the_whole_group_each_time() {
    let launches = Launches::new();
    let script =
        "trap 'echo one; trap \"echo two; exit 9\" INT' INT; echo ready; while :; do sleep 0.02; done";
    let launch = launches.attended(script);
    let pid = launch.id() as i32;
    until("the trap is set", || launches.log().contains("ready"));
    kill(pid, Signal::INT);
    until("it was passed on", || launches.log().contains("one"));
    kill(pid, Signal::INT);
    let answer: Answer = launch.wait_with_output().unwrap().into();
    assert_eq!((answer.code, launches.log().as_str()), (9, "ready\none\ntwo\n"), "{answer:?}");

    let script = "(trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.02; done) & wait";
    let launch = launches.attended(&format!("echo again; {script}"));
    until("the child runs", || launches.log().ends_with("again\nready\n"));
    kill(launch.id() as i32, Signal::TERM);
    let answer: Answer = launch.wait_with_output().unwrap().into();
    assert_eq!(answer.code, 143, "{answer:?}");
    until("its child heard it too", || launches.log().ends_with("child\n"));
}

#[test]
fn a_reader_that_goes_away_is_no_trouble_of_the_training() {
    let launches = Launches::new();
    let script = format!("echo one; {WAIT} echo two; exit 4");
    let mut command = launches.0.command(&["launch", "--name", "demo", "--", "sh", "-c", &script]);
    let mut launch = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    launches.started();
    drop(launch.stdout.take());
    launches.go();
    assert_eq!(launch.wait().unwrap().code(), Some(4));
    assert_eq!(launches.log(), "one\ntwo\n");
}

#[test]
fn a_launched_run_is_patrolled_without_a_config_until_it_has_finished() {
    let launches = Launches::new();
    let answer = launches.0.run(&["patrol"]);
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.contains("trainguard patrol --log"), "{answer:?}");
    launches.detach(&format!("echo 'step 1: loss 2.5'; {WAIT} echo 'step 2: loss 2.4'"));
    until("it has written", || launches.log().contains("step 1"));
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["runs"][0]["name"], "demo");
    assert_eq!(report["runs"][0]["process"]["pid"], launches.pid("process"), "{report:#}");
    launches.go();
    launches.exit();
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, report["runs"][0]["phase"].as_str()), (0, Some("finished")), "{report:#}");
    assert_eq!(findings(&report), Vec::new(), "{report:#}");
}

#[test]
fn the_first_phase_is_watched_beside_the_log_and_handed_over() {
    let launches = Launches::new();
    launches.0.write("trainguard.yaml", "training: {phase1_steps: 5}\nruns: [{name: demo, log: demo.log}]\n");
    let script = format!("for i in 1 2 3 4 5 6; do echo \"step $i: loss 2.$((9 - i))\"; done; {WAIT} exit 4");
    let mut launch = launches.attended(&script);
    let said = std::io::BufReader::new(launch.stderr.take().unwrap());
    let mut said = std::io::BufRead::lines(said).map(|line| line.unwrap());
    assert!(said.any(|line| line.contains("Phase 2 begins")), "handed over while it lives");
    assert!(lives(launches.pid("process")));
    launches.go();
    let rest: Vec<String> = said.collect();
    assert_eq!(launch.wait().unwrap().code(), Some(4), "{rest:?}");
    assert!(rest.last().unwrap().starts_with("trainguard: demo exited with code 4 after "), "{rest:?}");
}

#[test]
fn a_run_that_dies_in_its_first_phase_is_diagnosed_where_it_was_launched() {
    let launches = Launches::new();
    let answer = launches.shell("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1");
    assert_eq!((answer.code, answer.stdout.lines().count()), (1, 1), "{answer:?}");
    for says in
        ["demo: the run has failed", "No module named 'torch'", "demo.log:1", "demo exited with code 1 after"]
    {
        assert!(answer.stderr.contains(says), "{says}: {answer:?}");
    }
    let alerts = launches.0.alerts();
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, launches.0.alerts()), (2, alerts), "told once: {report:#}");
}

#[test]
fn a_look_between_the_end_and_its_note_waits_for_the_note() {
    let launches = Launches::new();
    let script = "echo 'step 1: loss 2.5'";
    for _ in 0..5 {
        let _ = std::fs::remove_file(launches.0.path(".trainguard/demo/exit.json"));
        launches.detach(script);
        let (code, report) = launches.patrol(&[]);
        assert_eq!((code, findings(&report)), (0, Vec::new()), "{report:#}");
        launches.exit();
    }
}

#[test]
fn a_failed_run_stays_critical_until_somebody_says_a_word() {
    let launches = Launches::new();
    launches.shell("echo 'step 1: loss 2.5'; exit 1");
    for days in [0, 1, 30] {
        let (code, report) = launches.patrol(&["--now", &launches.later(24 * days)]);
        assert_eq!(code, 2, "{report:#}");
        let said = messages(&report);
        assert!(said.contains("exited with code 1 after 0 s at step 1"), "{said}");
    }
    assert_eq!(launches.0.run(&["done", "demo"]).code, 0);
    let (code, report) = launches.patrol(&["--now", &launches.later(24 * 31)]);
    assert_eq!((code, report["runs"][0]["phase"].as_str()), (0, Some("finished")), "{report:#}");
}

#[test]
fn a_run_that_is_over_leaves_the_verdicts_after_a_day_and_answers_to_its_name() {
    let launches = Launches::new();
    launches.shell("exit 0");
    launches.patrol(&[]);
    for (name, script) in [("failed", "exit 1"), ("taken", "exit 1")] {
        launches.launch(&["--name", name, "--", "sh", "-c", script]);
    }
    launches.patrol(&[]);
    assert_eq!(launches.0.run(&["ack", "taken"]).code, 0);
    let names = |arguments: &[&str]| -> Vec<String> {
        let (_, report) = launches.patrol(arguments);
        report["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&[]), ["demo", "failed", "taken"]);
    let tomorrow = launches.later(25);
    assert_eq!(names(&["--now", &tomorrow]), ["failed"]);
    assert_eq!(names(&["--now", &tomorrow, "--run", "demo"]), ["demo"]);
    // Where nothing is left to look at, the last one is: exit code 0, and no error.
    launches.0.run(&["done", "failed"]);
    launches.patrol(&["--now", &tomorrow]);
    assert_eq!(names(&["--now", &tomorrow]), ["taken"]);
}

#[test]
fn a_run_that_was_launched_again_is_judged_anew() {
    let launches = Launches::new();
    launches.shell("echo 'step 1: loss 2.5'; exit 0");
    assert_eq!(launches.patrol(&[]).0, 0);
    launches.shell("exit 1");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "an earlier success is not this failure's: {report:#}");
    launches.0.run(&["ack", "demo"]);
    assert_eq!(launches.patrol(&[]).0, 0);
    launches.shell("exit 6");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "an acknowledged failure is not this one: {report:#}");
    assert!(messages(&report).contains("code 6"), "{report:#}");
    launches.shell("exit 0");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn what_a_code_or_a_signal_means_is_said() {
    for (script, says) in [
        ("kill -9 $$", "was killed by SIGKILL after 0 s: often the out-of-memory killer"),
        (
            "exit 137",
            "exited with code 137 (128 + 9: a shell's word for SIGKILL) after 0 s: often the out-of-memory killer",
        ),
        ("kill -SEGV $$", "was killed by SIGSEGV"),
        (
            "echo 'ModuleNotFoundError: No module named torch'; exit 1",
            "exited with code 1 after 0 s: the log says why",
        ),
        (
            "echo 'step 5: loss 1.0'; exit 1",
            "exited with code 1 after 0 s at step 5: no failure that is known stands in the log",
        ),
    ] {
        let launches = Launches::new();
        launches.shell(script);
        let (code, report) = launches.patrol(&[]);
        assert_eq!(code, 2, "{report:#}");
        assert!(messages(&report).contains(says), "{says}: {report:#}");
    }
}

#[test]
fn a_run_of_the_config_gets_its_process_and_the_configs_log() {
    let launches = Launches::new();
    launches.0.write("trainguard.yaml", "runs:\n  - {name: demo, log: logs/mine.log}\n");
    launches.detach(&format!("echo 'step 1: loss 2.5'; {WAIT} exit 1"));
    let (code, report) = launches.patrol(&[]);
    assert_eq!(
        (code, report["runs"][0]["process"]["pid"].as_i64()),
        (0, Some(launches.pid("process").into())),
        "{report:#}"
    );
    launches.launch(&["--name", "other", "--", "true"]);
    launches.go();
    launches.exit();
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "{report:#}");
    assert_eq!(report["runs"].as_array().unwrap().len(), 2, "{report:#}");
    assert_eq!(launches.0.read("logs/mine.log"), "step 1: loss 2.5\n");
    assert!(launches.0.path("other.log").exists());
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
fn a_run_that_cannot_be_recorded_does_not_run() {
    let scene = Scene::new();
    let script = r#"
        mkdir -p .trainguard && mount -t tmpfs -o size=64k,mode=0755 none .trainguard || exit 9
        mkdir .trainguard/demo; chmod 700 .trainguard/demo
        cat /dev/zero >.trainguard/fill 2>/dev/null
        "$TRAINGUARD" launch --name demo -- sh -c 'trap "" TERM INT HUP; while :; do sleep 0.05; done'
        echo "code $?"
        cat .trainguard/demo/run.json
        ls demo.log
    "#;
    let answer = crate::scene::in_own_mounts(&scene, script);
    assert_eq!(answer.stdout, "code 3\n", "{answer:?}");
    assert!(answer.stderr.contains("cannot be recorded, so it was ended at once"), "{answer:?}");
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

#[test]
fn a_reused_pid_is_never_taken_for_the_run() {
    let launches = Launches::new();
    launches.shell("kill -9 $$");
    let stranger = Process(std::process::Command::new("sleep").arg("600").spawn().unwrap());
    let mut record = launches.record();
    let process = launches.pid("process");
    record["process"]["pid"] = stranger.0.id().into();
    launches.0.write(".trainguard/demo/run.json", record.to_string());
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "{report:#}");
    assert_ne!(process as u32, stranger.0.id());
    let why = report["runs"][0]["findings"][0]["evidence"]["why"].as_str().unwrap();
    assert!(why.contains("another process than the one that was launched"), "{report:#}");
}

#[test]
fn a_record_that_is_damaged_or_not_ours_costs_its_own_run_alone() {
    let launches = Launches::new();
    launches.shell("exit 0");
    launches.launch(&["--name", "other", "--", "true"]);
    launches.0.write(".trainguard/demo/run.json", "{");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 3, "{report:#}");
    assert!(report["runs"][0]["error"].as_str().unwrap().contains("does not parse"), "{report:#}");
    assert_eq!(report["runs"][1]["phase"], "finished", "{report:#}");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(launches.0.path(".trainguard/other/run.json"), open).unwrap();
    let (code, report) = launches.patrol(&["--run", "other"]);
    assert_eq!(code, 3, "{report:#}");
    assert!(report["runs"][0]["error"].as_str().unwrap().contains("run.json"), "{report:#}");
}

#[test]
fn an_end_that_a_full_disk_does_not_take_is_in_the_log_and_noted_later() {
    let scene = Scene::new();
    let script = r#"
        set -e
        mkdir -p .trainguard && mount -t tmpfs -o size=1m,mode=0755 none .trainguard
        "$TRAINGUARD" launch --name demo --detach -- sh -c 'while [ ! -e go ]; do sleep 0.02; done; exit 6' >/dev/null
        rm .trainguard/reserve
        cat /dev/zero >.trainguard/fill 2>/dev/null || true
        : >go
        tries=0
        until grep -q 'exit.json cannot be written' demo.log; do
            tries=$((tries + 1)); [ $tries -lt 3000 ] || { echo no word; exit 1; }; sleep 0.02
        done
        grep -q 'exited with code 6' demo.log
        rm .trainguard/fill
        until [ -s .trainguard/demo/exit.json ]; do
            tries=$((tries + 1)); [ $tries -lt 6000 ] || { echo no note; exit 1; }; sleep 0.02
        done
        cat .trainguard/demo/exit.json
    "#;
    let answer = crate::scene::in_own_mounts(&scene, script);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains(r#""code":6"#), "{answer:?}");
}

#[test]
fn a_real_training_is_launched_and_patrolled_to_its_end() {
    let launches = Launches::new();
    let training = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gpt.py");
    let command =
        ["--name", "demo", "--", "/usr/bin/python3", training, "--iters", "60", "--eval-batch", "4"];
    let answer = launches.launch(&command);
    assert_eq!(answer.code, 0, "python3-torch? {answer:?}");
    assert!(answer.stdout.contains("iter 60:"), "{answer:?}");
    assert_eq!(answer.stdout, launches.log());
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, report["runs"][0]["phase"].as_str()), (0, Some("finished")), "{report:#}");
    assert_eq!(report["runs"][0]["step"], 60.0, "{report:#}");

    // What is no number of steps ends at the parser of arguments: no row, and argparse says why.
    let answer = launches.launch(&["--name", "wrong", "--", "/usr/bin/python3", training, "--iters", "many"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    let (code, report) = launches.patrol(&["--run", "wrong"]);
    assert_eq!(code, 2, "{report:#}");
    assert!(messages(&report).contains("exited with code 2"), "{report:#}");
}
