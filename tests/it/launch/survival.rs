//! Who may be killed, and what that costs.

use super::*;

#[test]
fn kill_9_of_launch_costs_neither_the_training_nor_its_exit_code() {
    let launches = Launches::new();
    let script = format!("{WAIT} echo after; exit 5");
    let mut launch = launches.attended(&script);
    launch.kill().unwrap();
    launch.wait().unwrap();
    assert!(lives(launches.pid("process")));
    launches.go();
    assert_eq!(launches.exit()["code"], 5);
    assert_eq!(launches.log(), "after\n");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2);
    assert!(messages(&report).contains("exited with code 5"), "{report:#}");
}

#[test]
fn kill_9_of_the_keeper_costs_the_exit_code_alone_and_that_is_said() {
    let launches = Launches::new();
    let script = format!("{WAIT} echo after; exit 5");
    let launch = launches.attended(&script);
    let (process, keeper) = (launches.pid("process"), launches.pid("keeper"));
    kill(keeper, Signal::KILL);
    until("the keeper is gone", || !lives(keeper));
    assert!(lives(process));
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, findings(&report)), (0, Vec::new()), "{report:#}");
    launches.go();
    let answer: Answer = launch.wait_with_output().unwrap().into();
    assert_eq!((answer.code, launches.log().as_str()), (3, "after\n"), "{answer:?}");
    assert!(answer.stderr.contains("with which exit code is unknown"), "{answer:?}");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "{report:#}");
    let said = messages(&report);
    assert!(
        said.contains("exit status is unknown") && said.contains(&format!("(pid {keeper}) is gone as well")),
        "{said}"
    );
}

#[test]
fn the_end_of_the_terminal_reaches_neither_keeper_nor_training() {
    let launches = Launches::new();
    let inner = format!("{} launch --name demo -- sh -c '{WAIT} echo after; exit 5'", crate::scene::BINARY);
    let mut script = std::process::Command::new("script");
    script.args(["-q", "-e", "-c", &inner, "/dev/null"]).current_dir(launches.0.path(""));
    script.env("HOME", launches.0.path("")).env_remove("TRAINGUARD_CONFIG");
    script.stdin(Stdio::null()).stdout(Stdio::null());
    let terminal = Process(script.spawn().expect("script of bsdutils"));
    launches.started();
    let (process, keeper) = (launches.pid("process"), launches.pid("keeper"));
    let parent = stat(keeper)[1].clone();
    terminal.kill();
    until("launch has ended with its terminal", || stat(keeper).get(1) != Some(&parent));
    assert!(lives(process) && lives(keeper));
    launches.go();
    assert_eq!(launches.exit()["code"], 5);
    assert_eq!(launches.log(), "after\n");
}

#[test]
fn neither_hangup_nor_a_kill_by_name_ends_the_keeper() {
    let launches = Launches::new();
    launches.detach(&format!("{WAIT} exit 5"));
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM] {
        kill(launches.pid("keeper"), signal);
    }
    launches.go();
    assert_eq!(launches.exit()["code"], 5);
}

#[test]
fn ctrl_c_and_sigterm_reach_the_whole_group_each_time() {
    let launches = Launches::new();
    let script =
        "trap 'echo one; trap \"echo two; exit 9\" INT' INT; echo ready; while :; do sleep 0.02; done";
    let launch = launches.attended(script);
    let pid = launch.id() as i32;
    until("the trap is set", || launches.log().contains("ready"));
    kill(pid, Signal::INT);
    until("it was passed on", || launches.log().contains("one"));
    kill(pid, Signal::INT);
    let answer: Answer = launch.wait_with_output().unwrap().into();
    assert_eq!((answer.code, launches.log().as_str()), (9, "ready\none\ntwo\n"), "{answer:?}");

    let script = "(trap 'echo child; exit' TERM; echo ready; while :; do sleep 0.02; done) & wait";
    let launch = launches.attended(&format!("echo again; {script}"));
    until("the child runs", || launches.log().ends_with("again\nready\n"));
    kill(launch.id() as i32, Signal::TERM);
    let answer: Answer = launch.wait_with_output().unwrap().into();
    assert_eq!(answer.code, 143, "{answer:?}");
    until("its child heard it too", || launches.log().ends_with("child\n"));
}

#[test]
fn a_reader_that_goes_away_is_no_trouble_of_the_training() {
    let launches = Launches::new();
    let script = format!("echo one; {WAIT} echo two; exit 4");
    let mut command = launches.0.command(&["launch", "--name", "demo", "--", "sh", "-c", &script]);
    let mut launch = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    launches.started();
    drop(launch.stdout.take());
    launches.go();
    assert_eq!(launch.wait().unwrap().code(), Some(4));
    assert_eq!(launches.log(), "one\ntwo\n");
}

#[test]
fn a_run_that_cannot_be_recorded_does_not_run() {
    let scene = Scene::new();
    let script = r#"
        mkdir -p .trainguard && mount -t tmpfs -o size=64k,mode=0755 none .trainguard || exit 9
        mkdir .trainguard/demo; chmod 700 .trainguard/demo
        cat /dev/zero >.trainguard/fill 2>/dev/null
        "$TRAINGUARD" launch --name demo -- sh -c 'trap "" TERM INT HUP; while :; do sleep 0.05; done'
        echo "code $?"
        cat .trainguard/demo/run.json
        ls demo.log
    "#;
    let answer = crate::scene::in_own_mounts(&scene, script);
    assert_eq!(answer.stdout, "code 3\n", "{answer:?}");
    assert!(answer.stderr.contains("cannot be recorded, so it was ended at once"), "{answer:?}");
}

#[test]
fn an_end_that_a_full_disk_does_not_take_is_in_the_log_and_noted_later() {
    let scene = Scene::new();
    let script = r#"
        set -e
        mkdir -p .trainguard && mount -t tmpfs -o size=1m,mode=0755 none .trainguard
        "$TRAINGUARD" launch --name demo --detach -- sh -c 'while [ ! -e go ]; do sleep 0.02; done; exit 6' >/dev/null
        rm .trainguard/reserve
        cat /dev/zero >.trainguard/fill 2>/dev/null || true
        : >go
        tries=0
        until grep -q 'exit.json cannot be written' demo.log; do
            tries=$((tries + 1)); [ $tries -lt 3000 ] || { echo no word; exit 1; }; sleep 0.02
        done
        grep -q 'exited with code 6' demo.log
        rm .trainguard/fill
        until [ -s .trainguard/demo/exit.json ]; do
            tries=$((tries + 1)); [ $tries -lt 6000 ] || { echo no note; exit 1; }; sleep 0.02
        done
        cat .trainguard/demo/exit.json
    "#;
    let answer = crate::scene::in_own_mounts(&scene, script);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains(r#""code":6"#), "{answer:?}");
}
