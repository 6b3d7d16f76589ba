//! Python tracebacks, followed from record to record down to the exception's own line.

use serde::{Deserialize, Serialize};

/// A traceback whose exception has not been printed yet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Trace {
    /// Line of its header.
    pub(crate) line: u64,
}
