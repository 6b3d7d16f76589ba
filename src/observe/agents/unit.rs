//! A systemd unit of the user.

use super::{AgentFacts, Missing, Observation, command};
use std::env;
use std::time::Duration;

/// Asks the user's systemd. Cron sets no `XDG_RUNTIME_DIR`, without which `systemctl --user` finds no bus.
pub(super) fn read(unit: &str, patience: Duration) -> Observation<AgentFacts> {
    let uid = rustix::process::getuid().as_raw();
    let runtime = match env::var_os("XDG_RUNTIME_DIR") {
        Some(set) if !set.is_empty() => set.to_string_lossy().into_owned(),
        _ => format!("/run/user/{uid}"),
    };
    let runtime = format!("XDG_RUNTIME_DIR={runtime}");
    let show = ["show", "--property=LoadState,ActiveState,SubState,Result,MainPID", "--", unit];
    let arguments: Vec<&str> = [runtime.as_str(), "systemctl", "--user"].into_iter().chain(show).collect();
    let said = match command::run("env", &arguments, None, patience) {
        Ok(said) => said,
        Err(error) => return Observation::Failed { why: format!("systemctl --user: {error}") },
    };
    if !said.success {
        return Observation::Failed { why: format!("systemctl --user: {}", said.complaint()) };
    }
    state(unit, &said.stdout)
}

fn state(unit: &str, shown: &str) -> Observation<AgentFacts> {
    let value = |key: &str| {
        let line = shown.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().to_owned()
    };
    let (load, active, sub) = (value("LoadState"), value("ActiveState"), value("SubState"));
    match active.as_str() {
        "active" | "activating" | "reloading" | "refreshing" => Observation::Known(AgentFacts::Alive {
            what: format!("unit {unit} is {active} ({sub}), main process {}", value("MainPID")),
            identity: None,
        }),
        "inactive" | "failed" | "deactivating" | "maintenance" => {
            let why = if load == "not-found" {
                format!("the user's systemd knows no unit {unit}")
            } else {
                format!("unit {unit} is {active} ({sub}, result {})", value("Result"))
            };
            Observation::Known(AgentFacts::Missing { what: Missing::Unit, why })
        }
        other => Observation::Failed { why: format!("systemctl says that unit {unit} is '{other}'") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_state_is_alive_missing_or_not_to_be_told() {
        let show = |load, active, sub| {
            format!("LoadState={load}\nActiveState={active}\nSubState={sub}\nResult=exit-code\nMainPID=7\n")
        };
        let read = |text: &str| state("agent.service", text);
        for active in ["active", "activating", "reloading"] {
            let facts = read(&show("loaded", active, "running"));
            assert!(matches!(facts, Observation::Known(AgentFacts::Alive { .. })), "{facts:?}");
        }
        for (load, active, word) in
            [("loaded", "failed", "exit-code"), ("not-found", "inactive", "knows no unit agent.service")]
        {
            match read(&show(load, active, "dead")) {
                Observation::Known(AgentFacts::Missing { what: Missing::Unit, why }) => {
                    assert!(why.contains(word), "{why}");
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(read("nonsense"), Observation::Failed { .. }));
    }
}
