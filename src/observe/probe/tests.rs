use super::*;
use crate::config::ProcessSpec;
use crate::observe::Observation;
use crate::observe::disk::Purpose;
use crate::observe::process::Found;
use std::path::Path;

const LONG: Duration = Duration::from_mins(1);

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

/// A stand-in for the child.
fn shell(script: &str) -> impl FnOnce() -> std::io::Result<Command> {
    let script = script.to_owned();
    move || {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        Ok(command)
    }
}

/// The real child: this test binary, running the test below and nothing else.
fn real() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["--exact", "observe::probe::tests::the_child_itself", "--ignored", "--nocapture"]);
    Ok(command)
}

#[test]
#[ignore = "is the child of the tests here and needs questions on its standard input"]
fn the_child_itself() {
    println!();
    serve(std::io::stdin(), std::io::stdout()).unwrap();
}

fn questions() -> Vec<Question> {
    vec![
        Question::log(Path::new("/proc/self/status")),
        Question::disk(Path::new("/"), Purpose::Log),
        Question::checkpoints(None, Some(Path::new("/no/such/dir/train.log"))),
        Question::process(&ProcessSpec::Pid(std::process::id() as i32), None),
    ]
}

fn why(answer: &Answer) -> String {
    match answer {
        Answer::Log(Observation::Failed { why })
        | Answer::Disk(Observation::Failed { why })
        | Answer::Checkpoints(Observation::Failed { why })
        | Answer::Process(Observation::Failed { why })
        | Answer::Memory(Observation::Failed { why }) => why.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_question_is_answered_in_its_place() {
    let answers = ask_child(real, &questions(), LONG, &[], now());
    assert!(answers.stuck.is_empty());
    match &answers.answers[..] {
        [
            Answer::Log(Observation::Known(())),
            Answer::Disk(Observation::Known(disk)),
            Answer::Checkpoints(Observation::Absent),
            Answer::Process(Observation::Known(process)),
        ] => {
            assert!(disk.total_bytes > 0);
            assert!(
                matches!(&process.found, Found::Process(life) if life.identity.pid == std::process::id() as i32)
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_answered_is_kept_when_another_question_hangs() {
    let script = "echo noise; echo '[0,{\"Log\":{\"known\":null}}]'; exec sleep 1000";
    let answers = ask_child(shell(script), &questions(), Duration::from_millis(300), &[], now());
    assert_eq!(answers.answers[0], Answer::Log(Observation::Known(())));
    assert_eq!(why(&answers.answers[1]), "disk /: no answer within 0.3 s");
    let stuck: Vec<&str> = answers.stuck.iter().map(|stuck| stuck.what.as_str()).collect();
    assert_eq!(stuck, ["disk /", "checkpoints /no/such/dir/train.log", &questions()[3].what()]);
    assert!(answers.stuck[0].explains(&why(&answers.answers[1])));
    assert!(!answers.stuck[0].explains("disk /mnt: no answer"));
    assert_eq!(answers.stuck[0].since, now());
}

#[test]
fn what_still_hangs_is_not_asked_again_and_what_died_is() {
    let mut hanging = Command::new("sleep").arg("1000").spawn().unwrap();
    let pid = hanging.id();
    let since = now() - chrono::Duration::hours(1);
    let start_ticks = start_ticks(pid as i32).unwrap();
    let old = Stuck { what: "disk /".to_owned(), since, pid, start_ticks, boot_id: boot_id() };
    let never = || -> std::io::Result<Command> { panic!("asked again") };
    let disk = &questions()[1..2];
    let answers = ask_child(never, disk, LONG, std::slice::from_ref(&old), now());
    assert_eq!(answers.stuck, std::slice::from_ref(&old));
    assert_eq!(why(&answers.answers[0]), format!("disk /: no answer, stuck since {}", since.format("%H:%M")));

    hanging.kill().unwrap();
    hanging.wait().unwrap();
    let again = ask_child(
        shell("exec sleep 1000"),
        disk,
        Duration::from_millis(100),
        std::slice::from_ref(&old),
        now(),
    );
    assert_eq!(again.stuck[0].since, since, "it has not answered since then");
    assert_ne!(again.stuck[0].pid, pid);
    let well = ask_child(real, disk, LONG, &[old], now());
    assert!(well.stuck.is_empty() && matches!(well.answers[0], Answer::Disk(Observation::Known(_))));
}

#[test]
fn a_child_that_cannot_be_started_or_that_dies_is_said_to_be() {
    let answers = ask_child(|| Ok(Command::new("/no/such/program")), &questions(), LONG, &[], now());
    assert!(why(&answers.answers[0]).contains("cannot be started: No such file"), "{answers:?}");
    let answers = ask_child(shell("exit 1"), &questions(), LONG, &[], now());
    assert!(why(&answers.answers[3]).ends_with("the probe ended without an answer"), "{answers:?}");
    assert!(answers.stuck.is_empty());
}

#[test]
fn a_hanging_child_holds_no_lock_of_ours_and_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("lock");
    let lock = std::fs::File::create(&path).unwrap();
    fs2::FileExt::lock_exclusive(&lock).unwrap();
    let told = dir.path().join("files");
    let script = format!("readlink /proc/$$/fd/* > {}", told.display());
    ask_child(shell(&script), &questions()[..1], LONG, &[], now());
    let files = std::fs::read_to_string(&told).unwrap();
    assert!(!files.contains("/lock") && files.contains("/dev/null"), "{files}");
    let answers =
        ask_child(shell("exec sleep 1000"), &questions()[..1], Duration::from_millis(100), &[], now());
    let stuck = &answers.stuck[0];
    let deadline = Instant::now() + LONG;
    while stuck.lives() && Instant::now() < deadline {
        thread::sleep(Duration::from_millis(5));
    }
    assert!(!stuck.lives());
}

#[test]
fn a_fifo_is_not_opened() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("train.log");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert_eq!(Question::log(&fifo).answer(), Answer::Log(Observation::Known(())));
}
