//! The config file as it is written: every key that it may hold, nothing checked but the kind of
//! each value. Strings here still hold their `${ENV}`; [`super::section::Section`] hands them out expanded.

mod around;
pub(super) mod channels;

pub(super) use around::{Agent, Download, Environment};

use channels::Channels;
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// A whole file: any of the sections.
#[allow(clippy::struct_field_names, reason = "the user's key is `health_file`")]
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping of sections such as `runs:` and `patrol:`")]
pub(super) struct File {
    pub(super) training: Option<Training>,
    pub(super) patrol: Option<Patrol>,
    pub(super) gpu: Option<Gpu>,
    pub(super) preflight: Option<Preflight>,
    pub(super) channels: Option<Channels>,
    pub(super) severity_routing: Option<Routing>,
    pub(super) runs: Option<Vec<Run>>,
    pub(super) state_dir: Option<Text>,
    pub(super) health_file: Option<Text>,
    pub(super) agents: Option<BTreeMap<String, Agent>>,
    pub(super) environment: Option<Environment>,
    pub(super) downloads: Option<BTreeMap<String, Download>>,
    pub(super) playbook: Option<Playbook>,
    pub(super) judge: Option<Judge>,
    pub(super) orchestrator: Option<Orchestrator>,
    pub(super) history: Option<History>,
    pub(super) metrics: Option<Metrics>,
    pub(super) prometheus_textfile: Option<Text>,
    pub(super) heartbeat_url: Option<Text>,
    pub(super) heartbeat_url_file: Option<Text>,
}

macro_rules! sections {
    ($($section:ident),* $(,)?) => {
        impl File {
            /// The sections that this file holds, by name.
            pub(super) fn sections(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$section.is_some() {
                    names.push(stringify!($section));
                })*
                names
            }

            /// Takes over what the other file holds and this one does not.
            pub(super) fn absorb(&mut self, other: Self) {
                let Self { $($section),* } = other;
                $(self.$section = self.$section.take().or($section);)*
            }
        }
    };
}

sections!(
    training,
    patrol,
    gpu,
    preflight,
    channels,
    severity_routing,
    runs,
    state_dir,
    health_file,
    agents,
    environment,
    downloads,
    playbook,
    judge,
    orchestrator,
    history,
    metrics,
    prometheus_textfile,
    heartbeat_url,
    heartbeat_url_file,
);

/// Sections that take effect in this version.
pub(super) const SECTIONS_IN_EFFECT: &[&str] = &[
    "training",
    "patrol",
    "gpu",
    "preflight",
    "channels",
    "severity_routing",
    "runs",
    "state_dir",
    "health_file",
    "history",
    "metrics",
    "playbook",
    "judge",
    "orchestrator",
    "agents",
    "downloads",
    "environment",
    "prometheus_textfile",
    "heartbeat_url",
    "heartbeat_url_file",
];

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{phase1_steps: 1000}`")]
pub(super) struct Training {
    pub phase1_steps: Option<Number>,
    pub phase1_max_hours: Option<Number>,
    pub(super) loss_nan_action: Option<Text>,
    pub(super) gradient_norm_max: Option<Number>,
    pub(super) loss_max: Option<Number>,
    pub(super) gpu_util_min: Option<Number>,
    pub(super) memory_usage_max: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{interval_minutes: 30}`")]
pub(super) struct Patrol {
    pub(super) interval_minutes: Option<Number>,
    pub(super) loss_plateau_patience: Option<Number>,
    pub(super) disk_min_gb: Option<Number>,
    pub(super) checkpoint_max_hours: Option<Number>,
    pub(super) gpu_temp_max: Option<Number>,
    pub(super) renotify_hours: Option<Number>,
    pub(super) reopen_quiet_minutes: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{aliases: {my_objective: loss}}`")]
pub(super) struct Metrics {
    pub(super) aliases: Option<BTreeMap<String, Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{enabled: true, keep: 400}`")]
pub(super) struct History {
    pub(super) enabled: Option<Flag>,
    pub(super) keep: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{source: auto, expect: 8}`")]
pub(super) struct Gpu {
    pub(super) source: Option<Text>,
    pub(super) path: Option<Text>,
    pub(super) expect: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{wait: 3m, default: stop}`")]
pub(super) struct Preflight {
    pub(super) utilization_max: Option<Number>,
    pub(super) memory_max: Option<Number>,
    pub(super) wait: Option<Span>,
    pub(super) poll: Option<Span>,
    pub(super) decision_timeout: Option<Span>,
    pub(super) default: Option<Text>,
    pub(super) ignore: Option<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{command: [./judge.sh]}`")]
pub(super) struct Judge {
    pub(super) command: Option<Vec<Text>>,
    pub(super) timeout: Option<Span>,
    pub(super) min_interval: Option<Span>,
    pub(super) max_rows: Option<Number>,
    pub(super) env: Option<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{enabled: true}`")]
pub(super) struct Terminal {
    pub(super) enabled: Option<Flag>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{enabled: true, path: alerts.log}`")]
pub(super) struct AlertFile {
    pub(super) enabled: Option<Flag>,
    pub(super) path: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{critical: [terminal, file]}`")]
pub(super) struct Routing {
    pub(super) info: Option<Vec<Text>>,
    pub(super) warning: Option<Vec<Text>>,
    pub(super) critical: Option<Vec<Text>>,
    pub(super) unknown: Option<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{name: mine, log: train.log}`")]
pub(super) struct Run {
    pub(super) name: Option<Text>,
    pub(super) log: Option<Text>,
    pub(super) process: Option<Process>,
    pub(super) checkpoints: Option<Checkpoints>,
    pub(super) total_steps: Option<Number>,
    pub(super) done_when: Option<Text>,
    pub(super) gpus: Option<Vec<GpuName>>,
    pub(super) command: Option<Text>,
    pub(super) workdir: Option<Later>,
    pub(super) metrics: Option<Text>,
    pub(super) profile: Option<Text>,
    pub(super) orchestrator: Option<Orchestrator>,
    pub(super) actions: Option<BTreeMap<String, Action>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "a mapping such as `{url: http://127.0.0.1:10000, run_id: a1b2, token_env: AUTH_TOKEN}`"
)]
pub(super) struct Orchestrator {
    pub(super) url: Option<Text>,
    pub(super) run_id: Option<Text>,
    pub(super) token_env: Option<Text>,
    pub(super) token_file: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{pid_file: train.pid}`")]
pub(super) struct Process {
    pub(super) pid: Option<Number>,
    pub(super) pid_file: Option<Text>,
    pub(super) r#match: Option<Text>,
    pub(super) slurm_job: Option<Later>,
    pub(super) tmux: Option<Later>,
    pub(super) systemd_unit: Option<Later>,
}

/// An action's word, or a mapping of that word to how it is done.
#[derive(Debug)]
pub(super) enum Action {
    Word(Text),
    Mapping(Box<ActionMapping>),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{stop: {grace: 60s}}`")]
pub(super) struct ActionMapping {
    pub(super) stop: Option<Stop>,
    pub(super) pause: Option<Pause>,
    pub(super) restart: Option<Restart>,
    pub(super) command: Option<Vec<Text>>,
    pub(super) timeout: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{grace: 60s}`")]
pub(super) struct Stop {
    pub(super) grace: Option<Span>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{signal: USR1}`")]
pub(super) struct Pause {
    pub(super) signal: Option<Text>,
    pub(super) command: Option<Vec<Text>>,
    pub(super) timeout: Option<Span>,
}

/// A command that starts the run again, or a mapping of how often and how.
#[derive(Debug)]
pub(super) enum Restart {
    Command(Vec<Text>),
    Mapping(RestartMapping),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{max_restarts: 5}`")]
pub(super) struct RestartMapping {
    pub(super) max_restarts: Option<Number>,
    pub(super) command: Option<Vec<Text>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{dir: checkpoints}`")]
pub(super) struct Checkpoints {
    pub(super) dir: Option<Text>,
    pub(super) pattern: Option<Text>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{disable: [wandb_network]}`")]
pub(super) struct Playbook {
    pub(super) disable: Option<Vec<Text>>,
    pub(super) syndromes: Option<Vec<Syndrome>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{id: mine, literals: [words]}`")]
pub(super) struct Syndrome {
    pub(super) id: Option<Text>,
    pub(super) title: Option<Text>,
    pub(super) severity: Option<Text>,
    pub(super) role: Option<Text>,
    pub(super) literals: Option<Vec<Text>>,
    pub(super) pattern: Option<Text>,
    pub(super) exclusions: Option<Vec<Text>>,
    pub(super) means: Option<Text>,
    pub(super) told_apart: Option<Text>,
    pub(super) advice: Option<Text>,
    pub(super) examples: Option<Vec<Text>>,
    pub(super) near_misses: Option<Vec<Text>>,
}

/// Text, with its `${ENV}` still in it. Private, so that nobody takes it unexpanded.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Text(String);

impl Text {
    /// The text before expansion.
    pub(super) fn unexpanded(&self) -> &str {
        &self.0
    }
}

/// A GPU: its number, or its UUID with a `${ENV}` in it.
#[derive(Debug)]
pub(super) enum GpuName {
    Index(u64),
    Uuid(Text),
}

/// A number, or text with a `${ENV}` that has to become one.
#[derive(Debug)]
pub(super) enum Number {
    Is(f64),
    Expand(String),
}

/// A duration: a number of seconds, or text with a unit.
#[derive(Debug)]
pub(super) enum Span {
    Seconds(f64),
    Written(Text),
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

impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ActionVisitor;
        impl<'de> Visitor<'de> for ActionVisitor {
            type Value = Action;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`alert`, `stop`, `pause`, `restart` or a mapping such as `{stop: {grace: 60s}}`")
            }
            fn visit_str<E>(self, word: &str) -> Result<Action, E> {
                Ok(Action::Word(Text(word.to_owned())))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Action, A::Error> {
                ActionMapping::deserialize(MapAccessDeserializer::new(map))
                    .map(|mapping| Action::Mapping(Box::new(mapping)))
            }
        }
        deserializer.deserialize_any(ActionVisitor)
    }
}

impl<'de> Deserialize<'de> for Restart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RestartVisitor;
        impl<'de> Visitor<'de> for RestartVisitor {
            type Value = Restart;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a command such as `[systemctl, restart, train]`, or `{max_restarts: 5}`")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Restart, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(list)).map(Restart::Command)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Restart, A::Error> {
                RestartMapping::deserialize(MapAccessDeserializer::new(map)).map(Restart::Mapping)
            }
        }
        deserializer.deserialize_any(RestartVisitor)
    }
}

impl<'de> Deserialize<'de> for GpuName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct GpuVisitor;
        impl Visitor<'_> for GpuVisitor {
            type Value = GpuName;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a GPU's number or UUID")
            }
            fn visit_u64<E>(self, index: u64) -> Result<GpuName, E> {
                Ok(GpuName::Index(index))
            }
            fn visit_str<E>(self, uuid: &str) -> Result<GpuName, E> {
                Ok(GpuName::Uuid(Text(uuid.to_owned())))
            }
        }
        deserializer.deserialize_any(GpuVisitor)
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
            fn visit_u128<E>(self, value: u128) -> Result<Number, E> {
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

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct SpanVisitor;
        impl Visitor<'_> for SpanVisitor {
            type Value = Span;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as 90s, 15m or 1.5h")
            }
            fn visit_u64<E>(self, seconds: u64) -> Result<Span, E> {
                Ok(Span::Seconds(seconds as f64))
            }
            fn visit_i64<E>(self, seconds: i64) -> Result<Span, E> {
                Ok(Span::Seconds(seconds as f64))
            }
            fn visit_f64<E>(self, seconds: f64) -> Result<Span, E> {
                Ok(Span::Seconds(seconds))
            }
            fn visit_str<E>(self, text: &str) -> Result<Span, E> {
                Ok(Span::Written(Text(text.to_owned())))
            }
        }
        deserializer.deserialize_any(SpanVisitor)
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
