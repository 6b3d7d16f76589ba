//! Observing one run: everything that a check may look at.

use super::{Held, Round};
use crate::cli::Common;
use crate::commands::launched;
use crate::config::{self, Config, MetricFiles, Run};
use crate::deliver::orchestrator::rows;
use crate::error::chain;
use crate::judge;
use crate::observe::digest::{Digest, Options};
use crate::observe::disk::{self, Purpose};
use crate::observe::gpu::{self, GpuFacts};
use crate::observe::guard::GuardFacts;
use crate::observe::log::{self, Limits, LogFacts};
use crate::observe::probe::{Answer, Answers, DEADLINE, Question};
use crate::observe::process::{Found, ProcessFacts};
use crate::observe::quota;
use crate::observe::{Look, Observation};
use crate::persist::history;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// Share of `--timeout` in which logs are read; the rest is for keeping, printing and delivery.
const READING: f64 = 0.6;
/// Share of `--timeout` that probes may take, where that is less than the contract's 5 s.
const PROBING: f64 = 0.5;
/// Least time for probes, whatever the `--timeout`: a busy machine takes this long to start a child,
/// and its slowness must not pass for a dead file system.
const PROBES_MIN: Duration = Duration::from_secs(1);
/// Mode of a file that quotes no log.
pub(super) const ANY_MODE: u32 = 0o666;
/// Mode of a file that may quote a log whose own mode cannot be asked for.
pub(super) const OWN_MODE: u32 = 0o600;

/// How long probes may take under this `--timeout`.
pub(super) fn probe_deadline(common: &Common) -> Duration {
    DEADLINE.min(common.timeout.mul_f64(PROBING)).max(PROBES_MIN)
}

/// What may block and is therefore asked in the child, for one run.
pub(super) fn questions(held: &Held<'_>, config: &Config, keeps: bool) -> Vec<Question> {
    let run = held.run;
    let known = held.state.memory.process.identity.as_ref();
    let mut questions = Vec::new();
    let metrics = match &run.metrics {
        Some(MetricFiles::At(path)) => Some(path),
        Some(MetricFiles::Auto) | None => None,
    };
    questions.extend(run.log.as_deref().map(Question::log));
    questions.extend(metrics.map(|path| Question::log(path)));
    if let Some(path) = run.log.as_ref().or(metrics) {
        questions.push(Question::disk(&config::log_directory(path), Purpose::Log));
    }
    questions.extend(run.process.as_ref().map(|spec| Question::process(spec, known)));
    questions.push(Question::memory(run.process.as_ref(), known));
    if let Some(checkpoints) = &run.checkpoints {
        questions.push(Question::disk(&checkpoints.dir, Purpose::Checkpoints));
    }
    questions.push(Question::checkpoints(run.checkpoints.as_ref(), run.log.as_deref()));
    questions.extend(Question::quota());
    if keeps {
        questions.push(Question::disk(&config.state_dir, Purpose::State));
    }
    questions
}

/// The question about GPUs: one for all runs, and none where nothing speaks for GPUs.
pub(super) fn gpu_question(config: &Config, common: &Common) -> Option<Question> {
    let named = config.gpu.expect > 0 || config.runs.iter().any(|run| !run.gpus.is_empty());
    gpu::is_worth_asking(&config.gpu.source, named)
        .then(|| Question::gpus(&config.gpu.source, probe_deadline(common)))
}

fn gpus(answers: &Answers) -> Observation<GpuFacts> {
    let asked = answers.answers.iter().find_map(|answer| match answer {
        Answer::Gpus(observation) => Some(observation.clone()),
        _ => None,
    });
    asked.unwrap_or(Observation::Absent)
}

/// What was observed, and what of it is not for checks.
pub(super) struct Looked {
    pub(super) look: Look,
    /// Greatest mode of a file that quotes the log.
    pub(super) mode: u32,
    /// What the verdict says besides.
    pub(super) note: Option<String>,
}

/// Takes the probes' answers and reads the log.
pub(super) fn look(
    held: &mut Held<'_>,
    round: &Round<'_>,
    answers: &Answers,
    guard: GuardFacts,
    runs_left: usize,
) -> Looked {
    let run = held.run;
    let mut look = Look::blind(Digest::new(held.state.memory.numbers.clone(), Options::default()).finish());
    look.gpus = gpus(answers);
    look.guard = guard;
    let mut log_answers = Vec::new();
    let mut quotas = Observation::Absent;
    for answer in answers.answers.get(held.asked.clone()).unwrap_or_default() {
        match answer.clone() {
            Answer::Log(observation) => log_answers.push(observation),
            Answer::Disk(observation) => look.disks.push(observation),
            Answer::Checkpoints(observation) => look.checkpoints = observation,
            Answer::Process(observation) => look.process = observation,
            Answer::Memory(observation) => look.memory = observation,
            Answer::Quota(observation) => quotas = observation,
            // One answer for all runs, taken above; and what is no run's.
            Answer::Gpus(_)
            | Answer::Who(_)
            | Answer::Agent(_)
            | Answer::Download(_)
            | Answer::Environment(_) => {}
        }
    }
    if let Some(record) = &held.record {
        let known = held.state.memory.process.identity.as_ref();
        launched::observe(&mut look, record, run, known, &round.config.state_dir);
    }
    look.disks = disk::merge(look.disks);
    quota::limit(&mut look.disks, quotas.known().map_or(&[], Vec::as_slice));
    look.stuck = answers.stuck.iter().filter(|stuck| held.asks(&stuck.what)).cloned().collect();
    held.state.stuck.clone_from(&look.stuck);
    let note = past(held, round, &mut look);
    // In the order of the questions. Whatever asks for a file here would hang as its probe does.
    let mut failures = log_answers.into_iter().map(|answer| match answer {
        Observation::Failed { why } => Some(why),
        Observation::Known(()) | Observation::Absent => None,
    });
    let log_failure = run.log.as_ref().and_then(|_| failures.next().flatten());
    let metrics_failure = failures.next().flatten();
    read(held, round, &mut look, runs_left, (log_failure.as_deref(), metrics_failure.as_deref()));
    let files = look.metric_files.known().map_or(ANY_MODE, |facts| mode(Path::new(""), Some(facts)));
    let log = match &run.log {
        Some(_) if log_failure.is_some() => OWN_MODE,
        Some(path) => mode(path, look.log.known()),
        None => ANY_MODE,
    };
    let mode = log & files;
    Looked { look, mode, note }
}

/// Finds the runs of the same command that ended; says what kept it from that. A run goes without them.
fn past(held: &Held<'_>, round: &Round<'_>, look: &mut Look) -> Option<String> {
    let keep = round.keep.filter(|_| round.config.history.enabled)?;
    let command = judge::history::known_by(held.run, look.process.known(), &held.state.memory)?;
    match history::read(&keep.store, Some(&command)) {
        Ok(past) => look.past = past,
        Err(error) => return Some(format!("nothing is compared with earlier runs: {}", chain(&error))),
    }
    None
}

/// Reads the metric files and then the log: of one step a file's value counts.
fn read(
    held: &mut Held<'_>,
    round: &Round<'_>,
    look: &mut Look,
    runs_left: usize,
    (log_failure, metrics_failure): (Option<&str>, Option<&str>),
) {
    let run = held.run;
    if run.log.is_none() && run.metrics.is_none() {
        return;
    }
    let memory = &held.state.memory;
    let process = look.process.known();
    let options = Options {
        done_when: run.done_when.as_deref(),
        new_process: process.is_some_and(|facts| is_another(facts, held)),
        lead: memory.words.lead.as_deref(),
        aliases: Some(&round.config.aliases),
        playbook: &round.config.playbook,
        recent: recent(held.run, round.config),
    };
    let mut digest = Digest::new(memory.numbers.clone(), options);
    let limits = Limits {
        deadline: deadline(round, runs_left),
        last_look: round.last,
        process_gone: process.is_some_and(ProcessFacts::has_ended),
        now: round.clock.wall(),
    };
    let failed = |why: &str| Observation::Failed { why: why.to_owned() };
    let (log, state) = (run.log.as_deref(), &mut held.state);
    if let Some(files) = &run.metrics {
        let memory = &mut state.metric_files;
        look.metric_files =
            metrics_failure.map_or_else(|| memory.read(files, log, &mut digest, &limits), failed);
    }
    if let Some(log) = log {
        look.log = log_failure.map_or_else(|| log::read(log, &mut state.logs, &mut digest, &limits), failed);
    }
    look.digest = digest.finish();
    // What is asked of a log (does it grow, is all of it read) is asked of the metric files where there is none.
    match (&mut look.log, &look.metric_files) {
        (Observation::Known(log), Observation::Known(files)) => {
            log.modified = log.modified.max(files.modified);
        }
        (log, files) if run.log.is_none() => *log = files.clone(),
        _ => {}
    }
    let facts: Vec<&LogFacts> =
        [&look.log, &look.metric_files].into_iter().filter_map(Observation::known).collect();
    if !facts.is_empty() {
        look.digest.forget_gone(&facts);
    }
}

/// Rows that are kept as they are: for the judge, and for the run's server.
fn recent(run: &Run, config: &Config) -> usize {
    let judge = config.judge.as_ref().map_or(0, |judge| judge.max_rows);
    judge.max(if run.orchestrator.is_some() { rows::MOST } else { 0 })
}

/// When this run's reading ends: the time for reading that is left is shared among the runs that
/// are left, so that none waits for another's backlog.
fn deadline(round: &Round<'_>, runs_left: usize) -> Instant {
    let left = round.common.timeout.mul_f64(READING).saturating_sub(round.clock.elapsed());
    Instant::now() + left.div_f64(runs_left.max(1) as f64)
}

/// Whether what the log says now is by another process than the last attempt's.
fn is_another(facts: &ProcessFacts, held: &Held<'_>) -> bool {
    matches!(&facts.found, Found::Process(life) if held.state.memory.start.begins(&life.identity))
}

/// The narrowest mode among the log files.
fn mode(path: &Path, facts: Option<&LogFacts>) -> u32 {
    let read =
        |path: &Path| std::fs::metadata(path).map_or(ANY_MODE, |meta| meta.permissions().mode() & ANY_MODE);
    match facts {
        Some(facts) => facts.files.iter().fold(ANY_MODE, |mode, file| mode & read(&file.path)),
        None => read(path),
    }
}
