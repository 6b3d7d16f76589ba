//! Check `environment`: whether what a run needs is there before it starts.

use super::say::size;
use super::wards::Judged;
use crate::config::version::Wanted;
use crate::config::{ENVIRONMENT, Environment};
use crate::finding::{Claim, Opinion, Scope, Severity, Subject};
use crate::observe::Observation;
use crate::observe::environment::{EnvironmentFacts, Package};
use std::collections::BTreeMap;

/// Its name, and that of its state.
pub const NAME: &str = ENVIRONMENT;
const BROKEN: &str = "environment_broken";
const UNKNOWN: &str = "environment_unknown";

/// What is judged.
#[derive(Debug, Clone, Copy)]
pub struct EnvironmentContext<'a> {
    /// What has to be there.
    pub environment: &'a Environment,
    /// What is there; absent where nobody asked, for no run waits.
    pub facts: &'a Observation<EnvironmentFacts>,
    /// Whether torch finds a GPU and what it said; absent where it was not asked.
    pub torch: &'a Observation<(bool, String)>,
    /// What is open from earlier patrols.
    pub open: &'a [Subject],
}

/// One thing that is not as it has to be.
struct Fault {
    what: String,
    message: String,
    advice: String,
}

/// Judges the environment.
pub fn check(context: &EnvironmentContext<'_>) -> Judged {
    let judged = |state, says: String, opinions| Judged {
        state,
        says,
        last_output: None,
        figures: BTreeMap::new(),
        opinions,
    };
    let facts = match context.facts {
        Observation::Absent => {
            return judged("not_checked", "not checked: no run waits".to_owned(), Vec::new());
        }
        Observation::Failed { why } => {
            let message = format!("cannot tell whether the environment is well: {why}");
            let claim =
                claim(UNKNOWN, Severity::Unknown, message, "Look by hand: trainguard check --environment");
            return judged("unknown", why.clone(), vec![claim.holds()]);
        }
        Observation::Known(facts) => facts,
    };
    let mut faults = faults(context.environment, facts);
    let mut opinions = vec![Opinion::Well(Subject::new(NAME, UNKNOWN), "it was looked at".to_owned())];
    faults.extend(torch(context.torch));
    let asked = |of: &str| of != TORCH || *context.torch != Observation::Absent;
    let over = context.open.iter().filter(|open| open.check == NAME && open.syndrome == BROKEN);
    let over = over.filter(|open| {
        let of = open.of.as_deref().unwrap_or_default();
        asked(of) && !faults.iter().any(|fault| fault.what == of)
    });
    opinions.extend(over.map(|open| Opinion::Well(open.clone(), "it is as it has to be".to_owned())));
    let (state, says) = match faults.as_slice() {
        [] => ("well", "all that is asked for is there".to_owned()),
        [fault] => ("broken", fault.message.clone()),
        [fault, rest @ ..] => ("broken", format!("{} (and {} more)", fault.message, rest.len())),
    };
    opinions.extend(faults.into_iter().map(|fault| {
        let claim = claim(BROKEN, Severity::Warning, fault.message, &fault.advice);
        Claim { subject: claim.subject.clone().of(fault.what), ..claim }.holds()
    }));
    judged(state, says, opinions)
}

fn claim(syndrome: &str, severity: Severity, message: String, advice: &str) -> Claim {
    Claim::new(Subject::new(NAME, syndrome), Scope::Surroundings, severity, message, advice)
}

const TORCH: &str = "torch.cuda";

fn torch(torch: &Observation<(bool, String)>) -> Option<Fault> {
    let (message, advice) = match torch {
        Observation::Absent | Observation::Known((true, _)) => return None,
        Observation::Known((false, said)) => (
            format!("torch.cuda.is_available() is not true: {said}"),
            "Look at nvidia-smi, CUDA_VISIBLE_DEVICES and whether torch is a build for CUDA",
        ),
        Observation::Failed { why } => (
            format!("torch.cuda.is_available() gave no answer: {why}"),
            "Import torch by hand: a slow disk or a wedged driver holds it; `timeout` gives it longer",
        ),
    };
    Some(Fault { what: TORCH.to_owned(), message, advice: advice.to_owned() })
}

fn faults(environment: &Environment, facts: &EnvironmentFacts) -> Vec<Fault> {
    let fault =
        |what: String, message: String, advice: &str| Fault { what, message, advice: advice.to_owned() };
    let mut faults = Vec::new();
    for (name, _) in facts.commands.iter().filter(|(_, found)| found.is_none()) {
        let message = format!("the command {name} is not to be found");
        faults.push(fault(
            format!("command {name}"),
            message,
            "Install it, or put it on the PATH that the patrol and the training have",
        ));
    }
    for (path, why) in &facts.files {
        if let Some(why) = why {
            let message = format!("{path} cannot be read: {why}");
            faults.push(fault(
                format!("file {path}"),
                message,
                "Bring it there, or mend its path in the config",
            ));
        }
    }
    let asked = facts.packages.iter().zip(&environment.packages);
    faults.extend(asked.filter_map(|(package, (_, wanted))| self::package(package, wanted, &facts.python)));
    faults.extend(cuda(facts));
    let short = |has: Option<u64>, wants: Option<u64>| match (has, wants) {
        (Some(has), Some(wants)) if has < wants => Some((has, wants)),
        _ => None,
    };
    if let Some((has, wants)) = short(facts.open_files, environment.open_files_min) {
        let message = format!("a process may open {has} files, {wants} are wanted");
        faults.push(fault(
            "limit open files".into(),
            message,
            "Raise it: ulimit -n, LimitNOFILE=, or limits.conf",
        ));
    }
    if let Some((has, wants)) = short(facts.locked_memory, environment.locked_memory_min) {
        let message = format!("a process may lock {} of memory, {} are wanted", size(has), size(wants));
        let advice = "Raise it for RDMA and pinned memory: ulimit -l, LimitMEMLOCK=infinity, or limits.conf";
        faults.push(fault("limit locked memory".into(), message, advice));
    }
    if let Some((has, wants)) = short(Some(facts.shm.unwrap_or(0)), environment.shm_min) {
        let message = format!("/dev/shm has {}, {} are wanted", size(has), size(wants));
        let advice =
            "Data loaders share memory there: docker run --shm-size, or an emptyDir of medium Memory";
        faults.push(fault("shm".into(), message, advice));
    }
    faults
}

fn package(package: &Package, wanted: &str, places: &[String]) -> Option<Fault> {
    let Package { name, versions } = package;
    let fault = |message| {
        let what = format!("package {name}");
        let pip = if matches!(wanted, "" | "*") { name.clone() } else { format!("'{name}{wanted}'") };
        Some(Fault { what, message, advice: format!("python3 -m pip install {pip}, in that environment") })
    };
    let place = places.last().map_or_else(|| "no Python was found".to_owned(), |place| format!("in {place}"));
    match versions.as_slice() {
        [] => fault(format!("the Python package {name} is not installed ({place})")),
        [version] => match Wanted::parse(wanted).ok()?.fits(version) {
            Some(true) => None,
            Some(false) => {
                fault(format!("the Python package {name} is {version}, wanted is {wanted} ({place})"))
            }
            None => {
                fault(format!("the Python package {name} has no version that can be compared: {version}"))
            }
        },
        several => fault(format!(
            "the Python package {name} is installed {} times ({}): what is imported is chance",
            several.len(),
            several.join(", ")
        )),
    }
}

/// A driver serves runtimes of its own major version and of older ones; since CUDA 11 minor versions
/// are compatible both ways.
fn cuda(facts: &EnvironmentFacts) -> Option<Fault> {
    let fault = |message: String, advice: &str| {
        Some(Fault { what: "cuda".to_owned(), message, advice: advice.to_owned() })
    };
    let driver = match facts.driver.as_ref()? {
        Observation::Known(driver) => driver,
        Observation::Failed { why } => {
            return fault(
                format!("no CUDA driver answers: {why}"),
                "Look at nvidia-smi and `dmesg`: is the driver loaded and are its devices here",
            );
        }
        Observation::Absent => return None,
    };
    match &facts.runtime {
        None => fault(
            "no CUDA runtime is installed in this Python environment".to_owned(),
            "Install a build of torch for CUDA: one for the CPU finds no GPU",
        ),
        Some((runtime, from)) if runtime.0 > driver.0 => fault(
            format!(
                "the CUDA runtime {}.{} ({from}) is too new for the driver, which serves {}.{}",
                runtime.0, runtime.1, driver.0, driver.1
            ),
            "Update the driver, or install a build for an older CUDA",
        ),
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests;
