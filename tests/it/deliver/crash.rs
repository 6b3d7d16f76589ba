//! Killed before every step, and while a receiver holds the answer back: every alert arrives, and a
//! receiver that honours the key stores each once.

use super::server::{Got, Reply};
use super::{Post, entries};
use crate::scene::{Answer, failure, healthy, until};
use chrono::TimeDelta;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::ExitStatusExt as _;

/// More steps than any scene has.
const STEPS_MAX: u64 = 500;

/// What a receiver has stored that knows the keys it has seen: alerts, each with the number of times.
fn stored(got: &[Got]) -> BTreeMap<String, usize> {
    let mut bodies: BTreeMap<String, String> = BTreeMap::new();
    for got in got {
        let body = bodies.entry(got.key()).or_insert_with(|| got.body.clone());
        assert_eq!(*body, got.body, "the same key with another content");
    }
    let mut stored = BTreeMap::new();
    let mut keys = BTreeSet::new();
    for got in got.iter().filter(|got| keys.insert(got.key())) {
        for id in got.alerts() {
            *stored.entry(id).or_default() += 1;
        }
    }
    stored
}

/// Plays a scene to its end after a death before each of its steps. `play` is the patrols before.
#[allow(clippy::print_stdout, reason = "how much was tried is part of the proof")]
fn play(alerts: usize, build: impl Fn() -> Post) {
    let first = first_of_delivery(&build);
    let mut steps = 0;
    for at in first..STEPS_MAX {
        let post = build();
        let died = dies(&post, at);
        for minutes in [180, 300] {
            post.patrol(minutes, &["-q"]);
        }
        let stored = stored(&post.got());
        assert_eq!(stored.len(), alerts, "killed before step {at}: {stored:?}");
        assert!(stored.values().all(|&times| times == 1), "killed before step {at}: {stored:?}");
        assert!(entries(&post.scene).is_empty(), "killed before step {at}");
        let left: Vec<_> = std::fs::read_dir(post.scene.path(".trainguard/outbox")).unwrap().collect();
        let left: Vec<String> =
            left.into_iter().map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        let left: Vec<&String> = left.iter().filter(|name| !name.contains(".tmp")).collect();
        assert_eq!(left, ["delivered.json"], "killed before step {at}");
        if !died {
            break;
        }
        steps = at - first;
    }
    assert!((10..STEPS_MAX - first - 1).contains(&steps), "{steps} steps");
    println!("{steps} crash points of delivery, after {first} before it");
}

/// Whether a patrol an hour after the start was killed before its step `at`.
fn dies(post: &Post, at: u64) -> bool {
    let now = (post.start + TimeDelta::minutes(60)).to_rfc3339();
    let mut command = post.scene.command(&["patrol", "-q", "--now", &now]);
    let output = command.env("TRAINGUARD_DIE_AT", at.to_string()).output().unwrap();
    output.status.signal() == Some(9)
}

/// The first step after the verdict: what comes before is played by the crashes of patrols themselves.
fn first_of_delivery(build: &impl Fn() -> Post) -> u64 {
    let (mut before, mut after) = (1, STEPS_MAX);
    while after - before > 1 {
        let (post, middle) = (build(), u64::midpoint(before, after));
        let told = post.scene.alerts().len();
        dies(&post, middle);
        // The alert file is served first.
        let served = post.scene.alerts().len() > told;
        *(if served { &mut after } else { &mut before }) = middle;
    }
    before
}

#[test]
fn a_patrol_that_dies_anywhere_on_the_way_of_one_alert() {
    play(1, Post::new);
}

#[test]
fn a_patrol_that_dies_anywhere_on_the_way_of_a_message_of_several() {
    play(4, || several("timeout: 2s"));
}

#[test]
fn a_patrol_that_dies_anywhere_while_a_message_is_repeated() {
    play(4, || {
        let post = several("timeout: 2s");
        post.server.reply([Reply::Close]);
        post.patrol(0, &["-q"]);
        assert_eq!(post.waiting().len(), 4);
        post
    });
}

#[test]
fn a_patrol_that_dies_anywhere_while_an_alert_is_refused_ends_with_it_kept_or_sent() {
    let build = || {
        let post = Post::new();
        post.server.reply([Reply::Status(404, "")]);
        post
    };
    for at in first_of_delivery(&build)..STEPS_MAX {
        let post = build();
        let died = dies(&post, at);
        post.patrol(120, &["-q"]);
        post.patrol(240, &["-q"]);
        let sent = post.got().len() > 1;
        assert!(sent || post.waiting().len() == 1, "killed before step {at}");
        let retried: Answer = post.scene.run(&["alerts", "retry"]);
        assert_eq!(retried.code, 0, "killed before step {at}: {retried:?}");
        let stored = stored(&post.got());
        assert_eq!(stored.len(), 1, "killed before step {at}");
        if !died {
            return;
        }
    }
}

#[test]
fn a_patrol_that_dies_while_the_receiver_holds_the_answer_back_repeats_key_and_content() {
    for build in [Post::new, || several("timeout: 10s")] {
        let post = build();
        post.server.reply([Reply::Hang]);
        let now = post.start.to_rfc3339();
        let mut patrol = post.scene.command(&["patrol", "-q", "--now", &now]).spawn().unwrap();
        until("the receiver has the request", || !post.got().is_empty());
        patrol.kill().unwrap();
        patrol.wait().unwrap();
        // Something new comes before the next patrol: it is another message.
        post.scene
            .append("train.log", "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n");
        post.patrol(1, &["-q"]);
        let got = post.got();
        assert_eq!((&got[0].key(), &got[0].body), (&got[1].key(), &got[1].body));
        assert!(got.len() > 2, "what came since is sent as well");
        assert!(stored(&got).values().all(|&times| times == 1));
        assert!(post.waiting().is_empty());
    }
}

/// As many runs that failed at once as make a roll-up.
fn several(keys: &str) -> Post {
    let post = Post::with(keys, "");
    let mut runs = String::new();
    for run in 0..4 {
        let log = if run == 0 { "train.log".to_owned() } else { format!("{run}.log") };
        post.scene.write(&log, healthy(0, 5) + &failure(run));
        runs.push_str(&format!("{{name: r{run}, log: {log}}}, "));
    }
    let config = post.scene.read("trainguard.yaml");
    post.scene.write("trainguard.yaml", config.replace("{name: demo, log: train.log}", &runs));
    post
}
