//! A receiver that answers in every way, and what becomes of the alert.

use super::Post;
use super::server::{Got, Reply, Server};
use crate::scene::{failure, healthy};
use std::net::TcpListener;
use std::time::{Duration, Instant};

/// All that a patrol may take: 10 s of delivery, and a slow machine.
const PATROL_MAX: Duration = Duration::from_secs(30);

#[test]
fn what_a_receiver_took_is_sent_once() {
    for reply in [Reply::Status(200, ""), Reply::Status(201, ""), Reply::Status(204, ""), Reply::Torn] {
        let post = Post::new();
        post.server.reply([reply]);
        assert_eq!(post.patrol(0, &[]).code, 2);
        assert!(post.waiting().is_empty(), "{reply:?}");
        for minutes in [1, 120] {
            assert_eq!(post.patrol(minutes, &[]).code, 2);
        }
        assert_eq!(post.got().len(), 1, "{reply:?}");
        assert_eq!(post.got()[0].json()["syndrome"], "cuda_illegal_access");
    }
}

#[test]
fn what_a_receiver_did_not_take_comes_again_with_the_same_key_until_it_does() {
    let replies = [
        Reply::Status(408, ""),
        Reply::Status(425, ""),
        Reply::Status(429, "Retry-After: 30\r\n"),
        Reply::Status(500, ""),
        Reply::Status(502, ""),
        Reply::Status(503, "Retry-After: Wed, 21 Oct 2015 07:28:00 GMT\r\n"),
        Reply::Close,
        Reply::Reset,
        Reply::Trickle,
        Reply::Hang,
        Reply::Huge,
    ];
    for reply in replies {
        let post = Post::new();
        post.server.reply([reply, reply]);
        let begin = Instant::now();
        let first = post.patrol(0, &["-q"]);
        assert!(begin.elapsed() < PATROL_MAX, "{reply:?}: {:?}", begin.elapsed());
        assert_eq!(first.code, 2, "the verdict's own: {reply:?}");
        assert!(first.stderr.contains("channel webhook: http://127.0.0.1"), "{reply:?}: {first:?}");
        assert!(!first.stderr.contains("/hook"), "{first:?}");
        assert_eq!(post.waiting().len(), 1, "{reply:?}");
        let soon = post.patrol(0, &["-q"]);
        assert!(soon.stdout.contains("delivery_failed"), "{reply:?}: {soon:?}");
        post.patrol(30, &[]);
        assert_eq!(post.waiting().len(), 1, "{reply:?}");
        post.patrol(90, &[]);
        assert!(post.waiting().is_empty(), "{reply:?}");
        let over = post.patrol(91, &["--format", "json"]);
        assert!(
            !over.stdout.contains(
                r#""syndrome":"delivery_failed","severity":"warning","message":"channel webhook did"#
            )
        );
        let keys = post.keys();
        assert!(keys.iter().all(|key| *key == keys[0]), "{reply:?}: {keys:?}");
        let bodies: Vec<String> = post.got().into_iter().map(|got| got.body).collect();
        assert!(bodies.iter().all(|body| *body == bodies[0]), "{reply:?}: the same key is the same content");
        assert_eq!(post.scene.alerts().iter().filter(|line| line.contains("cuda_illegal")).count(), 1);
    }
}

#[test]
fn what_a_receiver_refuses_is_a_dead_letter_that_somebody_can_send_or_give_up() {
    let replies = [400, 401, 403, 404, 410, 413].map(|status| Reply::Status(status, ""));
    for reply in replies.into_iter().chain([Reply::Status(302, "Location: http://127.0.0.1:1/other\r\n")]) {
        let post = Post::new();
        post.server.reply([reply]);
        let first = post.patrol(0, &[]);
        assert_eq!(first.code, 2);
        assert!(first.stderr.contains("refused for good: http://127.0.0.1"), "{first:?}");
        let told = post.patrol(300, &["-q"]);
        assert_eq!(post.got().len(), 1, "{reply:?}: not sent again by itself");
        assert!(told.stdout.contains("trainguard alerts retry"), "{told:?}");
        let list = post.scene.run(&["alerts"]);
        assert!(list.stdout.contains("webhook: refused for good at"), "{list:?}");
        assert!(list.stdout.contains("cuda_illegal_access"), "{list:?}");
        let id = post.waiting()[0]["alert"]["id"].as_str().unwrap()[..8].to_owned();
        let retried = post.scene.run(&["alerts", "retry", &id]);
        assert_eq!((retried.code, retried.stdout.as_str()), (0, "delivered: 1 alert\n"), "{retried:?}");
        let keys = post.keys();
        assert_eq!(keys.len(), 2);
        assert_eq!(keys[0], keys[1]);
        let healed = post.patrol(302, &[]);
        assert!(healed.stdout.contains("delivery_failed, resolved"), "{healed:?}");
        assert_eq!(post.scene.run(&["alerts"]).stdout, "no alert waits to be delivered\n");
    }
}

#[test]
fn an_alert_is_given_up_by_hand_and_by_its_name_only() {
    let post = Post::new();
    post.server.reply([Reply::Status(404, "")]);
    post.patrol(0, &[]);
    for wrong in [&["alerts", "drop", "00"][..], &["alerts", "drop", "ffffffff"], &["alerts", "drop"]] {
        assert_eq!(post.scene.run(wrong).code, 3, "{wrong:?}");
    }
    let id = post.waiting()[0]["alert"]["id"].as_str().unwrap().to_owned();
    assert_eq!(post.scene.run(&["alerts", "drop", &id]).stdout, "given up: 1 alert\n");
    assert!(post.waiting().is_empty());
    post.patrol(60, &[]);
    assert_eq!(post.got().len(), 1);
}

#[test]
fn several_that_hang_share_the_time_and_hold_up_neither_the_verdict_nor_each_other() {
    let hang = |name: &str, url: String| format!("  {name}: {{type: webhook, url: '{url}', timeout: 10s}}\n");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = |path: &str| format!("http://{}/{path}", silent.local_addr().unwrap());
    let post = Post::new();
    let channels: String = ["a", "b", "c"].map(|name| hang(name, url(name))).concat();
    post.configure(&post.server.url("/hook"), "timeout: 2s", &channels);
    let config = post.scene.read("trainguard.yaml").replace("file, webhook]", "a, b, c, file, webhook]");
    post.scene.write("trainguard.yaml", config);
    let begin = Instant::now();
    let answer = post.patrol(0, &["--timeout", "4s"]);
    let took = begin.elapsed();
    assert_eq!(answer.code, 2);
    assert!(took < Duration::from_secs(9), "4 s and a slow machine: {took:?}");
    assert_eq!(post.got().len(), 1, "the one that works got it: {answer:?}");
    for name in ["a", "b", "c"] {
        assert!(answer.stderr.contains(&format!("channel {name}: ")), "{answer:?}");
    }
    assert_eq!(post.waiting().len(), 1);
    assert_eq!(post.scene.alerts().len(), 1);
}

#[test]
fn a_thousand_alerts_wait_for_a_server_that_is_down_and_arrive_in_order_rolled_up() {
    let mut post = Post::new();
    let address = post.server.address();
    // The address is free again once the server is gone.
    post.server = Server::start();
    post.patrol(0, &[]);
    let model = post.waiting().remove(0);
    for number in 0..1_000_u32 {
        let mut entry = model.clone();
        let id = format!("{number:032x}");
        let time = post.start + chrono::TimeDelta::seconds(i64::from(number + 1));
        entry["alert"]["id"] = id.clone().into();
        entry["alert"]["time"] = time.to_rfc3339().into();
        entry["alert"]["message"] = format!("alert {number} of a thousand").into();
        post.scene.write(&format!(".trainguard/outbox/{id}.json"), entry.to_string());
    }
    let begin = Instant::now();
    let down = post.patrol(30, &[]);
    assert!(begin.elapsed() < PATROL_MAX);
    assert_eq!(down.code, 2);
    assert_eq!(post.waiting().len(), 1_001 + post_alerts(&post));
    assert!(down.stdout.contains("channel webhook did not take 1001 alerts"), "{}", down.stdout);
    post.server = Server::at(address);
    for patrol in 1..=20 {
        post.patrol(30 + 90 * patrol, &[]);
        if post.waiting().is_empty() {
            break;
        }
    }
    assert!(post.waiting().is_empty(), "{} wait", post.waiting().len());
    let got = post.got();
    let ids: Vec<String> = got.iter().flat_map(Got::alerts).collect();
    let thousand: Vec<&String> = ids.iter().filter(|id| id.starts_with("00000000000000")).collect();
    assert_eq!(thousand.len(), 1_000);
    assert!(thousand.is_sorted(), "in order");
    assert!(got.len() <= 15, "rolled up: {} messages", got.len());
    let mut keys = post.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), got.len(), "every message has a key of its own");
}

/// Alerts that were made about the delivery itself and wait for the same channel.
fn post_alerts(post: &Post) -> usize {
    let about = |entry: &serde_json::Value| entry["alert"]["syndrome"] == "delivery_failed";
    post.waiting().iter().filter(|entry| about(entry)).count()
}

#[test]
fn a_recovery_goes_to_those_who_were_told_of_the_failure() {
    let post = Post::new();
    post.patrol(0, &[]);
    post.scene.append("train.log", healthy(20, 10));
    post.patrol(30, &[]);
    let told: Vec<(String, String)> = post
        .got()
        .iter()
        .map(|got| {
            let json = got.json();
            (json["status"].as_str().unwrap().to_owned(), json["syndrome"].as_str().unwrap().to_owned())
        })
        .collect();
    let expected = [("firing", "cuda_illegal_access"), ("resolved", "cuda_illegal_access")];
    assert_eq!(told, expected.map(|(status, syndrome)| (status.to_owned(), syndrome.to_owned())));
    post.scene.append("train.log", failure(1));
    let config = post.scene.read("trainguard.yaml");
    post.scene.write("trainguard.yaml", config.replace("file, webhook]", "file]"));
    post.patrol(120, &[]);
    assert_eq!(post.got().len(), 2, "not routed any more");
}

#[test]
fn a_config_that_others_can_write_sends_nothing_and_says_so_with_q_too() {
    use std::os::unix::fs::PermissionsExt;
    let post = Post::with("timeout: 2s", "  tell: {type: command, command: [/usr/bin/touch, ran]}");
    let config = post.scene.path("trainguard.yaml");
    let text = post.scene.read("trainguard.yaml").replace("file, webhook]", "file, webhook, tell]");
    post.scene.write("trainguard.yaml", text);
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o666)).unwrap();
    let first = post.patrol(0, &["-q"]);
    assert!(first.stderr.contains("others can change the config"), "{first:?}");
    let second = post.patrol(1, &["-q"]);
    assert!(second.stdout.contains("delivery_failed"), "{second:?}");
    assert_eq!(post.scene.run(&["check", "--alerts"]).code, 1);
    assert!(post.got().is_empty() && !post.scene.path("ran").exists());
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o644)).unwrap();
    post.patrol(120, &[]);
    assert!(!post.got().is_empty() && post.scene.path("ran").exists(), "nothing was lost");
}

#[test]
fn a_test_alert_goes_through_every_channel_and_says_what_came_of_it() {
    let post = Post::with("timeout: 2s", "  gone: {type: webhook, url_file: gone.url}");
    let answer = post.scene.run(&["check", "--alerts"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.stdout.contains("WARNING: a test alert through 4 channels, 1 failed\n"), "{answer:?}");
    assert!(answer.stdout.contains("webhook       taken"), "{answer:?}");
    assert!(
        answer.stdout.contains("gone          FAILED: ") && answer.stdout.contains("gone.url cannot be read")
    );
    assert!(post.scene.alerts()[0].contains("INFO trainguard opened test this is a test"), "{answer:?}");
    assert_eq!(post.got()[0].json()["syndrome"], "test");
    post.scene.write("gone.url", post.server.url("/gone") + "\n");
    let answer = post.scene.run(&["check", "--alerts"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(post.got().last().unwrap().path, "/gone");
    post.scene.write("trainguard.yaml", "channels: {webhook: {url: x}}\n");
    assert_eq!(post.scene.run(&["check", "--alerts"]).code, 3);
}

#[test]
fn several_patrols_at_once_send_every_alert_once_and_leave_none_behind() {
    let post = Post::new();
    let mut runs = String::new();
    for run in 0..4 {
        post.scene.write(&format!("{run}.log"), healthy(0, 5) + &failure(run));
        runs.push_str(&format!("{{name: r{run}, log: {run}.log}}, "));
    }
    let config = post.scene.read("trainguard.yaml");
    post.scene.write("trainguard.yaml", config.replace("{name: demo, log: train.log}", &runs));
    let now = post.start.to_rfc3339();
    let patrol = |run: usize| {
        let name = format!("r{run}");
        let mut command = post.scene.command(&["patrol", "-q", "--now", &now, "--run", &name]);
        command.stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let patrols: Vec<_> = (0..4).map(patrol).collect();
    for mut patrol in patrols {
        assert_eq!(patrol.wait().unwrap().code(), Some(2));
    }
    // Whoever could not get the lock twice leaves its alerts to the next patrol.
    post.patrol(1, &["-q"]);
    assert!(post.waiting().is_empty());
    let mut ids: Vec<String> = post.got().iter().flat_map(Got::alerts).collect();
    ids.sort();
    let all = ids.len();
    ids.dedup();
    assert_eq!((all, ids.len()), (4, 4));
}
