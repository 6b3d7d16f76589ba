//! Check `nan`: the training loss, or the norm of its gradient, is not a finite number.

use super::{Context, Memory};
use crate::finding::{Claim, Occurrence, Opinion, Scope, Severity, Subject};
use crate::metrics::numbers::nonfinite::{NonFinite, Streak};
use std::path::Path;

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
    let others =
        numbers.others.iter().filter_map(|(file, facts)| Some((facts.streak.as_ref()?, Some(file.as_str()))));
    let streaks: Vec<_> = lead.into_iter().chain(others).collect();
    if let Some(&(streak, file)) = streaks.iter().find(|(streak, _)| !streak.is_over()) {
        return vec![claim(context, memory.attempt, streak, file, seen, &numbers.nonfinite).holds()];
    }
    let mut opinions = vec![well("the last rows are finite again")];
    if let Some(&(streak, file)) = streaks.first().filter(|_| numbers.nonfinite.count > seen) {
        let open = context.is_open(NAME, SYNDROME);
        let mut past = claim(context, memory.attempt, streak, file, seen, &numbers.nonfinite);
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
    other: Option<&str>,
    seen: u64,
    all: &NonFinite,
) -> Claim {
    let lead = context.look.digest.lead.as_ref().or(context.run.log.as_ref());
    let lead = lead.map(|log| log.to_string_lossy().into_owned()).unwrap_or_default();
    let file = other.map_or(lead, str::to_owned);
    let what = format!("{} is {}", streak.which.name(), streak.bad.word());
    let whose = other.map_or_else(String::new, |file| {
        let name = Path::new(file).file_name().unwrap_or_default();
        format!(" in {}", name.to_string_lossy())
    });
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::scene::Scene;
    use crate::metrics::{Metric, Row};

    #[test]
    fn a_nan_is_critical_until_the_third_finite_row() {
        let mut scene = Scene::new();
        scene.rows(1..30).patrol();
        assert!(scene.is_well(SYNDROME));
        scene.losses(30..32, |_| f64::NAN).patrol();
        let claim = scene.claim(SYNDROME).unwrap();
        assert_eq!(claim.severity, Severity::Critical);
        assert!(claim.message.contains("loss is NaN since line 30 at step 30, 2 rows"), "{}", claim.message);
        assert_eq!(claim.hits, 2);
        scene.rows(32..34).patrol();
        assert_eq!(scene.severity(SYNDROME), Some(Severity::Critical));
        scene.rows(34..35).patrol();
        assert!(scene.is_well(SYNDROME));
    }

    #[test]
    fn what_was_over_before_it_was_read_is_history_and_told_once() {
        let mut scene = Scene::new();
        scene.rows(1..30).losses(30..31, |_| f64::INFINITY).rows(31..40).patrol();
        let claim = scene.claim(SYNDROME).unwrap();
        assert!(claim.over && claim.message.contains("Infinity"), "{claim:?}");
        scene.rows(40..50).patrol();
        assert!(scene.is_well(SYNDROME));
    }

    #[test]
    fn the_streak_of_an_earlier_attempt_is_not_the_new_ones() {
        let mut scene = Scene::new();
        scene.losses(1..30, |_| f64::NAN).patrol();
        scene.restart_in_log(1..2).patrol();
        assert!(scene.is_well(SYNDROME));
    }

    #[test]
    fn a_run_that_completed_on_nan_is_still_bad_until_somebody_says_done() {
        let mut scene = Scene::new();
        scene.losses(1..30, |_| f64::NAN).completed().patrol();
        assert_eq!(scene.severity(SYNDROME), Some(Severity::Critical));
        let now = scene.now();
        scene.memory.end_by_operator(now);
        scene.patrol();
        assert!(scene.is_well(SYNDROME));
    }

    #[test]
    fn another_rank_whose_loss_is_nan_is_named() {
        let mut scene = Scene::new();
        scene.rows(1..30);
        let mut row = Row { line: 7, rank: Some(3), ..Row::default() };
        row.values.set(Metric::Loss, f64::NAN);
        scene.look.digest.numbers.fold_other(&row, "/runs/rank3.log");
        scene.patrol();
        assert!(scene.claim(SYNDROME).unwrap().message.contains("in rank3.log"), "{:?}", scene.claims());
    }
}
