use super::*;
use crate::decide::Transition;
use crate::finding::{Evidence, Severity};
use std::cell::RefCell;
use std::rc::Rc;

/// A channel that takes alerts into a list, or refuses them.
struct Fake {
    name: &'static str,
    taken: Rc<RefCell<Vec<String>>>,
    refuses: bool,
}

impl Channel for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn send(&mut self, entry: &Entry, _to: &Destination) -> std::result::Result<(), String> {
        if self.refuses {
            return Err("the disk is full".to_owned());
        }
        self.taken.borrow_mut().push(entry.alert.message.clone());
        Ok(())
    }
}

fn now() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn alert(number: u32) -> Alert {
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
        order: 0,
    }
}

fn to(names: &[&str]) -> Vec<Destination> {
    names.iter().map(|&name| Destination { channel: name.to_owned(), path: None }).collect()
}

struct Bench {
    _dir: tempfile::TempDir,
    outbox: Outbox,
    taken: Rc<RefCell<Vec<String>>>,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state")).unwrap();
        Self { outbox: Outbox::open(&store).unwrap(), _dir: dir, taken: Rc::default() }
    }

    fn drain(&self, refusing: &[&str]) -> Vec<String> {
        let fake = |name: &'static str| -> Box<dyn Channel> {
            Box::new(Fake { name, taken: Rc::clone(&self.taken), refuses: refusing.contains(&name) })
        };
        self.outbox.drain(&mut [fake("terminal"), fake("file")], now()).unwrap()
    }
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
