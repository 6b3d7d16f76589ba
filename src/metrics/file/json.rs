//! As much of JSON as rows need, with the `NaN` and `Infinity` that Python writes.

/// The number that a value is; a string with the name of what is not finite is one too.
pub(super) fn number(text: &[u8]) -> Option<f64> {
    let text = text.trim_ascii();
    match text.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\"")).unwrap_or(text) {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ if text.first().is_some_and(|byte| byte.is_ascii_digit() || *byte == b'-') => {
            std::str::from_utf8(text).ok()?.parse().ok()
        }
        _ => None,
    }
}

/// Where the string that begins at `at` ends, its quote included.
fn string_end(text: &[u8], at: usize) -> Option<usize> {
    let mut from = at + 1;
    loop {
        let found = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
        if text[found] == b'"' {
            return Some(found + 1);
        }
        from = found + 2;
    }
}

/// Where the object or list that begins at `at` ends; `None` where the text ends before it.
pub(super) fn end(text: &[u8], at: usize) -> Option<usize> {
    let (mut at, mut depth) = (at, 0_usize);
    loop {
        match text.get(at)? {
            b'"' => {
                at = string_end(text, at)?;
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
        at += 1;
    }
}

/// The members of an object whose values are numbers or could be: name and value, as they are written.
/// What is nested is passed over.
pub(super) fn members(object: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut at = usize::from(object.first() == Some(&b'{'));
    std::iter::from_fn(move || {
        let name = at + memchr::memchr(b'"', object.get(at..)?)?;
        let name_end = string_end(object, name)?;
        let colon = name_end + memchr::memchr(b':', object.get(name_end..)?)?;
        let begin = colon + 1 + object[colon + 1..].iter().position(|byte| !byte.is_ascii_whitespace())?;
        let end = match object[begin] {
            b'{' | b'[' => end(object, begin)?,
            b'"' => string_end(object, begin)?,
            _ => begin + object[begin..].iter().position(|byte| matches!(byte, b',' | b'}'))?,
        };
        at = end;
        Some((&object[name + 1..name_end - 1], &object[begin..end]))
    })
}

#[cfg(test)]
mod tests {
    use super::{end, members, number};

    #[test]
    fn members_are_found_whatever_stands_in_strings_and_between() {
        let text = br#"{"a": 1.5, "b\"}": "x,}", "list": [1, {"z": 2}], "n":NaN , "i": "-Infinity"}, {"#;
        let end = end(text, 0).unwrap();
        let found: Vec<_> = members(&text[..end])
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), number(value)))
            .collect();
        let names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b\\\"}", "list", "n", "i"]);
        assert_eq!((found[0].1, found[1].1, found[2].1), (Some(1.5), None, None));
        assert!(found[3].1.unwrap().is_nan());
        assert_eq!(found[4].1, Some(f64::NEG_INFINITY));
    }

    #[test]
    fn what_is_cut_off_has_no_end() {
        let text = br#"{"a": [1, "]}"], "b": {"c": 2}}"#;
        for length in 0..text.len() {
            assert_eq!(end(&text[..length], 0), None);
            members(&text[..length]).for_each(drop);
        }
        assert_eq!(end(text, 0), Some(text.len()));
    }
}
