//! A config that is wrong: named with its place, exit 3, and nothing half-applied.

use crate::scene::{Scene, healthy};
use std::os::unix::fs::PermissionsExt as _;

/// A scene with a healthy log and this config.
fn with_config(config: &str) -> Scene {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    scene.write("trainguard.yaml", config);
    scene
}

const RUN: &str = "runs:\n  - {name: demo, log: train.log}\n";

#[test]
fn every_kind_of_mistake_exits_3_names_its_place_and_leaves_nothing_behind() {
    let table = [
        ("patrol:\n  disk_min_gbb: 10\n", "2:3", "did you mean `disk_min_gb`?"),
        ("patrol:\n  disk_min_gb: ten\n", "2:16", "the text \"ten\" where a number should be"),
        ("patrol: {disk_min_gb: 1}\npatrol: {disk_min_gb: 2}\n", "2:1", "for the second time"),
        ("patrol:\n  loss_plateau_patience: 0\n", "2:26", "cannot be 0"),
        ("patrol:\n  disk_min_gb: ${NOT_SET_ANYWHERE}\n", "2:16", "`NOT_SET_ANYWHERE` is not set"),
        ("patrol:\n\tdisk_min_gb: 3\n", "2:1", "YAML takes no tabs"),
        ("runs:\n  - log: train.log\n", "2:5", "this run has no `name`"),
        ("metrics:\n  aliases: {my_objective: losss}\n", "2:27", "did you mean `loss`?"),
        ("metrics:\n  alias: {my_objective: loss}\n", "2:3", "did you mean `aliases`?"),
        ("severity_routing: {critical: [termnal]}\n", "1:31", "did you mean `terminal`?"),
    ];
    for (mistake, place, expected) in table {
        let scene = with_config(&format!("{mistake}{}", if mistake.starts_with("runs") { "" } else { RUN }));
        for command in ["patrol", "check"] {
            let answer = scene.run(&[command, "--config", "trainguard.yaml"]);
            assert_eq!(answer.code, 3, "{command} {mistake}: {answer:?}");
            assert_eq!(answer.stdout, "", "{command} {mistake}");
            let start = format!("trainguard: trainguard.yaml:{place}: ");
            assert!(answer.stderr.starts_with(&start), "{command} {mistake}: {}", answer.stderr);
            assert!(answer.stderr.contains(expected), "{command} {mistake}: {}", answer.stderr);
        }
        assert!(!scene.path(".trainguard").exists(), "{mistake}");
        assert!(!scene.path("agent_health.yaml").exists(), "{mistake}");
    }
}

#[test]
fn the_whole_message_is_the_place_the_line_a_caret_and_the_next_step() {
    let scene = with_config("patrol:\n  disk_min_gb: -1\n");
    let answer = scene.run(&["patrol", "--config", "trainguard.yaml"]);
    assert_eq!(
        answer.stderr,
        "trainguard: trainguard.yaml:2:16: `disk_min_gb` cannot be -1\n 2 |   disk_min_gb: -1\n   |                ^\nit is a number from 0 up to 1e9 (GB of 10^9 bytes; 0 never warns)\n"
    );
}

#[test]
fn a_config_that_is_not_there_is_no_reason_to_look_elsewhere() {
    let scene = with_config(RUN);
    let answer = scene.run(&["patrol", "--config", "other.yaml"]);
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.starts_with("trainguard: other.yaml: cannot read the config"), "{answer:?}");
    let answer = scene.command(&["patrol"]).env("TRAINGUARD_CONFIG", "gone").output().unwrap();
    assert_eq!(answer.status.code(), Some(3));
}

#[test]
fn without_config_and_log_the_two_commands_to_type_are_printed() {
    let answer = Scene::new().run(&["patrol"]);
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.contains("\n  trainguard patrol --log train.log\n"), "{answer:?}");
    assert!(answer.stderr.contains("> trainguard.yaml && trainguard patrol\n"), "{answer:?}");
}

#[test]
fn a_config_that_guards_nothing_is_not_well() {
    let scene = with_config("patrol: {disk_min_gb: 1}\n");
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("names no runs"), "{answer:?}");
    assert_eq!(scene.run(&["check"]).code, 0);
}

#[test]
fn a_run_that_the_config_does_not_have_is_answered_with_the_nearest() {
    let answer = with_config(RUN).run(&["patrol", "--run", "dmo"]);
    assert_eq!(answer.code, 3);
    assert_eq!(answer.stderr, "trainguard: there is no run `dmo`: did you mean `demo`?\n");
}

#[test]
fn what_is_not_in_effect_and_who_else_can_write_are_said_in_the_verdict() {
    let run = "runs:\n- {name: demo, log: train.log, workdir: .}\n";
    let scene = with_config(&format!("patrol: {{disk_min_gb: 0}}\n{run}"));
    let mode = std::fs::Permissions::from_mode(0o666);
    std::fs::set_permissions(scene.path("trainguard.yaml"), mode).unwrap();
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(answer.stdout.matches("workdir is not in effect in this version").count(), 1, "{answer:?}");
    assert!(answer.stdout.contains("is writable by everybody: chmod go-w"), "{answer:?}");
}
