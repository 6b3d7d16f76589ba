//! Questions that may never be answered (a dead NFS server, a wedged driver), asked in a child
//! process with a deadline.
//!
//! A thread that hangs in the kernel cannot be abandoned: its process does not end. So the questions
//! go to a child, this program with [`ARGUMENT`]: a JSON list on its standard input, a JSON line
//! `[index, answer]` on its standard output for each answer as soon as it is there. The child gets no
//! other file (everything here is opened close-on-exec, so no lock goes with it, and its standard
//! error is null, so that cron does not wait for it); the parent kills it when the time is over and
//! does not wait for its end.

mod question;

pub use question::{Answer, Question};

use super::process::{boot_id, start_ticks};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// First argument of the child: hidden from people, told to [`serve`] by `main`.
pub const ARGUMENT: &str = "__probe";

/// The contract's limit for all questions together.
pub const DEADLINE: Duration = Duration::from_secs(5);

/// A child whose parent was killed ends by itself after this long.
const ORPHAN: Duration = Duration::from_mins(1);

/// A probe that did not answer in time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stuck {
    /// What was asked: `disk /mnt/ckpt`, `log /mnt/run/train.log`.
    pub what: String,
    /// Since when there has been no answer.
    pub since: DateTime<Utc>,
    /// The child that hangs on it, or hung.
    pub pid: u32,
    /// Its start time in ticks, so that a reused pid is not taken for it.
    pub start_ticks: u64,
    /// The boot in which it started.
    #[serde(default)]
    pub boot_id: String,
}

impl Stuck {
    /// Whether the child still hangs: as long as it does, no second one is started.
    pub fn lives(&self) -> bool {
        i32::try_from(self.pid).ok().and_then(start_ticks) == Some(self.start_ticks)
            && self.boot_id == boot_id()
    }

    /// Whether an observation failed because of this: one fact is told once.
    pub fn explains(&self, why: &str) -> bool {
        why.strip_prefix(&self.what).is_some_and(|rest| rest.starts_with(": "))
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answers {
    /// One per question, in their order.
    pub answers: Vec<Answer>,
    /// Questions without an answer, to be remembered and handed to the next [`ask`].
    pub stuck: Vec<Stuck>,
}

/// Asks all questions side by side and takes what is answered within the deadline. `stuck_before`
/// is what the previous patrol left: what still hangs is not asked again.
pub fn ask(
    questions: &[Question],
    deadline: Duration,
    stuck_before: &[Stuck],
    now: DateTime<Utc>,
) -> Answers {
    ask_child(own_child, questions, deadline, stuck_before, now)
}

/// This program, even when its file was replaced while it runs.
fn own_child() -> std::io::Result<Command> {
    let program = if cfg!(target_os = "linux") { "/proc/self/exe".into() } else { std::env::current_exe()? };
    let mut command = Command::new(program);
    std::os::unix::process::CommandExt::arg0(&mut command, env!("CARGO_PKG_NAME"));
    command.arg(ARGUMENT);
    Ok(command)
}

fn ask_child(
    command: impl FnOnce() -> std::io::Result<Command>,
    questions: &[Question],
    deadline: Duration,
    stuck_before: &[Stuck],
    now: DateTime<Utc>,
) -> Answers {
    let until = Instant::now() + deadline;
    let before = |question: &Question| stuck_before.iter().find(|stuck| stuck.what == question.what());
    let mut answers: Vec<Option<Answer>> = vec![None; questions.len()];
    let mut stuck = Vec::new();
    for (question, answer) in questions.iter().zip(&mut answers) {
        if let Some(old) = before(question).filter(|old| old.lives()) {
            *answer = Some(question.failed(&format!("no answer, stuck since {}", old.since.format("%H:%M"))));
            stuck.push(old.clone());
        }
    }
    let open = |answers: &[Option<Answer>]| {
        (0..answers.len()).filter(|index| answers[*index].is_none()).collect::<Vec<usize>>()
    };
    let asked: Vec<(usize, &Question)> =
        open(&answers).into_iter().map(|index| (index, &questions[index])).collect();
    if !asked.is_empty() {
        let ended = match command().and_then(|command| start(command, &asked)) {
            Ok((child, lines)) => {
                let all = collect(&lines, &mut answers, until);
                let ended = (!all).then(|| leave(child, until));
                ended.unwrap_or(Ended::Itself)
            }
            Err(error) => Ended::NotStarted(error.to_string()),
        };
        for index in open(&answers) {
            let question = &questions[index];
            let why = match &ended {
                Ended::NotStarted(why) => format!("the probe cannot be started: {why}"),
                Ended::Itself => "the probe ended without an answer".to_owned(),
                Ended::Killed { pid, start_ticks } => {
                    let since = before(question).map_or(now, |old| old.since);
                    stuck.push(Stuck {
                        what: question.what(),
                        since,
                        pid: *pid,
                        start_ticks: *start_ticks,
                        boot_id: boot_id(),
                    });
                    format!("no answer within {} s", deadline.as_secs_f64())
                }
            };
            answers[index] = Some(question.failed(&why));
        }
    }
    Answers { answers: answers.into_iter().flatten().collect(), stuck }
}

/// How a child went that did not answer everything.
enum Ended {
    NotStarted(String),
    Itself,
    Killed { pid: u32, start_ticks: u64 },
}

/// Starts the child, and a thread that tells it the questions and reads its answers.
fn start(
    mut command: Command,
    asked: &[(usize, &Question)],
) -> std::io::Result<(Child, mpsc::Receiver<(usize, Answer)>)> {
    let text = serde_json::to_vec(asked)?;
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let (send, lines) = mpsc::channel();
    let pipes = child.stdin.take().zip(child.stdout.take());
    let talk = move || {
        let Some((mut stdin, stdout)) = pipes else {
            return;
        };
        // A child that does not take its questions gives no answers either, and that is told.
        drop(stdin.write_all(&text));
        drop(stdin);
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if let Ok(answer) = serde_json::from_slice(&line)
                && send.send(answer).is_err()
            {
                return;
            }
        }
    };
    match thread::Builder::new().spawn(talk) {
        Ok(_) => Ok((child, lines)),
        Err(error) => {
            drop(child.kill());
            reap(child);
            Err(error)
        }
    }
}

/// Takes answers until all are there, the child ends or the time is over; says whether all are there.
fn collect(lines: &mpsc::Receiver<(usize, Answer)>, answers: &mut [Option<Answer>], until: Instant) -> bool {
    while answers.iter().any(Option::is_none) {
        let Ok((index, answer)) = lines.recv_timeout(until.saturating_duration_since(Instant::now())) else {
            return false;
        };
        if let Some(place) = answers.get_mut(index) {
            *place = Some(answer);
        }
    }
    true
}

/// Kills a child that did not answer everything, and does not wait for its end.
fn leave(mut child: Child, until: Instant) -> Ended {
    let pid = child.id();
    let ticks = i32::try_from(pid).ok().and_then(start_ticks);
    // Without time left it hangs; with time left its pipe was closed and it is about to end.
    if Instant::now() < until {
        reap(child);
        return Ended::Itself;
    }
    drop(child.kill());
    reap(child);
    Ended::Killed { pid, start_ticks: ticks.unwrap_or_default() }
}

/// Waits for the child in a thread that nobody waits for, so that none is left a zombie where this
/// process lives on, and none that cannot die blocks its end.
fn reap(mut child: Child) {
    drop(thread::Builder::new().spawn(move || child.wait()));
}

/// The child's side: reads questions, writes each answer when it is there, and returns when all
/// are or when nobody can be waiting any more.
///
/// # Errors
/// The questions cannot be read or an answer cannot be written: the parent is gone.
pub fn serve(mut input: impl Read, mut output: impl Write) -> std::io::Result<()> {
    let mut text = Vec::new();
    input.read_to_end(&mut text)?;
    let questions: Vec<(usize, Question)> = serde_json::from_slice(&text)?;
    let (send, answers) = mpsc::channel();
    for (index, question) in questions {
        let send = send.clone();
        thread::Builder::new().spawn(move || drop(send.send((index, question.answer()))))?;
    }
    drop(send);
    while let Ok(answer) = answers.recv_timeout(ORPHAN) {
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        output.write_all(&line)?;
        output.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
