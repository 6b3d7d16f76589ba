//! Downloads patrol by patrol.

use super::*;
use crate::observe::download::Algorithm;

const GB: u64 = 1_000_000_000;

struct Guard {
    download: Download,
    memory: DownloadMemory,
    now: DateTime<Utc>,
    previous: Option<DateTime<Utc>>,
    judged: Option<Judged>,
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

fn guard(bytes: Option<u64>) -> Guard {
    let download = Download {
        name: "data".into(),
        path: "/data".into(),
        bytes,
        files: None,
        manifest: None,
        stalled: None,
    };
    Guard { download, memory: DownloadMemory::default(), now: start(), previous: None, judged: None }
}

impl Guard {
    fn sees(&mut self, facts: DownloadFacts, sums: Option<&SumFacts>) -> &'static str {
        let facts = Observation::Known(facts);
        let context = DownloadContext {
            download: &self.download,
            facts: &facts,
            sums,
            now: self.now,
            previous: self.previous,
            since: start(),
        };
        let judged = check(&context, &mut self.memory);
        self.memory = serde_json::from_str(&serde_json::to_string(&self.memory).unwrap()).unwrap();
        self.previous = Some(self.now);
        let state = judged.state;
        self.judged = Some(judged);
        state
    }

    /// So many seconds later so many bytes are there; the last of them came a moment ago.
    fn has(&mut self, seconds: i64, bytes: u64) -> &'static str {
        self.now += TimeDelta::seconds(seconds);
        let written = Some(self.now);
        let free_bytes = Some(100 * GB);
        self.sees(
            DownloadFacts { begun: bytes > 0, bytes, written, free_bytes, ..DownloadFacts::default() },
            None,
        )
    }

    fn claims(&self) -> Vec<&str> {
        let claim = |opinion: &'_ Opinion| match opinion {
            Opinion::Holds(claim) => Some(claim.subject.syndrome.clone()),
            Opinion::Well(..) => None,
        };
        let all = self.judged.iter().flat_map(|judged| &judged.opinions);
        let names: Vec<String> = all.filter_map(claim).collect();
        [STALLED, RESTARTED, MISMATCH, FULL, UNKNOWN]
            .into_iter()
            .filter(|id| names.iter().any(|name| name == id))
            .collect()
    }

    fn figure(&self, name: &str) -> f64 {
        self.judged.as_ref().and_then(|judged| judged.figures.get(name)?.as_f64()).unwrap_or(f64::NAN)
    }
}

#[test]
fn a_download_that_comes_has_a_pace_and_an_end() {
    let mut guard = guard(Some(10 * GB));
    assert_eq!(guard.has(0, GB), "downloading");
    assert_eq!(guard.has(100, 2 * GB), "downloading");
    assert_eq!((guard.figure("bytes_per_s"), guard.figure("eta_s")), (1e7, 800.0));
    assert_eq!(guard.has(800, 10 * GB), "complete");
    assert!(guard.claims().is_empty());
}

#[test]
fn it_stalls_after_five_minutes_or_three_times_its_own_longest_pause() {
    let mut guard = guard(Some(10 * GB));
    guard.has(0, GB);
    assert_eq!(guard.has(300, GB), "downloading");
    assert_eq!(guard.has(1, GB), "stalled");
    assert_eq!(guard.has(299, GB), "stalled");
    assert_eq!(guard.has(60, 2 * GB), "downloading", "it goes on");
    assert!(guard.claims().is_empty());
    assert_eq!(guard.has(1800, 2 * GB), "downloading", "it paused for ten minutes before");
    assert_eq!(guard.has(1, 2 * GB), "stalled");
}

#[test]
fn a_pace_that_is_as_good_as_none_is_a_stall() {
    let mut guard = guard(Some(100 * GB));
    for minute in 0..6 {
        assert_eq!(guard.has(300, (minute + 1) * GB), "downloading");
    }
    assert_eq!(guard.has(300, 6 * GB + GB / 40), "downloading", "slow is not stalled");
    assert_eq!(guard.has(300, 6 * GB + GB / 40 + 1000), "stalled");
}

#[test]
fn one_that_began_anew_is_told_until_it_has_what_it_had() {
    let mut guard = guard(Some(10 * GB));
    guard.has(0, 5 * GB);
    guard.has(60, GB);
    assert_eq!(guard.claims(), [RESTARTED]);
    guard.has(60, 2 * GB);
    assert_eq!(guard.claims(), [RESTARTED]);
    guard.has(60, 5 * GB);
    assert!(guard.claims().is_empty());
}

#[test]
fn a_disk_that_will_not_suffice_is_told_at_the_start() {
    let mut guard = guard(Some(200 * GB));
    assert_eq!(guard.has(0, 0), "waiting");
    assert_eq!(guard.claims(), [FULL]);
    guard.has(60, 101 * GB);
    assert!(guard.claims().is_empty());
}

#[test]
fn one_that_never_begins_is_stalled_in_the_end() {
    let mut guard = guard(Some(GB));
    assert_eq!(guard.has(0, 0), "waiting");
    assert_eq!(guard.has(1800, 0), "waiting");
    assert_eq!(guard.has(1, 0), "stalled");
}

fn wanted(name: &str, written_s_ago: i64) -> Wanted {
    Wanted {
        name: name.into(),
        path: format!("/data/{name}"),
        algorithm: Algorithm::Md5,
        digest: "right".into(),
        there: Some((5, start() - TimeDelta::seconds(written_s_ago))),
    }
}

fn with(wanted: Vec<Wanted>) -> DownloadFacts {
    DownloadFacts {
        begun: true,
        bytes: 5,
        files: 1,
        written: Some(start()),
        wanted,
        ..DownloadFacts::default()
    }
}

#[test]
fn files_are_verified_once_they_are_whole_and_again_when_they_change() {
    let mut guard = guard(None);
    let missing = Wanted { there: None, ..wanted("c", 0) };
    let facts = with(vec![wanted("a", 100), wanted("b", 90), missing]);
    let jobs = |guard: &Guard, facts: &DownloadFacts| {
        let jobs = jobs(&guard.download, facts, &guard.memory, start());
        jobs.into_iter().map(|job| (job.name, job.from.is_some())).collect::<Vec<_>>()
    };
    assert_eq!(jobs(&guard, &facts), [("a".into(), false)], "the newest may not be whole");
    let facts = with(vec![wanted("a", 100), wanted("b", 90), wanted("c", 70), wanted("d", 10)]);
    assert_eq!(jobs(&guard, &facts).len(), 3, "somebody wrote to d a moment ago");
    let progress = Progress { offset: 3, state: "00".into() };
    let sums = SumFacts {
        done: vec![
            ("a".into(), Ok("right".into())),
            ("b".into(), Ok("wrong".into())),
            ("c".into(), Err("gone".into())),
        ],
        open: Some(("d".into(), progress)),
    };
    assert_eq!(guard.sees(facts.clone(), Some(&sums)), "corrupt");
    assert_eq!(guard.claims(), [MISMATCH]);
    let later = with(vec![wanted("a", 100), wanted("b", 90), wanted("c", 70), wanted("d", 10)]);
    let again = super::jobs(&guard.download, &later, &guard.memory, start() + TimeDelta::minutes(5));
    let again: Vec<_> = again.into_iter().map(|job| (job.name, job.from.is_some())).collect();
    assert_eq!(again, [("d".into(), true), ("c".into(), false)], "what was begun comes first");
    let mended = with(vec![wanted("a", 100), wanted("b", 61), wanted("c", 70)]);
    let sums = SumFacts {
        done: vec![("b".into(), Ok("right".into())), ("c".into(), Ok("right".into()))],
        open: None,
    };
    assert_eq!(guard.sees(mended, Some(&sums)), "verified");
    assert!(guard.claims().is_empty());
}

#[test]
fn a_manifest_that_makes_no_sense_is_unknown_and_one_that_is_to_come_is_not() {
    let mut guard = guard(None);
    let facts = |why: &str| DownloadFacts { manifest_fault: Some(why.to_owned()), ..with(Vec::new()) };
    guard.sees(facts("the manifest /data/SUMS is not there"), None);
    assert!(guard.claims().is_empty());
    guard.sees(facts("/data/SUMS: line 1 is no checksum"), None);
    assert_eq!(guard.claims(), [UNKNOWN]);
}
