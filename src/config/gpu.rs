//! `gpu:`, and the GPUs that a run names.

use super::raw;
use super::section::{Range, Section};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const COUNT: Range = Range { least: 0.0, least_allowed: true, most: 256.0, whole: true, unit: "GPUs" };

const SOURCES: &[&str] = &["auto", "nvml", "nvidia-smi", "none", "file"];

/// Where readings come from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GpuSource {
    /// NVML, else `nvidia-smi`, where there are signs of a driver.
    #[default]
    Auto,
    /// NVML only.
    Nvml,
    /// `nvidia-smi` only.
    NvidiaSmi,
    /// Nothing is asked.
    None,
    /// A file of readings: JSON, written by whoever can see the cards.
    File(PathBuf),
}

/// `gpu:`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gpu {
    /// Where readings come from.
    pub source: GpuSource,
    /// How many there have to be; 0 counts on none, and then their absence is no news.
    pub expect: u32,
}

/// A GPU as a user names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GpuName {
    /// The driver's number, as `nvidia-smi` shows it.
    Index(u32),
    /// The UUID of a card or of a MIG instance, or its beginning.
    Uuid(String),
}

impl std::fmt::Display for GpuName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Uuid(uuid) => f.write_str(uuid),
        }
    }
}

/// `gpu:`, checked.
pub(super) fn gpu(at: &Section<'_>, raw: Option<&raw::Gpu>) -> Result<Gpu> {
    let unset = raw::Gpu::default();
    let raw = raw.unwrap_or(&unset);
    let word = raw.source.as_ref().map(|text| at.text("source", text)).transpose()?;
    let path = raw.path.as_ref().map(|text| at.path("path", text)).transpose()?;
    let source = match (word.as_deref(), path) {
        (Some("file"), Some(path)) => GpuSource::File(path),
        (Some("file"), None) => {
            let what = "`source: file` has no `path`";
            return Err(at.wrong("source", what, "add a line such as `path: gpus.json`"));
        }
        (_, Some(_)) => {
            return Err(at.wrong_key("path", "`path` is for `source: file`", "add that, or delete the path"));
        }
        (None | Some("auto"), None) => GpuSource::Auto,
        (Some("nvml"), None) => GpuSource::Nvml,
        (Some("nvidia-smi"), None) => GpuSource::NvidiaSmi,
        (Some("none"), None) => GpuSource::None,
        (Some(word), None) => return Err(at.wrong_word("source", word, SOURCES)),
    };
    let expect = at.number("expect", raw.expect.as_ref(), COUNT)?.unwrap_or_default() as u32;
    if expect > 0 && source == GpuSource::None {
        let what = "`expect` counts on GPUs that `source: none` does not look at";
        return Err(at.wrong("expect", what, "delete one of the two"));
    }
    Ok(Gpu { source, expect })
}

/// `runs[].gpus`, checked.
pub(super) fn names(at: &Section<'_>, raw: &[raw::GpuName]) -> Result<Vec<GpuName>> {
    let next = "write numbers as `nvidia-smi` shows them, or UUIDs such as GPU-8f6d…";
    let name = |(place, name): (usize, &raw::GpuName)| {
        let here = at.index(place);
        let text = match name {
            raw::GpuName::Index(index) => index.to_string(),
            raw::GpuName::Uuid(text) => here.text_here(text)?,
        };
        match text.parse::<u32>() {
            Ok(index) => Ok(GpuName::Index(index)),
            Err(_) if text.starts_with("GPU-") || text.starts_with("MIG-") => Ok(GpuName::Uuid(text)),
            Err(_) => {
                let what = format!("`{text}` names no GPU");
                Err(here.wrong_here(super::locate::Aim::Value, &what, next))
            }
        }
    };
    raw.iter().enumerate().map(name).collect()
}
