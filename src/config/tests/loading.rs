//! What a config means once it is right: defaults, runs, channels, notes.

use super::*;
use std::path::Path;
use std::time::Duration;

/// Everything that does not depend on where the config is.
fn values(config: &Config) -> String {
    let Config { training, patrol, routing, runs, notes, trusted, .. } = config;
    format!("{training:?} {patrol:?} {routing:?} {runs:?} {notes:?} {trusted}")
        .replace("by_user: true", "by_user: false")
}

#[test]
fn the_two_shipped_files_are_the_defaults_and_load_without_a_word() {
    let nothing = loaded("");
    assert_eq!(nothing.training.phase1_steps, 1000);
    assert_eq!(nothing.training.loss_nan_action, Setting { value: NanAction::Stop, by_user: false });
    assert_eq!(nothing.training.gradient_norm_max, Setting { value: 100.0, by_user: false });
    assert_eq!((nothing.training.gpu_util_min, nothing.training.memory_usage_max), (0.5, 0.95));
    assert_eq!(nothing.patrol.interval, Duration::from_mins(30));
    assert_eq!(nothing.patrol.loss_plateau_patience, 2);
    assert_eq!(nothing.patrol.disk_min_bytes, 10_000_000_000);
    assert_eq!(nothing.patrol.checkpoint_max, Setting { value: Duration::from_hours(2), by_user: false });
    assert!((84.9..85.1).contains(&nothing.patrol.gpu_temp_max));
    assert_eq!(nothing.patrol.renotify, Some(Duration::from_hours(24)));
    assert_eq!(nothing.patrol.reopen_quiet, Duration::from_mins(30));
    assert_eq!(nothing.routing[&Severity::Unknown], ["terminal", "file"]);
    assert_eq!(nothing.notes, Vec::<String>::new());

    let place =
        Place::with(&[("d/thresholds.yaml", THRESHOLDS), ("d/alerts.yml", ALERTS), ("e.yaml", ALERTS)]);
    place.put("both.yaml", format!("{THRESHOLDS}{ALERTS}").as_bytes());
    for configs in [vec!["d"], vec!["both.yaml"], vec!["d/thresholds.yaml", "d/alerts.yml"], vec!["e.yaml"]] {
        let config = place.load(&configs).unwrap();
        assert_eq!(values(&config), values(&nothing), "{configs:?}");
        let directory = config.files[0].parent().unwrap();
        assert_eq!(config.channels.file.unwrap(), directory.join(".omc/research/logs/alerts.log"));
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
    let [first, second, third] = config.runs.as_slice() else { panic!("{:?}", config.runs) };
    assert_eq!(first.name, "gpt.2-a_b");
    assert_eq!(first.log.as_deref(), Some(place.path("d/logs/train.log").as_path()));
    assert_eq!(first.process, Some(ProcessSpec::PidFile(place.path("d/train.pid"))));
    let checkpoints = CheckpointSpec { dir: "/ckpt".into(), pattern: Some("step_*.pt".into()) };
    assert_eq!(first.checkpoints, Some(checkpoints));
    assert_eq!(first.total_steps, Some(100_000));
    assert_eq!(first.done_when.as_deref(), Some("finished in \\d+$"));
    assert_eq!(second.log.as_deref(), Some(place.path("home/r/rank*.log").as_path()));
    assert_eq!(second.process, Some(ProcessSpec::Match("train\\.py".into())));
    assert_eq!(third.process, Some(ProcessSpec::Pid(77)));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn the_environment_fills_in_text_and_numbers_and_truth_values() {
    let mut place = Place::with(&[(
        "c.yaml",
        "runs: [{name: '${N}', log: '/l/${N}-$$x$.log', total_steps: \"${STEPS}\"}]\npatrol:\n  disk_min_gb: ${GB}\n  interval_minutes: 1${GB}\nchannels: {terminal: {enabled: '${OFF}'}}\n",
    )]);
    for (name, value) in [("N", "7"), ("STEPS", "5000"), ("GB", "2.5"), ("OFF", "false")] {
        place.set(name, value);
    }
    let config = place.load(&["c.yaml"]).unwrap();
    assert_eq!(config.runs[0].name, "7");
    assert_eq!(config.runs[0].log.as_deref(), Some(Path::new("/l/7-$x$.log")));
    assert_eq!(config.runs[0].total_steps, Some(5000));
    assert_eq!(config.patrol.disk_min_bytes, 2_500_000_000);
    assert_eq!(config.patrol.interval, Duration::from_secs_f64(12.5 * 60.0));
    assert!(!config.channels.terminal);
}

#[test]
fn a_runs_profile_and_the_limit_of_its_loss_are_the_users_word() {
    let nothing = loaded("runs: [{name: a, log: l}]\n");
    assert_eq!((nothing.training.loss_max, nothing.runs[0].profile), (None, None));
    let set =
        loaded("training: {loss_max: 12.5}\nruns: [{name: a, log: l, profile: reinforcement_learning}]\n");
    assert_eq!(set.training.loss_max, Some(12.5));
    assert_eq!(set.runs[0].profile, Some(Profile::ReinforcementLearning));
    assert_eq!(set.notes, Vec::<String>::new());
    let error = mistake("runs: [{name: a, log: l, profile: supervized}]\n");
    assert!(error.contains("did you mean `supervised`?"), "{error}");
}

#[test]
fn what_a_later_version_does_is_accepted_and_named_once() {
    let config = loaded(
        "training: {gpu_util_min: 0.4, phase1_steps: 5, memory_usage_max: 0.95, loss_nan_action: alert}\npatrol: {gpu_temp_max: 80}\nruns:\n- {name: a, log: l, gpus: [0], command: x}\n- {name: b, log: m, gpus: [1, GPU-5], process: {slurm_job: 12}}\n",
    );
    let expected = ["runs[].process.slurm_job"];
    let mut expected: Vec<String> =
        expected.iter().map(|key| format!("{key} is not in effect in this version")).collect();
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
    assert_eq!(config.routing[&Severity::Critical], ["terminal", "file", "webhook"]);
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
fn a_run_is_selected_by_name_and_a_wrong_name_gets_the_nearest() {
    let config = loaded("runs:\n- {name: resnet50, log: a}\n- {name: gpt, log: b}\n");
    let names = |wanted: &[&str]| -> Vec<String> {
        let wanted: Vec<String> = wanted.iter().map(|&name| name.to_owned()).collect();
        config.select(&wanted).unwrap().iter().map(|run| run.name.clone()).collect()
    };
    assert_eq!(names(&[]), ["resnet50", "gpt"]);
    assert_eq!(names(&["gpt", "resnet50"]), ["resnet50", "gpt"]);
    assert_eq!(names(&["gpt"]), ["gpt"]);
    let said = config.select(&["resnet5".to_owned()]).unwrap_err().to_string();
    assert_eq!(said, "there is no run `resnet5`: did you mean `resnet50`?");
    let said = config.select(&["zzz".to_owned()]).unwrap_err().to_string();
    assert_eq!(said, "there is no run `zzz`: there are `resnet50` and `gpt`");
}

#[test]
fn a_config_without_runs_selects_nothing_and_that_is_not_well() {
    let said = loaded(THRESHOLDS).select(&[]).unwrap_err().to_string();
    assert!(said.starts_with("the config names no runs"), "{said}");
    assert!(said.contains("c.yaml") && said.contains(EXAMPLE), "{said}");
}

#[test]
fn with_neither_config_nor_log_the_two_commands_to_type_are_printed_and_work() {
    let place = Place::new();
    let Err(Error::Usage(said)) = place.load(&[]) else { panic!("no usage error") };
    assert!(said.contains("\n  trainguard patrol --log train.log\n"), "{said}");
    let line = said.lines().find(|line| line.contains("printf")).unwrap();
    let (write, then) = line.split_once(" && ").unwrap();
    assert_eq!(then, "trainguard patrol");
    let status = std::process::Command::new("sh").arg("-c").arg(write).current_dir(place.dir.path()).status();
    assert!(status.unwrap().success());
    let config = place.load(&[]).unwrap();
    assert_eq!(config.runs[0].log.as_deref(), Some(place.path("train.log").as_path()));
}

#[test]
fn gpus_are_named_by_number_or_uuid_and_their_source_is_a_choice() {
    let config = loaded(
        "gpu: {source: file, path: gpus.json, expect: 8}\npatrol: {gpu_temp_max: 80}\nruns:\n- {name: a, log: l, gpus: [1, GPU-5, '3']}\n",
    );
    let file = config.files[0].with_file_name("gpus.json");
    assert_eq!(config.gpu, Gpu { source: GpuSource::File(file), expect: 8 });
    assert_eq!(
        config.runs[0].gpus,
        [GpuName::Index(1), GpuName::Uuid("GPU-5".to_owned()), GpuName::Index(3)]
    );
    assert_eq!(config.patrol.gpu_temp_max.to_bits(), 80.0_f64.to_bits());
    assert_eq!(config.notes, [""; 0]);
}

#[test]
fn channels_by_name_have_a_type_and_what_it_takes() {
    let mut place = Place::with(&[(
        "conf/c.yaml",
        r#"channels:
  webhook: {url: "${HOOK}", headers: {X-Team: "a ${WHO}"}, timeout: 2s}
  ops: {type: webhook, url_file: ops.url, secret_file: ops.key, roll_up: false, body: {text: "{{title}}", n: [1, "${WHO}"]}}
  off: {type: webhook, enabled: false, url: nonsense}
  mail: {type: command, command: [./mail.sh, ada], timeout: 3}
  syslog: {}
  journal: {type: journald, socket: run/journal}
severity_routing: {warning: [ops, off, mail], critical: [webhook, syslog, journal]}
"#,
    )]);
    place.set("HOOK", "https://hooks.example/s3cret");
    place.set("WHO", "b");
    let config = place.load(&["conf/c.yaml"]).unwrap();
    let kind =
        |name: &str| config.channels.named.iter().find(|named| named.name == name).map(|named| &named.kind);
    let Some(Kind::Webhook(webhook)) = kind("webhook") else { panic!() };
    assert_eq!(webhook.headers, [("X-Team".to_owned(), Hidden("a b".to_owned()))]);
    assert_eq!(
        (webhook.timeout, webhook.roll_up, webhook.format),
        (Duration::from_secs(2), true, Format::Auto)
    );
    let Some(Kind::Webhook(ops)) = kind("ops") else { panic!() };
    assert_eq!(ops.address, Source::File(place.path("conf/ops.url")));
    assert_eq!(ops.secret, Some(Source::File(place.path("conf/ops.key"))));
    let filled = ops.body.as_ref().unwrap().fill(&|name| name.into());
    assert_eq!(filled, serde_json::json!({"text": "title", "n": [1, "b"]}));
    assert_eq!((ops.roll_up, ops.format), (false, Format::Generic));
    assert!(kind("off").is_none());
    let Some(Kind::Command(mail)) = kind("mail") else { panic!() };
    assert_eq!(mail.command, [place.path("conf/mail.sh").display().to_string(), "ada".to_owned()]);
    assert!(matches!(kind("syslog"), Some(Kind::Syslog(socket)) if socket.as_path() == "/dev/log"));
    assert!(
        matches!(kind("journal"), Some(Kind::Journald(socket)) if *socket == place.path("conf/run/journal"))
    );
    assert_eq!(config.routing[&Severity::Warning], ["ops", "off", "mail"]);
    assert_eq!(config.notes, Vec::<String>::new());
    assert!(!format!("{config:?}").contains("s3cret"), "no secret in what is printed for debugging");
}

#[test]
fn the_contracts_webhook_is_off_and_one_with_an_address_is_on() {
    for (webhook, on) in [
        ("{enabled: false, url: \"\"}", false),
        ("{url: \"\"}", false),
        ("{}", false),
        ("{url: 'https://h/x'}", true),
        ("{enabled: false, url: 'https://h/x'}", false),
        ("{url_file: hook.url}", true),
    ] {
        let config = loaded(&format!("channels: {{webhook: {webhook}}}\n"));
        assert_eq!(config.channels.named.len(), usize::from(on), "{webhook}");
    }
}
