//! Check `gpu`: whether the run's GPUs are there, cool, unhurt and its own.
//!
//! Cards are told apart by UUID: the driver's numbers change with a reboot or a lost card.

mod card;
mod choice;
mod load;
pub mod visible;

pub(crate) use card::STRANGER_BYTES;
pub(crate) use choice::find;
pub use choice::{Choice, Rule, Why};

use super::say::span;
use super::{Context, Memory, words};
use crate::config::GpuSource;
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::gpu::{DriverFault, Gpu, GpuFacts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Its name.
pub const NAME: &str = "gpu";

const LOST: &str = "gpu_fell_off_bus";
const MISSING: &str = "gpu_missing";
const UNKNOWN: &str = "gpu_unknown";
const NOT_LOADED: &str = "driver_not_loaded";
const MISMATCH: &str = "driver_version_mismatch";

/// Seconds after which a file of readings says nothing of now: heat comes and goes in less.
pub(crate) const STALE_S: f64 = 600.0;

/// What is remembered of the GPUs, by UUID.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GpuMemory {
    cards: BTreeMap<String, CardMemory>,
    /// The attempt in which an out-of-memory error was followed by rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    retried: Option<u32>,
}

/// What is remembered of one card.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct CardMemory {
    /// Where it is: a lost card may tell nothing else.
    pci_bus: Option<String>,
    /// It was one of the run's.
    mine: bool,
    /// Uncorrected errors at the last look.
    ecc: Option<u64>,
    /// They rose, and the card has not been reset since.
    ecc_rose: bool,
    /// It was at the temperature at which it slows down.
    critical: bool,
    /// Looks in a row that found it throttled.
    throttled: u32,
    /// Who held its memory at the last look and is none of the run's.
    strangers: Vec<u32>,
    /// How much it is used.
    load: load::LoadMemory,
}

/// The run's GPUs, where any were read.
pub fn choose<'a>(context: &Context<'a>) -> Option<Choice<'a>> {
    let facts = context.look.gpus.known()?;
    Some(choice::choose(&facts.cards, &context.run.gpus, context.living()))
}

/// `gpu_fell_off_bus`, `gpu_missing`, `gpu_unknown`, the driver's faults, and what is to be
/// said of each card.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    if memory.end.is_some() {
        return super::over(context, NAME);
    }
    let facts = match &context.look.gpus {
        Observation::Absent => return absent(context, !memory.gpu.cards.is_empty()),
        // Told as `probe_timeout`.
        Observation::Failed { why } if context.look.stuck.iter().any(|stuck| stuck.explains(why)) => {
            return Vec::new();
        }
        Observation::Failed { why } => return vec![unknown(Subject::new(NAME, UNKNOWN), why)],
        Observation::Known(facts) => facts,
    };
    let age_s = facts.taken.map_or(0.0, |taken| (context.now.wall - taken).as_seconds_f64());
    if age_s > STALE_S {
        let why = format!("the readings of {} are {} old", facts.source, span(age_s));
        return vec![unknown(Subject::new(NAME, UNKNOWN), &why)];
    }
    let mut opinions = vec![Opinion::Well(Subject::new(NAME, UNKNOWN), "the driver answers".to_owned())];
    opinions.extend(driver(facts));
    if facts.fault.is_some() {
        return opinions;
    }
    let choice = choice::choose(&facts.cards, &context.run.gpus, context.living());
    opinions.extend(missing(context, &choice, facts.cards.len()));
    let lost = lost(&facts.cards, &choice, &memory.gpu);
    opinions.extend(lost.iter().map(|(card, label)| fell(context, card, label)));
    if is_retried(context) {
        memory.gpu.retried = Some(memory.attempt);
    }
    let retried = memory.gpu.retried == Some(memory.attempt);
    let work = load::Work::of(context, memory, choice.rule, retried);
    let whole: Vec<&Gpu> = choice.cards.iter().copied().filter(|card| !card.lost).collect();
    for gpu in &whole {
        let Some(uuid) = gpu.uuid.as_ref().filter(|_| gpu.trouble.is_none()) else {
            let why = gpu.trouble.as_deref().unwrap_or("it does not tell its UUID");
            let subject = Subject::new(NAME, UNKNOWN).of(gpu.label());
            opinions.push(unknown(subject, &format!("{}: {why}", gpu.label())));
            continue;
        };
        for syndrome in [LOST, UNKNOWN] {
            opinions
                .push(Opinion::Well(Subject::new(NAME, syndrome).of(uuid.clone()), "it answers".to_owned()));
        }
        let remembered = memory.gpu.cards.entry(uuid.clone()).or_default();
        opinions.extend(card::check(context, gpu, uuid, remembered));
        opinions.extend(load::check(context, gpu, uuid, remembered, work));
    }
    let told = |open: &&Subject| {
        open.of.as_ref().is_some_and(|of| {
            !whole.iter().any(|card| card.label() == *of)
                && !lost.iter().any(|(_, label)| label == of)
                && !choice.missing.iter().any(|name| name.to_string() == *of)
        })
    };
    let others = context.open.iter().filter(|open| open.check == NAME).filter(told);
    opinions.extend(
        others.map(|open| Opinion::Well(open.clone(), "it is none of the run's GPUs now".to_owned())),
    );
    remember(facts, &choice, &mut memory.gpu);
    opinions
}

/// A machine without GPUs is well, unless the config counts on some.
/// No GPU answers. Where some did before, that is no health.
fn absent(context: &Context<'_>, seen: bool) -> Vec<Opinion> {
    let nobody_looks = context.config.gpu.source == GpuSource::None;
    if seen && !nobody_looks && context.config.gpu.expect == 0 {
        return vec![unknown(Subject::new(NAME, UNKNOWN), "some answered before, and none does now")];
    }
    let why = if nobody_looks { "GPUs are not looked at" } else { "there is no GPU" };
    let over = context.open.iter().filter(|open| open.check == NAME);
    let over =
        over.filter(|open| nobody_looks || [UNKNOWN, NOT_LOADED, MISMATCH].contains(&open.syndrome.as_str()));
    let mut opinions: Vec<Opinion> = over.map(|open| Opinion::Well(open.clone(), why.to_owned())).collect();
    if !nobody_looks {
        let choice = choice::choose(&[], &context.run.gpus, None);
        opinions.extend(missing(context, &choice, 0));
    }
    opinions
}

/// Whether an allocation on the GPU failed, and rows followed.
fn is_retried(context: &Context<'_>) -> bool {
    const OOM: &str = "cuda_oom";
    let digest = &context.look.digest;
    let followed = digest.hits.iter().any(|hit| hit.syndrome == OOM && hit.rows_after > 0);
    followed || digest.rows > 0 && context.is_open(words::NAME, OOM)
}

fn unknown(subject: Subject, why: &str) -> Opinion {
    let advice = "Run nvidia-smi as this user; `gpu: {source: none}` in the config looks no more";
    let message = format!("cannot look at the GPUs: {why}");
    Claim::new(subject, Scope::Surroundings, Severity::Unknown, message, advice).holds()
}

fn driver(facts: &GpuFacts) -> [Opinion; 2] {
    let table = [
        (
            DriverFault::NotLoaded,
            NOT_LOADED,
            Severity::Critical,
            "the NVIDIA driver is not loaded: no GPU can be used",
            "modprobe nvidia and read dmesg; after a kernel update the driver has to be built anew",
        ),
        (
            DriverFault::VersionMismatch,
            MISMATCH,
            Severity::Warning,
            "NVIDIA's library and kernel driver are of different versions: what runs may go on, nothing new can start",
            "Reboot, or reload the nvidia modules, when the runs of this machine allow it; an upgrade in the background is the usual cause",
        ),
    ];
    table.map(|(fault, syndrome, severity, message, advice)| {
        let subject = Subject::new(NAME, syndrome);
        if facts.fault == Some(fault) {
            Claim::new(subject, Scope::Surroundings, severity, format!("{}: {message}", facts.source), advice)
                .holds()
        } else {
            Opinion::Well(subject, "the driver serves".to_owned())
        }
    })
}

/// Fewer than `gpu.expect`, or without one that the run's `gpus` name. A lost card is told as that.
fn missing(context: &Context<'_>, choice: &Choice<'_>, found: usize) -> Vec<Opinion> {
    let advice = "Compare nvidia-smi and lspci; in a container or job, check which GPUs it was given";
    let claim = |subject, message| {
        Claim::new(subject, Scope::Surroundings, Severity::Critical, message, advice).holds()
    };
    let expect = context.config.gpu.expect as usize;
    let subject = Subject::new(NAME, MISSING);
    let mut opinions = vec![if found < expect {
        claim(subject, format!("{found} of the {expect} GPUs that the config expects"))
    } else {
        Opinion::Well(subject, format!("{found} GPUs"))
    }];
    opinions.extend(context.run.gpus.iter().map(|name| {
        let subject = Subject::new(NAME, MISSING).of(name.to_string());
        if choice.missing.contains(name) {
            claim(subject, format!("the run's GPU {name} is not on this machine"))
        } else {
            Opinion::Well(subject, "it is there".to_owned())
        }
    }));
    opinions
}

/// The lost cards that may be the run's, with the names under which they were known.
fn lost<'a>(cards: &'a [Gpu], choice: &Choice<'_>, memory: &GpuMemory) -> Vec<(&'a Gpu, String)> {
    let present = |uuid: &str| cards.iter().any(|card| card.uuid.as_deref() == Some(uuid));
    let unnamed = cards.iter().filter(|card| card.lost && card.uuid.is_none()).count();
    let gone: Vec<&String> = memory.cards.keys().filter(|uuid| !present(uuid)).collect();
    let known_as = |card: &Gpu| {
        let there = |uuid: &&&String| {
            memory
                .cards
                .get(**uuid)
                .is_some_and(|known| same_place(known.pci_bus.as_ref(), card.pci_bus.as_ref()))
        };
        // One card that is not there any more and one lost card that tells nothing are the same.
        let only = || match gone.as_slice() {
            [only] if unnamed == 1 && card.pci_bus.is_none() => Some(*only),
            _ => None,
        };
        let gone = gone.iter().find(there).copied().or_else(only);
        card.uuid.clone().or_else(|| gone.cloned())
    };
    let lost = cards.iter().filter(|card| card.lost).map(|card| (card, known_as(card)));
    lost.filter(|(card, uuid)| {
        let chosen = choice.cards.iter().any(|chosen| std::ptr::eq(*chosen, *card));
        // It lists no processes any more; what was known of it before decides, and doubt is told.
        chosen || uuid.as_ref().and_then(|uuid| memory.cards.get(uuid)).is_none_or(|known| known.mine)
    })
    .map(|(card, uuid)| (card, uuid.unwrap_or_else(|| card.label())))
    .collect()
}

/// Two sources write the domain with four digits and with eight.
fn same_place(one: Option<&String>, other: Option<&String>) -> bool {
    let place = |bus: &String| {
        let bus = bus.to_ascii_lowercase();
        bus.split_once(':').map(|(domain, rest)| (u32::from_str_radix(domain, 16).ok(), rest.to_owned()))
    };
    let (one, other) = (one.and_then(place), other.and_then(place));
    one.is_some() && one == other
}

fn fell(context: &Context<'_>, gpu: &Gpu, label: &str) -> Opinion {
    let place = gpu.pci_bus.as_ref().map_or_else(String::new, |bus| format!(" at {bus}"));
    let message = format!("{label}{place} has fallen off the bus{}", context.at_step());
    let advice = "Save what other GPUs hold, then power-cycle the node; check power, cooling and risers, and look for Xid 79 in dmesg";
    let subject = Subject::new(NAME, LOST).of(label);
    let mut claim = Claim::new(subject, Scope::Surroundings, Severity::Critical, message, advice);
    claim.role = card::role(context, LOST);
    claim.with("gpu", label).holds()
}

/// Cards that are there, and those that were and may be the lost ones.
fn remember(facts: &GpuFacts, choice: &Choice<'_>, memory: &mut GpuMemory) {
    let present = |uuid: &String| facts.cards.iter().any(|card| card.uuid.as_ref() == Some(uuid));
    if !facts.cards.iter().any(|card| card.lost) {
        memory.cards.retain(|uuid, _| present(uuid));
    }
    for card in facts.cards.iter().filter(|card| !card.lost) {
        if let Some(uuid) = &card.uuid {
            let known = memory.cards.entry(uuid.clone()).or_default();
            known.pci_bus.clone_from(&card.pci_bus);
            known.mine = choice.cards.iter().any(|chosen| std::ptr::eq(*chosen, card));
        }
    }
}

#[cfg(test)]
mod tests;
