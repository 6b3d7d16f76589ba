//! From the first row to the last word: a run dies, is told once, comes back, is taken, and ends.

use crate::scene::{Answer, Process, Scene, findings, healthy, until};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

/// A training that appends a row every few milliseconds and writes its pid first.
const TRAINER: &str = r#"
echo $$ > train.pid
i=0
while :; do
    echo "step $i: loss 3.$((99999 - i)), lr 1e-3" >> train.log
    i=$((i + 1))
    sleep 0.02
done"#;

fn start(scene: &Scene) -> Process {
    let rows = rows(scene);
    let mut shell = std::process::Command::new("sh");
    let shell = shell.args(["-c", TRAINER]).current_dir(scene.path("")).stdin(Stdio::null());
    let trainer = Process(shell.spawn().unwrap());
    until("the training has written ten rows more", || self::rows(scene) >= rows + 10);
    trainer
}

fn rows(scene: &Scene) -> usize {
    std::fs::read_to_string(scene.path("train.log")).unwrap_or_default().lines().count()
}

fn last_row(scene: &Scene) -> (String, String) {
    let log = scene.read("train.log");
    let row = log.lines().last().unwrap().to_owned();
    let step = row.strip_prefix("step ").unwrap().split_once(':').unwrap().0.to_owned();
    (row, step)
}

fn patrol(scene: &Scene, arguments: &[&str]) -> Answer {
    scene.patrol(&[&["--pid-file", "train.pid"], arguments].concat())
}

/// A run that was seen alive and then killed with `kill -9`; its pid.
fn killed(scene: &Scene) -> String {
    let trainer = start(scene);
    let answer = patrol(scene, &[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.starts_with("OK demo step "), "{answer:?}");
    let pid = trainer.pid();
    trainer.kill();
    pid
}

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    serde_json::from_str(&patrol(scene, &[&["--format", "json"], arguments].concat()).stdout).unwrap()
}

#[test]
fn a_killed_run_is_told_with_pid_last_step_and_last_lines_and_alerts_nobody_again() {
    let scene = Scene::new();
    let pid = killed(&scene);
    let (row, step) = last_row(&scene);
    let answer = patrol(&scene, &[]);
    assert_eq!(answer.code, 2, "{answer:?}");
    let first = answer.stdout.lines().next().unwrap();
    assert!(first.starts_with(&format!("CRITICAL demo step {step}: ")), "{answer:?}");
    for word in [&pid, &step, "trainguard done demo", "without sign of completion"] {
        assert!(first.contains(word), "no '{word}' in: {first}");
    }
    assert!(answer.stdout.contains("process_dead"), "{answer:?}");
    assert!(answer.stdout.contains(&row), "the last line of the log is shown: {answer:?}");
    let alerts = scene.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert!(alerts[0].contains(" CRITICAL demo opened process_dead "), "{alerts:#?}");
    for _ in 0..2 {
        let answer = patrol(&scene, &[]);
        assert_eq!(answer.code, 2, "{answer:?}");
        assert!(
            answer.stdout.starts_with("CRITICAL demo") && answer.stdout.contains("nothing new"),
            "{answer:?}"
        );
    }
    assert_eq!(scene.alerts(), alerts);
}

#[test]
fn three_quiet_patrols_of_a_killed_run_print_once() {
    let scene = Scene::new();
    let pid = killed(&scene);
    let printed: Vec<_> = (0..3).map(|_| patrol(&scene, &["-q"])).collect();
    assert!(printed.iter().all(|answer| answer.code == 2), "{printed:?}");
    let (row, _) = last_row(&scene);
    assert!(printed[0].stdout.contains(&row), "the mail shows the end of the log: {printed:?}");
    assert!(printed[0].stdout.contains("process_dead") && printed[0].stdout.contains(&pid), "{printed:?}");
    assert_eq!((printed[1].stdout.as_str(), printed[2].stdout.as_str()), ("", ""));
    assert!(printed.iter().all(|answer| answer.stderr.is_empty()), "{printed:?}");
}

#[test]
fn a_quiet_patrol_of_a_healthy_run_prints_nothing() {
    let scene = Scene::new();
    let _trainer = start(&scene);
    for _ in 0..3 {
        let answer = patrol(&scene, &["-q"]);
        assert_eq!((answer.code, answer.stdout.as_str(), answer.stderr.as_str()), (0, "", ""));
    }
    assert!(scene.alerts().is_empty());
}

#[test]
fn a_restart_that_makes_progress_resolves_the_death_and_says_so_once() {
    let scene = Scene::new();
    killed(&scene);
    assert_eq!(patrol(&scene, &[]).code, 2);
    let _again = start(&scene);
    let answer = patrol(&scene, &["-q"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("resolved process_dead"), "{answer:?}");
    assert_eq!(scene.alerts().len(), 2, "{:#?}", scene.alerts());
    assert!(scene.alerts()[1].contains(" demo resolved process_dead "), "{:#?}", scene.alerts());
    let answer = patrol(&scene, &["-q"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, ""));
    assert_eq!(scene.alerts().len(), 2, "{:#?}", scene.alerts());
    assert_eq!(json(&scene, &[])["runs"][0]["attempt"], 2);
}

#[test]
fn ack_takes_a_death_out_of_the_exit_code_until_its_time_is_over_and_done_ends_it() {
    let scene = Scene::new();
    killed(&scene);
    assert_eq!(patrol(&scene, &[]).code, 2);
    let answer = scene.run(&["ack", "demo", "process_dead", "--for", "2h", "--note", "node is being mended"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("acknowledged"), "{answer:?}");
    let answer = patrol(&scene, &[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    for word in ["process_dead", "acknowledged", "node is being mended"] {
        assert!(answer.stdout.contains(word), "an acknowledged finding stays visible: {answer:?}");
    }
    assert_eq!(patrol(&scene, &["--now", &in_hours(3)]).code, 2, "two hours are over");

    let answer = scene.run(&["done", "demo"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("demo is finished"), "{answer:?}");
    let answer = patrol(&scene, &["-q"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let alerts = scene.alerts();
    for _ in 0..2 {
        let answer = patrol(&scene, &["-q"]);
        assert_eq!((answer.code, answer.stdout.as_str()), (0, ""));
    }
    assert_eq!(scene.alerts(), alerts);
    assert_eq!(json(&scene, &[])["runs"][0]["phase"], "finished");
}

/// The wall clock some hours from now, as `--now` takes it.
fn in_hours(hours: i64) -> String {
    (DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::hours(hours)).to_rfc3339()
}

#[test]
fn ack_and_done_of_a_name_that_nobody_knows_say_so() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 5));
    assert_eq!(scene.patrol(&[]).code, 0);
    for command in ["ack", "done"] {
        let answer = scene.run(&[command, "dmeo"]);
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(answer.stderr.contains("dmeo") && answer.stdout.is_empty(), "{answer:?}");
    }
    let answer = scene.run(&["ack", "demo"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("nothing is open"), "{answer:?}");
}

#[test]
fn an_open_death_is_recalled_once_a_day() {
    let scene = Scene::new();
    killed(&scene);
    assert_eq!(patrol(&scene, &[]).code, 2);
    let after = |hours| patrol(&scene, &["-q", "--now", &in_hours(hours)]);
    assert_eq!(after(23).stdout, "");
    let recalled = after(25);
    assert!(recalled.code == 2 && recalled.stdout.contains("reminder process_dead"), "{recalled:?}");
    assert_eq!(after(26).stdout, "");
    assert_eq!(scene.alerts().len(), 2, "{:#?}", scene.alerts());
}

/// Runs a training under a config to its end, with a patrol while it lives and three after it.
fn ended(config_of_the_run: &str, last_lines: &str) -> (Scene, Vec<Answer>) {
    let scene = Scene::new();
    scene.write(
        "trainguard.yaml",
        format!("runs:\n  - name: demo\n    log: train.log\n    process: {{pid_file: train.pid}}\n{config_of_the_run}"),
    );
    let trainer = start(&scene);
    assert_eq!(scene.run(&["patrol"]).code, 0);
    trainer.kill();
    scene.append("train.log", last_lines);
    let answers = (0..3).map(|_| scene.run(&["patrol"])).collect();
    (scene, answers)
}

#[test]
fn a_run_whose_last_line_is_its_sign_of_completion_is_finished_and_never_alarms() {
    let (scene, answers) = ended("    done_when: '^Training complete'\n", "Training complete in 2 h\n");
    for answer in &answers {
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.stdout.lines().next().unwrap().contains("finished"), "{answer:?}");
    }
    assert!(scene.alerts().is_empty(), "{:#?}", scene.alerts());
    assert!(
        scene.read("agent_health.yaml").contains("phase\": \"finished"),
        "{}",
        scene.read("agent_health.yaml")
    );
}

#[test]
fn a_run_that_reached_its_last_step_is_finished_and_never_alarms() {
    let (scene, answers) = ended("    total_steps: 100000\n", &healthy(99_998, 3));
    assert!(answers.iter().all(|answer| answer.code == 0), "{answers:?}");
    assert!(answers[0].stdout.lines().next().unwrap().contains("finished"), "{answers:?}");
    assert!(scene.alerts().is_empty(), "{:#?}", scene.alerts());
}

#[test]
fn a_run_that_ends_without_a_sign_is_told_once_in_words_that_name_done() {
    let (scene, answers) = ended("    done_when: '^Training complete'\n", "");
    assert!(answers.iter().all(|answer| answer.code == 2), "{answers:?}");
    let first = answers[0].stdout.lines().next().unwrap();
    assert!(first.contains("trainguard done demo"), "{first}");
    assert_eq!(scene.alerts().len(), 1, "{:#?}", scene.alerts());
    assert_eq!(scene.run(&["done", "demo"]).code, 0);
    assert_eq!(scene.run(&["patrol"]).code, 0);
}

#[test]
fn a_log_that_was_already_old_at_its_first_patrol_has_ended_and_a_hint_names_the_flag() {
    let scene = Scene::new();
    let log = scene.write("train.log", healthy(0, 50));
    let hour_ago = SystemTime::now() - Duration::from_hours(1);
    std::fs::File::options().write(true).open(log).unwrap().set_modified(hour_ago).unwrap();
    for _ in 0..2 {
        let answer = scene.patrol(&[]);
        assert_eq!(answer.code, 0, "{answer:?}");
        assert!(answer.stdout.starts_with("OK demo step 49"), "{answer:?}");
        assert!(answer.stdout.contains("ended") && answer.stdout.contains("--pid"), "{answer:?}");
    }
    assert_eq!(scene.report(&[])["runs"][0]["phase"], "ended");
}

#[test]
fn a_failure_is_over_after_three_rows_of_progress_and_says_so_once() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    assert_eq!(scene.patrol(&[]).code, 0);
    scene.append("train.log", crate::scene::failure(0));
    assert_eq!(scene.patrol(&[]).code, 2);
    scene.append("train.log", healthy(20, 2));
    assert_eq!(scene.patrol(&[]).code, 2, "two rows are no progress yet");
    scene.append("train.log", healthy(22, 3));
    let answer = scene.patrol(&["-q"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("resolved cuda_illegal_access"), "{answer:?}");
    assert_eq!(scene.patrol(&["-q"]).stdout, "");
    assert_eq!(scene.alerts().len(), 2, "{:#?}", scene.alerts());
}

#[test]
fn a_failure_that_was_over_before_it_was_read_is_history_and_alerts_nobody() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20) + &crate::scene::failure(0) + &healthy(20, 20));
    let report = scene.report(&[]);
    let known = findings(&report).into_iter().find(|(syndrome, ..)| syndrome == "cuda_illegal_access");
    let (_, severity, state) = known.unwrap_or_else(|| panic!("{report:#}"));
    assert_eq!((severity.as_str(), state.as_str()), ("info", "history"));
    assert_eq!(scene.patrol(&[]).code, 0);
    assert!(scene.alerts().is_empty(), "{:#?}", scene.alerts());
}

#[test]
fn a_second_patrol_at_once_reads_nothing_and_sends_nothing() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20) + &crate::scene::failure(0));
    let first = scene.report(&[]);
    assert_eq!(
        first["runs"][0]["log"]["bytes_read"],
        std::fs::metadata(scene.path("train.log")).unwrap().len()
    );
    let alerts = scene.alerts();
    let second = scene.report(&[]);
    assert_eq!(second["runs"][0]["log"]["bytes_read"], 0, "{second:#}");
    assert_eq!(second["runs"][0]["log"]["rows"], 0, "{second:#}");
    assert_eq!(scene.alerts(), alerts);
    assert!(scene.patrol(&[]).stdout.contains("read 0 bytes"));
}

#[test]
fn the_end_of_an_epoch_is_not_the_end_of_the_run() {
    let scene = Scene::new();
    scene.write(
        "train.log",
        (40..=50).map(|step| format!("Epoch 1 step {step}/50 loss 2.{step}\n")).collect::<String>(),
    );
    let report = scene.report(&[]);
    assert_eq!(report["runs"][0]["phase"], "patrol", "{report}");
}

#[test]
fn a_pattern_that_nothing_matches_is_no_death_while_the_log_is_fresh() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    for _ in 0..3 {
        let answer = scene.patrol(&["--match", "no_such_training_program"]);
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(
            answer.stdout.contains("process_unknown") && answer.stdout.contains("no process matches"),
            "{answer:?}"
        );
    }
}
