//! What a launch is to start: its name, its log, and what is recorded of it.

use crate::cli::{Common, Launch};
use crate::clock::Clock;
use crate::commands::preflight::{self, Preflight};
use crate::commands::{launched, load_args};
use crate::config::{self, Config, absolute, is_glob, name_fault};
use crate::error::{Error, Result};
use crate::launch::command::{missing, split, stem};
use crate::launch::{self, Order, Running, git};
use crate::persist::lock::Lock;
use crate::persist::run_directory::RunDirectory;
use crate::persist::state::State;
use crate::persist::store::Store;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// Runs of one script that are started within one second, by a loop over GPUs say.
const OF_ONE_SECOND: usize = 100;
/// Which GPUs CUDA is to show a program.
const DEVICES: &str = "CUDA_VISIBLE_DEVICES";

/// What is to be started.
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) order: Order,
    /// The command with its variables.
    typed: Vec<String>,
}

impl Plan {
    pub(super) fn new(args: &Launch, common: &Common, clock: &Clock) -> Result<Self> {
        let typed = words(&args.command)?;
        let (variables, command) = split(typed.clone());
        if command.is_empty() {
            return Err(Error::Usage("there is no command behind the variables: name a program".to_owned()));
        }
        let load = load_args(common, None)?.without_config();
        let path = variables.get("PATH").map(OsString::from).or_else(|| std::env::var_os("PATH"));
        if let Some(why) = missing(&command, &load.cwd, path.as_deref()) {
            return Err(Error::Usage(why));
        }
        let config = config::load(&load)?;
        let store = Store::open(&config.state_dir)?;
        let run = match &args.name {
            Some(name) => given(name, &store, common, clock)?,
            None => made_up(&command, &store, clock)?,
        };
        let log = args.log.as_deref().map(|log| absolute(log, &load.cwd, load.env));
        let log = log.unwrap_or_else(|| log_of(&config, &run));
        its_log(&config, &store, &run, &log, clock)?;
        let gpus = variables.get(DEVICES).cloned().or_else(|| std::env::var(DEVICES).ok());
        let gpus = gpus.iter().flat_map(|list| list.split(',')).map(|gpu| gpu.trim().to_owned());
        let configured = config.runs.iter().find(|known| known.name == run);
        let keep_environment = config.trusted && configured.is_some_and(|run| run.actions.restart());
        let order = Order {
            run,
            command,
            variables,
            log,
            git: None,
            gpus: gpus.filter(|gpu| !gpu.is_empty()).collect(),
            state_dir: config.state_dir.clone(),
            directory: load.cwd,
            keep_environment,
        };
        Ok(Self { config, store, order, typed })
    }

    /// Looks at the GPUs, waits and asks; says whether the run may be started. Nobody holds its lock
    /// meanwhile: that takes minutes.
    pub(super) fn preflight(
        &mut self,
        args: &Launch,
        common: &Common,
        clocks: &dyn Fn() -> Clock,
    ) -> Result<bool> {
        let preflight = Preflight {
            name: &self.order.run,
            command: &self.typed,
            env: &|name| std::env::var_os(name),
            flags: &args.gpus,
            config: &self.config,
            common,
            clocks,
            attended: !args.stdin,
        };
        let verdict = preflight::run_for(&preflight, &mut io::stderr())?;
        if !verdict.gpus.is_empty() {
            self.order.gpus = verdict.gpus;
        }
        Ok(verdict.goes)
    }

    /// Starts it, under the run's lock: of two launches of one name the second finds the first.
    pub(super) fn start(&mut self, args: &Launch, common: &Common, clock: &Clock) -> Result<Running> {
        let _lock = self.store.lock_run(&self.order.run, common.lock_wait)?;
        refuse_a_living_one(&self.store, &self.order.run, clock)?;
        refuse_a_log_in_use(&self.store, &self.order)?;
        self.order.git = git::commit(&self.order.directory);
        launch::start(&self.order, if args.stdin { Stdio::inherit() } else { Stdio::null() })
    }

    /// What was not started leaves nothing.
    pub(super) fn forget(&self) {
        if let Ok(Some(directory)) = RunDirectory::existing(&self.store, &self.order.run) {
            directory.forget();
        }
    }
}

fn words(typed: &[OsString]) -> Result<Vec<String>> {
    let word = |word: &OsString| {
        word.clone().into_string().map_err(|word| {
            let shown = word.to_string_lossy();
            Error::Usage(format!(
                "the argument `{shown}` is not UTF-8, and could not be recorded: rename what it names"
            ))
        })
    };
    typed.iter().map(word).collect()
}

/// The log that the config gives a run, where that is one file; else one of the run's name.
fn log_of(config: &Config, name: &str) -> PathBuf {
    let configured = config.runs.iter().find(|run| run.name == name).and_then(|run| run.log.clone());
    configured.filter(|log| !is_glob(log)).unwrap_or_else(|| config.base.join(format!("{name}.log")))
}

/// A name that somebody gave: that of a run that lives is refused.
fn given(name: &str, store: &Store, common: &Common, clock: &Clock) -> Result<String> {
    if let Some(fault) = name_fault(name) {
        return Err(Error::Usage(format!("--name '{name}': {fault}")));
    }
    let _lock = store.lock_run(name, common.lock_wait)?;
    refuse_a_living_one(store, name, clock)?;
    Ok(name.to_owned())
}

fn refuse_a_living_one(store: &Store, name: &str, clock: &Clock) -> Result<()> {
    let record = launched::record(store, name)?;
    record.map_or(Ok(()), |record| launched::refuse_if_it_lives(&record, clock.wall()))
}

/// Two trainings in one log are told apart by nobody.
fn refuse_a_log_in_use(store: &Store, order: &Order) -> Result<()> {
    for name in RunDirectory::recorded(store)?.into_iter().filter(|name| *name != order.run) {
        // What cannot be read of another run is for its patrol to say.
        let record = launched::record(store, &name).ok().flatten();
        if let Some(record) =
            record.filter(|record| record.log == order.log && launch::lives(&record.process))
        {
            return Err(Error::Usage(format!(
                "{} is written by the run {name}, whose process {} lives: give this one another with --log, or stop that one first (trainguard stop {name})",
                order.log.display(),
                record.process.pid
            )));
        }
    }
    Ok(())
}

/// A name that nobody has: told from its like by a number, and taken by making its directory.
fn made_up(command: &[String], store: &Store, clock: &Clock) -> Result<String> {
    let first = format!("{}-{}", stem(command), clock.wall().format("%Y%m%d-%H%M%S"));
    let others = (2..=OF_ONE_SECOND).map(|number| format!("{first}-{number}"));
    for name in std::iter::once(first.clone()).chain(others) {
        if let Some(_lock) = Lock::try_acquire(&store.path(&format!("{name}.lock")))?
            && RunDirectory::existing(store, &name)?.is_none()
        {
            RunDirectory::open(store, &name)?;
            return Ok(name);
        }
    }
    Err(Error::Usage(format!("all names up to {first}-{OF_ONE_SECOND} are taken: give one with --name")))
}

/// A state is about one log: patrols would refuse to take another for the same run's.
fn its_log(config: &Config, store: &Store, run: &str, log: &Path, clock: &Clock) -> Result<()> {
    if config.runs.iter().any(|known| known.name == run && known.log.is_some()) || !State::exists(store, run)
    {
        return Ok(());
    }
    State::load(store, run, Some(log), clock).map(|_| ())
}
