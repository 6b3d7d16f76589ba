//! One pass over a log's new bytes: rows into [`Numbers`], words into hits.

mod done;
mod election;
mod excerpt;
mod facts;
mod hits;
mod last;
mod recent;
mod regions;
mod rows;
mod seam;
mod speaker;
mod unread;
mod words;

pub use facts::{DigestFacts, Hits, Options};
pub(crate) use recent::number;
pub use unread::Likely;

use crate::finding::Occurrence;
use crate::metrics::file::{Format, Points, Sample};
use crate::metrics::numbers::Numbers;
use crate::metrics::text::{Extractor, FileContext, records};
use crate::observe::log::{Block, Part, Role, Sink, Source};
use crate::playbook::{self, Catalogue, PYTHON_TRACEBACK};

use chrono::{DateTime, Utc};
use done::DoneWhen;
use election::Election;
use hits::{Found, Hit, Place};
use last::LastBlock;
use recent::Recent;
use seam::Seam;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use unread::Unread;

/// Takes the blocks of a run's logs and makes facts of them.
#[derive(Debug)]
pub struct Digest {
    numbers: Numbers,
    extractor: Extractor,
    playbook: Catalogue,
    done_when: Option<DoneWhen>,
    new_process: bool,
    /// Which log leads,
    election: Election,
    /// and which directory of metric files.
    files_election: Election,
    /// The attempt before this pass.
    attempt_before: u32,
    files: BTreeMap<(Role, usize), FileState>,
    /// The file of the last block.
    newest: (Role, usize),
    hits: Vec<Found>,
    completed: Option<Occurrence>,
    begun: bool,
    rows: u64,
    records: u64,
    /// Never a row yet, of any file.
    rowless: bool,
    unread: Unread,
    recent: Recent,
}

/// What a pass keeps of one file.
#[derive(Debug, Default)]
struct FileState {
    role: Role,
    log: PathBuf,
    /// Rows that are being put together, of a file that is no text.
    points: Option<Points>,
    /// Where the bytes of the present block stand, and the head of their content.
    path: String,
    head: String,
    /// Its rows are the run's numbers.
    lead: bool,
    /// It had no row before this pass.
    is_new: bool,
    /// Rows in this pass.
    rows: u64,
    /// Its first bytes in this pass.
    sample: Sample,
    /// Records in this pass.
    records: u64,
    /// The step and the time of the last row.
    step: Option<f64>,
    time: Option<DateTime<Utc>>,
    /// The end of the previous piece of an over-long record, where that record began, and what hit
    /// in it so far.
    carry: Vec<u8>,
    began: Option<(u64, u64)>,
    hit_in_record: Vec<&'static str>,
    /// The header of an open traceback, to be told if its exception does not come in this pass.
    unfinished: Option<(Place, String)>,
    last: LastBlock,
}

/// Bytes of a piece that the next one is read with: a hit that spans two pieces is shorter.
const CARRY: usize = 4096;
impl Digest {
    /// Goes on from the numbers of the previous pass.
    pub fn new(mut numbers: Numbers, options: Options<'_>) -> Self {
        numbers.begin_pass();
        Self {
            extractor: Extractor::told_by(playbook::is_quiet)
                .with_aliases(options.aliases.cloned().unwrap_or_default()),
            playbook: options.playbook.clone(),
            done_when: options.done_when.map(DoneWhen::new),
            new_process: options.new_process,
            election: Election::new(options.lead, numbers.lead_idle),
            files_election: numbers.joint.as_deref().map_or_else(
                || Election::new(None, false),
                |joint| Election::new(joint.lead.as_deref(), joint.lead_idle),
            ),
            attempt_before: numbers.attempt,
            files: BTreeMap::new(),
            newest: (Role::Log, 0),
            hits: Vec::new(),
            completed: None,
            begun: false,
            rows: 0,
            records: 0,
            rowless: numbers.rows == 0 && numbers.other_rows == 0,
            unread: Unread::default(),
            recent: Recent::of(options.recent),
            numbers,
        }
    }

    /// What the pass found.
    pub fn finish(mut self) -> DigestFacts {
        self.election.close(&mut self.numbers.lead_idle);
        if let Some(joint) = &mut self.numbers.joint {
            self.files_election.close(&mut joint.lead_idle);
            joint.lead.clone_from(&self.files_election.lead);
        }
        let mut files = std::mem::take(&mut self.files);
        for state in files.values_mut() {
            if let Some((place, text)) = state.unfinished.take() {
                let (record, span) = (text.as_bytes(), 0..text.len());
                let hit = Hit { syndrome: PYTHON_TRACEBACK, record, span, quote: None };
                hits::add(&mut self.hits, hit, &place, state);
            }
        }
        let binary = files.values().find(|state| state.rows == 0 && state.sample.is_binary());
        let binary = binary.map(|state| PathBuf::from(&state.path));
        let last = files
            .values()
            .find(|state| state.lead && state.role == Role::Log)
            .or_else(|| files.get(&self.newest));
        DigestFacts {
            numbers: self.numbers,
            rows: self.rows,
            hits: self
                .hits
                .into_iter()
                .filter(|found| self.playbook.tells(found.syndrome()))
                .map(|found| {
                    let file = found.place.file;
                    found.finish(files.get(&(Role::Log, file)))
                })
                .collect(),
            completed: self.completed,
            begun: self.begun,
            last_lines: last.map(|state| state.last.lines(&state.path)).unwrap_or_default(),
            tail: last.filter(|_| self.recent.is_kept()).map(|state| state.last.tail()).unwrap_or_default(),
            recent: self.recent.finish(),
            records: self.records,
            lead: self.election.lead,
            likely: self.unread.into_likely(self.rows),
            binary,
        }
    }

    /// Another file is the newest: of the one before nothing is kept that grows with the number of
    /// files, but of the lead.
    fn leave(&mut self, newest: (Role, usize)) {
        let before = std::mem::replace(&mut self.newest, newest);
        if before != newest
            && let Some(state) = self.files.get_mut(&before)
        {
            state.carry = Vec::new();
            if !state.lead {
                state.last = LastBlock::default();
            }
        }
    }

    /// Whole records, and an unfinished tail as if it were one.
    fn records(
        &mut self,
        state: &mut FileState,
        context: &mut FileContext,
        source: &Source<'_>,
        block: &Block<'_>,
    ) -> u64 {
        let bytes = block.bytes;
        let says = source.role == Role::Log;
        let playbook = self.playbook.clone();
        let mut scout = playbook.scout(bytes);
        let mut seam = Seam::default();
        let may_be_done = says && self.done_when.as_ref().is_some_and(|done| done.may_match(bytes));
        let tail = block.part == Part::Tail;
        let (mut at, mut line) = (0, block.line);
        let mut judged = usize::try_from(source.judged).unwrap_or(usize::MAX);
        while at < bytes.len() {
            let offset = block.offset + at as u64;
            let counted = judged > 0 && context.tail_counted;
            let (end, row, quiet) = if counted || tail && !is_closed(bytes) {
                (records::end(bytes, at), false, false)
            } else {
                let (end, row) = self.extractor.read(context, bytes, at, line, offset);
                (end, row, self.extractor.is_quiet())
            };
            if row {
                self.row(state, context);
            }
            if self.rowless {
                self.unread.take(&bytes[at..end.end], &state.path, line, offset);
            }
            context.tail_counted = tail && (row || counted);
            let candidate = says && scout.finds_in(at..end.end, quiet);
            let (step, attempt) = (state.step, context.attempt);
            let place = || Place { file: source.index, line, offset, step, attempt };
            if candidate || may_be_done || context.traces.is_open() {
                self.words(state, context, &bytes[at..end.end], judged, place());
            }
            if row || candidate || quiet || !says {
                seam.close();
            } else if let Some((entry, record, span)) = seam.pass(bytes, at..end.end, scout.saw_a_stem()) {
                let hit = Hit { syndrome: entry.id, record: &record, span, quote: None };
                hits::add(&mut self.hits, hit, &place(), state);
            }
            judged = 0;
            self.records += 1;
            state.records += 1;
            line += u64::from(end.line);
            at = end.next;
        }
        line
    }

    /// A piece of a record that is longer than the buffer: no row, but words.
    fn piece(
        &mut self,
        state: &mut FileState,
        context: &mut FileContext,
        source: &Source<'_>,
        block: &Block<'_>,
    ) -> u64 {
        let (line, offset) = *state.began.get_or_insert((block.line, block.offset));
        let carried = state.carry.len();
        let mut window = std::mem::take(&mut state.carry);
        window.extend_from_slice(block.bytes);
        for Range { start: from, end: to } in
            regions::around(&self.playbook.candidates(&window), window.len())
        {
            let judged = (usize::try_from(source.judged).unwrap_or(usize::MAX).saturating_add(carried))
                .saturating_sub(from)
                .min(to - from);
            let judged = if source.judged == 0 { 0 } else { judged };
            let place =
                Place { file: source.index, line, offset, step: state.step, attempt: context.attempt };
            self.words(state, context, window[from..to].trim_ascii_end(), judged, place);
        }
        if block.part == Part::LastPiece {
            self.records += 1;
            state.records += 1;
            state.began = None;
            state.hit_in_record.clear();
            return line + u64::from(block.bytes.ends_with(b"\n"));
        }
        // A vector of its own: that of the window is as large as the buffer.
        state.carry = window[window.len().saturating_sub(CARRY)..].to_vec();
        line
    }
}

impl Sink for Digest {
    fn block(&mut self, source: &Source<'_>, context: &mut FileContext, block: &Block<'_>) {
        let key = (source.role, source.index);
        let mut state = self.files.remove(&key).unwrap_or_else(|| {
            context.begin_read();
            if self.new_process {
                context.begin_attempt();
            }
            // Of metric files a directory leads: a writer has several. Each checkpoint has its own copy of
            // one document.
            let log = match (source.role, source.format) {
                (Role::Log, _) => source.log,
                (Role::Metrics, Format::Document) => source.log.file_name().map_or(source.log, Path::new),
                (Role::Metrics, _) => source.log.parent().unwrap_or(source.log),
            };
            let election = self.election(source.role);
            let lead = election.lead.as_deref() == Some(log);
            election.lead_read |= lead;
            let is_new = context.rows == 0;
            FileState { role: source.role, log: log.to_owned(), lead, is_new, ..FileState::default() }
        });
        // Of one log an archive comes first, then the log itself.
        state.path = source.path.to_string_lossy().into_owned();
        source.head.clone_into(&mut state.head);
        let counts = source.role == Role::Log && (state.lead || self.election.lead.is_none());
        self.begun |= counts && block.offset == 0 && (1..context.attempt).contains(&self.numbers.attempt);
        let is_text = source.format == Format::Text;
        if is_text {
            state.sample.take(block.bytes);
        }
        let line = match block.part {
            _ if !is_text => self.points(&mut state, context, source, block),
            Part::Piece | Part::LastPiece if source.role == Role::Metrics => block.line,
            Part::Whole | Part::Tail => self.records(&mut state, context, source, block),
            Part::Piece | Part::LastPiece => self.piece(&mut state, context, source, block),
        };
        // The end of this pass tells an open traceback; the next pass must not tell it again.
        if state.unfinished.is_some() {
            context.traces.tell();
        }
        if is_text && source.role == Role::Log {
            state.last.keep(block.bytes, block.offset + block.bytes.len() as u64, line);
        }
        self.files.insert(key, state);
        if source.role == Role::Log {
            self.leave(key);
        }
    }

    fn rest(&mut self, source: &Source<'_>, context: &mut FileContext) {
        let key = (source.role, source.index);
        let Some(mut state) = self.files.remove(&key) else { return };
        if let Some(mut points) = state.points.take() {
            points.close();
            self.take_points(&mut state, context, points);
        }
        self.files.insert(key, state);
    }

    /// A block of records that was still open is a row.
    fn end(&mut self, source: &Source<'_>, context: &mut FileContext) {
        let key = (source.role, source.index);
        let Some(mut state) = self.files.remove(&key) else { return };
        if self.extractor.close(context) {
            self.row(&mut state, context);
        }
        self.files.insert(key, state);
    }
}

/// Whether an unfinished record's numbers are all there: a buffer that was written out cuts anywhere.
fn is_closed(tail: &[u8]) -> bool {
    let tail = tail.trim_ascii_end();
    tail.last().is_some_and(|byte| matches!(byte, b'}' | b']' | b')' | b'%' | b'|'))
        || tail.ends_with(b"nan")
        || tail.ends_with(b"NaN")
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
