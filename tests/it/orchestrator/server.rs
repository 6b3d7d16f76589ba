//! A server that speaks the orchestrator's protocol, with authentication and keys that it honours.

use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

pub const TOKEN: &str = "orc4estra-t0ken-of-the-tests";
/// Longer than any client of the tests waits.
const PATIENCE: Duration = Duration::from_secs(40);

/// How it fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    Hang,
    Garbage,
    Huge,
    Redirect,
    Closes,
}

/// What it has been told of its one run.
#[derive(Debug, Default)]
pub struct Kept {
    pub status: String,
    /// The bodies of statuses that it took.
    pub statuses: Vec<Value>,
    /// Alerts with their ids, as `GET /alerts` tells them.
    pub alerts: Vec<Value>,
    pub rows: Vec<Value>,
    /// Requests that came with the token: method and path.
    pub requests: Vec<String>,
    pub refused: usize,
    keys: Vec<(String, Value)>,
    pub fault: Option<Fault>,
    /// What ends with SIGKILL once such a request was taken, before it is answered: the request, and
    /// whom, where it is known yet.
    pub deadly: Option<(String, Option<u32>)>,
}

/// The server; it ends with the test.
pub struct Server {
    address: SocketAddr,
    pub kept: Arc<Mutex<Kept>>,
}

impl Server {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::new(Mutex::new(Kept { status: "queued".to_owned(), ..Kept::default() }));
        let ours = Arc::downgrade(&kept);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(stream), Some(kept)) = (stream, ours.upgrade()) else { break };
                thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, kept }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn see<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept.lock().unwrap())
    }

    /// The statuses that were told, in order.
    pub fn words(&self) -> Vec<String> {
        self.see(|kept| {
            kept.statuses.iter().map(|body| body["status"].as_str().unwrap().to_owned()).collect()
        })
    }

    /// The steps of the rows, in the order in which they came.
    pub fn steps(&self) -> Vec<i64> {
        self.see(|kept| kept.rows.iter().map(|row| row["step"].as_i64().unwrap()).collect())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, kept: &Mutex<Kept>) {
    let Some((head, body)) = receive(&mut stream) else { return };
    let mut first = head.split(' ');
    let what = format!("{} {}", first.next().unwrap_or_default(), first.next().unwrap_or_default());
    let fault = kept.lock().unwrap().fault;
    match fault {
        Some(Fault::Hang) => {
            let until = Instant::now() + PATIENCE;
            while Instant::now() < until && kept.lock().unwrap().fault.is_some() {
                thread::sleep(Duration::from_millis(20));
            }
            return;
        }
        Some(Fault::Closes) => return,
        Some(Fault::Garbage) => return answer(&mut stream, 200, "", "<html>Welcome to the captive portal"),
        Some(Fault::Redirect) => return answer(&mut stream, 302, "Location: http://127.0.0.1:9/\r\n", ""),
        Some(Fault::Huge) => {
            drop(write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"));
            let piece = vec![b'['; 100_000];
            for _ in 0..1_000 {
                if stream.write_all(&piece).is_err() {
                    break;
                }
            }
            return;
        }
        None => {}
    }
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        lines
            .into_iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let (status, said) = {
        let mut kept = kept.lock().unwrap();
        let token = header("x-auth-token").unwrap_or_default();
        if token == TOKEN {
            kept.requests.push(what.clone());
            take(&mut kept, &what, header("idempotency-key"), &body)
        } else {
            kept.refused += 1;
            (401, json!({"detail": format!("{token} is no token of mine")}))
        }
    };
    let deadly = || kept.lock().unwrap().deadly.clone().filter(|(deadly, _)| *deadly == what);
    if deadly().is_some() {
        let until = Instant::now() + PATIENCE;
        while deadly().is_some_and(|(_, whom)| whom.is_none()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(5));
        }
        let whom = deadly().and_then(|(_, whom)| whom).unwrap();
        let whom = rustix::process::Pid::from_raw(i32::try_from(whom).unwrap()).unwrap();
        rustix::process::kill_process(whom, rustix::process::Signal::KILL).unwrap();
        kept.lock().unwrap().deadly = None;
    }
    answer(&mut stream, status, "", &said.to_string());
}

fn take(kept: &mut Kept, what: &str, key: Option<String>, body: &str) -> (u16, Value) {
    if let Some((_, said)) = kept.keys.iter().find(|(known, _)| Some(known) == key.as_ref()) {
        return (200, said.clone());
    }
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let said = match what {
        "GET /runs/r1" => json!({"id": "r1", "status": kept.status}),
        "GET /alerts" => json!(kept.alerts),
        "POST /runs/r1/status" => {
            body["status"].as_str().unwrap().clone_into(&mut kept.status);
            kept.statuses.push(body);
            json!({})
        }
        "POST /runs/r1/metrics" => {
            kept.rows.extend(body["rows"].as_array().unwrap().iter().cloned());
            json!({})
        }
        "POST /runs/r1/alerts" => {
            let id = format!("al-{}", kept.alerts.len() + 1);
            let mut alert = body;
            alert["id"] = json!(id);
            alert["run_id"] = json!("r1");
            alert["status"] = json!("pending");
            kept.alerts.push(alert);
            json!({"alert_id": id})
        }
        _ => return (404, json!({"detail": "Run not found"})),
    };
    kept.keys.extend(key.map(|key| (key, said.clone())));
    (200, said)
}

fn answer(stream: &mut TcpStream, status: u16, more: &str, body: &str) {
    let length = body.len();
    drop(write!(
        stream,
        "HTTP/1.1 {status} As told\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{body}"
    ));
}

/// Head and body; none where the client gave up.
fn receive(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 65_536];
    loop {
        let read = stream.read(&mut buffer).ok().filter(|&read| read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let lines = head.lines().filter_map(|line| line.split_once(": "));
        let length = lines.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.map_or(0, |(_, length)| length.trim().parse().unwrap());
        if body.len() >= length {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}
