use super::*;
use proptest::prelude::*;

/// Three cards of one model, of which the driver's order is not that of the bus.
fn cards() -> Vec<Gpu> {
    [("GPU-aaa1", "00000000:81:00.0"), ("GPU-aab2", "00000000:01:00.0"), ("GPU-ccc3", "00000000:41:00.0")]
        .into_iter()
        .zip(0..)
        .map(|((uuid, bus), index)| Gpu {
            uuid: Some(uuid.to_owned()),
            pci_bus: Some(bus.to_owned()),
            index: Some(index),
            name: Some("H100".to_owned()),
            ..Gpu::default()
        })
        .collect()
}

fn divided() -> Vec<Gpu> {
    let mut cards = cards();
    let uuids = ["MIG-1111", "MIG-1222"].map(str::to_owned);
    let instance = |uuid: &String| Instance { uuid: uuid.clone(), ..Instance::default() };
    cards[2].instances = uuids.iter().map(instance).collect();
    cards[2].mig = uuids.to_vec();
    cards
}

fn lists(text: &str, by_bus: bool) -> Request {
    Request::Lists(vec![List { text: text.to_owned(), by_bus }], Source::Environment)
}

fn uuids(wanted: &Wanted<'_>) -> Vec<String> {
    wanted.targets.iter().map(Target::uuid).collect()
}

#[test]
fn a_list_names_cards_by_number_uuid_and_beginning_until_it_ends() {
    let table: &[(&str, &[&str])] = &[
        ("0", &["GPU-aab2"]),
        ("0,2,-1,1", &["GPU-aab2", "GPU-aaa1"]),
        ("2, 0 ,2", &["GPU-aaa1", "GPU-aab2"]),
        ("GPU-c", &["GPU-ccc3"]),
        ("GPU-aaa1,GPU-aab2", &["GPU-aaa1", "GPU-aab2"]),
        ("0,", &["GPU-aab2"]),
        ("", &[]),
        ("-1", &[]),
        ("NoDevFiles", &[]),
        ("-1,7,nonsense", &[]),
    ];
    for (text, expected) in table {
        let cards = cards();
        assert_eq!(uuids(&wanted(&lists(text, false), &cards).unwrap()), *expected, "{text}");
    }
}

#[test]
fn what_is_not_there_is_refused_with_what_is() {
    let table = [
        (
            "7",
            "names 7, and there is no such GPU here\nthere are, in the order of CUDA_VISIBLE_DEVICES:\n  0  GPU-aab2  H100 at 00000000:01:00.0",
        ),
        ("0,GPU-zzz", "names GPU-zzz, and there is no such GPU"),
        ("all", "names all, and there is no such GPU"),
        ("GPU-aa", "names GPU-aa, with which several begin: GPU-aaa1, GPU-aab2\nwrite more of it"),
        ("MIG-1", "with which several begin: MIG-1111, MIG-1222"),
    ];
    for (text, expected) in table {
        let cards = divided();
        let refused = wanted(&lists(text, false), &cards).unwrap_err();
        assert!(refused.starts_with("CUDA_VISIBLE_DEVICES of the environment"), "{refused}");
        assert!(refused.contains(expected), "{refused}");
    }
    assert!(wanted(&lists("0", false), &[]).unwrap_err().contains("no GPU answers"));
}

#[test]
fn an_instance_is_named_by_its_uuid_and_is_the_first_one_where_the_card_is_named() {
    let cards = divided();
    for (text, expected) in [("MIG-12", "MIG-1222"), ("1", "MIG-1111"), ("GPU-ccc", "MIG-1111")] {
        assert_eq!(uuids(&wanted(&lists(text, false), &cards).unwrap()), [expected], "{text}");
    }
    let named = Request::Named(vec![GpuName::Uuid("MIG-1222".to_owned())], Source::Flag);
    assert_eq!(uuids(&wanted(&named, &cards).unwrap()), ["MIG-1222"]);
    assert_eq!(wanted(&named, &cards).unwrap().targets[0].shown(), "GPU 2 (MIG-1222)");
}

#[test]
fn a_number_among_cards_that_differ_may_be_any_of_them_unless_the_bus_counts() {
    let mut cards = cards();
    cards[1].name = Some("T400".to_owned());
    let by_speed = wanted(&lists("0", false), &cards).unwrap();
    assert_eq!(by_speed.targets.len(), 3);
    assert!(by_speed.note.unwrap().contains("CUDA_DEVICE_ORDER=PCI_BUS_ID"));
    let by_bus = wanted(&lists("0", true), &cards).unwrap();
    assert_eq!((uuids(&by_bus), by_bus.note), (vec!["GPU-aab2".to_owned()], None));
    assert!(wanted(&lists("3", false), &cards).unwrap_err().contains("names 3"), "by any order");
}

#[test]
fn names_of_the_flag_are_those_of_nvidia_smi_and_slurms_those_of_the_node() {
    let cards = cards();
    let named = Request::Named(vec![GpuName::Index(1), GpuName::Index(1)], Source::Flag);
    assert_eq!(uuids(&wanted(&named, &cards).unwrap()), ["GPU-aab2"]);
    let missing = Request::Named(vec![GpuName::Index(5)], Source::Flag);
    assert!(wanted(&missing, &cards).unwrap_err().contains("--gpus names 5"));
    let table: &[(&str, usize, bool)] =
        &[("0,2", 2, false), ("1-2", 2, false), ("4-6", 3, false), ("4,5", 3, true), ("", 3, true)];
    for (numbers, count, noted) in table {
        let node = Request::Node((*numbers).to_owned(), Source::Slurm("SLURM_JOB_GPUS"));
        let wanted = wanted(&node, &cards).unwrap();
        assert_eq!((wanted.targets.len(), wanted.note.is_some()), (*count, *noted), "{numbers}");
    }
}

/// CUDA's rule once more, written down as its guide says it: take entries while they name a card.
fn model(entries: &[String], cards: &[Gpu]) -> Result<Vec<String>, ()> {
    let mut by_bus: Vec<_> =
        cards.iter().map(|card| (card.pci_bus.clone(), card.uuid.clone().unwrap())).collect();
    by_bus.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_empty() || entry.starts_with('-') {
            break;
        }
        let matching: Vec<String> = match entry.parse::<usize>() {
            Ok(number) => by_bus.iter().skip(number).take(1).map(|(_, uuid)| uuid.clone()).collect(),
            Err(_) => {
                by_bus.iter().map(|(_, uuid)| uuid.clone()).filter(|uuid| uuid.starts_with(entry)).collect()
            }
        };
        match matching.as_slice() {
            [one] if found.contains(one) => {}
            [one] => found.push(one.clone()),
            _ => return Err(()),
        }
    }
    Ok(found)
}

proptest! {
    #[test]
    fn every_list_is_read_as_the_guide_says(entries in proptest::collection::vec("(-?[0-4]|-1||GPU-[abc]{1,3}[123]?)", 0..6)) {
        let cards = cards();
        let request = lists(&entries.join(","), false);
        let found = wanted(&request, &cards).map(|wanted| uuids(&wanted)).map_err(|_| ());
        let expected = model(&entries, &cards);
        if request.is_none() {
            prop_assert_eq!(&found, &Ok(Vec::new()));
        }
        prop_assert_eq!(found, expected);
    }
}
