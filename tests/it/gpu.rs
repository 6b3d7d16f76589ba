//! GPUs: the same scenes played by an NVML library and by an `nvidia-smi`, each of the tests' own.

use crate::report::VALIDATE;
use crate::scene::{Answer, Process, Scene, healthy, python, within};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

pub const FIRST: &str = "GPU-aaaaaaaa-0000-0000-0000-000000000000";
pub const SECOND: &str = "GPU-bbbbbbbb-0000-0000-0000-000000000000";
pub const NVML: &str = "nvml";
pub const SMI: &str = "nvidia-smi";

/// A machine with two GPUs, of which the second is in some scene.
pub struct Machine {
    pub scene: Scene,
    /// What stands in the config besides the log.
    run: String,
    pub gpu: String,
}

impl Machine {
    /// Its readings come from `source`; both are there to be found.
    pub fn new(source: &str) -> Self {
        let scene = Scene::new();
        scene.write("train.log", healthy(0, 20));
        std::fs::create_dir(scene.path("bin")).unwrap();
        let smi = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/nvml/nvidia-smi");
        std::fs::copy(smi, scene.path("bin/nvidia-smi")).unwrap();
        let machine = Self { scene, run: String::new(), gpu: format!("source: {source}") };
        machine.library(&[]);
        machine
    }

    /// Compiles the library anew.
    fn library(&self, flags: &[&str]) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/nvml/fake_nvml.c");
        std::fs::create_dir_all(self.scene.path("lib")).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-Wall", "-Wextra", "-Werror"]).args(flags);
        cc.arg("-o").arg(self.scene.path("lib/libnvidia-ml.so.1")).arg(source);
        assert!(cc.status().expect("`sh tests/run.sh` installs gcc").success());
    }

    fn command(&self, scene: &str, environment: Environment<'_>, arguments: &[&str]) -> Command {
        let config = format!("gpu: {{{}}}\nruns:\n- {{name: demo, log: train.log{}}}\n", self.gpu, self.run);
        self.scene.write("trainguard.yaml", config);
        let mut command = self.scene.command(&[&["patrol"], arguments].concat());
        self.equip(&mut command);
        command.env("FAKE_NVML", scene).envs(environment.iter().copied());
        command
    }

    /// Gives a command the library and `nvidia-smi`.
    pub fn equip(&self, command: &mut Command) {
        let path = format!("{}:/usr/bin:/bin", self.scene.path("bin").display());
        command.env("PATH", path).env("LD_LIBRARY_PATH", self.scene.path("lib"));
        command.env("FAKE_NVML_LOG", self.scene.path("calls"));
    }

    fn patrol(&self, scene: &str, environment: Environment<'_>) -> Value {
        self.patrol_with(scene, environment, &[])
    }

    fn patrol_with(&self, scene: &str, environment: Environment<'_>, arguments: &[&str]) -> Value {
        let arguments = [&["--format", "json"], arguments].concat();
        let answer: Answer = self.command(scene, environment, &arguments).output().unwrap().into();
        serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// What the library or `nvidia-smi` noted.
    pub fn calls(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.scene.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

/// Syndrome, severity and GPU of what is open.
type Open<'a> = (&'a str, &'a str, Option<&'a str>);

fn open(report: &Value) -> Vec<Open<'_>> {
    let findings = report["runs"][0]["findings"].as_array().unwrap().iter();
    let open = findings.filter(|finding| finding["state"] == "new" || finding["state"] == "ongoing");
    open.map(|finding| {
        let text = |key: &str| finding[key].as_str().unwrap();
        (text("syndrome"), text("severity"), finding["evidence"]["gpu"].as_str())
    })
    .collect()
}

#[test]
fn healthy_cards_are_reported_with_what_each_source_tells() {
    for source in [NVML, SMI] {
        let machine = Machine::new(source);
        let own = std::process::id().to_string();
        let report = machine.patrol("healthy", &[("FAKE_NVML_PIDS", &own)]);
        assert_eq!(open(&report), [], "{source}");
        let run = &report["runs"][0];
        assert_eq!(run["gpus_by"], "all of the machine: the run's process is not known");
        let gpus = run["gpus"].as_array().unwrap();
        assert_eq!(gpus.iter().map(|gpu| gpu["uuid"].as_str().unwrap()).collect::<Vec<_>>(), [FIRST, SECOND]);
        let second = &gpus[1];
        let expected = json!({
            "uuid": SECOND, "pci_bus": "00000000:01:00.0", "index": 1, "name": "NVIDIA Fake 80GB", "lost": false,
            "utilization": 0.97, "memory_used_bytes": 60_u64 << 30, "memory_total_bytes": 80_u64 << 30,
            "temperature_c": 61.0, "power_w": 431.25, "power_limit_w": 700.0, "clock_mhz": 1755,
            "clock_max_mhz": 1980, "throttle": ["power_cap"], "ecc_volatile": 0, "ecc_aggregate": 0,
            "retired_pending": false, "mig": [],
        });
        for (key, expected) in expected.as_object().unwrap() {
            assert_eq!(&second[key], expected, "{source}: {key}");
        }
        // What only one of the two can tell.
        let nvml = source == NVML;
        assert_eq!(second["slowdown_c"], if nvml { json!(92.0) } else { Value::Null });
        assert_eq!(second["remap_failed"], if nvml { json!(false) } else { Value::Null });
        let process = &second["processes"][0];
        assert_eq!((&process["pid"], &process["lives"]), (&json!(std::process::id()), &json!(true)));
        assert_eq!(process["memory_bytes"], 2_u64 << 30);
        let schema = include_str!("../../docs/report.schema.json").to_owned();
        assert_eq!(python(VALIDATE, &format!("{schema}\0{report}")), "");
        let health: Value = serde_yaml::from_str(&machine.scene.read("agent_health.yaml")).unwrap();
        assert_eq!(health["runs"]["demo"]["gpus"][1]["temperature_c"], 61.0);
    }
}

#[test]
fn both_sources_tell_the_same_of_each_scene() {
    let second = Some(SECOND);
    let table: &[(&str, &[&str], &[Open<'_>])] = &[
        ("hot", &[NVML, SMI], &[("gpu_hot", "warning", second)]),
        ("slowing", &[NVML], &[("gpu_hot", "critical", second)]),
        ("throttling", &[NVML, SMI], &[("gpu_throttled", "info", second)]),
        ("capped", &[NVML, SMI], &[("gpu_throttled", "info", second)]),
        ("retiring", &[NVML, SMI], &[("ecc_error", "critical", second)]),
        ("used_up", &[NVML], &[("ecc_error", "critical", second)]),
        ("lost", &[NVML, SMI], &[("gpu_fell_off_bus", "critical", second)]),
        ("no_handle", &[NVML], &[("gpu_fell_off_bus", "critical", second)]),
        ("not_loaded", &[NVML, SMI], &[("driver_not_loaded", "critical", None)]),
        ("mismatch", &[NVML, SMI], &[("driver_version_mismatch", "warning", None)]),
        ("unknown", &[NVML, SMI], &[("gpu_unknown", "unknown", None)]),
        // Cards that answered before and do not now were not taken out by themselves.
        ("none", &[NVML, SMI], &[("gpu_unknown", "unknown", None)]),
    ];
    for (scene, sources, expected) in table {
        for source in *sources {
            let machine = Machine::new(source);
            assert_eq!(open(&machine.patrol("healthy", &[])), [], "{source}");
            machine.patrol(scene, &[]);
            let report = machine.patrol(scene, &[]);
            assert_eq!(open(&report), *expected, "{scene} by {source}: {report:#}");
            // The same trouble is told once.
            let alerts = machine.scene.alerts();
            let loud = expected.iter().filter(|(_, severity, _)| *severity != "info").count();
            assert_eq!(
                alerts.iter().filter(|line| !line.contains(" INFO ")).count(),
                loud,
                "{scene}: {alerts:?}"
            );
        }
    }
}

#[test]
fn memory_errors_that_rise_are_critical_until_the_card_is_reset() {
    for source in [NVML, SMI] {
        let machine = Machine::new(source);
        let critical = [("ecc_error", "critical", Some(SECOND))];
        assert_eq!(
            open(&machine.patrol("ecc", &[("FAKE_NVML_ECC", "5")])),
            [],
            "as old as the driver's start"
        );
        let report = machine.patrol("ecc", &[("FAKE_NVML_ECC", "7")]);
        assert_eq!(open(&report), critical, "{source}");
        let message = report["runs"][0]["findings"][0]["message"].as_str().unwrap();
        assert!(message.contains("2 uncorrectable memory errors since the last look"), "{message}");
        assert_eq!(open(&machine.patrol("ecc", &[("FAKE_NVML_ECC", "7")])), critical, "{source}");
        assert_eq!(open(&machine.patrol("ecc", &[("FAKE_NVML_ECC", "0")])), [], "{source}");
    }
}

#[test]
fn what_an_old_library_lacks_is_unknown_without_alarm() {
    let machine = Machine::new(NVML);
    machine.library(&["-DOLD"]);
    for _ in 0..2 {
        let report = machine.patrol("healthy", &[]);
        assert_eq!(open(&report), []);
        let gpu = &report["runs"][0]["gpus"][1];
        assert_eq!(gpu["temperature_c"], 61.0);
        for key in ["memory_used_bytes", "processes", "throttle", "pci_bus", "remap_failed"] {
            assert_eq!(gpu[key], Value::Null, "{key}");
        }
    }
}

#[test]
fn a_library_that_cannot_be_used_is_unknown_and_nvidia_smi_stands_in_for_it() {
    let mut machine = Machine::new(NVML);
    machine.library(&["-DANCIENT"]);
    assert_eq!(open(&machine.patrol("healthy", &[])), [("gpu_unknown", "unknown", None)]);
    // `auto` asks because the config counts on GPUs.
    machine.gpu = "source: auto, expect: 2".to_owned();
    let report = machine.patrol("healthy", &[]);
    assert_eq!(open(&report), []);
    assert_eq!(report["runs"][0]["gpus"][1]["temperature_c"], 61.0);
}

#[test]
fn a_machine_without_gpus_is_not_asked_and_one_that_is_counted_on_is_missed() {
    let mut machine = Machine::new("auto");
    // Where the machine of the tests has a driver, `auto` rightly asks.
    if !Path::new("/dev/nvidiactl").exists() && !Path::new("/dev/dxg").exists() {
        let report = machine.patrol("healthy", &[]);
        assert_eq!((open(&report), machine.calls()), (Vec::new(), Vec::new()));
        assert_eq!(report["runs"][0]["gpus_by"], Value::Null);
    }
    machine.gpu = "source: none".to_owned();
    assert_eq!(open(&machine.patrol("hot", &[])), []);
    assert_eq!(machine.calls(), Vec::<String>::new());
    let missing = ("gpu_missing", "critical", None);
    for gpu in ["source: nvml, expect: 3", "source: nvidia-smi, expect: 3"] {
        machine.gpu = gpu.to_owned();
        assert_eq!(open(&machine.patrol("healthy", &[])), [missing], "{gpu}");
        assert_eq!(open(&machine.patrol("none", &[])), [missing], "{gpu}");
    }
    std::fs::remove_file(machine.scene.path("lib/libnvidia-ml.so.1")).unwrap();
    std::fs::remove_file(machine.scene.path("bin/nvidia-smi")).unwrap();
    machine.gpu = "source: auto, expect: 1".to_owned();
    assert_eq!(open(&machine.patrol("healthy", &[])), [missing]);
}

#[test]
fn a_divided_card_passes_its_names_through() {
    let mut machine = Machine::new(NVML);
    machine.run = ", gpus: [MIG-cccccccc-0000-0000-0000-000000000000]".to_owned();
    let report = machine.patrol("mig", &[]);
    assert_eq!(open(&report), []);
    let gpus = report["runs"][0]["gpus"].as_array().unwrap();
    assert_eq!(gpus.len(), 1);
    assert_eq!(gpus[0]["mig"], json!(["MIG-cccccccc-0000-0000-0000-000000000000"]));
    assert_eq!(gpus[0]["utilization"], Value::Null);
    assert_eq!(report["runs"][0]["gpus_by"], "named in the config");
}

pub type Environment<'a> = &'a [(&'a str, &'a str)];

/// A training and its environment.
pub fn training(environment: Environment<'_>) -> Process {
    let mut sleep = Command::new("sleep");
    Process(sleep.arg("600").envs(environment.iter().copied()).stdin(Stdio::null()).spawn().unwrap())
}

#[test]
fn a_runs_gpus_are_found_by_its_processes_and_by_its_environment() {
    let chosen = |report: &Value| {
        let run = &report["runs"][0];
        let indices = run["gpus"].as_array().unwrap().iter().map(|gpu| gpu["index"].as_u64().unwrap());
        (indices.collect::<Vec<u64>>(), run["gpus_by"].as_str().unwrap().to_owned())
    };
    let table: &[(Environment<'_>, &[u64], &str)] = &[
        (&[("CUDA_VISIBLE_DEVICES", FIRST)], &[0], "CUDA_VISIBLE_DEVICES"),
        (&[("CUDA_VISIBLE_DEVICES", "0"), ("CUDA_DEVICE_ORDER", "PCI_BUS_ID")], &[1], "CUDA_VISIBLE_DEVICES"),
        (&[("CUDA_VISIBLE_DEVICES", "0")], &[0, 1], "from the fastest card"),
        (&[("CUDA_VISIBLE_DEVICES", "")], &[], "CUDA_VISIBLE_DEVICES"),
        (&[], &[0, 1], "is not set"),
    ];
    for (environment, expected, rule) in table {
        let mut machine = Machine::new(NVML);
        let training = training(environment);
        machine.run = format!(", process: {{pid: {}}}", training.pid());
        let (indices, by) = chosen(&machine.patrol("healthy", &[]));
        assert_eq!(indices, *expected, "{environment:?}");
        assert!(by.contains(rule), "{by}");
        let (indices, by) = chosen(&machine.patrol("healthy", &[("FAKE_NVML_PIDS", &training.pid())]));
        assert_eq!((indices, by.as_str()), (vec![1], "the driver lists the run's processes on them"));
    }
}

#[test]
fn a_stranger_and_the_memory_of_a_dead_process_on_the_runs_card_are_warnings() {
    let stranger = training(&[]);
    let dead = training(&[]);
    let dead_pid = dead.pid();
    dead.kill();
    for source in [NVML, SMI] {
        for (other, said) in [(stranger.pid(), "none of the run's"), (dead_pid.clone(), "held by no process")]
        {
            let mut machine = Machine::new(source);
            let training = training(&[]);
            machine.run = format!(", process: {{pid: {}}}", training.pid());
            let pids = format!("{},{other}", training.pid());
            assert_eq!(
                open(&machine.patrol("healthy", &[("FAKE_NVML_PIDS", &pids)])),
                [],
                "once is no proof"
            );
            let report = machine.patrol("healthy", &[("FAKE_NVML_PIDS", &pids)]);
            assert_eq!(open(&report), [("gpu_busy", "warning", Some(SECOND))], "{report:#}");
            let message = report["runs"][0]["findings"][0]["message"].as_str().unwrap();
            assert!(message.contains(said) && message.contains(&other), "{message}");
            // Without the run's own pid these may be the host's pids.
            let blind = Machine { run: machine.run.clone(), ..Machine::new(source) };
            for _ in 0..2 {
                assert_eq!(open(&blind.patrol("healthy", &[("FAKE_NVML_PIDS", &other)])), []);
            }
        }
    }
}

#[test]
fn a_file_of_readings_stands_in_for_a_driver() {
    let machine = Machine { gpu: "source: file, path: gpus.json".to_owned(), ..Machine::new(NVML) };
    assert_eq!(open(&machine.patrol("hot", &[])), [("gpu_unknown", "unknown", None)], "no such file");
    machine.scene.write("gpus.json", r#"{"gpus": [{"uuid": "GPU-5", "temperature_c": 91}]}"#);
    assert_eq!(open(&machine.patrol("hot", &[])), [("gpu_hot", "warning", Some("GPU-5"))]);
    machine.scene.write("gpus.json", r#"{"gpus": [{"uuid": "GPU-5", "temprature_c": 91}]}"#);
    let report = machine.patrol("hot", &[]);
    assert!(report.to_string().contains("unknown field `temprature_c`"), "{report:#}");
    assert!(machine.calls().is_empty(), "no driver is asked");
}

/// The contract's limit for a patrol without backlog.
const LIMIT: Duration = Duration::from_secs(10);
const WEDGED: [Open<'_>; 1] = [("probe_timeout", "unknown", None)];

#[test]
fn a_wedged_driver_ends_the_probe_in_time_and_is_named_and_holds_no_lock() {
    let machine = Machine::new(NVML);
    let begin = Instant::now();
    let report = machine.patrol("hanging", &[]);
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    assert_eq!(open(&report), WEDGED);
    let message = report["runs"][0]["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("the probe of GPUs (NVIDIA driver)"), "{message}");
    assert_eq!(report["runs"][0]["log"]["rows"], 20, "the rest is looked at");
    let calls = machine.calls();
    assert_eq!(calls.iter().filter(|call| *call == "init").count(), 1);
    assert!(calls.iter().any(|call| call == "hangs"), "{calls:?}");
    // Its other threads may be reading a directory or the log; what the patrol keeps is not theirs.
    let state = machine.scene.path(".trainguard").canonicalize().unwrap();
    let kept = calls.iter().filter(|file| Path::new(file).starts_with(&state) || file.contains(".lock"));
    assert_eq!(kept.collect::<Vec<_>>(), Vec::<&String>::new(), "the probe has a lock or a state open");
    let report = machine.patrol_with("healthy", &[], &["--lock-wait", "0"]);
    assert_eq!(open(&report), [], "it answers again");
}

#[test]
fn while_a_probe_hangs_no_second_one_is_started_and_when_it_has_ended_the_driver_is_asked_again() {
    let machine = Machine::new(NVML);
    machine.patrol_with("hanging", &[], &["--timeout", "2s"]);
    let stuck: Value = serde_json::from_str(&machine.scene.read(".trainguard/demo.json")).unwrap();
    let child = stuck["stuck"][0]["pid"].as_u64().unwrap();
    within(LIMIT, "the probe is killed", || !Path::new(&format!("/proc/{child}")).exists());
    // A process that no signal ends cannot be had at will: another one takes its place in the state.
    let unkillable = training(&[]);
    let mut state = stuck;
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", unkillable.pid())).unwrap();
    let ticks: u64 = stat.rsplit(')').next().unwrap().split_whitespace().nth(19).unwrap().parse().unwrap();
    state["stuck"][0]["pid"] = unkillable.0.id().into();
    state["stuck"][0]["start_ticks"] = ticks.into();
    machine.scene.write(".trainguard/demo.json", state.to_string());
    let asked = machine.calls().len();
    let begin = Instant::now();
    let report = machine.patrol("healthy", &[]);
    assert_eq!((open(&report), machine.calls().len()), (WEDGED.to_vec(), asked));
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    assert_eq!(machine.scene.alerts().len(), 1, "told once");
    unkillable.kill();
    let report = machine.patrol("healthy", &[]);
    assert_eq!(open(&report), []);
    assert!(machine.calls().len() > asked);
}

#[test]
fn an_nvidia_smi_that_hangs_is_ended_and_no_second_one_is_started_beside_one_that_is_left() {
    let machine = Machine::new(SMI);
    let begin = Instant::now();
    let report = machine.patrol("hanging", &[]);
    assert!(begin.elapsed() < LIMIT, "{:?}", begin.elapsed());
    assert_eq!(open(&report), WEDGED);
    let [query] = machine.calls().try_into().unwrap();
    let hangs = || {
        let processes = std::fs::read_dir("/proc").unwrap().flatten();
        let script = machine.scene.path("bin/nvidia-smi").into_os_string().into_encoded_bytes();
        let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
        lines.filter(|line| line.split(|byte| *byte == 0).any(|argument| argument == script)).count() > 0
    };
    within(LIMIT, "nvidia-smi is killed", || !hangs());

    let mut left = Command::new(machine.scene.path("bin/nvidia-smi"));
    left.arg(&query).env("FAKE_NVML", "hanging").env("FAKE_NVML_LOG", "/dev/null").stdin(Stdio::null());
    let left = Process(left.spawn().unwrap());
    let report = machine.patrol_with("healthy", &[], &["--timeout", "3s"]);
    assert_eq!((open(&report), machine.calls().len()), (WEDGED.to_vec(), 1));
    left.kill();
    assert_eq!(open(&machine.patrol("healthy", &[])), []);
}
