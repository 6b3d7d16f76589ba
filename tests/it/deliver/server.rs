//! An HTTP server of the tests' own that answers as it is told, and remembers what it was sent.

use serde_json::Value;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How one request is answered.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// A status, and more lines of the head.
    Status(u16, &'static str),
    /// The connection ends without an answer.
    Close,
    /// The connection is reset in the middle of the request.
    Reset,
    /// The head comes byte by byte, for longer than anybody waits.
    Trickle,
    /// Nothing comes.
    Hang,
    /// A head, and 100 MB.
    Huge,
    /// A whole head that says that it was taken, and then half a body.
    Torn,
}

/// A request that came whole.
#[derive(Debug, Clone)]
pub struct Got {
    pub path: String,
    head: String,
    pub body: String,
}

impl Got {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn key(&self) -> String {
        self.header("idempotency-key").expect("a request without a key").to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// The ids of the alerts in it.
    pub fn alerts(&self) -> Vec<String> {
        let json = self.json();
        let alerts = json["alerts"].as_array().unwrap().iter();
        alerts.map(|alert| alert["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    replies: Mutex<VecDeque<Reply>>,
    over: AtomicBool,
}

/// A server; it ends with the test.
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// Longer than any client of the tests waits.
const PATIENCE: Duration = Duration::from_secs(40);

impl Server {
    /// One that takes everything until it is told otherwise.
    pub fn start() -> Self {
        Self::at("127.0.0.1:0".parse().unwrap())
    }

    /// The same at an address that was free a moment ago.
    pub fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                if ours.over.load(Ordering::SeqCst) {
                    break;
                }
                let (Ok(stream), ours) = (stream, Arc::clone(&ours)) else { continue };
                thread::spawn(move || serve(stream, &ours));
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How the next requests are answered, each once; 200 after that.
    pub fn reply(&self, replies: impl IntoIterator<Item = Reply>) {
        self.shared.replies.lock().unwrap().extend(replies);
    }

    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let Some(got) = receive(&mut stream, shared) else { return };
    // Chosen before the request is told of, so that whoever waits for it knows how it is answered.
    let reply = shared.replies.lock().unwrap().pop_front().unwrap_or(Reply::Status(200, ""));
    if !matches!(reply, Reply::Reset) {
        shared.got.lock().unwrap().push(got);
    }
    let until = Instant::now() + PATIENCE;
    let waits = || Instant::now() < until && !shared.over.load(Ordering::SeqCst);
    match reply {
        Reply::Status(204, more) => drop(write!(stream, "HTTP/1.1 204 No Content\r\n{more}\r\n")),
        Reply::Status(status, more) => {
            let body = format!("answer {status}\n");
            let length = body.len();
            drop(write!(
                stream,
                "HTTP/1.1 {status} As told\r\nContent-Length: {length}\r\n{more}Connection: close\r\n\r\n{body}"
            ));
        }
        Reply::Close | Reply::Reset => {}
        Reply::Trickle => {
            let head = b"HTTP/1.1 200 OK\r\nX-Slow: ".iter().chain(std::iter::repeat(&b'a'));
            for byte in head {
                if !waits() || stream.write_all(&[*byte]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
        Reply::Hang => {
            while waits() {
                thread::sleep(Duration::from_millis(20));
            }
        }
        Reply::Huge => {
            drop(write!(stream, "HTTP/1.1 500 Large\r\nContent-Length: 100000000\r\n\r\n"));
            let piece = vec![b'x'; 100_000];
            for _ in 0..1_000 {
                if stream.write_all(&piece).is_err() {
                    break;
                }
            }
        }
        Reply::Torn => drop(write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\nhalf")),
    }
}

/// The whole request; `None` where the client gave up, or is reset.
fn receive(stream: &mut TcpStream, shared: &Shared) -> Option<Got> {
    let mut bytes = Vec::new();
    let mut buffer = vec![0; 65_536];
    let reset = matches!(shared.replies.lock().unwrap().front(), Some(Reply::Reset));
    if reset {
        // What is left unread when the connection is closed resets it.
        stream.read_exact(&mut buffer[..1]).ok()?;
        shared.replies.lock().unwrap().pop_front();
        return None;
    }
    loop {
        let read = stream.read(&mut buffer).ok().filter(|&read| read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().filter_map(|line| line.split_once(": "));
        let length = length.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length: usize = length.map_or(0, |(_, length)| length.trim().parse().unwrap());
        if body.len() >= length {
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            return Some(Got { path, head: head.to_owned(), body: body.to_owned() });
        }
    }
}
