//! An operator's choices: `NAME/alerts/ID.response`, by our id of an alert or the server's, and what the
//! server says was chosen there.

use super::memory::Memory;
use super::{Server, alerts, reason};
use crate::persist::run_directory::RunDirectory;
use crate::persist::run_directory::answers::Answer;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// A choice with one of these in it stops the run.
const STOPS: [&str; 3] = ["stop", "kill", "terminate"];
/// Characters of a choice that are repeated.
const SHOWN_MAX: usize = 80;

/// A choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The alert: our id where it is known, else the id that the answer names.
    pub alert: String,
    /// What the alert is about, where that is known.
    pub syndrome: Option<String>,
    /// What was chosen.
    pub said: String,
    /// The file that says so, and when it was written.
    pub file: Option<(PathBuf, Option<SystemTime>)>,
}

impl Choice {
    /// Whether the run is to be stopped.
    pub fn stops(&self) -> bool {
        let said = self.said.to_lowercase();
        STOPS.iter().any(|word| said.contains(word))
    }

    /// Whether it was written before then: about another process than the one that began then.
    pub fn is_older(&self, than: SystemTime) -> bool {
        self.file.as_ref().and_then(|(_, written)| *written).is_some_and(|written| written < than)
    }

    fn of(id: &str, said: &str, known: Option<&Memory>, file: Option<(PathBuf, Option<SystemTime>)>) -> Self {
        let sent = known.and_then(|known| known.alert(id));
        Self {
            alert: sent.map_or(id, |sent| &sent.alert).to_owned(),
            syndrome: sent.map(|sent| sent.syndrome.clone()),
            said: said.chars().take(SHOWN_MAX).collect(),
            file,
        }
    }
}

/// The choices that stand in files, and what is wrong with the others, for people.
pub fn written(directory: &RunDirectory, known: Option<&Memory>) -> (Vec<Choice>, Vec<String>) {
    let (answers, troubles) = directory.answers();
    let choice =
        |answer: Answer| Choice::of(&answer.id, &answer.said, known, Some((answer.path, answer.written)));
    (answers.into_iter().map(choice).collect(), troubles)
}

/// The choices that the server knows of, of alerts of ours that are not answered yet.
///
/// # Errors
/// What went wrong, for people.
pub fn asked(server: &Server<'_>, known: &Memory, limit: Duration) -> Result<Vec<Choice>, String> {
    let open = known.alerts.iter().filter(|sent| sent.answered.is_none());
    let waits = |id: &str| open.clone().any(|sent| sent.id == id);
    if open.clone().next().is_none() {
        return Ok(Vec::new());
    }
    let said = server.get("/alerts", limit).map_err(reason)?;
    let list = said.as_array().or_else(|| said.get("alerts").and_then(Value::as_array));
    let Some(list) = list else {
        return Err(reason(server.later("its answer about alerts is no list")));
    };
    let ours = |alert: &&Value| {
        let run = alert.get("run_id").and_then(alerts::text);
        run.is_none_or(|run| run == server.settings.run_id)
            && alert.get("status").and_then(Value::as_str) == Some("resolved")
    };
    let choice = |alert: &Value| {
        let id = ["alert_id", "id"].iter().find_map(|key| alerts::text(alert.get(key)?))?;
        let said = alert.get("response").and_then(Value::as_str)?;
        waits(&id).then(|| Choice::of(&id, said, Some(known), None))
    };
    Ok(list.iter().filter(ours).filter_map(choice).collect())
}
