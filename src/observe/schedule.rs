//! What invokes patrols on this machine: cron's tables and systemd's timers.

use super::Observation;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long one of the questions may take: both answer at once, or hang with a directory service.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);
/// Tables and lists are a few kilobytes.
const BYTES: u64 = 1 << 20;
/// The word that is looked for.
const NAME: &str = "trainguard";

/// Where trainguard is invoked from, for people: `your crontab`. What does not answer is none.
pub fn read() -> Observation<String> {
    let questions: [(&str, &str, &[&str]); 3] = [
        ("your crontab", "crontab", &["-l"]),
        ("a systemd timer of yours", "systemctl", &["--user", "list-timers", "--all", "--no-legend"]),
        ("a systemd timer", "systemctl", &["list-timers", "--all", "--no-legend"]),
    ];
    for (place, program, arguments) in questions {
        if ask(program, arguments).is_some_and(|said| names(&said)) {
            return Observation::Known(place.to_owned());
        }
    }
    let tables = std::fs::read_dir("/etc/cron.d").into_iter().flatten().flatten().map(|entry| entry.path());
    for path in tables.chain([Path::new("/etc/crontab").to_owned()]) {
        if std::fs::read_to_string(&path).is_ok_and(|table| names(&table)) {
            return Observation::Known(path.display().to_string());
        }
    }
    Observation::Absent
}

/// Whether a line that is no comment invokes it.
fn names(table: &str) -> bool {
    table.lines().any(|line| !line.trim_start().starts_with('#') && line.contains(NAME))
}

/// What a program says within its time.
fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("SYSTEMD_PAGER", "");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    // Read beside the wait: a list that is longer than a pipe would never end.
    let mut stdout = child.stdout.take()?.take(BYTES);
    let reader = std::thread::spawn(move || {
        let mut said = Vec::new();
        stdout.read_to_end(&mut said).map(|_| said).unwrap_or_default()
    });
    let until = Instant::now() + PATIENCE;
    while child.try_wait().ok()?.is_none() {
        if Instant::now() >= until {
            drop(child.kill());
            drop(child.wait());
            return None;
        }
        std::thread::sleep(PAUSE);
    }
    let said = reader.join().ok()?;
    Some(String::from_utf8_lossy(&said).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comment_invokes_nothing() {
        assert!(names("MAILTO=a\n*/30 * * * * trainguard patrol -q\n"));
        assert!(!names("# */30 * * * * trainguard patrol -q\n0 * * * * backup\n"));
    }

    #[test]
    fn what_does_not_answer_or_is_not_there_says_nothing() {
        assert_eq!(ask("echo", &["trainguard.timer"]).as_deref(), Some("trainguard.timer\n"));
        assert_eq!(ask("no-such-program-here", &[]), None);
        let began = Instant::now();
        assert_eq!(ask("sleep", &["30"]), None);
        assert!(began.elapsed() < Duration::from_secs(20));
    }
}
