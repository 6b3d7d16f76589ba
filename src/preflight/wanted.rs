//! From what is asked for to cards that are there, or to why that cannot be.

use super::request::{List, Request, Source};
use crate::config::GpuName;
use crate::judge::gpu::find;
use crate::judge::gpu::visible::{Miss, Order, Place, entries};
use crate::observe::gpu::{Gpu, Instance};
use std::fmt::Write;

/// A card, or an instance of a divided one, that the run will use.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target<'a> {
    /// The card.
    pub card: &'a Gpu,
    /// The instance of it, where it is divided.
    pub instance: Option<&'a Instance>,
}

impl Target<'_> {
    /// For records: the UUID, where it tells one.
    pub fn uuid(&self) -> String {
        self.instance.map_or_else(|| self.card.label(), |instance| instance.uuid.clone())
    }

    /// For people: `GPU 3 (GPU-8f6d1a2b)`, the number as `nvidia-smi` shows it.
    pub fn shown(&self) -> String {
        let uuid = self.uuid();
        let short = short(&uuid);
        self.card.index.map_or_else(|| short.to_owned(), |index| format!("GPU {index} ({short})"))
    }

    fn is(&self, other: &Self) -> bool {
        std::ptr::eq(self.card, other.card)
            && self.instance.map(|instance| &instance.uuid) == other.instance.map(|instance| &instance.uuid)
    }
}

/// What the run will use.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Wanted<'a> {
    /// Each once.
    pub targets: Vec<Target<'a>>,
    /// Who says so, for people.
    pub said: String,
    /// What is to be known of it besides.
    pub note: Option<String>,
}

/// Finds what is asked for. The error says what there is instead.
pub fn wanted<'a>(request: &Request, cards: &'a [Gpu]) -> Result<Wanted<'a>, String> {
    match request {
        Request::Named(names, source) => named(names, *source, cards),
        Request::Lists(lists, source) => {
            let mut wanted = Wanted { said: source.to_string(), ..Wanted::default() };
            for list in lists {
                listed(list, *source, cards, &mut wanted)?;
            }
            Ok(wanted)
        }
        Request::Node(numbers, source) => Ok(of_node(numbers, *source, cards)),
        Request::All(why) => Ok(Wanted { said: format!("all of the machine: {why}"), ..all(cards) }),
    }
}

fn named<'a>(names: &[GpuName], source: Source, cards: &'a [Gpu]) -> Result<Wanted<'a>, String> {
    let mut wanted = Wanted { said: source.to_string(), ..Wanted::default() };
    for name in names {
        let card = find(cards, name).ok_or_else(|| {
            format!("{source} names {name}, and no one GPU here is that\n{}", there_are(cards, &Order::Speed))
        })?;
        let begins = |uuid: &&String| matches!(name, GpuName::Uuid(text) if uuid.starts_with(text.as_str()));
        let instance = card.mig.iter().find(begins).map(String::as_str);
        wanted.add(target(Place { card, instance }));
    }
    Ok(wanted)
}

fn listed<'a>(list: &List, source: Source, cards: &'a [Gpu], wanted: &mut Wanted<'a>) -> Result<(), String> {
    let order = order(cards, list.by_bus);
    for (entry, place) in entries(&list.text, cards, &order) {
        match place {
            Ok(place) => wanted.add(target(place)),
            Err(Miss::End) => break,
            Err(Miss::BySpeed) => {
                all(cards).targets.into_iter().for_each(|target| wanted.add(target));
                wanted.note = Some(format!(
                    "{source} gives numbers, which CUDA counts from the fastest card, and the cards here differ: all are looked at; set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name UUIDs"
                ));
            }
            Err(Miss::Absent) => {
                let next = there_are(cards, &order);
                return Err(format!("{source} names {entry}, and there is no such GPU here\n{next}"));
            }
            Err(Miss::Ambiguous(places)) => {
                let uuids: Vec<String> = places.into_iter().map(|place| target(place).uuid()).collect();
                return Err(format!(
                    "{source} names {entry}, with which several begin: {}\nwrite more of it",
                    uuids.join(", ")
                ));
            }
        }
    }
    Ok(())
}

/// Cards of one model are as fast as each other, and CUDA then counts them by the bus.
fn order(cards: &[Gpu], by_bus: bool) -> Order<'_> {
    let mut names = cards.iter().map(|card| card.name.as_ref());
    let first = names.next().flatten();
    let alike = first.is_some() && names.all(|name| name == first);
    Order::of(cards, by_bus || alike)
}

/// Slurm numbers the node's GPUs; a job that is shut in with its own sees those alone.
fn of_node<'a>(numbers: &str, source: Source, cards: &'a [Gpu]) -> Wanted<'a> {
    let said = source.to_string();
    let numbers = ranges(numbers);
    if numbers.len() == cards.len() {
        return Wanted { said, ..all(cards) };
    }
    let Order::Bus(by_bus) = Order::of(cards, true) else { return Wanted { said, ..all(cards) } };
    let found: Vec<&Gpu> = numbers.iter().filter_map(|number| by_bus.get(*number).copied()).collect();
    if found.is_empty() || found.len() < numbers.len() {
        let note = Some(format!("{source} gives numbers that the GPUs here do not have: all are looked at"));
        return Wanted { said, note, ..all(cards) };
    }
    let mut wanted = Wanted { said, ..Wanted::default() };
    wanted.extend(found);
    wanted
}

/// `0,2-3`; what is no number is left out.
fn ranges(text: &str) -> Vec<usize> {
    let mut numbers = Vec::new();
    for entry in text.split(',').map(str::trim) {
        let (first, last) = entry.split_once('-').unwrap_or((entry, entry));
        if let (Ok(first), Ok(last)) = (first.parse::<usize>(), last.parse::<usize>()) {
            numbers.extend((first..=last).take(256));
        }
    }
    numbers
}

fn all(cards: &[Gpu]) -> Wanted<'_> {
    let mut wanted = Wanted::default();
    wanted.extend(cards);
    wanted
}

/// Of a divided card CUDA uses the first instance, where none is named.
fn target(place: Place<'_>) -> Target<'_> {
    let Place { card, instance } = place;
    let found = match instance {
        Some(uuid) => card.instances.iter().find(|instance| instance.uuid.starts_with(uuid)),
        None => card.instances.first(),
    };
    Target { card, instance: found }
}

impl<'a> Wanted<'a> {
    fn extend(&mut self, cards: impl IntoIterator<Item = &'a Gpu>) {
        for card in cards {
            self.add(target(Place { card, instance: None }));
        }
    }

    fn add(&mut self, target: Target<'a>) {
        if !self.targets.iter().any(|known| known.is(&target)) {
            self.targets.push(target);
        }
    }
}

/// What there is, a line for each; numbers as CUDA would count them, where that is known.
fn there_are(cards: &[Gpu], order: &Order<'_>) -> String {
    if cards.is_empty() {
        return "no GPU answers on this machine".to_owned();
    }
    let (cards, by): (Vec<&Gpu>, _) = match order {
        Order::Bus(by_bus) => (by_bus.clone(), "in the order of CUDA_VISIBLE_DEVICES"),
        Order::Speed => (cards.iter().collect(), "as nvidia-smi numbers them"),
    };
    let mut text = format!("there are, {by}:");
    for (place, card) in cards.iter().enumerate() {
        let number = match order {
            Order::Bus(_) => Some(place as u32),
            Order::Speed => card.index,
        };
        let number = number.map_or_else(|| "-".to_owned(), |number| number.to_string());
        let name = card.name.as_deref().unwrap_or("GPU");
        let bus = card.pci_bus.as_deref().map_or_else(String::new, |bus| format!(" at {bus}"));
        let _ = write!(text, "\n  {number}  {}  {name}{bus}", card.label());
        for instance in &card.mig {
            let _ = write!(text, "\n     {instance}");
        }
    }
    text
}

/// As much of a UUID as tells cards apart and can be typed: its kind and eight digits.
fn short(uuid: &str) -> &str {
    let digits = uuid.find('-').map_or(0, |dash| dash + 1);
    let begins_so = uuid.starts_with("GPU-") || uuid.starts_with("MIG-");
    uuid.get(..digits + 8).filter(|_| begins_so).unwrap_or(uuid)
}

#[cfg(test)]
mod tests;
