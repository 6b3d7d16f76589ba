//! What a watch says at its end: that patrols go on, or what there is to diagnose.

use super::{Ended, Ending};
use crate::cli::Selection;
use crate::config::Config;
use crate::deliver::text::{one_line, place};
use crate::finding::Finding;
use crate::judge::Phase;
use crate::judge::attendance::Progress;
use crate::judge::say::{plain, span};
use crate::observe::{Observation, schedule};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Minutes of an hour: cron's steps divide it evenly or are none.
const HOUR: u64 = 60;

/// What is to be said of all runs.
pub(super) fn tell(ended: &[Ended], config: &Config, flags: &str, now: DateTime<Utc>) -> Vec<String> {
    let mut lines: Vec<String> = ended.iter().flat_map(|ended| of(ended, now)).collect();
    let goes_on = |ended: &Ended| matches!(ended.ending, Ending::HandedOver(_) | Ending::Interrupted);
    if ended.iter().any(goes_on) {
        lines.extend(patrols(config, flags));
    }
    lines
}

fn of(ended: &Ended, now: DateTime<Utc>) -> Vec<String> {
    let run = &ended.run;
    match &ended.ending {
        Ending::HandedOver(progress) => vec![handed_over(ended, *progress)],
        Ending::Interrupted => vec![format!("{run}: the watch ends here; the run goes on")],
        Ending::Critical(finding) => {
            let headline = format!("{run}: stop and diagnose");
            diagnosis(headline, finding, &ended.last_lines, now)
        }
        Ending::RunEnded { phase: Phase::Failed, cause: Some(finding) } => {
            let headline = format!("{run}: the run has failed");
            diagnosis(headline, finding, &ended.last_lines, now)
        }
        Ending::RunEnded { phase: Phase::Stopped, cause: Some(finding) } => {
            let headline = format!("{run}: the run was stopped");
            diagnosis(headline, finding, &ended.last_lines, now)
        }
        Ending::RunEnded { phase, .. } => {
            let how = ended.how.as_ref().map_or_else(String::new, |how| format!(": {}", one_line(how)));
            let word = match phase {
                Phase::Finished => "the run has finished",
                Phase::Ended => "its log was old already: taken as ended",
                Phase::Stopped => "the run was stopped",
                _ => "the run has ended",
            };
            vec![format!("{run}: {word}{how}")]
        }
    }
}

fn handed_over(ended: &Ended, progress: Progress) -> String {
    let what = if progress.in_steps { "steps" } else { "rows" };
    let made = if progress.is_complete() {
        format!("the first {} {what} are made", progress.of)
    } else {
        format!("{} of {} {what} are made, and nobody stays for longer", plain(progress.done), progress.of)
    };
    let open = match ended.open.as_slice() {
        [] => "nothing is wrong".to_owned(),
        open => format!("still open: {}", open.join(", ")),
    };
    format!("{}: {made}, {open}. Phase 2 begins: patrols guard it from here", ended.run)
}

/// What, where in the log, since when, its last lines, and what to do.
fn diagnosis(headline: String, finding: &Finding, last_lines: &[String], now: DateTime<Utc>) -> Vec<String> {
    let mut lines = vec![headline];
    lines.push(format!("  what   {} ({})", one_line(&finding.message), finding.syndrome));
    if let Some(first) = &finding.first {
        lines.push(format!("  where  {}", place(first)));
    }
    let age = span((now - finding.since).as_seconds_f64());
    lines.push(format!("  since  {}, {age} ago", finding.since.format("%Y-%m-%d %H:%M:%S UTC")));
    if !last_lines.is_empty() {
        lines.push("  the log ends".to_owned());
        lines.extend(last_lines.iter().map(|line| format!("    {}", one_line(line))));
    }
    lines.push(format!("  next   {}", one_line(&finding.advice)));
    lines
}

/// Who patrols from here: what is installed, else the line to install.
fn patrols(config: &Config, flags: &str) -> Vec<String> {
    if let Observation::Known(place) = schedule::read() {
        return vec![format!("patrols are invoked from {place}")];
    }
    vec![
        "nothing patrols on this machine yet; add to `crontab -e`:".to_owned(),
        format!("  {}", cron_line(config.patrol.interval, flags)),
    ]
}

fn cron_line(interval: Duration, flags: &str) -> String {
    let minutes = (interval.as_secs() / HOUR).max(1);
    let times = match minutes {
        1 => "* * * * *".to_owned(),
        minutes if minutes < HOUR && HOUR.is_multiple_of(minutes) => format!("*/{minutes} * * * *"),
        minutes if minutes < HOUR => "*/30 * * * *".to_owned(),
        _ => "0 * * * *".to_owned(),
    };
    let program = std::env::current_exe().ok().filter(|path| path.is_absolute());
    let program = program.map_or_else(|| "trainguard".to_owned(), |path| quoted(&path.display().to_string()));
    // Cron turns a bare % into a new line.
    format!("{times} {program} patrol -q{flags}").replace('%', r"\%")
}

/// The flags with which a patrol finds the same runs from any directory.
pub(super) fn flags(config: &Config, selection: &Selection) -> String {
    let mut flags = config.flags.clone();
    if selection.log.is_none() {
        return flags;
    }
    let mut add = |flag: &str, value: String| flags += &format!(" {flag} {}", quoted(&value));
    if let Some(name) = &selection.name {
        add("--name", name.clone());
    }
    if let Some(pid) = selection.pid {
        add("--pid", pid.to_string());
    }
    if let Some(pattern) = &selection.r#match {
        add("--match", pattern.clone());
    }
    let absolute = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if let Some(file) = &selection.pid_file {
        add("--pid-file", absolute(file).display().to_string());
    }
    if let Some(directory) = &selection.checkpoints {
        add("--checkpoints", absolute(directory).display().to_string());
    }
    flags
}

/// As a shell reads it.
fn quoted(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c));
    if plain { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cron_line_has_times_that_cron_knows_and_no_bare_percent_sign() {
        let times = |minutes| {
            let line = cron_line(Duration::from_mins(minutes), " --name '50%'");
            assert!(line.ends_with(r" patrol -q --name '50\%'"), "{line}");
            line.split(" /").next().unwrap().to_owned()
        };
        assert_eq!(times(30), "*/30 * * * *");
        assert_eq!(times(1), "* * * * *");
        assert_eq!(times(20), "*/20 * * * *");
        assert_eq!(times(25), "*/30 * * * *");
        assert_eq!(times(120), "0 * * * *");
    }
}
