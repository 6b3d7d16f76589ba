use super::*;
use crate::config::actions::Restart;
use crate::decide::{Rules, decide};
use crate::finding::{Claim, Opinion, Scope, Subject};
use crate::judge::scene::Scene;
use std::time::Duration;

/// A run with its ledger and orders, patrol by patrol.
struct Guarded {
    scene: Scene,
    ledger: Ledger,
    orders: Orders,
    launch: Option<Launch>,
    /// Alerts that told of a lost loss.
    told: usize,
}

impl Guarded {
    fn new(actions: &str) -> Self {
        let mut scene = Scene::new();
        scene.config.trusted = true;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.yaml");
        let text = format!("runs: [{{name: demo, log: l, actions: {actions}}}]");
        std::io::Write::write_all(&mut std::fs::File::create(&path).unwrap(), text.as_bytes()).unwrap();
        let mut args = crate::config::LoadArgs {
            config: vec![path],
            state_dir: None,
            health_file: None,
            log: None,
            cwd: dir.path().to_owned(),
            env: &|_| None,
            needs_no_config: false,
        };
        args.needs_no_config = false;
        scene.run.actions = crate::config::load(&args).unwrap().runs[0].actions.clone();
        Self { scene, ledger: Ledger::default(), orders: Orders::default(), launch: None, told: 0 }
    }

    /// What is ordered about these opinions, and what is refused.
    fn give(&mut self, opinions: Vec<Opinion>) -> Given {
        let rules = Rules {
            run: "demo",
            lineage: "lineage",
            attempt: self.scene.memory.attempt.max(1),
            progress: false,
            step: None,
            now: self.scene.now(),
            renotify: None,
            reopen_quiet: Duration::ZERO,
            ended_by_operator: false,
        };
        let decision = decide(opinions, &mut self.ledger, &rules);
        let lost = |alert: &&alert::Alert| {
            (alert.transition, &*alert.syndrome) == (Transition::Opened, nan::SYNDROME)
        };
        self.told += decision.alerts.iter().filter(lost).count();
        let (ledger, launch) = (&self.ledger, self.launch.as_ref());
        let orders = &mut self.orders;
        let memory = &self.scene.memory;
        let given = self.scene.with_context(|context| {
            orders.give(&decision.findings, ledger, &Facts { context, memory, launch })
        });
        self.orders.keep(&given);
        given
    }

    fn actions(&mut self, opinions: Vec<Opinion>) -> Vec<&'static str> {
        self.give(opinions).orders.iter().map(|order| order.action.word()).collect()
    }

    fn done(&mut self) {
        self.orders.pending.clear();
    }
}

fn holds(check: &str, syndrome: &str, severity: Severity) -> Opinion {
    Claim::new(Subject::new(check, syndrome), Scope::Attempt, severity, "it is wrong", "mend it").holds()
}

fn launched(guarded: &mut Guarded) {
    let process = Identity { pid: 10, start_ticks: 1, boot_id: "boot".to_owned() };
    guarded.launch = Some(Launch { process, lives: false, environment: true });
}

#[test]
fn an_order_is_given_once_for_a_finding_and_again_when_it_opens_again() {
    let mut guarded = Guarded::new("{critical: pause}");
    guarded.scene.process(10).rows(1..20).patrol();
    let bad = || vec![holds("words", "cuda_oom", Severity::Critical)];
    assert_eq!(guarded.actions(bad()), ["pause"]);
    assert!(guarded.actions(bad()).is_empty());
    guarded.done();
    assert!(guarded.actions(bad()).is_empty());
    assert!(
        guarded.actions(vec![Opinion::Well(Subject::new("words", "cuda_oom"), "well".to_owned())]).is_empty()
    );
    assert_eq!(guarded.actions(bad()), ["pause"]);
}

#[test]
fn a_repeated_patrol_gives_the_same_id() {
    let ids = || {
        let mut guarded = Guarded::new("{critical: stop}");
        guarded.scene.process(10).rows(1..20).patrol();
        guarded.give(vec![holds("words", "cuda_oom", Severity::Critical)]).orders.remove(0).id
    };
    assert_eq!(ids(), ids());
}

#[test]
fn one_patrol_does_one_thing_to_the_process_and_every_program_runs() {
    let mut guarded = Guarded::new(
        "{cuda_oom: pause, host_oom: stop, nccl_error: {command: [a]}, segfault: {command: [b]}}",
    );
    guarded.scene.process(10).rows(1..20).patrol();
    let ids = ["cuda_oom", "host_oom", "nccl_error", "segfault"];
    let given = guarded.actions(ids.map(|id| holds("words", id, Severity::Critical)).into());
    assert_eq!(given.iter().filter(|word| **word == "command").count(), 2, "{given:?}");
    assert_eq!(given.len(), 3, "{given:?}");
}

#[test]
fn nobody_is_stopped_who_was_started_after_the_trouble() {
    let mut guarded = Guarded::new("{critical: stop}");
    guarded.scene.process(10).rows(1..20).patrol();
    guarded.scene.gone(10).patrol();
    let bad = || vec![holds("words", "cuda_oom", Severity::Critical)];
    assert!(guarded.actions(bad()).is_empty(), "there is nobody to stop");
    guarded.scene.later(600).process_since(20, 60);
    assert!(guarded.actions(bad()).is_empty());
}

#[test]
fn an_acknowledged_finding_and_a_strangers_config_order_nothing() {
    let mut guarded = Guarded::new("{critical: stop}");
    guarded.scene.process(10).rows(1..20).patrol();
    guarded.scene.config.trusted = false;
    let bad = || vec![holds("words", "cuda_oom", Severity::Critical)];
    assert!(guarded.actions(bad()).is_empty());
    guarded.scene.config.trusted = true;
    let word = crate::finding::Acknowledged { at: guarded.scene.now(), until: None, note: None };
    guarded.ledger.acknowledge(None, &word);
    assert!(guarded.actions(bad()).is_empty());
}

#[test]
fn without_a_process_a_stop_is_refused_and_told_once() {
    let mut guarded = Guarded::new("{critical: stop}");
    guarded.scene.rows(1..20).patrol();
    let bad = || vec![holds("words", "cuda_oom", Severity::Critical)];
    let first = guarded.give(bad()).refused;
    assert!(first[0].is_new && first[0].why.contains("no process of the run is known"), "{first:?}");
    assert!(!guarded.give(bad()).refused[0].is_new);
}

fn dead() -> Vec<Opinion> {
    vec![holds("process", "process_dead", Severity::Critical)]
}

#[test]
fn restarts_wait_longer_each_time_and_stop_at_the_limit_for_a_day() {
    let mut guarded = Guarded::new("{process_dead: {restart: {max_restarts: 3}}}");
    launched(&mut guarded);
    guarded.scene.process(10).rows(1..20).patrol();
    guarded.scene.gone(10).patrol();
    let mut restarted_after = Vec::new();
    let mut waited = 0;
    for _ in 0..200 {
        if guarded.actions(dead()) == ["restart"] {
            restarted_after.push(waited);
            guarded.done();
        }
        guarded.scene.later(30);
        waited += 30;
    }
    assert_eq!(restarted_after, [0, 60, 60 + 240]);
    assert!(guarded.give(dead()).refused[0].why.contains("3 times within a day"));
    guarded.scene.later(25 * 3600);
    assert_eq!(guarded.actions(dead()), ["restart"], "a day later it may be tried again");
}

#[test]
fn a_restart_in_hand_is_not_ordered_again() {
    let mut guarded = Guarded::new("{process_dead: restart}");
    launched(&mut guarded);
    guarded.scene.process(10).rows(1..20).patrol();
    guarded.scene.gone(10).patrol();
    assert_eq!(guarded.actions(dead()), ["restart"]);
    guarded.scene.later(7200);
    assert!(guarded.actions(dead()).is_empty());
}

#[test]
fn a_restart_that_is_of_no_use_is_refused() {
    type Change = fn(&mut Guarded);
    let table: [(&str, Change); 3] = [
        ("not started by `trainguard launch`", |guarded| guarded.launch = None),
        ("its environment was not recorded", |guarded| {
            guarded.launch.as_mut().unwrap().environment = false;
        }),
        ("a restart repeats import_error", |_| ()),
    ];
    for (why, change) in table {
        let mut guarded = Guarded::new("{process_dead: restart}");
        launched(&mut guarded);
        guarded.scene.process(10).rows(1..20).patrol();
        guarded.scene.gone(10).patrol();
        change(&mut guarded);
        let mut opinions = dead();
        if why.contains("import_error") {
            opinions.push(holds("words", "import_error", Severity::Critical));
        }
        let given = guarded.give(opinions);
        assert!(given.orders.is_empty());
        assert!(given.refused[0].why.contains(why), "{:?}", given.refused);
    }
}

#[test]
fn a_run_that_is_complete_or_whose_launcher_lives_is_not_restarted() {
    let mut guarded = Guarded::new("{process_dead: restart}");
    launched(&mut guarded);
    guarded.scene.process(10).rows(1..20).patrol();
    guarded.scene.gone(10).patrol();
    guarded.launch.as_mut().unwrap().lives = true;
    let given = guarded.give(dead());
    assert!(given.orders.is_empty() && given.refused.is_empty());
    guarded.launch.as_mut().unwrap().lives = false;
    let now = guarded.scene.now();
    guarded.scene.memory.end_by_operator(now);
    assert!(guarded.actions(dead()).is_empty());
}

fn nan(guarded: &mut Guarded) -> Vec<&'static str> {
    guarded.actions(vec![holds("nan", "nan_loss", Severity::Critical)])
}

#[test]
fn a_lost_loss_stops_what_was_launched_or_what_the_user_says_and_pauses_nobody_by_default() {
    let (stop, alert) = (crate::config::NanAction::Stop, crate::config::NanAction::Alert);
    for (launched_here, by_user, value, actions, expected) in [
        (false, false, stop, "{}", None),
        (true, false, stop, "{}", Some("stop")),
        (false, true, stop, "{}", Some("stop")),
        (true, true, alert, "{}", None),
        (true, true, alert, "{critical: stop}", None),
        (true, false, stop, "{critical: pause}", Some("pause")),
        (true, true, stop, "{critical: pause}", Some("stop")),
        (true, true, stop, "{nan_loss: alert}", None),
        (false, false, stop, "{nan_loss: pause}", Some("pause")),
    ] {
        let mut guarded = Guarded::new(actions);
        guarded.scene.config.training.loss_nan_action = crate::config::Setting { value, by_user };
        guarded.scene.process(10).rows(1..20).patrol();
        guarded.scene.process(10).losses(20..24, |_| f64::NAN).patrol();
        guarded.scene.process(10);
        if launched_here {
            let process = guarded.scene.life().identity.clone();
            guarded.launch = Some(Launch { process, lives: true, environment: false });
        }
        let case = (launched_here, by_user, value, actions);
        assert_eq!(nan(&mut guarded).first().copied(), expected, "{case:?}");
    }
}

#[test]
fn a_single_row_that_is_nan_orders_nothing_yet() {
    let mut guarded = Guarded::new("{nan_loss: stop}");
    guarded.scene.process(10).rows(1..20).patrol();
    guarded.scene.losses(20..21, |_| f64::NAN).patrol();
    guarded.scene.later(-300);
    assert!(nan(&mut guarded).is_empty());
    guarded.scene.later(300);
    assert_eq!(nan(&mut guarded), ["stop"], "nothing came for five minutes");
}

/// A patrol whose own opinions are decided on, as `patrol` does it.
fn patrolled(guarded: &mut Guarded) -> Vec<&'static str> {
    guarded.scene.patrol().later(-300);
    let opinions = std::mem::take(&mut guarded.scene.opinions);
    let words = guarded.actions(opinions);
    guarded.done();
    guarded.scene.later(300);
    words
}

#[test]
fn what_an_earlier_process_left_in_the_log_stops_nobody_and_the_own_rows_do() {
    for member in [false, true] {
        let mut guarded = Guarded::new("{nan_loss: stop}");
        let bad = |guarded: &mut Guarded, steps: std::ops::Range<u64>| {
            for _ in steps.clone().filter(|_| member) {
                let mut row = crate::metrics::Row::default();
                row.values.set(crate::metrics::Metric::Loss, f64::NAN);
                guarded.scene.look.digest.numbers.fold_other(&row, "/runs/rank3.log", "head");
            }
            guarded.scene.losses(steps, |step| if member { 1.0 / step as f64 } else { f64::NAN });
        };
        guarded.scene.process_since(10, 1).rows(1..20);
        bad(&mut guarded, 20..30);
        assert!(patrolled(&mut guarded).is_empty(), "first look, member: {member}");
        assert!(patrolled(&mut guarded).is_empty(), "the old rows stay the last, member: {member}");
        bad(&mut guarded, 30..33);
        assert_eq!(patrolled(&mut guarded), ["stop"], "its own rows, member: {member}");
    }
}

#[test]
fn a_hit_that_was_there_when_the_process_was_first_seen_orders_nothing_until_it_is_said_again() {
    let mut guarded = Guarded::new("{critical: stop}");
    guarded.scene.process_since(10, 1).rows(1..20).patrol().later(-300);
    let said = |hits| {
        let subject = Subject::new("words", "cuda_oom");
        let mut claim = Claim::new(subject, Scope::Attempt, Severity::Critical, "it says so", "mend it");
        (claim.occasion, claim.hits) = (Some(format!("head:{hits}")), hits);
        vec![claim.holds()]
    };
    assert!(guarded.actions(said(1)).is_empty());
    guarded.scene.later(300);
    assert!(guarded.actions(Vec::new()).is_empty(), "it is open, and nothing new was read");
    assert_eq!(guarded.actions(said(2)), ["stop"]);
}

#[test]
fn a_number_that_was_wrong_when_the_process_was_first_seen_orders_nothing_before_it_wrote_a_row() {
    let mut guarded = Guarded::new("{critical: stop}");
    guarded.scene.process_since(10, 1).rows(1..20).patrol().later(-300);
    let wrong = || vec![holds("loss", "loss_explosion", Severity::Critical)];
    assert!(guarded.actions(wrong()).is_empty());
    guarded.scene.later(300).patrol();
    assert!(guarded.actions(wrong()).is_empty());
    guarded.scene.rows(20..21).patrol();
    assert_eq!(guarded.actions(wrong()), ["stop"]);
}

#[test]
fn a_relaunch_that_is_nan_again_is_stopped_again_and_alerted_once() {
    let mut guarded = Guarded::new("{nan_loss: stop}");
    guarded.scene.process(10).rows(1..20);
    assert!(patrolled(&mut guarded).is_empty());
    guarded.scene.losses(20..30, |_| f64::NAN);
    assert_eq!(patrolled(&mut guarded), ["stop"]);
    guarded.scene.gone(10);
    assert!(patrolled(&mut guarded).is_empty());
    guarded.scene.process_since(20, 5).losses(30..31, |_| f64::NAN);
    assert!(patrolled(&mut guarded).is_empty(), "nobody is stopped at first sight");
    guarded.scene.losses(31..34, |_| f64::NAN);
    assert_eq!(patrolled(&mut guarded), ["stop"]);
    guarded.scene.losses(34..37, |_| f64::NAN);
    assert!(patrolled(&mut guarded).is_empty(), "once for each start");
    assert_eq!(guarded.told, 1, "one story, one alert");
}

#[test]
fn a_loss_scaler_that_comes_down_beside_a_finite_loss_stops_nobody() {
    use crate::metrics::Metric;
    for (loss, expected) in [(Some(2.3), false), (Some(0.0), true), (None, true)] {
        let mut guarded = Guarded::new("{nan_loss: stop}");
        guarded.scene.process(10).rows(1..20);
        assert!(patrolled(&mut guarded).is_empty());
        for step in 20..28 {
            guarded.scene.row(step, |row| {
                row.values.set(Metric::GradNorm, f64::NAN);
                if let Some(loss) = loss {
                    row.values.set(Metric::Loss, loss);
                }
            });
        }
        assert_eq!(patrolled(&mut guarded) == ["stop"], expected, "{loss:?}");
        assert!(patrolled(&mut guarded).is_empty(), "{loss:?}, and the log is silent behind it");
    }
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut orders = Orders::default();
    let restart = Action::Restart(Restart { max_restarts: 3, command: None, log: None });
    let cause = Cause {
        syndrome: "process_dead".to_owned(),
        severity: Severity::Critical,
        message: String::new(),
        step: None,
        finding: serde_json::Value::Null,
    };
    for number in 0..1000 {
        let order = Order {
            id: number.to_string(),
            run: "demo".to_owned(),
            alert: String::new(),
            given: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
            action: restart.clone(),
            target: None,
            cause: cause.clone(),
            count: None,
        };
        orders.keep(&Given { orders: vec![order], refused: Vec::new() });
    }
    assert!(orders.pending.len() <= PENDING_MAX && orders.given.len() <= GIVEN_MAX);
}

/// How many orders stay that were given to a run whose cause is over by now, `begun` so far, while this
/// process lives or none does.
fn left(action: &str, begun: Begun, living: Option<i32>) -> usize {
    let mut guarded = Guarded::new(&format!("{{cuda_oom: {action}}}"));
    guarded.scene.process(10).rows(1..20).patrol();
    launched(&mut guarded);
    guarded.give(vec![holds("words", "cuda_oom", Severity::Critical)]);
    assert_eq!(guarded.orders.pending.len(), 1, "{action}");
    match living {
        Some(pid) => guarded.scene.process(pid),
        None => guarded.scene.gone(10),
    };
    let (orders, memory, launch) = (&mut guarded.orders, &guarded.scene.memory, guarded.launch.as_ref());
    guarded
        .scene
        .with_context(|context| orders.take_back(&[], &Facts { context, memory, launch }, |_| begun));
    guarded.orders.pending.len()
}

#[test]
fn what_was_ordered_is_taken_back_when_its_cause_is_over_or_another_process_runs() {
    let table = [
        ("stop", Begun::Nothing, Some(10), 0),
        ("stop", Begun::Whole, Some(10), 1),
        // Ended by us, and the finding with it: it is started all the same, but not beside another.
        ("restart", Begun::Half, None, 1),
        ("restart", Begun::Half, Some(11), 0),
        ("restart", Begun::Whole, Some(11), 1),
    ];
    for (action, begun, living, expected) in table {
        assert_eq!(left(action, begun, living), expected, "{action} {begun:?} {living:?}");
    }
}
