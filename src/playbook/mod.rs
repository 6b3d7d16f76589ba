//! The catalogue of log syndromes: what a line of words means, how it is told from its look-alikes,
//! and what an expert would do next.
//!
//! To add a syndrome: one [`Entry`] in the file of its family. Its examples must hit, its near
//! misses must not, and the tests below hold it to that.
//!
//! A literal should be rare in healthy logs and have one of the `stems` in it: these are searched for
//! in the bytes, literals only around a stem, patterns only where a literal stands. Patterns are
//! ASCII: `\w`, `\d`, `\s` and `\b` know no other letters, and `.` is any byte.

mod around;
mod batch;
mod catalogue;
mod checkpoint;
mod completion;
mod data;
mod distributed;
mod download;
mod environment;
mod explanation;
mod gpu;
mod hardware;
mod kernels;
mod launcher;
mod libraries;
mod limits;
mod memory;
mod native;
mod numerics;
mod observed;
mod own;
mod packages;
mod python;
mod repeats;
mod scout;
mod search;
mod severity;
mod signals;
mod slurm;
mod stems;
mod storage;
mod story;
mod talks;
mod tracker;

pub use catalogue::{Catalogue, Scout};
pub use completion::completes;
pub use explanation::{Explanation, explanation, explanations};
pub use observed::{OBSERVED, Observed};
pub(crate) use own::Miss;
pub use repeats::repeats;
pub use scout::{candidates, is_quiet};
pub use story::{family, precedence};

use crate::finding::{Role, Severity};
use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use search::Search;
use std::ops::Range;
use std::sync::OnceLock;

/// One syndrome that is told by words.
#[derive(Debug)]
pub struct Entry {
    /// The contract's id.
    pub id: &'static str,
    /// What is wrong, as a headline.
    pub title: &'static str,
    /// How bad, where it stands at the end of a log.
    pub severity: Severity,
    /// Its usual part in the story of a failure.
    pub role: Role,
    /// Strings of which one stands in every hit.
    pub literals: &'static [&'static str],
    /// What else the record must match, where a literal alone would say too little.
    pub pattern: Option<&'static str>,
    /// Strings that make a record harmless.
    pub exclusions: &'static [&'static str],
    /// What it means.
    pub means: &'static str,
    /// How it is told from its look-alikes.
    pub told_apart: &'static str,
    /// What an expert would do next.
    pub advice: &'static str,
    /// Records that hit.
    pub examples: &'static [&'static str],
    /// Records that look alike and do not hit.
    pub near_misses: &'static [&'static str],
}

/// A family's entries.
#[derive(Debug)]
pub struct Family {
    /// What its entries have in common.
    pub name: &'static str,
    /// Its entries.
    pub entries: &'static [Entry],
}

/// All families. Within a record the first entry that hits is the headline, so Python's last
/// resort stands last.
pub const FAMILIES: &[Family] = &[
    Family { name: "hardware", entries: hardware::ENTRIES },
    Family { name: "memory", entries: memory::ENTRIES },
    Family { name: "gpu", entries: gpu::ENTRIES },
    Family { name: "kernels", entries: kernels::ENTRIES },
    Family { name: "libraries", entries: libraries::ENTRIES },
    Family { name: "native", entries: native::ENTRIES },
    Family { name: "storage", entries: storage::ENTRIES },
    Family { name: "checkpoint", entries: checkpoint::ENTRIES },
    Family { name: "data", entries: data::ENTRIES },
    Family { name: "numerics", entries: numerics::ENTRIES },
    Family { name: "distributed", entries: distributed::ENTRIES },
    Family { name: "slurm", entries: slurm::ENTRIES },
    Family { name: "batch", entries: batch::ENTRIES },
    Family { name: "launcher", entries: launcher::ENTRIES },
    Family { name: "signals", entries: signals::ENTRIES },
    Family { name: "limits", entries: limits::ENTRIES },
    Family { name: "environment", entries: environment::ENTRIES },
    Family { name: "packages", entries: packages::ENTRIES },
    Family { name: "download", entries: download::ENTRIES },
    Family { name: "tracker", entries: tracker::ENTRIES },
    Family { name: "python", entries: python::ENTRIES },
];

/// Syndrome of an uncaught exception that no other entry names.
pub const PYTHON_TRACEBACK: &str = "python_traceback";

/// All entries.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    FAMILIES.iter().flat_map(|family| family.entries)
}

/// The entry of a syndrome.
pub fn entry(id: &str) -> Option<&'static Entry> {
    entries().find(|entry| entry.id == id)
}

/// The entries that hit the record, each with the place of its hit.
pub fn hits(record: &[u8]) -> impl Iterator<Item = (&'static Entry, Range<usize>)> {
    let present = Search::get().present(record);
    present.iter().filter_map(move |index| {
        let slot = slots().get(index)?;
        slot.find(record).map(|place| (slot.entry, place))
    })
}

/// An entry with what its search needs, built when a literal of it was seen for the first time.
#[derive(Debug)]
pub(crate) struct Slot {
    entry: &'static Entry,
    built: OnceLock<Built>,
}

#[derive(Debug)]
struct Built {
    literals: Vec<Finder<'static>>,
    /// `None` where there is no pattern, or none that compiles.
    pattern: Option<Regex>,
    exclusions: Vec<Finder<'static>>,
}

fn slots() -> &'static [Slot] {
    static SLOTS: OnceLock<Vec<Slot>> = OnceLock::new();
    SLOTS.get_or_init(|| entries().map(|entry| Slot { entry, built: OnceLock::new() }).collect())
}

impl Slot {
    fn find(&self, record: &[u8]) -> Option<Range<usize>> {
        let built = self.built.get_or_init(|| Built::new(self.entry));
        let place = match (self.entry.pattern, &built.pattern) {
            (None, _) => built.literals.iter().find_map(|literal| {
                let start = literal.find(record)?;
                Some(start..start + literal.needle().len())
            })?,
            (Some(_), pattern) => pattern.as_ref()?.find(record)?.range(),
        };
        let told = built.exclusions.iter().all(|harmless| harmless.find(record).is_none());
        (told && !talks::of_it(&record[..place.start])).then_some(place)
    }
}

impl Built {
    fn new(entry: &'static Entry) -> Self {
        let finders = |texts: &'static [&'static str]| texts.iter().map(Finder::new).collect();
        Self {
            literals: finders(entry.literals),
            pattern: entry.pattern.and_then(|pattern| compile(pattern).ok()),
            exclusions: finders(entry.exclusions),
        }
    }
}

/// Most bytes that a compiled pattern takes. A log in which every entry is hit has all of them in
/// memory; most are far below, and all together may not be more than a patrol may use.
pub(crate) const COMPILED_SIZE: usize = 64 * 1024;

/// Compiles a pattern as the search does: ASCII, on bytes, and bounded in size.
pub(crate) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).unicode(false).size_limit(COMPILED_SIZE).build()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_entry_hits_its_examples_and_none_of_its_near_misses() {
        for entry in entries() {
            assert!(!entry.examples.is_empty(), "{} has no example", entry.id);
            for example in entry.examples {
                let found: Vec<_> = hits(example.as_bytes()).map(|(entry, _)| entry.id).collect();
                assert!(found.contains(&entry.id), "{} misses {example:?}: {found:?}", entry.id);
                assert!(!candidates(example.as_bytes()).is_empty(), "no candidate in {example:?}");
                assert!(!is_quiet(example.as_bytes()), "{example:?}");
            }
            for miss in entry.near_misses {
                let found: Vec<_> = hits(miss.as_bytes()).map(|(entry, _)| entry.id).collect();
                assert!(!found.contains(&entry.id), "{} hits {miss:?}", entry.id);
            }
        }
    }

    #[test]
    fn ids_are_unique_and_the_texts_are_sentences() {
        let mut seen = BTreeSet::new();
        for entry in entries() {
            assert!(seen.insert(entry.id), "{} stands twice", entry.id);
            assert!(
                entry
                    .id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
                "{}",
                entry.id
            );
            for text in [entry.means, entry.told_apart, entry.advice] {
                assert!(text.ends_with(['.', '?']), "{}: {text:?}", entry.id);
            }
        }
    }

    #[test]
    fn every_pattern_compiles_and_stays_small() {
        for entry in entries() {
            if let Some(Err(why)) = entry.pattern.map(compile) {
                panic!(
                    "{}: {why}. Count less (`{{1,200}}`), name the bytes instead of a large class, or \
                     let the literals do the work",
                    entry.id
                );
            }
        }
    }

    #[test]
    fn a_healthy_byte_is_searched_no_more_than_four_times_however_many_literals_there_are() {
        assert!(entries().count() <= search::MOST_ENTRIES, "enlarge `search::MOST_ENTRIES`");
        let lonely: Vec<_> = entries()
            .flat_map(|entry| entry.literals)
            .filter(|literal| !stems::STEMS.iter().any(|stem| literal.contains(stem)))
            .collect();
        assert!(
            Search::get().passes() <= PASSES,
            "these literals have no stem: put four or more of their bytes that several of them share and \
             that are rare in healthy logs into `stems::STEMS`: {lonely:?}"
        );
    }

    /// Vector searches of a healthy byte that the budget (1.3 times the rows alone) has room for.
    const PASSES: usize = 4;

    #[test]
    fn no_number_can_be_a_part_of_a_stem() {
        let all = entries().flat_map(|entry| entry.literals).map(|literal| stems::stem_of(literal));
        for stem in all.chain(stems::STEMS.iter().copied()) {
            assert!(stem.len() >= 4, "{stem:?} is too short to be rare");
            assert_eq!(stems::parts(stem).next(), Some(0..stem.len()), "{stem:?} may be a part of a number");
        }
        for (index, stem) in stems::STEMS.iter().enumerate() {
            let other = stems::STEMS
                .iter()
                .enumerate()
                .find(|(other, short)| *other != index && stem.contains(**short));
            assert!(other.is_none(), "{stem:?} contains {other:?}");
        }
    }

    #[test]
    fn harmless_lines_that_look_bad_hit_nothing() {
        for line in [
            "Epoch 1: val_loss improved from inf to 0.067, saving model to best.keras",
            "# --kill-on-bad-exit=1: terminate a step if any task exits with a non-zero exit code",
            "node7:35154:35223 [2] NCCL INFO NET/Plugin : Plugin load (libnccl-net.so) returned 2 : libnccl-net.so: cannot open shared object file: No such file or directory",
            "        DRAM Uncorrectable            : 0",
            "CUDA kernel errors might be asynchronously reported at some other API call",
            "        HW Slowdown                       : Not Active",
            "iteration 312/ 1153 | lm loss: 2.198E+00 | number of nan iterations:   0 |",
            "Unable to register cuBLAS factory: Attempting to register factory for plugin cuBLAS when one has already been registered",
        ] {
            let found: Vec<_> = hits(line.as_bytes()).map(|(entry, _)| entry.id).collect();
            assert!(found.is_empty(), "{line:?}: {found:?}");
        }
    }
}
