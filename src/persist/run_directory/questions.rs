//! `alerts/ID.json`: alerts that ask an operator, kept so that an answer can be checked and told.
//!
//! Format: `"schema":"trainguard/question/1"`, a [`Question`]. Whoever asks writes it, durably and
//! before anybody is told; whoever answers writes `alerts/ID.response` beside it; whoever asked takes
//! that, and notes here what it came to. The last twenty answered ones of the state directory are
//! kept: most runs have a name of their own.

use super::{ALERTS, RunDirectory, read_bytes};
use crate::decide::Alert;
use crate::error::{Error, Result, chain};
use crate::observe::process::{Identity, boot_id, start_ticks};
use crate::persist::step;
use crate::persist::store::Store;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};

/// A question is an alert and a little more; what is larger is damage.
const SIZE_MAX: u64 = 1024 * 1024;
/// Answered questions that are kept: enough to say what was answered, however late somebody asks.
const CLOSED_MAX: usize = 20;

/// An alert that asks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// `trainguard/question/1`.
    pub schema: String,
    /// The alert, with its choices.
    pub alert: Alert,
    /// The process that waits for the answer.
    pub asker: Identity,
    /// Until when it waits.
    pub until: DateTime<Utc>,
    /// What it does without an answer: one of the choices.
    pub default: String,
    /// What it came to; `None` while it is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
}

/// What a question came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// When.
    pub at: DateTime<Utc>,
    /// The choice that was taken; `None` where the question fell away.
    pub choice: Option<String>,
    /// By whom or why, for people: `the terminal`, `no answer within 10 min`.
    pub by: String,
}

/// Whether anybody waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// It does.
    Waits,
    /// It has ended, or its time is over.
    Gone,
}

impl Question {
    /// The schema that this version writes.
    pub const SCHEMA: &str = "trainguard/question/1";

    /// Whether its asker still waits. That of another machine, or of another boot of this one, is
    /// believed until its time is over.
    pub fn asker(&self, now: DateTime<Utc>) -> Asker {
        let here = self.asker.boot_id == boot_id();
        let lives = !here || start_ticks(self.asker.pid) == Some(self.asker.start_ticks);
        // One that lives may be about to take an answer that came in time.
        if lives && (here || now <= self.until) { Asker::Waits } else { Asker::Gone }
    }
}

impl RunDirectory {
    /// Keeps a question. Durable when this returns.
    pub fn keep_question(&self, question: &Question) -> Result<()> {
        let directory = self.alerts()?;
        let path = directory.join(format!("{}.json", question.alert.id));
        let bytes = serde_json::to_vec(question)
            .map_err(|error| Error::io("write", &path)(io::Error::other(error)))?;
        self.store.write(&path, &bytes)?;
        self.forget_old();
        Ok(())
    }

    /// One question; `None` where there is none of that id.
    pub fn question(&self, id: &str) -> Result<Option<Question>> {
        read(&self.path.join(ALERTS).join(format!("{id}.json")))
    }

    /// The directory of questions and answers, made if need be.
    pub(super) fn alerts(&self) -> Result<PathBuf> {
        let directory = Path::new(self.path.file_name().unwrap_or_default()).join(ALERTS);
        self.store.directory(&directory.to_string_lossy())
    }

    /// Removes the oldest answered ones of all runs, and directories that held nothing else. That it
    /// cannot is no fault of the question at hand.
    fn forget_old(&self) {
        let Ok((questions, _)) = all(&self.store) else { return };
        let closed = questions.into_iter().filter(|question| question.outcome.is_some());
        for question in closed.skip(CLOSED_MAX) {
            let run = self.store.path(&question.alert.run);
            let alerts = run.join(ALERTS);
            step("remove an old question");
            for ending in ["json", "response"] {
                drop(std::fs::remove_file(alerts.join(format!("{}.{ending}", question.alert.id))));
            }
            drop(std::fs::remove_dir(alerts).and_then(|()| std::fs::remove_dir(run)));
        }
    }
}

/// The questions of all runs, the latest first, and what could not be read, for people.
pub fn all(store: &Store) -> Result<(Vec<Question>, Vec<String>)> {
    let directory = store.path("");
    let (mut questions, mut troubles) = (Vec::new(), Vec::new());
    for item in std::fs::read_dir(&directory).map_err(Error::io("list", &directory))? {
        let run = item.map_err(Error::io("list", &directory))?.path();
        if !run.symlink_metadata().is_ok_and(|meta| meta.is_dir()) {
            continue;
        }
        for path in files(&run.join(ALERTS)) {
            match read(&path) {
                Ok(question) => questions.extend(question),
                Err(error) => troubles.push(chain(&error)),
            }
        }
    }
    questions.sort_by_key(|question| std::cmp::Reverse(question.alert.time));
    Ok((questions, troubles))
}

/// The files of questions in a run's directory; none where it has no such directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let listed = std::fs::read_dir(directory).into_iter().flatten().flatten();
    listed.map(|item| item.path()).filter(|path| path.extension().is_some_and(|end| end == "json")).collect()
}

fn read(path: &Path) -> Result<Option<Question>> {
    let Some(bytes) = read_bytes(path, SIZE_MAX)? else { return Ok(None) };
    let question: Question = serde_json::from_slice(&bytes)
        .map_err(|error| Error::State(format!("{} does not parse ({error}): remove it", path.display())))?;
    let id = path.file_stem().unwrap_or_default();
    Ok(Some(question).filter(|question| id == question.alert.id.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(number: u32) -> Question {
        let id = format!("{number:032x}");
        let time = DateTime::from_timestamp(1_800_000_000 + i64::from(number), 0).unwrap();
        let alert = serde_json::json!({
            "id": id, "time": time, "run": "demo", "transition": "opened", "severity": "warning",
            "check": "preflight", "syndrome": "gpu_busy", "message": "", "advice": "", "evidence": {},
            "choices": ["Continue Anyway", "Stop Job"], "respond": "trainguard respond",
        });
        Question {
            schema: Question::SCHEMA.to_owned(),
            alert: serde_json::from_value(alert).unwrap(),
            asker: Identity { pid: std::process::id() as i32, start_ticks: 1, boot_id: boot_id() },
            until: time,
            default: "Stop Job".to_owned(),
            outcome: None,
        }
    }

    #[test]
    fn questions_of_all_runs_are_found_and_of_those_that_are_answered_the_last_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).unwrap();
        let (run, other) =
            (RunDirectory::open(&store, "demo").unwrap(), RunDirectory::open(&store, "b").unwrap());
        let mut old = question(0);
        old.alert.run = "b".to_owned();
        other.keep_question(&old).unwrap();
        for number in 1..=25 {
            let mut question = question(number);
            if number > 1 {
                question.outcome = Some(Outcome { at: question.until, choice: None, by: "x".to_owned() });
            }
            run.keep_question(&question).unwrap();
            run.respond(&question.alert.id, "Stop Job").unwrap();
        }
        let (questions, troubles) = all(&store).unwrap();
        let mut numbers: Vec<u32> =
            questions.iter().map(|question| u32::from_str_radix(&question.alert.id, 16).unwrap()).collect();
        assert_eq!(numbers.remove(0), 25, "the latest first");
        assert_eq!((numbers.len(), &numbers[18..]), (21, &[6, 1, 0][..]), "open ones stay");
        assert_eq!(troubles, [""; 0]);
        old.outcome = Some(Outcome { at: old.until, choice: None, by: "x".to_owned() });
        other.keep_question(&old).unwrap();
        assert!(!dir.path().join("b").exists(), "nothing else was there");
        assert_eq!(run.response(&question(2).alert.id).unwrap(), None);
        assert!(run.response(&question(25).alert.id).unwrap().is_some());
        std::fs::File::create(dir.path().join("demo/alerts/ab.json")).unwrap();
        assert!(all(&store).unwrap().1[0].contains("does not parse"));
    }

    #[test]
    fn an_asker_waits_as_long_as_it_lives_and_one_of_another_machine_until_its_time_is_over() {
        let mut question = question(1);
        let before = question.until;
        let after = before + chrono::TimeDelta::seconds(1);
        assert_eq!(question.asker(before), Asker::Gone, "another process has that pid");
        question.asker.start_ticks = start_ticks(question.asker.pid).unwrap();
        assert_eq!(question.asker(after), Asker::Waits);
        question.asker.boot_id = "elsewhere".to_owned();
        assert_eq!((question.asker(before), question.asker(after)), (Asker::Waits, Asker::Gone));
    }
}
