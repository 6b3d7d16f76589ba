//! One line of a log that tries everything, through every channel there is.

use super::{Post, Server};
use crate::scene::healthy;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

const TOKEN: &str = "hf_aB3dE5gH7jK9aB3dE5gH7jK9";
const OWN: &str = "correct horse battery";

/// A failure, and what rides on it.
fn nasty() -> Vec<u8> {
    format!(
        "RuntimeError: CUDA error: an illegal memory access was encountered \x1b]0;title\x07\x1b[31m::error::<!channel> @everyone `a` ```b``` ]]> &amp; \u{202e}{TOKEN} {OWN}\r\n::error::planted\n"
    )
    .into_bytes()
}

fn expect_harmless(what: &str, text: &str) {
    assert!(!text.contains(TOKEN), "{what}: the token\n{text}");
    assert!(!text.contains(OWN), "{what}: a secret of the environment\n{text}");
    assert!(text.contains("[redacted]"), "{what}: what was there is said\n{text}");
    let odd = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(odd), "{what}: a character that commands\n{text:?}");
    assert!(
        !text.lines().any(|line| line.trim_start().starts_with("::")),
        "{what}: a workflow command\n{text}"
    );
}

fn received(socket: &UnixDatagram) -> Vec<String> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = vec![0; 65_536];
    let mut all = Vec::new();
    while let Ok(length) = socket.recv(&mut buffer) {
        all.push(String::from_utf8(buffer[..length].to_vec()).unwrap());
    }
    all
}

#[test]
fn a_line_that_tries_everything_is_harmless_in_every_channel() {
    let server = Server::start();
    let hook = |name: &str, more: &str| {
        format!(
            "  {name}: {{type: webhook, format: {name}, url: '{}'{more}}}\n",
            server.url(&format!("/{name}"))
        )
    };
    let mut channels = ["slack", "discord", "ntfy", "generic"].map(|name| hook(name, "")).concat();
    channels += &hook("generic", ", body: {text: '{{title}} {{message}} {{line}}'}, secret: k")
        .replacen("generic", "own", 1);
    channels += "  tell: {type: command, command: [./tell.sh]}\n  syslog: {socket: log}\n  journald: {socket: journal}\n";
    let post = Post::with("timeout: 2s", &channels);
    let config = post
        .scene
        .read("trainguard.yaml")
        .replace("webhook]", "webhook, slack, discord, ntfy, generic, own, tell, syslog, journald]");
    post.scene.write("trainguard.yaml", config);
    let script = post.scene.write("tell.sh", "#!/bin/sh\n{ cat; printf '%s\\n' \"$TRAINGUARD_TITLE\" \"$TRAINGUARD_TEXT\" \"$TRAINGUARD_SEVERITY\"; } >> told\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let (log, journal) =
        ["log", "journal"].map(|name| UnixDatagram::bind(post.scene.path(name)).unwrap()).into();
    post.scene.write("train.log", [healthy(0, 20).into_bytes(), nasty()].concat());
    let mut command = post.scene.command(&["patrol", "-q"]);
    let answer: crate::scene::Answer = command.env("TEAM_SECRET", OWN).output().unwrap().into();
    assert_eq!((answer.code, answer.stderr.as_str()), (2, ""));
    assert!(post.waiting().is_empty(), "{:?}", post.waiting());

    expect_harmless("terminal", &answer.stdout);
    expect_harmless("file", &post.scene.alerts().join("\n"));
    let told = post.scene.read("told");
    expect_harmless("command", &told);
    assert!(
        told.ends_with("\ncritical\n") && !told.contains(['<', '>']) || told.contains("<!channel>"),
        "{told}"
    );
    let lines = received(&log);
    assert_eq!(lines.len(), 1);
    expect_harmless("syslog", &lines[0]);
    assert!(lines[0].starts_with("<26>") && lines[0].contains(" trainguard["), "{lines:?}");
    let entries = received(&journal);
    assert_eq!(entries.len(), 1);
    expect_harmless("journald", &entries[0]);
    for field in [
        "MESSAGE=CRITICAL demo",
        "PRIORITY=2",
        "TRAINGUARD_RUN=demo",
        "TRAINGUARD_SYNDROME=cuda_illegal_access",
    ] {
        assert!(entries[0].lines().any(|line| line.starts_with(field)), "{field}: {entries:?}");
    }
    assert!(entries[0].lines().all(|line| line.split_once('=').is_some()), "{entries:?}");

    let got = server.got();
    assert_eq!(got.len(), 5, "{got:?}");
    for got in &got {
        let text = if got.path == "/ntfy" { got.body.clone() } else { strings(&got.json()) };
        expect_harmless(&got.path, &text);
        if got.path != "/ntfy" {
            assert!(!got.body.contains(['<', '>', '&']), "{got:?}");
        }
        if ["/slack", "/discord"].contains(&got.path.as_str()) {
            assert!(!text.contains("@everyone"), "{text}");
        }
        if got.path == "/slack" {
            assert!(!text.contains('<') && text.contains("&lt;!channel&gt;"), "{text}");
        }
        if got.path == "/discord" {
            assert_eq!(got.json()["allowed_mentions"], serde_json::json!({"parse": []}));
        }
    }
    assert_eq!(got.iter().filter(|got| got.header("x-hub-signature-256").is_some()).count(), 1);
    let titles = got.iter().filter_map(|got| got.header("title"));
    assert_eq!(titles.collect::<Vec<_>>(), ["CRITICAL demo step 19: cuda_illegal_access opened"]);
}

/// All texts in a value, one per line.
fn strings(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text) => text.clone() + "\n",
        Value::Array(list) => list.iter().map(strings).collect(),
        Value::Object(map) => map.values().map(strings).collect(),
        _ => String::new(),
    }
}

#[test]
fn a_command_that_hangs_floods_or_fails_is_ended_and_tried_again() {
    for (script, why) in [
        ("sleep 600 & exec sleep 600", "took longer than"),
        ("yes trouble | head -c 2000000 >&2; exit 3", "exit status: 3): trouble"),
        ("exit 75", "exit status: 75)"),
        ("kill -9 $$", "signal: 9"),
    ] {
        let post = Post::with("timeout: 2s", "  tell: {type: command, command: [./tell.sh], timeout: 1s}\n");
        let config = post.scene.read("trainguard.yaml");
        post.scene.write("trainguard.yaml", config.replace("webhook]", "tell]"));
        let write = |script: &str| {
            let path = post.scene.write("tell.sh", format!("#!/bin/sh\n{script}\n"));
            std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        };
        write(script);
        let begin = std::time::Instant::now();
        let answer = post.patrol(0, &[]);
        assert!(begin.elapsed() < Duration::from_secs(30), "{script}");
        assert_eq!(answer.code, 2);
        assert!(answer.stderr.contains("channel tell: ") && answer.stderr.contains(why), "{answer:?}");
        assert_eq!(post.waiting().len(), 1);
        write("cat > told");
        post.patrol(120, &[]);
        assert!(post.scene.read("told").contains("cuda_illegal_access"), "{script}");
        assert!(post.waiting().is_empty());
    }
}

#[test]
fn a_log_of_the_machine_that_is_not_there_gets_its_line_later() {
    let post = Post::with("timeout: 2s", "  syslog: {socket: log}\n");
    let config = post.scene.read("trainguard.yaml");
    post.scene.write("trainguard.yaml", config.replace("webhook]", "syslog]"));
    let answer = post.patrol(0, &[]);
    assert!(
        answer.stderr.contains("channel syslog: ") && answer.stderr.contains("takes nothing"),
        "{answer:?}"
    );
    let log = UnixDatagram::bind(post.scene.path("log")).unwrap();
    post.patrol(120, &[]);
    assert!(received(&log).iter().any(|line| line.contains("cuda_illegal_access")));
}
