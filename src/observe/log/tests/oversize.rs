//! Tails that are not finished, records without an end in sight, and time that runs out.

use super::*;
use crate::observe::log::stream::BUFFER;

#[test]
fn a_half_line_is_held_until_it_ends() {
    let mut bench = Bench::new();
    bench.append("train.log", "a\nCUDA out of me");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["a"]);
    assert!(recorder.tails.is_empty());
    assert_eq!(facts.bytes_read, 2);
    bench.append("train.log", "mory\nb\n");
    let (recorder, _) = bench.patrol();
    assert_eq!(recorder.records, ["CUDA out of memory", "b"]);
    assert_eq!(recorder.places[0].3, 0);
}

#[test]
fn a_last_line_without_an_end_is_judged_once_when_nothing_more_comes() {
    let mut bench = Bench::new();
    bench.append("train.log", "a\nKilled");
    assert!(bench.patrol().0.tails.is_empty());
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.tails, ["Killed"]);
    assert_eq!(facts.bytes_read, 6);
    let (recorder, facts) = bench.patrol();
    assert!(recorder.tails.is_empty() && facts.bytes_read == 0);
    bench.append("train.log", " by");
    assert!(bench.patrol().0.tails.is_empty());
    bench.append("train.log", " signal 9\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["Killed by signal 9"]);
    assert_eq!(recorder.places[0].3, 6, "what was judged is said, so that hits in it count once");
    assert_eq!(facts.bytes_read, 13);
}

#[test]
fn a_tail_is_judged_at_once_when_its_process_is_gone_or_it_is_old_or_the_read_is_final() {
    let limits = Bench::new().limits;
    for limits in
        [Limits { process_gone: true, ..limits }, Limits { last_look: true, ..limits }, later(&limits, 120)]
    {
        let mut bench = Bench::new();
        bench.limits = limits;
        bench.append("train.log", "half");
        assert_eq!(bench.patrol().0.tails, ["half"]);
        assert!(bench.patrol().0.tails.is_empty());
    }
}

#[test]
fn a_tail_that_was_rewritten_is_judged_again() {
    let mut bench = Bench::new();
    bench.limits.process_gone = true;
    bench.append("train.log", "half");
    assert_eq!(bench.patrol().0.tails, ["half"]);
    bench.overwrite("train.log", "full");
    assert_eq!(bench.patrol().0.tails, ["full"]);
}

#[test]
fn the_tail_of_an_archive_is_judged_with_it() {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    bench.records();
    bench.append("train.log", "half of the old");
    bench.rename("train.log", "train.log.1");
    bench.append("train.log", "b\n");
    let (recorder, _) = bench.patrol();
    assert_eq!(
        (recorder.tails, recorder.records),
        (vec!["half of the old".to_owned()], vec!["b".to_owned()])
    );
}

#[test]
fn a_carriage_return_ends_a_record_once_it_is_clear_that_no_newline_follows() {
    let mut bench = Bench::new();
    bench.append("train.log", "10%\r20%\r");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["10%"]);
    assert_eq!(facts.files[0].lines, 0);
    bench.append("train.log", "\n30%\r");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["20%"]);
    assert_eq!(facts.files[0].lines, 1);
    bench.append("train.log", "40%\r\n");
    let (recorder, _) = bench.patrol();
    assert_eq!(recorder.records, ["30%", "40%"]);
    assert_eq!(recorder.places[0].0, 2);
}

#[test]
fn nul_bytes_and_bad_utf8_pass_unchanged() {
    let mut bench = Bench::new();
    let mut bytes = vec![0; 4096];
    bytes.extend_from_slice(b"loss 1\n\xff\xfe loss 2\n");
    bench.append("train.log", &bytes);
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records.len(), 2);
    assert!(recorder.records[0].ends_with("loss 1") && recorder.records[1].ends_with("loss 2"));
    assert_eq!(facts.bytes_read, bytes.len() as u64);
}

#[test]
fn a_record_of_two_mebibytes_comes_in_pieces_and_whole() {
    let mut bench = Bench::new();
    let long = format!("{}CUDA out of memory", "x".repeat(2 << 20));
    bench.append("train.log", format!("a\n{long}\nb\n"));
    let (recorder, facts) = bench.patrol();
    assert!(recorder.records == ["a", long.as_str(), "b"]);
    assert!(recorder.largest <= BUFFER);
    assert_eq!(facts.files[0].lines, 3);
}

#[test]
fn the_work_on_a_record_without_an_end_is_bounded_by_what_is_new() {
    let mut bench = Bench::new();
    let mut seen = Vec::new();
    bench.append("train.log", "a\n");
    for _ in 0..3 {
        bench.append("train.log", "y".repeat(2 * BUFFER + 1000));
        let (recorder, facts) = bench.patrol();
        assert!(facts.bytes_read < 3 * BUFFER as u64, "{}", facts.bytes_read);
        seen.extend(recorder.long);
    }
    // A pattern that two patrols split is seen whole: the end of the last piece comes again.
    bench.append("train.log", "z\nb\n");
    let (recorder, facts) = bench.patrol();
    seen.extend(recorder.records[0].bytes());
    assert_eq!(seen.len(), 3 * (2 * BUFFER + 1000) + 1);
    assert_eq!(recorder.records[1..], ["b"]);
    assert_eq!(facts.files[0].lines, 3);
}

#[test]
fn when_time_runs_out_the_progress_is_kept_and_the_rest_is_said() {
    let mut bench = Bench::new();
    bench.limits.deadline = Instant::now();
    let text = lines("a", 40_000);
    bench.append("train.log", &text);
    let (mut records, mut rest, mut patrols) = (Vec::new(), u64::MAX, 0);
    while rest > 0 {
        let (recorder, facts) = bench.patrol();
        assert!(facts.backlog_bytes < rest && recorder.largest > 0, "every patrol makes progress");
        rest = facts.backlog_bytes;
        records.extend(recorder.records);
        patrols += 1;
    }
    assert!(patrols > 3);
    assert!(records == expected("a", 40_000));
}

#[test]
fn when_time_runs_out_in_an_archive_it_is_finished_before_the_new_log_begins() {
    for gzip in [false, true] {
        let mut bench = Bench::new();
        bench.append("train.log", lines("a", 30));
        bench.records();
        bench.append("train.log", lines("old", 30_000));
        bench.rename("train.log", "train.log.1");
        bench.append("train.log", lines("m", 20_000));
        bench.rename("train.log.1", "train.log.2");
        bench.rename("train.log", "train.log.1");
        if gzip {
            bench.gzip("train.log.1", "train.log.1.gz");
            bench.gzip("train.log.2", "train.log.2.gz");
        }
        bench.append("train.log", lines("b", 20_000));
        bench.limits.deadline = Instant::now();
        let mut records = Vec::new();
        for _ in 0..30 {
            let (recorder, facts) = bench.patrol();
            assert!(facts.gaps.is_empty(), "{:?}", facts.gaps);
            records.extend(recorder.records);
        }
        let all = [expected("old", 30_000), expected("m", 20_000), expected("b", 20_000)].concat();
        assert!(records == all, "{} of {} records", records.len(), all.len());
    }
}
