use crate::config::CheckpointSpec;
use crate::finding::Severity::{Unknown, Warning};
use crate::judge::scene::Scene;
use crate::observe::Observation;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// A run with a configured directory whose checkpoints are so many seconds old.
fn run(ages: &[i64]) -> Scene {
    let mut scene = Scene::new();
    scene.run.checkpoints = Some(CheckpointSpec { dir: "/ckpt".into(), pattern: None });
    scene.process_since(10, 12 * HOUR).rows(1..50).checkpoints(true, ages);
    scene
}

#[test]
fn the_newest_is_overdue_after_the_limit_or_twice_the_runs_own_interval() {
    let hours = |ages: &[i64]| ages.iter().map(|age| age * HOUR).collect::<Vec<i64>>();
    let table: &[(Vec<i64>, bool)] = &[
        (vec![119 * MINUTE], false),
        (vec![121 * MINUTE], true),
        (hours(&[5, 8, 11]), false), // every 3 h: 6 h
        (hours(&[7, 10]), true),
        (vec![5 * HOUR, 5 * HOUR + 20, 5 * HOUR + 40, 8 * HOUR, 8 * HOUR + 20], false), // shards
    ];
    for (ages, overdue) in table {
        let mut scene = run(ages);
        scene.patrol();
        assert_eq!(scene.severity("checkpoint_overdue") == Some(Warning), *overdue, "{ages:?}");
    }
}

#[test]
fn the_users_own_limit_is_not_stretched() {
    let mut scene = run(&[5 * HOUR, 8 * HOUR, 11 * HOUR]);
    scene.config.patrol.checkpoint_max.by_user = true;
    scene.patrol();
    assert_eq!(scene.severity("checkpoint_overdue"), Some(Warning));
}

#[test]
fn without_a_checkpoint_the_runs_start_counts_and_one_of_an_earlier_start_does_not() {
    for (age_of_process, ages, overdue) in [
        (3 * HOUR, &[][..], true),
        (HOUR, &[], false),
        (HOUR, &[9 * HOUR], false),
        (3 * HOUR, &[9 * HOUR, 10 * HOUR], true),
    ] {
        let mut scene = run(ages);
        scene.process_since(10, age_of_process).patrol();
        assert_eq!(scene.severity("checkpoint_overdue").is_some(), overdue, "{age_of_process} {ages:?}");
    }
}

#[test]
fn a_directory_that_nobody_named_counts_once_it_received_one() {
    let mut scene = Scene::new();
    scene.rows(1..50).checkpoints(false, &[9 * HOUR]).patrol();
    assert_eq!(scene.severity("checkpoint_overdue"), None, "weights that were there before");
    scene.later(600).rows(50..60).checkpoints(false, &[60]).patrol();
    scene.later(3 * HOUR).rows(60..70).checkpoints(false, &[3 * HOUR + 60]).patrol();
    assert_eq!(scene.severity("checkpoint_overdue"), Some(Warning));
    scene.later(60).rows(70..80).checkpoints(false, &[5]).patrol();
    assert!(scene.is_well("checkpoint_overdue"));
}

#[test]
fn nothing_is_overdue_once_the_run_has_ended() {
    let mut scene = run(&[9 * HOUR]);
    scene.completed().patrol();
    assert!(scene.is_well("checkpoint_overdue"));
    let mut scene = run(&[60]);
    scene.patrol();
    scene.gone(10).later(9 * HOUR).checkpoints(true, &[9 * HOUR]).patrol();
    assert!(scene.is_well("checkpoint_overdue"), "process_dead says it");
}

#[test]
fn a_directory_that_cannot_be_looked_at_is_unknown() {
    let mut scene = run(&[]);
    scene.look.checkpoints = Observation::Failed { why: "/ckpt: permission denied".to_owned() };
    scene.patrol();
    assert_eq!(scene.severity("checkpoint_unknown"), Some(Unknown));
}
