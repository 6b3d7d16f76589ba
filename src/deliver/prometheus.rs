//! The runs as metrics: a file for node_exporter's textfile collector, in Prometheus' text format.
//!
//! It says what the health file says, is written under that file's lock and from its entries: so several
//! patrols that share a health file share this one, none loses another's run, and a run that leaves the
//! one leaves the other. Everything is a gauge as of the run's last patrol. How many series there can be
//! is bounded; what is left out is counted in `trainguard_series_dropped`.

use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::judge::Phase;
use crate::persist::step;
use crate::persist::store::Store;
use chrono::DateTime;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// Node_exporter may run as anybody, and no number here quotes a log.
const FILE_MODE: u32 = 0o644;
/// Runs of one health file: more than people look at one by one, and some 10,000 series.
const RUNS_MAX: usize = 200;
/// Kinds of findings of one run: one that has more has one cause.
const FINDINGS_MAX: usize = 32;
/// File systems of one run: those of its log, its checkpoints and the state, and some of a glob.
const DISKS_MAX: usize = 8;
/// GPUs of one run on one machine: the largest machines have 16.
const GPUS_MAX: usize = 16;
/// Characters of a label: a path is told from others by less.
const LABEL_MAX: usize = 256;

/// All metrics: name and help.
const METRICS: &[(&str, &str)] = &[
    ("trainguard_build_info", "The trainguard that wrote this file last."),
    ("trainguard_run_severity", "How the run is: 0 ok or info, 1 warning, 2 critical, 3 could not look."),
    ("trainguard_run_phase", "Where the run stands: 1 for its phase, 0 for the others."),
    ("trainguard_run_attempt", "Which start of the run this is."),
    ("trainguard_findings", "Open findings that nobody has acknowledged."),
    ("trainguard_findings_acknowledged", "Open findings that somebody has acknowledged."),
    ("trainguard_loss", "The latest training loss."),
    ("trainguard_loss_best", "The least training loss so far."),
    ("trainguard_step", "The last step, as the log prints it."),
    ("trainguard_step_target", "Steps that the run is to make."),
    ("trainguard_throughput_per_second", "Items, tokens or steps per second, as the log counts them."),
    ("trainguard_eta_seconds", "Time to the run's end, as of its last patrol."),
    ("trainguard_checkpoint_age_seconds", "Age of the newest whole checkpoint, as of the run's last patrol."),
    ("trainguard_disk_free_bytes", "Space that an unprivileged user may still fill."),
    ("trainguard_disk_size_bytes", "Size of the file system or of the quota."),
    ("trainguard_gpu_lost", "1 where the card has fallen off the bus."),
    ("trainguard_gpu_utilization_ratio", "Share of the driver's last sample period in which a kernel ran."),
    ("trainguard_gpu_temperature_celsius", "Temperature of the card."),
    ("trainguard_gpu_memory_used_bytes", "Memory of the card that is in use."),
    ("trainguard_gpu_memory_size_bytes", "Memory of the card in all."),
    ("trainguard_gpu_power_watts", "Power that the card draws."),
    ("trainguard_last_patrol_timestamp_seconds", "When the run was last looked at."),
    ("trainguard_next_patrol_due_timestamp_seconds", "When the run is to have been looked at again."),
    ("trainguard_series_dropped", "Runs, findings, disks and GPUs that are left out to bound this file."),
];

/// Writes the file; the caller holds the health file's lock, and these are that file's entries.
pub fn write(store: &Store, path: &Path, runs: &Map<String, Value>) -> Result<()> {
    if let Some(parent) = path.parent() {
        step("make the text file's directory");
        std::fs::create_dir_all(parent).map_err(Error::io("create the directory", parent))?;
    }
    store.write_with_mode(path, render(runs).as_bytes(), FILE_MODE, false)
}

fn render(runs: &Map<String, Value>) -> String {
    let mut exposition = Exposition::default();
    exposition.add("trainguard_build_info", &[("version", env!("CARGO_PKG_VERSION"))], Some(1.0));
    for (name, entry) in runs.iter().take(RUNS_MAX) {
        exposition.run(name, entry);
    }
    exposition.drop("runs", runs.len().saturating_sub(RUNS_MAX));
    exposition.finish()
}

#[derive(Default)]
struct Exposition {
    /// Samples by metric.
    samples: BTreeMap<&'static str, String>,
    /// Metric and labels of every sample: one that comes twice makes collectors refuse the whole file.
    known: BTreeSet<String>,
    dropped: BTreeMap<&'static str, usize>,
}

impl Exposition {
    fn run(&mut self, name: &str, entry: &Value) {
        let run = ("run", name);
        let status = entry.get("status").and_then(Value::as_str).map(severity);
        self.add("trainguard_run_severity", &[run], status);
        if let Some(now) = entry.get("phase").and_then(Value::as_str) {
            for phase in Phase::ALL.map(Phase::word) {
                let is = f64::from(u8::from(phase == now));
                self.add("trainguard_run_phase", &[run, ("phase", phase)], Some(is));
            }
        }
        let loss = entry.get("loss").unwrap_or(&Value::Null);
        for (metric, value) in [
            ("trainguard_run_attempt", entry.get("attempt").and_then(number)),
            ("trainguard_loss", loss.get("latest").and_then(number)),
            ("trainguard_loss_best", loss.get("best").and_then(number)),
            ("trainguard_step", entry.get("step").and_then(number)),
            ("trainguard_step_target", entry.get("total_steps").and_then(number)),
            ("trainguard_throughput_per_second", entry.get("throughput").and_then(number)),
            ("trainguard_eta_seconds", entry.get("eta_s").and_then(number)),
            ("trainguard_checkpoint_age_seconds", entry.get("checkpoint_age_s").and_then(number)),
            ("trainguard_last_patrol_timestamp_seconds", entry.get("updated_at").and_then(time)),
            ("trainguard_next_patrol_due_timestamp_seconds", entry.get("next_patrol_by").and_then(time)),
        ] {
            self.add(metric, &[run], value);
        }
        self.findings(run, list(entry, "findings"));
        self.disks(run, list(entry, "disks"));
        self.gpus(run, list(entry, "gpus"));
    }

    fn findings(&mut self, run: (&str, &str), findings: &[Value]) {
        let text = |finding: &Value, key| finding.get(key).and_then(Value::as_str).map(str::to_owned);
        let open = |finding: &&Value| matches!(finding["state"].as_str(), Some("new" | "ongoing"));
        let (known, counting): (Vec<_>, Vec<_>) =
            findings.iter().filter(open).partition(|finding| finding["acknowledged"] == true);
        self.add("trainguard_findings_acknowledged", &[run], Some(known.len() as f64));
        // The headline comes first in the health file, and stays.
        let mut counts: Vec<((String, String), usize)> = Vec::new();
        for finding in counting {
            let Some(kind) = text(finding, "syndrome").zip(text(finding, "severity")) else { continue };
            match counts.iter_mut().find(|(known, _)| *known == kind) {
                Some((_, count)) => *count += 1,
                None => counts.push((kind, 1)),
            }
        }
        self.drop("findings", counts.len().saturating_sub(FINDINGS_MAX));
        for ((syndrome, severity), count) in counts.into_iter().take(FINDINGS_MAX) {
            let labels = [run, ("syndrome", &syndrome), ("severity", &severity)];
            self.add("trainguard_findings", &labels, Some(count as f64));
        }
    }

    fn disks(&mut self, run: (&str, &str), disks: &[Value]) {
        self.drop("disks", disks.len().saturating_sub(DISKS_MAX));
        for disk in disks.iter().take(DISKS_MAX) {
            let Some(path) = disk.get("path").and_then(Value::as_str) else { continue };
            let labels = [run, ("path", path)];
            self.add("trainguard_disk_free_bytes", &labels, disk.get("free_bytes").and_then(number));
            self.add("trainguard_disk_size_bytes", &labels, disk.get("total_bytes").and_then(number));
        }
    }

    fn gpus(&mut self, run: (&str, &str), gpus: &[Value]) {
        self.drop("gpus", gpus.len().saturating_sub(GPUS_MAX));
        for gpu in gpus.iter().take(GPUS_MAX) {
            // A card that is lost may not tell its UUID any more.
            let index = || Some(format!("index-{}", gpu.get("index")?.as_u64()?));
            let uuid = gpu.get("uuid").and_then(Value::as_str).map(str::to_owned).or_else(index);
            let Some(uuid) = uuid else {
                self.drop("gpus", 1);
                continue;
            };
            let labels = [run, ("uuid", &uuid)];
            let lost = gpu.get("lost").and_then(Value::as_bool).map(|lost| f64::from(u8::from(lost)));
            self.add("trainguard_gpu_lost", &labels, lost);
            for (metric, key) in [
                ("trainguard_gpu_utilization_ratio", "utilization"),
                ("trainguard_gpu_temperature_celsius", "temperature_c"),
                ("trainguard_gpu_memory_used_bytes", "memory_used_bytes"),
                ("trainguard_gpu_memory_size_bytes", "memory_total_bytes"),
                ("trainguard_gpu_power_watts", "power_w"),
            ] {
                self.add(metric, &labels, gpu.get(key).and_then(number));
            }
        }
    }

    /// Adds a sample; what is not known is no sample.
    fn add(&mut self, metric: &'static str, labels: &[(&str, &str)], value: Option<f64>) {
        let Some(value) = value else { return };
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", label(value))).collect();
        let series = format!("{metric}{{{}}}", labels.join(","));
        if self.known.insert(series.clone()) {
            let _ = writeln!(self.samples.entry(metric).or_default(), "{series} {}", decimal(value));
        }
    }

    fn drop(&mut self, kind: &'static str, count: usize) {
        *self.dropped.entry(kind).or_default() += count;
    }

    fn finish(mut self) -> String {
        for kind in ["runs", "findings", "disks", "gpus"] {
            let count = self.dropped.get(kind).copied().unwrap_or_default();
            self.add("trainguard_series_dropped", &[("kind", kind)], Some(count as f64));
        }
        let mut text = String::new();
        for (metric, help) in METRICS {
            if let Some(samples) = self.samples.get(metric) {
                let _ = write!(text, "# HELP {metric} {help}\n# TYPE {metric} gauge\n{samples}");
            }
        }
        text
    }
}

fn list<'a>(entry: &'a Value, key: &str) -> &'a [Value] {
    entry.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The exit code of a status.
fn severity(status: &str) -> f64 {
    let all = [Severity::Ok, Severity::Warning, Severity::Critical];
    let known = all.into_iter().find(|severity| severity.status_word() == status);
    f64::from(known.unwrap_or(Severity::Unknown).exit_code())
}

/// A number of the health file, where non-finite ones are words.
fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(word) => match word.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A time of the health file, Unix seconds.
fn time(value: &Value) -> Option<f64> {
    let time: DateTime<chrono::Utc> = value.as_str()?.parse().ok()?;
    Some(time.timestamp() as f64)
}

/// A value as Prometheus writes it.
fn decimal(value: f64) -> String {
    match value {
        value if value.is_nan() => "NaN".to_owned(),
        f64::INFINITY => "+Inf".to_owned(),
        f64::NEG_INFINITY => "-Inf".to_owned(),
        value if value.fract() == 0.0 && value.abs() < 1e15 => format!("{value:.0}"),
        value => format!("{value:?}"),
    }
}

/// A label's value.
fn label(text: &str) -> String {
    let mut label = String::with_capacity(text.len());
    for c in text.chars().take(LABEL_MAX) {
        match c {
            '\\' => label.push_str("\\\\"),
            '"' => label.push_str("\\\""),
            c if c.is_control() => label.push(' '),
            c => label.push(c),
        }
    }
    label
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn runs(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn lines<'a>(text: &'a str, metric: &str) -> Vec<&'a str> {
        text.lines().filter(|line| line.starts_with(metric)).collect()
    }

    #[test]
    fn numbers_and_labels_are_written_as_prometheus_reads_them() {
        for (value, text) in [
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (2.0, "2"),
            (-0.5, "-0.5"),
            (1e-9, "1e-9"),
            (1e300, "1e300"),
        ] {
            assert_eq!(decimal(value), text);
        }
        assert_eq!(label("a\"b\\c\n{d}é"), "a\\\"b\\\\c {d}é");
    }

    #[test]
    fn a_run_that_could_not_be_looked_at_is_3_and_says_nothing_else() {
        let text = render(&runs(&json!({"gone": {"status": "UNKNOWN", "error": "no log"}})));
        assert_eq!(lines(&text, "trainguard_run_"), ["trainguard_run_severity{run=\"gone\"} 3"]);
        assert!(!text.contains("trainguard_loss"), "{text}");
    }

    #[test]
    fn non_finite_losses_stay_what_they_are() {
        let text = render(&runs(
            &json!({"a": {"loss": {"latest": "NaN", "best": 1.25}}, "b": {"loss": {"latest": "-Infinity"}}}),
        ));
        let expected = [
            "trainguard_loss{run=\"a\"} NaN",
            "trainguard_loss{run=\"b\"} -Inf",
            "trainguard_loss_best{run=\"a\"} 1.25",
        ];
        assert_eq!(lines(&text, "trainguard_loss"), expected);
    }

    #[test]
    fn open_findings_are_counted_by_kind_and_acknowledged_ones_apart() {
        let finding = |syndrome: &str, state: &str, acknowledged: bool| json!({"syndrome": syndrome, "severity": "critical", "state": state, "acknowledged": acknowledged});
        let findings = [
            finding("cuda_oom", "new", false),
            finding("cuda_oom", "ongoing", false),
            finding("nan_loss", "resolved", false),
            finding("disk_low", "ongoing", true),
        ];
        let text = render(&runs(&json!({"a": {"findings": findings}})));
        let expected = [
            "trainguard_findings{run=\"a\",syndrome=\"cuda_oom\",severity=\"critical\"} 2",
            "trainguard_findings_acknowledged{run=\"a\"} 1",
        ];
        assert_eq!(lines(&text, "trainguard_findings"), expected);
    }

    #[test]
    fn what_would_be_too_much_is_left_out_and_counted() {
        let disks: Vec<_> =
            (0..20).map(|n| json!({"path": format!("/d{n}"), "free_bytes": 1, "total_bytes": 2})).collect();
        let long = "x".repeat(2 * LABEL_MAX);
        let alike = [
            json!({"path": format!("{long}1"), "free_bytes": 1}),
            json!({"path": format!("{long}2"), "free_bytes": 2}),
        ];
        let mut all = runs(&json!({"many": {"disks": disks}, "alike": {"disks": alike}}));
        all.extend((0..300).map(|n| (format!("r{n}"), json!({"status": "OK"}))));
        let text = render(&all);
        assert_eq!(lines(&text, "trainguard_disk_free_bytes").len(), DISKS_MAX + 1);
        assert_eq!(lines(&text, "trainguard_run_severity").len(), RUNS_MAX - 2);
        let dropped = lines(&text, "trainguard_series_dropped");
        let expected = [("runs", 102), ("findings", 0), ("disks", 12), ("gpus", 0)];
        let expected =
            expected.map(|(kind, count)| format!("trainguard_series_dropped{{kind=\"{kind}\"}} {count}"));
        assert_eq!(dropped, expected);
        let series: Vec<_> = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| line.rsplit_once(' ').unwrap().0)
            .collect();
        assert_eq!(series.len(), series.iter().collect::<BTreeSet<_>>().len(), "a series twice");
    }

    #[test]
    fn every_metric_is_described_once_and_in_one_block() {
        let gpu = json!({"uuid": "GPU-1", "lost": false, "utilization": 0.5, "temperature_c": 60.0, "memory_used_bytes": 1, "memory_total_bytes": 2, "power_w": 300.0});
        let entry = json!({
            "status": "OK", "phase": "patrol", "attempt": 1, "step": 5, "total_steps": 10, "throughput": 2.5, "eta_s": 3,
            "loss": {"latest": 1.0, "best": 1.0}, "checkpoint_age_s": 4.0, "gpus": [gpu],
            "updated_at": "2026-01-02T00:00:00Z", "next_patrol_by": "2026-01-02T01:00:00Z",
            "disks": [{"path": "/", "free_bytes": 1, "total_bytes": 2}],
            "findings": [{"syndrome": "x", "severity": "warning", "state": "new", "acknowledged": false}],
        });
        let text = render(&runs(&json!({"a": entry, "b": entry})));
        let described: Vec<_> =
            lines(&text, "# HELP").iter().map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect();
        assert_eq!(described, METRICS.iter().map(|(name, _)| *name).collect::<Vec<_>>());
        let mut current = "";
        for line in text.lines() {
            match line.strip_prefix("# TYPE ") {
                Some(rest) => current = rest.strip_suffix(" gauge").unwrap(),
                None => assert!(line.starts_with('#') || line.starts_with(&format!("{current}{{")), "{line}"),
            }
        }
        assert!(text.contains("trainguard_last_patrol_timestamp_seconds{run=\"a\"} 1767312000\n"), "{text}");
    }
}
