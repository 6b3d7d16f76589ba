//! How a death is told: by whom, how it ended where that is known, and what to do.

use super::{DEAD, claim, short, told_by_words};
use crate::finding::{Claim, Role, Severity};
use crate::judge::attempt::End;
use crate::judge::{Context, Memory, ending};
use crate::observe::launched::{Ended, Ending, LaunchFacts};

const ADVICE: &str = "Read the last lines; without an error there, look for the OOM killer (dmesg, journalctl -k) and the scheduler's limits, then restart from the last checkpoint";
const ADVICE_KILLED: &str = "Look for the OOM killer (dmesg -T, journalctl -k) and the scheduler's limits; then restart from the last checkpoint, with less memory if it was that";
const ADVICE_CODE: &str = "Read the last lines of the log; then restart from the last checkpoint";

/// The finding about a process that is gone without a sign of completion.
pub(super) fn dead(context: &Context<'_>, memory: &Memory, why: &str, named: Option<i32>) -> Claim {
    let process = &memory.process;
    let launched = context.look.launched.as_ref();
    let pid = launched.map(|launched| launched.process.pid);
    let pid = pid.or_else(|| process.identity.as_ref().map(|identity| identity.pid)).or(named);
    let command = launched.map_or(&process.command, |launched| &launched.command);
    let who = match pid {
        Some(pid) if command.is_empty() => format!("process {pid}"),
        Some(pid) => format!("process {pid} ({})", short(command)),
        None => format!("{why}: the process"),
    };
    let ended = launched.and_then(|launched| Some((launched, launched.ended.as_ref()?)));
    let by_words = told_by_words(context);
    let at_step = context.at_step();
    let done = context.done_command();
    let (message, advice) = match ended {
        Some((launched, ended @ Ended { how: Ending::Code(_) | Ending::Signal(_), .. })) => {
            let what = match ending::meaning(&ended.how) {
                _ if by_words => "the log says why",
                Some(meaning) => meaning,
                None => "no failure that is known stands in the log",
            };
            let advice = if ending::is_kill(&ended.how) { ADVICE_KILLED } else { ADVICE_CODE };
            (format!("{who} {}{at_step}: {what}", lasted(launched, ended)), advice)
        }
        _ if by_words => (format!("{who} is gone{at_step}: the log says why"), ADVICE),
        Some((_, Ended { how: Ending::Unknown(why), .. })) => (
            format!(
                "{who} is gone{at_step}: ended without sign of completion or failure, and its exit status is unknown ({why}); {done} if it finished"
            ),
            ADVICE,
        ),
        _ => (
            format!(
                "{who} is gone{at_step}: ended without sign of completion or failure; {done} if it finished"
            ),
            ADVICE,
        ),
    };
    let mut claim = claim(DEAD, message, advice).with("why", why).with("last_lines", process.last_lines());
    claim.role = if by_words { Role::Confirmation } else { Role::Root };
    if let Some((_, ended)) = ended {
        claim = with_ending(claim, &ended.how);
    }
    if let Some(pid) = pid {
        claim = claim.with("pid", pid);
    }
    if let Some(seen) = process.seen {
        claim = claim.with("last_seen", seen.to_rfc3339());
    }
    if let Some(step) = context.look.digest.numbers.last_step {
        claim = claim.with("last_step", step);
    }
    claim
}

/// A run that was complete and whose process failed all the same, in what it does after its last step.
pub(super) fn after_its_end(context: &Context<'_>, end: &End) -> Option<Claim> {
    let launched = context.look.launched.as_ref()?;
    let ended = launched.ended.as_ref()?;
    let asked = ["SIGHUP", "SIGINT", "SIGTERM"];
    let fails = match &ended.how {
        Ending::Code(code) => *code != 0 && !asked.contains(&ending::signal(code - 128).as_str()),
        Ending::Signal(number) => !asked.contains(&ending::signal(*number).as_str()),
        Ending::Unknown(_) => false,
    };
    if !fails || end.by_operator {
        return None;
    }
    let message = format!(
        "process {} ({}) {}, although the run is complete: {}",
        launched.process.pid,
        short(&launched.command),
        lasted(launched, ended),
        end.how
    );
    let advice = format!("Look whether its results were written; {} if so", context.done_command());
    let mut claim = with_ending(claim(DEAD, message, advice), &ended.how);
    claim.severity = Severity::Warning;
    Some(claim)
}

fn lasted(launched: &LaunchFacts, ended: &Ended) -> String {
    ending::after(&ended.how, ended.at.map(|at| (at - launched.started).as_seconds_f64()))
}

fn with_ending(claim: Claim, ending: &Ending) -> Claim {
    match ending {
        Ending::Code(code) => claim.with("exit_code", *code),
        Ending::Signal(number) => claim.with("signal", ending::signal(*number)),
        Ending::Unknown(_) => claim,
    }
}
