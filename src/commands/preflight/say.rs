//! What is told of busy GPUs, and of the time that passes.

use crate::deliver::text::one_line;
use crate::error::{Error, Result};
use crate::judge::say::{size, span};
use crate::observe::gpu::Holder;
use crate::observe::process::Who;
use crate::preflight::busy::Reason;
use crate::preflight::wanted::Target;
use crate::redact::redact;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Columns of a line that is written over, where the terminal does not tell its own.
const COLUMNS: usize = 80;
/// Off a terminal nothing new is said more often than this.
const EVERY: Duration = Duration::from_mins(1);
/// Characters of a command line that tell one training from another.
const COMMAND: usize = 120;
/// Processes that are named; a card of more has one story.
const NAMED: usize = 4;

/// Why a GPU is busy, in one line.
pub(super) fn why(reasons: &[Reason<'_>]) -> String {
    let is_process = |reason: &&Reason<'_>| matches!(reason, Reason::Process(..));
    let processes = reasons.iter().filter(is_process).count();
    let named = reasons.iter().filter(is_process).take(NAMED);
    let mut parts: Vec<String> = named.map(reason).collect();
    if processes > NAMED {
        parts.push(format!("{} more processes", processes - NAMED));
    }
    parts.extend(reasons.iter().filter(|other| !is_process(other)).map(reason));
    parts.join(", ")
}

fn reason(reason: &Reason<'_>) -> String {
    match reason {
        Reason::Process(holder, who) => process(holder, *who),
        Reason::Unexplained(bytes) => {
            format!("{} are held, and no process is shown that holds them", size(*bytes))
        }
        Reason::Memory(used, total) => {
            format!("{:.0} % of its memory is in use", 100.0 * *used as f64 / *total as f64)
        }
        Reason::Utilization(share) => format!("it computes {:.0} % of the time", 100.0 * share),
    }
}

fn process(holder: &Holder, who: Option<&Who>) -> String {
    let holds = holder.memory_bytes.map_or_else(String::new, |bytes| format!(" holds {}", size(bytes)));
    let pid = holder.pid;
    if holder.lives == Some(false) {
        return format!(
            "process {pid}{holds}, which cannot be seen from here (it has ended, or is in another container)"
        );
    }
    let user = who.and_then(|who| who.user.as_ref()).map_or_else(String::new, |user| format!(" of {user}"));
    let since = who
        .and_then(|who| who.started)
        .map_or_else(String::new, |at| format!(" since {}", at.format("%Y-%m-%d %H:%M UTC")));
    let holds = if holds.is_empty() { " is on it".to_owned() } else { holds };
    let command = command(holder, who).map_or_else(String::new, |command| format!(" ({command})"));
    format!("process {pid}{user}{command}{since}{holds}")
}

fn command(holder: &Holder, who: Option<&Who>) -> Option<String> {
    let command = who.and_then(|who| who.command.as_ref()).or(holder.command.as_ref())?;
    Some(one_line(&redact(command)).chars().take(COMMAND).collect())
}

/// What an expert would do about it.
pub(super) fn advice(reasons: &[Reason<'_>]) -> &'static str {
    if reasons
        .iter()
        .any(|reason| matches!(reason, Reason::Process(holder, _) if holder.lives != Some(false)))
    {
        "Ask its owner or wait for its end, or give the run another GPU with CUDA_VISIBLE_DEVICES"
    } else {
        "Look for what still has /dev/nvidia* open (fuser -v /dev/nvidia*), also in other containers; where it is nobody, a reset of the card (nvidia-smi -r) frees it"
    }
}

/// What of it does not change while the same processes are there.
pub(super) fn key(target: &Target<'_>, reasons: &[Reason<'_>]) -> String {
    let kinds = reasons.iter().map(|reason| match reason {
        Reason::Process(holder, _) => holder.pid.to_string(),
        Reason::Unexplained(_) => "held".to_owned(),
        // These come and go with every step of a training; the process that does it is there.
        Reason::Memory(..) | Reason::Utilization(_) => String::new(),
    });
    format!("{} {}", target.uuid(), kinds.filter(|kind| !kind.is_empty()).collect::<Vec<_>>().join(" "))
}

pub(super) fn evidence(target: &Target<'_>, reasons: &[Reason<'_>]) -> Value {
    let mut evidence = json!({"gpu": target.uuid(), "index": target.card.index, "processes": []});
    let mut processes = Vec::new();
    for reason in reasons {
        match reason {
            Reason::Process(holder, who) => processes.push(json!({
                "pid": holder.pid, "memory_bytes": holder.memory_bytes,
                "user": who.and_then(|who| who.user.clone()),
                "started": who.and_then(|who| who.started),
                "command": command(holder, *who),
            })),
            Reason::Unexplained(bytes) => evidence["unexplained_bytes"] = (*bytes).into(),
            Reason::Memory(used, total) => {
                evidence["memory_used_bytes"] = (*used).into();
                evidence["memory_total_bytes"] = (*total).into();
            }
            Reason::Utilization(share) => evidence["utilization"] = (*share).into(),
        }
    }
    evidence["processes"] = processes.into();
    evidence
}

/// Tells that time passes: one line that is written over on a terminal, and off one a line for each
/// change and each minute.
pub(super) struct Progress<'a> {
    out: &'a mut dyn Write,
    quiet: bool,
    live: bool,
    /// A line stands that is to be written over.
    open: bool,
    told: Option<(String, Instant)>,
}

impl<'a> Progress<'a> {
    pub(super) fn new(out: &'a mut dyn Write, quiet: bool) -> Self {
        Self { out, quiet, live: !quiet && io::stdout().is_terminal(), open: false, told: None }
    }

    /// What is waited for; `key` is what has to change for it to be news.
    pub(super) fn waits(&mut self, what: &str, key: &str, gone: Duration, wait: Duration) -> Result<()> {
        if self.quiet || wait.is_zero() {
            return Ok(());
        }
        let (gone, wait) = (span(gone.as_secs_f64()), span(wait.as_secs_f64()));
        let news = self.told.as_ref().is_none_or(|(told, at)| told != key || at.elapsed() >= EVERY);
        let text = format!("waiting {gone} of {wait}: {what}");
        if self.live {
            let text: String = text.chars().take(columns().saturating_sub(1)).collect();
            self.open = true;
            return self.write(&format!("\r\x1b[K{text}"));
        }
        if news {
            self.told = Some((key.to_owned(), Instant::now()));
            return self.write(&format!("{text}\n"));
        }
        Ok(())
    }

    /// Something that stays.
    pub(super) fn tell(&mut self, text: &str) -> Result<()> {
        self.end()?;
        if self.quiet { Ok(()) } else { self.write(&format!("{text}\n")) }
    }

    /// Takes away the line that would be written over.
    pub(super) fn end(&mut self) -> Result<()> {
        if std::mem::take(&mut self.open) { self.write("\r\x1b[K") } else { Ok(()) }
    }

    fn write(&mut self, text: &str) -> Result<()> {
        let written = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
        written.map_err(Error::io("write to", Path::new("standard output")))
    }
}

fn columns() -> usize {
    rustix::termios::tcgetwinsize(io::stdout()).map_or(COLUMNS, |size| match size.ws_col {
        0 => COLUMNS,
        columns => usize::from(columns),
    })
}
