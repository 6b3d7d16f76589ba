//! Which of a run's log files its numbers are taken from.
//!
//! The first that has a loss, for ranks print the same numbers again. It stays, until it falls
//! silent while others go on: a restart may write to a file of its own (`slurm-*.out`).

use std::path::{Path, PathBuf};

/// The election of one pass.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts about one pass")]
pub(super) struct Election {
    /// The log that leads.
    pub(super) lead: Option<PathBuf>,
    /// Something of it was read in this pass.
    pub(super) lead_read: bool,
    /// It had a loss in this pass: no other can take its place.
    pub(super) settled: bool,
    /// No file had led before this pass.
    first: bool,
    /// Another one had a loss.
    rivals: bool,
    /// Whoever has the next loss leads.
    vacant: bool,
}

impl Election {
    pub(super) fn new(lead: Option<&Path>, idle: bool) -> Self {
        Self {
            lead: lead.map(PathBuf::from),
            lead_read: false,
            settled: false,
            first: lead.is_none(),
            rivals: false,
            vacant: lead.is_none() || idle,
        }
    }

    /// A file has a loss, while the lead has had none or is another one. True where it takes the
    /// lead: the place is vacant, or it is a new file and the lead has not grown.
    pub(super) fn vote(&mut self, is_lead: bool, is_new: bool) -> bool {
        let wins = !is_lead && !self.settled && (self.vacant || is_new && !self.lead_read);
        self.settled |= is_lead || wins;
        self.rivals |= !is_lead && !wins;
        wins
    }

    /// What the next pass has to know: whether the lead fell silent.
    pub(super) fn close(&self, idle: &mut bool) {
        if self.settled {
            *idle = self.first && self.rivals;
        } else if self.rivals {
            *idle = true;
        }
    }
}
