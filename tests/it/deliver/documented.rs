//! What `docs/alerts.md` holds, as it stands there.

use super::Post;
use crate::scene::{Answer, Scene, failure, healthy};
use std::os::unix::fs::PermissionsExt;

const TEXT: &str = include_str!("../../../docs/alerts.md");

/// The blocks in a language.
fn documented(language: &str) -> Vec<String> {
    let blocks = TEXT.split("```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(&format!("{language}\n"))).map(str::to_owned).collect()
}

/// The script of the mail example, with a mail system that keeps what it is given.
fn mail(scene: &Scene) {
    let sendmail = scene.write("sendmail", "#!/bin/sh\n{ echo \"called with $*\"; cat; } > mail\n");
    let script = documented("sh").remove(0).replace("/usr/sbin/sendmail", &sendmail.display().to_string());
    let script = scene.write("mail.sh", script);
    for program in [sendmail, script] {
        std::fs::set_permissions(program, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

#[test]
fn every_documented_config_is_one_without_a_fault() {
    let examples = documented("yaml");
    assert_eq!(examples.len(), 9);
    for example in examples {
        let scene = Scene::new();
        scene.write("train.log", healthy(0, 3));
        scene.write("trainguard.yaml", format!("runs: [{{name: demo, log: train.log}}]\n{example}"));
        for file in
            ["hook.url", "night.url", "slack.url", "discord.url", "ntfy.url", "teams.url", "telegram.url"]
        {
            scene.write(file, "https://localhost/hook\n");
        }
        mail(&scene);
        let mut command = scene.command(&["check"]);
        let answer: Answer =
            command.env("NTFY_TOKEN", "tk").env("PAGERDUTY_KEY", "pk").output().unwrap().into();
        assert!(answer.stdout.contains("\nchannel "), "{example}\n{answer:?}");
        assert!(!answer.stdout.contains("not in effect"), "{answer:?}");
        // A machine of the tests may lack the sockets.
        let sockets = example.contains("journald");
        assert!(answer.code == 0 || (sockets && answer.code == 1), "{example}\n{answer:?}");
    }
}

#[test]
fn every_field_that_can_be_filled_in_is_documented() {
    for name in trainguard::config::template::FIELDS {
        assert!(TEXT.contains(&format!("`{{{{{name}}}}}`")), "{name}");
    }
}

#[test]
fn a_mail_goes_out_as_documented() {
    let post = Post::with("timeout: 2s", "  mail: {type: command, command: [./mail.sh, ada@example.org]}");
    let config = post.scene.read("trainguard.yaml");
    post.scene.write("trainguard.yaml", config.replace("webhook]", "mail]"));
    mail(&post.scene);
    let answer = post.patrol(0, &[]);
    assert_eq!((answer.code, answer.stderr.as_str()), (2, ""));
    let mail = post.scene.read("mail");
    assert!(mail.starts_with("called with -t -i\nTo: ada@example.org\nSubject: CRITICAL demo step 19: cuda_illegal_access opened\nMessage-ID: <"), "{mail}");
    assert!(mail.contains("\n\nA GPU kernel touched a wrong address") && mail.contains("next: "), "{mail}");
    assert!(mail.contains(failure(0).trim()), "{mail}");
}

#[test]
fn what_teams_telegram_and_pagerduty_are_sent_is_what_they_take() {
    let examples = documented("yaml");
    let example = |service: &str| examples.iter().find(|example| example.contains(service)).unwrap().clone();
    let [teams, telegram, pager] = ["adaptive", "chat_id", "routing_key"].map(|service| {
        let post = Post::new();
        let example =
            example(service).replace("https://events.pagerduty.com/v2/enqueue", &post.server.url("/hook"));
        post.scene.write("trainguard.yaml", format!("runs: [{{name: demo, log: train.log}}]\n{example}"));
        for file in ["teams.url", "telegram.url"] {
            post.scene.write(file, post.server.url("/hook"));
        }
        let mut command = post.scene.command(&["patrol"]);
        let answer: Answer = command.env("PAGERDUTY_KEY", "pk").output().unwrap().into();
        assert_eq!((answer.code, answer.stderr.as_str()), (2, ""));
        let got = post.got();
        assert_eq!(got[0].header("content-type"), Some("application/json"));
        got[0].json()
    });
    let card = &teams["attachments"][0]["content"]["body"];
    assert_eq!(card[0]["text"], "CRITICAL demo step 19: cuda_illegal_access opened");
    assert!(telegram["text"].as_str().unwrap().starts_with("CRITICAL demo step 19"), "{telegram}");
    assert_eq!(
        (&pager["event_action"], &pager["dedup_key"]),
        (&"trigger".into(), &"demo/cuda_illegal_access".into())
    );
    assert_eq!((&pager["payload"]["severity"], &pager["routing_key"]), (&"critical".into(), &"pk".into()));
    assert!(pager["payload"]["custom_details"].is_object(), "{pager}");
}
