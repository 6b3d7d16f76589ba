//! `trainguard done`: a person says that a run has finished and is well.

use super::Named;
use crate::cli::{Common, Done};
use crate::clock::Clock;
use crate::error::{Error, Result};
use std::io::Write;
use std::path::Path;

/// Ends the run: the next patrol resolves what is open of log, process and numbers, and nothing
/// of them is told any more until a new attempt makes progress.
pub fn run(args: &Done, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<()> {
    let mut named = Named::find(&args.run, args.log.as_ref(), common, clock)?;
    named.state.memory.end_by_operator(clock.wall());
    named.state.save(&named.store)?;
    named.store.sync()?;
    writeln!(out, "{} is finished: patrols stay quiet about it until a new attempt makes progress", args.run)
        .map_err(Error::io("write to", Path::new("standard output")))
}
