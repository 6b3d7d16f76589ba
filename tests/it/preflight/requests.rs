//! Which GPUs are meant, and what is said where they are not there.

use super::Node;
use crate::gpu::{Environment, FIRST, NVML, SECOND, SMI, training};
use crate::scene::Answer;
use std::process::{Command, Stdio};

#[test]
fn a_gpu_that_does_not_exist_is_an_error_that_names_what_there_is() {
    let there = "there are, in the order of CUDA_VISIBLE_DEVICES:\n  0  GPU-bbbbbbbb-0000-0000-0000-000000000000  NVIDIA Fake 80GB at 00000000:01:00.0\n  1  GPU-aaaaaaaa-";
    let table: &[(&[&str], Environment<'_>, &str)] = &[
        (
            &["CUDA_VISIBLE_DEVICES=0,2", "x"],
            &[],
            "CUDA_VISIBLE_DEVICES of the command names 2, and there is no such GPU here",
        ),
        (&["env", "CUDA_VISIBLE_DEVICES=GPU-c", "x"], &[], "names GPU-c, and there is no such GPU here"),
        (&["x"], &[("CUDA_VISIBLE_DEVICES", "7")], "CUDA_VISIBLE_DEVICES of the environment names 7"),
    ];
    for source in [NVML, SMI] {
        let node = Node::new(source);
        for (command, environment, said) in table {
            let answer: Answer =
                node.command(&[], command).envs(environment.iter().copied()).output().unwrap().into();
            assert_eq!((answer.code, answer.stdout.as_str()), (3, ""), "{command:?}");
            assert!(answer.stderr.contains(said) && answer.stderr.contains(there), "{answer:?}");
        }
        let answer = node.preflight(&[], &["CUDA_VISIBLE_DEVICES=GPU-", "x"]);
        assert_eq!(answer.code, 3);
        assert!(answer.stderr.contains(&format!("several begin: {FIRST}, {SECOND}")), "{answer:?}");
        let answer = node.preflight(&["--gpus", "1,5"], &["x"]);
        assert!(answer.code == 3 && answer.stderr.contains("--gpus names 5"), "{answer:?}");
        assert!(!node.0.scene.path(".trainguard").exists(), "nothing was asked, so nothing is kept");
    }
}

#[test]
fn the_gpus_are_those_of_the_command_as_a_real_shell_reads_it() {
    // Each really prints the variable that its program is started with.
    let print = "printenv CUDA_VISIBLE_DEVICES";
    let second = format!("CUDA_VISIBLE_DEVICES={SECOND}");
    let shell = |script: String| vec!["sh".to_owned(), "-c".to_owned(), script];
    let words = |line: String| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let commands = [
        words(format!("env {second} {print}")),
        words(format!("nice -n 1 env -u A -i {second} /usr/bin/{print}")),
        words(format!("timeout -k 5 60 env -- {second} {print}")),
        shell(format!("export {second}; {print}")),
        shell(format!("A={SECOND}; export CUDA_VISIBLE_DEVICES=\"$A\"\n{print} # {FIRST}")),
        shell(format!("{second} sh -c '{print}' 2>&1 | cat")),
        shell(format!("cd / && if true; then {second} exec {print}; fi")),
        shell(format!("export CUDA_VISIBLE_DEVICES=${{NOT_SET:-{SECOND}}}; {print}")),
        shell(format!("A={FIRST}; env A={FIRST} {second} sh -c '{print}'")),
    ];
    let node = Node::new(NVML);
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut real = Command::new(words[0]);
        let printed = real.args(&words[1..]).env_remove("NOT_SET").stdin(Stdio::null()).output().unwrap();
        assert_eq!(String::from_utf8(printed.stdout).unwrap().trim(), SECOND, "{command:?}");
        let answer = node.preflight(&[], &words);
        let free = "free: GPU 1 (GPU-bbbbbbbb) (CUDA_VISIBLE_DEVICES of the command)\n";
        assert_eq!((answer.code, answer.stdout.as_str()), (0, free), "{command:?}");
    }
}

/// The environment, flags and command; the GPUs that are meant, and who says so.
type Asked<'a> = (Environment<'a>, &'a [&'a str], &'a [&'a str], &'a str, &'a str);

#[test]
fn numbers_count_along_the_bus_and_what_the_command_does_not_say_the_surroundings_do() {
    let (first, second) = ("GPU 0 (GPU-aaaaaaaa)", "GPU 1 (GPU-bbbbbbbb)");
    let (both, bus) = (format!("{first}, {second}"), format!("{second}, {first}"));
    let table: &[Asked<'_>] = &[
        // The second card is the first on the bus.
        (&[("CUDA_VISIBLE_DEVICES", "0")], &[], &["x"], second, "CUDA_VISIBLE_DEVICES of the environment"),
        (
            &[("CUDA_VISIBLE_DEVICES", "0,1,-1,7")],
            &[],
            &["x"],
            &bus,
            "CUDA_VISIBLE_DEVICES of the environment",
        ),
        (&[("CUDA_VISIBLE_DEVICES", "0")], &["--gpus", "0"], &["x"], first, "--gpus"),
        (&[("SLURM_JOB_GPUS", "1")], &[], &["x"], first, "Slurm's SLURM_JOB_GPUS"),
        // In a job that sees its own alone, the node's numbers are those of none.
        (&[("SLURM_STEP_GPUS", "4-5")], &[], &["x"], &both, "Slurm's SLURM_STEP_GPUS"),
        (&[], &[], &["x"], &both, "all of the machine: CUDA_VISIBLE_DEVICES is not set"),
        (
            &[("CUDA_VISIBLE_DEVICES", "0")],
            &[],
            &["env", "-u", "CUDA_VISIBLE_DEVICES", "x"],
            &both,
            "all of the machine: the command unsets CUDA_VISIBLE_DEVICES",
        ),
    ];
    let node = Node::new(NVML);
    for (environment, flags, command, gpus, said) in table {
        let answer: Answer =
            node.command(flags, command).envs(environment.iter().copied()).output().unwrap().into();
        assert_eq!((answer.code, answer.stdout), (0, format!("free: {gpus} ({said})\n")), "{environment:?}");
    }
}

#[test]
fn an_instance_of_a_divided_card_is_looked_at_by_itself() {
    let node = Node::new(NVML);
    let holder = training(&[]);
    let command = ["CUDA_VISIBLE_DEVICES=MIG-cccc", "python"];
    let flags = ["--wait", "0", "--decision-timeout", "0"];
    node.set(&format!("scene mig\n1 0 70000 {}:60000\n2 0 100\n", holder.pid()));
    let answer = node.preflight(&flags, &command);
    let free = "free: GPU 1 (MIG-cccccccc) (CUDA_VISIBLE_DEVICES of the command)\n";
    assert_eq!((answer.code, answer.stdout.as_str()), (0, free), "its neighbours hold the rest: {answer:?}");
    node.set(&format!("scene mig\n1 0 70000\n2 0 3000 {}:2048\n", holder.pid()));
    let answer = node.preflight(&flags, &command);
    assert_eq!(answer.code, 1);
    assert!(answer.stdout.contains("GPU 1 (MIG-cccccccc) is busy: process "), "{answer:?}");
    let answer = node.preflight(&flags, &["CUDA_VISIBLE_DEVICES=MIG-d", "python"]);
    assert!(answer.code == 3 && answer.stderr.contains("\n     MIG-cccccccc-0000"), "{answer:?}");
}

#[test]
fn a_command_that_wants_no_gpu_asks_no_driver() {
    let node = Node::new(NVML);
    for devices in ["", "-1", "-1,0", "NoDevFiles"] {
        let answer = node.preflight(&[], &[&format!("CUDA_VISIBLE_DEVICES={devices}"), "python"]);
        let line = "the command uses no GPU: its CUDA_VISIBLE_DEVICES names none\n";
        assert_eq!((answer.code, answer.stdout.as_str()), (0, line));
    }
    assert_eq!(node.looks(), 0);
}

#[test]
fn a_machine_without_gpus_is_fine_unless_one_is_asked_for() {
    let mut node = Node::new(NVML);
    node.set("scene none\n");
    let none = "there is no GPU on this machine, and the command asks for none\n";
    let answer = node.preflight(&[], &["python"]);
    assert_eq!((answer.code, answer.stdout.as_str()), (0, none), "{answer:?}");
    let answer = node.preflight(&[], &["CUDA_VISIBLE_DEVICES=0", "python"]);
    assert!(
        answer.code == 3 && answer.stderr.contains("names 0, and there is no such GPU here"),
        "{answer:?}"
    );
    for scene in ["not_loaded", "mismatch", "unknown"] {
        node.set(&format!("scene {scene}\n"));
        let answer = node.preflight(&[], &["python"]);
        assert_eq!(answer.code, 3, "{scene}");
        assert!(answer.stderr.contains("the GPUs could not be looked at: NVML"), "{answer:?}");
    }
    // No library at all.
    std::fs::remove_file(node.0.scene.path("lib/libnvidia-ml.so.1")).unwrap();
    std::fs::remove_file(node.0.scene.path("bin/nvidia-smi")).unwrap();
    node.0.gpu = "source: auto".to_owned();
    node.config("");
    if !std::path::Path::new("/dev/nvidiactl").exists() && !std::path::Path::new("/dev/dxg").exists() {
        let answer = node.preflight(&[], &["python"]);
        assert_eq!((answer.code, answer.stdout.as_str()), (0, none), "{answer:?}");
        let answer = node.preflight(&[], &["CUDA_VISIBLE_DEVICES=0", "python"]);
        assert!(answer.code == 3 && answer.stderr.contains("no GPU answers on this machine"), "{answer:?}");
    }
}
