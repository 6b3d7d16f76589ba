//! What a damaged or foreign state file does: nothing is told twice, and the damage is told.

use crate::scene::{Answer, Scene, failure, healthy};
use std::fs;

/// Two patrols of a log with a failure in it: both generations of the state exist.
fn with_two_generations() -> Scene {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20) + &failure(0));
    assert_eq!(scene.patrol(&[]).code, 2);
    scene.append("train.log", "a line that says nothing\n");
    assert_eq!(scene.patrol(&[]).code, 2);
    assert_eq!(told(&scene, "cuda_illegal_access"), 1);
    scene
}

fn told(scene: &Scene, syndrome: &str) -> usize {
    scene.alerts().iter().filter(|line| line.contains(&format!(" opened {syndrome} "))).count()
}

/// The next patrol tells the damage once, and the failure not again, whatever was re-read.
fn expect_damage_told_and_nothing_twice(scene: &Scene) -> Answer {
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains("state_damaged") && answer.stdout.contains("demo.json"), "{answer:?}");
    assert!(answer.stdout.contains("cuda_illegal_access"), "{answer:?}");
    assert_eq!(scene.patrol(&[]).code, 2);
    scene.append("train.log", failure(1));
    assert_eq!(scene.patrol(&[]).code, 2);
    assert_eq!(told(scene, "cuda_illegal_access"), 1, "{:#?}", scene.alerts());
    assert_eq!(told(scene, "state_damaged"), 1, "{:#?}", scene.alerts());
    answer
}

#[test]
fn a_damaged_state_file_is_set_aside_and_the_previous_one_used() {
    let scene = with_two_generations();
    scene.write(".trainguard/demo.json", "{\"schema\":\"trainguard/state/1\",\"run\":\"de");
    expect_damage_told_and_nothing_twice(&scene);
    assert!(scene.path(".trainguard/demo.json.damaged").exists());
}

#[test]
fn an_empty_state_file_is_set_aside_and_the_previous_one_used() {
    let scene = with_two_generations();
    scene.write(".trainguard/demo.json", "");
    expect_damage_told_and_nothing_twice(&scene);
}

#[test]
fn with_both_generations_damaged_the_log_is_read_again_and_tells_no_failure_twice() {
    let scene = with_two_generations();
    scene.write(".trainguard/demo.json", "\0\0\0\0");
    scene.write(".trainguard/demo.json.prev", "[]");
    expect_damage_told_and_nothing_twice(&scene);
}

#[test]
fn a_state_file_of_random_bytes_or_of_another_shape_ends_no_patrol() {
    let bytes: Vec<u8> = (0..5000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let shapes: [&[u8]; 4] = [&bytes, b"null", b"{}", br#"{"schema":"trainguard/state/1","run":7}"#];
    for shape in shapes {
        let scene = with_two_generations();
        scene.write(".trainguard/demo.json", shape);
        expect_damage_told_and_nothing_twice(&scene);
    }
}

#[test]
fn a_state_of_another_log_is_refused() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 5));
    scene.write("other.log", healthy(0, 5));
    assert_eq!(scene.patrol(&[]).code, 0);
    let before = scene.read(".trainguard/demo.json");
    let answer = scene.run(&["patrol", "--log", "other.log", "--name", "demo"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    let said = answer.stdout + &answer.stderr;
    assert!(said.contains("train.log") && said.contains("demo"), "{said}");
    assert_eq!(scene.read(".trainguard/demo.json"), before);
}

#[test]
fn a_state_of_a_newer_version_is_refused_and_left_alone() {
    let scene = with_two_generations();
    let newer = scene.read(".trainguard/demo.json").replace("trainguard/state/1", "trainguard/state/2");
    scene.write(".trainguard/demo.json", &newer);
    let answer = scene.patrol(&[]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!((answer.stdout + &answer.stderr).contains("trainguard/state/2"));
    assert_eq!(scene.read(".trainguard/demo.json"), newer);
}

#[test]
fn a_state_directory_that_is_a_symbolic_link_or_writable_by_all_is_refused() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 5) + &failure(0));
    fs::create_dir(scene.path("elsewhere")).unwrap();
    symlink(scene.path("elsewhere"), scene.path("linked")).unwrap();
    let answer = scene.patrol(&["--state-dir", "linked"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("symbolic link"), "{answer:?}");

    fs::create_dir(scene.path("open")).unwrap();
    fs::set_permissions(scene.path("open"), fs::Permissions::from_mode(0o777)).unwrap();
    let answer = scene.patrol(&["--state-dir", "open"]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stderr.contains("open") && answer.stderr.contains("writable"), "{answer:?}");
    assert_eq!(fs::read_dir(scene.path("open")).unwrap().count(), 0);
}

#[test]
fn state_files_are_private_and_what_quotes_the_log_is_no_more_open_than_the_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let scene = Scene::new();
    let log = scene.write("train.log", healthy(0, 5) + &failure(0));
    fs::set_permissions(log, fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(scene.patrol(&[]).code, 2);
    let mode = |name: &str| fs::metadata(scene.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(".trainguard"), 0o755);
    assert_eq!(mode(".trainguard/demo.json"), 0o600);
    for quoting in [".trainguard/alerts.log", ".trainguard/agent_health.yaml"] {
        assert_eq!(mode(quoting) & !0o640, 0, "{quoting} is {:o}", mode(quoting));
    }
}
