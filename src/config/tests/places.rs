//! Which files are the config, what rests on their place, and whom they are trusted from.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

#[test]
fn a_directory_gives_its_yaml_files_and_nothing_else() {
    let place = Place::with(&[
        ("d/b.yml", "runs: []\n"),
        ("d/a.yaml", "patrol: {}\n"),
        ("d/.hidden.yaml", "nonsense: 1\n"),
        ("d/agent_health.yaml", "nonsense: 1\n"),
        ("d/agent_health_old.yaml", "nonsense: 1\n"),
        ("d/mine.yaml", "schema: \"trainguard/health/1\"\nstatus: \"OK\"\n"),
        ("d/notes.txt", "nonsense: 1\n"),
        ("d/sub/c.yaml", "nonsense: 1\n"),
        ("d/dir.yaml/c.yaml", "nonsense: 1\n"),
    ]);
    let config = place.load(&["d"]).unwrap();
    assert_eq!(config.files, [place.path("d/a.yaml"), place.path("d/b.yml")]);
    assert_eq!(config.state_dir, place.path("d/.trainguard"));
    assert_eq!(config.health_file, place.path("d/agent_health.yaml"));
}

#[test]
fn a_section_in_two_files_is_refused_with_both_places() {
    let place = Place::with(&[("d/a.yaml", "runs: []\npatrol: {}\n"), ("d/b.yaml", "# x\npatrol: {}\n")]);
    let said = place.load(&["d"]).unwrap_err().to_string();
    assert!(
        said.starts_with("d/b.yaml:2:1: the section `patrol` is also in another file, at d/a.yaml:2:1"),
        "{said}"
    );
}

#[test]
fn the_same_file_named_twice_is_read_once() {
    let place = Place::with(&[("d/a.yaml", "patrol: {}\n")]);
    assert_eq!(place.load(&["d", "d/a.yaml", "./d/a.yaml"]).unwrap().files.len(), 1);
}

#[test]
fn the_config_is_looked_for_in_the_order_of_the_contract() {
    let mut place = Place::new();
    let named = |place: &Place| {
        let files = place.load(&[]).unwrap().files;
        files[0].strip_prefix(place.dir.path()).unwrap().display().to_string()
    };
    place.put("home/.config/trainguard/x.yaml", b"");
    assert_eq!(named(&place), "home/.config/trainguard/x.yaml");
    place.set("XDG_CONFIG_HOME", place.path("xdg"));
    place.put("xdg/trainguard/x.yaml", b"");
    assert_eq!(named(&place), "xdg/trainguard/x.yaml");
    fs::create_dir(place.path("trainguard")).unwrap();
    assert_eq!(named(&place), "xdg/trainguard/x.yaml", "a source tree is no config");
    place.put("trainguard/x.yaml", b"");
    assert_eq!(named(&place), "trainguard/x.yaml");
    place.put("trainguard.yaml", b"");
    assert_eq!(named(&place), "trainguard.yaml");
    place.put("env.yaml", b"");
    place.set("TRAINGUARD_CONFIG", "env.yaml");
    assert_eq!(named(&place), "env.yaml");
    place.set("TRAINGUARD_CONFIG", "gone.yaml");
    let said = place.load(&[]).unwrap_err().to_string();
    assert!(said.contains("gone.yaml: cannot read") && said.contains("$TRAINGUARD_CONFIG"), "{said}");
    place.set("TRAINGUARD_CONFIG", "");
    assert_eq!(named(&place), "trainguard.yaml");
}

#[test]
fn the_xdg_config_keeps_its_state_in_the_xdg_state_directory_however_it_is_named() {
    let place = Place::with(&[("home/.config/trainguard/x.yaml", "")]);
    for configs in [vec![], vec!["home/.config/trainguard"], vec!["home/.config/trainguard/x.yaml"]] {
        let config = place.load(&configs).unwrap();
        let base = place.path("home/.local/state/trainguard");
        assert_eq!(config.state_dir, base.join(".trainguard"));
        assert_eq!(config.health_file, base.join("agent_health.yaml"));
        assert_eq!(config.channels.file.unwrap(), base.join(".trainguard/alerts.log"));
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
        let short = |path: &Path| path.strip_prefix(place.dir.path()).unwrap().display().to_string();
        (short(&config.state_dir), short(&config.health_file))
    };
    let pair = |state: &str, health: &str| (state.to_owned(), health.to_owned());
    assert_eq!(at("f/c.yaml", None, None), pair("f/.trainguard", "f/agent_health.yaml"));
    assert_eq!(at("d/c.yaml", None, None), pair("d/st", "d/agent_health.yaml"));
    assert_eq!(at("e/c.yaml", None, None), pair("d/st".replace('d', "e").as_str(), "e/h.yaml"));
    assert_eq!(at("d/c.yaml", Some("s"), None), pair("s", "s/agent_health.yaml"));
    assert_eq!(at("e/c.yaml", Some("s"), None), pair("s", "e/h.yaml"));
    assert_eq!(at("e/c.yaml", Some("s"), Some("h")), pair("s", "h"));
}

#[test]
fn a_config_that_others_can_write_is_read_and_not_trusted() {
    let place = Place::with(&[("d/a.yaml", "patrol: {disk_min_gb: 3}\n"), ("d/b.yaml", "runs: []\n")]);
    assert!(place.load(&["d"]).unwrap().trusted);
    fs::set_permissions(place.path("d/a.yaml"), fs::Permissions::from_mode(0o666)).unwrap();
    let config = place.load(&["d"]).unwrap();
    assert!(!config.trusted);
    assert_eq!(config.patrol.disk_min_bytes, 3_000_000_000);
    let path = place.path("d/a.yaml").display().to_string();
    assert_eq!(
        config.notes,
        [format!(
            "{path} is writable by everybody: chmod go-w '{path}' (it is read, but runs no command, sends no message and no signal)"
        )]
    );
    fs::set_permissions(place.path("d/a.yaml"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::set_permissions(place.path("d"), fs::Permissions::from_mode(0o777)).unwrap();
    assert!(!place.load(&["d"]).unwrap().trusted, "anybody can add a file to the directory");
    assert!(place.load(&["d/a.yaml"]).unwrap().trusted, "the file alone was named");
}

#[test]
fn a_bare_log_whose_health_file_is_its_own_does_not_overwrite_the_metrics_of_all() {
    let place = Place::with(&[("c.yaml", "prometheus_textfile: m/t.prom\n"), ("train.log", "")]);
    let load = |log: Option<&str>, health: Option<&str>| {
        let config = place.load_with(|args| {
            args.config = vec!["c.yaml".into()];
            args.log = log.map(BareLog::new);
            args.health_file = health.map(PathBuf::from);
        });
        let config = config.unwrap();
        let told = config.notes.iter().any(|note| note.starts_with("prometheus_textfile is not written"));
        (config.prometheus_textfile.map(|path| path.strip_prefix(place.dir.path()).unwrap().to_owned()), told)
    };
    let path = PathBuf::from("m/t.prom");
    assert_eq!(load(None, None), (Some(path.clone()), false));
    assert_eq!(load(Some("train.log"), None), (None, true));
    assert_eq!(load(Some("train.log"), Some("h.yaml")), (Some(path), false));
}
