//! What can be asked, and how it is answered.

use crate::config::{CheckpointSpec, GpuSource, ProcessSpec};
use crate::observe::Observation;
use crate::observe::agents::{self, AgentFacts, AgentQuestion};
use crate::observe::checkpoint::{self, CheckpointFacts};
use crate::observe::disk::{self, DiskFacts, Purpose};
use crate::observe::download::{self, DownloadAnswer, DownloadQuestion};
use crate::observe::environment::{self, EnvironmentAnswer, EnvironmentQuestion};
use crate::observe::gpu::{self, GpuFacts};
use crate::observe::memory::{self, MemoryFacts};
use crate::observe::process::{self, Found, Identity, ProcessFacts, Who};
use crate::observe::quota::{self, QuotaFacts};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Share of the probes' time that `nvidia-smi` may take: it is ended before the probe is.
const SMI: f64 = 0.8;

/// Something that may block for ever. Paths are bytes on the wire as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "made by the functions below, which say what they are")]
pub enum Question {
    Log(OsString),
    Disk(OsString, Purpose),
    Checkpoints { dir: Option<OsString>, pattern: Option<String>, log: Option<OsString> },
    Pid(i32, Option<Identity>),
    PidFile(OsString, Option<Identity>),
    Match(String, Option<Identity>),
    Launched(Identity),
    Quota,
    Gpus { source: GpuSource, patience: Duration },
    Memory(Option<Box<Question>>, Option<Identity>),
    Agent(String, AgentQuestion),
    Download(String, DownloadQuestion),
    Environment(EnvironmentQuestion),
    Who(Vec<u32>),
}

/// An answer. A question without one is answered by `Failed` in its kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// The log can be opened, or fails at once: reading it will not block, and says what is wrong.
    Log(Observation<()>),
    /// One file system.
    Disk(Observation<DiskFacts>),
    /// The checkpoints.
    Checkpoints(Observation<CheckpointFacts>),
    /// The process.
    Process(Observation<ProcessFacts>),
    /// The user's quotas.
    Quota(Observation<Vec<QuotaFacts>>),
    /// The GPUs of the machine.
    Gpus(Observation<GpuFacts>),
    /// The memory of the run's machine and control group.
    Memory(Observation<MemoryFacts>),
    /// An agent.
    Agent(Observation<AgentFacts>),
    /// A download.
    Download(Observation<DownloadAnswer>),
    /// The environment.
    Environment(Observation<EnvironmentAnswer>),
    /// Who these processes are.
    Who(Observation<Vec<Who>>),
}

impl Question {
    /// Whether the log (a path or a glob) answers to open, fstat and the read of a byte.
    pub fn log(path: &Path) -> Self {
        Self::Log(path.into())
    }

    /// How full the file system of a path is.
    pub fn disk(path: &Path, purpose: Purpose) -> Self {
        Self::Disk(path.into(), purpose)
    }

    /// Which checkpoints there are; see [`checkpoint::read`].
    pub fn checkpoints(spec: Option<&CheckpointSpec>, log: Option<&Path>) -> Self {
        Self::Checkpoints {
            dir: spec.map(|spec| spec.dir.clone().into()),
            pattern: spec.and_then(|spec| spec.pattern.clone()),
            log: log.map(Into::into),
        }
    }

    /// Who the run's process is; see [`process::read`].
    pub fn process(spec: &ProcessSpec, known: Option<&Identity>) -> Self {
        let known = known.cloned();
        match spec {
            ProcessSpec::Pid(pid) => Self::Pid(*pid, known),
            ProcessSpec::PidFile(path) => Self::PidFile(path.into(), known),
            ProcessSpec::Match(regex) => Self::Match(regex.clone(), known),
            ProcessSpec::Launched(process) => Self::Launched(process.clone()),
        }
    }

    /// What this user may use; asked only where the command is there.
    pub fn quota() -> Option<Self> {
        quota::command().map(|_| Self::Quota)
    }

    /// What GPUs there are and how they are, within the probes' `deadline`.
    pub fn gpus(source: &GpuSource, deadline: Duration) -> Self {
        Self::Gpus { source: source.clone(), patience: deadline.mul_f64(SMI) }
    }

    /// How much memory there is for the run; where its process is not `known` from an earlier look,
    /// it is looked for.
    pub fn memory(spec: Option<&ProcessSpec>, known: Option<&Identity>) -> Self {
        Self::Memory(spec.map(|spec| Box::new(Self::process(spec, known))), known.cloned())
    }

    /// Who these processes are.
    pub fn who(pids: Vec<u32>) -> Self {
        Self::Who(pids)
    }

    /// What is asked, for people and as the key of what is stuck.
    pub fn what(&self) -> String {
        let shown = |path: &OsString| path.to_string_lossy().into_owned();
        match self {
            Self::Log(path) => format!("log {}", shown(path)),
            Self::Disk(path, _) => format!("disk {}", shown(path)),
            Self::Checkpoints { dir, log, .. } => {
                format!("checkpoints {}", dir.as_ref().or(log.as_ref()).map(shown).unwrap_or_default())
            }
            Self::Pid(pid, _) | Self::Launched(Identity { pid, .. }) => format!("process {pid}"),
            Self::PidFile(path, _) => format!("process of {}", shown(path)),
            Self::Match(regex, _) => format!("process matching /{regex}/"),
            Self::Quota => "quota".to_owned(),
            Self::Gpus { source: GpuSource::File(path), .. } => format!("GPUs {}", path.display()),
            Self::Gpus { .. } => "GPUs (NVIDIA driver)".to_owned(),
            Self::Agent(name, _) => format!("agent {name}"),
            Self::Environment(EnvironmentQuestion::Look { .. }) => "environment".to_owned(),
            Self::Environment(EnvironmentQuestion::Torch { .. }) => "torch".to_owned(),
            Self::Download(name, DownloadQuestion::Look { .. }) => format!("download {name}"),
            Self::Download(name, DownloadQuestion::Sums { .. }) => format!("checksums of {name}"),
            Self::Memory(None, _) => "memory".to_owned(),
            Self::Who(pids) => {
                let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
                format!("processes {}", pids.join(", "))
            }
            Self::Memory(Some(process), _) => format!("memory of {}", process.what()),
        }
    }

    /// The answer where there is none.
    pub(super) fn failed(&self, why: &str) -> Answer {
        let why = format!("{}: {why}", self.what());
        match self {
            Self::Log(_) => Answer::Log(Observation::Failed { why }),
            Self::Disk(..) => Answer::Disk(Observation::Failed { why }),
            Self::Checkpoints { .. } => Answer::Checkpoints(Observation::Failed { why }),
            Self::Pid(..) | Self::PidFile(..) | Self::Match(..) | Self::Launched(_) => {
                Answer::Process(Observation::Failed { why })
            }
            Self::Quota => Answer::Quota(Observation::Failed { why }),
            Self::Gpus { .. } => Answer::Gpus(Observation::Failed { why }),
            Self::Memory(..) => Answer::Memory(Observation::Failed { why }),
            Self::Agent(..) => Answer::Agent(Observation::Failed { why }),
            Self::Download(..) => Answer::Download(Observation::Failed { why }),
            Self::Environment(..) => Answer::Environment(Observation::Failed { why }),
            Self::Who(_) => Answer::Who(Observation::Failed { why }),
        }
    }

    /// Looks. May block for ever.
    pub(in crate::observe) fn answer(self) -> Answer {
        match self {
            Self::Log(path) => {
                touch(Path::new(&path));
                Answer::Log(Observation::Known(()))
            }
            Self::Disk(path, purpose) => {
                let mut answer = disk::read(Path::new(&path), purpose);
                if let Observation::Known(facts) = &mut answer {
                    // Facts go through JSON, where a path is text.
                    facts.path = PathBuf::from(path.to_string_lossy().into_owned());
                }
                Answer::Disk(answer)
            }
            Self::Checkpoints { dir, pattern, log } => {
                let spec = dir.map(|dir| CheckpointSpec { dir: dir.into(), pattern });
                Answer::Checkpoints(checkpoint::read(spec.as_ref(), log.as_deref().map(Path::new)))
            }
            Self::Pid(pid, known) => Answer::Process(process::read(&ProcessSpec::Pid(pid), known.as_ref())),
            Self::PidFile(path, known) => {
                Answer::Process(process::read(&ProcessSpec::PidFile(path.into()), known.as_ref()))
            }
            Self::Match(regex, known) => {
                Answer::Process(process::read(&ProcessSpec::Match(regex), known.as_ref()))
            }
            Self::Agent(_, question) => Answer::Agent(agents::read(question)),
            Self::Download(_, question) => Answer::Download(download::read(question)),
            Self::Environment(question) => Answer::Environment(environment::read(question)),
            Self::Launched(process) => Answer::Process(process::read(&ProcessSpec::Launched(process), None)),
            Self::Quota => Answer::Quota(quota::read()),
            Self::Gpus { source, patience } => Answer::Gpus(gpu::read(&source, patience)),
            Self::Who(pids) => Answer::Who(Observation::Known(process::who(&pids))),
            Self::Memory(process, known) => {
                let lives = |known: &Identity| process::start_ticks(known.pid) == Some(known.start_ticks);
                let known = known.filter(lives).map(|known| known.pid);
                Answer::Memory(memory::read(known.or_else(|| found(*process?))))
            }
        }
    }
}

/// The pid of a process that is there.
fn found(process: Question) -> Option<i32> {
    match process.answer() {
        Answer::Process(Observation::Known(ProcessFacts { found: Found::Process(life), .. })) => {
            Some(life.identity.pid)
        }
        _ => None,
    }
}

/// Opens a log, or all that a glob names, and reads a byte. What goes wrong here goes wrong again
/// when the log is read, and is told there.
fn touch(path: &Path) {
    let name = path.to_string_lossy();
    if path.exists() || !name.contains(['*', '?', '[']) {
        return touch_file(path);
    }
    for member in glob::glob(&name).into_iter().flatten().flatten() {
        touch_file(&member);
    }
}

/// Only a regular file is opened: a FIFO would wait for a writer.
fn touch_file(path: &Path) {
    if std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
        && let Ok(mut file) = std::fs::File::open(path)
    {
        drop(file.metadata());
        drop(file.read(&mut [0]));
    }
}
