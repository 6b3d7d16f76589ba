//! One log per rank, and patterns that also match the archives.

use super::*;
use crate::observe::log::memory::{FileMemory, MAX_FILES};

#[test]
fn members_are_read_in_order_of_path_and_new_ones_are_picked_up() {
    let mut bench = Bench::with_pattern("rank*.log");
    bench.append("rank1.log", "b\n");
    bench.append("rank0.log", "a\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["a", "b"]);
    assert_eq!(recorder.sources.iter().map(|s| s.0).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(facts.files.len(), 2);
    bench.append("rank0.log", "c\n");
    bench.append("rank2.log", "d\n");
    assert_eq!(bench.records(), ["c", "d"]);
    assert!(bench.records().is_empty());
}

#[test]
fn a_pattern_that_matches_the_archives_reads_nothing_twice() {
    let mut bench = Bench::with_pattern("train.log*");
    bench.append("train.log", lines("a", 30));
    assert_eq!(bench.records(), expected("a", 30));
    let mut name = String::from("a");
    for round in ["b", "c", "d"] {
        bench.append("train.log", format!("end of {name}\n"));
        for n in [3, 2, 1] {
            if bench.path(&format!("train.log.{n}")).exists() {
                bench.rename(&format!("train.log.{n}"), &format!("train.log.{}", n + 1));
            }
        }
        bench.rename("train.log", "train.log.1");
        bench.append("train.log", lines(round, 30));
        let (recorder, facts) = bench.patrol();
        assert_eq!(recorder.records, [vec![format!("end of {name}")], expected(round, 30)].concat());
        assert!(
            recorder.sources.iter().all(|(index, _)| *index == 0),
            "an archive counts as the log that it was"
        );
        assert!(facts.gaps.is_empty());
        assert!(bench.records().is_empty());
        name = round.to_owned();
    }
    bench.gzip("train.log.3", "train.log.3.gz");
    assert!(bench.records().is_empty());
}

#[test]
fn two_rotations_under_a_pattern_that_matches_the_archives() {
    let mut bench = Bench::with_pattern("train.log*");
    bench.append("train.log", lines("a", 30));
    bench.records();
    bench.append("train.log", "end of a\n");
    bench.rename("train.log", "train.log.2");
    bench.append("train.log.1", lines("m", 30));
    bench.written_later("train.log.1", 1);
    bench.append("train.log", lines("b", 30));
    bench.written_later("train.log", 2);
    let all = [vec!["end of a".to_owned()], expected("m", 30), expected("b", 30)].concat();
    assert_eq!(bench.records(), all);
    bench.rename("train.log.2", "train.log.3");
    bench.rename("train.log.1", "train.log.2");
    bench.rename("train.log", "train.log.1");
    bench.append("train.log", "c\n");
    assert_eq!(bench.records(), ["c"]);
}

#[test]
fn a_copy_of_a_log_is_not_a_log() {
    let mut bench = Bench::with_pattern("train.log*");
    bench.append("train.log", lines("a", 30));
    bench.records();
    bench.copy("train.log", "train.log.1");
    assert!(bench.records().is_empty());
    bench.overwrite("train.log", lines("b", 3));
    assert_eq!(bench.records(), expected("b", 3));
}

#[test]
fn a_link_and_what_it_leads_to_are_one_log() {
    let mut bench = Bench::with_pattern("*.log");
    bench.append("run42.log", "a\n");
    std::os::unix::fs::symlink("run42.log", bench.path("latest.log")).unwrap();
    assert_eq!(bench.records(), ["a"]);
    bench.append("run42.log", "b\n");
    assert_eq!(bench.records(), ["b"]);
}

#[test]
fn ranks_that_restart_are_not_taken_for_each_others_archives() {
    let mut bench = Bench::with_pattern("log.*");
    for rank in ["log.0", "log.1", "log.2"] {
        bench.append(rank, lines(rank, 20));
    }
    assert_eq!(bench.records().len(), 60);
    for rank in ["log.0", "log.1", "log.2"] {
        bench.overwrite(rank, lines(&format!("new {rank}"), 3));
    }
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records.len(), 9);
    assert_eq!(recorder.sources.iter().map(|s| s.0).collect::<Vec<_>>(), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    assert_eq!(facts.gaps.len(), 3);
}

#[test]
fn a_member_that_is_gone_is_told_once_and_known_again_when_it_comes_back() {
    let mut bench = Bench::with_pattern("rank*.log");
    bench.append("rank0.log", lines("a", 20));
    bench.append("rank1.log", lines("b", 20));
    bench.records();
    fs::create_dir(bench.path("elsewhere")).unwrap();
    bench.rename("rank1.log", "elsewhere/rank1.log");
    assert_eq!(bench.patrol().1.gaps.len(), 1);
    assert!(bench.patrol().1.gaps.is_empty());
    bench.rename("elsewhere/rank1.log", "rank1.log");
    bench.append("rank1.log", "c\n");
    assert_eq!(bench.records(), ["c"]);
}

#[test]
fn a_member_that_is_renamed_and_named_back_is_read_on() {
    let mut bench = Bench::with_pattern("rank*.log");
    bench.append("rank0.log", lines("a", 20));
    bench.append("rank1.log", lines("b", 20));
    bench.records();
    bench.append("rank1.log", "c\n");
    bench.rename("rank1.log", "aside");
    assert_eq!(bench.records(), ["c"]);
    bench.rename("aside", "rank1.log");
    bench.append("rank1.log", "d\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["d"]);
    assert!(facts.gaps.is_empty());
}

#[test]
fn a_member_that_cannot_be_read_is_listed_and_the_others_are_read() {
    let mut bench = Bench::with_pattern("rank*.log");
    fs::create_dir(bench.path("rank0.log")).unwrap();
    assert!(bench.reason().contains("a directory"));
    bench.append("rank1.log", "b\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["b"]);
    assert_eq!(facts.unreadable.len(), 1);
}

#[test]
fn a_pattern_without_a_match_could_not_look() {
    let mut bench = Bench::with_pattern("rank*.log");
    assert!(bench.reason().contains("no file matches"));
    bench.pattern = bench.path("rank[.log");
    assert!(bench.reason().contains("no pattern"));
}

#[test]
fn a_name_with_brackets_is_a_name_where_such_a_file_exists() {
    let mut bench = Bench::with_pattern("run[1].log");
    bench.append("run[1].log", "a\n");
    assert_eq!(bench.records(), ["a"]);
}

#[test]
fn the_memory_of_many_ranks_stays_within_its_bound() {
    let entry = |n: usize| FileMemory {
        path: format!("/fast/home/someone/experiments/2026-01-01/logs/run-with-a-long-name/rank{n:05}.log"),
        stat: crate::observe::log::open::Stat {
            dev: 1 << 40,
            inode: 1 << 50,
            size: 1 << 40,
            mtime: i64::MAX,
        },
        offset: 1 << 40,
        lines: 1 << 33,
        head: (u64::MAX, 1024),
        marker: (u64::MAX, 1024),
        tail: (u64::MAX, 1024),
        judged: 1 << 40,
        ..FileMemory::default()
    };
    let memory = LogMemory { files: (0..MAX_FILES).map(entry).collect() };
    let length = serde_json::to_string(&memory).unwrap().len();
    assert!(length <= 65_536 + 512 * MAX_FILES, "{} bytes each", length / MAX_FILES);
    assert_eq!(serde_json::from_str::<LogMemory>(&serde_json::to_string(&memory).unwrap()).unwrap(), memory);
}
