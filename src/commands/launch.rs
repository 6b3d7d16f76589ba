//! `trainguard launch`: starts a training, records it, and stays with it until its end.

use super::{launched, load_args};
use crate::cli::{Common, Launch};
use crate::clock::Clock;
use crate::config::{self, Config, absolute, is_glob, name_fault};
use crate::error::{Error, Result};
use crate::judge::ending;
use crate::launch::command::{split, stem};
use crate::launch::copy::Copy;
use crate::launch::signals::Signals;
use crate::launch::{self, Order, Running, git};
use crate::observe::launched::Ending;
use crate::persist::lock::Lock;
use crate::persist::run_directory::{Exit, Record, RunDirectory};
use crate::persist::state::State;
use crate::persist::store::Store;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

/// How often the log is copied and signals are passed on: as good as at once for a person.
const TICK: Duration = Duration::from_millis(50);
/// A shell's exit code for a command that a signal ended is this and the signal's number.
const OF_A_SIGNAL: i32 = 128;
/// Runs of one script that are started within one second, by a loop over GPUs say.
const OF_ONE_SECOND: usize = 100;

/// Starts the command and waits for its end; the exit code is the command's own.
pub fn run(args: &Launch, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    let plan = Plan::new(args, common, clock)?;
    let signals = Signals::take().map_err(Error::io("take the signals for", Path::new("the run")))?;
    let stdin = if args.stdin { Stdio::inherit() } else { Stdio::null() };
    let running = launch::start(&plan.order, stdin)?;
    let Plan { config, store, lock, .. } = plan;
    // From here on a patrol finds it.
    drop(lock);
    if args.detach {
        detached(&running.record, &config, out);
        return Ok(0);
    }
    attended(running, &signals, &store, out)
}

/// What is to be started, under the run's lock.
struct Plan {
    config: Config,
    store: Store,
    order: Order,
    lock: Lock,
}

impl Plan {
    fn new(args: &Launch, common: &Common, clock: &Clock) -> Result<Self> {
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

const DEVICES: &str = "CUDA_VISIBLE_DEVICES";

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

/// Says what runs and what to type next.
fn detached(record: &Record, config: &Config, out: &mut dyn Write) {
    let said = writeln!(
        out,
        "{} runs: pid {}\n  log: {}\n  look at it: trainguard patrol{}",
        record.run,
        record.process.pid,
        record.log.display(),
        config.flags
    );
    // It runs whether or not anybody reads this.
    drop(said.and_then(|()| out.flush()));
}

/// Copies the log to the terminal and passes signals on, until the command has ended.
fn attended(running: Running, signals: &Signals, store: &Store, out: &mut dyn Write) -> Result<u8> {
    let Record { run, process, log, started, .. } = running.record.clone();
    say(&format!("{run} runs: pid {}, log {}", process.pid, log.display()));
    let mut copy = Copy::new(&log, running.log_from)
        .inspect_err(|error| say(&format!("the log is not copied here, it cannot be read: {error}")))
        .ok();
    let ended = running.ended();
    let mut alone = false;
    let exit = loop {
        let news = copy.as_mut().is_some_and(|copy| copy.advance(out));
        for name in signals.pass_on(&process) {
            say(&format!("{name} is passed on to {run}; waiting for its end"));
        }
        match ended.recv_timeout(if news { Duration::ZERO } else { TICK }) {
            Ok(exit) => break Some(exit),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) if !launch::lives(&process) => {
                break noted(store, &run, &process);
            }
            Err(RecvTimeoutError::Disconnected) => {
                if !alone {
                    say(&format!("the process that waits for {run} was killed; {run} goes on"));
                }
                alone = true;
                std::thread::sleep(TICK);
            }
        }
    };
    if let Some(copy) = &mut copy {
        copy.finish(out);
    }
    let Some(exit) = exit else {
        return Err(Error::State(format!(
            "{run} has ended; with which exit code is unknown, for the process that waited for it was killed: read the end of {}",
            log.display()
        )));
    };
    let after = (exit.ended - started).as_seconds_f64();
    say(&format!("{run} {}", ending::after(&exit.ending(), Some(after))));
    Ok(code(&exit.ending()))
}

fn noted(store: &Store, run: &str, process: &crate::observe::process::Identity) -> Option<Exit> {
    RunDirectory::existing(store, run).ok()??.exit_of(process).ok()?
}

/// What a shell says of a command that ended so.
fn code(ending: &Ending) -> u8 {
    let code = match ending {
        Ending::Code(code) => *code,
        Ending::Signal(signal) => OF_A_SIGNAL + signal,
        Ending::Unknown(_) => 3,
    };
    u8::try_from(code).unwrap_or(u8::MAX)
}

/// What trainguard says beside the copy of the log.
fn say(text: &str) {
    drop(writeln!(io::stderr().lock(), "trainguard: {text}"));
}
