//! The YAML library's complaints in the words of somebody who has to mend the file.

use super::document::Document;
use super::locate;
use super::raw;
use crate::error::Error;
use std::fmt::Write;

/// Explains a complaint of the library about this document.
pub(super) fn explain(document: &Document, error: &serde_yaml::Error) -> Error {
    let said = without_place(error);
    let (path, said) = split_path(&said);
    let mut offset = error.location().map_or(0, |location| location.index());
    let (what, next) = if let Some((key, known)) = unknown_field(said) {
        let under = if path.is_empty() { String::new() } else { format!(" under `{path}`") };
        (format!("unknown key `{key}`{under}"), suggestion(&key, path, &known))
    } else if let Some((got, wanted)) = wrong_type(said) {
        let of = if path.is_empty() { "this file".to_owned() } else { format!("`{path}`") };
        let what = format!("{of} has the wrong type: {got} where {wanted} should be");
        (what, hint_on_type(&got, &wanted).to_owned())
    } else if said.contains("more than one document") {
        offset = locate::second_document(&document.text);
        let next = "keep one: delete the line `---`, or make two files of a directory";
        ("a second YAML document begins here".to_owned(), next.to_owned())
    } else if said.contains("repetition limit") || said.contains("recursion limit") {
        let what = format!("nested or repeated beyond any use ({said})");
        (what, "write it out, without aliases (`*name`)".to_owned())
    } else if said.contains("unknown anchor") {
        let next = "define the anchor first, or put the text in quotes";
        ("this alias (`*name`) has no anchor (`&name`) before it".to_owned(), next.to_owned())
    } else {
        let unclosed = offset >= document.text.trim_end().len();
        let opened = opened_at(&document.text, said).filter(|_| unclosed);
        offset = opened.unwrap_or(offset);
        let next = match opened {
            Some(_) => "close the quote or bracket that is opened here",
            None => hint_on_syntax(document, offset, said),
        };
        (format!("this is not YAML: {said}"), next.to_owned())
    };
    document.mistake(offset, &what, &next)
}

/// The nearest of the known words, if any is near enough to be meant.
pub(crate) fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let plain = |word: &str| word.to_lowercase().replace(['-', '_', ' '], "");
    let wanted = plain(word);
    let distance = |key: &str| strsim::damerau_levenshtein(&plain(key), &wanted);
    let best = known.iter().copied().min_by_key(|key| distance(key))?;
    let near = distance(best) <= 1 + wanted.chars().count() / 4;
    let begins = wanted.len() >= 3 && (plain(best).contains(&wanted) || wanted.contains(&plain(best)));
    (near || begins).then_some(best)
}

/// `a`, `b` and `c`, each in backticks.
pub(super) fn listed(words: &[&str]) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let joint = match index {
            0 => "",
            _ if index + 1 == words.len() => " and ",
            _ => ", ",
        };
        let _ = write!(text, "{joint}`{word}`");
    }
    text
}

fn suggestion(key: &str, path: &str, known: &[String]) -> String {
    if key == "<<" {
        return "merge keys are not read here: repeat the keys instead".to_owned();
    }
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    if let Some(near) = nearest(key, &known) {
        return format!("did you mean `{near}`?");
    }
    let home = SECTIONS_WITH_KEYS
        .iter()
        .filter(|&&(name, _)| name != path)
        .find(|(_, probe)| keys_at(probe).iter().any(|known| known == key));
    if let Some((name, _)) = home {
        return format!("`{key}` belongs under `{name}:`");
    }
    format!("known here are {}", listed(&known))
}

/// Sections whose keys users put into the wrong one, each with a file that makes the library list them.
const SECTIONS_WITH_KEYS: &[(&str, &str)] = &[
    ("training", "training: {?: 0}"),
    ("patrol", "patrol: {?: 0}"),
    ("channels", "channels: {?: 0}"),
    ("webhook", "channels: {webhook: {?: 0}}"),
    ("runs", "runs: [{?: 0}]"),
    ("process", "runs: [{process: {?: 0}}]"),
    ("checkpoints", "runs: [{checkpoints: {?: 0}}]"),
    ("playbook", "playbook: {?: 0}"),
    ("syndromes", "playbook: {syndromes: [{?: 0}]}"),
];

fn keys_at(probe: &str) -> Vec<String> {
    let probe = probe.replace('?', "\"\"");
    let Err(error) = serde_yaml::from_str::<raw::File>(&probe) else {
        return Vec::new();
    };
    let said = without_place(&error);
    unknown_field(split_path(&said).1).map(|(_, known)| known).unwrap_or_default()
}

/// The complaint without its own ` at line L column C`.
fn without_place(error: &serde_yaml::Error) -> String {
    let said = error.to_string();
    match error.location() {
        Some(at) => said.replacen(&format!(" at line {} column {}", at.line(), at.column()), "", 1),
        None => said,
    }
}

/// `runs[0].process: invalid type…` in its two parts.
fn split_path(said: &str) -> (&str, &str) {
    for kind in ["unknown field", "invalid type", "invalid value"] {
        if let Some(at) = said.find(kind) {
            return (said[..at].trim_end_matches(": "), &said[at..]);
        }
    }
    ("", said)
}

fn unknown_field(said: &str) -> Option<(String, Vec<String>)> {
    let rest = said.strip_prefix("unknown field `")?;
    let (key, rest) = rest.split_once("`, ")?;
    let known = rest.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    Some((key.chars().take(80).collect(), known))
}

fn wrong_type(said: &str) -> Option<(String, String)> {
    let rest = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "))?;
    let (got, wanted) = rest.rsplit_once(", expected ")?;
    let got: String = got.chars().take(80).collect();
    let got = match got.as_str() {
        "map" => "keys and values".to_owned(),
        "sequence" => "a list".to_owned(),
        "unit value" | "Option value" => "nothing".to_owned(),
        "enum" => "a YAML tag".to_owned(),
        other => other
            .replacen("string ", "the text ", 1)
            .replacen("floating point", "the number", 1)
            .replacen("integer", "the number", 1),
    };
    let wanted = match wanted {
        "a sequence" => "a list",
        "a string" => "text",
        other => other,
    };
    Some((got, wanted.to_owned()))
}

fn hint_on_type(got: &str, wanted: &str) -> &'static str {
    match wanted {
        "text" if got == "keys and values" => "put text that holds `: ` in quotes",
        "a list" => "put it between [ ], or on lines that begin with `- `",
        "a value without a YAML tag" => "delete the tag (`!…`), or put the text in quotes",
        "a number" => "write the bare number: the unit is in the key's name",
        "`true` or `false`" => "write true or false; yes, no, on and off are plain text in YAML",
        _ => "",
    }
}

/// Where the quote or bracket was opened that the text's end was found in.
fn opened_at(text: &str, said: &str) -> Option<usize> {
    let (_, place) = said.rsplit_once(" at line ")?;
    let (line, column) = place.split_once(" column ")?;
    let (line, column): (usize, usize) = (line.parse().ok()?, column.parse().ok()?);
    let start = text.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum::<usize>();
    let before = text[start..].chars().take(column.checked_sub(1)?);
    Some(start + before.map(char::len_utf8).sum::<usize>())
}

/// What usually is behind text that is not YAML.
fn hint_on_syntax(document: &Document, offset: usize, said: &str) -> &'static str {
    let text = &document.text;
    let offset = text.floor_char_boundary(offset);
    let start = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let indent = line.chars().take_while(|c| c.is_whitespace());
    if indent.into_iter().any(|c| c == '\t') {
        "YAML takes no tabs for indentation: use spaces"
    } else if said.contains("unknown escape character") {
        "between double quotes a backslash is YAML's own: use single quotes"
    } else if said.contains("cannot start any token") {
        "put text that begins with a special character in quotes"
    } else if line.contains("${") {
        "between { } or [ ], text with `${NAME}` has to stand in quotes"
    } else {
        "look at the indentation here and on the line above, and quote text that holds `: ` or ` #`"
    }
}
