//! `trainguard ack`: a person takes a finding.

use super::Named;
use crate::cli::{Ack, Common};
use crate::clock::Clock;
use crate::deliver::health::stamp;
use crate::error::{Error, Result};
use crate::finding::Acknowledged;
use chrono::{DateTime, TimeDelta, Utc};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// Marks open findings as known: visible, but not counted until they worsen or the time is over.
pub fn run(args: &Ack, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<()> {
    let mut named = Named::find(&args.run, args.log.as_ref(), common, clock)?;
    let until = args.for_.map(|span| until(clock, span)).transpose()?;
    let word = Acknowledged { at: clock.wall(), until, note: args.note.clone() };
    let open: Vec<_> = named.state.ledger.subjects().into_iter().map(|subject| subject.syndrome).collect();
    let taken: Vec<_> =
        open.iter().filter(|id| args.syndrome.as_ref().is_none_or(|asked| asked == *id)).cloned().collect();
    if taken.is_empty() {
        let open = if open.is_empty() {
            "nothing is open".to_owned()
        } else {
            format!("open are: {}", open.join(", "))
        };
        let what =
            args.syndrome.as_deref().map_or_else(String::new, |syndrome| format!("no open {syndrome} in "));
        return Err(Error::Usage(format!("{what}run '{}': {open}", args.run)));
    }
    named.state.ledger.acknowledge(args.syndrome.as_deref(), &word);
    named.state.save(&named.store)?;
    named.store.sync()?;
    let until = until
        .map_or_else(|| "until it is over or worsens".to_owned(), |until| format!("until {}", stamp(until)));
    writeln!(
        out,
        "acknowledged {} of {} {until}: shown by every patrol, not counted in the exit code",
        taken.join(", "),
        args.run
    )
    .map_err(Error::io("write to", Path::new("standard output")))
}

fn until(clock: &Clock, span: Duration) -> Result<DateTime<Utc>> {
    let end = TimeDelta::from_std(span).ok().and_then(|span| clock.wall().checked_add_signed(span));
    end.ok_or_else(|| {
        Error::Usage("--for is beyond the end of time: leave it out to acknowledge for good".to_owned())
    })
}
