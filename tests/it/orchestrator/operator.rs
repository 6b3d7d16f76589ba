//! An operator's choice, with real processes.

use super::Post;
use crate::act::{Session, TRAINER, entries, fails, group, grows, state, told};
use crate::scene::{Process, until, within};
use serde_json::json;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// A training with an alert that the server has.
fn alerted() -> (Post, Session) {
    let post = Post::new("  process: {pid_file: train.pid}");
    let training = Session::start(&post.scene, TRAINER);
    grows(&post.scene, 10);
    assert_eq!(post.scene.run(&["patrol"]).code, 0);
    fails(&post.scene);
    let answer = post.scene.run(&["patrol"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert_eq!(post.server.see(|kept| kept.alerts.len()), 1, "{answer:?}");
    assert!(state(training.pid()).is_some(), "it is only observed");
    (post, training)
}

/// The operator has chosen at the server.
fn resolve(post: &Post, response: &str) {
    post.server.see(|kept| {
        kept.alerts[0]["status"] = json!("resolved");
        kept.alerts[0]["response"] = json!(response);
    });
}

fn is_stopped_once(post: &Post, training: &Session) {
    until("the training has ended", || group(training.pid()).is_empty());
    until("the stop is finished", || !entries(&post.scene, "kill", "outcome").is_empty());
    assert_eq!(told(&post.scene, "action_taken").len(), 1, "{:?}", post.scene.alerts());
    let answer = post.scene.run(&["patrol"]);
    assert_eq!(entries(&post.scene, "stop", "intent").len(), 1, "{answer:?}");
    until("the server knows", || {
        post.scene.run(&["patrol"]);
        post.server.words().last().is_some_and(|word| word == "stopped")
    });
    let stops = post.server.words().iter().filter(|word| *word == "stopped").count();
    assert_eq!(stops, 1);
}

#[test]
fn a_choice_at_the_server_stops_the_process() {
    let (post, training) = alerted();
    // That of another run is nothing to us.
    post.server.see(|kept| {
        let mut other = kept.alerts[0].clone();
        other["run_id"] = json!("r2");
        other["status"] = json!("resolved");
        other["response"] = json!("Stop Job");
        kept.alerts.push(other);
    });
    post.scene.run(&["patrol"]);
    assert!(state(training.pid()).is_some() && entries(&post.scene, "stop", "intent").is_empty());
    resolve(&post, "Stop Job");
    let answer = post.scene.run(&["patrol"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    is_stopped_once(&post, &training);
    let why = entries(&post.scene, "stop", "intent")[0]["why"].as_str().unwrap().to_owned();
    assert!(why.contains("\"Stop Job\"") && why.contains("cuda_illegal_access"), "{why}");
}

#[test]
fn a_choice_in_a_file_stops_the_process_by_either_id() {
    for ours in [true, false] {
        let (post, training) = alerted();
        let id = if ours { post.alert_ids().remove(0) } else { "al-1".to_owned() };
        let file = format!(".trainguard/demo/alerts/{id}.response");
        post.scene.write(&file, "please KILL it\n");
        resolve(&post, "terminate");
        post.scene.run(&["patrol"]);
        is_stopped_once(&post, &training);
        assert!(!post.scene.path(&file).exists());
    }
}

#[test]
fn ignore_is_noted_and_changes_nothing() {
    let (post, training) = alerted();
    post.scene.write(".trainguard/demo/alerts/al-1.response", "Ignore\n");
    let answer = post.scene.run(&["patrol"]);
    assert_eq!(answer.code, 2, "no verdict rests on it: {answer:?}");
    assert!(state(training.pid()).is_some() && entries(&post.scene, "stop", "intent").is_empty());
    assert!(post.scene.read(".trainguard/demo/orchestrator.json").contains("\"answered\":\"Ignore\""));
    assert!(!post.scene.path(".trainguard/demo/alerts/al-1.response").exists());
}

#[test]
fn an_answer_from_before_the_process_began_stops_nobody() {
    let (post, training) = alerted();
    let file = post.scene.write(".trainguard/demo/alerts/al-1.response", "Stop Job\n");
    let written = std::fs::File::options().append(true).open(file).unwrap();
    written.set_modified(std::time::SystemTime::now() - Duration::from_hours(1)).unwrap();
    let answer = post.scene.run(&["patrol"]);
    assert!(answer.stderr.contains("before the process of now began"), "{answer:?}");
    assert!(state(training.pid()).is_some() && entries(&post.scene, "stop", "intent").is_empty());
    assert!(!post.scene.path(".trainguard/demo/alerts/al-1.response").exists());
}

#[test]
fn a_watch_tells_every_half_minute_at_most_and_obeys_at_once() {
    let (post, training) = alerted();
    let answer = post.scene.run(&["ack", "demo"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let (told, rows) = (post.server.words().len(), post.server.steps().len());
    std::fs::remove_file(post.scene.path("hush")).unwrap();
    let mut command = post.scene.command(&["watch", "--interval", "100ms", "--phase1-steps", "1000000000"]);
    let output = std::fs::File::create(post.scene.path("watch.out")).unwrap();
    let began = Instant::now();
    let watch =
        command.stderr(output.try_clone().unwrap()).stdout(output).stdin(Stdio::null()).spawn().unwrap();
    let _watch = Process(watch);
    let metrics =
        || post.server.see(|kept| kept.requests.iter().filter(|what| what.contains("metrics")).count());
    let before = metrics();
    until("rows come look by look", || metrics() >= before + 5);
    assert!(post.server.steps().len() > rows);
    let most = 1 + began.elapsed().as_secs() / 30;
    let statuses = post.server.words().len() - told;
    assert!(statuses as u64 <= most, "{statuses} in {:?}", began.elapsed());
    resolve(&post, "Stop Job");
    within(Duration::from_mins(1), "the watch obeys", || group(training.pid()).is_empty());
    assert!(!entries(&post.scene, "stop", "intent").is_empty(), "{}", post.scene.read("watch.out"));
}
