//! Bad input: a clear message, the right code, and nothing lost.

use crate::scene::{Answer, Process, Scene, failure, healthy, in_own_mounts, numbers, occurrences, until};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

/// Could not look: the first line says so and names the log and the reason; nobody takes it for well.
fn expect_unknown(answer: &Answer, words: &[&str]) {
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stdout.starts_with("UNKNOWN demo"), "{answer:?}");
    let first = answer.stdout.lines().next().unwrap();
    for word in words {
        assert!(first.contains(word), "no '{word}' in: {first}");
    }
}

#[test]
fn a_log_that_may_not_be_read_is_unknown() {
    let scene = Scene::new();
    let log = scene.write("train.log", healthy(0, 20));
    fs::set_permissions(log, fs::Permissions::from_mode(0o000)).unwrap();
    let binary = scene.path("trainguard");
    fs::copy(crate::scene::BINARY, &binary).unwrap();
    let mut patrol = if rustix::process::geteuid().is_root() {
        // Permissions do not bind root: nobody has to look.
        fs::set_permissions(scene.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&binary);
        command
    } else {
        Command::new(&binary)
    };
    patrol.current_dir(scene.path("")).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    patrol.args(["patrol", "--log", "train.log", "--name", "demo", "--state-dir", "state"]);
    let answer: Answer = patrol.output().unwrap().into();
    expect_unknown(&answer, &["train.log", "ermission denied"]);
}

#[test]
fn a_directory_for_a_log_is_unknown() {
    let scene = Scene::new();
    fs::create_dir(scene.path("train.log")).unwrap();
    expect_unknown(&scene.patrol(&[]), &["train.log", "directory"]);
}

#[test]
fn a_fifo_for_a_log_is_unknown_and_never_waited_for() {
    let scene = Scene::new();
    assert!(Command::new("mkfifo").arg(scene.path("train.log")).status().unwrap().success());
    expect_unknown(&scene.patrol(&[]), &["train.log", "FIFO"]);
}

#[test]
fn a_device_for_a_log_is_unknown() {
    let scene = Scene::new();
    let answer = scene.run(&["patrol", "--log", "/dev/zero", "--name", "demo", "--state-dir", "state"]);
    expect_unknown(&answer, &["/dev/zero", "device"]);
}

#[test]
fn a_log_that_never_was_is_unknown_and_named() {
    let scene = Scene::new();
    let answer = scene.patrol(&[]);
    expect_unknown(&answer, &["train.log"]);
    assert!(answer.stdout.contains("log_missing"), "{answer:?}");
}

#[test]
fn what_could_not_be_looked_at_is_told_once_under_quiet() {
    let scene = Scene::new();
    let told: Vec<_> = (0..3).map(|_| scene.patrol(&["-q"])).collect();
    assert!(told.iter().all(|answer| answer.code == 3), "{told:?}");
    assert!(told[0].stdout.contains("log_missing"), "{told:?}");
    assert_eq!((told[1].stdout.as_str(), told[2].stdout.as_str()), ("", ""));
}

#[test]
fn a_binary_file_for_a_log_is_never_well() {
    let scene = Scene::new();
    let mut state = 88_172_645_463_325_252u64;
    let mut noise = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 24) as u8
    };
    scene.write("train.log", (0..1 << 20).map(|_| noise()).collect::<Vec<u8>>());
    let answer = scene.patrol(&[]);
    expect_unknown(&answer, &["train.log"]);
    assert!(answer.stdout.contains("binary"), "{answer:?}");
}

#[test]
fn a_pid_file_without_a_pid_is_unknown() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    scene.write("train.pid", "soon\n");
    let answer = scene.patrol(&["--pid-file", "train.pid"]);
    expect_unknown(&answer, &["train.pid"]);
}

#[test]
fn two_unrelated_processes_that_match_are_unknown_and_listed_with_their_pids() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    let start = || Process(Command::new("sleep").arg("4731.5").spawn().unwrap());
    let (first, second) = (start(), start());
    let named = |process: &Process| {
        let command = fs::read(format!("/proc/{}/cmdline", process.pid())).unwrap_or_default();
        command.windows(6).any(|window| window == b"4731.5")
    };
    until("both processes have their names", || named(&first) && named(&second));
    let answer = scene.patrol(&["--match", "^sleep 4731\\.5"]);
    expect_unknown(&answer, &[&first.pid(), &second.pid()]);
}

#[test]
fn a_read_only_state_directory_is_told_and_loses_nothing() {
    let scene = Scene::new();
    fs::create_dir(scene.path("state")).unwrap();
    scene.write("train.log", healthy(0, 20) + &failure(0));
    let arguments = "patrol --log train.log --name demo --state-dir state";
    let answer = in_own_mounts(
        &scene,
        &format!(
            "mount --bind state state && mount -o remount,bind,ro state && exec \"$TRAINGUARD\" {arguments}"
        ),
    );
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!((answer.stdout.clone() + &answer.stderr).contains("Read-only file system"), "{answer:?}");
    let answer = scene.run(&arguments.split(' ').collect::<Vec<_>>());
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains("[hit 0]"), "{answer:?}");
}

#[test]
fn beside_a_log_in_a_read_only_place_state_goes_to_the_state_home_and_the_verdict_says_so() {
    let scene = Scene::new();
    scene.write("logs/train.log", healthy(0, 20));
    let answer = in_own_mounts(
        &scene,
        "mount --bind logs logs && mount -o remount,bind,ro logs && exec \"$TRAINGUARD\" patrol --log logs/train.log --name demo",
    );
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains(".local/state/trainguard/"), "{answer:?}");
}

#[test]
fn a_file_in_place_of_the_state_directory_is_told() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    scene.write("state", "mine\n");
    let answer = scene.patrol(&["--state-dir", "state"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("state"), "{answer:?}");
    assert_eq!(scene.read("state"), "mine\n");
}

/// Runs a script with a state directory of one mebibyte; its patrols leave `N.json`, `N.err`, `N.code`.
fn on_a_small_disk(scene: &Scene, script: &str) {
    let prelude = r#"
        mkdir state && mount -t tmpfs -o size=1m,mode=755 tmpfs state || exit 99
        full() { dd if=/dev/zero of=state/filler bs=4k 2>/dev/null; [ "$(stat -f -c %a state)" = 0 ]; }
        patrol() {
            "$TRAINGUARD" patrol --log train.log --name demo --state-dir state --format json >$1.json 2>$1.err
            echo $? >$1.code
        }"#;
    let answer = in_own_mounts(scene, &format!("{prelude}\n{script}\ncp state/alerts.log alerts.txt"));
    assert_eq!(answer.code, 0, "{answer:?}");
}

/// The failures that one of these patrols told, its exit code and what it complained of.
fn told(scene: &Scene, patrol: u32) -> (Vec<usize>, String, String) {
    let text = scene.read(&format!("{patrol}.json"));
    let report = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let code = scene.read(&format!("{patrol}.code")).trim().to_owned();
    (numbers(&occurrences(&report)), code, scene.read(&format!("{patrol}.err")))
}

fn told_of_the_failure(scene: &Scene) -> usize {
    scene.read("alerts.txt").lines().filter(|line| line.contains(" opened cuda_illegal_access ")).count()
}

#[test]
fn on_a_disk_that_is_full_from_the_start_the_verdict_is_printed_and_nothing_is_lost() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20) + &failure(0));
    on_a_small_disk(&scene, "full || exit 98; patrol 1; rm state/filler; patrol 2; patrol 3");
    let (failures, code, complaint) = told(&scene, 1);
    assert_eq!((failures, code.as_str()), (vec![0], "2"));
    assert!(complaint.contains("No space left on device"), "{complaint}");
    assert_eq!(
        told(&scene, 2),
        (vec![0], "2".to_owned(), String::new()),
        "what could not be kept is taken again"
    );
    assert_eq!(told(&scene, 3).0, Vec::<usize>::new());
    assert_eq!(told_of_the_failure(&scene), 1, "{}", scene.read("alerts.txt"));
}

#[test]
fn on_a_disk_that_fills_up_the_reserve_keeps_the_alert_and_later_lines_are_not_lost() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    scene.write("first", failure(0));
    scene.write("second", failure(1));
    on_a_small_disk(
        &scene,
        "patrol 1; full || exit 98; cat first >>train.log; patrol 2; cp state/alerts.log early.txt
         full || exit 97; cat second >>train.log; patrol 3; rm state/filler; patrol 4; patrol 5",
    );
    assert_eq!(told(&scene, 2), (vec![0], "2".to_owned(), String::new()));
    assert!(scene.read("early.txt").contains("cuda_illegal_access"), "{}", scene.read("early.txt"));
    let (failures, code, complaint) = told(&scene, 3);
    assert_eq!((failures, code.as_str()), (vec![1], "2"));
    assert!(complaint.contains("No space left on device"), "{complaint}");
    let last: serde_json::Value = serde_json::from_str(&scene.read("5.json")).unwrap();
    let finding = &last["runs"][0]["findings"][0];
    assert_eq!(
        (&finding["syndrome"], &finding["count"]),
        (&"cuda_illegal_access".into(), &2.into()),
        "{last:#}"
    );
    assert_eq!(told_of_the_failure(&scene), 1, "{}", scene.read("alerts.txt"));
}
