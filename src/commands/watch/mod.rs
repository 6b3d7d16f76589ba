//! `trainguard watch`: phase 1. Most runs die in their first steps; somebody stays for them, looks
//! every few seconds, and hands over to patrols.
//!
//! A look is a patrol's: the same locks, state, alerts and channels. What is special is that the
//! state remembers who stays, so that checks of the first phase are asked, and a patrol in between
//! raises nothing twice. The training never hangs on it: however this ends, the run goes on.

mod beside;
mod closing;
mod display;
mod line;

pub(crate) use super::round::Ending;
pub(crate) use beside::beside;

use super::launched;
use super::round::{Acting, Keep, Outcome, Round, Voice, Watcher};
use crate::cli::{Common, Watch as Args};
use crate::clock::Clock;
use crate::config::{BareLog, Config, Run};
use crate::error::{Error, Result};
use display::Display;
use std::collections::BTreeSet;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How soon a signal is heeded between two looks.
const ATTENTION: Duration = Duration::from_millis(50);
/// Between two looks at runs with an operator elsewhere at most: his choice is obeyed within 5 s.
const ANSWERED: Duration = Duration::from_secs(3);

/// Stays with the runs; returns the exit code.
pub fn run(args: &Args, common: &Common, clocks: &dyn Fn() -> Clock, out: &mut dyn Write) -> Result<u8> {
    let load = super::load_args(common, BareLog::from_flags(&args.selection))?;
    let config = launched::load(load, &args.selection.runs, clocks().wall())?;
    let runs = config.select(&args.selection.runs)?;
    let keep = Keep::open(&config)?;
    let stop = Arc::new(AtomicBool::new(false));
    listen(&stop)?;
    let steps = args.phase1_steps.unwrap_or(config.training.phase1_steps);
    let acting = if args.dry_run { Acting::Say } else { Acting::Wait };
    let (interval, stays) = (args.interval, false);
    let attended = Attended { common, config: &config, keep: &keep, interval, steps, acting, clocks, stays };
    let mut display = Display::new(out, common);
    let ended = attended.attend(runs, &stop, &mut display)?;
    let flags = closing::flags(&config, &args.selection);
    let code = ended.iter().map(|ended| ended.ending.code()).max().unwrap_or_default();
    if !common.quiet {
        let lines = closing::tell(&ended, &config, &flags, clocks().wall());
        // Where nobody reads any more there is nobody to tell.
        drop(display.say(&lines));
    }
    Ok(code)
}

/// SIGINT, SIGTERM and a terminal that is closed end the watch after the present look; a second
/// signal ends it at once.
fn listen(stop: &Arc<AtomicBool>) -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    // What whoever started it has it ignore, as nohup does and a shell for what runs behind it, stays so.
    let ignored = ignored();
    for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0) {
        let again = signal_hook::flag::register_conditional_default(signal, Arc::clone(stop));
        let heard = again.and_then(|_| signal_hook::flag::register(signal, Arc::clone(stop)));
        heard.map_err(Error::io("listen to", std::path::Path::new("signals")))?;
    }
    Ok(())
}

/// The signals that this process ignores: bit 0 is signal 1.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or_default()
}

/// What staying with runs rests on.
pub(crate) struct Attended<'a> {
    pub(crate) common: &'a Common,
    pub(crate) config: &'a Config,
    pub(crate) keep: &'a Keep,
    /// Between the begins of two looks.
    pub(crate) interval: Duration,
    /// The steps of the phase.
    pub(crate) steps: u64,
    /// How what is configured is done.
    pub(crate) acting: Acting,
    pub(crate) clocks: &'a dyn Fn() -> Clock,
    /// What is critical is diagnosed and the phase goes on, until the run ends or is stopped for it.
    pub(crate) stays: bool,
}

/// A run whose first phase is over.
pub(crate) struct Ended {
    pub(crate) run: String,
    pub(crate) ending: Ending,
    /// The end of its log as people read it.
    pub(crate) last_lines: Vec<String>,
    /// The sign of its completion.
    pub(crate) how: Option<String>,
    /// Findings that are open and count.
    pub(crate) open: Vec<String>,
}

impl Attended<'_> {
    /// Looks at the runs until the first phase of each is over, or until `stop`.
    ///
    /// # Errors
    /// Somebody else stays with one of them, or the first look could not be made.
    pub(crate) fn attend(
        &self,
        mut runs: Vec<&Run>,
        stop: &AtomicBool,
        voice: &mut dyn Voice,
    ) -> Result<Vec<Ended>> {
        let watcher = Watcher::this(self.steps, self.stays);
        let mut diagnosed = BTreeSet::new();
        let answered = runs.iter().any(|run| run.orchestrator.is_some());
        let interval = if answered { self.interval.min(ANSWERED) } else { self.interval };
        let mut ended = Vec::new();
        let mut first = true;
        loop {
            let began = Instant::now();
            let clock = (self.clocks)();
            let round = Round {
                common: self.common,
                clock: &clock,
                config: self.config,
                keep: Some(self.keep),
                wards: &[],
                whole: false,
                last: false,
                acting: self.acting,
                watcher: Some(&watcher),
            };
            let verdict = round.look(runs.clone(), voice);
            for outcome in verdict.outcomes {
                refuse(&outcome, &watcher, first)?;
                let Some(ending) = outcome.ending.clone() else { continue };
                if let (Ending::Critical(finding), true) = (&ending, self.stays) {
                    if diagnosed.insert(finding.signature.clone()) {
                        self.diagnose(&Ended::of(&outcome, ending), voice);
                    }
                } else {
                    runs.retain(|run| run.name != outcome.report.name);
                    ended.push(Ended::of(&outcome, ending));
                }
            }
            first = false;
            if runs.is_empty() {
                return Ok(ended);
            }
            if !pause(began + interval, stop) {
                ended.extend(runs.iter().map(|run| Ended::interrupted(run)));
                return Ok(ended);
            }
        }
    }
}

impl Attended<'_> {
    /// Says what there is to diagnose while the phase goes on.
    fn diagnose(&self, ended: &Ended, voice: &mut dyn Voice) {
        if self.common.quiet {
            return;
        }
        let lines = closing::tell(std::slice::from_ref(ended), self.config, "", (self.clocks)().wall());
        // Where nobody reads any more there is nobody to tell.
        drop(writeln!(voice.terminal(), "{}", lines.join("\n")));
    }
}

impl Ended {
    fn of(outcome: &Outcome, ending: Ending) -> Self {
        let memory = outcome.state.as_ref().map(|state| &state.memory);
        let counting = outcome.report.findings.iter().filter(|finding| finding.counts());
        Self {
            run: outcome.report.name.clone(),
            ending,
            last_lines: memory.map(|memory| memory.process.last_lines()).unwrap_or_default(),
            how: memory.and_then(|memory| memory.end.as_ref()).map(|end| end.how.clone()),
            open: counting.map(|finding| finding.syndrome.clone()).collect(),
        }
    }

    fn interrupted(run: &Run) -> Self {
        let run = run.name.clone();
        Self { run, ending: Ending::Interrupted, last_lines: Vec::new(), how: None, open: Vec::new() }
    }
}

/// What makes no sense to go on with.
fn refuse(outcome: &Outcome, watcher: &Watcher, first: bool) -> Result<()> {
    let run = &outcome.report.name;
    if let Some(other) = outcome.state.as_ref().and_then(|state| watcher.other(state)) {
        return Err(Error::Locked(format!(
            "run '{run}' is watched by process {} already, by `trainguard watch` or by the `trainguard launch` that started it: let it go on, and look once with `trainguard patrol`",
            other.pid
        )));
    }
    match &outcome.report.error {
        Some(why) if first && !outcome.busy => Err(Error::State(why.clone())),
        _ => Ok(()),
    }
}

/// Waits until then; says whether nobody wants it to stop.
fn pause(until: Instant, stop: &AtomicBool) -> bool {
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        if left.is_zero() {
            return true;
        }
        std::thread::sleep(left.min(ATTENTION));
    }
}
