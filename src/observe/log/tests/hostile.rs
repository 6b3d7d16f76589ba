//! What is no log, what is damaged, and what changes under the reader's eyes.

use super::*;
use crate::observe::log::memory::{FileMemory, key};
use std::os::unix::fs::PermissionsExt;

#[test]
fn what_is_not_a_file_is_named_and_never_well() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 4] = [
        ("a directory", |path| fs::create_dir(path).unwrap()),
        ("a FIFO", |path| {
            rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0)
                .unwrap();
        }),
        ("a socket", |path| {
            drop(std::os::unix::net::UnixListener::bind(path).unwrap());
        }),
        ("a device", |path| {
            std::os::unix::fs::symlink("/dev/null", path).unwrap();
        }),
    ];
    for (what, make) in cases {
        let mut bench = Bench::new();
        make(&bench.path("train.log"));
        let why = bench.reason();
        assert!(why.contains(what) && why.contains("train.log"), "{why}");
    }
}

#[test]
fn a_missing_log_and_a_dangling_link_are_named() {
    let mut bench = Bench::new();
    assert!(bench.reason().contains("No such file"));
    std::os::unix::fs::symlink("nowhere", bench.path("train.log")).unwrap();
    assert!(bench.reason().contains("No such file"));
}

#[test]
fn a_compressed_file_is_no_log() {
    let mut bench = Bench::with_pattern("train.log.gz");
    bench.append("train.log.gz", "x\n");
    assert!(bench.reason().contains("compressed"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_window_into_the_kernel_is_no_empty_log() {
    let mut bench = Bench::new();
    bench.pattern = PathBuf::from("/proc/self/maps");
    assert!(bench.reason().contains("kernel"));
}

#[test]
fn an_unreadable_log_is_named_and_its_place_is_kept() {
    let mut bench = Bench::new();
    bench.append("train.log", "a\n");
    bench.records();
    bench.append("train.log", "b\n");
    fs::set_permissions(bench.path("train.log"), fs::Permissions::from_mode(0o000)).unwrap();
    if File::open(bench.path("train.log")).is_ok() {
        return; // root reads everything
    }
    assert!(bench.reason().contains("ermission"));
    fs::set_permissions(bench.path("train.log"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(bench.records(), ["b"]);
}

#[test]
fn a_damaged_archive_is_read_as_far_as_it_goes_and_the_loss_is_said() {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    bench.records();
    let noise: Vec<String> =
        (0..20_000u64).map(|n| format!("{:x}\n", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect();
    bench.append("train.log", noise.concat());
    bench.rename("train.log", "train.log.1");
    bench.gzip("train.log.1", "train.log.1.gz");
    let archive = bench.path("train.log.1.gz");
    let length = fs::metadata(&archive).unwrap().len();
    OpenOptions::new().write(true).open(&archive).unwrap().set_len(length / 2).unwrap();
    bench.append("train.log", "b\n");
    let (recorder, facts) = bench.patrol();
    assert!(recorder.records.len() > 1000 && recorder.records.last().unwrap() == "b");
    assert_eq!(facts.gaps.len(), 1);
    assert!(facts.gaps[0].why.contains("train.log.1.gz"), "{}", facts.gaps[0].why);
    assert!(bench.patrol().1.gaps.is_empty());
}

#[test]
fn an_archive_that_cannot_be_unpacked_is_named_in_the_gap() {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    bench.records();
    bench.rename("train.log", "train.log.1.xz");
    bench.append("train.log", "b\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["b"]);
    assert!(facts.gaps[0].why.contains("train.log.1.xz"), "{}", facts.gaps[0].why);
}

#[test]
fn a_log_that_shrinks_while_it_is_read_is_read_as_far_as_it_goes() {
    struct Shrinking(Recorder, PathBuf);
    impl Sink for Shrinking {
        fn block(&mut self, source: &Source<'_>, context: &mut FileContext, block: &Block<'_>) {
            self.0.block(source, context, block);
            OpenOptions::new().write(true).open(&self.1).unwrap().set_len(10).unwrap();
        }
    }
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 50_000));
    let mut sink = Shrinking(Recorder::default(), bench.path("train.log"));
    let facts = read(&bench.pattern, &mut bench.memory, &mut sink, &bench.limits);
    let read_once = sink.0.records.len();
    assert!(facts.known().is_some() && read_once > 0 && read_once < 50_000);
    bench.overwrite("train.log", "b\n");
    let (recorder, facts) = bench.patrol();
    assert_eq!(recorder.records, ["b"]);
    assert_eq!(facts.gaps.len(), 1);
}

#[test]
fn a_log_that_grows_as_fast_as_it_is_read_comes_to_an_end() {
    struct Growing(PathBuf, u64);
    impl Sink for Growing {
        fn block(&mut self, _: &Source<'_>, _: &mut FileContext, block: &Block<'_>) {
            self.1 += block.bytes.len() as u64;
            OpenOptions::new().append(true).open(&self.0).unwrap().write_all(block.bytes).unwrap();
        }
    }
    let mut bench = Bench::new();
    let text = lines("a", 20_000);
    bench.append("train.log", &text);
    let mut sink = Growing(bench.path("train.log"), 0);
    let _ = read(&bench.pattern, &mut bench.memory, &mut sink, &bench.limits);
    assert_eq!(sink.1, text.len() as u64);
}

#[test]
fn a_memory_full_of_nonsense_costs_a_re_read_and_nothing_else() {
    let mut bench = Bench::new();
    bench.append("train.log", lines("a", 30));
    for (offset, length, lines) in
        [(u64::MAX, 1024, 0), (10, u64::MAX, 0), (1024, 0, 0), (5, 5, u64::MAX), (700, 600, 3)]
    {
        let entry = FileMemory {
            path: key(&bench.pattern),
            offset,
            lines,
            marker: (7, length),
            tail: (7, length),
            judged: u64::MAX,
            inside: true,
            ..FileMemory::default()
        };
        bench.memory = LogMemory { files: vec![entry] };
        assert_eq!(bench.records(), expected("a", 30));
    }
}
