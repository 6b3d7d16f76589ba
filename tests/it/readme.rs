//! What the README shows is what happens.

use crate::scene::Scene;

/// The README's fenced blocks of one language.
fn blocks(language: &str) -> Vec<String> {
    let readme = include_str!("../../README.md");
    let mut blocks = Vec::new();
    let mut lines = readme.lines();
    while let Some(line) = lines.next() {
        if line == format!("```{language}") {
            blocks.push(lines.by_ref().take_while(|line| *line != "```").collect::<Vec<_>>().join("\n"));
        }
    }
    blocks
}

fn fixture(scene: &Scene, name: &str) {
    let source = format!("{}/fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    let copy = scene.write(&format!("fixtures/{name}"), std::fs::read(source).unwrap());
    // Whoever types the command has just cloned and built: minutes, not hours.
    let minutes_ago = std::time::SystemTime::now() - std::time::Duration::from_mins(10);
    std::fs::File::options().append(true).open(copy).unwrap().set_modified(minutes_ago).unwrap();
}

#[test]
fn the_capture_on_the_first_screen_is_what_the_command_prints() {
    let scene = Scene::new();
    fixture(&scene, "gpt-nan.log");
    let capture = &blocks("console")[0];
    let (command, rest) = capture.split_once('\n').unwrap();
    let (expected, code) = rest.split_once("\n$ echo $?\n").unwrap();
    let arguments: Vec<_> = command.strip_prefix("$ trainguard ").unwrap().split(' ').collect();
    let answer = scene.run(&arguments);
    let place = scene.path("").canonicalize().unwrap().display().to_string();
    assert_eq!(answer.stdout.replace(&format!("{place}/"), "").trim_end(), expected);
    assert_eq!(answer.code.to_string(), code);
}

#[test]
fn the_first_command_runs_the_same_patrol_through_cargo() {
    let command = blocks("sh")[0].lines().next().unwrap().to_owned();
    let capture = &blocks("console")[0];
    let patrol = capture.lines().next().unwrap().strip_prefix("$ trainguard ").unwrap();
    assert_eq!(command, format!("cargo run --release -- {patrol}"));
}

#[test]
fn the_config_in_the_readme_is_right() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", &blocks("yaml")[0]);
    let answer = scene.run(&["check"]);
    assert!(!answer.stdout.contains("not in effect") && answer.code != 3, "{answer:?}");
    for run in ["gpt", "bert"] {
        assert!(answer.stdout.contains(run), "{answer:?}");
    }
}
