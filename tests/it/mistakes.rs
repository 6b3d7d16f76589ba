//! Mistakes on the command line and in the config: exit 3, never 2, and what to do about it.

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
fn a_patrol_of_nothing_prints_the_two_commands_to_type() {
    let scene = Scene::new();
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    let commands = answer.stderr.lines().filter(|line| line.contains("trainguard patrol --")).count();
    assert_eq!(commands, 2, "{answer:?}");
    assert!(answer.stderr.contains("--log") && answer.stderr.contains("--config"), "{answer:?}");
}

#[test]
fn a_mistake_in_the_config_names_its_place_with_a_caret_and_exits_3() {
    let run = "runs:\n  - name: demo\n    log: train.log\n";
    // (the section with the mistake, its line and column, what is said)
    let mistakes = [
        ("patrol:\n  disk_min_gbb: 3\n", "5:3", vec!["unknown key `disk_min_gbb`", "did you mean `disk_min_gb`?"]),
        ("patrol:\n  disk_min_gb: ten\n", "5:16", vec!["disk_min_gb", "wrong type"]),
        ("patrol:\n  disk_min_gb: 3\n  disk_min_gb: 4\n", "6:3", vec!["disk_min_gb"]),
        ("training:\n  memory_usage_max: 95\n", "5:21", vec!["memory_usage_max", "95"]),
        ("health_file: ${NOWHERE}/h.yaml\n", "4:14", vec!["NOWHERE"]),
    ];
    for (section, place, words) in mistakes {
        let scene = Scene::new();
        scene.write("train.log", healthy(0, 5));
        scene.write("trainguard.yaml", format!("{run}{section}"));
        for command in ["patrol", "check"] {
            let answer = scene.run(&[command]);
            assert_eq!(answer.code, 3, "{section}{answer:?}");
            assert!(answer.stderr.contains(&format!("trainguard.yaml:{place}")), "{section}{answer:?}");
            for word in &words {
                assert!(answer.stderr.contains(word), "no '{word}': {answer:?}");
            }
            let lines: Vec<_> = answer.stderr.lines().collect();
            let caret = lines.iter().position(|line| line.trim_start_matches([' ', '|']).starts_with('^'));
            let caret = caret.unwrap_or_else(|| panic!("no caret: {answer:?}"));
            let column: usize = place.split_once(':').unwrap().1.parse().unwrap();
            let source = format!("{run}{section}");
            let source = source.lines().nth(place[..1].parse::<usize>().unwrap() - 1).unwrap();
            let shown = lines[caret - 1].find(source).unwrap_or_else(|| panic!("no source line: {answer:?}"));
            assert_eq!(lines[caret].find('^').unwrap(), shown + column - 1, "{answer:?}");
        }
        assert!(!scene.path(".trainguard").exists() && !scene.path("agent_health.yaml").exists());
    }
}

#[test]
fn an_unknown_run_names_the_runs_that_there_are() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", "runs:\n  - {name: large, log: a.log}\n  - {name: small, log: b.log}\n");
    let answer = scene.run(&["patrol", "--run", "lagre"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("lagre") && answer.stderr.contains("large"), "{answer:?}");
}

#[test]
fn a_key_without_effect_in_this_version_is_named_in_the_verdict() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    scene.write("trainguard.yaml", "runs:\n  - {name: demo, log: train.log}\ntraining:\n  gpu_util_min: 0.3\n");
    let answer = scene.run(&["patrol"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("gpu_util_min") && answer.stdout.contains("not in effect"), "{answer:?}");
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
    assert!(scene.read("guard/.omc/research/logs/alerts.log").contains(" CRITICAL demo opened cuda_illegal_access "));
    assert!(scene.read("guard/agent_health.yaml").contains("\"demo\""));
    let answer = scene.run(&["check", "--config", "guard"]);
    assert_ne!(answer.code, 3, "{answer:?}");
}
