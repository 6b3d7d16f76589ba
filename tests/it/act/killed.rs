//! The patrol is killed before every step from its verdict on: nothing is signalled or started twice,
//! and what was ordered is done in the end.

use super::{Session, config, entries, fails, group, grows, rows, state};
use crate::scene::{Scene, until};
use std::os::unix::process::ExitStatusExt as _;

/// More steps than any patrol has: who dies this late does not die.
const STEPS_MAX: u64 = 500;
/// Steps that are skipped while the verdict is still to come.
const STRIDE: usize = 12;

/// Steps behind an outcome that are tried too.
pub const AFTER: usize = 6;

/// A training that notes every SIGTERM and goes on.
const COUNTING: &str = "
trap 'echo term >> signals' TERM
trap 'echo usr1 >> signals' USR1
echo $$ > train.pid
i=0
while :; do
    if [ -e hush ]; then : > hushed; else echo \"step $i: loss 3.$((99999 - i)), lr 1e-3\" >> train.log; fi
    i=$((i + 1))
    sleep 0.02
done";

fn signals(scene: &Scene) -> usize {
    std::fs::read_to_string(scene.path("signals")).unwrap_or_default().lines().count()
}

/// A patrol that dies before its step `at`; what it would have done next, where it died.
pub fn dies(scene: &Scene, at: u64) -> Option<String> {
    let mut command = scene.command(&["patrol"]);
    let output = command.env("TRAINGUARD_DIE_AT", at.to_string()).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    (output.status.signal() == Some(9))
        .then(|| stderr.rsplit_once("killed before: ").unwrap().1.trim().to_owned())
}

/// A step shortly before the verdict: acting begins behind it, and what comes before is another test's.
pub fn acting_begins(prepare: &dyn Fn() -> (Scene, Session)) -> u64 {
    let mut near = 1;
    for at in (1..STEPS_MAX).step_by(STRIDE) {
        let (scene, _training) = prepare();
        let Some(step) = dies(&scene, at) else { break };
        if super::journal_exists(&scene) || step == "go on after the verdict" {
            break;
        }
        near = at;
    }
    near
}

/// Plays a scene with a death at each step of acting, and of all that follows; `ends` is what must hold.
fn play(actions: &str, script: &str, ends: impl Fn(&Scene, &Session, &str)) {
    let prepare = || {
        let scene = Scene::new();
        config(&scene, actions);
        let training = Session::start(&scene, script);
        grows(&scene, 5);
        scene.run(&["patrol"]);
        fails(&scene);
        (scene, training)
    };
    let (mut died, mut after) = (0, 0);
    for at in acting_begins(&prepare).. {
        let (scene, training) = prepare();
        let Some(step) = dies(&scene, at) else { break };
        died += 1;
        // What follows on the deed is delivery, and another test's.
        after += usize::from(super::journal(&scene).iter().any(|line| line["entry"] == "outcome"));
        if after > AFTER {
            break;
        }
        ends(&scene, &training, &format!("killed before step {at}, {step}"));
    }
    assert!(died > 8, "{died} steps");
}

#[test]
fn a_stop_that_is_killed_at_any_step_sends_sigterm_at_most_once_and_ends_the_run() {
    play("  actions: {critical: {stop: {grace: 1s}}}", COUNTING, |scene, training, when| {
        let mut hours = 0;
        until(&format!("the run is ended ({when})"), || {
            scene.run(&["patrol"]);
            group(training.pid()).is_empty()
        });
        assert!(signals(scene) <= 1, "{when}: {}", scene.read("signals"));
        while entries(scene, "kill", "outcome").is_empty() {
            hours += 1;
            let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now())
                + chrono::TimeDelta::hours(hours);
            scene.run(&["patrol", "--now", &now.to_rfc3339()]);
            assert!(hours < 5, "{when}");
        }
        scene.run(&["patrol"]);
        assert_eq!(entries(scene, "stop", "intent").len(), 1, "{when}");
        assert!(!super::told(scene, "action_taken").is_empty(), "{when}: {:?}", scene.alerts());
    });
}

#[test]
fn a_pause_that_is_killed_at_any_step_is_completed_and_told_once() {
    play("  actions: {critical: pause}", super::TRAINER, |scene, training, when| {
        scene.run(&["patrol"]);
        scene.run(&["patrol"]);
        // A shell that waits for a child which is held before it becomes another program waits in D.
        assert!(matches!(state(training.pid()), Some('T' | 'D')), "{when}");
        assert!(group(training.pid()).contains(&'T'), "{when}");
        assert_eq!(entries(scene, "pause", "intent").len(), 1, "{when}");
        assert_eq!(entries(scene, "pause", "outcome").len(), 1, "{when}");
        assert_eq!(super::told(scene, "action_taken").len(), 1, "{when}: {:?}", scene.alerts());
        let rows = rows(scene);
        std::fs::remove_file(scene.path("hush")).unwrap();
        let answer = scene.run(&["resume", "demo"]);
        assert_eq!(answer.code, 0, "{when}: {answer:?}");
        until("it goes on", || super::rows(scene) > rows);
    });
}

#[test]
fn a_signal_that_asks_is_sent_at_most_once_wherever_the_patrol_dies() {
    play("  actions: {critical: {pause: {signal: USR1}}}", COUNTING, |scene, training, when| {
        scene.run(&["patrol"]);
        scene.run(&["patrol"]);
        assert_eq!(entries(scene, "pause", "outcome").len(), 1, "{when}");
        let done = super::told(scene, "action_taken").len() + super::told(scene, "action_failed").len();
        assert_eq!(done, 1, "{when}: {:?}", scene.alerts());
        if entries(scene, "pause", "outcome")[0]["ok"] == true {
            until("it was asked", || signals(scene) == 1);
        }
        assert!(signals(scene) <= 1 && state(training.pid()).is_some(), "{when}");
    });
}
