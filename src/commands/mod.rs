//! One file per subcommand; each reads as its own story.

pub mod ack;
pub mod alerts;
pub mod check;
pub(crate) mod delivery;
pub mod done;
mod environment;
pub mod explain;
pub mod heartbeat;
pub mod history;
pub mod hold;
pub mod launch;
pub(crate) mod launched;
pub mod metrics;
pub mod patrol;
pub mod preflight;
pub mod replay;
pub mod respond;
mod round;
pub mod watch;

use crate::cli::{Cli, Color, Command, Common};
use crate::clock::Clock;
use crate::config::{self, BareLog, LoadArgs};
use crate::decide::{Decision, Rules, decide};
use crate::deliver::text::Style;
use crate::error::{Error, Result};
use crate::finding::{Opinion, Severity};
use crate::judge::{self, Context};
use crate::persist::lock::Lock;
use crate::persist::state::{Loaded, State};
use crate::persist::store::Store;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// Runs the command line; the exit code is the verdict's. Whoever looks more than once reads the
/// clocks for each look.
pub fn run(cli: &Cli, clocks: &dyn Fn() -> Clock, out: &mut dyn Write) -> Result<u8> {
    let common = &cli.common;
    let clock = &clocks();
    match &cli.command {
        Command::Patrol(args) => patrol::run(args, common, clock, out),
        Command::Watch(args) => watch::run(args, common, clocks, out),
        Command::Launch(args) => launch::run(args, common, clocks, out),
        Command::Ack(args) => ack::run(args, common, clock, out).map(|()| 0),
        Command::Done(args) => done::run(args, common, clock, out).map(|()| 0),
        Command::Pause(args) => hold::pause(args, common, clock, out).map(Severity::exit_code),
        Command::Resume(args) => hold::resume(args, common, clock, out).map(Severity::exit_code),
        Command::Stop(args) => hold::stop(args, common, clock, out).map(Severity::exit_code),
        Command::Explain(args) => explain::run(args, common, clock, out).map(|()| 0),
        Command::Replay(args) => replay::run(args, common, clock, out).map(Severity::exit_code),
        Command::Heartbeat(args) => heartbeat::run(args, common, clock).map(|()| 0),
        Command::History(args) => history::run(args, common, out).map(|()| 0),
        Command::Metrics(args) => metrics::run(args, common, out).map(Severity::exit_code),
        Command::Alerts(args) => alerts::run(args, common, clock, out),
        Command::Check(args) if args.alerts => alerts::test(common, clock, out).map(Severity::exit_code),
        Command::Check(args) => {
            let asks = args.environment.then_some((common.timeout, clock.wall()));
            check::run(&load_args(common, None)?, asks, out).map(Severity::exit_code)
        }
        Command::Preflight(args) => preflight::run(args, common, clocks, out),
        Command::Respond(args) => respond::run(args, common, clocks, out).map(|()| 0),
    }
}

/// What the environment and the common flags say to the config, with a bare log if one was given.
pub(crate) fn load_args(common: &Common, log: Option<BareLog>) -> Result<LoadArgs<'static>> {
    let cwd = std::env::current_dir().map_err(Error::io("find", Path::new("the working directory")))?;
    Ok(LoadArgs::new(common, cwd, &|name| std::env::var_os(name)).with_log(log))
}

/// How text is printed under these flags.
pub(crate) fn style(common: &Common) -> Style {
    let color = match common.color {
        Color::Always => true,
        Color::Never => false,
        Color::Auto => {
            io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
        }
    };
    Style { color, verbose: common.verbose > 0 }
}

/// Judges one look and decides what is new; the state's memory, ledger and phase become the new ones.
pub(crate) fn conclude(context: &Context<'_>, state: &mut State) -> Decision {
    let opinions = judge::judge(context, &mut state.memory);
    settle(context, state, opinions)
}

/// Decides what is new of these opinions.
pub(crate) fn settle(context: &Context<'_>, state: &mut State, opinions: Vec<Opinion>) -> Decision {
    let rules = Rules {
        run: &context.run.name,
        lineage: &state.lineage,
        attempt: state.memory.attempt,
        progress: state.memory.progress(),
        step: state.memory.numbers.printed_step(),
        now: context.now.wall,
        renotify: context.config.patrol.renotify,
        reopen_quiet: context.config.patrol.reopen_quiet,
        ended_by_operator: state.memory.ended_by_operator(),
    };
    let decision = decide(opinions, &mut state.ledger, &rules);
    state.phase = judge::phase(context, &state.memory);
    state.advance(context.now);
    decision
}

/// The state directory: of the config, of `--log`, of `--state-dir`, or `./.trainguard`.
pub(crate) fn state_directory(log: Option<&PathBuf>, common: &Common) -> Result<PathBuf> {
    let args = load_args(common, log.map(BareLog::new))?;
    let local = args.cwd.join(config::STATE_DIR);
    match (&common.state_dir, config::load(&args)) {
        (Some(directory), _) => Ok(directory.clone()),
        (None, Ok(config)) => Ok(config.state_dir),
        (None, Err(Error::Usage(_))) => Ok(local),
        (None, Err(error)) => Err(error),
    }
}

/// A run whose state was found by name, under its lock: for `ack` and `done`.
pub(crate) struct Named {
    pub(crate) store: Store,
    pub(crate) state: State,
    _lock: Lock,
}

impl Named {
    /// Finds a run's state.
    pub(crate) fn find(run: &str, log: Option<&PathBuf>, common: &Common, clock: &Clock) -> Result<Self> {
        let directory = state_directory(log, common)?;
        let unknown = || {
            Error::Usage(format!(
                "no run '{run}' is known in {}: give the name that the verdict prints, and --config, --state-dir or --log as the patrol has it",
                directory.display()
            ))
        };
        let store = Store::open_existing(&directory)?.ok_or_else(unknown)?;
        // A run that was just launched has no state yet.
        let record = if State::exists(&store, run) { None } else { launched::record(&store, run)? };
        if record.is_none() && !State::exists(&store, run) {
            return Err(unknown());
        }
        let log = record.as_ref().map(|record| record.log.as_path());
        let lock = store.lock_run(run, common.lock_wait)?;
        let Loaded { state, damage } = State::load_any(&store, run, log, clock)?;
        match damage {
            None => Ok(Self { store, state, _lock: lock }),
            Some(damage) => {
                Err(Error::State(format!("{damage}: run a patrol first, then this command again")))
            }
        }
    }
}
