//! What stands around the runs in a round: each is held, asked, judged and kept as a run is, under a
//! state of its own.

use super::look::{ANY_MODE, OWN_MODE};
use super::{Round, verdict};
use crate::config::{Agent, AgentKind, Config, Download, ENVIRONMENT, Environment, Probe, SessionSpec};
use crate::decide::{Alert, Rules, decide};
use crate::deliver::health::{Part, stamp};
use crate::deliver::report::WardReport;
use crate::error::{Error, Result, chain};
use crate::finding::{Finding, Opinion, Standing, Subject};
use crate::judge::agents::{self, AgentContext};
use crate::judge::download::DownloadContext;
use crate::judge::environment::EnvironmentContext;
use crate::judge::wards::Judged;
use crate::judge::{self, guard};
use crate::observe::Observation;
use crate::observe::agents as agent;
use crate::observe::download::{self, DownloadAnswer, DownloadFacts, DownloadQuestion};
use crate::observe::environment::{self, EnvironmentAnswer};
use crate::observe::guard::{GuardFacts, Undelivered};
use crate::observe::probe::{self, Answer, Answers, Question};
use crate::persist::lock::Lock;
use crate::persist::state::{Loaded, State};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// Less than this is too short for a question that takes its time: the next round asks.
const SLOW_MIN: Duration = Duration::from_secs(1);

/// Time in which a patrol makes checksums, and its share of what is left of the patrol's time.
const SUMS: Duration = Duration::from_secs(20);
const SUMS_SHARE: f64 = 0.6;

/// One of what stands around the runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ward<'a> {
    /// Whoever drives a run.
    Agent(&'a Agent),
    /// What a run waits for.
    Download(&'a Download),
    /// What runs need before they start.
    Environment(&'a Environment),
}

/// Those of these names; all of the config where none is given.
pub(crate) fn select<'a>(config: &'a Config, names: &[String]) -> Vec<Ward<'a>> {
    let all = config.agents.iter().map(Ward::Agent).chain(config.downloads.iter().map(Ward::Download));
    let all = all.chain(config.environment.iter().map(Ward::Environment));
    all.filter(|ward| names.is_empty() || names.iter().any(|name| name == ward.name())).collect()
}

impl<'a> Ward<'a> {
    pub(super) fn name(self) -> &'a str {
        match self {
            Self::Agent(agent) => &agent.name,
            Self::Download(download) => &download.name,
            Self::Environment(_) => ENVIRONMENT,
        }
    }

    /// The section of the health file.
    pub(super) fn section(self) -> &'static str {
        match self {
            Self::Agent(_) => "agents",
            Self::Download(_) => "downloads",
            Self::Environment(_) => ENVIRONMENT,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Agent(agent) => agent.kind.word(),
            Self::Download(_) => "download",
            Self::Environment(_) => ENVIRONMENT,
        }
    }

    /// What stands in its state where a run's has its log: so neither is taken for the other.
    fn mark(self) -> &'static Path {
        Path::new(match self {
            Self::Agent(_) => "(agent)",
            Self::Download(_) => "(download)",
            Self::Environment(_) => "(environment)",
        })
    }

    /// What is asked of it at every patrol; of the environment only while a run `waits` or it was broken.
    fn question(self, state: &State, config: &Config, waits: bool) -> Option<Question> {
        match self {
            Self::Agent(agent) => {
                let memory = &state.ward.agent;
                let beat = agent.heartbeat_file(&config.state_dir);
                let question = agent::question(&agent.kind, memory.pane(), memory.process(), beat.as_deref());
                question.map(|question| Question::Agent(agent.name.clone(), question))
            }
            Self::Download(download) => {
                let question = download::look(&download.path, download.manifest.as_deref());
                Some(Question::Download(download.name.clone(), question))
            }
            Self::Environment(wanted) => {
                let asks = waits || !state.ledger.open.is_empty();
                asks.then(|| Question::Environment(environment::look(wanted)))
            }
        }
    }

    /// What is asked of it now and takes its time, after what was answered at once.
    fn slow(self, state: &State, first: Option<&Answer>, round: &Round<'_>, limit: Duration) -> Option<Slow> {
        let now = round.clock.wall();
        match self {
            Self::Agent(agent) => {
                let (probe, interval) = probe(agent)?;
                if !state.ward.agent.is_due(now, interval) {
                    return None;
                }
                if !round.config.trusted {
                    let why = "its probe is not run, for others can change this config".to_owned();
                    return Some(Slow::Known(Answer::Agent(Observation::Failed { why })));
                }
                let question = Question::Agent(agent.name.clone(), agent::probe(probe, limit));
                Some(Slow::Ask(Box::new(question), probe.timeout))
            }
            Self::Download(download) => {
                let Observation::Known(facts) = download_facts(first) else { return None };
                let jobs = judge::download::jobs(download, &facts, &state.ward.download, now);
                let budget = SUMS.min(limit.mul_f64(SUMS_SHARE));
                let question = DownloadQuestion::Sums { jobs, budget };
                let asks = matches!(&question, DownloadQuestion::Sums { jobs, .. } if !jobs.is_empty());
                asks.then(|| Slow::Ask(Box::new(Question::Download(download.name.clone(), question)), budget))
            }
            Self::Environment(wanted) => {
                let timeout = wanted.torch_cuda.filter(|_| first.is_some())?.min(limit.mul_f64(SUMS_SHARE));
                if !round.config.trusted {
                    let why = "it is not run, for others can change this config".to_owned();
                    return Some(Slow::Known(Answer::Environment(Observation::Failed { why })));
                }
                let question = Question::Environment(environment::torch(wanted, timeout));
                Some(Slow::Ask(Box::new(question), timeout))
            }
        }
    }

    fn judge(self, seen: &Seen<'_>, state: &mut State) -> Judged {
        let clock = seen.round.clock;
        match self {
            Self::Agent(agent) => {
                let facts = match seen.late.or(seen.first) {
                    Some(Answer::Agent(facts)) => facts.clone(),
                    _ => Observation::Absent,
                };
                let context = AgentContext {
                    agent,
                    facts: &facts,
                    now: &clock.now,
                    previous: state.last.as_ref(),
                    since: state.created,
                };
                agents::check(&context, &mut state.ward.agent).into()
            }
            Self::Download(download) => {
                let facts = download_facts(seen.first);
                let sums = match seen.late {
                    Some(Answer::Download(Observation::Known(DownloadAnswer::Sums(sums)))) => Some(sums),
                    _ => None,
                };
                let context = DownloadContext {
                    download,
                    facts: &facts,
                    sums,
                    now: clock.wall(),
                    previous: state.last.as_ref().map(|last| last.wall),
                    since: state.created,
                };
                judge::download::check(&context, &mut state.ward.download)
            }
            Self::Environment(wanted) => {
                judge_environment(wanted, seen.first, seen.late, &state.ledger.subjects())
            }
        }
    }
}

/// Judges the environment by what was answered.
pub(crate) fn judge_environment(
    environment: &Environment,
    first: Option<&Answer>,
    late: Option<&Answer>,
    open: &[Subject],
) -> Judged {
    let facts = match first {
        Some(Answer::Environment(Observation::Known(EnvironmentAnswer::Look(facts)))) => {
            Observation::Known(facts.clone())
        }
        Some(Answer::Environment(Observation::Failed { why })) => Observation::Failed { why: why.clone() },
        _ => Observation::Absent,
    };
    let torch = match late {
        Some(Answer::Environment(Observation::Known(EnvironmentAnswer::Torch(is_there, said)))) => {
            Observation::Known((*is_there, said.clone()))
        }
        Some(Answer::Environment(Observation::Failed { why })) => Observation::Failed { why: why.clone() },
        _ => Observation::Absent,
    };
    judge::environment::check(&EnvironmentContext { environment, facts: &facts, torch: &torch, open })
}

fn download_facts(answer: Option<&Answer>) -> Observation<DownloadFacts> {
    match answer {
        Some(Answer::Download(Observation::Known(DownloadAnswer::Look(facts)))) => {
            Observation::Known(facts.clone())
        }
        Some(Answer::Download(Observation::Failed { why })) => Observation::Failed { why: why.clone() },
        _ => Observation::Absent,
    }
}

/// The command that asks an agent, and how often it is run.
fn probe(agent: &Agent) -> Option<(&Probe, Duration)> {
    match &agent.kind {
        AgentKind::Stateless(probe) => probe.as_ref().map(|probe| (probe, probe.interval)),
        AgentKind::Session(SessionSpec::Command(probe)) => Some((probe, Duration::ZERO)),
        _ => None,
    }
}

/// A question that takes its time.
enum Slow {
    Ask(Box<Question>, Duration),
    /// It is not asked, and this is the answer.
    Known(Answer),
}

/// What was seen of a ward.
struct Seen<'a> {
    round: &'a Round<'a>,
    first: Option<&'a Answer>,
    /// The answer to what takes its time.
    late: Option<&'a Answer>,
}

/// A ward whose lock this round holds, or why it does not.
pub(super) struct Held<'a> {
    ward: Ward<'a>,
    known: Result<Known>,
    asked: Range<usize>,
}

struct Known {
    state: State,
    damage: Option<String>,
    whats: Vec<String>,
    _lock: Option<Lock>,
}

/// What came of a ward.
pub(crate) struct WardOutcome {
    pub(super) section: &'static str,
    pub(super) report: WardReport,
    pub(super) alerts: Vec<Alert>,
    pub(super) kept: bool,
    pub(super) trouble: Option<String>,
    pub(super) mode: u32,
    busy: bool,
}

/// Takes the wards' locks and loads their states.
pub(super) fn hold<'a>(round: &Round<'a>, lock_until: Instant) -> Vec<Held<'a>> {
    let hold = |ward: &Ward<'a>| Held { ward: *ward, known: known(*ward, round, lock_until), asked: 0..0 };
    round.wards.iter().map(hold).collect()
}

fn known(ward: Ward<'_>, round: &Round<'_>, lock_until: Instant) -> Result<Known> {
    let (name, mark) = (ward.name(), Some(ward.mark()));
    let known = |state, damage, lock| Known { state, damage, whats: Vec::new(), _lock: lock };
    let Some(keep) = round.keep else {
        return Ok(known(State::new(name, mark, round.clock), None, None));
    };
    let lock = keep.store.lock_run(name, lock_until.saturating_duration_since(Instant::now()))?;
    let is_known = State::exists(&keep.store, name);
    let Loaded { state, damage } = State::load(&keep.store, name, mark, round.clock)?;
    if !is_known {
        drop(state.save(&keep.store).and_then(|()| keep.store.sync()));
    }
    Ok(known(state, damage, Some(lock)))
}

impl Held<'_> {
    /// Nobody asks for it this time: it is not told of.
    fn rests(&self) -> bool {
        matches!(self.ward, Ward::Environment(_)) && self.asked.is_empty() && self.known.is_ok()
    }

    fn first<'b>(&self, answers: &'b Answers) -> Option<&'b Answer> {
        answers.answers.get(self.asked.clone())?.first()
    }

    /// Adds what is asked of it to the round's questions, and what of it is stuck to what is.
    pub(super) fn ask(
        &mut self,
        config: &Config,
        waits: bool,
        questions: &mut Vec<Question>,
        stuck: &mut Vec<probe::Stuck>,
    ) {
        let Ok(known) = &mut self.known else { return };
        let from = questions.len();
        questions.extend(self.ward.question(&known.state, config, waits));
        self.asked = from..questions.len();
        known.whats = questions[from..].iter().map(Question::what).collect();
        stuck.append(&mut known.state.stuck);
    }
}

/// Asks what takes its time, then judges, decides and keeps.
pub(super) fn conclude(
    round: &Round<'_>,
    held: Vec<Held<'_>>,
    answers: &Answers,
    owed: &[Undelivered],
) -> Vec<WardOutcome> {
    let mut held = held;
    held.retain(|held| !held.rests());
    let left = round.left();
    let mut slow: Vec<(usize, Slow)> = Vec::new();
    if left >= SLOW_MIN {
        for (index, held) in held.iter().enumerate() {
            let asked = held
                .known
                .as_ref()
                .ok()
                .and_then(|known| held.ward.slow(&known.state, held.first(answers), round, left));
            slow.extend(asked.map(|asked| (index, asked)));
        }
    }
    let late = ask(round, slow, left);
    let outcome = |(index, held): (usize, Held<'_>)| {
        let late = late.iter().find(|(of, _)| *of == index).map(|(_, answer)| answer);
        let first = held.first(answers);
        let stuck = answers.stuck.iter();
        match held.known {
            Ok(mut known) => {
                known.state.stuck =
                    stuck.filter(|stuck| known.whats.contains(&stuck.what)).cloned().collect();
                settle(&Seen { round, first, late }, held.ward, known, owed)
            }
            Err(error) => WardOutcome::failed(held.ward, &error, round),
        }
    };
    held.into_iter().enumerate().map(outcome).collect()
}

/// Asks slow questions side by side, in a child of their own.
fn ask(round: &Round<'_>, slow: Vec<(usize, Slow)>, left: Duration) -> Vec<(usize, Answer)> {
    let (mut known, mut asked, mut questions) = (Vec::new(), Vec::new(), Vec::new());
    let mut longest = Duration::ZERO;
    for (index, slow) in slow {
        match slow {
            Slow::Known(answer) => known.push((index, answer)),
            Slow::Ask(question, limit) => {
                asked.push(index);
                questions.push(*question);
                longest = longest.max(limit);
            }
        }
    }
    // What takes its time ends itself before the child is ended.
    let deadline = left.min(longest.mul_f64(1.5) + probe::DEADLINE);
    let answers = probe::ask(&questions, deadline, &[], round.clock.wall()).answers;
    known.extend(asked.into_iter().zip(answers));
    known
}

fn settle(seen: &Seen<'_>, ward: Ward<'_>, known: Known, owed: &[Undelivered]) -> WardOutcome {
    let round = seen.round;
    let Known { mut state, damage, _lock, .. } = known;
    let mut judged = ward.judge(seen, &mut state);
    let undelivered = owed.iter().filter(|owed| owed.run == ward.name()).cloned().collect();
    let open = state.ledger.subjects();
    judged.opinions.extend(guard::opinions(&GuardFacts { damage, undelivered }, &open));
    let quotes = |opinion: &Opinion| matches!(opinion, Opinion::Holds(claim) if claim.evidence.contains_key("last_line"));
    let mode = if judged.opinions.iter().any(quotes) { OWN_MODE } else { ANY_MODE };
    let rules = Rules {
        run: ward.name(),
        lineage: &state.lineage,
        attempt: 1,
        progress: false,
        step: None,
        now: round.clock.wall(),
        renotify: round.config.patrol.renotify,
        reopen_quiet: round.config.patrol.reopen_quiet,
        ended_by_operator: false,
    };
    let decision = decide(judged.opinions, &mut state.ledger, &rules);
    let since_last_s = state.last.as_ref().map(|last| (round.clock.wall() - last.wall).as_seconds_f64());
    state.advance(&round.clock.now);
    let kept = round.keep.map(|keep| round.keep_all(keep, &state, &decision.alerts, mode));
    let trouble = kept.and_then(Result::err).map(|error| chain(&error));
    let report = WardReport {
        name: ward.name().to_owned(),
        kind: ward.kind(),
        severity: decision.severity,
        state: judged.state,
        says: judged.says,
        last_output: judged.last_output,
        figures: judged.figures,
        since_last_s,
        expected_s: round.config.patrol.interval.as_secs_f64(),
        next_patrol_by: verdict::next_patrol_by(round.config, &state, round.clock.wall()),
        findings: decision.findings,
        error: None,
    };
    WardOutcome {
        section: ward.section(),
        report,
        alerts: decision.alerts,
        kept: trouble.is_none(),
        trouble,
        mode,
        busy: false,
    }
}

impl WardOutcome {
    fn failed(ward: Ward<'_>, error: &Error, round: &Round<'_>) -> Self {
        Self {
            section: ward.section(),
            report: WardReport::failed(ward.name(), ward.kind(), chain(error), round.clock.wall()),
            alerts: Vec::new(),
            kept: true,
            trouble: None,
            mode: ANY_MODE,
            busy: matches!(error, Error::Locked(_)),
        }
    }
}

/// The parts of the health file that are not runs.
pub(super) fn health(round: &Round<'_>, outcomes: &[WardOutcome]) -> Vec<(&'static str, Part)> {
    let part = |section: &'static str| {
        let of = || outcomes.iter().filter(|outcome| outcome.section == section);
        let fit = of().filter(|outcome| outcome.report.error.is_none());
        let failed = of().filter(|outcome| !outcome.busy);
        let names = of().map(|outcome| outcome.report.name.clone());
        let part = Part {
            entries: fit
                .map(|outcome| (outcome.report.name.clone(), entry(&outcome.report, round)))
                .collect(),
            failed: failed
                .filter_map(|outcome| Some((outcome.report.name.clone(), outcome.report.error.clone()?)))
                .collect(),
            only: round.whole.then(|| names.collect()),
        };
        (section, part)
    };
    SECTIONS.iter().map(|section| part(section)).collect()
}

/// Sections of the health file besides the runs'.
const SECTIONS: [&str; 3] = ["agents", "downloads", ENVIRONMENT];

/// A ward's entry of the health file.
fn entry(report: &WardReport, round: &Round<'_>) -> Value {
    let standing = |finding: &&Finding| finding.state != Standing::History;
    let findings: Vec<_> = report.findings.iter().filter(standing).map(verdict::finding).collect();
    json!({
        "status": report.severity.status_word(),
        "updated_at": stamp(round.clock.wall()),
        "next_patrol_by": stamp(report.next_patrol_by),
        "kind": report.kind,
        "state": report.state,
        "says": report.says,
        "last_output": report.last_output.map(stamp),
        "figures": report.figures,
        "findings": findings,
    })
}

impl Round<'_> {
    /// What is left of the round's time but for delivery.
    pub(super) fn left(&self) -> Duration {
        super::counsel::left(self)
    }
}
