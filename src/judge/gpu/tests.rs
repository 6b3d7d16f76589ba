use crate::config::GpuName;
use crate::finding::Severity::{self, Critical, Info, Unknown, Warning};
use crate::judge::scene::Scene;
use crate::observe::Observation;
use crate::observe::gpu::{DriverFault, Gpu, GpuFacts, Holder, Throttle};
use crate::observe::process::Found;
use chrono::TimeDelta;

const GIB: u64 = 1 << 30;

fn card(letter: char) -> Gpu {
    Gpu {
        uuid: Some(format!("GPU-{letter}")),
        pci_bus: Some(format!("00000000:0{letter}:00.0")),
        index: Some(0),
        temperature_c: Some(60.0),
        slowdown_c: Some(92.0),
        clock_mhz: Some(1500),
        clock_max_mhz: Some(1980),
        throttle: Some(Vec::new()),
        ecc_volatile: Some(0),
        ..Gpu::default()
    }
}

fn facts(cards: Vec<Gpu>) -> Observation<GpuFacts> {
    Observation::Known(GpuFacts { source: "NVML".to_owned(), cards, ..GpuFacts::default() })
}

/// One patrol that finds these cards.
fn finds(scene: &mut Scene, cards: &[Gpu]) {
    scene.look.gpus = facts(cards.to_vec());
    scene.patrol();
}

/// What patrols say of a syndrome as one card changes.
fn told(syndrome: &str, history: &[Gpu]) -> Vec<Option<Severity>> {
    let mut scene = Scene::new();
    let patrols = history.iter().map(|card| {
        finds(&mut scene, std::slice::from_ref(card));
        scene.severity(syndrome)
    });
    patrols.collect()
}

#[test]
fn heat_is_a_warning_over_the_limit_critical_where_the_card_slows_down_and_over_when_it_has_cooled() {
    let history = [60.0, 85.0, 86.0, 83.0, 82.0, 92.0, 90.0, 89.0, 82.0, 91.9];
    let history = history.map(|c| Gpu { temperature_c: Some(c), ..card('a') });
    let expected = [
        None,
        None,
        Some(Warning),
        Some(Warning),
        None,
        Some(Critical),
        Some(Critical),
        Some(Warning),
        None,
        Some(Warning),
    ];
    assert_eq!(told("gpu_hot", &history), expected);
}

#[test]
fn throttling_is_told_when_two_looks_in_a_row_see_it_and_a_power_limit_only_where_it_costs_speed() {
    let with = |throttle: &[Throttle], clock| Gpu {
        throttle: Some(throttle.to_vec()),
        clock_mhz: Some(clock),
        ..card('a')
    };
    let table: &[(&[Throttle], u32, Option<Severity>)] = &[
        (&[Throttle::Heat], 1500, Some(Info)),
        (&[Throttle::PowerBrake], 1500, Some(Info)),
        (&[Throttle::Hardware], 1500, Some(Info)),
        (&[Throttle::PowerCap], 1500, None),
        (&[Throttle::PowerCap], 800, Some(Info)),
        (&[], 210, None),
    ];
    for (reasons, clock, expected) in table {
        let slow = with(reasons, *clock);
        let well = with(&[], 1500);
        assert_eq!(told("gpu_throttled", &[slow.clone(), well, slow.clone()]), [None; 3], "{reasons:?}");
        assert_eq!(told("gpu_throttled", &[slow.clone(), slow])[1], *expected, "{reasons:?} {clock}");
    }
}

#[test]
fn memory_errors_are_critical_from_their_rise_until_the_card_was_reset() {
    let history = [3, 3, 4, 4, 6, 0, 0].map(|count| Gpu { ecc_volatile: Some(count), ..card('a') });
    let open = Some(Critical);
    assert_eq!(told("ecc_error", &history), [None, None, open, open, open, None, None]);
}

#[test]
fn pending_repairs_of_memory_are_told_by_what_they_mean() {
    let table = [
        (Gpu { retired_pending: Some(true), ..card('a') }, Some(Critical)),
        (Gpu { remap_failed: Some(true), ..card('a') }, Some(Critical)),
        (Gpu { remap_pending: Some(true), ..card('a') }, Some(Warning)),
        (Gpu { retired_pending: Some(false), remap_failed: Some(false), ..card('a') }, None),
    ];
    for (card, expected) in table {
        assert_eq!(told("ecc_error", std::slice::from_ref(&card)), [expected], "{card:?}");
    }
}

#[test]
fn a_card_that_tells_nothing_of_a_field_is_neither_well_nor_unwell_in_it() {
    let mut scene = Scene::new();
    finds(&mut scene, &[Gpu { uuid: Some("GPU-a".to_owned()), ..Gpu::default() }]);
    assert!(scene.claims().is_empty(), "{:?}", scene.opinions);
    for syndrome in ["gpu_hot", "gpu_throttled", "ecc_error"] {
        assert!(!scene.is_well(syndrome), "{syndrome}");
    }
}

#[test]
fn a_lost_card_is_known_by_its_place_by_its_name_or_by_being_the_only_one_that_is_not_there() {
    let lost = |uuid: Option<&str>, bus: Option<&str>| Gpu {
        lost: true,
        uuid: uuid.map(str::to_owned),
        pci_bus: bus.map(str::to_owned),
        index: Some(1),
        ..Gpu::default()
    };
    let table = [
        (lost(Some("GPU-b"), None), "GPU-b"),
        (lost(None, Some("0000:0b:00.0")), "GPU-b"),
        (lost(None, None), "GPU-b"),
        (lost(None, Some("0000:77:00.0")), "0000:77:00.0"),
    ];
    for (lost, name) in table {
        let mut scene = Scene::new();
        finds(&mut scene, &[card('a'), card('b')]);
        finds(&mut scene, &[card('a'), lost.clone()]);
        let claim = scene.claim("gpu_fell_off_bus").unwrap();
        assert_eq!((claim.severity, claim.subject.of.as_deref()), (Critical, Some(name)), "{lost:?}");
        finds(&mut scene, &[card('a'), card('b')]);
        assert!(scene.is_well("gpu_fell_off_bus"), "{lost:?}");
    }
}

#[test]
fn two_lost_cards_are_told_apart_by_their_places() {
    let lost = |bus: &str| Gpu { lost: true, pci_bus: Some(bus.to_owned()), ..Gpu::default() };
    let mut scene = Scene::new();
    finds(&mut scene, &[card('a'), card('b'), card('c')]);
    finds(&mut scene, &[card('a'), lost("0000:0C:00.0"), lost("0000:0B:00.0")]);
    let named: Vec<_> = scene.claims().iter().filter_map(|claim| claim.subject.of.clone()).collect();
    assert_eq!(named, ["GPU-c", "GPU-b"]);
}

#[test]
fn a_lost_card_that_was_another_runs_is_not_this_runs_trouble() {
    let on = |pid, letter| Gpu { processes: Some(vec![Holder { pid, ..Holder::default() }]), ..card(letter) };
    for (mine, expected) in [('a', Some(Critical)), ('b', None)] {
        let mut scene = Scene::new();
        scene.process(42);
        let others = if mine == 'a' { 'b' } else { 'a' };
        finds(&mut scene, &[on(42, mine), on(7, others)]);
        let lost = Gpu { lost: true, uuid: Some("GPU-a".to_owned()), ..Gpu::default() };
        finds(&mut scene, &[lost, on(if mine == 'b' { 42 } else { 7 }, 'b')]);
        assert_eq!(scene.severity("gpu_fell_off_bus"), expected, "{mine}");
    }
}

#[test]
fn no_gpu_is_silent_unless_the_config_counts_on_one() {
    let mut scene = Scene::new();
    scene.patrol();
    assert!(scene.claims().is_empty());
    scene.config.gpu.expect = 2;
    scene.patrol();
    assert_eq!(scene.severity("gpu_missing"), Some(Critical));
    finds(&mut scene, &[card('a'), card('b')]);
    assert!(scene.is_well("gpu_missing"));
    scene.config.gpu.expect = 0;
    scene.run.gpus = vec![GpuName::Uuid("GPU-z".to_owned())];
    finds(&mut scene, &[card('a')]);
    assert_eq!(scene.claim("gpu_missing").unwrap().subject.of.as_deref(), Some("GPU-z"));
}

#[test]
fn a_driver_that_does_not_serve_says_why_and_one_that_fails_is_unknown() {
    let table = [
        (Some(DriverFault::NotLoaded), "driver_not_loaded", Critical),
        (Some(DriverFault::VersionMismatch), "driver_version_mismatch", Warning),
        (None, "gpu_unknown", Unknown),
    ];
    for (fault, syndrome, severity) in table {
        let mut scene = Scene::new();
        scene.look.gpus = match fault {
            Some(_) => Observation::Known(GpuFacts { fault, ..GpuFacts::default() }),
            None => Observation::Failed { why: "NVML: an internal driver error occurred".to_owned() },
        };
        scene.patrol();
        assert_eq!(scene.severity(syndrome), Some(severity));
        assert_eq!(scene.claims().len(), 1, "{:?}", scene.claims());
        finds(&mut scene, &[card('a')]);
        assert!(scene.is_well(syndrome), "{syndrome}");
    }
}

#[test]
fn readings_that_are_old_say_nothing_of_now() {
    let mut scene = Scene::new();
    for (minutes, expected) in [(9, None), (11, Some(Unknown))] {
        let taken = scene.now() - TimeDelta::minutes(minutes);
        let hot = Gpu { temperature_c: Some(99.0), ..card('a') };
        scene.look.gpus =
            Observation::Known(GpuFacts { cards: vec![hot], taken: Some(taken), ..GpuFacts::default() });
        scene.patrol();
        assert_eq!(scene.severity("gpu_unknown"), expected);
        assert_eq!(scene.severity("gpu_hot").is_some(), expected.is_none());
    }
}

fn holder(pid: u32, bytes: u64, lives: bool) -> Holder {
    Holder { pid, memory_bytes: Some(bytes), lives: Some(lives), command: None }
}

/// What two patrols in a row say of others on the run's card; the run's process is 42.
fn busy(own: Option<u32>, others: &[Holder], mig: bool) -> [Option<Severity>; 2] {
    let mut scene = Scene::new();
    scene.process(42);
    let processes = own.map(|pid| holder(pid, GIB, true)).into_iter().chain(others.iter().cloned()).collect();
    let mig = if mig { vec!["MIG-1".to_owned()] } else { Vec::new() };
    let gpu = Gpu { processes: Some(processes), mig, ..card('a') };
    [(); 2].map(|()| {
        finds(&mut scene, std::slice::from_ref(&gpu));
        scene.severity("gpu_busy")
    })
}

#[test]
fn others_on_the_runs_card_are_told_at_the_second_look_and_only_where_pids_mean_something() {
    let stranger = holder(7, 2 * GIB, true);
    let leftover = holder(8, 1 << 20, false);
    let monitor = holder(9, 300 << 20, true);
    let unlooked = Holder { lives: None, ..stranger.clone() };
    let warned = [None, Some(Warning)];
    assert_eq!(busy(Some(42), std::slice::from_ref(&stranger), false), warned);
    assert_eq!(busy(Some(42), &[leftover], false), warned);
    assert_eq!(busy(Some(42), &[monitor], false), [None; 2]);
    assert_eq!(busy(Some(42), &[unlooked], false), [None; 2]);
    assert_eq!(busy(None, std::slice::from_ref(&stranger), false), [None; 2]);
    assert_eq!(busy(Some(42), &[stranger], true), [None; 2]);
}

#[test]
fn a_run_that_has_ended_is_disturbed_by_nobody() {
    let mut scene = Scene::new();
    scene.process(42);
    let gpu = Gpu { processes: Some(vec![holder(42, GIB, true), holder(7, 2 * GIB, true)]), ..card('a') };
    finds(&mut scene, std::slice::from_ref(&gpu));
    finds(&mut scene, std::slice::from_ref(&gpu));
    assert_eq!(scene.severity("gpu_busy"), Some(Warning));
    scene.found(Found::Gone { pid: Some(42), why: "no process 42".to_owned() });
    finds(&mut scene, &[gpu]);
    assert!(scene.is_well("gpu_busy"));
}

#[test]
fn what_is_open_of_a_card_that_is_not_the_runs_any_more_is_over() {
    let mut scene = Scene::new();
    let hot = |letter| Gpu { temperature_c: Some(90.0), ..card(letter) };
    finds(&mut scene, &[hot('a'), hot('b')]);
    assert_eq!(scene.open.iter().filter(|open| open.syndrome == "gpu_hot").count(), 2);
    scene.run.gpus = vec![GpuName::Uuid("GPU-a".to_owned())];
    finds(&mut scene, &[hot('a'), hot('b')]);
    let open: Vec<_> = scene.open.iter().filter_map(|open| open.of.as_deref()).collect();
    assert_eq!(open, ["GPU-a"]);
}
