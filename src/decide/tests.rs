use super::ledger::Ledger;
use super::lifecycle::{Decision, Rules, decide};
use super::{Alert, Transition};
use crate::finding::{Acknowledged, Claim, Opinion, Scope, Severity, Standing, Subject};
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

fn start() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

/// A run under patrol: each call is one patrol, `minutes` after the start.
#[derive(Default, Clone)]
struct Guard {
    ledger: Ledger,
    attempt: u32,
    progress: bool,
}

impl Guard {
    fn patrol(&mut self, minutes: i64, opinions: Vec<Opinion>) -> Decision {
        let rules = Rules {
            run: "demo",
            lineage: "abc",
            attempt: self.attempt,
            progress: self.progress,
            step: None,
            now: start() + TimeDelta::minutes(minutes),
            renotify: Some(Duration::from_hours(24)),
            reopen_quiet: Duration::from_mins(30),
            ended_by_operator: false,
        };
        decide(opinions, &mut self.ledger, &rules)
    }
}

fn told(decision: &Decision) -> Vec<(Transition, Severity)> {
    decision.alerts.iter().map(|alert| (alert.transition, alert.severity)).collect()
}

fn dead(severity: Severity) -> Opinion {
    Claim::new(Subject::new("process", "process_dead"), Scope::Attempt, severity, "process 7 is gone", "look")
        .holds()
}

fn disk(severity: Severity) -> Opinion {
    Claim::new(
        Subject::new("disk", "disk_low").of("/data"),
        Scope::Surroundings,
        severity,
        "1 GB free",
        "free some",
    )
    .holds()
}

fn well(check: &str, syndrome: &str) -> Opinion {
    Opinion::Well(Subject::new(check, syndrome), "it runs".to_owned())
}

#[test]
fn a_finding_is_told_once_and_stays_in_the_exit_code_until_somebody_looked_and_found_it_well() {
    let mut guard = Guard::default();
    let first = guard.patrol(0, vec![dead(Severity::Critical)]);
    assert_eq!(told(&first), [(Transition::Opened, Severity::Critical)]);
    assert_eq!(first.findings[0].state, Standing::New);
    let second = guard.patrol(30, vec![dead(Severity::Critical)]);
    let unlooked = guard.patrol(60, vec![]);
    for later in [&second, &unlooked] {
        assert!(later.alerts.is_empty());
        assert_eq!(later.severity, Severity::Critical);
        assert_eq!(later.findings[0].state, Standing::Ongoing);
    }
    let over = guard.patrol(90, vec![well("process", "process_dead")]);
    assert_eq!(told(&over), [(Transition::Resolved, Severity::Critical)]);
    assert_eq!(over.severity, Severity::Ok);
    assert!(guard.patrol(120, vec![]).findings.is_empty());
}

#[test]
fn worse_is_told_and_better_is_not() {
    let mut guard = Guard::default();
    guard.patrol(0, vec![disk(Severity::Warning)]);
    assert_eq!(
        told(&guard.patrol(30, vec![disk(Severity::Critical)])),
        [(Transition::Worsened, Severity::Critical)]
    );
    assert!(guard.patrol(60, vec![disk(Severity::Warning)]).alerts.is_empty());
    assert!(guard.patrol(90, vec![disk(Severity::Critical)]).alerts.is_empty());
}

#[test]
fn a_recovery_names_every_severity_as_which_it_was_told() {
    let mut guard = Guard::default();
    guard.patrol(0, vec![disk(Severity::Warning)]);
    guard.patrol(30, vec![disk(Severity::Critical)]);
    let over = Opinion::Well(Subject::new("disk", "disk_low").of("/data"), "there is room".to_owned());
    let over = guard.patrol(60, vec![over]);
    assert_eq!(told(&over), [(Transition::Resolved, Severity::Critical)]);
    assert_eq!(over.alerts[0].told_as, [Severity::Warning]);
}

#[test]
fn a_reminder_comes_once_a_day_and_has_its_own_id() {
    let mut guard = Guard::default();
    let opened = guard.patrol(0, vec![dead(Severity::Critical)]);
    assert!(guard.patrol(23 * 60, vec![dead(Severity::Critical)]).alerts.is_empty());
    let first = guard.patrol(24 * 60, vec![dead(Severity::Critical)]);
    let second = guard.patrol(48 * 60, vec![dead(Severity::Critical)]);
    assert_eq!(told(&first), [(Transition::Reminder, Severity::Critical)]);
    let ids: BTreeSet<_> =
        [opened, first, second].iter().map(|decision| decision.alerts[0].id.clone()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn an_acknowledged_finding_is_visible_does_not_count_and_comes_back_when_it_worsens_or_its_time_is_over() {
    let mut guard = Guard::default();
    guard.patrol(0, vec![disk(Severity::Warning)]);
    let until = Some(start() + TimeDelta::hours(2));
    assert_eq!(
        guard.ledger.acknowledge(Some("disk_low"), &Acknowledged { at: start(), until, note: None }),
        1
    );
    let quiet = guard.patrol(60, vec![disk(Severity::Warning)]);
    assert_eq!(quiet.severity, Severity::Ok);
    assert!(quiet.findings[0].acknowledged.is_some());
    assert_eq!(guard.clone().patrol(121, vec![disk(Severity::Warning)]).severity, Severity::Warning);
    let worse = guard.patrol(90, vec![disk(Severity::Critical)]);
    assert_eq!(worse.severity, Severity::Critical);
    assert_eq!(told(&worse), [(Transition::Worsened, Severity::Critical)]);
}

#[test]
fn a_new_attempt_that_makes_progress_ends_the_old_ones_troubles_but_not_the_disks() {
    let mut guard = Guard { attempt: 1, ..Guard::default() };
    guard.patrol(0, vec![dead(Severity::Critical), disk(Severity::Warning)]);
    guard.attempt = 2;
    let starting = guard.patrol(30, vec![well("process", "process_dead")]);
    assert!(starting.alerts.is_empty());
    assert_eq!(starting.severity, Severity::Critical);
    guard.progress = true;
    let running = guard.patrol(60, vec![well("process", "process_dead")]);
    assert_eq!(told(&running), [(Transition::Resolved, Severity::Critical)]);
    assert_eq!(running.severity, Severity::Warning);
}

#[test]
fn a_crash_loop_is_one_story() {
    let mut guard = Guard { attempt: 1, progress: true, ..Guard::default() };
    let mut messages = Vec::new();
    for minute in 0..60 {
        // It dies at once and is restarted with progress five minutes later.
        guard.attempt = 1 + minute / 10;
        let opinions = if minute % 10 < 5 {
            vec![dead(Severity::Critical)]
        } else {
            vec![well("process", "process_dead")]
        };
        messages.extend(guard.patrol(i64::from(minute), opinions).alerts);
    }
    let words: Vec<_> = messages.iter().map(|alert| alert.transition).collect();
    assert_eq!(words[..2], [Transition::Opened, Transition::Resolved]);
    assert!(words.len() <= 5, "{words:?}");
    assert!(messages[2].message.contains("came back"), "{}", messages[2].message);
}

#[test]
fn a_run_that_comes_down_again_and_stays_down_is_told_within_the_quiet_time() {
    let mut guard = Guard::default();
    guard.patrol(0, vec![dead(Severity::Critical)]);
    guard.patrol(10, vec![well("process", "process_dead")]);
    assert!(guard.patrol(20, vec![dead(Severity::Critical)]).alerts.is_empty());
    let told_at_last = guard.patrol(50, vec![dead(Severity::Critical)]);
    assert_eq!(told(&told_at_last), [(Transition::Opened, Severity::Critical)]);
    assert!(guard.patrol(51, vec![dead(Severity::Critical)]).alerts.is_empty());
}

#[test]
fn what_was_over_before_it_was_read_is_history_and_never_told() {
    let mut claim = Claim::new(
        Subject::new("words", "cuda_oom"),
        Scope::Attempt,
        Severity::Critical,
        "out of memory",
        "",
    );
    claim.over = true;
    claim.hits = 3;
    let decision = Guard::default().patrol(0, vec![claim.holds()]);
    assert!(decision.alerts.is_empty());
    let finding = &decision.findings[0];
    assert_eq!((finding.state, finding.severity, finding.count), (Standing::History, Severity::Info, 3));
    assert_eq!(decision.severity, Severity::Ok);
}

#[test]
fn the_headline_is_the_worst_that_counts_and_a_cause_before_its_echo() {
    let mut echo =
        Claim::new(Subject::new("process", "process_dead"), Scope::Attempt, Severity::Critical, "gone", "");
    echo.role = crate::finding::Role::Confirmation;
    let cause = Claim::new(
        Subject::new("words", "cuda_oom"),
        Scope::Attempt,
        Severity::Critical,
        "out of memory",
        "",
    );
    let decision = Guard::default().patrol(0, vec![disk(Severity::Warning), echo.holds(), cause.holds()]);
    let order: Vec<_> = decision.findings.iter().map(|finding| finding.syndrome.as_str()).collect();
    assert_eq!(order, ["cuda_oom", "process_dead", "disk_low"]);
}

/// What one patrol of a random history sees of three subjects.
fn sight() -> impl Strategy<Value = Vec<Option<u8>>> {
    proptest::collection::vec(proptest::option::of(0_u8..4), 3)
}

fn opinions(sight: &[Option<u8>]) -> Vec<Opinion> {
    let subject = |index: usize| Subject::new("check", &format!("s{index}"));
    let seen = sight.iter().enumerate().filter_map(|(index, level)| level.map(|level| (index, level)));
    seen.map(|(index, level)| match level {
        0 => Opinion::Well(subject(index), "well".to_owned()),
        1 => Claim::new(subject(index), Scope::Surroundings, Severity::Info, "m", "").holds(),
        2 => Claim::new(subject(index), Scope::Surroundings, Severity::Warning, "m", "").holds(),
        _ => Claim::new(subject(index), Scope::Surroundings, Severity::Critical, "m", "").holds(),
    })
    .collect()
}

proptest! {
    /// Over any history: no id is used twice, a patrol that is repeated from the same ledger gives
    /// the same alerts, the severity is that of what is open, and what was told as opened and is
    /// over is told as resolved before it is told as opened again.
    #[test]
    fn alerts_are_changes_and_a_repeated_patrol_repeats_them(history in proptest::collection::vec((sight(), 1_i64..45), 1..60)) {
        let mut guard = Guard::default();
        let mut ids = BTreeSet::new();
        let mut standing: BTreeMap<String, bool> = BTreeMap::new();
        let mut minute = 0;
        for (sight, wait) in history {
            minute += wait;
            let mut killed = guard.clone();
            let lost: Vec<String> = killed.patrol(minute, opinions(&sight)).alerts.into_iter().map(|alert| alert.id).collect();
            let decision = guard.patrol(minute + 1, opinions(&sight));
            let again: Vec<String> = decision.alerts.iter().map(|alert| alert.id.clone()).collect();
            // Waiting a minute more can make a roll-up or a reminder due; nothing else.
            prop_assert!(lost.iter().all(|id| again.contains(id)), "{lost:?} {again:?}");
            let worst = guard.ledger.open.iter().map(|open| open.severity).max().unwrap_or_default();
            prop_assert_eq!(decision.severity, worst);
            for Alert { id, transition, syndrome, .. } in decision.alerts {
                prop_assert!(ids.insert(id), "an id was used twice");
                let open = standing.entry(syndrome).or_default();
                match transition {
                    Transition::Opened => { prop_assert!(!*open); *open = true; }
                    Transition::Resolved => *open = false,
                    Transition::Worsened | Transition::Reminder => prop_assert!(*open),
                }
            }
        }
    }
}

#[test]
fn an_acknowledgement_that_ends_is_told() {
    let mut guard = Guard::default();
    guard.patrol(0, vec![dead(Severity::Critical)]);
    let until = Some(start() + TimeDelta::hours(1));
    guard.ledger.acknowledge(None, &Acknowledged { at: start(), until, note: None });
    assert!(guard.patrol(59, vec![dead(Severity::Critical)]).alerts.is_empty());
    let ended = guard.patrol(60, vec![dead(Severity::Critical)]);
    assert_eq!(told(&ended), [(Transition::Reminder, Severity::Critical)]);
    assert!(ended.alerts[0].message.contains("the acknowledgement has ended"), "{}", ended.alerts[0].message);
    assert!(guard.patrol(61, vec![dead(Severity::Critical)]).alerts.is_empty());
}

fn oom(place: &str) -> Opinion {
    let mut claim = Claim::new(
        Subject::new("words", "cuda_oom"),
        Scope::Attempt,
        Severity::Critical,
        "out of memory",
        "",
    );
    claim.occasion = Some(place.to_owned());
    claim.hits = 1;
    claim.holds()
}

#[test]
fn a_crash_that_repeats_byte_for_byte_is_told_again_and_a_re_read_is_not() {
    let mut guard = Guard::default();
    let before = guard.clone();
    let first = guard.patrol(0, vec![oom("head:100")]).alerts.remove(0);
    let re_read = before.clone().patrol(0, vec![oom("head:100")]).alerts.remove(0);
    assert_eq!(first.id, re_read.id);
    guard.patrol(60, vec![well("words", "cuda_oom")]);
    let second = guard.patrol(600, vec![oom("head:100")]).alerts.remove(0);
    assert_ne!(first.id, second.id);
}

#[test]
fn a_cause_is_told_before_its_echo() {
    let mut echo =
        Claim::new(Subject::new("process", "process_dead"), Scope::Attempt, Severity::Critical, "gone", "");
    echo.role = crate::finding::Role::Confirmation;
    let decision = Guard::default().patrol(0, vec![echo.holds(), oom("head:1")]);
    let order: Vec<_> = decision.alerts.iter().map(|alert| (alert.order, alert.syndrome.as_str())).collect();
    assert_eq!(order, [(0, "cuda_oom"), (1, "process_dead")]);
}

#[test]
fn beyond_the_cap_findings_count_and_are_not_told_again_and_again() {
    let many = |_| -> Vec<Opinion> {
        let claim = |index: usize| {
            let subject = Subject::new("disk", "disk_low").of(format!("/data/{index}"));
            Claim::new(subject, Scope::Surroundings, Severity::Warning, "low", "").holds()
        };
        (0..200).map(claim).collect()
    };
    let mut guard = Guard::default();
    assert_eq!(guard.patrol(0, many(0)).alerts.len(), super::ledger::OPEN_MAX);
    let second = guard.patrol(30, many(0));
    assert!(second.alerts.is_empty());
    assert_eq!(second.findings.len(), 200);
}
