//! Rows from the text of a log.

use serde::{Deserialize, Serialize};

/// What reading one file remembers from one patrol to the next. At most some 300 bytes as JSON.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileContext {
    /// The epoch that a header line announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<f64>,
}
