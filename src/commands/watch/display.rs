//! What a watch shows: one live line per run on a terminal, plain lines elsewhere, alerts alone with `-q`.

use super::line::Sight;
use crate::cli::Common;
use crate::commands::round::{Outcome, Told, Voice};
use crate::deliver::report::Report;
use crate::deliver::text::{self, one_line};
use crate::finding::Severity;
use chrono::{DateTime, Local, Utc};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Off a terminal a run that goes on as it did has one line in so long.
const PACE: Duration = Duration::from_mins(1);
/// Columns of a terminal that does not tell, and the fewest that are used.
const COLUMNS: usize = 80;
const COLUMNS_LEAST: usize = 20;

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    /// Lines that are drawn again and again.
    Live,
    Lines,
    /// Alerts, by the terminal channel.
    Alerts,
}

/// Where a watch shows itself.
pub(super) struct Display<'a> {
    show: Show,
    quiet: bool,
    style: text::Style,
    screen: Screen<'a>,
    /// By run.
    seen: BTreeMap<String, Seen>,
    /// Notes that were said, and troubles with the time when they were last said.
    noted: BTreeSet<String>,
    complained: BTreeMap<String, Instant>,
}

/// What was last shown of a run.
#[derive(Default)]
struct Seen {
    at: Option<Instant>,
    /// What a new line is worth: attempt, phase, whether it has begun, what is open, why it could not be looked at.
    stand: Option<Stand>,
}

type Stand = (u32, String, bool, Vec<String>, Option<String>);

/// Standard output, on which the last lines may be live.
struct Screen<'a> {
    out: &'a mut dyn Write,
    /// Live lines that stand there.
    drawn: usize,
}

impl Screen<'_> {
    /// Back to where the live lines begin, with nothing below.
    fn back(&mut self) -> String {
        let up = match std::mem::take(&mut self.drawn) {
            0 => return String::new(),
            1 => String::new(),
            lines => format!("\x1b[{}A", lines - 1),
        };
        format!("\r{up}\x1b[J")
    }

    /// Draws the live lines anew in place of the old ones, below `text`: in one piece, so that nothing flickers.
    fn draw(&mut self, text: &str, lines: &[String]) -> io::Result<()> {
        let mut drawing = if text.is_empty() && self.drawn == lines.len() {
            match self.drawn {
                0 | 1 => "\r".to_owned(),
                drawn => format!("\r\x1b[{}A", drawn - 1),
            }
        } else {
            self.back()
        };
        drawing += text;
        drawing += &lines.iter().map(|line| format!("{line}\x1b[K")).collect::<Vec<_>>().join("\r\n");
        self.drawn = lines.len();
        self.out.write_all(drawing.as_bytes())?;
        self.out.flush()
    }
}

/// What others write stands above the live lines: those are drawn again with the next look.
impl Write for Screen<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let back = self.back();
        self.out.write_all(back.as_bytes())?;
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<'a> Display<'a> {
    pub(super) fn new(out: &'a mut dyn Write, common: &Common) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        let show = match () {
            () if common.quiet => Show::Alerts,
            () if io::stdout().is_terminal() && !dumb => Show::Live,
            () => Show::Lines,
        };
        Self::showing(show, out, common)
    }

    /// Beside something that is printed as it comes: a live line would be in its way.
    pub(super) fn beside(out: &'a mut dyn Write, common: &Common) -> Self {
        Self::showing(if common.quiet { Show::Alerts } else { Show::Lines }, out, common)
    }

    fn showing(show: Show, out: &'a mut dyn Write, common: &Common) -> Self {
        Self {
            show,
            quiet: common.quiet,
            style: super::super::style(common),
            screen: Screen { out, drawn: 0 },
            seen: BTreeMap::new(),
            noted: BTreeSet::new(),
            complained: BTreeMap::new(),
        }
    }

    /// Prints lines below all that was shown.
    pub(super) fn say(&mut self, lines: &[String]) -> io::Result<()> {
        // The last state of a run stays on the screen.
        let end = if std::mem::take(&mut self.screen.drawn) > 0 { "\r\n" } else { "" };
        write!(self.screen.out, "{end}")?;
        for line in lines {
            writeln!(self.screen.out, "{line}")?;
        }
        self.screen.out.flush()
    }

    fn show(&mut self, told: &Told<'_>) -> io::Result<()> {
        let mut above = Vec::new();
        for note in &told.report.notes {
            if self.noted.insert(note.clone()) {
                writeln!(above, "note: {}", one_line(note))?;
            }
        }
        for alert in told.outcomes.iter().flat_map(|outcome| &outcome.alerts) {
            text::alert(&mut above, alert)?;
        }
        let mut lines = Vec::new();
        let columns = columns();
        for outcome in told.outcomes {
            let seen = self.seen.entry(outcome.report.name.clone()).or_default();
            let line = Seen::line(outcome, self.show, columns);
            if self.show == Show::Live {
                lines.push(painted(line, outcome, self.style));
            } else if seen.is_news(outcome) {
                writeln!(above, "{} {line}", clock_time(told.report.time))?;
            }
        }
        let above = String::from_utf8_lossy(&above);
        if self.show == Show::Live {
            // A terminal in raw mode, as under some multiplexers, does not return by itself.
            return self.screen.draw(&above.replace('\n', "\r\n"), &lines);
        }
        self.screen.out.write_all(above.as_bytes())?;
        self.screen.out.flush()
    }

    /// With `-q`: what could not be looked at for the first time, and alerts that no outbox could take.
    fn whisper(&mut self, told: &Told<'_>) -> io::Result<()> {
        let mut failed = Vec::new();
        for outcome in told.outcomes {
            let seen = self.seen.entry(outcome.report.name.clone()).or_default();
            let news = seen.is_news(outcome) && outcome.report.error.is_some() && !outcome.busy;
            failed.extend(news.then(|| outcome.report.clone()));
        }
        if !failed.is_empty() {
            let report = Report { runs: failed, notes: Vec::new(), ..told.report.clone() };
            text::report(self.screen.out, &report, self.style)?;
        }
        for alert in told.unkept() {
            text::alert(self.screen.out, alert)?;
        }
        self.screen.out.flush()
    }
}

impl Seen {
    fn line(outcome: &Outcome, show: Show, columns: usize) -> String {
        let report = &outcome.report;
        if let Some(why) = &report.error {
            let what = if outcome.busy { "another look is under way" } else { why };
            return format!("{} {}", report.name, one_line(what));
        }
        let (Some(state), Some(glimpse)) = (&outcome.state, &outcome.glimpse) else {
            return report.name.clone();
        };
        let sight = Sight { report, numbers: &state.memory.numbers, glimpse };
        match show {
            Show::Live => sight.live(columns),
            Show::Lines | Show::Alerts => sight.plain(),
        }
    }

    /// Whether a line is due: something changed, or the last one was a while ago.
    fn is_news(&mut self, outcome: &Outcome) -> bool {
        let report = &outcome.report;
        if outcome.busy {
            return false;
        }
        let open = report.findings.iter().filter(|finding| finding.counts());
        let open = open.filter(|finding| finding.severity > Severity::Info);
        let begun = outcome.state.as_ref().is_some_and(|state| state.memory.numbers.attempt_rows > 0);
        let stand = (
            report.attempt,
            report.phase.clone(),
            begun,
            open.map(|finding| finding.signature.clone()).collect(),
            report.error.clone(),
        );
        let due = self.at.is_none_or(|at| at.elapsed() >= PACE);
        let news = due || self.stand.as_ref() != Some(&stand);
        if news {
            (self.at, self.stand) = (Some(Instant::now()), Some(stand));
        }
        news
    }
}

impl Voice for Display<'_> {
    fn tell(&mut self, told: &Told<'_>) -> io::Result<BTreeSet<String>> {
        let shown = if self.quiet { self.whisper(told) } else { self.show(told) };
        match shown {
            // Nobody reads any more: the watch goes on for the channels.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(BTreeSet::new()),
            Err(error) => Err(error),
            Ok(()) if self.quiet => Ok(BTreeSet::new()),
            Ok(()) => Ok(told.kept().map(|alert| alert.id.clone()).collect()),
        }
    }

    fn terminal(&mut self) -> &mut dyn Write {
        &mut self.screen
    }

    fn complain(&mut self, troubles: &[String]) {
        // What stands is not said anew every few seconds.
        self.complained.retain(|_, at| at.elapsed() < PACE);
        let is_new = |trouble: &&String| !self.complained.contains_key(*trouble);
        let troubles: Vec<String> = troubles.iter().filter(is_new).cloned().collect();
        if troubles.is_empty() {
            return;
        }
        self.complained.extend(troubles.iter().map(|trouble| (trouble.clone(), Instant::now())));
        let back = self.screen.back();
        drop(self.screen.out.write_all(back.as_bytes()).and_then(|()| self.screen.out.flush()));
        super::super::round::complain(&troubles);
    }
}

fn columns() -> usize {
    let size = rustix::termios::tcgetwinsize(io::stdout()).map(|size| usize::from(size.ws_col));
    // The last column is left free: some terminals break the line when it is used.
    size.ok().filter(|columns| *columns > 0).unwrap_or(COLUMNS).max(COLUMNS_LEAST) - 1
}

/// Yellow or red where something is open.
fn painted(line: String, outcome: &Outcome, style: text::Style) -> String {
    let code = match outcome.report.severity {
        Severity::Critical => "31",
        Severity::Warning | Severity::Unknown => "33",
        Severity::Ok | Severity::Info => return line,
    };
    if !style.color {
        return line;
    }
    format!("\x1b[{code}m{line}\x1b[0m")
}

/// The time of day here.
fn clock_time(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%H:%M:%S").to_string()
}
