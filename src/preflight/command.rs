//! What a command sets before its program starts: `CUDA_VISIBLE_DEVICES=0 python …`, `env -u NAME …`,
//! `sh -c 'export …; python …'`, also behind `nohup`, `nice`, `timeout` and their like.

use super::script::{Script, Word};
use crate::config::Env;
use std::collections::BTreeMap;

/// Shells in shells: a real command has two.
const DEPTH: usize = 8;
/// Programs of one script: each is looked at, and a script of more is no command line.
const PROGRAMS: usize = 256;

const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "ash"];

/// Programs that start another one with the variables as they are: those of their options that take
/// a word of their own, and how many words stand before the program.
const WRAPPERS: &[(&str, &[&str], usize)] = &[
    ("nohup", &[], 0),
    ("setsid", &[], 0),
    ("exec", &["-a"], 0),
    ("command", &[], 0),
    ("unbuffer", &[], 0),
    ("time", &["-f", "-o", "--format", "--output"], 0),
    ("nice", &["-n", "--adjustment"], 0),
    ("ionice", &["-c", "-n", "--class", "--classdata"], 0),
    ("stdbuf", &["-i", "-o", "-e", "--input", "--output", "--error"], 0),
    ("timeout", &["-k", "-s", "--kill-after", "--signal"], 1),
    ("taskset", &[], 1),
    ("numactl", &["-N", "-m", "-C", "-i", "-p", "-P"], 0),
];

/// Words of a shell's grammar that a command may follow.
const GRAMMAR: &[&str] = &["then", "else", "elif", "do", "if", "while", "until", "!", "{", "}"];

/// Commands of a shell that start no program.
const BUILTINS: &[&str] = &[
    "cd", "set", "source", ".", "echo", "printf", "wait", "trap", "ulimit", "umask", "true", "false", ":",
    "test", "[", "[[", "fi", "done", "esac", "for", "case", "exit", "return", "eval", "sleep", "mkdir",
    "module", "conda",
];

/// A variable's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// It is this.
    Known(String),
    /// A shell has to compute it, from this.
    Computed(String),
}

impl Value {
    /// The value, or what it is computed from.
    pub fn text(&self) -> &str {
        match self {
            Self::Known(text) | Self::Computed(text) => text,
        }
    }
}

/// A program that a command starts, and what the command has changed for it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Start {
    changes: BTreeMap<String, Option<Value>>,
    cleared: bool,
}

impl Start {
    /// What the command says of a variable: `None` where it says nothing, `Some(None)` where it takes
    /// the variable away.
    pub fn says(&self, name: &str) -> Option<Option<&Value>> {
        match self.changes.get(name) {
            Some(value) => Some(value.as_ref()),
            None => self.cleared.then_some(None),
        }
    }
}

/// The variables at one place of a command.
#[derive(Clone)]
pub(super) struct Scope<'e> {
    env: Env<'e>,
    start: Start,
    /// Of the shell alone: not exported.
    own: BTreeMap<String, Value>,
}

impl Scope<'_> {
    pub(super) fn value(&self, name: &str) -> Option<Value> {
        if let Some(value) = self.own.get(name) {
            return Some(value.clone());
        }
        match self.start.says(name) {
            Some(value) => value.cloned(),
            None => self.inherited(name),
        }
    }

    fn inherited(&self, name: &str) -> Option<Value> {
        (self.env)(name).map(|value| Value::Known(value.to_string_lossy().into_owned()))
    }

    fn is_exported(&self, name: &str) -> bool {
        self.start.says(name).map_or_else(|| self.inherited(name).is_some(), |value| value.is_some())
    }

    fn export(&mut self, name: &str, value: Value) {
        self.own.remove(name);
        self.start.changes.insert(name.to_owned(), Some(value));
    }

    fn remove(&mut self, name: &str) {
        self.own.remove(name);
        self.start.changes.insert(name.to_owned(), None);
    }

    /// `NAME=value` on a line of its own.
    fn assign(&mut self, name: &str, value: Value) {
        if self.is_exported(name) {
            self.export(name, value);
        } else {
            self.own.insert(name.to_owned(), value);
        }
    }
}

/// The programs that a command starts, in their order.
pub fn starts(command: &[String], env: Env<'_>) -> Vec<Start> {
    let scope = Scope { env, start: Start::default(), own: BTreeMap::new() };
    let mut starts = Vec::new();
    if let Some(text) = as_script(command) {
        script(&text, scope, DEPTH, &mut starts);
    } else {
        let words: Vec<Word> = command.iter().map(|word| Word::plain(word)).collect();
        simple(&words, &mut scope.clone(), DEPTH, &mut starts);
    }
    starts
}

/// The script that a command is, where it is none that can be executed as it stands: one word with
/// blanks in it, or words that begin with a shell's own command.
pub fn as_script(command: &[String]) -> Option<String> {
    match command {
        [only] if only.contains([' ', ';', '\n', '\t']) => Some(only.clone()),
        [first, ..] if first == "export" => Some(command.join(" ")),
        _ => None,
    }
}

fn script(text: &str, mut scope: Scope<'_>, depth: usize, starts: &mut Vec<Start>) {
    let mut script = Script::new(text);
    while let Some(words) = script.next(&scope) {
        simple(&words, &mut scope, depth, starts);
    }
}

/// One command; what it sets for the shell itself stays in `scope`.
fn simple(words: &[Word], scope: &mut Scope<'_>, depth: usize, starts: &mut Vec<Start>) {
    let words = &words[words.iter().take_while(|word| GRAMMAR.contains(&word.text.as_str())).count()..];
    let leading = words.iter().map_while(assigned).collect::<Vec<_>>();
    let Some(program) = words.get(leading.len()) else {
        for (name, value) in leading {
            scope.assign(name, value);
        }
        return;
    };
    let arguments = &words[leading.len() + 1..];
    match program.text.as_str() {
        "export" | "declare" | "typeset" => {
            for word in arguments.iter().filter(|word| !word.text.starts_with('-')) {
                match assigned(word) {
                    Some((name, value)) => scope.export(name, value),
                    None => {
                        if let Some(value) = scope.own.remove(&word.text) {
                            scope.export(&word.text, value);
                        }
                    }
                }
            }
        }
        "unset" => arguments.iter().for_each(|word| scope.remove(&word.text)),
        name if BUILTINS.contains(&name) => {}
        _ => {
            let mut inner = scope.clone();
            for (name, value) in leading {
                inner.export(name, value);
            }
            start(&words[words.len() - arguments.len() - 1..], inner, depth, starts);
        }
    }
}

/// A program and its arguments, or what starts one.
fn start(words: &[Word], mut scope: Scope<'_>, depth: usize, starts: &mut Vec<Start>) {
    let Some((program, arguments)) = words.split_first() else { return };
    let Some(depth) = depth.checked_sub(1).filter(|_| starts.len() < PROGRAMS) else { return };
    let name = program.text.rsplit('/').next().unwrap_or_default();
    if name == "env" {
        return env(arguments, scope, depth, starts);
    }
    if SHELLS.contains(&name)
        && let Some(text) = script_of(arguments)
    {
        // A shell is told what is exported, and nothing else.
        scope.own.clear();
        return script(&text.text, scope, depth, starts);
    }
    if let Some((_, valued, before)) = WRAPPERS.iter().find(|(wrapper, ..)| *wrapper == name) {
        return start(behind(arguments, valued, *before), scope, depth, starts);
    }
    starts.push(scope.start);
}

/// What a wrapper starts.
fn behind<'w>(mut words: &'w [Word], valued: &[&str], before: usize) -> &'w [Word] {
    while let Some((word, rest)) = words.split_first() {
        if word.text == "--" {
            words = rest;
            break;
        }
        if !word.text.starts_with('-') {
            break;
        }
        words = rest.get(usize::from(valued.contains(&word.text.as_str()))..).unwrap_or_default();
    }
    words.get(before..).unwrap_or_default()
}

/// The script of `sh -c`, with the shell's own options in front of it.
fn script_of(arguments: &[Word]) -> Option<&Word> {
    let mut words = arguments.iter();
    let mut found = false;
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        match text.strip_prefix(['-', '+']) {
            Some(long) if long.starts_with('-') => {
                if matches!(text, "--rcfile" | "--init-file") {
                    words.next();
                }
            }
            Some(letters) => {
                found |= letters.contains('c') && text.starts_with('-');
                // `-o pipefail`, also as the last letter of several.
                if letters.ends_with(['o', 'O']) {
                    words.next();
                }
            }
            None => return found.then_some(word),
        }
    }
    None
}

/// `env`: its options, then assignments, then the program.
fn env(mut words: &[Word], mut scope: Scope<'_>, depth: usize, starts: &mut Vec<Start>) {
    while let Some((word, rest)) = words.split_first().filter(|(word, _)| word.text.starts_with('-')) {
        let text = word.text.as_str();
        let next = rest.first().map(|word| word.text.clone());
        let joined = |short: &str, long: &str| {
            let inner = text.strip_prefix(long).or_else(|| text.strip_prefix(short))?;
            Some(inner.to_owned()).filter(|inner| !inner.is_empty())
        };
        words = rest;
        match text {
            "--" => break,
            "-" | "--ignore-environment" => clear(&mut scope),
            "-u" | "--unset" => {
                if let Some(name) = next {
                    scope.remove(&name);
                }
                words = rest.get(1..).unwrap_or_default();
            }
            "-C" | "--chdir" => words = rest.get(1..).unwrap_or_default(),
            "-S" | "--split-string" => {
                let rest = rest.get(1..).unwrap_or_default();
                return split(&next.unwrap_or_default(), rest, scope, depth, starts);
            }
            _ => {
                if let Some(name) = joined("-u", "--unset=") {
                    scope.remove(&name);
                } else if let Some(inner) = joined("-S", "--split-string=") {
                    return split(&inner, rest, scope, depth, starts);
                } else if !text.starts_with("--") && text.contains('i') {
                    // Alone or among others: `-iv`.
                    clear(&mut scope);
                }
            }
        }
    }
    while let Some((name, value)) = words.first().and_then(assigned) {
        scope.export(name, value);
        words = &words[1..];
    }
    start(words, scope, depth, starts);
}

fn clear(scope: &mut Scope<'_>) {
    scope.start.changes.clear();
    scope.start.cleared = true;
    scope.own.clear();
}

/// `env -S 'NAME=value program'`: its words stand where the option stood.
fn split(text: &str, rest: &[Word], scope: Scope<'_>, depth: usize, starts: &mut Vec<Start>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    let mut words = Script::new(text).next(&scope).unwrap_or_default();
    words.extend_from_slice(rest);
    env(&words, scope, depth, starts);
}

fn assigned(word: &Word) -> Option<(&str, Value)> {
    let (name, value) = assignment(&word.text)?;
    let value = value.to_owned();
    Some((name, if word.computed { Value::Computed(value) } else { Value::Known(value) }))
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (letters && name.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())).then_some((name, value))
}

#[cfg(test)]
mod tests;
