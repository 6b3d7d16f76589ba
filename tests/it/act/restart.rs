//! Restart: a run that died is started again with its command, environment and directory, so often
//! and no more, and never twice for one death.

use super::{Session, config, entries, group, grows, killed, rows, state, told};
use crate::cron::{self, PATIENCE};
use crate::scene::{Answer, BINARY, Scene, until, within};
use chrono::{DateTime, TimeDelta, Utc};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::SystemTime;
use trainguard::observe::process;
use trainguard::persist::run_directory::{Record, RunDirectory};
use trainguard::persist::store::Store;

/// A training that goes on from its checkpoint, and dies when `die` exists.
const TRAINING: &str = "
echo $$ > train.pid
i=$(cat ckpt 2>/dev/null || echo 0)
echo \"begins at $i, the secret is $SECRET, in $PWD\"
while :; do
    [ -e die ] && exit 1
    echo \"step $i: loss 3.$((99999 - i)), lr 1e-3\"
    i=$((i + 1))
    [ $((i % 5)) = 0 ] && echo $i > ckpt
    sleep 0.05
done";

/// What a launched run leaves: a process whose output is its log, and the record of how it was started.
fn launched(scene: &Scene, command: &[&str], environment: bool) -> Session {
    let directory = scene.path("").canonicalize().unwrap();
    let log = File::options().append(true).create(true).open(scene.path("train.log")).unwrap();
    let mut training = Command::new(command[0]);
    training.args(&command[1..]).current_dir(&directory).process_group(0).env("SECRET", "xyzzy");
    training.stdin(Stdio::null()).stderr(log.try_clone().unwrap()).stdout(log);
    let training = Session(training.spawn().unwrap());
    let variables = [("PATH", "/usr/bin:/bin"), ("SECRET", "xyzzy")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    let record = Record {
        host: None,
        schema: Record::SCHEMA.to_owned(),
        run: "demo".to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        log: directory.join("train.log"),
        started: SystemTime::now().into(),
        process: process::identity(training.pid()).unwrap(),
        keeper: None,
        git: None,
        gpus: Vec::new(),
        variables: vec!["PATH".to_owned(), "SECRET".to_owned()],
        environment: environment.then(|| variables.into_iter().collect()),
        directory,
    };
    let store = Store::open(&scene.path(".trainguard")).unwrap();
    RunDirectory::open(&store, "demo").unwrap().keep_record(&record).unwrap();
    training
}

/// The run that was started anew, ended with the test.
struct Restarted(i32);

impl Restarted {
    fn of(scene: &Scene) -> Self {
        let store = Store::open(&scene.path(".trainguard")).unwrap();
        let record = RunDirectory::open(&store, "demo").unwrap().record().unwrap().unwrap();
        Self(record.process.pid)
    }
}

impl Drop for Restarted {
    fn drop(&mut self) {
        let group = rustix::process::Pid::from_raw(self.0).unwrap();
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
}

/// A patrol so many minutes from now.
fn patrol(scene: &Scene, minutes: i64) -> Answer {
    let now = DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::minutes(minutes);
    scene.run(&["patrol", "--now", &now.to_rfc3339()])
}

fn last_step(scene: &Scene) -> u64 {
    let log = scene.read("train.log");
    let row = log.lines().rev().find_map(|line| line.strip_prefix("step ")).unwrap();
    row.split_once(':').unwrap().0.parse().unwrap()
}

const DEAD: &str = "  actions: {process_dead: restart}";

#[test]
fn a_killed_run_is_started_again_from_under_cron_and_its_steps_go_on() {
    let scene = Scene::new();
    config(&scene, DEAD);
    scene.write("train.sh", TRAINING);
    let mut training = launched(&scene, &["sh", "train.sh"], true);
    grows(&scene, 20);
    assert_eq!(scene.run(&["patrol"]).code, 0);
    training.kill();
    let reached = last_step(&scene);

    let directory = scene.path("").canonicalize().unwrap().display().to_string();
    let bin = Path::new(BINARY).parent().unwrap().display();
    // As a careful person writes it: with a lock, whose descriptor the patrol inherits.
    let line = format!("* * * * * cd {directory} && flock -n patrol.lock trainguard patrol -q");
    scene.write("crontab", format!("HOME={directory}\nPATH={bin}:/usr/bin:/bin\n{line}\n"));
    let cron = cron::start_cron(&scene);
    within(PATIENCE, "cron's patrol has started it again", || {
        !entries(&scene, "restart", "outcome").is_empty()
    });
    let restarted = Restarted::of(&scene);
    assert_ne!(restarted.0, training.pid());
    until("its steps go on", || last_step(&scene) > reached + 10);
    let log = scene.read("train.log");
    let begins = log.lines().filter(|line| line.starts_with("begins at")).collect::<Vec<_>>();
    assert_eq!(begins.len(), 2, "{begins:?}");
    assert!(begins[1].contains(&format!("the secret is xyzzy, in {directory}")), "{begins:?}");
    let from: u64 = begins[1].split(' ').nth(2).unwrap().trim_end_matches(',').parse().unwrap();
    assert!(from > 0 && from <= reached + 1, "from its checkpoint: {begins:?}");
    let [outcome] = entries(&scene, "restart", "outcome").try_into().unwrap();
    let said = outcome["said"].as_str().unwrap();
    assert!(outcome["ok"] == true && said.contains("restart 1 of 3 within a day"), "{outcome}");

    // It lives apart from cron and patrol, holds nothing of theirs, and the next patrol leaves it alone.
    drop(cron);
    // The patrol itself may still be at its last words.
    let free = || {
        let mut flock = Command::new("flock");
        flock.args(["-n", "patrol.lock", "true"]).current_dir(&directory).status().unwrap().success()
    };
    until("nobody holds the patrol's lock, the restarted run least of all", free);
    grows(&scene, 5);
    let answer = patrol(&scene, 10);
    assert!(answer.stdout.contains("resolved: process_dead"), "{answer:?}");
    assert_eq!(entries(&scene, "restart", "intent").len(), 1);
    assert!(state(restarted.0).is_some());
}

#[test]
fn a_crash_loop_stops_at_the_limit_and_says_so() {
    let scene = Scene::new();
    config(&scene, "  actions: {process_dead: {restart: {max_restarts: 2}}}");
    scene.write("train.sh", TRAINING);
    let mut training = launched(&scene, &["sh", "train.sh"], true);
    grows(&scene, 20);
    scene.run(&["patrol"]);
    training.kill();
    scene.write("die", "");
    let mut starts = Vec::new();
    for minutes in [10, 10, 20, 30, 60, 120] {
        let answer = patrol(&scene, minutes);
        assert_eq!(answer.code, 2, "{answer:?}");
        starts.push(entries(&scene, "restart", "outcome").len());
    }
    assert_eq!(starts, [1, 1, 2, 2, 2, 2], "the second waits for its back-off, a third is not allowed");
    let log = scene.read("train.log");
    assert_eq!(log.matches("begins at").count(), 3);
    let failed = told(&scene, "action_failed");
    assert_eq!(failed.len(), 3, "two starts that did not live, one refusal: {failed:#?}");
    assert!(failed.iter().any(|line| line.contains("ended within 3 s")), "{failed:#?}");
    assert!(failed.iter().any(|line| line.contains("restarted 2 times within a day")), "{failed:#?}");
    let answer = patrol(&scene, 180);
    assert!(answer.stdout.contains("restart is not done"), "it is said as long as it is so: {answer:?}");
    // A day later it may be tried again.
    std::fs::remove_file(scene.path("die")).unwrap();
    patrol(&scene, 26 * 60);
    let restarted = Restarted::of(&scene);
    assert!(state(restarted.0).is_some());
    grows(&scene, 5);
}

#[test]
fn a_failure_that_a_restart_repeats_is_not_restarted() {
    for words in [
        "ModuleNotFoundError: No module named 'flash_attn'",
        "RuntimeError: Error(s) in loading state_dict for GPT:\n\tsize mismatch for head.weight: copying a param with shape torch.Size([10, 4]) from checkpoint, the shape in current model is torch.Size([12, 4]).",
        "OSError: [Errno 28] No space left on device",
        "FileNotFoundError: [Errno 2] No such file or directory: 'data/train.bin'",
    ] {
        let scene = Scene::new();
        config(&scene, "  actions: {critical: restart}");
        scene.write("train.sh", TRAINING);
        let mut training = launched(&scene, &["sh", "train.sh"], true);
        grows(&scene, 10);
        scene.run(&["patrol"]);
        training.kill();
        scene.append("train.log", format!("Traceback (most recent call last):\n{words}\n"));
        for minutes in [1, 60] {
            let answer = patrol(&scene, minutes);
            assert!(answer.code == 2 && answer.stdout.contains("a restart repeats"), "{words}: {answer:?}");
        }
        assert_eq!(super::journal(&scene).len(), 0, "{words}");
        let failed = told(&scene, "action_failed");
        assert_eq!(failed.len(), 1, "{words}: {failed:#?}");
    }
}

#[test]
fn without_a_recorded_environment_or_a_record_it_is_refused_with_the_reason() {
    let scene = Scene::new();
    config(&scene, DEAD);
    scene.write("train.sh", TRAINING);
    let mut training = launched(&scene, &["sh", "train.sh"], false);
    grows(&scene, 10);
    scene.run(&["patrol"]);
    training.kill();
    let answer = patrol(&scene, 1);
    assert!(answer.stdout.contains("its environment was not recorded"), "{answer:?}");
    std::fs::remove_file(scene.path(".trainguard/demo/run.json")).unwrap();
    let answer = patrol(&scene, 2);
    assert!(answer.stdout.contains("not started by `trainguard launch`"), "{answer:?}");
    assert_eq!(told(&scene, "action_failed").len(), 1, "told once");
    assert!(super::journal(&scene).is_empty());
}

#[test]
fn the_users_own_command_starts_it_and_one_that_fails_is_told() {
    let scene = Scene::new();
    config(&scene, "  actions: {process_dead: {restart: [sh, start.sh]}}");
    scene.write("train.sh", TRAINING);
    // A client, such as `systemctl restart`: it starts the run elsewhere and ends.
    scene.write("start.sh", "setsid sh train.sh >> train.log 2>&1 < /dev/null &\n");
    let mut training = launched(&scene, &["sh", "train.sh"], true);
    grows(&scene, 10);
    scene.run(&["patrol"]);
    training.kill();
    let reached = rows(&scene);
    patrol(&scene, 1);
    let [outcome] = entries(&scene, "restart", "outcome").try_into().unwrap();
    assert!(outcome["ok"] == true && outcome["said"].as_str().unwrap().contains("ended well"), "{outcome}");
    until("it runs", || rows(&scene) > reached + 5);
    let restarted = Restarted(scene.read("train.pid").trim().parse().unwrap());
    assert!(!group(restarted.0).is_empty());

    let scene = Scene::new();
    config(&scene, "  actions: {process_dead: {restart: [sh, -c, 'echo no such unit; exit 5']}}");
    let mut training = launched(&scene, &["sh", "-c", super::TRAINER], true);
    grows(&scene, 10);
    scene.run(&["patrol"]);
    training.kill();
    patrol(&scene, 1);
    assert!(told(&scene, "action_failed")[0].contains("ended with code 5"), "{:?}", scene.alerts());
}

/// What of systemd-run matters here: it notes what it was asked for, and starts that elsewhere.
const SYSTEMD_RUN: &str = "#!/bin/sh
echo \"$@\" >> asked
while [ \"$1\" != -- ]; do shift; done
shift
setsid \"$@\" </dev/null >/dev/null 2>&1 &
";

#[test]
fn under_systemd_the_run_is_started_in_a_unit_of_its_own() {
    let scene = Scene::new();
    config(&scene, DEAD);
    scene.write("train.sh", TRAINING);
    scene.write("bin/systemd-run", SYSTEMD_RUN.replace("asked", &scene.path("asked").display().to_string()));
    std::fs::set_permissions(
        scene.path("bin/systemd-run"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let mut training = launched(&scene, &["sh", "train.sh"], true);
    grows(&scene, 10);
    scene.run(&["patrol"]);
    training.kill();
    let mut patrol = scene.command(&["patrol"]);
    let path = format!("{}:/usr/bin:/bin", scene.path("bin").display());
    let answer: Answer =
        patrol.env("PATH", path).env("INVOCATION_ID", "0123456789abcdef").output().unwrap().into();
    let restarted = Restarted::of(&scene);
    let [outcome] = entries(&scene, "restart", "outcome").try_into().unwrap();
    assert_eq!(outcome["ok"], true, "{outcome} {answer:?}");
    let asked = scene.read("asked");
    for word in ["--collect", "--setenv=PATH=", "__restart"] {
        assert!(asked.contains(word), "no {word}: {asked}");
    }
    assert!(!asked.contains("xyzzy"), "what is secret is in no command line: {asked}");
    assert!(state(restarted.0).is_some());
    grows(&scene, 5);
}

#[test]
fn a_run_that_hangs_is_ended_first_and_started_by_the_next_patrol() {
    let scene = Scene::new();
    config(&scene, "  actions: {cuda_illegal_access: restart}");
    scene.write(
        "train.sh",
        TRAINING.replace("[ -e die ] && exit 1", "while [ -e hush ]; do sleep 0.05; done"),
    );
    let training = launched(&scene, &["sh", "train.sh"], true);
    grows(&scene, 10);
    scene.run(&["patrol"]);
    scene.write("hush", "");
    let quiet = || {
        let before = rows(&scene);
        std::thread::sleep(std::time::Duration::from_millis(300));
        before == rows(&scene)
    };
    until("it hangs", quiet);
    scene.append("train.log", crate::scene::failure(0));
    patrol(&scene, 1);
    until("it is ended", || group(training.pid()).is_empty());
    std::fs::remove_file(scene.path("hush")).unwrap();
    assert_eq!(entries(&scene, "restart", "outcome").len(), 0);
    patrol(&scene, 2);
    let restarted = Restarted::of(&scene);
    assert_ne!(restarted.0, training.pid());
    grows(&scene, 5);
    assert_eq!(entries(&scene, "stop", "intent").len(), 1);
    assert_eq!(entries(&scene, "restart", "outcome").len(), 1);
}

#[test]
fn a_restart_that_is_killed_at_any_step_starts_one_run_and_no_second() {
    let prepare = || {
        let scene = Scene::new();
        config(&scene, DEAD);
        scene.write("train.sh", TRAINING);
        let mut training = launched(&scene, &["sh", "train.sh"], true);
        grows(&scene, 5);
        scene.run(&["patrol"]);
        training.kill();
        (scene, training)
    };
    let (mut tried, mut after) = (0, 0);
    // Each takes the 3 s in which a start is watched: every other step will do.
    for at in (killed::acting_begins(&prepare)..).step_by(2) {
        let (scene, _dead) = prepare();
        let Some(step) = killed::dies(&scene, at) else { break };
        tried += 1;
        after += usize::from(!entries(&scene, "restart", "outcome").is_empty());
        if after > killed::AFTER {
            drop(Restarted::of(&scene));
            break;
        }
        for minutes in [1, 2] {
            patrol(&scene, minutes);
        }
        let when = format!("killed before step {at}, {step}");
        let _restarted = Restarted::of(&scene);
        until("it is noted what came of it", || {
            patrol(&scene, 3);
            entries(&scene, "restart", "outcome").len() == 1
        });
        grows(&scene, 3);
        assert_eq!(scene.read("train.log").matches("begins at").count(), 2, "{when}");
        assert_eq!(entries(&scene, "restart", "intent").len(), 1, "{when}");
        assert_eq!(told(&scene, "action_taken").len(), 1, "{when}: {:?}", scene.alerts());
    }
    assert!(tried > 8, "{tried} steps");
}

#[test]
fn a_real_training_resumes_from_its_checkpoint() {
    let scene = Scene::new();
    config(&scene, "  actions: {process_dead: restart}\n  checkpoints: {dir: out}");
    let gpt = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gpt.py");
    scene.write("gpt.py", std::fs::read(gpt).unwrap());
    // A wrapper as people have it: it resumes where there is something to resume from.
    scene.write(
        "run.sh",
        "echo $$ > train.pid\n[ -e out/ckpt.pt ] && resume=--resume\nexec /usr/bin/python3 -u gpt.py --iters 20000 $resume\n",
    );
    let mut training = launched(&scene, &["sh", "run.sh"], true);
    let iters = || scene.read("train.log").lines().filter(|line| line.starts_with("iter ")).count();
    let saved =
        || scene.read("train.log").contains("saving checkpoint") && scene.path("out/ckpt.pt").exists();
    within(PATIENCE, "it has saved a checkpoint", saved);
    until("it goes on behind it", || {
        scene.read("train.log").rsplit_once("saving checkpoint").unwrap().1.lines().count() > 10
    });
    let answer = scene.run(&["patrol"]);
    assert!(answer.code < 2, "{answer:?}");
    training.kill();
    let before = iters();
    patrol(&scene, 1);
    let _restarted = Restarted::of(&scene);
    let [outcome] = entries(&scene, "restart", "outcome").try_into().unwrap();
    assert_eq!(outcome["ok"], true, "{outcome}\n{}", scene.read("train.log"));
    within(PATIENCE, "it goes on", || iters() > before + 10);
    let log = scene.read("train.log");
    let resumed = log.lines().find(|line| line.starts_with("resuming from out/ckpt.pt at iter ")).unwrap();
    let from: u64 = resumed.rsplit_once(' ').unwrap().1.parse().unwrap();
    assert!(from >= 250, "{resumed}");
    let answer = patrol(&scene, 2);
    assert!(answer.stdout.contains("resolved: process_dead"), "{answer:?}");
}
