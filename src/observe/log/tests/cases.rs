//! What happens to one log between two patrols.

use super::*;

#[test]
fn appended_lines_are_read_once() {
    let mut bench = Bench::new();
    bench.append("train.log", "a\nb\n");
    assert_eq!(bench.records(), ["a", "b"]);
    bench.append("train.log", "c\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["c"]);
    assert_eq!(recorder.places[0].0, 3);
    assert_eq!((facts.bytes_read, facts.files[0].offset, facts.files[0].lines), (2, 6, 3));
    let (recorder, facts) = bench.patrol();
    assert!(recorder.sources.is_empty() && facts.bytes_read == 0 && facts.gaps.is_empty());
}

#[test]
fn the_first_look_says_so_and_leaves_archives_alone() {
    let mut bench = Bench::new();
    bench.append("train.log.1", lines("old", 20));
    bench.append("train.log", lines("new", 20));
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, expected("new", 20));
    assert!(facts.first_look);
    assert!(!bench.patrol().1.first_look);
}

/// Reads 30 lines, lets `more` happen, and says what the next patrol reads.
fn after(more: impl Fn(&Bench)) -> (Vec<String>, LogFacts) {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    assert_eq!(bench.records().len(), 30);
    more(&bench);
    let (recorder, facts) = bench.patrol();
    let (again, _) = bench.patrol();
    assert!(again.records.is_empty(), "read again: {:?}", again.records);
    (recorder.records, facts)
}

fn old_then_new(new: usize) -> Vec<String> {
    [vec!["old end".to_owned()], expected("b", new)].concat()
}

#[test]
fn rename_and_create_reads_the_end_of_the_old_and_all_of_the_new() {
    let (records, facts) = after(|bench| {
        bench.append("train.log", "old end\n");
        bench.rename("train.log", "train.log.1");
        bench.append("train.log", lines("b", 3));
    });
    assert_eq!(records, old_then_new(3));
    assert!(facts.gaps.is_empty());
    assert_eq!(facts.files.len(), 1);
    assert_eq!(facts.files[0].bytes_read, facts.bytes_read);
}

#[test]
fn rename_and_create_with_a_new_file_longer_than_the_old_offset() {
    let (records, _) = after(|bench| {
        bench.append("train.log", "old end\n");
        bench.rename("train.log", "train.log.1");
        bench.append("train.log", lines("b", 300));
    });
    assert_eq!(records, old_then_new(300));
}

#[test]
fn rename_and_gzip() {
    let (records, facts) = after(|bench| {
        bench.append("train.log", "old end\n");
        bench.rename("train.log", "train.log.1");
        bench.gzip("train.log.1", "train.log.1.gz");
        bench.append("train.log", lines("b", 300));
    });
    assert_eq!(records, old_then_new(300));
    assert!(facts.gaps.is_empty());
}

#[test]
fn dates_in_the_names_of_archives() {
    for archive in ["train.log-20260101", "train-20260101.log", "train.log.2026-01-01_10-00"] {
        let (records, _) = after(|bench| {
            bench.append("train.log", "old end\n");
            bench.rename("train.log", archive);
            bench.append("train.log", lines("b", 3));
        });
        assert_eq!(records, old_then_new(3), "{archive}");
    }
}

#[test]
fn two_rotations_between_patrols() {
    let between: Vec<String> = [expected("m", 40), old_then_new(3)[1..].to_vec()].concat();
    for gzip in [false, true] {
        let (records, facts) = after(|bench| {
            bench.append("train.log", "old end\n");
            bench.rename("train.log", "train.log.1");
            bench.append("train.log", lines("m", 40));
            bench.rename("train.log.1", "train.log.2");
            bench.rename("train.log", "train.log.1");
            bench.append("train.log", lines("b", 3));
            if gzip {
                bench.gzip("train.log.1", "train.log.1.gz");
                bench.gzip("train.log.2", "train.log.2.gz");
            }
        });
        assert_eq!(records, [vec!["old end".to_owned()], between.clone()].concat());
        assert!(facts.gaps.is_empty());
    }
}

#[test]
fn archives_from_before_the_first_look_stay_unread_through_rotations() {
    let mut bench = Bench::new();
    bench.append("train.log.2", lines("y", 20));
    bench.append("train.log.1", lines("z", 20));
    bench.append("train.log", lines("a", 20));
    bench.records();
    bench.append("train.log", "old end\n");
    for (from, to) in
        [("train.log.2", "train.log.3"), ("train.log.1", "train.log.2"), ("train.log", "train.log.1")]
    {
        bench.rename(from, to);
    }
    bench.append("train.log", lines("b", 3));
    assert_eq!(bench.records(), old_then_new(3));
}

#[test]
fn copytruncate() {
    let (records, facts) = after(|bench| {
        bench.append("train.log", "old end\n");
        bench.copy("train.log", "train.log.1");
        bench.overwrite("train.log", lines("b", 3));
    });
    assert_eq!(records, old_then_new(3));
    assert!(facts.gaps.is_empty());
}

#[test]
fn copytruncate_and_regrown_past_the_offset() {
    let (records, _) = after(|bench| {
        bench.append("train.log", "old end\n");
        bench.copy("train.log", "train.log.1");
        bench.overwrite("train.log", lines("b", 300));
    });
    assert_eq!(records, old_then_new(300));
}

#[test]
fn truncated_and_smaller() {
    let (records, facts) = after(|bench| bench.overwrite("train.log", lines("b", 3)));
    assert_eq!(records, expected("b", 3));
    assert_eq!(facts.gaps.len(), 1);
    assert!(
        facts.gaps[0].why.contains(&format!("from byte {}", lines("a", 30).len())),
        "{}",
        facts.gaps[0].why
    );
}

#[test]
fn truncated_and_regrown_past_the_offset() {
    let (records, facts) = after(|bench| bench.overwrite("train.log", lines("b", 300)));
    assert_eq!(records, expected("b", 300));
    assert_eq!(facts.gaps.len(), 1);
}

#[test]
fn regrown_to_exactly_the_old_size() {
    let (records, _) = after(|bench| bench.overwrite("train.log", lines("b", 30)));
    assert_eq!(records, expected("b", 30));
}

#[test]
fn removed_and_recreated_on_whichever_inode() {
    let (records, facts) = after(|bench| {
        let before = inode(&bench.path("train.log"));
        fs::remove_file(bench.path("train.log")).unwrap();
        bench.append("train.log", lines("b", 200));
        // ext4 gives the same inode, others may not: the lines are read either way.
        let _ = before == inode(&bench.path("train.log"));
    });
    assert_eq!(records, expected("b", 200));
    assert_eq!(facts.gaps.len(), 1);
}

#[test]
fn the_same_bytes_on_another_inode_are_an_append() {
    let (records, facts) = after(|bench| {
        bench.append("train.log", "more\n");
        bench.copy("train.log", "other");
        bench.rename("other", "train.log");
    });
    assert_eq!(records, ["more"]);
    assert!(facts.gaps.is_empty());
}

#[test]
fn an_archive_that_is_removed_before_the_next_patrol_leaves_what_came_after_it() {
    let (records, facts) = after(|bench| {
        fs::remove_file(bench.path("train.log")).unwrap();
        bench.append("train.log", lines("m", 5));
        bench.written_later("train.log", 1);
        bench.rename("train.log", "train.log.1");
        bench.append("train.log", lines("b", 5));
    });
    assert_eq!(records, [expected("m", 5), expected("b", 5)].concat());
    assert_eq!(facts.gaps.len(), 1);
}

#[test]
fn lines_written_late_into_an_archive_are_read() {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    bench.records();
    bench.rename("train.log", "train.log.1");
    bench.append("train.log", "b\n");
    assert_eq!(bench.records(), ["b"]);
    bench.append("train.log.1", "late\n");
    assert_eq!(bench.records(), ["late"]);
    bench.append("train.log.1", "later\n");
    bench.gzip("train.log.1", "train.log.1.gz");
    assert_eq!(bench.records(), ["later"]);
    bench.rename("train.log.1.gz", "train.log.2.gz");
    bench.rename("train.log", "train.log.1");
    bench.append("train.log", "c\n");
    assert_eq!(bench.records(), ["c"]);
}

#[test]
fn a_log_that_was_empty_when_it_was_looked_at_is_found_in_its_archive() {
    for gzip in [false, true] {
        let mut bench = Bench::new();
        bench.append("train.log", "");
        assert!(bench.records().is_empty());
        bench.append("train.log", lines("a", 5));
        bench.written_later("train.log", 1);
        bench.rename("train.log", "train.log.1");
        if gzip {
            bench.gzip("train.log.1", "train.log.1.gz");
        }
        bench.append("train.log", lines("b", 5));
        let (recorder, facts) = bench.patrol();
        assert_eq!(recorder.records, [expected("a", 5), expected("b", 5)].concat());
        assert!(facts.gaps.is_empty());
    }
}

#[test]
fn a_banner_that_every_start_prints_is_no_identity() {
    for gzip in [false, true] {
        let mut bench = Bench::new();
        bench.append("train.log", "starting\n");
        bench.records();
        bench.append("train.log", "a\n");
        bench.rename("train.log", "train.log.1");
        if gzip {
            bench.gzip("train.log.1", "train.log.1.gz");
        }
        bench.append("train.log", "starting\nb\n");
        assert_eq!(bench.records(), ["a", "starting", "b"]);
        assert!(bench.records().is_empty());
    }
}

#[test]
fn a_link_to_the_latest_run_follows_it_and_finishes_the_former() {
    let mut bench = Bench::with_pattern("latest.log");
    bench.append("run42.log", lines("a", 20));
    std::os::unix::fs::symlink("run42.log", bench.path("latest.log")).unwrap();
    assert_eq!(bench.records().len(), 20);
    bench.append("run42.log", "old end\n");
    bench.append("run43.log", lines("b", 3));
    fs::remove_file(bench.path("latest.log")).unwrap();
    std::os::unix::fs::symlink("run43.log", bench.path("latest.log")).unwrap();
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, old_then_new(3));
    assert!(facts.gaps.is_empty());
}

#[test]
fn a_log_missing_for_one_patrol_goes_on_where_it_was() {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    bench.records();
    bench.rename("train.log", "elsewhere");
    assert!(bench.reason().contains("train.log"));
    bench.rename("elsewhere", "train.log");
    bench.append("train.log", "b\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["b"]);
    assert!(facts.gaps.is_empty());
}

#[test]
fn a_re_read_after_damage_gives_every_record_the_same_identity() {
    let mut bench = Bench::new();
    let mut first = Vec::new();
    for n in 0..60 {
        bench.append("train.log", format!("step {n} of a run that is read line by line\n"));
        first.extend(bench.patrol().0.places);
    }
    bench.memory = LogMemory::default();
    let again = bench.patrol().0.places;
    assert_eq!(first, again);
}

#[test]
fn the_sinks_own_memory_goes_on_through_a_rotation_and_not_through_a_gap() {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    bench.records();
    let blocks = bench.memory.files[0].context.epoch.unwrap();
    bench.rename("train.log", "train.log.1");
    bench.append("train.log", "b\n");
    bench.records();
    let live = |bench: &Bench| bench.memory.files.iter().find(|f| f.at.is_none()).unwrap().context.epoch;
    assert_eq!(live(&bench), Some(blocks + 1.0));
    bench.overwrite("train.log", "another\n");
    bench.records();
    assert_eq!(live(&bench), Some(1.0));
}
