//! `trainguard respond`: an operator's answer to an alert that asks.

use crate::cli::{Common, Respond};
use crate::clock::Clock;
use crate::deliver::health::stamp;
use crate::error::{Error, Result};
use crate::persist::run_directory::RunDirectory;
use crate::persist::run_directory::questions::{self, Asker, Outcome, Question};
use crate::persist::store::Store;
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Digits of an id that are enough to name an alert.
const DIGITS: usize = 6;
/// Whoever asked looks every fifth of a second, unless it waits for a probe, of five seconds at most,
/// and for another of who is on the GPU.
const TAKEN_WITHIN: Duration = Duration::from_secs(15);
const TICK: Duration = Duration::from_millis(50);

/// Writes the answer, and waits until whoever asked has taken it.
pub fn run(args: &Respond, common: &Common, clocks: &dyn Fn() -> Clock, out: &mut dyn Write) -> Result<()> {
    let directory = super::state_directory(None, common)?;
    let nothing = || {
        Error::Usage(format!(
            "no alert asks for an answer in {}: give --config or --state-dir as whoever asked has it",
            directory.display()
        ))
    };
    let store = Store::open_existing(&directory)?.ok_or_else(nothing)?;
    let (questions, troubles) = questions::all(&store)?;
    if questions.is_empty() {
        return Err(troubles.into_iter().next().map_or_else(nothing, Error::State));
    }
    let question = find(&args.alert, &questions)?;
    let alert = &question.alert;
    let choice = alert.choice(&args.choice).ok_or_else(|| {
        Error::Usage(format!(
            "'{}' is none of what the alert {} of {} offers: {}",
            args.choice,
            short(question),
            alert.run,
            alert.choices.join(", ")
        ))
    })?;
    if let Some(outcome) = &question.outcome {
        return already(question, outcome, choice, out);
    }
    if question.asker(clocks().wall()) == Asker::Gone {
        return Err(Error::Usage(format!(
            "nobody waits for an answer to the alert {} of {} any more: process {} that asked has ended",
            short(question),
            alert.run,
            question.asker.pid
        )));
    }
    let run = RunDirectory::open(&store, &alert.run)?;
    // One that is on its way is not replaced by another.
    let on_its_way = run.response(&alert.id)?.and_then(|text| alert.choice(&text).map(str::to_owned));
    if on_its_way.is_none() {
        run.respond(&alert.id, choice)?;
    }
    let begin = Instant::now();
    while begin.elapsed() < TAKEN_WITHIN {
        // Asked first: whoever has ended may have taken the answer before.
        let waits = question.asker(clocks().wall()) == Asker::Waits;
        if let Some(Question { outcome: Some(outcome), .. }) = run.question(&alert.id)? {
            if outcome.choice.as_deref() == Some(choice) {
                return line(out, &format!("{}: {choice}", alert.run));
            }
            return already(question, &outcome, choice, out);
        }
        if !waits {
            return Err(Error::Usage(format!(
                "process {} that asked for {} has ended without taking the answer",
                question.asker.pid, alert.run
            )));
        }
        thread::sleep(TICK);
    }
    line(
        out,
        &format!("{}: {choice} is noted; process {} has not taken it yet", alert.run, question.asker.pid),
    )
}

/// Says what was answered before; an answer that says the same is no mistake.
fn already(question: &Question, outcome: &Outcome, choice: &str, out: &mut dyn Write) -> Result<()> {
    let (at, by) = (stamp(outcome.at), &outcome.by);
    let what = outcome.choice.as_deref().unwrap_or("no answer is needed");
    let text = format!(
        "the alert {} of {} was answered at {at}: {what} ({by})",
        short(question),
        question.alert.run
    );
    if outcome.choice.as_deref() == Some(choice) { line(out, &text) } else { Err(Error::Usage(text)) }
}

/// The question that is meant: by its id or the beginning of it, or by its run where that has one open.
fn find<'a>(typed: &str, questions: &'a [Question]) -> Result<&'a Question> {
    let digits = typed.to_ascii_lowercase();
    let is_id = digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let by_id = questions.iter().filter(|question| is_id && question.alert.id.starts_with(&digits));
    let of_run = || questions.iter().filter(|question| question.alert.run == typed);
    let mut found: Vec<&Question> = by_id.collect();
    if found.is_empty() {
        found = of_run().filter(|question| question.outcome.is_none()).collect();
    }
    if found.is_empty() {
        found = of_run().take(1).collect();
    }
    match found.as_slice() {
        [only] => Ok(only),
        [] => {
            let open: Vec<_> = questions.iter().filter(|question| question.outcome.is_none()).collect();
            let few = if is_id || digits.len() >= DIGITS { "" } else { " (an id needs six digits or more)" };
            let there = if open.is_empty() { "; no alert asks now".to_owned() } else { listed(&open) };
            Err(Error::Usage(format!("no alert or run '{typed}' asks for an answer{few}{there}")))
        }
        several => {
            Err(Error::Usage(format!("'{typed}' is more than one alert; write its id{}", listed(several))))
        }
    }
}

fn listed(questions: &[&Question]) -> String {
    let mut text = "; there are:".to_owned();
    for question in questions {
        let alert = &question.alert;
        let _ = write!(
            text,
            "\n  {}  {}  {}  since {}: {}",
            short(question),
            alert.run,
            alert.syndrome,
            stamp(alert.time),
            alert.choices.join(" | ")
        );
    }
    text
}

fn short(question: &Question) -> &str {
    question.alert.id.get(..8).unwrap_or(&question.alert.id)
}

fn line(out: &mut dyn Write, text: &str) -> Result<()> {
    writeln!(out, "{text}").map_err(Error::io("write to", Path::new("standard output")))
}
