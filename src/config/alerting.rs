//! `channels:` and `severity_routing:`: where alerts go.

use super::Channels;
use super::raw;
use super::section::Section;
use crate::error::Result;
use crate::finding::Severity;
use std::collections::BTreeMap;
use std::path::Path;

/// The channels that a severity can be routed to.
pub const CHANNELS: &[&str] = &["terminal", "file", "webhook", "orchestrator", "command"];

/// `channels:`, checked. The alert file without a path is `alerts.log` in the state directory.
pub(super) fn channels(
    at: &Section<'_>,
    raw: Option<&raw::Channels>,
    state_dir: &Path,
    notes: &mut Vec<String>,
) -> Result<Channels> {
    let unset = raw::Channels::default();
    let raw = raw.unwrap_or(&unset);
    let terminal = raw.terminal.as_ref().and_then(|terminal| terminal.enabled.as_ref());
    let terminal = at.key("terminal").flag("enabled", terminal, true)?;
    let file = raw.file.as_ref();
    let at_file = at.key("file");
    let enabled = at_file.flag("enabled", file.and_then(|file| file.enabled.as_ref()), true)?;
    let path = match file.and_then(|file| file.path.as_ref()) {
        Some(path) if enabled => Some(at_file.path("path", path)?),
        _ => None,
    };
    let webhook = raw.webhook.as_ref().and_then(|webhook| webhook.enabled.as_ref());
    if at.key("webhook").flag("enabled", webhook, false)? {
        notes.push(super::not_in_effect(&at.name("webhook")));
    }
    for (key, given) in [("orchestrator", &raw.orchestrator), ("command", &raw.command)] {
        if given.is_some() {
            notes.push(super::not_in_effect(&at.name(key)));
        }
    }
    let file = enabled.then(|| path.unwrap_or_else(|| state_dir.join("alerts.log")));
    Ok(Channels { terminal, file })
}

/// `severity_routing:`, checked. What is absent keeps its default; `unknown` goes where warnings go.
pub(super) fn routing(
    at: &Section<'_>,
    raw: Option<&raw::Routing>,
) -> Result<BTreeMap<Severity, Vec<String>>> {
    let unset = raw::Routing::default();
    let raw = raw.unwrap_or(&unset);
    let info = route(at, "info", raw.info.as_deref(), &["file"])?;
    let warning = route(at, "warning", raw.warning.as_deref(), &["terminal", "file"])?;
    let critical = route(at, "critical", raw.critical.as_deref(), &["terminal", "file", "webhook"])?;
    let as_warning: Vec<&str> = warning.iter().map(String::as_str).collect();
    let unknown = route(at, "unknown", raw.unknown.as_deref(), &as_warning)?;
    Ok(BTreeMap::from([
        (Severity::Info, info),
        (Severity::Warning, warning),
        (Severity::Critical, critical),
        (Severity::Unknown, unknown),
    ]))
}

fn route(
    at: &Section<'_>,
    severity: &str,
    raw: Option<&[raw::Text]>,
    default: &[&str],
) -> Result<Vec<String>> {
    let Some(raw) = raw else {
        return Ok(default.iter().map(|&name| name.to_owned()).collect());
    };
    let mut channels = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        let at = at.key(severity).index(index);
        let name = at.text_here(text)?;
        if !CHANNELS.contains(&name.as_str()) {
            return Err(at.wrong_word_here("channel", &name, CHANNELS));
        }
        if !channels.contains(&name) {
            channels.push(name);
        }
    }
    Ok(channels)
}
