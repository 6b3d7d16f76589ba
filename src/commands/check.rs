//! `trainguard check`: what was understood of the config, and whether its surroundings fit.

use crate::config::trust::{self, Caller};
use crate::config::{Config, LoadArgs, ProcessSpec, Run, is_glob, load, log_directory};
use crate::error::{Error, Result};
use crate::finding::Severity;
use rustix::fs::Access;
use std::io::{ErrorKind, Write};
use std::path::Path;

/// What is known of one part of the surroundings: a line, and how bad it is.
struct Remark {
    severity: Severity,
    text: String,
}

fn well(text: impl Into<String>) -> Remark {
    Remark {
        severity: Severity::Ok,
        text: text.into(),
    }
}

fn odd(text: impl Into<String>) -> Remark {
    Remark {
        severity: Severity::Warning,
        text: text.into(),
    }
}

/// Loads the config, prints what it says and what is odd around it, and returns how bad that is.
///
/// # Errors
/// A config that cannot be used, or an output that cannot be written.
pub fn run(args: &LoadArgs<'_>, out: &mut dyn Write) -> Result<Severity> {
    let config = load(args)?;
    let mut worst = Severity::Ok;
    let text = describe(&config, &mut worst);
    out.write_all(text.as_bytes())
        .map_err(Error::io("write", Path::new("standard output")))?;
    Ok(worst)
}

fn describe(config: &Config, worst: &mut Severity) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut say = |label: &str, remark: Remark| {
        *worst = (*worst).max(remark.severity);
        let mark = if remark.severity == Severity::Ok {
            ""
        } else {
            "WARNING: "
        };
        lines.push(format!("{label:<14}{mark}{}", remark.text));
    };
    for file in &config.files {
        say("config", well(file.display().to_string()));
    }
    if config.runs.is_empty() {
        say(
            "runs",
            odd("there are none: add `runs:`, or give patrol a --log"),
        );
    }
    for run in &config.runs {
        say("run", well(&run.name));
        for (label, remark) in surroundings(run) {
            say(label, remark);
        }
    }
    say("state", directory_to_write(&config.state_dir));
    say("health file", file_to_write(&config.health_file));
    say(
        "terminal",
        well(if config.channels.terminal {
            "on"
        } else {
            "off"
        }),
    );
    match &config.channels.file {
        Some(file) => say("alert file", file_to_write(file)),
        None => say("alert file", well("off")),
    }
    for (severity, channels) in &config.routing {
        let reached = channels.iter().any(|channel| match channel.as_str() {
            "terminal" => config.channels.terminal,
            "file" => config.channels.file.is_some(),
            _ => false,
        });
        let route = format!("{severity} to {}", channels.join(", "));
        let silent = *severity == Severity::Critical && !reached;
        say(
            "routing",
            if silent {
                odd(format!("{route}: it reaches nobody"))
            } else {
                well(route)
            },
        );
    }
    for note in &config.notes {
        say("note", well(note));
    }
    let word = worst.status_word();
    let files = config.files.len();
    let runs = config.runs.len();
    let first = format!("{word}: the config can be used; files read: {files}, runs: {runs}");
    lines.insert(0, first);
    lines.join("\n") + "\n"
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
        None => remarks.push((
            "  process",
            well("not named: only the log tells whether it lives"),
        )),
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
            Err(error) => odd(format!(
                "{shown} cannot be read ({})",
                std::io::Error::from(error)
            )),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => {
            odd(format!("{shown} does not exist yet"))
        }
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
        Ok(metadata) if !metadata.is_file() => {
            odd(format!("{} is not a regular file", file.display()))
        }
        Ok(_) | Err(_) => creatable(file),
    }
}

/// Whether what is not there yet could be made in the nearest directory that is there.
fn creatable(path: &Path) -> Remark {
    let parents = path.ancestors().skip(1);
    match parents
        .into_iter()
        .find(|parent| parent.symlink_metadata().is_ok())
    {
        Some(parent) => writable(parent, path),
        None => odd(format!("{}: no directory above it exists", path.display())),
    }
}

fn writable(directory: &Path, shown: &Path) -> Remark {
    let shown = shown.display();
    if !directory.is_dir() {
        return odd(format!(
            "{shown}: {} is not a directory",
            directory.display()
        ));
    }
    match rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => well(shown.to_string()),
        Err(error) => {
            let why = std::io::Error::from(error);
            odd(format!(
                "{shown}: {} cannot be written to ({why})",
                directory.display()
            ))
        }
    }
}
