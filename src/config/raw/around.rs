//! What stands around the runs, as it is written.

use super::{Flag, Number, Span, Text};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{kind: tmux, target: coder}`")]
pub(in crate::config) struct Agent {
    pub(in crate::config) kind: Option<Text>,
    pub(in crate::config) target: Option<Text>,
    pub(in crate::config) socket: Option<Text>,
    pub(in crate::config) command: Option<Text>,
    pub(in crate::config) output_max_minutes: Option<Number>,
    pub(in crate::config) systemd_unit: Option<Text>,
    pub(in crate::config) pid_file: Option<Text>,
    pub(in crate::config) r#match: Option<Text>,
    pub(in crate::config) probe: Option<Vec<Text>>,
    pub(in crate::config) expect: Option<Text>,
    pub(in crate::config) probe_interval: Option<Span>,
    pub(in crate::config) timeout: Option<Span>,
    pub(in crate::config) path: Option<Text>,
    pub(in crate::config) max_age_minutes: Option<Number>,
    pub(in crate::config) error_rate_max: Option<Number>,
}

impl Agent {
    /// The keys that are there, but for `kind`.
    pub(in crate::config) fn given(&self) -> Vec<&'static str> {
        let keys = [
            ("target", self.target.is_some()),
            ("socket", self.socket.is_some()),
            ("command", self.command.is_some()),
            ("output_max_minutes", self.output_max_minutes.is_some()),
            ("systemd_unit", self.systemd_unit.is_some()),
            ("pid_file", self.pid_file.is_some()),
            ("match", self.r#match.is_some()),
            ("probe", self.probe.is_some()),
            ("expect", self.expect.is_some()),
            ("probe_interval", self.probe_interval.is_some()),
            ("timeout", self.timeout.is_some()),
            ("path", self.path.is_some()),
            ("max_age_minutes", self.max_age_minutes.is_some()),
            ("error_rate_max", self.error_rate_max.is_some()),
        ];
        keys.into_iter().filter(|(_, given)| *given).map(|(key, _)| key).collect()
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{path: models/llama, files: 30}`")]
pub(in crate::config) struct Download {
    pub(in crate::config) path: Option<Text>,
    pub(in crate::config) bytes: Option<Number>,
    pub(in crate::config) files: Option<Number>,
    pub(in crate::config) manifest: Option<Text>,
    pub(in crate::config) stalled_minutes: Option<Number>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "a mapping such as `{commands: [git], shm_min_gb: 8}`")]
pub(in crate::config) struct Environment {
    pub(in crate::config) commands: Option<Vec<Text>>,
    pub(in crate::config) files: Option<Vec<Text>>,
    pub(in crate::config) python: Option<Text>,
    pub(in crate::config) packages: Option<BTreeMap<String, Text>>,
    pub(in crate::config) cuda: Option<Flag>,
    pub(in crate::config) torch_cuda: Option<Flag>,
    pub(in crate::config) timeout: Option<Span>,
    pub(in crate::config) open_files_min: Option<Number>,
    pub(in crate::config) locked_memory_min_gb: Option<Number>,
    pub(in crate::config) shm_min_gb: Option<Number>,
}
