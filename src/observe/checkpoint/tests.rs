use super::*;
use std::fs::{File, create_dir_all};
use std::time::{Duration, SystemTime};

/// A tree of files, each older by a minute than the one before.
fn tree(names: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_hours(500_000);
    for (minutes, name) in names.iter().enumerate() {
        let path = dir.path().join(name);
        create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::create(&path).unwrap();
        file.set_len(10).unwrap();
        file.set_modified(now - Duration::from_secs(60 * minutes as u64)).unwrap();
    }
    dir
}

fn names(dir: &Path, facts: &CheckpointFacts) -> Vec<String> {
    let name = |found: &Checkpoint| found.path.strip_prefix(dir).unwrap().to_string_lossy().into_owned();
    facts.newest.iter().map(name).collect()
}

fn configured(dir: &Path, pattern: Option<&str>) -> Observation<CheckpointFacts> {
    read(Some(&CheckpointSpec { dir: dir.to_owned(), pattern: pattern.map(str::to_owned) }), None)
}

#[test]
fn what_is_being_written_is_no_checkpoint() {
    let dir = tree(&[
        ".state/model.pt",
        "checkpoint.lock",
        "new.pt.tmp",
        ".hidden.pt",
        "~a.pt",
        "tmp-9.pt",
        "model.safetensors.incomplete",
        "x.ckpt.part",
        "1000.orbax-checkpoint-tmp-17/a",
        "checkpoint-9.tmp-1/a",
        "last.ckpt",
        "notes.txt",
        "train.bin",
        "pytorch_model.bin",
    ]);
    let facts = configured(dir.path(), None).known().cloned().unwrap();
    assert_eq!(names(dir.path(), &facts), ["last.ckpt", "pytorch_model.bin"]);
    assert_eq!((facts.count, facts.cut, facts.configured), (2, false, true));
    assert_eq!(facts.unfinished.unwrap().timestamp(), 500_000 * 3600 - 120, "new.pt.tmp");
}

#[test]
fn a_directory_is_as_new_as_its_newest_member() {
    let dir = tree(&[
        "checkpoint-200/model.safetensors",
        "b.pt",
        "checkpoint-200/optimizer.pt",
        "global_step7/x",
        "step_x/a",
        "iter_1/a",
    ]);
    create_dir_all(dir.path().join("checkpoint-300")).unwrap();
    let facts = configured(dir.path(), None).known().cloned().unwrap();
    assert_eq!(names(dir.path(), &facts), ["checkpoint-200", "b.pt", "global_step7", "iter_1"]);
    assert_eq!(facts.newest[0].bytes, 20);
}

#[test]
fn a_pattern_replaces_the_known_names() {
    let dir = tree(&["a.pt", "gen-00010000.bin", "gen-00020000.bin.tmp"]);
    let facts = configured(dir.path(), Some("gen-*")).known().cloned().unwrap();
    assert_eq!(names(dir.path(), &facts), ["gen-00010000.bin"]);
    assert!(matches!(configured(dir.path(), Some("[")), Observation::Failed { .. }));
}

#[test]
fn without_config_they_are_looked_for_beside_the_log() {
    let dir = tree(&["My_Checkpoints/epoch_3.pt", "data/other.pt", "best.pth", "deep/checkpoints/x.pt"]);
    let log = dir.path().join("train.log");
    let facts = read(None, Some(&log)).known().cloned().unwrap();
    assert_eq!(names(dir.path(), &facts), ["My_Checkpoints/epoch_3.pt", "best.pth"]);
    assert!(facts.dir.ends_with("My_Checkpoints") && !facts.configured);
    assert_eq!(read(None, Some(&tree(&["train.log"]).path().join("train.log"))), Observation::Absent);
    assert_eq!(read(None, None), Observation::Absent);
}

#[test]
fn a_configured_directory_that_is_not_there_yet_is_empty_and_a_file_is_a_failure() {
    let dir = tree(&["a.pt"]);
    assert_eq!(configured(&dir.path().join("later"), None).known().unwrap().count, 0);
    assert!(matches!(configured(&dir.path().join("a.pt"), None), Observation::Failed { .. }));
}

#[test]
fn only_the_newest_are_kept() {
    let all: Vec<String> = (0..50).map(|index| format!("epoch_{index}.pt")).collect();
    let dir = tree(&all.iter().map(String::as_str).collect::<Vec<&str>>());
    let facts = configured(dir.path(), None).known().cloned().unwrap();
    assert_eq!((facts.count, facts.newest.len()), (50, 20));
    assert_eq!(names(dir.path(), &facts)[..2], ["epoch_0.pt", "epoch_1.pt"]);
}

#[test]
fn a_bare_number_is_a_checkpoint_only_where_orbax_made_it_and_its_size_is_of_all_depths() {
    let dir = tree(&["7/data", "8/_CHECKPOINT_METADATA", "8/default/d/array"]);
    let facts = configured(dir.path(), None).known().cloned().unwrap();
    assert_eq!(names(dir.path(), &facts), ["8"]);
    assert_eq!(facts.newest[0].bytes, 20);
}

#[test]
fn only_the_newest_two_are_looked_into() {
    let dir = tree(&["epoch_3.pt", "epoch_2.pt", "epoch_1.pt"]);
    let facts = configured(dir.path(), None).known().cloned().unwrap();
    let looked: Vec<bool> = facts.newest.iter().map(|found| found.fault.is_some()).collect();
    assert_eq!(looked, [true, true, false], "files of zeros");
}
