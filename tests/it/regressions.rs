//! What once went wrong, each told as a user met it.

use crate::scene::{Process, Scene, healthy};
use serde_json::Value;
use std::fs;
use std::process::Command;

/// The severities and states of the findings of one syndrome.
fn of(report: &Value, syndrome: &str) -> Vec<(String, String)> {
    let all = crate::scene::findings(report).into_iter();
    all.filter(|(id, ..)| id == syndrome).map(|(_, severity, state)| (severity, state)).collect()
}

fn run(report: &Value) -> &Value {
    &report["runs"][0]
}

/// The log is cut to nothing and the next run writes into it: `python train.py > train.log`.
fn start_over(scene: &Scene, text: &str) {
    scene.write("train.log", text);
}

const NAN: &str = "step 3: loss nan, lr 1e-3\nstep 4: loss nan, lr 1e-3\n";

#[test]
fn a_run_that_is_started_over_its_old_log_after_done_is_guarded_again() {
    // The second log ends before and behind the offset up to which the first was read.
    for rows in [3, 400] {
        let scene = Scene::new();
        scene.write("train.log", healthy(0, 60));
        assert_eq!(scene.patrol(&[]).code, 0);
        assert_eq!(scene.run(&["done", "demo"]).code, 0);
        assert_eq!(run(&scene.report(&[]))["phase"], "finished");
        start_over(&scene, &format!("started again\n{}", healthy(0, rows)));
        let report = scene.report(&[]);
        assert_eq!((&run(&report)["attempt"], &run(&report)["phase"]), (&2.into(), &"patrol".into()));
        scene.append("train.log", NAN);
        let answer = scene.patrol(&[]);
        assert_eq!(answer.code, 2, "{rows} rows: {answer:?}");
        assert!(answer.stdout.contains("nan_loss"), "{answer:?}");
    }
}

#[test]
fn a_run_that_is_started_over_its_old_log_after_done_and_fails_before_its_first_row_is_told() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 60));
    scene.patrol(&[]);
    scene.run(&["done", "demo"]);
    start_over(&scene, &crate::scene::failure(0));
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains("cuda_illegal_access"), "{answer:?}");
}

#[test]
fn every_start_over_the_old_log_is_another_attempt() {
    let scene = Scene::new();
    for attempt in 1..6 {
        start_over(&scene, &format!("start number {attempt}\n{}", healthy(0, 70 - 9 * attempt)));
        assert_eq!(run(&scene.report(&[]))["attempt"], attempt, "attempt {attempt}");
        scene.append("train.log", healthy(70, 5));
        assert_eq!(run(&scene.report(&[]))["attempt"], attempt, "attempt {attempt} goes on");
    }
}

#[test]
fn a_rotation_while_the_steps_go_on_is_no_attempt() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 60));
    scene.patrol(&[]);
    for round in 1..4 {
        fs::rename(scene.path("train.log"), scene.path(format!("train.log.{}", 4 - round))).unwrap();
        scene.write("train.log", healthy(60 * round, 60));
        let report = scene.report(&[]);
        assert_eq!((&run(&report)["attempt"], &run(&report)["step"]), (&1.into(), &(60 * round + 59).into()));
    }
    // What stands in an archive that cannot be searched was moved there all the same.
    fs::remove_file(scene.path("train.log")).unwrap();
    scene.write("train.log-20260101.zst", "packed");
    scene.write("train.log", healthy(240, 60));
    assert_eq!(run(&scene.report(&[]))["attempt"], 1);
    fs::rename(scene.path("train.log"), scene.path("train.log.0")).unwrap();
    scene.write("train.log", healthy(0, 10));
    assert_eq!(run(&scene.report(&[]))["attempt"], 2, "and one whose steps begin again is");
}

/// A log that was read, went on, was rotated and has a new file.
fn rotated(rest: &str, new: &str) -> Scene {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 60));
    scene.patrol(&[]);
    scene.append("train.log", rest);
    fs::rename(scene.path("train.log"), scene.path("train.log.1")).unwrap();
    scene.write("train.log", new);
    scene
}

fn of_total(from: u64, rows: u64) -> String {
    healthy(from, rows).replace(':', "/100:")
}

#[test]
fn a_run_that_ends_in_the_file_behind_a_rotation_is_finished() {
    let scene = rotated(&of_total(60, 20), &of_total(80, 21));
    let report = scene.report(&["--pid", "999999999"]);
    assert_eq!(
        (&run(&report)["step"], &run(&report)["phase"]),
        (&100.into(), &"finished".into()),
        "{report:#}"
    );
    assert!(scene.alerts().is_empty(), "{:#?}", scene.alerts());
}

#[test]
fn a_nan_in_the_file_behind_a_rotation_is_over_when_the_loss_recovers() {
    let nan = "step 80: loss nan, lr 1e-3\n";
    let scene = rotated(&healthy(60, 20), nan);
    assert_eq!(of(&scene.report(&[]), "nan_loss"), [("critical".to_owned(), "new".to_owned())]);
    scene.append("train.log", healthy(81, 5));
    assert_eq!(of(&scene.report(&[]), "nan_loss"), [("critical".to_owned(), "resolved".to_owned())]);
    assert_eq!(of(&scene.report(&[]), "nan_loss"), []);
}

#[test]
fn the_last_lines_of_a_rotated_log_are_those_of_the_new_file() {
    let scene = rotated(&healthy(60, 20), "step 80: loss 1.0, lr 1e-3\n");
    let report = scene.report(&["--pid", "999999999", "--final"]);
    let dead = run(&report)["findings"].as_array().unwrap().iter().find(|f| f["syndrome"] == "process_dead");
    let lines = &dead.unwrap_or_else(|| panic!("{report:#}"))["evidence"]["last_lines"];
    assert_eq!(lines.as_array().unwrap().len(), 1, "{lines}");
    assert!(lines[0].as_str().unwrap().ends_with("train.log:1: step 80: loss 1.0, lr 1e-3"), "{lines}");
}

#[test]
fn a_hit_behind_a_rotation_is_quoted_with_the_file_that_holds_it() {
    let scene = rotated(&healthy(60, 20), &format!("{}{}", healthy(80, 4), crate::scene::failure(0)));
    let hits = crate::scene::occurrences(&scene.report(&[]));
    let file = hits[0]["file"].as_str().unwrap();
    assert!(file.ends_with("/train.log") && hits[0]["line"] == 5, "{hits:?}");
}

#[test]
fn a_nan_in_a_rank_file_that_is_gone_is_not_awaited_for_ever() {
    let scene = Scene::new();
    let patrol = |scene: &Scene| scene.run(&["patrol", "--log", "rank*.log", "--name", "demo"]);
    scene.write("rank0.log", healthy(0, 60));
    scene.write("rank1.log", healthy(0, 60) + "step 60: loss nan, lr 1e-3\n");
    assert_eq!(patrol(&scene).code, 2);
    fs::remove_file(scene.path("rank1.log")).unwrap();
    scene.append("rank0.log", healthy(60, 20));
    let answer = patrol(&scene);
    assert!(answer.code == 0 && answer.stdout.contains("nan_loss"), "{answer:?}");
}

#[test]
fn a_hit_that_is_read_again_after_all_state_was_damaged_alerts_nobody_again() {
    let nan = "step 60: loss nan, lr 1e-3\n";
    for (hit, syndrome) in [(crate::scene::failure(0), "cuda_illegal_access"), (nan.to_owned(), "nan_loss")] {
        let scene = Scene::new();
        let told = || scene.alerts().iter().filter(|line| line.contains(syndrome)).count();
        scene.write("train.log", healthy(0, 60));
        scene.patrol(&[]);
        scene.append("train.log", &hit);
        scene.patrol(&[]);
        assert_eq!(told(), 1, "{:#?}", scene.alerts());
        for entry in fs::read_dir(scene.path(".trainguard")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.starts_with("demo.json") {
                scene.write(&format!(".trainguard/{name}"), "damaged");
            }
        }
        assert!(scene.patrol(&[]).stdout.contains(syndrome));
        assert_eq!(told(), 1, "{:#?}", scene.alerts());
    }
}

fn globbed(scene: &Scene, log: &str) -> Value {
    let answer = scene.run(&["patrol", "--log", log, "--name", "demo", "--format", "json"]);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

#[test]
fn a_restart_that_writes_a_file_of_its_own_gives_the_numbers_from_then_on() {
    let scene = Scene::new();
    let at =
        |report: &Value| (run(report)["attempt"].as_u64().unwrap(), run(report)["step"].as_u64().unwrap());
    scene.write("slurm-9.out", healthy(0, 60));
    assert_eq!(at(&globbed(&scene, "slurm-*.out")), (1, 59));
    // By name it comes before the first.
    scene.write("slurm-10.out", healthy(0, 5));
    assert_eq!(at(&globbed(&scene, "slurm-*.out")), (2, 4));
    scene.append("slurm-10.out", healthy(5, 90));
    assert_eq!(at(&globbed(&scene, "slurm-*.out")), (2, 94));
    scene.write("slurm-11.out", healthy(95, 5));
    assert_eq!(at(&globbed(&scene, "slurm-*.out")), (2, 99), "where the steps go on it is the same attempt");
}

#[test]
fn a_restart_that_is_found_among_older_files_leads_once_it_goes_on() {
    let scene = Scene::new();
    for (file, rows) in [("attempt_1/rank0", 80), ("attempt_2/rank0", 60), ("attempt_3/rank0", 5)] {
        scene.write(file, healthy(0, rows));
    }
    globbed(&scene, "attempt_*/rank0");
    scene.append("attempt_3/rank0", healthy(5, 5));
    assert_eq!(run(&globbed(&scene, "attempt_*/rank0"))["step"], 9);
}

#[test]
fn ranks_that_take_turns_are_one_attempt() {
    let scene = Scene::new();
    let mut steps = [0, 0, 0];
    for round in 0..12 {
        for rank in [0, 1, 2].into_iter().filter(|rank| round == 0 || (round + rank) % 3 != 0) {
            scene.append(
                format!("rank{rank}.log").as_str(),
                healthy(steps[rank], 10 * (round as u64 + 1) - steps[rank]),
            );
            steps[rank] = 10 * (round as u64 + 1);
        }
        let report = globbed(&scene, "rank*.log");
        assert_eq!(run(&report)["attempt"], 1, "round {round}: {report:#}");
    }
}

fn sleeper() -> Process {
    Process(Command::new("sleep").arg("600").spawn().unwrap())
}

#[test]
fn a_line_that_is_written_after_a_death_does_not_take_it_back() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 60));
    let trainer = sleeper();
    let pid = trainer.pid();
    assert_eq!(scene.patrol(&["--pid", &pid]).code, 0);
    trainer.kill();
    assert_eq!(scene.patrol(&["--pid", &pid]).code, 2);
    for line in ["srun: error: task 0 exited\n", ".", "slurmstepd: done\n"] {
        scene.append("train.log", line);
        let answer = scene.patrol(&["--pid", &pid]);
        assert!(answer.code == 2 && answer.stdout.contains("process_dead"), "{answer:?}");
    }
    assert_eq!(scene.alerts().len(), 1, "{:#?}", scene.alerts());
}

#[test]
fn nobody_asks_for_the_process_of_a_run_that_reached_its_last_step() {
    let scene = Scene::new();
    scene.write("train.log", of_total(0, 90));
    scene.write("train.pid", "no number");
    let patrol = || scene.patrol(&["--pid-file", "train.pid"]);
    assert_eq!(patrol().code, 3);
    scene.append("train.log", of_total(90, 11));
    let answer = patrol();
    assert_eq!(answer.code, 0, "{answer:?}");
}

#[test]
fn one_row_of_a_restart_does_not_resolve_a_death_and_a_crash_loop_is_one_story() {
    let scene = Scene::new();
    let patrol = || scene.patrol(&["--pid-file", "train.pid"]);
    let start = || {
        let trainer = sleeper();
        scene.write("train.pid", trainer.pid());
        trainer
    };
    scene.write("train.log", healthy(0, 60));
    let trainer = start();
    assert_eq!(patrol().code, 0);
    trainer.kill();
    assert_eq!(patrol().code, 2);
    for step in 60..63 {
        let trainer = start();
        scene.append("train.log", healthy(step, 1));
        for _ in 0..2 {
            let answer = patrol();
            assert!(answer.code == 2 && answer.stdout.contains("process_dead"), "{answer:?}");
        }
        trainer.kill();
        assert_eq!(patrol().code, 2);
        assert_eq!(scene.alerts().len(), 1, "{:#?}", scene.alerts());
    }
    let _trainer = start();
    scene.append("train.log", healthy(63, 5));
    let answer = patrol();
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(scene.alerts().len(), 2, "{:#?}", scene.alerts());
    let report = scene.report(&["--pid-file", "train.pid"]);
    assert_eq!((&run(&report)["attempt"], of(&report, "process_dead").len()), (&5.into(), 0));
}
