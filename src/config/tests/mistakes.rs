//! What is wrong, where, and what to do: every message is read aloud in one snapshot.

use super::*;
use proptest::prelude::*;
use std::fmt::Write;

/// One file per mistake.
const MISTAKES: &[&str] = &[
    "patrol:\n  disk_min_gbb: 10\n",
    "patrol:\n  disk_min_gb: ten\n",
    "patrol:\n  disk_min_gb: \"10\"\n",
    "patrol:\n  disk_min_gb: -1\n",
    "patrol:\n  disk_min_gb: .inf\n",
    "patrol: {loss_plateau_patience: 0}\n",
    "patrol:\n  interval_minutes: 30m\n",
    "patrol:\n  interval_minutes: 0\n",
    "patrol:\n  gpu_temp_max: [85]\n",
    "training:\n  gpu_util_min: 1.5\n",
    "training:\n  gpu_util_min: .nan\n",
    "training:\n  gradient-norm-max: 3\n",
    "training:\n  phase1_steps: 999999999999999999999999999999\n",
    "training: {loss_nan_action: halt}\n",
    "training: {loss_nan_action: alerts}\n",
    "training:\n  disk_min_gb: 3\n",
    "disk_min_gb: 3\n",
    "trainin:\n  phase1_steps: 3\n",
    "1: 2\n",
    "patrol:\n  disk_min_gb: 3\n  interval_minutes: 2\n  disk_min_gb: 4\n",
    "patrol: {}\nruns: []\npatrol: {}\n",
    "orchestrator:\n  model: {a: 1, b: 2, a: 3}\n",
    "runs:\n  - name: a\n    log: ${NOPE}/x\n",
    "orchestrator:\n  key: [a, 'x ${NOPE}']\n",
    "runs:\n  - name: a\n    log: ${A-B}/x\n",
    "runs:\n  - name: a\n    log: ${HOME/x\n",
    "patrol:\n  disk_min_gb: ${HOME}\n",
    "patrol:\n  disk_min_gb: -${ONE}\n",
    "patrol: {disk_min_gb: ${ONE}}\n",
    "channels: {terminal: {enabled: \"${ONE}\"}}\n",
    "runs:\n\t- name: a\n",
    "runs:\n  - name: a\n   log: x\n",
    "runs:\n  - name: 'a\n    log: x\n",
    "runs:\n  - {name: a, log: x\n",
    "runs:\n  - name: a: b\n",
    "runs:\n  - name: @a\n",
    "runs: *a\n",
    "a: 1\n---\nb: 2\n",
    "hello\n",
    "- a\n",
    "orchestrator: &a [*a]\n",
    "runs:\n  - &a {name: a, log: x}\n  - {<<: *a, name: b}\n",
    "runs:\n  - name: !env a\n    log: x\n",
    "preflight: {default: ask}\n",
    "preflight: {ignore: ['(']}\n",
    "preflight: {memory_max: 85}\n",
    "preflight: {poll: 0}\n",
    "judge: {}\n",
    "judge: {command: []}\n",
    "judge: {command: claude -p}\n",
    "judge: {command: [j], timeout: 1 week}\n",
    "judge: {command: [j], timeout: 0}\n",
    "judge: {command: [j], min_interval: [1]}\n",
    "judge: {command: [j], max_rows: 0}\n",
    "judge: {command: [j], env: [KEY=abc]}\n",
    "judge: {comand: [j]}\n",
    "? [a, b]\n: c\n",
    "runs:\n  mine:\n    log: a\n",
    "runs:\n  - log: a\n",
    "runs:\n  - name: a\n",
    "runs:\n  - name: a\n    log: a\n  - {name: a, log: b}\n",
    "runs:\n  - name: a b\n    log: a\n",
    "runs:\n  - name: .a\n    log: a\n",
    "runs:\n  - name: outbox\n    log: a\n",
    "runs:\n  - name: a.json\n    log: a\n",
    "runs:\n  - name: ''\n    log: a\n",
    "runs:\n  - name: a\n    log: ''\n",
    "runs:\n  - name: a\n    log: [a]\n",
    "runs:\n  - name: a\n    log: 'a[b.log'\n",
    "runs:\n  - name: a\n    log: b\n    total_steps: 0\n",
    "runs:\n  - name: a\n    log: b\n    total_steps: 1.5\n",
    "runs:\n  - name: a\n    log: a\n    done_when: '(x'\n",
    "runs:\n  - name: a\n    log: a\n    done_when: '.*'\n",
    "runs:\n  - name: a\n    log: a\n    done_when: '((a{99}){99}){99}'\n",
    "runs:\n  - name: a\n    process: {pid: 1, match: x}\n",
    "runs:\n  - name: a\n    process: {pid: 0}\n",
    "runs:\n  - name: a\n    process: {}\n",
    "runs:\n  - name: a\n    process: 12\n",
    "runs:\n  - name: a\n    process: {match: '['}\n",
    "runs:\n  - name: a\n    log: b\n    checkpoints: ck\n",
    "runs:\n  - name: a\n    log: b\n    checkpoints: {pattern: ck}\n",
    "runs:\n  - name: a\n    log: b\n    checkpoints: {dir: ck, pattern: a/b}\n",
    "runs:\n  - name: a\n    log: b\n    checkpoints: {dir: ck, pattern: '**a'}\n",
    "channels:\n  terminal: {enabled: yes}\n",
    "channels:\n  slack: {enabled: true}\n",
    "channels:\n  termnal: {enabled: true}\n",
    "channels: {a/b: {type: syslog}}\n",
    "channels: {ops: {type: webhok, url: 'https://h'}}\n",
    "channels: {command: {type: webhook}}\n",
    "channels: {webhook: {enabled: true}}\n",
    "channels: {webhook: {url: 'ftp://h'}}\n",
    "channels: {webhook: {url: 'https://h', url_file: f}}\n",
    "channels: {webhook: {ulr: f}}\n",
    "channels: {webhook: {url: 'https://h', format: slck}}\n",
    "channels: {webhook: {url: 'https://h', format: slack, body: {a: b}}}\n",
    "channels: {webhook: {url: 'https://h', body: text}}\n",
    "channels: {webhook: {url: 'https://h', body: {a: '{{sevrity}}'}}}\n",
    "channels: {webhook: {url: 'https://h', body: {a: '{{run'}}}\n",
    "channels: {webhook: {url: 'https://h', headers: {'a b': c}}}\n",
    "channels: {webhook: {url: 'https://h', headers: {Host: c}}}\n",
    "channels: {webhook: {url: 'https://h', headers: {A: \"b\\nc\"}}}\n",
    "channels: {webhook: {url: 'https://h', timeout: 1m}}\n",
    "channels: {syslog: {url: 'https://h'}}\n",
    "channels: {command: {}}\n",
    "channels: {mail: {type: command, command: sendmail}}\n",
    "channels: {mail: {type: syslog}}\nseverity_routing: {info: [mial]}\n",
    "url_file: x\n",
    "channels:\n  file: {path: ''}\n",
    "channels:\n  file: {path: t.log}\nruns:\n  - {name: a, log: t.log}\n",
    "health_file: c.yaml\n",
    "prometheus_textfile: metrics.txt\n",
    "heartbeat_url: hc-ping.com/x\n",
    "heartbeat_url: https://hc-ping.com/x\nheartbeat_url_file: x.url\n",
    "channels:\n  am: {type: alertmanager, url: 'http://am:9093', format: slack}\n",
    "prometheus_textfile: a.prom\nruns:\n  - {name: a, log: a.prom}\n",
    "severity_routing:\n  info: [flie]\n",
    "severity_routing:\n  info: file\n",
    "severity_routing:\n  ok: [file]\n",
    "gpu: {source: nvm}\n",
    "gpu: {source: file}\n",
    "gpu: {path: gpus.json}\n",
    "gpu: {source: none, expect: 2}\n",
    "gpu: {expect: -1}\n",
    "runs:\n  - {name: a, log: b, gpus: [0, GPU-1, h100]}\n",
    "runs:\n  - {name: a, log: b, gpus: 0}\n",
    "\u{1}: 3",
];

#[test]
fn every_message_says_what_where_and_what_to_do() {
    let mut place = Place::new();
    place.set("HOME", "/home/ada");
    place.set("ONE", "1");
    let directory = place.path("").display().to_string();
    let mut aloud = String::new();
    for text in MISTAKES {
        place.put("c.yaml", text.as_bytes());
        let said = match place.load(&["c.yaml"]) {
            Err(Error::Config(said)) => said.replace(&directory, "/dir/"),
            other => panic!("{text}\nis no mistake of the config: {other:?}"),
        };
        aloud.push_str(&said);
        aloud.push_str("\n\n");
    }
    insta::assert_snapshot!(aloud);
}

#[test]
fn every_message_shows_the_line_that_it_names_with_the_caret_under_the_column() {
    for text in MISTAKES {
        let mut place = Place::with(&[("c.yaml", text)]);
        place.set("ONE", "1");
        let said = place.load(&["c.yaml"]).unwrap_err().to_string();
        let mut parts = said.split(':');
        assert_eq!(parts.next(), Some("c.yaml"), "{said}");
        let line: usize = parts.next().unwrap().parse().unwrap();
        let column: usize = parts.next().unwrap().parse().unwrap();
        let shown: Vec<&str> = said.lines().collect();
        let source = text.lines().nth(line - 1).unwrap_or_default();
        let plain = source.replace(['\t', '\u{1}'], " ");
        assert_eq!(shown[1].trim_end(), format!(" {line} | {plain}").trim_end(), "{said}");
        assert_eq!(shown[2].chars().count(), 5 + column, "{said}");
        assert!(shown[2].ends_with('^'), "{said}");
    }
}

#[test]
fn no_mistake_repeats_a_secret() {
    for text in [
        "channels: {webhook: {url: 'https://hooks.example/T0/s3cret', format: x}}\n",
        "channels: {webhook: {url: 'ftp://hooks.example/T0/s3cret'}}\n",
        "channels: {webhook: {url: s3cret}}\n",
        "channels: {webhook: {url: 'https://h', secret: s3cret, secret_file: f}}\n",
        "channels: {webhook: {url: 'https://h', headers: {Authorization: s3cret, Host: x}}}\n",
        "channels: {webhook: {url: 'https://u:s3cret@h'}}\n",
        "channels: {webhook: {url: 'https://h', headers: {X-Api-Token: s3cret}, timeout: x}}\n",
    ] {
        let said = mistake(text);
        assert!(!said.contains("s3cret") && said.contains("***"), "{said}");
    }
}

#[test]
fn a_key_in_the_wrong_section_is_sent_home() {
    assert!(mistake("training: {disk_min_gb: 3}").contains("`disk_min_gb` belongs under `patrol:`"));
    assert!(mistake("patrol: {done_when: x}").contains("`done_when` belongs under `runs:`"));
    assert!(mistake("runs: [{name: a, pid: 3}]").contains("`pid` belongs under `process:`"));
}

#[test]
fn a_duplicate_names_both_places_wherever_it_is() {
    let said = mistake("patrol: {}\nruns: []\npatrol: {}\n");
    assert!(said.starts_with("c.yaml:3:1:"), "{said}");
    assert!(said.contains("the first is at c.yaml:1:1"), "{said}");
}

#[test]
fn an_impossible_value_behind_an_alias_points_to_where_it_is_written() {
    let said = mistake(
        "runs:\n  - name: a\n    log: x\n    total_steps: &n 0\n  - {name: b, log: y, total_steps: *n}\n",
    );
    assert!(said.starts_with("c.yaml:4:18:"), "{said}");
}

#[test]
fn the_alert_files_own_default_is_no_log_either() {
    let place = Place::with(&[("c.yaml", "runs: [{name: a, log: .trainguard/alerts.log}]\n")]);
    let said = place.load(&["c.yaml"]).unwrap_err().to_string();
    assert!(said.starts_with("trainguard would write over the log of the run `a`: /"), "{said}");
}

#[test]
fn windows_line_ends_change_no_place() {
    let said = mistake("patrol:\r\n  disk_min_gb: 3\r\n  disk_min: 4\r\n");
    assert!(said.starts_with("c.yaml:3:3:"), "{said}");
    assert!(!said.contains('\r'), "{said:?}");
}

#[test]
fn text_that_is_not_utf8_is_shown_where_it_stops_being_so() {
    let place = Place::new();
    place.put("c.yaml", b"runs: []\n# caf\xe9 here\n");
    let said = place.load(&["c.yaml"]).unwrap_err().to_string();
    assert!(said.starts_with("c.yaml:2:6: the byte 0xe9 here is not UTF-8\n 2 | # caf"), "{said}");
}

#[test]
fn a_billion_laughs_are_refused_and_not_laughed() {
    let mut text = String::from("orchestrator:\n  a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..12 {
        let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
        let _ = writeln!(text, "  a{level}: &a{level} [{aliases}]");
    }
    assert!(mistake(&text).contains("without aliases"), "{}", mistake(&text));
    let long = "x".repeat(100_000);
    let text = format!("orchestrator: &j '{long}'\ndownloads: [{}]\n", ["*j"; 1000].join(","));
    assert!(mistake(&text).contains("aliases"));
}

#[test]
fn what_is_no_file_of_a_sensible_size_is_refused_before_it_is_read() {
    let place = Place::new();
    place.put("big.yaml", &vec![b'#'; (1 << 20) + 1]);
    fs::create_dir(place.path("empty")).unwrap();
    let fifo = place.path("fifo.yaml");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let table = [
        ("big.yaml", "larger than 1 MiB"),
        ("empty", "a directory without any *.yaml or *.yml file"),
        ("fifo.yaml", "not a regular file"),
        ("missing.yaml", "missing.yaml: cannot read the config: No such file"),
        ("", "the config's path is empty"),
    ];
    for (path, expected) in table {
        match place.load(&[path]) {
            Err(Error::Config(said)) => assert!(said.contains(expected), "{path}: {said}"),
            other => panic!("{path}: {other:?}"),
        }
    }
}

/// Pieces that configs are made of, so that random files get past the first line.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "runs",
        "patrol",
        "name",
        "log",
        ":",
        ": ",
        "\n",
        "\n  ",
        "\n    ",
        "- ",
        "{",
        "}",
        "[",
        "]",
        ",",
        "&a ",
        "*a",
        "<<",
        "|",
        ">",
        "'",
        "\"",
        "!",
        "%",
        "@",
        "#",
        "?",
        "---\n",
        "...\n",
        "\t",
        "\r",
        "é",
        "\u{2028}",
        "\u{85}",
        "${",
        "}",
        "$$",
        "1",
        "-1",
        ".nan",
        "~",
        "x",
        "disk_min_gb",
        "\u{feff}",
    ]);
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn no_file_makes_it_panic_and_every_mistake_has_a_place(text in pieces()) {
        let place = Place::with(&[("c.yaml", &text)]);
        if let Err(error) = place.load(&["c.yaml"]) {
            let said = error.to_string();
            let line: usize = said.split(':').nth(1).unwrap().parse().unwrap();
            prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1, "{}", said);
            prop_assert!(said.lines().nth(2).unwrap().ends_with('^'), "{}", said);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let place = Place::new();
        place.put("c.yaml", &bytes);
        let _ = place.load(&["c.yaml"]);
    }
}
