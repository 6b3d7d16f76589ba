//! A real cron daemon runs the lines of `crontab.example`.
//!
//! It lives in a mount namespace of its own, with its own spool, pid file, PAM stack and mailer, so
//! that nothing of the machine is touched. It wakes up at the full minute.

use crate::scene::{BINARY, Process, Scene, failure, healthy, until, within};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longest wait for cron: to the next full minute, and once more on a machine that is busy.
pub const PATIENCE: Duration = Duration::from_secs(130);

const EXAMPLE: &str = include_str!("../../crontab.example");

/// The training that the second line of the example looks for.
const TRAINING: &str = "import time\nfor step in range(10**6):\n    print(f'step {step}: loss {3 - step * 1e-6}', flush=True)\n    time.sleep(0.05)\n";

/// Mounts what cron would share with the machine, then becomes the daemon.
const DAEMON: &str = r"set -e
mkdir sbin && cp /usr/sbin/cron sbin/ && cp sendmail sbin/ && chmod 755 sbin/sendmail
mount -t tmpfs tmpfs /var/spool/cron && mkdir /var/spool/cron/crontabs
install -m 600 crontab /var/spool/cron/crontabs/root
mount -t tmpfs tmpfs /etc/cron.d && mount -t tmpfs tmpfs /run
mount --bind empty /etc/crontab
mount --bind pam /etc/pam.d/cron
mount --bind sbin /usr/sbin
exec /usr/sbin/cron -f -L 0";

/// The example with its schedule, PATH and home replaced, and what the test wants to see besides.
fn crontab(home: &str, more: &str) -> (String, usize) {
    let (mut text, mut active) = (format!("HOME={home}\n"), 0);
    for line in EXAMPLE.lines() {
        if line.starts_with("PATH=") {
            let directory = Path::new(BINARY).parent().unwrap().display();
            text += &format!("PATH={directory}:/usr/bin:/bin\n");
        } else if let Some(command) = line.strip_prefix("*/30 * * * *") {
            active += 1;
            text += &format!("* * * * *{command}\n");
        } else {
            text += &format!("{line}\n");
        }
    }
    (format!("{text}* * * * * {more}\n"), active)
}

pub fn start_cron(scene: &Scene) -> Process {
    assert!(
        rustix::process::geteuid().is_root() && Path::new("/usr/sbin/cron").exists(),
        "this test needs root and Debian's cron: run `sh tests/run.sh`, which sets the machine up"
    );
    scene.write("empty", "");
    scene.write(
        "pam",
        "auth required pam_permit.so\naccount required pam_permit.so\nsession required pam_permit.so\n",
    );
    scene.write("sendmail", format!("#!/bin/sh\ncat >>{}\n", scene.path("mail").display()));
    let mut daemon = Command::new("unshare");
    daemon.args(["-m", "sh", "-c", DAEMON]).current_dir(scene.path("")).stdin(Stdio::null());
    Process(daemon.spawn().unwrap())
}

#[test]
fn cron_runs_the_lines_of_the_example_and_mails_what_is_new() {
    let scene = Scene::new();
    scene.write(
        "runs/trainguard.yaml",
        "runs:\n  - {name: large, log: large.log}\n  - {name: small, log: small.log}\n",
    );
    scene.write("runs/large.log", healthy(0, 20) + &failure(0));
    scene.write("runs/small.log", healthy(0, 20));
    let log = scene.write("runs/gpt/train.log", "");
    scene.write("runs/gpt/train_gpt.py", TRAINING);
    let mut training = Command::new("/usr/bin/python3");
    training.arg("train_gpt.py").current_dir(scene.path("runs/gpt"));
    training.stdout(std::fs::File::create(log).unwrap()).stdin(Stdio::null());
    let training = Process(training.spawn().unwrap());
    until("the training writes its log", || scene.read("runs/gpt/train.log").lines().count() > 10);

    let home = scene.path("").display().to_string();
    let seen = r"trainguard patrol --log $HOME/runs/gpt/train.log --match 'python3? .*train_gpt\.py' --state-dir $HOME/seen --format json >$HOME/seen.part; echo $? >>$HOME/seen.part; mv $HOME/seen.part $HOME/seen.json";
    let (crontab, active) = crontab(home.trim_end_matches('/'), seen);
    assert!(active >= 2, "the example has lost its lines:\n{crontab}");
    scene.write("crontab", crontab);
    let _cron = start_cron(&scene);

    let exists = |name: &str| scene.path(name).exists();
    within(PATIENCE, "cron has run its lines", || {
        exists("runs/agent_health.yaml")
            && exists("runs/gpt/.trainguard/agent_health.yaml")
            && exists("seen.json")
            && exists("mail")
    });
    until("the mail is whole", || scene.read("mail").contains("next: "));

    let health: serde_yaml::Value = serde_yaml::from_str(&scene.read("runs/agent_health.yaml")).unwrap();
    assert_eq!(health["status"], "CRITICAL");
    assert_eq!(health["runs"]["small"]["status"], "OK");
    assert!(
        scene.read("runs/.trainguard/alerts.log").contains(" CRITICAL large opened cuda_illegal_access ")
    );
    let mail = scene.read("mail");
    assert!(mail.contains("To: you@example.org") && mail.contains("CRITICAL large"), "{mail}");
    assert!(!mail.contains("small"), "a run that is well is no mail: {mail}");

    let health: serde_yaml::Value =
        serde_yaml::from_str(&scene.read("runs/gpt/.trainguard/agent_health.yaml")).unwrap();
    assert_eq!(health["status"], "OK", "{health:?}");
    let seen = scene.read("seen.json");
    let (report, code) = seen.trim().rsplit_once('\n').unwrap_or_else(|| panic!("{seen}"));
    let report: Value = serde_json::from_str(report).unwrap();
    assert_eq!(code, "0", "{report:#}");
    let process = &report["runs"][0]["process"];
    assert_eq!(process["state"], "alive", "neither itself nor cron's `sh -c` is matched: {report:#}");
    assert_eq!(process["pid"].to_string(), training.pid(), "{report:#}");
}
