//! Check `nan`: the training loss, or the norm of its gradient, is not a finite number.

use super::{Context, Memory};
use crate::finding::{Claim, Occurrence, Opinion, Scope, Severity, Subject};
use crate::metrics::numbers::nonfinite::{NonFinite, Streak};

/// Its name.
pub const NAME: &str = "nan";
const SYNDROME: &str = "nan_loss";

/// `nan_loss`: critical from the first bad row until three finite rows in a row followed.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    let numbers = &context.look.digest.numbers;
    let seen = std::mem::replace(&mut memory.nan_rows, numbers.nonfinite.count);
    if memory.ended_by_operator() {
        return vec![well("the run was declared finished")];
    }
    let lead = numbers.nonfinite.streak.as_ref().map(|streak| (streak, None));
    let ranks = numbers.others.iter().filter_map(|(rank, facts)| Some((facts.streak.as_ref()?, Some(*rank))));
    let streaks: Vec<_> = lead.into_iter().chain(ranks).collect();
    if let Some(&(streak, rank)) = streaks.iter().find(|(streak, _)| !streak.is_over()) {
        return vec![claim(context, memory.attempt, streak, rank, seen, &numbers.nonfinite).holds()];
    }
    let mut opinions = vec![well("the last rows are finite again")];
    if let Some(&(streak, rank)) = streaks.first().filter(|_| numbers.nonfinite.count > seen) {
        let open = context.is_open(NAME, SYNDROME);
        let mut past = claim(context, memory.attempt, streak, rank, seen, &numbers.nonfinite);
        past.over = true;
        opinions.extend((!open).then(|| past.holds()));
    }
    opinions
}

fn well(why: &str) -> Opinion {
    Opinion::Well(Subject::new(NAME, SYNDROME), why.to_owned())
}

fn claim(
    context: &Context<'_>,
    attempt: u32,
    streak: &Streak,
    rank: Option<u32>,
    seen: u64,
    all: &NonFinite,
) -> Claim {
    let file = context.run.log.as_ref().map(|log| log.to_string_lossy().into_owned()).unwrap_or_default();
    let what = format!("{} is {}", streak.which.name(), streak.bad.word());
    let whose = match rank {
        Some(rank) if rank != u32::MAX => format!(" of rank {rank}"),
        Some(_) => " of another log file".to_owned(),
        None => String::new(),
    };
    let at = streak.first.step.map_or_else(String::new, |step| format!(" at step {step}"));
    let rows = match streak.rows {
        1 => "1 row so far".to_owned(),
        rows => format!("{rows} rows so far"),
    };
    let message = format!("{what}{whose} since line {}{at}, {rows}", streak.first.line);
    let before = streak.first.step.map_or_else(String::new, |step| format!(" from before step {step}"));
    let advice = format!(
        "Stop it, the weights are most likely lost: go back to a checkpoint{before}, lower the learning rate or clip \
         the gradient, use bf16 rather than fp16, and look at the data around there"
    );
    let mut claim =
        Claim::new(Subject::new(NAME, SYNDROME), Scope::Attempt, Severity::Critical, message, advice)
            .with("metric", streak.which.name())
            .with("value", streak.bad.word())
            .with("first_line", streak.first.line)
            .with("last_line", streak.last.line)
            .with("rows", streak.rows);
    if let Some(step) = streak.first.step {
        claim = claim.with("first_step", step);
    }
    claim.hits = all.count.saturating_sub(seen);
    claim.occasion = Some(format!("{file}:{attempt}:{}", streak.first.offset));
    claim.occurrences = vec![Occurrence {
        file,
        line: streak.first.line,
        offset: streak.first.offset,
        step: streak.first.step,
        text: what,
    }];
    claim
}
