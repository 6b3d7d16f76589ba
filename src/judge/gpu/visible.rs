//! `CUDA_VISIBLE_DEVICES` as CUDA reads it: by number, by UUID, by the beginning of one, up to the
//! first entry that names nothing.

use crate::observe::gpu::Gpu;

/// What an entry names: a card, or an instance of a divided one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place<'a> {
    /// The card.
    pub card: &'a Gpu,
    /// The UUID of the instance, where the entry names one.
    pub instance: Option<&'a str>,
}

/// Why an entry names nothing.
#[derive(Debug, Clone, PartialEq)]
pub enum Miss<'a> {
    /// It says that the list ends here, as `-1` does.
    End,
    /// A number, and CUDA counts from the fastest card: which one that is, is not known here.
    BySpeed,
    /// There is no such card.
    Absent,
    /// A beginning that several have.
    Ambiguous(Vec<Place<'a>>),
}

/// How CUDA counts the cards.
#[derive(Debug, Clone, PartialEq)]
pub enum Order<'a> {
    /// By their places on the bus: these, from 0.
    Bus(Vec<&'a Gpu>),
    /// The fastest first, and the others in an order of which nothing is said.
    Speed,
}

impl<'a> Order<'a> {
    /// The order of `CUDA_DEVICE_ORDER=PCI_BUS_ID`, or that of one card alone.
    pub fn of(cards: &'a [Gpu], by_bus: bool) -> Self {
        if cards.len() > 1 && !(by_bus && cards.iter().all(|card| card.pci_bus.is_some())) {
            return Self::Speed;
        }
        let mut by_bus: Vec<&Gpu> = cards.iter().collect();
        by_bus.sort_by_key(|card| card.pci_bus.as_deref().map(str::to_ascii_lowercase));
        Self::Bus(by_bus)
    }
}

/// The entries of a list with what each names. CUDA takes them up to the first [`Miss`].
pub fn entries<'a, 'l>(
    list: &'l str,
    cards: &'a [Gpu],
    order: &Order<'a>,
) -> impl Iterator<Item = (&'l str, Result<Place<'a>, Miss<'a>>)> {
    list.split(',').map(str::trim).map(move |entry| (entry, place(entry, cards, order)))
}

fn place<'a>(entry: &str, cards: &'a [Gpu], order: &Order<'a>) -> Result<Place<'a>, Miss<'a>> {
    if entry.is_empty() || entry == "NoDevFiles" || entry.starts_with('-') {
        return Err(Miss::End);
    }
    if let Ok(number) = entry.parse::<usize>() {
        let Order::Bus(by_bus) = order else {
            return Err(if number < cards.len() { Miss::BySpeed } else { Miss::Absent });
        };
        let card = by_bus.get(number).ok_or(Miss::Absent)?;
        return Ok(Place { card, instance: None });
    }
    if !entry.starts_with("GPU-") && !entry.starts_with("MIG-") {
        return Err(Miss::Absent);
    }
    let mut found = by_uuid(cards, entry);
    match (found.pop(), found.is_empty()) {
        (None, _) => Err(Miss::Absent),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            found.push(last);
            Err(Miss::Ambiguous(found))
        }
    }
}

/// The cards and instances whose UUID begins so; the one that is so, where there is one.
pub fn by_uuid<'a>(cards: &'a [Gpu], prefix: &str) -> Vec<Place<'a>> {
    let mut found = Vec::new();
    for card in cards {
        let whole = card.uuid.iter().map(|uuid| (uuid, None));
        let instances = card.mig.iter().map(|uuid| (uuid, Some(uuid.as_str())));
        for (uuid, instance) in whole.chain(instances) {
            if uuid == prefix {
                return vec![Place { card, instance }];
            }
            if uuid.starts_with(prefix) {
                found.push(Place { card, instance });
            }
        }
    }
    found
}
