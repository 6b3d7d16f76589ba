use super::*;
use crate::finding::Role;
use crate::finding::Severity::{Critical, Unknown};
use crate::judge::scene::Scene;
use crate::observe::digest::Hits;
use crate::observe::launched::Ending;

fn killed() -> Scene {
    let mut scene = Scene::new();
    scene.process(4242).rows(1..121).patrol();
    assert_eq!(scene.claims().len(), 0, "{:?}", scene.claims());
    scene.rows(121..131).gone(4242).patrol();
    scene
}

#[test]
fn a_killed_run_is_dead_with_pid_step_and_last_line_and_stays_so() {
    let mut scene = killed();
    for _ in 0..3 {
        let claim = scene.claim(DEAD).unwrap();
        assert_eq!((claim.severity, claim.role), (Critical, Role::Root));
        for word in ["4242", "step 130", "without sign of completion or failure", "`trainguard done demo`"] {
            assert!(claim.message.contains(word), "no {word} in {}", claim.message);
        }
        let last = ["/runs/train.log:120: step 120", "/runs/train.log:130: step 130"];
        assert_eq!(claim.evidence["last_lines"], serde_json::json!(last), "those of both looks, in order");
        assert_eq!(scene.phase(), "failed");
        assert_eq!(scene.claims().len(), 1, "one fact, one finding: {:?}", scene.claims());
        scene.patrol();
    }
}

#[test]
fn a_restart_ends_the_death_when_it_makes_progress_and_not_before() {
    let mut scene = killed();
    scene.process(5000).patrol();
    assert!(!scene.is_well(DEAD) && scene.memory.attempt == 1);
    scene.patrol();
    assert!(!scene.is_well(DEAD) && scene.memory.attempt == 1);
    scene.rows(131..140).patrol();
    assert_eq!((scene.memory.attempt, scene.is_well(DEAD), scene.phase()), (2, true, "patrol"));
}

#[test]
fn a_run_that_completed_is_finished_whether_the_process_is_gone_or_a_zombie() {
    let by_sign = |scene: &mut Scene| {
        scene.completed();
    };
    let by_steps = |scene: &mut Scene| scene.run.total_steps = Some(120);
    for complete in [&by_sign as &dyn Fn(&mut Scene), &by_steps] {
        for zombie in [true, false] {
            let mut scene = Scene::new();
            scene.process(10).rows(1..121).patrol();
            complete(&mut scene);
            if zombie {
                scene.life().state = 'Z';
            } else {
                scene.gone(10);
            }
            for _ in 0..3 {
                scene.patrol();
                assert_eq!(scene.claims().len(), 0, "{:?}", scene.claims());
                assert_eq!(scene.phase(), "finished");
            }
        }
    }
}

#[test]
fn an_operators_word_ends_a_death() {
    let mut scene = killed();
    let now = scene.now();
    scene.memory.end_by_operator(now);
    scene.open.push(Subject::new("words", "python_traceback"));
    scene.patrol();
    assert!(scene.open.is_empty() && scene.claims().is_empty(), "{:?} {:?}", scene.open, scene.claims());
    assert_eq!(scene.phase(), "finished");
}

#[test]
fn a_death_that_the_log_explains_only_confirms_it() {
    let mut scene = Scene::new();
    scene.process(10).rows(1..100).patrol();
    scene.gone(10);
    scene.look.digest.hits = vec![Hits {
        syndrome: "cuda_oom".to_owned(),
        count: 1,
        occasion: "head:1".to_owned(),
        attempt: 1,
        ..Hits::default()
    }];
    scene.patrol();
    let claim = scene.claim(DEAD).unwrap();
    assert_eq!(claim.role, Role::Confirmation);
    assert!(claim.message.contains("the log says why"), "{}", claim.message);
    scene.open.push(Subject::new("words", "cuda_oom"));
    scene.patrol();
    assert_eq!(scene.claim(DEAD).unwrap().role, Role::Confirmation);
}

#[test]
fn an_exit_code_of_0_is_completion_and_any_other_is_told() {
    for (ending, phase, says) in [
        (Ending::Code(0), "finished", None),
        (
            Ending::Code(1),
            "failed",
            Some("process 10 (python train.py) exited with code 1 after 30 s at step 9: no failure"),
        ),
        (
            Ending::Signal(9),
            "failed",
            Some("was killed by SIGKILL after 30 s at step 9: often the out-of-memory killer"),
        ),
        (
            Ending::Unknown("nobody waited".to_owned()),
            "failed",
            Some("its exit status is unknown (nobody waited)"),
        ),
    ] {
        let mut scene = Scene::new();
        scene.rows(1..10).launched(10, Some(ending));
        for _ in 0..2 {
            scene.patrol();
            let told = scene.claim(DEAD).map(|claim| claim.message.clone());
            assert_eq!(told.is_some(), says.is_some(), "{told:?}");
            assert!(says.is_none_or(|says| told.as_ref().unwrap().contains(says)), "{told:?}");
            assert_eq!((scene.phase(), scene.claim(UNKNOWN).is_some()), (phase, false));
        }
    }
}

#[test]
fn a_start_is_judged_by_its_own_end_and_not_by_an_earlier_ones() {
    let mut scene = Scene::new();
    scene.rows(1..10).launched(10, Some(Ending::Code(0))).patrol();
    assert_eq!(scene.phase(), "finished");
    scene.launched(20, None).patrol();
    assert_eq!((scene.phase(), scene.severity(DEAD)), ("patrol", None));
    scene.launched(30, Some(Ending::Code(1))).patrol();
    assert_eq!((scene.phase(), scene.severity(DEAD)), ("failed", Some(Critical)));
    scene.launched(40, Some(Ending::Code(2))).patrol();
    let wells = scene
        .opinions
        .iter()
        .filter(|opinion| matches!(opinion, Opinion::Well(subject, _) if subject.syndrome == DEAD));
    assert_eq!(wells.count(), 1, "the earlier death is over");
    assert!(scene.claim(DEAD).unwrap().message.contains("process 40 (python train.py) exited with code 2"));
}

#[test]
fn a_run_that_fails_after_it_was_complete_is_a_warning_unless_it_was_asked_to_end() {
    for (ending, severity) in [
        (Ending::Code(0), None),
        (Ending::Code(1), Some(Severity::Warning)),
        (Ending::Signal(11), Some(Severity::Warning)),
        (Ending::Code(143), None),
        (Ending::Signal(15), None),
        (Ending::Unknown(String::new()), None),
    ] {
        let mut scene = Scene::new();
        scene.rows(1..10).launched(10, None).patrol();
        scene.completed().launched(10, Some(ending.clone())).patrol();
        assert_eq!((scene.phase(), scene.severity(DEAD)), ("finished", severity), "{ending:?}");
        let now = scene.now();
        scene.memory.end_by_operator(now);
        assert_eq!(scene.patrol().claims().len(), 0);
    }
}

#[test]
fn a_zombie_before_completion_is_critical() {
    let mut scene = Scene::new();
    scene.process(10).rows(1..100).patrol();
    scene.life().state = 'Z';
    scene.patrol();
    assert_eq!(scene.severity(ZOMBIE), Some(Critical));
    assert_eq!(scene.phase(), "failed");
    assert!(scene.claim("log_silent").is_none());
}

#[test]
fn a_process_that_was_never_seen_while_the_log_grows_is_unknown_and_then_dead() {
    let mut scene = Scene::new();
    scene.gone(10).rows(1..100).patrol();
    assert_eq!(scene.severity(UNKNOWN), Some(Unknown));
    scene.rows(100..110).patrol();
    assert_eq!(scene.severity(UNKNOWN), Some(Unknown));
    scene.patrol();
    assert_eq!(scene.severity(DEAD), Some(Critical));
    assert!(scene.is_well(UNKNOWN));
    scene.rows(110..120).patrol();
    assert_eq!(scene.severity(UNKNOWN), Some(Unknown), "the log goes on: another process writes it");
    assert!(scene.is_well(DEAD));
}

#[test]
fn an_old_log_of_a_process_that_was_never_seen_is_a_death() {
    let mut scene = Scene::new();
    scene.gone(10).rows(1..100).written(3 * 3600).patrol();
    assert_eq!(scene.severity(DEAD), Some(Critical));
}

#[test]
fn not_having_looked_is_not_well() {
    let mut scene = killed();
    scene.look.process =
        Observation::Failed { why: "pid file /runs/train.pid: permission denied".to_owned() };
    scene.patrol();
    assert_eq!(scene.severity(UNKNOWN), Some(Unknown));
    assert!(!scene.is_well(DEAD));
    scene
        .found(Found::Ambiguous {
            matches: vec![(1, "python train.py".to_owned()), (2, "python train.py -v".to_owned())],
        })
        .patrol();
    let claim = scene.claim(UNKNOWN).unwrap();
    assert!(claim.message.contains("1 (python train.py), 2 (python train.py -v)"), "{}", claim.message);
    assert!(!scene.is_well(DEAD));
}

#[test]
fn stuck_in_the_kernel_needs_two_looks_without_movement() {
    let mut scene = Scene::new();
    scene.process(10).rows(1..100).patrol();
    scene.life().state = 'D';
    scene.works(20.0).patrol();
    assert_eq!(scene.severity(STUCK), None, "the first look in that state");
    scene.works(20.0).patrol();
    assert!(scene.is_well(STUCK), "it moved");
    scene.patrol();
    assert_eq!(scene.severity(STUCK), Some(Critical));
    scene.works(20.0).patrol();
    assert!(scene.is_well(STUCK));
}

#[test]
fn looks_close_together_say_nothing_about_movement() {
    let mut scene = Scene::new();
    scene.process(10).rows(1..100);
    scene.life().state = 'D';
    for _ in 0..9 {
        scene.patrol().later(-299);
        assert_eq!(scene.severity(STUCK), None);
    }
    scene.later(2).patrol();
    assert_eq!(scene.severity(STUCK), Some(Critical), "ten seconds after the first");
}

#[test]
fn what_is_written_as_a_dead_run_is_torn_down_does_not_take_its_death_back() {
    let mut scene = killed();
    scene.completed();
    scene.look.digest.completed = None;
    scene.patrol();
    assert_eq!(scene.severity(DEAD), Some(Critical), "a line that is no row");
    for step in [131, 132] {
        scene.rows(step..step + 1).patrol();
        assert_eq!(scene.severity(DEAD), Some(Critical), "row {step}");
    }
    for steps in [133..134, 134..150, 150..151] {
        scene.rows(steps.clone()).patrol();
        assert_eq!((scene.severity(DEAD), scene.severity(UNKNOWN)), (None, Some(Unknown)), "{steps:?}");
    }
    scene.patrol();
    assert_eq!(scene.severity(DEAD), Some(Critical));
}

#[test]
fn nobody_asks_for_the_process_of_a_run_that_is_complete() {
    let failed = Observation::Failed { why: "pid file: permission denied".to_owned() };
    let mut scene = Scene::new();
    scene.found(Found::Ambiguous { matches: Vec::new() });
    let ambiguous = scene.look.process.clone();
    for observation in [failed, ambiguous] {
        let mut scene = Scene::new();
        scene.process(10).rows(1..100).completed().patrol();
        scene.look.process = observation;
        scene.patrol();
        assert!(scene.is_well(UNKNOWN) && scene.claims().is_empty(), "{:?}", scene.claims());
    }
}

#[test]
fn a_wait_in_the_kernel_is_stuck_after_two_minutes_while_somebody_stays() {
    let mut scene = Scene::new();
    scene.attend(1000).process(10).rows(1..100);
    scene.life().state = 'D';
    let mut told = None;
    for look in 0..60 {
        scene.patrol().later(-297);
        if told.is_none() && scene.severity(STUCK).is_some() {
            told = Some(look * 3);
        }
    }
    assert_eq!(told, Some(120), "seconds");
}

#[test]
fn what_a_process_does_is_told_from_looks_that_are_apart() {
    let doing = |cpu_s: f64, io_bytes: u64| {
        let mut scene = Scene::new();
        scene.process(10).patrol().later(-288);
        scene.works(cpu_s).life().io_bytes = Some(1_000_000 + io_bytes);
        scene.attend(1000).patrol().memory.process.doing
    };
    assert_eq!(doing(11.0, 0), Some(Doing::Computing));
    assert_eq!(doing(0.1, 50_000_000), Some(Doing::Reading));
    assert_eq!(doing(0.0, 0), Some(Doing::Waiting));
    let mut scene = Scene::new();
    scene.process(10).patrol().later(-297);
    assert_eq!(scene.attend(1000).patrol().memory.process.doing, None);
}
