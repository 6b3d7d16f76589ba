//! Loading, as a user meets it: real files in a directory, the whole message read aloud.

mod actions;
mod bare_log;
mod loading;
mod mistakes;
mod own_syndromes;
mod places;

use super::*;
use crate::error::Error;
use std::ffi::OsString;
use std::fs;
use tempfile::TempDir;

const THRESHOLDS: &str = "\
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
const ALERTS: &str = "\
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
            needs_no_config: false,
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
