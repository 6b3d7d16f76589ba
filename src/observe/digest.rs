//! One pass over a log's new bytes: rows into [`Numbers`], words into hits.

mod binary;
mod excerpt;
mod facts;
mod hits;
mod last;

pub use facts::{DigestFacts, Hits, Options};

use crate::finding::Occurrence;
use crate::metrics::Metric;
use crate::metrics::numbers::Numbers;
use crate::metrics::text::trace::{Then, Trace};
use crate::metrics::text::{Extractor, FileContext, records};
use crate::observe::log::{Block, Part, Sink, Source};
use crate::playbook::{self, PYTHON_TRACEBACK};
use binary::Sample;
use hits::{Found, Place};
use last::LastBlock;
use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Takes the blocks of a run's logs and makes facts of them.
#[derive(Debug)]
pub struct Digest {
    numbers: Numbers,
    extractor: Extractor,
    done_when: Option<DoneWhen>,
    new_process: bool,
    lead: Option<PathBuf>,
    files: BTreeMap<usize, FileState>,
    hits: Vec<Found>,
    completed: Option<Occurrence>,
    rows: u64,
    records: u64,
}

/// The user's own sign of completion.
#[derive(Debug)]
struct DoneWhen {
    pattern: Regex,
    /// It looks at a record's begin or end, so that a whole block says nothing about it.
    anchored: bool,
}

/// What a pass keeps of one file.
#[derive(Debug, Default)]
struct FileState {
    path: String,
    log: PathBuf,
    head: String,
    /// Its rows are the run's numbers.
    lead: bool,
    /// Rows in this pass.
    rows: u64,
    /// Its first bytes in this pass.
    sample: Sample,
    /// The step of the last row.
    step: Option<f64>,
    /// The end of the previous piece of an over-long record, where that record began, and what hit
    /// in it so far.
    carry: Vec<u8>,
    began: Option<(u64, u64)>,
    hit_in_record: Vec<&'static str>,
    /// The header of an open traceback, to be told if its exception does not come in this pass.
    unfinished: Option<(Place, String)>,
    last: LastBlock,
}

impl FileState {
    /// Takes over where the next block stands. The rest of an archive and the log after it come in one pass.
    fn go_to(&mut self, source: &Source<'_>) {
        let path = source.path.to_string_lossy();
        if self.path != path {
            self.path = path.into_owned();
            self.began = None;
            self.carry.clear();
            self.hit_in_record.clear();
        }
        source.head.clone_into(&mut self.head);
    }
}

/// Bytes of a piece that the next one is read with: a hit that spans two pieces is shorter.
const CARRY: usize = 4096;
/// Bytes around a literal in an over-long record that are looked at as if they were the record.
const REGION: usize = 2048;

impl Digest {
    /// Goes on from the numbers of the previous pass. A `done_when` that does not compile is
    /// ignored here: the configuration was checked.
    pub fn new(numbers: Numbers, options: Options<'_>) -> Self {
        let done_when = options.done_when.and_then(|text| {
            let pattern = RegexBuilder::new(text).multi_line(true).build().ok()?;
            Some(DoneWhen {
                pattern,
                anchored: text.contains(['^', '$']) || text.contains("\\A") || text.contains("\\z"),
            })
        });
        Self {
            numbers,
            extractor: Extractor::default(),
            done_when,
            new_process: options.new_process,
            lead: options.lead.map(PathBuf::from),
            files: BTreeMap::new(),
            hits: Vec::new(),
            completed: None,
            rows: 0,
            records: 0,
        }
    }

    /// What the pass found.
    pub fn finish(mut self) -> DigestFacts {
        let mut files = std::mem::take(&mut self.files);
        for state in files.values_mut() {
            if let Some((place, text)) = state.unfinished.take() {
                hits::add(&mut self.hits, PYTHON_TRACEBACK, &place, state, text.clone(), text);
            }
        }
        let binary = files.values().find(|state| state.rows == 0 && state.sample.is_binary());
        let binary = binary.map(|state| PathBuf::from(&state.path));
        let last = files.values().find(|state| state.lead).or_else(|| files.values().next_back());
        DigestFacts {
            numbers: self.numbers,
            rows: self.rows,
            hits: self
                .hits
                .into_iter()
                .map(|found| {
                    let file = found.place.file;
                    found.finish(files.get(&file))
                })
                .collect(),
            completed: self.completed,
            last_lines: last.map(|state| state.last.lines(&state.path)).unwrap_or_default(),
            records: self.records,
            lead: self.lead,
            binary,
        }
    }

    #[inline]
    fn row(&mut self, state: &mut FileState) {
        let row = self.extractor.row();
        self.rows += 1;
        state.rows += 1;
        state.step = row.values.get(Metric::Step).or(state.step);
        if row.values.get(Metric::Loss).is_some() {
            self.completed = None;
            if self.lead.is_none() {
                self.lead = Some(state.log.clone());
                state.lead = true;
            }
        }
        // Other ranks print the same numbers again; what they alone can say is that one is not finite.
        if state.lead || self.lead.is_none() {
            self.numbers.fold(row);
        } else {
            self.numbers.fold_other(row, &state.path);
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
        let mut places = playbook::candidates(bytes).into_iter().peekable();
        let may_be_done =
            self.done_when.as_ref().is_some_and(|done| done.anchored || done.pattern.is_match(bytes));
        let tail = block.part == Part::Tail;
        let (mut at, mut line) = (0, block.line);
        let mut judged = usize::try_from(source.judged).unwrap_or(usize::MAX);
        while at < bytes.len() {
            let offset = block.offset + at as u64;
            let counted = judged > 0 && context.tail_counted;
            let (end, row) = if counted || tail && !is_closed(bytes) {
                (records::end(bytes, at), false)
            } else {
                self.extractor.read(context, bytes, at, line, offset)
            };
            if row {
                self.row(state);
            }
            context.tail_counted = tail && (row || counted);
            let mut candidate = false;
            while places.next_if(|place| *place < end.next).is_some() {
                candidate = true;
            }
            if candidate || may_be_done || context.trace.is_some() {
                let place =
                    Place { file: source.index, line, offset, step: state.step, attempt: context.attempt };
                self.words(state, context, &bytes[at..end.end], judged, place);
            }
            judged = 0;
            self.records += 1;
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
        for found in playbook::candidates(&window) {
            let from = found.saturating_sub(REGION);
            let to = (found + REGION).min(window.len());
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
            state.began = None;
            state.hit_in_record.clear();
            return line + u64::from(block.bytes.ends_with(b"\n"));
        }
        window.drain(..window.len().saturating_sub(CARRY));
        state.carry = window;
        line
    }

    /// Judges a record in which a literal stands, or that may belong to an open traceback.
    /// `judged` bytes of it were judged before.
    fn words(
        &mut self,
        state: &mut FileState,
        context: &mut FileContext,
        record: &[u8],
        judged: usize,
        place: Place,
    ) {
        let mut plain = Vec::new();
        let record = excerpt::plain(record, judged, &mut plain);
        let before = &record[..judged.min(record.len())];
        let long = state.began.is_some();
        let mut named = false;
        for (entry, span) in playbook::hits(record) {
            named = true;
            let again = playbook::hits(before).any(|(earlier, _)| earlier.id == entry.id);
            if again || state.hit_in_record.contains(&entry.id) {
                continue;
            }
            if long {
                state.hit_in_record.push(entry.id);
            }
            let quote = excerpt::quote(record, &span);
            hits::add(&mut self.hits, entry.id, &place, state, excerpt::around(record, &span), quote);
        }
        let done = self.done_when.as_ref().is_some_and(|done| done.pattern.is_match(record));
        if done || playbook::completes(record) {
            let text = excerpt::around(record, &(0..record.len()));
            self.completed = Some(place.occurrence(&state.path, text));
        }
        self.traceback(state, context, record, judged, named, place);
    }

    fn traceback(
        &mut self,
        state: &mut FileState,
        context: &mut FileContext,
        record: &[u8],
        judged: usize,
        named: bool,
        place: Place,
    ) {
        if let Some(trace) = context.trace.as_mut() {
            match trace.next(record) {
                Then::GoesOn => {}
                Then::Lost => (context.trace, state.unfinished) = (None, None),
                Then::Exception(text) => {
                    let counts = !named && !trace.chained && !trace.told;
                    (context.trace, state.unfinished) = (None, None);
                    if counts {
                        let around = excerpt::around(record, &(0..record.len()));
                        hits::add(&mut self.hits, PYTHON_TRACEBACK, &place, state, around, text);
                    }
                    return;
                }
            }
        }
        if memmem::find(record, playbook::CHAINED.as_bytes()).is_some() {
            context.chained = true;
        }
        let header = memmem::find(record, playbook::TRACEBACK.as_bytes());
        if let Some(header) = header.filter(|header| header + playbook::TRACEBACK.len() > judged) {
            context.trace = Trace::begin(record, header, std::mem::take(&mut context.chained));
            let told = context.trace.as_ref().is_some_and(|trace| !trace.chained);
            state.unfinished = told.then(|| (place, excerpt::around(record, &(header..record.len()))));
        }
    }
}

impl Sink for Digest {
    fn block(&mut self, source: &Source<'_>, context: &mut FileContext, block: &Block<'_>) {
        let mut state = self.files.remove(&source.index).unwrap_or_else(|| {
            context.begin_read();
            if self.new_process {
                context.begin_attempt();
            }
            let lead = self.lead.as_deref() == Some(source.log);
            FileState { log: source.log.to_owned(), lead, ..FileState::default() }
        });
        state.go_to(source);
        state.sample.take(block.bytes);
        if state.unfinished.is_some()
            && let Some(trace) = context.trace.as_mut()
        {
            trace.told = false;
        }
        let line = match block.part {
            Part::Whole | Part::Tail => self.records(&mut state, context, source, block),
            Part::Piece | Part::LastPiece => self.piece(&mut state, context, source, block),
        };
        // The end of this pass tells an open traceback; the next pass must not tell it again.
        if let Some(trace) = context.trace.as_mut() {
            trace.told |= state.unfinished.is_some();
        }
        state.last.keep(block.bytes, block.offset + block.bytes.len() as u64, line);
        self.files.insert(source.index, state);
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
mod tests;
