use super::*;
use std::path::Path;

/// One file of a run, read in blocks as the log reader gives them.
struct Log {
    index: usize,
    path: &'static str,
    context: FileContext,
    offset: u64,
    line: u64,
}

impl Log {
    fn new(index: usize, path: &'static str) -> Self {
        Self { index, path, context: FileContext::default(), offset: 0, line: 1 }
    }

    fn block(&mut self, digest: &mut Digest, text: &str, part: Part, judged: u64) {
        let path = Path::new(self.path);
        let source = Source { index: self.index, head: "head", judged, ..Source::of(path) };
        let block = Block { bytes: text.as_bytes(), offset: self.offset, line: self.line, part, ends: &[] };
        digest.block(&source, &mut self.context, &block);
        if part != Part::Tail {
            self.offset += text.len() as u64;
            self.line += text.bytes().filter(|byte| *byte == b'\n').count() as u64;
        }
    }

    /// Reads whole records with a digest of their own: one patrol.
    fn patrol(&mut self, text: &str) -> DigestFacts {
        let mut digest = Digest::new(Numbers::default(), Options::default());
        self.block(&mut digest, text, Part::Whole, 0);
        digest.finish()
    }
}

fn read(text: &str) -> DigestFacts {
    Log::new(0, "train.log").patrol(text)
}

fn names(facts: &DigestFacts) -> Vec<(&str, u64)> {
    facts.hits.iter().map(|hits| (hits.syndrome.as_str(), hits.count)).collect()
}

const OOM: &str = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.40 GiB. GPU 0 has a total capacity of 23.52 GiB";

#[test]
fn a_hit_has_its_line_offset_step_and_quote() {
    let facts = read(&format!("step 10 loss 2.0\nstep 20 loss 1.9\n\x1b[31m{OOM}\x1b[0m\n"));
    assert_eq!(names(&facts), [("cuda_oom", 1)]);
    let first = &facts.hits[0].occurrences[0];
    assert_eq!((first.line, first.offset, first.step), (3, 34, Some(20.0)));
    assert!(facts.hits[0].quote.contains("Tried to allocate 2.40 GiB"));
    assert!(!first.text.contains('\x1b'));
    assert_eq!(facts.hits[0].occasion, "head:34");
    assert_eq!((facts.rows, facts.hits[0].rows_after), (2, 0));
}

#[test]
fn words_in_rows_of_a_known_shape_are_found_when_only_a_number_makes_them_bad() {
    let row = |step: u32, code: &str| format!("step {step} loss 2.{step} exitcode: {code} errno {step}\n");
    let log: String = (1..40).map(|step| row(step, "0")).chain([row(40, "-11"), row(41, "-12")]).collect();
    let facts = read(&log);
    assert_eq!((names(&facts), facts.rows), (vec![("segfault", 1)], 41));
    let bar =
        |step: u32, drawn: &str| format!("{step}%|{drawn}| {step}/90 [00:01<00:02, 1.5it/s, loss=2.1]\n");
    let log: String = (1..40).map(|step| bar(step, "##   ")).chain([bar(40, OOM)]).collect();
    assert_eq!(names(&read(&log)), [("cuda_oom", 1)]);
}

#[test]
fn rows_after_the_last_hit_are_counted() {
    let facts = read(&format!("{OOM}\nstep 1 loss 2.0\n{OOM}\nstep 2 loss 2.0\nstep 3 loss 2.0\n"));
    assert_eq!((facts.hits[0].count, facts.hits[0].rows_after), (2, 2));
}

#[test]
fn twenty_occurrences_are_kept_and_all_are_counted() {
    let facts = read(&format!("{OOM}\n").repeat(57));
    assert_eq!((facts.hits[0].count, facts.hits[0].occurrences.len()), (57, 20));
    assert!(facts.hits[0].occurrences.iter().all(|hit| hit.text.len() <= 300));
}

#[test]
fn a_traceback_is_quoted_by_its_exception_and_not_told_beside_a_named_cause() {
    let traceback = "Traceback (most recent call last):\n  File \"/p/train.py\", line 3, in main\n    f()\n";
    let facts = read(&format!("{traceback}ValueError: bad shape\n"));
    assert_eq!(names(&facts), [("python_traceback", 1)]);
    assert_eq!(facts.hits[0].quote, "ValueError: bad shape (p/train.py:3 in main)");
    assert_eq!(facts.hits[0].occurrences[0].line, 4);
    assert_eq!(names(&read(&format!("{traceback}{OOM}\n"))), [("cuda_oom", 1)]);
}

#[test]
fn a_message_that_a_narrow_console_broke_in_two_is_found() {
    let facts = read(
        "2026 worker 3\n[05/04/26 12:00:00] ERROR    RuntimeError in step: CUDA out of\n                             memory. Tried to\n                             allocate 2.40 GiB\nbye\n",
    );
    assert_eq!(names(&facts), [("cuda_oom", 1)]);
    assert!(facts.hits[0].quote.contains("CUDA out of memory."), "{}", facts.hits[0].quote);
    assert_eq!(facts.hits[0].occurrences[0].line, 3);
    assert_eq!(names(&read("step 1 loss 2.0, CUDA out of\nstep 2 loss 1.9 memory\n")), []);
}

#[test]
fn the_second_of_two_chained_tracebacks_is_an_effect() {
    let facts = read(&format!(
        "Traceback (most recent call last):\n  f()\n{OOM}\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n  g()\nValueError: cannot clean up\n"
    ));
    assert_eq!(names(&facts), [("cuda_oom", 1)]);
}

#[test]
fn a_traceback_that_two_patrols_share_is_told_once() {
    let mut log = Log::new(0, "train.log");
    let first =
        log.patrol("step 1 loss 2\nTraceback (most recent call last):\n  File \"a.py\", line 3, in f\n");
    assert_eq!(names(&first), [("python_traceback", 1)], "told unfinished rather than not at all");
    assert_eq!(names(&log.patrol("ValueError: bad\n")), []);
    assert_eq!(
        names(&log.patrol("Traceback (most recent call last):\n  f()\nValueError: again\n")),
        [("python_traceback", 1)]
    );
}

#[test]
fn a_judged_tail_counts_only_what_is_new_when_it_grows() {
    let mut log = Log::new(0, "train.log");
    let mut digest = Digest::new(Numbers::default(), Options::default());
    log.block(&mut digest, "step 1 loss 2.0\n", Part::Whole, 0);
    log.block(&mut digest, OOM, Part::Tail, 0);
    assert_eq!(names(&digest.finish()), [("cuda_oom", 1)]);
    let mut digest = Digest::new(Numbers::default(), Options::default());
    log.block(&mut digest, &format!("{OOM} No space left on device\n"), Part::Whole, OOM.len() as u64);
    assert_eq!(names(&digest.finish()), [("disk_full", 1)]);
}

#[test]
fn a_pattern_that_the_judged_tail_split_is_found_when_it_is_whole() {
    let mut log = Log::new(0, "train.log");
    let mut digest = Digest::new(Numbers::default(), Options::default());
    log.block(&mut digest, "error: CUDA out of mem", Part::Tail, 0);
    assert_eq!(names(&digest.finish()), []);
    let mut digest = Digest::new(Numbers::default(), Options::default());
    log.block(&mut digest, "error: CUDA out of memory\n", Part::Whole, 22);
    assert_eq!(names(&digest.finish()), [("cuda_oom", 1)]);
}

#[test]
fn a_row_in_a_tail_is_counted_once_and_a_cut_number_not_at_all() {
    let mut log = Log::new(0, "train.log");
    let rows = |log: &mut Log, text: &str, part: Part, judged: u64| {
        let mut digest = Digest::new(Numbers::default(), Options::default());
        log.block(&mut digest, text, part, judged);
        digest.finish().rows
    };
    assert_eq!(rows(&mut log, "step 2 loss 2.", Part::Tail, 0), 0, "it may be 2.7 or 2.3");
    assert_eq!(rows(&mut log, "step 2 loss 2.7\n", Part::Whole, 14), 1);
    assert_eq!(rows(&mut log, "{'step': 3, 'loss': 2.7}", Part::Tail, 0), 1);
    assert_eq!(rows(&mut log, "{'step': 3, 'loss': 2.7}\n", Part::Whole, 24), 0);
}

#[test]
fn a_hit_that_spans_two_pieces_of_an_over_long_record_is_found_once() {
    let mut log = Log::new(0, "train.log");
    let mut digest = Digest::new(Numbers::default(), Options::default());
    let filler = "x".repeat(10_000);
    log.block(&mut digest, &format!("{filler} CUDA out of "), Part::Piece, 0);
    log.block(&mut digest, &format!("memory {filler}"), Part::Piece, 0);
    log.block(&mut digest, "the end\n", Part::LastPiece, 0);
    log.block(&mut digest, "step 1 loss 2.0\n", Part::Whole, 0);
    let facts = digest.finish();
    assert_eq!(names(&facts), [("cuda_oom", 1)]);
    assert_eq!((facts.hits[0].occurrences[0].offset, facts.hits[0].rows_after), (0, 1));
}

#[test]
fn completion_counts_until_a_row_of_training_follows() {
    let done = "{'train_runtime': 8.3, 'train_samples_per_second': 9.8, 'train_loss': 5.2, 'epoch': 1.0}\n";
    assert!(read(&format!("{{'loss': 2.0, 'epoch': 1.0}}\n{done}")).completed.is_some());
    assert!(read(&format!("{done}{{'loss': 2.0, 'epoch': 1.0}}\n")).completed.is_none());
    let mut digest =
        Digest::new(Numbers::default(), Options { done_when: Some("^ALL DONE$"), ..Options::default() });
    Log::new(0, "train.log").block(&mut digest, "x\nnot ALL DONE\nALL DONE\n", Part::Whole, 0);
    assert_eq!(digest.finish().completed.map(|done| done.line), Some(3));
}

#[test]
fn the_last_printable_lines_have_their_numbers() {
    let facts = read("one\ntwo\n\x1b[0m\n   \nthree\n1%\r2%\r\n\n");
    let lines: Vec<_> = facts.last_lines.iter().map(|line| (line.line, line.text.as_str())).collect();
    assert_eq!(lines, [(5, "three"), (6, "1%"), (6, "2%")]);
}

#[test]
fn one_file_carries_the_numbers_of_all_ranks() {
    let mut digest = Digest::new(Numbers::default(), Options::default());
    let (mut first, mut second) = (Log::new(0, "rank0.err"), Log::new(1, "rank1.log"));
    first.block(&mut digest, "starting\n", Part::Whole, 0);
    second.block(&mut digest, "step 1 loss 2.0\nstep 2 loss 1.9\n", Part::Whole, 0);
    let mut third = Log::new(2, "rank2.log");
    third.block(&mut digest, "step 1 loss 2.0\nstep 2 loss nan\n", Part::Whole, 0);
    let facts = digest.finish();
    assert_eq!(facts.lead.as_deref(), Some(Path::new("rank1.log")));
    assert_eq!((facts.rows, facts.numbers.rows, facts.numbers.other_rows), (4, 2, 2));
    assert!(facts.numbers.others.keys().eq(["rank2.log"]), "{:?}", facts.numbers.others);
}

#[test]
fn another_process_begins_an_attempt() {
    let mut log = Log::new(0, "train.log");
    assert_eq!(log.patrol("step 1 loss 2.0\nstep 2 loss 1.9\n").numbers.attempt, 1);
    let mut digest = Digest::new(Numbers::default(), Options { new_process: true, ..Options::default() });
    log.block(&mut digest, "step 3 loss 2.0\n", Part::Whole, 0);
    assert_eq!(digest.finish().numbers.attempt, 2);
}

#[test]
fn memory_does_not_grow_with_the_number_of_files() {
    let mut digest = Digest::new(Numbers::default(), Options::default());
    let text = format!("step 1 loss 2.0\n{}\n", "x".repeat(5000));
    for index in 0..300 {
        let mut log = Log::new(index, Box::leak(format!("rank{index}.log").into_boxed_str()));
        log.block(&mut digest, &text, Part::Whole, 0);
        log.block(&mut digest, &"y".repeat(200_000), Part::Piece, 0);
    }
    let held: usize = digest.files.values().map(|state| state.last.held() + state.carry.capacity()).sum();
    assert!(held < 64 * 1024, "{held} bytes");
    let last = digest.finish().last_lines;
    assert!(!last.is_empty());
}
