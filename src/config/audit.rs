//! The first walk over a file, before its meaning is asked: every scalar's `${ENV}` is defined,
//! no key stands twice in one mapping, and aliases do not multiply the file into gigabytes. The
//! second walk (`raw`) then copies at most what this one has counted.

use super::document::Document;
use super::expand::{Env, expand};
use super::locate::{self, Aim, Step};
use crate::error::Error;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use std::collections::HashSet;
use std::fmt;

/// Bytes of scalars, and scalars, that a file may amount to once its aliases are followed: far above
/// any config, far below what a machine notices.
const MOST_BYTES: usize = 8 << 20;
const MOST_SCALARS: usize = 1 << 18;

/// Walks the whole text. An error of the library is returned for [`super::diagnose`] to explain.
pub(super) fn audit(document: &Document, env: Env<'_>) -> Result<(), Verdict> {
    let mut state = State { env, path: Vec::new(), bytes: 0, scalars: 0, fault: None };
    let yaml = serde_yaml::Deserializer::from_str(&document.text);
    let Err(error) = (Walk { state: &mut state }).deserialize(yaml) else {
        return Ok(());
    };
    let Some(fault) = state.fault else {
        return Err(Verdict::Yaml(error));
    };
    let offset = error.location().map_or(0, |location| location.index());
    Err(Verdict::Explained(match fault {
        Fault::Said(what, next) => document.mistake(offset, &what, &next),
        Fault::Twice(key) => {
            let first = document.place(locate::offset(&document.text, &state.path, Aim::Key));
            let what = format!("the key `{key}` is here for the second time; the first is at {first}");
            document.mistake(offset, &what, "keep one of the two")
        }
    }))
}

/// Why a file does not pass.
pub(super) enum Verdict {
    /// Ready to be shown.
    Explained(Error),
    /// The library's own complaint.
    Yaml(serde_yaml::Error),
}

enum Fault {
    Said(String, String),
    Twice(String),
}

struct State<'e> {
    env: Env<'e>,
    path: Vec<Step>,
    bytes: usize,
    scalars: usize,
    fault: Option<Fault>,
}

impl State<'_> {
    fn fail<E: de::Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("a fault was found")
    }

    fn count<E: de::Error>(&mut self, bytes: usize) -> Result<(), E> {
        self.bytes += bytes;
        self.scalars += 1;
        if self.bytes <= MOST_BYTES && self.scalars <= MOST_SCALARS {
            return Ok(());
        }
        let what = "the aliases (`*name`) multiply this file beyond any use";
        Err(self.fail(Fault::Said(what.into(), "write it out without aliases".into())))
    }
}

struct Walk<'s, 'e> {
    state: &'s mut State<'e>,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value without a YAML tag")
    }

    fn visit_bool<E: de::Error>(self, _: bool) -> Result<(), E> {
        self.state.count(0)
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<(), E> {
        self.state.count(0)
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<(), E> {
        self.state.count(0)
    }
    fn visit_i128<E: de::Error>(self, _: i128) -> Result<(), E> {
        self.state.count(0)
    }
    fn visit_u128<E: de::Error>(self, _: u128) -> Result<(), E> {
        self.state.count(0)
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<(), E> {
        self.state.count(0)
    }
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        self.state.count(0)
    }
    fn visit_none<E: de::Error>(self) -> Result<(), E> {
        self.state.count(0)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<(), E> {
        self.state.count(text.len())?;
        match expand(text, self.state.env) {
            Ok(_) => Ok(()),
            Err((what, next)) => Err(self.state.fail(Fault::Said(what, next))),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.state.count(0)?;
        for index in 0.. {
            self.state.path.push(Step::Index(index));
            if list.next_element_seed(Walk { state: self.state })?.is_none() {
                self.state.path.pop();
                break;
            }
            self.state.path.pop();
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.state.count(0)?;
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key_seed(Key { state: self.state, seen: &seen })? {
            self.state.path.push(Step::Key(key.clone()));
            seen.insert(key);
            map.next_value_seed(Walk { state: self.state })?;
            self.state.path.pop();
        }
        Ok(())
    }
}

struct Key<'s, 'e> {
    state: &'s mut State<'e>,
    seen: &'s HashSet<String>,
}

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = String;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key that is plain text")
    }
    fn visit_str<E: de::Error>(self, key: &str) -> Result<String, E> {
        self.state.count(key.len())?;
        if self.seen.contains(key) {
            self.state.path.push(Step::Key(key.to_owned()));
            return Err(self.state.fail(Fault::Twice(key.to_owned())));
        }
        Ok(key.to_owned())
    }
}
