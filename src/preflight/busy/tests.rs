use super::*;
use crate::config::compile;
use crate::observe::gpu::{Gpu, Instance};

const GIB: u64 = 1 << 30;

fn holder(pid: u32, command: Option<&str>, bytes: Option<u64>) -> Holder {
    Holder { pid, memory_bytes: bytes, lives: Some(command.is_some()), command: command.map(str::to_owned) }
}

fn card(holders: &[Holder]) -> Gpu {
    let used = holders.iter().filter_map(|holder| holder.memory_bytes).sum::<u64>() + (GIB >> 2);
    Gpu {
        uuid: Some("GPU-a".to_owned()),
        utilization: Some(0.0),
        memory_used_bytes: Some(used),
        memory_total_bytes: Some(80 * GIB),
        processes: Some(holders.to_vec()),
        ..Gpu::default()
    }
}

fn told(card: &Gpu, seen: &[Who], ignore: &[Regex], own: &[i32]) -> Vec<String> {
    let limits = Limits { utilization_max: 0.85, memory_max: 0.85, ignore, own };
    match state(&Target { card, instance: card.instances.first() }, seen, &limits) {
        State::Free => Vec::new(),
        State::Blind(why) => vec![format!("blind: {why}")],
        State::Busy(reasons) => reasons
            .iter()
            .map(|reason| match reason {
                Reason::Process(holder, _) => format!("pid {}", holder.pid),
                Reason::Unexplained(bytes) => format!("held {}", bytes / GIB),
                Reason::Memory(..) => "memory".to_owned(),
                Reason::Utilization(_) => "utilization".to_owned(),
            })
            .collect(),
    }
}

#[test]
fn a_foreign_process_counts_and_what_is_ours_or_a_desktops_does_not() {
    let table: &[(Holder, &[&str])] = &[
        (holder(7, Some("python"), Some(GIB >> 1)), &["pid 7"]),
        (holder(7, Some("python"), None), &["pid 7"]),
        // Of another container, or dead.
        (holder(7, None, Some(GIB)), &["pid 7"]),
        (holder(7, Some("Xorg"), Some(GIB >> 2)), &[]),
        (holder(7, Some("Xorg"), None), &[]),
        (holder(7, Some("gnome-shell"), Some(GIB - 1)), &[]),
        (holder(7, Some("nvidia-persiste"), None), &[]),
        (holder(7, Some("gnome-shell"), Some(GIB)), &["pid 7"]),
        (holder(7, Some("Xorgasm"), Some(1)), &["pid 7"]),
        (holder(9, Some("python"), Some(GIB)), &[]),
    ];
    for (holder, expected) in table {
        assert_eq!(told(&card(std::slice::from_ref(holder)), &[], &[], &[8, 9]), *expected, "{holder:?}");
    }
}

#[test]
fn a_command_that_may_be_there_is_known_by_all_of_its_line_and_its_memory_still_counts() {
    let ignore = [compile("ollama (serve|run)").unwrap()];
    let seen = [Who { pid: 7, user: None, command: Some("/usr/bin/ollama serve".to_owned()), started: None }];
    assert_eq!(told(&card(&[holder(7, Some("ollama"), Some(2 * GIB))]), &seen, &ignore, &[]), [""; 0]);
    assert_eq!(told(&card(&[holder(7, Some("ollama"), Some(2 * GIB))]), &[], &ignore, &[]), ["pid 7"]);
    assert_eq!(told(&card(&[holder(7, Some("ollama"), Some(70 * GIB))]), &seen, &ignore, &[]), ["memory"]);
}

#[test]
fn memory_that_no_process_explains_counts_from_a_size_on_that_no_idle_card_shows() {
    let with = |used: u64| Gpu { memory_used_bytes: Some(used), ..card(&[]) };
    assert_eq!(told(&with(GIB - 1), &[], &[], &[]), [""; 0]);
    assert_eq!(told(&with(GIB), &[], &[], &[]), ["held 1"]);
    assert_eq!(told(&with(68 * GIB), &[], &[], &[]), ["held 68", "memory"]);
    let hidden = Gpu { processes: None, ..with(5 * GIB) };
    assert_eq!(told(&hidden, &[], &[], &[]), ["held 5"]);
    // A holder that does not tell how much may hold it all.
    let own = Gpu { memory_used_bytes: Some(9 * GIB), ..card(&[holder(9, Some("python"), None)]) };
    assert_eq!(told(&own, &[], &[], &[9]), [""; 0]);
}

#[test]
fn utilization_counts_from_the_limit_on() {
    for (utilization, expected) in [(0.84, &[][..]), (0.85, &["utilization"])] {
        assert_eq!(told(&Gpu { utilization: Some(utilization), ..card(&[]) }, &[], &[], &[]), expected);
    }
}

#[test]
fn a_card_that_is_lost_or_tells_nothing_is_not_free() {
    for gpu in [
        Gpu { lost: true, ..card(&[]) },
        Gpu { trouble: Some("no".to_owned()), ..card(&[]) },
        Gpu { uuid: Some("GPU-a".to_owned()), ..Gpu::default() },
    ] {
        assert!(told(&gpu, &[], &[], &[])[0].starts_with("blind: "), "{gpu:?}");
    }
}

#[test]
fn an_instance_is_judged_by_itself_and_not_by_its_neighbours_on_the_card() {
    let instance = |holders: &[Holder], used: u64| Instance {
        uuid: "MIG-1".to_owned(),
        memory_used_bytes: Some(used),
        memory_total_bytes: Some(10 * GIB),
        processes: Some(holders.to_vec()),
    };
    let neighbour = holder(7, Some("python"), Some(60 * GIB));
    let with = |instance| Gpu {
        instances: vec![instance],
        utilization: None,
        ..card(std::slice::from_ref(&neighbour))
    };
    assert_eq!(told(&with(instance(&[], 0)), &[], &[], &[]), [""; 0]);
    assert_eq!(told(&with(instance(&[], 9 * GIB)), &[], &[], &[]), ["held 9", "memory"]);
    assert_eq!(told(&with(instance(&[holder(8, Some("python"), Some(GIB))], GIB)), &[], &[], &[]), ["pid 8"]);
}
