//! Files that hold metrics in a form of their own: what the packages that write them read back is what is
//! printed, and patrols take each point once (`fixtures/metric-files`).

use crate::scene::{Scene, findings};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use std::io::Write;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/metric-files");

const FILES: [&str; 6] = [
    "torch.tfevents",
    "tensorboardx.tfevents",
    "tensors.tfevents",
    "run.wandb",
    "pandas.csv",
    "pandas.jsonl",
];

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{FIXTURES}/{name}")).unwrap()
}

fn report_of(scene: &Scene) -> Value {
    let answer = scene.run(&["patrol", "--format", "json"]);
    serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
}

fn rows(scene: &Scene, file: &str) -> Vec<Value> {
    let answer = scene.run(&["metrics", file, "--format", "jsonl"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    answer.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(value: &Value) -> f64 {
    match value {
        Value::String(text) => text.parse().unwrap(),
        value => value.as_f64().unwrap(),
    }
}

/// Step and value, in an order that does not depend on names: a canonical one stands for the file's own.
fn sorted(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    let mut points: Vec<_> = points.collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    points
}

#[test]
fn every_point_that_the_package_reads_back_is_printed_and_nothing_else() {
    for name in FILES {
        let scene = Scene::new();
        scene.write(name, fixture(name));
        let expected: Vec<Value> = serde_json::from_slice(&fixture(&format!("{name}.json"))).unwrap();
        let with_epoch = expected.iter().any(|point| point[0] == "epoch");
        let place = ["line", "offset", "time", "attempt", "step", "global_step", "other"];
        let rows = rows(&scene, name);
        let printed = rows.iter().flat_map(|row| {
            let canonical = row.as_object().unwrap().iter();
            let canonical = canonical
                .filter(|(key, _)| !place.contains(&key.as_str()) && (with_epoch || *key != "epoch"));
            let others = row["other"].as_object().into_iter().flatten();
            let step = number(&row["step"]);
            canonical.chain(others).map(move |(_, value)| (step, number(value)))
        });
        let expected = sorted(expected.iter().map(|point| (number(&point[1]), number(&point[2]))));
        let printed = sorted(printed);
        assert_eq!(printed.len(), expected.len(), "{name}");
        for (printed, expected) in printed.iter().zip(&expected) {
            // pandas rounds what it writes as JSON; nobody else does.
            let near = (printed.1 - expected.1).abs() <= 1e-15 || printed.1.is_nan() && expected.1.is_nan();
            assert!(
                (printed.0 - expected.0).abs() < f64::EPSILON && near,
                "{name}: {printed:?} is not {expected:?}"
            );
        }
    }
}

#[test]
fn a_compressed_file_says_what_the_file_says() {
    for name in FILES {
        let scene = Scene::new();
        scene.write(name, fixture(name));
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&fixture(name)).unwrap();
        let packed_name = format!("{name}.gz");
        scene.write(&packed_name, packed.finish().unwrap());
        assert_eq!(rows(&scene, &packed_name), rows(&scene, name), "{name}");
        let replayed = |file: &str| scene.run(&["replay", file, "--format", "jsonl"]);
        let (one, other) = (replayed(name), replayed(&packed_name));
        let summary = |text: &str| text.lines().last().unwrap().to_owned();
        assert_eq!((one.code, summary(&one.stdout)), (other.code, summary(&other.stdout)), "{name}");
    }
}

#[test]
fn a_replay_judges_the_numbers_of_a_metric_file() {
    let scene = Scene::new();
    scene.write("events.out.tfevents.1.host", fixture("torch.tfevents"));
    let answer =
        scene.run(&["replay", "events.out.tfevents.1.host", "--format", "jsonl", "--every-lines", "20"]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains(r#""syndrome":"nan_loss""#), "{answer:?}");
    assert!(answer.stdout.contains(r#""step":40"#), "{answer:?}");
}

#[test]
fn what_is_no_metrics_says_what_it_is_and_exits_with_3() {
    let scene = Scene::new();
    let noise: Vec<u8> = (0..9000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (name, bytes, says) in [
        ("noise.bin", noise.as_slice(), "a binary file of no kind that is read here"),
        ("model.pt", b"PK\x03\x04 archive/data.pkl", "a zip archive, as PyTorch's checkpoints are"),
        ("windows.log", b"\xff\xfel\0o\0s\0s\0 \x001\0", "iconv -f UTF-16"),
    ] {
        scene.write(name, bytes);
        for command in ["metrics", "replay"] {
            let answer = scene.run(&[command, name]);
            assert_eq!(answer.code, 3, "{answer:?}");
            assert!(answer.stderr.contains(name) && answer.stderr.contains(says), "{answer:?}");
        }
    }
}

#[test]
fn a_key_that_no_row_carries_is_named_with_those_that_there_are() {
    let scene = Scene::new();
    scene.write("train.log", "step 10 loss 2.5 dice 0.5\n");
    let answer = scene.run(&["metrics", "train.log", "--keys", "dice,jaccard"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stdout.contains("10"), "what is there is printed: {answer:?}");
    let expected = "no row of train.log carries `jaccard`: --keys can be dice, loss, step";
    assert!(answer.stderr.contains(expected), "{answer:?}");
}

#[test]
fn damage_in_the_middle_is_named_with_its_place_and_the_rest_is_printed() {
    let scene = Scene::new();
    for (name, at) in [("torch.tfevents", 400), ("run.wandb", 20_000)] {
        let whole = fixture(name);
        scene.write(name, &whole);
        let all = rows(&scene, name).len();
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        scene.write(name, damaged);
        let answer = scene.run(&["metrics", name, "--format", "jsonl"]);
        assert_eq!(answer.code, 3, "{answer:?}");
        assert!(answer.stderr.contains("damaged") && answer.stderr.contains(name), "{}", answer.stderr);
        let left = answer.stdout.lines().count();
        assert!((all - 1..=all).contains(&left), "{name}: {left} of {all}");
    }
}

/// Patrols a run while its metric file grows to each of these sizes in turn; how many rows all of them read,
/// and the last report.
fn grown(scene: &Scene, name: &str, bytes: &[u8], sizes: &[usize]) -> (u64, Value) {
    scene.write("trainguard.yaml", format!("runs:\n  - {{name: demo, metrics: {name}}}\n"));
    let (mut rows, mut last) = (0, Value::Null);
    for size in sizes {
        scene.write(name, &bytes[..*size]);
        last = report_of(scene);
        rows += last["runs"][0]["log"]["rows"].as_u64().unwrap();
    }
    (rows, last)
}

#[test]
fn patrols_over_a_growing_file_take_each_row_once_and_wait_for_the_torn_end() {
    for (name, expected, newest) in [("torch.tfevents", "NaN", 40), ("run.wandb", "NaN", 119)] {
        let scene = Scene::new();
        let bytes = fixture(name);
        let sizes: Vec<usize> = (1..=12).map(|part| bytes.len() * part / 12).collect();
        let (_, report) = grown(&scene, name, &bytes, &sizes);
        let run = &report["runs"][0];
        assert_eq!((&run["metrics"]["loss"], &run["step"]), (&expected.into(), &newest.into()), "{report:#}");
        let findings = findings(&report);
        assert!(findings.iter().any(|(syndrome, ..)| syndrome == "nan_loss"), "{findings:?}");
        assert!(!findings.iter().any(|(syndrome, ..)| syndrome == "log_gap"), "{findings:?}");
    }
}

#[test]
fn the_next_file_in_a_directory_whose_steps_begin_anew_is_the_next_attempt() {
    for (name, pattern) in [("torch.tfevents", "events.out.tfevents.*"), ("run.wandb", "run-*.wandb")] {
        let scene = Scene::new();
        scene.write("trainguard.yaml", format!("runs:\n  - {{name: demo, metrics: '{pattern}'}}\n"));
        for start in 1..=2 {
            scene.write(&pattern.replace('*', &start.to_string()), fixture(name));
            let report = report_of(&scene);
            assert_eq!(report["runs"][0]["attempt"], start, "{report:#}");
        }
        assert_eq!(report_of(&scene)["runs"][0]["log"]["rows"], 0, "nothing is read twice");
    }
}

#[test]
fn damage_that_a_patrol_meets_is_a_gap_with_file_and_place() {
    let scene = Scene::new();
    let mut bytes = fixture("torch.tfevents");
    bytes[400] ^= 1;
    let sizes = [300, bytes.len()];
    let (_, report) = grown(&scene, "events.out.tfevents.1.h", &bytes, &sizes);
    let findings = report["runs"][0]["findings"].as_array().unwrap().clone();
    let gap = findings.iter().find(|finding| finding["syndrome"] == "log_gap").unwrap();
    let message = gap["message"].as_str().unwrap();
    assert!(message.contains("events.out.tfevents.1.h") && message.contains("at byte 3"), "{message}");
}

const STATE_HEAD: &str = "{\n  \"best_metric\": null,\n  \"epoch\": ";

fn trainer_state(steps: u64) -> String {
    let rows: Vec<String> = (1..=steps)
        .map(|step| {
            let loss = if step == 50 { "NaN".to_owned() } else { format!("{}", 2.0 / step as f64) };
            format!("    {{\n      \"epoch\": 0.{step:03},\n      \"grad_norm\": 0.5,\n      \"learning_rate\": 1e-05,\n      \"loss\": {loss},\n      \"step\": {step}\n    }}")
        })
        .collect();
    format!(
        "{STATE_HEAD}0.{steps:03},\n  \"global_step\": {steps},\n  \"log_history\": [\n{}\n  ],\n  \"max_steps\": 100,\n  \"stateful_callbacks\": {{\"TrainerControl\": {{\"args\": {{\"should_log\": false}}}}}}\n}}\n",
        rows.join(",\n")
    )
}

#[test]
fn of_a_document_that_is_written_anew_only_the_new_steps_count() {
    let scene = Scene::new();
    scene.write(
        "trainguard.yaml",
        "runs:\n  - {name: demo, metrics: 'out/checkpoint-*/trainer_state.json'}\n",
    );
    let mut rows = 0;
    for steps in [10, 20, 30, 49] {
        let name = format!("out/checkpoint-{steps}/trainer_state.json");
        std::fs::create_dir_all(scene.path(&name).parent().unwrap()).unwrap();
        scene.write(&name, trainer_state(steps));
        let report = report_of(&scene);
        rows += report["runs"][0]["log"]["rows"].as_u64().unwrap();
        assert_eq!(report["runs"][0]["step"], steps, "{report:#}");
        assert_eq!(report["runs"][0]["attempt"], 1, "{report:#}");
    }
    // The last one written over, as the end of a training does.
    scene.write("out/checkpoint-49/trainer_state.json", trainer_state(50));
    let report = report_of(&scene);
    rows += report["runs"][0]["log"]["rows"].as_u64().unwrap();
    assert_eq!(rows, 50);
    assert!(findings(&report).iter().any(|(syndrome, ..)| syndrome == "nan_loss"), "{report:#}");
}

#[test]
fn a_table_that_is_written_anew_with_one_more_column_repeats_nothing() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", "runs:\n  - {name: demo, metrics: metrics.csv}\n");
    scene.write("metrics.csv", "step,train_loss\n1,2.5\n2,2.25\n");
    assert_eq!(report_of(&scene)["runs"][0]["log"]["rows"], 2);
    // Lightning and Stable-Baselines3 write the file anew when a name comes that it does not have.
    scene.write("metrics.csv", "step,train_loss,val_loss\n1,2.5,\n2,2.25,\n2,,2.75\n3,2.125,\n");
    let report = report_of(&scene);
    assert_eq!(report["runs"][0]["log"]["rows"], 2, "{report:#}");
    let metrics = &report["runs"][0]["metrics"];
    assert_eq!((&metrics["loss"], &metrics["val_loss"]), (&2.125.into(), &2.75.into()), "{report:#}");
    assert_eq!(report["runs"][0]["attempt"], 1);
    // One that is only appended to may have a second header: a run that was resumed.
    scene.append("metrics.csv", "step,train_loss,val_loss,lr\n4,1.75,,0.5\n");
    let report = report_of(&scene);
    assert_eq!(report["runs"][0]["metrics"]["lr"], 0.5, "{report:#}");
}

#[test]
fn a_log_and_a_metric_file_of_one_run_are_judged_once_and_the_words_are_the_logs() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", "runs:\n  - {name: demo, log: train.log, metrics: metrics.jsonl}\n");
    let log = |from: u64, to: u64| {
        (from..=to).map(|step| format!("step {step} loss 9.5 grad_norm 0.{step}\n")).collect::<String>()
    };
    let file = |from: u64, to: u64| {
        (from..=to)
            .map(|step| format!("{{\"step\": {step}, \"loss\": 2.5, \"note\": \"CUDA out of memory\"}}\n"))
            .collect::<String>()
    };
    scene.write("train.log", log(1, 20));
    scene.write("metrics.jsonl", file(1, 20));
    let report = report_of(&scene);
    let run = &report["runs"][0];
    assert_eq!(
        (&run["metrics"]["loss"], &run["metrics"]["grad_norm"], &run["step"]),
        (&2.5.into(), &0.2.into(), &20.into()),
        "{report:#}"
    );
    assert!(findings(&report).is_empty(), "words in a metric file are none: {report:#}");
    let rows = |scene: &Scene| {
        let state: Value = serde_json::from_str(&scene.read(".trainguard/demo.json")).unwrap();
        state["memory"]["numbers"]["losses"].clone()
    };
    let before = rows(&scene);
    // The log is ahead: at once what it says counts; the late file repeats nothing.
    scene.append("train.log", log(21, 22));
    assert_eq!(report_of(&scene)["runs"][0]["metrics"]["loss"], 9.5);
    let ahead = rows(&scene);
    assert_ne!(before, ahead);
    scene.append("metrics.jsonl", file(21, 22));
    let report = report_of(&scene);
    assert_eq!(report["runs"][0]["metrics"]["loss"], 9.5, "{report:#}");
    scene.append("metrics.jsonl", file(23, 23));
    scene
        .append("train.log", "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n");
    let report = report_of(&scene);
    assert_eq!(report["runs"][0]["metrics"]["loss"], 2.5, "{report:#}");
    assert!(findings(&report).iter().any(|(syndrome, ..)| syndrome == "cuda_oom"), "{report:#}");
}

#[test]
fn auto_finds_what_stands_beside_the_log_and_a_missing_file_is_told_once_the_log_goes_on() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", "runs:\n  - {name: demo, log: train.log, metrics: auto}\n");
    scene.write("train.log", "starting\n");
    std::fs::create_dir_all(scene.path("runs/one")).unwrap();
    scene.write("runs/one/events.out.tfevents.1.host", fixture("tensorboardx.tfevents"));
    let report = report_of(&scene);
    assert_eq!(report["runs"][0]["step"], 3000, "{report:#}");
    scene.write("trainguard.yaml", "runs:\n  - {name: other, log: train.log, metrics: metrics.csv}\n");
    assert!(findings(&report_of(&scene)).is_empty(), "it may not be made yet");
    scene.append("train.log", "step 1 loss 2.5\nstep 2 loss 2.25\n");
    let report = report_of(&scene);
    let missing = &report["runs"][0]["findings"][0];
    assert_eq!(missing["syndrome"], "log_missing", "{report:#}");
    assert!(missing["message"].as_str().unwrap().contains("metrics.csv"), "{report:#}");
}
