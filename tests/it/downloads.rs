//! Downloads under guard: a real client fetches from a loopback server that sends as much as it is let.

use crate::scene::{Answer, Process, Scene, until};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SIZE: usize = 400_000;

/// A server in slow motion: of each file it sends no byte beyond the allowance.
struct Server {
    address: String,
    allowance: Arc<AtomicU64>,
}

fn content() -> Vec<u8> {
    (0..SIZE as u64).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

impl Server {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let allowance = Arc::new(AtomicU64::new(0));
        let shared = Arc::clone(&allowance);
        std::thread::spawn(move || {
            for stream in listener.incoming().take(8).flatten() {
                let allowance = Arc::clone(&shared);
                std::thread::spawn(move || drop(serve(stream, &allowance)));
            }
        });
        Self { address, allowance }
    }

    fn allow(&self, bytes: u64) {
        self.allowance.store(bytes, Ordering::SeqCst);
    }

    /// Starts to fetch into a file; with `-C -` from where it ends.
    fn fetch(&self, scene: &Scene, into: &str, arguments: &[&str]) -> Process {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-N", "-o", into]).args(arguments).arg(format!("http://{}/data", self.address));
        curl.env_clear().env("PATH", "/usr/bin:/bin").current_dir(scene.path("")).stdin(Stdio::null());
        Process(curl.spawn().expect("curl is missing: `sh tests/run.sh` sets the machine up"))
    }
}

fn serve(mut stream: TcpStream, allowance: &AtomicU64) -> std::io::Result<()> {
    let mut from = 0;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_lowercase();
        if let Some(range) = line.strip_prefix("range: bytes=") {
            from = range.trim_end_matches('-').parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let content = content();
    let status = if from > 0 { "206 Partial Content" } else { "200 OK" };
    let range = format!("Content-Range: bytes {from}-{}/{SIZE}", SIZE - 1);
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{range}\r\n\r\n", SIZE - from)?;
    while from < SIZE {
        let allowed = (allowance.load(Ordering::SeqCst) as usize).clamp(from, SIZE);
        stream.write_all(&content[from..allowed])?;
        from = allowed;
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

struct Guarded {
    scene: Scene,
    base: DateTime<Utc>,
}

impl Guarded {
    #[allow(clippy::disallowed_methods, reason = "files are written by the real clock")]
    fn new(config: &str) -> Self {
        let scene = Scene::new();
        scene.write("trainguard.yaml", format!("downloads:\n{config}"));
        Self { scene, base: Utc::now() }
    }

    fn size(&self, name: &str) -> u64 {
        std::fs::metadata(self.scene.path(name)).map_or(0, |metadata| metadata.len())
    }

    fn until_size(&self, name: &str, bytes: u64) {
        until(&format!("{name} has {bytes} bytes"), || self.size(name) == bytes);
    }

    fn answer(&self, seconds: i64) -> Answer {
        let now = (self.base + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true);
        self.scene.run(&["patrol", "--format", "json", "--now", &now])
    }

    /// The first download, so many seconds after the test began, with the exit code.
    fn patrol(&self, seconds: i64) -> (i32, Value) {
        let answer = self.answer(seconds);
        let report: Value =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        (answer.code, report["downloads"][0].clone())
    }

    fn manifest(&self, tool: &str, files: &[&str], into: &str) {
        let output = Command::new(tool).args(files).current_dir(self.scene.path("")).output().unwrap();
        assert!(output.status.success());
        self.scene.write(into, output.stdout);
    }
}

fn open(download: &Value) -> Vec<&str> {
    let findings = download["findings"].as_array().unwrap().iter();
    let open = findings.filter(|finding| finding["state"] == "new" || finding["state"] == "ongoing");
    open.map(|finding| finding["syndrome"].as_str().unwrap()).collect()
}

#[test]
fn a_download_progresses_stalls_resumes_is_verified_and_its_corruption_is_found() {
    let config = "  data: {path: model.bin, bytes: 400000, manifest: SHA256SUMS}\n";
    let guarded = Guarded::new(config);
    let server = Server::new();
    guarded.scene.write("model.bin", content());
    guarded.manifest("sha256sum", &["model.bin"], "SHA256SUMS");
    std::fs::remove_file(guarded.scene.path("model.bin")).unwrap();
    server.allow(100_000);
    let curl = server.fetch(&guarded.scene, "model.bin.part", &[]);
    guarded.until_size("model.bin.part", 100_000);
    let (code, data) = guarded.patrol(-600);
    assert_eq!((code, &data["state"]), (0, &"downloading".into()), "{data:#}");
    assert_eq!(data["figures"]["bytes"], 100_000);
    server.allow(200_000);
    guarded.until_size("model.bin.part", 200_000);
    let (_, data) = guarded.patrol(-300);
    assert_eq!((&data["figures"]["bytes_per_s"], &data["figures"]["eta_s"]), (&333.0.into(), &600.0.into()));
    assert!(data["says"].as_str().unwrap().contains("(50 %)"), "{data:#}");
    assert_eq!(guarded.patrol(0).1["state"], "downloading", "five minutes are no stall");
    let (code, data) = guarded.patrol(1);
    assert_eq!((code, open(&data)), (1, vec!["download_stalled"]), "{data:#}");
    curl.kill();
    server.allow(SIZE as u64);
    let mut curl = server.fetch(&guarded.scene, "model.bin.part", &["-C", "-"]);
    assert!(curl.0.wait().unwrap().success());
    std::fs::rename(guarded.scene.path("model.bin.part"), guarded.scene.path("model.bin")).unwrap();
    let (code, data) = guarded.patrol(2);
    assert_eq!((code, &data["state"], open(&data)), (0, &"verifying".into(), vec![]), "{data:#}");
    let (code, data) = guarded.patrol(2000);
    assert_eq!((code, &data["state"]), (0, &"verified".into()), "{data:#}");
    let mut bytes = content();
    bytes[123_456] ^= 1;
    guarded.scene.write("model.bin", bytes);
    let (code, data) = guarded.patrol(4000);
    assert_eq!(
        (code, &data["state"], open(&data)),
        (2, &"corrupt".into(), vec!["checksum_mismatch"]),
        "{data:#}"
    );
    assert!(data["findings"][0]["message"].as_str().unwrap().contains("model.bin"), "{data:#}");
    let health: Value = serde_yaml::from_str(&guarded.scene.read("agent_health.yaml")).unwrap();
    assert_eq!(
        (&health["status"], &health["downloads"]["data"]["state"]),
        (&"CRITICAL".into(), &"corrupt".into())
    );
    let schema = include_str!("../../docs/report.schema.json");
    let said =
        crate::scene::python(crate::report::VALIDATE, &format!("{schema}\0{}", guarded.answer(4001).stdout));
    assert_eq!(said, "");
}

#[test]
fn a_download_that_begins_anew_is_told_until_it_has_caught_up() {
    let guarded = Guarded::new("  data: {path: model.bin, bytes: 400000}\n");
    let server = Server::new();
    server.allow(300_000);
    let curl = server.fetch(&guarded.scene, "model.bin.part", &[]);
    guarded.until_size("model.bin.part", 300_000);
    assert_eq!(open(&guarded.patrol(-120).1), Vec::<&str>::new());
    curl.kill();
    server.allow(50_000);
    let mut curl = server.fetch(&guarded.scene, "model.bin.part", &[]);
    guarded.until_size("model.bin.part", 50_000);
    let (code, data) = guarded.patrol(-60);
    assert_eq!((code, open(&data)), (1, vec!["download_restarted"]), "{data:#}");
    server.allow(SIZE as u64);
    assert!(curl.0.wait().unwrap().success());
    std::fs::rename(guarded.scene.path("model.bin.part"), guarded.scene.path("model.bin")).unwrap();
    let (code, data) = guarded.patrol(0);
    assert_eq!((code, &data["state"], open(&data)), (0, &"complete".into(), vec![]), "{data:#}");
}

#[test]
fn a_directory_is_whole_by_its_files_and_each_is_held_to_md5sum() {
    let guarded = Guarded::new("  shards: {path: set, files: 3, manifest: set/md5sum.txt}\n");
    for name in ["a.bin", "b.bin", "deep/c.bin"] {
        guarded.scene.write(&format!("set/{name}"), format!("content of {name}"));
    }
    let listed = guarded.scene.path("set");
    let output =
        Command::new("md5sum").args(["a.bin", "b.bin", "./deep/c.bin"]).current_dir(listed).output().unwrap();
    guarded.scene.write("set/md5sum.txt", output.stdout);
    let whole = guarded.scene.path("set/deep/c.bin");
    let partial = guarded.scene.path("set/deep/c.bin.incomplete");
    std::fs::rename(&whole, &partial).unwrap();
    let (_, data) = guarded.patrol(100);
    assert_eq!(
        (&data["state"], &data["figures"]["partial_files"]),
        (&"downloading".into(), &1.into()),
        "{data:#}"
    );
    std::fs::rename(&partial, &whole).unwrap();
    let (code, data) = guarded.patrol(3000);
    assert_eq!(
        (code, &data["state"], &data["figures"]["verified_files"]),
        (0, &"verified".into(), &3.into()),
        "{data:#}"
    );
    guarded.scene.write("set/b.bin", "content of B.bin");
    let (code, data) = guarded.patrol(6000);
    assert_eq!((code, open(&data)), (2, vec!["checksum_mismatch"]), "{data:#}");
    guarded.scene.write("set/b.bin", "content of b.bin");
    assert_eq!(guarded.patrol(9000).0, 0, "it was fetched anew");
}

#[test]
fn a_disk_that_will_not_suffice_is_told_before_the_first_byte() {
    let guarded = Guarded::new("  data: {path: huge.bin, bytes: 100000000000000000}\n");
    let (code, data) = guarded.patrol(0);
    assert_eq!((code, open(&data)), (1, vec!["disk_full_soon"]), "{data:#}");
    assert!(data["findings"][0]["message"].as_str().unwrap().contains("will not suffice"), "{data:#}");
}

#[test]
fn mistakes_in_downloads_are_named_with_line_and_key() {
    for (downloads, said) in [
        ("a: {bytes: 5}", "this download has no `path`"),
        ("a: {path: x}", "nothing says when this download is complete"),
        ("a: {path: x, bytes: 0}", "`bytes` cannot be 0"),
        ("a: {path: x, file: 3}", "did you mean `files`?"),
        ("demo: {path: x, files: 3}", "also the name of something else under guard"),
    ] {
        let scene = Scene::new();
        scene
            .write("trainguard.yaml", format!("runs: [{{name: demo, log: l}}]\ndownloads:\n  {downloads}\n"));
        let answer = scene.run(&["patrol"]);
        assert_eq!(answer.code, 3, "{downloads}");
        assert!(
            answer.stderr.contains(said) && answer.stderr.contains("trainguard.yaml:3:"),
            "{}",
            answer.stderr
        );
    }
}
