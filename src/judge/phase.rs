//! Where a run stands.

use super::{Context, Memory, held};
use serde::{Deserialize, Serialize};

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Nothing seen yet.
    #[default]
    Waiting,
    /// Its first steps are attended.
    Watch,
    /// Under way, as far as is known.
    Patrol,
    /// Complete: by a recorded sign, by its steps, or by an operator's word.
    Finished,
    /// Its process is gone without a sign of completion.
    Failed,
    /// Ended on an operator's or a configured action's word.
    Stopped,
    /// Held by SIGSTOP on an operator's or a configured action's word.
    Paused,
    /// A log alone that was already old at its first patrol.
    Ended,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Waiting,
        Self::Watch,
        Self::Patrol,
        Self::Finished,
        Self::Failed,
        Self::Stopped,
        Self::Paused,
        Self::Ended,
    ];

    /// The word in reports.
    pub fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Watch => "watch",
            Self::Patrol => "patrol",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Ended => "ended",
        }
    }

    /// Whether nothing more is expected of the run.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed | Self::Stopped | Self::Ended)
    }
}

/// Where the run stands after this look.
pub fn phase(context: &Context<'_>, memory: &Memory) -> Phase {
    let nothing = context.look.digest.numbers.rows == 0 && context.look.digest.last_lines.is_empty();
    if let Some(phase) = held::phase(context, memory) {
        phase
    } else if memory.end.is_some() {
        Phase::Finished
    } else if memory.process.dead_since.is_some() {
        Phase::Failed
    } else if memory.silence.ended {
        Phase::Ended
    } else if nothing && memory.silence.is_fresh() && context.living().is_none() {
        Phase::Waiting
    } else if context.attended.is_some() {
        Phase::Watch
    } else {
        Phase::Patrol
    }
}
