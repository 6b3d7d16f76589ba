//! Arbitrary bytes as a file of this format, whole and as a single record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use trainguard::metrics::file::Format;

#[path = "../metric_file.rs"]
mod metric_file;

fuzz_target!(|input: (u16, &[u8])| metric_file::read(Format::Document, u64::from(input.0), input.1));
