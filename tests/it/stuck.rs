//! What hangs in the kernel: a process that no signal reaches, a file system that does not answer.

use crate::scene::{Process, Scene, failure, healthy, until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The contract: without backlog an invocation ends within this.
const AT_MOST: Duration = Duration::from_secs(10);

/// The state letter of `/proc/PID/stat`; `None` where there is no such process.
fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Whether a thread of a process is in state D; the process itself may be shown as a zombie.
fn hangs(pid: u32) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let stats = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("stat")).ok());
    stats.into_iter().any(|stat| stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('D')))
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A process whose child borrows its memory and does not give it back until its pipe is closed: the
/// kernel shows it in state D.
fn uninterruptible(scene: &Scene) -> Process {
    let source = scene.write(
        "vfork.c",
        "#include <unistd.h>\nint main(void) { char c; if (vfork() == 0) { while (read(0, &c, 1) > 0); _exit(0); } return 0; }\n",
    );
    let program = scene.path("vfork");
    let made = Command::new("cc").arg("-w").arg("-o").arg(&program).arg(source).status();
    assert!(made.expect("cc: `sh tests/run.sh` sets the machine up").success());
    // Its standard input is closed with the test, so its child ends however the test does.
    let process = Process(Command::new(program).stdin(Stdio::piped()).spawn().unwrap());
    until("the process is in state D", || state(process.0.id()) == Some('D'));
    process
}

#[test]
fn a_process_that_no_signal_reaches_is_named_once_two_looks_agree() {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    let process = uninterruptible(&scene);
    let pid = process.pid();
    let stuck = |report: &Value| {
        let all = report["runs"][0]["findings"].as_array().unwrap().clone();
        all.into_iter().find(|finding| finding["syndrome"] == "process_stuck")
    };
    let first = scene.report(&["--pid", &pid]);
    assert_eq!(stuck(&first), None, "one look says nothing about movement: {first:#}");
    // The judge compares looks that are at least 10 s apart by the machine's own clock.
    std::thread::sleep(AT_MOST + Duration::from_millis(200));
    let answer = scene.patrol(&["--pid", &pid]);
    assert_eq!(answer.code, 2, "{answer:?}");
    assert!(answer.stdout.contains(&format!("process {pid} is stuck in the kernel (state D)")), "{answer:?}");
    let finding = stuck(&scene.report(&["--pid", &pid])).unwrap();
    assert_eq!(
        (&finding["severity"], finding["evidence"]["pid"].to_string()),
        (&Value::from("critical"), pid)
    );
}

/// A bindfs over another one. When the inner one is stopped, the outer one has taken a question that
/// it cannot answer, and whoever asked hangs in state D, as with a dead file server: not even SIGKILL
/// ends it.
struct Hanging {
    inner: Child,
    outer: Child,
    mounts: [PathBuf; 2],
}

impl Hanging {
    /// Shows the directory `real` at `hangs`.
    fn new(scene: &Scene) -> Self {
        let [real, between, hangs] = ["real", "between", "hangs"].map(|name| scene.path(name));
        for dir in [&real, &between, &hangs] {
            std::fs::create_dir_all(dir).unwrap();
        }
        let inner = bindfs(&real, &between);
        let outer = bindfs(&between, &hangs);
        Self { inner, outer, mounts: [hangs, between] }
    }

    fn stop(&self) {
        signal(self.inner.id(), rustix::process::Signal::STOP);
        until("it has stopped", || state(self.inner.id()) == Some('T'));
    }

    fn go_on(&self) {
        signal(self.inner.id(), rustix::process::Signal::CONT);
    }
}

/// Mounts `from` at `to` and waits until it is there.
fn bindfs(from: &Path, to: &Path) -> Child {
    let mut command = Command::new("bindfs");
    command.args(["-f", "-o", "attr_timeout=0,entry_timeout=0"]).args([from, to]).stdin(Stdio::null());
    let child = command.spawn().expect("bindfs: `sh tests/run.sh` sets the machine up");
    let mounted = || std::fs::read_to_string("/proc/self/mountinfo").unwrap().contains(to.to_str().unwrap());
    until("bindfs has mounted", mounted);
    child
}

impl Drop for Hanging {
    fn drop(&mut self) {
        // A daemon's end answers all who wait for it with an error; then nothing holds the mounts.
        for child in [&mut self.inner, &mut self.outer] {
            drop(child.kill());
            drop(child.wait());
        }
        for mount in &self.mounts {
            let unmount = if rustix::process::geteuid().is_root() { "umount" } else { "fusermount" };
            let lazily = if unmount == "umount" { "-l" } else { "-uz" };
            drop(Command::new(unmount).arg(lazily).arg(mount).stderr(Stdio::null()).status());
        }
    }
}

/// The patrol's report, in time.
fn in_time(scene: &Scene) -> (Value, i32) {
    let mut command = scene.command(&["patrol", "--format", "json"]);
    let begin = Instant::now();
    let mut patrol = command.stdout(Stdio::piped()).spawn().unwrap();
    let ended = loop {
        if let Some(status) = patrol.try_wait().unwrap() {
            break status;
        }
        assert!(begin.elapsed() < AT_MOST, "the patrol hangs, in state {:?}", state(patrol.id()));
        std::thread::sleep(Duration::from_millis(20));
    };
    let text = std::io::read_to_string(patrol.stdout.take().unwrap()).unwrap();
    (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")), ended.code().unwrap())
}

/// The messages of a syndrome's open findings, by what they are about.
fn messages(report: &Value, syndrome: &str) -> Vec<String> {
    let all = report["runs"][0]["findings"].as_array().unwrap().iter();
    let all = all.filter(|finding| finding["syndrome"] == syndrome && finding["state"] != "resolved");
    let mut all: Vec<String> = all.map(|finding| finding["message"].as_str().unwrap().to_owned()).collect();
    all.sort();
    all
}

/// The probes that the run's state remembers as stuck.
fn stuck_probes(scene: &Scene) -> Vec<u32> {
    let state: Value = serde_json::from_str(&scene.read(".trainguard/a.json")).unwrap();
    let stuck = state["stuck"].as_array().unwrap().iter();
    let mut pids: Vec<u32> = stuck.map(|stuck| stuck["pid"].as_u64().unwrap() as u32).collect();
    pids.dedup();
    pids
}

#[test]
fn a_file_system_that_does_not_answer_is_named_in_time_and_asked_by_one_probe_alone() {
    let scene = Scene::new();
    scene.write("real/train.log", healthy(0, 20));
    scene.write("real/out/model.pt", "x");
    scene.write(
        "trainguard.yaml",
        "runs: [{name: a, log: hangs/train.log, checkpoints: {dir: hangs/out}}]\npatrol: {disk_min_gb: 0}\n",
    );
    let mount = Hanging::new(&scene);
    let (well, code) = in_time(&scene);
    assert_eq!((code, &well["runs"][0]["log"]["rows"]), (0, &Value::from(20)), "{well:#}");

    mount.stop();
    scene.append("real/train.log", failure(0));
    let (first, code) = in_time(&scene);
    assert_eq!(code, 3, "{first:#}");
    let told = messages(&first, "probe_timeout");
    for what in ["log ", "disk ", "checkpoints "] {
        let named = |message: &String| {
            message.starts_with(&format!("no answer from the probe of {what}")) && message.contains("/hangs")
        };
        assert!(told.iter().any(named), "{what}: {told:#?}");
    }
    let probes = stuck_probes(&scene);
    assert_eq!(probes.len(), 1, "one child asks all: {probes:?}");
    assert!(hangs(probes[0]), "SIGKILL does not end it");

    let (second, code) = in_time(&scene);
    assert_eq!(code, 3, "{second:#}");
    assert_eq!(messages(&second, "probe_timeout"), told, "since the same time, by the same probe");
    assert!(told.iter().all(|message| message.contains("stuck since")), "{told:#?}");
    assert_eq!(stuck_probes(&scene), probes, "no second one was started");
    let locks = Command::new("flock").args(["-n"]).arg(scene.path(".trainguard/a.lock")).arg("true").status();
    assert!(locks.unwrap().success(), "the stuck probe holds the run's lock");

    mount.go_on();
    until("the probe has ended", || !hangs(probes[0]));
    let (after, code) = in_time(&scene);
    assert_eq!(messages(&after, "probe_timeout"), [""; 0], "{after:#}");
    assert_eq!((code, messages(&after, "cuda_illegal_access").len()), (2, 1), "what was written meanwhile");
}
