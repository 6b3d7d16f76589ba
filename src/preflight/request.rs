//! Which GPUs a run will use: as its command says, else the environment, the config, Slurm; else all.

use super::command::{self, Value};
use crate::config::{Env, GpuName};
use std::fmt;

const DEVICES: &str = "CUDA_VISIBLE_DEVICES";
const ORDER: &str = "CUDA_DEVICE_ORDER";
/// The value of [`ORDER`] by which numbers are places on the bus.
const BY_BUS: &str = "PCI_BUS_ID";
/// Slurm's numbers of the node's GPUs; those of a step are among those of its job.
const SLURM: [&str; 2] = ["SLURM_STEP_GPUS", "SLURM_JOB_GPUS"];
/// Slurm's numbers as the job itself counts, like CUDA's.
const SLURM_ORDINAL: &str = "GPU_DEVICE_ORDINAL";

/// A list as CUDA reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// `0,2,GPU-8f6d`.
    pub text: String,
    /// Its numbers are places on the bus.
    pub by_bus: bool,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// By name, as `nvidia-smi` shows them.
    Named(Vec<GpuName>, Source),
    /// By the lists that its programs are started with; usually one.
    Lists(Vec<List>, Source),
    /// By Slurm's numbers on the node, whichever of the node's GPUs can be seen from here.
    Node(String, Source),
    /// All there are, and why.
    All(Why),
}

/// Who asks for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `--gpus`.
    Flag,
    /// The command itself.
    Command,
    /// The environment.
    Environment,
    /// `gpus:` of the run in the config.
    Config,
    /// A variable of Slurm's.
    Slurm(&'static str),
}

/// Why all are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// Nobody names any.
    NothingSaid,
    /// The command takes `CUDA_VISIBLE_DEVICES` away.
    Unset,
    /// A shell has to compute it, from this.
    Computed(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("--gpus"),
            Self::Command => write!(f, "{DEVICES} of the command"),
            Self::Environment => write!(f, "{DEVICES} of the environment"),
            Self::Config => f.write_str("`gpus` of the run in the config"),
            Self::Slurm(name) => write!(f, "Slurm's {name}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingSaid => write!(f, "{DEVICES} is not set"),
            Self::Unset => write!(f, "the command unsets {DEVICES}"),
            Self::Computed(from) => write!(f, "{DEVICES} is computed by the command's shell, from {from}"),
        }
    }
}

impl Request {
    /// What a command asks for in an environment. `named` are the GPUs of the run in the config.
    pub fn of(command: &[String], env: Env<'_>, named: &[GpuName]) -> Self {
        if let Some(request) = of_command(command, env) {
            return request;
        }
        let variable = |name: &str| env(name).map(|value| value.to_string_lossy().into_owned());
        let by_bus = variable(ORDER).is_some_and(|order| order == BY_BUS);
        if let Some(text) = variable(DEVICES) {
            return Self::Lists(vec![List { text, by_bus }], Source::Environment);
        }
        if !named.is_empty() {
            return Self::Named(named.to_vec(), Source::Config);
        }
        let said = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        if let Some((name, text)) = SLURM.iter().find_map(|name| Some((*name, said(name)?))) {
            return Self::Node(text, Source::Slurm(name));
        }
        if let Some(text) = said(SLURM_ORDINAL) {
            return Self::Lists(vec![List { text, by_bus }], Source::Slurm(SLURM_ORDINAL));
        }
        Self::All(Why::NothingSaid)
    }

    /// Whether somebody counts on GPUs, so that a machine without any is a fault.
    pub fn is_explicit(&self) -> bool {
        match self {
            Self::Named(names, _) => !names.is_empty(),
            Self::Lists(lists, _) => lists.iter().any(|list| !list.names_none()),
            Self::Node(..) => true,
            Self::All(_) => false,
        }
    }

    /// Whether it says that no GPU is wanted.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Lists(lists, _) if lists.iter().all(List::names_none))
    }
}

impl List {
    /// Whether its first entry ends it: empty, `-1`.
    fn names_none(&self) -> bool {
        let first = self.text.split(',').next().unwrap_or_default().trim();
        first.is_empty() || first.starts_with('-') || first == "NoDevFiles"
    }
}

/// What the command itself says; `None` where that is nothing. Of several programs those count that it
/// says something for: what looks around before the training starts is no training.
fn of_command(command: &[String], env: Env<'_>) -> Option<Request> {
    let mut lists: Vec<List> = Vec::new();
    let (mut unset, mut source) = (false, Source::Environment);
    let inherited = |name: &str| env(name).map(|value| value.to_string_lossy().into_owned());
    for start in command::starts(command, env) {
        let order = start.says(ORDER);
        let text = match start.says(DEVICES) {
            Some(Some(Value::Computed(from))) => return Some(Request::All(Why::Computed(from.clone()))),
            Some(Some(Value::Known(text))) => {
                source = Source::Command;
                Some(text.clone())
            }
            Some(None) => {
                unset = true;
                None
            }
            // The command may say how the environment's numbers count.
            None => order.and_then(|_| inherited(DEVICES)),
        };
        let order =
            order.map_or_else(|| inherited(ORDER), |order| order.map(|order| order.text().to_owned()));
        let by_bus = order.is_some_and(|order| order == BY_BUS);
        lists.extend(text.map(|text| List { text, by_bus }).filter(|list| !lists.contains(list)));
    }
    if lists.is_empty() {
        return unset.then_some(Request::All(Why::Unset));
    }
    Some(Request::Lists(lists, source))
}
