//! A channel by name: webhook, command, syslog, journald, alertmanager.

use super::address::Address;
use super::alertmanager::{Alertmanager, alertmanager};
use super::locate::Aim;
use super::raw::channels::{FIXED, Other};
use super::raw::{Flag, Text};
use super::section::Section;
use super::template::{FIELDS, Template};
use super::{diagnose, judge};
use crate::error::Result;
use std::fmt;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;
use ureq::http::{HeaderName, HeaderValue};

/// The types.
const TYPES: &[&str] = &["webhook", "command", "syslog", "journald", "alertmanager"];
/// The formats of a webhook.
const FORMATS: &[&str] = &["auto", "slack", "discord", "ntfy", "generic"];
/// A chat answers in a fraction of a second; half of what all channels have together.
pub(super) const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// A mail is handed on within seconds; no channel has longer than all have together.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUTS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];
/// It is part of a file's name and of a line of text.
const NAME_CHARS: usize = 40;
/// Where Linux takes lines for syslog, and systemd entries for its journal.
const SYSLOG: &str = "/dev/log";
const JOURNALD: &str = "/run/systemd/journal/socket";
/// Headers that are the message's own.
const OWN_HEADERS: &[&str] =
    &["connection", "content-length", "host", "idempotency-key", "transfer-encoding", "x-hub-signature-256"];

/// A channel that is enabled.
#[derive(Debug, Clone)]
pub struct Named {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a channel is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// An HTTP request.
    Webhook(Box<Webhook>),
    /// A program that reads the message on its standard input.
    Command(Program),
    /// A line to this socket.
    Syslog(PathBuf),
    /// An entry to this socket.
    Journald(PathBuf),
    /// What is open, to an Alertmanager.
    Alertmanager(Box<Alertmanager>),
}

impl Kind {
    /// The word in the config.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Command(_) => "command",
            Self::Syslog(_) => "syslog",
            Self::Journald(_) => "journald",
            Self::Alertmanager(_) => "alertmanager",
        }
    }
}

/// A text that is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// Something that may stand in a file of its own, which is read when it is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source<T> {
    /// It stands in the config.
    Here(T),
    /// It is the first line of this file.
    File(PathBuf),
}

impl Source<Address> {
    /// The address, from its file where it has one.
    ///
    /// # Errors
    /// Why it cannot be had, for people, without its text.
    pub fn read(&self) -> std::result::Result<Address, String> {
        /// A line that is longer is no address.
        const LINE_MAX: u64 = 8 * 1024;
        let path = match self {
            Self::Here(address) => return Ok(address.clone()),
            Self::File(path) => path,
        };
        let mut text = String::new();
        let file = std::fs::File::open(path);
        let read = file.and_then(|file| file.take(LINE_MAX).read_to_string(&mut text));
        read.map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let line = text.lines().next().unwrap_or_default();
        Address::parse(line).map_err(|why| format!("the address in {} cannot be used: {why}", path.display()))
    }
}

/// How a webhook wants its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// By the address.
    Auto,
    /// Slack, and what takes its messages: Mattermost, Rocket.Chat.
    Slack,
    /// Discord.
    Discord,
    /// ntfy.
    Ntfy,
    /// JSON.
    Generic,
}

/// A webhook.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where it goes.
    pub address: Source<Address>,
    /// How it wants its message.
    pub format: Format,
    /// What the body is signed with.
    pub secret: Option<Source<Hidden>>,
    /// The body of a generic one.
    pub body: Option<Template>,
    /// Authorities that are trusted in place of the public ones.
    pub ca_file: Option<PathBuf>,
    /// Headers of the user's.
    pub headers: Vec<(String, Hidden)>,
    /// An answer is waited for at most so long.
    pub timeout: Duration,
    /// Bursts go as one message.
    pub roll_up: bool,
}

/// A program.
#[derive(Debug, Clone)]
pub struct Program {
    /// The program and its arguments. A program with a slash in it is an absolute path by now.
    pub command: Vec<String>,
    /// It is ended after this long.
    pub timeout: Duration,
    /// Bursts go as one message.
    pub roll_up: bool,
}

/// A channel, checked; `None` where it is not enabled.
pub(super) fn named(at: &Section<'_>, name: &str, raw: &Other) -> Result<Option<Named>> {
    let kind = kind_of(at, name, raw)?;
    // The contract's own example has an empty address and is off; one with an address is on.
    let given = |text: &Option<Text>| text.as_ref().is_some_and(|text| !text.unexpanded().trim().is_empty());
    let default = kind != "webhook" || name != kind || given(&raw.url) || given(&raw.url_file);
    refuse_foreign(at, kind, raw)?;
    if !at.flag("enabled", raw.enabled.as_ref(), default)? {
        return Ok(None);
    }
    let socket = |default: &str| match &raw.socket {
        Some(path) => at.path("socket", path),
        None => Ok(PathBuf::from(default)),
    };
    let kind = match kind {
        "webhook" => Kind::Webhook(Box::new(webhook(at, name, raw)?)),
        "command" => Kind::Command(program(at, name, raw)?),
        "syslog" => Kind::Syslog(socket(SYSLOG)?),
        "alertmanager" => Kind::Alertmanager(Box::new(alertmanager(at, name, raw)?)),
        _ => Kind::Journald(socket(JOURNALD)?),
    };
    Ok(Some(Named { name: name.to_owned(), kind }))
}

fn kind_of(at: &Section<'_>, name: &str, raw: &Other) -> Result<&'static str> {
    let letters = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if !letters || name.len() > NAME_CHARS {
        let next = format!("use letters, digits, `_` and `-`, {NAME_CHARS} at most");
        return Err(at.wrong_here(Aim::Key, &format!("`{name}` is no name of a channel"), &next));
    }
    let by_name = TYPES.iter().find(|known| **known == name).copied();
    let Some(text) = &raw.r#type else {
        return by_name.ok_or_else(|| {
            if let Some(near) = diagnose::nearest(name, FIXED) {
                let what = format!("unknown key `{name}` under `channels`");
                return at.wrong_here(Aim::Key, &what, &format!("did you mean `{near}`?"));
            }
            let next = format!("add one, such as `type: webhook`; there are {}", diagnose::listed(TYPES));
            at.wrong_here(Aim::Key, &format!("the channel `{name}` has no `type`"), &next)
        });
    };
    let word = at.text("type", text)?;
    let kind = TYPES.iter().find(|known| **known == word).copied();
    match (kind, by_name) {
        (None, _) => Err(at.wrong_word("type", &word, TYPES)),
        (Some(kind), Some(own)) if kind != own => {
            let what = format!("the channel `{name}` is of type `{own}` by its name");
            Err(at.wrong("type", &what, "give it another name, or delete the key"))
        }
        (Some(kind), _) => Ok(kind),
    }
}

/// A key that its type does not take would have no effect, and nobody would know.
fn refuse_foreign(at: &Section<'_>, kind: &str, raw: &Other) -> Result<()> {
    let (web, both) = (kind == "webhook", matches!(kind, "webhook" | "command"));
    let http = matches!(kind, "webhook" | "alertmanager");
    let sockets = matches!(kind, "syslog" | "journald");
    let keys = [
        ("url", raw.url.is_some(), http),
        ("url_file", raw.url_file.is_some(), http),
        ("format", raw.format.is_some(), web),
        ("secret", raw.secret.is_some(), web),
        ("secret_file", raw.secret_file.is_some(), web),
        ("body", raw.body.is_some(), web),
        ("ca_file", raw.ca_file.is_some(), http),
        ("headers", raw.headers.is_some(), http),
        ("timeout", raw.timeout.is_some(), both || http),
        ("roll_up", raw.roll_up.is_some(), both),
        ("command", raw.command.is_some(), kind == "command"),
        ("socket", raw.socket.is_some(), sockets),
    ];
    match keys.into_iter().find(|&(_, given, taken)| given && !taken) {
        Some((key, ..)) => {
            let what = format!("a channel of type `{kind}` takes no `{key}`");
            Err(at.wrong_key(key, &what, "delete the key, or choose another type"))
        }
        None => Ok(()),
    }
}

fn webhook(at: &Section<'_>, name: &str, raw: &Other) -> Result<Webhook> {
    let format = match raw.format.as_ref().map(|text| at.text("format", text)).transpose()? {
        None => Format::Auto,
        Some(word) => match word.as_str() {
            "auto" => Format::Auto,
            "slack" => Format::Slack,
            "discord" => Format::Discord,
            "ntfy" => Format::Ntfy,
            "generic" => Format::Generic,
            _ => return Err(at.wrong_word("format", &word, FORMATS)),
        },
    };
    if raw.body.is_some() && !matches!(format, Format::Auto | Format::Generic) {
        let next = "delete it, or set `format: generic`";
        return Err(at.wrong_key("body", "only the format `generic` takes a `body`", next));
    }
    Ok(Webhook {
        address: address(at, "webhook", name, raw)?,
        // A body of the user's own says as much.
        format: if raw.body.is_some() { Format::Generic } else { format },
        secret: source(at, ["secret", "secret_file"], [raw.secret.as_ref(), raw.secret_file.as_ref()])?,
        body: raw.body.as_ref().map(|body| template(at, body)).transpose()?,
        ca_file: raw.ca_file.as_ref().map(|path| at.path("ca_file", path)).transpose()?,
        headers: headers(at, raw)?,
        timeout: timeout(at, raw, WEBHOOK_TIMEOUT)?,
        roll_up: roll_up(at, raw.roll_up.as_ref())?,
    })
}

/// The address of a channel that has one.
pub(super) fn address(at: &Section<'_>, kind: &str, name: &str, raw: &Other) -> Result<Source<Address>> {
    match source(at, ["url", "url_file"], [raw.url.as_ref(), raw.url_file.as_ref()])? {
        Some(Source::Here(text)) => parsed(at, "url", &text.0).map(Source::Here),
        Some(Source::File(path)) => Ok(Source::File(path)),
        None => {
            let what = format!("the {kind} `{name}` has no address");
            let next =
                "add a line such as `url_file: hook.url` or `url: ${SLACK_URL}`, or set `enabled: false`";
            Err(at.wrong_here(Aim::Key, &what, next))
        }
    }
}

/// The address under a key.
pub(super) fn parsed(at: &Section<'_>, key: &str, text: &str) -> Result<Address> {
    let next =
        format!("give the whole address, as the service shows it; a secret one can stand in `{key}_file:`");
    Address::parse(text).map_err(|why| at.wrong(key, &format!("`{key}` cannot be used: {why}"), &next))
}

/// What stands under a key, or in the file that the other key names.
fn source(
    at: &Section<'_>,
    [here, file]: [&str; 2],
    [text, path]: [Option<&Text>; 2],
) -> Result<Option<Source<Hidden>>> {
    let text = text.map(|text| at.text(here, text)).transpose()?.filter(|text| !text.trim().is_empty());
    match (text, path) {
        (Some(_), Some(_)) => {
            let what = format!("`{here}` and `{file}` are both given");
            Err(at.wrong_key(file, &what, "keep one of the two"))
        }
        (Some(text), None) => Ok(Some(Source::Here(Hidden(text.trim().to_owned())))),
        (None, Some(path)) => at.path(file, path).map(|path| Some(Source::File(path))),
        (None, None) => Ok(None),
    }
}

fn template(at: &Section<'_>, body: &serde_json::Value) -> Result<Template> {
    if !body.is_object() && !body.is_array() {
        let next = "write it as keys and values, such as `body: {text: \"{{text}}\"}`";
        return Err(at.wrong("body", "`body` is neither keys and values nor a list", next));
    }
    Template::new(expanded(&at.key("body"), body)?).map_err(|name| {
        if name == "{{" {
            return at.wrong("body", "a `{{` in `body` has no `}}`", "close it, as in `{{message}}`");
        }
        let what = format!("`body` has no `{{{{{name}}}}}` to fill in");
        let next = match diagnose::nearest(&name, FIELDS) {
            Some(near) => format!("did you mean `{{{{{near}}}}}`? There are {}", diagnose::listed(FIELDS)),
            None => format!("there are {}", diagnose::listed(FIELDS)),
        };
        at.wrong("body", &what, &next)
    })
}

fn expanded(at: &Section<'_>, body: &serde_json::Value) -> Result<serde_json::Value> {
    use serde_json::Value;
    Ok(match body {
        Value::String(text) => Value::String(at.expanded(text)?),
        Value::Array(list) => {
            Value::Array(list.iter().map(|item| expanded(at, item)).collect::<Result<_>>()?)
        }
        Value::Object(map) => {
            let pairs = map.iter().map(|(key, value)| Ok((key.clone(), expanded(at, value)?)));
            Value::Object(pairs.collect::<Result<_>>()?)
        }
        other => other.clone(),
    })
}

pub(super) fn headers(at: &Section<'_>, raw: &Other) -> Result<Vec<(String, Hidden)>> {
    let at = at.key("headers");
    let mut headers = Vec::new();
    for (name, text) in raw.headers.iter().flatten() {
        if HeaderName::try_from(name.as_str()).is_err() {
            let what = format!("`{name}` is no name of a header");
            return Err(at.wrong_key(name, &what, "write it as in `Authorization`"));
        }
        if OWN_HEADERS.contains(&name.to_ascii_lowercase().as_str()) {
            let what = format!("the header `{name}` is set by trainguard itself");
            return Err(at.wrong_key(name, &what, "delete it"));
        }
        let value = at.text(name, text)?;
        if HeaderValue::try_from(value.as_str()).is_err() {
            let what = format!("the header `{name}` cannot hold this value");
            return Err(at.wrong(name, &what, "one line of printable characters"));
        }
        headers.push((name.clone(), Hidden(value)));
    }
    Ok(headers)
}

fn program(at: &Section<'_>, name: &str, raw: &Other) -> Result<Program> {
    let command = judge::words(at, raw.command.as_deref().unwrap_or_default())?;
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        let what = format!("the channel `{name}` has no `command`");
        let next = "add a line such as `command: [./tell.sh]`, or set `enabled: false`";
        return Err(at.wrong_here(Aim::Key, &what, next));
    }
    let (timeout, roll_up) = (timeout(at, raw, COMMAND_TIMEOUT)?, roll_up(at, raw.roll_up.as_ref())?);
    Ok(Program { command, timeout, roll_up })
}

pub(super) fn timeout(at: &Section<'_>, raw: &Other, default: Duration) -> Result<Duration> {
    let [least, most] = TIMEOUTS;
    Ok(at.span("timeout", raw.timeout.as_ref(), least..=most)?.unwrap_or(default))
}

fn roll_up(at: &Section<'_>, raw: Option<&Flag>) -> Result<bool> {
    at.flag("roll_up", raw, true)
}
