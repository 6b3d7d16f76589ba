//! Whom a signal reaches, and whom it never does.

use super::{Session, config, grows, state};
use crate::scene::{BINARY, Scene, until};
use std::process::{Command, Stdio};

/// A shell whose group holds a bystander and the training.
const SHELL: &str = "
sleep 1000 & echo $! > bystander.pid
( sh train.sh ) &
wait";

fn pid_of(scene: &Scene, name: &str) -> i32 {
    until(&format!("{name} is written"), || {
        std::fs::read_to_string(scene.path(name)).is_ok_and(|text| text.ends_with('\n'))
    });
    scene.read(name).trim().parse().unwrap()
}

#[test]
fn others_in_the_group_of_the_shell_that_started_the_run_are_left_alone() {
    let scene = Scene::new();
    config(&scene, "");
    scene.write("train.sh", super::TRAINER);
    let shell = Session::start(&scene, SHELL);
    grows(&scene, 10);
    let (bystander, training) = (pid_of(&scene, "bystander.pid"), pid_of(&scene, "train.pid"));
    assert_ne!(training, shell.pid());
    scene.run(&["patrol"]);
    let answer = scene.run(&["pause", "demo"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    // D: a shell that waits for a child which is held before it becomes another program.
    assert!(matches!(state(training), Some('T' | 'D')));
    assert_eq!((state(bystander), state(shell.pid())), (Some('S'), Some('S')));
    let answer = scene.run(&["stop", "demo", "--grace", "60s"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(state(training).is_none());
    assert_eq!(state(bystander), Some('S'));
}

#[test]
fn who_was_left_behind_in_the_runs_own_group_is_reached() {
    let scene = Scene::new();
    config(&scene, "");
    // The worker's parent has ended: it descends from nobody of the run any more.
    let script = format!("( sh -c 'echo $$ > worker.pid; exec sleep 1000' & ) ; {}", super::TRAINER);
    let training = Session::start(&scene, &script);
    grows(&scene, 10);
    let worker = pid_of(&scene, "worker.pid");
    scene.run(&["patrol"]);
    let answer = scene.run(&["stop", "demo", "--grace", "60s"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    until("the worker has ended", || state(worker).is_none());
    assert!(state(training.pid()).is_none());
}

#[test]
fn a_run_that_starts_trainguard_is_not_signalled_by_it() {
    let scene = Scene::new();
    config(&scene, "");
    let script = format!(
        "echo $$ > train.pid; for i in 1 2 3 4 5; do echo \"step $i: loss 2.$i\" >> train.log; done; {BINARY} patrol > said; {BINARY} stop demo > said 2>&1; sleep 1000"
    );
    let training = Session::start(&scene, &script);
    until("it was refused", || {
        std::fs::read_to_string(scene.path("said")).is_ok_and(|said| said.contains("itself descends from it"))
    });
    assert!(state(training.pid()).is_some());
}

/// Within a pid namespace of its own: the training is seen and dies, and its number goes to another.
const REUSED: &str = r#"
set -e
step=0
row() { step=$((step + 1)); echo "step $step: loss 2.$step, lr 1e-3" >> train.log; }
for i in 1 2 3 4 5 6; do row; done
sleep 1000 & training=$!
echo $training > train.pid
"$TRAINGUARD" patrol > first
kill -9 $training; wait $training || :
# Longer than two clocks may differ.
sleep 0.1
victim=
for try in $(seq 1 200); do
    echo $((training - 1)) > /proc/sys/kernel/ns_last_pid
    sleep 1000 & victim=$!
    [ "$victim" = "$training" ] && break
    kill -9 $victim; wait $victim || :
done
[ "$victim" = "$training" ] || { echo "the number was not given out again"; exit 7; }
"$TRAINGUARD" stop demo > typed 2>&1 || :
"$TRAINGUARD" pause demo >> typed 2>&1 || :
echo 'RuntimeError: CUDA error: an illegal memory access was encountered' >> train.log
"$TRAINGUARD" patrol > second 2>&1 || :
# Nobody has seen the training before, and the pid file is older than the process.
touch -d '1 hour ago' train.pid
"$TRAINGUARD" patrol --state-dir fresh > third 2>&1 || :
"$TRAINGUARD" stop demo --state-dir fresh >> typed 2>&1 || :
state=$(sed 's/.*) \(.\).*/\1/' /proc/$victim/stat)
echo "victim $state"
"#;

#[test]
fn a_number_that_was_given_to_somebody_else_is_never_signalled() {
    let scene = Scene::new();
    config(&scene, "  actions: {critical: stop, process_dead: pause}");
    let mut shell = Command::new("unshare");
    let own = if rustix::process::geteuid().is_root() { "-pf" } else { "-rpf" };
    shell.args([own, "--mount-proc", "sh", "-c", REUSED]).current_dir(scene.path(""));
    shell.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").env("HOME", scene.path(""));
    shell.env("TRAINGUARD", BINARY).stdin(Stdio::null());
    let output = shell.output().expect("unshare of util-linux");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("victim S"), "it was held or ended: {said}");
    assert!(scene.read("typed").contains("its number is now that of 'sleep'"), "{}", scene.read("typed"));
    assert!(scene.read("second").contains("process_dead"), "{}", scene.read("second"));
    assert!(
        scene.read("third").contains("started later than the file was written"),
        "{}",
        scene.read("third")
    );
    let signalled = super::journal(&scene).iter().any(|line| line["ok"] == true);
    assert!(!signalled, "{:#?}", super::journal(&scene));
}
