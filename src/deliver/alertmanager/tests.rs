use super::*;
use crate::config::{self, LoadArgs};
use crate::finding::{Claim, Occurrence, Scope, Subject};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread::JoinHandle;

/// An Alertmanager that answers with these statuses in turn and keeps what it was sent.
struct Server {
    address: String,
    thread: JoinHandle<Vec<Value>>,
}

impl Server {
    fn start(statuses: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let thread = std::thread::spawn(move || {
            statuses.iter().map(|status| answer(&listener.accept().unwrap().0, status)).collect()
        });
        Self { address, thread }
    }
}

fn answer(stream: &TcpStream, status: &str) -> Value {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    assert_eq!(line, "POST /api/v2/alerts HTTP/1.1\r\n");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let mut stream = stream;
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
    serde_json::from_slice(&body).unwrap()
}

fn time(minutes: i64) -> DateTime<Utc> {
    "2026-01-02T00:00:00Z".parse::<DateTime<Utc>>().unwrap() + TimeDelta::minutes(minutes)
}

fn open(syndrome: &str, of: Option<&str>, severity: Severity) -> Open {
    let mut subject = Subject::new("words", syndrome);
    subject.of = of.map(str::to_owned);
    let claim = Claim::new(subject, Scope::Attempt, severity, format!("{syndrome} happened"), "mend it");
    let mut open = Open::new(claim, 1, String::new(), time(0));
    open.told = severity;
    open
}

/// A state directory and a config with one channel `am`.
struct Place {
    _dir: tempfile::TempDir,
    store: Store,
    config: Config,
}

impl Place {
    fn new(address: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("state")).unwrap();
        store.directory("outbox").unwrap();
        let yaml = format!(
            "runs: [{{name: a, log: a.log}}, {{name: b, log: b.log}}]
channels: {{am: {{type: alertmanager, url: '{address}'}}}}
severity_routing: {{critical: [am], warning: [am]}}
"
        );
        let path = dir.path().join("trainguard.yaml");
        std::fs::File::create(&path).unwrap().write_all(yaml.as_bytes()).unwrap();
        let args = LoadArgs {
            config: vec![path],
            state_dir: None,
            health_file: None,
            log: None,
            needs_no_config: false,
            cwd: dir.path().to_owned(),
            env: &|_| None,
        };
        let config = config::load(&args).unwrap();
        Self { _dir: dir, store, config }
    }

    fn tell_as(&self, minutes: i64, whole: bool, seen: &[Seen<'_>]) -> Vec<String> {
        let redactor = Redactor::of_environment([]);
        let site = Site { env: &|_| None, now: time(minutes), host: "gpu1", redactor: &redactor };
        let desk = Desk { store: &self.store, config: &self.config, site, whole };
        desk.tell(seen, Instant::now() + Duration::from_secs(10))
    }

    fn tell(&self, minutes: i64, open: &[Open]) -> Vec<String> {
        self.tell_as(minutes, false, &[Seen { run: "demo", open }])
    }
}

/// Syndrome, severity and minutes until the end of the alerts of a request, sorted.
fn ends(request: &Value, minutes: i64) -> Vec<(String, String, i64)> {
    let word = |alert: &Value, name: &str| alert["labels"][name].as_str().unwrap().to_owned();
    let end = |alert: &Value| {
        let end: DateTime<Utc> = alert["endsAt"].as_str().unwrap().parse().unwrap();
        let start: DateTime<Utc> = alert["startsAt"].as_str().unwrap().parse().unwrap();
        assert!(start <= end, "{alert}");
        (end - time(minutes)).num_minutes()
    };
    let alerts = request.as_array().unwrap().iter();
    let mut ends: Vec<_> =
        alerts.map(|alert| (word(alert, "alertname"), word(alert, "severity"), end(alert))).collect();
    ends.sort();
    ends
}

fn row(syndrome: &str, severity: &str, minutes: i64) -> (String, String, i64) {
    (syndrome.to_owned(), severity.to_owned(), minutes)
}

const DAY: i64 = 24 * 60;
const OK: &str = "200 OK";

#[test]
fn what_is_open_is_sent_again_by_every_round_and_what_is_over_ends_once() {
    let server = Server::start(&[OK, OK, OK]);
    let place = Place::new(&server.address);
    let both = [open("oom", None, Severity::Critical), open("spike", None, Severity::Warning)];
    assert!(place.tell(0, &[]).is_empty(), "nothing to say, nobody asked");
    assert!(place.tell(1, &both).is_empty());
    assert!(place.tell(31, &both[..1]).is_empty());
    assert!(place.tell(61, &both[..1]).is_empty());
    let requests = server.thread.join().unwrap();
    assert_eq!(ends(&requests[0], 1), [row("oom", "critical", DAY), row("spike", "warning", DAY)]);
    assert_eq!(ends(&requests[1], 31), [row("oom", "critical", DAY), row("spike", "warning", 0)]);
    assert_eq!(ends(&requests[2], 61), [row("oom", "critical", DAY)]);
    assert_eq!(requests[0][0]["labels"], requests[2][0]["labels"], "the labels of an opening stay its own");
}

#[test]
fn a_severity_that_changes_ends_the_old_alert_in_the_same_request() {
    let server = Server::start(&[OK, OK]);
    let place = Place::new(&server.address);
    place.tell(0, &[open("spike", None, Severity::Warning)]);
    place.tell(30, &[open("spike", None, Severity::Critical)]);
    let requests = server.thread.join().unwrap();
    assert_eq!(ends(&requests[1], 30), [row("spike", "critical", DAY), row("spike", "warning", 0)]);
}

#[test]
fn an_end_that_was_not_taken_is_sent_until_it_is() {
    let server = Server::start(&[OK, "503 Service Unavailable", OK, OK]);
    let place = Place::new(&server.address);
    let (kept, over) = (open("oom", None, Severity::Critical), open("spike", None, Severity::Warning));
    place.tell(0, &[kept.clone(), over]);
    let troubles = place.tell(30, std::slice::from_ref(&kept));
    assert!(troubles[0].starts_with("channel am: it answered 503"), "{troubles:?}");
    let owed = undelivered(&place.store, &place.config);
    assert_eq!((owed.len(), owed[0].alerts, owed[0].run.as_str()), (1, 2, "demo"));
    // In the pause after a failure it is left alone.
    assert!(place.tell(30, std::slice::from_ref(&kept)).is_empty());
    assert!(place.tell(60, std::slice::from_ref(&kept)).is_empty());
    assert!(undelivered(&place.store, &place.config).is_empty());
    place.tell(90, &[kept]);
    let requests = server.thread.join().unwrap();
    assert_eq!(ends(&requests[2], 60), [row("oom", "critical", DAY), row("spike", "warning", -30)]);
    assert_eq!(ends(&requests[3], 90), [row("oom", "critical", DAY)]);
}

#[test]
fn ticks_within_a_minute_send_only_what_has_changed() {
    let server = Server::start(&[OK, OK]);
    let place = Place::new(&server.address);
    let oom = open("oom", None, Severity::Critical);
    for _ in 0..5 {
        assert!(place.tell(0, std::slice::from_ref(&oom)).is_empty());
    }
    assert!(place.tell(0, &[]).is_empty());
    assert_eq!(server.thread.join().unwrap().len(), 2);
}

#[test]
fn a_run_that_was_not_looked_at_keeps_its_alerts_and_one_that_left_the_config_ends_them() {
    let server = Server::start(&[OK, OK, OK]);
    let mut place = Place::new(&server.address);
    let oom = [open("oom", None, Severity::Critical)];
    let run = place.config.runs[0].clone();
    place.config.runs =
        ["a", "b"].map(|name| crate::config::Run { name: name.to_owned(), ..run.clone() }).into();
    place.tell_as(0, true, &[Seen { run: "a", open: &oom }, Seen { run: "b", open: &oom }]);
    place.tell_as(30, true, &[Seen { run: "a", open: &oom }]);
    place.config.runs.pop();
    place.tell_as(60, true, &[Seen { run: "a", open: &oom }]);
    let requests = server.thread.join().unwrap();
    assert_eq!(ends(&requests[1], 30), [row("oom", "critical", DAY), row("oom", "critical", DAY)]);
    assert_eq!(ends(&requests[2], 60), [row("oom", "critical", 0), row("oom", "critical", DAY)]);
}

#[test]
fn gpus_have_alerts_of_their_own_and_what_is_not_routed_or_not_told_has_none() {
    let server = Server::start(&[OK]);
    let place = Place::new(&server.address);
    let mut untold = open("again", None, Severity::Critical);
    untold.told = Severity::Ok;
    let all = [
        open("gpu_hot", Some("GPU-1"), Severity::Warning),
        open("gpu_hot", Some("GPU-2"), Severity::Warning),
        open("noted", None, Severity::Info),
        untold,
    ];
    place.tell(0, &all);
    let request = server.thread.join().unwrap().remove(0);
    assert_eq!(ends(&request, 0), [row("gpu_hot", "warning", DAY), row("gpu_hot", "warning", DAY)]);
    let subject = |index: usize| request[index]["labels"]["subject"].as_str().unwrap().to_owned();
    assert_eq!((subject(0), subject(1)), ("GPU-1".to_owned(), "GPU-2".to_owned()));
}

#[test]
fn what_a_log_says_is_inert_and_redacted_in_annotations() {
    let server = Server::start(&[OK]);
    let place = Place::new(&server.address);
    let token = format!("hf_{}", "aB3dE5gH7jK9".repeat(3));
    let hostile = format!("\u{1b}[31m<!channel> <@U1> @everyone @here & \r\n\0 {token}");
    let mut oom = open("oom", None, Severity::Critical);
    oom.message.clone_from(&hostile);
    oom.first = Some(Occurrence {
        file: "/x/train.log".to_owned(),
        line: 7,
        offset: 0,
        step: Some(3.0),
        text: hostile.clone() + &"x".repeat(5_000),
    });
    oom.evidence.insert("last_lines".to_owned(), json!([hostile, "end"]));
    place.tell(0, &[oom]);
    let request = server.thread.join().unwrap().remove(0);
    let annotations = &request[0]["annotations"];
    assert_eq!(annotations["evidence"], "/x/train.log:7");
    assert_eq!(annotations["advice"], "mend it");
    assert!(
        annotations["description"].as_str().unwrap().starts_with("/x/train.log:7 step 3 | "),
        "{annotations}"
    );
    for text in annotations.as_object().unwrap().values() {
        let text = text.as_str().unwrap();
        assert!(text.chars().count() <= TEXT_MAX + 1);
        assert!(!text.contains(['<', '>', '&', '\u{1b}', '\r', '\0']) && !text.contains(&token), "{text:?}");
        assert!(!text.contains("@everyone") && !text.contains("@here"), "{text:?}");
    }
    assert!(annotations["summary"].as_str().unwrap().contains("[redacted]"), "{annotations}");
}

#[test]
fn a_config_that_others_can_change_sends_nothing() {
    let mut place = Place::new("http://127.0.0.1:9");
    place.config.trusted = false;
    let troubles = place.tell(0, &[open("oom", None, Severity::Critical)]);
    assert!(troubles[0].contains("others can change the config"), "{troubles:?}");
}

#[test]
fn what_was_written_down_and_not_sent_is_due_at_once() {
    let server = Server::start(&[OK, OK]);
    let place = Place::new(&server.address);
    let oom = open("oom", None, Severity::Critical);
    place.tell(0, std::slice::from_ref(&oom));
    // The round that was to end it was killed before it sent anything.
    let mut firing = read(&place.store, "am").unwrap();
    firing.alerts[0].over = Some(time(0));
    firing.taken = None;
    save(&place.store, "am", &firing).unwrap();
    place.tell(0, &[]);
    let requests = server.thread.join().unwrap();
    assert_eq!(ends(&requests[1], 0), [row("oom", "critical", 0)]);
}
