//! `trainguard replay`: the patrols that would have been, over a log that is complete.
//!
//! Reading, judging and deciding are the patrols' own; only the clock is made up. It follows the
//! log's own times where rows carry one, else a patrol comes every `interval_minutes`. Nothing is
//! written, and nothing but the log is looked at.

mod print;

use crate::cli::{Common, Replay as Args};
use crate::clock::{Clock, Reading};
use crate::commands::{conclude, metrics};
use crate::config::{self, BareLog, Config, Run};
use crate::decide::Decision;
use crate::error::{Error, Result};
use crate::finding::{Finding, Severity, Standing};
use crate::judge::Context;
use crate::metrics::numbers::Numbers;
use crate::observe::digest::{Digest, Options};
use crate::observe::log::{LogFacts, Playback, Stretch};
use crate::observe::{Look, Observation};
use crate::persist::state::State;
use chrono::{DateTime, TimeDelta, Utc};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Replays a log; the severity is that of its end.
///
/// # Errors
/// A log that cannot be read, a config that is wrong, output that cannot be written.
pub fn run(args: &Args, common: &Common, clock: &Clock, out: &mut dyn Write) -> Result<Severity> {
    let config = load(&args.log, common)?;
    let run = config.runs.first().ok_or_else(|| Error::Usage("no log to replay".to_owned()))?;
    let log = path_of(run, &args.log);
    let mut stretches = Stretches::plan(args, log)?;
    let mut playback = Playback::open(log).map_err(Error::Usage)?;
    let mut patrols = Patrols::new(&config, run, clock);
    let mut printer = print::Printer::new(args, out);
    loop {
        let facts = patrols.read(&mut playback, stretches.next()).map_err(unread)?;
        let is_last = playback.is_at_end().map_err(unread)?;
        let told = patrols.patrol(facts, is_last);
        printer.patrol(&told, &patrols)?;
        if is_last {
            break;
        }
    }
    printer.end(&patrols)?;
    Ok(patrols.severity)
}

/// What one patrol of a complete log sees.
pub(super) struct Seen {
    /// The headline first.
    pub(super) findings: Vec<Finding>,
    pub(super) lines: u64,
    pub(super) rows: u64,
}

/// Looks at a complete log once.
pub(super) fn at_once(log: &Path, common: &Common, clock: &Clock) -> Result<Seen> {
    let config = load(log, common)?;
    let run = config.runs.first().ok_or_else(|| Error::Usage("no log to look at".to_owned()))?;
    let mut playback = Playback::open(path_of(run, log)).map_err(Error::Usage)?;
    let mut patrols = Patrols::new(&config, run, clock);
    let facts = patrols.read(&mut playback, Stretch::Rest).map_err(unread)?;
    let findings = patrols.patrol(facts, true);
    Ok(Seen { findings, lines: patrols.lines, rows: patrols.rows })
}

/// Where the log stands; standard input stands nowhere.
fn path_of<'a>(run: &'a Run, typed: &'a Path) -> &'a Path {
    run.log.as_deref().filter(|_| typed != Path::new("-")).unwrap_or(typed)
}

fn unread((path, error): (PathBuf, std::io::Error)) -> Error {
    Error::io("read", &path)(error)
}

fn is_standard_input(args: &Args) -> bool {
    args.log == Path::new("-")
}

/// The config's thresholds with this log as the only run. No state is kept, so that it does not
/// matter where it would be.
fn load(log: &Path, common: &Common) -> Result<Config> {
    let common =
        Common { state_dir: Some(common.state_dir.clone().unwrap_or_else(|| ".".into())), ..common.clone() };
    config::load(&super::load_args(&common, Some(BareLog::new(log)))?)
}

/// Where the patrols come, one after the other.
enum Stretches {
    Each(Stretch),
    /// Offsets at which the log's own time has passed by so much.
    Until(std::vec::IntoIter<u64>),
}

impl Stretches {
    fn plan(args: &Args, log: &Path) -> Result<Self> {
        let Some(every) = args.every else {
            return Ok(Self::Each(args.every_bytes.map_or(Stretch::Lines(args.every_lines), Stretch::Bytes)));
        };
        let every = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
        if is_standard_input(args) || config::is_glob(log) {
            let why = "--every needs one log file: its times are read first";
            return Err(Error::Usage(format!("{why}; for others give --every-lines or --every-bytes")));
        }
        let mut ends = Vec::new();
        let mut next: Option<DateTime<Utc>> = None;
        metrics::each_row(log, |row| {
            let Some(time) = row.time else { return };
            match next {
                Some(due) if time < due => {}
                before => {
                    if before.is_some() {
                        ends.push(row.offset);
                    }
                    next = time.checked_add_signed(every);
                }
            }
        })?;
        if next.is_none() {
            let why = format!("no row of {} carries a time", log.display());
            return Err(Error::Usage(format!(
                "{why}: give --every-lines or --every-bytes instead of --every"
            )));
        }
        Ok(Self::Until(ends.into_iter()))
    }

    fn next(&mut self) -> Stretch {
        match self {
            Self::Each(stretch) => *stretch,
            Self::Until(ends) => ends.next().map_or(Stretch::Rest, Stretch::UpTo),
        }
    }
}

/// The run as the patrols see it.
struct Patrols<'a> {
    config: &'a Config,
    run: &'a Run,
    state: State,
    now: Reading,
    /// Severity each open finding was last told with, by signature.
    told: HashMap<String, Severity>,
    look: Look,
    severity: Severity,
    count: u64,
    rows: u64,
    lines: u64,
}

impl<'a> Patrols<'a> {
    fn new(config: &'a Config, run: &'a Run, clock: &Clock) -> Self {
        let digest = Digest::new(Numbers::default(), Options::default()).finish();
        Self {
            config,
            run,
            state: State::new(&run.name, run.log.as_deref(), clock),
            now: clock.now.clone(),
            told: HashMap::new(),
            look: Look::blind(digest),
            severity: Severity::Ok,
            count: 0,
            rows: 0,
            lines: 0,
        }
    }

    fn read(
        &mut self,
        playback: &mut Playback,
        stretch: Stretch,
    ) -> std::result::Result<LogFacts, (PathBuf, std::io::Error)> {
        let memory = &self.state.memory;
        let options = Options {
            lead: memory.words.lead.as_deref(),
            aliases: Some(&self.config.aliases),
            playbook: &self.config.playbook,
            ..Options::default()
        };
        let mut digest = Digest::new(memory.numbers.clone(), options);
        let facts = playback.read(stretch, &mut digest, self.now.wall)?;
        self.look.digest = digest.finish();
        Ok(facts)
    }

    /// Judges what was read; what is told of it, the worst first.
    fn patrol(&mut self, mut facts: LogFacts, is_last: bool) -> Vec<Finding> {
        let previous = self.state.last.clone();
        if previous.is_some() {
            self.advance();
        } else if let Some(time) = self.log_time() {
            self.now.wall = time;
        }
        facts.modified = Some(self.now.wall);
        self.lines = facts.files.iter().map(|file| file.lines).sum();
        self.rows += self.look.digest.rows;
        self.count += 1;
        self.look.log = Observation::Known(facts);
        let open = self.state.ledger.subjects();
        let context = Context {
            attended: None,
            config: self.config,
            run: self.run,
            look: &self.look,
            now: &self.now,
            previous: previous.as_ref(),
            last_look: is_last,
            open: &open,
        };
        let decision = conclude(&context, &mut self.state);
        self.severity = decision.severity;
        self.news(decision)
    }

    /// The log's own time of its last row.
    fn log_time(&self) -> Option<DateTime<Utc>> {
        self.look.digest.numbers.pace.last
    }

    /// Time goes on: to the log's own, where it has one, else by an interval.
    fn advance(&mut self) {
        let interval = TimeDelta::from_std(self.config.patrol.interval).unwrap_or(TimeDelta::MAX);
        let passed = match self.log_time() {
            Some(time) => (time - self.now.wall).max(TimeDelta::zero()),
            // Lines are no measure of a silence: time stands still while only other lines come.
            None if self.look.digest.rows == 0 => TimeDelta::zero(),
            None => interval,
        };
        self.now.wall = self.now.wall.checked_add_signed(passed).unwrap_or(self.now.wall);
        self.now.monotonic_s += passed.as_seconds_f64();
        self.now.boottime_s += passed.as_seconds_f64();
    }

    /// What is new, over, or told with another severity than before.
    fn news(&mut self, decision: Decision) -> Vec<Finding> {
        let told = &mut self.told;
        let is_news = |finding: &Finding| match finding.state {
            Standing::New | Standing::Ongoing => {
                told.insert(finding.signature.clone(), finding.severity) != Some(finding.severity)
            }
            Standing::Resolved => told.remove(&finding.signature).is_some(),
            Standing::History => true,
        };
        decision.findings.into_iter().filter(is_news).collect()
    }

    /// The step that the newest row printed.
    fn step(&self) -> Option<f64> {
        self.state.memory.numbers.printed_step()
    }
}
