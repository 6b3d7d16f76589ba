//! An order, the finding behind it, and how both are told.

use crate::config::Action;
use crate::config::actions::Hold;
use crate::decide::alert::{self, Alert, Transition};
use crate::finding::{Role, Severity};
use crate::observe::process::Identity;
use crate::playbook;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The check that alerts about actions name.
pub const NAME: &str = "act";
const TAKEN: &str = "action_taken";
const FAILED: &str = "action_failed";

/// Something to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The same for the same finding and action.
    pub id: String,
    /// The run.
    pub run: String,
    /// The alert that opened the finding.
    pub alert: String,
    /// When it was given.
    pub given: DateTime<Utc>,
    /// What is to be done.
    pub action: Action,
    /// The run's process, where it lives.
    pub target: Option<Identity>,
    /// Why.
    pub cause: Cause,
    /// Of a restart: which one within a day, and how many there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<(u32, u32)>,
}

/// The finding that led to an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cause {
    /// Its syndrome.
    pub syndrome: String,
    /// How bad it is.
    pub severity: Severity,
    /// Its sentence.
    pub message: String,
    /// The run's step then.
    pub step: Option<f64>,
    /// The finding as JSON, for programs.
    pub finding: serde_json::Value,
}

impl Cause {
    /// `nan_loss: loss is NaN since …`.
    pub fn why(&self) -> String {
        format!("{}: {}", self.syndrome, self.message)
    }
}

/// Why something that is configured is not done.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// As the order's would be.
    pub id: String,
    /// What is not done.
    pub action: &'static str,
    /// For what.
    pub cause: Cause,
    /// Why not.
    pub why: String,
    /// It was not refused before.
    pub is_new: bool,
}

/// The alert about something that was done, or could not be.
pub fn told(run: &str, now: DateTime<Utc>, id: &[&str], cause: &Cause, ok: bool, said: &str) -> Alert {
    let syndrome = if ok { TAKEN } else { FAILED };
    let mut parts = vec![run, NAME, syndrome];
    parts.extend_from_slice(id);
    let advice = playbook::explanation(syndrome).map_or("", |explanation| explanation.advice);
    Alert {
        id: alert::id(&parts),
        time: now,
        run: run.to_owned(),
        transition: Transition::Opened,
        told_as: Vec::new(),
        severity: if ok { cause.severity } else { cause.severity.max(Severity::Warning) },
        check: NAME.to_owned(),
        syndrome: syndrome.to_owned(),
        message: said.to_owned(),
        advice: advice.to_owned(),
        step: cause.step,
        occurrence: None,
        choices: Vec::new(),
        respond: String::new(),
        evidence: [("cause".to_owned(), cause.syndrome.clone().into())].into(),
        role: Role::Confirmation,
        order: usize::MAX,
    }
}

impl Refusal {
    /// The alert about it.
    pub fn alert(&self, run: &str, now: DateTime<Utc>) -> Alert {
        told(run, now, &[&self.id], &self.cause, false, &self.sentence())
    }

    /// `restart is not done: … (because of process_dead: …)`.
    pub fn sentence(&self) -> String {
        format!("{} is not done: {} (configured for {})", self.action, self.why, self.cause.syndrome)
    }
}

impl Order {
    /// What would be done, for `--dry-run`.
    pub fn sentence(&self) -> String {
        let whom = self.target.as_ref().map_or_else(String::new, |target| format!(" process {}", target.pid));
        let how = match &self.action {
            Action::Alert => String::new(),
            Action::Stop { grace } => {
                format!("stop{whom}: SIGTERM, and SIGKILL after {} s", grace.as_secs_f64())
            }
            Action::Pause(Hold::Freeze) => format!("pause{whom}: SIGSTOP"),
            Action::Pause(Hold::Signal(signal)) => format!("pause{whom}: SIG{}", signal.word()),
            Action::Pause(Hold::Command(program)) => {
                format!("pause{whom}: run {}", program.arguments.join(" "))
            }
            Action::Restart(restart) => match &restart.command {
                None => format!("restart{whom}: the recorded command"),
                Some(program) => format!("restart{whom}: run {}", program.arguments.join(" ")),
            },
            Action::Command(program) => format!("run {}", program.arguments.join(" ")),
        };
        format!("{how}, because of {}", self.cause.why())
    }
}
