//! `trainguard preflight`: look at the GPUs that a command asks for, wait while they are busy, then
//! ask whether to go on. `launch` does the same before it starts anything.

mod ask;
mod look;
mod say;
mod terminal;

use crate::cli::{Common, GpuCheck, Preflight as Args};
use crate::clock::Clock;
use crate::config::{self, Config, Decision, Env, GpuName, GpuSource};
use crate::error::{Error, Result};
use crate::judge::say::span;
use crate::launch::command::{split, stem};
use crate::observe::gpu;
use crate::preflight::Request;
use crate::preflight::request::Source;
use look::{Gpus, Looker, Seen};
use say::Progress;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::Instant;

/// The exit code of a run that is not to be started.
const STOPPED: u8 = 1;

/// A check of GPUs before a run is started.
pub struct Preflight<'a> {
    /// The run's name.
    pub name: &'a str,
    /// The command that is to be started.
    pub command: &'a [String],
    /// The environment that it is started in.
    pub env: Env<'a>,
    /// What the flags say.
    pub flags: &'a GpuCheck,
    /// Everything else.
    pub config: &'a Config,
    /// The flags that all commands share.
    pub common: &'a Common,
    /// Reads the clocks.
    pub clocks: &'a dyn Fn() -> Clock,
    /// A question may be answered on standard input, where that is a terminal.
    pub attended: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The run may be started.
    pub goes: bool,
    /// Why.
    pub outcome: Outcome,
    /// The GPUs that it will use: UUIDs, as far as the cards tell them.
    pub gpus: Vec<String>,
}

/// Why a run may be started or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It uses no GPU, or the machine has none and nobody asks for one.
    NoGpu,
    /// The GPUs are free.
    Free,
    /// Somebody decided.
    Decided(Decision),
    /// Nobody did, and this is the default.
    Undecided(Decision),
}

/// Looks, waits and asks; returns the exit code.
pub fn run(args: &Args, common: &Common, clocks: &dyn Fn() -> Clock, out: &mut dyn Write) -> Result<u8> {
    let config = config::load(&super::load_args(common, None)?.without_config())?;
    let made_up = || {
        let (_, command) = split(args.command.clone());
        format!("{}-{}", stem(&command), clocks().wall().format("%Y%m%d-%H%M%S"))
    };
    let name = args.name.clone().unwrap_or_else(made_up);
    if let Some(fault) = config::name_fault(&name) {
        return Err(Error::Usage(format!("--name '{name}': {fault}")));
    }
    for note in config.notes.iter().filter(|_| !common.quiet) {
        line(out, &format!("note: {note}"))?;
    }
    let preflight = Preflight {
        name: &name,
        command: &args.command,
        env: &|name| std::env::var_os(name),
        flags: &args.gpus,
        config: &config,
        common,
        clocks,
        attended: true,
    };
    let verdict = run_for(&preflight, out)?;
    Ok(if verdict.goes { 0 } else { STOPPED })
}

/// The whole check: for `preflight` itself and for whoever starts a run.
///
/// # Errors
/// [`Error::Gpu`]: a GPU that is asked for does not exist, or the GPUs could not be looked at.
pub fn run_for(preflight: &Preflight<'_>, out: &mut dyn Write) -> Result<Verdict> {
    let request = preflight.request()?;
    let source = &preflight.config.gpu.source;
    let without = if request.is_none() {
        Some("the command uses no GPU: its CUDA_VISIBLE_DEVICES names none")
    } else if *source == GpuSource::None {
        Some("GPUs are not looked at: `gpu.source` is none")
    } else if !gpu::is_worth_asking(source, request.is_explicit() || preflight.config.gpu.expect > 0) {
        Some(look::NONE)
    } else {
        None
    };
    if let Some(why) = without {
        return preflight.without_gpu(why, out);
    }
    let settings = preflight.settings();
    let mut looker = Looker::new(preflight, &request, &settings);
    let first = match looker.look()? {
        Seen::NoGpu(why) => return preflight.without_gpu(why, out),
        Seen::Gpus(gpus) => gpus,
    };
    if let Some(note) = first.note.iter().find(|_| !preflight.common.quiet) {
        line(out, &format!("note: {note}"))?;
    }
    let gpus = first.uuids.clone();
    let verdict = |outcome, goes| Ok(Verdict { goes, outcome, gpus: gpus.clone() });
    let begin = Instant::now();
    let mut progress = Progress::new(out, preflight.common.quiet);
    let mut last: Result<Gpus> = Ok(first);
    loop {
        match &last {
            Ok(seen) if seen.busy.is_empty() => {
                let after = if begin.elapsed() >= settings.poll {
                    format!(" after {}", span(begin.elapsed().as_secs_f64()))
                } else {
                    String::new()
                };
                progress.tell(&format!("free{after}: {} ({})", seen.shown, seen.said))?;
                return verdict(Outcome::Free, true);
            }
            Ok(seen) => progress.waits(&seen.line(), &seen.key(), begin.elapsed(), settings.wait)?,
            Err(error) => {
                let why = error.to_string();
                progress.waits(&why, &why, begin.elapsed(), settings.wait)?;
            }
        }
        let left = settings.wait.saturating_sub(begin.elapsed());
        if left.is_zero() {
            break;
        }
        thread::sleep(settings.poll.min(left));
        // One look that fails among others is no reason to give up waiting.
        last = looker.look_again();
    }
    progress.end()?;
    let busy = last?;
    let outcome = ask::ask(preflight, &settings, &mut looker, &busy, out)?;
    let goes = !matches!(outcome, Outcome::Decided(Decision::Stop) | Outcome::Undecided(Decision::Stop));
    verdict(outcome, goes)
}

impl Preflight<'_> {
    fn settings(&self) -> config::Preflight {
        let (flags, mut settings) = (self.flags, self.config.preflight.clone());
        settings.wait = flags.wait.unwrap_or(settings.wait);
        settings.poll = flags.poll.unwrap_or(settings.poll);
        settings.decision_timeout = flags.decision_timeout.unwrap_or(settings.decision_timeout);
        settings.default = flags.default_decision.unwrap_or(settings.default);
        settings
    }

    fn request(&self) -> Result<Request> {
        if self.flags.gpus.is_empty() {
            let run = self.config.runs.iter().find(|run| run.name == self.name);
            return Ok(Request::of(self.command, self.env, run.map_or(&[], |run| &run.gpus)));
        }
        let names = self.flags.gpus.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let names: Result<Vec<GpuName>> = names.map(named).collect();
        Ok(Request::Named(names?, Source::Flag))
    }

    fn without_gpu(&self, why: &str, out: &mut dyn Write) -> Result<Verdict> {
        if !self.common.quiet {
            line(out, why)?;
        }
        Ok(Verdict { goes: true, outcome: Outcome::NoGpu, gpus: Vec::new() })
    }
}

fn named(name: &str) -> Result<GpuName> {
    match name.parse() {
        Ok(index) => Ok(GpuName::Index(index)),
        Err(_) if name.starts_with("GPU-") || name.starts_with("MIG-") => Ok(GpuName::Uuid(name.to_owned())),
        Err(_) => Err(Error::Usage(format!(
            "--gpus: '{name}' names no GPU: give numbers as nvidia-smi shows them, or UUIDs such as GPU-8f6d…"
        ))),
    }
}

fn line(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}")
        .and_then(|()| out.flush())
        .map_err(Error::io("write to", Path::new("standard output")))
}
