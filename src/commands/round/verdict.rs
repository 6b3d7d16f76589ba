//! The verdict of one run, as the report and the health file tell it.

use crate::config::{Config, MetricFiles, Run};
use crate::decide::Decision;
use crate::deliver::health::stamp;
use crate::deliver::note::{self, Beside};
use crate::deliver::report::{
    Best, CheckpointReport, DiskReport, LogReport, MemoryReport, Number, ProcessReport, RunReport,
};
use crate::finding::{Finding, Standing};
use crate::judge::trend::{Direction, trend};
use crate::judge::{self, Context, eta, gpu, history};
use crate::observe::Observation;
use crate::observe::disk::DiskFacts;
use crate::observe::gpu::Gpu;
use crate::observe::memory::Space;
use crate::observe::process::Found;
use crate::persist::state::State;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

/// A patrol is overdue after this many intervals: one may be skipped by a busy machine.
const INTERVALS_UNTIL_OVERDUE: f64 = 2.0;

/// Builds the report of one run.
pub(super) fn report(context: &Context<'_>, state: &State, decision: &Decision) -> RunReport {
    let numbers = &state.memory.numbers;
    let now = context.now.wall;
    let configured = context.config.patrol.interval.as_secs_f64();
    let chosen = gpu::choose(context);
    let profile = judge::profile::profile(context);
    let mut report = RunReport {
        name: context.run.name.clone(),
        severity: decision.severity,
        phase: state.phase.word().to_owned(),
        profile: profile.kind.word(),
        profile_because: profile.evidence,
        attempt: state.memory.attempt,
        step: numbers.printed_step(),
        total_steps: numbers.total(context.run.total_steps),
        eta: eta::eta(context, &state.memory),
        metrics: numbers.latest.iter().map(|(metric, value)| (metric.name(), Number(value))).collect(),
        best_loss: numbers.best.as_ref().map(|best| Best { value: Number(best.loss), step: best.step }),
        loss_trend: trend(numbers),
        log: source(context.run).map(|path| log(context, &path)),
        checkpoint: checkpoint(context, state),
        disks: disks(context),
        memory: memory(context),
        process: process(context),
        since_last_s: context.previous.map(|previous| (now - previous.wall).as_seconds_f64()),
        expected_s: configured,
        next_patrol_by: next_patrol_by(context.config, state, now),
        gpus: chosen.iter().flat_map(|chosen| &chosen.cards).map(|gpu| (*gpu).clone()).collect(),
        gpus_by: chosen.map(|chosen| chosen.rule.to_string()),
        findings: decision.findings.clone(),
        monitor_note: String::new(),
        monitor_tags: Vec::new(),
        monitoring: None,
        error: None,
    };
    let beside = Beside {
        steps_per_s: history::steps_per_second(context, &state.memory, numbers),
        usual: history::pace(context, &state.memory),
        accuracy: history::accuracies(context, &state.memory).into_iter().next(),
    };
    let monitoring = note::monitoring(&report, &beside, now);
    report.monitor_note.clone_from(&monitoring.summary);
    report.monitor_tags = note::tags(&report, &beside);
    report.monitoring = Some(monitoring);
    report
}

/// What the run's numbers are read from: its log, or its metric files where it has none.
fn source(run: &Run) -> Option<String> {
    let path = match (&run.log, &run.metrics) {
        (Some(log), _) => log,
        (None, Some(MetricFiles::At(files))) => files,
        (None, Some(MetricFiles::Auto) | None) => return None,
    };
    Some(path.to_string_lossy().into_owned())
}

/// When the next patrol is due at the latest.
pub(super) fn next_patrol_by(config: &Config, state: &State, now: DateTime<Utc>) -> DateTime<Utc> {
    let configured = config.patrol.interval.as_secs_f64();
    let expected_s = state.interval_s.map_or(configured, |observed| observed.max(configured));
    let due = TimeDelta::seconds((INTERVALS_UNTIL_OVERDUE * expected_s) as i64);
    now.checked_add_signed(due).unwrap_or(now)
}

fn log(context: &Context<'_>, path: &str) -> LogReport {
    let facts = context.look.log.known();
    LogReport {
        path: path.to_owned(),
        offset: facts.map_or(0, |facts| facts.files.iter().map(|file| file.offset).sum()),
        bytes_read: facts.map_or(0, |facts| facts.bytes_read),
        rows: context.look.digest.rows,
        backlog: facts.map_or(0, |facts| facts.backlog_bytes),
    }
}

fn disks(context: &Context<'_>) -> Vec<DiskReport> {
    let minimum = context.config.patrol.disk_min_bytes;
    let known = context.look.disks.iter().filter_map(Observation::known);
    let report = |disk: &DiskFacts| DiskReport {
        path: disk.path.to_string_lossy().into_owned(),
        free_bytes: disk.free_bytes,
        total_bytes: disk.total_bytes,
        limit_bytes: judge::disk::limit_bytes(disk, minimum),
    };
    known.map(report).collect()
}

fn memory(context: &Context<'_>) -> Vec<MemoryReport> {
    let spaces = context.look.memory.known().map_or(&[][..], |facts| &facts.spaces);
    let report = |space: &Space| MemoryReport {
        cgroup: space.cgroup.clone(),
        used_bytes: space.used_bytes,
        limit_bytes: space.limit_bytes,
        max_ratio: context.config.training.memory_usage_max,
    };
    spaces.iter().map(report).collect()
}

fn checkpoint(context: &Context<'_>, state: &State) -> Option<CheckpointReport> {
    let standing = state.memory.checkpoint.standing.as_ref();
    let whole = standing.and_then(|standing| standing.whole.as_ref());
    let newest = whole.or(context.look.checkpoints.known()?.newest.first())?;
    let cost = standing.and_then(|standing| standing.cost);
    Some(CheckpointReport {
        path: newest.path.to_string_lossy().into_owned(),
        age_s: (context.now.wall - newest.modified).as_seconds_f64(),
        bytes: newest.bytes,
        writing: standing.is_some_and(|standing| standing.writing),
        crash_costs_s: cost.map(|cost| cost.seconds.round()),
        crash_costs_steps: cost.and_then(|cost| cost.steps),
        limit_s: judge::checkpoint::limit_s(context, &state.memory),
    })
}

fn process(context: &Context<'_>) -> Option<ProcessReport> {
    let report = |pid, state, command| Some(ProcessReport { pid, state, command });
    match &context.look.process {
        Observation::Absent => None,
        Observation::Failed { .. } => report(None, "unknown", None),
        Observation::Known(facts) => match &facts.found {
            Found::Process(life) => {
                let state = match life.state {
                    'Z' => "zombie",
                    'T' | 't' => "stopped",
                    _ => "alive",
                };
                report(Some(life.identity.pid), state, Some(life.command.clone()))
            }
            Found::Gone { pid, .. } => report(*pid, "gone", None),
            Found::Ambiguous { .. } => report(None, "ambiguous", None),
        },
    }
}

/// A run's entry of the health file.
pub(super) fn health(report: &RunReport, now: DateTime<Utc>) -> Value {
    let findings = report.findings.iter().filter(|finding| finding.state != Standing::History);
    let findings: Vec<_> = findings.map(finding).collect();
    json!({
        "status": report.severity.status_word(),
        "updated_at": stamp(now),
        "next_patrol_by": stamp(report.next_patrol_by),
        "phase": report.phase,
        "profile": report.profile,
        "attempt": report.attempt,
        "step": report.step.map(Number),
        "total_steps": report.total_steps.map(Number),
        "eta_s": report.eta.map(|eta| Number(eta.seconds)),
        "loss": {
            "latest": report.metrics.get("loss"),
            "best": report.best_loss.map(|best| best.value),
            "trend": report.loss_trend.map_or(Direction::Unknown, |trend| trend.direction),
        },
        "throughput": report.metrics.get("throughput"),
        "checkpoint_age_s": report.checkpoint.as_ref().map(|checkpoint| checkpoint.age_s.round()),
        "disks": report.disks.iter().map(disk).collect::<Vec<_>>(),
        "gpus": report.gpus.iter().map(card).collect::<Vec<_>>(),
        "monitor_note": report.monitor_note,
        "monitor_tags": report.monitor_tags,
        "monitoring": report.monitoring,
        "findings": findings,
    })
}

fn disk(disk: &DiskReport) -> Value {
    json!({"path": disk.path, "free_bytes": disk.free_bytes, "total_bytes": disk.total_bytes})
}

fn card(gpu: &Gpu) -> Value {
    json!({
        "uuid": gpu.uuid,
        "index": gpu.index,
        "lost": gpu.lost,
        "utilization": gpu.utilization,
        "memory_used_bytes": gpu.memory_used_bytes,
        "memory_total_bytes": gpu.memory_total_bytes,
        "temperature_c": gpu.temperature_c,
        "power_w": gpu.power_w,
    })
}

pub(super) fn finding(finding: &Finding) -> Value {
    let first = finding.first.as_ref();
    json!({
        "syndrome": finding.syndrome,
        "severity": finding.severity.word(),
        "state": finding.state,
        "since": stamp(finding.since),
        "message": finding.message,
        "advice": finding.advice,
        "file": first.map(|occurrence| &occurrence.file),
        "line": first.map(|occurrence| occurrence.line),
        "acknowledged": finding.acknowledged.is_some(),
    })
}
