//! Agents under guard: in real tmux panes, in sessions, behind commands.

use crate::scene::{Process, Scene, until};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::Value;
use std::process::{Command, Stdio};

/// A tmux server of the test's own, which ends with it.
struct Tmux {
    scene: Scene,
    base: DateTime<Utc>,
}

impl Tmux {
    #[allow(clippy::disallowed_methods, reason = "tmux lives by the real clock")]
    fn new(agents: &str) -> Self {
        let scene = Scene::new();
        scene.write("trainguard.yaml", format!("agents:\n{agents}"));
        Self { scene, base: Utc::now() }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut tmux = Command::new("tmux");
        tmux.args(["-u", "-f", "/dev/null", "-S"]).arg(self.scene.path("socket")).args(arguments);
        tmux.env_remove("TMUX").stdin(Stdio::null());
        let output = tmux.output().expect("tmux is missing: `sh tests/run.sh` sets the machine up");
        assert!(output.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A session in which a shell script runs.
    fn session(&self, name: &str, script: &str) -> &Self {
        self.tmux(&["new-session", "-d", "-s", name, "-x", "80", "-y", "24", "sh", "-c", script]);
        self
    }

    fn shows(&self, session: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-t", session])
    }

    fn until_shows(&self, session: &str, text: &str) -> &Self {
        until(&format!("{session} shows '{text}'"), || self.shows(session).contains(text));
        self
    }

    /// Waits until a pane shows something else than it does.
    fn until_changes(&self, session: &str) {
        let before = self.shows(session);
        until(&format!("{session} changes"), || self.shows(session) != before);
    }

    /// One patrol so many seconds after the test began, as JSON.
    fn patrol(&self, seconds: i64) -> Report {
        let now = (self.base + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true);
        let answer = self.scene.run(&["patrol", "--format", "json", "--now", &now]);
        let report =
            serde_json::from_str(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {answer:?}"));
        Report { code: answer.code, report }
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        let mut tmux = Command::new("tmux");
        tmux.arg("-S").arg(self.scene.path("socket")).arg("kill-server");
        drop(tmux.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status());
    }
}

struct Report {
    code: i32,
    report: Value,
}

impl Report {
    fn agent(&self, name: &str) -> &Value {
        let agents = self.report["agents"].as_array().unwrap();
        agents.iter().find(|agent| agent["name"] == name).unwrap_or_else(|| panic!("{:#}", self.report))
    }

    fn state(&self, name: &str) -> &str {
        self.agent(name)["state"].as_str().unwrap()
    }

    fn says(&self, name: &str) -> &str {
        self.agent(name)["says"].as_str().unwrap()
    }

    /// Open findings of an agent.
    fn open(&self, name: &str) -> Vec<&str> {
        let findings = self.agent(name)["findings"].as_array().unwrap().iter();
        let open = findings.filter(|finding| finding["state"] == "new" || finding["state"] == "ongoing");
        open.map(|finding| finding["syndrome"].as_str().unwrap()).collect()
    }
}

const COUNTS: &str = "i=0; while :; do i=$((i+1)); echo $i; sleep 0.02; done";
const CLOCK: &str = "echo begun; while :; do printf '\\rnow %s %s' $(date +%T.%N); sleep 0.02; done";

#[test]
fn a_pane_works_hangs_or_only_redraws_a_clock() {
    let pane =
        |name| format!("  {name}: {{kind: tmux, target: {name}, socket: ./socket, output_max_minutes: 5}}\n");
    let agents = pane("works") + &pane("hangs") + &pane("clock");
    let tmux = Tmux::new(&agents);
    tmux.session("works", COUNTS).session("hangs", "echo begun; exec sleep 1000").session("clock", CLOCK);
    tmux.until_shows("hangs", "begun").until_shows("clock", "now").until_shows("works", "30");
    let first = tmux.patrol(-310);
    assert_eq!(first.code, 0, "{:#}", first.report);
    assert_eq!(["works", "hangs", "clock"].map(|name| first.state(name)), ["working"; 3]);
    tmux.until_changes("works");
    tmux.until_changes("clock");
    let second = tmux.patrol(0);
    assert_eq!(second.state("works"), "working", "lines that scroll are work: {}", second.says("works"));
    assert_eq!(second.state("hangs"), "silent");
    assert_eq!(second.state("clock"), "silent");
    assert!(second.says("clock").contains("numbers or a spinner only"), "{}", second.says("clock"));
    assert_eq!((second.code, second.open("hangs")), (1, vec!["agent_silent"]));
    let alerts = tmux.scene.alerts();
    assert_eq!(alerts.len(), 2, "{alerts:?}");
    assert!(alerts.iter().any(|line| line.contains(" WARNING hangs opened agent_silent ")), "{alerts:?}");
}

#[test]
fn five_and_ten_minutes_are_each_agents_own() {
    let tmux = Tmux::new(
        "  coder: {kind: tmux, target: coder, socket: ./socket, output_max_minutes: 5}\n  scout: {kind: tmux, target: 'scout:0.0', socket: ./socket, output_max_minutes: 10}\n",
    );
    tmux.session("coder", "exec sleep 1000").session("scout", "exec sleep 1000");
    let limits = [
        (0, "working", "working"),
        (290, "working", "working"),
        (310, "silent", "working"),
        (590, "silent", "working"),
        (610, "silent", "silent"),
    ];
    for (seconds, coder, scout) in limits {
        let report = tmux.patrol(seconds);
        assert_eq!((report.state("coder"), report.state("scout")), (coder, scout), "after {seconds} s");
    }
    assert_eq!(tmux.scene.alerts().len(), 2, "each is told once");
    tmux.tmux(&["send-keys", "-t", "coder", "typed"]);
    tmux.until_shows("coder", "typed");
    let report = tmux.patrol(30);
    assert_eq!(report.open("coder"), Vec::<&str>::new(), "{:#}", report.report);
    let alerts = tmux.scene.alerts();
    assert!(alerts.iter().any(|line| line.contains(" coder resolved agent_silent ")), "{alerts:?}");
}

#[test]
fn a_pane_that_waits_for_a_key_says_for_what_and_goes_on_when_it_got_it() {
    let tmux = Tmux::new("  coder: {kind: tmux, target: coder, socket: ./socket, output_max_minutes: 5}\n");
    tmux.session("coder", "printf 'Overwrite model.pt? [y/N] '; read answer; echo going on; exec sleep 1000");
    tmux.until_shows("coder", "[y/N]");
    assert_eq!(tmux.patrol(0).state("coder"), "working", "it has only just asked");
    let report = tmux.patrol(400);
    assert_eq!((report.code, report.state("coder")), (1, "waiting_for_input"));
    assert_eq!(report.open("coder"), ["waiting_for_input"]);
    assert!(report.says("coder").ends_with("Overwrite model.pt? [y/N]"), "{}", report.says("coder"));
    tmux.tmux(&["send-keys", "-t", "coder", "y", "Enter"]);
    tmux.until_shows("coder", "going on");
    let report = tmux.patrol(401);
    assert_eq!(report.state("coder"), "silent", "its last output is older than five minutes by now");
    let report = tmux.patrol(60);
    assert_eq!(report.state("coder"), "working");
}

#[test]
fn a_menu_of_an_agent_waits_too() {
    let tmux = Tmux::new("  coder: {kind: tmux, target: coder, socket: ./socket}\n");
    let menu = "printf 'Do you want to proceed?\\n❯ 1. Yes\\n  2. No, and tell it what to do (esc)\\n\\nesc to cancel\\n'; exec sleep 1000";
    tmux.session("coder", menu).until_shows("coder", "esc to cancel");
    tmux.patrol(0);
    let report = tmux.patrol(120);
    assert_eq!(report.state("coder"), "waiting_for_input", "{}", report.says("coder"));
    assert!(report.says("coder").ends_with("Do you want to proceed?"), "{}", report.says("coder"));
}

#[test]
fn a_process_that_died_a_session_that_is_gone_and_no_server_are_told_apart() {
    let agents = ["ends", "leaves", "stays"]
        .map(|name| format!("  {name}: {{kind: tmux, target: {name}, socket: ./socket}}\n"));
    let tmux = Tmux::new(&agents.concat());
    let before = tmux.patrol(0);
    assert_eq!((before.code, before.state("ends")), (3, "unknown"), "never seen: where is the server?");
    assert!(before.says("ends").contains("no tmux server runs"), "{}", before.says("ends"));
    let waits = "while [ ! -e end ]; do sleep 0.02; done; exit 7";
    let directory = tmux.scene.path("").to_string_lossy().into_owned();
    tmux.tmux(&["new-session", "-d", "-s", "stays", "sleep", "1000"]);
    tmux.tmux(&["set-option", "-g", "remain-on-exit", "on"]);
    tmux.tmux(&["new-session", "-d", "-s", "ends", "-c", &directory, "sh", "-c", waits]);
    tmux.tmux(&["new-session", "-d", "-s", "leaves", "sleep", "1000"]);
    let alive = tmux.patrol(1);
    assert_eq!(
        ["ends", "leaves", "stays"].map(|name| alive.state(name)),
        ["working"; 3],
        "{:#}",
        alive.report
    );
    tmux.scene.write("end", "");
    tmux.tmux(&["kill-session", "-t", "leaves"]);
    until("the pane is dead", || {
        tmux.tmux(&["list-panes", "-t", "ends", "-F", "#{pane_dead}"]).trim() == "1"
    });
    let dead = tmux.patrol(2);
    assert_eq!((dead.code, dead.state("ends"), dead.state("leaves")), (2, "dead", "dead"));
    // tmux tells the status a moment after the death, and some machines' tmux never does.
    assert!(dead.says("ends").contains("tmux pane ends:0.0: its process "), "{}", dead.says("ends"));
    assert!(dead.says("leaves").contains("no session 'leaves'; there are: ends"), "{}", dead.says("leaves"));
    assert_eq!(dead.open("ends"), ["agent_dead"]);
    tmux.tmux(&["kill-server"]);
    until("the server is gone", || tmux.patrol(3).says("stays").contains("no tmux server"));
    let gone = tmux.patrol(4);
    assert_eq!(gone.state("stays"), "dead", "it was seen alive: {}", gone.says("stays"));
    assert_eq!(gone.agent("stays")["findings"][0]["evidence"]["missing"], "server");
}

#[test]
fn what_must_run_in_a_pane_is_missed_when_only_its_shell_is_left() {
    let tmux = Tmux::new("  coder: {kind: tmux, target: coder, socket: ./socket, command: '^sleep 1234$'}\n");
    let directory = tmux.scene.path("").to_string_lossy().into_owned();
    tmux.scene.write("agent.sh", "sleep 1234 &\necho $! > child\nwait\nexec sleep 2000\n");
    tmux.tmux(&["new-session", "-d", "-s", "coder", "-c", &directory, "sh", "agent.sh"]);
    let child = || std::fs::read_to_string(tmux.scene.path("child")).unwrap_or_default();
    until("it runs", || child().ends_with('\n'));
    until("it is another program", || tmux.patrol(0).state("coder") == "working");
    assert!(Command::new("kill").args(["-9", child().trim()]).status().unwrap().success());
    until("its end is seen", || tmux.patrol(1).state("coder") == "dead");
    let says = tmux.patrol(2).says("coder").to_owned();
    assert!(says.contains("nothing in tmux pane coder:0.0 matches /^sleep 1234$/; "), "{says}");
}

#[test]
fn a_renamed_session_is_followed_by_its_pane() {
    let tmux = Tmux::new("  coder: {kind: tmux, target: coder, socket: ./socket}\n");
    tmux.session("coder", COUNTS).until_shows("coder", "30");
    assert_eq!(tmux.patrol(0).state("coder"), "working");
    tmux.tmux(&["rename-session", "-t", "coder", "coder-of-ada"]);
    let report = tmux.patrol(1);
    assert_eq!((report.code, report.state("coder")), (0, "working"));
    assert_eq!(report.open("coder"), ["agent_renamed"]);
    let message = report.agent("coder")["findings"][0]["message"].as_str().unwrap();
    assert!(message.contains("coder-of-ada:0.0 now and no longer coder"), "{message}");
    tmux.tmux(&["rename-session", "-t", "coder-of-ada", "coder"]);
    assert_eq!(tmux.patrol(2).open("coder"), Vec::<&str>::new());
}

#[test]
fn agents_stand_in_text_health_file_and_exit_code_beside_the_runs() {
    let tmux =
        Tmux::new("  coder: {kind: tmux, target: coder, socket: ./socket}\n  oracle: {kind: stateless}\n");
    tmux.session("coder", "exec sleep 1000");
    let answer = tmux.scene.run(&["patrol"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.stdout.starts_with("OK 2 agents are well\n"), "{}", answer.stdout);
    assert!(answer.stdout.contains("OK oracle: not probed"), "{}", answer.stdout);
    let report = tmux.patrol(700);
    assert_eq!(report.code, 1);
    let health: Value = serde_yaml::from_str(&tmux.scene.read("agent_health.yaml")).unwrap();
    assert_eq!(health["status"], "WARNING");
    assert_eq!(health["agents"]["coder"]["status"], "WARNING");
    assert_eq!(health["agents"]["coder"]["state"], "silent");
    assert_eq!(health["agents"]["oracle"]["status"], "OK");
    let validated = crate::scene::python(
        crate::report::VALIDATE,
        &format!("{}\0{}", include_str!("../../docs/report.schema.json"), report.report),
    );
    assert_eq!(validated, "");
    assert_eq!(tmux.scene.run(&["ack", "coder"]).code, 0);
    assert_eq!(tmux.patrol(710).code, 0, "what was taken does not count");
    let one = tmux.scene.run(&["patrol", "--run", "oracle"]);
    assert!(one.stdout.starts_with("OK oracle: not probed"), "{one:?}");
    for format in ["nagios", "json"] {
        assert!(tmux.scene.run(&["patrol", "--format", format]).stdout.contains("coder"), "{format}");
    }
}

#[test]
fn a_session_is_a_pid_file_or_a_command_and_a_probe_is_asked_when_due() {
    let scene = Scene::new();
    scene.write(
        "trainguard.yaml",
        "agents:\n  byfile: {kind: session, pid_file: agent.pid}\n  bycommand: {kind: session, probe: [./alive.sh]}\n  judge: {kind: stateless, probe: [./ask.sh, one word], expect: ready, probe_interval: 6h}\n",
    );
    for name in ["alive.sh", "ask.sh"] {
        let said = if name == "ask.sh" { "echo asked >> asked; cat answer" } else { "test -e alive" };
        let path = scene.write(name, format!("#!/bin/sh\n{said}\n"));
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, mode).unwrap();
    }
    scene.write("answer", "I am ready\n");
    scene.write("alive", "");
    let process = Process(Command::new("sleep").arg("1000").spawn().unwrap());
    scene.write("agent.pid", process.pid());
    let tmux = Tmux { scene, base: "2026-03-01T00:00:00Z".parse().unwrap() };
    let states = |seconds| {
        let report = tmux.patrol(seconds);
        ["byfile", "bycommand", "judge"].map(|name| report.state(name).to_owned())
    };
    let asked = || std::fs::read_to_string(tmux.scene.path("asked")).unwrap().lines().count();
    assert_eq!(states(0), ["alive", "alive", "working"]);
    assert_eq!(states(3600), ["alive", "alive", "working"]);
    assert_eq!(asked(), 1, "an answer holds for six hours");
    process.kill();
    std::fs::remove_file(tmux.scene.path("alive")).unwrap();
    tmux.scene.write("answer", "quota exceeded\n");
    assert_eq!(states(6 * 3600), ["dead", "dead", "silent"]);
    let report = tmux.patrol(6 * 3600 + 60);
    assert_eq!((asked(), report.code), (3, 2), "a bad answer is asked for again");
    assert!(
        report.says("judge").contains("said 'quota exceeded' and not 'ready'"),
        "{}",
        report.says("judge")
    );
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o666);
    std::fs::set_permissions(tmux.scene.path("trainguard.yaml"), mode).unwrap();
    let report = tmux.patrol(6 * 3600 + 120);
    assert_eq!((asked(), report.state("judge")), (3, "unknown"), "no command on a stranger's word");
}

#[test]
fn mistakes_in_agents_are_named_with_line_and_key() {
    for (agents, said) in [
        ("a: {target: x}", "this agent has no `kind`"),
        ("a: {kind: tmx, target: x}", "did you mean `tmux`?"),
        ("a: {kind: tmux}", "this agent has no `target`"),
        ("a: {kind: tmux, target: x, max_age_minutes: 2}", "an agent of kind tmux has no `max_age_minutes`"),
        ("a: {kind: tmux, target: x, output_max_minutes: 0}", "`output_max_minutes` cannot be 0"),
        ("a: {kind: session}", "nothing says how this session is known to live"),
        ("a: {kind: session, target: x, pid_file: y}", "a second way to tell whether this session lives"),
        ("a: {kind: stateless, expect: x}", "`expect` is about a `probe`, and there is none"),
        ("a: {kind: stateless, probe: []}", "this command names no program"),
        ("a: {kind: heartbeat, error_rate_max: 20}", "`error_rate_max` cannot be 20"),
        ("a/b: {kind: stateless}", "cannot hold '/'"),
        ("demo: {kind: stateless}", "also the name of something else under guard"),
    ] {
        let scene = Scene::new();
        scene.write("trainguard.yaml", format!("runs: [{{name: demo, log: l}}]\nagents:\n  {agents}\n"));
        let answer = scene.run(&["patrol"]);
        assert_eq!(answer.code, 3, "{agents}");
        assert!(
            answer.stderr.contains(said) && answer.stderr.contains("trainguard.yaml:3:"),
            "{}",
            answer.stderr
        );
    }
}
