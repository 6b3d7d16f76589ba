//! `channels:` as it is written: two that are always there, and any number of others by name.

use super::{AlertFile, Flag, Later, Span, Terminal, Text};
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// The names that mean a channel by themselves.
pub(in crate::config) const FIXED: &[&str] =
    &["terminal", "file", "webhook", "orchestrator", "command", "syslog", "journald"];

#[derive(Debug, Default)]
pub(in crate::config) struct Channels {
    pub(in crate::config) terminal: Option<Terminal>,
    pub(in crate::config) file: Option<AlertFile>,
    pub(in crate::config) orchestrator: Option<Later>,
    /// In the order of the file.
    pub(in crate::config) others: Vec<(String, Other)>,
}

/// A channel with a type: the keys of all types, of which each takes its own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{type: webhook, url_file: hook.url}`")]
pub(in crate::config) struct Other {
    pub(in crate::config) r#type: Option<Text>,
    pub(in crate::config) enabled: Option<Flag>,
    pub(in crate::config) url: Option<Text>,
    pub(in crate::config) url_file: Option<Text>,
    pub(in crate::config) format: Option<Text>,
    pub(in crate::config) secret: Option<Text>,
    pub(in crate::config) secret_file: Option<Text>,
    pub(in crate::config) body: Option<serde_json::Value>,
    pub(in crate::config) ca_file: Option<Text>,
    pub(in crate::config) headers: Option<BTreeMap<String, Text>>,
    pub(in crate::config) timeout: Option<Span>,
    pub(in crate::config) roll_up: Option<Flag>,
    pub(in crate::config) command: Option<Vec<Text>>,
    pub(in crate::config) socket: Option<Text>,
}

impl<'de> Deserialize<'de> for Channels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ChannelsVisitor;
        impl<'de> Visitor<'de> for ChannelsVisitor {
            type Value = Channels;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping such as `{file: {enabled: true}}`")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Channels, A::Error> {
                let mut channels = Channels::default();
                while let Some(name) = map.next_key::<String>()? {
                    match name.as_str() {
                        "" => return Err(A::Error::unknown_field("", FIXED)),
                        "terminal" => channels.terminal = map.next_value()?,
                        "file" => channels.file = map.next_value()?,
                        "orchestrator" => channels.orchestrator = Some(map.next_value()?),
                        _ => channels.others.push((name, map.next_value()?)),
                    }
                }
                Ok(channels)
            }
        }
        deserializer.deserialize_map(ChannelsVisitor)
    }
}
