//! What surrounds a run before it starts: programs, files, Python packages, CUDA and limits. Reads only,
//! and imports nothing but where `torch.cuda.is_available()` is asked for.

mod python;

use super::{Observation, command};
use crate::config::Environment;
use nvml_wrapper::Nvml;
use rustix::fs::Access;
use rustix::process::{Resource, getrlimit};
use serde::{Deserialize, Serialize};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use python::Package;

/// Where programs share memory, such as the workers of a data loader.
const SHM: &str = "/dev/shm";
const TORCH: &str = "import torch; print('trainguard', torch.cuda.is_available(), torch.cuda.device_count(), torch.__version__)";

/// What is asked. Paths are bytes on the wire.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "made by the functions below")]
pub enum EnvironmentQuestion {
    Look {
        commands: Vec<String>,
        files: Vec<OsString>,
        python: Option<OsString>,
        packages: Vec<String>,
        cuda: bool,
    },
    Torch {
        python: Option<OsString>,
        limit: Duration,
    },
}

/// What is there.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct EnvironmentFacts {
    /// Programs, and where they were found.
    pub commands: Vec<(String, Option<String>)>,
    /// Files, and why they cannot be read where they cannot.
    pub files: Vec<(String, Option<String>)>,
    /// Where packages were looked for; empty where no Python was found.
    pub python: Vec<String>,
    /// The packages that were asked for.
    pub packages: Vec<Package>,
    /// The CUDA version that the driver serves, major and minor.
    pub driver: Option<Observation<(u32, u32)>>,
    /// The CUDA version of the runtime, and what says so.
    pub runtime: Option<((u32, u32), String)>,
    /// Open files that a process may have; `None` is without limit.
    pub open_files: Option<u64>,
    /// Bytes that a process may lock; `None` is without limit.
    pub locked_memory: Option<u64>,
    /// Size of `/dev/shm`, bytes; `None` where there is none.
    pub shm: Option<u64>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EnvironmentAnswer {
    /// What is there.
    Look(EnvironmentFacts),
    /// Whether torch finds a GPU, and what it said.
    Torch(bool, String),
}

/// What is there.
pub fn look(environment: &Environment) -> EnvironmentQuestion {
    EnvironmentQuestion::Look {
        commands: environment.commands.clone(),
        files: environment.files.iter().map(Into::into).collect(),
        python: environment.python.as_ref().map(Into::into),
        packages: environment.packages.iter().map(|(name, _)| name.clone()).collect(),
        cuda: environment.cuda,
    }
}

/// Whether torch finds a GPU.
pub fn torch(environment: &Environment, limit: Duration) -> EnvironmentQuestion {
    EnvironmentQuestion::Torch { python: environment.python.as_ref().map(Into::into), limit }
}

/// Looks. May block for ever.
pub(super) fn read(question: EnvironmentQuestion) -> Observation<EnvironmentAnswer> {
    match question {
        EnvironmentQuestion::Look { commands, files, python, packages, cuda } => {
            let mut facts = EnvironmentFacts {
                commands: commands.into_iter().map(|name| (name.clone(), on_path(&name))).collect(),
                files: files.iter().map(|path| file(Path::new(path))).collect(),
                open_files: getrlimit(Resource::Nofile).current,
                locked_memory: getrlimit(Resource::Memlock).current,
                shm: shm(),
                ..EnvironmentFacts::default()
            };
            if cuda || !packages.is_empty() {
                let places = python::places(python.as_deref().map(Path::new));
                facts.packages = python::packages(&places, &packages);
                facts.runtime = cuda.then(|| python::runtime(&places)).flatten();
                facts.python = places.iter().map(|place| place.display().to_string()).collect();
            }
            facts.driver = cuda.then(driver);
            Observation::Known(EnvironmentAnswer::Look(facts))
        }
        EnvironmentQuestion::Torch { python, limit } => {
            let python = python::interpreter(python.as_deref().map(Path::new));
            let Some(python) = python else {
                return Observation::Failed { why: "no Python was found".to_owned() };
            };
            match command::run(&python.to_string_lossy(), &["-c", TORCH], None, limit) {
                Ok(said) => Observation::Known(answer(&said)),
                Err(error) => Observation::Failed { why: format!("{}: {error}", python.display()) },
            }
        }
    }
}

/// Libraries talk on standard output too: the line that begins with our own word is the answer.
fn answer(said: &command::Said) -> EnvironmentAnswer {
    let Some(line) = said.stdout.lines().find_map(|line| line.strip_prefix("trainguard ")) else {
        let last = said.stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or(&said.status);
        let last: String = last.chars().filter(|c| !c.is_control()).take(200).collect();
        return EnvironmentAnswer::Torch(false, last);
    };
    let words: Vec<&str> = line.split(' ').collect();
    let word = |at: usize| words.get(at).copied().unwrap_or("?");
    EnvironmentAnswer::Torch(word(0) == "True", format!("torch {} finds {} GPUs", word(2), word(1)))
}

fn on_path(name: &str) -> Option<String> {
    let executes = |path: &Path| path.is_file() && rustix::fs::access(path, Access::EXEC_OK).is_ok();
    let places: Vec<PathBuf> = if name.contains('/') {
        vec![name.into()]
    } else {
        env::split_paths(&env::var_os("PATH")?).map(|directory| directory.join(name)).collect()
    };
    places.into_iter().find(|path| executes(path)).map(|path| path.display().to_string())
}

fn file(path: &Path) -> (String, Option<String>) {
    let read = path.metadata().and_then(|_| Ok(rustix::fs::access(path, Access::READ_OK)?));
    (path.display().to_string(), read.err().map(|error| error.to_string()))
}

fn shm() -> Option<u64> {
    let space = rustix::fs::statvfs(SHM).ok()?;
    Some(space.f_blocks.saturating_mul(space.f_frsize))
}

/// The CUDA version that the driver serves: NVML says 12040 for 12.4.
fn driver() -> Observation<(u32, u32)> {
    let version = Nvml::init().and_then(|nvml| nvml.sys_cuda_driver_version());
    match version {
        Ok(version) => {
            let version = u32::try_from(version).unwrap_or_default();
            Observation::Known((version / 1000, version % 1000 / 10))
        }
        Err(error) => Observation::Failed { why: format!("NVML: {error}") },
    }
}
