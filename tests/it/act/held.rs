//! Pause and resume.

use super::{Session, TRAINER, config, entries, fails, group, grows, phase, seen, state, told};
use crate::scene::{Scene, failure, until};
use std::os::unix::fs::PermissionsExt as _;

#[test]
fn a_critical_finding_pauses_the_run_and_resume_lets_it_go_on() {
    let scene = Scene::new();
    let training = seen(&scene, "  actions: {critical: pause}");
    fails(&scene);
    let dry = scene.run(&["patrol", "--dry-run"]);
    assert!(dry.stdout.contains(&format!("it would pause process {}: SIGSTOP", training.pid())), "{dry:?}");
    assert_ne!(state(training.pid()), Some('T'));
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    // A shell that waits for a child which is held before it becomes another program waits in D.
    let held = |states: Vec<char>| states.contains(&'T') && states.iter().all(|state| "TD".contains(*state));
    assert!(held(group(training.pid())), "its `sleep` too: {:?}, {answer:?}", group(training.pid()));
    let [taken] = told(&scene, "action_taken").try_into().unwrap();
    for word in
        ["SIGSTOP", &training.pid().to_string(), "cuda_illegal_access", "time out", "trainguard resume demo"]
    {
        assert!(taken.contains(word), "no '{word}' in {taken}");
    }
    assert!(answer.stdout.contains("action_taken: paused: SIGSTOP"), "the terminal is told: {answer:?}");

    // An hour later nothing of it is silent or hung, and it is not paused twice.
    let later = (chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
        + chrono::TimeDelta::hours(3))
    .to_rfc3339();
    let answer = scene.run(&["patrol", "--format", "json", "--now", &later]);
    assert_eq!(phase(&answer), "paused");
    for word in ["hang_suspected", "log_silent"] {
        assert!(!answer.stdout.contains(word), "{answer:?}");
    }
    assert_eq!(entries(&scene, "pause", "intent").len(), 1);
    assert_eq!(told(&scene, "action_taken").len(), 1);

    std::fs::remove_file(scene.path("hush")).unwrap();
    let answer = scene.run(&["resume", "demo"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("resumed: SIGCONT"), "{answer:?}");
    grows(&scene, 10);
    assert_eq!(phase(&scene.run(&["patrol", "--format", "json"])), "patrol");
    let answer = scene.run(&["resume", "demo"]);
    assert!(answer.stdout.contains("is not paused") && answer.code == 0, "{answer:?}");
}

#[test]
fn a_person_pauses_and_resumes_and_the_patrols_know() {
    let scene = Scene::new();
    let training = seen(&scene, "");
    let dry = scene.run(&["pause", "demo", "--dry-run"]);
    assert!(dry.stdout.contains("dry run: it would pause") && state(training.pid()) != Some('T'), "{dry:?}");
    let answer = scene.run(&["pause", "demo"]);
    assert!(answer.stdout.contains(&format!("SIGSTOP to {} (sh)", training.pid())), "{answer:?}");
    assert!(group(training.pid()).iter().all(|state| "TD".contains(*state)));
    assert!(scene.run(&["pause", "demo"]).stdout.contains("paused already"));
    assert_eq!(phase(&scene.run(&["patrol", "--format", "json"])), "paused");
    // Somebody else lets it go on.
    rustix::process::kill_process_group(
        rustix::process::Pid::from_raw(training.pid()).unwrap(),
        rustix::process::Signal::CONT,
    )
    .unwrap();
    grows(&scene, 5);
    assert_eq!(phase(&scene.run(&["patrol", "--format", "json"])), "patrol");
}

#[test]
fn a_config_that_others_may_write_signals_nobody_and_the_verdict_says_so() {
    let scene = Scene::new();
    let training = seen(&scene, "  actions: {critical: pause}");
    std::fs::set_permissions(scene.path("trainguard.yaml"), std::fs::Permissions::from_mode(0o666)).unwrap();
    fails(&scene);
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains("no signal"), "{answer:?}");
    assert_ne!(state(training.pid()), Some('T'));
    assert!(super::journal(&scene).is_empty());
}

/// A training of Python's kind: it has a handler for SIGUSR1, and a child that has none.
const ASKED: &str = "
sleep 1000 &
trap 'echo asked >> asked' USR1
echo $$ > train.pid
i=0
while :; do
    echo \"step $i: loss 3.$((99999 - i)), lr 1e-3\" >> train.log
    i=$((i + 1))
    sleep 0.02
done";

#[test]
fn a_signal_that_asks_reaches_who_has_a_handler_for_it_and_ends_nobody() {
    let scene = Scene::new();
    config(&scene, "  actions: {critical: {pause: {signal: USR1}}}");
    let training = Session::start(&scene, ASKED);
    grows(&scene, 10);
    scene.run(&["patrol"]);
    let before = group(training.pid()).len();
    assert!(before >= 2);
    scene.append("train.log", failure(0));
    // It goes on, so the failure is over once three rows follow; it was seen before.
    let answer = scene.run(&["patrol"]);
    if entries(&scene, "pause", "outcome").is_empty() {
        // Rows of progress came before the patrol: nothing was wrong any more.
        assert!(!answer.stdout.starts_with("CRITICAL"), "{answer:?}");
        return;
    }
    until("it was asked", || scene.path("asked").exists());
    assert_eq!(scene.read("asked"), "asked\n");
    assert!(group(training.pid()).len() >= 2, "its child lives");
    let [outcome] = entries(&scene, "pause", "outcome").try_into().unwrap();
    assert!(
        outcome["said"].as_str().unwrap().contains(&format!("SIGUSR1 to {} (sh)", training.pid())),
        "{outcome}"
    );
}

#[test]
fn a_run_without_a_handler_is_not_asked_because_that_would_end_it() {
    let scene = Scene::new();
    let training = seen(&scene, "  actions: {critical: {pause: {signal: USR1}}}");
    fails(&scene);
    scene.run(&["patrol"]);
    assert!(state(training.pid()).is_some());
    let [failed] = told(&scene, "action_failed").try_into().unwrap();
    assert!(failed.contains("has a handler"), "{failed}");
    assert_eq!(entries(&scene, "pause", "outcome")[0]["ok"], false);
}

#[test]
fn what_is_typed_about_a_run_that_has_ended_says_so() {
    let scene = Scene::new();
    let mut training = seen(&scene, "");
    training.kill();
    for word in ["pause", "resume", "stop"] {
        let answer = scene.run(&[word, "demo"]);
        assert_eq!(answer.code, 3, "{word}: {answer:?}");
        assert!((answer.stdout + &answer.stderr).contains("has ended"), "{word}");
    }
    let answer = scene.run(&["stop", "other"]);
    assert!(answer.code == 3 && answer.stderr.contains("no run 'other'"), "{answer:?}");
    drop(Session::start(&scene, TRAINER));
}
