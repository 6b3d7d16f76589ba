//! What a launch is to start: its name, its log, and what is recorded of it.

use crate::cli::{Common, Launch};
use crate::clock::Clock;
use crate::commands::{launched, load_args};
use crate::config::{self, Config, absolute, is_glob, name_fault};
use crate::error::{Error, Result};
use crate::launch::command::{split, stem};
use crate::launch::{Order, git};
use crate::persist::lock::Lock;
use crate::persist::run_directory::RunDirectory;
use crate::persist::state::State;
use crate::persist::store::Store;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Runs of one script that are started within one second, by a loop over GPUs say.
const OF_ONE_SECOND: usize = 100;
/// Which GPUs CUDA is to show a program.
const DEVICES: &str = "CUDA_VISIBLE_DEVICES";

/// What is to be started, under the run's lock.
pub(super) struct Plan {
    pub(super) config: Config,
    pub(super) store: Store,
    pub(super) order: Order,
    pub(super) lock: Lock,
}

impl Plan {
    pub(super) fn new(args: &Launch, common: &Common, clock: &Clock) -> Result<Self> {
        let (variables, command) = split(words(&args.command)?);
        if command.is_empty() {
            return Err(Error::Usage("there is no command behind the variables: name a program".to_owned()));
        }
        let load = load_args(common, None)?.without_config();
        let config = config::load(&load)?;
        let store = Store::open(&config.state_dir)?;
        let typed = args.log.as_deref().map(|log| absolute(log, &load.cwd, load.env));
        let log = |name: &str| typed.clone().unwrap_or_else(|| log_of(&config, name));
        let (run, lock) = name(args, &command, &store, common, clock)?;
        let log = log(&run);
        its_log(&config, &store, &run, &log, clock)?;
        let git = git::commit(&load.cwd);
        let gpus = variables.get(DEVICES).cloned().or_else(|| std::env::var(DEVICES).ok());
        let gpus = gpus.iter().flat_map(|list| list.split(',')).map(|gpu| gpu.trim().to_owned());
        let configured = config.runs.iter().find(|known| known.name == run);
        let keep_environment = config.trusted && configured.is_some_and(|run| run.actions.restart());
        let order = Order {
            run,
            command,
            variables,
            log,
            git,
            gpus: gpus.filter(|gpu| !gpu.is_empty()).collect(),
            state_dir: config.state_dir.clone(),
            directory: load.cwd,
            keep_environment,
        };
        Ok(Self { config, store, order, lock })
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

/// The run's name, with its lock: one that is given and whose run lives is refused, one that is made
/// up is told from its like by a number.
fn name(
    args: &Launch,
    command: &[String],
    store: &Store,
    common: &Common,
    clock: &Clock,
) -> Result<(String, Lock)> {
    if let Some(name) = &args.name {
        if let Some(fault) = name_fault(name) {
            return Err(Error::Usage(format!("--name '{name}': {fault}")));
        }
        let lock = store.lock_run(name, common.lock_wait)?;
        if let Some(record) = launched::record(store, name)? {
            launched::refuse_if_it_lives(&record, clock.wall())?;
        }
        return Ok((name.clone(), lock));
    }
    let first = format!("{}-{}", stem(command), clock.wall().format("%Y%m%d-%H%M%S"));
    let others = (2..=OF_ONE_SECOND).map(|number| format!("{first}-{number}"));
    for name in std::iter::once(first.clone()).chain(others) {
        if let Some(lock) = Lock::try_acquire(&store.path(&format!("{name}.lock")))?
            && RunDirectory::existing(store, &name)?.is_none()
        {
            return Ok((name, lock));
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
