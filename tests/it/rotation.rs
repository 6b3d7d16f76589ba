//! However a log is rotated, cut or made anew between two patrols, every line that still exists is
//! read exactly once.

use crate::scene::{Reading, occurrences, syndromes};
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;

/// A log of which one patrol has read 40 rows and a failure.
fn patrolled() -> Reading {
    let mut log = Reading::new();
    log.grow("train.log", 40);
    log.patrol();
    log
}

fn shorten(log: &Reading, size: u64) {
    File::options().write(true).open(log.scene.path("train.log")).unwrap().set_len(size).unwrap();
}

fn rename(log: &Reading, from: &str, to: &str) {
    fs::rename(log.scene.path(from), log.scene.path(to)).unwrap();
}

#[test]
fn appended_lines_are_read_once() {
    let mut log = patrolled();
    for rows in [1, 5, 300] {
        log.grow("train.log", rows);
        log.patrol();
        log.patrol();
    }
    log.expect_all_taken_once();
}

#[test]
fn after_a_rename_the_rest_of_the_old_log_and_the_new_one_are_read() {
    let mut log = patrolled();
    log.grow("train.log", 7);
    rename(&log, "train.log", "train.log.1");
    log.grow("train.log", 3);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn after_a_rename_the_rows_of_both_are_the_runs_and_each_failure_is_told_in_its_own_file() {
    let mut log = patrolled();
    log.grow("train.log", 7);
    rename(&log, "train.log", "train.log.1");
    log.grow("train.log", 3);
    let report = log.patrol();
    assert_eq!(report["runs"][0]["step"], 49, "the newest row: {report:#}");
    let told: Vec<_> = occurrences(&report)
        .iter()
        .map(|at| (at["file"].as_str().unwrap().rsplit('/').next().unwrap().to_owned(), at["line"].clone()))
        .collect();
    assert_eq!(told, [("train.log.1".to_owned(), 49.into()), ("train.log".to_owned(), 4.into())]);
}

#[test]
fn a_new_log_that_is_longer_than_the_old_offset_is_read_from_its_start() {
    let mut log = patrolled();
    log.grow("train.log", 7);
    rename(&log, "train.log", "train.log.1");
    log.grow("train.log", 500);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn the_rest_of_a_log_that_was_rotated_and_compressed_is_read() {
    let mut log = patrolled();
    log.grow("train.log", 60);
    log.compress("train.log", "train.log.1.gz");
    log.grow("train.log", 3);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn two_rotations_between_two_patrols_lose_nothing() {
    let mut log = patrolled();
    log.grow("train.log", 7);
    rename(&log, "train.log", "train.log.2");
    log.grow("train.log", 90);
    rename(&log, "train.log", "train.log.1");
    log.grow("train.log", 3);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn two_rotations_with_compressed_and_dated_archives_lose_nothing() {
    let mut log = patrolled();
    log.grow("train.log", 7);
    log.compress("train.log", "train.log-20260101.gz");
    log.grow("train.log", 90);
    rename(&log, "train.log", "train.log-20260102");
    log.grow("train.log", 3);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn copytruncate_loses_nothing() {
    let mut log = patrolled();
    log.grow("train.log", 7);
    fs::copy(log.scene.path("train.log"), log.scene.path("train.log.1")).unwrap();
    shorten(&log, 0);
    log.grow("train.log", 3);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn copytruncate_that_has_grown_past_the_offset_loses_nothing() {
    let mut log = patrolled();
    log.grow("train.log", 7);
    fs::copy(log.scene.path("train.log"), log.scene.path("train.log.1")).unwrap();
    shorten(&log, 0);
    log.grow("train.log", 500);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_log_that_was_cut_and_is_smaller_is_read_from_its_start_and_the_gap_is_told() {
    let mut log = patrolled();
    shorten(&log, 0);
    log.restart();
    log.grow("train.log", 3);
    let report = log.patrol();
    assert!(syndromes(&report).contains(&"log_gap".to_owned()), "{report:#}");
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_restart_over_the_old_log_that_has_grown_past_the_offset_is_read_from_its_start() {
    let mut log = patrolled();
    shorten(&log, 0);
    log.restart();
    log.grow("train.log", 500);
    let report = log.patrol();
    assert!(syndromes(&report).contains(&"log_gap".to_owned()), "{report:#}");
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_restart_that_has_grown_to_exactly_the_old_size_is_read_from_its_start() {
    let mut log = patrolled();
    let size = log.size("train.log");
    shorten(&log, 0);
    log.restart();
    log.grow("train.log", 10);
    let missing = usize::try_from(size - log.size("train.log")).unwrap();
    log.scene.append("train.log", "#".repeat(missing - 1) + "\n");
    assert_eq!(log.size("train.log"), size);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_log_made_anew_on_the_same_inode_is_read_from_its_start() {
    let mut log = patrolled();
    let path = log.scene.path("train.log");
    let inode = fs::metadata(&path).unwrap().ino();
    fs::remove_file(&path).unwrap();
    // Most file systems give a freed inode at once to the next file of the directory; where one
    // does not, a new file on another inode must be read just as well.
    let mut spare = Vec::new();
    for attempt in 0..100 {
        let candidate = log.scene.path(format!("candidate-{attempt}"));
        if File::create(&candidate).unwrap().metadata().unwrap().ino() == inode {
            fs::rename(candidate, &path).unwrap();
            break;
        }
        spare.push(candidate);
    }
    for candidate in spare {
        fs::remove_file(candidate).unwrap();
    }
    log.restart();
    log.grow("train.log", 500);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn content_that_is_identical_up_to_the_offset_counts_as_an_append() {
    let mut log = patrolled();
    let copy = fs::read(log.scene.path("train.log")).unwrap();
    fs::remove_file(log.scene.path("train.log")).unwrap();
    log.scene.write("train.log", copy);
    log.grow("train.log", 5);
    let report = log.patrol();
    assert!(!syndromes(&report).contains(&"log_gap".to_owned()), "{report:#}");
    log.expect_all_taken_once();
}

#[test]
fn an_archive_that_is_older_than_the_guard_is_not_read() {
    let mut log = Reading::new();
    log.scene.append(
        "train.log.1",
        "RuntimeError: CUDA error: an illegal memory access was encountered [hit 99]\n",
    );
    log.grow("train.log", 40);
    log.patrol();
    log.grow("train.log", 4);
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_log_missing_for_one_patrol_is_unknown_and_then_goes_on_where_it_was() {
    let mut log = Reading::new();
    log.healthy("train.log", 40);
    log.patrol();
    fs::create_dir(log.scene.path("away")).unwrap();
    rename(&log, "train.log", "away/train.log");
    let answer = log.scene.patrol(&[]);
    assert_eq!(answer.code, 3, "{answer:?}");
    assert!(answer.stdout.starts_with("UNKNOWN demo"), "{answer:?}");
    assert!(answer.stdout.contains("log_missing") && answer.stdout.contains("train.log"), "{answer:?}");
    rename(&log, "away/train.log", "train.log");
    log.healthy("train.log", 5);
    let report = log.patrol();
    assert_eq!(report["severity"], "ok", "{report:#}");
    log.grow("train.log", 4);
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_log_per_rank_is_read_through_a_glob() {
    let mut log = Reading::of("rank*.log");
    for round in 0..3 {
        for rank in 0..4 {
            log.grow(&format!("rank{rank}.log"), 5 + 20 * round);
        }
        log.patrol();
    }
    log.grow("rank4.log", 8);
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn an_archive_that_the_glob_matches_is_not_read_a_second_time() {
    let mut log = Reading::of("rank*");
    log.grow("rank0.log", 30);
    log.grow("rank1.log", 30);
    log.patrol();
    log.grow("rank1.log", 6);
    rename(&log, "rank1.log", "rank1.log.1");
    log.grow("rank1.log", 9);
    log.patrol();
    log.grow("rank0.log", 2);
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_backlog_that_time_does_not_suffice_for_is_taken_up_where_it_was_left() {
    let mut log = Reading::new();
    let filler = "x".repeat(2000) + "\n";
    let mut file = File::create(log.scene.path("train.log")).unwrap();
    for _ in 0..16 {
        file.write_all(filler.repeat(1024).as_bytes()).unwrap();
        log.grow("train.log", 2);
        file = File::options().append(true).open(log.scene.path("train.log")).unwrap();
    }
    let mut read = 0;
    // A machine that reads 32 MiB in a fifth of a second needs one patrol; a slow one more.
    for _ in 0..300 {
        let report = log.patrol_with(&["--timeout", "200ms"]);
        let entry = &report["runs"][0]["log"];
        read += entry["bytes_read"].as_u64().unwrap();
        if entry["backlog"] == 0 {
            break;
        }
        assert!(syndromes(&report).contains(&"backlog".to_owned()), "{report:#}");
    }
    assert_eq!(read, log.size("train.log"));
    log.expect_all_taken_once();
}
