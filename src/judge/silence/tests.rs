use super::*;
use crate::finding::Severity::{Critical, Info, Warning};
use crate::judge::scene::Scene;
use crate::observe::Observation;

const MINUTE: i64 = 60;

/// A run with rows every 10 s, patrolled once: its limit is 90 s.
fn run() -> Scene {
    let mut scene = Scene::new();
    scene.process(10).rows(1..50).patrol();
    scene.later(-300);
    scene
}

#[test]
fn the_limit_follows_the_runs_own_pace_within_bounds() {
    let table = [
        (None, 1800.0),
        (Some(1.0), 90.0),
        (Some(15.0), 90.0),
        (Some(60.0), 360.0),
        (Some(300.0), 1800.0),
        (Some(500.0), 1800.0),
        (Some(3600.0), 10_800.0),
    ];
    for (interval, limit) in table {
        assert!((limit_s(interval) - limit).abs() < 1e-9, "{interval:?}");
    }
}

#[test]
fn past_the_limit_a_busy_process_is_silent_and_an_idle_one_hangs() {
    let mut scene = run();
    scene.later(80).patrol();
    assert!(scene.is_well(SILENT) && scene.is_well(HANG));
    let mut busy = run();
    busy.later(100).works(50.0).patrol();
    assert_eq!((busy.severity(SILENT), busy.severity(HANG)), (Some(Warning), None));
    let mut idle = run();
    idle.later(100).works(0.05).patrol();
    assert_eq!((idle.severity(SILENT), idle.severity(HANG)), (None, Some(Critical)));
    assert!(idle.claim(HANG).unwrap().message.contains("process 10"), "{:?}", idle.claims());
    idle.rows(50..51).patrol();
    assert!(idle.is_well(HANG));
}

#[test]
fn input_and_output_are_movement_too() {
    let mut scene = run();
    scene.life().io_bytes = Some(900_000_000);
    scene.later(100).patrol();
    assert_eq!((scene.severity(SILENT), scene.severity(HANG)), (Some(Warning), None));
}

#[test]
fn a_spinning_process_hangs_after_three_limits_and_half_an_hour() {
    let mut scene = run();
    scene.later(29 * MINUTE).works(1700.0).patrol();
    assert_eq!((scene.severity(SILENT), scene.severity(HANG)), (Some(Warning), None));
    scene.works(300.0).patrol();
    assert_eq!((scene.severity(SILENT), scene.severity(HANG)), (None, Some(Critical)));
    assert!(scene.is_well(SILENT), "one fact has one id");
    scene.works(300.0).patrol();
    assert_eq!(scene.severity(HANG), Some(Critical));
}

#[test]
fn a_slow_evaluation_that_came_before_is_no_silence() {
    let mut scene = Scene::new();
    scene.process(10).rows(1..20);
    for step in 20..150 {
        scene.rows(step..step + 1); // 130 rows at 10 s are a stretch and a half of the pace
    }
    scene.patrol();
    let slowest = scene.memory.numbers.pace.slowest_s();
    assert_eq!(slowest, Some(10.0));
    scene.row(150, |row| row.time = row.time.map(|time| time + chrono::TimeDelta::minutes(10)));
    scene.later(20 * MINUTE).works(1.0).patrol();
    assert!(scene.claim(HANG).is_none() && scene.is_well(SILENT), "{:?}", scene.claims());
}

#[test]
fn before_the_second_row_half_an_hour_is_allowed() {
    let mut scene = Scene::new();
    scene.process(10).rows(1..2).patrol();
    scene.later(20 * MINUTE).patrol();
    assert!(scene.is_well(HANG));
    scene.later(10 * MINUTE).patrol();
    assert_eq!(scene.severity(HANG), Some(Critical));
}

#[test]
fn a_clock_that_was_set_and_a_machine_that_slept_are_no_hang() {
    for at_rows in [true, false] {
        let mut jumped = run();
        jumped.later(30).clock_jumps(7200);
        let mut slept = run();
        slept.later(30).sleeps(8 * 3600);
        for scene in [&mut jumped, &mut slept] {
            if at_rows {
                // The row was written before the clock went on.
                scene.rows(50..51).written(7200);
            }
            scene.patrol();
            assert!(scene.is_well(SILENT) && scene.is_well(HANG), "{:?}", scene.claims());
        }
    }
    let mut back = run();
    back.clock_jumps(-7200).later(30).patrol();
    assert!(back.is_well(SILENT));
    back.later(100).patrol();
    assert_eq!(back.severity(HANG), Some(Critical), "a clock that was set back hides no hang");
}

#[test]
fn nothing_is_silent_once_the_run_is_complete_or_its_process_is_gone() {
    let mut scene = run();
    scene.completed().later(3600).patrol();
    assert!(scene.is_well(SILENT) && scene.is_well(HANG));
    let mut scene = run();
    scene.later(3600).gone(10).patrol();
    assert!(scene.is_well(SILENT) && scene.is_well(HANG), "process_dead says it");
    let mut scene = run();
    scene.last_look = true;
    scene.later(3600).patrol();
    assert!(scene.claim(HANG).is_none() && scene.claim(SILENT).is_none());
}

#[test]
fn a_backlog_or_a_missing_log_says_nothing() {
    let mut scene = run();
    if let Observation::Known(log) = &mut scene.look.log {
        log.backlog_bytes = 1;
    }
    scene.later(3600).patrol();
    assert!(!scene.is_well(SILENT) && scene.claim(SILENT).is_none() && scene.claim(HANG).is_none());
    scene.look.log = Observation::Failed { why: "no such file".to_owned() };
    scene.patrol();
    assert!(!scene.is_well(SILENT) && scene.claim(SILENT).is_none() && scene.claim(HANG).is_none());
}

#[test]
fn a_log_alone_that_was_old_at_its_first_patrol_has_ended() {
    let mut scene = Scene::new();
    scene.rows(1..50).written(31 * MINUTE).patrol();
    for _ in 0..2 {
        let claim = scene.claim(SILENT).unwrap();
        assert_eq!(claim.severity, Info);
        assert!(claim.message.contains("ended") && claim.advice.contains("--pid"), "{claim:?}");
        assert_eq!(scene.phase(), "ended");
        scene.patrol();
    }
    scene.rows(50..60).patrol();
    assert!(scene.is_well(SILENT) && scene.phase() == "patrol", "it goes on after all");
}

#[test]
fn a_log_alone_that_stops_under_guard_is_silent_and_never_a_hang() {
    let mut scene = Scene::new();
    scene.rows(1..50).patrol();
    scene.rows(50..60).patrol();
    scene.later(5 * 3600).patrol();
    let claim = scene.claim(SILENT).unwrap();
    assert_eq!(claim.severity, Warning);
    assert!(claim.advice.contains("--pid") && claim.advice.contains("trainguard done demo"), "{claim:?}");
    assert!(scene.is_well(HANG));
}

#[test]
fn a_log_without_times_has_the_pace_of_its_patrols() {
    let mut scene = Scene::new();
    scene.process(10);
    for patrol in 0..4 {
        scene.losses(patrol..patrol + 1, |_| 1.0);
        scene.look.digest.numbers.pace = crate::metrics::numbers::pace::Pace::default();
        scene.works(200.0).patrol();
    }
    // A row every 300 s: the limit is half an hour.
    scene.later(20 * MINUTE).works(900.0).patrol();
    assert!(scene.is_well(SILENT), "{:?}", scene.claims());
    scene.works(900.0).patrol();
    assert_eq!(scene.severity(SILENT), Some(Warning));
}

#[test]
fn a_stopped_process_is_said_to_be_stopped() {
    let mut scene = run();
    scene.life().state = 'T';
    scene.later(100).patrol();
    assert!(scene.claim(HANG).unwrap().message.contains("kill -CONT 10"), "{:?}", scene.claims());
}

#[test]
fn a_start_that_takes_its_time_is_no_alarm_while_somebody_stays_and_something_moves() {
    let start = |cpu_s: f64| {
        let mut scene = Scene::new();
        scene.attend(1000).process(10).patrol();
        for _ in 0..10 {
            scene.works(cpu_s).patrol();
        }
        (scene.severity(SILENT), scene.severity(HANG))
    };
    assert_eq!(start(100.0), (None, None), "50 min of compilation");
    assert_eq!(start(0.0), (None, Some(Critical)), "50 min of nothing");
    let mut alone = Scene::new();
    alone.process(10).patrol();
    alone.works(1000.0).later(40 * MINUTE).patrol();
    assert_eq!(alone.severity(SILENT), Some(Warning), "a patrol says so");
}
