//! Arguments that do not fit exit 3, never 2; help, and the configuration files that users have, are taken.

use crate::scene::{Scene, healthy};

#[test]
fn argument_errors_exit_3_and_never_2() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 5));
    let lines: &[&[&str]] = &[
        &["--nonsense"],
        &["patroll"],
        &[],
        &["patrol", "--log"],
        &["patrol", "--log", "train.log", "--pid", "zero"],
        &["patrol", "--log", "train.log", "--pid", "0"],
        &["patrol", "--log", "train.log", "--pid", "1", "--match", "x"],
        &["patrol", "--log", "train.log", "--run", "a"],
        &["patrol", "--log", "train.log", "--timeout", "soon"],
        &["patrol", "--log", "train.log", "--format", "xml"],
        &["patrol", "--log", "train.log", "--match", "("],
        &["patrol", "--log", "train.log", "--name", "../up"],
        &["patrol", "--log", "train.log", "--now", "yesterday"],
        &["patrol", "--log", "train[.log"],
        &["patrol", "--log", ""],
        &["patrol", "--config", "absent.yaml"],
        &["ack"],
        &["metrics"],
    ];
    for arguments in lines {
        let answer = scene.run(arguments);
        assert_eq!(answer.code, 3, "{arguments:?}: {answer:?}");
        assert!(!answer.stderr.trim().is_empty(), "{arguments:?} says nothing");
        assert!(answer.stdout.is_empty(), "{arguments:?}: {answer:?}");
    }
    assert!(!scene.path(".trainguard").exists(), "nothing is half-done");
}

#[test]
fn help_and_version_are_answers() {
    let scene = Scene::new();
    for arguments in [&["--help"][..], &["--version"], &["patrol", "--help"], &["ack", "-h"]] {
        let answer = scene.run(arguments);
        assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(!answer.stdout.is_empty());
    }
    let help = scene.run(&["--help"]).stdout;
    for word in ["patrol", "ack", "done", "metrics", "check", "Exit codes", "trainguard patrol --log"] {
        assert!(help.contains(word), "no '{word}' in\n{help}");
    }
    assert!(!help.contains("--now"), "{help}");
}

#[test]
fn the_two_files_that_users_have_load_unchanged_from_a_directory() {
    let scene = Scene::new();
    scene.write("guard/runs.yaml", "runs:\n  - {name: demo, log: ../train.log}\n");
    scene.write("guard/thresholds.yaml", include_str!("files/thresholds.yaml"));
    scene.write("guard/alerts.yaml", include_str!("files/alerts.yaml"));
    scene.write("train.log", healthy(0, 20) + &crate::scene::failure(0));
    let answer = scene.run(&["patrol", "--config", "guard"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(
        scene
            .read("guard/.omc/research/logs/alerts.log")
            .contains(" CRITICAL demo opened cuda_illegal_access ")
    );
    assert!(scene.read("guard/agent_health.yaml").contains("\"demo\""));
    let answer = scene.run(&["check", "--config", "guard"]);
    assert_ne!(answer.code, 3, "{answer:?}");
}
