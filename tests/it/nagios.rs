//! `--format nagios`, held to the Monitoring Plugins guidelines by a parser that knows nothing of the
//! program.
#![allow(clippy::float_cmp, reason = "decimals are to come back as they were written")]

use crate::scene::{Answer, Scene, failure, healthy, in_own_mounts};
use std::collections::BTreeMap;

/// One measurement.
#[derive(Debug, Clone, PartialEq)]
struct Measured {
    value: f64,
    unit: String,
    warn: Option<Range>,
    crit: Option<Range>,
    min: Option<f64>,
    max: Option<f64>,
}

/// `[@]start:end`: what is outside alerts, with `@` what is inside.
#[derive(Debug, Clone, PartialEq)]
struct Range {
    inside: bool,
    start: f64,
    end: f64,
}

impl Range {
    fn parse(text: &str) -> Self {
        let inside = text.starts_with('@');
        let text = text.trim_start_matches('@');
        let (start, end) = text.split_once(':').unwrap_or(("0", text));
        let start = if start == "~" { f64::NEG_INFINITY } else { decimal(start) };
        let end = if end.is_empty() { f64::INFINITY } else { decimal(end) };
        assert!(start <= end, "{text}");
        Self { inside, start, end }
    }

    fn alerts(&self, value: f64) -> bool {
        (self.start..=self.end).contains(&value) == self.inside
    }
}

/// "In class [-0-9.]", says the guideline: no exponent, no sign but a leading minus.
fn decimal(text: &str) -> f64 {
    let body = text.strip_prefix('-').unwrap_or(text);
    let plain = body.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    assert!(plain && body.starts_with(|c: char| c.is_ascii_digit()), "no plain decimal: {text:?}");
    text.parse().unwrap()
}

fn measurement(text: &str) -> Measured {
    let mut fields = text.split(';');
    let first = fields.next().unwrap();
    let unit = first.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    assert!(
        ["", "s", "us", "ms", "%", "B", "KB", "MB", "TB", "c"].contains(&unit),
        "unit {unit:?} of {text:?}"
    );
    let value = decimal(&first[..first.len() - unit.len()]);
    let mut next = || fields.next().filter(|field| !field.is_empty());
    let (warn, crit) = (next().map(Range::parse), next().map(Range::parse));
    let (min, max) = (next().map(decimal), next().map(decimal));
    assert_eq!(fields.next(), None, "too many fields: {text:?}");
    assert!(min.is_none_or(|min| value >= min) && max.is_none_or(|max| value <= max), "{text:?}");
    if unit == "c" {
        assert_eq!(value.fract(), 0.0, "a counter counts: {text:?}");
    }
    Measured { value, unit: unit.to_owned(), warn, crit, min, max }
}

/// `'label'=value…` by spaces; a label is quoted where it has a space, and a quote in it is doubled.
fn perfdata(mut text: &str) -> BTreeMap<String, Measured> {
    let mut all = BTreeMap::new();
    loop {
        text = text.trim_start_matches(' ');
        if text.is_empty() {
            return all;
        }
        let (label, rest) = if let Some(quoted) = text.strip_prefix('\'') {
            let end = quoted.find("'=").unwrap_or_else(|| panic!("unended label: {text:?}"));
            (&quoted[..end], &quoted[end + 2..])
        } else {
            let (label, rest) = text.split_once('=').unwrap_or_else(|| panic!("no value: {text:?}"));
            assert!(!label.contains(' '), "unquoted: {label:?}");
            (label, rest)
        };
        assert!(!label.is_empty() && !label.contains(['=', '\'']), "{label:?}");
        let (value, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        let before = all.insert(label.to_owned(), measurement(value));
        assert_eq!(before, None, "{label:?} twice");
        text = rest;
    }
}

/// Word, text, measurements and long text of an answer that keeps the rules.
fn parse(answer: &Answer) -> (String, String, BTreeMap<String, Measured>, Vec<String>) {
    let mut lines = answer.stdout.lines().map(str::to_owned);
    let first = lines.next().unwrap_or_else(|| panic!("nothing printed: {answer:?}"));
    assert!(answer.stdout.ends_with('\n') && first.len() < 8192, "{first}");
    assert!(!answer.stdout.chars().any(|c| c.is_control() && c != '\n'), "{answer:?}");
    let (text, data) = first.split_once('|').unwrap_or((&first, ""));
    assert!(!data.contains('|'), "{first}");
    let (status, text) = text.split_once(" - ").unwrap();
    let word = status.strip_prefix("TRAINGUARD ").unwrap();
    let codes = [("OK", 0), ("WARNING", 1), ("CRITICAL", 2), ("UNKNOWN", 3)];
    assert!(codes.contains(&(word, answer.code)), "{answer:?}");
    let long: Vec<String> = lines.collect();
    assert!(!long.iter().any(|line| line.contains('|')), "it would be performance data: {long:#?}");
    (word.to_owned(), text.trim().to_owned(), perfdata(data), long)
}

const NAGIOS: &[&str] = &["--format", "nagios"];

#[test]
fn a_healthy_run_is_one_line_with_its_numbers() {
    let scene = Scene::new();
    let rows =
        |row: u64| format!("step {row}/500: loss 2.5 | grad_norm 0.000001 | 1234.5 tokens/s | lr 1e-9\n");
    scene.write("train.log", (1..30).map(rows).collect::<String>());
    scene.write("out/model-10.pt", "x");
    let (word, text, data, _) = parse(&scene.patrol(&[NAGIOS, &["--checkpoints", "out"]].concat()));
    assert_eq!((word.as_str(), text.as_str()), ("OK", "demo: patrol, loss 2.500"));
    assert_eq!((data["severity"].value, data["critical"].value, data["warning"].value), (0.0, 0.0, 0.0));
    let step = &data["step"];
    assert_eq!((step.value, step.unit.as_str(), step.max), (29.0, "c", Some(500.0)));
    assert_eq!((data["loss"].value, data["grad_norm"].value), (2.5, 0.000_001));
    assert_eq!(data["throughput"].value, 1234.5);
    let age = &data["checkpoint_age"];
    assert_eq!((age.unit.as_str(), age.warn.clone()), ("s", Some(Range::parse("7200"))));
    let read = std::fs::metadata(scene.path("train.log")).unwrap().len();
    assert_eq!((data["log_offset"].value, data["log_offset"].unit.as_str()), (read as f64, "c"));
    let memory = &data["memory"];
    assert_eq!(
        (memory.unit.as_str(), memory.warn.clone(), memory.max),
        ("%", Some(Range::parse("95")), Some(100.0))
    );
    let disks: Vec<_> = data.iter().filter(|(label, _)| label.starts_with("disk_free /")).collect();
    assert!(!disks.is_empty(), "{data:#?}");
    for (label, disk) in disks {
        assert!(disk.unit == "B" && disk.warn.is_some() && disk.max.is_some(), "{label} {disk:?}");
    }
}

#[test]
fn what_a_log_writes_does_not_break_the_line_and_what_is_no_number_is_left_out() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    let bad = "step 20: loss nan | grad_norm inf | it's 5=6 | \x1b[31m\n";
    scene.append("train.log", bad.to_owned() + &failure(0).replace("[hit", "| 'x'=1;2 [hit"));
    let (word, text, data, long) = parse(&scene.patrol(NAGIOS));
    assert_eq!(word, "CRITICAL");
    assert!(text.starts_with("demo: "), "{text}");
    assert!(!data.contains_key("loss") && !data.contains_key("grad_norm"), "{data:#?}");
    let critical = &data["severity"];
    assert!(critical.value == 2.0 && critical.crit.as_ref().unwrap().alerts(critical.value), "{critical:?}");
    assert!(data["critical"].value >= 1.0);
    assert!(long.iter().any(|line| line.contains("cuda_illegal_access")), "{long:#?}");
    let (word, ..) = parse(&scene.patrol(&[NAGIOS, &["-q"]].concat()));
    assert_eq!(word, "CRITICAL", "a plugin always answers");
}

#[test]
fn memory_alerts_in_the_data_exactly_where_the_verdict_does() {
    for (max, word) in [("1.0", "OK"), ("0.000001", "WARNING")] {
        let scene = Scene::new();
        scene.write("run.log", healthy(0, 20));
        let config = format!("runs: [{{name: a, log: run.log}}]\ntraining: {{memory_usage_max: {max}}}\n");
        scene.write("trainguard.yaml", config);
        let answer = scene.run(&[&["patrol"], NAGIOS].concat());
        let (said, _, data, long) = parse(&answer);
        assert_eq!(said, word, "{answer:?}");
        let memory = &data["memory"];
        assert_eq!(memory.warn.as_ref().unwrap().alerts(memory.value), word == "WARNING", "{memory:?}");
        assert_eq!(long.iter().any(|line| line.contains("memory_high")), word == "WARNING", "{long:#?}");
        assert_eq!(data["warning"].value > 0.0, word == "WARNING");
    }
}

#[test]
fn a_disk_alerts_in_the_data_exactly_where_the_verdict_does() {
    for (left_kib, word) in [(10_000, "OK"), (1_500, "WARNING"), (500, "CRITICAL")] {
        let scene = Scene::new();
        std::fs::create_dir(scene.path("d")).unwrap();
        scene.write("run.log", healthy(0, 20));
        let script = format!(
            "mount -t tmpfs -o size=20480k tmpfs d && cp run.log d && head -c {} /dev/zero >d/fill &&
            exec $TRAINGUARD patrol --log d/run.log --name a --state-dir s --format nagios",
            (20_480 - left_kib) * 1024
        );
        let answer = in_own_mounts(&scene, &script);
        let (said, _, data, _) = parse(&answer);
        assert_eq!(said, word, "{answer:?}");
        let (_, disk) = data.iter().find(|(label, _)| label.ends_with("/d")).unwrap();
        let alerts = |range: &Option<Range>| range.as_ref().unwrap().alerts(disk.value);
        assert_eq!((alerts(&disk.warn), alerts(&disk.crit)), (word != "OK", word == "CRITICAL"), "{disk:?}");
    }
}

#[test]
fn several_runs_have_labels_of_their_own_and_the_worst_one_speaks() {
    let scene = Scene::new();
    scene.write(
        "trainguard.yaml",
        "runs:\n- {name: good, log: good.log}\n- {name: bad.1, log: bad.log}\n- {name: gone, log: gone.log}\n",
    );
    scene.write("good.log", healthy(0, 20));
    scene.write("bad.log", healthy(0, 20));
    let (word, text, data, _) = parse(&scene.run(&[&["patrol"], NAGIOS].concat()));
    assert!(
        word == "UNKNOWN" && text.starts_with("gone: ") && text.ends_with("(1 of 3 runs need a look)"),
        "{text}"
    );
    assert_eq!((data["good severity"].value, data["gone severity"].value), (0.0, 3.0));
    assert!(!data.contains_key("gone step") && data["good step"].value == 19.0);
    scene.append("bad.log", failure(0));
    let (word, text, data, long) = parse(&scene.run(&[&["patrol"], NAGIOS].concat()));
    assert!(
        word == "CRITICAL" && text.starts_with("bad.1: ") && text.ends_with("(2 of 3 runs need a look)"),
        "{text}"
    );
    assert_eq!(data["bad.1 severity"].value, 2.0);
    assert!(long.iter().any(|line| line.contains("OK good step 19")), "{long:#?}");
}

#[test]
fn without_a_verdict_it_is_unknown_on_standard_output() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", "runs: [{name: a, lgo: x|y}]\n");
    let answer = scene.run(&[&["patrol"], NAGIOS].concat());
    let (word, text, data, _) = parse(&answer);
    assert!(word == "UNKNOWN" && data.is_empty(), "{answer:?}");
    assert!(text.contains("trainguard.yaml:1"), "{text}");
}
