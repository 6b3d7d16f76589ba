//! One run told by its log and by metric files: who told which metric up to which step, so that
//! nothing is judged twice.
//!
//! In one read the files come first, so of one step the file's value counts. What the log says beyond
//! the files' last step counts at once, for files are written late; what a file says of such a step
//! afterwards is known already.

use crate::metrics::{Metric, Row};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What is remembered of it. At most some 1.5 KiB as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Joint {
    /// The directory whose files are the run's numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lead: Option<PathBuf>,
    /// See `Numbers::lead_idle`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lead_idle: bool,
    /// The file that told last, and the hash of its head.
    pub source: (String, String),
    /// The attempt that the steps below are of.
    pub attempt: u32,
    /// The last step of each metric that the files told,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<Metric, f64>,
    /// and that the log alone told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub log: BTreeMap<Metric, f64>,
}

/// Where a row stands rather than what was measured.
const PLACE: &[Metric] =
    &[Metric::Step, Metric::TotalSteps, Metric::Epoch, Metric::TotalEpochs, Metric::Samples, Metric::Tokens];

impl Joint {
    /// Takes out of a file's row what the log told before. Whether something is left.
    pub fn of_file(&mut self, row: &mut Row) -> bool {
        self.enter(row.attempt);
        let step = row.global_step.filter(|step| step.is_finite());
        let Some(step) = step else { return true };
        keep_new(row, &self.log, |told| told >= step);
        note(&mut self.files, row, step);
        is_told(row)
    }

    /// Takes out of a log's row what the files told. Whether something is left.
    pub fn of_log(&mut self, row: &mut Row) -> bool {
        if self.files.is_empty() {
            return true;
        }
        self.enter(row.attempt);
        let step = row.global_step.filter(|step| step.is_finite());
        // Without a step there is no telling what it belongs to.
        keep_new(row, &self.files, |told| step.is_none_or(|step| told >= step));
        let furthest = self.files.values().copied().fold(f64::NEG_INFINITY, f64::max);
        match step {
            Some(step) if step > furthest => note(&mut self.log, row, step),
            // The files say where the run is and when it was there.
            _ => {
                for metric in PLACE {
                    row.values.remove(*metric);
                }
                (row.time, row.global_step) = (None, None);
            }
        }
        is_told(row)
    }

    fn enter(&mut self, attempt: u32) {
        if attempt > self.attempt {
            self.attempt = attempt;
            self.files.clear();
            self.log.clear();
        }
    }
}

fn keep_new(row: &mut Row, others: &BTreeMap<Metric, f64>, knows: impl Fn(f64) -> bool) {
    for (metric, _) in others.iter().filter(|(_, told)| knows(**told)) {
        row.values.remove(*metric);
    }
}

fn note(mine: &mut BTreeMap<Metric, f64>, row: &Row, step: f64) {
    for (metric, _) in row.values.iter().filter(|(metric, _)| !PLACE.contains(metric)) {
        let last = mine.entry(metric).or_insert(step);
        *last = last.max(step);
    }
}

fn is_told(row: &Row) -> bool {
    row.values.iter().any(|(metric, _)| !PLACE.contains(&metric))
}

#[cfg(test)]
mod tests {
    use super::Joint;
    use crate::metrics::{Metric, Row};

    fn row(step: f64, values: &[(Metric, f64)]) -> Row {
        let mut row = Row { attempt: 1, global_step: Some(step), ..Row::default() };
        row.values.set(Metric::Step, step);
        for (metric, value) in values {
            row.values.set(*metric, *value);
        }
        row
    }

    #[test]
    fn of_one_step_the_file_counts_and_the_log_tells_what_the_file_does_not() {
        let mut joint = Joint::default();
        assert!(joint.of_file(&mut row(10.0, &[(Metric::Loss, 2.0)])));
        let mut said = row(10.0, &[(Metric::Loss, 2.1), (Metric::Throughput, 5.0)]);
        assert!(joint.of_log(&mut said));
        assert_eq!((said.values.get(Metric::Loss), said.values.get(Metric::Throughput)), (None, Some(5.0)));
        assert!(!joint.of_log(&mut row(10.0, &[(Metric::Loss, 2.1)])));
    }

    #[test]
    fn what_the_log_says_first_counts_and_the_late_file_repeats_nothing() {
        let mut joint = Joint::default();
        assert!(joint.of_file(&mut row(10.0, &[(Metric::Loss, 2.0)])));
        assert!(joint.of_log(&mut row(20.0, &[(Metric::Loss, f64::NAN)])));
        let mut late = row(20.0, &[(Metric::Loss, f64::NAN), (Metric::Lr, 0.1)]);
        assert!(joint.of_file(&mut late));
        assert_eq!((late.values.get(Metric::Loss), late.values.get(Metric::Lr)), (None, Some(0.1)));
        assert!(joint.of_file(&mut row(30.0, &[(Metric::Loss, 1.0)])));
    }

    #[test]
    fn an_attempt_begins_both_anew() {
        let mut joint = Joint::default();
        joint.of_file(&mut row(10.0, &[(Metric::Loss, 2.0)]));
        joint.of_log(&mut row(20.0, &[(Metric::Loss, 2.0)]));
        let again = || Row { attempt: 2, ..row(5.0, &[(Metric::Loss, 2.0)]) };
        assert!(joint.of_file(&mut again()));
        assert!(!joint.of_log(&mut again()));
    }

    #[test]
    fn a_log_without_metric_files_is_left_as_it_is() {
        let (mut joint, mut said) = (Joint::default(), row(10.0, &[(Metric::Loss, 2.0)]));
        assert!(joint.of_log(&mut said) && joint.of_log(&mut said));
        assert_eq!((joint, said), (Joint::default(), row(10.0, &[(Metric::Loss, 2.0)])));
    }
}
