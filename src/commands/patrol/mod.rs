//! `trainguard patrol`: one look at every run.

mod print;

use super::launched;
use super::round::{self, Acting, Keep, Round};
use crate::cli::{Common, FailOn, Patrol as Args, ReportFormat};
use crate::clock::Clock;
use crate::config::{BareLog, Config};
use crate::deliver::heartbeat::Heartbeat;
use crate::deliver::{github, junit, nagios, text};
use crate::error::{Result, chain};
use crate::finding::Severity;
use crate::persist::store::Store;
use crate::redact::Redactor;
use print::Printer;
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Looks once; returns the exit code.
pub fn run(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    let error = match look_once(args, common, clock, out) {
        Err(error) => error,
        ended => return ended,
    };
    // Whoever runs a plugin or a gate reads its standard output, where the verdict would stand; the code
    // says it as well.
    match args.format {
        ReportFormat::Nagios => drop(nagios::failure(out, &chain(&error))),
        ReportFormat::Github => drop(github::failure(out, &chain(&error), clock.entropy)),
        // The document goes to a file: the error is for whoever reads the job's log, too.
        ReportFormat::Junit => {
            drop(junit::failure(out, &chain(&error)));
            return Err(error);
        }
        ReportFormat::Text | ReportFormat::Json => return Err(error),
    }
    Ok(Severity::Unknown.exit_code())
}

fn look_once(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    let load = super::load_args(common, BareLog::from_flags(&args.selection))?;
    let config = launched::load(load, &args.selection.runs, clock.wall())?;
    let env = |name: &str| std::env::var_os(name);
    // A gate is no watch: nobody waits for its next one.
    let heartbeat = if args.stateless { None } else { Heartbeat::begin(&config, &env, clock.wall()) };
    let mut report = String::new();
    let ended = look(args, common, clock, &config, out, &mut report);
    if let Some(heartbeat) = heartbeat {
        let (code, report) = match &ended {
            Ok(code) => (*code, report),
            Err(error) => (Severity::Unknown.exit_code(), chain(error)),
        };
        let left = common.timeout.saturating_sub(clock.elapsed());
        let redactor = Redactor::of_environment(std::env::vars_os());
        unheard(&config, common, heartbeat.end(code, &report, &redactor, left));
    }
    ended
}

/// Says that the dead man's switch could not be told; with `-q` once, until it can be again.
fn unheard(config: &Config, common: &Common, why: Option<String>) {
    let note = BTreeMap::from([("heartbeat".to_owned(), why.clone())]);
    let store = Store::open_existing(&config.state_dir).ok().flatten();
    let before = store.map(|store| store.exchange_note("outbox/heartbeat.json", &note)).unwrap_or_default();
    let known = before.get("heartbeat").is_some_and(Option::is_some);
    if let Some(why) = why.filter(|_| !(common.quiet && known)) {
        let why = text::one_line(&format!("trainguard: heartbeat_url was not told: {why}"));
        drop(writeln!(io::stderr(), "{why}"));
    }
}

fn look(
    args: &Args,
    common: &Common,
    clock: &Clock,
    config: &Config,
    out: &mut dyn Write,
    report: &mut String,
) -> Result<u8> {
    let runs = config.select(&args.selection.runs)?;
    let wards = round::select(config, &args.selection.runs);
    let keep = if args.stateless { None } else { Some(Keep::open(config)?) };
    let round = Round {
        common,
        clock,
        config,
        keep: keep.as_ref(),
        wards: &wards,
        whole: args.selection.runs.is_empty() && args.selection.log.is_none(),
        last: args.last || args.stateless,
        acting: if args.dry_run { Acting::Say } else { Acting::Leave },
        watcher: None,
    };
    let mut printer = Printer::new(args, common, clock, keep.as_ref(), out);
    let severity = round.look(runs, &mut printer).severity;
    *report = printer.said();
    Ok(if severity == Severity::Warning && args.fail_on == FailOn::Critical {
        0
    } else {
        severity.exit_code()
    })
}
