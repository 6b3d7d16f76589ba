//! Whether a GPU is free for a run that is about to start, and who is on it.

use super::wanted::Target;
use crate::judge::gpu::STRANGER_BYTES;
use crate::observe::gpu::Holder;
use crate::observe::process::Who;
use regex::bytes::Regex;

/// Programs that draw a desktop or keep the driver awake. They hold a few hundred MB for as long as
/// the machine is up, and waiting for them would never end.
const DESKTOP: &[&str] = &[
    "Xorg",
    "X",
    "Xwayland",
    "Xvfb",
    "gnome-shell",
    "gdm-x-session",
    "mutter",
    "kwin_x11",
    "kwin_wayland",
    "plasmashell",
    "sddm-greeter",
    "cinnamon",
    "compiz",
    "xfwm4",
    "sway",
    "Hyprland",
    "nvidia-persistenced",
    "nvidia-smi",
    "nv-hostengine",
    "dcgm-exporter",
];
/// Characters of a name that the kernel keeps.
const NAME: usize = 15;

/// From when on a GPU is busy.
#[derive(Debug, Clone)]
pub struct Limits<'a> {
    /// Time in which a kernel ran, 0–1.
    pub utilization_max: f64,
    /// Share of memory in use, 0–1.
    pub memory_max: f64,
    /// Commands that may be there.
    pub ignore: &'a [Regex],
    /// Pids that are the asker's own.
    pub own: &'a [i32],
}

/// How a GPU is.
#[derive(Debug, Clone, PartialEq)]
pub enum State<'a> {
    /// Nobody is on it.
    Free,
    /// It is in use, and why.
    Busy(Vec<Reason<'a>>),
    /// It does not tell.
    Blind(String),
}

/// Why a GPU is busy.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason<'a> {
    /// A process is on it, and who that is where it can be seen.
    Process(&'a Holder, Option<&'a Who>),
    /// Bytes are held, and no process that is shown holds them.
    Unexplained(u64),
    /// Bytes in use of bytes in all.
    Memory(u64, u64),
    /// Time in which a kernel ran, 0–1.
    Utilization(f64),
}

/// How one GPU is. `seen` are the processes that were looked up.
pub fn state<'a>(target: &Target<'a>, seen: &'a [Who], limits: &Limits<'_>) -> State<'a> {
    let Target { card, instance } = *target;
    if card.lost {
        return State::Blind("it has fallen off the bus".to_owned());
    }
    if let Some(trouble) = &card.trouble {
        return State::Blind(trouble.clone());
    }
    let (used, total, holders, utilization) = match instance {
        Some(part) => (part.memory_used_bytes, part.memory_total_bytes, part.processes.as_deref(), None),
        None => {
            (card.memory_used_bytes, card.memory_total_bytes, card.processes.as_deref(), card.utilization)
        }
    };
    if used.is_none() && holders.is_none() && utilization.is_none() {
        return State::Blind("it tells neither its memory nor who is on it".to_owned());
    }
    let holders = holders.unwrap_or_default();
    let mut reasons = Vec::new();
    for holder in holders {
        let who = seen.iter().find(|who| who.pid == holder.pid);
        if is_foreign(holder, who, limits) {
            reasons.push(Reason::Process(holder, who));
        }
    }
    // What a process holds that does not tell how much is explained by it.
    let explained: Option<u64> = holders.iter().map(|holder| holder.memory_bytes).sum();
    if let (Some(used), Some(explained)) = (used, explained)
        && used.saturating_sub(explained) >= STRANGER_BYTES
    {
        reasons.push(Reason::Unexplained(used - explained));
    }
    if let (Some(used), Some(total)) = (used, total)
        && total > 0
        && used as f64 / total as f64 >= limits.memory_max
    {
        reasons.push(Reason::Memory(used, total));
    }
    if let Some(utilization) = utilization.filter(|share| *share >= limits.utilization_max) {
        reasons.push(Reason::Utilization(utilization));
    }
    if reasons.is_empty() { State::Free } else { State::Busy(reasons) }
}

fn is_foreign(holder: &Holder, who: Option<&Who>, limits: &Limits<'_>) -> bool {
    if limits.own.iter().any(|pid| u32::try_from(*pid) == Ok(holder.pid)) {
        return false;
    }
    let command = who.and_then(|who| who.command.as_ref()).or(holder.command.as_ref());
    if command.is_some_and(|command| limits.ignore.iter().any(|regex| regex.is_match(command.as_bytes()))) {
        return false;
    }
    let small = holder.memory_bytes.is_none_or(|bytes| bytes < STRANGER_BYTES);
    !(small && holder.command.as_deref().is_some_and(is_desktop))
}

/// The kernel cuts names.
fn is_desktop(name: &str) -> bool {
    DESKTOP.iter().any(|known| known.get(..NAME).unwrap_or(known) == name)
}

#[cfg(test)]
mod tests;
