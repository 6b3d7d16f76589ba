//! What leaves the machine: to whom, how often, and what happens when nobody takes it.

mod answers;
mod crash;
mod documented;
mod forms;
mod server;
mod tls;

use crate::scene::{Answer, Scene, failure, healthy};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use server::{Got, Server};

/// When the first patrol of a scene takes place. The logs carry no times.
fn start() -> DateTime<Utc> {
    DateTime::from(std::time::SystemTime::now())
}

/// A scene with one run whose log holds a failure, and a webhook for what is critical.
struct Post {
    scene: Scene,
    server: Server,
    start: DateTime<Utc>,
}

impl Post {
    fn new() -> Self {
        Self::with("timeout: 2s", "")
    }

    /// With more keys of the webhook, and more channels.
    fn with(keys: &str, channels: &str) -> Self {
        let post = Self { scene: Scene::new(), server: Server::start(), start: start() };
        post.configure(&post.server.url("/hook"), keys, channels);
        post.scene.write("train.log", healthy(0, 20) + &failure(0));
        post
    }

    fn configure(&self, url: &str, keys: &str, channels: &str) {
        self.scene.write(
            "trainguard.yaml",
            format!(
                "runs: [{{name: demo, log: train.log}}]\nchannels:\n  webhook: {{url: '{url}', {keys}}}\n{channels}\nseverity_routing: {{warning: [terminal, file], critical: [terminal, file, webhook]}}\n"
            ),
        );
    }

    /// A patrol some minutes after the first.
    fn patrol(&self, minutes: i64, more: &[&str]) -> Answer {
        let now = (self.start + TimeDelta::minutes(minutes)).to_rfc3339();
        self.scene.run(&[&["patrol", "--now", &now], more].concat())
    }

    fn got(&self) -> Vec<Got> {
        self.server.got()
    }

    /// The alerts that wait in the outbox.
    fn waiting(&self) -> Vec<Value> {
        entries(&self.scene)
    }

    fn keys(&self) -> Vec<String> {
        self.got().iter().map(Got::key).collect()
    }
}

fn entries(scene: &Scene) -> Vec<Value> {
    let list = std::fs::read_dir(scene.path(".trainguard/outbox")).into_iter().flatten();
    let names = list.map(|item| item.unwrap().file_name().into_string().unwrap());
    let ids = names.filter(|name| name.len() == 37);
    ids.map(|name| serde_json::from_str(&scene.read(&format!(".trainguard/outbox/{name}"))).unwrap())
        .collect()
}
