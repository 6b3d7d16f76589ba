//! `trainguard check --environment`: what a patrol would find of the environment, in full.

use super::round::judge_environment;
use crate::config::Config;
use crate::finding::{Opinion, Severity};
use crate::observe::environment as environment_of;
use crate::observe::probe::{self, Question};
use chrono::{DateTime, Utc};
use std::time::Duration;

/// Looks, and says what is wrong; one line where nothing is.
pub(super) fn look(config: &Config, limit: Duration, now: DateTime<Utc>) -> Vec<(Severity, String)> {
    let Some(environment) = &config.environment else {
        return vec![(Severity::Ok, "the config has no section `environment`".to_owned())];
    };
    let look = Question::Environment(environment_of::look(environment));
    let first = probe::ask(&[look], probe::DEADLINE.min(limit), &[], now).answers;
    let torch = environment.torch_cuda.filter(|_| config.trusted).map(|timeout| {
        let question = Question::Environment(environment_of::torch(environment, timeout.min(limit)));
        probe::ask(&[question], timeout.min(limit) + probe::DEADLINE, &[], now).answers
    });
    let late = torch.as_ref().and_then(|answers| answers.first());
    let judged = judge_environment(environment, first.first(), late, &[]);
    let mut said: Vec<(Severity, String)> = judged
        .opinions
        .into_iter()
        .filter_map(|opinion| match opinion {
            Opinion::Holds(claim) => Some((claim.severity, format!("{}; {}", claim.message, claim.advice))),
            Opinion::Well(..) => None,
        })
        .collect();
    if environment.torch_cuda.is_some() && !config.trusted {
        let why = "torch is not asked, for others can change this config";
        said.push((Severity::Unknown, why.to_owned()));
    }
    if said.is_empty() {
        said.push((Severity::Ok, judged.says));
    }
    said
}
