//! What is told although something around the patrol fails, and what is not told twice for it.

use crate::scene::{Scene, healthy};
use std::process::Stdio;

const FAILURE: &str = "RuntimeError: CUDA error: an illegal memory access was encountered\n";

#[test]
fn a_verdict_that_cannot_be_printed_is_still_delivered() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10) + FAILURE);
    let mut command = scene.command(&["patrol", "--log", "train.log", "--name", "demo"]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = command.stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cannot print the verdict"), "{output:?}");
    assert_eq!(scene.alerts().len(), 1);
    let owed = scene.patrol(&["-q"]);
    assert!(owed.stdout.contains("cuda_illegal_access"), "the terminal is owed it: {owed:?}");
    assert_eq!(scene.patrol(&["-q"]).stdout, "");
    assert_eq!(scene.alerts().len(), 1);
}

#[test]
fn a_refused_alert_file_is_no_part_of_the_verdict_and_is_said_once() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10) + FAILURE + &healthy(10, 10));
    std::fs::create_dir_all(scene.path(".trainguard/alerts.log")).unwrap();
    let report = scene.report(&[]);
    assert_eq!(report["severity"], "ok", "{report}");
    scene.append("train.log", FAILURE);
    let first = scene.patrol(&["-q"]);
    assert_eq!(first.code, 2);
    assert!(first.stderr.contains("channel file: cannot write"), "{first:?}");
    let second = scene.patrol(&["-q"]);
    assert!(second.stdout.contains("delivery_failed"), "{second:?}");
    let third = scene.patrol(&["-q"]);
    assert_eq!((third.stdout.as_str(), third.stderr.as_str()), ("", ""));
    std::fs::remove_dir(scene.path(".trainguard/alerts.log")).unwrap();
    scene.patrol(&["-q"]);
    let told = scene.alerts();
    assert_eq!(told.iter().filter(|line| line.contains("cuda_illegal_access")).count(), 1, "{told:?}");
}

#[test]
fn json_is_printed_with_quiet_as_well() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10));
    for _ in 0..2 {
        assert_eq!(scene.report(&["-q"])["severity"], "ok");
    }
}

#[test]
fn an_open_finding_says_where_it_stands_at_every_patrol_and_in_the_health_file() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10) + FAILURE);
    scene.patrol(&[]);
    let later = scene.patrol(&[]);
    assert!(later.stdout.contains("train.log:11 step 9 | RuntimeError"), "{later:?}");
    let health = scene.read(".trainguard/agent_health.yaml");
    assert!(health.contains("train.log\"\n") && health.contains("\"line\": 11"), "{health}");
}

#[test]
fn a_second_crash_after_done_is_told_at_once() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10) + FAILURE);
    scene.patrol(&[]);
    scene.run(&["done", "demo", "--log", "train.log"]);
    scene.patrol(&[]);
    scene.append("train.log", healthy(0, 5));
    scene.patrol(&[]);
    scene.append("train.log", FAILURE);
    assert!(scene.patrol(&["-q"]).stdout.contains("opened cuda_illegal_access"));
}

#[test]
fn a_health_file_in_the_config_directory_is_no_config() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10));
    scene.write("conf/runs.yaml", "runs:\n  - {name: demo, log: ../train.log}\nhealth_file: status.yaml\n");
    for _ in 0..2 {
        let answer = scene.run(&["patrol", "--config", "conf"]);
        assert_eq!(answer.code, 0, "{answer:?}");
    }
    assert!(scene.read("conf/status.yaml").starts_with("\"schema\": \"trainguard/health/1\""));
}

#[test]
fn the_log_of_a_finished_run_may_be_put_away() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10));
    scene.patrol(&[]);
    scene.run(&["done", "demo", "--log", "train.log"]);
    std::fs::remove_file(scene.path("train.log")).unwrap();
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 0, "{answer:?}");
}

#[test]
fn a_patrol_that_finds_the_run_locked_leaves_its_health_entry_alone() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 10) + FAILURE);
    scene.patrol(&[]);
    let before = scene.read(".trainguard/agent_health.yaml");
    let lock = std::fs::File::open(scene.path(".trainguard/demo.lock")).unwrap();
    fs2::FileExt::lock_exclusive(&lock).unwrap();
    assert_eq!(scene.patrol(&["--lock-wait", "0"]).code, 3);
    drop(lock);
    let after = scene.read(".trainguard/agent_health.yaml");
    let entry = |text: &str| text.split("\"runs\":").nth(1).unwrap().to_owned();
    assert_eq!(entry(&before), entry(&after));
}
