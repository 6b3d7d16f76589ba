//! `${NAME}` in a scalar is the environment's value, `$$` is `$`, and a `$` before anything else is
//! itself, so that regexes and shell snippets need no care.

use std::borrow::Cow;
use std::ffi::OsString;

/// How the environment is asked: an argument, so that tests need not change their own.
pub type Env<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// Expands a scalar. The error says what is wrong and what to do.
pub(super) fn expand<'t>(text: &'t str, env: Env<'_>) -> Result<Cow<'t, str>, (String, String)> {
    if !text.contains('$') {
        return Ok(Cow::Borrowed(text));
    }
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(dollar) = rest.find('$') {
        expanded.push_str(&rest[..dollar]);
        let after = &rest[dollar + 1..];
        if let Some(more) = after.strip_prefix('$') {
            expanded.push('$');
            rest = more;
        } else if let Some(more) = after.strip_prefix('{') {
            let Some((name, more)) = more.split_once('}') else {
                return Err((
                    "`${` without its `}`".to_owned(),
                    "close it, or write `$${` for a `${` that is meant as text".to_owned(),
                ));
            };
            expanded.push_str(&value_of(name, env)?);
            rest = more;
        } else {
            expanded.push('$');
            rest = after;
        }
    }
    expanded.push_str(rest);
    Ok(Cow::Owned(expanded))
}

fn value_of(name: &str, env: Env<'_>) -> Result<String, (String, String)> {
    let mut bytes = name.bytes();
    let is_name = bytes.next().is_some_and(|b| b == b'_' || b.is_ascii_alphabetic())
        && bytes.all(|b| b == b'_' || b.is_ascii_alphanumeric());
    if !is_name {
        return Err((
            format!("`${{{name}}}` names no environment variable"),
            "letters, digits and `_` only; there are no defaults; `$${` is a `${` meant as text".to_owned(),
        ));
    }
    let Some(value) = env(name) else {
        return Err((
            format!("the environment variable `{name}` is not set"),
            format!(
                "set it where trainguard is called (cron starts with almost no environment: a line `{name}=…` above the job sets it)"
            ),
        ));
    };
    value.into_string().map_err(|_| {
        (format!("the environment variable `{name}` is not UTF-8"), "give it a value that is".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<OsString> {
        match name {
            "HOST" => Some("node7".into()),
            "EMPTY" => Some("".into()),
            "DOLLAR" => Some("${HOST}".into()),
            _ => None,
        }
    }

    #[test]
    fn variables_are_replaced_and_other_dollars_are_left_alone() {
        let table = [
            ("plain", "plain"),
            ("${HOST}", "node7"),
            ("/logs/${HOST}/x${EMPTY}.log", "/logs/node7/x.log"),
            ("$${HOST}", "${HOST}"),
            ("finished$", "finished$"),
            ("cost $5 $HOST", "cost $5 $HOST"),
            ("$$$$", "$$"),
            ("$$$", "$$"),
            ("a value is not expanded again: ${DOLLAR}", "a value is not expanded again: ${HOST}"),
        ];
        for (text, expected) in table {
            assert_eq!(expand(text, &env).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_undefined_variable_is_named() {
        let (what, next) = expand("x ${NOPE} y", &env).unwrap_err();
        assert!(what.contains("`NOPE` is not set"), "{what}");
        assert!(next.contains("cron"), "{next}");
    }

    #[test]
    fn what_cannot_be_a_variable_is_refused() {
        for text in ["${", "${HOST", "${}", "${A-B}", "${HOST:-x}", "${1}"] {
            assert!(expand(text, &env).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn doubling_every_dollar_keeps_any_text_as_it_is(text in ".*") {
            let doubled = text.replace('$', "$$");
            prop_assert_eq!(expand(&doubled, &env).unwrap(), text);
        }

        #[test]
        fn text_without_an_opening_brace_never_fails(text in "[^{]*") {
            prop_assert!(expand(&text, &env).is_ok());
        }
    }
}
