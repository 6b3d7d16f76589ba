//! What stands beside a log and may be what it was: names say where to look and in which order,
//! content decides.

use super::open::Stat;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Neighbours of one log that are looked at, at most.
const MAX_NEIGHBOURS: usize = 4096;
/// Names of one directory that are held, at most (some 4 MiB): a directory may hold a million files.
const MAX_NAMES: usize = 65_536;
/// Endings of compressed archives that cannot be read here.
const OPAQUE: [&str; 6] = ["bz2", "xz", "zst", "lz4", "Z", "zip"];

/// A file whose name begins like the log's.
#[derive(Debug, Clone)]
pub(super) struct Neighbour {
    pub path: PathBuf,
    pub stat: Stat,
    pub rotation: Option<Rotation>,
}

/// What a rotation put behind the log's name, or between its stem and extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rotation {
    /// `.1`, `.2`: counted up with age.
    number: Option<u32>,
    /// The rest of the name, such as a date.
    label: String,
}

impl Neighbour {
    /// A file without a relation to the log's name.
    pub(super) fn alone(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        Some(Self { path: path.to_owned(), stat: Stat::of(&metadata), rotation: None })
    }

    pub(super) fn is_gzip(&self) -> bool {
        ends_with(&self.path, "gz")
    }

    pub(super) fn is_opaque(&self) -> bool {
        OPAQUE.iter().any(|ending| ends_with(&self.path, ending))
    }

    /// Oldest first. The last write decides; names break ties.
    pub(super) fn age(&self) -> impl Ord + use<> {
        let (number, label) = self.rotation.clone().map_or((None, String::new()), |r| (r.number, r.label));
        (self.stat.mtime, Reverse(number), label)
    }

    /// Whether the name says that it was rotated away later than the other.
    pub(super) fn is_named_newer_than(&self, other: &Self) -> bool {
        match (&self.rotation, &other.rotation) {
            (Some(a), Some(b)) => match (a.number, b.number) {
                (Some(a), Some(b)) => a < b,
                (None, None) => a.label > b.label,
                _ => false,
            },
            _ => false,
        }
    }
}

/// Orders generations that followed `before`. Names tell the order where all are of one kind, since
/// a late write makes an old one look young: numbers mostly rise with age, but those of a script that
/// counts its runs fall.
pub(super) fn oldest_first(generations: &mut [&Neighbour], before: Option<&Neighbour>) {
    let number = |n: &Neighbour| n.rotation.as_ref().and_then(|r| r.number);
    let label = |n: &Neighbour| n.rotation.as_ref().map(|r| r.label.clone());
    if generations.iter().all(|n| number(n).is_some()) {
        generations.sort_by_key(|n| Reverse(number(n)));
        if before.and_then(number).is_some_and(|before| generations.iter().all(|n| number(n) > Some(before)))
        {
            generations.reverse();
        }
    } else if generations.iter().all(|n| number(n).is_none()) {
        generations.sort_by_cached_key(|n| label(n));
    } else {
        generations.sort_by_cached_key(|n| n.age());
    }
}

/// Whether a path ends with `.ENDING`.
fn ends_with(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e == ending)
}

/// Whether a glob member can only be an archive: nobody logs into a compressed file.
pub(super) fn is_compressed(path: &Path) -> bool {
    path.extension().and_then(OsStr::to_str).is_some_and(is_compression)
}

fn is_compression(ending: &str) -> bool {
    ending == "gz" || OPAQUE.contains(&ending)
}

/// Names and inodes in a directory.
type Names = Rc<Vec<(String, u64)>>;

/// Directories that were listed, kept where a glob asks for the same one again and again.
#[derive(Debug)]
pub(super) struct Listed {
    shared: Option<RefCell<HashMap<PathBuf, Names>>>,
}

impl Listed {
    pub(super) fn new(shared: bool) -> Self {
        Self { shared: shared.then(RefCell::default) }
    }

    /// The regular files beside `log` that have its old inode, or whose names begin with its name
    /// or its stem (for a glob, where these may be other logs: with its name, or with its stem and
    /// its extension); `log` itself left out. Of `X` and `X.gz` only `X` is listed: they are the
    /// same while it is being compressed. A directory that cannot be listed has none.
    pub(super) fn list(&self, log: &Path, inode: u64) -> Vec<Neighbour> {
        let directory = log.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = log.file_name().unwrap_or_default().to_string_lossy();
        let stem = log.file_stem().unwrap_or_default().to_string_lossy();
        let extension = name.strip_prefix(stem.as_ref()).unwrap_or_default();
        let is_near = |theirs: &str, its: u64| {
            let alike = || {
                self.shared.is_none()
                    || theirs.starts_with(name.as_ref())
                    || theirs.ends_with(extension)
                    || theirs.rsplit_once('.').is_some_and(|(_, ending)| is_compression(ending))
            };
            theirs != name && (its == inode || theirs.starts_with(stem.as_ref()) && alike())
        };
        let names = match &self.shared {
            None => names(directory, is_near),
            Some(shared) => Rc::clone(
                shared
                    .borrow_mut()
                    .entry(directory.to_owned())
                    .or_insert_with(|| names(directory, |_, _| true)),
            ),
        };
        let mut found = BTreeMap::new();
        for (theirs, _) in names.iter().filter(|(theirs, its)| is_near(theirs, *its)).take(MAX_NEIGHBOURS) {
            found.extend(
                Neighbour::alone(&directory.join(theirs))
                    .map(|n| (theirs.as_str(), Neighbour { rotation: rotation(&name, &stem, theirs), ..n })),
            );
        }
        let is_double = |theirs: &str| {
            is_compressed(Path::new(theirs))
                && theirs.rsplit_once('.').is_some_and(|(plain, _)| found.contains_key(plain))
        };
        let doubles: Vec<&str> = found.keys().copied().filter(|theirs| is_double(theirs)).collect();
        found.retain(|theirs, _| !doubles.contains(theirs));
        found.into_values().collect()
    }
}

/// Names that are UTF-8 and wanted. What rotates logs only adds to their names, so a name in another
/// encoding belongs to a log in another encoding: its archives are not found.
fn names(directory: &Path, wanted: impl Fn(&str, u64) -> bool) -> Names {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Some((entry.file_name().into_string().ok()?, entry.ino())));
    Rc::new(names.filter(|(name, inode)| wanted(name, *inode)).take(MAX_NAMES).collect())
}

/// The logs that a file may be an archive of, by its name.
pub(super) fn bases(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let extension = path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
    let cuts = name.match_indices(['.', '-', '_']).filter(|(at, _)| *at > 0);
    let bases = cuts.flat_map(|(at, _)| [name[..at].to_owned(), format!("{}{extension}", &name[..at])]);
    let stem = |base: &str| Path::new(base).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    bases
        .filter(|base| *base != name && rotation(base, &stem(base), &name).is_some())
        .map(|base| path.with_file_name(base))
        .collect()
}

/// `NAME.1`, `NAME-20260101`, `NAME.2026-01-01_10-00`, `NAME.old`, `STEM-20260101.EXT`, each also
/// compressed. `NAME.err` or `STEM_config.json` are no rotation.
fn rotation(name: &str, stem: &str, theirs: &str) -> Option<Rotation> {
    let mut plain = theirs;
    let mut compressed = false;
    if let Some((front, ending)) = theirs.rsplit_once('.')
        && is_compression(ending)
    {
        (plain, compressed) = (front, true);
    }
    let between = || {
        let extension = name.strip_prefix(stem).filter(|e| !e.is_empty())?;
        plain.strip_prefix(stem)?.strip_suffix(extension)
    };
    let label = plain.strip_prefix(name).or_else(between)?;
    if label.is_empty() {
        return compressed.then(|| Rotation { number: Some(0), label: String::new() });
    }
    let rest = label.strip_prefix(['.', '-', '_'])?;
    let dated = rest.starts_with(|c: char| c.is_ascii_digit())
        && rest.chars().all(|c| c.is_ascii_digit() || ".-_:T+Z".contains(c));
    if !dated && rest != "old" {
        return None;
    }
    let number = if rest.len() <= 4 { rest.parse().ok() } else { None };
    Some(Rotation { number, label: rest.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_a_rotation_from_a_neighbour_that_only_looks_alike() {
        let cases = [
            ("train.log.1", true),
            ("train.log.12.gz", true),
            ("train.log-20260101", true),
            ("train.log-20260101-1767225600.gz", true),
            ("train.log.2026-01-01_10-00", true),
            ("train-20260101.log", true),
            ("train-20260101.log.gz", true),
            ("train.1.log", true),
            ("train.log.gz", true),
            ("train.log.xz", true),
            ("train.log.old", true),
            ("train.log.err", false),
            ("train.log1", false),
            ("train1.log", false),
            ("train_config.json", false),
            ("trainer.log", false),
            ("train-rank1.log", false),
        ];
        for (theirs, expected) in cases {
            assert_eq!(rotation("train.log", "train", theirs).is_some(), expected, "{theirs}");
        }
    }

    #[test]
    fn the_log_of_an_archive_is_told_by_its_name() {
        assert_eq!(bases(Path::new("/logs/train.log.2")), [Path::new("/logs/train.log")]);
        assert_eq!(bases(Path::new("train-20260101.log")), [Path::new("train.log")]);
        assert!(bases(Path::new("train.log")).is_empty());
    }

    #[test]
    fn ranks_that_end_in_their_number_are_no_rotations_of_each_other() {
        assert_eq!(rotation("log.0", "log", "log.1"), None);
        assert!(rotation("log.0", "log", "log.0.1").is_some());
    }
}
