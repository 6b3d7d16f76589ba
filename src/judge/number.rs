//! What the checks of numbers have in common: an episode in a series becomes an opinion.

use super::{Context, Memory, over};
use crate::finding::{Claim, Occurrence, Opinion, Scope, Severity, Subject};
use crate::metrics::numbers::Numbers;
use crate::metrics::numbers::episode::{Episode, Place};

/// What a check says of a series that is not well.
pub(super) struct Word {
    pub(super) severity: Severity,
    pub(super) message: String,
    pub(super) advice: &'static str,
}

/// The answer where there is nothing to judge: no new rows, and what was open of a run that is complete is over.
pub(super) fn unasked(context: &Context<'_>, memory: &Memory, check: &str) -> Option<Vec<Opinion>> {
    if context.look.digest.rows > 0 {
        return None;
    }
    Some(if memory.end.is_some() { over(context, check) } else { Vec::new() })
}

/// Whether the loss is not a number at present: what led there is one story with it, and is told by it.
pub(super) fn is_lost(numbers: &Numbers) -> bool {
    numbers.nonfinite.streak.as_ref().is_some_and(|streak| !streak.is_over())
}

/// A number's claim: its place in the log, its value and what that is compared with.
pub(super) fn claim(
    context: &Context<'_>,
    (check, syndrome): (&str, &str),
    word: Word,
    (place, value, compared_with): (Place, f64, f64),
) -> Claim {
    let digest = &context.look.digest;
    let files = digest.numbers.joint.as_ref().map(|joint| joint.source.0.clone());
    let lead = digest.lead.as_ref().or(context.run.log.as_ref());
    let subject = Subject::new(check, syndrome);
    let mut claim = Claim::new(subject, Scope::Attempt, word.severity, word.message, word.advice)
        .with("value", value)
        .with("compared_with", compared_with)
        .with("first_line", place.line);
    if let Some(step) = place.step {
        claim = claim.with("first_step", step);
    }
    claim.occurrences = vec![Occurrence {
        file: files.or(lead.map(|log| log.to_string_lossy().into_owned())).unwrap_or_default(),
        line: place.line,
        offset: place.offset,
        step: place.step,
        text: format!("value {}", say(value)),
    }];
    claim
}

/// The opinion on a series: an episode that stands, one that was over before anybody looked, or none.
pub(super) fn opinion(
    context: &Context<'_>,
    (check, syndrome): (&str, &str),
    (episode, rows): (Option<&Episode>, u64),
    word: impl FnOnce(&Episode) -> Word,
) -> Vec<Opinion> {
    let first_look = context.previous.is_none();
    let well = |why: &str| Opinion::Well(Subject::new(check, syndrome), why.to_owned());
    match episode {
        Some(episode) if episode.stands(rows, first_look) || episode.fresh => {
            let value = (episode.first, episode.peak, episode.usual);
            let mut claim =
                claim(context, (check, syndrome), word(episode), value).with("rows", episode.rows);
            // Evaluations are few and paces come back: what was over before anybody looked is history. What
            // befell the loss or the policy a moment ago comes again.
            let comes_back = [super::validation::NAME, super::speed::NAME].contains(&check);
            let was_over = episode.over && first_look && comes_back;
            claim.over = was_over || !episode.stands(rows, first_look);
            if episode.over {
                let most = if episode.fresh { Severity::Warning } else { Severity::Info };
                claim.severity = claim.severity.min(most);
            }
            vec![claim.holds()]
        }
        Some(_) => vec![well("it has been well again for a while")],
        None => vec![well("nothing of it in the last rows")],
    }
}

/// ` at step 1200`.
pub(super) fn at(place: Place) -> String {
    place.step.map_or_else(
        || format!(" at line {}", place.line),
        |step| format!(" at step {}", super::say::plain(step)),
    )
}

/// A measured value with four digits that mean something.
pub(super) fn say(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if !(1e-3..1e5).contains(&size) => format!("{value:.3e}"),
        size => {
            let digits = 3 - size.log10().floor() as i32;
            let text = format!("{value:.*}", usize::try_from(digits).unwrap_or(0));
            if text.contains('.') {
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            } else {
                text
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::say;

    #[test]
    fn values_have_four_digits_and_no_tail() {
        for (value, text) in [
            (0.0, "0"),
            (2.0, "2"),
            (0.123_456, "0.1235"),
            (0.25, "0.25"),
            (1234.5, "1234"),
            (-17.25, "-17.25"),
            (1.5e-5, "1.500e-5"),
            (6.9e11, "6.900e11"),
        ] {
            assert_eq!(say(value), text);
        }
    }
}
