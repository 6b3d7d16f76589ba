//! The keeper: starts the command, waits for its end and notes it. Nothing else of the training
//! hangs on it.
//!
//! It leads a session of its own, so that no terminal's end reaches it or the command; it does not
//! heed the signals that people send to whatever has a run's name; it holds no lock and no file but
//! the socket to `launch`, which closes with either end. Only SIGKILL ends it before the command, and
//! then the command goes on and how it ended stays unknown.

use super::log::Log;
use super::{Order, Word, command};
use crate::error::chain;
use crate::observe::process::{self, Identity};
use crate::persist::run_directory::{Exit, Record, RunDirectory, host};
use crate::persist::store::Store;
use chrono::{DateTime, Utc};
use rustix::process::{Pid, Signal, kill_process_group};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

/// First argument of the keeper: hidden from people, told to [`serve`] by `main`.
pub const ARGUMENT: &str = "__keep";

/// Python writes its output when a line is whole, not when 8 KiB are: without this the last words of
/// a killed run are lost, and a patrol sees nothing for minutes.
const UNBUFFERED: &str = "PYTHONUNBUFFERED";

/// An end that cannot be noted, on a full disk say, is tried again after this long, then twice as long.
const RETRY: Duration = Duration::from_secs(1);
/// Longest pause between two tries.
const RETRY_MAX: Duration = Duration::from_mins(1);
/// Tries, which make about a day: whoever frees the disk later finds the end in the log.
const TRIES: u32 = 1440;

/// What time it is: only `main` reads the clock.
pub type Now = fn() -> DateTime<Utc>;

/// The keeper's whole life.
///
/// # Errors
/// Nobody ordered anything; everything else is told to `launch` or noted.
pub fn serve(now: Now) -> io::Result<()> {
    let launch = UnixStream::from(io::stdout().as_fd().try_clone_to_owned()?);
    let order = order(&launch)?;
    heed_nothing()?;
    rustix::process::setsid()?;
    let kept = match Kept::start(&order, now) {
        Ok(kept) => kept,
        Err(why) => return say(&launch, &Word::Refused(why)),
    };
    let Kept { mut child, directory, record } = kept;
    // Whoever was killed meanwhile does not listen; the command is for the patrol to find.
    drop(say(&launch, &Word::Started(Box::new(record.clone()))));
    drop(let_go());
    let status = child.wait()?;
    let exit = exit(record.process, status, now());
    let kept = directory.keep_exit(&exit);
    drop(say(&launch, &Word::Ended(exit.clone())));
    drop(launch);
    if let Err(error) = kept {
        insist(&directory, &exit, &order.log, &chain(&error));
    }
    Ok(())
}

fn order(mut launch: &UnixStream) -> io::Result<Order> {
    let mut text = Vec::new();
    launch.read_to_end(&mut text)?;
    // Half of an order is none: whoever gave it was killed.
    Ok(serde_json::from_slice(&text)?)
}

fn say(mut launch: &UnixStream, word: &Word) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    launch.write_all(&line)
}

/// Takes the signals of terminals, of `pkill` and of schedulers that warn a whole job. Handlers and not `SIG_IGN`, which the command would inherit.
fn heed_nothing() -> io::Result<()> {
    for signal in [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::USR1, Signal::USR2] {
        signal_hook::flag::register(signal.as_raw(), Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}

/// Lets go of what the command was started with: a terminal that is its standard input, the socket's
/// second name, and a directory that could not be unmounted.
fn let_go() -> io::Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    std::env::set_current_dir("/")
}

/// A command that runs and is recorded.
struct Kept {
    child: Child,
    directory: RunDirectory,
    record: Record,
}

impl Kept {
    /// Starts the command. The error is for people: what, where, and what next.
    fn start(order: &Order, now: Now) -> Result<Self, String> {
        let store = Store::open(&order.state_dir).map_err(|error| chain(&error))?;
        let directory = RunDirectory::open(&store, &order.run).map_err(|error| chain(&error))?;
        let log = Log::open(&order.log).map_err(|error| {
            directory.forget();
            format!("cannot write the log {}: {error}; name another with --log", order.log.display())
        })?;
        let forget = || {
            log.forget(&order.log);
            directory.forget();
        };
        let mut child = spawn(order, &log.file).inspect_err(|_| forget())?;
        let kept = identify(&child).and_then(|process| {
            let record = record(order, process, now());
            directory.keep_record(&record).map(|()| record).map_err(|error| chain(&error))
        });
        match kept {
            Ok(record) => Ok(Self { child, directory, record }),
            Err(why) => {
                // A run that no patrol can find is worse than one that was not started.
                end(&mut child);
                forget();
                Err(format!("the run cannot be recorded, so it was ended at once: {why}"))
            }
        }
    }
}

fn spawn(order: &Order, log: &File) -> Result<Child, String> {
    let (program, arguments) = order.command.split_first().ok_or("there is no command to start")?;
    let logs = log.try_clone().and_then(|out| Ok((out, log.try_clone()?)));
    let (out, err) = logs.map_err(|error| format!("cannot hand the log to the command: {error}"))?;
    let mut command = Command::new(program);
    command.args(arguments).envs(&order.variables).current_dir(&order.directory);
    command.stdin(Stdio::inherit()).stdout(out).stderr(err).process_group(0);
    if std::env::var_os(UNBUFFERED).is_none() && !order.variables.contains_key(UNBUFFERED) {
        command.env(UNBUFFERED, "1");
    }
    command.spawn().map_err(|error| command::unstartable(&order.command, &order.directory, &error))
}

/// Who the command is. It is not reaped yet, so its number is its own even where it has ended.
fn identify(child: &Child) -> Result<Identity, String> {
    let pid = i32::try_from(child.id()).map_err(|error| error.to_string())?;
    process::identity(pid).ok_or_else(|| format!("/proc does not show process {pid}"))
}

/// Ends a command, and all that it started, before it is reaped.
fn end(child: &mut Child) {
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // Where nobody is left there is nobody to be ended.
        let _ = kill_process_group(group, Signal::KILL);
    }
    drop(child.wait());
}

fn record(order: &Order, process: Identity, started: DateTime<Utc>) -> Record {
    // A variable that is no text cannot be given back by a restart, and is left out of both.
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    let mut environment: BTreeMap<String, String> = std::env::vars_os().filter_map(text).collect();
    environment.extend(order.variables.clone());
    environment.entry(UNBUFFERED.to_owned()).or_insert_with(|| "1".to_owned());
    Record {
        schema: Record::SCHEMA.to_owned(),
        run: order.run.clone(),
        command: order.command.clone(),
        directory: order.directory.clone(),
        log: order.log.clone(),
        started,
        process,
        keeper: i32::try_from(std::process::id()).ok().and_then(process::identity),
        git: order.git.clone(),
        gpus: order.gpus.clone(),
        host: Some(host()),
        variables: environment.keys().cloned().collect(),
        environment: order.keep_environment.then_some(environment),
    }
}

fn exit(process: Identity, status: ExitStatus, ended: DateTime<Utc>) -> Exit {
    let schema = Exit::SCHEMA.to_owned();
    Exit { schema, process, ended, code: status.code(), signal: status.signal() }
}

/// Notes an end that could not be noted at once; says so in the log as soon as that takes a line.
fn insist(directory: &RunDirectory, exit: &Exit, log: &Path, why: &str) {
    let mut pause = RETRY;
    let mut said = false;
    for _ in 0..TRIES {
        if !said {
            said = say_in(log, exit, why).is_ok();
        }
        thread::sleep(pause);
        pause = (pause * 2).min(RETRY_MAX);
        // A state directory that somebody removed is not made anew for it.
        if directory.keep_exit(exit).is_ok() || !directory.is_there() {
            return;
        }
    }
}

fn say_in(log: &Path, exit: &Exit, why: &str) -> io::Result<()> {
    let how = match (exit.code, exit.signal) {
        (Some(code), _) => format!("exited with code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    };
    let pid = exit.process.pid;
    let line = format!("trainguard: process {pid} {how}; its exit.json cannot be written: {why}\n");
    File::options().append(true).open(log)?.write_all(line.as_bytes())
}
