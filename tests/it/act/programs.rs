//! Programs of the user's.

use super::{entries, fails, seen, state, told};
use crate::scene::Scene;
use serde_json::Value;

#[test]
fn a_program_is_given_the_finding_and_runs_once() {
    let scene = Scene::new();
    let training = seen(&scene, "  actions: {cuda_illegal_access: {command: [./tell.sh, now]}}");
    scene.write(
        "tell.sh",
        "#!/bin/sh\ncat > finding.json\nenv | grep ^TRAINGUARD_ > variables\necho ran \"$1\" >> ran\necho well done >&2\n",
    );
    std::fs::set_permissions(scene.path("tell.sh"), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    fails(&scene);
    for _ in 0..3 {
        scene.run(&["patrol"]);
    }
    assert_eq!(scene.read("ran"), "ran now\n");
    let finding: Value = serde_json::from_str(&scene.read("finding.json")).unwrap();
    assert_eq!(finding["syndrome"], "cuda_illegal_access");
    assert!(finding["occurrences"][0]["line"].is_u64());
    let variables = scene.read("variables");
    for line in [
        "TRAINGUARD_RUN=demo".to_owned(),
        "TRAINGUARD_SYNDROME=cuda_illegal_access".to_owned(),
        "TRAINGUARD_SEVERITY=critical".to_owned(),
        format!("TRAINGUARD_PID={}", training.pid()),
    ] {
        assert!(variables.lines().any(|variable| variable == line), "no {line}:\n{variables}");
    }
    let [taken] = told(&scene, "action_taken").try_into().unwrap();
    assert!(taken.contains("it said: well done"), "{taken}");
    assert!(state(training.pid()).is_some());
}

#[test]
fn a_program_that_takes_too_long_is_ended_with_all_it_started_and_one_that_fails_is_told() {
    let scene = Scene::new();
    scene.write("child.sh", "echo $$ > child\nexec sleep 1000\n");
    let _training = seen(
        &scene,
        "  actions: {cuda_illegal_access: {command: [sh, -c, 'sh child.sh & sleep 1000'], timeout: 1s}}",
    );
    fails(&scene);
    scene.run(&["patrol"]);
    let [outcome] = entries(&scene, "command", "outcome").try_into().unwrap();
    assert!(
        outcome["ok"] == false && outcome["said"].as_str().unwrap().contains("took longer than"),
        "{outcome}"
    );
    let child: i32 = scene.read("child").trim().parse().unwrap();
    crate::scene::until("its child is ended", || state(child).is_none());
    assert_eq!(told(&scene, "action_failed").len(), 1);
}

#[test]
fn a_program_that_fails_talks_without_end_or_is_not_there_is_told_in_bounds() {
    for (command, says) in [
        ("[sh, -c, 'echo no chance >&2; exit 3']", "exit status: 3"),
        ("[sh, -c, 'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done'], timeout: 1s", "took longer than"),
        ("[./nothing]", "cannot be started"),
    ] {
        let scene = Scene::new();
        let _training = seen(&scene, &format!("  actions: {{critical: {{command: {command}}}}}"));
        fails(&scene);
        scene.run(&["patrol"]);
        let [failed] = told(&scene, "action_failed").try_into().unwrap();
        assert!(failed.contains(says) && failed.len() < 1200, "{failed}");
    }
}
