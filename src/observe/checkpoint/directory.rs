//! Whether a checkpoint directory has all of its members: by their names first, then by the files.

use super::format;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Members whose inside is looked at: a few KiB each.
const FILES: usize = 32;
/// Of an index of shards so much is read: the names repeat, and shards that count themselves
/// (`-00001-of-00030`) are told by their names alone.
const INDEX_BYTES: u64 = 64 * 1024;

/// What is missing or broken in a directory with these members (paths relative to it, directories
/// included), for people.
pub(super) fn fault(dir: &Path, members: &BTreeSet<String>) -> Option<String> {
    let mut folders: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for member in members {
        let (folder, name) = member.rsplit_once('/').unwrap_or(("", member));
        folders.entry(folder).or_default().push(name);
    }
    let by_names = folders.iter().find_map(|(folder, names)| {
        let missing = marker(names).or_else(|| shard(names)).or_else(|| rank(names));
        missing.or_else(|| indexed(&dir.join(folder), names))
    });
    let files = || members.iter().filter(|name| super::is_checkpoint_file(&name.to_lowercase()));
    by_names.or_else(|| {
        files().take(FILES).find_map(|name| {
            let wrong = format::fault(&dir.join(name), &name.to_lowercase()).ok()??;
            Some(format!("{name}: {wrong}"))
        })
    })
}

/// What a writer adds last.
fn marker(names: &[&str]) -> Option<String> {
    let has = |name: &str| names.contains(&name);
    if names.iter().any(|name| name.ends_with(".distcp")) && !has(".metadata") {
        Some("its .metadata is missing, which torch.distributed.checkpoint writes last".to_owned())
    } else if names.iter().any(|name| name.starts_with("ocdbt.process_")) && !has("manifest.ocdbt") {
        Some("its manifest.ocdbt is missing, which Orbax writes last".to_owned())
    } else {
        None
    }
}

/// `model-00001-of-00030.safetensors`: all that the names promise.
fn shard(names: &[&str]) -> Option<String> {
    let mut sets: BTreeMap<(&str, usize, &str), usize> = BTreeMap::new();
    for name in names {
        if let Some((before, after)) = name.split_once("-of-") {
            let stem = before.trim_end_matches(|c: char| c.is_ascii_digit());
            let suffix = after.trim_start_matches(|c: char| c.is_ascii_digit());
            let total = after.strip_suffix(suffix).and_then(|total| total.parse().ok());
            if let Some(total) = total.filter(|_| stem.len() < before.len()) {
                *sets.entry((stem, total, suffix)).or_default() += 1;
            }
        }
    }
    let (set, there) = sets.into_iter().find(|((_, total, _), there)| there < total)?;
    Some(format!("{there} of {} files {}…{} are there", set.1, set.0, set.2))
}

/// `zero_pp_rank_3_mp_rank_00_optim_states.pt`: no rank below the last is missing. (Of `__3_0.distcp`
/// there may be gaps: a rank that has nothing of its own to save writes no file.)
fn rank(names: &[&str]) -> Option<String> {
    let number = |name: &&str| {
        let rest = name.split_once("zero_pp_rank_").filter(|_| name.ends_with("_optim_states.pt"))?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
    };
    let ranks: BTreeSet<usize> = names.iter().filter_map(number).collect();
    let missing = ranks.iter().enumerate().find(|(index, rank)| index < *rank)?.0;
    Some(format!("the files of rank {missing} are missing"))
}

/// Files that an index of shards names.
fn indexed(folder: &Path, names: &[&str]) -> Option<String> {
    let index = names.iter().find(|name| name.ends_with(".index.json"))?;
    let mut text = Vec::new();
    File::open(folder.join(index)).ok()?.take(INDEX_BYTES).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let is_shard = |word: &&str| word.ends_with(".safetensors") || word.ends_with(".bin");
    let missing = text.split('"').filter(is_shard).find(|word| !names.contains(word))?;
    Some(format!("{missing}, which {index} names, is missing"))
}
