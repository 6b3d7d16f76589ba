//! The real monitoring stack on loopback: each daemon with a port and data of its own, ended by its pid.

use crate::scene::{Process, Scene, until};
use serde_json::Value;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A daemon that answers.
pub struct Daemon {
    _process: Process,
    pub url: String,
}

impl Daemon {
    /// Starts it on a free port; somebody else may take that first, and then it is another one.
    fn start(scene: &Scene, program: &str, ready: &str, command: impl Fn(&mut Command, &str)) -> Self {
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let address = format!("127.0.0.1:{port}");
            let log =
                || std::fs::OpenOptions::new().create(true).append(true).open(scene.path(program)).unwrap();
            let mut daemon = Command::new(program);
            daemon.stdin(Stdio::null()).stdout(log()).stderr(log()).current_dir(scene.path(""));
            command(&mut daemon, &address);
            let child =
                daemon.spawn().unwrap_or_else(|error| panic!("{program}: {error}; tests/run.sh installs it"));
            let mut process = Process(child);
            let url = format!("http://{address}");
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_mins(1) && process.0.try_wait().unwrap().is_none() {
                if fetch(&format!("{url}{ready}")).is_some() {
                    return Self { _process: process, url };
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        panic!("{program} does not answer: {}", scene.read(program));
    }

    /// node_exporter with nothing but the collector of text files.
    pub fn node_exporter(scene: &Scene, directory: &Path) -> Self {
        Self::start(scene, "prometheus-node-exporter", "/metrics", |command, address| {
            command.args(["--collector.disable-defaults", "--collector.textfile"]);
            command.arg(format!("--collector.textfile.directory={}", directory.display()));
            command.arg(format!("--web.listen-address={address}"));
        })
    }

    /// Prometheus that scrapes every second.
    pub fn prometheus(scene: &Scene, target: &Self, alertmanager: &Self, rules: &str) -> Self {
        let host = |daemon: &Self| daemon.url.trim_start_matches("http://").to_owned();
        scene.write("rules.yml", rules);
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [rules.yml]
scrape_configs: [{{job_name: node, static_configs: [{{targets: ['{}']}}]}}]
alerting: {{alertmanagers: [{{static_configs: [{{targets: ['{}']}}]}}]}}
",
            host(target),
            host(alertmanager)
        );
        scene.write("prometheus.yml", config);
        Self::start(scene, "prometheus", "/-/ready", |command, address| {
            command.args(["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"]);
            command.arg(format!("--web.listen-address={address}"));
        })
    }

    /// Alertmanager without peers, and with nobody to tell.
    pub fn alertmanager(scene: &Scene) -> Self {
        scene.write(
            "alertmanager.yml",
            "route: {receiver: nobody, group_wait: 1s}\nreceivers: [{name: nobody}]\n",
        );
        Self::start(scene, "prometheus-alertmanager", "/-/ready", |command, address| {
            command.args([
                "--config.file=alertmanager.yml",
                "--storage.path=alertmanager",
                "--cluster.listen-address=",
            ]);
            command.arg(format!("--web.listen-address={address}"));
        })
    }

    /// What `amtool` answers.
    pub fn amtool(&self, arguments: &[&str]) -> String {
        let mut amtool = Command::new("amtool");
        amtool.arg(format!("--alertmanager.url={}", self.url)).args(arguments).stdin(Stdio::null());
        let Output { status, stdout, stderr } = amtool.env("HOME", "/nonexistent").output().unwrap();
        assert!(status.success(), "amtool {arguments:?}: {}", String::from_utf8_lossy(&stderr));
        String::from_utf8(stdout).unwrap()
    }

    /// The alerts that are neither silenced nor resolved, as `amtool` lists them.
    pub fn alerts(&self, matcher: &str) -> Vec<Value> {
        let text = self.amtool(&["alert", "query", "-o", "json", matcher]);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Silences what matches while this is looked at, and sees that it is silenced and heard again.
    pub fn expect_silence_to_silence(&self, matchers: &[&str]) {
        let all = || self.alerts(matchers[0]).len();
        let before = all();
        assert!(before > 0, "nothing to silence");
        let add = ["silence", "add", "--author=test", "--comment=known", "--duration=1h"];
        let id = self.amtool(&[&add[..], matchers].concat());
        until("the silence is in effect", || all() == 0);
        let silenced = self.amtool(&["alert", "query", "--silenced", "-o", "json", matchers[0]]);
        assert_eq!(serde_json::from_str::<Vec<Value>>(&silenced).unwrap().len(), before);
        self.amtool(&["silence", "expire", id.trim()]);
        until("the silence is over", || all() == before);
    }

    /// The samples of an instant query: labels and value.
    pub fn query(&self, query: &str) -> Vec<(Value, String)> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let text = fetch(&format!("{}/api/v1/query?query={encoded}", self.url)).unwrap_or_default();
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        let samples = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        samples
            .iter()
            .map(|one| (one["metric"].clone(), one["value"][1].as_str().unwrap().to_owned()))
            .collect()
    }

    /// The value of the one series that a query gives.
    pub fn value(&self, query: &str) -> Option<String> {
        match self.query(query).as_slice() {
            [(_, value)] => Some(value.clone()),
            _ => None,
        }
    }
}

/// A page; none where nobody answers, or not with a success.
pub fn fetch(url: &str) -> Option<String> {
    let config =
        ureq::Agent::config_builder().timeout_global(Some(Duration::from_secs(5))).proxy(None).build();
    config.new_agent().get(url).call().ok()?.body_mut().read_to_string().ok()
}
