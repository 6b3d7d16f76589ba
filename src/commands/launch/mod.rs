//! `trainguard launch`: starts a training, records it, watches its first steps, and stays with it
//! until its end.
//!
//! Standard output is the copy of the log and nothing else; what trainguard says itself goes to
//! standard error.

mod company;
mod plan;

use super::watch;
use crate::cli::{Common, Launch};
use crate::clock::Clock;
use crate::config::Config;
use crate::error::{Error, Result, chain};
use crate::finding::Severity;
use crate::judge::ending;
use crate::launch::Running;
use crate::launch::signals::Signals;
use crate::observe::launched::Ending;
use crate::persist::run_directory::{Exit, Record};
use crate::persist::state::State;
use crate::persist::store::Store;
use company::Company;
use plan::Plan;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A shell's exit code for a command that a signal ended is this and the signal's number.
const OF_A_SIGNAL: i32 = 128;
/// The exit code where the GPUs are busy and nobody said to go on: preflight's.
const NOT_STARTED: u8 = 1;

/// Starts the command and waits for its end; the exit code is the command's own, or 2 where trainguard
/// stopped it.
pub fn run(args: &Launch, common: &Common, clocks: &dyn Fn() -> Clock, out: &mut dyn Write) -> Result<u8> {
    let mut plan = Plan::new(args, common, &clocks())?;
    let running = match started(&mut plan, args, common, clocks) {
        Ok(Some(running)) => running,
        other => {
            plan.forget();
            return other.map(|_| NOT_STARTED);
        }
    };
    let Started { running, signals } = running;
    let Plan { config, store, .. } = plan;
    let record = running.record.clone();
    if args.detach {
        detached(&record, &config, out);
        return Ok(0);
    }
    if !common.quiet {
        say(&format!("{} runs: pid {}, log {}", record.run, record.process.pid, record.log.display()));
    }
    let code = attended(&record, Company { running, signals: &signals, store: &store }, common, clocks);
    if was_stopped(&record, &store) {
        return Ok(Severity::Critical.exit_code());
    }
    code
}

/// A run that was started, and the signals that are meant for it.
struct Started {
    running: Running,
    signals: Signals,
}

/// Starts it where its GPUs are free or somebody says so.
fn started(
    plan: &mut Plan,
    args: &Launch,
    common: &Common,
    clocks: &dyn Fn() -> Clock,
) -> Result<Option<Started>> {
    if !args.no_preflight && !plan.preflight(args, common, clocks)? {
        return Ok(None);
    }
    // Until here Ctrl-C ends the launch; from here on it is for the run.
    let signals = Signals::take().map_err(Error::io("take the signals for", Path::new("the run")))?;
    let running = plan.start(args, common, &clocks())?;
    Ok(Some(Started { running, signals }))
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

/// Watches the first phase, in the company of whoever copies the log, until the command has ended.
fn attended(
    record: &Record,
    company: Company<'_>,
    common: &Common,
    clocks: &dyn Fn() -> Clock,
) -> Result<u8> {
    let over = AtomicBool::new(false);
    let (exit, told) = thread::scope(|scope| {
        let stays = scope.spawn(|| {
            let exit = company.keep();
            over.store(true, Ordering::Relaxed);
            exit
        });
        // The training does not need it: it goes on unwatched.
        let told = watch::beside(&record.run, common, clocks, &over).unwrap_or_else(|error| {
            say(&format!("{} is not watched: {}", record.run, chain(&error)));
            false
        });
        (stays.join().ok().flatten(), told)
    });
    let Some(exit) = exit else {
        return Err(Error::State(format!(
            "{} has ended; with which exit code is unknown, for the process that waited for it was killed: read the end of {}",
            record.run,
            record.log.display()
        )));
    };
    if !told && !common.quiet {
        say(&ended(record, &exit));
    }
    Ok(code(&exit.ending()))
}

/// Whether trainguard ended it because of a finding.
fn was_stopped(record: &Record, store: &Store) -> bool {
    let state = State::peek(store, &record.run).ok().flatten();
    let held = state.and_then(|state| state.memory.held);
    held.is_some_and(|held| held.has_stopped(&record.process) && held.is_of_a_finding())
}

fn ended(record: &Record, exit: &Exit) -> String {
    let after = (exit.ended - record.started).as_seconds_f64();
    format!("{} {}", record.run, ending::after(&exit.ending(), Some(after)))
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
