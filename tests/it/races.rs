//! Several patrols at once: every line is taken by exactly one, and nothing is told twice or lost.

use crate::scene::{Answer, Process, Scene, failure, healthy, numbers, occurrences, until};
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Starts all command lines at once and waits for all.
fn at_once(scene: &Scene, command_lines: &[Vec<&str>]) -> Vec<Answer> {
    let start = |arguments: &Vec<&str>| {
        let mut command = scene.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let children: Vec<_> = command_lines.iter().map(start).collect();
    children.into_iter().map(|child| child.wait_with_output().unwrap().into()).collect()
}

#[test]
fn of_two_patrols_at_once_exactly_one_takes_each_failure_and_no_alert_is_written_twice() {
    const ROUNDS: usize = 30;
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    assert_eq!(scene.patrol(&[]).code, 0);
    let begin: chrono::DateTime<chrono::Utc> = std::time::SystemTime::now().into();
    let (mut taken, mut rows) = (Vec::new(), 0);
    for round in 0..ROUNDS {
        // The hours between the rounds keep each opening a story of its own.
        let hour =
            |minutes: i64| (begin + chrono::TimeDelta::minutes(60 * round as i64 + minutes)).to_rfc3339();
        let step = 20 + 5 * round as u64;
        for (now, text) in [
            (hour(0), failure(2 * round) + "a line between\n" + &failure(2 * round + 1)),
            (hour(1), healthy(step, 5)),
        ] {
            scene.append("train.log", text);
            let line = ["patrol", "--log", "train.log", "--name", "demo", "--format", "json", "--now", &now];
            for answer in at_once(&scene, &[line.to_vec(), line.to_vec()]) {
                let report: serde_json::Value = serde_json::from_str(&answer.stdout)
                    .unwrap_or_else(|error| panic!("{error}: {answer:?}"));
                taken.extend(numbers(&occurrences(&report)));
                rows += report["runs"][0]["log"]["rows"].as_u64().unwrap();
            }
        }
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..2 * ROUNDS).collect::<Vec<_>>(), "each failure line by exactly one patrol");
    assert_eq!(rows, 5 * ROUNDS as u64, "each row by exactly one patrol");
    let alerts = scene.alerts();
    let of = |word: &str| {
        alerts.iter().filter(|line| line.contains(&format!(" demo {word} cuda_illegal_access "))).count()
    };
    assert_eq!((of("opened"), of("resolved")), (ROUNDS, ROUNDS), "{alerts:#?}");
}

#[test]
fn two_runs_patrolled_at_once_lose_no_health_entry_and_no_alert() {
    for _ in 0..15 {
        let scene = Scene::new();
        scene.write("trainguard.yaml", "runs:\n  - {name: a, log: a.log}\n  - {name: b, log: b.log}\n");
        scene.write("a.log", healthy(0, 20) + &failure(0));
        scene.write("b.log", healthy(0, 20) + &failure(1));
        let answers = at_once(&scene, &[vec!["patrol", "--run", "a"], vec!["patrol", "--run", "b"]]);
        assert!(answers.iter().all(|answer| answer.code == 2 && answer.stderr.is_empty()), "{answers:?}");
        let health: serde_yaml::Value = serde_yaml::from_str(&scene.read("agent_health.yaml")).unwrap();
        let alerts = scene.alerts();
        for run in ["a", "b"] {
            assert_eq!(health["runs"][run]["status"], "CRITICAL", "{health:?}");
            let told = alerts
                .iter()
                .filter(|line| line.contains(&format!(" {run} opened cuda_illegal_access ")))
                .count();
            assert_eq!(told, 1, "{alerts:#?}");
        }
        assert_eq!(alerts.len(), 2, "{alerts:#?}");
    }
}

#[test]
fn a_patrol_that_another_one_keeps_waiting_names_its_pid_and_is_unknown() {
    let scene = Scene::new();
    // A sparse gigabyte keeps the first patrol reading long enough to be stopped in the midst of it.
    File::create(scene.path("train.log")).unwrap().set_len(1 << 30).unwrap();
    let mut holder = scene.command(&["patrol", "--log", "train.log", "--name", "demo"]);
    let holder = Process(holder.stdout(Stdio::null()).spawn().unwrap());
    let note = scene.path(".trainguard/demo.lock");
    let named = format!("pid {} ", holder.pid());
    until("the first patrol holds the lock", || {
        fs::read_to_string(&note).is_ok_and(|note| note.starts_with(&named))
    });
    signal("STOP", &holder);
    let answer = scene.patrol(&["--lock-wait", "0"]);
    signal("CONT", &holder);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stdout.starts_with("UNKNOWN demo"), "{answer:?}");
    assert!(answer.stdout.contains(&named) && answer.stdout.contains("--lock-wait"), "{answer:?}");
    holder.kill();
    scene.write("train.log", healthy(0, 5));
    assert_eq!(scene.patrol(&["--lock-wait", "0"]).code, 0, "the lock of a dead patrol is free");
}

fn signal(name: &str, process: &Process) {
    let status = Command::new("kill").args(["-s", name, &process.pid()]).status().unwrap();
    assert!(status.success(), "the first patrol had ended already");
}

#[test]
fn a_patrol_that_is_killed_loses_nothing_and_tells_nothing_twice() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    let begin = Instant::now();
    assert_eq!(scene.patrol(&[]).code, 0);
    let whole = begin.elapsed();
    // Killed a little later each time, until a patrol comes to its end on any machine.
    for round in 0..40u32 {
        scene.append("train.log", failure(round as usize));
        let child = scene
            .command(&["patrol", "-q", "--log", "train.log", "--name", "demo"])
            .stdout(Stdio::null())
            .spawn();
        let child = Process(child.unwrap());
        std::thread::sleep(whole * round / 30);
        child.kill();
    }
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(!answer.stdout.contains("state_damaged"), "{answer:?}");
    let report = scene.report(&[]);
    let finding = &report["runs"][0]["findings"][0];
    assert_eq!(
        (&finding["syndrome"], &finding["count"]),
        (&"cuda_illegal_access".into(), &40.into()),
        "{report:#}"
    );
    assert_eq!(scene.alerts().len(), 1, "{:#?}", scene.alerts());
    for directory in [".trainguard", ".trainguard/outbox"] {
        let names = scene.path(directory).read_dir().unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = names.filter(|name| name.to_string_lossy().contains("tmp")).collect();
        assert!(left.len() <= 1, "killed patrols leave their half files for ever: {left:?}");
    }
    let owed = scene.path(".trainguard/outbox").read_dir().unwrap().map(|entry| entry.unwrap().file_name());
    let owed: Vec<_> =
        owed.filter(|name| name.to_string_lossy().ends_with(".json") && name != "delivered.json").collect();
    assert!(owed.is_empty(), "still to be delivered: {owed:?}");
}
