//! `runs[].actions`: what is done about which finding.

use super::locate::Aim;
use super::raw;
use super::section::{Range, Section};
use crate::error::Result;
use crate::finding::Severity;
use crate::playbook::{self, Catalogue};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What a run may take to write its last checkpoint after SIGTERM: as long as Kubernetes and most
/// schedulers give.
pub const GRACE: Duration = Duration::from_secs(30);
/// At once, and no longer than a day: a pid is not watched over for ever.
const GRACES: [Duration; 2] = [Duration::ZERO, Duration::from_hours(24)];
/// Starts within a day that a fault which comes and goes may need; more is a crash loop.
const MAX_RESTARTS: u32 = 3;
const RESTARTS: Range =
    Range { least: 0.0, least_allowed: true, most: 1_000.0, whole: true, unit: "restarts within a day" };
/// A request to a scheduler or a chat service takes seconds.
const TIMEOUT: Duration = Duration::from_secs(30);
/// What is shorter cannot start, and no patrol waits for longer.
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(10)];

/// Severities that an action may be given for; `ok` is none.
const SEVERITIES: [Severity; 4] = [Severity::Critical, Severity::Warning, Severity::Unknown, Severity::Info];
const WORDS: [&str; 4] = ["alert", "stop", "pause", "restart"];

/// What is done about a finding.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is told, as every finding is, and nothing else.
    Alert,
    /// SIGTERM, and SIGKILL for what still lives after the grace.
    Stop {
        /// Between the two.
        grace: Duration,
    },
    /// The run is held.
    Pause(Hold),
    /// The run is started again.
    Restart(Restart),
    /// A program of the user's is run.
    Command(Program),
}

impl Action {
    /// Whether something is done to the run's process, and not only said or run beside it.
    pub fn is_of_the_process(&self) -> bool {
        matches!(self, Self::Stop { .. } | Self::Pause(_) | Self::Restart(_))
    }

    /// The word in config, journal and alerts.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Stop { .. } => "stop",
            Self::Pause(_) => "pause",
            Self::Restart(_) => "restart",
            Self::Command(_) => "command",
        }
    }
}

/// How a run is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// SIGSTOP.
    Freeze,
    /// A signal that the run has a handler for.
    Signal(AskedBy),
    /// A program that knows how.
    Command(Program),
}

/// A signal by which a run is asked to write a checkpoint or to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskedBy {
    /// SIGUSR1.
    USR1,
    /// SIGUSR2.
    USR2,
    /// SIGINT.
    INT,
    /// SIGHUP.
    HUP,
}

impl AskedBy {
    const ALL: [Self; 4] = [Self::USR1, Self::USR2, Self::INT, Self::HUP];

    /// Its name without `SIG`.
    pub fn word(self) -> &'static str {
        match self {
            Self::USR1 => "USR1",
            Self::USR2 => "USR2",
            Self::INT => "INT",
            Self::HUP => "HUP",
        }
    }
}

/// How a run is started again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Restart {
    /// Restarts within a day; then it stays down.
    pub max_restarts: u32,
    /// What starts it; without one what `launch` recorded.
    pub command: Option<Program>,
    /// The run's log, which takes the output of such a command: where the run has one.
    #[serde(default)]
    pub log: Option<PathBuf>,
}

/// A program that is run on the config's word.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Program {
    /// The program and its arguments. A program with a slash in it is an absolute path by now.
    pub arguments: Vec<String>,
    /// Where it runs: the directory of the config file.
    pub directory: PathBuf,
    /// It is ended after this long.
    pub timeout: Duration,
}

/// `runs[].actions`, by syndrome or severity. Empty where nothing is to be done but telling.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Actions(BTreeMap<String, Action>);

impl Actions {
    /// What is to be done about a finding: its own rule stands before that of its severity.
    pub fn of(&self, syndrome: &str, severity: Severity) -> Option<&Action> {
        self.of_syndrome(syndrome).or_else(|| self.0.get(severity.word()))
    }

    /// The rule that names this syndrome.
    pub fn of_syndrome(&self, syndrome: &str) -> Option<&Action> {
        self.0.get(syndrome)
    }

    /// Tells the restarts which file is the run's log. One of several takes no other output.
    #[must_use]
    pub(super) fn with_log(mut self, log: Option<&PathBuf>) -> Self {
        let log = log.filter(|log| !super::is_glob(log));
        for action in self.0.values_mut() {
            if let Action::Restart(restart) = action {
                restart.log = log.cloned();
            }
        }
        self
    }

    /// Whether any rule starts the run again, so that its environment has to be recorded.
    pub fn restart(&self) -> bool {
        self.0.values().any(|action| matches!(action, Action::Restart(_)))
    }
}

/// `runs[].actions`, checked.
pub(super) fn actions(
    at: &Section<'_>,
    raw: &BTreeMap<String, raw::Action>,
    playbook: &Catalogue,
) -> Result<Actions> {
    let mut actions = BTreeMap::new();
    for (key, raw) in raw {
        if !is_known(key, playbook) {
            return Err(unknown(at, key, playbook));
        }
        actions.insert(key.clone(), action(at, key, raw)?);
    }
    Ok(Actions(actions))
}

fn is_known(key: &str, playbook: &Catalogue) -> bool {
    let severity = SEVERITIES.iter().any(|severity| severity.word() == key);
    severity || playbook::explanation(key).is_some() || playbook.entry(key).is_some()
}

fn unknown(at: &Section<'_>, key: &str, playbook: &Catalogue) -> crate::error::Error {
    let severities = SEVERITIES.map(Severity::word);
    let ids = playbook::explanations().map(|explanation| explanation.id);
    let known: Vec<&str> =
        severities.into_iter().chain(playbook.own().map(|own| own.id)).chain(ids).collect();
    let what = format!("`{key}` is neither a severity nor a syndrome");
    let next = match super::diagnose::nearest(key, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!(
            "give {}, or a syndrome's id as the verdict prints it (`trainguard explain` lists them)",
            super::diagnose::listed(&severities)
        ),
    };
    at.wrong_key(key, &what, &next)
}

fn action(at: &Section<'_>, key: &str, raw: &raw::Action) -> Result<Action> {
    let mapping = match raw {
        raw::Action::Word(text) => return word(at, key, &at.text(key, text)?),
        raw::Action::Mapping(mapping) => mapping,
    };
    let here = at.key(key);
    let raw::ActionMapping { stop, pause, restart, command, timeout } = mapping.as_ref();
    let given = [
        ("stop", stop.is_some()),
        ("pause", pause.is_some()),
        ("restart", restart.is_some()),
        ("command", command.is_some()),
    ];
    let names = given.map(|(name, _)| name);
    let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let next = || format!("give exactly one of {}", super::diagnose::listed(&names));
    if let Some(second) = given.get(1) {
        let what = format!("`{key}` has {} actions", given.len());
        return Err(here.wrong_key(second, &what, &next()));
    }
    if timeout.is_some() && command.is_none() {
        return Err(here.wrong_key("timeout", "`timeout` belongs to a `command`", &next()));
    }
    if let Some(stop) = stop {
        let [least, most] = GRACES;
        let grace = here.key("stop").span("grace", stop.grace.as_ref(), least..=most)?;
        Ok(Action::Stop { grace: grace.unwrap_or(GRACE) })
    } else if let Some(pause) = pause {
        hold(&here.key("pause"), pause).map(Action::Pause)
    } else if let Some(raw) = restart {
        self::restart(&here, raw).map(Action::Restart)
    } else if let Some(command) = command {
        program(&here, "command", command, timeout.as_ref()).map(Action::Command)
    } else {
        Err(here.wrong_here(Aim::Value, &format!("`{key}` names no action"), &next()))
    }
}

fn word(at: &Section<'_>, key: &str, word: &str) -> Result<Action> {
    Ok(match word {
        "alert" => Action::Alert,
        "stop" => Action::Stop { grace: GRACE },
        "pause" => Action::Pause(Hold::Freeze),
        "restart" => Action::Restart(Restart { max_restarts: MAX_RESTARTS, command: None, log: None }),
        _ => return Err(at.key(key).wrong_word_here("action", word, &WORDS)),
    })
}

fn hold(at: &Section<'_>, raw: &raw::Pause) -> Result<Hold> {
    match (&raw.signal, &raw.command) {
        (Some(_), Some(_)) => Err(at.wrong_key(
            "command",
            "`pause` has a signal and a command",
            "give one of them, or neither for SIGSTOP",
        )),
        (None, Some(command)) => program(at, "command", command, raw.timeout.as_ref()).map(Hold::Command),
        _ if raw.timeout.is_some() => {
            Err(at.wrong_key("timeout", "`timeout` belongs to a `command`", "delete it"))
        }
        (None, None) => Ok(Hold::Freeze),
        (Some(text), None) => {
            let word = at.text("signal", text)?;
            let bare = word.strip_prefix("SIG").unwrap_or(&word);
            if bare == "STOP" {
                return Ok(Hold::Freeze);
            }
            let known = AskedBy::ALL.into_iter().find(|signal| signal.word() == bare);
            let words = ["STOP", "USR1", "USR2", "INT", "HUP"];
            known.map(Hold::Signal).ok_or_else(|| at.wrong_word("signal", &word, &words))
        }
    }
}

fn restart(at: &Section<'_>, raw: &raw::Restart) -> Result<Restart> {
    match raw {
        raw::Restart::Command(command) => {
            let command = program(at, "restart", command, None)?;
            Ok(Restart { max_restarts: MAX_RESTARTS, command: Some(command), log: None })
        }
        raw::Restart::Mapping(raw) => {
            let here = at.key("restart");
            let most = here.number("max_restarts", raw.max_restarts.as_ref(), RESTARTS)?;
            let command = raw.command.as_ref();
            Ok(Restart {
                max_restarts: most.map_or(MAX_RESTARTS, |most| most as u32),
                command: command.map(|command| program(&here, "command", command, None)).transpose()?,
                log: None,
            })
        }
    }
}

fn program(at: &Section<'_>, key: &str, raw: &[raw::Text], timeout: Option<&raw::Span>) -> Result<Program> {
    let mut arguments = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        let here = at.key(key).index(index);
        let word = here.text_here(text)?;
        if word.contains('\0') {
            return Err(here.wrong_here(Aim::Value, "it holds a NUL byte", "write it without"));
        }
        let is_path = index == 0 && word.contains('/');
        arguments.push(if is_path { at.absolute(&word).to_string_lossy().into_owned() } else { word });
    }
    if arguments.first().is_none_or(|program| program.trim().is_empty()) {
        let next = "list the program and its arguments, as in [systemctl, restart, train]";
        return Err(at.wrong(key, &format!("`{key}` names no program"), next));
    }
    let [least, most] = TIMEOUTS;
    let timeout = at.span("timeout", timeout, least..=most)?.unwrap_or(TIMEOUT);
    Ok(Program { arguments, directory: at.absolute("."), timeout })
}
