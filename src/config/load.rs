//! From flags and files to a [`Config`]: what is read, in which order, and what rests on what.

use super::audit::{self, Verdict};
use super::bare::{self, BareLog};
use super::document::Document;
use super::expand::Env;
use super::files::{self, Found};
use super::locate::Aim;
use super::section::Section;
use super::{
    Agent, Config, Download, Environment, HEALTH_FILE, Orchestrator, Run, STATE_DIR, agents, alerting,
    diagnose, downloads, environment, exposure, gpu, history, judge, metrics, orchestrator, paths, playbook,
    preflight, raw, runs, thresholds,
};
use crate::error::{Error, Result};
use crate::playbook::Catalogue;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The smallest config that guards something.
pub const EXAMPLE: &str = "runs:\n  - name: mine\n    log: train.log\n";

/// What an invocation was called with. The environment and the working directory are arguments too.
pub struct LoadArgs<'a> {
    /// `--config`, in order.
    pub config: Vec<PathBuf>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// `--health-file`.
    pub health_file: Option<PathBuf>,
    /// `--log` and what belongs to it.
    pub log: Option<BareLog>,
    /// The working directory, absolute.
    pub cwd: PathBuf,
    /// The environment.
    pub env: Env<'a>,
    /// Without a config the working directory is the base, and all is as by default.
    pub needs_no_config: bool,
}

impl<'a> LoadArgs<'a> {
    /// The flags that all commands share; no bare log.
    pub fn new(common: &crate::cli::Common, cwd: PathBuf, env: Env<'a>) -> Self {
        Self {
            config: common.config.clone(),
            state_dir: common.state_dir.clone(),
            health_file: common.health_file.clone(),
            log: None,
            cwd,
            env,
            needs_no_config: false,
        }
    }

    /// The same for a command that goes without a config.
    #[must_use]
    pub fn without_config(mut self) -> Self {
        self.needs_no_config = true;
        self
    }

    /// The same with the bare log of `trainguard patrol`, if one was given.
    #[must_use]
    pub fn with_log(mut self, log: Option<BareLog>) -> Self {
        self.log = log;
        self
    }
}

/// Loads the config.
///
/// # Errors
/// [`Error::Config`] names file, line, column and what to do; [`Error::Usage`] says what to type
/// where there is neither a config nor a log. Nothing is half-applied.
pub fn load(args: &LoadArgs<'_>) -> Result<Config> {
    let found = if args.log.is_some() && args.config.is_empty() {
        Found::default()
    } else {
        files::find(&args.config, &args.cwd, args.env)?
    };
    if args.log.is_none() && found.base.is_none() && !args.needs_no_config {
        return Err(nothing_to_do(args));
    }
    let merged = Merged::read(&found.documents, args.env)?;
    let mut notes: Vec<String> = Vec::new();
    let trusted = found.faults.is_empty();
    for fault in &found.faults {
        notes.push(format!("{fault} (it is read, but runs no command, sends no message and no signal)"));
    }
    for (name, _) in &merged.homes {
        if !raw::SECTIONS_IN_EFFECT.contains(name) {
            notes.push(super::not_in_effect(name));
        }
    }
    let state_dir = match &args.state_dir {
        Some(path) => Some(flag_path(args, "--state-dir", path)?),
        None => merged.path("state_dir", merged.raw.state_dir.as_ref())?,
    };
    let single = match &args.log {
        Some(log) => Some(bare::resolve(log, args, state_dir.is_some(), &mut notes)?),
        None => None,
    };
    let base = match (&single, found.base) {
        (Some(single), _) => single.base.clone(),
        (None, base) => base.unwrap_or_else(|| args.cwd.clone()),
    };
    let state_dir = state_dir.unwrap_or_else(|| base.join(STATE_DIR));
    let health_file = match &args.health_file {
        Some(path) => Some(flag_path(args, "--health-file", path)?),
        None => merged.path("health_file", merged.raw.health_file.as_ref())?,
    };
    // A bare log's health file knows that log alone, and the text file says what the health file does.
    let own_health = single.is_some() && health_file.is_none();
    let mut prometheus_textfile =
        exposure::textfile(&merged.top("prometheus_textfile"), merged.raw.prometheus_textfile.as_ref())?;
    if own_health && prometheus_textfile.take().is_some() {
        notes.push(
            "prometheus_textfile is not written for a bare --log, whose health file is its own: name one with --health-file or `health_file:`"
                .to_owned(),
        );
    }
    let with_state = args.state_dir.is_some() || single.is_some();
    let health_file =
        health_file.unwrap_or_else(|| if with_state { &state_dir } else { &base }.join(HEALTH_FILE));
    let Merged { raw, .. } = &merged;
    let playbook = playbook::playbook(&merged.at("playbook"), raw.playbook.as_ref())?;
    let flags = flags(args, &found.documents, &state_dir);
    let bare = single.is_some();
    let (runs, orchestrator) = match single {
        Some(single) => (vec![single.run], None),
        None => merged.runs(&playbook, &mut notes)?,
    };
    // A bare log is looked at alone.
    let around = Around::read(&merged, &runs)?;
    let Around { agents, downloads, environment } = if bare { Around::default() } else { around };
    let config = Config {
        training: thresholds::training(&merged.at("training"), raw.training.as_ref())?,
        patrol: thresholds::patrol(&merged.at("patrol"), raw.patrol.as_ref())?,
        gpu: gpu::gpu(&merged.at("gpu"), raw.gpu.as_ref())?,
        preflight: preflight::preflight(&merged.at("preflight"), raw.preflight.as_ref())?,
        channels: alerting::channels(&merged.at("channels"), raw.channels.as_ref(), &state_dir, &mut notes)?,
        history: history::history(&merged.at("history"), raw.history.as_ref())?,
        aliases: metrics::aliases(&merged.at("metrics"), raw.metrics.as_ref())?,
        judge: judge::judge(&merged.at("judge"), raw.judge.as_ref())?,
        routing: alerting::routing(
            &merged.at("severity_routing"),
            raw.severity_routing.as_ref(),
            raw.channels.as_ref(),
        )?,
        runs,
        orchestrator,
        agents,
        downloads,
        environment,
        playbook,
        flags,
        files: found.documents.iter().map(|document| document.path.clone()).collect(),
        base,
        state_dir,
        health_file,
        prometheus_textfile,
        heartbeat: exposure::heartbeat(
            [&merged.top("heartbeat_url"), &merged.top("heartbeat_url_file")],
            [raw.heartbeat_url.as_ref(), raw.heartbeat_url_file.as_ref()],
        )?,
        notes: Vec::new(),
        trusted,
    };
    merged.refuse_overwriting(&config)?;
    for named in &config.channels.named {
        if !config.routing.values().flatten().any(|routed| *routed == named.name) {
            let name = &named.name;
            notes.push(format!("no severity is routed to channels.{name}: add it under severity_routing"));
        }
    }
    Ok(Config { notes, ..config })
}

/// What stands around the runs.
#[derive(Default)]
struct Around {
    agents: Vec<Agent>,
    downloads: Vec<Download>,
    environment: Option<Environment>,
}

impl Around {
    /// Checks the sections; no two of all that is under guard have one name.
    fn read(merged: &Merged<'_>, runs: &[Run]) -> Result<Self> {
        let raw = &merged.raw;
        let agents = agents::agents(&merged.at("agents"), raw.agents.as_ref(), runs)?;
        let mut taken: Vec<&str> = runs.iter().map(|run| run.name.as_str()).collect();
        taken.extend(agents.iter().map(|agent| agent.name.as_str()));
        let downloads = downloads::downloads(&merged.at("downloads"), raw.downloads.as_ref(), &taken)?;
        taken.extend(downloads.iter().map(|download| download.name.as_str()));
        let environment =
            environment::environment(&merged.at("environment"), raw.environment.as_ref(), &taken)?;
        Ok(Self { agents, downloads, environment })
    }
}

/// All files as one, and which section came from which.
struct Merged<'a> {
    raw: raw::File,
    homes: Vec<(&'static str, &'a Document)>,
    /// Stands for the home of a section that no file holds.
    nowhere: Document,
    env: Env<'a>,
}

impl<'a> Merged<'a> {
    fn read(documents: &'a [Document], env: Env<'a>) -> Result<Self> {
        let nowhere = Document { shown: String::new(), path: PathBuf::from("/"), text: String::new() };
        let mut merged = Self { raw: raw::File::default(), homes: Vec::new(), nowhere, env };
        for document in documents {
            let file = parse(document, env)?;
            for section in file.sections() {
                let earlier = merged.homes.iter().find(|(name, _)| *name == section);
                if let Some((_, earlier)) = earlier {
                    let first = Section::top(earlier, env).key(section).place(Aim::Key);
                    let what = format!("the section `{section}` is also in another file, at {first}");
                    let next = "a section stands in one file only: move the two together";
                    return Err(Section::top(document, env).wrong_key(section, &what, next));
                }
                merged.homes.push((section, document));
            }
            merged.raw.absorb(file);
        }
        Ok(merged)
    }

    fn top(&self, section: &str) -> Section<'_> {
        let home = self.homes.iter().find(|(name, _)| *name == section);
        Section::top(home.map_or(&self.nowhere, |(_, document)| document), self.env)
    }

    fn at(&self, section: &str) -> Section<'_> {
        self.top(section).key(section)
    }

    /// What is written must not be what is read: a health file over the config or the log would
    /// destroy it, and alerts in the log would be read as the training's own words.
    fn refuse_overwriting(&self, config: &Config) -> Result<()> {
        let alert_path = self.raw.channels.as_ref().and_then(|channels| channels.file.as_ref());
        let alert_path = alert_path.is_some_and(|file| file.path.is_some());
        let written = [
            ("health_file", Some(&config.health_file), self.raw.health_file.is_some()),
            ("path", config.channels.file.as_ref(), alert_path),
            ("prometheus_textfile", config.prometheus_textfile.as_ref(), true),
        ];
        for (key, path, in_file) in written {
            let Some(path) = path else { continue };
            let run = config.runs.iter().find(|run| run.log.as_ref() == Some(path));
            let whose = match run {
                Some(run) => format!("the log of the run `{}`", run.name),
                None if config.files.contains(path) => "this config".to_owned(),
                None if key == "path" && config.health_file == *path => "the health file".to_owned(),
                None => continue,
            };
            let what = format!("trainguard would write over {whose}: {}", path.display());
            let next = "choose another file";
            return Err(match (key, in_file) {
                (_, false) => Error::Usage(format!("{what}; {next}")),
                ("path", true) => self.at("channels").key("file").wrong(key, &what, next),
                (_, true) => self.top(key).wrong(key, &what, next),
            });
        }
        Ok(())
    }

    /// The runs, and the server of the one that is yet to be launched.
    fn runs(
        &self,
        playbook: &Catalogue,
        notes: &mut Vec<String>,
    ) -> Result<(Vec<Run>, Option<Orchestrator>)> {
        let [at, top] = [self.at("runs"), self.at("orchestrator")];
        let mut runs = runs::runs(&at, self.raw.runs.as_deref(), playbook, notes)?;
        let raw = (self.raw.runs.as_deref().unwrap_or_default(), self.raw.orchestrator.as_ref());
        let orchestrator = orchestrator::assign([&at, &top], raw, &mut runs)?;
        Ok((runs, orchestrator))
    }

    fn path(&self, section: &str, text: Option<&raw::Text>) -> Result<Option<PathBuf>> {
        text.map(|text| self.top(section).path(section, text)).transpose()
    }
}

fn parse(document: &Document, env: Env<'_>) -> Result<raw::File> {
    audit::audit(document, env).map_err(|verdict| match verdict {
        Verdict::Explained(error) => error,
        Verdict::Yaml(error) => diagnose::explain(document, &error),
    })?;
    let file: Option<raw::File> =
        serde_yaml::from_str(&document.text).map_err(|error| diagnose::explain(document, &error))?;
    Ok(file.unwrap_or_default())
}

/// The flags that name the same config or log from any directory.
fn flags(args: &LoadArgs<'_>, documents: &[Document], state_dir: &Path) -> String {
    let mut flags = String::new();
    let mut add = |flag: &str, path: &Path| {
        let path = paths::absolute(path, &args.cwd, args.env).display().to_string();
        let plain = path.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@".contains(c));
        let quoted = if plain { path } else { format!("'{}'", path.replace('\'', r"'\''")) };
        let _ = write!(flags, " {flag} {quoted}");
    };
    match &args.log {
        Some(log) => add("--log", &log.log),
        None if documents.is_empty() && args.state_dir.is_none() => add("--state-dir", state_dir),
        None if args.config.is_empty() => {
            for document in documents {
                add("--config", &document.path);
            }
        }
        None => args.config.iter().for_each(|path| add("--config", path)),
    }
    if let Some(directory) = &args.state_dir {
        add("--state-dir", directory);
    }
    flags
}

fn flag_path(args: &LoadArgs<'_>, flag: &str, path: &Path) -> Result<PathBuf> {
    if path.as_os_str().is_empty() {
        return Err(Error::Usage(format!("{flag} is empty: give it a path, or leave it out")));
    }
    Ok(paths::absolute(path, &args.cwd, args.env))
}

/// Neither config nor log: what to type now.
fn nothing_to_do(args: &LoadArgs<'_>) -> Error {
    let mut text = String::from("there is no config and no log to look at. Type one of these:\n");
    text.push_str("  trainguard patrol --log train.log\n");
    let one_line = EXAMPLE.replace('\n', "\\n");
    let _ = writeln!(text, "  printf '{one_line}' > trainguard.yaml && trainguard patrol");
    text.push_str("A config was looked for in $TRAINGUARD_CONFIG");
    for place in files::usual_places(&args.cwd, args.env) {
        let _ = write!(text, ", {}", place.display());
    }
    Error::Usage(text)
}
