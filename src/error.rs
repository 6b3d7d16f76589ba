//! What can stop an invocation. What the tool is for is a finding, not an error.

use std::path::{Path, PathBuf};

/// One variant per thing that can stop an invocation. All of them exit with 3.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Reading or writing a file.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// A verb: `read`, `write`, `open`, `create`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The config is wrong; the text already says file, line, column, what and the nearest key.
    #[error("{0}")]
    Config(String),
    /// Arguments that do not fit together, or name something that is not there.
    #[error("{0}")]
    Usage(String),
    /// Somebody else holds a lock.
    #[error("{0}")]
    Locked(String),
    /// A directory or file of ours that others could have changed.
    #[error("{0}")]
    Untrusted(String),
    /// GPUs that could not be looked at, or one that is asked for and is not there.
    #[error("{0}")]
    Gpu(String),
    /// A state that belongs to something else or to a newer version.
    #[error("{0}")]
    State(String),
}

impl Error {
    /// For `map_err`: an I/O error with its verb and path.
    pub fn io(what: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { what, path, source }
    }
}

/// Result of anything that can stop an invocation.
pub type Result<T> = std::result::Result<T, Error>;

/// The error with all its causes, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
