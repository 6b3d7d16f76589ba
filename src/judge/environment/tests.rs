//! Environments that lack something.

use super::*;

fn judged(
    environment: &Environment,
    facts: EnvironmentFacts,
    torch: &Observation<(bool, String)>,
) -> Vec<String> {
    let facts = Observation::Known(facts);
    let context = EnvironmentContext { environment, facts: &facts, torch, open: &[] };
    let claim = |opinion: Opinion| match opinion {
        Opinion::Holds(claim) => claim.subject.of,
        Opinion::Well(..) => None,
    };
    check(&context).opinions.into_iter().filter_map(claim).collect()
}

#[test]
fn everything_that_lacks_is_told_by_itself() {
    let environment = Environment {
        packages: vec![
            ("torch".into(), ">=2.1".into()),
            ("numpy".into(), "*".into()),
            ("two".into(), "*".into()),
        ],
        open_files_min: Some(1000),
        locked_memory_min: Some(1_000_000),
        shm_min: Some(1_000_000_000),
        ..Environment::default()
    };
    let package = |name: &str, versions: &[&str]| Package {
        name: name.into(),
        versions: versions.iter().map(|version| (*version).to_owned()).collect(),
    };
    let broken = EnvironmentFacts {
        commands: vec![("git".into(), None), ("sh".into(), Some("/bin/sh".into()))],
        files: vec![("/data".into(), Some("no such file".into()))],
        packages: vec![package("torch", &["2.0"]), package("numpy", &[]), package("two", &["1", "2"])],
        open_files: Some(999),
        locked_memory: Some(65_536),
        shm: Some(64_000_000),
        ..EnvironmentFacts::default()
    };
    let expected = [
        "command git",
        "file /data",
        "package torch",
        "package numpy",
        "package two",
        "limit open files",
        "limit locked memory",
        "shm",
        TORCH,
    ];
    let no_gpu = Observation::Known((false, "torch 2.0 finds 0 GPUs".to_owned()));
    assert_eq!(judged(&environment, broken, &no_gpu), expected);
    let well = EnvironmentFacts {
        packages: vec![
            package("torch", &["2.1.0+cu121"]),
            package("numpy", &["1.26"]),
            package("two", &["1"]),
        ],
        open_files: Some(1000),
        locked_memory: None,
        shm: Some(1_000_000_000),
        ..EnvironmentFacts::default()
    };
    assert!(judged(&environment, well, &Observation::Absent).is_empty());
}

#[test]
fn a_runtime_fits_a_driver_of_its_major_version_or_a_newer_one() {
    let facts = |driver, runtime: Option<(u32, u32)>| EnvironmentFacts {
        driver: Some(driver),
        runtime: runtime.map(|runtime| (runtime, "torch".to_owned())),
        ..EnvironmentFacts::default()
    };
    for (driver, runtime, broken) in [
        ((12, 4), Some((12, 1)), false),
        ((12, 2), Some((12, 8)), false),
        ((13, 0), Some((12, 4)), false),
        ((11, 8), Some((12, 1)), true),
        ((12, 4), None, true),
    ] {
        let facts = facts(Observation::Known(driver), runtime);
        let told = judged(&Environment::default(), facts, &Observation::Absent);
        assert_eq!(!told.is_empty(), broken, "{driver:?} {runtime:?}");
    }
    let dead = facts(Observation::Failed { why: "no library".into() }, Some((12, 1)));
    assert_eq!(judged(&Environment::default(), dead, &Observation::Absent), ["cuda"]);
}

#[test]
fn what_was_not_asked_keeps_what_is_open() {
    let environment = Environment::default();
    let open = [Subject::new(NAME, BROKEN).of(TORCH), Subject::new(NAME, BROKEN).of("command git")];
    let facts = Observation::Known(EnvironmentFacts::default());
    let context = EnvironmentContext {
        environment: &environment,
        facts: &facts,
        torch: &Observation::Absent,
        open: &open,
    };
    let well = |opinion: &Opinion| matches!(opinion, Opinion::Well(of, _) if of.of.as_deref() == Some("command git"));
    let torch =
        |opinion: &Opinion| matches!(opinion, Opinion::Well(of, _) if of.of.as_deref() == Some(TORCH));
    let judged = check(&context);
    assert!(judged.opinions.iter().any(well) && !judged.opinions.iter().any(torch));
    let absent = EnvironmentContext { facts: &Observation::Absent, ..context };
    assert!(check(&absent).opinions.is_empty());
}
