//! NVML: `libnvidia-ml.so.1` comes with the driver and is loaded when it is asked for.

use super::{CARDS, DriverFault, Gpu, GpuFacts, Holder, Instance, Throttle};
use crate::observe::Observation;
use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::{
    Clock, EccCounter, MemoryError, TemperatureSensor, TemperatureThreshold,
};
use nvml_wrapper::enums::device::{SampleValue, UsedGpuMemory};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;
use nvml_wrapper::structs::device::FieldId;
use nvml_wrapper::sys_exports::field_id::{NVML_FI_DEV_REMAPPED_FAILURE, NVML_FI_DEV_REMAPPED_PENDING};
use nvml_wrapper::{Device, Nvml};
use std::mem::ManuallyDrop;

const SOURCE: &str = "NVML";

pub(super) fn read() -> Observation<GpuFacts> {
    let known =
        |fault, cards| Observation::Known(GpuFacts { source: SOURCE.to_owned(), fault, cards, taken: None });
    // Not shut down: the child that asks ends at once, and one more call is one more that may hang.
    let opened = Nvml::init().map(ManuallyDrop::new);
    let answer = opened.and_then(|nvml| {
        let count = nvml.device_count()?.min(CARDS);
        Ok((0..count).map(|index| card(&nvml, index)).collect::<Vec<Gpu>>())
    });
    match answer {
        Ok(cards) if cards.is_empty() => Observation::Absent,
        Ok(cards) => known(None, cards),
        Err(NvmlError::LibloadingError(_) | NvmlError::LibraryNotFound) => Observation::Absent,
        Err(NvmlError::DriverNotLoaded) => known(Some(DriverFault::NotLoaded), Vec::new()),
        Err(NvmlError::LibRmVersionMismatch) => known(Some(DriverFault::VersionMismatch), Vec::new()),
        // All cards of this machine are gone, or the first one that was touched: which, it does not say.
        Err(NvmlError::GpuLost) => known(None, vec![Gpu { lost: true, ..Gpu::default() }]),
        Err(error) => Observation::Failed { why: format!("{SOURCE}: {error}") },
    }
}

fn card(nvml: &Nvml, index: u32) -> Gpu {
    let unknown = Gpu { index: Some(index), ..Gpu::default() };
    match nvml.device_by_index(index) {
        Ok(device) => fields(&device, unknown),
        Err(NvmlError::GpuLost) => Gpu { lost: true, ..unknown },
        Err(error) => Gpu { trouble: Some(error.to_string()), ..unknown },
    }
}

/// Asks for one field after the other. A lost card says so at any of them.
fn fields(device: &Device<'_>, unknown: Gpu) -> Gpu {
    let mut lost = false;
    macro_rules! ask {
        ($answer:expr) => {
            match $answer {
                Ok(value) => Some(value),
                Err(NvmlError::GpuLost) => {
                    lost = true;
                    None
                }
                Err(_) => None,
            }
        };
    }
    let memory = ask!(device.memory_info());
    let mut gpu = Gpu {
        uuid: ask!(device.uuid()),
        pci_bus: ask!(device.pci_info()).map(|pci| pci.bus_id),
        name: ask!(device.name()),
        utilization: ask!(device.utilization_rates()).map(|rates| f64::from(rates.gpu) / 100.0),
        memory_used_bytes: memory.as_ref().map(|memory| memory.used),
        memory_total_bytes: memory.as_ref().map(|memory| memory.total),
        temperature_c: ask!(device.temperature(TemperatureSensor::Gpu)).map(f64::from),
        slowdown_c: ask!(device.temperature_threshold(TemperatureThreshold::Slowdown)).map(f64::from),
        power_w: ask!(device.power_usage()).map(watts),
        power_limit_w: ask!(device.enforced_power_limit()).map(watts),
        clock_mhz: ask!(device.clock_info(Clock::SM)),
        clock_max_mhz: ask!(device.max_clock_info(Clock::SM)),
        throttle: ask!(device.current_throttle_reasons()).map(throttle),
        ecc_volatile: ask!(device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Volatile)),
        ecc_aggregate: ask!(device.total_ecc_errors(MemoryError::Uncorrected, EccCounter::Aggregate)),
        retired_pending: ask!(device.are_pages_pending_retired()),
        remap_pending: ask!(flag(device, NVML_FI_DEV_REMAPPED_PENDING)),
        remap_failed: ask!(flag(device, NVML_FI_DEV_REMAPPED_FAILURE)),
        processes: ask!(device.running_compute_processes()).map(holders),
        instances: instances(device),
        ..unknown
    };
    gpu.mig = gpu.instances.iter().map(|instance| instance.uuid.clone()).collect();
    gpu.lost = lost;
    gpu
}

fn watts(milliwatts: u32) -> f64 {
    f64::from(milliwatts) / 1000.0
}

fn throttle(reasons: ThrottleReasons) -> Vec<Throttle> {
    let heat = ThrottleReasons::SW_THERMAL_SLOWDOWN | ThrottleReasons::HW_THERMAL_SLOWDOWN;
    [
        (heat, Throttle::Heat),
        (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, Throttle::PowerBrake),
        (ThrottleReasons::SW_POWER_CAP, Throttle::PowerCap),
        (ThrottleReasons::HW_SLOWDOWN, Throttle::Hardware),
    ]
    .into_iter()
    .filter(|(bits, _)| reasons.intersects(*bits))
    .map(|(_, throttle)| throttle)
    .collect()
}

/// Remapped rows are asked as fields: the call of their own is not wrapped.
fn flag(device: &Device<'_>, field: u32) -> Result<bool, NvmlError> {
    let answer = device.field_values_for(&[FieldId(field)])?.pop().ok_or(NvmlError::NoData)??;
    Ok(match answer.value? {
        SampleValue::F64(value) => value != 0.0,
        SampleValue::U32(value) => value != 0,
        SampleValue::U64(value) => value != 0,
        SampleValue::I64(value) => value != 0,
    })
}

fn holders(list: Vec<ProcessInfo>) -> Vec<Holder> {
    let memory = |used| match used {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    };
    list.into_iter().map(|process| Holder::new(process.pid, memory(process.used_gpu_memory))).collect()
}

/// Its MIG instances; none where MIG is off.
fn instances(device: &Device<'_>) -> Vec<Instance> {
    let on = device.mig_mode().is_ok_and(|mode| mode.current == 1);
    let most = if on { device.mig_device_count().unwrap_or(0).min(CARDS) } else { 0 };
    let instance = |index| {
        let instance = device.mig_device_by_index(index).ok()?;
        let memory = instance.memory_info().ok();
        Some(Instance {
            uuid: instance.uuid().ok()?,
            memory_used_bytes: memory.as_ref().map(|memory| memory.used),
            memory_total_bytes: memory.as_ref().map(|memory| memory.total),
            processes: instance.running_compute_processes().ok().map(holders),
        })
    };
    (0..most).filter_map(instance).collect()
}
