//! What a run needs before it starts: told by `check --environment` and by patrols while a run waits.

use crate::scene::{Answer, Scene, healthy};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;

fn scene(environment: &str) -> Scene {
    let scene = Scene::new();
    scene.write("trainguard.yaml", format!("patrol: {{disk_min_gb: 0}}\n{environment}"));
    scene
}

fn check(scene: &Scene) -> Answer {
    scene.run(&["check", "--environment"])
}

fn executable(scene: &Scene, name: &str, script: &str) {
    let path = scene.write(name, format!("#!/bin/sh\n{script}\n"));
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn what_is_there_is_well_and_what_lacks_is_named_with_what_to_do() {
    let well = "environment:\n  commands: [sh, ./here.sh]\n  files: [data.bin]\n  open_files_min: 16\n";
    let scene = scene(well);
    executable(&scene, "here.sh", "exit 1");
    scene.write("data.bin", "x");
    let answer = check(&scene);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.contains("environment   all that is asked for is there"), "{}", answer.stdout);
    let plain = scene.run(&["check"]).stdout;
    assert!(plain.contains("environment   looked at with --environment"), "{plain}");

    let broken = "environment:\n  commands: [no-such-program]\n  files: [gone.bin]\n  shm_min_gb: 1000000\n  open_files_min: 999999999999\n";
    scene.write("trainguard.yaml", broken);
    let answer = check(&scene);
    assert_eq!(answer.code, 1, "{answer:?}");
    for said in [
        "the command no-such-program is not to be found; Install it",
        "gone.bin cannot be read",
        "/dev/shm has",
        "999999999999 are wanted",
    ] {
        assert!(
            answer.stdout.contains("environment   WARNING: ") && answer.stdout.contains(said),
            "no '{said}' in {}",
            answer.stdout
        );
    }
}

#[test]
fn packages_of_debians_own_python_are_read_from_their_metadata() {
    let scene = scene(
        "environment: {python: /usr/bin/python3, packages: {PyYAML: '>=5', jsonschema: '*', no-such-package: '*'}}\n",
    );
    let answer = check(&scene);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(
        answer.stdout.contains("the Python package no-such-package is not installed"),
        "{}",
        answer.stdout
    );
    assert_eq!(
        answer.stdout.matches("WARNING").count(),
        2,
        "the first line and one package: {}",
        answer.stdout
    );
    scene.write("trainguard.yaml", "environment: {python: /usr/bin/python3, packages: {PyYAML: '<1'}}\n");
    let answer = check(&scene);
    assert!(answer.stdout.contains("wanted is <1"), "{}", answer.stdout);
}

#[test]
fn an_interpreter_is_asked_for_torch_only_when_that_is_wanted_and_is_not_waited_for() {
    let scene = scene("environment: {python: bin/python3, torch_cuda: true, timeout: 1s}\n");
    executable(&scene, "bin/python3", "echo asked >> asked; echo noise; echo trainguard True 8 2.4.0");
    assert_eq!(check(&scene).code, 0);
    executable(&scene, "bin/python3", "echo trainguard False 0 2.4.0+cpu");
    let answer = check(&scene);
    assert!(answer.stdout.contains("is not true: torch 2.4.0+cpu finds 0 GPUs"), "{}", answer.stdout);
    executable(&scene, "bin/python3", "echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1");
    let answer = check(&scene);
    assert!(answer.stdout.contains("No module named 'torch'"), "{}", answer.stdout);
    executable(&scene, "bin/python3", "exec sleep 1000");
    let answer = check(&scene);
    assert!(answer.stdout.contains("gave no answer"), "{}", answer.stdout);
    scene.write("trainguard.yaml", "environment: {python: bin/python3, packages: {torch: '*'}}\n");
    assert_eq!(check(&scene).code, 1);
    assert_eq!(scene.read("asked").lines().count(), 1, "metadata needs no interpreter");
    scene.write("trainguard.yaml", "environment: {python: bin/python3, torch_cuda: true}\n");
    std::fs::set_permissions(scene.path("trainguard.yaml"), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(check(&scene).stdout.contains("torch is not asked, for others can change this config"));
}

#[test]
fn patrols_look_while_a_run_waits_and_until_what_was_broken_is_mended() {
    let scene = scene("environment: {commands: [./tool.sh]}\nruns: [{name: demo, log: train.log}]\n");
    scene.write("train.log", "");
    let patrol = || {
        let answer = scene.run(&["patrol", "--format", "json"]);
        let report: Value =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        (answer.code, report["environment"].clone(), answer.stdout)
    };
    let (code, environment, text) = patrol();
    assert_eq!((code, &environment["state"]), (1, &"broken".into()), "{environment:#}");
    assert_eq!(environment["findings"][0]["syndrome"], "environment_broken");
    let schema = include_str!("../../docs/report.schema.json");
    assert_eq!(crate::scene::python(crate::report::VALIDATE, &format!("{schema}\0{text}")), "");
    scene.append("train.log", healthy(0, 20));
    assert_eq!(patrol().0, 1, "it runs, and what was broken still is");
    executable(&scene, "tool.sh", "true");
    assert_eq!(patrol().1["state"], "well");
    let (code, environment, _) = patrol();
    assert_eq!((code, environment), (0, Value::Null), "no run waits, and nothing is open");
    assert_eq!(scene.alerts().len(), 2, "opened and resolved: {:?}", scene.alerts());
    assert!(!scene.read("agent_health.yaml").contains("environment_broken"));
}

#[test]
fn mistakes_in_the_environment_are_named_with_line_and_key() {
    for (environment, said) in [
        ("packages: {torch: latest}", "`latest` is no version"),
        ("command: [git]", "did you mean `commands`?"),
        ("shm_min_gb: 0", "`shm_min_gb` cannot be 0"),
        ("cuda: 12", "`environment.cuda` has the wrong type"),
    ] {
        let scene = scene(&format!("environment:\n  {environment}\n"));
        let answer = scene.run(&["patrol"]);
        assert_eq!(answer.code, 3, "{environment}");
        assert!(
            answer.stderr.contains(said) && answer.stderr.contains("trainguard.yaml:3:"),
            "{}",
            answer.stderr
        );
    }
}
