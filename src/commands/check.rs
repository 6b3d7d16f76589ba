//! `trainguard check`: what was understood of the config, and whether its surroundings fit.

use crate::config::trust::{self, Caller};
use crate::config::{
    Address, Agent, AgentKind, Config, ENVIRONMENT, Judge, Kind, LoadArgs, Named, ProcessSpec, Run,
    SessionSpec, Source, is_glob, load, log_directory,
};
use crate::error::{Error, Result};
use crate::finding::Severity;
use crate::playbook::Entry;
use chrono::{DateTime, Utc};
use rustix::fs::Access;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

/// What is known of one part of the surroundings: a line, and how bad it is.
struct Remark {
    severity: Severity,
    text: String,
}

fn well(text: impl Into<String>) -> Remark {
    Remark { severity: Severity::Ok, text: text.into() }
}

fn odd(text: impl Into<String>) -> Remark {
    Remark { severity: Severity::Warning, text: text.into() }
}

/// Loads the config, prints what it says and what is odd around it, and returns how bad that is.
///
/// # Errors
/// A config that cannot be used, or an output that cannot be written.
pub fn run(
    args: &LoadArgs<'_>,
    environment: Option<(Duration, DateTime<Utc>)>,
    out: &mut dyn Write,
) -> Result<Severity> {
    let config = load(args)?;
    let mut worst = Severity::Ok;
    let environment = environment.map(|(limit, now)| super::environment::look(&config, limit, now));
    let text = describe(&config, environment.unwrap_or_default(), &mut worst);
    out.write_all(text.as_bytes()).map_err(Error::io("write", Path::new("standard output")))?;
    Ok(worst)
}

fn describe(config: &Config, environment: Vec<(Severity, String)>, worst: &mut Severity) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut say = |label: &str, remark: Remark| {
        *worst = (*worst).max(remark.severity);
        let mark = match remark.severity {
            Severity::Ok => String::new(),
            bad => format!("{}: ", bad.status_word()),
        };
        lines.push(format!("{label:<14}{mark}{}", remark.text));
    };
    for file in &config.files {
        say("config", well(file.display().to_string()));
    }
    if config.runs.is_empty() && config.agents.is_empty() && config.downloads.is_empty() {
        let next = "none: add `runs:`, or give patrol a --log beside this config";
        say("runs", well(next));
    }
    for run in &config.runs {
        say("run", well(&run.name));
        for (label, remark) in surroundings(run) {
            say(label, remark);
        }
    }
    for agent in &config.agents {
        say("agent", agent_remark(agent, config.trusted));
    }
    for download in &config.downloads {
        let asks = [
            download.bytes.map(|bytes| format!("{bytes} bytes")),
            download.files.map(|files| format!("{files} files")),
            download.manifest.as_ref().map(|manifest| format!("as {} lists", manifest.display())),
        ];
        let asks: Vec<String> = asks.into_iter().flatten().collect();
        say("download", well(format!("{}: {}, {}", download.name, download.path.display(), asks.join(", "))));
    }
    match (&config.environment, environment.is_empty()) {
        (Some(_), true) => say(ENVIRONMENT, well("looked at with --environment, and while a run waits")),
        _ => environment.into_iter().for_each(|(severity, text)| say(ENVIRONMENT, Remark { severity, text })),
    }
    for entry in config.playbook.own() {
        say("playbook", well(syndrome(entry)));
    }
    if !config.playbook.disabled().is_empty() {
        say("playbook", well(format!("disabled: {}", config.playbook.disabled().join(", "))));
    }
    say("state", directory_to_write(&config.state_dir));
    say("health file", file_to_write(&config.health_file));
    if let Some(file) = &config.prometheus_textfile {
        say("text file", file_to_write(file));
    }
    say("terminal", well(if config.channels.terminal { "on" } else { "off" }));
    match &config.channels.file {
        Some(file) => say("alert file", file_to_write(file)),
        None => say("alert file", well("off")),
    }
    for named in &config.channels.named {
        say("channel", channel_remark(named, config));
    }
    for run in &config.runs {
        if let Some(server) = &run.orchestrator {
            say("orchestrator", well(format!("{} is run {} of {}", run.name, server.run_id, server.address)));
        }
    }
    for (severity, channels) in &config.routing {
        let reached = channels.iter().any(|channel| match channel.as_str() {
            "terminal" => config.channels.terminal,
            "file" => config.channels.file.is_some(),
            name => config.channels.named.iter().any(|named| named.name == name),
        });
        let route = format!("{severity} to {}", channels.join(", "));
        let silent = *severity == Severity::Critical && !reached;
        say("routing", if silent { odd(format!("{route}: it reaches nobody")) } else { well(route) });
    }
    if let Some(judge) = &config.judge {
        say("judge", judge_remark(judge, config.trusted));
    }
    if let Some(heartbeat) = &config.heartbeat {
        say("heartbeat", heartbeat_remark(heartbeat, config.trusted));
    }
    for note in &config.notes {
        say("note", well(note));
    }
    if !config.trusted {
        say("trust", odd("others can change this config: see the note"));
    }
    let word = worst.status_word();
    let files = config.files.len();
    let runs = config.runs.len();
    let first = format!("{word}: the config can be used; files read: {files}, runs: {runs}");
    lines.insert(0, first);
    lines.join("\n") + "\n"
}

/// How an agent is known to live. Nobody is asked here.
fn agent_remark(agent: &Agent, trusted: bool) -> Remark {
    let how = match &agent.kind {
        AgentKind::Tmux(pane) => {
            let command = pane.command.as_ref().map(|regex| format!(", in which /{regex}/ runs"));
            let minutes = pane.output_max.as_secs_f64() / 60.0;
            format!("tmux {}{}, output every {minutes} min", pane.target, command.unwrap_or_default())
        }
        AgentKind::Session(SessionSpec::Tmux(target, _)) => format!("session, tmux {target}"),
        AgentKind::Session(SessionSpec::Unit(unit)) => format!("session, unit {unit}"),
        AgentKind::Session(SessionSpec::Process(ProcessSpec::PidFile(path))) => {
            format!("session, pid file {}", path.display())
        }
        AgentKind::Session(SessionSpec::Process(ProcessSpec::Match(regex))) => {
            format!("session, command line matches {regex}")
        }
        AgentKind::Session(SessionSpec::Process(ProcessSpec::Pid(pid))) => format!("session, pid {pid}"),
        // Runs alone are launched.
        AgentKind::Session(SessionSpec::Process(ProcessSpec::Launched(_))) => "session".to_owned(),
        AgentKind::Session(SessionSpec::Command(probe)) => format!("session, asked by {}", probe.command[0]),
        AgentKind::Stateless(None) => "stateless, not probed".to_owned(),
        AgentKind::Stateless(Some(probe)) => {
            let hours = probe.interval.as_secs_f64() / 3600.0;
            format!("stateless, asked by {} every {hours} h", probe.command[0])
        }
        AgentKind::Heartbeat(beat) => {
            format!("heartbeat, every {} min at least", beat.max_age.as_secs_f64() / 60.0)
        }
    };
    let asked =
        matches!(&agent.kind, AgentKind::Stateless(Some(_)) | AgentKind::Session(SessionSpec::Command(_)));
    let text = format!("{}: {how}", agent.name);
    if asked && !trusted {
        return odd(format!("{text}: nothing is run, for others can change this config"));
    }
    well(text)
}

/// A user's own syndrome, which the load has held to its examples.
fn syndrome(entry: &Entry) -> String {
    let count = |list: &[&str], one: &str, many: &str| match list.len() {
        0 => format!("no {one}"),
        1 => format!("1 {one}"),
        more => format!("{more} {many}"),
    };
    let examples = count(entry.examples, "example", "examples");
    format!("{}: {examples}, {}", entry.id, count(entry.near_misses, "near miss", "near misses"))
}

/// Whether a channel would be used. Nothing is sent here: `--alerts` does.
fn channel_remark(named: &Named, config: &Config) -> Remark {
    let Named { name, kind } = named;
    let (to, missing) = match kind {
        Kind::Webhook(webhook) => address(&webhook.address),
        Kind::Alertmanager(settings) => address(&settings.address),
        Kind::Command(program) => {
            let path = Path::new(&program.command[0]);
            (program.command[0].clone(), path.is_absolute().then_some(path))
        }
        Kind::Syslog(socket) | Kind::Journald(socket) => {
            (socket.display().to_string(), Some(socket.as_path()))
        }
    };
    let text = format!("{name}: {} to {to}", kind.word());
    let runs = matches!(kind, Kind::Command(_));
    let access = if runs { Access::EXEC_OK } else { Access::READ_OK };
    if let Some(error) = missing.and_then(|path| rustix::fs::access(path, access).err()) {
        return odd(format!("{text}: it cannot be used ({})", std::io::Error::from(error)));
    }
    if !config.trusted {
        return odd(format!("{text}: nothing is sent there, for others can change this config"));
    }
    if !config.routing.values().flatten().any(|routed| routed == name) {
        return odd(format!("{text}: no severity is routed to it: add it under `severity_routing`"));
    }
    well(text)
}

fn address(source: &Source<Address>) -> (String, Option<&Path>) {
    match source {
        Source::Here(address) => (address.to_string(), None),
        Source::File(path) => (format!("the address in {}", path.display()), Some(path.as_path())),
    }
}

/// Whether a patrol could say that it takes place. It is not said here.
fn heartbeat_remark(source: &Source<Address>, trusted: bool) -> Remark {
    let (to, missing) = address(source);
    if let Some(error) = missing.and_then(|path| rustix::fs::access(path, Access::READ_OK).err()) {
        return odd(format!("{to}: it cannot be used ({})", std::io::Error::from(error)));
    }
    if trusted { well(to) } else { odd(format!("{to}: it is not told, for others can change this config")) }
}

/// Whether the judge would be asked. It is not asked here: that costs money.
fn judge_remark(judge: &Judge, trusted: bool) -> Remark {
    let program = &judge.command[0];
    let interval = judge.min_interval.as_secs_f64() / 60.0;
    let text = format!("{program}, every {interval} min at most, {} s each", judge.timeout.as_secs_f64());
    let missing = program.starts_with('/') && rustix::fs::access(program, Access::EXEC_OK).is_err();
    match (missing, trusted) {
        (true, _) => odd(format!("{text}: it cannot be executed")),
        (_, false) => odd(format!("{text}: it is not run, for others can change this config")),
        _ => well(text),
    }
}

fn surroundings(run: &Run) -> Vec<(&'static str, Remark)> {
    let mut remarks = Vec::new();
    match &run.log {
        Some(log) => remarks.push(("  log", log_remark(log))),
        None => remarks.push(("  log", odd("none: loss and errors cannot be seen"))),
    }
    match &run.process {
        Some(ProcessSpec::Pid(pid)) => remarks.push(("  process", well(format!("pid {pid}")))),
        Some(ProcessSpec::PidFile(file)) => remarks.push(("  process", exists("pid file", file))),
        Some(ProcessSpec::Match(regex)) => {
            remarks.push(("  process", well(format!("command line matches {regex}"))));
        }
        Some(ProcessSpec::Launched(process)) => {
            remarks.push(("  process", well(format!("launched as pid {}", process.pid))));
        }
        None => remarks.push(("  process", well("not named: only the log tells whether it lives"))),
    }
    if let Some(checkpoints) = &run.checkpoints {
        remarks.push(("  checkpoints", exists("directory", &checkpoints.dir)));
    }
    if let Some(steps) = run.total_steps {
        remarks.push(("  steps", well(steps.to_string())));
    }
    if let Some(regex) = &run.done_when {
        remarks.push(("  done when", well(regex)));
    }
    remarks
}

fn log_remark(log: &Path) -> Remark {
    let shown = log.display();
    let directory = log_directory(log);
    if let Err(error) = directory.read_dir() {
        return odd(format!("{shown}: its directory cannot be read ({error})"));
    }
    if is_glob(log) {
        return match glob::glob(&log.to_string_lossy()).map(Iterator::count) {
            Ok(0) => odd(format!("{shown}: no file matches yet")),
            Ok(files) => well(format!("{shown}: files now: {files}")),
            Err(error) => odd(format!("{shown}: {error}")),
        };
    }
    match log.metadata() {
        Ok(metadata) if !metadata.is_file() => odd(format!("{shown} is not a regular file")),
        Ok(_) => match rustix::fs::access(log, Access::READ_OK) {
            Ok(()) => well(shown.to_string()),
            Err(error) => odd(format!("{shown} cannot be read ({})", std::io::Error::from(error))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => odd(format!("{shown} does not exist yet")),
        Err(error) => odd(format!("{shown} cannot be looked at ({error})")),
    }
}

fn exists(kind: &str, path: &Path) -> Remark {
    match path.metadata() {
        Ok(_) => well(format!("{kind} {}", path.display())),
        Err(error) => odd(format!("{kind} {}: {error}", path.display())),
    }
}

fn directory_to_write(directory: &Path) -> Remark {
    let shown = directory.display();
    match directory.symlink_metadata() {
        Ok(metadata) if metadata.is_symlink() => {
            odd(format!("{shown} is a symbolic link: patrol will refuse it"))
        }
        Ok(metadata) if !metadata.is_dir() => odd(format!("{shown} is not a directory")),
        Ok(metadata) => match trust::fault(directory, &metadata, Caller::current()) {
            Some(fault) => odd(format!("{fault}; patrol will refuse it")),
            None => writable(directory, directory),
        },
        Err(_) => creatable(directory),
    }
}

fn file_to_write(file: &Path) -> Remark {
    match file.metadata() {
        Ok(metadata) if !metadata.is_file() => odd(format!("{} is not a regular file", file.display())),
        Ok(_) | Err(_) => creatable(file),
    }
}

/// Whether what is not there yet could be made in the nearest directory that is there.
fn creatable(path: &Path) -> Remark {
    let parents = path.ancestors().skip(1);
    match parents.into_iter().find(|parent| parent.symlink_metadata().is_ok()) {
        Some(parent) => writable(parent, path),
        None => odd(format!("{}: no directory above it exists", path.display())),
    }
}

fn writable(directory: &Path, shown: &Path) -> Remark {
    let shown = shown.display();
    if !directory.is_dir() {
        return odd(format!("{shown}: {} is not a directory", directory.display()));
    }
    match rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => well(shown.to_string()),
        Err(error) => {
            let why = std::io::Error::from(error);
            odd(format!("{shown}: {} cannot be written to ({why})", directory.display()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn place(config: &str) -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        put(&dir, "trainguard.yaml", config);
        dir
    }

    fn put(dir: &TempDir, name: &str, text: &str) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
    }

    fn check(dir: &TempDir) -> (Severity, String) {
        let no_environment = |_: &str| -> Option<OsString> { None };
        let args = LoadArgs {
            config: vec!["trainguard.yaml".into()],
            state_dir: None,
            health_file: None,
            log: None,
            cwd: dir.path().to_owned(),
            needs_no_config: false,
            env: &no_environment,
        };
        let mut out = Vec::new();
        let severity = run(&args, None, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        (severity, text.replace(&dir.path().display().to_string(), "DIR"))
    }

    #[test]
    fn a_config_that_fits_its_surroundings_is_told_in_full() {
        let dir = place(
            "runs:\n- {name: gpt, log: logs/train.log, process: {match: 'train\\.py'}, checkpoints: {dir: ck}, total_steps: 1000, done_when: 'all done'}\n- {name: ranks, log: 'logs/rank*.log', process: {pid: 7}}\nenvironment: {}\njudge: {command: [claude, -p], timeout: 20}\n",
        );
        put(&dir, "logs/train.log", "");
        put(&dir, "logs/rank0.log", "");
        put(&dir, "ck/a.pt", "");
        let (severity, text) = check(&dir);
        insta::assert_snapshot!(text);
        assert_eq!(severity, Severity::Ok);
    }

    #[test]
    fn what_is_odd_around_a_config_is_a_warning() {
        let dir = place(
            "runs:\n- {name: a, log: none.log, process: {pid_file: a.pid}, checkpoints: {dir: ck}}\n- {name: b, log: 'none*.log'}\n- {name: c, log: gone/c.log}\n- {name: d, log: logs}\n- {name: e, process: {pid: 7}}\nchannels: {terminal: {enabled: false}, file: {enabled: false}}\nhealth_file: trainguard.yaml/h.yaml\n",
        );
        fs::create_dir(dir.path().join("logs")).unwrap();
        symlink("/tmp", dir.path().join(".trainguard")).unwrap();
        let (severity, text) = check(&dir);
        insta::assert_snapshot!(text);
        assert_eq!(severity, Severity::Warning);
    }

    #[test]
    fn thresholds_alone_are_a_config_and_the_missing_runs_are_said() {
        let (severity, text) = check(&place("patrol: {disk_min_gb: 5}\n"));
        assert_eq!(severity, Severity::Ok);
        assert!(text.contains("runs          none: add `runs:`"), "{text}");
    }
}
