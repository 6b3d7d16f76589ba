//! Loading, as a user meets it: real files in a directory, the whole message read aloud.

use super::*;
use crate::error::Error;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

pub(super) const THRESHOLDS: &str = "\
training:
  phase1_steps: 1000
  loss_nan_action: stop          # stop | pause | alert
  gradient_norm_max: 100.0
  gpu_util_min: 0.5
  memory_usage_max: 0.95
patrol:
  interval_minutes: 30
  loss_plateau_patience: 2       # flat patrols before a warning
  disk_min_gb: 10
  checkpoint_max_hours: 2
  gpu_temp_max: 85
";
pub(super) const ALERTS: &str = "\
channels:
  terminal: {enabled: true}
  file: {enabled: true, path: .omc/research/logs/alerts.log}
  webhook: {enabled: false, url: \"\"}      # Slack, Discord, …
severity_routing:
  info: [file]
  warning: [terminal, file]
  critical: [terminal, file, webhook]
";

/// A working directory with files in it, and an environment.
struct Place {
    dir: TempDir,
    env: Vec<(String, OsString)>,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let home = dir.path().join("home").into_os_string();
        Self { dir, env: vec![("HOME".into(), home)] }
    }

    fn with(files: &[(&str, &str)]) -> Self {
        let place = Self::new();
        for (name, text) in files {
            place.put(name, text.as_bytes());
        }
        place
    }

    fn put(&self, name: &str, bytes: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::io::Write::write_all(&mut fs::File::create(path).unwrap(), bytes).unwrap();
    }

    fn set(&mut self, name: &str, value: impl Into<OsString>) {
        self.env.push((name.into(), value.into()));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn load_with(&self, change: impl FnOnce(&mut LoadArgs<'_>)) -> Result<Config> {
        let env = |name: &str| {
            let found = self.env.iter().rev().find(|(known, _)| known == name);
            found.map(|(_, value)| value.clone())
        };
        let mut args = LoadArgs {
            config: Vec::new(),
            state_dir: None,
            health_file: None,
            log: None,
            cwd: self.dir.path().to_owned(),
            env: &env,
        };
        change(&mut args);
        load(&args)
    }

    fn load(&self, configs: &[&str]) -> Result<Config> {
        self.load_with(|args| args.config = configs.iter().map(PathBuf::from).collect())
    }

    fn log(&self, log: &str) -> Result<Config> {
        self.load_with(|args| args.log = Some(BareLog::new(log)))
    }
}

/// Loads one file `c.yaml` and returns the message of its mistake.
fn mistake(text: &str) -> String {
    let place = Place::with(&[("c.yaml", text)]);
    match place.load(&["c.yaml"]) {
        Err(Error::Config(said)) => said,
        other => panic!("{text}\nis no mistake of the config: {other:?}"),
    }
}

fn loaded(text: &str) -> Config {
    let place = Place::with(&[("c.yaml", text)]);
    place.load(&["c.yaml"]).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn print_all() {
    for t in [
        "patrol:\n  disk_min_gbb: 10\n",
        "patrol:\n  disk_min_gb: ten\n",
        "patrol:\n  disk_min_gb: -1\n",
        "patrol: {loss_plateau_patience: 0}\n",
        "training:\n  gpu_util_min: 1.5\n  x: 1",
        "training:\n  gpu_util_min: .nan\n",
        "training:\n  disk_min_gb: 3\n",
        "disk_min_gb: 3\n",
        "trainin:\n  disk_min_gb: 3\n",
        "patrol:\n  disk_min_gb: 3\n  interval_minutes: 2\n  disk_min_gb: 4\n",
        "patrol: {}\nruns: []\npatrol: {}\n",
        "runs:\n  - name: a\n    log: ${NOPE}/x\n",
        "runs:\n\t- name: a\n",
        "runs:\n  - name: a\n   log: x\n",
        "runs:\n  - name: 'a\n",
        "runs:\n  - name: a: b\n",
        "runs:\n  - log: a\n",
        "runs:\n  mine:\n    log: a\n",
        "runs:\n  - name: a\n    log: a\n  - {name: a, log: b}\n",
        "runs:\n  - name: a b\n    log: a\n",
        "runs:\n  - name: a\n    log: a\n    done_when: '(x'\n",
        "runs:\n  - name: a\n    log: a\n    done_when: '.*'\n",
        "runs:\n  - name: a\n    process: {pid: 1, match: x}\n",
        "runs:\n  - name: a\n    process: {}\n",
        "runs:\n  - name: a\n    process: 12\n",
        "runs:\n  - name: a\n    process: {match: '('}\n",
        "runs:\n  - name: a\n    log: 'a[b.log'\n",
        "runs:\n  - name: a\n    log: [a]\n",
        "runs:\n  - name: a\n",
        "runs:\n  - name: a\n    checkpoints: ck\n",
        "runs:\n  - name: a\n    checkpoints: {pattern: ck}\n",
        "runs:\n  - name: a\n    log: b\n    total_steps: 0\n",
        "runs:\n  - name: a\n    log: b\n    total_steps: 1.5\n",
        "channels:\n  terminal: {enabled: yes}\n",
        "channels:\n  slack: {enabled: true}\n",
        "severity_routing:\n  info: [flie]\n",
        "severity_routing:\n  info: file\n",
        "severity_routing:\n  ok: [file]\n",
        "training: {loss_nan_action: halt}\n",
        "a: 1\n---\nb: 2\n",
        "hello\n",
        "- a\n",
        "a: &a [*a]\n",
        "a: *b\n",
        "runs:\n  - &a {name: a, log: x}\n  - {<<: *a, name: b}\n",
        "runs:\n  - name: !foo a\n    log: x\n",
        "? [a, b]\n: c\n",
        "patrol:\n  interval_minutes: 30m\n",
        "@foo: 1\n",
        "runs: *x y\n",
        "\u{1}: 3",
        "training:\n  phase1_steps: 999999999999999999999999999999999999999999999999\n",
        "1: 2\n",
        "training: {\"\": 3}",
        "training:\n  phase1steps: 3\n  gradient-norm-max: 3",
    ] {
        println!("=====\n{}", mistake(t));
    }
}
