//! Agents: a tmux pane, a session, a command that asks one, a heartbeat. Reads only.

mod beat;
mod tmux;
mod unit;

use super::command;
use super::probe::{Answer, Question};
use super::process::{Found, Identity};
use super::{Observation, probe};
use crate::config::{AgentKind, Probe, SessionSpec};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

pub use beat::{BeatFacts, Counts};
pub use tmux::{PaneFacts, PaneKey};

/// Share of the probes' time that a command may take: it is ended before the probe is.
const COMMAND: f64 = 0.8;
/// Characters of an answer that are quoted.
const QUOTED: usize = 200;

/// What is asked of one agent. Paths are bytes on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "made by `ask` and `probe`, which say what they are")]
pub enum AgentQuestion {
    Pane { target: String, socket: Option<OsString>, command: Option<String>, known: Option<PaneKey> },
    TmuxSession { target: String, socket: Option<OsString> },
    Unit(String),
    Process(Box<Question>),
    Beat(OsString),
    Command { command: Vec<String>, directory: OsString, expect: Option<String>, limit: Duration },
}

/// What was seen of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AgentFacts {
    /// Its tmux pane.
    Pane(Box<PaneFacts>),
    /// What it needs is not there.
    Missing {
        /// What.
        what: Missing,
        /// In words.
        why: String,
    },
    /// It lives; more is not asked.
    Alive {
        /// What lives, in words.
        what: String,
        /// The process, where it was looked for by a pid.
        identity: Option<Identity>,
    },
    /// It was asked.
    Answer {
        /// The answer was good.
        good: bool,
        /// The answer, or what was wrong with it.
        said: String,
    },
    /// It was asked and gave no answer in time.
    NoAnswer {
        /// For how long it was waited.
        why: String,
    },
    /// Its heartbeat.
    Beat(BeatFacts),
}

/// What of an agent is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// No tmux server answers.
    Server,
    /// The server has no such session.
    Session,
    /// The session has no such window or pane.
    Pane,
    /// Its process has ended.
    Process,
    /// The systemd unit is not active.
    Unit,
    /// The heartbeat's file.
    File,
}

impl Missing {
    /// The word in evidence.
    pub fn word(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Session => "session",
            Self::Pane => "pane",
            Self::Process => "process",
            Self::Unit => "unit",
            Self::File => "file",
        }
    }
}

/// What to ask of an agent at every patrol; nothing of one that is only asked now and then.
/// `beat` is the heartbeat's file.
pub fn question(
    kind: &AgentKind,
    pane: Option<&PaneKey>,
    process: Option<&Identity>,
    beat: Option<&Path>,
) -> Option<AgentQuestion> {
    let bytes = |path: &Path| path.as_os_str().to_owned();
    Some(match kind {
        AgentKind::Tmux(spec) => AgentQuestion::Pane {
            target: spec.target.clone(),
            socket: spec.socket.as_deref().map(bytes),
            command: spec.command.clone(),
            known: pane.cloned(),
        },
        AgentKind::Session(SessionSpec::Tmux(target, socket)) => {
            AgentQuestion::TmuxSession { target: target.clone(), socket: socket.as_deref().map(bytes) }
        }
        AgentKind::Session(SessionSpec::Unit(unit)) => AgentQuestion::Unit(unit.clone()),
        AgentKind::Session(SessionSpec::Process(spec)) => {
            AgentQuestion::Process(Box::new(Question::process(spec, process)))
        }
        AgentKind::Heartbeat(_) => AgentQuestion::Beat(bytes(beat?)),
        AgentKind::Session(SessionSpec::Command(_)) | AgentKind::Stateless(_) => return None,
    })
}

/// The question that a probe's command answers, within `limit`.
pub fn probe(probe: &Probe, limit: Duration) -> AgentQuestion {
    AgentQuestion::Command {
        command: probe.command.clone(),
        directory: probe.directory.as_os_str().to_owned(),
        expect: probe.expect.clone(),
        limit: probe.timeout.min(limit.mul_f64(COMMAND)),
    }
}

/// Looks. May block for ever.
pub(super) fn read(question: AgentQuestion) -> Observation<AgentFacts> {
    let patience = probe::DEADLINE.mul_f64(COMMAND);
    match question {
        AgentQuestion::Pane { target, socket, command, known } => {
            tmux::pane(&target, socket.as_deref(), command.as_deref(), known.as_ref(), patience)
        }
        AgentQuestion::TmuxSession { target, socket } => tmux::session(&target, socket.as_deref(), patience),
        AgentQuestion::Unit(unit) => unit::read(&unit, patience),
        AgentQuestion::Process(question) => process(*question),
        AgentQuestion::Beat(path) => beat::read(Path::new(&path)),
        AgentQuestion::Command { command, directory, expect, limit } => {
            asked(&command, Path::new(&directory), expect.as_deref(), limit)
        }
    }
}

fn process(question: Question) -> Observation<AgentFacts> {
    let missing = |why| Observation::Known(AgentFacts::Missing { what: Missing::Process, why });
    match question.answer() {
        Answer::Process(Observation::Known(facts)) => match facts.found {
            Found::Process(life) if life.has_ended() => {
                missing(format!("{}: process {} is a zombie", facts.how, life.identity.pid))
            }
            Found::Process(life) => Observation::Known(AgentFacts::Alive {
                what: format!("process {} ({})", life.identity.pid, life.command),
                identity: Some(life.identity),
            }),
            Found::Gone { why, .. } => missing(format!("{}: {why}", facts.how)),
            Found::Ambiguous { matches } => {
                let pids: Vec<String> = matches.iter().map(|(pid, _)| pid.to_string()).collect();
                let why = format!("{} finds {} unrelated processes", facts.how, pids.join(", "));
                Observation::Failed { why }
            }
        },
        Answer::Process(Observation::Failed { why }) => Observation::Failed { why },
        _ => Observation::Absent,
    }
}

fn asked(
    command: &[String],
    directory: &Path,
    expect: Option<&str>,
    limit: Duration,
) -> Observation<AgentFacts> {
    let Some((program, arguments)) = command.split_first() else { return Observation::Absent };
    let said = match command::run(program, arguments, Some(directory), limit) {
        Ok(said) => said,
        Err(error) if error.kind() == ErrorKind::TimedOut => {
            let why = format!("{program} gave {error} and was ended");
            return Observation::Known(AgentFacts::NoAnswer { why });
        }
        Err(error) => return Observation::Failed { why: format!("{program} cannot be started: {error}") },
    };
    let expected = expect.is_none_or(|expect| said.stdout.contains(expect));
    let last = said.stdout.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("nothing");
    let quoted: String = last.chars().filter(|c| !c.is_control()).take(QUOTED).collect();
    let good = said.success && expected;
    let said = match (said.success, expected) {
        (false, _) => format!("{program} failed ({}): {}", said.status, said.complaint()),
        (true, false) => format!("{program} said '{quoted}' and not '{}'", expect.unwrap_or_default()),
        (true, true) => quoted,
    };
    Observation::Known(AgentFacts::Answer { good, said })
}
