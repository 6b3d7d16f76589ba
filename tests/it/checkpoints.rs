//! Checkpoints are looked into: broken ones are told, and those being written are left alone.

use crate::scene::{Process, Scene, findings, python};
use serde_json::Value;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

/// Writes files as `torch.save` does: a zip of stored members below one folder. `argv` are their paths.
const TORCH_SAVE: &str = "
import sys, zipfile
for path in sys.stdin.read().split('\\0'):
    with zipfile.ZipFile(path, 'w', zipfile.ZIP_STORED) as file:
        for name in ['data.pkl', 'byteorder', 'data/0', 'data/1', 'version', '.data/serialization_id']:
            with file.open('model/' + name, 'w', force_zip64='/' in name) as member:
                member.write(b'x' * (200_000 if name.startswith('data/') else 40))
";

const DIR: &[&str] = &["--checkpoints", "out"];

/// A run whose process lives, with two checkpoints as PyTorch writes them, an hour and ten minutes old.
fn run() -> (Scene, Process, String) {
    let scene = Scene::new();
    scene.write("train.log", timed(100));
    std::fs::create_dir(scene.path("out")).unwrap();
    let paths = ["step_100.pt", "step_200.pt"].map(|name| scene.path("out").join(name).display().to_string());
    assert_eq!(python(TORCH_SAVE, &paths.join("\0")), "");
    age(&scene.path("out/step_100.pt"), 60);
    age(&scene.path("out/step_200.pt"), 10);
    let process = Process(Command::new("sleep").arg("600").spawn().unwrap());
    let pid = process.pid();
    (scene, process, pid)
}

/// Rows with times a second apart, the last of them now.
fn timed(rows: i64) -> String {
    let now = chrono::DateTime::<chrono::Utc>::from(SystemTime::now());
    let row = |step: i64| {
        let time = now - chrono::TimeDelta::seconds(rows - step);
        format!(
            "{} step {step}/36000: loss {:.4}\n",
            time.format("%Y-%m-%d %H:%M:%S"),
            1.0 + 1.0 / step as f64
        )
    };
    (1..=rows).map(row).collect()
}

fn age(path: &Path, minutes: u64) {
    let time = SystemTime::now() - Duration::from_mins(minutes);
    std::fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Cuts a file and gives it an age.
fn cut(path: &Path, bytes: u64, minutes: u64) {
    std::fs::File::options().write(true).open(path).unwrap().set_len(bytes).unwrap();
    age(path, minutes);
}

fn report(scene: &Scene, pid: &str) -> Value {
    scene.report(&[DIR, &["--pid", pid]].concat())
}

/// The message of an open finding.
fn message(report: &Value, syndrome: &str) -> Option<String> {
    let list = report["runs"][0]["findings"].as_array().unwrap().iter();
    let open = |finding: &&Value| {
        finding["syndrome"] == syndrome && ["new", "ongoing"].iter().any(|state| finding["state"] == *state)
    };
    list.filter(open).map(|finding| finding["message"].as_str().unwrap().to_owned()).next()
}

#[test]
fn a_truncated_pt_is_told_with_the_whole_one_before_it_and_is_over_with_the_next() {
    let (scene, _process, pid) = run();
    let sound = report(&scene, &pid);
    assert_eq!(findings(&sound), [], "{sound:#}");
    cut(&scene.path("out/step_200.pt"), 300_000, 10);
    let broken = report(&scene, &pid);
    let said = message(&broken, "checkpoint_incomplete").unwrap_or_else(|| panic!("{broken:#}"));
    assert!(said.contains("step_200.pt") && said.contains("the end of the zip is missing"), "{said}");
    assert!(said.contains("step_100.pt"), "the one to resume from: {said}");
    let newest = broken["runs"][0]["checkpoint"]["path"].as_str().unwrap();
    assert!(newest.ends_with("step_100.pt"), "{newest}");
    std::fs::copy(scene.path("out/step_100.pt"), scene.path("out/step_300.pt")).unwrap();
    age(&scene.path("out/step_300.pt"), 2);
    assert_eq!(message(&report(&scene, &pid), "checkpoint_incomplete"), None);
}

#[test]
fn a_safetensors_file_cut_short_is_told() {
    let (scene, _process, pid) = run();
    let header = r#"{"w":{"dtype":"F32","shape":[64,64],"data_offsets":[0,16384]}}"#;
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend([0; 16_384]);
    let path = scene.write("out/model.safetensors", &file);
    age(&path, 5);
    assert_eq!(message(&report(&scene, &pid), "checkpoint_incomplete"), None);
    cut(&path, 10_000, 5);
    let said = message(&report(&scene, &pid), "checkpoint_incomplete").unwrap();
    assert!(said.contains("names tensors up to byte 164") && said.contains("ends at 10000"), "{said}");
}

#[test]
fn one_that_is_being_written_is_left_alone_until_it_is_not() {
    let (scene, process, pid) = run();
    let path = scene.path("out/step_300.pt");
    std::fs::copy(scene.path("out/step_200.pt"), &path).unwrap();
    cut(&path, 100_000, 0);
    let first = report(&scene, &pid);
    assert_eq!(findings(&first), [], "{first:#}");
    let checkpoint = &first["runs"][0]["checkpoint"];
    assert!(checkpoint["path"].as_str().unwrap().ends_with("step_200.pt"), "{checkpoint}");
    assert_eq!(checkpoint["writing"], true);
    cut(&path, 250_000, 2);
    assert_eq!(findings(&report(&scene, &pid)), [], "it grows");
    assert!(message(&report(&scene, &pid), "checkpoint_incomplete").is_some(), "it grows no more");
    // A writer that is gone writes no more, however new the file.
    cut(&path, 260_000, 0);
    process.kill();
    assert!(message(&report(&scene, &pid), "checkpoint_incomplete").is_some());
}

#[test]
fn half_the_size_of_the_one_before_is_told_and_a_legacy_pickle_is_believed() {
    let (scene, _process, _) = run();
    let pickle = |bytes: usize| [b"\x80\x02\x8a\nl\xfc\x9cF".to_vec(), vec![7; bytes]].concat();
    age(&scene.write("out/epoch_1.pt", pickle(50_000)), 4);
    age(&scene.write("out/epoch_2.pt", pickle(40_000)), 3);
    assert_eq!(message(&scene.report(DIR), "checkpoint_incomplete"), None);
    age(&scene.write("out/epoch_3.pt", pickle(10_000)), 2);
    let said = message(&scene.report(DIR), "checkpoint_incomplete").unwrap();
    assert!(said.contains("it has 10 kB") && said.contains("epoch_2.pt, 40 kB"), "{said}");
}

#[test]
fn the_report_tells_what_a_crash_costs_and_when_the_run_ends() {
    let (scene, _process, pid) = run();
    let answer = scene.patrol(&["--checkpoints", "out", "--pid", &pid]);
    let first = answer.stdout.lines().next().unwrap();
    assert!(first.contains("step 100/36000") && first.contains(", eta 9 h 58 min"), "{first}");
    let line = answer.stdout.lines().nth(1).unwrap();
    assert!(line.contains("step_200.pt: a crash now costs"), "{line}");
    let run = &report(&scene, &pid)["runs"][0];
    assert_eq!(run["eta"]["seconds"], 35_900.0, "{run:#}");
    assert!(run["eta"]["low_s"].as_f64() <= run["eta"]["high_s"].as_f64());
    let health = scene.read(".trainguard/agent_health.yaml");
    assert!(health.contains("\"eta_s\": 35900\n"), "{health}");
}
