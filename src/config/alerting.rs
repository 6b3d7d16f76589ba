//! `channels:` and `severity_routing:`: where alerts go.

use super::raw;
use super::raw::channels::FIXED;
use super::section::Section;
use super::{Channels, channel};
use crate::error::Result;
use crate::finding::Severity;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

/// `channels:`, checked. The alert file without a path is `alerts.log` in the state directory.
pub(super) fn channels(
    at: &Section<'_>,
    raw: Option<&raw::channels::Channels>,
    state_dir: &Path,
    notes: &mut Vec<String>,
) -> Result<Channels> {
    let unset = raw::channels::Channels::default();
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
    if raw.orchestrator.is_some() {
        notes.push(super::not_in_effect(&at.name("orchestrator")));
    }
    let mut named = Vec::new();
    for (name, raw) in &raw.others {
        named.extend(channel::named(&at.key(name), name, raw)?);
    }
    let file = enabled.then(|| path.unwrap_or_else(|| state_dir.join("alerts.log")));
    Ok(Channels { terminal, file, named })
}

/// `severity_routing:`, checked. What is absent keeps its default; `unknown` goes where warnings go.
pub(super) fn routing(
    at: &Section<'_>,
    raw: Option<&raw::Routing>,
    channels: Option<&raw::channels::Channels>,
) -> Result<BTreeMap<Severity, Vec<String>>> {
    let unset = raw::Routing::default();
    let raw = raw.unwrap_or(&unset);
    let others = channels.iter().flat_map(|channels| &channels.others).map(|(name, _)| name.as_str());
    let mut known: Vec<&str> = FIXED.iter().copied().chain(others).collect();
    let mut seen = HashSet::new();
    known.retain(|name| seen.insert(*name));
    let route = |severity: &str, raw, default: &[&str]| route(at, severity, raw, default, &known);
    let info = route("info", raw.info.as_deref(), &["file"])?;
    let warning = route("warning", raw.warning.as_deref(), &["terminal", "file"])?;
    let critical = route("critical", raw.critical.as_deref(), &["terminal", "file", "webhook"])?;
    let as_warning: Vec<&str> = warning.iter().map(String::as_str).collect();
    let unknown = route("unknown", raw.unknown.as_deref(), &as_warning)?;
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
    known: &[&str],
) -> Result<Vec<String>> {
    let Some(raw) = raw else {
        return Ok(default.iter().map(|&name| name.to_owned()).collect());
    };
    let mut channels = Vec::with_capacity(raw.len());
    for (index, text) in raw.iter().enumerate() {
        let at = at.key(severity).index(index);
        let name = at.text_here(text)?;
        if !known.contains(&name.as_str()) {
            return Err(at.wrong_word_here("channel", &name, known));
        }
        if !channels.contains(&name) {
            channels.push(name);
        }
    }
    Ok(channels)
}
