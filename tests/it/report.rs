//! What is printed: JSON that keeps its schema, and text that says it all in its first line.

use crate::scene::{Scene, failure, healthy, python};

pub const VALIDATE: &str = r#"
import json, sys
from jsonschema import Draft202012Validator, FormatChecker
schema, *reports = sys.stdin.read().split("\0")
validator = Draft202012Validator(json.loads(schema), format_checker=FormatChecker())
for report in reports:
    for error in validator.iter_errors(json.loads(report)):
        print(list(error.absolute_path), error.message)
"#;

fn json(scene: &Scene, arguments: &[&str]) -> String {
    scene.run(&[&["patrol", "--format", "json"], arguments].concat()).stdout
}

const DEMO: &[&str] = &["--log", "train.log", "--name", "demo"];

#[test]
fn json_reports_of_all_sorts_keep_the_schema() {
    let mut documents = vec![include_str!("../../docs/report.schema.json").to_owned()];
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    documents.push(json(&scene, DEMO));
    scene.append("train.log", failure(0) + "step 20: loss nan\n" + &failure(1).repeat(30));
    documents.push(json(&scene, DEMO));
    assert!(documents[2].contains("\"occurrences\":[{"), "{}", documents[2]);
    assert_eq!(scene.run(&["ack", "demo", "--for", "1h", "--note", "known"]).code, 0);
    documents.push(json(&scene, DEMO));
    assert!(documents[3].contains("\"acknowledged\":{"), "{}", documents[3]);
    scene.append("train.log", healthy(21, 20));
    documents.push(json(&scene, DEMO));
    assert!(documents[4].contains("\"resolved\""), "{}", documents[4]);

    let own = std::process::id().to_string();
    documents.push(json(&scene, &[DEMO, &["--pid", &own, "--checkpoints", ".", "--stateless"]].concat()));
    documents.push(json(&scene, &["--log", "absent.log", "--name", "absent"]));
    scene.write("other.log", "x\n");
    documents.push(json(&scene, &["--log", "other.log", "--name", "demo"]));
    assert!(documents[7].contains("\"error\":"), "a run that could not be patrolled: {}", documents[7]);
    scene.write("two/trainguard.yaml", "runs:\n  - {name: a, log: a.log, total_steps: 100}\n  - {name: b, process: {pid: 1}}\ntraining: {loss_nan_action: stop}\n");
    scene.write("two/a.log", healthy(0, 20));
    documents.push(json(&scene, &["--config", "two"]));
    let said = python(VALIDATE, &documents.join("\0"));
    assert_eq!(said, "");
}

#[test]
fn the_first_line_has_severity_run_step_what_is_wrong_and_what_is_new() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    let first = scene.patrol(&[]).stdout.lines().next().unwrap().to_owned();
    for word in ["OK demo step 19: ", "loss 1.1", "first patrol", "20 rows"] {
        assert!(first.contains(word), "no '{word}' in {first}");
    }
    scene.append("train.log", failure(0));
    let first = scene.patrol(&[]).stdout.lines().next().unwrap().to_owned();
    assert!(first.starts_with("CRITICAL demo step 19: "), "{first}");
    assert!(first.contains("new: cuda_illegal_access") && first.contains("last patrol"), "{first}");
    let again = scene.patrol(&[]);
    assert!(again.stdout.lines().next().unwrap().contains("nothing new"), "{again:?}");
}

#[test]
fn evidence_names_file_and_line_and_there_is_one_next_action() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20) + &failure(0));
    let answer = scene.patrol(&[]);
    assert!(answer.stdout.contains("train.log:21"), "{answer:?}");
    assert!(answer.stdout.contains("illegal memory access was encountered [hit 0]"), "{answer:?}");
    assert_eq!(answer.stdout.matches("next: ").count(), 1, "{answer:?}");
}

/// A log with every failure that comes to mind, and escape sequences in all of them.
fn noisy(scene: &Scene) {
    let failures = [
        "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB",
        "Traceback (most recent call last):",
        "RuntimeError: NCCL error: unhandled system error",
        "OSError: [Errno 28] No space left on device",
        "Segmentation fault (core dumped)",
        "slurmstepd: error: *** JOB 1 ON n1 CANCELLED AT 2026-01-01T00:00:00 DUE TO TIME LIMIT ***",
        "RuntimeError: CUDA error: an illegal memory access was encountered",
        "RuntimeError: CUDA error: unspecified launch failure",
        "RuntimeError: CUDA error: device-side assert triggered",
    ];
    let mut log = healthy(0, 20);
    for text in failures {
        log += &format!(
            "\x1b[31m{text}\x1b[0m \x1b]0;owned\x07 \x1b[2J\u{9b}5n\u{202e} {}\n",
            "long ".repeat(200)
        )
        .repeat(5);
    }
    scene.write("train.log", log);
}

#[test]
fn off_a_terminal_there_are_at_most_21_lines_and_no_control_characters() {
    let scene = Scene::new();
    noisy(&scene);
    for arguments in [&["--color", "auto"][..], &["-q"], &["--color", "never"], &[]] {
        let answer = scene.patrol(arguments);
        assert_eq!(answer.code, 2, "{answer:?}");
        assert!(answer.stdout.lines().count() <= 21, "{answer:?}");
        assert!(!answer.stdout.chars().any(|c| c.is_control() && c != '\n'), "{answer:?}");
    }
    let first = scene.patrol(&[]).stdout.lines().next().unwrap().to_owned();
    assert!(first.contains("more finding"), "{first}");
}

#[test]
fn escape_sequences_of_a_log_line_reach_neither_terminal_nor_report_nor_alert_file() {
    let scene = Scene::new();
    noisy(&scene);
    let report = scene.patrol(&["--format", "json", "--color", "always"]).stdout;
    let answer = scene.patrol(&["-v", "--color", "never"]);
    let files = scene.read(".trainguard/alerts.log") + &scene.read(".trainguard/agent_health.yaml");
    for (what, text) in [("report", report), ("verdict", answer.stdout), ("file", files)] {
        assert!(!text.contains(['\x1b', '\x07', '\u{9b}', '\u{202e}']), "{what}: {text:?}");
        assert!(!text.contains("\\u001b") && !text.contains("\\u0007"), "{what}: {text}");
        assert!(
            !text.contains("[31m") && !text.contains("0;owned"),
            "{what} holds the rest of a sequence: {text}"
        );
    }
}

#[test]
fn colour_is_only_the_severity_word_and_only_when_asked_for() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    let answer = scene.patrol(&["--color", "always"]);
    assert!(answer.stdout.starts_with("\x1b[1;32mOK\x1b[0m demo"), "{answer:?}");
    assert_eq!(answer.stdout.matches('\x1b').count(), 2);
}

#[test]
fn a_patrol_of_several_runs_says_first_which_need_a_look() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", "runs:\n  - {name: good, log: good.log}\n  - {name: bad, log: bad.log}\n");
    scene.write("good.log", healthy(0, 20));
    scene.write("bad.log", healthy(0, 20));
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.starts_with("OK 2 runs"), "{answer:?}");
    scene.append("bad.log", failure(0));
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    let first = answer.stdout.lines().next().unwrap();
    assert!(
        first.starts_with("CRITICAL 1 of 2 runs") && first.contains("bad (cuda_illegal_access)"),
        "{first}"
    );
    assert!(answer.stdout.contains("OK good step 19"), "{answer:?}");
}

#[test]
fn fail_on_critical_turns_a_warning_into_0_and_nothing_else() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    assert_eq!(scene.patrol(&[]).code, 0);
    scene.write(".trainguard/demo.json", "damaged");
    assert_eq!(scene.patrol(&["--fail-on", "critical"]).code, 0, "state_damaged is a warning");
    scene.write(".trainguard/demo.json", "damaged");
    assert_eq!(scene.patrol(&[]).code, 1);
    scene.append("train.log", failure(0));
    assert_eq!(scene.patrol(&["--fail-on", "critical"]).code, 2);
    assert_eq!(scene.run(&["patrol", "--log", "absent.log", "--fail-on", "critical"]).code, 3);
}
