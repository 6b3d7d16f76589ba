//! Logs of real short runs (`fixtures/README.md` says what is in each): the verdict, and the rows.

use crate::scene::{Answer, Scene, findings};
use serde_json::Value;
use std::path::Path;

fn fixture(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name).display().to_string()
}

fn patrol(log: &str, format: &str) -> Answer {
    let log = fixture(log);
    Scene::new().run(&["patrol", "--log", &log, "--name", "demo", "--stateless", "--format", format])
}

fn report(log: &str) -> Value {
    serde_json::from_str(&patrol(log, "json").stdout).unwrap()
}

/// The rows of a log that carry a training loss.
fn training_rows(log: &str) -> Vec<Value> {
    let answer = Scene::new().run(&["metrics", &fixture(log), "--format", "jsonl"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    let rows = answer.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.filter(|row| row.get("loss").is_some()).collect()
}

#[test]
fn runs_that_end_well_are_well_and_tell_their_last_step_and_loss() {
    for (log, step, loss) in [
        ("gpt-healthy.log", 1000, 0.7115),
        ("gpt-resumed.log", 1000, 0.7159),
        ("classifier-logging.log", 200, 0.1370),
        ("classifier-dict.log", 4, 0.137),
    ] {
        let report = report(log);
        let run = &report["runs"][0];
        let bad = findings(&report).into_iter().find(|(_, severity, _)| severity != "info");
        assert_eq!(bad, None, "{log}: {report:#}");
        assert_eq!((&run["step"], &run["metrics"]["loss"]), (&step.into(), &loss.into()), "{log}");
        assert_eq!(patrol(log, "text").code, 0, "{log}");
    }
}

#[test]
fn the_run_with_a_nan_names_the_line_and_step_where_its_loss_was_lost() {
    let answer = patrol("gpt-nan.log", "text");
    assert_eq!(answer.code, 2, "{answer:?}");
    let first = answer.stdout.lines().next().unwrap();
    for word in ["CRITICAL demo step 1000", "loss is NaN", "line 772", "step 762"] {
        assert!(first.contains(word), "no '{word}' in {first}");
    }
}

#[test]
fn the_run_without_memory_and_the_one_that_bash_saw_killed_are_named_for_what_they_are() {
    for (log, syndrome, line) in
        [("gpt-oom.log", "python_memory_error", 268), ("gpt-killed-bash.log", "host_oom", 311)]
    {
        let report = report(log);
        let found = &report["runs"][0]["findings"][0];
        assert_eq!(found["syndrome"], syndrome, "{report:#}");
        assert_eq!(found["severity"], "critical");
        assert_eq!(found["occurrences"][0]["line"], line);
    }
}

#[test]
fn a_resumed_run_is_a_second_attempt_and_no_other_run_is() {
    for (log, attempts) in [
        ("gpt-healthy.log", 1),
        ("gpt-killed.log", 1),
        ("gpt-resumed.log", 2),
        ("classifier-logging.log", 1),
        ("classifier-dict.log", 1),
        ("keras-bar.log", 1),
        ("keras-epochs.log", 1),
    ] {
        assert_eq!(report(log)["runs"][0]["attempt"], attempts, "{log}");
    }
}

#[test]
fn the_global_step_rises_within_an_attempt_also_where_the_step_starts_again_each_epoch() {
    for log in ["classifier-logging.log", "gpt-healthy.log", "keras-epochs.log"] {
        let answer = Scene::new().run(&["metrics", &fixture(log), "--format", "jsonl"]);
        let rows = answer.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let steps: Vec<_> = rows
            .filter_map(|row| {
                Some((row["attempt"].as_u64()?, row["global_step"].as_f64()?, row["line"].clone()))
            })
            .collect();
        for pair in steps.windows(2) {
            let (before, after) = (&pair[0], &pair[1]);
            assert!(before.0 != after.0 || before.1 <= after.1, "{log}: {before:?}, then {after:?}");
        }
    }
}

#[test]
fn every_training_row_is_read_first_and_last_where_the_readme_says() {
    // (log, rows with a training loss, line and loss of the first and of the last)
    for (log, count, first, last) in [
        ("gpt-healthy.log", 1001, (4, 3.2584), (1012, 0.7115)),
        ("gpt-killed.log", 404, (4, 3.2584), (409, 0.7335)),
        ("gpt-oom.log", 250, (5, 3.2584), (254, 0.8250)),
        ("classifier-logging.log", 160, (1, 2.3448), (163, 0.1370)),
        ("classifier-dict.log", 160, (1, 2.3448), (163, 0.137)),
    ] {
        let rows = training_rows(log);
        assert_eq!(rows.len(), count, "{log}");
        for (row, (line, loss)) in [(&rows[0], first), (&rows[count - 1], last)] {
            assert_eq!(row["line"], line, "{log}: {row}");
            let read = row["loss"].as_f64().unwrap();
            assert!((read - loss).abs() < 5e-5, "{log}: {row}");
        }
    }
}
