use super::*;
use crate::finding::Severity::{Info, Warning};
use crate::judge::scene::Scene;

/// Noise between -1 and 1 that is the same in every run of the tests.
fn noise(step: u64) -> f64 {
    let mut hash = step.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    hash = (hash ^ (hash >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((hash >> 11) as f64 / (1_u64 << 53) as f64) * 2.0 - 1.0
}

/// Patrols every 1000 steps; the patrol (from 1) and severity of the first finding.
fn first(patrols: u64, loss: impl Fn(u64) -> f64) -> Option<(u64, Severity)> {
    let mut scene = Scene::new();
    (0..patrols).find_map(|patrol| {
        scene.losses(1000 * patrol..1000 * (patrol + 1), &loss).patrol();
        scene.severity(SYNDROME).map(|severity| (patrol + 1, severity))
    })
}

#[test]
fn a_loss_that_falls_like_a_power_of_the_step_is_never_flat_however_noisy() {
    for spread in [0.0, 0.01, 0.1, 0.5] {
        let loss = |step: u64| 1.7 + 8.0 * (1.0 + step as f64).powf(-0.3) + spread * noise(step);
        assert_eq!(first(60, loss), None, "{spread}");
    }
}

#[test]
fn a_loss_that_stopped_falling_is_flat_and_its_first_step_is_named() {
    let loss = |step: u64| 2.0 + 6.0 * (-(step.min(5000) as f64) / 800.0).exp() + 0.02 * noise(step);
    let (patrol, severity) = first(40, loss).unwrap();
    assert_eq!(severity, Warning);
    assert!((7..=14).contains(&patrol), "{patrol}");
}

#[test]
fn noise_that_would_hide_a_fall_is_not_called_flat() {
    assert_eq!(first(3, |step| 2.0 + 1.5 * noise(step)), None);
}

#[test]
fn an_explosion_is_no_plateau() {
    assert_eq!(first(10, |step| 2.0 + step as f64 / 100.0), None);
}

fn flat_scene(patrols: u64) -> Scene {
    let mut scene = Scene::new();
    for patrol in 0..patrols {
        scene.losses(1000 * patrol..1000 * (patrol + 1), |step| 2.0 + 0.001 * noise(step)).patrol();
    }
    scene
}

#[test]
fn patience_counts_only_patrols_that_brought_new_steps() {
    let mut scene = flat_scene(1);
    for _ in 0..5 {
        scene.patrol();
        assert_eq!(scene.severity(SYNDROME), None);
    }
    scene.losses(1000..2000, |step| 2.0 + 0.001 * noise(step)).patrol();
    assert_eq!(scene.severity(SYNDROME), Some(Warning));
}

#[test]
fn patrols_after_every_row_are_no_more_patient_than_those_after_a_hundred() {
    let mut scene = flat_scene(1);
    for step in 1000..1030 {
        scene.losses(step..step + 1, |step| 2.0 + 0.001 * noise(step)).patrol();
        assert_eq!(scene.severity(SYNDROME), None);
    }
}

#[test]
fn a_loss_that_came_down_to_a_tenth_has_arrived_and_one_at_rate_zero_has_not() {
    for (start, expected) in [(8.0, Some(Warning)), (300.0, None)] {
        let loss = |step: u64| 2.0 + (start - 2.0) * (-(step as f64) / 100.0).exp() + 1e-3 * noise(step);
        assert_eq!(first(20, loss).map(|(_, severity)| severity), expected, "{start}");
    }
    let mut scene = Scene::new();
    for step in 0..8000 {
        scene.row(step, |row| {
            row.values.set(Metric::Loss, 2.0 + 1e-3 * noise(step));
            row.values.set(Metric::Lr, if step < 2000 { 1e-3 } else { 0.0 });
        });
        if step % 1000 == 999 {
            scene.patrol();
        }
    }
    assert_eq!(scene.severity(SYNDROME), Some(Warning));
}

#[test]
fn a_policys_loss_says_nothing() {
    let mut scene = Scene::new();
    for step in 0..4000 {
        scene.row(step, |row| {
            row.values.set(Metric::Loss, 0.01 + 1e-5 * noise(step));
            row.values.set(Metric::Reward, step as f64);
        });
        if step % 1000 == 999 {
            assert!(scene.patrol().is_well(SYNDROME));
        }
    }
}

#[test]
fn it_is_kept_over_a_resume_and_ends_when_the_loss_falls_again() {
    let mut scene = flat_scene(1);
    scene.restart_in_log(900..901).patrol();
    assert_eq!(scene.severity(SYNDROME), None, "steps that were made before are no new ones");
    scene.losses(901..2000, |step| 2.0 + 0.001 * noise(step)).patrol();
    assert_eq!(scene.severity(SYNDROME), Some(Warning));
    for from in [2000, 3000] {
        scene.losses(from..from + 1000, |step| 2.0 - (step - 2000) as f64 / 4000.0).patrol();
    }
    assert!(scene.is_well(SYNDROME));
}

#[test]
fn one_warning_per_attempt() {
    let mut scene = flat_scene(2);
    assert_eq!(scene.severity(SYNDROME), Some(Warning));
    let mut level = 2.0;
    let mut step = 2000;
    while !scene.is_well(SYNDROME) {
        scene.losses(step..step + 1000, |now| level - (now - step) as f64 / 2000.0).patrol();
        (step, level) = (step + 1000, level - 0.5);
    }
    let mut told = Vec::new();
    for _ in 0..20 {
        scene.losses(step..step + 1000, |now| 1.0 + 0.001 * noise(now)).patrol();
        step += 1000;
        told.extend(scene.severity(SYNDROME));
    }
    assert!(!told.is_empty() && told.iter().all(|severity| *severity == Info), "{told:?}");
}

#[test]
fn a_decayed_learning_rate_or_the_end_of_the_run_explains_it() {
    for (total, last_lr, expected) in [
        (None, 1e-3, Some(Warning)),
        (None, 0.9e-4, None),
        (Some(2100), 1e-3, None),
        (Some(9000), 1e-3, Some(Warning)),
    ] {
        let mut scene = Scene::new();
        scene.run.total_steps = total;
        for step in 0..2000 {
            scene.row(step, |row| {
                row.values.set(Metric::Loss, 2.0);
                row.values.set(Metric::Lr, if step < 1500 { 1e-3 } else { last_lr });
            });
            if step == 1800 {
                scene.patrol();
            }
        }
        scene.patrol();
        assert_eq!(scene.severity(SYNDROME), expected, "{total:?} {last_lr}");
    }
}

#[test]
fn a_complete_run_has_no_plateau() {
    let mut scene = flat_scene(3);
    scene.completed().patrol();
    assert!(scene.is_well(SYNDROME));
}

#[test]
fn looks_that_are_seconds_apart_count_no_flat_patrols() {
    let mut scene = Scene::new();
    scene.attend(100_000);
    for look in 0..5 {
        scene.losses(1000 * look..1000 * (look + 1), |step| 2.0 + 0.001 * noise(step)).patrol();
        assert_eq!(scene.severity(SYNDROME), None);
    }
    scene.unattended().losses(5000..6000, |step| 2.0 + 0.001 * noise(step)).patrol();
    assert_eq!(scene.severity(SYNDROME), None, "the first patrol counts the first flat one");
}
