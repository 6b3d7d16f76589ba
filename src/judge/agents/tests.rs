//! Agents patrol by patrol.

use super::*;
use crate::config::{Heartbeat, Probe, TmuxPane};
use crate::observe::agents::{BeatFacts, Counts, PaneFacts};

struct Guard {
    agent: Agent,
    memory: AgentMemory,
    clock: Reading,
    previous: Option<Reading>,
    since: DateTime<Utc>,
    judged: Option<Judged>,
}

fn start() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

impl Guard {
    fn new(kind: AgentKind) -> Self {
        let clock = Reading { wall: start(), monotonic_s: 10.0, boottime_s: 10.0, boot_id: "boot".into() };
        let agent = Agent { name: "coder".into(), kind };
        Self { agent, memory: AgentMemory::default(), clock, previous: None, since: start(), judged: None }
    }

    fn tmux(minutes: f64) -> Self {
        let output_max = Duration::from_secs_f64(minutes * 60.0);
        Self::new(AgentKind::Tmux(TmuxPane {
            target: "coder".into(),
            socket: None,
            command: None,
            output_max,
        }))
    }

    fn later(&mut self, seconds: i64) -> &mut Self {
        self.clock.wall += TimeDelta::seconds(seconds);
        self.clock.monotonic_s += seconds as f64;
        self.clock.boottime_s += seconds as f64;
        self
    }

    fn sees(&mut self, facts: AgentFacts) -> AgentState {
        self.observes(&Observation::Known(facts))
    }

    fn observes(&mut self, facts: &Observation<AgentFacts>) -> AgentState {
        let context = AgentContext {
            agent: &self.agent,
            facts,
            now: &self.clock,
            previous: self.previous.as_ref(),
            since: self.since,
        };
        let judged = check(&context, &mut self.memory);
        // Whatever is remembered goes through the state file.
        self.memory = serde_json::from_str(&serde_json::to_string(&self.memory).unwrap()).unwrap();
        self.previous = Some(self.clock.clone());
        let state = judged.state;
        self.judged = Some(judged);
        state
    }

    fn shows(&mut self, text: &str, active_s_ago: i64) -> AgentState {
        let activity = self.clock.wall - TimeDelta::seconds(active_s_ago);
        self.sees(pane(text, activity))
    }

    fn claims(&self) -> Vec<&Claim> {
        self.judged.iter().flat_map(|judged| &judged.opinions).filter_map(claimed).collect()
    }

    fn says(&self) -> String {
        self.judged.as_ref().map(|judged| judged.says.clone()).unwrap_or_default()
    }

    fn is_well(&self, syndrome: &str) -> bool {
        let well = |opinion: &Opinion| matches!(opinion, Opinion::Well(of, _) if of.syndrome == syndrome);
        self.judged.iter().flat_map(|judged| &judged.opinions).any(well)
    }
}

fn claimed(opinion: &Opinion) -> Option<&Claim> {
    match opinion {
        Opinion::Holds(claim) => Some(claim),
        Opinion::Well(..) => None,
    }
}

fn facts(text: &str, activity: DateTime<Utc>) -> PaneFacts {
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    PaneFacts {
        key: PaneKey { id: "%1".into(), server: "7:1".into() },
        place: "coder:0.0".into(),
        renamed: false,
        ended: None,
        runs_command: None,
        current: "python3".into(),
        size: (80, 24),
        history: 0,
        cursor_row: lines.len().saturating_sub(1),
        activity,
        lines,
    }
}

fn pane(text: &str, activity: DateTime<Utc>) -> AgentFacts {
    AgentFacts::Pane(Box::new(facts(text, activity)))
}

#[test]
fn a_pane_is_silent_by_its_own_limit_and_well_again_when_it_works() {
    for (minutes, limit_s) in [(5.0, 300), (10.0, 600), (0.5, 30)] {
        let mut guard = Guard::tmux(minutes);
        assert_eq!(guard.shows("a", 0), AgentState::Working);
        assert_eq!(guard.later(limit_s).shows("a", limit_s), AgentState::Working, "at {minutes}");
        assert_eq!(guard.later(1).shows("a", limit_s + 1), AgentState::Silent, "past {minutes}");
        assert_eq!(guard.claims()[0].severity, Severity::Warning);
        assert_eq!(guard.later(60).shows("a\nb", 5), AgentState::Working);
        assert!(guard.is_well(SILENT));
    }
}

#[test]
fn a_first_look_believes_tmuxs_own_time_of_activity() {
    assert_eq!(Guard::tmux(5.0).shows("a", 301), AgentState::Silent);
    assert_eq!(Guard::tmux(5.0).shows("a", 299), AgentState::Working);
}

#[test]
fn work_that_ended_between_two_patrols_is_as_old_as_the_last_activity() {
    let mut guard = Guard::tmux(5.0);
    guard.shows("a", 0);
    assert_eq!(guard.later(1800).shows("b", 600), AgentState::Silent);
    assert!(guard.says().contains("10 min"), "{}", guard.says());
}

#[test]
fn a_clock_that_runs_is_no_work_however_active_its_window_is() {
    let mut guard = Guard::tmux(5.0);
    guard.shows("now 12:00:00", 0);
    assert_eq!(guard.later(200).shows("now 12:03:20", 0), AgentState::Working);
    assert_eq!(guard.later(200).shows("now 12:06:40", 0), AgentState::Silent);
    assert!(guard.says().contains("spinner"), "{}", guard.says());
}

#[test]
fn a_machine_that_slept_makes_no_agent_silent() {
    let mut guard = Guard::tmux(5.0);
    guard.shows("a", 0);
    guard.clock.wall += TimeDelta::hours(8);
    guard.clock.boottime_s += 8.0 * 3600.0;
    assert_eq!(guard.shows("a", 8 * 3600), AgentState::Working);
    assert_eq!(guard.later(301).shows("a", 8 * 3600 + 301), AgentState::Silent);
}

#[test]
fn a_question_is_a_state_of_its_own_once_nobody_answers() {
    let mut guard = Guard::tmux(5.0);
    assert_eq!(guard.shows("Continue? [y/n] ", 0), AgentState::Working, "just asked");
    assert_eq!(guard.later(60).shows("Continue? [y/n] ", 60), AgentState::WaitingForInput);
    assert_eq!(guard.claims()[0].evidence["last_line"], "Continue? [y/n]");
    assert_eq!(guard.later(3600).shows("Continue? [y/n] ", 3660), AgentState::WaitingForInput);
    assert!(guard.is_well(SILENT), "one fact has one name");
    assert_eq!(guard.later(5).shows("Continue? [y/n] y\ngoing on", 1), AgentState::Working);
    assert!(guard.is_well(WAITS));
}

#[test]
fn a_process_that_ended_and_a_command_that_does_not_run_are_dead() {
    let mut guard = Guard::tmux(5.0);
    let mut ended = facts("bye", start());
    ended.ended = Some("its process ended with status 1".into());
    assert_eq!(guard.sees(AgentFacts::Pane(Box::new(ended))), AgentState::Dead);
    assert_eq!(guard.claims()[0].severity, Severity::Critical);
    let mut shell = facts("$ ", start());
    shell.runs_command = Some(false);
    shell.current = "bash".into();
    assert_eq!(guard.sees(AgentFacts::Pane(Box::new(shell))), AgentState::Dead);
    assert!(guard.says().contains("bash stands there"), "{}", guard.says());
}

#[test]
fn a_renamed_session_is_followed_and_told_for_information() {
    let mut guard = Guard::tmux(5.0);
    guard.shows("a", 0);
    let mut moved = facts("a\nb", start());
    moved.renamed = true;
    moved.place = "writer:0.0".into();
    assert_eq!(guard.sees(AgentFacts::Pane(Box::new(moved))), AgentState::Working);
    let claims = guard.claims();
    assert_eq!((claims.len(), claims[0].subject.syndrome.as_str()), (1, RENAMED));
    assert_eq!(claims[0].severity, Severity::Info);
}

#[test]
fn no_server_is_unknown_until_the_agent_was_seen_and_its_death_afterwards() {
    let gone = AgentFacts::Missing { what: Missing::Server, why: "no tmux server runs".into() };
    let mut guard = Guard::tmux(5.0);
    assert_eq!(guard.sees(gone.clone()), AgentState::Unknown);
    assert_eq!(guard.claims()[0].severity, Severity::Unknown);
    guard.shows("a", 0);
    assert_eq!(guard.sees(gone), AgentState::Dead);
    assert_eq!(guard.claims()[0].evidence["missing"], "server");
}

#[test]
fn what_cannot_be_looked_at_is_unknown_and_closes_nothing() {
    let mut guard = Guard::tmux(5.0);
    assert_eq!(guard.shows("a", 600), AgentState::Silent);
    assert_eq!(guard.observes(&Observation::Failed { why: "no answer".into() }), AgentState::Unknown);
    assert!(!guard.is_well(SILENT));
    assert_eq!(guard.shows("a\nb", 0), AgentState::Working);
    assert!(guard.is_well(UNKNOWN) && guard.is_well(SILENT));
}

fn probe() -> Probe {
    Probe {
        command: vec!["ask".into()],
        directory: "/".into(),
        expect: Some("ready".into()),
        interval: Duration::from_hours(6),
        timeout: Duration::from_secs(30),
    }
}

#[test]
fn a_stateless_agent_is_asked_when_it_is_due_and_never_dead() {
    let mut guard = Guard::new(AgentKind::Stateless(Some(probe())));
    let due = |guard: &Guard| guard.memory.is_due(guard.clock.wall, Duration::from_hours(6));
    assert!(due(&guard));
    assert_eq!(guard.sees(AgentFacts::Answer { good: true, said: "ready".into() }), AgentState::Working);
    assert!(!due(&guard));
    assert_eq!(guard.later(6 * 3600 - 1).observes(&Observation::Absent), AgentState::Working);
    assert!(!due(&guard) && guard.claims().is_empty());
    assert!(due(guard.later(1)));
    assert_eq!(guard.sees(AgentFacts::NoAnswer { why: "no answer".into() }), AgentState::Silent);
    assert_eq!(guard.claims()[0].severity, Severity::Warning);
    assert!(due(&guard), "one that gave no good answer is asked again");
    let mut unasked = Guard::new(AgentKind::Stateless(None));
    assert_eq!(unasked.observes(&Observation::Absent), AgentState::NotProbed);
    assert!(unasked.judged.unwrap().opinions.is_empty());
}

fn beats(error_rate_max: Option<f64>) -> Guard {
    let max_age = Duration::from_mins(2);
    Guard::new(AgentKind::Heartbeat(Heartbeat { path: None, max_age, error_rate_max }))
}

fn beat(at: DateTime<Utc>, counts: Option<(u64, u64)>) -> AgentFacts {
    let counts = counts.map(|(requests, errors)| Counts { requests, errors });
    AgentFacts::Beat(BeatFacts { path: "/beat".into(), at, by_file: false, counts })
}

#[test]
fn a_heartbeat_is_silent_when_it_is_too_old_missing_or_never_came() {
    let mut guard = beats(None);
    let now = |guard: &Guard| guard.clock.wall;
    assert_eq!(guard.sees(beat(start() - TimeDelta::seconds(120), None)), AgentState::Working);
    assert_eq!(guard.sees(beat(start() - TimeDelta::seconds(121), None)), AgentState::Silent);
    let ahead = now(&guard) + TimeDelta::minutes(3);
    assert_eq!(guard.sees(beat(ahead, None)), AgentState::Unknown);
    let gone = AgentFacts::Missing { what: Missing::File, why: "there is no /beat".into() };
    assert_eq!(guard.sees(gone.clone()), AgentState::Silent);
    let mut never = beats(None);
    assert_eq!(never.sees(gone.clone()), AgentState::Unknown);
    assert_eq!(never.later(121).sees(gone), AgentState::Silent);
}

#[test]
fn failing_requests_are_counted_between_patrols_and_not_before_the_first() {
    let mut guard = beats(Some(0.2));
    let mut patrol = |later, counts| {
        let at = guard.later(later).clock.wall;
        guard.sees(beat(at, Some(counts)));
        let failing = guard.claims().into_iter().find(|claim| claim.subject.syndrome == FAILING);
        failing.map(|claim| claim.evidence["errors"].as_u64().unwrap())
    };
    assert_eq!(patrol(0, (1000, 900)), None, "what was before is history");
    assert_eq!(patrol(600, (1005, 905)), None, "too few to say anything");
    assert_eq!(patrol(600, (1020, 910)), Some(10));
    assert_eq!(patrol(3000, (1100, 910)), None, "10 of 100 in the window");
    assert_eq!(patrol(3600, (1150, 910)), None);
    assert_eq!(patrol(600, (20, 15)), Some(15), "the counters began anew");
}
