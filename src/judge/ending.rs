//! How a process ended, in the words of people: what a code or a signal means.

use super::say::span;
use crate::observe::launched::Ending;

/// A shell's exit code for a command that a signal ended is this and the signal's number.
const OF_A_SIGNAL: i32 = 128;

/// Signals by number (Linux on x86-64 and aarch64), and what they mean to somebody whose training ended.
const SIGNALS: &[(i32, &str, Option<&str>)] = &[
    (1, "SIGHUP", Some("its terminal or session was closed")),
    (2, "SIGINT", Some("somebody pressed Ctrl-C")),
    (3, "SIGQUIT", None),
    (4, "SIGILL", Some("a library was built for another processor")),
    (6, "SIGABRT", Some("a library gave up: its message stands at the end of the log")),
    (7, "SIGBUS", Some("often /dev/shm is full, or a mapped file was cut")),
    (8, "SIGFPE", None),
    (9, "SIGKILL", Some("often the out-of-memory killer")),
    (11, "SIGSEGV", Some("a fault in native code: a kernel, a driver or a data loader")),
    (13, "SIGPIPE", None),
    (14, "SIGALRM", None),
    (15, "SIGTERM", Some("somebody asked it to end: a person, a scheduler or a shutdown")),
    (24, "SIGXCPU", Some("its limit of CPU time is used up (ulimit -t)")),
    (25, "SIGXFSZ", Some("its limit of file size is reached (ulimit -f)")),
    (31, "SIGSYS", Some("a sandbox forbids what it called")),
];

/// A signal's name.
pub fn signal(number: i32) -> String {
    known(number).map_or_else(|| format!("signal {number}"), |(_, name, _)| (*name).to_owned())
}

/// What happened: `exited with code 1`, `was killed by SIGKILL`.
pub fn how(ending: &Ending) -> String {
    match ending {
        Ending::Code(code) => match known(code - OF_A_SIGNAL) {
            Some((number, name, _)) => {
                format!("exited with code {code} ({OF_A_SIGNAL} + {number}: a shell's word for {name})")
            }
            None => format!("exited with code {code}"),
        },
        Ending::Signal(number) => format!("was killed by {}", signal(*number)),
        Ending::Unknown(_) => "is gone".to_owned(),
    }
}

/// What that means, where more is known than the log says.
pub fn meaning(ending: &Ending) -> Option<&'static str> {
    match ending {
        Ending::Code(127) => Some("a shell found no such command"),
        Ending::Code(126) => Some("a shell may not execute the command"),
        Ending::Code(code) => known(code - OF_A_SIGNAL)?.2,
        Ending::Signal(number) => known(*number)?.2,
        Ending::Unknown(_) => None,
    }
}

/// `exited with code 1 after 3 min`.
pub fn after(ending: &Ending, seconds: Option<f64>) -> String {
    let how = how(ending);
    seconds.map_or_else(|| how.clone(), |seconds| format!("{how} after {}", span(seconds)))
}

/// Whether it is SIGKILL's, by itself or through a shell.
pub(super) fn is_kill(ending: &Ending) -> bool {
    matches!(ending, Ending::Signal(9) | Ending::Code(137))
}

fn known(number: i32) -> Option<&'static (i32, &'static str, Option<&'static str>)> {
    SIGNALS.iter().find(|(known, ..)| *known == number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_signals_are_told_in_plain_words() {
        for (ending, says, means) in [
            (Ending::Code(0), "exited with code 0 after 3 min", None),
            (Ending::Code(1), "exited with code 1 after 3 min", None),
            (
                Ending::Code(137),
                "exited with code 137 (128 + 9: a shell's word for SIGKILL) after 3 min",
                Some("often the out-of-memory killer"),
            ),
            (Ending::Code(200), "exited with code 200 after 3 min", None),
            (Ending::Signal(9), "was killed by SIGKILL after 3 min", Some("often the out-of-memory killer")),
            (Ending::Signal(50), "was killed by signal 50 after 3 min", None),
        ] {
            assert_eq!(after(&ending, Some(180.0)), says);
            assert_eq!(meaning(&ending), means, "{ending:?}");
        }
    }
}
