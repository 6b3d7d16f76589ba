//! `trainguard heartbeat`: beats from scripts, and what patrols make of them.

use crate::scene::{Scene, until};
use serde_json::Value;

fn scene() -> Scene {
    let scene = Scene::new();
    scene.write(
        "trainguard.yaml",
        "agents:\n  data: {kind: heartbeat, path: run/beat.json, max_age_minutes: 2, error_rate_max: 0.2}\n  own: {kind: heartbeat, max_age_minutes: 0.5}\n",
    );
    scene
}

fn beat(scene: &Scene, name: &str) -> Value {
    serde_json::from_str(&scene.read(name)).unwrap()
}

fn state(scene: &Scene, agent: usize, now: &str) -> (i32, String) {
    let answer = scene.run(&["patrol", "--format", "json", "--now", now]);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    (answer.code, report["agents"][agent]["state"].as_str().unwrap().to_owned())
}

#[test]
fn a_beat_counts_and_keeps_what_else_its_file_holds() {
    let scene = scene();
    scene.write("run/beat.json", "{\"host\": \"a\", \"requests\": 3}");
    for flags in [&["--ok"][..], &["--error"], &[]] {
        let answer = scene.run(&[&["heartbeat", "data", "--now", "2026-03-01T00:00:00Z"], flags].concat());
        assert_eq!((answer.code, answer.stdout.as_str()), (0, ""), "{answer:?}");
    }
    let beat = beat(&scene, "run/beat.json");
    assert_eq!((&beat["requests"], &beat["errors"], &beat["host"]), (&5.into(), &1.into(), &"a".into()));
    assert_eq!(beat["updated_at"], "2026-03-01T00:00:00.000Z");
}

#[test]
fn beats_grow_old_by_fractions_of_minutes() {
    let scene = scene();
    for name in ["data", "own"] {
        assert_eq!(scene.run(&["heartbeat", name, "--now", "2026-03-01T00:00:00Z"]).code, 0);
    }
    assert!(scene.path(".trainguard/own/heartbeat.json").exists());
    assert_eq!(state(&scene, 1, "2026-03-01T00:00:30Z"), (0, "working".into()));
    assert_eq!(state(&scene, 1, "2026-03-01T00:00:31Z"), (1, "silent".into()));
    assert_eq!(state(&scene, 0, "2026-03-01T00:02:00Z").1, "working");
    assert_eq!(state(&scene, 0, "2026-03-01T00:02:01Z").1, "silent");
}

#[test]
fn failing_requests_are_a_warning_of_their_own() {
    let scene = scene();
    let write = |requests: u32, errors: u32, at: &str| {
        scene.write("run/beat.json", format!("updated_at: {at}\nrequests: {requests}\nerrors: {errors}\n"));
        let answer = scene.run(&["patrol", "--format", "json", "--now", at]);
        assert!(answer.code == 1 || answer.code == 3, "{answer:?}");
        let report: Value = serde_json::from_str(&answer.stdout).unwrap();
        report["agents"][0]["severity"].as_str().unwrap().to_owned()
    };
    assert_eq!(write(100, 90, "2026-03-01T00:00:00Z"), "ok", "what was before is history");
    assert_eq!(write(200, 110, "2026-03-01T00:10:00Z"), "ok", "20 of 100");
    assert_eq!(write(220, 130, "2026-03-01T00:20:00Z"), "warning", "40 of 120");
}

#[test]
fn writers_side_by_side_lose_nothing() {
    let scene = scene();
    let writers: Vec<_> = (0..12)
        .map(|index| {
            let flag = if index % 3 == 0 { "--error" } else { "--ok" };
            let script = format!(
                "for i in 1 2 3 4 5; do \"$0\" heartbeat data {flag} --lock-wait 60s || exit 1; done"
            );
            let mut shell = std::process::Command::new("sh");
            shell.args(["-c", &script, crate::scene::BINARY]).current_dir(scene.path(""));
            shell.env("HOME", scene.path("")).spawn().unwrap()
        })
        .collect();
    for mut writer in writers {
        assert!(writer.wait().unwrap().success());
    }
    let beat = beat(&scene, "run/beat.json");
    assert_eq!((beat["requests"].as_u64(), beat["errors"].as_u64()), (Some(60), Some(20)));
    until("nothing is left behind", || !scene.path("run/beat.json.tmp").exists());
}

#[test]
fn what_is_no_heartbeat_is_not_written_over() {
    let scene = scene();
    scene.write("run/beat.json", "precious notes: [half");
    let answer = scene.run(&["heartbeat", "data"]);
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.contains("does not look like a heartbeat"), "{answer:?}");
    assert_eq!(scene.read("run/beat.json"), "precious notes: [half");
    let answer = scene.run(&["heartbeat", "dta"]);
    assert_eq!((answer.code, answer.stderr.contains("did you mean `data`?")), (3, true), "{answer:?}");
    assert_eq!(scene.run(&["heartbeat", "data", "--ok", "--error"]).code, 3);
}
