//! An agent in a tmux pane: does it live, does it put anything out, does it wait for a key.

use super::screen::{Change, Screen};
use super::{AgentContext, AgentMemory, AgentState, Judged, RENAMED, SILENT, WAITS, claim, prompt, subject};
use crate::config::AgentKind;
use crate::finding::{Opinion, Severity};
use crate::judge::say::span;
use crate::observe::agents::{Missing, PaneFacts, PaneKey};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// Somebody who sits before it answers a question within this long.
const PROMPT_MIN: TimeDelta = TimeDelta::minutes(1);
/// What stands in a pane when what ran in it has ended.
const SHELLS: &[&str] = &["bash", "zsh", "fish", "sh", "dash", "ksh", "tcsh", "nu"];
/// Characters of a question that are told.
const QUOTED: usize = 160;

/// What is remembered of a pane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct PaneMemory {
    pub(super) key: PaneKey,
    screen: Screen,
    /// When it last put out what counts as work.
    last_output: DateTime<Utc>,
}

pub(super) fn check(context: &AgentContext<'_>, facts: &PaneFacts, memory: &mut AgentMemory) -> Judged {
    let AgentKind::Tmux(spec) = &context.agent.kind else {
        return context.unknown("it is no agent of a tmux pane any more");
    };
    let now = context.now.wall;
    let (last, change) = last_output(context, facts, memory);
    let ended = match (&facts.ended, facts.runs_command) {
        (Some(why), _) => Some(why.clone()),
        (None, Some(false)) => Some(format!(
            "nothing in tmux pane {} matches /{}/; {} stands there",
            facts.place,
            spec.command.as_deref().unwrap_or_default(),
            facts.current
        )),
        _ => None,
    };
    memory.seen |= ended.is_none();
    let quiet = now - last;
    let asks = prompt::waits(&facts.lines, facts.cursor_row).filter(|_| quiet >= PROMPT_MIN);
    let place = &facts.place;
    let mut judged = if let Some(why) = ended {
        context.dead(Missing::Process, &why)
    } else if let Some(line) = asks {
        let line: String = line.chars().take(QUOTED).collect();
        let message = format!(
            "agent {} waits for input in tmux {place} for {}: {line}",
            context.agent.name,
            ago(quiet)
        );
        let advice = format!("Answer it: tmux attach -t '{place}'");
        let claim = claim(WAITS, Severity::Warning, message, &advice).with("last_line", line);
        Judged::new(AgentState::WaitingForInput, "").claims(claim)
    } else if quiet.to_std().is_ok_and(|quiet| quiet > spec.output_max) {
        let limit = span(spec.output_max.as_secs_f64());
        let what = if change == Change::Ticking {
            "; what changes are numbers or a spinner only".to_owned()
        } else if SHELLS.contains(&facts.current.as_str()) {
            format!("; {} is in front there", facts.current)
        } else {
            String::new()
        };
        let message = format!(
            "agent {} has put nothing out for {} (limit {limit}) in tmux {place}{what}",
            context.agent.name,
            ago(quiet)
        );
        let advice = format!("Look at it: tmux attach -t '{place}'");
        let claim = claim(SILENT, Severity::Warning, message, &advice)
            .with("quiet_s", quiet.num_seconds())
            .with("limit_s", spec.output_max.as_secs_f64())
            .with("in_front", facts.current.clone());
        Judged::new(AgentState::Silent, "").claims(claim)
    } else {
        Judged::new(AgentState::Working, format!("works in tmux {place}, last output {} ago", ago(quiet)))
    };
    judged.opinions.push(renamed(context, facts, &spec.target));
    judged.at(last)
}

/// When the pane last put out what counts as work, and how it differs from what it was.
///
/// tmux's own time of activity is that of any output, also of a clock's. So it counts where the screen
/// shows work since the last patrol, and where nothing is known to compare with.
fn last_output(
    context: &AgentContext<'_>,
    facts: &PaneFacts,
    memory: &mut AgentMemory,
) -> (DateTime<Utc>, Change) {
    let screen = Screen::new(facts.size, facts.history, &facts.lines);
    let known = memory.pane.take().filter(|known| known.key == facts.key);
    let active = facts.activity.min(context.now.wall);
    let change = known.as_ref().map_or(Change::Resized, |known| screen.since(&known.screen));
    let last = match (known, change) {
        // An agent that could not run while the machine slept was not silent.
        (Some(known), Change::Ticking | Change::Nothing) => known.last_output + context.asleep(),
        (Some(known), _) => known.last_output.max(active),
        (None, _) => active,
    };
    let last = last.min(context.now.wall);
    memory.pane = Some(PaneMemory { key: facts.key.clone(), screen, last_output: last });
    (last, change)
}

fn renamed(context: &AgentContext<'_>, facts: &PaneFacts, target: &str) -> Opinion {
    if !facts.renamed {
        return Opinion::Well(subject(RENAMED), format!("{target} names its pane"));
    }
    let message = format!(
        "the tmux pane of agent {} is called {} now and no longer {target}",
        context.agent.name, facts.place
    );
    let advice =
        "Change `target` in the config before the tmux server ends: until then it is followed by its id";
    claim(RENAMED, Severity::Info, message, advice).with("place", facts.place.clone()).holds()
}

fn ago(span_of: TimeDelta) -> String {
    span(span_of.as_seconds_f64())
}
