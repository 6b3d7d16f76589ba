//! The alert file: one line per alert, `TIME SEVERITY RUN STATE SYNDROME message`.
//!
//! The line is made from the outbox entry alone, and is not appended when the file's tail holds
//! it: a patrol that was killed between writing and noting it does not tell it twice.

use super::outbox::Entry;
use super::text::one_line;
use super::{Channel, Message, Outcome};
use crate::persist::step;
use crate::persist::store::Store;
use crate::redact::Redactor;
use rustix::fs::{Mode, OFlags};
use std::fs::{File, Permissions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

/// Its name in the config.
pub const NAME: &str = "file";

/// How far back a line is looked for: what one patrol can append, and more.
const TAIL_BYTES: u64 = 256 * 1024;
/// Mode of a new alert file, before the log's own mode narrows it.
const FILE_MODE: u32 = 0o644;

/// The alert file.
pub struct AlertFile<'a> {
    store: &'a Store,
    redactor: &'a Redactor,
}

impl<'a> AlertFile<'a> {
    /// The channel; the store lends its reserve on a full disk.
    pub fn new(store: &'a Store, redactor: &'a Redactor) -> Self {
        Self { store, redactor }
    }
}

impl Channel for AlertFile<'_> {
    fn name(&self) -> &str {
        NAME
    }

    fn send(&mut self, message: &Message<'_>, _limit: Duration) -> Outcome {
        let Some(path) = message.to.path.as_deref() else {
            return Outcome::Retry { why: "the outbox entry names no file".to_owned(), after: None };
        };
        for entry in &message.entries {
            let line = line(entry, self.redactor);
            if let Err(error) = self.store.with_reserve(|| append(path, &line, entry.mode)) {
                return Outcome::Retry {
                    why: format!("cannot write {}: {error}", path.display()),
                    after: None,
                };
            }
        }
        Outcome::Taken
    }
}

fn line(entry: &Entry, redactor: &Redactor) -> String {
    let alert = &entry.alert;
    let time = alert.time.format("%Y-%m-%dT%H:%M:%SZ");
    let severity = alert.severity.word().to_uppercase();
    let question = alert.question().map_or_else(String::new, |question| format!(" [{question}]"));
    let message = one_line(&redactor.redact(&format!("{}{question}", alert.message)));
    format!("{time} {severity} {} {} {} {message}\n", alert.run, alert.transition.word(), alert.syndrome)
}

fn append(path: &Path, line: &str, mode: u32) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        step("make the alert file's directory");
        std::fs::create_dir_all(parent)?;
    }
    let flags = OFlags::RDWR
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK;
    step("open the alert file");
    let mut file = File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(FILE_MODE & mode))?);
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    // Who may read it is bounded by who may read the log; who may write it is its owner's business.
    let narrowed = meta.permissions().mode() & 0o777 & (mode | 0o622);
    if narrowed != meta.permissions().mode() & 0o777 {
        step("narrow the alert file's mode");
        file.set_permissions(Permissions::from_mode(narrowed))?;
    }
    let size = meta.len();
    let tail = tail(&mut file, size)?;
    if holds(&tail, line) {
        return Ok(());
    }
    let torn = tail.last().is_some_and(|&byte| byte != b'\n');
    let text = if torn { format!("\n{line}") } else { line.to_owned() };
    step("append to the alert file");
    let written = file.write_all(text.as_bytes()).and_then(|()| {
        step("sync the alert file");
        file.sync_data()
    });
    if written.is_err() && file.metadata()?.len() < size + text.len() as u64 {
        // Half a line helps nobody, and the whole one comes with the next attempt.
        step("cut the alert file");
        file.set_len(size)?;
    }
    written
}

fn tail(file: &mut File, size: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(size.saturating_sub(TAIL_BYTES)))?;
    let mut tail = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut tail)?;
    Ok(tail)
}

fn holds(tail: &[u8], line: &str) -> bool {
    let line = line.trim_end().as_bytes();
    tail.split(|&byte| byte == b'\n').any(|held| held == line)
}
