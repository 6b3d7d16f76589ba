//! What is to be said of one card that answers.

use super::{CardMemory, NAME, choice};
use crate::finding::{Claim, Opinion, Role, Scope, Severity, Subject};
use crate::judge::say::size;
use crate::judge::{Context, words};
use crate::observe::gpu::{Gpu, Holder, Throttle};

/// Degrees Celsius by which a card has to cool before an open finding is over: fans swing by two.
const COOLED_C: f64 = 3.0;
/// Looks in a row after which throttling is told; the driver reports single moments.
const THROTTLED: u32 = 2;
/// The same where looks are seconds apart: a clock that dips for a moment between two kernels is none.
const THROTTLED_ATTENDED: u32 = 5;
/// Share of its greatest clock under which a card at its power limit is throttled. At the limit
/// itself every loaded card is.
const CAPPED_CLOCK: f64 = 0.5;
/// Bytes that a stranger must hold: a bare CUDA context takes about half of it, and monitors less.
pub(crate) const STRANGER_BYTES: u64 = 1 << 30;

/// `gpu_hot`, `gpu_throttled`, `ecc_error` and `gpu_busy`.
pub(super) fn check(context: &Context<'_>, gpu: &Gpu, uuid: &str, memory: &mut CardMemory) -> Vec<Opinion> {
    let opinions = [
        hot(context, gpu, uuid, memory),
        throttled(context, gpu, uuid, memory),
        ecc(context, gpu, uuid, memory),
        busy(context, gpu, uuid, memory),
    ];
    opinions.into_iter().flatten().collect()
}

/// A confirmation where the log tells it in its own words: one fact, two witnesses.
pub(super) fn role(context: &Context<'_>, syndrome: &str) -> Role {
    if context.is_open(words::NAME, syndrome) { Role::Confirmation } else { Role::Root }
}

pub(super) fn subject(syndrome: &str, uuid: &str) -> Subject {
    Subject::new(NAME, syndrome).of(uuid)
}

pub(super) fn well(syndrome: &str, uuid: &str, why: String) -> Opinion {
    Opinion::Well(subject(syndrome, uuid), why)
}

pub(super) fn claim(
    syndrome: &str,
    gpu: &Gpu,
    uuid: &str,
    severity: Severity,
    message: String,
    advice: &str,
) -> Claim {
    let subject = subject(syndrome, uuid);
    let claim = Claim::new(subject, Scope::Surroundings, severity, message, advice).with("gpu", uuid);
    match gpu.index {
        Some(index) => claim.with("index", index),
        None => claim,
    }
}

/// `GPU 3 (GPU-8f6d…)`.
pub(super) fn shown(gpu: &Gpu, uuid: &str) -> String {
    gpu.index.map_or_else(|| uuid.to_owned(), |index| format!("GPU {index} ({uuid})"))
}

fn hot(context: &Context<'_>, gpu: &Gpu, uuid: &str, memory: &mut CardMemory) -> Option<Opinion> {
    const HOT: &str = "gpu_hot";
    let temperature = gpu.temperature_c?;
    let limit = context.config.patrol.gpu_temp_max;
    let open = context.open.contains(&subject(HOT, uuid));
    let over = |limit: f64, was: bool| temperature > limit - if was { COOLED_C } else { 0.0 };
    memory.critical = gpu
        .slowdown_c
        .is_some_and(|slowdown| temperature >= slowdown || (open && memory.critical && over(slowdown, true)));
    if !memory.critical && !over(limit, open) {
        return Some(well(HOT, uuid, format!("{temperature:.0} °C")));
    }
    let severity = if memory.critical { Severity::Critical } else { Severity::Warning };
    let slows =
        gpu.slowdown_c.map_or_else(String::new, |c| format!(", and it slows itself down at {c:.0} °C"));
    let message =
        format!("{} is at {temperature:.0} °C: gpu_temp_max is {limit:.0} °C{slows}", shown(gpu, uuid));
    let advice = "Check fans, inlet air and neighbours of this card; a lower power limit (nvidia-smi -pl) cools it at a small cost in speed";
    Some(claim(HOT, gpu, uuid, severity, message, advice).with("temperature_c", temperature).holds())
}

fn throttled(context: &Context<'_>, gpu: &Gpu, uuid: &str, memory: &mut CardMemory) -> Option<Opinion> {
    const THROTTLING: &str = "gpu_throttled";
    let reasons = gpu.throttle.as_ref()?;
    let slow = gpu
        .clock_mhz
        .zip(gpu.clock_max_mhz)
        .is_some_and(|(clock, most)| f64::from(clock) < CAPPED_CLOCK * f64::from(most));
    let cause = if reasons.contains(&Throttle::Heat) {
        "heat"
    } else if reasons.contains(&Throttle::PowerBrake) {
        "the power supply"
    } else if reasons.contains(&Throttle::Hardware) {
        "its hardware (heat or power)"
    } else if reasons.contains(&Throttle::PowerCap) && slow {
        "its power limit"
    } else {
        memory.throttled = 0;
        return Some(well(THROTTLING, uuid, "its clocks are not held down".to_owned()));
    };
    memory.throttled = memory.throttled.saturating_add(1);
    let attended = context.attended.is_some();
    let least = if attended { THROTTLED_ATTENDED } else { THROTTLED };
    if memory.throttled < least && !context.open.contains(&subject(THROTTLING, uuid)) {
        return None;
    }
    let clock = gpu.clock_mhz.map_or_else(String::new, |clock| format!(", now at {clock} MHz"));
    let message = format!(
        "{} is slowed down by {cause}, seen {} times in a row{clock}",
        shown(gpu, uuid),
        memory.throttled
    );
    let advice = "Compare the step time with earlier; check cooling, the power limit (nvidia-smi -q -d PERFORMANCE) and the node's power supply";
    let reasons = serde_json::to_value(reasons).unwrap_or_default();
    let severity = if attended { Severity::Warning } else { Severity::Info };
    Some(claim(THROTTLING, gpu, uuid, severity, message, advice).with("throttle", reasons).holds())
}

fn ecc(context: &Context<'_>, gpu: &Gpu, uuid: &str, memory: &mut CardMemory) -> Option<Opinion> {
    const ECC: &str = "ecc_error";
    let before = memory.ecc;
    if let Some(count) = gpu.ecc_volatile {
        memory.ecc_rose = match before {
            Some(before) if count != before => count > before,
            // Errors from before the first look may be as old as the driver's start.
            _ => memory.ecc_rose,
        };
        memory.ecc = Some(count);
    }
    let pending = [gpu.retired_pending, gpu.remap_failed, gpu.remap_pending];
    if gpu.ecc_volatile.is_none() && pending.iter().all(Option::is_none) {
        return None;
    }
    let [retiring, failed, remapping] = pending.map(|flag| flag == Some(true));
    let mut told = Vec::new();
    if memory.ecc_rose {
        let count = memory.ecc.unwrap_or_default();
        told.push(match before.filter(|before| *before < count) {
            Some(before) => format!("{} uncorrectable memory errors since the last look", count - before),
            None => format!("{count} uncorrectable memory errors since the driver was loaded"),
        });
    }
    let words = [
        (retiring, "pages wait to be retired"),
        (failed, "a row could not be remapped"),
        (remapping, "rows wait to be remapped"),
    ];
    told.extend(words.iter().filter(|(is, _)| *is).map(|(_, words)| (*words).to_owned()));
    if told.is_empty() {
        return Some(well(ECC, uuid, "no new memory error".to_owned()));
    }
    let critical = memory.ecc_rose || retiring || failed;
    let severity = if critical { Severity::Critical } else { Severity::Warning };
    let message = format!("{}: {}", shown(gpu, uuid), told.join(", "));
    let advice = if failed {
        "The card has no spare rows left: restart elsewhere, drain the node and return the card"
    } else {
        "Restart from a checkpoint on another GPU, reset this one (nvidia-smi -r) and drain the node if errors come back"
    };
    let mut claim = claim(ECC, gpu, uuid, severity, message, advice);
    claim.role = role(context, ECC);
    if let Some(count) = memory.ecc {
        claim = claim.with("uncorrected", count);
    }
    Some(claim.holds())
}

/// Others on the run's card. Pids mean something only where the driver lists the run's own: from
/// within a container it may list those of the host.
fn busy(context: &Context<'_>, gpu: &Gpu, uuid: &str, memory: &mut CardMemory) -> Option<Opinion> {
    const BUSY: &str = "gpu_busy";
    let Some(life) = context.living() else {
        memory.strangers.clear();
        return Some(well(BUSY, uuid, "the run does not use it now".to_owned()));
    };
    let cards = &context.look.gpus.known()?.cards;
    // Instances of a divided card belong to several by intention.
    if !gpu.mig.is_empty() || !cards.iter().any(|card| choice::lists(card, &life.tree)) {
        return None;
    }
    let is_ours = |pid: u32| life.tree.iter().any(|member| u32::try_from(*member) == Ok(pid));
    let holds = |holder: &&Holder| match holder.lives {
        Some(true) => holder.memory_bytes.is_some_and(|bytes| bytes >= STRANGER_BYTES),
        Some(false) => holder.memory_bytes.is_some_and(|bytes| bytes > 0),
        None => false,
    };
    let strangers = gpu.processes.as_ref()?.iter().filter(|holder| !is_ours(holder.pid)).filter(holds);
    let strangers: Vec<&Holder> = strangers.collect();
    // A process that has just begun or ended is seen so by one look and not by the next.
    let seen = std::mem::replace(&mut memory.strangers, strangers.iter().map(|holder| holder.pid).collect());
    if strangers.is_empty() {
        return Some(well(BUSY, uuid, "nobody else is on it".to_owned()));
    }
    let stayed: Vec<&Holder> = strangers.into_iter().filter(|holder| seen.contains(&holder.pid)).collect();
    let first = stayed.first()?;
    let bytes: u64 = stayed.iter().filter_map(|holder| holder.memory_bytes).sum();
    let (who, advice) = if first.lives == Some(true) {
        let name = first.command.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
        let who = format!("process {}{name}, which is none of the run's", first.pid);
        (who, "Ask its owner, or give each run its own CUDA_VISIBLE_DEVICES")
    } else {
        let who = format!("no process: {}, to which the driver gives it, is gone", first.pid);
        (
            who,
            "Look for what still has /dev/nvidia* open (fuser -v /dev/nvidia*); a reset of the card (nvidia-smi -r) frees it",
        )
    };
    let message = format!("{} of {} is held by {who}", size(bytes), shown(gpu, uuid));
    let pids: Vec<u32> = stayed.iter().map(|holder| holder.pid).collect();
    Some(
        claim(BUSY, gpu, uuid, Severity::Warning, message, advice)
            .with("pids", pids)
            .with("bytes", bytes)
            .holds(),
    )
}
