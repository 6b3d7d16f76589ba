//! `trainguard patrol`: one look at every run.

mod print;

use super::launched;
use super::round::{Keep, Round};
use crate::cli::{Common, FailOn, Patrol as Args, ReportFormat};
use crate::clock::Clock;
use crate::config::BareLog;
use crate::deliver::{github, junit, nagios};
use crate::error::{Result, chain};
use crate::finding::Severity;
use print::Printer;
use std::io::Write;

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
    let runs = config.select(&args.selection.runs)?;
    let keep = if args.stateless { None } else { Some(Keep::open(&config)?) };
    let round = Round {
        common,
        clock,
        config: &config,
        keep: keep.as_ref(),
        whole: args.selection.runs.is_empty() && args.selection.log.is_none(),
        last: args.last || args.stateless,
        watcher: None,
    };
    let mut printer = Printer::new(args, common, clock, keep.as_ref(), out);
    let severity = round.look(runs, &mut printer).severity;
    Ok(if severity == Severity::Warning && args.fail_on == FailOn::Critical {
        0
    } else {
        severity.exit_code()
    })
}
