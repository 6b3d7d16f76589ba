//! `agents:`: whoever drives the runs, by name, each with how it is known to live and to work.

use super::locate::Aim;
use super::raw;
use super::runs::{compile, name_fault};
use super::section::{Range, Section};
use super::{ProcessSpec, Run};
use crate::error::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Minutes: a model's longest answer without a line of output takes less.
const OUTPUT_MAX_MINUTES: f64 = 10.0;
/// Minutes: ten beats of an agent that beats twice a minute.
const MAX_AGE_MINUTES: f64 = 5.0;
/// Asking an agent may cost money; a quarter of a day finds a lost login before the night.
const PROBE_INTERVAL: Duration = Duration::from_hours(6);
/// Between every patrol and a probe that might as well be off.
const PROBE_INTERVALS: [Duration; 2] = [Duration::ZERO, Duration::from_hours(24 * 30)];
/// What a model takes for one word with its start; the rest of a patrol's 50 s leaves no more.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);
/// Nothing answers in less, and no patrol waits for more.
const PROBE_TIMEOUTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(10)];

const MINUTES: Range = Range {
    least: 0.0,
    least_allowed: false,
    most: 525_600.0,
    whole: false,
    unit: "minutes, fractions are allowed",
};
const RATIO: Range =
    Range { least: 0.0, least_allowed: true, most: 1.0, whole: false, unit: "a ratio: 20 % is 0.2" };

/// An agent under guard.
#[derive(Debug, Clone, PartialEq)]
pub struct Agent {
    /// Its name: unique among runs and agents, and part of file names.
    pub name: String,
    /// How it is known to live and to work.
    pub kind: AgentKind,
}

/// How an agent is known to live and to work.
#[derive(Debug, Clone, PartialEq)]
pub enum AgentKind {
    /// It works in a tmux pane.
    Tmux(TmuxPane),
    /// It lives as long as something does; whether it works is not asked.
    Session(SessionSpec),
    /// It lives only while it is asked something; without a probe it is never asked.
    Stateless(Option<Probe>),
    /// It writes when it is well.
    Heartbeat(Heartbeat),
}

/// `kind: tmux`.
#[derive(Debug, Clone, PartialEq)]
pub struct TmuxPane {
    /// Session, `session:window`, `session:window.pane` or `%id`, each by its exact name or number.
    pub target: String,
    /// The server's socket, a path or a name; `None` is the user's default.
    pub socket: Option<PathBuf>,
    /// A regex on the command lines of the pane's processes: one must match; checked to compile.
    pub command: Option<String>,
    /// It is silent when its last output is older.
    pub output_max: Duration,
}

/// `kind: session`.
#[derive(Debug, Clone, PartialEq)]
pub enum SessionSpec {
    /// A tmux session, window or pane, and the server's socket.
    Tmux(String, Option<PathBuf>),
    /// A systemd unit of the user.
    Unit(String),
    /// A process.
    Process(ProcessSpec),
    /// A command that succeeds while the session lives.
    Command(Probe),
}

/// A command that asks an agent.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Where it runs: the config's own directory.
    pub directory: PathBuf,
    /// What its output must contain.
    pub expect: Option<String>,
    /// It is run at most this often while the answer is good.
    pub interval: Duration,
    /// It is ended after this long.
    pub timeout: Duration,
}

/// `kind: heartbeat`.
#[derive(Debug, Clone, PartialEq)]
pub struct Heartbeat {
    /// The file; `None` is the one that `trainguard heartbeat` keeps in the state directory.
    pub path: Option<PathBuf>,
    /// It is silent when the last beat is older.
    pub max_age: Duration,
    /// Share of requests that may fail, 0–1; `None` is not judged.
    pub error_rate_max: Option<f64>,
}

impl AgentKind {
    /// The word in config and reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Tmux(_) => "tmux",
            Self::Session(_) => "session",
            Self::Stateless(_) => "stateless",
            Self::Heartbeat(_) => "heartbeat",
        }
    }
}

impl Agent {
    /// The file of a heartbeat, which is in the state directory where none is named.
    pub fn heartbeat_file(&self, state_dir: &Path) -> Option<PathBuf> {
        let AgentKind::Heartbeat(heartbeat) = &self.kind else { return None };
        let usual = || state_dir.join(&self.name).join("heartbeat.json");
        Some(heartbeat.path.clone().unwrap_or_else(usual))
    }
}

/// Keys that a kind takes besides `kind`.
fn keys(kind: &str) -> Option<&'static [&'static str]> {
    Some(match kind {
        "tmux" => &["target", "socket", "command", "output_max_minutes"],
        "session" => &["target", "socket", "systemd_unit", "pid_file", "match", "probe", "timeout"],
        "stateless" => &["probe", "expect", "probe_interval", "timeout"],
        "heartbeat" => &["path", "max_age_minutes", "error_rate_max"],
        _ => return None,
    })
}

/// `agents:`, checked. Names are those of files in the state directory, so none is a run's too.
pub(super) fn agents(
    at: &Section<'_>,
    raw: Option<&BTreeMap<String, raw::Agent>>,
    runs: &[Run],
) -> Result<Vec<Agent>> {
    let mut agents = Vec::new();
    for (name, raw) in raw.into_iter().flatten() {
        check_name(at, name, runs.iter().map(|run| run.name.as_str()))?;
        agents.push(Agent { name: name.clone(), kind: kind(&at.key(name), raw)? });
    }
    Ok(agents)
}

/// Refuses a name that cannot be a file's, or that something else under guard has.
pub(super) fn check_name<'n>(
    at: &Section<'_>,
    name: &str,
    mut taken: impl Iterator<Item = &'n str>,
) -> Result<()> {
    if let Some(fault) = name_fault(name) {
        let fault = fault.replacen("a run's name", "a name here", 1);
        return Err(at.wrong_key(name, &fault, "choose another name"));
    }
    if taken.any(|taken| taken == name) {
        let what = format!("`{name}` is also the name of something else under guard");
        let next = "give each its own: state, alerts and `trainguard ack` go by it";
        return Err(at.wrong_key(name, &what, next));
    }
    Ok(())
}

fn kind(at: &Section<'_>, raw: &raw::Agent) -> Result<AgentKind> {
    const KINDS: &[&str] = &["tmux", "session", "stateless", "heartbeat"];
    let Some(word) = &raw.kind else {
        let next = "add a line such as `kind: tmux`; there are tmux, session, stateless and heartbeat";
        return Err(at.wrong_here(Aim::Value, "this agent has no `kind`", next));
    };
    let word = at.text("kind", word)?;
    let Some(keys) = keys(&word) else { return Err(at.wrong_word("kind", &word, KINDS)) };
    if let Some(key) = raw.given().into_iter().find(|key| !keys.contains(key)) {
        let what = format!("an agent of kind {word} has no `{key}`");
        return Err(at.wrong_key(key, &what, &format!("it takes {}", super::diagnose::listed(keys))));
    }
    let socket = raw.socket.as_ref().map(|text| socket(at, text)).transpose()?;
    Ok(match word.as_str() {
        "tmux" => AgentKind::Tmux(TmuxPane {
            target: target(at, raw.target.as_ref())?,
            socket,
            command: raw.command.as_ref().map(|text| regex(at, "command", text)).transpose()?,
            output_max: minutes(
                at,
                "output_max_minutes",
                raw.output_max_minutes.as_ref(),
                OUTPUT_MAX_MINUTES,
            )?,
        }),
        "session" => AgentKind::Session(session(at, raw, socket)?),
        "stateless" => AgentKind::Stateless(probe(at, raw)?),
        _ => AgentKind::Heartbeat(Heartbeat {
            path: raw.path.as_ref().map(|path| at.path("path", path)).transpose()?,
            max_age: minutes(at, "max_age_minutes", raw.max_age_minutes.as_ref(), MAX_AGE_MINUTES)?,
            error_rate_max: at.number("error_rate_max", raw.error_rate_max.as_ref(), RATIO)?,
        }),
    })
}

fn session(at: &Section<'_>, raw: &raw::Agent, socket: Option<PathBuf>) -> Result<SessionSpec> {
    const WAYS: &[&str] = &["target", "systemd_unit", "pid_file", "match", "probe"];
    let given: Vec<&str> = raw.given().into_iter().filter(|key| WAYS.contains(key)).collect();
    let &[way] = given.as_slice() else {
        let next = format!("give exactly one of {}", super::diagnose::listed(WAYS));
        return Err(match given.get(1) {
            None => at.wrong_here(Aim::Value, "nothing says how this session is known to live", &next),
            Some(second) => at.wrong_key(second, "a second way to tell whether this session lives", &next),
        });
    };
    if socket.is_some() && way != "target" {
        return Err(at.wrong_key("socket", "`socket` goes with `target`", "delete one of the two"));
    }
    let unnamed = || at.wrong_here(Aim::Value, "nothing says how this session is known to live", "");
    Ok(match way {
        "target" => SessionSpec::Tmux(target(at, raw.target.as_ref())?, socket),
        "systemd_unit" => SessionSpec::Unit(line(at, "systemd_unit", raw.systemd_unit.as_ref())?),
        "pid_file" => {
            let path = raw.pid_file.as_ref().ok_or_else(unnamed)?;
            SessionSpec::Process(ProcessSpec::PidFile(at.path("pid_file", path)?))
        }
        "match" => {
            let text = raw.r#match.as_ref().ok_or_else(unnamed)?;
            SessionSpec::Process(ProcessSpec::Match(regex(at, "match", text)?))
        }
        _ => SessionSpec::Command(probe(at, raw)?.ok_or_else(unnamed)?),
    })
}

fn target(at: &Section<'_>, text: Option<&raw::Text>) -> Result<String> {
    line(at, "target", text)
}

/// Text in one line that has to be there.
fn line(at: &Section<'_>, key: &str, text: Option<&raw::Text>) -> Result<String> {
    let Some(text) = text else {
        let what = format!("this agent has no `{key}`");
        return Err(at.wrong_here(Aim::Value, &what, &format!("add a line such as `{key}: coder`")));
    };
    let text = at.text(key, text)?;
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        return Err(at.wrong(key, &format!("`{key}` names nothing"), "write the name as tmux shows it"));
    }
    Ok(text)
}

/// A socket's path, or its name as `tmux -L` takes it.
fn socket(at: &Section<'_>, text: &raw::Text) -> Result<PathBuf> {
    let word = at.text("socket", text)?;
    if word.contains('/') { at.path("socket", text) } else { Ok(line(at, "socket", Some(text))?.into()) }
}

fn regex(at: &Section<'_>, key: &str, text: &raw::Text) -> Result<String> {
    let pattern = at.text(key, text)?;
    match compile(&pattern) {
        Ok(_) => Ok(pattern),
        Err(why) => {
            let what = format!("`{key}` is not a usable regex: {why}");
            Err(at.wrong(key, &what, "it is a regex on command lines, such as 'claude|codex'"))
        }
    }
}

fn probe(at: &Section<'_>, raw: &raw::Agent) -> Result<Option<Probe>> {
    let Some(words) = &raw.probe else {
        let of_a_probe = ["expect", "probe_interval", "timeout"];
        return match raw.given().into_iter().find(|key| of_a_probe.contains(key)) {
            None => Ok(None),
            Some(key) => {
                let what = format!("`{key}` is about a `probe`, and there is none");
                Err(at.wrong_key(key, &what, "add a line such as `probe: [./ask.sh]`"))
            }
        };
    };
    let command = super::section::command(&at.key("probe"), words)?;
    let [least, most] = PROBE_INTERVALS;
    let interval = at.span("probe_interval", raw.probe_interval.as_ref(), least..=most)?;
    let [least, most] = PROBE_TIMEOUTS;
    let timeout = at.span("timeout", raw.timeout.as_ref(), least..=most)?;
    let expect = raw.expect.as_ref().map(|text| at.text("expect", text)).transpose()?;
    Ok(Some(Probe {
        command,
        directory: at.absolute("."),
        expect: expect.filter(|text| !text.is_empty()),
        interval: interval.unwrap_or(PROBE_INTERVAL),
        timeout: timeout.unwrap_or(PROBE_TIMEOUT),
    }))
}

fn minutes(at: &Section<'_>, key: &str, raw: Option<&raw::Number>, default: f64) -> Result<Duration> {
    let minutes = at.number(key, raw, MINUTES)?.unwrap_or(default);
    Ok(Duration::from_secs_f64(minutes * 60.0))
}
