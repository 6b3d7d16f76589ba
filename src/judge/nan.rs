//! Check `nan`: the training loss, or the norm of its gradient, is not a finite number.

use super::{Context, Memory, own, silence};
use crate::finding::{Claim, Occurrence, Opinion, Scope, Severity, Subject};
use crate::metrics::numbers::nonfinite::{NonFinite, Streak};
use std::path::Path;

/// Its name.
pub const NAME: &str = "nan";
/// Its syndrome.
pub const SYNDROME: &str = "nan_loss";
/// Bad rows in a row that leave no doubt: a loss scaler skips a step, an empty replay buffer has no
/// loss for one row, and neither lasts.
const CERTAIN_ROWS: u64 = 3;
/// A log that ends in a bad row for so many intervals between rows brings no better one.
const CERTAIN_INTERVALS: f64 = 3.0;

/// `nan_loss`: critical from the first bad row until three finite rows in a row followed.
pub fn check(context: &Context<'_>, memory: &mut Memory) -> Vec<Opinion> {
    if memory.ended_by_operator() {
        return vec![well("the run was declared finished")];
    }
    let numbers = &context.look.digest.numbers;
    let others = numbers.others.iter().map(|(file, facts)| (facts, Some(file.as_str())));
    let files = std::iter::once((&numbers.nonfinite, None)).chain(others);
    let streaks = files.filter_map(|(facts, file)| Some((facts, facts.streak.as_ref()?, file)));
    let (over, bad): (Vec<_>, Vec<_>) = streaks.partition(|(_, streak, _)| streak.is_over());
    let mut opinions = Vec::new();
    match bad.first() {
        Some((facts, streak, file)) => opinions.push(claim(context, facts, streak, *file).holds()),
        None => opinions.push(well("the last rows are finite again")),
    }
    // One that was open is told as resolved.
    for (facts, streak, file) in over.into_iter().filter(|(facts, ..)| facts.is_new()) {
        let mut past = claim(context, facts, streak, file);
        past.over = true;
        opinions.push(past.holds());
    }
    opinions
}

/// Whether the loss of the present process is lost beyond doubt: nobody is stopped for one row, nor
/// for those that an earlier process left in the log.
pub fn is_certain(context: &Context<'_>, memory: &Memory) -> bool {
    let files = own::nonfinite(&context.look.digest.numbers);
    let bad = files.filter_map(|facts| facts.streak.as_ref()).filter(|streak| streak.finite_since == 0);
    let rows = bad.map(|streak| memory.own.in_a_row(streak)).max().unwrap_or(0);
    rows >= CERTAIN_ROWS || (rows > 0 && silence::lasts(context, memory, CERTAIN_INTERVALS))
}

fn well(why: &str) -> Opinion {
    Opinion::Well(Subject::new(NAME, SYNDROME), why.to_owned())
}

fn claim(context: &Context<'_>, facts: &NonFinite, streak: &Streak, other: Option<&str>) -> Claim {
    let digest = &context.look.digest;
    let told = digest.numbers.joint.as_ref().filter(|joint| joint.source.1 == streak.first.head);
    let told = told.map(|joint| joint.source.0.clone());
    let lead = digest.lead.as_ref().or(context.run.log.as_ref());
    let lead = told.or(lead.map(|log| log.to_string_lossy().into_owned())).unwrap_or_default();
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
    // Where it began to go wrong, long before it was lost.
    let losses = &context.look.digest.numbers.losses;
    if let Some(rise) = losses.divergence.as_ref().filter(|rise| !rise.over && other.is_none()) {
        claim = claim.with("diverged_from_line", rise.first.line);
        if let Some(step) = rise.first.step {
            claim = claim.with("diverged_from_step", step);
        }
    }
    claim.hits = facts.fresh;
    claim.occasion = Some(format!("{}:{}", streak.first.head, streak.first.offset));
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
    fn one_bad_row_is_certain_only_once_the_log_stays_silent_behind_it() {
        // As the patrol saw it that has just been: the scene is five minutes on by then.
        let certain = |scene: &mut Scene| {
            scene.later(-300);
            let is = scene.with_context(|context| is_certain(context, &scene.memory));
            scene.later(300);
            is
        };
        let mut scene = Scene::new();
        scene.rows(1..30).losses(30..31, |_| f64::NAN).patrol();
        assert!(!certain(&mut scene));
        scene.rows(31..32).losses(32..34, |_| f64::NAN).patrol();
        assert!(!certain(&mut scene), "two in a row");
        scene.losses(34..35, |_| f64::NAN).patrol();
        assert!(certain(&mut scene), "three in a row");
        scene.rows(35..36).patrol();
        assert!(!certain(&mut scene), "the newest is finite");
        scene.losses(36..37, |_| f64::NAN).patrol();
        assert!(!certain(&mut scene));
        scene.patrol();
        assert!(certain(&mut scene), "nothing came for many intervals");
    }

    #[test]
    fn a_divergence_that_ends_in_nan_is_one_story_that_says_where_it_began() {
        let mut scene = Scene::new();
        scene
            .rows(1..200)
            .losses(200..240, |step| 50.0 + step as f64)
            .losses(240..260, |_| f64::NAN)
            .patrol();
        assert_eq!(scene.claims().len(), 1, "{:?}", scene.claims());
        let from = scene.claim(SYNDROME).unwrap().evidence["diverged_from_step"].as_f64().unwrap();
        assert!((193.0..=201.0).contains(&from), "{from}");
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
    fn what_was_over_in_another_file_is_history_beside_what_is_open() {
        let mut scene = Scene::new();
        let mut other = |losses: &[f64]| {
            for loss in losses {
                let mut row = Row::default();
                row.values.set(Metric::Loss, *loss);
                scene.look.digest.numbers.fold_other(&row, "/runs/rank3.log", "head");
            }
        };
        other(&[f64::NAN, f64::NAN, 1.0, 1.0, 1.0]);
        scene.losses(1..30, |_| f64::NAN).patrol();
        let claims = scene.claims();
        let told: Vec<_> = claims.iter().map(|claim| (claim.over, claim.hits)).collect();
        assert_eq!(told, [(false, 29), (true, 2)], "{claims:?}");
        assert!(claims[1].message.contains("rank3.log"), "{claims:?}");
        scene.rows(30..31).patrol();
        assert_eq!(scene.claims().len(), 1, "told once");
    }

    #[test]
    fn another_rank_whose_loss_is_nan_is_named() {
        let mut scene = Scene::new();
        scene.rows(1..30);
        let mut row = Row { line: 7, rank: Some(3), ..Row::default() };
        row.values.set(Metric::Loss, f64::NAN);
        scene.look.digest.numbers.fold_other(&row, "/runs/rank3.log", "head");
        scene.patrol();
        assert!(scene.claim(SYNDROME).unwrap().message.contains("in rank3.log"), "{:?}", scene.claims());
    }
}
