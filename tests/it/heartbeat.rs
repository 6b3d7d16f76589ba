//! `heartbeat_url:`: who listens hears that a patrol begins and how it ended, and whoever does not
//! changes nothing.

use crate::scene::{Answer, Scene, failure, healthy, until};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

const SECRET: &str = "0a1b2c3d-secret";

/// Request line and body of each request.
type Heard = Arc<Mutex<Vec<(String, String)>>>;

/// A service that hears everything, and answers unless it hangs.
struct Service {
    address: SocketAddr,
    heard: Heard,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    fn start(answers: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (heard, ends) = (Heard::default(), Arc::new(AtomicBool::new(false)));
        let (requests, over) = (heard.clone(), ends.clone());
        let thread =
            std::thread::spawn(move || {
                let mut held = Vec::new();
                for stream in listener.incoming() {
                    if over.load(Ordering::SeqCst) {
                        break;
                    }
                    let stream = stream.unwrap();
                    let request = read(&stream);
                    requests.lock().unwrap().push(request);
                    if answers {
                        let mut stream = stream;
                        drop(stream.write_all(
                            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nOK",
                        ));
                    } else {
                        held.push(stream);
                    }
                }
            });
        Self { address, heard, ends, thread: Some(thread) }
    }

    fn url(&self) -> String {
        format!("http://{}/{SECRET}", self.address)
    }

    fn heard(&self) -> Vec<(String, String)> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }

    fn lines(&self) -> Vec<String> {
        self.heard().into_iter().map(|(line, _)| line).collect()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().map(JoinHandle::join));
    }
}

fn read(stream: &TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let (mut length, mut line) = (0, String::new());
    while reader.read_line(&mut line).unwrap() > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (first.trim_end().replace(" HTTP/1.1", ""), String::from_utf8(body).unwrap())
}

fn configured(url: &str) -> Scene {
    let scene = Scene::new();
    scene.write(
        "trainguard.yaml",
        format!("heartbeat_url: '{url}'\nruns: [{{name: demo, log: train.log}}]\n"),
    );
    scene.write("train.log", healthy(0, 20));
    scene
}

fn quiet(answer: &Answer) -> bool {
    answer.stdout.is_empty() && answer.stderr.is_empty()
}

#[test]
fn a_patrol_is_heard_to_begin_and_to_end_with_its_exit_code_and_report() {
    let service = Service::start(true);
    let scene = configured(&format!("{}/?create=1", service.url()));
    let answer = scene.run(&["patrol", "-q"]);
    assert!(answer.code == 0 && quiet(&answer), "{answer:?}");
    let heard = service.heard();
    let expected = [format!("GET /{SECRET}/start?create=1"), format!("POST /{SECRET}/0?create=1")];
    assert_eq!(heard.iter().map(|(line, _)| line.clone()).collect::<Vec<_>>(), expected);
    assert!(heard[0].1.is_empty() && heard[1].1.starts_with("OK demo step 19:"), "{heard:?}");

    let token = format!("hf_{}", "aB3dE5gH7jK9".repeat(3));
    scene.append("train.log", failure(0).replace('\n', &format!(" {token}\n")));
    assert_eq!(scene.run(&["patrol", "--format", "json"]).code, 2);
    let heard = service.heard();
    assert_eq!(heard[1].0, format!("POST /{SECRET}/2?create=1"));
    assert!(
        heard[1].1.starts_with("CRITICAL demo step 19:") && heard[1].1.contains("[redacted]"),
        "{heard:?}"
    );
    assert!(!heard[1].1.contains(&token) && heard[1].1.len() <= 10_000);
}

#[test]
fn whoever_could_not_look_at_all_is_heard_too_and_a_gate_is_not() {
    let service = Service::start(true);
    let scene = configured("");
    scene.write("hc.url", service.url() + "\n");
    scene.write("trainguard.yaml", "heartbeat_url_file: hc.url\nruns: [{name: demo, log: train.log}]\n");
    let answer = scene.run(&["patrol", "--run", "dmeo"]);
    let heard = service.heard();
    assert_eq!((answer.code, heard[1].0.clone()), (3, format!("POST /{SECRET}/3")));
    assert!(heard[1].1.contains("there is no run `dmeo`: did you mean `demo`?"), "{heard:?}");
    assert_eq!(scene.run(&["patrol", "--stateless"]).code, 0);
    assert!(service.lines().is_empty());
    // The code is the one that the caller gets.
    scene.append(
        "train.log",
        (20..200).map(|step| format!("step {step}: loss 1.06, lr 0\n")).collect::<String>(),
    );
    assert_eq!(scene.run(&["patrol"]).code, 1);
    assert_eq!(scene.run(&["patrol", "--fail-on", "critical"]).code, 0);
    let ends: Vec<_> = service.lines().into_iter().filter(|line| line.starts_with("POST")).collect();
    assert_eq!(ends, [format!("POST /{SECRET}/1"), format!("POST /{SECRET}/0")]);
}

#[test]
fn nobody_there_changes_no_verdict_and_is_said_once_under_q() {
    let service = Service::start(true);
    let scene = configured(&service.url());
    drop(service);
    let alone = scene.run(&["patrol"]);
    assert!(alone.code == 0 && alone.stdout.starts_with("OK demo"), "{alone:?}");
    assert!(
        alone.stderr.starts_with("trainguard: heartbeat_url was not told: http://127.0.0.1:"),
        "{alone:?}"
    );
    assert!(alone.stderr.lines().count() == 1 && !alone.stderr.contains(SECRET), "{alone:?}");
    assert!(quiet(&scene.run(&["patrol", "-q"])), "it was said before");
    assert!(!quiet(&scene.run(&["patrol"])));

    let service = Service::start(true);
    scene.write(
        "trainguard.yaml",
        format!("heartbeat_url: '{}'\nruns: [{{name: demo, log: train.log}}]\n", service.url()),
    );
    assert!(quiet(&scene.run(&["patrol", "-q"])));
    drop(service);
    let again = scene.run(&["patrol", "-q"]);
    assert!(again.code == 0 && again.stdout.is_empty() && again.stderr.contains("was not told"), "{again:?}");
}

#[test]
fn a_service_that_hangs_holds_the_verdict_up_by_nothing_and_the_patrol_within_bounds() {
    let service = Service::start(false);
    let scene = configured(&service.url());
    let begin = Instant::now();
    let out = std::fs::File::create(scene.path("out")).unwrap();
    let mut patrol =
        scene.command(&["patrol", "--timeout", "20s"]).stdout(out).stderr(Stdio::null()).spawn().unwrap();
    until("the verdict is printed", || scene.read("out").starts_with("OK demo"));
    assert!(patrol.try_wait().unwrap().is_none(), "it waits for the service still");
    let status = patrol.wait().unwrap();
    assert!(status.success() && begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert_eq!(service.lines(), [format!("GET /{SECRET}/start"), format!("POST /{SECRET}/0")]);
}
