//! Stop: SIGTERM, the grace, SIGKILL.

use super::{Session, config, entries, fails, group, grows, phase, seen, state, told};
use crate::scene::{Scene, until};
use serde_json::Value;

/// A training that does not heed SIGTERM.
const STUBBORN: &str = "
trap '' TERM
echo $$ > train.pid
i=0
while :; do
    if [ -e hush ]; then : > hushed; else echo \"step $i: loss 3.$((99999 - i)), lr 1e-3\" >> train.log; fi
    i=$((i + 1))
    sleep 0.02
done";

fn stubborn(scene: &Scene, actions: &str) -> Session {
    config(scene, actions);
    let training = Session::start(scene, STUBBORN);
    grows(scene, 10);
    scene.run(&["patrol"]);
    training
}

#[test]
fn who_ignores_sigterm_is_killed_after_the_grace_although_the_patrol_has_gone() {
    let scene = Scene::new();
    let training = stubborn(&scene, "  actions: {critical: {stop: {grace: 3s}}}");
    fails(&scene);
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains("action_taken: stopped: SIGTERM to "), "{answer:?}");
    until("the child that was left with it has ended the run", || group(training.pid()).is_empty());
    until("its outcome is noted", || !entries(&scene, "kill", "outcome").is_empty());
    let [outcome] = entries(&scene, "kill", "outcome").try_into().unwrap();
    assert!(outcome["said"].as_str().unwrap().contains("SIGKILL to"), "{outcome}");
    let answer = scene.run(&["patrol", "--format", "json"]);
    assert_eq!(phase(&answer), "stopped");
    assert!(!answer.stdout.contains("process_dead"), "{answer:?}");
    assert_eq!(answer.code, 2, "what led to it is still so");
    assert_eq!(told(&scene, "action_taken").len(), 2, "SIGTERM, and later SIGKILL: {:?}", scene.alerts());
}

#[test]
fn where_the_child_died_the_next_patrol_finishes() {
    let scene = Scene::new();
    let training = stubborn(&scene, "  actions: {critical: {stop: {grace: 1h}}}");
    fails(&scene);
    scene.run(&["patrol"]);
    let child = finisher(&scene).expect("a child waits for the grace");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(child).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    until("the child is gone", || state(child).is_none());
    scene.run(&["patrol"]);
    assert!(state(training.pid()).is_some(), "the grace is not over");
    let later =
        chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now()) + chrono::TimeDelta::hours(2);
    scene.run(&["patrol", "--now", &later.to_rfc3339()]);
    until("the run is ended", || group(training.pid()).is_empty());
    assert_eq!(entries(&scene, "stop", "intent").len(), 1);
    assert_eq!(entries(&scene, "kill", "outcome").len(), 1);
}

/// The process that waits for the end of a stop of this scene.
fn finisher(scene: &Scene) -> Option<i32> {
    let directory = scene.path(".trainguard").canonicalize().unwrap();
    let directory = directory.to_str().unwrap().to_owned();
    let is = |pid: &i32| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        command.contains("__finish") && command.contains(&directory)
    };
    let pids = std::fs::read_dir("/proc").unwrap().flatten();
    pids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()).find(is)
}

#[test]
fn a_stopped_run_is_not_dead_and_its_next_start_is_watched_again() {
    let scene = Scene::new();
    let training = seen(&scene, "");
    let answer = scene.run(&["stop", "demo", "--grace", "20s"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    for word in ["SIGTERM to", &training.pid().to_string(), "ended within"] {
        assert!(answer.stdout.contains(word), "no '{word}': {answer:?}");
    }
    assert!(state(training.pid()).is_none());
    let answer = scene.run(&["patrol", "--format", "json"]);
    assert_eq!((phase(&answer).as_str(), answer.code), ("stopped", 0), "{answer:?}");
    let mut next = Session::start(&scene, super::TRAINER);
    grows(&scene, 10);
    scene.run(&["patrol"]);
    assert_eq!(phase(&scene.run(&["patrol", "--format", "json"])), "patrol");
    next.kill();
    let answer = scene.run(&["patrol"]);
    assert!(answer.code == 2 && answer.stdout.contains("process_dead"), "{answer:?}");
}

#[test]
fn a_paused_run_is_stopped_all_the_same() {
    let scene = Scene::new();
    let training = seen(&scene, "");
    scene.run(&["pause", "demo"]);
    let answer = scene.run(&["stop", "demo", "--grace", "60s"]);
    assert!(answer.stdout.contains("ended within"), "SIGTERM waits for SIGCONT: {answer:?}");
    assert!(state(training.pid()).is_none());
}

/// A training whose loss becomes NaN when `nan` exists.
const NAN: &str = "
echo $$ > train.pid
i=0
while :; do
    loss=2.5; [ -e nan ] && loss=nan
    if [ -e hush ]; then : > hushed; else echo \"step $i: loss $loss, lr 1e-3\" >> train.log; fi
    i=$((i + 1))
    sleep 0.02
done";

fn nan(scene: &Scene, config_text: &str) -> Session {
    config(scene, config_text);
    let training = Session::start(scene, NAN);
    grows(scene, 10);
    scene.run(&["patrol"]);
    scene.write("nan", "");
    until("the loss is NaN", || scene.read("train.log").matches("loss nan").count() >= 4);
    training
}

#[test]
fn a_run_that_is_only_observed_is_alerted_on_and_not_stopped_for_nan() {
    let scene = Scene::new();
    let training = nan(&scene, "");
    let answer = scene.run(&["patrol"]);
    assert!(answer.code == 2 && answer.stdout.contains("nan_loss"), "{answer:?}");
    assert!(state(training.pid()).is_some() && super::journal(&scene).is_empty());
}

#[test]
fn the_users_own_word_stops_a_run_whose_loss_is_lost() {
    let scene = Scene::new();
    let training = nan(&scene, "training: {loss_nan_action: stop}");
    let answer = scene.run(&["patrol"]);
    assert!(answer.code == 2 && answer.stdout.contains("nan_loss"), "{answer:?}");
    until("it is stopped", || group(training.pid()).is_empty());
    let stop: Value = entries(&scene, "stop", "intent").remove(0);
    assert!(stop["why"].as_str().unwrap().starts_with("nan_loss: "), "{stop}");
}

#[test]
fn one_row_that_is_nan_stops_nobody() {
    let scene = Scene::new();
    let training = seen(&scene, "training: {loss_nan_action: stop}");
    scene.write("hush", "");
    fails(&scene);
    scene.append("train.log", "step 900000: loss nan, lr 1e-3\n");
    let answer = scene.run(&["patrol"]);
    assert!(answer.code == 2 && answer.stdout.contains("nan_loss"), "{answer:?}");
    assert!(state(training.pid()).is_some() && super::journal(&scene).is_empty());
}
