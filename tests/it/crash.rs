//! Killed before every step that outlives it, and patrolled again: no alert is lost or told twice, no file is
//! half-written, nothing is left lying about.
//!
//! Each scene is played once without a kill; what is known and told in the end then is what must be known and
//! told in the end after a kill at any step, or after two.

mod stage;

use crate::scene::{Scene, failure, healthy};
use chrono::{DateTime, TimeDelta, Utc};
use stage::{BARE, CONFIG, Play, TOLD, play};
use std::fs;
use std::time::SystemTime;

const OOM: &str = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n";

/// One patrol of those before, and what it told.
fn patrol(scene: &Scene) {
    let told = scene.run(BARE).stdout;
    scene.append(TOLD, told);
}

#[test]
fn the_first_patrol_of_a_log_with_two_failures_and_a_nan() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20) + &failure(0) + OOM + "step 20: loss nan, lr 1e-3\n");
    };
    play(Play { before, ..Play::default() });
}

#[test]
fn new_failures_after_idle_patrols() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20));
        patrol(scene);
        patrol(scene);
        scene.append("train.log", failure(0) + "a line between\n" + &failure(1));
    };
    play(Play { before, ..Play::default() });
}

#[test]
fn a_first_patrol_before_whose_repetition_the_short_log_grows() {
    let before = |scene: &Scene| drop(scene.write("train.log", failure(0)));
    let after =
        |scene: &Scene| scene.append("train.log", failure(1) + &"a line that says nothing\n".repeat(60));
    play(Play { before, after, ..Play::default() });
}

#[test]
fn a_failure_whose_log_is_rotated_before_the_patrol_is_repeated() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20));
        patrol(scene);
        scene.append("train.log", failure(0));
    };
    let after = |scene: &Scene| {
        scene.append("train.log", failure(1));
        fs::rename(scene.path("train.log"), scene.path("train.log.1")).unwrap();
        scene.append("train.log", failure(2) + OOM);
    };
    play(Play { before, after, ..Play::default() });
}

#[test]
fn a_failure_that_is_over() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20) + &failure(0));
        patrol(scene);
        scene.append("train.log", healthy(20, 5));
    };
    play(Play { before, ..Play::default() });
}

#[test]
fn a_failure_that_came_back_and_is_told_an_hour_later() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20) + &failure(0));
        patrol(scene);
        scene.append("train.log", healthy(20, 5));
        patrol(scene);
        scene.append("train.log", failure(1));
        patrol(scene);
    };
    play(Play { before, hours: 1, ..Play::default() });
}

#[test]
fn a_reminder_after_a_day() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20) + &failure(0));
        patrol(scene);
    };
    play(Play { before, hours: 25, ..Play::default() });
}

#[test]
fn a_damaged_state_whose_previous_generation_is_used() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20) + &failure(0));
        patrol(scene);
        scene.append("train.log", "a line that says nothing\n");
        patrol(scene);
        scene.write(".trainguard/demo.json", "{\"half");
    };
    play(Play { before, ..Play::default() });
}

#[test]
fn a_state_of_which_both_generations_are_damaged() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20));
        patrol(scene);
        scene.append("train.log", failure(0));
        patrol(scene);
        scene.write(".trainguard/demo.json", "{\"half");
        scene.write(".trainguard/demo.json.prev", "");
    };
    play(Play { before, ..Play::default() });
}

#[test]
fn the_first_patrol_of_a_run_whose_process_is_not_there() {
    let before = |scene: &Scene| drop(scene.write("train.log", healthy(0, 20)));
    let patrol = &["patrol", "--log", "train.log", "--name", "demo", "-q", "--pid", "2147483647"];
    play(Play { before, patrol, ..Play::default() });
}

#[test]
fn a_damaged_first_state_of_a_run_whose_process_is_not_there() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20));
        scene.write(".trainguard/demo.json", "");
    };
    let patrol = &["patrol", "--log", "train.log", "--name", "demo", "-q", "--pid", "2147483647"];
    play(Play { before, patrol, ..Play::default() });
}

#[test]
fn two_runs_in_one_patrol_and_the_log_of_one_rotated() {
    let before = |scene: &Scene| {
        scene.write("trainguard.yaml", "runs:\n  - {name: a, log: a.log}\n  - {name: b, log: b.log}\n");
        scene.write("a.log", healthy(0, 20));
        scene.write("b.log", healthy(0, 20));
        scene.run(CONFIG);
        scene.append("a.log", failure(0));
        scene.append("b.log", failure(1));
        fs::rename(scene.path("a.log"), scene.path("a.log.1")).unwrap();
        scene.append("a.log", healthy(20, 1) + &failure(2));
    };
    play(Play { before, patrol: CONFIG, ..Play::default() });
}

#[test]
fn an_alert_file_that_cannot_be_written_and_is_mended_before_the_next_patrol() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20) + &failure(0));
        fs::create_dir_all(scene.path(".trainguard/alerts.log")).unwrap();
    };
    let after = |scene: &Scene| drop(fs::remove_dir(scene.path(".trainguard/alerts.log")));
    play(Play { before, after, spared: &["delivery_failed"], ..Play::default() });
}

#[test]
fn an_alert_file_that_was_mended_after_its_failure_was_told() {
    let before = |scene: &Scene| {
        scene.write("train.log", healthy(0, 20) + &failure(0));
        fs::create_dir_all(scene.path(".trainguard/alerts.log")).unwrap();
        patrol(scene);
        patrol(scene);
        fs::remove_dir(scene.path(".trainguard/alerts.log")).unwrap();
    };
    play(Play { before, ..Play::default() });
}

#[test]
fn half_a_line_that_a_power_cut_left_in_the_alert_file_swallows_no_alert() {
    let scene = Scene::new();
    scene.write(".trainguard/alerts.log", "2026-01-01T00:00:00Z CRITICAL demo opened cuda_ill");
    scene.write("train.log", healthy(0, 20) + &failure(0));
    patrol(&scene);
    let alerts = scene.alerts();
    assert_eq!(alerts.len(), 2, "{alerts:#?}");
    assert!(alerts[1].contains(" CRITICAL demo opened cuda_illegal_access "), "{alerts:#?}");
}

#[test]
fn a_failure_that_a_later_patrol_found_is_not_told_again_when_all_is_read_again() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    patrol(&scene);
    scene.append("train.log", failure(0));
    patrol(&scene);
    for name in ["demo.json", "demo.json.prev"] {
        scene.write(&format!(".trainguard/{name}"), "{\"half");
    }
    let later = DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::minutes(2);
    scene.patrol(&["--now", &later.to_rfc3339()]);
    let alerts = scene.alerts();
    let opened = alerts.iter().filter(|line| line.contains(" opened cuda_illegal_access ")).count();
    assert_eq!(opened, 1, "{alerts:#?}");
}
