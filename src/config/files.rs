//! Which files are the config, and reading them.

use super::document::{self, Document};
use super::expand::Env;
use super::paths;
use super::trust::{self, Caller};
use crate::error::{Error, Result};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

/// A config is a page or two; what is larger is something else, and would only be parsed at length.
const MOST_BYTES: u64 = 1 << 20;

/// The files of a config and what they rest on.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) documents: Vec<Document>,
    /// The directory that state and health file default to; `None` where nothing was found.
    pub(super) base: Option<PathBuf>,
    /// Why the config cannot be trusted: one sentence per file.
    pub(super) faults: Vec<String>,
}

/// Reads the paths that were named, or else looks in the usual places, the first that has anything.
pub(super) fn find(named: &[PathBuf], cwd: &Path, env: Env<'_>) -> Result<Found> {
    let mut found = Found::default();
    let xdg = paths::xdg_config(env);
    for path in named {
        found.add(path, cwd, env, xdg.as_deref())?;
    }
    if !named.is_empty() {
        return Ok(found);
    }
    if let Some(path) = env("TRAINGUARD_CONFIG").filter(|path| !path.is_empty()) {
        found.add(Path::new(&path), cwd, env, xdg.as_deref()).map_err(|error| match error {
            Error::Config(text) => Error::Config(format!("{text}\n(named by $TRAINGUARD_CONFIG)")),
            other => other,
        })?;
        return Ok(found);
    }
    for path in usual_places(cwd, env) {
        let is_directory = match path.metadata() {
            Ok(metadata) => metadata.is_dir(),
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                continue;
            }
            Err(error) => return Err(unreadable(&path, &error)),
        };
        // A directory `trainguard` without YAML is somebody's source tree and not an empty config.
        if is_directory && yaml_files(&path, &path)?.is_empty() {
            continue;
        }
        found.add(&path, cwd, env, xdg.as_deref())?;
        break;
    }
    Ok(found)
}

/// Where a config is looked for when none is named, `$TRAINGUARD_CONFIG` apart.
pub(super) fn usual_places(cwd: &Path, env: Env<'_>) -> Vec<PathBuf> {
    let mut places = vec![cwd.join("trainguard.yaml"), cwd.join("trainguard")];
    places.extend(paths::xdg_config(env));
    places
}

impl Found {
    fn add(&mut self, named: &Path, cwd: &Path, env: Env<'_>, xdg: Option<&Path>) -> Result<()> {
        if named.as_os_str().is_empty() {
            return Err(Error::Config("the config's path is empty: name a file or a directory".into()));
        }
        let path = paths::absolute(named, cwd, env);
        let metadata = path.metadata().map_err(|error| unreadable(named, &error))?;
        let caller = Caller::current();
        let directory = if metadata.is_dir() {
            self.faults.extend(trust::fault(&path, &metadata, caller));
            let files = yaml_files(&path, named)?;
            if files.is_empty() {
                return Err(Error::Config(format!(
                    "{}: a directory without any *.yaml or *.yml file\nput a config file there, or name the file itself",
                    named.display()
                )));
            }
            for (path, shown) in files {
                self.read(path, &shown, true, caller)?;
            }
            path.as_path()
        } else {
            self.read(path.clone(), named, false, caller)?;
            path.parent().unwrap_or(Path::new("/"))
        };
        if self.base.is_none() {
            let is_xdg = xdg.is_some_and(|xdg| same(xdg, directory));
            let state = if is_xdg { paths::xdg_state(env) } else { None };
            self.base = Some(state.unwrap_or_else(|| directory.to_owned()));
        }
        Ok(())
    }

    /// Reads one file, once even if it is named twice. In a directory there may be a health file
    /// under a name of the user's choice: that is ours and no config.
    fn read(&mut self, path: PathBuf, shown: &Path, listed: bool, caller: Caller) -> Result<()> {
        if self.documents.iter().any(|document| same(&document.path, &path)) {
            return Ok(());
        }
        // Looked at before it is opened: opening a FIFO waits for its writer.
        let metadata = path.metadata().map_err(|error| unreadable(shown, &error))?;
        if !metadata.is_file() {
            let shown = shown.display();
            return Err(Error::Config(format!("{shown}: not a regular file\nwrite the config into one")));
        }
        let mut bytes = Vec::new();
        let file = File::open(&path).map_err(|error| unreadable(shown, &error))?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(shown, &error))?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(Error::Config(format!(
                "{}: larger than 1 MiB, so it is no config\nname the file that holds `runs:` and the like",
                shown.display()
            )));
        }
        let shown = shown.display().to_string();
        let text = text_of(bytes, &shown)?;
        if listed && is_health_file(&text) {
            return Ok(());
        }
        self.faults.extend(trust::fault(&path, &metadata, caller));
        self.documents.push(Document { shown, path, text });
        Ok(())
    }
}

/// `*.yaml` and `*.yml` of a directory, in order of name, each with the path to show.
fn yaml_files(directory: &Path, shown: &Path) -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut names = Vec::new();
    for entry in directory.read_dir().map_err(|error| unreadable(shown, &error))? {
        let name = entry.map_err(|error| unreadable(shown, &error))?.file_name();
        let bytes = name.as_encoded_bytes();
        let is_yaml = bytes.ends_with(b".yaml") || bytes.ends_with(b".yml");
        let is_health = bytes.starts_with(b"agent_health") && bytes.ends_with(b".yaml");
        if is_yaml && !bytes.starts_with(b".") && !is_health {
            names.push(name);
        }
    }
    names.sort();
    let files = names.into_iter().map(|name| (directory.join(&name), shown.join(name)));
    Ok(files.filter(|(path, _)| !path.is_dir()).collect())
}

fn is_health_file(text: &str) -> bool {
    text.lines().take(20).any(|line| {
        line.replace('"', "").strip_prefix("schema:").is_some_and(|value| value.contains("trainguard/"))
    })
}

/// The file as text that the YAML library takes: UTF-8 without control characters.
fn text_of(bytes: Vec<u8>, shown: &str) -> Result<String> {
    let wrong = |bytes: &[u8], at: usize, what: &str, next: &str| {
        let start = bytes[..at].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = memchr::memchr_iter(b'\n', &bytes[..at]).count() + 1;
        let before = String::from_utf8_lossy(&bytes[start..at]);
        let end = bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |n| at + n);
        let source = format!("{before}{}", String::from_utf8_lossy(&bytes[at..end]));
        let place = (line, before.chars().count() + 1);
        Error::Config(document::render(shown, place, &source, what, next))
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let at = error.utf8_error().valid_up_to();
            let bytes = error.as_bytes();
            let what = format!("the byte 0x{:02x} here is not UTF-8", bytes[at]);
            return Err(wrong(bytes, at, &what, "save the file as UTF-8"));
        }
    };
    let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
    let control = |c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{85}');
    if let Some((at, c)) = text.char_indices().find(|&(_, c)| control(c) || is_noncharacter(c)) {
        let what = format!("the character U+{:04X} here cannot be in YAML", u32::from(c));
        let next = "delete it; in double quotes it can be written as an escape such as \"\\0\"";
        return Err(wrong(text.as_bytes(), at, &what, next));
    }
    Ok(text)
}

fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    let next = match error.kind() {
        ErrorKind::NotFound => "check the path; without --config the usual places are looked at",
        ErrorKind::PermissionDenied => "make it readable for the user that runs trainguard",
        _ => "name a file or a directory that can be read",
    };
    Error::Config(format!("{}: cannot read the config: {error}\n{next}", path.display()))
}

fn same(a: &Path, b: &Path) -> bool {
    a == b || matches!((identity(a), identity(b)), (Some(a), Some(b)) if a == b)
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()))
}
