use crate::config::GpuName;
use crate::preflight::request::{List, Request, Source, Why};
use proptest::prelude::*;
use std::ffi::OsString;

fn asked(command: &[&str], environment: &[(&str, &str)]) -> Request {
    let command: Vec<String> = command.iter().map(|word| (*word).to_owned()).collect();
    let env = |name: &str| {
        environment.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
    };
    Request::of(&command, &env, &[])
}

fn list(text: &str, by_bus: bool) -> List {
    List { text: text.to_owned(), by_bus }
}

#[test]
fn a_command_says_in_many_ways_which_gpus_its_program_sees() {
    let table: &[(&[&str], &str)] = &[
        (&["CUDA_VISIBLE_DEVICES=0,2", "python", "t.py"], "0,2"),
        (&["A=1", "CUDA_VISIBLE_DEVICES=", "python"], ""),
        (&["env", "FOO=1", "CUDA_VISIBLE_DEVICES=3", "python"], "3"),
        (&["/usr/bin/env", "-i", "-u", "X", "-C", "/tmp", "CUDA_VISIBLE_DEVICES=3", "python"], "3"),
        (&["env", "-uX", "--chdir=/tmp", "--", "CUDA_VISIBLE_DEVICES=3", "python"], "3"),
        (&["env", "-S", "A=1 CUDA_VISIBLE_DEVICES=4 python -u", "t.py"], "4"),
        (&["env", "-SCUDA_VISIBLE_DEVICES=4 python"], "4"),
        (&["env", "CUDA_VISIBLE_DEVICES=1", "env", "CUDA_VISIBLE_DEVICES=2", "python"], "2"),
        (&["sh", "-c", "export CUDA_VISIBLE_DEVICES=1; python t.py"], "1"),
        (&["bash", "-lc", "cd x && CUDA_VISIBLE_DEVICES='1,2' python t.py"], "1,2"),
        (
            &[
                "bash",
                "-eo",
                "pipefail",
                "-c",
                "export A=2\nexport CUDA_VISIBLE_DEVICES=$A\npython t.py | tee log",
            ],
            "2",
        ),
        (&["bash", "--norc", "-c", "A=2; export CUDA_VISIBLE_DEVICES=\"${A}\"; python t.py"], "2"),
        (&["sh", "-c", "CUDA_VISIBLE_DEVICES=5; export CUDA_VISIBLE_DEVICES; exec python t.py"], "5"),
        (&["sh", "-c", "export CUDA_VISIBLE_DEVICES=${GPU:-6}; python"], "6"),
        (&["sh", "-c", "export CUDA_VISIBLE_DEVICES=${SET:-6}; python"], "7"),
        (&["sh", "-c", "if true; then CUDA_VISIBLE_DEVICES=1 python t.py 2>&1; fi"], "1"),
        (&["sh", "-c", "nvidia-smi; # CUDA_VISIBLE_DEVICES=9\nCUDA_VISIBLE_DEVICES=1 python"], "1"),
        (&["nohup", "nice", "-n", "5", "env", "CUDA_VISIBLE_DEVICES=1", "python"], "1"),
        (&["timeout", "-k", "5", "1h", "sh", "-c", "CUDA_VISIBLE_DEVICES=1 python"], "1"),
        (&["taskset", "-c", "0-3", "env", "CUDA_VISIBLE_DEVICES=1", "python"], "1"),
        (&["export CUDA_VISIBLE_DEVICES=1; python t.py"], "1"),
        (&["export", "CUDA_VISIBLE_DEVICES=1;", "python", "t.py"], "1"),
        (&["CUDA_VISIBLE_DEVICES=1 python t.py"], "1"),
        (&["sh", "-c", "CUDA_VISIBLE_DEVICES=1 sh -c 'python t.py'"], "1"),
    ];
    for (command, expected) in table {
        let request = asked(command, &[("SET", "7"), ("SLURM_JOB_GPUS", "5")]);
        assert_eq!(request, Request::Lists(vec![list(expected, false)], Source::Command), "{command:?}");
    }
}

#[test]
fn what_is_an_argument_or_stays_in_the_shell_says_nothing() {
    let table: &[&[&str]] = &[
        &["python", "t.py", "CUDA_VISIBLE_DEVICES=3"],
        &["sh", "-c", "CUDA_VISIBLE_DEVICES=3; python t.py"],
        &["sh", "-c", "echo CUDA_VISIBLE_DEVICES=3 ; python t.py"],
        &["sh", "run.sh", "-c", "CUDA_VISIBLE_DEVICES=3 python"],
        &["env", "A=1"],
        &["sh", "-c", "python 'CUDA_VISIBLE_DEVICES=3 python'"],
    ];
    for command in table {
        assert_eq!(asked(command, &[]), Request::All(Why::NothingSaid), "{command:?}");
    }
}

#[test]
fn a_shells_assignment_changes_what_the_environment_has_exported() {
    let request =
        asked(&["sh", "-c", "CUDA_VISIBLE_DEVICES=3; python t.py"], &[("CUDA_VISIBLE_DEVICES", "0")]);
    assert_eq!(request, Request::Lists(vec![list("3", false)], Source::Command));
}

#[test]
fn what_only_a_shell_can_know_and_what_is_taken_away_are_all_and_said_to_be() {
    let environment = [("CUDA_VISIBLE_DEVICES", "0")];
    let computed = asked(&["sh", "-c", "CUDA_VISIBLE_DEVICES=$(pick \"$(nproc)\") python"], &environment);
    assert_eq!(computed, Request::All(Why::Computed("$(pick \"$(nproc)\")".to_owned())));
    for command in [
        &["env", "-u", "CUDA_VISIBLE_DEVICES", "python"][..],
        &["env", "-i", "python"],
        &["env", "--unset=CUDA_VISIBLE_DEVICES", "python"],
        &["sh", "-c", "unset CUDA_VISIBLE_DEVICES; python"],
    ] {
        assert_eq!(asked(command, &environment), Request::All(Why::Unset), "{command:?}");
    }
}

#[test]
fn several_programs_with_gpus_of_their_own_ask_for_all_of_these() {
    let script = "CUDA_VISIBLE_DEVICES=0 python a.py & CUDA_VISIBLE_DEVICES=2 python b.py & wait";
    let lists = vec![list("0", false), list("2", false)];
    assert_eq!(asked(&["sh", "-c", script], &[]), Request::Lists(lists, Source::Command));
}

#[test]
fn the_order_of_the_numbers_is_said_by_the_command_or_the_environment() {
    let bus = ("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
    let by_bus = |source| Request::Lists(vec![list("1", true)], source);
    assert_eq!(asked(&["CUDA_VISIBLE_DEVICES=1", "python"], &[bus]), by_bus(Source::Command));
    let said = asked(&["env", "CUDA_DEVICE_ORDER=PCI_BUS_ID", "CUDA_VISIBLE_DEVICES=1", "python"], &[]);
    assert_eq!(said, by_bus(Source::Command));
    let said = asked(&["CUDA_DEVICE_ORDER=PCI_BUS_ID", "python"], &[("CUDA_VISIBLE_DEVICES", "1")]);
    assert_eq!(said, by_bus(Source::Environment));
    let said = asked(&["CUDA_DEVICE_ORDER=FASTEST_FIRST", "python"], &[("CUDA_VISIBLE_DEVICES", "1"), bus]);
    assert_eq!(said, Request::Lists(vec![list("1", false)], Source::Environment));
}

#[test]
fn without_a_word_of_the_command_the_environment_says_and_then_slurm() {
    let python = &["python", "t.py"][..];
    let slurm = [("SLURM_JOB_GPUS", "4,5"), ("SLURM_STEP_GPUS", "5"), ("GPU_DEVICE_ORDINAL", "0")];
    let with = [&slurm[..], &[("CUDA_VISIBLE_DEVICES", "")]].concat();
    assert_eq!(asked(python, &with), Request::Lists(vec![list("", false)], Source::Environment));
    assert!(asked(python, &with).is_none() && !asked(python, &with).is_explicit());
    assert_eq!(asked(python, &slurm), Request::Node("5".to_owned(), Source::Slurm("SLURM_STEP_GPUS")));
    let job = Request::Node("4,5".to_owned(), Source::Slurm("SLURM_JOB_GPUS"));
    assert_eq!(asked(python, &slurm[..1]), job);
    let ordinal = Request::Lists(vec![list("0", false)], Source::Slurm("GPU_DEVICE_ORDINAL"));
    assert_eq!(asked(python, &slurm[2..]), ordinal);
    assert_eq!(asked(python, &[]), Request::All(Why::NothingSaid));
}

#[test]
fn what_the_config_says_of_the_run_comes_behind_the_environment_and_before_slurm() {
    let names = [GpuName::Index(3)];
    let python = ["python".to_owned()];
    let with = |environment: &'static str| {
        let env = move |name: &str| (name == environment).then(|| OsString::from("0"));
        Request::of(&python, &env, &names)
    };
    assert_eq!(with("SLURM_JOB_GPUS"), Request::Named(names.to_vec(), Source::Config));
    let environment = Request::Lists(vec![list("0", false)], Source::Environment);
    assert_eq!(with("CUDA_VISIBLE_DEVICES"), environment);
}

proptest! {
    #[test]
    fn no_command_makes_it_panic(words in proptest::collection::vec("[ -~\n]{0,30}", 0..6)) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        asked(&words, &[]);
        asked(&[&["bash", "-c"], &words[..]].concat(), &[("A", "1")]);
        asked(&[&["env"], &words[..]].concat(), &[]);
    }

    #[test]
    fn a_value_in_single_quotes_comes_out_as_it_went_in(value in "[^'\0]{0,20}") {
        let script = format!("export CUDA_VISIBLE_DEVICES='{value}'; python");
        let request = asked(&["sh", "-c", &script], &[]);
        prop_assert_eq!(request, Request::Lists(vec![list(&value, false)], Source::Command));
    }
}
