//! `nvidia-smi`, where NVML cannot be used.
//!
//! A hanging `nvidia-smi` outlives the probe that started it, because nothing wakes it. So it is
//! killed here before the probe's own time is over, and one that an earlier patrol left behind is
//! waited for: no second one is started beside it.

use super::{CARDS, DriverFault, Gpu, GpuFacts, Holder, Throttle};
use crate::observe::Observation;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const SOURCE: &str = "nvidia-smi";
/// Bytes of its output; 256 cards take a quarter.
const OUTPUT: u64 = 1 << 18;
/// How often a left-over is looked for.
const TICK: Duration = Duration::from_millis(50);

const FORMAT: &str = "--format=csv,noheader,nounits";
const CARD_QUERY: &str = "--query-gpu=uuid,pci.bus_id,index,name,utilization.gpu,memory.used,memory.total,temperature.gpu,power.draw,enforced.power.limit,clocks.current.sm,clocks.max.sm,clocks_throttle_reasons.sw_thermal_slowdown,clocks_throttle_reasons.hw_thermal_slowdown,clocks_throttle_reasons.hw_power_brake_slowdown,clocks_throttle_reasons.sw_power_cap,clocks_throttle_reasons.hw_slowdown,ecc.errors.uncorrected.volatile.total,ecc.errors.uncorrected.aggregate.total,retired_pages.pending";
const PROCESS_QUERY: &str = "--query-compute-apps=gpu_uuid,pid,used_memory";

/// What it prints for a size, which `nounits` leaves without its unit.
const MIB: u64 = 1 << 20;

pub(super) fn read(patience: Duration) -> Observation<GpuFacts> {
    let until = Instant::now() + patience;
    let (text, good) = match run(CARD_QUERY, until) {
        Ok(answer) => answer,
        Err(error) if error.kind() == ErrorKind::NotFound => return Observation::Absent,
        Err(error) => return Observation::Failed { why: format!("{SOURCE}: {error}") },
    };
    let mut facts = GpuFacts { source: SOURCE.to_owned(), ..GpuFacts::default() };
    facts.cards = text.lines().filter_map(card).take(CARDS as usize).collect();
    facts.fault = fault(&text);
    if facts.fault.is_some() {
        facts.cards.clear();
        return Observation::Known(facts);
    }
    if facts.cards.is_empty() {
        return if text.contains("No devices were found") || (good && text.trim().is_empty()) {
            Observation::Absent
        } else {
            let said = text.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
            let said: String = said.chars().filter(|c| !c.is_control()).take(200).collect();
            Observation::Failed { why: format!("{SOURCE} says: {said}") }
        };
    }
    if let Ok((list, true)) = run(PROCESS_QUERY, until) {
        for gpu in facts.cards.iter_mut().filter(|gpu| !gpu.lost) {
            let mine = list.lines().filter_map(holder).filter(|(uuid, _)| gpu.uuid.as_deref() == Some(uuid));
            gpu.processes = Some(mine.map(|(_, holder)| holder).collect());
        }
    }
    Observation::Known(facts)
}

fn fault(text: &str) -> Option<DriverFault> {
    let table = [
        ("couldn't communicate with the NVIDIA driver", DriverFault::NotLoaded),
        ("Driver/library version mismatch", DriverFault::VersionMismatch),
    ];
    table.into_iter().find(|(said, _)| text.contains(said)).map(|(_, fault)| fault)
}

/// A row, or a complaint about a card that is lost; anything else is no card.
fn card(line: &str) -> Option<Gpu> {
    if line.contains("GPU is lost") {
        let words = line.split([' ', ',']).map(|word| word.trim_end_matches([':', '.']));
        let bus = words.into_iter().find(|word| word.matches(':').count() == 2).map(str::to_owned);
        return Some(Gpu { lost: true, pci_bus: bus, ..Gpu::default() });
    }
    let values: Vec<&str> = line.split(',').map(str::trim).collect();
    let text = |at: usize| values.get(at).copied().filter(|value| !is_unknown(value));
    let number = |at: usize| text(at)?.parse::<f64>().ok().filter(|value| value.is_finite() && *value >= 0.0);
    let whole = |at: usize| number(at).map(|value| value as u64);
    let uuid = text(0).filter(|uuid| uuid.starts_with("GPU-"))?;
    let active = |at: usize| text(at).map(|value| value == "Active");
    let reasons = [
        (12, Throttle::Heat),
        (13, Throttle::Heat),
        (14, Throttle::PowerBrake),
        (15, Throttle::PowerCap),
        (16, Throttle::Hardware),
    ];
    let known = reasons.iter().any(|(at, _)| active(*at).is_some());
    let mut throttle: Vec<Throttle> =
        reasons.into_iter().filter(|(at, _)| active(*at) == Some(true)).map(|(_, reason)| reason).collect();
    throttle.dedup();
    Some(Gpu {
        uuid: Some(uuid.to_owned()),
        pci_bus: text(1).map(str::to_owned),
        index: whole(2).map(|index| index as u32),
        name: text(3).map(str::to_owned),
        lost: values.iter().any(|value| value.contains("GPU is lost")),
        utilization: number(4).map(|percent| percent / 100.0),
        memory_used_bytes: whole(5).map(|mib| mib.saturating_mul(MIB)),
        memory_total_bytes: whole(6).map(|mib| mib.saturating_mul(MIB)),
        temperature_c: number(7),
        power_w: number(8),
        power_limit_w: number(9),
        clock_mhz: whole(10).map(|clock| clock as u32),
        clock_max_mhz: whole(11).map(|clock| clock as u32),
        throttle: known.then_some(throttle),
        ecc_volatile: whole(17),
        ecc_aggregate: whole(18),
        retired_pending: text(19).and_then(|value| match value {
            "Yes" => Some(true),
            "No" => Some(false),
            _ => None,
        }),
        ..Gpu::default()
    })
}

/// `[N/A]`, `[Not Supported]`, `[Unknown Error]` and their relatives.
fn is_unknown(value: &str) -> bool {
    value.is_empty() || value.starts_with('[') || value == "N/A"
}

fn holder(line: &str) -> Option<(String, Holder)> {
    let mut values = line.split(',').map(str::trim);
    let (uuid, pid) = (values.next()?, values.next()?.parse().ok()?);
    let memory = values.next().and_then(|mib| mib.parse::<u64>().ok());
    Some((uuid.to_owned(), Holder::new(pid, memory.map(|mib| mib.saturating_mul(MIB)))))
}

/// Both of its outputs, and whether it was content. Does not return where it hangs: the parent
/// gives up the probe, names it and does not ask again while this one is there.
fn run(query: &str, until: Instant) -> std::io::Result<(String, bool)> {
    while is_running(query) {
        if Instant::now() >= until {
            hang();
        }
        thread::sleep(TICK);
    }
    let mut command = Command::new(SOURCE);
    command.args([query, FORMAT]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let stdout = child.stdout.take();
    let (send, output) = mpsc::channel();
    thread::Builder::new().spawn(move || {
        let mut text = Vec::new();
        let read = stdout.map(|stdout| stdout.take(OUTPUT).read_to_end(&mut text));
        drop(send.send(read.unwrap_or(Ok(0)).map(|_| text)));
    })?;
    let Ok(text) = output.recv_timeout(until.saturating_duration_since(Instant::now())) else {
        drop(child.kill());
        hang();
    };
    let status = child.wait()?;
    Ok((String::from_utf8_lossy(&text?).into_owned(), status.success()))
}

/// Waits for the parent to end this process.
fn hang() -> ! {
    loop {
        thread::park();
    }
}

/// Whether a process of this user with this very question is there, of whichever patrol.
fn is_running(query: &str) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else { return false };
    let caller = rustix::process::geteuid().as_raw();
    processes.flatten().any(|process| {
        // Another user's patrol has its own left-overs.
        if !process.metadata().is_ok_and(|meta| meta.uid() == caller) {
            return false;
        }
        let numbered = process.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit);
        let line = if numbered { std::fs::read(process.path().join("cmdline")) } else { return false };
        line.is_ok_and(|line| line.split(|byte| *byte == 0).any(|argument| argument == query.as_bytes()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_that_a_card_lacks_is_unknown_and_the_others_are_read() {
        let gpu = card("GPU-1, 00000000:01:00.0, 3, NVIDIA GeForce RTX 4090, 97, 20000, 24564, 71, 431.25, 450.00, 2505, 3105, Not Active, Active, Not Active, Active, [N/A], [N/A], [Not Supported], [Unknown Error]").unwrap();
        assert_eq!(gpu.uuid.as_deref(), Some("GPU-1"));
        assert_eq!((gpu.index, gpu.utilization), (Some(3), Some(0.97)));
        assert_eq!(gpu.memory_used_bytes, Some(20_000 * 1024 * 1024));
        assert_eq!(gpu.throttle, Some(vec![Throttle::Heat, Throttle::PowerCap]));
        assert_eq!((gpu.ecc_volatile, gpu.ecc_aggregate, gpu.retired_pending), (None, None, None));
        assert!(!gpu.lost);
    }

    #[test]
    fn a_complaint_about_a_lost_card_names_its_place_and_noise_is_no_card() {
        let gpu =
            card("Unable to determine the device handle for GPU 0000:41:00.0: GPU is lost.  Reboot the system to recover this GPU")
                .unwrap();
        assert!(gpu.lost);
        assert_eq!(gpu.pci_bus.as_deref(), Some("0000:41:00.0"));
        assert_eq!(card("WARNING: infoROM is corrupted at gpu 0000:41:00.0"), None);
    }

    #[test]
    fn a_dead_driver_is_told_from_one_of_another_version() {
        let dead =
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that";
        assert_eq!(fault(dead), Some(DriverFault::NotLoaded));
        assert_eq!(
            fault("Failed to initialize NVML: Driver/library version mismatch"),
            Some(DriverFault::VersionMismatch)
        );
        assert_eq!(fault("GPU-1, 0"), None);
    }
}
