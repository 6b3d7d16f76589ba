//! Which of the machine's GPUs are a run's.

use super::visible::{self, Miss, Order};
use crate::config::GpuName;
use crate::observe::gpu::Gpu;
use crate::observe::process::{Life, Visible};
use std::fmt;

/// The run's GPUs, and why they are.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice<'a> {
    /// The cards.
    pub cards: Vec<&'a Gpu>,
    /// Why these.
    pub rule: Rule,
    /// What the config names and the machine does not have.
    pub missing: Vec<GpuName>,
}

/// The rule by which GPUs are a run's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// The config says so.
    Named,
    /// The driver lists a process of the run's tree on them.
    Listed,
    /// The environment with which the run's process was started.
    Visible,
    /// All, for want of anything better.
    All(Why),
}

/// Why no better rule could be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// No process is known.
    NoProcess,
    /// None of its processes is listed, and its environment says nothing.
    NothingSaid,
    /// Its environment gives numbers, which CUDA counts from the fastest card.
    BySpeed,
    /// Its environment names what this machine does not have.
    Unheard,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Named => "named in the config",
            Self::Listed => "the driver lists the run's processes on them",
            Self::Visible => "CUDA_VISIBLE_DEVICES of the run's process",
            Self::All(Why::NoProcess) => "all of the machine: the run's process is not known",
            Self::All(Why::NothingSaid) => {
                "all of the machine: the driver lists no process of the run, and its CUDA_VISIBLE_DEVICES is not set"
            }
            Self::All(Why::BySpeed) => {
                "all of the machine: CUDA_VISIBLE_DEVICES has numbers, which CUDA counts from the fastest card unless CUDA_DEVICE_ORDER is PCI_BUS_ID"
            }
            Self::All(Why::Unheard) => {
                "all of the machine: CUDA_VISIBLE_DEVICES names what the driver does not have"
            }
        })
    }
}

/// Chooses among `cards`: by the config, by the process's tree, by its environment, else all.
pub(super) fn choose<'a>(cards: &'a [Gpu], named: &[GpuName], life: Option<&Life>) -> Choice<'a> {
    let chosen = |cards, rule| Choice { cards, rule, missing: Vec::new() };
    if !named.is_empty() {
        let all: Vec<_> = named.iter().map(|name| (name, find(cards, name))).collect();
        let missing = all.iter().filter(|(_, card)| card.is_none()).map(|(name, _)| (*name).clone());
        let missing = missing.collect();
        return Choice {
            missing,
            ..chosen(unique(all.into_iter().filter_map(|(_, card)| card)), Rule::Named)
        };
    }
    let Some(life) = life else { return chosen(cards.iter().collect(), Rule::All(Why::NoProcess)) };
    let listed: Vec<&Gpu> = cards.iter().filter(|card| lists(card, &life.tree)).collect();
    if !listed.is_empty() {
        return chosen(listed, Rule::Listed);
    }
    match visible(cards, &life.visible) {
        Ok(visible) => chosen(visible, Rule::Visible),
        Err(why) => chosen(cards.iter().collect(), Rule::All(why)),
    }
}

/// Whether the driver lists one of these pids on the card.
pub(super) fn lists(card: &Gpu, tree: &[i32]) -> bool {
    let is_its = |pid: u32| tree.iter().any(|member| u32::try_from(*member) == Ok(pid));
    card.processes.iter().flatten().any(|holder| is_its(holder.pid))
}

pub(crate) fn find<'a>(cards: &'a [Gpu], name: &GpuName) -> Option<&'a Gpu> {
    match name {
        GpuName::Index(index) => cards.iter().find(|card| card.index == Some(*index)),
        GpuName::Uuid(uuid) => by_uuid(cards, uuid),
    }
}

/// The one card of which a UUID, or that of one of its MIG instances, begins so.
fn by_uuid<'a>(cards: &'a [Gpu], prefix: &str) -> Option<&'a Gpu> {
    match unique(visible::by_uuid(cards, prefix).into_iter().map(|place| place.card)).as_slice() {
        [only] => Some(only),
        _ => None,
    }
}

fn visible<'a>(cards: &'a [Gpu], visible: &Visible) -> Result<Vec<&'a Gpu>, Why> {
    let Some(list) = &visible.devices else { return Err(Why::NothingSaid) };
    let mut found = Vec::new();
    for (_, place) in visible::entries(list, cards, &Order::of(cards, visible.by_bus)) {
        match place {
            Ok(place) => found.push(place.card),
            Err(Miss::BySpeed) => return Err(Why::BySpeed),
            Err(Miss::End | Miss::Absent | Miss::Ambiguous(_)) => break,
        }
    }
    // An empty list and -1 mean 'none': the run computes on no GPU.
    if found.is_empty() && !matches!(list.trim(), "" | "-1" | "NoDevFiles") {
        return Err(Why::Unheard);
    }
    Ok(unique(found))
}

fn unique<'a>(cards: impl IntoIterator<Item = &'a Gpu>) -> Vec<&'a Gpu> {
    let mut seen: Vec<&Gpu> = Vec::new();
    for card in cards {
        if !seen.iter().any(|other| std::ptr::eq(*other, card)) {
            seen.push(card);
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::gpu::Holder;

    fn cards() -> Vec<Gpu> {
        // The driver's order is not that of the bus.
        [
            ("GPU-aaa", "00000000:81:00.0", 100),
            ("GPU-abb", "00000000:01:00.0", 200),
            ("GPU-ccc", "00000000:41:00.0", 300),
        ]
        .into_iter()
        .zip(0..)
        .map(|((uuid, bus, pid), index)| Gpu {
            uuid: Some(uuid.to_owned()),
            pci_bus: Some(bus.to_owned()),
            index: Some(index),
            processes: Some(vec![Holder { pid, ..Holder::default() }]),
            mig: if index == 2 { vec!["MIG-0f0f".to_owned()] } else { Vec::new() },
            ..Gpu::default()
        })
        .collect()
    }

    fn life(tree: &[i32], devices: Option<&str>, by_bus: bool) -> Life {
        let mut scene = crate::judge::scene::Scene::new();
        let life = scene.process(tree[0]).life();
        life.tree = tree.to_vec();
        life.visible = Visible { devices: devices.map(str::to_owned), by_bus };
        life.clone()
    }

    /// The tree's pids, both variables; the indices and the rule.
    type Case = (&'static [i32], Option<&'static str>, bool, &'static [u32], Rule);

    #[test]
    fn the_runs_gpus_are_those_of_its_processes_then_of_its_environment_then_all() {
        use Rule::{All, Listed, Visible};
        let all = &[0, 1, 2][..];
        let table: &[Case] = &[
            (&[1, 200], Some("GPU-aaa"), false, &[1], Listed),
            (&[300, 100], None, false, &[0, 2], Listed),
            (&[1], None, true, all, All(Why::NothingSaid)),
            (&[1], Some("0"), false, all, All(Why::BySpeed)),
            (&[1], Some("0"), true, &[1], Visible),
            (&[1], Some("2, 0"), true, &[0, 1], Visible),
            (&[1], Some("0,2,-1,1"), true, &[1, 0], Visible),
            (&[1], Some("GPU-ccc,GPU-aaa"), false, &[2, 0], Visible),
            (&[1], Some("GPU-c"), false, &[2], Visible),
            (&[1], Some("GPU-a"), false, all, All(Why::Unheard)),
            (&[1], Some("MIG-0f0f"), false, &[2], Visible),
            (&[1], Some("GPU-zzz"), false, all, All(Why::Unheard)),
            (&[1], Some(""), false, &[], Visible),
            (&[1], Some("-1"), false, &[], Visible),
            (&[1], Some("7"), true, all, All(Why::Unheard)),
        ];
        let cards = cards();
        for (tree, devices, by_bus, expected, rule) in table {
            let choice = choose(&cards, &[], Some(&life(tree, *devices, *by_bus)));
            let indices: Vec<u32> = choice.cards.iter().filter_map(|card| card.index).collect();
            assert_eq!((indices.as_slice(), choice.rule), (*expected, *rule), "{tree:?} {devices:?}");
        }
        assert_eq!(choose(&cards, &[], None).rule, All(Why::NoProcess));
    }

    #[test]
    fn a_number_is_believed_where_there_is_only_one_card() {
        let one = &cards()[..1];
        assert_eq!(choose(one, &[], Some(&life(&[1], Some("0"), false))).rule, Rule::Visible);
    }

    #[test]
    fn what_the_config_names_comes_before_everything_and_what_is_not_there_is_missing() {
        let names =
            [GpuName::Uuid("GPU-c".to_owned()), GpuName::Index(0), GpuName::Index(0), GpuName::Index(5)];
        let cards = cards();
        let choice = choose(&cards, &names, Some(&life(&[200], None, false)));
        assert_eq!(choice.rule, Rule::Named);
        assert_eq!(choice.cards.iter().filter_map(|card| card.index).collect::<Vec<_>>(), [2, 0]);
        assert_eq!(choice.missing, [GpuName::Index(5)]);
    }
}
