//! `runs[].orchestrator:` and `orchestrator:`: the server that keeps a run and its operator's choices.

use super::address::Address;
use super::channel;
use super::locate::Aim;
use super::section::Section;
use super::{Run, raw};
use crate::error::Result;
use std::path::PathBuf;

/// Characters of a run's id there: such ids are short hashes or names.
const ID_CHARS: usize = 200;

/// A run on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orchestrator {
    /// The server, without `/runs`.
    pub address: Address,
    /// The run's id there.
    pub run_id: String,
    /// What the server is shown; none where it asks for nothing.
    pub token: Option<Token>,
}

/// Where the token stands. It never stands in the config itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// In this variable of the environment.
    Env(String),
    /// In the first line of this file. Absolute.
    File(PathBuf),
}

/// Gives every run its server. Returns that of the one run that there will be, where none is configured.
pub(super) fn assign(
    [at_runs, top]: [&Section<'_>; 2],
    (raw_runs, raw_top): (&[raw::Run], Option<&raw::Orchestrator>),
    runs: &mut [Run],
) -> Result<Option<Orchestrator>> {
    let unset = raw::Orchestrator::default();
    let common = raw_top.unwrap_or(&unset);
    if common.run_id.is_some() && runs.len() > 1 {
        let what = format!("one `run_id` cannot be that of {} runs", runs.len());
        return Err(top.wrong_key(
            "run_id",
            &what,
            "write it under each run, as `orchestrator: {run_id: …}`",
        ));
    }
    let shared = Layer { at: top, raw: common };
    let mut used = false;
    for (index, (run, raw)) in runs.iter_mut().zip(raw_runs).enumerate() {
        let at = at_runs.index(index).key("orchestrator");
        let own = raw.orchestrator.as_ref();
        if own.is_some() || common.run_id.is_some() {
            run.orchestrator = server(&Layer { at: &at, raw: own.unwrap_or(&unset) }, &shared)?;
            used = true;
        }
    }
    if used || raw_top.is_none() {
        return Ok(None);
    }
    if common.run_id.is_none() {
        let next = "add `run_id:` here where there is one run, else `orchestrator: {run_id: …}` to each run";
        return Err(top.wrong_here(Aim::Key, "no run has a `run_id` on this server", next));
    }
    server(&Layer { at: top, raw: &unset }, &shared)
}

/// The keys of one mapping.
struct Layer<'a> {
    at: &'a Section<'a>,
    raw: &'a raw::Orchestrator,
}

/// The server of a run: what its own keys do not say the common ones do. An empty address is off.
fn server(own: &Layer<'_>, common: &Layer<'_>) -> Result<Option<Orchestrator>> {
    let pick = |given: fn(&raw::Orchestrator) -> bool| if given(own.raw) { own } else { common };
    let layer = pick(|raw| raw.url.is_some());
    let Some(url) = &layer.raw.url else {
        let next = "add a line such as `url: http://127.0.0.1:10000`";
        return Err(own.at.wrong_here(Aim::Key, "`orchestrator` has no `url`", next));
    };
    let url = layer.at.text("url", url)?;
    if url.trim().is_empty() {
        return Ok(None);
    }
    let address = channel::parsed(layer.at, "url", &url)?;
    let layer = pick(|raw| raw.run_id.is_some());
    let Some(id) = &layer.raw.run_id else {
        let next = "add a line such as `run_id: a1b2c3`: the run's id on that server";
        return Err(own.at.wrong_here(Aim::Key, "`orchestrator` has no `run_id`", next));
    };
    let run_id = layer.at.text("run_id", id)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "._~-:@".contains(c);
    if run_id.is_empty() || run_id.len() > ID_CHARS || !run_id.chars().all(plain) || run_id.starts_with('.') {
        let next = "write it as the server shows it: letters, digits and `._~-:@`";
        return Err(layer.at.wrong("run_id", "`run_id` is no id of a run", next));
    }
    let layer = pick(|raw| raw.token_env.is_some() || raw.token_file.is_some());
    Ok(Some(Orchestrator { address, run_id, token: token(layer)? }))
}

fn token(layer: &Layer<'_>) -> Result<Option<Token>> {
    match (&layer.raw.token_env, &layer.raw.token_file) {
        (Some(_), Some(_)) => {
            let what = "`token_env` and `token_file` are both given";
            Err(layer.at.wrong_key("token_file", what, "keep one of the two"))
        }
        (None, None) => Ok(None),
        (None, Some(path)) => layer.at.path("token_file", path).map(|path| Some(Token::File(path))),
        (Some(name), None) => {
            let name = layer.at.text("token_env", name)?;
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                // It may be the token itself: it is not repeated.
                let next = "write the variable's name, as in `token_env: AUTH_TOKEN`; the token stands in the environment";
                return Err(layer.at.wrong("token_env", "`token_env` is no name of a variable", next));
            }
            Ok(Some(Token::Env(name)))
        }
    }
}
