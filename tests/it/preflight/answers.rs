//! The question whether to start all the same, and every way in which it is answered.

use super::{Asking, FREE, LONG, Node, ON_SECOND};
use crate::gpu::{NVML, training};
use crate::scene::{BINARY, Process, until};
use std::io::Write;
use std::process::{Command, Stdio};

/// An occupied GPU, and a preflight that asks at once and for long.
fn asked(node: &Node) -> (Process, Asking<'_>) {
    let holder = training(&[]);
    node.occupied(&holder);
    let asking = node.start(&["--wait", "0", "--poll", "100ms", "--decision-timeout", LONG], ON_SECOND);
    (holder, asking)
}

#[test]
fn an_answer_comes_from_respond_by_id_or_run_or_from_a_file() {
    let table: &[(&str, &str, i32, &str)] = &[
        ("id", "stop", 1, "Stop Job"),
        ("id", "Continue Anyway", 0, "Continue Anyway"),
        ("run", "c", 0, "Continue Anyway"),
        ("run", "STOP", 1, "Stop Job"),
        ("file", "Stop Job\n", 1, "Stop Job"),
        ("file", "\n continue anyway", 0, "Continue Anyway"),
    ];
    for (way, choice, code, meant) in table {
        let node = Node::new(NVML);
        let (_holder, asking) = asked(&node);
        let alert = asking.alert();
        match *way {
            "file" => {
                let [(path, _)] = node.questions().try_into().unwrap();
                std::fs::File::create(path.with_extension("response"))
                    .unwrap()
                    .write_all(choice.as_bytes())
                    .unwrap();
            }
            way => {
                let answer = node.respond(if way == "id" { &alert } else { "demo" }, choice);
                let expected = (0, format!("demo: {meant}\n"), String::new());
                assert_eq!((answer.code, answer.stdout, answer.stderr), expected, "{way}");
            }
        }
        asking.says(&format!("{meant}: an operator's answer"));
        assert_eq!(asking.ends(), *code, "{way}");
        let alerts = node.alerts();
        assert!(
            alerts[1].starts_with(&format!("resolved gpu_busy {meant}: an operator's answer")),
            "{alerts:?}"
        );
        // The same once more is what it was; another one comes too late.
        let again = node.respond(&alert, meant);
        assert_eq!(again.code, 0, "{again:?}");
        assert!(again.stdout.contains(&format!(": {meant} (an operator's answer)")), "{again:?}");
        let other = if *meant == "Stop Job" { "continue" } else { "stop" };
        let late = node.respond("demo", other);
        assert_eq!((late.code, late.stdout.as_str()), (3, ""));
        assert!(late.stderr.contains("was answered at 20") && late.stderr.contains(meant), "{late:?}");
    }
}

/// Runs a command line on a terminal of its own; what is typed there is written to its input.
fn on_terminal<'n>(node: &'n Node, line: &str) -> Asking<'n> {
    let mut script = Command::new("script");
    script.args(["-qefc", line, "/dev/null"]).current_dir(node.0.scene.path("")).stdin(Stdio::piped());
    script.env_clear().env("HOME", node.0.scene.path("")).env("SHELL", "/bin/sh");
    node.equip(&mut script);
    node.begin(&mut script)
}

#[test]
fn an_answer_is_typed_on_the_terminal_and_a_line_that_is_written_over_says_what_is_waited_for() {
    for (before, typed, code, meant) in
        [("", "c\n", 0, "Continue Anyway"), ("c\n", "what?\nstop job\n", 1, "Stop Job")]
    {
        let node = Node::new(NVML);
        let holder = training(&[]);
        node.occupied(&holder);
        let line = format!(
            "'{BINARY}' preflight --name demo --wait 4s --poll 100ms --decision-timeout {LONG} -- {}",
            ON_SECOND.join(" ")
        );
        let mut asking = on_terminal(&node, &line);
        asking.says("\r\x1b[Kwaiting 0 s of 4 s: GPU 1 (GPU-bbbbbbbb) is busy: process ");
        // What is typed before the question is no answer to it. The terminal shows what is typed.
        asking.child.stdin.as_mut().unwrap().write_all(before.as_bytes()).unwrap();
        asking.says(&before.replace('\n', "\r\n"));
        asking.says("type c to continue anyway or s to stop the job, then Enter; without an answer within 5 min: Stop Job");
        asking.child.stdin.as_mut().unwrap().write_all(typed.as_bytes()).unwrap();
        asking.says(&format!("{meant}: the terminal"));
        let said = asking.said();
        assert_eq!(asking.ends(), code, "{said}");
        assert_eq!(said.matches("then Enter").count(), typed.lines().count(), "{said}");
    }
}

#[test]
fn a_question_in_the_background_of_a_terminal_takes_nothing_that_is_typed_there() {
    let node = Node::new(NVML);
    let holder = training(&[]);
    node.occupied(&holder);
    let line = format!(
        "set -m; '{BINARY}' preflight --name demo --wait 0 --poll 100ms --decision-timeout {LONG} -- {} & read typed; echo \"the shell has $typed\"; wait $!; echo \"code $?\"",
        ON_SECOND.join(" ")
    );
    let mut asking = on_terminal(&node, &line);
    asking.alert();
    asking.child.stdin.as_mut().unwrap().write_all(b"c\n").unwrap();
    asking.says("the shell has c");
    assert_eq!(node.respond("demo", "continue").code, 0);
    asking.says("code 0");
}

#[test]
fn an_answer_that_is_none_of_the_choices_is_refused_with_what_there_is() {
    let node = Node::new(NVML);
    let nobody = node.respond("demo", "stop");
    assert_eq!(nobody.code, 3);
    assert!(nobody.stderr.contains("no alert asks for an answer in "), "{nobody:?}");
    let (_holder, asking) = asked(&node);
    let alert = asking.alert();
    for (named, choice, said) in [
        (alert.as_str(), "yes", "offers: Continue Anyway, Stop Job"),
        (&alert, "", "offers: Continue Anyway, Stop Job"),
        (&alert[..5], "stop", "(an id needs six digits or more); there are:\n  "),
        ("ffffffffffff", "stop", "no alert or run 'ffffffffffff' asks for an answer; there are:\n  "),
        ("other", "stop", "  demo  gpu_busy  since 20"),
    ] {
        let answer = node.respond(named, choice);
        assert_eq!((answer.code, answer.stdout.as_str()), (3, ""), "{named} {choice}");
        assert!(answer.stderr.contains(said), "{answer:?}");
    }
    let [(path, _)] = node.questions().try_into().unwrap();
    std::fs::File::create(path.with_extension("response")).unwrap().write_all(b"maybe\n").unwrap();
    asking.says("the answer 'maybe' is none of: Continue Anyway, Stop Job");
    // What was not understood may be written again.
    assert_eq!(node.respond(&alert[..6], "stop").code, 0);
    assert_eq!(asking.ends(), 1);
}

#[test]
fn a_question_whose_asker_was_killed_takes_no_answer_and_is_closed_by_the_next_one() {
    let node = Node::new(NVML);
    let (_holder, mut asking) = asked(&node);
    let alert = asking.alert();
    until("the alert is in the file", || !node.alerts().is_empty());
    asking.child.kill().unwrap();
    asking.child.wait().unwrap();
    let answer = node.respond(&alert, "continue");
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.contains("nobody waits for an answer"), "{answer:?}");
    let flags = ["--wait", "0", "--decision-timeout", "0", "--default", "continue"];
    assert_eq!(node.preflight(&flags, ON_SECOND).code, 0);
    let alerts = node.alerts();
    assert!(alerts[1].starts_with("resolved gpu_busy whoever asked has ended (it was: GPU 1"), "{alerts:?}");
    let words: Vec<&str> = alerts.iter().map(|alert| alert.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["opened", "resolved", "opened", "resolved"]);
    assert!(node.questions().iter().all(|(_, question)| !question["outcome"].is_null()));
}

#[test]
fn without_an_answer_the_configured_default_is_taken() {
    let node = Node::new(NVML);
    let holder = training(&[]);
    node.occupied(&holder);
    node.config("preflight: {wait: 0, decision_timeout: 200ms, default: continue}");
    let answer = node.preflight(&[], ON_SECOND);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.ends_with("Continue Anyway: no answer within 0 s\n"), "{answer:?}");
    assert_eq!(node.preflight(&["--default", "stop"], ON_SECOND).code, 1);
    // What is quiet says that it asks, and what came of it.
    let quiet = node.preflight(&["-q"], ON_SECOND);
    assert!(quiet.stdout.starts_with("WARNING demo opened gpu_busy: "), "{quiet:?}");
    node.set(FREE);
    let quiet = node.preflight(&["-q"], ON_SECOND);
    assert_eq!((quiet.code, quiet.stdout.as_str()), (0, ""));
}
