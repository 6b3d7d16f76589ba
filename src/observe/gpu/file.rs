//! A file of readings: `{"gpus": [{"uuid": "GPU-…", "temperature_c": 61, …}]}` with the fields of
//! [`Gpu`]. Its age is that of the readings.

use super::{CARDS, Gpu, GpuFacts};
use crate::observe::Observation;
use serde::Deserialize;
use std::io::Read;
use std::path::Path;

/// Bytes; 256 cards with their processes take a tenth.
const SIZE_MAX: u64 = 1 << 20;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Readings {
    gpus: Vec<Gpu>,
}

pub(super) fn read(path: &Path) -> Observation<GpuFacts> {
    parse(path).unwrap_or_else(|why| Observation::Failed { why: format!("{}: {why}", path.display()) })
}

fn parse(path: &Path) -> Result<Observation<GpuFacts>, String> {
    let metadata = std::fs::metadata(path).map_err(|error| error.to_string())?;
    // A FIFO would wait for its writer.
    if !metadata.is_file() {
        return Err("not a regular file".to_owned());
    }
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(SIZE_MAX + 1).read_to_end(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > SIZE_MAX {
        return Err(format!("larger than any file of readings ({SIZE_MAX} bytes)"));
    }
    let Readings { mut gpus } = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    gpus.truncate(CARDS as usize);
    let taken = metadata.modified().map_err(|error| error.to_string())?;
    let source = path.display().to_string();
    Ok(Observation::Known(GpuFacts { source, fault: None, cards: gpus, taken: Some(taken.into()) }))
}
