//! As much of a shell's language as says which variables a program is started with: words, quotes,
//! variables and the ends of commands. What a shell would have to compute is marked as such.

use super::command::{Scope, Value};
use std::iter::Peekable;
use std::str::Chars;

/// A word of a command.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    /// As it is after quotes and variables.
    pub(super) text: String,
    /// Some of it only a shell can know.
    pub(super) computed: bool,
}

impl Word {
    /// A word that is what it is.
    pub(super) fn plain(text: &str) -> Self {
        Self { text: text.to_owned(), computed: false }
    }

    fn push(&mut self, value: &Value) {
        self.text.push_str(value.text());
        self.computed |= matches!(value, Value::Computed(_));
    }
}

/// Reads a script command by command, so that each sees what the ones before it have set.
pub(super) struct Script<'t> {
    rest: Peekable<Chars<'t>>,
}

impl<'t> Script<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { rest: text.chars().peekable() }
    }

    /// The words of the next simple command, which may be none; `None` at the end.
    pub(super) fn next(&mut self, scope: &Scope<'_>) -> Option<Vec<Word>> {
        self.rest.peek()?;
        let mut words = Vec::new();
        let mut word: Option<Word> = None;
        while let Some(c) = self.rest.next() {
            match c {
                ' ' | '\t' | '\r' => words.extend(word.take()),
                '#' if word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
                // Where output goes is no end of a command.
                '&' if self.rest.peek() == Some(&'>') => {}
                '\n' | ';' | '&' | '|' | '(' | ')' => break,
                _ => {
                    let word = word.get_or_insert_with(|| Word::plain(""));
                    self.part(c, word, scope);
                }
            }
        }
        words.extend(word);
        Some(words)
    }

    /// One character of a word, or what it begins.
    fn part(&mut self, c: char, word: &mut Word, scope: &Scope<'_>) {
        match c {
            '\'' => {
                while let Some(c) = self.rest.next_if(|c| *c != '\'') {
                    word.text.push(c);
                }
                self.rest.next();
            }
            '"' => self.quoted(word, scope),
            '\\' => match self.rest.next() {
                Some('\n') | None => {}
                Some(c) => word.text.push(c),
            },
            '$' => word.push(&self.variable(scope)),
            '`' => {
                while self.rest.next_if(|c| *c != '`').is_some() {}
                self.rest.next();
                word.push(&Value::Computed("`…`".to_owned()));
            }
            '>' | '<' => {
                word.text.push(c);
                word.text.extend(self.rest.next_if(|c| *c == '&'));
            }
            _ => word.text.push(c),
        }
    }

    fn quoted(&mut self, word: &mut Word, scope: &Scope<'_>) {
        while let Some(c) = self.rest.next() {
            match c {
                '"' => return,
                '\\' if self.rest.peek().is_some_and(|c| "$`\"\\".contains(*c)) => {
                    word.text.extend(self.rest.next());
                }
                '$' | '`' => self.part(c, word, scope),
                _ => word.text.push(c),
            }
        }
    }

    /// `$NAME`, `${NAME}`, `${NAME:-default}`; anything else behind a `$` is computed.
    fn variable(&mut self, scope: &Scope<'_>) -> Value {
        let is_name = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
        match self.rest.peek() {
            Some('{') => {
                self.rest.next();
                let inner = self.until('{', '}');
                let end = inner.find(|c| !is_name(&c)).unwrap_or(inner.len());
                let (name, operator) = inner.split_at(end);
                let default = operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-'));
                let empty_counts = !operator.starts_with(':');
                match (scope.value(name), default) {
                    (Some(value), Some(_)) if empty_counts || !value.text().is_empty() => value,
                    (_, Some(default)) if !default.contains(['$', '`', '"', '\'']) => {
                        Value::Known(default.to_owned())
                    }
                    (value, None) if operator.is_empty() && !name.is_empty() => {
                        value.unwrap_or_else(|| Value::Known(String::new()))
                    }
                    _ => Value::Computed(format!("${{{inner}}}")),
                }
            }
            Some('(') => {
                self.rest.next();
                Value::Computed(format!("$({})", self.until('(', ')')))
            }
            Some(c) if is_name(c) && !c.is_ascii_digit() => {
                let mut name = String::new();
                while let Some(c) = self.rest.next_if(is_name) {
                    name.push(c);
                }
                scope.value(&name).unwrap_or_else(|| Value::Known(String::new()))
            }
            Some(c) if "?#@*!$".contains(*c) || c.is_ascii_digit() => {
                let c = self.rest.next().unwrap_or_default();
                Value::Computed(format!("${c}"))
            }
            _ => Value::Known("$".to_owned()),
        }
    }

    /// What stands before the bracket that closes the one just read.
    fn until(&mut self, open: char, close: char) -> String {
        let (mut text, mut depth) = (String::new(), 1);
        for c in self.rest.by_ref() {
            depth += i32::from(c == open) - i32::from(c == close);
            if depth == 0 {
                break;
            }
            text.push(c);
        }
        text
    }
}
