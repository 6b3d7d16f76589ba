//! The machine's GPUs: from NVML, from `nvidia-smi`, or from a file of readings.
//!
//! All of it may hang in a wedged driver, so it is asked in the probe child. 'No GPU here' is
//! `Absent`, a driver that does not serve is a fact of its own, and a field that a card does not
//! have is `None`: three different answers.

mod file;
mod holder;
mod nvml;
mod smi;

pub use holder::Holder;

use super::Observation;
use crate::config::GpuSource as Source;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Cards of one machine that are read; the largest hold 16, MIG and clusters in a box included.
const CARDS: u32 = 256;

/// What was read.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuFacts {
    /// Who said it, for people: `NVML`, `nvidia-smi`, a path.
    pub source: String,
    /// The driver serves nobody, and why.
    pub fault: Option<DriverFault>,
    /// The cards, in the order of their source.
    pub cards: Vec<Gpu>,
    /// When the readings were taken, where that is not now.
    pub taken: Option<DateTime<Utc>>,
}

/// Why a driver serves nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriverFault {
    /// The kernel module is not loaded.
    NotLoaded,
    /// Library and kernel module are of different versions.
    VersionMismatch,
}

/// One card. A field that the card, its driver or the caller's rights do not give is `None`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Gpu {
    /// Its name for ever, as the driver prints it (`GPU-…`); a lost card may not tell it.
    pub uuid: Option<String>,
    /// `00000000:01:00.0`.
    pub pci_bus: Option<String>,
    /// The driver's number of it, which a reboot or a lost card changes.
    pub index: Option<u32>,
    /// `NVIDIA H100 80GB HBM3`.
    pub name: Option<String>,
    /// It has fallen off the bus: nothing else of it can be believed.
    pub lost: bool,
    /// Why nothing but the above is known of it, where that is so.
    pub trouble: Option<String>,
    /// Time in which a kernel ran, 0–1, over the driver's last sample period.
    pub utilization: Option<f64>,
    /// Memory in use, bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all, bytes.
    pub memory_total_bytes: Option<u64>,
    /// Degrees Celsius.
    pub temperature_c: Option<f64>,
    /// Degrees Celsius at which the card slows itself down.
    pub slowdown_c: Option<f64>,
    /// Watts.
    pub power_w: Option<f64>,
    /// Watts that it may draw.
    pub power_limit_w: Option<f64>,
    /// Clock of its multiprocessors, MHz.
    pub clock_mhz: Option<u32>,
    /// The greatest that clock can be, MHz.
    pub clock_max_mhz: Option<u32>,
    /// What holds its clocks down.
    pub throttle: Option<Vec<Throttle>>,
    /// Memory errors that could not be corrected, since the driver was loaded.
    pub ecc_volatile: Option<u64>,
    /// The same over the card's life.
    pub ecc_aggregate: Option<u64>,
    /// Pages that will be retired with the next reset.
    pub retired_pending: Option<bool>,
    /// Rows that will be remapped with the next reset.
    pub remap_pending: Option<bool>,
    /// A row could not be remapped: the card is used up.
    pub remap_failed: Option<bool>,
    /// Who computes on it.
    pub processes: Option<Vec<Holder>>,
    /// UUIDs of its MIG instances, as they are.
    pub mig: Vec<String>,
    /// The same instances with what each tells of itself, as far as the source tells them apart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Instance>,
}

/// A MIG instance: a part of a card with memory of its own. It tells no utilisation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Instance {
    /// `MIG-…`.
    pub uuid: String,
    /// Memory in use, bytes.
    pub memory_used_bytes: Option<u64>,
    /// Memory in all, bytes.
    pub memory_total_bytes: Option<u64>,
    /// Who computes on it.
    pub processes: Option<Vec<Holder>>,
}

/// What holds clocks down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Throttle {
    /// Too hot, by the hardware's or the driver's measure.
    Heat,
    /// The power supply asked for less.
    PowerBrake,
    /// At its power limit: usual under full load.
    PowerCap,
    /// The hardware slowed down without saying why.
    Hardware,
}

impl Gpu {
    /// As people and findings name it: its UUID, else its place on the bus, else its number.
    pub fn label(&self) -> String {
        let index = || self.index.map_or_else(|| "GPU".to_owned(), |index| format!("GPU {index}"));
        self.uuid.clone().or_else(|| self.pci_bus.clone()).unwrap_or_else(index)
    }
}

/// Signs of a driver that this process may use: the control node, and WSL's. `/proc/driver/nvidia`
/// is none: a container or a sandbox without devices shows it too, and its library finds no driver.
const SIGNS: [&str; 2] = ["/dev/nvidiactl", "/dev/dxg"];

/// Whether it is worth asking: a machine without a driver pays two failed look-ups. `named` is
/// whether the config counts on GPUs, so that their absence has to be seen.
pub fn is_worth_asking(source: &Source, named: bool) -> bool {
    match source {
        Source::None => false,
        Source::Auto => named || SIGNS.iter().any(|sign| Path::new(sign).exists()),
        Source::Nvml | Source::NvidiaSmi | Source::File(_) => true,
    }
}

/// Reads all cards. May block for ever. `patience` is how long `nvidia-smi` may take.
pub fn read(source: &Source, patience: Duration) -> Observation<GpuFacts> {
    let mut facts = match source {
        Source::None => Observation::Absent,
        Source::Nvml => nvml::read(),
        Source::NvidiaSmi => smi::read(patience),
        Source::File(path) => file::read(path),
        Source::Auto => match nvml::read() {
            Observation::Absent => smi::read(patience),
            // A library too old for what is asked of it; `nvidia-smi` fits its driver.
            Observation::Failed { why } => match smi::read(patience) {
                Observation::Known(facts) => Observation::Known(facts),
                Observation::Absent | Observation::Failed { .. } => Observation::Failed { why },
            },
            known @ Observation::Known(_) => known,
        },
    };
    if let Observation::Known(facts) = &mut facts
        && facts.taken.is_none()
    {
        for card in &mut facts.cards {
            let instances = card.instances.iter_mut().filter_map(|instance| instance.processes.as_mut());
            card.processes.as_mut().into_iter().chain(instances).flatten().for_each(Holder::look_up);
        }
    }
    facts
}
