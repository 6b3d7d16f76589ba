//! `channels.NAME: {type: alertmanager}` against the real Alertmanager, seen through `amtool`.

use crate::daemons::Daemon;
use crate::scene::{Scene, failure, findings, healthy, until};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::os::unix::process::ExitStatusExt as _;
use std::time::SystemTime;

const CRASH: &str = "alertname=cuda_illegal_access";

fn configured(address: &str) -> Scene {
    let scene = Scene::new();
    scene.write("am.url", address);
    scene.write(
        "trainguard.yaml",
        "runs: [{name: demo, log: train.log}]
channels: {am: {type: alertmanager, url_file: am.url, timeout: 10s}}
severity_routing: {critical: [file, am], warning: [file, am]}
",
    );
    scene.write("train.log", healthy(0, 20));
    scene
}

fn minutes_later(minutes: i64) -> String {
    (DateTime::<Utc>::from(SystemTime::now()) + TimeDelta::minutes(minutes)).to_rfc3339()
}

#[test]
fn a_finding_is_an_alert_with_its_labels_that_can_be_silenced_and_that_ends_with_it() {
    let scene = Scene::new();
    let alertmanager = Daemon::alertmanager(&scene);
    let scene = configured(&alertmanager.url);
    assert_eq!(scene.run(&["patrol"]).code, 0);
    let token = format!("hf_{}", "aB3dE5gH7jK9".repeat(3));
    let hostile = failure(0).replace('\n', &format!(" <!channel> @everyone \x1b[31m {token}\n"));
    scene.append("train.log", hostile);
    let answer = scene.run(&["patrol"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (2, ""), "{answer:?}");

    let alerts = alertmanager.alerts(CRASH);
    let [alert] = alerts.as_slice() else { panic!("{alerts:#?}") };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let labels = json!({
        "alertname": "cuda_illegal_access", "check": "words", "instance": host.trim(), "run": "demo", "severity": "critical",
    });
    assert_eq!(alert["labels"], labels);
    let annotations = &alert["annotations"];
    assert!(annotations["evidence"].as_str().unwrap().ends_with("train.log:21"), "{annotations}");
    assert!(annotations["summary"].as_str().unwrap().starts_with("demo: A GPU kernel"), "{annotations}");
    assert!(annotations["advice"].as_str().unwrap().contains("CUDA_LAUNCH_BLOCKING"), "{annotations}");
    let text = alert.to_string();
    assert!(!text.contains(&token) && !text.contains("<!channel>") && !text.contains("@everyone"), "{text}");
    let time = |key: &str| alert[key].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
    assert!(time("endsAt") - time("startsAt") > TimeDelta::hours(23), "{alert:#}");
    alertmanager.expect_silence_to_silence(&[CRASH, "run=demo"]);

    // The next patrol has nothing new to say, and the alert stays the one that it is.
    assert_eq!(scene.run(&["patrol"]).code, 2);
    assert_eq!(alertmanager.alerts(CRASH).len(), 1);
    scene.append("train.log", healthy(20, 20));
    assert_eq!(scene.run(&["patrol"]).code, 0);
    until("the alert is resolved", || alertmanager.alerts(CRASH).is_empty());
    let kept: Value = serde_json::from_str(&scene.read(".trainguard/outbox/am.firing.json")).unwrap();
    assert_eq!(kept["alerts"], json!([]), "an end that was taken is forgotten");
}

#[test]
fn an_alertmanager_that_is_down_costs_no_verdict_and_one_that_forgot_is_told_again() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let scene = configured(&format!("http://127.0.0.1:{port}"));
    scene.append("train.log", failure(0));
    let answer = scene.run(&["patrol"]);
    assert!(
        answer.code == 2 && answer.stderr.starts_with("trainguard: channel am: http://127.0.0.1:"),
        "{answer:?}"
    );
    assert_eq!(scene.alerts().len(), 1, "the other channel has it");

    let answer = scene.run(&["patrol", "--format", "json", "--now", &minutes_later(2)]);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let open = findings(&report);
    assert_eq!(answer.code, 2);
    assert!(open.iter().any(|(syndrome, ..)| syndrome == "delivery_failed"), "{open:?}");

    for later in [4, 6] {
        let home = Scene::new();
        let alertmanager = Daemon::alertmanager(&home);
        scene.write("am.url", &alertmanager.url);
        let answer = scene.run(&["patrol", "--now", &minutes_later(later)]);
        assert_eq!((answer.code, answer.stderr.as_str()), (2, ""), "{answer:?}");
        assert_eq!(alertmanager.alerts(CRASH).len(), 1);
    }
}

#[test]
fn check_shows_the_channel_and_sends_a_test_that_ends_by_itself() {
    let home = Scene::new();
    let alertmanager = Daemon::alertmanager(&home);
    let scene = configured(&alertmanager.url);
    let described = scene.run(&["check"]);
    assert!(described.stdout.contains("am: alertmanager to the address in "), "{described:?}");
    let answer = scene.run(&["check", "--alerts"]);
    assert!(answer.code == 0 && answer.stdout.contains("am            taken"), "{answer:?}");
    let alerts = alertmanager.alerts("alertname=test");
    assert_eq!((alerts.len(), &alerts[0]["labels"]["severity"]), (1, &json!("info")), "{alerts:#?}");
    let end: DateTime<Utc> = alerts[0]["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(end - DateTime::<Utc>::from(SystemTime::now()) <= TimeDelta::minutes(5));
}

/// The last steps of a patrol: those in which an Alertmanager is told, and some before. What comes before
/// them is killed elsewhere.
const LAST_STEPS: usize = 16;

/// A patrol with something to tell that is killed before its step `at`, and what happened before and after.
#[derive(Clone, Copy)]
struct Killed<'a> {
    before: &'a [&'a str],
    growth: &'a str,
    after: &'a str,
}

impl Killed<'_> {
    /// Plays it with a run of its own name; says whether it was killed.
    fn play(self, alertmanager: &Daemon, name: &str, at: usize) -> (bool, Scene, String) {
        let scene = configured(&alertmanager.url);
        let run = format!("{name}{at}");
        scene.write("trainguard.yaml", scene.read("trainguard.yaml").replace("demo", &run));
        for text in self.before {
            scene.append("train.log", text);
            scene.run(&["patrol", "-q"]);
        }
        scene.append("train.log", self.growth);
        let died =
            scene.command(&["patrol", "-q"]).env("TRAINGUARD_DIE_AT", at.to_string()).output().unwrap();
        (died.status.signal() == Some(9), scene, run)
    }

    /// One Alertmanager serves all performances.
    fn leaves_open(self, count: usize) {
        let home = Scene::new();
        let alertmanager = Daemon::alertmanager(&home);
        let (mut dies, mut lives) = (1, 512);
        while lives - dies > 1 {
            let middle = usize::midpoint(dies, lives);
            let end = if self.play(&alertmanager, "counted", middle).0 { &mut dies } else { &mut lives };
            *end = middle;
        }
        assert!(dies > LAST_STEPS, "it has only {dies} steps");
        for at in lives - LAST_STEPS..=lives {
            let (died, scene, run) = self.play(&alertmanager, "run", at);
            assert_eq!(died, at < lives);
            scene.append("train.log", self.after);
            let last = scene.run(&["patrol", "-q"]);
            let open = || {
                let alerts = alertmanager.alerts(CRASH);
                alerts.iter().filter(|alert| alert["labels"]["run"] == run.as_str()).count()
            };
            until(&format!("{count} are left of a patrol killed at step {at}: {last:?}"), || open() == count);
        }
    }
}

#[test]
fn killed_at_any_step_of_an_opening_it_is_open_once() {
    Killed { before: &[""], growth: &failure(0), after: "" }.leaves_open(1);
}

#[test]
fn killed_at_any_step_of_an_opening_that_is_over_by_the_next_patrol_nothing_stays_open() {
    Killed { before: &[""], growth: &failure(0), after: &healthy(20, 10) }.leaves_open(0);
}

#[test]
fn killed_at_any_step_of_an_end_nothing_stays_open() {
    Killed { before: &["", &failure(0)], growth: &healthy(20, 10), after: "" }.leaves_open(0);
}
