//! The body of a generic webhook as the user writes it: keys and values, with `{{name}}` in the texts.
//! What it becomes is JSON whatever an alert says, for it is filled in value by value.

use serde_json::Value;

/// What can stand between `{{` and `}}`.
pub const FIELDS: &[&str] = &[
    "action",
    "advice",
    "alerts",
    "check",
    "color",
    "count",
    "evidence",
    "host",
    "id",
    "level",
    "line",
    "message",
    "place",
    "run",
    "severity",
    "status",
    "step",
    "syndrome",
    "text",
    "time",
    "title",
    "transition",
];

/// A body with names in it that are all known.
#[derive(Debug, Clone, PartialEq)]
pub struct Template(Value);

impl Template {
    /// Takes a body whose names are all in [`FIELDS`].
    ///
    /// # Errors
    /// The first name that is not known, or the `{{` that has no end.
    pub fn new(body: Value) -> Result<Self, String> {
        check(&body)?;
        Ok(Self(body))
    }

    /// Fills the names in. A text that is nothing but one name becomes the field's own value, a number
    /// or a list; among other words it becomes text.
    pub fn fill(&self, field: &dyn Fn(&str) -> Value) -> Value {
        fill(&self.0, field)
    }
}

fn check(body: &Value) -> Result<(), String> {
    match body {
        Value::String(text) => names(text).try_for_each(|name| match name {
            Some(name) if FIELDS.contains(&name) => Ok(()),
            Some(name) => Err(name.to_owned()),
            None => Err("{{".to_owned()),
        }),
        Value::Array(list) => list.iter().try_for_each(check),
        Value::Object(map) => map.values().try_for_each(check),
        _ => Ok(()),
    }
}

/// The names in a text, `None` for a `{{` without its end.
fn names(text: &str) -> impl Iterator<Item = Option<&str>> {
    text.split("{{").skip(1).map(|rest| rest.split_once("}}").map(|(name, _)| name.trim()))
}

fn fill(body: &Value, field: &dyn Fn(&str) -> Value) -> Value {
    match body {
        Value::String(text) => text_of(text, field),
        Value::Array(list) => list.iter().map(|item| fill(item, field)).collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), fill(value, field))).collect(),
        other => other.clone(),
    }
}

fn text_of(text: &str, field: &dyn Fn(&str) -> Value) -> Value {
    let alone = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    if let Some(name) = alone.filter(|name| !name.contains("{{")) {
        return field(name.trim());
    }
    let mut filled = String::new();
    let mut pieces = text.split("{{");
    filled.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        match field(name.trim()) {
            Value::String(value) => filled.push_str(&value),
            Value::Null => {}
            other => filled.push_str(&other.to_string()),
        }
        filled.push_str(rest);
    }
    Value::String(filled)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_are_filled_in_and_what_they_say_is_never_a_name_again() {
        let body =
            json!({"a": "{{title}}", "b": ["{{ run }}: {{step}}!", {"c": "{{alerts}}"}], "d": 3, "e": "x"});
        let filled = Template::new(body).unwrap().fill(&|name| match name {
            "title" => json!("\"}, {{run}} \\"),
            "run" => json!("gpt"),
            "step" => json!(12),
            "alerts" => json!([1, 2]),
            _ => Value::Null,
        });
        let expected = json!({"a": "\"}, {{run}} \\", "b": ["gpt: 12!", {"c": [1, 2]}], "d": 3, "e": "x"});
        assert_eq!(filled, expected);
    }

    #[test]
    fn a_name_that_is_not_known_is_named() {
        assert_eq!(Template::new(json!({"a": [{"b": "x {{sevrity}}"}]})), Err("sevrity".to_owned()));
        assert_eq!(Template::new(json!({"a": "{{run"})), Err("{{".to_owned()));
    }
}
