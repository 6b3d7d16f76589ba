use crate::finding::Severity::{Unknown, Warning};
use crate::judge::scene::Scene;
use crate::observe::Observation;
use crate::observe::memory::{MemoryFacts, Space};

const GB: u64 = 1_000_000_000;
const MINUTE: i64 = 60;

/// The machine has 100 GB, of which so many are used.
fn uses(scene: &mut Scene, gigabytes: f64) -> &mut Scene {
    let used_bytes = (gigabytes * GB as f64) as u64;
    let machine = Space { cgroup: None, limit_bytes: 100 * GB, used_bytes };
    scene.look.memory =
        Observation::Known(MemoryFacts { spaces: vec![machine], swap_total_bytes: 0, swap_used_bytes: 0 });
    scene
}

/// Patrols that find so much used, so many minutes apart; whether the last one warns.
fn warns(gigabytes: &[f64], apart: i64) -> bool {
    let mut scene = Scene::new();
    for used in gigabytes {
        // A patrol takes five minutes of the scene's time.
        uses(&mut scene, *used).patrol().later((apart - 5) * MINUTE);
    }
    scene.severity("memory_high") == Some(Warning)
}

#[test]
fn too_much_is_more_than_the_limit_and_is_over_two_percent_below_it() {
    let table: &[(&[f64], bool)] =
        &[(&[95.0], false), (&[95.1], true), (&[95.1, 93.1], true), (&[95.1, 92.9], false), (&[93.1], false)];
    for (used, warned) in table {
        assert_eq!(warns(used, 30), *warned, "{used:?}");
    }
    let mut scene = Scene::new();
    uses(&mut scene, 97.2).patrol();
    let claim = scene.claim("memory_high").unwrap();
    assert_eq!(
        claim.message,
        "97 % of the machine's memory is used, 97.2 GB of 100.0 GB, wanted at most 95 %"
    );
    assert_eq!(claim.evidence["used_bytes"], 97_200_000_000_u64);
    assert_eq!(claim.evidence["used_ratio"], 0.972);
    uses(&mut scene, 50.0).patrol();
    assert!(scene.is_well("memory_high"));
}

#[test]
fn what_is_full_before_the_next_patrol_is_told_now_and_only_by_a_steady_trend() {
    let table: &[(&[f64], i64, bool, &str)] = &[
        (&[60.0, 75.0, 90.0], 30, true, "10 GB left, 15 GB in half an hour"),
        (&[75.0, 90.0], 30, false, "two looks are no trend"),
        (&[60.0, 62.0, 64.0], 30, false, "hours are left"),
        (&[60.0, 80.0, 79.0, 90.0], 30, false, "it fell in between"),
        (&[20.0, 85.0, 88.0, 90.0], 30, false, "a model was loaded, then hardly anything"),
        (&[80.0, 80.0, 90.0], 30, false, "it stood still"),
        (&[70.0, 76.0, 82.0], 2, true, "6 GB in 2 min, 18 left"),
        (&[10.0, 16.0, 22.0], 2, false, "26 min ahead on the word of 4 min"),
        (&[93.2, 93.5, 93.8], 30, false, "under a percent in all"),
        (&[60.0, 75.0, 90.0, 90.0], 30, false, "it has stopped"),
    ];
    for (used, apart, warned, why) in table {
        assert_eq!(warns(used, *apart), *warned, "{used:?} every {apart} min: {why}");
    }
}

#[test]
fn the_rate_and_the_time_until_it_is_full_are_told() {
    let mut scene = Scene::new();
    for used in [60.0, 75.0, 90.0] {
        uses(&mut scene, used).patrol().later(25 * MINUTE);
    }
    let claim = scene.claim("memory_high").unwrap();
    assert_eq!(
        claim.message,
        "90 % of the machine's memory is used, 90.0 GB of 100.0 GB; it grows by 30.0 GB an hour, full in 20 min"
    );
    assert_eq!(claim.evidence["growth_bytes_per_h"], 30e9);
    assert_eq!(claim.evidence["full_in_s"], 1200.0);
    assert!(claim.advice.contains("ps aux"), "{}", claim.advice);
}

#[test]
fn the_run_is_named_where_it_is_what_grows() {
    for (resident, leaks) in [([10, 24, 38], true), ([10, 10, 10], false), ([10, 12, 14], false)] {
        let mut scene = Scene::new();
        scene.process(10);
        for (used, resident) in [60.0, 75.0, 90.0].into_iter().zip(resident) {
            scene.life().resident_bytes = resident * GB;
            uses(&mut scene, used).patrol().later(25 * MINUTE);
        }
        let claim = scene.claim("memory_high").unwrap();
        let told = "the run itself leaks, 38.0 GB resident and 28.0 GB more an hour";
        assert_eq!(claim.message.contains(told), leaks, "{}", claim.message);
        assert_eq!(claim.advice.contains("leak"), leaks, "{}", claim.advice);
        assert_eq!(claim.evidence["resident_bytes"], resident[2] * GB);
    }
}

#[test]
fn growth_ends_with_the_boot_the_process_and_looks_that_are_one() {
    let grows = |between: fn(&mut Scene)| {
        let mut scene = Scene::new();
        for used in [60.0, 75.0, 90.0] {
            between(&mut scene);
            uses(&mut scene, used).patrol().later(25 * MINUTE);
        }
        scene.severity("memory_high").is_some()
    };
    assert!(grows(|_| ()));
    let set: fn(&mut Scene) = |scene| {
        scene.clock_jumps(-7200);
    };
    assert!(grows(set), "a clock that was set");
    assert!(!grows(|scene| scene.clock.boot_id += "x"));
    let at_once: fn(&mut Scene) = |scene| {
        scene.later(-1795);
    };
    assert!(!grows(at_once), "5 s apart");
}

#[test]
fn a_control_group_is_judged_beside_the_machine_and_by_its_own_looks() {
    let mut scene = Scene::new();
    let group = |name: &str, used: u64| Space {
        cgroup: Some(name.to_owned()),
        limit_bytes: 10 * GB,
        used_bytes: used * GB / 10,
    };
    let look = |scene: &mut Scene, space: Option<Space>| {
        uses(scene, 20.0);
        if let Observation::Known(facts) = &mut scene.look.memory {
            facts.spaces.extend(space);
        }
        scene.patrol().later(25 * MINUTE);
    };
    look(&mut scene, Some(group("/job", 97)));
    assert_eq!(scene.claims().len(), 1, "the machine is well");
    let claim = scene.claim("memory_high").unwrap();
    assert!(
        claim.message.contains("the memory of control group /job is used, 9.7 GB of 10.0 GB"),
        "{}",
        claim.message
    );
    assert_eq!(claim.subject.of.as_deref(), Some("/job"));
    look(&mut scene, None);
    assert!(scene.is_well("memory_high"), "the run has left its group");
    for (name, used) in [("/a", 60), ("/a", 75), ("/b", 90)] {
        look(&mut scene, Some(group(name, used)));
        assert_eq!(scene.severity("memory_high"), None, "another group's growth");
    }
}

#[test]
fn not_to_have_looked_is_unknown_and_leaves_open_what_is() {
    let mut scene = Scene::new();
    uses(&mut scene, 97.0).patrol();
    scene.look.memory = Observation::Failed { why: "/proc/meminfo: permission denied".to_owned() };
    scene.patrol();
    assert_eq!(scene.severity("memory_unknown"), Some(Unknown));
    assert!(scene.open.iter().any(|open| open.syndrome == "memory_high"));
    scene.look.memory = Observation::Absent;
    scene.patrol();
    assert!(!scene.is_well("memory_unknown"));
}
