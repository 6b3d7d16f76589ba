//! What looks at a launched run find: its first phase, its end, and what that means.

use super::*;

#[test]
fn a_launched_run_is_patrolled_without_a_config_until_it_has_finished() {
    let launches = Launches::new();
    let answer = launches.0.run(&["patrol"]);
    assert_eq!(answer.code, 3);
    assert!(answer.stderr.contains("trainguard patrol --log"), "{answer:?}");
    launches.detach(&format!("echo 'step 1: loss 2.5'; {WAIT} echo 'step 2: loss 2.4'"));
    until("it has written", || launches.log().contains("step 1"));
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 0, "{report:#}");
    assert_eq!(report["runs"][0]["name"], "demo");
    assert_eq!(report["runs"][0]["process"]["pid"], launches.pid("process"), "{report:#}");
    launches.go();
    launches.exit();
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, report["runs"][0]["phase"].as_str()), (0, Some("finished")), "{report:#}");
    assert_eq!(findings(&report), Vec::new(), "{report:#}");
}

#[test]
fn the_first_phase_is_watched_beside_the_log_and_handed_over() {
    let launches = Launches::new();
    launches.0.write("trainguard.yaml", "training: {phase1_steps: 5}\nruns: [{name: demo, log: demo.log}]\n");
    let script = format!("for i in 1 2 3 4 5 6; do echo \"step $i: loss 2.$((9 - i))\"; done; {WAIT} exit 4");
    let mut launch = launches.attended(&script);
    let said = std::io::BufReader::new(launch.stderr.take().unwrap());
    let mut said = std::io::BufRead::lines(said).map(|line| line.unwrap());
    assert!(said.any(|line| line.contains("Phase 2 begins")), "handed over while it lives");
    assert!(lives(launches.pid("process")));
    launches.go();
    let rest: Vec<String> = said.collect();
    assert_eq!(launch.wait().unwrap().code(), Some(4), "{rest:?}");
    assert!(rest.last().unwrap().starts_with("trainguard: demo exited with code 4 after "), "{rest:?}");
}

#[test]
fn a_run_that_dies_in_its_first_phase_is_diagnosed_where_it_was_launched() {
    let launches = Launches::new();
    let answer = launches.shell("echo \"ModuleNotFoundError: No module named 'torch'\" >&2; exit 1");
    assert_eq!((answer.code, answer.stdout.lines().count()), (1, 1), "{answer:?}");
    for says in
        ["demo: the run has failed", "No module named 'torch'", "demo.log:1", "demo exited with code 1 after"]
    {
        assert!(answer.stderr.contains(says), "{says}: {answer:?}");
    }
    let alerts = launches.0.alerts();
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, launches.0.alerts()), (2, alerts), "told once: {report:#}");
}

#[test]
fn a_look_between_the_end_and_its_note_waits_for_the_note() {
    let launches = Launches::new();
    let script = "echo 'step 1: loss 2.5'";
    for _ in 0..5 {
        let _ = std::fs::remove_file(launches.0.path(".trainguard/demo/exit.json"));
        launches.detach(script);
        let (code, report) = launches.patrol(&[]);
        assert_eq!((code, findings(&report)), (0, Vec::new()), "{report:#}");
        launches.exit();
    }
}

#[test]
fn a_failed_run_stays_critical_until_somebody_says_a_word() {
    let launches = Launches::new();
    launches.shell("echo 'step 1: loss 2.5'; exit 1");
    for days in [0, 1, 30] {
        let (code, report) = launches.patrol(&["--now", &launches.later(24 * days)]);
        assert_eq!(code, 2, "{report:#}");
        let said = messages(&report);
        assert!(said.contains("exited with code 1 after 0 s at step 1"), "{said}");
    }
    assert_eq!(launches.0.run(&["done", "demo"]).code, 0);
    let (code, report) = launches.patrol(&["--now", &launches.later(24 * 31)]);
    assert_eq!((code, report["runs"][0]["phase"].as_str()), (0, Some("finished")), "{report:#}");
}

#[test]
fn a_run_that_is_over_leaves_the_verdicts_after_a_day_and_answers_to_its_name() {
    let launches = Launches::new();
    launches.shell("exit 0");
    launches.patrol(&[]);
    for (name, script) in [("failed", "exit 1"), ("taken", "exit 1")] {
        launches.launch(&["--name", name, "--", "sh", "-c", script]);
    }
    launches.patrol(&[]);
    assert_eq!(launches.0.run(&["ack", "taken"]).code, 0);
    let names = |arguments: &[&str]| -> Vec<String> {
        let (_, report) = launches.patrol(arguments);
        report["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&[]), ["demo", "failed", "taken"]);
    let tomorrow = launches.later(25);
    assert_eq!(names(&["--now", &tomorrow]), ["failed"]);
    assert_eq!(names(&["--now", &tomorrow, "--run", "demo"]), ["demo"]);
    // Where nothing is left to look at, the last one is: exit code 0, and no error.
    launches.0.run(&["done", "failed"]);
    launches.patrol(&["--now", &tomorrow]);
    assert_eq!(names(&["--now", &tomorrow]), ["taken"]);
}

#[test]
fn a_run_that_was_launched_again_is_judged_anew() {
    let launches = Launches::new();
    launches.shell("echo 'step 1: loss 2.5'; exit 0");
    assert_eq!(launches.patrol(&[]).0, 0);
    launches.shell("exit 1");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "an earlier success is not this failure's: {report:#}");
    launches.0.run(&["ack", "demo"]);
    assert_eq!(launches.patrol(&[]).0, 0);
    launches.shell("exit 6");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "an acknowledged failure is not this one: {report:#}");
    assert!(messages(&report).contains("code 6"), "{report:#}");
    launches.shell("exit 0");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 0, "{report:#}");
}

#[test]
fn what_a_code_or_a_signal_means_is_said() {
    for (script, says) in [
        ("kill -9 $$", "was killed by SIGKILL after 0 s: often the out-of-memory killer"),
        (
            "exit 137",
            "exited with code 137 (128 + 9: a shell's word for SIGKILL) after 0 s: often the out-of-memory killer",
        ),
        ("kill -SEGV $$", "was killed by SIGSEGV"),
        (
            "echo 'ModuleNotFoundError: No module named torch'; exit 1",
            "exited with code 1 after 0 s: the log says why",
        ),
        (
            "echo 'step 5: loss 1.0'; exit 1",
            "exited with code 1 after 0 s at step 5: no failure that is known stands in the log",
        ),
    ] {
        let launches = Launches::new();
        launches.shell(script);
        let (code, report) = launches.patrol(&[]);
        assert_eq!(code, 2, "{report:#}");
        assert!(messages(&report).contains(says), "{says}: {report:#}");
    }
}

#[test]
fn a_run_of_the_config_gets_its_process_and_the_configs_log() {
    let launches = Launches::new();
    launches.0.write("trainguard.yaml", "runs:\n  - {name: demo, log: logs/mine.log}\n");
    launches.detach(&format!("echo 'step 1: loss 2.5'; {WAIT} exit 1"));
    let (code, report) = launches.patrol(&[]);
    assert_eq!(
        (code, report["runs"][0]["process"]["pid"].as_i64()),
        (0, Some(launches.pid("process").into())),
        "{report:#}"
    );
    launches.launch(&["--name", "other", "--", "true"]);
    launches.go();
    launches.exit();
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "{report:#}");
    assert_eq!(report["runs"].as_array().unwrap().len(), 2, "{report:#}");
    assert_eq!(launches.0.read("logs/mine.log"), "step 1: loss 2.5\n");
    assert!(launches.0.path("other.log").exists());
}

#[test]
fn a_reused_pid_is_never_taken_for_the_run() {
    let launches = Launches::new();
    launches.shell("kill -9 $$");
    let stranger = Process(std::process::Command::new("sleep").arg("600").spawn().unwrap());
    let mut record = launches.record();
    let process = launches.pid("process");
    record["process"]["pid"] = stranger.0.id().into();
    launches.0.write(".trainguard/demo/run.json", record.to_string());
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 2, "{report:#}");
    assert_ne!(process as u32, stranger.0.id());
    let why = report["runs"][0]["findings"][0]["evidence"]["why"].as_str().unwrap();
    assert!(why.contains("another process than the one that was launched"), "{report:#}");
}

#[test]
fn a_record_that_is_damaged_or_not_ours_costs_its_own_run_alone() {
    let launches = Launches::new();
    launches.shell("exit 0");
    launches.launch(&["--name", "other", "--", "true"]);
    launches.0.write(".trainguard/demo/run.json", "{");
    let (code, report) = launches.patrol(&[]);
    assert_eq!(code, 3, "{report:#}");
    assert!(report["runs"][0]["error"].as_str().unwrap().contains("does not parse"), "{report:#}");
    assert_eq!(report["runs"][1]["phase"], "finished", "{report:#}");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(launches.0.path(".trainguard/other/run.json"), open).unwrap();
    let (code, report) = launches.patrol(&["--run", "other"]);
    assert_eq!(code, 3, "{report:#}");
    assert!(report["runs"][0]["error"].as_str().unwrap().contains("run.json"), "{report:#}");
}

#[test]
fn a_real_training_is_launched_and_patrolled_to_its_end() {
    let launches = Launches::new();
    let training = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gpt.py");
    let command =
        ["--name", "demo", "--", "/usr/bin/python3", training, "--iters", "60", "--eval-batch", "4"];
    let answer = launches.launch(&command);
    assert_eq!(answer.code, 0, "python3-torch? {answer:?}");
    assert!(answer.stdout.contains("iter 60:"), "{answer:?}");
    assert_eq!(answer.stdout, launches.log());
    let (code, report) = launches.patrol(&[]);
    assert_eq!((code, report["runs"][0]["phase"].as_str()), (0, Some("finished")), "{report:#}");
    assert_eq!(report["runs"][0]["step"], 60.0, "{report:#}");

    // What is no number of steps ends at the parser of arguments: no row, and argparse says why.
    let answer = launches.launch(&["--name", "wrong", "--", "/usr/bin/python3", training, "--iters", "many"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    let (code, report) = launches.patrol(&["--run", "wrong"]);
    assert_eq!(code, 2, "{report:#}");
    assert!(messages(&report).contains("exited with code 2"), "{report:#}");
}

#[test]
fn a_real_training_whose_loss_is_nan_is_stopped_and_launch_exits_2() {
    let launches = Launches::new();
    let training = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/gpt.py");
    let wild = ["--iters", "100000", "--lr", "1e19", "--warmup", "60", "--eval-batch", "4"];
    let command = ["--name", "demo", "--", "/usr/bin/python3", training];
    let answer = launches.launch(&[&command[..], &wild].concat());
    assert_eq!(answer.code, 2, "python3-torch? {answer:?}");
    let rows = answer.stdout.lines().filter(|line| line.starts_with("iter "));
    let first = rows.clone().find(|line| line.contains("loss nan")).unwrap();
    let step = first.split([' ', ':']).nth(1).unwrap();
    assert!(answer.stderr.contains("loss is NaN since line"), "{answer:?}");
    assert!(answer.stderr.contains(&format!("at step {step}")), "{answer:?}");
    assert!(answer.stderr.contains("trainguard: demo was killed by SIGTERM after "), "{answer:?}");
    assert_eq!(launches.exit()["signal"], 15);
}

#[test]
fn what_an_earlier_run_left_in_the_log_does_not_stop_the_next() {
    let launches = Launches::new();
    launches.0.write("train.log", "step 5: loss nan, lr 1e-3\n".repeat(8));
    // Long enough for several looks before the first row.
    let script = "sleep 2; for i in 6 7 8 9 10; do echo \"step $i: loss 2.$i, lr 1e-3\"; done";
    launches.launch(&["--name", "demo", "--log", "train.log", "--", "sh", "-c", script]);
    let exit = launches.exit();
    assert!(exit["code"] == 0 && exit["signal"].is_null(), "{exit}");
    assert!(launches.0.read("train.log").contains("step 10: loss 2.10"));
}
