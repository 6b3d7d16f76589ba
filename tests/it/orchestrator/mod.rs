//! A run's orchestrator: what it is told, what it may say, and that it changes no verdict.

mod operator;
mod server;

use crate::scene::{Answer, Scene, failure, healthy};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use server::{Fault, Server, TOKEN};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A run whose server is the tests' own.
struct Post {
    scene: Scene,
    server: Server,
    start: DateTime<Utc>,
}

impl Post {
    fn new(keys: &str) -> Self {
        let post = Self {
            scene: Scene::new(),
            server: Server::start(),
            start: DateTime::from(std::time::SystemTime::now()),
        };
        post.configure(keys);
        post.scene.write("token", format!("{TOKEN}\n"));
        post
    }

    /// With more lines of the run.
    fn configure(&self, keys: &str) {
        let url = self.server.url();
        self.scene.write(
            "trainguard.yaml",
            format!(
                "runs:\n- name: demo\n  log: train.log\n  orchestrator: {{url: '{url}', run_id: r1, token_file: token}}\n{keys}\n"
            ),
        );
    }

    /// A patrol some minutes after the first.
    fn patrol(&self, minutes: i64) -> Answer {
        self.scene.run(&["patrol", "--now", &self.at(minutes)])
    }

    fn at(&self, minutes: i64) -> String {
        (self.start + TimeDelta::minutes(minutes)).to_rfc3339()
    }

    /// A patrol that is killed once the server has taken such a request, and before that is noted.
    fn killed(&self, request: &str, minutes: i64) {
        self.server.see(|kept| kept.deadly = Some((request.to_owned(), None)));
        let mut command = self.scene.command(&["patrol", "--now", &self.at(minutes)]);
        let mut patrol = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let id = patrol.id();
        self.server.see(|kept| {
            if let Some((_, whom)) = &mut kept.deadly {
                *whom = Some(id);
            }
        });
        assert_eq!(patrol.wait().unwrap().code(), None, "it was not killed");
    }

    /// What the run's directory says of our ids.
    fn alert_ids(&self) -> Vec<String> {
        let memory: Value =
            serde_json::from_str(&self.scene.read(".trainguard/demo/orchestrator.json")).unwrap();
        let alerts = memory["alerts"].as_array().unwrap().iter();
        alerts.map(|sent| sent["alert"].as_str().unwrap().to_owned()).collect()
    }
}

#[test]
fn it_is_told_how_the_run_stands_and_what_opened_once() {
    let post = Post::new("");
    post.scene.write("train.log", healthy(0, 20) + &failure(0));
    let answer = post.patrol(0);
    assert_eq!((answer.code, answer.stderr.as_str()), (2, ""), "{answer:?}");
    let status = post.server.see(|kept| kept.statuses.last().cloned()).unwrap();
    assert_eq!(status["status"], "running");
    let note = status["monitor_note"].as_str().unwrap();
    assert!(note.contains("critical: cuda_illegal_access") && note.len() <= 220, "{status}");
    assert!(status["monitor_tags"].as_array().unwrap().iter().any(|tag| tag == "critical"), "{status}");
    assert_eq!(status["monitoring"]["syndromes"]["cuda_illegal_access"], 1, "{status}");
    assert!(status["monitoring"]["profile"].is_string() && status["monitoring"]["updated_at"].is_string());
    let alerts = post.server.see(|kept| kept.alerts.clone());
    let [alert] = alerts.as_slice() else { panic!("{alerts:?}") };
    assert_eq!(alert["severity"], "critical");
    assert_eq!(alert["source"], "playbook");
    assert_eq!(alert["syndrome"], "cuda_illegal_access");
    assert_eq!(alert["choices"], serde_json::json!(["Ignore", "Stop Job"]));
    assert!(alert["message"].is_string() && alert["evidence"].is_object());
    // A reminder after a day, and the recovery after that, are in the note alone.
    post.patrol(25 * 60);
    post.scene.append("train.log", healthy(20, 400));
    let answer = post.patrol(25 * 60 + 30);
    assert_eq!(post.server.see(|kept| kept.alerts.len()), 1, "{answer:?}");
    assert_eq!(post.server.words(), ["running"; 3]);
}

#[test]
fn a_wrong_token_costs_a_line_that_does_not_hold_it() {
    let post = Post::new("");
    let wrong = "wr0ng-token-0123456789";
    post.scene.write("token", wrong);
    post.scene.write("train.log", healthy(0, 20) + &failure(0));
    let answer = post.patrol(0);
    assert_eq!(answer.code, 2);
    assert!(answer.stderr.contains("401") && answer.stderr.contains("[redacted]"), "{answer:?}");
    let later = post.scene.run(&["patrol", "--format", "json", "--now", &post.at(5)]);
    assert!(!later.stdout.contains("delivery_failed"), "it is no finding: {later:?}");
    assert!(later.stdout.contains("orchestrator.demo: 1 alerts are not there yet"), "{later:?}");
    for text in [&answer.stdout, &answer.stderr, &later.stdout, &later.stderr] {
        assert!(!text.contains(wrong), "{text}");
    }
    assert!(post.server.see(|kept| kept.statuses.is_empty() && kept.requests.is_empty() && kept.refused > 0));
    post.scene.write("token", TOKEN);
    let answer = post.patrol(10);
    assert_eq!(answer.stderr, "");
    assert_eq!(post.server.words(), ["running"]);
}

#[test]
fn what_has_ended_there_is_not_resurrected() {
    for there in ["finished", "failed", "stopped"] {
        let post = Post::new("");
        post.server.see(|kept| there.clone_into(&mut kept.status));
        post.scene.write("train.log", healthy(0, 20));
        assert_eq!(post.patrol(0).code, 0);
        assert_eq!(post.patrol(5).code, 0);
        assert!(post.server.words().is_empty(), "{there}: {:?}", post.server.words());
        assert!(post.server.see(|kept| kept.requests.contains(&"GET /runs/r1".to_owned())));
    }
}

#[test]
fn a_terminal_status_is_told_once_whoever_is_killed_after_it() {
    let post = Post::new("  done_when: all done");
    post.scene.write("train.log", healthy(0, 20));
    post.patrol(0);
    post.scene.append("train.log", "all done\n");
    post.killed("POST /runs/r1/status", 5);
    assert_eq!(post.server.words(), ["running", "finished"]);
    for minutes in [10, 15] {
        let answer = post.patrol(minutes);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
    }
    assert_eq!(post.server.words(), ["running", "finished"]);
    // A server that forgets what it was told is not told again either.
    let other = Post::new("  done_when: all done");
    other.scene.write("train.log", healthy(0, 20) + "all done\n");
    other.patrol(0);
    other.server.see(|kept| "running".clone_into(&mut kept.status));
    other.patrol(5);
    assert_eq!(other.server.words(), ["finished"]);
}

#[test]
fn every_row_arrives_once() {
    let post = Post::new("");
    post.scene.write("train.log", healthy(0, 20));
    post.patrol(0);
    post.scene.append("train.log", healthy(20, 10));
    post.killed("POST /runs/r1/metrics", 5);
    post.patrol(10);
    post.server.see(|kept| kept.fault = Some(Fault::Closes));
    post.scene.append("train.log", healthy(30, 10));
    post.patrol(15);
    post.scene.append("train.log", healthy(40, 10));
    post.patrol(20);
    post.server.see(|kept| kept.fault = None);
    post.scene.append("train.log", healthy(50, 10));
    post.patrol(25);
    post.patrol(30);
    assert_eq!(post.server.steps(), (0..60).collect::<Vec<_>>());
    let row = post.server.see(|kept| kept.rows[0].clone());
    assert!(row["loss"].is_number() && row["lr"].is_number() && row["attempt"].is_number(), "{row}");
    let left = std::fs::read_dir(post.scene.path(".trainguard/demo/rows")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn an_alert_arrives_once_whoever_is_killed_after_it() {
    let post = Post::new("");
    post.scene.write("train.log", healthy(0, 20) + &failure(0));
    post.killed("POST /runs/r1/alerts", 0);
    assert_eq!(post.server.see(|kept| kept.alerts.len()), 1);
    assert!(!post.scene.path(".trainguard/demo/orchestrator.json").exists(), "its id is not noted yet");
    post.patrol(5);
    post.patrol(10);
    assert_eq!(post.server.see(|kept| kept.alerts.len()), 1);
    assert_eq!(post.alert_ids().len(), 1);
}

#[test]
fn whatever_step_a_patrol_is_killed_at_the_server_has_everything_once() {
    let mut step = 0;
    loop {
        step += 1;
        let post = Post::new("  done_when: all done");
        post.scene.write("train.log", healthy(0, 20) + &failure(0));
        let mut command = post.scene.command(&["patrol", "--now", &post.at(0)]);
        let died = command.env("TRAINGUARD_DIE_AT", step.to_string()).output().unwrap();
        let last = died.status.code().is_some();
        post.patrol(5);
        post.scene.append("train.log", healthy(20, 10) + "all done\n");
        post.patrol(10);
        post.patrol(15);
        let said = String::from_utf8_lossy(&died.stderr).into_owned();
        assert_eq!(post.server.see(|kept| kept.alerts.len()), 1, "step {step}: {said}");
        let mut steps = post.server.steps();
        steps.sort_unstable();
        assert_eq!(steps, (0..30).collect::<Vec<_>>(), "step {step}: {said}");
        let ended = post.server.words().iter().filter(|word| *word == "finished").count();
        assert_eq!(ended, 1, "step {step}: {said}");
        if last {
            break;
        }
    }
    assert!(step > 20, "only {step} steps");
}

#[test]
fn of_a_launched_run_it_is_told_the_exit_code_and_what_it_failed_of() {
    let post = Post::new("");
    let url = post.server.url();
    let config = format!("orchestrator: {{url: '{url}', run_id: r1, token_file: token}}\n");
    post.scene.write("trainguard.yaml", config);
    let script = "echo 'step 1: loss 2.5'; exit 3";
    let answer = post.scene.run(&["launch", "--name", "demo", "--", "sh", "-c", script]);
    assert_eq!(answer.code, 3, "{answer:?}");
    let answer = post.scene.run(&["patrol"]);
    let status = post.server.see(|kept| kept.statuses.last().cloned()).unwrap();
    assert_eq!(
        (&status["status"], &status["exit_code"]),
        (&"failed".into(), &3.into()),
        "{status} {answer:?}"
    );
    assert!(status["error"].as_str().is_some_and(|why| why.contains("process_dead")), "{status}");
}

#[test]
fn of_a_great_backlog_the_newest_rows_arrive() {
    let post = Post::new("");
    post.scene.write("train.log", healthy(0, 5_000));
    post.patrol(0);
    assert_eq!(post.server.steps(), (4_000..5_000).collect::<Vec<_>>());
}

#[test]
fn a_server_that_is_down_slow_or_lies_costs_a_line_and_no_verdict() {
    for fault in [Fault::Hang, Fault::Garbage, Fault::Huge, Fault::Redirect, Fault::Closes] {
        let post = Post::new("");
        post.scene.write("train.log", healthy(0, 20));
        post.patrol(0);
        post.scene.append("train.log", failure(0));
        post.server.see(|kept| kept.fault = Some(fault));
        let began = Instant::now();
        let answer = post.patrol(5);
        assert_eq!(answer.code, 2, "{fault:?}: {answer:?}");
        assert!(began.elapsed() < Duration::from_secs(30), "{fault:?} took {:?}", began.elapsed());
        assert!(answer.stderr.contains("the orchestrator was not told"), "{fault:?}: {answer:?}");
        let later = post.scene.run(&["patrol", "-q", "--format", "json", "--now", &post.at(10)]);
        assert_eq!(later.code, 2);
        assert!(!later.stdout.contains("delivery_failed"), "{fault:?}: {later:?}");
        assert!(!later.stderr.contains("was not told"), "what is known is not repeated: {later:?}");
        post.server.see(|kept| kept.fault = None);
        post.patrol(90);
        // A redirect refuses for good: the alert waits as a dead letter.
        let expected = usize::from(fault != Fault::Redirect);
        assert_eq!(post.server.see(|kept| kept.alerts.len()), expected, "{fault:?}");
        assert_eq!(post.server.words(), ["running"; 2], "{fault:?}");
    }
}

#[test]
fn a_config_that_others_can_write_tells_nobody() {
    use std::os::unix::fs::PermissionsExt;
    let post = Post::new("");
    let config = post.scene.path("trainguard.yaml");
    std::fs::set_permissions(config, std::fs::Permissions::from_mode(0o666)).unwrap();
    post.scene.write("train.log", healthy(0, 20) + &failure(0));
    let answer = post.patrol(0);
    assert!(answer.code == 2 && answer.stderr.contains("others can change the config"), "{answer:?}");
    assert!(post.server.see(|kept| kept.requests.is_empty() && kept.refused == 0));
}
