//! The guard itself: whether its state was whole and its alerts arrive.

/// What a patrol knows of its own condition.
#[derive(Debug, Clone, Default)]
pub struct GuardFacts {
    /// The state file was damaged: what was wrong and what was done, for people.
    pub damage: Option<String>,
    /// Alerts of this run that channels did not take.
    pub undelivered: Vec<Undelivered>,
}

/// What one channel owes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undelivered {
    /// The run whose alerts they are.
    pub run: String,
    /// The channel.
    pub channel: String,
    /// Alerts that it did not take.
    pub alerts: usize,
    /// Those of them that it refused for good.
    pub refused: usize,
    /// Why it did not take the last of them.
    pub error: String,
}
