//! A log and nothing else.

use super::*;
use std::os::unix::fs::{PermissionsExt, symlink};

#[test]
fn a_bare_log_looks_for_no_config_and_keeps_its_state_beside_itself() {
    let place = Place::with(&[("trainguard.yaml", "nonsense: 1\n"), ("run7/train.log", "")]);
    let config = place.log("run7/train.log").unwrap();
    assert!(config.files.is_empty());
    assert_eq!(config.runs[0].log.as_deref(), Some(place.path("run7/train.log").as_path()));
    assert_eq!(config.state_dir, place.path("run7/.trainguard"));
    assert_eq!(config.health_file, place.path("run7/.trainguard/agent_health.yaml"));
    assert_eq!(config.channels.file.unwrap(), place.path("run7/.trainguard/alerts.log"));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn with_a_config_its_runs_are_ignored_and_the_rest_applies() {
    let place = Place::with(&[
        (
            "d/c.yaml",
            "runs: [{name: other, log: x}]\npatrol: {disk_min_gb: 3}\nchannels: {file: {path: a.log}}\n",
        ),
        ("run7/train.log", ""),
    ]);
    let config = place.load_with(|args| {
        args.config = vec!["d/c.yaml".into()];
        args.log = Some(BareLog { name: Some("mine".into()), ..BareLog::new("run7/train.log") });
    });
    let config = config.unwrap();
    assert_eq!(config.runs.len(), 1);
    assert_eq!(config.runs[0].name, "mine");
    assert_eq!(config.patrol.disk_min_bytes, 3_000_000_000);
    assert_eq!(config.channels.file.unwrap(), place.path("d/a.log"));
    assert_eq!(config.state_dir, place.path("run7/.trainguard"));
}

#[test]
fn the_made_up_name_is_the_same_from_everywhere_and_differs_between_logs() {
    let place = Place::with(&[("run 7/train.log", ""), ("other/run 7/train.log", "")]);
    symlink(place.path("run 7"), place.path("link")).unwrap();
    let name = |log: &str| place.log(log).unwrap().runs[0].name.clone();
    let relative = name("run 7/train.log");
    let (start, digits) = relative.rsplit_once('-').unwrap();
    assert_eq!(start, "run_7-train");
    assert!(digits.len() == 6 && digits.chars().all(|c| c.is_ascii_hexdigit()), "{relative}");
    assert_eq!(name(&place.path("run 7/train.log").display().to_string()), relative);
    assert_eq!(name("./run 7/./train.log"), relative);
    assert_eq!(name("link/train.log"), relative);
    assert_ne!(name("other/run 7/train.log"), relative);
    assert!(name("run 7/rank*.log").starts_with("run_7-rank_-"));
}

#[test]
fn every_made_up_name_is_a_valid_name() {
    for log in
        ["/x.log", ".hidden/.log", "-a/-b", "é/ü.log", "a/outbox", "*/x.log", "a/b.json", &"x".repeat(250)]
    {
        let place = Place::new();
        let name = place.log(log).unwrap().runs[0].name.clone();
        assert_eq!(name_fault(&name), None, "{log}");
    }
}

#[test]
fn state_goes_elsewhere_where_the_one_beside_the_log_cannot_be_trusted() {
    let place = Place::with(&[("run7/train.log", "")]);
    let beside = place.path("run7/.trainguard");
    let elsewhere = |why: &str| {
        let config = place.log("run7/train.log").unwrap();
        assert!(config.state_dir.starts_with(place.path("home/.local/state/trainguard")), "{why}");
        assert!(config.health_file.starts_with(&config.state_dir));
        let [note] = config.notes.as_slice() else { panic!("{:?}", config.notes) };
        assert!(note.starts_with(&format!("state is kept in {}: ", config.state_dir.display())), "{note}");
        assert!(note.contains(why), "{note}");
        config.state_dir
    };
    symlink(place.path("run7"), &beside).unwrap();
    let first = elsewhere("is a symbolic link");
    fs::remove_file(&beside).unwrap();
    fs::File::create(&beside).unwrap();
    assert_eq!(elsewhere("is not a directory"), first, "the same log has the same place");
    fs::remove_file(&beside).unwrap();
    fs::create_dir(&beside).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o777)).unwrap();
    elsewhere("is writable by everybody");
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(place.log("run7/train.log").unwrap().state_dir, beside);
}

#[test]
fn state_goes_elsewhere_where_the_logs_directory_is_missing_or_read_only() {
    let place = Place::new();
    let config = place.log("gone/train.log").unwrap();
    assert!(config.state_dir.starts_with(place.path("home")), "{:?}", config.state_dir);
    assert!(config.notes[0].contains("gone cannot be written to"), "{:?}", config.notes);
    // Root may write anywhere, so only others can be shown a closed directory.
    if rustix::process::geteuid().is_root() {
        return;
    }
    place.put("shut/train.log", b"");
    let shut = place.path("shut");
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o555)).unwrap();
    let config = place.log("shut/train.log").unwrap();
    assert!(config.state_dir.starts_with(place.path("home")));
    fs::set_permissions(&shut, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_state_directory_that_was_named_is_used_without_a_word() {
    let place = Place::new();
    let config = place.load_with(|args| {
        args.log = Some(BareLog::new("gone/train.log"));
        args.state_dir = Some("s".into());
    });
    let config = config.unwrap();
    assert_eq!(config.state_dir, place.path("s"));
    assert_eq!(config.health_file, place.path("s/agent_health.yaml"));
    assert!(config.notes.is_empty(), "{:?}", config.notes);
}

#[test]
fn the_flags_of_a_bare_log_make_its_run() {
    let place = Place::with(&[("t.log", "")]);
    let run = |process, checkpoints: Option<&str>| {
        let config = place.load_with(|args| {
            let checkpoints = checkpoints.map(PathBuf::from);
            args.log = Some(BareLog { process, checkpoints, ..BareLog::new("t.log") });
        });
        config.unwrap().runs.remove(0)
    };
    assert_eq!(run(Some(ProcessSpec::Pid(7)), None).process, Some(ProcessSpec::Pid(7)));
    let file = run(Some(ProcessSpec::PidFile("t.pid".into())), Some("ck"));
    assert_eq!(file.process, Some(ProcessSpec::PidFile(place.path("t.pid"))));
    assert_eq!(file.checkpoints, Some(CheckpointSpec { dir: place.path("ck"), pattern: None }));
}

#[test]
fn flags_that_cannot_be_are_named() {
    let place = Place::new();
    let said = |bare: BareLog| match place.load_with(|args| args.log = Some(bare)) {
        Err(Error::Usage(said)) => said,
        other => panic!("{other:?}"),
    };
    assert!(said(BareLog::new("")).starts_with("--log is empty"));
    assert!(said(BareLog::new("a[.log")).starts_with("--log a[.log: not a usable glob"));
    let named = BareLog { name: Some("a/b".into()), ..BareLog::new("t.log") };
    assert!(said(named).starts_with("--name 'a/b': a run's name is part of file names"));
    let regex = BareLog { process: Some(ProcessSpec::Match("(".into())), ..BareLog::new("t.log") };
    assert_eq!(said(regex), "--match '(': not a usable regex: unclosed group");
    let health = place.load_with(|args| {
        args.log = Some(BareLog::new("t.log"));
        args.health_file = Some("t.log".into());
    });
    assert!(health.unwrap_err().to_string().starts_with("trainguard would write over the log"));
}

#[test]
fn without_a_home_the_flag_to_type_is_named() {
    let mut place = Place::new();
    place.set("HOME", "");
    let said = place.log("gone/train.log").unwrap_err().to_string();
    assert!(said.contains("--state-dir DIR"), "{said}");
}
