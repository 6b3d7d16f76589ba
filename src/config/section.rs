//! Takes values out of the raw file: expands, checks the range, and names the place when it is wrong.

use super::document::Document;
use super::expand::{Env, expand};
use super::locate::{self, Aim, Step};
use super::raw::{Flag, Number, Span, Text};
use super::{diagnose, duration, paths};
use crate::error::{Error, Result};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One mapping of one file.
#[derive(Clone)]
pub(super) struct Section<'a> {
    document: &'a Document,
    env: Env<'a>,
    path: Vec<Step>,
}

/// The numbers that a key may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// The least.
    pub(super) least: f64,
    /// Whether the least itself is allowed.
    pub(super) least_allowed: bool,
    /// The greatest.
    pub(super) most: f64,
    /// Only integers.
    pub(super) whole: bool,
    /// What is counted, for messages: `minutes`, `a ratio: 95 % is 0.95`.
    pub(super) unit: &'static str,
}

impl<'a> Section<'a> {
    /// The top of a document.
    pub(super) fn top(document: &'a Document, env: Env<'a>) -> Self {
        Self { document, env, path: Vec::new() }
    }

    /// The mapping under a key.
    pub(super) fn key(&self, key: &str) -> Self {
        self.step(Step::Key(key.to_owned()))
    }

    /// An element of the list that this is.
    pub(super) fn index(&self, index: usize) -> Self {
        self.step(Step::Index(index))
    }

    fn step(&self, step: Step) -> Self {
        let mut path = self.path.clone();
        path.push(step);
        Self { document: self.document, env: self.env, path }
    }

    /// The dotted name of a key, for messages: `training.gpu_util_min`.
    pub(super) fn name(&self, key: &str) -> String {
        let mut name = String::new();
        for step in &self.path {
            if let Step::Key(key) = step {
                name.push_str(key);
                name.push('.');
            }
        }
        name + key
    }

    /// A mistake at the value of a key that takes one of a few words.
    pub(super) fn wrong_word(&self, key: &str, word: &str, known: &[&str]) -> Error {
        self.key(key).wrong_word_here(key, word, known)
    }

    /// The same for what stands here; `kind` says what the words are.
    pub(super) fn wrong_word_here(&self, kind: &str, word: &str, known: &[&str]) -> Error {
        let what = format!("`{word}` is no `{kind}`");
        let list = diagnose::listed(known);
        let next = match diagnose::nearest(word, known) {
            Some(near) => format!("did you mean `{near}`? There are {list}"),
            None => format!("there are {list}"),
        };
        self.wrong_here(Aim::Value, &what, &next)
    }

    /// A mistake at the value of a key.
    pub(super) fn wrong(&self, key: &str, what: &str, next: &str) -> Error {
        self.key(key).wrong_here(Aim::Value, what, next)
    }

    /// A mistake at the name of a key.
    pub(super) fn wrong_key(&self, key: &str, what: &str, next: &str) -> Error {
        self.key(key).wrong_here(Aim::Key, what, next)
    }

    /// A mistake of this mapping, list or element as a whole.
    pub(super) fn wrong_here(&self, aim: Aim, what: &str, next: &str) -> Error {
        self.document.mistake(self.offset(aim), what, next)
    }

    /// `file:line:column` of this.
    pub(super) fn place(&self, aim: Aim) -> String {
        self.document.place(self.offset(aim))
    }

    fn offset(&self, aim: Aim) -> usize {
        locate::offset(&self.document.text, &self.path, aim)
    }

    /// The text of a key, expanded.
    pub(super) fn text(&self, key: &str, text: &Text) -> Result<String> {
        self.key(key).text_here(text)
    }

    /// The text that stands here, expanded.
    pub(super) fn text_here(&self, text: &Text) -> Result<String> {
        self.expanded(text.unexpanded())
    }

    /// A text that stands somewhere in this, expanded.
    pub(super) fn expanded(&self, text: &str) -> Result<String> {
        let expanded = expand(text, self.env);
        expanded.map(Into::into).map_err(|(what, next)| self.wrong_here(Aim::Value, &what, &next))
    }

    /// A path: absolute, relative ones taken from the file's own directory.
    pub(super) fn path(&self, key: &str, text: &Text) -> Result<PathBuf> {
        let path = self.text(key, text)?;
        if path.is_empty() {
            return Err(self.wrong(key, &format!("`{key}` is empty"), "give a path, or delete the key"));
        }
        if path.contains('\0') {
            return Err(self.wrong(key, &format!("`{key}` holds a NUL byte"), "give a path without it"));
        }
        let base = self.document.path.parent().unwrap_or(Path::new("/"));
        Ok(paths::absolute(path.as_ref(), base, self.env))
    }

    /// A path as it was expanded, made absolute from the file's own directory.
    pub(super) fn absolute(&self, path: &str) -> PathBuf {
        let base = self.document.path.parent().unwrap_or(Path::new("/"));
        paths::absolute(path.as_ref(), base, self.env)
    }

    /// A duration between two others; `None` where the key is absent.
    pub(super) fn span(
        &self,
        key: &str,
        span: Option<&Span>,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>> {
        let text = match span {
            None => return Ok(None),
            Some(Span::Seconds(seconds)) => seconds.to_string(),
            Some(Span::Written(text)) => self.text(key, text)?,
        };
        let next = "write a number with ms, s, m, h or d; a bare number is seconds";
        let duration = duration::parse(&text).map_err(|what| self.wrong(key, &what, next))?;
        if range.contains(&duration) {
            return Ok(Some(duration));
        }
        let [least, most] = [range.start(), range.end()].map(|limit| format!("{}s", limit.as_secs_f64()));
        let what = format!("`{key}` is {text}, outside of {least} to {most}");
        Err(self.wrong(key, &what, next))
    }

    /// Whether a flag is set; `default` where the key is absent.
    pub(super) fn flag(&self, key: &str, flag: Option<&Flag>, default: bool) -> Result<bool> {
        match flag {
            None => Ok(default),
            Some(Flag::Is(flag)) => Ok(*flag),
            Some(Flag::Expand(text)) => {
                let text = self.key(key).expanded(text)?;
                text.trim().parse().map_err(|_| {
                    let what = format!("`{key}` becomes '{text}', which is neither true nor false");
                    self.wrong(key, &what, "set the variable to true or false")
                })
            }
        }
    }

    /// A number within its range; `None` where the key is absent.
    pub(super) fn number(&self, key: &str, number: Option<&Number>, range: Range) -> Result<Option<f64>> {
        let value = match number {
            None => return Ok(None),
            Some(Number::Is(value)) => *value,
            Some(Number::Expand(text)) => {
                let text = self.key(key).expanded(text)?;
                text.trim().parse().map_err(|_| {
                    let what = format!("`{key}` becomes '{text}', which is no number");
                    self.wrong(key, &what, "set the variable to the bare number")
                })?
            }
        };
        let low = value < range.least || (value <= range.least && !range.least_allowed);
        if value.is_nan() || low || value > range.most || (range.whole && value.fract() != 0.0) {
            let value = if value.abs() < 1e15 { value.to_string() } else { format!("{value:e}") };
            let what = format!("`{key}` cannot be {value}");
            return Err(self.wrong(key, &what, &range.in_words()));
        }
        Ok(Some(value))
    }
}

/// A program and its arguments, as they stand in the list that this is. A program with a slash in it
/// becomes an absolute path.
pub(super) fn command(at: &Section<'_>, words: &[Text]) -> Result<Vec<String>> {
    let mut command = Vec::with_capacity(words.len());
    for (index, text) in words.iter().enumerate() {
        let here = at.index(index);
        let word = here.text_here(text)?;
        if word.contains('\0') {
            return Err(here.wrong_here(Aim::Value, "a command cannot hold a NUL byte", "write it without"));
        }
        let is_path = index == 0 && word.contains('/');
        command.push(if is_path { at.absolute(&word).to_string_lossy().into_owned() } else { word });
    }
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        let next = "write the program and its arguments as a list, such as [./ask.sh, -q]";
        return Err(at.wrong_here(Aim::Value, "this command names no program", next));
    }
    Ok(command)
}

impl Range {
    fn in_words(self) -> String {
        let Self { least, least_allowed, most, whole, unit } = self;
        let kind = if whole { "a whole number" } else { "a number" };
        let low = if least_allowed { "from" } else { "above" };
        let most = if most < 1e9 { most.to_string() } else { format!("{most:e}") };
        format!("it is {kind} {low} {least} up to {most} ({unit})")
    }
}
