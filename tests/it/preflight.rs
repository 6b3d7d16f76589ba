//! GPUs before a start: who is on them is waited for, told, and asked about, with the tests' own driver,
//! whose state is a file that it reads at each call.

use crate::gpu::{Environment, FIRST, Machine, NVML, SECOND, SMI, training};
use crate::scene::{Answer, BINARY, Process, until};
use serde_json::Value;
use std::io::Write;
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
        let flags = ["--wait", "500ms", "--poll", "100ms", "--decision-timeout", "300ms"];
        let answer = node.preflight(&flags, ON_SECOND);
        assert_eq!(answer.code, 1, "{answer:?}");
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let held = format!(
            "GPU 1 (GPU-bbbbbbbb) is busy: process {} of {} (sleep 600) since 20",
            holder.pid(),
            user.trim()
        );
        let lines: Vec<&str> = answer.stdout.lines().collect();
        assert!(lines[0].starts_with(&format!("waiting 0 s of 0 s: {held}")), "{answer:?}");
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
        match wait {
            LONG => assert!(alerts.is_empty() && node.questions().is_empty(), "{alerts:?}"),
            _ => {
                assert!(alerts[1].starts_with("resolved gpu_busy the GPUs are free now"), "{alerts:?}");
                assert_eq!(node.questions()[0].1["outcome"]["choice"], Value::Null);
            }
        }
    }
}

/// An occupied GPU, and a preflight that asks at once and for long.
fn asked(node: &Node) -> (Process, Asking<'_>) {
    let holder = training(&[]);
    node.occupied(&holder);
    let asking = node.start(&["--wait", "0", "--poll", "100ms", "--decision-timeout", LONG], ON_SECOND);
    (holder, asking)
}

#[test]
fn an_answer_comes_from_respond_by_id_or_run_or_from_a_file() {
    let table: &[(&str, &str, i32, &str)] = &[
        ("id", "stop", 1, "Stop Job"),
        ("id", "Continue Anyway", 0, "Continue Anyway"),
        ("run", "c", 0, "Continue Anyway"),
        ("run", "STOP", 1, "Stop Job"),
        ("file", "Stop Job\n", 1, "Stop Job"),
        ("file", "\n continue anyway", 0, "Continue Anyway"),
    ];
    for (way, choice, code, meant) in table {
        let node = Node::new(NVML);
        let (_holder, asking) = asked(&node);
        let alert = asking.alert();
        match *way {
            "file" => {
                let [(path, _)] = node.questions().try_into().unwrap();
                std::fs::File::create(path.with_extension("response"))
                    .unwrap()
                    .write_all(choice.as_bytes())
                    .unwrap();
            }
            way => {
                let answer = node.respond(if way == "id" { &alert } else { "demo" }, choice);
                let expected = (0, format!("demo: {meant}\n"), String::new());
                assert_eq!((answer.code, answer.stdout, answer.stderr), expected, "{way}");
            }
        }
        asking.says(&format!("{meant}: an operator's answer"));
        assert_eq!(asking.ends(), *code, "{way}");
        let alerts = node.alerts();
        assert!(
            alerts[1].starts_with(&format!("resolved gpu_busy {meant}: an operator's answer")),
            "{alerts:?}"
        );
        // The same once more is what it was; another one comes too late.
        let again = node.respond(&alert, meant);
        assert_eq!(again.code, 0, "{again:?}");
        assert!(again.stdout.contains(&format!(": {meant} (an operator's answer)")), "{again:?}");
        let other = if *meant == "Stop Job" { "continue" } else { "stop" };
        let late = node.respond("demo", other);
        assert_eq!((late.code, late.stdout.as_str()), (3, ""));
        assert!(late.stderr.contains("was answered at 20") && late.stderr.contains(meant), "{late:?}");
    }
}

/// Runs a command line on a terminal of its own; what is typed there is written to its input.
fn on_terminal<'n>(node: &'n Node, line: &str) -> Asking<'n> {
    let mut script = Command::new("script");
    script.args(["-qefc", line, "/dev/null"]).current_dir(node.0.scene.path("")).stdin(Stdio::piped());
    script.env_clear().env("HOME", node.0.scene.path("")).env("SHELL", "/bin/sh");
    node.equip(&mut script);
    node.begin(&mut script)
}

#[test]
fn an_answer_is_typed_on_the_terminal_and_a_line_that_is_written_over_says_what_is_waited_for() {
    for (typed, code, meant) in [("c\n", 0, "Continue Anyway"), ("what?\nstop job\n", 1, "Stop Job")] {
        let node = Node::new(NVML);
        let holder = training(&[]);
        node.occupied(&holder);
        let line = format!(
            "'{BINARY}' preflight --name demo --wait 300ms --poll 100ms --decision-timeout {LONG} -- {}",
            ON_SECOND.join(" ")
        );
        let mut asking = on_terminal(&node, &line);
        asking.says("type c to continue anyway or s to stop the job, then Enter; without an answer within 5 min: Stop Job");
        asking.child.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
        asking.says(&format!("{meant}: the terminal"));
        let said = asking.said();
        assert_eq!(asking.ends(), code, "{said}");
        assert!(
            said.contains("\r\x1b[Kwaiting 0 s of 0 s: GPU 1 (GPU-bbbbbbbb) is busy: process "),
            "{said}"
        );
        assert_eq!(said.matches("then Enter").count(), typed.lines().count(), "{said}");
    }
}

#[test]
fn a_question_in_the_background_of_a_terminal_takes_nothing_that_is_typed_there() {
    let node = Node::new(NVML);
    let holder = training(&[]);
    node.occupied(&holder);
    let line = format!(
        "set -m; '{BINARY}' preflight --name demo --wait 0 --poll 100ms --decision-timeout {LONG} -- {} & read typed; echo \"the shell has $typed\"; wait $!; echo \"code $?\"",
        ON_SECOND.join(" ")
    );
    let mut asking = on_terminal(&node, &line);
    asking.alert();
    asking.child.stdin.as_mut().unwrap().write_all(b"c\n").unwrap();
    asking.says("the shell has c");
    assert_eq!(node.respond("demo", "continue").code, 0);
    asking.says("code 0");
}

#[test]
fn an_answer_that_is_none_of_the_choices_is_refused_with_what_there_is() {
    let node = Node::new(NVML);
    let nobody = node.respond("demo", "stop");
    assert_eq!(nobody.code, 3);
    assert!(nobody.stderr.contains("no alert asks for an answer in "), "{nobody:?}");
    let (_holder, asking) = asked(&node);
    let alert = asking.alert();
    for (named, choice, said) in [
        (alert.as_str(), "yes", "offers: Continue Anyway, Stop Job"),
        (&alert, "", "offers: Continue Anyway, Stop Job"),
        (&alert[..5], "stop", "(an id needs six digits or more); there are:\n  "),
        ("ffffffffffff", "stop", "no alert or run 'ffffffffffff' asks for an answer; there are:\n  "),
        ("other", "stop", "  demo  gpu_busy  since 20"),
    ] {
        let answer = node.respond(named, choice);
        assert_eq!((answer.code, answer.stdout.as_str()), (3, ""), "{named} {choice}");
        assert!(answer.stderr.contains(said), "{answer:?}");
    }
    let [(path, _)] = node.questions().try_into().unwrap();
    std::fs::File::create(path.with_extension("response")).unwrap().write_all(b"maybe\n").unwrap();
    asking.says("the answer 'maybe' is none of: Continue Anyway, Stop Job");
    // What was not understood may be written again.
    assert_eq!(node.respond(&alert[..6], "stop").code, 0);
    assert_eq!(asking.ends(), 1);
}

#[test]
fn a_question_whose_asker_was_killed_takes_no_answer_and_is_closed_by_the_next_one() {
    let node = Node::new(NVML);
    let (_holder, mut asking) = asked(&node);
    let alert = asking.alert();
    until("the alert is in the file", || !node.alerts().is_empty());
    asking.child.kill().unwrap();
    asking.child.wait().unwrap();
    let answer = node.respond(&alert, "continue");
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.contains("nobody waits for an answer"), "{answer:?}");
    let flags = ["--wait", "0", "--decision-timeout", "0", "--default", "continue"];
    assert_eq!(node.preflight(&flags, ON_SECOND).code, 0);
    let alerts = node.alerts();
    assert!(alerts[1].starts_with("resolved gpu_busy whoever asked has ended (it was: GPU 1"), "{alerts:?}");
    let words: Vec<&str> = alerts.iter().map(|alert| alert.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["opened", "resolved", "opened", "resolved"]);
    assert!(node.questions().iter().all(|(_, question)| !question["outcome"].is_null()));
}

#[test]
fn without_an_answer_the_configured_default_is_taken() {
    let node = Node::new(NVML);
    let holder = training(&[]);
    node.occupied(&holder);
    node.config("preflight: {wait: 0, decision_timeout: 200ms, default: continue}");
    let answer = node.preflight(&[], ON_SECOND);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.ends_with("Continue Anyway: no answer within 0 s\n"), "{answer:?}");
    assert_eq!(node.preflight(&["--default", "stop"], ON_SECOND).code, 1);
    // What is quiet says that it asks, and what came of it.
    let quiet = node.preflight(&["-q"], ON_SECOND);
    assert!(quiet.stdout.starts_with("WARNING demo opened gpu_busy: "), "{quiet:?}");
    node.set(FREE);
    let quiet = node.preflight(&["-q"], ON_SECOND);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (0, ""));
}

#[test]
fn a_gpu_that_does_not_exist_is_an_error_that_names_what_there_is() {
    let there = "there are, in the order of CUDA_VISIBLE_DEVICES:\n  0  GPU-bbbbbbbb-0000-0000-0000-000000000000  NVIDIA Fake 80GB at 00000000:01:00.0\n  1  GPU-aaaaaaaa-";
    let table: &[(&[&str], Environment<'_>, &str)] = &[
        (
            &["CUDA_VISIBLE_DEVICES=0,2", "x"],
            &[],
            "CUDA_VISIBLE_DEVICES of the command names 2, and there is no such GPU here",
        ),
        (&["env", "CUDA_VISIBLE_DEVICES=GPU-c", "x"], &[], "names GPU-c, and there is no such GPU here"),
        (&["x"], &[("CUDA_VISIBLE_DEVICES", "7")], "CUDA_VISIBLE_DEVICES of the environment names 7"),
    ];
    for source in [NVML, SMI] {
        let node = Node::new(source);
        for (command, environment, said) in table {
            let answer: Answer =
                node.command(&[], command).envs(environment.iter().copied()).output().unwrap().into();
            assert_eq!((answer.code, answer.stdout.as_str()), (3, ""), "{command:?}");
            assert!(answer.stderr.contains(said) && answer.stderr.contains(there), "{answer:?}");
        }
        let answer = node.preflight(&[], &["CUDA_VISIBLE_DEVICES=GPU-", "x"]);
        assert_eq!(answer.code, 3);
        assert!(answer.stderr.contains(&format!("several begin: {FIRST}, {SECOND}")), "{answer:?}");
        let answer = node.preflight(&["--gpus", "1,5"], &["x"]);
        assert!(answer.code == 3 && answer.stderr.contains("--gpus names 5"), "{answer:?}");
        assert!(!node.0.scene.path(".trainguard").exists(), "nothing was asked, so nothing is kept");
    }
}

#[test]
fn the_gpus_are_those_of_the_command_as_a_real_shell_reads_it() {
    // Each really prints the variable that its program is started with.
    let print = "printenv CUDA_VISIBLE_DEVICES";
    let second = format!("CUDA_VISIBLE_DEVICES={SECOND}");
    let shell = |script: String| vec!["sh".to_owned(), "-c".to_owned(), script];
    let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let commands = [
        words(format!("env {second} {print}")),
        words(format!("nice -n 1 env -u A -i {second} /usr/bin/{print}")),
        words(format!("timeout -k 5 60 env -- {second} {print}")),
        shell(format!("export {second}; {print}")),
        shell(format!("A={SECOND}; export CUDA_VISIBLE_DEVICES=\"$A\"\n{print} # {FIRST}")),
        shell(format!("{second} sh -c '{print}' 2>&1 | cat")),
        shell(format!("cd / && if true; then {second} exec {print}; fi")),
        shell(format!("export CUDA_VISIBLE_DEVICES=${{NOT_SET:-{SECOND}}}; {print}")),
        shell(format!("A={FIRST}; env A={FIRST} {second} sh -c '{print}'")),
    ];
    let node = Node::new(NVML);
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut real = Command::new(words[0]);
        let printed = real.args(&words[1..]).env_remove("NOT_SET").stdin(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8(printed.stdout).unwrap().trim(), SECOND, "{command:?}");
        let answer = node.preflight(&[], &words);
        let free = "free: GPU 1 (GPU-bbbbbbbb) (CUDA_VISIBLE_DEVICES of the command)\n";
        assert_eq!((answer.code, answer.stdout.as_str()), (0, free), "{command:?}");
    }
}

#[test]
fn numbers_count_along_the_bus_and_what_the_command_does_not_say_the_surroundings_do() {
    let (first, second) = ("GPU 0 (GPU-aaaaaaaa)", "GPU 1 (GPU-bbbbbbbb)");
    let (both, bus) = (format!("{first}, {second}"), format!("{second}, {first}"));
    let table: &[(Environment<'_>, &[&str], &[&str], &str, &str)] = &[
        // The second card is the first on the bus.
        (&[("CUDA_VISIBLE_DEVICES", "0")], &[], &["x"], second, "CUDA_VISIBLE_DEVICES of the environment"),
        (
            &[("CUDA_VISIBLE_DEVICES", "0,1,-1,7")],
            &[],
            &["x"],
            &bus,
            "CUDA_VISIBLE_DEVICES of the environment",
        ),
        (&[("CUDA_VISIBLE_DEVICES", "0")], &["--gpus", "0"], &["x"], first, "--gpus"),
        (&[("SLURM_JOB_GPUS", "1")], &[], &["x"], first, "Slurm's SLURM_JOB_GPUS"),
        // In a job that sees its own alone, the node's numbers are those of none.
        (&[("SLURM_STEP_GPUS", "4-5")], &[], &["x"], &both, "Slurm's SLURM_STEP_GPUS"),
        (&[], &[], &["x"], &both, "all of the machine: CUDA_VISIBLE_DEVICES is not set"),
        (
            &[("CUDA_VISIBLE_DEVICES", "0")],
            &[],
            &["env", "-u", "CUDA_VISIBLE_DEVICES", "x"],
            &both,
            "all of the machine: the command unsets CUDA_VISIBLE_DEVICES",
        ),
    ];
    let node = Node::new(NVML);
    for (environment, flags, command, gpus, said) in table {
        let answer: Answer =
            node.command(flags, command).envs(environment.iter().copied()).output().unwrap().into();
        assert_eq!((answer.code, answer.stdout), (0, format!("free: {gpus} ({said})\n")), "{environment:?}");
    }
}

#[test]
fn an_instance_of_a_divided_card_is_looked_at_by_itself() {
    let node = Node::new(NVML);
    let holder = training(&[]);
    let command = ["CUDA_VISIBLE_DEVICES=MIG-cccc", "python"];
    let flags = ["--wait", "0", "--decision-timeout", "0"];
    node.set(&format!("scene mig\n1 0 70000 {}:60000\n2 0 100\n", holder.pid()));
    let answer = node.preflight(&flags, &command);
    let free = "free: GPU 1 (MIG-cccccccc) (CUDA_VISIBLE_DEVICES of the command)\n";
    assert_eq!((answer.code, answer.stdout.as_str()), (0, free), "its neighbours hold the rest: {answer:?}");
    node.set(&format!("scene mig\n1 0 70000\n2 0 3000 {}:2048\n", holder.pid()));
    let answer = node.preflight(&flags, &command);
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("GPU 1 (MIG-cccccccc) is busy: process "), "{answer:?}");
    let answer = node.preflight(&flags, &["CUDA_VISIBLE_DEVICES=MIG-d", "python"]);
    assert!(answer.code == 3 && answer.stderr.contains("\n     MIG-cccccccc-0000"), "{answer:?}");
}

#[test]
fn a_command_that_wants_no_gpu_asks_no_driver() {
    let node = Node::new(NVML);
    for devices in ["", "-1", "-1,0", "NoDevFiles"] {
        let answer = node.preflight(&[], &[&format!("CUDA_VISIBLE_DEVICES={devices}"), "python"]);
        let line = "the command uses no GPU: its CUDA_VISIBLE_DEVICES names none\n";
        assert_eq!((answer.code, answer.stdout.as_str()), (0, line));
    }
    assert_eq!(node.looks(), 0);
}

#[test]
fn a_machine_without_gpus_is_fine_unless_one_is_asked_for() {
    let mut node = Node::new(NVML);
    node.set("scene none\n");
    let none = "there is no GPU on this machine, and the command asks for none\n";
    let answer = node.preflight(&[], &["python"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, none), "{answer:?}");
    let answer = node.preflight(&[], &["CUDA_VISIBLE_DEVICES=0", "python"]);
    assert!(
        answer.code == 3 && answer.stderr.contains("names 0, and there is no such GPU here"),
        "{answer:?}"
    );
    for scene in ["not_loaded", "mismatch", "unknown"] {
        node.set(&format!("scene {scene}\n"));
        let answer = node.preflight(&[], &["python"]);
        assert_eq!(answer.code, 3, "{scene}");
        assert!(answer.stderr.contains("the GPUs could not be looked at: NVML"), "{answer:?}");
    }
    // No library at all.
    std::fs::remove_file(node.0.scene.path("lib/libnvidia-ml.so.1")).unwrap();
    std::fs::remove_file(node.0.scene.path("bin/nvidia-smi")).unwrap();
    node.0.gpu = "source: auto".to_owned();
    node.config("");
    if !std::path::Path::new("/dev/nvidiactl").exists() && !std::path::Path::new("/dev/dxg").exists() {
        let answer = node.preflight(&[], &["python"]);
        assert_eq!((answer.code, answer.stdout.as_str()), (0, none), "{answer:?}");
        let answer = node.preflight(&[], &["CUDA_VISIBLE_DEVICES=0", "python"]);
        assert!(answer.code == 3 && answer.stderr.contains("no GPU answers on this machine"), "{answer:?}");
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
    for (wait, ends) in [(LONG, 0), ("3s", 3)] {
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
    let mut holder = Command::new("sh");
    holder.args(["-c", "sleep 600; :", "sh", "--api-key=abcdefghijklmnop"]).stdin(Stdio::null());
    let holder = Process(holder.spawn().unwrap());
    node.occupied(&holder);
    let answer = node.preflight(&["--wait", "0", "--decision-timeout", "0"], ON_SECOND);
    assert!(answer.stdout.contains("--api-key=[redacted]"), "{answer:?}");
    let kept = node.questions()[0].1.to_string();
    assert!(!kept.contains("abcdefghijklmnop") && kept.contains("[redacted]"), "{kept}");
}
