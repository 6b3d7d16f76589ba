//! What once went wrong, each told as a user met it.

use crate::scene::{Scene, healthy};
use serde_json::Value;
use std::fs;

/// The severities and states of the findings of one syndrome.
fn of(report: &Value, syndrome: &str) -> Vec<(String, String)> {
    let all = crate::scene::findings(report).into_iter();
    all.filter(|(id, ..)| id == syndrome).map(|(_, severity, state)| (severity, state)).collect()
}

fn run(report: &Value) -> &Value {
    &report["runs"][0]
}

/// The log is cut to nothing and the next run writes into it: `python train.py > train.log`.
fn start_over(scene: &Scene, text: &str) {
    scene.write("train.log", text);
}

const NAN: &str = "step 3: loss nan, lr 1e-3\nstep 4: loss nan, lr 1e-3\n";

#[test]
fn a_run_that_is_started_over_its_old_log_after_done_is_guarded_again() {
    // The second log ends before and behind the offset up to which the first was read.
    for rows in [3, 400] {
        let scene = Scene::new();
        scene.write("train.log", healthy(0, 60));
        assert_eq!(scene.patrol(&[]).code, 0);
        assert_eq!(scene.run(&["done", "demo"]).code, 0);
        assert_eq!(run(&scene.report(&[]))["phase"], "finished");
        start_over(&scene, &format!("started again\n{}", healthy(0, rows)));
        let report = scene.report(&[]);
        assert_eq!((&run(&report)["attempt"], &run(&report)["phase"]), (&2.into(), &"patrol".into()));
        scene.append("train.log", NAN);
        let answer = scene.patrol(&[]);
        assert_eq!(answer.code, 2, "{rows} rows: {answer:?}");
        assert!(answer.stdout.contains("nan_loss"), "{answer:?}");
    }
}

#[test]
fn a_run_that_is_started_over_its_old_log_after_done_and_fails_before_its_first_row_is_told() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 60));
    scene.patrol(&[]);
    scene.run(&["done", "demo"]);
    start_over(&scene, &crate::scene::failure(0));
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains("cuda_illegal_access"), "{answer:?}");
}

#[test]
fn every_start_over_the_old_log_is_another_attempt() {
    let scene = Scene::new();
    for attempt in 1..6 {
        start_over(&scene, &format!("start number {attempt}\n{}", healthy(0, 70 - 9 * attempt)));
        assert_eq!(run(&scene.report(&[]))["attempt"], attempt, "attempt {attempt}");
        scene.append("train.log", healthy(70, 5));
        assert_eq!(run(&scene.report(&[]))["attempt"], attempt, "attempt {attempt} goes on");
    }
}

#[test]
fn a_rotation_while_the_steps_go_on_is_no_attempt() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 60));
    scene.patrol(&[]);
    for round in 1..4 {
        fs::rename(scene.path("train.log"), scene.path(format!("train.log.{}", 4 - round))).unwrap();
        scene.write("train.log", healthy(60 * round, 60));
        let report = scene.report(&[]);
        assert_eq!((&run(&report)["attempt"], &run(&report)["step"]), (&1.into(), &(60 * round + 59).into()));
    }
    // What stands in an archive that cannot be searched was moved there all the same.
    fs::remove_file(scene.path("train.log")).unwrap();
    scene.write("train.log-20260101.zst", "packed");
    scene.write("train.log", healthy(240, 60));
    assert_eq!(run(&scene.report(&[]))["attempt"], 1);
    fs::rename(scene.path("train.log"), scene.path("train.log.0")).unwrap();
    scene.write("train.log", healthy(0, 10));
    assert_eq!(run(&scene.report(&[]))["attempt"], 2, "and one whose steps begin again is");
}
