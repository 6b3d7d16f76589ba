//! How much a card is used: its time and its memory, while the run makes steps.

use super::card::{claim, shown, subject, well};
use super::{CardMemory, Rule};
use crate::finding::{Opinion, Severity};
use crate::judge::memory::Series;
use crate::judge::process::Rates;
use crate::judge::say::size;
use crate::judge::{Context, Memory, process, silence};
use crate::observe::gpu::Gpu;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const IDLE: &str = "gpu_idle";
const FULL: &str = "gpu_memory_high";

/// Rows of an attempt before which its GPUs wait in health: for compilation and the first batches.
const ROWS_LEAST: u64 = 2;
/// Looks that a mean is made of, and how many it needs: while somebody stays half a minute, later half
/// a working day of patrols.
const LOOKS: usize = 20;
const LOOKS_LEAST: usize = 10;
/// Looks closer together than this, seconds, see the same sample of the driver.
const APART_S: f64 = 1.0;
/// An open finding is over at this much more than the limit, so that one around it is told once.
const HYSTERESIS: f64 = 0.05;
/// Growth of a card's memory over the looks of a trend, as a share of the whole: less is a cache that fills.
const GROWTH_LEAST: f64 = 0.01;

/// The data pipeline is busy where the run's processes use this share of a core each, and it is more
/// than the one core that a training loop itself keeps busy;
const WORKING_SHARE: f64 = 0.7;
const WORKING_CORES: f64 = 1.5;
/// it waits for its storage where they use less than this and read or write so many bytes a second;
const WAITING_SHARE: f64 = 0.5;
const WAITING_IO: f64 = 20e6;
/// and in both cases data comes at all: bytes a second.
const DATA_IO: f64 = 1e6;

/// What is remembered of a card's use.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct LoadMemory {
    /// Monotonic seconds and utilisation of the latest looks, oldest first.
    looks: VecDeque<(f64, f64)>,
    /// They are those of somebody who stays.
    attended: bool,
    /// The attempt that they are of.
    attempt: u32,
    held: Series,
}

impl LoadMemory {
    /// The mean of the looks, where they are enough.
    fn mean(&self) -> Option<f64> {
        let count = self.looks.len();
        (count >= LOOKS_LEAST).then(|| self.looks.iter().map(|(_, share)| share).sum::<f64>() / count as f64)
    }

    fn note(&mut self, at_s: f64, gpu: &Gpu) {
        // Another boot's clock begins anew.
        if self.looks.back().is_some_and(|(last_s, _)| at_s < *last_s) {
            self.looks.clear();
            self.held = Series::default();
        }
        if let Some(share) = gpu.utilization
            && self.looks.back().is_none_or(|(last_s, _)| at_s - last_s >= APART_S)
        {
            self.looks.push_back((at_s, share));
            self.looks.drain(..self.looks.len().saturating_sub(LOOKS));
        }
        if let Some(bytes) = gpu.memory_used_bytes {
            self.held.note(at_s, bytes);
        }
    }
}

/// What the run as a whole tells of its cards' use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    /// It makes steps.
    steps: bool,
    attempt: u32,
    /// An out-of-memory error of this attempt was followed by rows.
    retried: bool,
    rates: Option<Rates>,
}

impl Work {
    /// As things stand. Where cards are the run's for want of anything better, nothing is said of their use.
    pub(super) fn of(context: &Context<'_>, memory: &Memory, rule: Rule, retried: bool) -> Self {
        let numbers = &context.look.digest.numbers;
        let goes_on = numbers.attempt_rows >= ROWS_LEAST && !silence::is_long(context, memory);
        Self {
            steps: goes_on && context.living().is_some() && !matches!(rule, Rule::All(_)),
            attempt: memory.attempt,
            retried,
            rates: process::rates(context, memory),
        }
    }
}

/// `gpu_idle` and `gpu_memory_high`: warnings while somebody stays, else for the record.
pub(super) fn check(
    context: &Context<'_>,
    gpu: &Gpu,
    uuid: &str,
    memory: &mut CardMemory,
    work: Work,
) -> Vec<Opinion> {
    let attended = context.attended.is_some();
    let load = &mut memory.load;
    if (load.attended, load.attempt) != (attended, work.attempt) {
        *load = LoadMemory { attended, attempt: work.attempt, ..LoadMemory::default() };
    }
    if !work.steps {
        return Vec::new();
    }
    load.note(context.now.monotonic_s, gpu);
    [idle(context, gpu, uuid, load, work), full(context, gpu, uuid, load, work)]
        .into_iter()
        .flatten()
        .collect()
}

fn severity(context: &Context<'_>, attended: Severity) -> Severity {
    if context.attended.is_some() { attended } else { Severity::Info }
}

fn idle(context: &Context<'_>, gpu: &Gpu, uuid: &str, load: &LoadMemory, work: Work) -> Option<Opinion> {
    let mean = load.mean()?;
    let least = context.config.training.gpu_util_min;
    let open = context.open.contains(&subject(IDLE, uuid));
    if mean >= least + if open { HYSTERESIS } else { 0.0 } {
        return Some(well(IDLE, uuid, format!("busy {} of the time", percent(mean))));
    }
    // Why is known at every fourth look: the readings have to be apart.
    if work.rates.is_none() && !open {
        return None;
    }
    let mut message = format!(
        "{} is busy {} of the time, wanted at least {}",
        shown(gpu, uuid),
        percent(mean),
        percent(least)
    );
    let mut advice = "Profile some steps (py-spy top, torch.profiler): small batches, .item() or printing at every step, and waiting for other ranks leave a GPU idle as well as a slow data loader does";
    if let Some(why) = work.rates.as_ref().and_then(bottleneck) {
        message += &format!(": the data pipeline is the bottleneck, {why}");
        advice = "Look at the data loader: more workers, pinned memory and prefetching, decoding and augmentation done beforehand, data on a local disk";
    }
    let mut claim = claim(IDLE, gpu, uuid, severity(context, Severity::Warning), message, advice)
        .with("utilization", thousandths(mean))
        .with("looks", load.looks.len());
    if let Some(rates) = work.rates {
        claim = claim.with("cpu_cores", thousandths(rates.cpu_cores)).with("processes", rates.processes);
        if let Some(io) = rates.io_bytes_per_s {
            claim = claim.with("io_bytes_per_s", io.round());
        }
    }
    Some(claim.holds())
}

/// Why the GPU waits for its data, where CPU and I/O both say so.
fn bottleneck(rates: &Rates) -> Option<String> {
    let io = rates.io_bytes_per_s.filter(|io| *io >= DATA_IO)?;
    let share = rates.cpu_cores / rates.processes.max(1) as f64;
    let read = format!("{} a second are read and written", size(io as u64));
    if share >= WORKING_SHARE && rates.cpu_cores >= WORKING_CORES {
        let (cores, processes) = (rates.cpu_cores, rates.processes);
        return Some(format!("its {processes} processes keep {cores:.1} cores busy and {read}"));
    }
    (share < WAITING_SHARE && io >= WAITING_IO).then(|| format!("its processes wait and {read}"))
}

fn full(context: &Context<'_>, gpu: &Gpu, uuid: &str, load: &LoadMemory, work: Work) -> Option<Opinion> {
    let (used, total) = gpu.memory_used_bytes.zip(gpu.memory_total_bytes.filter(|total| *total > 0))?;
    let share = used as f64 / total as f64;
    let max = context.config.training.memory_usage_max;
    if share <= max {
        return Some(well(FULL, uuid, format!("{} used", percent(share))));
    }
    let grows = load.held.trend(GROWTH_LEAST * total as f64).is_some();
    let mut message = format!(
        "{} of the memory of {} is used, {} of {}",
        percent(share),
        shown(gpu, uuid),
        size(used),
        size(total)
    );
    let (own, advice) = if grows || work.retried {
        message += match (grows, work.retried) {
            (true, true) => ", it grows, and an allocation failed and was tried again",
            (true, false) => ", and it grows",
            (false, _) => ", and an allocation failed and was tried again",
        };
        let advice = "Reduce the batch size, or checkpoint activations, before an allocation fails for good; what grows step by step is kept by somebody (append loss.item(), not loss)";
        (Severity::Warning, advice)
    } else {
        message += ": a caching allocator may keep it so in health";
        let advice = "Watch on; reduce the batch size if an allocation fails or it grows";
        (Severity::Info, advice)
    };
    let claim = claim(FULL, gpu, uuid, severity(context, own), message, advice);
    Some(
        claim
            .with("used_bytes", used)
            .with("total_bytes", total)
            .with("used_ratio", thousandths(share))
            .holds(),
    )
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

fn thousandths(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::Scene;
    use crate::observe::Observation;
    use crate::observe::gpu::{GpuFacts, Holder};

    const UUID: &str = "GPU-1";

    fn card(utilization: f64, used: u64) -> Gpu {
        Gpu {
            uuid: Some(UUID.to_owned()),
            index: Some(0),
            utilization: Some(utilization),
            memory_used_bytes: Some(used),
            memory_total_bytes: Some(80_000_000_000),
            processes: Some(vec![Holder { pid: 10, ..Holder::default() }]),
            ..Gpu::default()
        }
    }

    /// Looks three seconds apart at a run that makes a step between any two.
    struct Stay {
        scene: Scene,
        step: u64,
    }

    impl Stay {
        fn new() -> Self {
            let mut scene = Scene::new();
            scene.attend(1000).process(10).rows(0..5);
            Self { scene, step: 5 }
        }

        fn look(&mut self, gpu: Gpu, cpu_s: f64, io_bytes: u64) -> &mut Self {
            self.step += 1;
            self.scene.rows(self.step..self.step + 1).works(cpu_s);
            let life = self.scene.life();
            life.io_bytes = life.io_bytes.map(|bytes| bytes + io_bytes);
            self.scene.look.gpus = Observation::Known(GpuFacts { cards: vec![gpu], ..GpuFacts::default() });
            self.scene.patrol().later(-297);
            self
        }
    }

    #[test]
    fn an_idle_gpu_is_told_and_the_data_pipeline_blamed_where_cpu_and_io_agree() {
        let blamed = "the data pipeline is the bottleneck";
        let table: [(&str, usize, f64, u64, bool); 5] = [
            ("workers decode", 5, 12.0, 300_000_000, true),
            ("workers wait for the disk", 5, 1.5, 300_000_000, true),
            ("one core of Python", 1, 3.0, 30_000, false),
            ("busy workers that read nothing", 5, 12.0, 10_000, false),
            ("it waits for others", 1, 0.1, 1_000, false),
        ];
        for (name, processes, cpu_s, io_bytes, expected) in table {
            let mut stay = Stay::new();
            stay.scene.life().processes = processes;
            for _ in 0..20 {
                stay.look(card(0.2, 1), cpu_s, io_bytes);
            }
            let claim = stay.scene.claim(IDLE).unwrap_or_else(|| panic!("{name}"));
            assert_eq!(claim.severity, Severity::Warning);
            // The readings are compared over ten seconds or more, which is every fourth look.
            let told = (0..4).any(|_| {
                stay.look(card(0.2, 1), cpu_s, io_bytes);
                stay.scene.claim(IDLE).unwrap().message.contains(blamed)
            });
            assert_eq!(told, expected, "{name}");
        }
    }

    #[test]
    fn a_gpu_that_is_busy_on_average_or_has_no_steps_to_make_is_well() {
        let mut stay = Stay::new();
        for look in 0..20 {
            stay.look(card(if look % 3 == 0 { 0.0 } else { 1.0 }, 1), 3.0, 1);
        }
        assert!(stay.scene.is_well(IDLE), "{:?}", stay.scene.opinions);
        let mut scene = Scene::new();
        scene.attend(1000).process(10).rows(0..1);
        for _ in 0..20 {
            scene.look.gpus =
                Observation::Known(GpuFacts { cards: vec![card(0.0, 1)], ..GpuFacts::default() });
            scene.works(1.0).patrol().later(-297);
        }
        assert!(scene.claim(IDLE).is_none());
    }

    #[test]
    fn full_memory_is_no_alarm_unless_it_grows_or_an_allocation_failed() {
        let mut stay = Stay::new();
        for _ in 0..30 {
            stay.look(card(0.9, 78_000_000_000), 3.0, 1);
        }
        assert_eq!(stay.scene.severity(FULL), Some(Severity::Info));
        for look in 0..70 {
            stay.look(card(0.9, 77_000_000_000 + look * 50_000_000), 3.0, 1);
        }
        assert_eq!(stay.scene.severity(FULL), Some(Severity::Warning));
        assert!(stay.scene.claim(FULL).unwrap().message.contains("it grows"));
        stay.scene.unattended();
        stay.look(card(0.9, 79_000_000_000), 3.0, 1);
        assert_eq!(stay.scene.severity(FULL), Some(Severity::Info));
    }
}
