//! A log that is complete, read in stretches: as patrols would have read it while it grew.

use super::members;
use super::open::open;
use super::stream::{End, Place, Position, Pump};
use super::{FileFacts, Gap, LogFacts, Role, Sink};
use crate::metrics::file::{Format, SNIFF};
use chrono::{DateTime, Utc};
use flate2::bufread::MultiGzDecoder;
use memchr::memchr_iter;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// No stretch takes so long; the pump asks for a deadline.
const FOREVER: Duration = Duration::from_hours(24 * 365);

/// How much of each file a stretch takes. Always whole lines, and never none while there are some; a
/// file that is no text has records in the place of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stretch {
    /// So many lines.
    Lines(u64),
    /// The lines that so many bytes begin or belong to.
    Bytes(u64),
    /// The lines up to this byte of the file.
    UpTo(u64),
    /// All that is left.
    Rest,
}

/// The files of a log, each with the place that was reached.
pub struct Playback {
    files: Vec<Played>,
    begun: bool,
}

struct Played {
    path: PathBuf,
    from: Box<dyn BufRead>,
    /// Bytes that were read and are behind the position: the begin of a record that is no line.
    begun: Vec<u8>,
    /// Whole records may be among them.
    stopped: bool,
    position: Position,
}

/// The first bytes of a gzip member.
const GZIP: &[u8] = b"\x1f\x8b";

impl Playback {
    /// Opens a log or a metric file, the members of a glob, or standard input (`-`), each compressed
    /// with gzip or not. An error is for people.
    ///
    /// # Errors
    /// What cannot be opened, is no file, or is of no kind that is read.
    pub fn open(pattern: &Path) -> Result<Self, String> {
        if pattern == Path::new("-") {
            return Ok(Self { files: vec![Played::new("-", io::stdin())?], begun: false });
        }
        let members = members::find_any(pattern)?;
        if members.files.is_empty() {
            return Err(format!("nothing matches {}", pattern.display()));
        }
        let opened = members.files.into_iter().map(|member| {
            let file =
                open(&member.path).map_err(|e| format!("cannot read {}: {e}", member.path.display()))?;
            Played::new(&member.path, file.file)
        });
        Ok(Self { files: opened.collect::<Result<_, String>>()?, begun: false })
    }

    /// Hands the next stretch of each file to the sink. What it gives back reads as if the log had
    /// last been written at `now`.
    ///
    /// # Errors
    /// A file that cannot be read on, with its path.
    pub fn read(
        &mut self,
        stretch: Stretch,
        sink: &mut dyn Sink,
        now: DateTime<Utc>,
    ) -> Result<LogFacts, (PathBuf, io::Error)> {
        let mut facts = LogFacts { first_look: !self.begun, modified: Some(now), ..LogFacts::default() };
        self.begun = true;
        let mut pump = Pump::new(sink, Instant::now() + FOREVER);
        for (index, file) in self.files.iter_mut().enumerate() {
            let before = pump.bytes;
            file.read(index, stretch, &mut pump).map_err(|error| (file.path.clone(), error))?;
            facts.files.push(FileFacts {
                path: file.path.clone(),
                offset: file.position.offset,
                size: file.position.offset,
                lines: file.position.lines,
                bytes_read: pump.bytes - before,
            });
            let damage = std::mem::take(&mut pump.damage);
            facts.gaps.extend(damage.into_iter().map(|damage| Gap::damage(&file.path, &file.path, damage)));
        }
        facts.bytes_read = pump.bytes;
        Ok(facts)
    }

    /// Whether all that there is was read.
    ///
    /// # Errors
    /// A file that cannot be read on, with its path.
    pub fn is_at_end(&mut self) -> Result<bool, (PathBuf, io::Error)> {
        for file in &mut self.files {
            let empty = file.from.fill_buf().map_err(|error| (file.path.clone(), error))?.is_empty();
            if file.stopped || !empty {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Played {
    fn new(path: impl Into<PathBuf>, from: impl Read + 'static) -> Result<Self, String> {
        let path = path.into();
        let cannot = |e: io::Error| format!("cannot read {}: {e}", path.display());
        let mut from: Box<dyn BufRead> = Box::new(BufReader::with_capacity(SNIFF, from));
        if from.fill_buf().map_err(cannot)?.starts_with(GZIP) {
            from = Box::new(BufReader::with_capacity(SNIFF, MultiGzDecoder::new(from)));
        }
        let unpacked = path.extension().is_some_and(|ending| ending == "gz").then(|| path.with_extension(""));
        let format = Format::detect(from.fill_buf().map_err(cannot)?, unpacked.as_deref().unwrap_or(&path))
            .map_err(|what| format!("{} is {what}", path.display()))?;
        let position = Position { format, ..Position::default() };
        Ok(Self { path, from, begun: Vec::new(), stopped: false, position })
    }

    fn read(&mut self, index: usize, stretch: Stretch, pump: &mut Pump<'_>) -> io::Result<()> {
        let place = Place { index, log: &self.path, path: &self.path, role: Role::Log };
        let is_text = self.position.format == Format::Text;
        let stretch = match stretch {
            Stretch::Lines(records) if !is_text => {
                pump.records = records.max(1);
                Stretch::Rest
            }
            // What was read of the next record does not count again, or a longer one would never be whole.
            Stretch::Bytes(bytes) => Stretch::Bytes(bytes.saturating_add(self.begun.len() as u64)),
            stretch => stretch,
        };
        let begun = std::mem::take(&mut self.begun);
        let mut from = Read::chain(io::Cursor::new(begun), self.from.as_mut());
        let mut part = Part { from: &mut from, is_text, left: Left::of(stretch, self.position.offset) };
        let end = pump.run(&mut part, place, &mut self.position)?;
        self.stopped = std::mem::replace(&mut pump.records, u64::MAX) == 0;
        if let End::Done(tail) = end {
            // A stretch of lines ends with a line; only the end of the file leaves a tail, and nothing will follow it.
            pump.judge(tail, place, &mut self.position);
            let (unread, _) = from.into_inner();
            if !is_text {
                self.begun =
                    [pump.tail(tail), unread.get_ref().get(unread.position() as usize..).unwrap_or_default()]
                        .concat();
            }
            pump.rest(place, &mut self.position);
            if !self.stopped && self.from.fill_buf()?.is_empty() {
                pump.end(place, &mut self.position);
            }
        }
        Ok(())
    }
}

/// What a stretch still takes.
#[derive(Debug, Clone, Copy)]
enum Left {
    Lines(u64),
    Bytes(u64),
}

impl Left {
    fn of(stretch: Stretch, offset: u64) -> Self {
        match stretch {
            Stretch::Lines(lines) => Self::Lines(lines.max(1)),
            Stretch::Bytes(bytes) => Self::Bytes(bytes.max(1)),
            Stretch::UpTo(end) => Self::Bytes(end.saturating_sub(offset)),
            Stretch::Rest => Self::Lines(u64::MAX),
        }
    }
}

/// A reader's next lines.
struct Part<'a> {
    from: &'a mut dyn BufRead,
    is_text: bool,
    left: Left,
}

impl Read for Part<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.left, Left::Lines(0) | Left::Bytes(0)) {
            return Ok(0);
        }
        let there = self.from.fill_buf()?;
        let there = &there[..there.len().min(buffer.len())];
        if !self.is_text {
            let most = if let Left::Bytes(bytes) = &self.left { *bytes } else { u64::MAX };
            let taken = there.len().min(usize::try_from(most).unwrap_or(usize::MAX));
            buffer[..taken].copy_from_slice(&there[..taken]);
            self.from.consume(taken);
            if let Left::Bytes(bytes) = &mut self.left {
                *bytes -= taken as u64;
            }
            return Ok(taken);
        }
        let mut ends = memchr_iter(b'\n', there).map(|at| at + 1);
        let end = match &mut self.left {
            Left::Lines(lines) => ends.find(|_| {
                *lines -= 1;
                *lines == 0
            }),
            Left::Bytes(bytes) => {
                let end = ends.find(|end| *end as u64 >= *bytes);
                // Beyond the last of them the line that they belong to goes on.
                *bytes = if end.is_some() { 0 } else { bytes.saturating_sub(there.len() as u64).max(1) };
                end
            }
        };
        let taken = end.unwrap_or(there.len());
        buffer[..taken].copy_from_slice(&there[..taken]);
        self.from.consume(taken);
        Ok(taken)
    }
}
