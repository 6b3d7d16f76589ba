//! A log is bytes: half lines, endless lines, NULs and bars are read like any others.

use crate::scene::{Reading, failure, syndromes};
use std::fs;

#[test]
fn a_pattern_that_the_patrol_splits_is_found_when_its_line_ends() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    let text = log.failure();
    let (head, tail) = text.split_at(30);
    log.scene.append("train.log", head);
    let report = log.patrol();
    assert_eq!(report["severity"], "ok", "half a pattern is none: {report:#}");
    log.scene.append("train.log", tail);
    log.patrol();
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_half_line_that_holds_the_whole_pattern_is_taken_once() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    let text = log.failure();
    log.scene.append("train.log", text.trim_end());
    log.patrol();
    log.patrol();
    log.scene.append("train.log", " and the rest of the line\n");
    log.patrol();
    log.healthy("train.log", 1);
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_last_line_that_never_gets_its_newline_is_taken_once_and_told_once() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    let text = log.failure();
    log.scene.append("train.log", text.trim_end());
    for _ in 0..4 {
        log.patrol();
    }
    log.expect_all_taken_once();
    let alerts = log.scene.alerts();
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(log.scene.patrol(&[]).code, 2);
}

#[test]
fn a_hit_at_the_end_of_a_line_of_two_mebibytes_is_taken_with_the_text_around_it() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    let hit = log.failure();
    log.scene.append("train.log", "x".repeat(2 << 20) + &hit);
    let report = log.patrol();
    log.patrol();
    log.expect_all_taken_once();
    let text = &log.occurrences[0]["text"];
    assert!(text.as_str().unwrap().len() <= 300 && text.as_str().unwrap().contains("[hit 0]"), "{report:#}");
    assert_eq!(log.occurrences[0]["line"], 11);
}

#[test]
fn nuls_before_and_between_lines_hide_nothing() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    log.patrol();
    log.scene.append("train.log", vec![0; 4096]);
    let hit = log.failure();
    log.scene.append("train.log", hit);
    log.healthy("train.log", 2);
    log.scene.append("train.log", vec![0; 4096]);
    log.patrol();
    let hit = log.failure();
    log.scene.append("train.log", [b"\n\0\0", hit.as_bytes()].concat());
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn bad_utf8_hides_nothing_and_the_report_stays_valid() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    let hit = log.failure();
    log.scene.append("train.log", [b"\xff\xfe\xc3\x28 r\xe9sum\xe9\n\xf0\x9f\x92 ", hit.as_bytes()].concat());
    log.patrol();
    log.expect_all_taken_once();
}

#[test]
fn a_bar_of_carriage_returns_is_read_record_by_record_and_counts_as_one_line() {
    let mut log = Reading::new();
    let mut bar = String::new();
    for step in 1..=100 {
        bar += &format!("step {step}: loss {:.4}\r", 2.0 - 0.01 * f64::from(step));
        if step == 60 {
            bar += failure(0).trim_end();
            bar.push('\r');
        }
    }
    let hit = log.failure();
    assert_eq!(hit, failure(0));
    let cut = bar.find("step 31:").unwrap();
    log.scene.append("train.log", &bar[..cut]);
    log.patrol();
    log.scene.append("train.log", &bar[cut..]);
    log.patrol();
    log.scene.append("train.log", "\nlast line\n");
    log.patrol();
    log.rows_written += 100;
    log.expect_all_taken_once();
    assert_eq!(log.occurrences[0]["line"], 1);
    assert_eq!(log.occurrences[0]["step"].as_f64(), Some(60.0));
}

#[test]
fn carriage_return_and_newline_end_one_record() {
    let mut log = Reading::new();
    let (text, hit) = ("step 1: loss 2.0\r\nstep 2: loss 1.9\r", log.failure());
    log.scene.append("train.log", text);
    log.patrol();
    log.scene.append("train.log", "\n".to_owned() + hit.trim_end() + "\r\n");
    log.patrol();
    log.rows_written += 2;
    log.expect_all_taken_once();
    assert_eq!(log.occurrences[0]["line"], 3);
}

#[test]
fn the_line_number_goes_on_over_patrols_and_starts_again_in_a_new_file() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    log.patrol();
    log.healthy("train.log", 10);
    let hit = log.failure();
    log.scene.append("train.log", hit);
    log.patrol();
    fs::rename(log.scene.path("train.log"), log.scene.path("train.log.1")).unwrap();
    log.healthy("train.log", 2);
    let hit = log.failure();
    log.scene.append("train.log", hit);
    log.patrol();
    let lines: Vec<_> = log.occurrences.iter().map(|at| at["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [21, 3]);
}

#[test]
fn an_empty_log_is_no_failure() {
    let log = Reading::new();
    log.scene.write("train.log", "");
    for _ in 0..2 {
        let answer = log.scene.patrol(&[]);
        assert_eq!(answer.code, 0, "{answer:?}");
    }
}

#[test]
fn stateless_reads_from_the_start_takes_the_log_as_final_and_writes_nothing() {
    let mut log = Reading::new();
    log.healthy("train.log", 10);
    let hit = log.failure();
    log.scene.append("train.log", hit.trim_end());
    for _ in 0..2 {
        let report = log.scene.report(&["--stateless"]);
        assert!(syndromes(&report).contains(&"cuda_illegal_access".to_owned()), "{report:#}");
        assert_eq!(report["runs"][0]["log"]["rows"], 10);
    }
    let files: Vec<_> =
        fs::read_dir(log.scene.path("")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(files, ["train.log"]);
}
