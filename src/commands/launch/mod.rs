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
use crate::judge::ending;
use crate::launch;
use crate::launch::signals::Signals;
use crate::observe::launched::Ending;
use crate::persist::run_directory::{Exit, Record};
use company::Company;
use plan::Plan;
use std::io::{self, Write};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// A shell's exit code for a command that a signal ended is this and the signal's number.
const OF_A_SIGNAL: i32 = 128;

/// Starts the command and waits for its end; the exit code is the command's own.
pub fn run(args: &Launch, common: &Common, clocks: &dyn Fn() -> Clock, out: &mut dyn Write) -> Result<u8> {
    let plan = Plan::new(args, common, &clocks())?;
    let signals = Signals::take().map_err(Error::io("take the signals for", Path::new("the run")))?;
    let stdin = if args.stdin { Stdio::inherit() } else { Stdio::null() };
    let running = launch::start(&plan.order, stdin)?;
    let Plan { config, store, lock, .. } = plan;
    // From here on a patrol finds it.
    drop(lock);
    let record = running.record.clone();
    if args.detach {
        detached(&record, &config, out);
        return Ok(0);
    }
    if !common.quiet {
        say(&format!("{} runs: pid {}, log {}", record.run, record.process.pid, record.log.display()));
    }
    attended(&record, Company { running, signals: &signals, store: &store }, common, clocks)
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
            say(&format!("the first phase is not watched: {}", chain(&error)));
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
