//! The question whether a run is to be started although its GPUs are busy.
//!
//! The order is the crash rule's: the question is durable before the alert, the alert before anybody
//! is told; and what it came to is durable before the alert of its end. A question whose asker was
//! killed is closed by the next one that is asked in the same state directory.

use super::look::{Gpus, Looker};
use super::terminal::Terminal;
use super::{Outcome, Preflight, line};
use crate::commands::delivery::{DELIVERY_MAX, Post};
use crate::commands::round::Keep;
use crate::config::{self, Decision};
use crate::decide::alert::{self, Alert, Transition};
use crate::deliver::outbox::Delivery;
use crate::deliver::{route, text};
use crate::error::{Error, Result, chain};
use crate::finding::{Role, Severity};
use crate::judge::say::span;
use crate::observe::process::{Identity, boot_id, start_ticks};
use crate::persist::run_directory::RunDirectory;
use crate::persist::run_directory::questions::{self, Asker, Question};
use chrono::TimeDelta;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// The check's name.
const NAME: &str = "preflight";
const BUSY: &str = "gpu_busy";
const CONTINUE: &str = "Continue Anyway";
const STOP: &str = "Stop Job";
/// How often an answer is looked for.
const TICK: Duration = Duration::from_millis(200);
/// Mode of a file that quotes no log.
const ANY_MODE: u32 = 0o666;
/// Digits of an alert's id that people type.
const SHORT: usize = 8;

fn word(decision: Decision) -> &'static str {
    match decision {
        Decision::Continue => CONTINUE,
        Decision::Stop => STOP,
    }
}

/// Asks, and waits for an answer, for the GPUs or for the end of the time.
pub(super) fn ask(
    preflight: &Preflight<'_>,
    settings: &config::Preflight,
    looker: &mut Looker<'_>,
    busy: &Gpus,
    out: &mut dyn Write,
) -> Result<Outcome> {
    let keep = Keep::open(preflight.config)?;
    let run = RunDirectory::open(&keep.store, preflight.name)?;
    let mut desk = Desk { preflight, settings, keep: &keep, run, out };
    desk.close_left_behind()?;
    let mut question = desk.question(busy);
    desk.run.keep_question(&question)?;
    desk.add(&question.alert)?;
    let told = text::alert(desk.out, &question.alert).and_then(|()| desk.out.flush());
    told.map_err(Error::io("write to", Path::new("standard output")))?;
    desk.deliver(Some(&question.alert));
    let terminal = Terminal::new(preflight.attended);
    if terminal.listens() {
        let timeout = span(settings.decision_timeout.as_secs_f64());
        let default = word(settings.default);
        line(
            desk.out,
            &format!(
                "type c to continue anyway or s to stop the job, then Enter; without an answer within {timeout}: {default}"
            ),
        )?;
    }
    let (outcome, by) = desk.wait(&question.alert, looker, terminal)?;
    let choice = match outcome {
        Outcome::Decided(decision) | Outcome::Undecided(decision) => Some(word(decision).to_owned()),
        Outcome::Free | Outcome::NoGpu => None,
    };
    let what = choice.as_deref().map_or_else(|| by.clone(), |choice| format!("{choice}: {by}"));
    let resolved = desk.close(&mut question, choice, &by, &what)?;
    let shown = !preflight.common.quiet;
    if shown {
        line(desk.out, &what)?;
    }
    desk.deliver(Some(&resolved).filter(|_| shown));
    Ok(outcome)
}

struct Desk<'a, 'o> {
    preflight: &'a Preflight<'a>,
    settings: &'a config::Preflight,
    keep: &'a Keep,
    run: RunDirectory,
    out: &'o mut dyn Write,
}

impl Desk<'_, '_> {
    fn question(&self, busy: &Gpus) -> Question {
        let clock = (self.preflight.clocks)();
        let (name, flags) = (self.preflight.name, &self.preflight.config.flags);
        let uuids: Vec<&str> = busy.busy.iter().map(|busy| busy.uuid.as_str()).collect();
        // Whoever asks anew asks another question: an answer to the one before is none to this.
        let occasion = format!("{:016x}", clock.entropy);
        let id = alert::id(&[name, NAME, BUSY, &uuids.join(","), Transition::Opened.word(), &occasion]);
        let timeout = self.settings.decision_timeout;
        let pid = std::process::id() as i32;
        let alert = Alert {
            time: clock.wall(),
            run: name.to_owned(),
            transition: Transition::Opened,
            severity: Severity::Warning,
            check: NAME.to_owned(),
            syndrome: BUSY.to_owned(),
            message: format!(
                "{}; without an answer within {}: {}",
                busy.line(),
                span(timeout.as_secs_f64()),
                word(self.settings.default)
            ),
            advice: busy.busy.first().map_or("", |busy| busy.advice).to_owned(),
            step: None,
            occurrence: None,
            choices: [CONTINUE, STOP].map(str::to_owned).to_vec(),
            respond: format!("trainguard respond {}{flags}", id.get(..SHORT).unwrap_or(&id)),
            evidence: busy.evidence(),
            role: Role::Root,
            told_as: Vec::new(),
            order: 0,
            id,
        };
        let until =
            TimeDelta::from_std(timeout).ok().and_then(|timeout| alert.time.checked_add_signed(timeout));
        Question {
            schema: Question::SCHEMA.to_owned(),
            asker: Identity { pid, start_ticks: start_ticks(pid).unwrap_or_default(), boot_id: boot_id() },
            until: until.unwrap_or(alert.time),
            default: word(self.settings.default).to_owned(),
            outcome: None,
            alert,
        }
    }

    /// Waits for an answer, for free GPUs, for the end of the time. Says what came and from whom.
    fn wait(
        &mut self,
        alert: &Alert,
        looker: &mut Looker<'_>,
        mut terminal: Terminal,
    ) -> Result<(Outcome, String)> {
        let begin = Instant::now();
        let mut looked = begin;
        let mut refused = String::new();
        loop {
            let over = begin.elapsed() >= self.settings.decision_timeout;
            if let Some(decision) = self.written(alert, &mut refused)? {
                return Ok((Outcome::Decided(decision), "an operator's answer".to_owned()));
            }
            if over {
                let by = format!("no answer within {}", span(self.settings.decision_timeout.as_secs_f64()));
                return Ok((Outcome::Undecided(self.settings.default), by));
            }
            if looked.elapsed() >= self.settings.poll {
                // What cannot be looked at now was busy before, and the question stays.
                if looker.look_again().is_ok_and(|seen| seen.busy.is_empty()) {
                    return Ok((Outcome::Free, "the GPUs are free now".to_owned()));
                }
                looked = Instant::now();
            }
            let left = self.settings.decision_timeout.saturating_sub(begin.elapsed());
            if let Some(typed) = terminal.next(TICK.min(left)) {
                match alert.choice(&typed).and_then(decision) {
                    Some(decision) => return Ok((Outcome::Decided(decision), "the terminal".to_owned())),
                    None => line(self.out, "type c to continue anyway or s to stop the job, then Enter")?,
                }
            }
        }
    }

    /// The answer that `respond` or anybody else wrote. One that cannot be understood is told once.
    fn written(&mut self, alert: &Alert, refused: &mut String) -> Result<Option<Decision>> {
        let trouble = match self.run.response(&alert.id) {
            Ok(None) => return Ok(None),
            Ok(Some(text)) => match alert.choice(&text).and_then(decision) {
                Some(decision) => return Ok(Some(decision)),
                None => format!(
                    "the answer '{}' is none of: {}",
                    text::one_line(&text).chars().take(80).collect::<String>(),
                    alert.choices.join(", ")
                ),
            },
            Err(error) => chain(&error),
        };
        if *refused != trouble {
            line(self.out, &trouble)?;
            *refused = trouble;
        }
        Ok(None)
    }

    /// Notes what a question came to. The alert of its end is durable first: its id is the question's,
    /// so that whoever is killed in between and whoever closes it then tell it once.
    fn close(&self, question: &mut Question, choice: Option<String>, by: &str, what: &str) -> Result<Alert> {
        let now = (self.preflight.clocks)().wall();
        let asked = &question.alert;
        let resolved = Alert {
            id: alert::id(&[&asked.run, NAME, BUSY, &asked.id, Transition::Resolved.word()]),
            time: now,
            transition: Transition::Resolved,
            message: format!("{what} (it was: {})", asked.message),
            choices: Vec::new(),
            respond: String::new(),
            ..asked.clone()
        };
        self.add(&resolved)?;
        let run = RunDirectory::open(&self.keep.store, &asked.run)?;
        question.outcome = Some(questions::Outcome { at: now, choice, by: by.to_owned() });
        run.keep_question(question)?;
        Ok(resolved)
    }

    /// Questions that nobody waits for any more: their askers were killed.
    fn close_left_behind(&self) -> Result<()> {
        let now = (self.preflight.clocks)().wall();
        let (questions, _) = questions::all(&self.keep.store)?;
        let ended = "whoever asked has ended";
        for mut question in questions {
            if question.outcome.is_none() && question.asker(now) == Asker::Gone {
                self.close(&mut question, None, ended, ended)?;
            }
        }
        Ok(())
    }

    fn add(&self, alert: &Alert) -> Result<()> {
        self.keep.outbox.add(alert, route(self.preflight.config, alert), ANY_MODE)
    }

    /// Serves the channels; `printed` stands on the terminal already. What a channel refuses is tried
    /// again by whoever comes next.
    fn deliver(&mut self, printed: Option<&Alert>) {
        let Keep { store, outbox } = self.keep;
        let now = (self.preflight.clocks)().wall();
        let shown: BTreeSet<String> = printed.iter().map(|alert| alert.id.clone()).collect();
        let post = Post { config: self.preflight.config, store, outbox };
        let Delivery { troubles, dropped } = post.serve(self.out, shown, now, Instant::now() + DELIVERY_MAX);
        let mut stderr = io::stderr().lock();
        for trouble in troubles.into_iter().chain(dropped) {
            drop(writeln!(stderr, "trainguard: {}", text::one_line(&trouble)));
        }
    }
}

fn decision(choice: &str) -> Option<Decision> {
    [Decision::Continue, Decision::Stop].into_iter().find(|decision| word(*decision) == choice)
}
