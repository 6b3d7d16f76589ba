//! `trainguard`: parse, call the library, print the error chain once, exit.

use clap::Parser as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use trainguard::act::{restart, stop};
use trainguard::cli::Cli;
use trainguard::clock::Clock;
use trainguard::error::{Error, chain};
use trainguard::finding::Severity;
use trainguard::{commands, launch::keeper, observe::probe};

#[allow(clippy::disallowed_methods, reason = "the one place that reads the clock")]
fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let first = arguments.nth(1);
    // Whoever does not listen any more needs no answer, and no error.
    if first.as_ref().is_some_and(|first| first == probe::ARGUMENT) {
        drop(probe::serve(std::io::stdin().lock(), std::io::stdout()));
        return ExitCode::SUCCESS;
    }
    if first.as_ref().is_some_and(|first| first == keeper::ARGUMENT) {
        drop(keeper::serve(chrono::Utc::now));
        return ExitCode::SUCCESS;
    }
    if first.as_ref().is_some_and(|first| first == stop::ARGUMENT) {
        drop(stop::serve(arguments, &Clock::read(chrono::Utc::now())));
        return ExitCode::SUCCESS;
    }
    if first.is_some_and(|first| first == restart::ARGUMENT) {
        drop(restart::serve(arguments));
        return ExitCode::SUCCESS;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are answers; anything else is 'unknown', never clap's 2: that is critical.
            let code = if error.use_stderr() { Severity::Unknown.exit_code() } else { 0 };
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let clocks = || Clock::read(cli.common.now.unwrap_or_else(chrono::Utc::now));
    let mut out = std::io::stdout().lock();
    // A fault of our own is 'could not look' too: never a code beyond the contract's four.
    let ended = catch_unwind(AssertUnwindSafe(|| commands::run(&cli, &clocks, &mut out)));
    drop(out.flush());
    let Ok(ended) = ended else { return ExitCode::from(Severity::Unknown.exit_code()) };
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            let mut stderr = std::io::stderr().lock();
            drop(writeln!(stderr, "trainguard: {}", chain(&error)));
            ExitCode::from(Severity::Unknown.exit_code())
        }
    }
}
