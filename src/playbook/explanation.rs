//! Everything that is known of a syndrome, whoever tells it: the log's words, or a check.

use super::{Entry, FAMILIES, OBSERVED};
use crate::finding::Role;

/// What `explain` and `docs/playbook.md` say of a syndrome.
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The contract's id.
    pub id: &'static str,
    /// The family that it is listed under.
    pub family: &'static str,
    /// What is wrong, as a headline.
    pub title: &'static str,
    /// How bad, with its conditions.
    pub severity: String,
    /// What it means.
    pub means: &'static str,
    /// How it is told from its look-alikes.
    pub told_apart: &'static str,
    /// What an expert would do first.
    pub advice: &'static str,
    /// Records that say it, in the wording of each version.
    pub examples: &'static [&'static str],
    /// Records that look alike and do not say it.
    pub near_misses: &'static [&'static str],
}

impl Explanation {
    /// That of an entry.
    pub fn of(family: &'static str, entry: &Entry) -> Self {
        Self {
            id: entry.id,
            family,
            title: entry.title,
            severity: format!("{}, {}", entry.severity, part(entry.role)),
            means: entry.means,
            told_apart: entry.told_apart,
            advice: entry.advice,
            examples: entry.examples,
            near_misses: entry.near_misses,
        }
    }
}

/// All that can be explained, family by family.
pub fn explanations() -> impl Iterator<Item = Explanation> {
    let of_words = FAMILIES
        .iter()
        .flat_map(|family| family.entries.iter().map(|entry| Explanation::of(family.name, entry)));
    let of_checks = OBSERVED.iter().flat_map(|(family, observed)| {
        observed.iter().map(|observed| Explanation {
            id: observed.id,
            family,
            title: observed.title,
            severity: observed.severity.to_owned(),
            means: observed.means,
            told_apart: observed.told_apart,
            advice: observed.advice,
            examples: &[],
            near_misses: &[],
        })
    });
    of_words.chain(of_checks)
}

/// What is known of one.
pub fn explanation(id: &str) -> Option<Explanation> {
    explanations().find(|explanation| explanation.id == id)
}

fn part(role: Role) -> &'static str {
    match role {
        Role::Root => "a cause",
        Role::Cascade => "an effect of something before it",
        Role::Confirmation => "confirms something else",
    }
}

#[cfg(test)]
mod tests {
    use super::explanations;
    use std::collections::BTreeSet;
    use std::fmt::Write as _;
    use std::path::Path;

    /// `docs/playbook.md`.
    fn document() -> String {
        let mut text = String::from(
            "# The playbook\n\nEvery syndrome that trainguard names: what it means, how it is told from its look-alikes, and \
             what to do first. Written from the catalogue by a test (`TRAINGUARD_BLESS=1 cargo test --lib playbook`); \
             `trainguard explain ID` prints the same.\n",
        );
        let mut family = "";
        for explained in explanations() {
            if explained.family != family {
                family = explained.family;
                let _ = write!(text, "\n## {family}\n");
            }
            let _ = write!(
                text,
                "\n### {}\n\n{} ({}). {}\n\n- Told apart: {}\n- First: {}\n",
                explained.id,
                explained.title,
                explained.severity,
                explained.means,
                explained.told_apart,
                explained.advice
            );
            for (title, lines) in [("Real wording", explained.examples), ("Not this", explained.near_misses)]
            {
                if !lines.is_empty() {
                    let _ = write!(text, "\n{title}:\n\n```text\n{}\n```\n", lines.join("\n"));
                }
            }
        }
        text
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "a document in the source tree, written on demand")]
    fn the_document_is_written_from_the_catalogue() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/playbook.md");
        let document = document();
        if std::env::var_os("TRAINGUARD_BLESS").is_some() {
            std::fs::write(&path, &document).unwrap();
        }
        let stands = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            stands == document,
            "docs/playbook.md is out of date: TRAINGUARD_BLESS=1 cargo test --lib playbook"
        );
    }

    #[test]
    fn every_syndrome_is_explained_once_in_sentences() {
        let mut seen = BTreeSet::new();
        for explained in explanations() {
            assert!(seen.insert(explained.id), "{} stands twice", explained.id);
            for text in [explained.means, explained.told_apart, explained.advice] {
                assert!(text.ends_with(['.', '?']) && text.len() > 15, "{}: {text:?}", explained.id);
            }
        }
    }

    #[test]
    fn whatever_checks_say_can_be_explained() {
        for id in [
            "process_dead process_zombie process_stuck log_silent hang_suspected log_missing log_gap backlog",
            "no_metrics probe_timeout nan_loss loss_plateau disk_low disk_full_soon inodes_low memory_high",
            "checkpoint_overdue checkpoint_incomplete gpu_hot gpu_throttled gpu_missing gpu_busy ecc_error",
            "gpu_fell_off_bus driver_version_mismatch driver_not_loaded state_damaged delivery_failed",
            "loss_spike loss_divergence loss_high grad_norm_high lr_zero metrics_frozen steps_skipped",
            "validation_drop validation_loss_regression overfitting reward_collapse reward_hacking_suspected",
            "kl_explosion entropy_collapse throughput_regression",
            "agent_dead agent_silent waiting_for_input agent_failing agent_unknown agent_renamed",
            "download_stalled download_restarted download_unknown checksum_mismatch",
            "environment_broken environment_unknown",
        ]
        .iter()
        .flat_map(|ids| ids.split(' '))
        {
            assert!(super::explanation(id).is_some(), "{id}");
        }
    }
}
