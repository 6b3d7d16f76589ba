use super::*;
use crate::decide::Transition;
use crate::deliver::{Message, Outcome, Reach};
use crate::finding::{Evidence, Severity};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

/// A channel that takes alerts into a list, or refuses them.
struct Fake {
    name: &'static str,
    taken: Rc<RefCell<Vec<String>>>,
    refuses: bool,
}

impl Channel for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn send(&mut self, message: &Message<'_>, _limit: Duration) -> Outcome {
        if self.refuses {
            return Outcome::Retry { why: "the disk is full".to_owned(), after: None };
        }
        self.taken.borrow_mut().push(message.entries[0].alert.message.clone());
        Outcome::Taken
    }
}

/// A message's key and its alerts.
type Got = (String, Vec<String>);

/// A channel elsewhere: what it answers to each message, and what it was sent.
struct Far {
    answers: Rc<RefCell<VecDeque<Outcome>>>,
    got: Rc<RefCell<Vec<Got>>>,
    most: usize,
    slow: Duration,
}

impl Channel for Far {
    fn name(&self) -> &'static str {
        "web"
    }

    fn reach(&self) -> Reach {
        Reach::Remote { most: self.most }
    }

    fn send(&mut self, message: &Message<'_>, _limit: Duration) -> Outcome {
        let alerts = message.entries.iter().map(|entry| entry.alert.message.clone()).collect();
        self.got.borrow_mut().push((message.id.to_owned(), alerts));
        std::thread::sleep(self.slow);
        self.answers.borrow_mut().pop_front().unwrap_or(Outcome::Taken)
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn alert(number: u32) -> Alert {
    Alert {
        id: format!("{number:032x}"),
        time: now() + chrono::TimeDelta::seconds(i64::from(number)),
        run: "demo".to_owned(),
        transition: Transition::Opened,
        severity: Severity::Critical,
        check: "process".to_owned(),
        syndrome: "process_dead".to_owned(),
        message: format!("alert {number}"),
        advice: String::new(),
        step: None,
        occurrence: None,
        choices: Vec::new(),
        respond: String::new(),
        evidence: Evidence::new(),
        role: crate::finding::Role::Root,
        told_as: Vec::new(),
        order: 0,
    }
}

pub(crate) fn to(names: &[&str]) -> Vec<Destination> {
    names.iter().map(|&name| Destination { channel: name.to_owned(), path: None }).collect()
}

struct Bench {
    _dir: tempfile::TempDir,
    outbox: Outbox,
    taken: Rc<RefCell<Vec<String>>>,
    answers: Rc<RefCell<VecDeque<Outcome>>>,
    got: Rc<RefCell<Vec<Got>>>,
}

const LONG: Duration = Duration::from_mins(1);

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state")).unwrap();
        let outbox = Outbox::open(&store).unwrap();
        Self { outbox, _dir: dir, taken: Rc::default(), answers: Rc::default(), got: Rc::default() }
    }

    fn drain(&self, refusing: &[&str]) -> Vec<String> {
        let fake = |name: &'static str| -> Box<dyn Channel> {
            Box::new(Fake { name, taken: Rc::clone(&self.taken), refuses: refusing.contains(&name) })
        };
        let until = Instant::now() + LONG;
        self.outbox.drain(&mut [fake("terminal"), fake("file")], now(), until).unwrap().troubles
    }

    /// Adds alerts for `web`.
    fn add(&self, numbers: std::ops::Range<u32>) {
        for number in numbers {
            self.outbox.add(&alert(number), to(&["web"]), 0o644).unwrap();
        }
    }

    /// One delivery to `web` some minutes from the start.
    fn far(&self, minutes: i64, most: usize) -> Delivery {
        self.slowly(minutes, most, Duration::ZERO, LONG)
    }

    fn slowly(&self, minutes: i64, most: usize, slow: Duration, time: Duration) -> Delivery {
        let far = Far { answers: Rc::clone(&self.answers), got: Rc::clone(&self.got), most, slow };
        let at = now() + TimeDelta::minutes(minutes);
        self.outbox.drain(&mut [Box::new(far)], at, Instant::now() + time).unwrap()
    }

    fn answer(&self, outcomes: impl IntoIterator<Item = Outcome>) {
        self.answers.borrow_mut().extend(outcomes);
    }

    /// The numbers of the alerts in each message that was sent.
    fn sent(&self) -> Vec<Vec<u32>> {
        let number = |message: &String| message.split(' ').nth(1).unwrap().parse().unwrap();
        self.got.borrow().iter().map(|(_, alerts)| alerts.iter().map(number).collect()).collect()
    }

    fn keys(&self) -> Vec<String> {
        self.got.borrow().iter().map(|(key, _)| key.clone()).collect()
    }

    fn files(&self) -> Vec<String> {
        let list = std::fs::read_dir(&self.outbox.directory).unwrap();
        let mut names: Vec<_> = list.map(|item| item.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn later() -> Outcome {
    Outcome::Retry { why: "it is down".to_owned(), after: None }
}

fn never(content: bool) -> Outcome {
    Outcome::Refused { why: "it says no".to_owned(), content }
}

#[test]
fn a_few_alerts_go_one_by_one_and_more_of_them_as_one_message_in_order() {
    let bench = Bench::new();
    bench.add(0..3);
    bench.far(1, 50);
    bench.add(3..14);
    bench.far(2, 8);
    assert_eq!(bench.sent(), [vec![0], vec![1], vec![2], (3..11).collect(), vec![11], vec![12], vec![13]]);
    assert_eq!(bench.keys()[0], alert(0).id);
    assert_eq!(bench.files(), ["delivered.json"]);
}

#[test]
fn what_failed_is_repeated_with_the_same_key_and_the_same_alerts_whatever_came_since() {
    let bench = Bench::new();
    bench.answer([later(), later(), later()]);
    bench.add(0..1);
    bench.far(1, 50);
    bench.add(1..6);
    bench.far(3, 50);
    bench.answer([Outcome::Taken, later()]);
    bench.answers.borrow_mut().pop_front();
    bench.far(60, 50);
    bench.add(6..9);
    bench.far(180, 50);
    let rolled: Vec<u32> = (1..6).collect();
    let last = [vec![6], vec![7], vec![8]];
    assert_eq!(bench.sent()[..5], [vec![0], vec![0], vec![0], rolled.clone(), rolled]);
    assert_eq!(bench.sent()[5..], last);
    let keys = bench.keys();
    assert_eq!((&keys[0], &keys[1], &keys[3]), (&keys[1], &keys[2], &keys[4]));
}

#[test]
fn a_channel_that_fails_is_left_alone_until_its_pause_is_over() {
    let bench = Bench::new();
    bench.answer([later(), later()]);
    bench.add(0..20);
    let delivery = bench.far(0, 5);
    assert_eq!(delivery.troubles, ["channel web: it is down"], "once, for all of them");
    assert!(bench.far(0, 5).troubles.is_empty());
    bench.far(1, 5);
    bench.far(2, 5);
    assert_eq!(bench.sent().len(), 2);
    let owed = bench.outbox.undelivered().unwrap();
    assert_eq!((owed[0].alerts, owed[0].refused, owed[0].error.as_str()), (20, 0, "it is down"));
    bench.far(3, 5);
    assert_eq!(bench.sent()[2..].concat(), (0..20).collect::<Vec<_>>());
}

#[test]
fn what_is_refused_for_good_is_kept_as_a_dead_letter_and_holds_up_nothing() {
    let bench = Bench::new();
    bench.add(0..3);
    bench.answer([Outcome::Taken, never(false), Outcome::Taken]);
    let delivery = bench.far(0, 50);
    assert_eq!(delivery.troubles, ["channel web: refused for good: it says no"]);
    let owed = bench.outbox.undelivered().unwrap();
    assert_eq!((owed[0].alerts, owed[0].refused), (1, 1));
    bench.far(600, 50);
    assert_eq!(bench.sent(), [[0], [1], [2]], "it is not sent again");
    assert_eq!(bench.outbox.revive(|_| true, LONG).unwrap(), [alert(1).id]);
    bench.far(600, 50);
    assert_eq!(bench.sent().last().unwrap(), &[1]);
    assert!(bench.outbox.undelivered().unwrap().is_empty());
    assert_eq!(bench.files(), ["delivered.json"]);
}

#[test]
fn a_channel_that_refuses_everything_is_not_asked_for_every_alert() {
    let bench = Bench::new();
    bench.add(0..10);
    bench.answer((0..10).map(|_| never(false)));
    bench.far(0, 1);
    assert_eq!(bench.sent().len(), 3);
    assert_eq!(bench.outbox.undelivered().unwrap()[0].alerts, 10, "nothing is lost");
}

#[test]
fn a_message_that_is_refused_for_what_is_in_it_is_halved_until_the_culprit_is_alone() {
    let bench = Bench::new();
    bench.add(0..8);
    bench.answer([never(true), never(true), Outcome::Taken, Outcome::Taken, never(true), Outcome::Taken]);
    bench.far(0, 50);
    assert_eq!(bench.sent()[..3], [(0..8).collect::<Vec<_>>(), vec![0, 1, 2, 3], vec![0, 1]]);
    let all = bench.sent();
    let told: std::collections::BTreeSet<u32> = all[2..].concat().into_iter().collect();
    assert_eq!(told, (0..8).collect());
    let mut keys = bench.keys();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), all.len(), "another content is another key");
}

#[test]
fn a_message_whose_taking_was_noted_is_not_sent_again() {
    let bench = Bench::new();
    bench.add(0..5);
    bench.answer([later()]);
    bench.far(0, 50);
    let mut underway = bench.outbox.underway("web").unwrap().unwrap();
    underway.taken = Some(now());
    bench.outbox.write_underway(&underway).unwrap();
    bench.add(5..6);
    bench.far(60, 50);
    assert_eq!(bench.sent(), [vec![0, 1, 2, 3, 4], vec![5]]);
    underway.taken = None;
    bench.outbox.write_underway(&underway).unwrap();
    bench.far(120, 50);
    assert_eq!(bench.files(), ["delivered.json"], "a message all of whose alerts are gone");
    assert_eq!(bench.sent().len(), 2);
}

#[test]
fn what_is_dropped_by_hand_is_gone_and_the_rest_of_its_message_is_another_message() {
    let bench = Bench::new();
    bench.add(0..5);
    bench.answer([later()]);
    bench.far(0, 50);
    bench.outbox.discard(|alert| alert.message == "alert 2", LONG).unwrap();
    bench.add(2..3);
    bench.far(60, 50);
    assert_eq!(bench.sent()[1], [0, 1, 3, 4]);
    assert_ne!(bench.keys()[0], bench.keys()[1]);
    assert_eq!(bench.files(), ["delivered.json"]);
}

#[test]
fn a_slow_channel_gets_its_time_and_no_more() {
    let bench = Bench::new();
    bench.add(0..10);
    bench.slowly(0, 1, Duration::from_millis(100), Duration::from_millis(250));
    let first = bench.sent().len();
    assert!((1..=3).contains(&first), "{first}");
    assert!(bench.outbox.undelivered().unwrap().is_empty(), "it works, it is only slow");
    let none = bench.slowly(0, 1, Duration::ZERO, Duration::ZERO);
    assert!(none.troubles[0].contains("--timeout"), "{none:?}");
    assert_eq!(bench.outbox.undelivered().unwrap()[0].alerts, 10 - first);
    bench.far(1, 1);
    assert_eq!(bench.sent().concat(), (0..10).collect::<Vec<_>>());
}

#[test]
fn what_is_given_up_is_said_and_named() {
    let bench = Bench::new();
    bench.add(0..2);
    bench.answer([later()]);
    bench.far(0, 50);
    let delivery = bench.far(60 * 24 * 15, 50);
    assert_eq!(
        delivery.dropped,
        [
            "2 undelivered alerts were given up (older than 14 days); the worst is critical demo process_dead: `trainguard alerts` names them"
        ]
    );
    let dropped = bench.outbox.dropped().unwrap();
    assert_eq!((dropped.len(), dropped[0].channels.as_slice()), (2, &["web".to_owned()][..]));
    bench.far(60 * 24 * 15, 50);
    assert!(bench.outbox.entries().unwrap().is_empty() && bench.sent().len() == 1);
}

#[test]
fn an_alert_for_a_channel_that_this_config_does_not_have_waits_for_one_that_has_it() {
    let bench = Bench::new();
    bench.add(0..1);
    assert!(bench.drain(&[]).is_empty());
    bench.far(0, 50);
    assert_eq!(bench.sent(), [[0]]);
}

#[test]
fn alerts_leave_in_order_once_and_are_remembered() {
    let bench = Bench::new();
    for number in [3, 1, 2] {
        bench.outbox.add(&alert(number), to(&["file"]), 0o644).unwrap();
    }
    assert!(bench.drain(&[]).is_empty());
    bench.outbox.add(&alert(2), to(&["file"]), 0o644).unwrap();
    bench.drain(&[]);
    assert_eq!(*bench.taken.borrow(), ["alert 1", "alert 2", "alert 3"]);
    assert!(bench.outbox.list().unwrap().is_empty());
}

#[test]
fn a_channel_that_refuses_is_asked_again_and_the_others_are_not() {
    let bench = Bench::new();
    bench.outbox.add(&alert(1), to(&["file", "terminal"]), 0o644).unwrap();
    assert_eq!(bench.drain(&["file"]), ["channel file: the disk is full"]);
    let owed = bench.outbox.undelivered().unwrap();
    assert_eq!(
        owed,
        [Undelivered {
            run: "demo".into(),
            channel: "file".into(),
            alerts: 1,
            refused: 0,
            error: "the disk is full".into()
        }]
    );
    bench.drain(&[]);
    bench.drain(&[]);
    assert_eq!(*bench.taken.borrow(), ["alert 1", "alert 1"], "once by the terminal, once by the file");
    assert!(bench.outbox.undelivered().unwrap().is_empty());
}

#[test]
fn a_damaged_entry_is_told_and_holds_up_no_other() {
    let bench = Bench::new();
    bench.outbox.add(&alert(1), to(&["file"]), 0o644).unwrap();
    bench.outbox.store.write(&bench.outbox.entry(&alert(2).id), b"{\"half").unwrap();
    let troubles = bench.drain(&[]);
    assert_eq!(*bench.taken.borrow(), ["alert 1"]);
    assert!(troubles[0].contains("is damaged and was not delivered"), "{troubles:?}");
    assert!(bench.drain(&[]).is_empty());
}

#[test]
fn an_alert_whose_delivery_was_recorded_is_told_to_no_channel_again() {
    let bench = Bench::new();
    bench.outbox.add(&alert(1), to(&["file"]), 0o644).unwrap();
    let entry = std::fs::read(bench.outbox.entry(&alert(1).id)).unwrap();
    bench.drain(&[]);
    bench.outbox.store.write(&bench.outbox.entry(&alert(1).id), &entry).unwrap();
    bench.drain(&[]);
    assert_eq!(*bench.taken.borrow(), ["alert 1"]);
    assert!(bench.outbox.list().unwrap().is_empty());
    assert_eq!(bench.outbox.delivered().unwrap().len(), 1);
}

#[test]
fn an_alert_without_a_channel_is_not_kept() {
    let bench = Bench::new();
    bench.outbox.add(&alert(1), Vec::new(), 0o644).unwrap();
    assert!(bench.outbox.list().unwrap().is_empty());
}

#[test]
fn a_temporary_file_of_a_killed_patrol_is_removed_and_one_being_written_is_not() {
    let bench = Bench::new();
    let write = |name: &str, age: u64| {
        let time = std::time::SystemTime::from(now()) - std::time::Duration::from_secs(age);
        std::fs::File::create(bench.outbox.directory.join(name)).unwrap().set_modified(time).unwrap();
    };
    write("left.json.tmp", 3700);
    write("young.json.tmp", 5);
    bench.drain(&[]);
    let names: Vec<_> =
        std::fs::read_dir(&bench.outbox.directory).unwrap().map(|item| item.unwrap().file_name()).collect();
    assert_eq!(names, ["young.json.tmp"]);
}
