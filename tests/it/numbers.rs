//! A loss that is no number any more: told with line and step, and agents read the same values.

use crate::scene::{Scene, findings, healthy, python};

/// Compares the health file (by `yaml.safe_load`) with the JSON report of the same patrol.
const SAME: &str = r#"
import json, sys, yaml
health, report = sys.stdin.read().split("\0")
health, run = yaml.safe_load(health), json.loads(report)["runs"][0]
entry = health["runs"]["demo"]
assert health["schema"] == "trainguard/health/1", health
assert entry["phase"] == run["phase"], entry
assert entry["step"] == run["step"], entry
assert entry["loss"]["latest"] == run["metrics"].get("loss"), entry
best = run["best_loss"] or {}
assert entry["loss"]["best"] == best.get("value"), entry
assert entry["updated_at"] <= entry["next_patrol_by"], entry
told = [(finding["syndrome"], finding["severity"]) for finding in entry["findings"]]
expected = [(finding["syndrome"], finding["severity"]) for finding in run["findings"] if finding["state"] in ("new", "ongoing")]
assert told == expected, (told, expected)
print(health["status"], entry["status"])
"#;

/// The statuses of the health file and of the run, once both agree with the report.
fn health(scene: &Scene) -> String {
    let report = scene.patrol(&["--format", "json"]).stdout;
    python(SAME, &(scene.read(".trainguard/agent_health.yaml") + "\0" + &report)).trim().to_owned()
}

#[test]
fn a_nan_is_critical_with_line_and_step_in_verdict_alert_and_health_file() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 30));
    assert_eq!(health(&scene), "OK OK");
    scene.append("train.log", "step 30: loss nan, lr 1e-3\nstep 31: loss nan, lr 1e-3\n");
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 2, "{answer:?}");
    let first = answer.stdout.lines().next().unwrap();
    assert!(first.starts_with("CRITICAL demo step 31: "), "{first}");
    assert!(first.contains("loss") && first.to_lowercase().contains("nan"), "{first}");
    assert!(answer.stdout.contains("nan_loss"), "{answer:?}");
    assert!(answer.stdout.contains("step 30"), "the first step of it: {answer:?}");
    assert!(answer.stdout.contains("train.log:31") || answer.stdout.contains("line 31"), "{answer:?}");
    let alerts = scene.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert!(alerts[0].contains(" CRITICAL demo opened nan_loss "), "{alerts:#?}");
    assert_eq!(health(&scene), "CRITICAL CRITICAL");
    assert_eq!(scene.alerts(), alerts);
}

#[test]
fn an_infinite_loss_is_critical_too() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 30) + "step 30: loss inf, lr 1e-3\n");
    let report = scene.report(&[]);
    let found = findings(&report);
    assert!(found.contains(&("nan_loss".into(), "critical".into(), "new".into())), "{found:?}");
    assert_eq!(report["runs"][0]["metrics"]["loss"], "Infinity");
    assert_eq!(health(&scene), "CRITICAL CRITICAL");
}

#[test]
fn a_nan_that_three_finite_rows_follow_is_demoted_and_takes_the_exit_code_with_it() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 30) + "step 30: loss nan, lr 1e-3\n");
    assert_eq!(scene.patrol(&[]).code, 2);
    scene.append("train.log", healthy(31, 2));
    assert_eq!(scene.patrol(&[]).code, 2, "two finite rows are too few");
    scene.append("train.log", healthy(33, 1));
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(health(&scene), "OK OK");
}

#[test]
fn a_nan_among_finite_rows_of_one_patrol_is_no_alarm() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 30) + "step 30: loss nan\n" + &healthy(31, 30));
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(!scene.alerts().iter().any(|line| line.contains("CRITICAL")), "{:#?}", scene.alerts());
}

#[test]
fn a_log_whose_words_look_like_yaml_stays_one_document_of_strings() {
    let scene = Scene::new();
    scene.write(
        "train.log",
        healthy(0, 5) + "RuntimeError: CUDA error: out of memory \" : - {x: *y} \u{85}\t\n",
    );
    assert_eq!(scene.patrol(&[]).code, 2);
    assert_eq!(health(&scene), "CRITICAL CRITICAL");
}

#[test]
fn metrics_prints_the_rows_as_json_lines_and_csv_and_a_table() {
    let scene = Scene::new();
    scene.write("train.log", "hello\nstep 1: loss 2.5, lr 1e-3\n{\"step\": 2, \"loss\": NaN}\n");
    let answer = scene.run(&["metrics", "train.log", "--format", "jsonl"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let rows: Vec<serde_json::Value> =
        answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert_eq!((&rows[0]["line"], &rows[0]["step"], &rows[0]["loss"]), (&2.into(), &1.into(), &2.5.into()));
    assert_eq!((&rows[1]["line"], &rows[1]["loss"]), (&3.into(), &"NaN".into()));
    for (format, lines) in [("csv", 3), ("table", 4)] {
        let answer = scene.run(&["metrics", "train.log", "--format", format]);
        let said = "a head and two rows, and how many under the table";
        assert_eq!((answer.code, answer.stdout.lines().count()), (0, lines), "{said}: {answer:?}");
        assert!(answer.stdout.lines().next().unwrap().contains("loss"), "{answer:?}");
    }
    let answer = scene.run(&["metrics", "absent.log"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("absent.log"), "{answer:?}");
}
