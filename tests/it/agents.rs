//! What agents are told holds: every command in `docs/agents.md` and the skill parses, and every field
//! that they are to read is there.

use crate::scene::{Scene, failure, healthy, python};
use clap::Parser as _;
use serde_json::Value;
use std::path::Path;
use trainguard::cli::Cli;

fn text(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Code between backticks, and the lines of fenced blocks.
fn code(text: &str) -> Vec<String> {
    let mut code = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            code.push(line.to_owned());
        } else {
            code.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    code
}

/// The words of a command line, as a shell takes them.
fn words(line: &str) -> Vec<String> {
    let script = "import json, shlex, sys; json.dump(shlex.split(sys.stdin.read()), sys.stdout)";
    serde_json::from_str(&python(script, line)).unwrap()
}

fn commands(text: &str) -> Vec<String> {
    let begin = |line: String| line.find("trainguard ").map(|at| line[at..].to_owned());
    let commands = code(text).into_iter().filter_map(begin);
    commands.filter(|line| !line.starts_with("trainguard command")).collect()
}

#[test]
fn every_command_that_an_agent_is_told_to_type_parses() {
    for (file, least) in [("docs/agents.md", 12), ("deploy/agents/SKILL.md", 10)] {
        let commands = commands(&text(file));
        assert!(commands.len() >= least, "{commands:#?}");
        for line in commands {
            let parsed = Cli::try_parse_from(words(&line));
            assert!(parsed.is_ok(), "{file}: {line}\n{}", parsed.unwrap_err());
        }
    }
}

#[test]
fn the_skill_has_the_front_matter_that_skills_have() {
    let text = text("deploy/agents/SKILL.md");
    let (front, body) = text.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let front: Value = serde_json::from_str(&python(script, front)).unwrap();
    assert_eq!(front["name"], "trainguard");
    // What skills may have at most.
    assert!((100..1024).contains(&front["description"].as_str().unwrap().len()));
    assert_eq!(front.as_object().unwrap().len(), 2);
    assert!(body.lines().count() < 500);
}

/// The first column of the tables whose heading this is.
fn fields(text: &str, heading: &str) -> Vec<String> {
    let table = text.split_once(&format!("| {heading} |")).unwrap().1;
    let rows = table.lines().skip(2).take_while(|line| line.starts_with("| `"));
    rows.map(|row| row.split('`').nth(1).unwrap().to_owned()).collect()
}

/// Finds a field by a path such as `runs[].findings[].state`.
fn field<'a>(mut value: &'a Value, path: &str) -> Option<&'a Value> {
    for part in path.split('.') {
        let key = part.trim_end_matches("[]");
        value = value.get(if key == "NAME" { "demo" } else { key })?;
        if part.ends_with("[]") {
            value = value.get(0)?;
        }
    }
    Some(value)
}

#[test]
fn every_field_that_an_agent_is_told_to_read_is_there() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20) + &failure(0));
    scene.write("trainguard.yaml", "runs: [{name: demo, log: train.log}]\n");
    let answer = scene.run(&["patrol", "--format", "json"]);
    let report: Value = serde_json::from_str(&answer.stdout).unwrap();
    let text = text("docs/agents.md");
    let of_report = fields(&text, "field of the report");
    assert!(of_report.len() > 8, "{of_report:?}");
    for path in of_report {
        assert!(field(&report, &path).is_some(), "{path}\n{report:#}");
    }
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    let health: Value = serde_json::from_str(&python(script, &scene.read("agent_health.yaml"))).unwrap();
    let of_health = fields(&text, "field of agent_health.yaml");
    assert!(of_health.len() > 6, "{of_health:?}");
    for path in of_health {
        assert!(field(&health, &path).is_some(), "{path}\n{health:#}");
    }
    for key in ["syndrome", "severity", "state", "message", "advice", "file", "line", "acknowledged"] {
        assert!(health["runs"]["demo"]["findings"][0].get(key).is_some(), "{key}\n{health:#}");
    }
}
