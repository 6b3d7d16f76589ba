//! `runs[].actions`: what may stand there, and what a mistake there reads like.

use super::*;
use crate::config::actions::{Action, AskedBy, Hold, Program, Restart};
use crate::finding::Severity;
use std::fmt::Write;

fn actions(of: &str) -> Result<Actions> {
    let text = format!("runs:\n- name: a\n  log: l\n  actions: {of}\n");
    let place = Place::with(&[("c.yaml", &text)]);
    place.load(&["c.yaml"]).map(|config| config.runs[0].actions.clone())
}

fn action(of: &str) -> Action {
    actions(&format!("{{critical: {of}}}")).unwrap().of("nan_loss", Severity::Critical).unwrap().clone()
}

fn program(arguments: &[&str]) -> Program {
    let Action::Command(Program { directory, timeout, .. }) = action("{command: [true]}") else { panic!() };
    // The directory is that of the config, which each test has for itself.
    let _ = directory;
    Program {
        arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
        directory: PathBuf::new(),
        timeout,
    }
}

/// Without the directory, in which every test is elsewhere.
fn nowhere(mut action: Action) -> Action {
    let program = match &mut action {
        Action::Command(program) | Action::Pause(Hold::Command(program)) => Some(program),
        Action::Restart(restart) => restart.command.as_mut(),
        _ => None,
    };
    if let Some(program) = program {
        program.directory = PathBuf::new();
    }
    if let Action::Restart(restart) = &mut action {
        assert!(restart.log.take().is_some_and(|log| log.ends_with("l")));
    }
    action
}

#[test]
fn every_form_is_read() {
    let restart = |max_restarts, command| Action::Restart(Restart { max_restarts, command, log: None });
    let seconds = Duration::from_secs;
    let table = [
        ("alert", Action::Alert),
        ("stop", Action::Stop { grace: seconds(30) }),
        ("{stop: {grace: 60s}}", Action::Stop { grace: seconds(60) }),
        ("{stop: {}}", Action::Stop { grace: seconds(30) }),
        ("pause", Action::Pause(Hold::Freeze)),
        ("{pause: {}}", Action::Pause(Hold::Freeze)),
        ("{pause: {signal: USR1}}", Action::Pause(Hold::Signal(AskedBy::USR1))),
        ("{pause: {signal: SIGUSR2}}", Action::Pause(Hold::Signal(AskedBy::USR2))),
        (
            "{pause: {command: [scontrol, suspend, 7]}}",
            Action::Pause(Hold::Command(program(&["scontrol", "suspend", "7"]))),
        ),
        ("restart", restart(3, None)),
        ("{restart: {max_restarts: 5}}", restart(5, None)),
        (
            "{restart: [systemctl, restart, train]}",
            restart(3, Some(program(&["systemctl", "restart", "train"]))),
        ),
        (
            "{restart: {max_restarts: 1, command: [scontrol, requeue, \"12\"]}}",
            restart(1, Some(program(&["scontrol", "requeue", "12"]))),
        ),
        ("{command: [tell, me]}", Action::Command(program(&["tell", "me"]))),
        (
            "{command: [tell], timeout: 2m}",
            Action::Command(Program { timeout: seconds(120), ..program(&["tell"]) }),
        ),
    ];
    for (text, expected) in table {
        assert_eq!(nowhere(action(text)), expected, "{text}");
    }
}

#[test]
fn a_syndromes_own_rule_stands_before_that_of_its_severity() {
    let actions = actions("{critical: pause, nan_loss: alert, disk_low: stop}").unwrap();
    assert_eq!(actions.of("nan_loss", Severity::Critical), Some(&Action::Alert));
    assert!(matches!(actions.of("disk_low", Severity::Warning), Some(Action::Stop { .. })));
    assert!(matches!(actions.of("cuda_oom", Severity::Critical), Some(Action::Pause(_))));
    assert_eq!(actions.of("loss_spike", Severity::Warning), None);
}

#[test]
fn a_program_with_a_slash_lies_beside_the_config_and_the_users_own_syndromes_have_actions_too() {
    let text = "playbook:\n  syndromes:\n  - {id: mine, title: t, severity: critical, literals: [wrongly ended], means: m., told_apart: t., advice: a., examples: [it wrongly ended]}\nruns:\n- {name: a, log: l, actions: {mine: {command: [./tell.sh, ./x]}}}\n";
    let place = Place::with(&[("d/c.yaml", text)]);
    let config = place.load(&["d/c.yaml"]).unwrap();
    let Some(Action::Command(program)) = config.runs[0].actions.of("mine", Severity::Critical) else {
        panic!()
    };
    assert_eq!(program.arguments, [place.path("d/tell.sh").to_str().unwrap(), "./x"]);
    assert_eq!(program.directory, place.path("d"));
}

#[test]
fn every_mistake_says_where_it_is_and_what_to_write() {
    let mistakes = [
        "{critcal: stop}",
        "{proces_dead: restart}",
        "{everything: stop}",
        "{critical: halt}",
        "{critical: restrat}",
        "{critical: 3}",
        "{critical: [stop]}",
        "{critical: {stopp: {}}}",
        "{critical: {stop: {grase: 3s}}}",
        "{critical: {stop: {grace: 3 weeks}}}",
        "{critical: {stop: {grace: 2d}}}",
        "{critical: {stop: {}, pause: {}}}",
        "{critical: {}}",
        "{critical: {pause: {signal: KILL}}}",
        "{critical: {pause: {signal: USR1, command: [x]}}}",
        "{critical: {restart: {max_restarts: -1}}}",
        "{critical: {restart: []}}",
        "{critical: {restart: yes}}",
        "{critical: {command: []}}",
        "{critical: {command: x}}",
        "{critical: {command: [x], timeout: 1h}}",
        "{critical: {stop: {}, timeout: 1s}}",
        "[stop]",
        "stop",
    ];
    let mut read = String::new();
    for text in mistakes {
        let _ = writeln!(read, "{}\n", actions(text).expect_err(text));
    }
    insta::assert_snapshot!(read);
}
