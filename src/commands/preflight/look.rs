//! One look at the GPUs that a run will use, through the probe child.

use super::Preflight;
use super::say;
use crate::config;
use crate::error::{Error, Result};
use crate::finding::Evidence;
use crate::judge::gpu::STALE_S;
use crate::judge::say::span;
use crate::observe::Observation;
use crate::observe::gpu::{DriverFault, GpuFacts};
use crate::observe::probe::{self, Answer, DEADLINE, Question, Stuck};
use crate::observe::process::{Who, own_line};
use crate::preflight::wanted::Target;
use crate::preflight::{Limits, Request, State, Wanted, state, wanted};
use std::path::Path;
use std::time::Duration;

/// Share of `--timeout` that one look may take, where that is less than the contract's 5 s; least time
/// for it, because a busy machine takes this long to start a child.
const PROBING: f64 = 0.5;
const PROBE_MIN: Duration = Duration::from_secs(1);

/// The compute driver of AMD's cards, which take `CUDA_VISIBLE_DEVICES` for theirs as well.
const AMD: &str = "/dev/kfd";
/// Said of a machine without GPUs.
pub(super) const NONE: &str = "there is no GPU on this machine, and the command asks for none";

/// Looks, and remembers which child hangs.
pub(super) struct Looker<'a> {
    preflight: &'a Preflight<'a>,
    request: &'a Request,
    settings: &'a config::Preflight,
    own: Vec<i32>,
    stuck: Vec<Stuck>,
}

/// What was seen.
pub(super) enum Seen {
    /// There is none to look at, and that is no fault.
    NoGpu(&'static str),
    Gpus(Gpus),
}

/// The GPUs that the run will use.
#[derive(Debug, Clone)]
pub(super) struct Gpus {
    pub(super) uuids: Vec<String>,
    /// Their names for people, and who says that it is these.
    pub(super) shown: String,
    pub(super) said: String,
    pub(super) note: Option<String>,
    pub(super) busy: Vec<Busy>,
}

/// A busy one.
#[derive(Debug, Clone)]
pub(super) struct Busy {
    pub(super) uuid: String,
    /// `GPU 1 (GPU-8f6d1a2b)`, and why it is busy, for people.
    pub(super) shown: String,
    pub(super) why: String,
    pub(super) advice: &'static str,
    /// What does not change while the same processes are there.
    key: String,
    pub(super) evidence: serde_json::Value,
}

impl Gpus {
    /// All that is busy, in one line.
    pub(super) fn line(&self) -> String {
        let each: Vec<String> =
            self.busy.iter().map(|busy| format!("{} is busy: {}", busy.shown, busy.why)).collect();
        each.join("; ")
    }

    /// The same while the same processes are there.
    pub(super) fn key(&self) -> String {
        self.busy.iter().map(|busy| busy.key.as_str()).collect::<Vec<_>>().join(";")
    }

    pub(super) fn evidence(&self) -> Evidence {
        let gpus: Vec<_> = self.busy.iter().map(|busy| busy.evidence.clone()).collect();
        Evidence::from([("gpus".to_owned(), gpus.into()), ("gpus_by".to_owned(), self.said.clone().into())])
    }
}

impl<'a> Looker<'a> {
    pub(super) fn new(
        preflight: &'a Preflight<'a>,
        request: &'a Request,
        settings: &'a config::Preflight,
    ) -> Self {
        Self { preflight, request, settings, own: own_line(), stuck: Vec::new() }
    }

    /// A look at a machine that was found to have GPUs.
    pub(super) fn look_again(&mut self) -> Result<Gpus> {
        match self.look()? {
            Seen::Gpus(gpus) => Ok(gpus),
            Seen::NoGpu(_) => Err(could_not("some answered before, and none does now")),
        }
    }

    pub(super) fn look(&mut self) -> Result<Seen> {
        let facts = match self.gpus() {
            Observation::Known(facts) => facts,
            Observation::Absent if Path::new(AMD).exists() => {
                return Ok(Seen::NoGpu(
                    "there is no NVIDIA GPU on this machine, and others are not looked at",
                ));
            }
            Observation::Absent if self.request.is_explicit() => {
                wanted(self.request, &[]).map_err(Error::Gpu)?;
                return Err(could_not(
                    "no NVIDIA driver answers on this machine, and the command asks for a GPU",
                ));
            }
            Observation::Absent => return Ok(Seen::NoGpu(NONE)),
            Observation::Failed { why } => return Err(could_not(&why)),
        };
        self.usable(&facts)?;
        let wanted = wanted(self.request, &facts.cards).map_err(Error::Gpu)?;
        let people = self.people(&wanted);
        let limits = Limits {
            utilization_max: self.settings.utilization_max,
            memory_max: self.settings.memory_max,
            ignore: &self.settings.ignore,
            own: &self.own,
        };
        let mut busy = Vec::new();
        for target in &wanted.targets {
            match state(target, &people, &limits) {
                State::Free => {}
                State::Blind(why) => return Err(could_not(&format!("{}: {why}", target.shown()))),
                State::Busy(reasons) => busy.push(Busy {
                    uuid: target.uuid(),
                    shown: target.shown(),
                    why: say::why(&reasons),
                    advice: say::advice(&reasons),
                    key: say::key(target, &reasons),
                    evidence: say::evidence(target, &reasons),
                }),
            }
        }
        let shown: Vec<String> = wanted.targets.iter().map(Target::shown).collect();
        Ok(Seen::Gpus(Gpus {
            uuids: wanted.targets.iter().map(Target::uuid).collect(),
            shown: shown.join(", "),
            said: wanted.said,
            note: wanted.note,
            busy,
        }))
    }

    /// Whether readings can be judged at all.
    fn usable(&self, facts: &GpuFacts) -> Result<()> {
        let source = &facts.source;
        match facts.fault {
            Some(DriverFault::NotLoaded) => {
                return Err(could_not(&format!(
                    "{source}: the NVIDIA driver is not loaded (modprobe nvidia, dmesg)"
                )));
            }
            Some(DriverFault::VersionMismatch) => {
                return Err(could_not(&format!(
                    "{source}: NVIDIA's library and kernel driver are of different versions; nothing new can start before a reboot"
                )));
            }
            None => {}
        }
        let now = (self.preflight.clocks)().wall();
        let age_s = facts.taken.map_or(0.0, |taken| (now - taken).as_seconds_f64());
        if age_s > STALE_S {
            return Err(could_not(&format!("the readings of {source} are {} old", span(age_s))));
        }
        Ok(())
    }

    fn gpus(&mut self) -> Observation<GpuFacts> {
        let deadline = self.deadline();
        match self.ask(Question::gpus(&self.preflight.config.gpu.source, deadline)) {
            Some(Answer::Gpus(answer)) => answer,
            _ => Observation::Failed { why: "the probe of the GPUs gave no answer".to_owned() },
        }
    }

    /// Who is on them. Where that is not answered, they are pids.
    fn people(&mut self, wanted: &Wanted<'_>) -> Vec<Who> {
        let holders = wanted.targets.iter().flat_map(|target| match target.instance {
            Some(instance) => instance.processes.iter().flatten(),
            None => target.card.processes.iter().flatten(),
        });
        let mut pids: Vec<u32> =
            holders.filter(|holder| holder.lives == Some(true)).map(|holder| holder.pid).collect();
        pids.sort_unstable();
        pids.dedup();
        if pids.is_empty() {
            return Vec::new();
        }
        match self.ask(Question::who(pids)) {
            Some(Answer::Who(Observation::Known(people))) => people,
            _ => Vec::new(),
        }
    }

    fn ask(&mut self, question: Question) -> Option<Answer> {
        let now = (self.preflight.clocks)().wall();
        let mut answers = probe::ask(&[question], self.deadline(), &self.stuck, now);
        // One that hangs is not asked again beside itself, whatever else is asked in between.
        self.stuck.retain(|stuck| stuck.lives() && !answers.stuck.contains(stuck));
        self.stuck.append(&mut answers.stuck);
        answers.answers.pop()
    }

    fn deadline(&self) -> Duration {
        DEADLINE.min(self.preflight.common.timeout.mul_f64(PROBING)).max(PROBE_MIN)
    }
}

fn could_not(why: &str) -> Error {
    Error::Gpu(format!("the GPUs could not be looked at: {why}"))
}
