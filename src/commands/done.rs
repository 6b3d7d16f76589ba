//! `trainguard done`: a person says that a run has finished and is well.

use super::Named;
use crate::cli::{Common, Done};
use crate::clock::Clock;
use crate::error::{Error, Result};
use crate::observe::process;
use std::io::Write;
use std::path::Path;

/// Ends the run: the next patrol resolves what is open of log, process and numbers, and nothing
/// of them is told any more until a new attempt makes progress.
pub fn run(args: &Done, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<()> {
    let mut named = Named::find(&args.run, args.log.as_ref(), common, clock)?;
    named.state.memory.end_by_operator(clock.wall());
    named.state.save(&named.store)?;
    named.store.sync()?;
    let identity = named.state.memory.process.identity.as_ref();
    if let Some(identity) =
        identity.filter(|identity| process::start_ticks(identity.pid) == Some(identity.start_ticks))
    {
        writeln!(out, "note: its process {} still runs, and nothing is told of it any more", identity.pid)
            .map_err(Error::io("write to", Path::new("standard output")))?;
    }
    writeln!(out, "{} is finished: patrols stay quiet about it until a new attempt makes progress", args.run)
        .map_err(Error::io("write to", Path::new("standard output")))
}
