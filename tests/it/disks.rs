//! Disks ahead: what will not fit is told before it does not, and on a full disk the alert is
//! written all the same.

use crate::scene::{Scene, healthy, in_own_mounts};
use serde_json::Value;

/// Log, state, alert file and checkpoints on one tmpfs of 32 MiB; patrols leave `N.json` outside it.
const PRELUDE: &str = r#"
    mkdir disk && mount -t tmpfs -o size=32m,mode=755 tmpfs disk && mkdir disk/out || exit 99
    cp train.log disk/train.log
    cat >disk/trainguard.yaml <<'YAML'
runs:
  - {name: demo, log: train.log, checkpoints: {dir: out}}
channels:
  file: {enabled: true, path: alerts.log}
YAML
    checkpoint() { { printf '\200\002'; head -c "$2" /dev/urandom; } >disk/out/$1; touch -d "$3" disk/out/$1; }
    patrol() { "$TRAINGUARD" patrol --config disk/trainguard.yaml --format json >$1.json 2>$1.err; echo $? >$1.code; }
"#;

fn on_a_tmpfs(script: &str) -> Scene {
    let scene = Scene::new();
    scene.write("train.log", healthy(0, 20));
    let answer = in_own_mounts(&scene, &format!("{PRELUDE}\n{script}\ncp disk/alerts.log alerts.txt"));
    assert_eq!(answer.code, 0, "{answer:?}");
    scene
}

/// The message of an open finding in the report of a patrol.
fn message(scene: &Scene, patrol: u32, syndrome: &str) -> Option<String> {
    let text = scene.read(&format!("{patrol}.json"));
    let report: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let list = report["runs"][0]["findings"].as_array().unwrap().iter();
    let open = |finding: &&Value| {
        finding["syndrome"] == syndrome && ["new", "ongoing"].iter().any(|state| finding["state"] == *state)
    };
    list.filter(open).map(|finding| finding["message"].as_str().unwrap().to_owned()).next()
}

#[test]
fn the_next_checkpoint_will_not_fit_is_told_before_it_does_not() {
    let scene = on_a_tmpfs(
        "checkpoint step_1.pt 9000000 '-3 hours'; patrol 1
         checkpoint step_2.pt 9000000 '-2 hours'; patrol 2
         checkpoint step_3.pt 9000000 '-1 hours'; patrol 3
         checkpoint step_4.pt 9000000 '-2 minutes' 2>/dev/null; stat -c %s disk/out/step_4.pt >size; rm disk/out/step_4.pt
         rm disk/out/step_1.pt; patrol 4",
    );
    assert_eq!(message(&scene, 1, "disk_full_soon"), None);
    assert_eq!(message(&scene, 2, "disk_full_soon"), None, "a third one fits");
    let said = message(&scene, 3, "disk_full_soon").expect("a fourth one does not");
    assert!(said.contains("the next checkpoint will not fit: they take 9 MB"), "{said}");
    let size: u64 = scene.read("size").trim().parse().unwrap();
    assert!(size < 9_000_000, "it was right: {size} bytes of it were written");
    assert_eq!(message(&scene, 4, "disk_full_soon"), None, "space was made");
    let alerts = scene.read("alerts.txt");
    let told = |what: &str| alerts.lines().filter(|line| line.contains(what)).count();
    assert_eq!((told("opened disk_full_soon"), told("resolved disk_full_soon")), (1, 1), "{alerts}");
}

#[test]
fn the_alert_about_a_full_disk_is_written_onto_that_disk() {
    let scene = on_a_tmpfs(
        "patrol 1
         cat /dev/zero >disk/filler 2>/dev/null; stat -f -c %a disk >free
         patrol 2; cp disk/alerts.log early.txt; patrol 3; rm disk/filler; patrol 4",
    );
    assert_eq!(scene.read("free").trim(), "0", "nothing was left");
    assert_eq!(message(&scene, 1, "disk_low"), None);
    assert!(message(&scene, 2, "disk_low").is_some());
    assert_eq!((scene.read("2.code").trim(), scene.read("2.err").as_str()), ("2", ""));
    let early = scene.read("early.txt");
    assert_eq!(early.matches("CRITICAL demo opened disk_low").count(), 1, "{early}");
    let alerts = scene.read("alerts.txt");
    assert_eq!(alerts.matches("opened disk_low").count(), 1, "told once: {alerts}");
    assert_eq!(alerts.matches("resolved disk_low").count(), 1, "{alerts}");
}

#[test]
fn a_quota_is_the_limit_where_it_is_narrower_than_the_disk_and_one_that_hangs_is_none() {
    let quota = |body: &str| {
        format!(
            "umount disk && mount -t tmpfs -o size=32m,mode=755 nas:/scratch disk && mkdir disk/out bin || exit 98
             cp train.log trainguard.yaml disk/ && printf '#!/bin/sh\n{body}\n' >bin/quota && chmod 755 bin/quota
             PATH=$PWD/bin:$PATH patrol 1; cp 1.code disk/alerts.log"
        )
    };
    let prelude = "cp disk/trainguard.yaml .\n";
    let scene = on_a_tmpfs(&format!(
        "{prelude}{}",
        quota("echo Disk quotas for user ada:; echo nas:/scratch 9900 9000 10000 0 1 0 0 0")
    ));
    let said = message(&scene, 1, "disk_low").expect("100 KiB are left");
    assert!(said.contains("of 10 MB of this user's quota free"), "{said}");
    let scene = on_a_tmpfs(&format!("{prelude}{}", quota("exec sleep 60")));
    assert_eq!((message(&scene, 1, "disk_low"), scene.read("1.code").trim()), (None, "0"));
}
