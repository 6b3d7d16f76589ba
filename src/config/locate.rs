//! Where in the text a key or a value stands. The YAML library tells the place of an error and of
//! nothing else: so an error is raised at the place that is asked for. Only mistakes pay for this.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// One step on the way from the top of a file to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// What is asked for at the end of the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// The last key.
    Key,
    /// The value.
    Value,
}

/// The byte offset at which the path's key or value begins; where the path does not
/// exist, the one of what encloses it most closely.
pub(super) fn offset(text: &str, path: &[Step], aim: Aim) -> usize {
    let sought = Seek { path, aim }.deserialize(serde_yaml::Deserializer::from_str(text));
    let place = sought.err().and_then(|error| error.location());
    place.map_or(0, |location| location.index())
}

/// The byte offset at which a second YAML document begins.
pub(super) fn second_document(text: &str) -> usize {
    let Some(second) = serde_yaml::Deserializer::from_str(text).nth(1) else {
        return 0;
    };
    let sought = Seek { path: &[], aim: Aim::Value }.deserialize(second);
    let place = sought.err().and_then(|error| error.location());
    place.map_or(0, |location| location.index())
}

struct Seek<'p> {
    path: &'p [Step],
    aim: Aim,
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.path.first() {
            None => deserializer.deserialize_any(Here),
            Some(Step::Key(_)) => deserializer.deserialize_map(self),
            Some(Step::Index(_)) => deserializer.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the path")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Some((Step::Key(wanted), rest)) = self.path.split_first() else {
            return Ok(());
        };
        let stop = self.aim == Aim::Key && rest.is_empty();
        while let Some(found) = map.next_key_seed(KeyIs { wanted, stop })? {
            if found {
                return map.next_value_seed(Seek { path: rest, aim: self.aim });
            }
            map.next_value::<IgnoredAny>()?;
        }
        Err(A::Error::custom("no such key"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Some((&Step::Index(wanted), rest)) = self.path.split_first() else {
            return Ok(());
        };
        for _ in 0..wanted {
            list.next_element::<IgnoredAny>()?;
        }
        match list.next_element_seed(Seek { path: rest, aim: self.aim })? {
            Some(()) => Ok(()),
            None => Err(A::Error::custom("no such element")),
        }
    }
}

/// Takes no value, so that every value is an error at its place.
struct Here;

impl Visitor<'_> for Here {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("to be here")
    }
}

struct KeyIs<'p> {
    wanted: &'p str,
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for KeyIs<'_> {
    type Value = bool;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeyIs<'_> {
    type Value = bool;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }
    fn visit_str<E: Error>(self, key: &str) -> Result<bool, E> {
        let found = key == self.wanted;
        if found && self.stop { Err(E::custom("to be here")) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<Step> {
        text.split('.')
            .filter(|step| !step.is_empty())
            .map(|step| step.parse().map_or_else(|_| Step::Key(step.into()), Step::Index))
            .collect()
    }

    /// What the text holds from the located place on.
    fn at<'t>(text: &'t str, way: &str, aim: Aim) -> &'t str {
        &text[offset(text, &path(way), aim)..]
    }

    #[test]
    fn keys_and_values_are_found_in_block_and_flow_style() {
        let text = "é: ü\nruns:\n  - name: a\n    process: {pid: 7, \"match\": 'x'}\n  - {name: b}\n";
        let table = [
            ("runs", Aim::Key, "runs:"),
            ("runs.0.name", Aim::Value, "a\n"),
            ("runs.0.name", Aim::Key, "name: a"),
            ("runs.0.process", Aim::Key, "process:"),
            ("runs.0.process", Aim::Value, "{pid"),
            ("runs.0.process.pid", Aim::Value, "7,"),
            ("runs.0.process.match", Aim::Key, "\"match\""),
            ("runs.0.process.match", Aim::Value, "'x'"),
            ("runs.1.name", Aim::Value, "b}"),
        ];
        for (way, aim, expected) in table {
            assert!(at(text, way, aim).starts_with(expected), "{way}: {}", at(text, way, aim));
        }
    }

    #[test]
    fn what_does_not_exist_points_to_what_encloses_it() {
        let text = "a: 1\nb:\n  c: {d: 1}\n  e: [1]\n";
        assert!(at(text, "b.c.x", Aim::Value).starts_with("{d"));
        assert!(at(text, "b.e.5", Aim::Value).starts_with("[1"));
        assert!(at(text, "b.x", Aim::Key).starts_with("c:"));
    }

    #[test]
    fn a_second_document_is_found() {
        let text = "---\na: 1\n---\nb: 2\n";
        assert_eq!(&text[second_document(text)..], "b: 2\n");
    }
}
