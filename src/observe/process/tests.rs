use super::*;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// A process that is killed with its children at the end of its test.
struct Training(Child);

impl Training {
    fn start(program: &str, arguments: &[&str]) -> Self {
        Self(
            Command::new(program)
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap(),
        )
    }

    fn pid(&self) -> i32 {
        self.0.id() as i32
    }

    /// Waits until `/proc` shows what the test is about.
    fn until(&self, what: impl Fn(&Life) -> bool) -> Life {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = life(read(&ProcessSpec::Pid(self.pid()), None));
            if what(&seen) || Instant::now() > deadline {
                assert!(what(&seen), "{seen:?}");
                return seen;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        for pid in proc::descendants(self.pid()).into_iter().filter_map(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn found(observation: Observation<ProcessFacts>) -> Found {
    match observation {
        Observation::Known(facts) => facts.found,
        other => panic!("{other:?}"),
    }
}

fn life(observation: Observation<ProcessFacts>) -> Life {
    match found(observation) {
        Found::Process(life) => life,
        other => panic!("{other:?}"),
    }
}

fn gone(observation: Observation<ProcessFacts>) -> (Option<i32>, String) {
    match found(observation) {
        Found::Gone { pid, why } => (pid, why),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_pid_is_known_with_its_command_and_its_tree() {
    let training = Training::start("/bin/sh", &["-c", "sleep 1000 & sleep 1001 & wait"]);
    let life = training.until(|life| life.processes == 3);
    assert!(life.command.contains("sleep 1000"), "{}", life.command);
    assert!(life.resident_bytes > 0 && life.io_bytes.is_some());
    let age = SystemTime::now().duration_since(life.started.into()).unwrap_or_default();
    assert!(age < Duration::from_mins(2), "{age:?}");
    assert_eq!(life.identity.start_ticks, start_ticks(training.pid()).unwrap());
}

#[test]
fn a_pid_that_is_another_process_now_is_gone() {
    let training = Training::start("sleep", &["1000"]);
    let mut known = life(read(&ProcessSpec::Pid(training.pid()), None)).identity;
    assert_eq!(life(read(&ProcessSpec::Pid(training.pid()), Some(&known))).identity, known);
    known.start_ticks -= 1;
    let (pid, why) = gone(read(&ProcessSpec::Pid(training.pid()), Some(&known)));
    assert_eq!(pid, Some(training.pid()));
    assert!(why.contains("another process"), "{why}");
    known.start_ticks += 1;
    known.boot_id = "another boot".to_owned();
    gone(read(&ProcessSpec::Pid(training.pid()), Some(&known)));
}

#[test]
fn a_process_that_ended_unwaited_is_a_zombie_and_one_that_was_waited_for_is_gone() {
    let mut training = Training::start("cat", &[]);
    drop(training.0.stdin.take());
    assert_eq!(training.until(|life| life.state == 'Z').state, 'Z');
    assert_eq!(start_ticks(training.pid()), None, "a zombie does not live");
    training.0.wait().unwrap();
    assert_eq!(gone(read(&ProcessSpec::Pid(training.pid()), None)).0, Some(training.pid()));
}

#[test]
fn a_pid_file_is_believed_only_if_the_process_is_not_younger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("train.pid");
    let spec = ProcessSpec::PidFile(path.clone());
    assert!(gone(read(&spec, None)).1.contains("does not exist"));

    let training = Training::start("sleep", &["1000"]);
    let mut file = std::fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut file, format!("{}\n", training.pid()).as_bytes()).unwrap();
    let alive = life(read(&spec, None));
    assert_eq!(alive.identity.pid, training.pid());

    file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    let (pid, why) = gone(read(&spec, None));
    assert_eq!(pid, Some(training.pid()));
    assert!(why.contains("'sleep'") && why.contains("later than the file was written"), "{why}");
    assert_eq!(
        life(read(&spec, Some(&alive.identity))).identity,
        alive.identity,
        "a clock that was set does not kill a process that was believed before"
    );

    for bad in ["", "no pid", "-5", "99999999999999"] {
        file.set_len(0).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&file, bad.as_bytes(), 0).unwrap();
        assert!(matches!(read(&spec, None), Observation::Failed { .. }), "{bad:?}");
    }
    assert!(matches!(read(&ProcessSpec::PidFile(dir.path().to_owned()), None), Observation::Failed { .. }));
}

#[test]
fn a_match_finds_the_training_and_not_the_shell_around_it() {
    // The shell stays because of the second command; its own command line matches as well.
    let token = format!("1{:07}", std::process::id());
    let training = Training::start("/bin/sh", &["-c", &format!("sleep {token}; true")]);
    training.until(|life| life.processes == 2);
    let spec = ProcessSpec::Match(format!("sleep {token}"));
    let alive = life(read(&spec, None));
    assert_eq!(alive.command, format!("sleep {token}"));
    assert_ne!(alive.identity.pid, training.pid());

    let other = Training::start("sleep", &[&token]);
    other.until(|life| life.command.starts_with("sleep"));
    match found(read(&spec, None)) {
        Found::Ambiguous { matches } => {
            assert!(matches.iter().any(|(pid, _)| *pid == other.pid()) && matches.len() == 2, "{matches:?}");
        }
        found => panic!("{found:?}"),
    }
    assert_eq!(gone(read(&ProcessSpec::Match(format!("sleep {token}9")), None)).0, None);
}

#[test]
fn a_process_that_renamed_itself_is_still_the_one_seen_before() {
    let training = Training::start("sleep", &["1000"]);
    let known = life(read(&ProcessSpec::Pid(training.pid()), None)).identity;
    let spec = ProcessSpec::Match("no-command-line-is-like-this".to_owned());
    assert_eq!(life(read(&spec, Some(&known))).identity, known);
}

#[test]
fn a_name_with_brackets_and_spaces_is_no_trouble() {
    let line = b"42 (a) R 7 (b)) S 1 42 42 0 -1 4194304 1 2 3 4 10 20 30 40 20 0 1 0 777 1000 5 18446744073709551615 0";
    let stat = proc::Stat::parse(42, line).unwrap();
    assert_eq!((stat.comm.as_str(), stat.state, stat.identity().start_ticks), ("a) R 7 (b)", 'S', 777));
    for cut in 0..line.len() {
        let _ = proc::Stat::parse(42, &line[..cut]);
    }
}
