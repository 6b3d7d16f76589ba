//! `runs:`: each run with its name, log, process and checkpoints.

use super::locate::Aim;
use super::raw;
use super::section::{Range, Section};
use super::thresholds::MOST_STEPS;
use super::{Actions, CheckpointSpec, ProcessSpec, Profile, Run, actions, paths};
use crate::error::Result;
use crate::playbook::Catalogue;
use std::collections::HashMap;
use std::path::PathBuf;

/// Bytes of a compiled regex: far above what a line of a config needs, far below what hurts.
const REGEX_BYTES: usize = 1 << 20;
/// Characters of a name: with its suffixes it has to fit into the 255 bytes of a file name.
const NAME_CHARS: usize = 100;
/// Names that the state directory uses for itself.
const RESERVED_NAMES: &[&str] = &["outbox", "reserve", "alerts.log", "history.jsonl", "agent_health.yaml"];
/// Endings by which the files of one run would become those of another.
const RESERVED_ENDINGS: &[&str] = &[".json", ".lock", ".prev", ".damaged"];

const STEPS: Range = Range { least: 1.0, least_allowed: true, most: MOST_STEPS, whole: true, unit: "steps" };
/// Linux gives out no pid above 2^22.
const PID: Range =
    Range { least: 1.0, least_allowed: true, most: 4_194_304.0, whole: true, unit: "a process id" };

const MATCHES_EVERYTHING: &str = "it matches empty text, and so everything";

/// Compiles a user's regex as every part of the tool does: on bytes, with a limit on its size.
/// The error says what is wrong with it.
pub fn compile(pattern: &str) -> std::result::Result<regex::bytes::Regex, String> {
    let regex = regex::bytes::RegexBuilder::new(pattern).size_limit(REGEX_BYTES).build();
    let regex = regex.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "it is too large: repeat less".to_owned(),
        other => one_line(&other),
    })?;
    if regex.is_match(b"") {
        return Err(MATCHES_EVERYTHING.to_owned());
    }
    Ok(regex)
}

/// What is wrong with a regex, without the drawing of where.
pub(super) fn one_line(error: &regex::Error) -> String {
    let said = error.to_string();
    said.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// What is wrong with a run's name, if anything.
pub fn name_fault(name: &str) -> Option<String> {
    let odd = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c)));
    if name.is_empty() {
        Some("a run's name cannot be empty".to_owned())
    } else if let Some(odd) = odd {
        Some(format!(
            "a run's name is part of file names and cannot hold {odd:?}: use letters, digits, `.`, `_` and `-`"
        ))
    } else if name.starts_with('.') || name.starts_with('-') {
        Some("a run's name begins with a letter, a digit or `_`".to_owned())
    } else if name.len() > NAME_CHARS {
        Some(format!("a run's name has at most {NAME_CHARS} characters"))
    } else if RESERVED_NAMES.contains(&name) || RESERVED_ENDINGS.iter().any(|end| name.ends_with(end)) {
        Some(format!("`{name}` is a name that the state directory uses for itself"))
    } else {
        None
    }
}

/// `runs:`, checked.
pub(super) fn runs(
    at: &Section<'_>,
    raw: Option<&[raw::Run]>,
    playbook: &Catalogue,
    notes: &mut Vec<String>,
) -> Result<Vec<Run>> {
    let raw = raw.unwrap_or_default();
    let mut runs: Vec<Run> = Vec::with_capacity(raw.len());
    let mut seen = HashMap::new();
    for (index, raw) in raw.iter().enumerate() {
        let here = at.index(index);
        let run = run(&here, raw, playbook, notes)?;
        if let Some(first) = seen.insert(run.name.clone(), index) {
            let first = at.index(first).key("name").place(Aim::Value);
            let what = format!("a second run of the name `{}`; the first is at {first}", run.name);
            return Err(here.wrong("name", &what, "give each run its own name"));
        }
        runs.push(run);
    }
    Ok(runs)
}

fn run(at: &Section<'_>, raw: &raw::Run, playbook: &Catalogue, notes: &mut Vec<String>) -> Result<Run> {
    let Some(name) = &raw.name else {
        let next = "add a line such as `name: resnet50`: state and alerts carry it";
        return Err(at.wrong_here(Aim::Value, "this run has no `name`", next));
    };
    let name = at.text("name", name)?;
    if let Some(fault) = name_fault(&name) {
        return Err(at.wrong("name", &fault, "choose another name"));
    }
    let log = raw.log.as_ref().map(|log| self::log(at, log)).transpose()?;
    let process = raw.process.as_ref().map(|raw| process(&at.key("process"), raw, notes)).transpose()?;
    let checkpoints =
        raw.checkpoints.as_ref().map(|raw| checkpoints(&at.key("checkpoints"), raw)).transpose()?;
    if log.is_none() && process.is_none() && checkpoints.is_none() {
        let what = format!("nothing says where to look for the run `{name}`");
        return Err(at.wrong_here(Aim::Value, &what, "add a line such as `log: train.log`"));
    }
    let total_steps = at.number("total_steps", raw.total_steps.as_ref(), STEPS)?;
    let done_when = raw.done_when.as_ref().map(|text| regex(at, "done_when", text)).transpose()?;
    let later = [("workdir", &raw.workdir), ("metrics", &raw.metrics), ("orchestrator", &raw.orchestrator)];
    let gpus = super::gpu::names(&at.key("gpus"), raw.gpus.as_deref().unwrap_or_default())?;
    for (key, _) in later.iter().filter(|(_, value)| value.is_some()) {
        note(notes, &format!("runs[].{key}"));
    }
    let actions = match &raw.actions {
        Some(raw) => actions::actions(&at.key("actions"), raw, playbook)?.with_log(log.as_ref()),
        None => Actions::default(),
    };
    Ok(Run {
        name,
        log,
        command: raw.command.as_ref().map(|text| at.text("command", text)).transpose()?,
        process: process.flatten(),
        checkpoints,
        total_steps: total_steps.map(|n| n as u64),
        done_when,
        gpus,
        profile: raw.profile.as_ref().map(|text| profile(at, text)).transpose()?,
        actions,
    })
}

fn profile(at: &Section<'_>, text: &raw::Text) -> Result<Profile> {
    let word = at.text("profile", text)?;
    let known = Profile::ALL.into_iter().find(|profile| profile.word() == word);
    known.ok_or_else(|| at.wrong_word("profile", &word, &Profile::ALL.map(Profile::word)))
}

fn log(at: &Section<'_>, log: &raw::Text) -> Result<PathBuf> {
    let path = at.path("log", log)?;
    if paths::is_glob(&path) {
        glob(at, "log", &path.to_string_lossy())?;
    }
    Ok(path)
}

fn process(at: &Section<'_>, raw: &raw::Process, notes: &mut Vec<String>) -> Result<Option<ProcessSpec>> {
    let given = [
        ("pid", raw.pid.is_some()),
        ("pid_file", raw.pid_file.is_some()),
        ("match", raw.r#match.is_some()),
        ("slurm_job", raw.slurm_job.is_some()),
        ("tmux", raw.tmux.is_some()),
        ("systemd_unit", raw.systemd_unit.is_some()),
    ];
    let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
    let given: Vec<&str> = given.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    let &[key] = given.as_slice() else {
        let next = format!("give exactly one of {}", super::diagnose::listed(&names));
        return Err(match given.get(1) {
            None => at.wrong_here(Aim::Value, "`process` names no way to find the process", &next),
            Some(second) => at.wrong_key(
                second,
                &format!("`process` has {} ways to find one process", given.len()),
                &next,
            ),
        });
    };
    if let Some(pid) = at.number("pid", raw.pid.as_ref(), PID)? {
        return Ok(Some(ProcessSpec::Pid(pid as i32)));
    }
    if let Some(file) = &raw.pid_file {
        return Ok(Some(ProcessSpec::PidFile(at.path("pid_file", file)?)));
    }
    if let Some(pattern) = &raw.r#match {
        return Ok(Some(ProcessSpec::Match(regex(at, "match", pattern)?)));
    }
    note(notes, &format!("runs[].process.{key}"));
    Ok(None)
}

fn checkpoints(at: &Section<'_>, raw: &raw::Checkpoints) -> Result<CheckpointSpec> {
    let Some(dir) = &raw.dir else {
        return Err(at.wrong_here(
            Aim::Value,
            "`checkpoints` has no `dir`",
            "add a line such as `dir: checkpoints`",
        ));
    };
    let dir = at.path("dir", dir)?;
    let Some(pattern) = &raw.pattern else {
        return Ok(CheckpointSpec { dir, pattern: None });
    };
    let pattern = at.text("pattern", pattern)?;
    if pattern.is_empty() || pattern.contains('/') {
        return Err(at.wrong(
            "pattern",
            "`pattern` is for the names in `dir`",
            "write something like \"step_*.pt\", without a directory",
        ));
    }
    glob(at, "pattern", &pattern)?;
    Ok(CheckpointSpec { dir, pattern: Some(pattern) })
}

fn regex(at: &Section<'_>, key: &str, text: &raw::Text) -> Result<String> {
    let pattern = at.text(key, text)?;
    match compile(&pattern) {
        Ok(_) => Ok(pattern),
        Err(why) => {
            let what = format!("`{key}` is not a usable regex: {why}");
            let next = if why == MATCHES_EVERYTHING {
                "write words that only the line in question has"
            } else {
                "a backslash makes ( [ { * + ? . plain text; single quotes keep backslashes"
            };
            Err(at.wrong(key, &what, next))
        }
    }
}

fn glob(at: &Section<'_>, key: &str, pattern: &str) -> Result<()> {
    glob::Pattern::new(pattern).map(|_| ()).map_err(|error| {
        let what = format!("`{key}` is not a usable glob: {}", error.msg);
        at.wrong(key, &what, "`*` is any text within a name, `**` any directories, `[*]` a plain star")
    })
}

fn note(notes: &mut Vec<String>, key: &str) {
    let note = super::not_in_effect(key);
    if !notes.contains(&note) {
        notes.push(note);
    }
}
