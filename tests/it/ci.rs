//! CI gates: `--format github` and `--format junit` under a hostile log, and the examples in `deploy/ci/`
//! run as they stand.

use crate::scene::{Answer, BINARY, Scene, healthy, python};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const GATE: &[&str] = &["patrol", "--stateless", "--log", "train.log", "--name", "demo", "--format"];

/// Built at run time, so that no scanner takes the test for a leak.
fn token() -> String {
    format!("hf_{}", "aB3dE5gH7jK9".repeat(3))
}

/// A failure that is quoted, with everything in it that some receiver obeys, and commands around it.
fn hostile() -> String {
    let worst = format!(
        "\x1b[31m::error::pwned\x1b]0;title\x07 ##[error]pwned ]]> </testsuite> <!channel> @everyone `x` \0 {}",
        token()
    );
    let lines = [
        "step 1: loss 2.0",
        "step 2: loss 1.9",
        "::stop-commands::mine",
        "##[add-mask]step",
        "::mine::",
        &format!("RuntimeError: CUDA error: an illegal memory access was encountered {worst}"),
        &format!("  ::error file=x.py,line=1::{worst}"),
    ];
    lines.join("\r\n") + "\r\n"
}

fn gate(scene: &Scene, format: &str, more: &[&str]) -> Answer {
    scene.run(&[GATE, &[format], more].concat())
}

/// What the runner would obey: commands of the present kind at a line's start, of the old kind anywhere.
fn obeyed(output: &str) -> Vec<String> {
    let mut obeyed = Vec::new();
    let mut stopped: Option<String> = None;
    for line in output.lines() {
        let command = line.trim_start().strip_prefix("::").map(|rest| rest.split("::").next().unwrap());
        match (&stopped, command) {
            (Some(token), Some(command)) if command == token => stopped = None,
            (Some(_), _) => assert!(!line.contains("##["), "{line}"),
            (None, Some("stop-commands")) => {
                stopped = Some(line.trim_start().rsplit_once("::").unwrap().1.to_owned());
            }
            (None, Some(command)) => {
                assert!(!line.contains("##["), "{line}");
                obeyed.push(command.to_owned());
            }
            (None, None) => panic!("a line outside of stop-commands: {line:?}"),
        }
    }
    assert_eq!(stopped, None, "commands stay stopped for the rest of the job");
    obeyed
}

#[test]
fn github_obeys_our_annotations_and_nothing_that_a_log_says() {
    let scene = Scene::new();
    scene.write("train.log", hostile());
    let answer = gate(&scene, "github", &[]);
    assert_eq!(answer.code, 2, "{answer:?}");
    let obeyed = obeyed(&answer.stdout);
    assert!(
        !obeyed.is_empty() && obeyed.iter().all(|command| command.starts_with("error file=")),
        "{obeyed:?}"
    );
    assert!(obeyed[0].contains("line=6,title=demo%3A CRITICAL cuda_illegal_access"), "{obeyed:?}");
    assert!(!answer.stdout.contains(&token()) && answer.stdout.contains("[redacted]"), "{answer:?}");
    assert!(!answer.stdout.chars().any(|c| c.is_control() && c != '\n'), "{answer:?}");
    assert_eq!(answer.stderr, "");
}

#[test]
fn the_jobs_own_secrets_are_taken_out_of_both_formats() {
    let scene = Scene::new();
    let line = "RuntimeError: CUDA error: an illegal memory access was encountered at correct-horse-9";
    scene.write("train.log", format!("step 1: loss 2.0\n{line}\n"));
    for format in ["github", "junit"] {
        let mut command = scene.command(&[GATE, &[format]].concat());
        let answer: Answer = command.env("DB_PASSWORD", "correct-horse-9").output().unwrap().into();
        assert!(answer.code == 2 && answer.stdout.contains("[redacted]"), "{answer:?}");
        assert!(!answer.stdout.contains("correct-horse-9"), "{answer:?}");
    }
}

#[test]
fn annotated_files_are_named_within_the_checkout() {
    let scene = Scene::new();
    scene.write("out/train.log", hostile());
    let mut command =
        scene.command(&["patrol", "--stateless", "--log", "out/train.log", "--format", "github"]);
    let answer: Answer = command.env("GITHUB_WORKSPACE", scene.path("")).output().unwrap().into();
    assert!(answer.stdout.starts_with("::error file=out/train.log,line=6,"), "{answer:?}");
}

/// Suites, and of each its tests with what they came to.
fn junit(xml: &str) -> Value {
    let script = "
import json, sys, xml.etree.ElementTree as tree
def case(node):
    return {'name': node.get('name'), 'outcome': [part.tag for part in node],
            'text': ''.join(part.text or '' for part in node), 'message': ''.join(part.get('message') or '' for part in node)}
root = tree.fromstring(sys.stdin.buffer.read())
assert root.tag == 'testsuites', root.tag
suites = []
for suite in root:
    cases = [case(node) for node in suite.findall('testcase')]
    for kind, count in ('failure', 'failures'), ('error', 'errors'):
        found = sum(case['outcome'] == [kind] for case in cases)
        assert found == int(suite.get(count)), (count, suite.attrib)
    assert len(cases) == int(suite.get('tests')), suite.attrib
    suites.append({'name': suite.get('name'), 'failures': int(suite.get('failures')), 'errors': int(suite.get('errors')), 'cases': cases})
print(json.dumps(suites))";
    serde_json::from_str(&python(script, xml)).unwrap()
}

#[test]
fn junit_stays_one_document_whatever_a_log_says() {
    let scene = Scene::new();
    scene.write("train.log", hostile());
    let answer = gate(&scene, "junit", &[]);
    let suites = junit(&answer.stdout);
    assert_eq!((answer.code, suites.as_array().unwrap().len()), (2, 1), "{answer:?}");
    assert_eq!((&suites[0]["name"], &suites[0]["failures"]), (&"demo".into(), &1.into()), "{suites:#}");
    let words = suites[0]["cases"].as_array().unwrap().iter().find(|case| case["name"] == "words").unwrap();
    let text = words["text"].as_str().unwrap();
    assert!(text.contains("]]> </testsuite> <!channel>") && text.contains("[redacted]"), "{text}");
    assert!(!answer.stdout.contains(&token()) && !answer.stdout.contains("##["), "{answer:?}");
    assert!(!answer.stdout.lines().any(|line| line.trim_start().starts_with("::")), "{answer:?}");
}

#[test]
fn a_healthy_log_passes_every_check_and_a_missing_one_fails_under_any_threshold() {
    let scene = Scene::new();
    let missing = gate(&scene, "junit", &["--fail-on", "critical"]);
    let suites = junit(&missing.stdout);
    assert_eq!((missing.code, &suites[0]["errors"], &suites[0]["failures"]), (3, &1.into(), &0.into()));
    assert_eq!(gate(&scene, "github", &["--fail-on", "critical"]).code, 3);
    scene.write("train.log", healthy(0, 200));
    let well = gate(&scene, "junit", &[]);
    let suites = junit(&well.stdout);
    let cases = suites[0]["cases"].as_array().unwrap();
    assert_eq!(well.code, 0, "{well:?}");
    assert!(cases.len() > 10 && cases.iter().all(|case| case["outcome"].as_array().unwrap().is_empty()));
    let github = gate(&scene, "github", &[]);
    assert_eq!((github.code, obeyed(&github.stdout).len()), (0, 0), "{github:?}");
}

/// A run that could not lower its learning rate: a warning.
fn warning() -> String {
    healthy(0, 30) + &(30..200).map(|step| format!("step {step}: loss 1.06, lr 0\n")).collect::<String>()
}

#[test]
fn a_warning_below_the_threshold_is_told_and_fails_nothing() {
    let scene = Scene::new();
    scene.write("train.log", warning());
    let strict = gate(&scene, "junit", &[]);
    let suites = junit(&strict.stdout);
    assert_eq!(strict.code, 1, "{strict:?}");
    assert!(suites[0]["failures"].as_u64().unwrap() > 0, "{suites:#}");
    let lenient = gate(&scene, "junit", &["--fail-on", "critical"]);
    let suites = junit(&lenient.stdout);
    assert_eq!((lenient.code, &suites[0]["failures"], &suites[0]["errors"]), (0, &0.into(), &0.into()));
    let told = |case: &Value| case["outcome"] == serde_json::json!(["system-out"]);
    assert!(suites[0]["cases"].as_array().unwrap().iter().any(told), "{suites:#}");
    let github = gate(&scene, "github", &["--fail-on", "critical"]);
    assert!(github.code == 0 && github.stdout.starts_with("::warning "), "{github:?}");
}

#[test]
fn a_mistake_in_the_config_is_told_where_the_verdict_would_stand() {
    let scene = Scene::new();
    scene.write("trainguard.yaml", "runs: [{name: a, lgo: '##[error]::x'}]\n");
    let github = scene.run(&["patrol", "--stateless", "--format", "github"]);
    assert_eq!(
        (github.code, obeyed(&github.stdout)),
        (3, vec!["error title=trainguard%3A UNKNOWN".to_owned()])
    );
    assert!(github.stdout.contains("did you mean `log`?") && github.stderr.is_empty(), "{github:?}");
    let junit_answer = scene.run(&["patrol", "--stateless", "--format", "junit"]);
    let suites = junit(&junit_answer.stdout);
    assert_eq!((junit_answer.code, &suites[0]["errors"]), (3, &1.into()));
    assert!(junit_answer.stderr.contains("did you mean `log`?"), "{junit_answer:?}");
    let arguments = scene.run(&["patrol", "--stateless", "--format", "junit", "--fail-on", "nothing"]);
    assert!(arguments.code == 3 && arguments.stderr.contains("possible values"), "{arguments:?}");
}

#[test]
fn what_the_patrol_itself_could_not_do_is_in_the_document_as_in_the_exit_code() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    scene.write("blocked", "a file where the health file's directory should be");
    let common =
        ["patrol", "--log", "train.log", "--name", "demo", "--health-file", "blocked/h.yaml", "--format"];
    let answer = scene.run(&[&common[..], &["junit"]].concat());
    assert_eq!((answer.code, &junit(&answer.stdout)[0]["errors"]), (3, &1.into()), "{answer:?}");
    let answer = scene.run(&[&common[..], &["github"]].concat());
    assert!(answer.code == 3 && obeyed(&answer.stdout).len() == 1, "{answer:?}");
}

fn deployed(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/ci").join(name);
    let text = std::fs::read_to_string(path).unwrap();
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(sys.stdin), sys.stdout)";
    serde_json::from_str(&python(script, &text)).unwrap()
}

/// A place where the action's steps run: with the binary on the `PATH`, and a `cargo` that only notes
/// what it was asked for.
struct Runner {
    scene: Scene,
    action: Value,
}

impl Runner {
    fn new() -> Self {
        let scene = Scene::new();
        for directory in ["bin", "temp"] {
            std::fs::create_dir(scene.path(directory)).unwrap();
        }
        std::os::unix::fs::symlink(BINARY, scene.path("bin/trainguard")).unwrap();
        let cargo = scene.write("bin/cargo", "#!/bin/sh\necho \"$@\" >>\"$RUNNER_TEMP/cargo\"\n");
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(cargo, mode).unwrap();
        Self { scene, action: deployed("action.yml") }
    }

    /// Runs a step as the runner does, its expressions replaced by the inputs' values.
    fn step(&self, index: usize, inputs: &[(&str, &str)]) -> Answer {
        let step = &self.action["runs"]["steps"][index];
        assert_eq!(step["shell"], "bash");
        let script = step["run"].as_str().unwrap();
        assert!(!script.contains("${{"), "an input in a script is code: {script}");
        let bash = ["--noprofile", "--norc", "-eo", "pipefail", "-c", script];
        let mut command = Command::new("bash");
        command.args(bash).current_dir(self.scene.path("")).stdin(Stdio::null()).env_clear();
        let path = format!("{}:/usr/bin:/bin", self.scene.path("bin").display());
        command
            .env("PATH", path)
            .env("HOME", self.scene.path(""))
            .env("RUNNER_TEMP", self.scene.path("temp"));
        for file in ["GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STEP_SUMMARY"] {
            command.env(file, self.scene.path(file));
        }
        for (name, value) in step["env"].as_object().unwrap() {
            command.env(name, self.value(value.as_str().unwrap(), inputs));
        }
        command.output().unwrap().into()
    }

    fn value(&self, expression: &str, inputs: &[(&str, &str)]) -> String {
        let mut value = expression.replace("${{ github.action_path }}", "/action/deploy/ci");
        for (name, input) in self.action["inputs"].as_object().unwrap() {
            let given = inputs.iter().find(|(given, _)| given == name).map(|(_, value)| *value);
            let text = given.unwrap_or_else(|| input["default"].as_str().unwrap());
            value = value.replace(&format!("${{{{ inputs.{name} }}}}"), text);
        }
        assert!(!value.contains("${{"), "{value}");
        value
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.scene.path(name)).unwrap_or_default()
    }
}

#[test]
fn the_action_gates_a_job_and_writes_its_summary() {
    let runner = Runner::new();
    runner.scene.write("a log.txt", hostile());
    let bad = runner.step(1, &[("log", "a log.txt")]);
    assert_eq!((bad.code, runner.file("GITHUB_OUTPUT")), (2, "exit-code=2\n".to_owned()), "{bad:?}");
    assert!(!obeyed(&bad.stdout).is_empty());
    let summary = runner.file("GITHUB_STEP_SUMMARY");
    let lines: Vec<_> = summary.lines().collect();
    assert_eq!(lines[..2], ["### trainguard", ""]);
    assert!(lines[2].starts_with("    CRITICAL training step 2:"), "{summary}");
    assert!(lines[2..].iter().all(|line| line.is_empty() || line.starts_with("    ")), "{summary}");
    assert!(!summary.contains(&token()) && !summary.contains("stop-commands::"), "{summary}");

    runner.scene.write("a log.txt", warning());
    assert_eq!(runner.step(1, &[("log", "a log.txt")]).code, 1);
    assert_eq!(runner.step(1, &[("log", "a log.txt"), ("fail-on", "critical")]).code, 0);
    assert_eq!(runner.step(1, &[("log", "a log.txt"), ("fail-on", "$(touch owned)")]).code, 3);
    assert_eq!(runner.step(1, &[("log", "none.txt"), ("fail-on", "critical")]).code, 3);
    runner.scene.write("own.yaml", "runs: [{name: mine, log: a log.txt}]\n");
    let configured = runner.step(1, &[("config", "own.yaml")]);
    assert!(configured.code == 1 && configured.stdout.contains("title=mine%3A"), "{configured:?}");
    assert!(!runner.scene.path("owned").exists() && !runner.scene.path(".trainguard").exists());
}

#[test]
fn the_action_installs_what_is_asked_for_and_not_there() {
    let runner = Runner::new();
    let version = env!("CARGO_PKG_VERSION");
    for inputs in [&[][..], &[("version", version)]] {
        assert_eq!(runner.step(0, inputs).code, 0);
        assert_eq!((runner.file("temp/cargo"), runner.file("GITHUB_PATH")), (String::new(), String::new()));
    }
    assert_eq!(runner.step(0, &[("version", "99.0.0")]).code, 0);
    let root = runner.scene.path("temp/trainguard").display().to_string();
    let asked = format!("install --locked --root {root} --version 99.0.0 trainguard\n");
    assert_eq!(runner.file("temp/cargo"), asked);
    assert_eq!(runner.file("GITHUB_PATH"), format!("{root}/bin\n"));
    std::fs::remove_file(runner.scene.path("bin/trainguard")).unwrap();
    assert_eq!(runner.step(0, &[]).code, 0);
    let asked = format!("{asked}install --locked --root {root} --path /action/deploy/ci/../..\n");
    assert_eq!(runner.file("temp/cargo"), asked);
    let source: PathBuf = [env!("CARGO_MANIFEST_DIR"), "deploy/ci/../..", "Cargo.toml"].iter().collect();
    assert!(source.exists());
}

#[test]
fn the_gitlab_example_leaves_its_report() {
    let runner = Runner::new();
    let job = &deployed("gitlab-ci.yml")["trainguard"];
    runner.scene.write("train.log", hostile());
    let script = job["script"][0].as_str().unwrap();
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]).current_dir(runner.scene.path("")).stdin(Stdio::null());
    shell.env_clear().env("PATH", format!("{}:/usr/bin:/bin", runner.scene.path("bin").display()));
    let answer: Answer = shell.output().unwrap().into();
    assert_eq!(answer.code, 2, "{answer:?}");
    let report = runner.file(job["artifacts"]["reports"]["junit"].as_str().unwrap());
    assert_eq!(junit(&report)[0]["failures"], 1);
}
