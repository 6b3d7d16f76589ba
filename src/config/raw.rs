//! The config file as it is written: every key that it may hold, nothing checked but the kind of
//! each value. Strings here still hold their `${ENV}`; [`super::section::Section`] hands them out expanded.

use serde::de::{Deserializer, Error, IgnoredAny, Unexpected, Visitor};
use serde::Deserialize;
use std::fmt;

/// A whole file: any of the sections.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "sections such as `runs:` and `patrol:`")]
pub(super) struct File {
    pub training: Option<Training>,
    pub patrol: Option<Patrol>,
    pub channels: Option<Channels>,
    pub severity_routing: Option<Routing>,
    pub runs: Option<Vec<Run>>,
    pub state_dir: Option<Text>,
    pub health_file: Option<Text>,
    pub agents: Option<Later>,
    pub environment: Option<Later>,
    pub downloads: Option<Later>,
    pub playbook: Option<Later>,
    pub judge: Option<Later>,
    pub orchestrator: Option<Later>,
    pub history: Option<Later>,
    pub metrics: Option<Later>,
    pub prometheus_textfile: Option<Later>,
    pub heartbeat_url: Option<Later>,
}

macro_rules! sections {
    ($($section:ident),* $(,)?) => {
        impl File {
            /// The sections that this file holds, by name.
            pub fn sections(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$section.is_some() {
                    names.push(stringify!($section));
                })*
                names
            }

            /// Takes over what the other file holds and this one does not.
            pub fn absorb(&mut self, other: Self) {
                let Self { $($section),* } = other;
                $(self.$section = self.$section.take().or($section);)*
            }
        }
    };
}

sections!(
    training, patrol, channels, severity_routing, runs, state_dir, health_file, agents, environment,
    downloads, playbook, judge, orchestrator, history, metrics, prometheus_textfile, heartbeat_url,
);

/// Sections that take effect in this version.
pub(super) const SECTIONS_IN_EFFECT: &[&str] =
    &["training", "patrol", "channels", "severity_routing", "runs", "state_dir", "health_file"];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "keys such as `phase1_steps: 1000`")]
pub(super) struct Training {
    pub phase1_steps: Option<Number>,
    pub loss_nan_action: Option<Text>,
    pub gradient_norm_max: Option<Number>,
    pub gpu_util_min: Option<Number>,
    pub memory_usage_max: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "keys such as `interval_minutes: 30`")]
pub(super) struct Patrol {
    pub interval_minutes: Option<Number>,
    pub loss_plateau_patience: Option<Number>,
    pub disk_min_gb: Option<Number>,
    pub checkpoint_max_hours: Option<Number>,
    pub gpu_temp_max: Option<Number>,
    pub renotify_hours: Option<Number>,
    pub reopen_quiet_minutes: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "channels such as `file: {enabled: true}`")]
pub(super) struct Channels {
    pub terminal: Option<Terminal>,
    pub file: Option<AlertFile>,
    pub webhook: Option<Webhook>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "`{enabled: true}`")]
pub(super) struct Terminal {
    pub enabled: Option<Flag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "`{enabled: true, path: alerts.log}`")]
pub(super) struct AlertFile {
    pub enabled: Option<Flag>,
    pub path: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "`{enabled: true, url: …}`")]
pub(super) struct Webhook {
    pub enabled: Option<Flag>,
    #[serde(rename = "url")]
    pub _url: Option<Text>,
    #[serde(rename = "url_file")]
    pub _url_file: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "severities such as `critical: [terminal, file]`")]
pub(super) struct Routing {
    pub info: Option<Vec<Text>>,
    pub warning: Option<Vec<Text>>,
    pub critical: Option<Vec<Text>>,
    pub unknown: Option<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a run's keys, as in `- {name: mine, log: train.log}`")]
pub(super) struct Run {
    pub name: Option<Text>,
    pub log: Option<Text>,
    pub process: Option<Process>,
    pub checkpoints: Option<Checkpoints>,
    pub total_steps: Option<Number>,
    pub done_when: Option<Text>,
    pub command: Option<Later>,
    pub workdir: Option<Later>,
    pub metrics: Option<Later>,
    pub gpus: Option<Later>,
    pub profile: Option<Later>,
    pub orchestrator: Option<Later>,
    pub actions: Option<Later>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "one key, as in `{pid_file: train.pid}`")]
pub(super) struct Process {
    pub pid: Option<Number>,
    pub pid_file: Option<Text>,
    pub r#match: Option<Text>,
    pub slurm_job: Option<Later>,
    pub tmux: Option<Later>,
    pub systemd_unit: Option<Later>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "keys, as in `{dir: checkpoints, pattern: \"*.pt\"}`")]
pub(super) struct Checkpoints {
    pub dir: Option<Text>,
    pub pattern: Option<Text>,
}

/// Text, with its `${ENV}` still in it. Private, so that nobody takes it unexpanded.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text(String);

impl Text {
    /// The text before expansion.
    pub fn unexpanded(&self) -> &str {
        &self.0
    }
}

/// A number, or text with a `${ENV}` that has to become one.
#[derive(Debug)]
pub(super) enum Number {
    Is(f64),
    Expand(String),
}

/// A truth value, or text with a `${ENV}` that has to become one.
#[derive(Debug)]
pub(super) enum Flag {
    Is(bool),
    Expand(String),
}

/// What a later version will read. Any value.
#[derive(Debug)]
pub(super) struct Later;

impl<'de> Deserialize<'de> for Later {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| Self)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = Number;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number::Is(value as f64))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number::Is(value as f64))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number::Is(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
                if text.contains("${") {
                    return Ok(Number::Expand(text.to_owned()));
                }
                Err(E::invalid_type(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FlagVisitor;
        impl Visitor<'_> for FlagVisitor {
            type Value = Flag;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true` or `false`")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Flag, E> {
                Ok(Flag::Is(value))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Flag, E> {
                if text.contains("${") {
                    return Ok(Flag::Expand(text.to_owned()));
                }
                Err(E::invalid_type(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_any(FlagVisitor)
    }
}
