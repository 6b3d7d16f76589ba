//! The user's own sign of completion.

use crate::config;
use regex::bytes::Regex;
use std::cell::OnceCell;

/// Looks for `done_when`. Compiled when there is something to look at.
#[derive(Debug)]
pub(super) struct DoneWhen {
    text: String,
    compiled: OnceCell<Option<Regex>>,
}

impl DoneWhen {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), compiled: OnceCell::new() }
    }

    /// It looks at a record's begin or end, so that a whole block says nothing about it.
    fn is_anchored(&self) -> bool {
        self.text.contains(['^', '$']) || ["\\A", "\\z", "\\b", "\\B"].iter().any(|at| self.text.contains(at))
    }

    /// Whether a record of this block may match.
    pub(super) fn may_match(&self, block: &[u8]) -> bool {
        self.is_anchored() || self.matches(block)
    }

    /// Whether the record matches. That the text compiles the configuration has seen to, with the
    /// same builder.
    pub(super) fn matches(&self, record: &[u8]) -> bool {
        let compiled = self.compiled.get_or_init(|| config::compile(&self.text).ok());
        compiled.as_ref().is_some_and(|pattern| pattern.is_match(record))
    }
}

#[cfg(test)]
mod tests {
    use super::DoneWhen;

    #[test]
    fn it_is_compiled_when_there_is_something_to_look_at_and_as_the_configuration_does() {
        let done = DoneWhen::new("ALL DONE$");
        assert!(done.compiled.get().is_none());
        assert!(done.may_match(b"a block\nof records\n") && !done.matches(b"ALL DONE?"));
        assert!(done.matches(b"ALL DONE"));
        assert!(!DoneWhen::new("((a{99}){99}){99}").matches(&b"a".repeat(1_000_000)), "too large");
    }
}
