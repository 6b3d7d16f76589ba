//! `prometheus_textfile:`, read by the real node_exporter, scraped by the real Prometheus, whose rules
//! fire into the real Alertmanager.

use crate::daemons::{Daemon, fetch};
use crate::scene::{Scene, failure, healthy, until};
use serde_json::json;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

const FILE: &str = "textfile/trainguard.prom";

fn configured(runs: &str) -> Scene {
    let scene = Scene::new();
    scene.write("trainguard.yaml", format!("prometheus_textfile: {FILE}\nruns:\n{runs}"));
    scene
}

fn rules() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus/trainguard.rules.yml");
    std::fs::read_to_string(path).unwrap()
}

/// `promtool check metrics` finds nothing to say.
fn expect_clean(text: &str) {
    let mut promtool = Command::new("promtool");
    promtool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut promtool = promtool.spawn().expect("promtool: tests/run.sh installs prometheus");
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    let words = [said.stdout, said.stderr].concat();
    assert!(said.status.success() && words.is_empty(), "{}\n{text}", String::from_utf8_lossy(&words));
}

#[test]
fn the_shipped_rules_pass_their_own_tests() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/prometheus");
    let tested = Command::new("promtool")
        .args(["test", "rules", "trainguard.test.yml"])
        .current_dir(directory)
        .output();
    let tested = tested.expect("promtool: tests/run.sh installs prometheus");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
}

#[test]
fn everything_that_is_exposed_is_clean_by_promtool_and_taken_whole_by_node_exporter() {
    let scene = configured(
        "- {name: full, log: d/full.log, checkpoints: {dir: ck}, total_steps: 1000}\n- {name: nan, log: nan.log}\n- {name: gone, log: gone.log}\n",
    );
    let hostile = "a \"quoted\\ path\n#";
    std::fs::create_dir(scene.path(hostile)).unwrap();
    std::os::unix::fs::symlink(scene.path(hostile), scene.path("d")).unwrap();
    std::fs::create_dir(scene.path("ck")).unwrap();
    let rows: String = (0..50)
        .map(|step| format!("step {step}: loss {:.3}, tokens/s 51234.5\n", 2.0 - f64::from(step) / 50.0))
        .collect();
    scene.write("d/full.log", rows);
    scene.write("nan.log", healthy(0, 20) + &"step 20: loss nan\n".repeat(3));
    let card = json!({"uuid": "GPU-1", "lost": false, "utilization": 0.97, "temperature_c": 61.0, "memory_used_bytes": 70_000_000_000_u64, "memory_total_bytes": 80_000_000_000_u64, "power_w": 640.5, "mig": []});
    scene.write("gpus.json", json!({"gpus": [card]}).to_string());
    scene.append("trainguard.yaml", "gpu: {source: file, path: gpus.json}\n");
    assert_eq!(scene.run(&["patrol"]).code, 2);
    let text = scene.read(FILE);
    expect_clean(&text);
    let mode = std::fs::metadata(scene.path(FILE)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode, 0o644, "{mode:o}");
    let node = Daemon::node_exporter(&scene, &scene.path("textfile"));
    let page = fetch(&format!("{}/metrics", node.url)).unwrap();
    assert!(page.contains("node_textfile_scrape_error 0\n"), "{page}");
    // It writes numbers and the order of labels its own way.
    let count = |text: &str| text.lines().filter(|line| line.starts_with("trainguard_")).count();
    assert_eq!(count(&page), count(&text));
    for line in [
        "trainguard_run_severity{run=\"full\"} 0",
        "trainguard_run_severity{run=\"nan\"} 2",
        "trainguard_run_severity{run=\"gone\"} 3",
        "trainguard_loss{run=\"nan\"} NaN",
        "trainguard_step{run=\"full\"} 49",
        "trainguard_step_target{run=\"full\"} 1000",
        "trainguard_throughput_per_second{run=\"full\"} 51234.5",
        "trainguard_findings{run=\"nan\",severity=\"critical\",syndrome=\"nan_loss\"} 1",
        "trainguard_gpu_temperature_celsius{run=\"full\",uuid=\"GPU-1\"} 61",
        "trainguard_gpu_memory_used_bytes{run=\"full\",uuid=\"GPU-1\"} 7e+10",
        "trainguard_run_phase{phase=\"patrol\",run=\"full\"} 1",
        "trainguard_series_dropped{kind=\"runs\"} 0",
    ] {
        assert!(page.lines().any(|told| told == line), "{line}\n{page}");
    }
}

#[test]
fn patrols_of_single_runs_keep_the_others_and_a_run_that_leaves_the_config_leaves_the_metrics() {
    let all = "- {name: a, log: a.log}\n- {name: b, log: b.log}\n- {name: c, log: c.log}\n";
    let scene = configured(all);
    for name in ["a", "b", "c"] {
        scene.write(&format!("{name}.log"), healthy(0, 20));
    }
    let patrols: Vec<_> = ["a", "b", "c"]
        .map(|run| scene.command(&["patrol", "--run", run]).stdout(Stdio::null()).spawn().unwrap())
        .into();
    for mut patrol in patrols {
        assert!(patrol.wait().unwrap().success());
    }
    let runs = || -> Vec<String> {
        let text = scene.read(FILE);
        let mut runs: Vec<_> =
            text.lines().filter(|line| line.starts_with("trainguard_step{")).map(str::to_owned).collect();
        runs.sort();
        runs
    };
    let step = |run: &str, step: u64| format!("trainguard_step{{run=\"{run}\"}} {step}");
    assert_eq!(runs(), [step("a", 19), step("b", 19), step("c", 19)]);
    scene.append("b.log", healthy(20, 10));
    assert_eq!(scene.run(&["patrol", "--run", "b"]).code, 0);
    assert_eq!(runs(), [step("a", 19), step("b", 29), step("c", 19)]);
    let fewer = all.replace("- {name: a, log: a.log}\n", "");
    scene.write("trainguard.yaml", format!("prometheus_textfile: {FILE}\nruns:\n{fewer}"));
    assert_eq!(scene.run(&["patrol", "--run", "b"]).code, 0);
    assert_eq!(runs().len(), 3, "a patrol of one run judges no other");
    assert_eq!(scene.run(&["patrol"]).code, 0);
    assert_eq!(runs(), [step("b", 29), step("c", 19)]);
}

#[test]
fn a_file_that_cannot_be_written_is_a_note_and_changes_no_verdict() {
    let scene = configured("- {name: demo, log: train.log}\n");
    scene.write("train.log", healthy(0, 20));
    std::fs::create_dir_all(scene.path(FILE).join("in the way")).unwrap();
    let answer = scene.run(&["patrol"]);
    assert_eq!((answer.code, answer.stderr.as_str()), (0, ""), "{answer:?}");
    assert!(answer.stdout.contains("note: prometheus_textfile is as it was: cannot write "), "{answer:?}");
    let stateless = scene.run(&["patrol", "--stateless"]);
    assert!(stateless.code == 0 && !stateless.stdout.contains("prometheus_textfile"), "{stateless:?}");
}

#[test]
fn a_critical_run_is_scraped_fires_in_alertmanager_can_be_silenced_and_resolves() {
    let scene = configured("- {name: demo, log: train.log}\n");
    scene.write("train.log", healthy(0, 20));
    assert_eq!(scene.run(&["patrol"]).code, 0);
    let node = Daemon::node_exporter(&scene, &scene.path("textfile"));
    let alertmanager = Daemon::alertmanager(&scene);
    // The rules as they are shipped, but for their patience.
    let rules = rules().replace("for: 5m", "for: 1s");
    let prometheus = Daemon::prometheus(&scene, &node, &alertmanager, &rules);
    let severity = || prometheus.value("trainguard_run_severity{run=\"demo\"}");
    until("the run is scraped as well", || severity().as_deref() == Some("0"));
    assert_eq!(prometheus.value("trainguard_step{run=\"demo\"}").as_deref(), Some("19"));
    assert!(alertmanager.alerts("alertname=~Trainguard.*").is_empty());

    scene.append("train.log", failure(0));
    assert_eq!(scene.run(&["patrol"]).code, 2);
    let critical = "alertname=TrainguardRunCritical";
    until("the rule has fired into Alertmanager", || !alertmanager.alerts(critical).is_empty());
    let labels = alertmanager.alerts(critical)[0]["labels"].clone();
    assert_eq!((&labels["run"], &labels["severity"]), (&json!("demo"), &json!("critical")), "{labels}");
    assert_eq!(labels["instance"], node.url.trim_start_matches("http://"));
    alertmanager.expect_silence_to_silence(&[critical, "run=demo"]);

    scene.append("train.log", healthy(20, 20));
    assert_eq!(scene.run(&["patrol"]).code, 0);
    until("the alert is resolved", || alertmanager.alerts(critical).is_empty());
    assert_eq!(severity().as_deref(), Some("0"));

    // The guard's last patrol was long ago.
    assert_eq!(scene.run(&["patrol", "--now", "2020-01-01T00:00:00Z"]).code, 0);
    let silent = "alertname=TrainguardSilent";
    until("the silence of the guard itself is told", || !alertmanager.alerts(silent).is_empty());
    assert_eq!(alertmanager.alerts(silent)[0]["labels"]["run"], "demo");
}

#[test]
fn every_metric_is_documented_and_every_documented_one_can_be_exposed() {
    let read =
        |name: &str| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap();
    let metrics = |text: &str, quote: char| -> BTreeSet<String> {
        let quoted = text.split(quote).filter(|part| part.starts_with("trainguard_") && !part.ends_with('_'));
        quoted
            .filter(|part| part.chars().all(|c| c.is_ascii_lowercase() || c == '_'))
            .map(str::to_owned)
            .collect()
    };
    let documented = metrics(&read("docs/prometheus.md"), '`');
    let exposed = metrics(&read("src/deliver/prometheus.rs"), '"');
    assert!(exposed.len() > 20 && documented == exposed, "{documented:#?}\n{exposed:#?}");
}
