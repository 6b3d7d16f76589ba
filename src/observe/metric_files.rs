//! A run's metric files: where they are, and what is new in them.

use super::Observation;
use super::log::{self, Limits, LogFacts, LogMemory, Sink};
use crate::config::MetricFiles;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Where frameworks put metric files beside a log, the surest first: TensorBoard's callback and those
/// of Lightning, Hugging Face and others; W&B's link to its newest run; loggers of one file.
const BESIDE: &[&str] = &[
    "events.out.tfevents.*",
    "runs/**/events.out.tfevents.*",
    "lightning_logs/version_*/events.out.tfevents.*",
    "lightning_logs/version_*/metrics.csv",
    "tensorboard/**/events.out.tfevents.*",
    "tb_logs/**/events.out.tfevents.*",
    "logs/**/events.out.tfevents.*",
    "train/events.out.tfevents.*",
    "wandb/latest-run/run-*.wandb",
    "metrics.csv",
    "results.csv",
    "progress.csv",
    "progress.txt",
    "metrics.jsonl",
    "trainer_state.json",
    "checkpoint-*/trainer_state.json",
];
/// Matches of one pattern that are looked at.
const MATCHES: usize = 1000;

/// What is remembered of them from one patrol to the next.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricFilesMemory {
    /// The pattern that `auto` found: it stays, or a run would be told twice.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<PathBuf>,
    /// Where the files were left.
    files: LogMemory,
}

impl MetricFilesMemory {
    /// Whether nothing was ever read.
    pub fn is_empty(&self) -> bool {
        self.found.is_none() && self.files.is_empty()
    }

    /// Reads what is new. `Absent`: there are none (any more, or yet).
    pub fn read(
        &mut self,
        files: &MetricFiles,
        log: Option<&Path>,
        sink: &mut dyn Sink,
        limits: &Limits,
    ) -> Observation<LogFacts> {
        let pattern = match files {
            MetricFiles::At(pattern) => pattern.clone(),
            MetricFiles::Auto => {
                let found = self.found.take().or_else(|| beside(log?));
                let Some(found) = found else { return Observation::Absent };
                self.found.insert(found).clone()
            }
        };
        log::read_metric_files(&pattern, &mut self.files, sink, limits)
    }
}

/// The pattern beside a log whose files were written last, and since the log was begun: what an earlier
/// run left is none of this one's.
fn beside(log: &Path) -> Option<PathBuf> {
    let directory = log.parent()?;
    let begun = log.metadata().ok()?.created().ok();
    let newest = |pattern: &&str| -> Option<(SystemTime, PathBuf)> {
        let pattern = directory.join(pattern);
        let times = glob::glob(pattern.to_str()?).ok()?.take(MATCHES).flatten();
        let newest = times.filter_map(|path| path.metadata().ok()?.modified().ok()).max()?;
        begun.is_none_or(|begun| newest >= begun).then_some((newest, pattern))
    };
    let mut best: Option<(SystemTime, PathBuf)> = None;
    for found in BESIDE.iter().filter_map(newest) {
        // Of equal ones the surer.
        if best.as_ref().is_none_or(|best| found.0 > best.0) {
            best = Some(found);
        }
    }
    best.map(|(_, pattern)| pattern)
}

#[cfg(test)]
mod tests {
    use super::beside;
    use std::fs::{File, create_dir_all};
    use std::time::{Duration, SystemTime};

    #[test]
    fn of_the_files_beside_a_log_those_that_were_written_last_are_the_runs() {
        let directory = tempfile::tempdir().unwrap();
        let log = directory.path().join("train.log");
        let write = |name: &str, ahead: i64| {
            let path = directory.path().join(name);
            create_dir_all(path.parent().unwrap()).unwrap();
            let distance = Duration::from_secs(ahead.unsigned_abs());
            let now = SystemTime::now();
            let time = if ahead < 0 { now - distance } else { now + distance };
            File::create(path).unwrap().set_modified(time).unwrap();
        };
        write("results.csv", 10);
        assert_eq!(beside(&log), None, "there is no log yet");
        write("train.log", 0);
        write("progress.csv", -5000);
        assert_eq!(beside(&log).unwrap(), directory.path().join("results.csv"));
        write("runs/a/b/events.out.tfevents.1.host", 20);
        assert_eq!(beside(&log).unwrap(), directory.path().join("runs/**/events.out.tfevents.*"));
        write("results.csv", -5000);
        write("runs/a/b/events.out.tfevents.1.host", -5000);
        assert_eq!(beside(&log), None, "an earlier run's");
    }
}
