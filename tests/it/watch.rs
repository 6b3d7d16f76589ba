//! `trainguard watch`: the first steps of a run, with scripted writers and real trainings.

use crate::scene::{Answer, BINARY, Process, Scene, healthy, until, within};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A watch that runs beside the test; what it prints goes to a file.
struct Watch {
    child: Process,
    output: &'static str,
}

impl Watch {
    /// No table of the machine's is looked at but what a test says is in `crontab -l`.
    fn of(scene: &Scene, arguments: &[&str]) -> Self {
        for program in ["crontab", "systemctl"] {
            let path = scene.write(&format!("bin/{program}"), "#!/bin/sh\ncat \"$0.says\"\n");
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let output = "watch.out";
        let file = std::fs::File::create(scene.path(output)).unwrap();
        let mut command = scene.command(&[&["watch", "--interval", "100ms"], arguments].concat());
        command.env("PATH", format!("{}:/usr/bin:/bin", scene.path("bin").display()));
        let errors = file.try_clone().unwrap();
        Self { child: Process(command.stdout(file).stderr(errors).spawn().unwrap()), output }
    }

    fn said(&self, scene: &Scene) -> String {
        scene.read(self.output)
    }

    /// Its exit code once it ends by itself.
    fn code(mut self, scene: &Scene) -> (i32, String) {
        let code = std::cell::Cell::new(None);
        let child = std::cell::RefCell::new(&mut self.child.0);
        within(Duration::from_mins(5), "the watch ends", || {
            code.set(child.borrow_mut().try_wait().unwrap());
            code.get().is_some()
        });
        (code.get().unwrap().code().expect("ended by a signal"), scene.read(self.output))
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.pid()]).status().unwrap().success());
    }
}

/// A process that stands for the training and does nothing of its own.
fn training() -> Process {
    Process(Command::new("sleep").arg("600").spawn().unwrap())
}

/// Rows with a norm of the gradient.
fn rows(from: u64, rows: u64, loss: impl Fn(u64) -> String, norm: f64) -> String {
    (from..from + rows).map(|step| format!("step {step}: loss {}, grad_norm {norm}\n", loss(step))).collect()
}

/// The step that the health file tells of the run.
fn health(scene: &Scene) -> serde_yaml::Value {
    let text = std::fs::read_to_string(scene.path(".trainguard/agent_health.yaml"))
        .or_else(|_| std::fs::read_to_string(scene.path("agent_health.yaml")));
    let whole: serde_yaml::Value = serde_yaml::from_str(&text.unwrap_or_default()).unwrap_or_default();
    whole["runs"]["demo"].clone()
}

fn reaches(scene: &Scene, step: u64) {
    until(&format!("step {step} is seen"), || health(scene)["step"].as_f64() >= Some(step as f64));
}

/// Alerts of a syndrome, by what happened to it.
fn told(scene: &Scene, syndrome: &str) -> Vec<String> {
    let lines = scene.alerts().into_iter().filter(|line| line.contains(syndrome));
    lines.map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect()
}

#[test]
fn a_healthy_run_is_handed_over_to_patrols_with_the_line_to_install() {
    let scene = Scene::new();
    let process = training();
    scene.write("train.log", "importing torch\n");
    let watch = Watch::of(
        &scene,
        &["--log", "train.log", "--name", "demo", "--pid", &process.pid(), "--phase1-steps", "50"],
    );
    until("the start is told", || watch.said(&scene).contains("demo no first step yet"));
    scene.append("train.log", healthy(1, 30));
    reaches(&scene, 30);
    assert_eq!(health(&scene)["phase"].as_str(), Some("watch"));
    scene.append("train.log", healthy(31, 25));
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the first 50 steps are made, nothing is wrong. Phase 2 begins"), "{said}");
    let log = scene.path("train.log").canonicalize().unwrap();
    let flags = format!("patrol -q --log {} --name demo --pid {}", log.display(), process.pid());
    assert!(said.contains("*/30 * * * * ") && said.contains(&flags), "{said}");
    assert!(!said.contains(['\r', '\u{1b}']), "off a terminal there are plain lines: {said}");
    assert_eq!(health(&scene)["phase"].as_str(), Some("patrol"));
    assert_eq!(scene.alerts(), Vec::<String>::new());
}

#[test]
fn a_loss_that_is_nan_ends_the_watch_with_its_step_and_the_training_lives() {
    let scene = Scene::new();
    let mut process = training();
    scene.write("train.log", healthy(1, 30));
    let watch = Watch::of(&scene, &["--log", "train.log", "--name", "demo", "--pid", &process.pid()]);
    reaches(&scene, 30);
    scene.append("train.log", rows(31, 3, |_| "nan".to_owned(), 1.0));
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 2, "{said}");
    for part in [
        "demo: stop and diagnose",
        "loss is NaN",
        "at step 31",
        "train.log:31",
        "step 33: loss nan",
        "Stop it",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(told(&scene, "nan_loss"), ["opened"]);
    assert!(process.0.try_wait().unwrap().is_none(), "nothing was done to the training");
}

#[test]
fn one_nan_among_finite_rows_is_told_and_ends_nothing() {
    let scene = Scene::new();
    let process = training();
    scene.write("train.log", healthy(1, 30));
    let watch = Watch::of(
        &scene,
        &["--log", "train.log", "--name", "demo", "--pid", &process.pid(), "--phase1-steps", "60"],
    );
    reaches(&scene, 30);
    scene.append("train.log", rows(31, 1, |_| "nan".to_owned(), 1.0));
    until("it is told", || told(&scene, "nan_loss") == ["opened"]);
    scene.append("train.log", healthy(32, 40));
    let (code, said) = watch.code(&scene);
    assert_eq!(
        (code, told(&scene, "nan_loss")),
        (0, vec!["opened".to_owned(), "resolved".to_owned()]),
        "{said}"
    );
}

#[test]
fn a_loss_that_does_not_fall_and_a_norm_over_the_limit_are_told_once_and_watched_on() {
    let scene = Scene::new();
    let process = training();
    let pid = process.pid();
    scene.write(
        "trainguard.yaml",
        format!(
            "training: {{phase1_steps: 2000, gradient_norm_max: 50}}\nruns:\n- {{name: demo, log: train.log, process: {{pid: {pid}}}}}\n"
        ),
    );
    let flat = |step: u64| format!("{:.4}", 2.3 + 0.001 * (step * 7919 % 11) as f64);
    scene.write("train.log", rows(0, 30, flat, 60.0));
    let watch = Watch::of(&scene, &[]);
    until("the norm is told", || told(&scene, "grad_norm_high") == ["opened"]);
    let spaced: String =
        (1..40).map(|row| format!("step {}: loss {}, grad_norm 61\n", row * 50, flat(row))).collect();
    scene.append("train.log", spaced);
    until("the loss is told", || told(&scene, "loss_not_decreasing") == ["opened"]);
    scene.append("train.log", rows(2000, 3, flat, 62.0));
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 0, "{said}");
    for part in [
        "over gradient_norm_max 50",
        "the loss does not fall: 2.3",
        "Watch on if the learning rate still warms up",
        "still open: ",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    // It is a question of the first phase: patrols say that it is over, and how they judge.
    let patrol = scene.run(&["patrol"]);
    assert!(patrol.stdout.contains("it is judged as loss_plateau"), "{patrol:?}");
    assert_eq!(told(&scene, "loss_not_decreasing"), ["opened", "resolved"]);
    assert_eq!(told(&scene, "grad_norm_high"), ["opened"]);
}

/// A training that a shell starts with its output in the log.
fn started(scene: &Scene, script: &str) -> Process {
    let log = std::fs::File::create(scene.path("train.log")).unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(scene.path("")).stdin(Stdio::null());
    Process(shell.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap())
}

fn watch_of(scene: &Scene, process: &Process, arguments: &[&str]) -> Watch {
    let pid = process.pid();
    Watch::of(scene, &[&["--log", "train.log", "--name", "demo", "--pid", &pid], arguments].concat())
}

#[test]
fn a_run_that_has_no_memory_left_is_told_as_that() {
    let scene = Scene::new();
    let script = "ulimit -v 400000; exec /usr/bin/python3 -u -c '
import time
for step in range(1, 6): print(f\"step {step}: loss {9 / step:.3f}\"); time.sleep(0.02)
batch = bytearray(10**9)'";
    let process = started(&scene, script);
    let (code, said) = watch_of(&scene, &process, &[]).code(&scene);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("python_memory_error") && said.contains("demo: the run has failed"), "{said}");
}

#[test]
fn a_crash_at_import_is_told_in_plain_words() {
    let scene = Scene::new();
    let process = started(&scene, "exec /usr/bin/python3 -c 'import no_such_module_here'");
    let (code, said) = watch_of(&scene, &process, &[]).code(&scene);
    assert_eq!(code, 2, "{said}");
    for part in ["demo: the run has failed", "no_such_module_here", "train.log:", "  next   "] {
        assert!(said.contains(part), "{part}: {said}");
    }
}

#[test]
fn where_patrols_are_invoked_already_no_line_is_given() {
    let scene = Scene::new();
    let process = training();
    scene.write("train.log", healthy(1, 30));
    scene.write("bin/crontab.says", "# comment\n*/30 * * * * trainguard patrol -q\n");
    let (code, said) = watch_of(&scene, &process, &["--phase1-steps", "20"]).code(&scene);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("patrols are invoked from your crontab") && !said.contains("crontab -e"), "{said}");
}

#[test]
fn a_run_that_finishes_while_it_is_watched_ends_the_watch_well() {
    let scene = Scene::new();
    let script =
        "i=0; while [ $i -lt 9 ]; do i=$((i+1)); echo \"step $i/9: loss 0.$((19-i))\"; sleep 0.05; done";
    let process = started(&scene, script);
    let (code, said) = watch_of(&scene, &process, &[]).code(&scene);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("demo: the run has finished"), "{said}");
}

#[test]
fn a_slow_start_is_told_and_not_alarmed_and_ctrl_c_ends_the_watch_alone() {
    let scene = Scene::new();
    let mut process = started(&scene, "echo compiling; while :; do :; done");
    let watch = watch_of(&scene, &process, &[]);
    until("the start is told", || watch.said(&scene).contains("demo no first step yet"));
    until("several looks were had", || scene.path(".trainguard/demo.json.prev").exists());
    watch.signal("-INT");
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("demo: the watch ends here; the run goes on"), "{said}");
    assert_eq!(scene.alerts(), Vec::<String>::new());
    assert!(process.0.try_wait().unwrap().is_none(), "the training goes on");
}

#[test]
fn a_log_that_is_not_there_yet_is_waited_for_while_its_process_lives() {
    let scene = Scene::new();
    let process = training();
    let watch = watch_of(&scene, &process, &["--phase1-steps", "20"]);
    until("several looks were had", || scene.path(".trainguard/demo.json.prev").exists());
    scene.write("train.log", healthy(1, 30));
    let (code, said) = watch.code(&scene);
    assert_eq!((code, scene.alerts()), (0, Vec::new()), "{said}");
    let nobody = Scene::new();
    let watch = Watch::of(&nobody, &["--log", "train.log", "--name", "demo"]);
    until("it is told", || watch.said(&nobody).contains("UNKNOWN demo opened log_missing"));
}

#[test]
fn a_signal_that_nohup_has_it_ignore_does_not_end_the_watch() {
    let scene = Scene::new();
    let process = training();
    scene.write("train.log", healthy(1, 30));
    let pid = process.pid();
    let watch = scene.path("watch.out");
    let script = format!(
        "trap '' HUP; exec {BINARY} watch --interval 100ms --log train.log --name demo --pid {pid} --phase1-steps 40 >{}",
        watch.display()
    );
    let mut shell = Command::new("sh");
    let mut shell = Process(shell.args(["-c", &script]).current_dir(scene.path("")).spawn().unwrap());
    reaches(&scene, 30);
    assert!(Command::new("kill").args(["-HUP", &shell.pid()]).status().unwrap().success());
    scene.append("train.log", healthy(31, 15));
    assert!(shell.0.wait().unwrap().success());
    assert!(scene.read("watch.out").contains("the first 40 steps are made"));
}

/// A run with one warning that a watch has told.
fn with_a_warning(scene: &Scene, process: &Process) -> Watch {
    let pid = process.pid();
    scene.write(
        "trainguard.yaml",
        format!(
            "training: {{gradient_norm_max: 50}}\nruns:\n- {{name: demo, log: train.log, process: {{pid: {pid}}}}}\n"
        ),
    );
    scene.write("train.log", rows(0, 30, |step| format!("{:.3}", 9.0 / (1 + step) as f64), 60.0));
    let watch = Watch::of(scene, &[]);
    until("the norm is told", || told(scene, "grad_norm_high") == ["opened"]);
    watch
}

fn phase(answer: &Answer) -> String {
    let report: serde_json::Value = serde_json::from_str(&answer.stdout).unwrap();
    report["runs"][0]["phase"].as_str().unwrap().to_owned()
}

#[test]
fn a_patrol_beside_a_watch_sees_the_first_phase_and_raises_nothing_twice() {
    let scene = Scene::new();
    let process = training();
    let watch = with_a_warning(&scene, &process);
    for _ in 0..3 {
        let answer = scene.run(&["patrol", "--format", "json"]);
        assert_eq!((answer.code, phase(&answer).as_str()), (1, "watch"), "{answer:?}");
    }
    let second = scene.run(&["watch", "--interval", "100ms"]);
    assert_eq!(second.code, 3, "{second:?}");
    assert!(
        second.stderr.contains(&format!("watched by process {} already", watch.child.pid())),
        "{second:?}"
    );
    scene.append("train.log", rows(30, 5, |step| format!("{:.3}", 9.0 / (1 + step) as f64), 60.0));
    reaches(&scene, 34);
    assert_eq!(scene.alerts().len(), 1, "{:?}", scene.alerts());
    assert_eq!(health(&scene)["phase"].as_str(), Some("watch"));
}

#[test]
fn a_watch_that_was_killed_is_noticed_and_patrols_go_on_without_telling_anything_twice() {
    let scene = Scene::new();
    let mut process = training();
    let watch = with_a_warning(&scene, &process);
    watch.child.kill();
    let answer = scene.run(&["patrol", "--format", "json"]);
    assert_eq!(phase(&answer), "patrol", "{answer:?}");
    scene.append("train.log", rows(30, 5, |step| format!("{:.3}", 9.0 / (1 + step) as f64), 60.0));
    scene.run(&["patrol"]);
    assert_eq!(scene.alerts().len(), 1, "{:?}", scene.alerts());
    assert!(process.0.try_wait().unwrap().is_none());
    // And another one may stay.
    let watch = Watch::of(&scene, &["--phase1-steps", "40"]);
    scene.append("train.log", rows(35, 10, |step| format!("{:.3}", 9.0 / (1 + step) as f64), 60.0));
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 0, "{said}");
}

#[test]
fn a_restart_begins_the_phase_again() {
    let scene = Scene::new();
    let process = training();
    scene.write("train.log", healthy(1, 40));
    let watch = watch_of(&scene, &process, &["--phase1-steps", "60"]);
    reaches(&scene, 40);
    scene.append("train.log", healthy(1, 50));
    until("the second attempt is seen", || health(&scene)["attempt"].as_u64() == Some(2));
    reaches(&scene, 50);
    scene.append("train.log", healthy(51, 10));
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the first 60 steps are made"), "{said}");
}

#[test]
fn with_quiet_a_watch_prints_alerts_alone() {
    let scene = Scene::new();
    let process = training();
    scene.write("train.log", healthy(1, 30));
    let watch = watch_of(&scene, &process, &["-q"]);
    reaches(&scene, 30);
    scene.append("train.log", rows(31, 3, |_| "nan".to_owned(), 1.0));
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 2, "{said}");
    assert_eq!(said.matches("nan_loss").count(), 1, "{said}");
    assert!(said.starts_with("CRITICAL demo") && !said.contains("stop and diagnose"), "{said}");
}

#[test]
fn a_real_training_is_watched_through_its_first_steps() {
    let scene = Scene::new();
    let gpt = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gpt.py");
    let process = started(&scene, &format!("exec /usr/bin/python3 -u {gpt} --iters 100000"));
    let watch = watch_of(&scene, &process, &["--phase1-steps", "40"]);
    let (code, said) = watch.code(&scene);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("the first 40 steps are made") && said.contains("grad norm"), "{said}");
    let critical: Vec<_> = scene.alerts().into_iter().filter(|line| line.contains("CRITICAL")).collect();
    assert_eq!(critical, Vec::<String>::new());
}

#[test]
fn a_terminal_has_one_live_line() {
    let scene = Scene::new();
    let process = training();
    scene.write("train.log", healthy(1, 30));
    let run = format!(
        "{BINARY} watch --log train.log --name demo --pid {} --interval 100ms --phase1-steps 40",
        process.pid()
    );
    let mut script = Command::new("script");
    script.args(["-qec", &run, "typescript"]).current_dir(scene.path(""));
    script.env("TERM", "xterm").stdin(Stdio::null()).stdout(Stdio::null());
    let mut script = script.spawn().expect("script of util-linux");
    reaches(&scene, 30);
    scene.append("train.log", healthy(31, 15));
    assert!(script.wait().unwrap().success());
    let screen = scene.read("typescript");
    assert!(screen.contains("\rdemo") && screen.contains("step 30/40") && screen.contains('━'), "{screen}");
    assert!(screen.contains("Phase 2 begins"), "{screen}");
}
