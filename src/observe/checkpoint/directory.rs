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

/// `zero_pp_rank_3_mp_rank_00_optim_states.pt`: no rank between two others is missing. (Of `__3_0.distcp`
/// there may be gaps: a rank that has nothing of its own to save writes no file.)
fn rank(names: &[&str]) -> Option<String> {
    let number = |name: &&str| {
        let rest = name.split_once("zero_pp_rank_").filter(|_| name.ends_with("_optim_states.pt"))?.1;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok()
    };
    let ranks: BTreeSet<usize> = names.iter().filter_map(number).collect();
    // A node may hold its own ranks only: what is missing is missing between them.
    let mut pairs = ranks.iter().zip(ranks.iter().skip(1));
    let missing = pairs.find(|(rank, next)| **next > **rank + 1)?.0 + 1;
    Some(format!("the files of rank {missing} are missing"))
}

/// Files that an index of shards names.
fn indexed(folder: &Path, names: &[&str]) -> Option<String> {
    let index = names.iter().find(|name| name.ends_with(".index.json"))?;
    let mut text = Vec::new();
    File::open(folder.join(index)).ok()?.take(INDEX_BYTES).read_to_end(&mut text).ok()?;
    let text = String::from_utf8_lossy(&text);
    let is_shard = |word: &&str| [".safetensors", ".bin"].iter().any(|suffix| word.ends_with(suffix));
    let missing = text.split('"').filter(is_shard).find(|word| !names.contains(word))?;
    Some(format!("{missing}, which {index} names, is missing"))
}

#[cfg(test)]
mod tests {
    use super::super::format::tests::zip;
    use super::super::read;
    use super::File;
    use crate::config::CheckpointSpec;
    use std::io::Write;

    /// What is wrong with a checkpoint directory of these members: `name` or `name=content`.
    fn fault_of(name: &str, members: &[&str]) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        for member in members {
            let (member, content) = member.split_once('=').unwrap_or((member, ""));
            let path = dir.path().join(name).join(member);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let bytes = match content {
                "zip" => zip(b""),
                "cut" => zip(b"")[..2000].to_vec(),
                content => content.into(),
            };
            File::create(path).unwrap().write_all(&bytes).unwrap();
        }
        let found = read(Some(&CheckpointSpec { dir: dir.path().to_owned(), pattern: None }), None);
        let facts = found.known().unwrap();
        assert_eq!(facts.count, 1, "{name} is a checkpoint");
        facts.newest[0].fault.clone()
    }

    #[test]
    fn directories_lack_what_their_writers_add_last_or_their_names_promise() {
        let index =
            r#"model.safetensors.index.json={"weight_map": {"a": "x.safetensors", "b": "y.safetensors"}}"#;
        let tensors = "x.safetensors=\u{2}\0\0\0\0\0\0\0{}";
        let other = "y.safetensors=\u{2}\0\0\0\0\0\0\0{}";
        let table: &[(&str, &[&str], Option<&str>)] = &[
            // Hugging Face
            ("checkpoint-500", &[index, tensors, other, "trainer_state.json={}"], None),
            (
                "checkpoint-500",
                &[index, tensors],
                Some("y.safetensors, which model.safetensors.index.json names"),
            ),
            ("checkpoint-500", &["model-00001-of-00002.bin=zip"], Some("1 of 2 files")),
            ("checkpoint-500", &["model-00001-of-00002.bin=zip", "model-00002-of-00002.bin=zip"], None),
            (
                "checkpoint-500",
                &["model.bin=zip", "optimizer.pt=cut"],
                Some("optimizer.pt: the end of the zip"),
            ),
            ("checkpoint-500", &["model.bin=zip", "optimizer.pt=zip"], None),
            // DeepSpeed, also within Hugging Face's
            (
                "global_step100",
                &[
                    "zero_pp_rank_0_mp_rank_00_optim_states.pt=zip",
                    "zero_pp_rank_1_mp_rank_00_optim_states.pt=zip",
                ],
                None,
            ),
            (
                "checkpoint-500",
                &[
                    "config.json={}",
                    "global_step500/bf16_zero_pp_rank_8_mp_rank_00_optim_states.pt=zip",
                    "global_step500/bf16_zero_pp_rank_10_mp_rank_00_optim_states.pt=zip",
                ],
                Some("rank 9"),
            ),
            // FSDP and other users of torch.distributed.checkpoint
            ("step_7", &["__0_0.distcp=x", "__2_0.distcp=x", ".metadata=x"], None),
            ("step_7", &["__0_0.distcp=x", "__2_0.distcp=x"], Some(".metadata")),
            // Orbax
            (
                "1000",
                &["_CHECKPOINT_METADATA={}", "default/ocdbt.process_0/d/1=x", "default/manifest.ocdbt=x"],
                None,
            ),
            ("1000", &["_CHECKPOINT_METADATA={}", "default/ocdbt.process_0/d/1=x"], Some("manifest.ocdbt")),
        ];
        for (name, members, expected) in table {
            let found = fault_of(name, members);
            let right = match (&found, expected) {
                (Some(found), Some(expected)) => found.contains(expected),
                (found, expected) => found.is_none() && expected.is_none(),
            };
            assert!(right, "{members:?}: {found:?}, expected {expected:?}");
        }
    }
}
