//! A tmux pane, asked of the server by `tmux list-panes` and `tmux capture-pane`.
//!
//! Whether a server is there is asked of its socket, for what the client says of that changes with its
//! version. Targets are compared here, by exact name or number: tmux itself takes the beginning of a name
//! for the name.

use super::{AgentFacts, Missing, Observation, command};
use crate::observe::process;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::env;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Names of sessions that are listed where the one asked for is missing.
const LISTED: usize = 10;
/// Lines of a screen that are looked at, the last ones; and characters of a line.
const LINES: usize = 400;
const COLUMNS: usize = 1_000;

/// Numbers first, then names: a session's holds no colon, a window's may hold anything.
const FORMAT: &str = "#{pane_id} #{pid} #{start_time} #{window_index} #{window_id} #{window_active} #{pane_index} #{pane_active} #{pane_pid} #{pane_dead} s#{pane_dead_status} x#{pane_dead_signal} #{pane_width} #{pane_height} #{history_size} #{alternate_on} #{cursor_y} #{window_activity} #{session_id} #{session_name}:#{window_name}";
const NUMBERS: usize = 19;

/// By what a pane is known as long as its server lives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneKey {
    /// `%3`: never given twice by one server.
    pub id: String,
    /// The server's pid and start.
    pub server: String,
}

/// A pane as it was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PaneFacts {
    /// Which it is.
    pub key: PaneKey,
    /// Where it is: `coder:0.0`.
    pub place: String,
    /// The target no longer names it: it was found by its id, so its session, window or number changed.
    pub renamed: bool,
    /// Why nothing lives in it; `None` where something does.
    pub ended: Option<String>,
    /// Whether one of its processes matches the command that must run; `None` where none must.
    pub runs_command: Option<bool>,
    /// What runs in front, as tmux calls it.
    pub current: String,
    /// Its size, columns and rows.
    pub size: (u32, u32),
    /// Lines that scrolled off its top so far and are kept.
    pub history: u64,
    /// The row of the cursor, from 0.
    pub cursor_row: usize,
    /// When its window last put anything out, to the second.
    pub activity: DateTime<Utc>,
    /// What it shows, without the blanks at the ends of lines and without the blank lines at the end.
    pub lines: Vec<String>,
}

/// A pane in the server's list.
struct Listed {
    key: PaneKey,
    session: String,
    session_id: String,
    window: String,
    window_index: String,
    window_id: String,
    pane_index: String,
    window_active: bool,
    pane_active: bool,
    pid: i32,
    dead: bool,
    ended: Option<String>,
    size: (u32, u32),
    history: u64,
    cursor_row: usize,
    activity: DateTime<Utc>,
}

type Fault = Observation<AgentFacts>;

fn missing(what: Missing, why: String) -> Fault {
    Observation::Known(AgentFacts::Missing { what, why })
}

/// Whether anything lives in a session, window or pane.
pub(super) fn session(target: &str, socket: Option<&OsStr>, patience: Duration) -> Observation<AgentFacts> {
    let server = match Server::find(socket, patience) {
        Ok(server) => server,
        Err(fault) => return fault,
    };
    let panes = match server.panes() {
        Ok(panes) => panes,
        Err(fault) => return fault,
    };
    let named: Vec<&Listed> = panes.iter().filter(|pane| pane.is(target, false)).collect();
    match (named.first(), named.iter().find(|pane| pane.why_ended().is_none())) {
        (None, _) => absent(target, &panes),
        (Some(pane), None) => missing(Missing::Process, pane.why_ended().unwrap_or_default()),
        (_, Some(pane)) => {
            let what = format!("tmux {} lives (process {})", pane.place(), pane.pid);
            Observation::Known(AgentFacts::Alive { what, identity: None })
        }
    }
}

/// Looks at a pane. One that is `known` from an earlier look is found under another name as well.
pub(super) fn pane(
    target: &str,
    socket: Option<&OsStr>,
    command: Option<&str>,
    known: Option<&PaneKey>,
    patience: Duration,
) -> Observation<AgentFacts> {
    look(target, socket, command, known, patience).unwrap_or_else(|fault| fault)
}

fn look(
    target: &str,
    socket: Option<&OsStr>,
    command: Option<&str>,
    known: Option<&PaneKey>,
    patience: Duration,
) -> Result<Fault, Fault> {
    let server = Server::find(socket, patience)?;
    let panes = server.panes()?;
    let by_target = panes.iter().find(|pane| pane.is(target, true));
    let by_id = || panes.iter().find(|pane| Some(&pane.key) == known);
    let Some(pane) = by_target.or_else(by_id) else { return Err(absent(target, &panes)) };
    let (lines, current) = server.capture(&pane.key.id)?;
    let regex = command.map(crate::config::compile);
    let runs_command = match regex.transpose() {
        Ok(regex) => regex.map(|regex| pane.processes().iter().any(|line| regex.is_match(line.as_bytes()))),
        Err(why) => return Err(Observation::Failed { why }),
    };
    Ok(Observation::Known(AgentFacts::Pane(Box::new(PaneFacts {
        key: pane.key.clone(),
        place: pane.place(),
        renamed: by_target.is_none(),
        ended: pane.why_ended(),
        runs_command,
        current,
        size: pane.size,
        history: pane.history,
        cursor_row: pane.cursor_row,
        activity: pane.activity,
        lines,
    }))))
}

fn absent(target: &str, panes: &[Listed]) -> Fault {
    let session = target.split(':').next().unwrap_or_default();
    if panes.iter().any(|pane| pane.session == session) {
        return missing(Missing::Pane, format!("tmux session '{session}' has no pane '{target}'"));
    }
    let mut names: Vec<&str> = panes.iter().map(|pane| pane.session.as_str()).collect();
    names.dedup();
    let more = if names.len() > LISTED { ", …" } else { "" };
    names.truncate(LISTED);
    let there = format!("; there are: {}{more}", names.join(", "));
    missing(Missing::Session, format!("the tmux server has no session '{session}'{there}"))
}

/// A server that answers.
struct Server {
    socket: PathBuf,
    until: Instant,
}

impl Server {
    fn find(socket: Option<&OsStr>, patience: Duration) -> Result<Self, Fault> {
        let socket = path(socket);
        let shown = socket.display();
        match UnixStream::connect(&socket) {
            Ok(_) => Ok(Self { socket, until: Instant::now() + patience }),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                Err(missing(Missing::Server, format!("no tmux server runs: there is no {shown}")))
            }
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                let why = format!("no tmux server runs: nobody listens on {shown} any more");
                Err(missing(Missing::Server, why))
            }
            Err(error) => Err(Observation::Failed { why: format!("tmux socket {shown}: {error}") }),
        }
    }

    fn ask(&self, arguments: &[&str]) -> Result<String, Fault> {
        let socket = self.socket.to_string_lossy();
        // Cron's locale is C, in which tmux would put out `_` for what is not ASCII.
        let all: Vec<&str> = ["-u", "-S", &socket].into_iter().chain(arguments.iter().copied()).collect();
        let left = self.until.saturating_duration_since(Instant::now());
        match command::run("tmux", &all, None, left) {
            Ok(said) if said.success => Ok(said.stdout),
            Ok(said) => Err(Observation::Failed { why: format!("tmux says: {}", said.complaint()) }),
            Err(error) => Err(Observation::Failed { why: format!("tmux: {error}") }),
        }
    }

    fn panes(&self) -> Result<Vec<Listed>, Fault> {
        let said = self.ask(&["list-panes", "-a", "-F", FORMAT])?;
        let panes: Option<Vec<Listed>> = said.lines().map(Listed::parse).collect();
        panes.ok_or_else(|| Observation::Failed {
            why: "cannot make sense of what `tmux list-panes` says".to_owned(),
        })
    }

    /// What a pane shows, and what runs in front.
    fn capture(&self, id: &str) -> Result<(Vec<String>, String), Fault> {
        let front = ["display-message", "-p", "-t", id, "#{pane_current_command}"];
        let capture = ["capture-pane", "-p", "-t", id, ";"];
        let said = self.ask(&[&capture[..], &front[..]].concat())?;
        let mut lines: Vec<String> =
            said.lines().map(|line| line.trim_end().chars().take(COLUMNS).collect()).collect();
        let current = lines.pop().unwrap_or_default();
        let shown = lines.iter().rposition(|line| !line.is_empty()).map_or(0, |last| last + 1);
        lines.truncate(shown.min(LINES));
        Ok((lines, current))
    }
}

/// The socket: as configured, by path or by name; else as tmux itself finds it.
fn path(socket: Option<&OsStr>) -> PathBuf {
    let inside = || {
        let tmux = env::var("TMUX").ok()?;
        tmux.split(',').next().filter(|path| !path.is_empty()).map(PathBuf::from)
    };
    let directory = || {
        let base = env::var_os("TMUX_TMPDIR").filter(|base| !base.is_empty()).unwrap_or("/tmp".into());
        Path::new(&base).join(format!("tmux-{}", rustix::process::getuid().as_raw()))
    };
    match socket.map(Path::new) {
        Some(path) if path.is_absolute() => path.to_owned(),
        Some(name) => directory().join(name),
        None => inside().unwrap_or_else(|| directory().join("default")),
    }
}

impl Listed {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(NUMBERS + 1, ' ');
        let numbers: Vec<&str> = words.by_ref().take(NUMBERS).collect();
        let (session, window) = words.next()?.split_once(':')?;
        let &[
            id,
            server,
            started,
            window_index,
            window_id,
            window_active,
            pane_index,
            pane_active,
            pid,
            dead,
            status,
            signal,
            width,
            height,
            history,
            _alternate,
            cursor,
            activity,
            session_id,
        ] = numbers.as_slice()
        else {
            return None;
        };
        let ended = match (dead, signal, status) {
            // How it ended is known a moment later than that it ended.
            ("1", "x", "s") => None,
            ("1", "x", status) => {
                Some(format!("its process ended with status {}", status.trim_start_matches('s')))
            }
            ("1", signal, _) => {
                Some(format!("its process was ended by signal {}", signal.trim_start_matches('x')))
            }
            _ => None,
        };
        Some(Self {
            key: PaneKey { id: id.to_owned(), server: format!("{server}:{started}") },
            session: session.to_owned(),
            session_id: session_id.to_owned(),
            window: window.to_owned(),
            window_index: window_index.to_owned(),
            window_id: window_id.to_owned(),
            pane_index: pane_index.to_owned(),
            window_active: window_active == "1",
            pane_active: pane_active == "1",
            pid: pid.parse().ok()?,
            dead: dead == "1",
            ended,
            size: (width.parse().ok()?, height.parse().ok()?),
            history: history.parse().ok()?,
            cursor_row: cursor.parse().ok()?,
            activity: DateTime::from_timestamp(activity.parse().ok()?, 0)?,
        })
    }

    /// Whether a target names it. With `one` a session is its active window and a window its active pane.
    fn is(&self, target: &str, one: bool) -> bool {
        if target.starts_with('%') {
            return self.key.id == target;
        }
        let (session, rest) = target.split_once(':').unwrap_or((target, ""));
        if session != self.session && session != self.session_id {
            return false;
        }
        let named = |window: &str| {
            [&self.window_index, &self.window_id, &self.window].iter().any(|own| *own == window)
        };
        // A window's own name may hold a point.
        let (window, pane) = match rest.rsplit_once('.') {
            Some((window, pane)) if pane == self.pane_index || pane == self.key.id => (window, Some(pane)),
            _ => (rest, None),
        };
        let in_window = if window.is_empty() { !one || self.window_active } else { named(window) };
        in_window && (pane.is_some() || !one || self.pane_active)
    }

    fn place(&self) -> String {
        format!("{}:{}.{}", self.session, self.window_index, self.pane_index)
    }

    /// Why nothing lives in it.
    fn why_ended(&self) -> Option<String> {
        let place = format!("tmux pane {}", self.place());
        if self.dead {
            let why = self.ended.as_deref().unwrap_or("its process has ended");
            return Some(format!("{place}: {why}"));
        }
        let lives = |pid: &i32| process::start_ticks(*pid).is_some() || cfg!(not(target_os = "linux"));
        let lives = self.tree().iter().any(lives);
        (!lives).then(|| format!("{place}: its process {} has ended", self.pid))
    }

    /// The pane's process and what it started.
    fn tree(&self) -> Vec<i32> {
        process::tree(self.pid)
    }

    /// The command lines of its processes.
    fn processes(&self) -> Vec<String> {
        self.tree().into_iter().filter_map(process::command_line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(place: &str) -> Listed {
        let line = format!("%3 812 1700000000 0 @1 1 1 1 4711 0 s x 80 24 17 0 5 1700000100 $0 {place}");
        Listed::parse(&line).unwrap()
    }

    #[test]
    fn a_target_is_a_name_or_a_number_and_never_the_beginning_of_one() {
        let pane = listed("scout:main.loop: 2");
        for target in [
            "scout",
            "scout:0",
            "scout:0.1",
            "scout:main.loop: 2",
            "scout:main.loop: 2.1",
            "%3",
            "$0",
            "scout:@1.%3",
        ] {
            assert!(pane.is(target, true), "{target}");
        }
        for target in ["scou", "scout:1", "scout:0.0", "scout:main", "%31", "s*"] {
            assert!(!pane.is(target, true), "{target}");
        }
    }

    #[test]
    fn a_line_that_makes_no_sense_is_no_pane() {
        for line in ["", "%3", "%3 x x x x x x x x x x x x x x x x x x a:b"] {
            assert!(Listed::parse(line).is_none(), "{line}");
        }
    }

    #[test]
    fn a_dead_pane_says_how_it_ended() {
        let line = |ended: &str| format!("%3 812 1 0 @1 1 1 1 4711 1 {ended} 80 24 17 0 5 1 $0 a:b");
        let why = |ended| Listed::parse(&line(ended)).unwrap().why_ended().unwrap();
        assert!(why("s3 x").contains("status 3"), "{}", why("s3 x"));
        assert!(why("s x9").contains("signal 9"), "{}", why("s x9"));
    }
}
