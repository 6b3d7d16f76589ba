//! `trainguard heartbeat`: an agent says that it is well, from any script.

use crate::cli::{Common, Heartbeat};
use crate::clock::Clock;
use crate::config::{self, Agent, AgentKind};
use crate::error::{Error, Result};
use crate::persist::atomic;
use crate::persist::lock::Lock;
use crate::persist::store::Store;
use chrono::SecondsFormat;
use serde_json::{Map, Value};
use std::io;
use std::path::Path;

const SCHEMA: &str = "trainguard/heartbeat/1";
/// Whoever watches may be another user.
const FILE_MODE: u32 = 0o644;
/// A beat is a few lines; what is larger is none.
const SIZE_MAX: u64 = 64 * 1024;

/// Notes the time, and counts a request where its outcome is told. Writers take turns, so none loses
/// another's count.
pub fn run(args: &Heartbeat, common: &Common, clock: &Clock) -> Result<()> {
    let config = config::load(&super::load_args(common, None)?)?;
    let beats = config.agents.iter().filter(|agent| matches!(agent.kind, AgentKind::Heartbeat(_)));
    let beats: Vec<&Agent> = beats.collect();
    let agent =
        beats.iter().find(|agent| agent.name == args.name).ok_or_else(|| unknown(&args.name, &beats))?;
    if !config.trusted {
        let why = format!("others can change the config that says where: {}", config.notes.join("; "));
        return Err(Error::Untrusted(format!("the heartbeat of {} is not written: {why}", args.name)));
    }
    let Some(path) = agent.heartbeat_file(&config.state_dir) else { return Err(unknown(&args.name, &beats)) };
    match path.parent() {
        Some(parent) if parent.starts_with(&config.state_dir) => {
            Store::open(&config.state_dir)?.directory(&args.name)?;
        }
        Some(parent) => std::fs::create_dir_all(parent).map_err(Error::io("create the directory", parent))?,
        None => {}
    }
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    let _lock = Lock::acquire(Path::new(&lock), common.lock_wait)?;
    let mut beat = read(&path)?;
    count(&mut beat, args);
    beat.insert("updated_at".to_owned(), clock.wall().to_rfc3339_opts(SecondsFormat::Millis, true).into());
    let text = Value::Object(beat).to_string() + "\n";
    atomic::exchange(&path, text.as_bytes(), FILE_MODE).map_err(Error::io("write", &path))
}

fn unknown(name: &str, beats: &[&Agent]) -> Error {
    let known: Vec<&str> = beats.iter().map(|agent| agent.name.as_str()).collect();
    let next = match (config::nearest(name, &known), known.is_empty()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, false) => format!("there are {}", known.join(", ")),
        (None, true) => format!("add to the config: agents: {{{name}: {{kind: heartbeat}}}}"),
    };
    Error::Usage(format!("no agent `{name}` of kind heartbeat is in the config: {next}"))
}

/// The beat so far, with whatever else its file holds.
fn read(path: &Path) -> Result<Map<String, Value>> {
    let new = || Map::from_iter([("schema".to_owned(), SCHEMA.into())]);
    let text = match std::fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(new()),
        Err(error) => return Err(Error::io("look at", path)(error)),
        Ok(meta) if !meta.is_file() || meta.len() > SIZE_MAX => return Err(no_beat(path, "it is none")),
        Ok(_) => std::fs::read(path).map_err(Error::io("read", path))?,
    };
    match serde_yaml::from_slice(&text) {
        Ok(Value::Object(beat)) => Ok(beat),
        Ok(Value::Null) => Ok(new()),
        Ok(_) => Err(no_beat(path, "it is no mapping")),
        Err(error) => Err(no_beat(path, &error.to_string())),
    }
}

fn no_beat(path: &Path, why: &str) -> Error {
    let next = "move it away, or name another file with `path:`";
    Error::State(format!("{} does not look like a heartbeat ({why}): {next}", path.display()))
}

fn count(beat: &mut Map<String, Value>, args: &Heartbeat) {
    for (key, adds) in [("requests", args.ok || args.error), ("errors", args.error)] {
        let before = beat.get(key).and_then(Value::as_u64).unwrap_or(0);
        beat.insert(key.to_owned(), before.saturating_add(u64::from(adds)).into());
    }
}
