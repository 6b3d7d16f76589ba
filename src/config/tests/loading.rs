//! What a config means once it is right: defaults, files, bases, trust.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Everything that does not depend on where the config is.
fn values(config: &Config) -> String {
    let Config {
        training,
        patrol,
        routing,
        runs,
        notes,
        trusted,
        ..
    } = config;
    format!("{training:?} {patrol:?} {routing:?} {runs:?} {notes:?} {trusted}")
        .replace("by_user: true", "by_user: false")
}

#[test]
fn the_two_shipped_files_are_the_defaults_and_load_without_a_word() {
    let nothing = loaded("");
    assert_eq!(nothing.training.phase1_steps, 1000);
    assert_eq!(nothing.training.loss_nan_action, NanAction::Stop);
    assert_eq!(
        nothing.training.gradient_norm_max,
        Setting {
            value: 100.0,
            by_user: false
        }
    );
    assert_eq!(
        (
            nothing.training.gpu_util_min,
            nothing.training.memory_usage_max
        ),
        (0.5, 0.95)
    );
    assert_eq!(nothing.patrol.interval, Duration::from_mins(30));
    assert_eq!(nothing.patrol.loss_plateau_patience, 2);
    assert_eq!(nothing.patrol.disk_min_bytes, 10_000_000_000);
    assert_eq!(
        nothing.patrol.checkpoint_max,
        Setting {
            value: Duration::from_hours(2),
            by_user: false
        }
    );
    assert!((84.9..85.1).contains(&nothing.patrol.gpu_temp_max));
    assert_eq!(nothing.patrol.renotify, Some(Duration::from_hours(24)));
    assert_eq!(nothing.patrol.reopen_quiet, Duration::from_mins(30));
    assert_eq!(nothing.routing[&Severity::Unknown], ["terminal", "file"]);
    assert_eq!(nothing.notes, Vec::<String>::new());

    let place = Place::with(&[
        ("d/thresholds.yaml", THRESHOLDS),
        ("d/alerts.yml", ALERTS),
        ("e.yaml", ALERTS),
    ]);
    place.put("both.yaml", format!("{THRESHOLDS}{ALERTS}").as_bytes());
    for configs in [
        vec!["d"],
        vec!["both.yaml"],
        vec!["d/thresholds.yaml", "d/alerts.yml"],
        vec!["e.yaml"],
    ] {
        let config = place.load(&configs).unwrap();
        assert_eq!(values(&config), values(&nothing), "{configs:?}");
        let directory = config.files[0].parent().unwrap();
        assert_eq!(
            config.channels.file.unwrap(),
            directory.join(".omc/research/logs/alerts.log")
        );
        assert!(config.channels.terminal);
    }
    let set = place.load(&["d"]).unwrap();
    assert!(set.patrol.checkpoint_max.by_user && set.training.gradient_norm_max.by_user);
}

#[test]
fn empty_files_and_empty_sections_are_the_defaults() {
    for text in [
        "",
        "\n",
        "# only a comment\n",
        "---\n",
        "training:\npatrol:\n  # disk_min_gb: 3\nruns:\n",
        "{}",
        "\u{feff}patrol: {}\n",
    ] {
        assert_eq!(values(&loaded(text)), values(&loaded("")), "{text:?}");
    }
}

#[test]
fn a_run_is_read_in_full_with_paths_from_the_files_own_directory() {
    let place = Place::with(&[(
        "d/runs.yaml",
        "runs:\n- name: gpt.2-a_b\n  log: ./logs/train.log\n  process: {pid_file: train.pid}\n  checkpoints: {dir: /ckpt, pattern: 'step_*.pt'}\n  total_steps: 1e5\n  done_when: 'finished in \\d+$'\n- {name: ranks, log: ~/r/rank*.log, process: {match: 'train\\.py'}}\n- {name: job, log: x, process: {pid: 77}}\n",
    )]);
    let config = place.load(&["d/runs.yaml"]).unwrap();
    let [first, second, third] = config.runs.as_slice() else {
        panic!("{:?}", config.runs)
    };
    assert_eq!(first.name, "gpt.2-a_b");
    assert_eq!(
        first.log.as_deref(),
        Some(place.path("d/logs/train.log").as_path())
    );
    assert_eq!(
        first.process,
        Some(ProcessSpec::PidFile(place.path("d/train.pid")))
    );
    let checkpoints = CheckpointSpec {
        dir: "/ckpt".into(),
        pattern: Some("step_*.pt".into()),
    };
    assert_eq!(first.checkpoints, Some(checkpoints));
    assert_eq!(first.total_steps, Some(100_000));
    assert_eq!(first.done_when.as_deref(), Some("finished in \\d+$"));
    assert_eq!(
        second.log.as_deref(),
        Some(place.path("home/r/rank*.log").as_path())
    );
    assert_eq!(
        second.process,
        Some(ProcessSpec::Match("train\\.py".into()))
    );
    assert_eq!(third.process, Some(ProcessSpec::Pid(77)));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn the_environment_fills_in_text_and_numbers_and_truth_values() {
    let mut place = Place::with(&[(
        "c.yaml",
        "runs: [{name: '${N}', log: '/l/${N}-$$x$.log', total_steps: \"${STEPS}\"}]\npatrol:\n  disk_min_gb: ${GB}\n  interval_minutes: 1${GB}\nchannels: {terminal: {enabled: '${OFF}'}}\njudge: {pattern: 'a$$b'}\n",
    )]);
    for (name, value) in [
        ("N", "7"),
        ("STEPS", "5000"),
        ("GB", "2.5"),
        ("OFF", "false"),
    ] {
        place.set(name, value);
    }
    let config = place.load(&["c.yaml"]).unwrap();
    assert_eq!(config.runs[0].name, "7");
    assert_eq!(
        config.runs[0].log.as_deref(),
        Some(Path::new("/l/7-$x$.log"))
    );
    assert_eq!(config.runs[0].total_steps, Some(5000));
    assert_eq!(config.patrol.disk_min_bytes, 2_500_000_000);
    assert_eq!(config.patrol.interval, Duration::from_secs_f64(12.5 * 60.0));
    assert!(!config.channels.terminal);
}

#[test]
fn what_a_later_version_does_is_accepted_and_named_once() {
    let config = loaded(
        "agents: [x]\nheartbeat_url: http://x\ntraining: {gpu_util_min: 0.4, memory_usage_max: 0.95, loss_nan_action: alert}\npatrol: {gpu_temp_max: 80}\nchannels: {webhook: {enabled: true, url: u}}\nruns:\n- {name: a, log: l, gpus: [0], command: x}\n- {name: b, log: m, gpus: 1, process: {slurm_job: 12}}\n",
    );
    let expected = [
        "agents",
        "heartbeat_url",
        "training.loss_nan_action",
        "training.gpu_util_min",
        "patrol.gpu_temp_max",
        "channels.webhook",
        "runs[].command",
        "runs[].gpus",
        "runs[].process.slurm_job",
    ];
    let mut expected: Vec<String> = expected
        .iter()
        .map(|key| format!("{key} is not in effect in this version"))
        .collect();
    let mut notes = config.notes;
    expected.sort();
    notes.sort();
    assert_eq!(notes, expected);
    assert_eq!(config.runs[1].process, None);
}

#[test]
fn routing_keeps_the_defaults_of_what_is_absent_and_unknown_follows_warning() {
    let config = loaded("severity_routing: {warning: [file, file]}\n");
    assert_eq!(config.routing[&Severity::Warning], ["file"]);
    assert_eq!(config.routing[&Severity::Unknown], ["file"]);
    assert_eq!(
        config.routing[&Severity::Critical],
        ["terminal", "file", "webhook"]
    );
    let config = loaded("severity_routing: {unknown: [terminal], info: []}\n");
    assert_eq!(config.routing[&Severity::Unknown], ["terminal"]);
    assert!(config.routing[&Severity::Info].is_empty());
}

#[test]
fn channels_can_be_off_and_reminders_too() {
    let config = loaded(
        "channels: {terminal: {enabled: false}, file: {enabled: false, path: ''}}\npatrol: {renotify_hours: 0, reopen_quiet_minutes: 0}\n",
    );
    assert!(!config.channels.terminal);
    assert_eq!(config.channels.file, None);
    assert_eq!(config.patrol.renotify, None);
    assert_eq!(config.patrol.reopen_quiet, Duration::ZERO);
}

#[test]
fn a_directory_gives_its_yaml_files_and_nothing_else() {
    let place = Place::with(&[
        ("d/b.yml", "runs: []\n"),
        ("d/a.yaml", "patrol: {}\n"),
        ("d/.hidden.yaml", "nonsense: 1\n"),
        ("d/agent_health.yaml", "nonsense: 1\n"),
        ("d/agent_health_old.yaml", "nonsense: 1\n"),
        (
            "d/mine.yaml",
            "schema: \"trainguard/health/1\"\nstatus: \"OK\"\n",
        ),
        ("d/notes.txt", "nonsense: 1\n"),
        ("d/sub/c.yaml", "nonsense: 1\n"),
        ("d/dir.yaml/c.yaml", "nonsense: 1\n"),
    ]);
    let config = place.load(&["d"]).unwrap();
    assert_eq!(
        config.files,
        [place.path("d/a.yaml"), place.path("d/b.yml")]
    );
    assert_eq!(config.state_dir, place.path("d/.trainguard"));
    assert_eq!(config.health_file, place.path("d/agent_health.yaml"));
}

#[test]
fn a_section_in_two_files_is_refused_with_both_places() {
    let place = Place::with(&[
        ("d/a.yaml", "runs: []\npatrol: {}\n"),
        ("d/b.yaml", "# x\npatrol: {}\n"),
    ]);
    let said = place.load(&["d"]).unwrap_err().to_string();
    assert!(
        said.starts_with(
            "d/b.yaml:2:1: the section `patrol` is also in another file, at d/a.yaml:2:1"
        ),
        "{said}"
    );
}

#[test]
fn the_same_file_named_twice_is_read_once() {
    let place = Place::with(&[("d/a.yaml", "patrol: {}\n")]);
    assert_eq!(
        place
            .load(&["d", "d/a.yaml", "./d/a.yaml"])
            .unwrap()
            .files
            .len(),
        1
    );
}

#[test]
fn the_config_is_looked_for_in_the_order_of_the_contract() {
    let mut place = Place::new();
    let named = |place: &Place| {
        let files = place.load(&[]).unwrap().files;
        files[0]
            .strip_prefix(place.dir.path())
            .unwrap()
            .display()
            .to_string()
    };
    place.put("home/.config/trainguard/x.yaml", b"");
    assert_eq!(named(&place), "home/.config/trainguard/x.yaml");
    place.set("XDG_CONFIG_HOME", place.path("xdg"));
    place.put("xdg/trainguard/x.yaml", b"");
    assert_eq!(named(&place), "xdg/trainguard/x.yaml");
    fs::create_dir(place.path("trainguard")).unwrap();
    assert_eq!(
        named(&place),
        "xdg/trainguard/x.yaml",
        "a source tree is no config"
    );
    place.put("trainguard/x.yaml", b"");
    assert_eq!(named(&place), "trainguard/x.yaml");
    place.put("trainguard.yaml", b"");
    assert_eq!(named(&place), "trainguard.yaml");
    place.put("env.yaml", b"");
    place.set("TRAINGUARD_CONFIG", "env.yaml");
    assert_eq!(named(&place), "env.yaml");
    place.set("TRAINGUARD_CONFIG", "gone.yaml");
    let said = place.load(&[]).unwrap_err().to_string();
    assert!(
        said.contains("gone.yaml: cannot read") && said.contains("$TRAINGUARD_CONFIG"),
        "{said}"
    );
    place.set("TRAINGUARD_CONFIG", "");
    assert_eq!(named(&place), "trainguard.yaml");
}

#[test]
fn the_xdg_config_keeps_its_state_in_the_xdg_state_directory_however_it_is_named() {
    let place = Place::with(&[("home/.config/trainguard/x.yaml", "")]);
    for configs in [
        vec![],
        vec!["home/.config/trainguard"],
        vec!["home/.config/trainguard/x.yaml"],
    ] {
        let config = place.load(&configs).unwrap();
        let base = place.path("home/.local/state/trainguard");
        assert_eq!(config.state_dir, base.join(".trainguard"));
        assert_eq!(config.health_file, base.join("agent_health.yaml"));
        assert_eq!(
            config.channels.file.unwrap(),
            base.join(".trainguard/alerts.log")
        );
    }
}

#[test]
fn state_and_health_follow_flag_then_file_then_base() {
    let place = Place::with(&[
        ("d/c.yaml", "state_dir: st\n"),
        ("e/c.yaml", "state_dir: st\nhealth_file: h.yaml\n"),
        ("f/c.yaml", ""),
    ]);
    let at = |config: &str, state: Option<&str>, health: Option<&str>| {
        let config = place.load_with(|args| {
            args.config = vec![config.into()];
            args.state_dir = state.map(PathBuf::from);
            args.health_file = health.map(PathBuf::from);
        });
        let config = config.unwrap();
        let short = |path: &Path| {
            path.strip_prefix(place.dir.path())
                .unwrap()
                .display()
                .to_string()
        };
        (short(&config.state_dir), short(&config.health_file))
    };
    let pair = |state: &str, health: &str| (state.to_owned(), health.to_owned());
    assert_eq!(
        at("f/c.yaml", None, None),
        pair("f/.trainguard", "f/agent_health.yaml")
    );
    assert_eq!(
        at("d/c.yaml", None, None),
        pair("d/st", "d/agent_health.yaml")
    );
    assert_eq!(
        at("e/c.yaml", None, None),
        pair("d/st".replace('d', "e").as_str(), "e/h.yaml")
    );
    assert_eq!(
        at("d/c.yaml", Some("s"), None),
        pair("s", "s/agent_health.yaml")
    );
    assert_eq!(at("e/c.yaml", Some("s"), None), pair("s", "e/h.yaml"));
    assert_eq!(at("e/c.yaml", Some("s"), Some("h")), pair("s", "h"));
}

#[test]
fn a_config_that_others_can_write_is_read_and_not_trusted() {
    let place = Place::with(&[
        ("d/a.yaml", "patrol: {disk_min_gb: 3}\n"),
        ("d/b.yaml", "runs: []\n"),
    ]);
    assert!(place.load(&["d"]).unwrap().trusted);
    fs::set_permissions(place.path("d/a.yaml"), fs::Permissions::from_mode(0o666)).unwrap();
    let config = place.load(&["d"]).unwrap();
    assert!(!config.trusted);
    assert_eq!(config.patrol.disk_min_bytes, 3_000_000_000);
    let path = place.path("d/a.yaml").display().to_string();
    assert_eq!(
        config.notes,
        [format!(
            "{path} is writable by everybody: chmod go-w '{path}' (it is read, but runs no command and sends no signal)"
        )]
    );
    fs::set_permissions(place.path("d/a.yaml"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(place.path("d"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(
        !place.load(&["d"]).unwrap().trusted,
        "anybody can add a file to the directory"
    );
    assert!(
        place.load(&["d/a.yaml"]).unwrap().trusted,
        "the file alone was named"
    );
}

#[test]
fn a_run_is_selected_by_name_and_a_wrong_name_gets_the_nearest() {
    let config = loaded("runs:\n- {name: resnet50, log: a}\n- {name: gpt, log: b}\n");
    let names = |wanted: &[&str]| -> Vec<String> {
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        config
            .select(&wanted)
            .unwrap()
            .iter()
            .map(|run| run.name.clone())
            .collect()
    };
    assert_eq!(names(&[]), ["resnet50", "gpt"]);
    assert_eq!(names(&["gpt", "resnet50"]), ["resnet50", "gpt"]);
    assert_eq!(names(&["gpt"]), ["gpt"]);
    let said = config
        .select(&["resnet5".to_owned()])
        .unwrap_err()
        .to_string();
    assert_eq!(said, "there is no run `resnet5`: did you mean `resnet50`?");
    let said = config.select(&["zzz".to_owned()]).unwrap_err().to_string();
    assert_eq!(
        said,
        "there is no run `zzz`: there are `resnet50` and `gpt`"
    );
}

#[test]
fn with_neither_config_nor_log_the_two_commands_to_type_are_printed_and_work() {
    let place = Place::new();
    let Err(Error::Usage(said)) = place.load(&[]) else {
        panic!("no usage error")
    };
    assert!(
        said.contains("\n  trainguard patrol --log train.log\n"),
        "{said}"
    );
    let line = said.lines().find(|line| line.contains("printf")).unwrap();
    let (write, then) = line.split_once(" && ").unwrap();
    assert_eq!(then, "trainguard patrol");
    let status = std::process::Command::new("sh")
        .arg("-c")
        .arg(write)
        .current_dir(place.dir.path())
        .status();
    assert!(status.unwrap().success());
    let config = place.load(&[]).unwrap();
    assert_eq!(
        config.runs[0].log.as_deref(),
        Some(place.path("train.log").as_path())
    );
}
