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
    scene.later(60).rows(70..80).checkpoints(false, &[65]).patrol();
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

/// The newest checkpoint is so large and has this wrong with it.
fn newest(scene: &mut Scene, bytes: u64, fault: Option<&str>) {
    if let Observation::Known(facts) = &mut scene.look.checkpoints {
        facts.newest[0].bytes = bytes;
        facts.newest[0].fault = fault.map(str::to_owned);
    }
}

#[test]
fn a_broken_newest_one_is_told_and_does_not_count_as_the_newest() {
    let mut scene = run(&[30 * MINUTE, 130 * MINUTE, 160 * MINUTE]);
    newest(&mut scene, 1_000, Some("it is empty"));
    scene.patrol();
    let claim = scene.claim("checkpoint_incomplete").unwrap();
    assert!(
        claim.message.contains("/ckpt/1800.pt") && claim.message.contains("/ckpt/7800.pt"),
        "{}",
        claim.message
    );
    assert_eq!(scene.severity("checkpoint_overdue"), Some(Warning), "the whole one is 130 min old");
    scene.checkpoints(true, &[2 * MINUTE, 35 * MINUTE]).patrol();
    assert!(scene.is_well("checkpoint_incomplete") && scene.is_well("checkpoint_overdue"));
}

#[test]
fn half_of_the_one_before_is_incomplete_and_a_little_less_is_not() {
    for (bytes, told) in [(499, true), (501, false), (5_000, false)] {
        let mut scene = run(&[5 * MINUTE, 30 * MINUTE]);
        newest(&mut scene, bytes, None);
        scene.patrol();
        assert_eq!(scene.severity("checkpoint_incomplete").is_some(), told, "{bytes} of 1000 bytes");
    }
}

#[test]
fn another_kind_or_an_earlier_start_is_no_measure_of_size() {
    let mut scene = run(&[5 * MINUTE, 30 * MINUTE]);
    newest(&mut scene, 10, None);
    if let Observation::Known(facts) = &mut scene.look.checkpoints {
        facts.newest[0].path = "/ckpt/ema.pt".into();
    }
    scene.patrol();
    assert!(scene.is_well("checkpoint_incomplete"));
    let mut scene = run(&[5 * MINUTE, 30 * MINUTE]);
    newest(&mut scene, 10, None);
    scene.process_since(10, 10 * MINUTE).patrol();
    assert!(scene.is_well("checkpoint_incomplete"), "a smaller model since the restart");
}

#[test]
fn the_only_file_is_measured_by_what_it_held() {
    let last = |scene: &mut Scene, age: i64, bytes: u64| {
        scene.checkpoints(true, &[age]);
        newest(scene, bytes, None);
        if let Observation::Known(facts) = &mut scene.look.checkpoints {
            facts.newest[0].path = "/ckpt/last.pt".into();
        }
        scene.patrol();
    };
    let mut scene = run(&[]);
    last(&mut scene, 15 * MINUTE, 1_000);
    for _ in 0..3 {
        last(&mut scene, 15 * MINUTE, 100);
        assert_eq!(scene.severity("checkpoint_incomplete"), Some(Warning), "also at the next look");
    }
    last(&mut scene, 15 * MINUTE, 990);
    assert!(scene.is_well("checkpoint_incomplete"));
}

#[test]
fn one_that_is_being_written_is_not_judged_and_the_one_before_it_counts() {
    // Age and size at two looks five minutes apart, and whether the second one tells.
    for (first, second, told) in [
        ((10, 100), (20, 100), false),
        ((10, 100), (310, 200), false),
        ((10, 100), (310, 100), true),
        ((400, 100), (700, 200), true),
    ] {
        let mut scene = run(&[first.0, 130 * MINUTE]);
        newest(&mut scene, first.1, Some("the end of the zip is missing"));
        scene.patrol();
        scene.checkpoints(true, &[second.0, 135 * MINUTE]);
        newest(&mut scene, second.1, Some("the end of the zip is missing"));
        if let Observation::Known(facts) = &mut scene.look.checkpoints {
            facts.newest[0].path = format!("/ckpt/{}.pt", first.0).into();
        }
        scene.patrol();
        assert_eq!(scene.severity("checkpoint_incomplete").is_some(), told, "{first:?} {second:?}");
        let standing = scene.memory.checkpoint.standing.as_ref();
        assert!(standing.is_none(), "what a look found is not kept");
    }
}

#[test]
fn a_half_written_one_is_judged_at_once_when_its_writer_is_gone() {
    let mut scene = run(&[10, 30 * MINUTE]);
    newest(&mut scene, 100, Some("the end of the zip is missing"));
    scene.patrol();
    assert_eq!(scene.severity("checkpoint_incomplete"), None);
    scene.gone(10).checkpoints(true, &[20, 30 * MINUTE]);
    newest(&mut scene, 100, Some("the end of the zip is missing"));
    scene.patrol();
    assert_eq!(scene.severity("checkpoint_incomplete"), Some(Warning));
}

#[test]
fn what_a_crash_costs_is_told_in_time_and_in_steps() {
    let mut scene = run(&[130 * MINUTE]);
    scene.rows(50..2_000).patrol();
    let claim = scene.claim("checkpoint_overdue").unwrap();
    assert!(claim.message.ends_with("a crash now costs 2 h 10 min (about 780 steps)"), "{}", claim.message);
    let mut scene = run(&[130 * MINUTE]);
    scene.rows(50..100).patrol();
    let claim = scene.claim("checkpoint_overdue").unwrap();
    assert!(claim.message.ends_with("(about 98 steps)"), "no more than it made: {}", claim.message);
}
