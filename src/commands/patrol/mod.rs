//! `trainguard patrol`: one look at every run.

mod print;

use super::round::{self, Keep, Round};
use crate::cli::{Common, FailOn, Patrol as Args, ReportFormat};
use crate::clock::Clock;
use crate::config::{self, BareLog};
use crate::deliver::nagios;
use crate::error::{Result, chain};
use crate::finding::Severity;
use print::Printer;
use std::io::Write;

/// Looks once; returns the exit code.
pub fn run(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    match look_once(args, common, clock, out) {
        // Whoever runs a plugin reads its standard output and nothing else; the code says it as well.
        Err(error) if args.format == ReportFormat::Nagios => {
            drop(nagios::failure(out, &chain(&error)));
            Ok(Severity::Unknown.exit_code())
        }
        ended => ended,
    }
}

fn look_once(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<u8> {
    let config = config::load(&super::load_args(common, BareLog::from_flags(&args.selection))?)?;
    let runs = config.select(&args.selection.runs)?;
    let wards = round::select(&config, &args.selection.runs);
    let keep = if args.stateless { None } else { Some(Keep::open(&config)?) };
    let round = Round {
        common,
        clock,
        config: &config,
        keep: keep.as_ref(),
        wards: &wards,
        whole: args.selection.runs.is_empty() && args.selection.log.is_none(),
        last: args.last || args.stateless,
    };
    let mut printer = Printer::new(args.format, common, keep.as_ref(), out);
    let severity = round.look(runs, &mut printer).severity;
    Ok(if severity == Severity::Warning && args.fail_on == FailOn::Critical {
        0
    } else {
        severity.exit_code()
    })
}
