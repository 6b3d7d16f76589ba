//! Checksums of files, within a budget of time. What is not done is taken up again where it was left:
//! the hash's own state goes into the answer.

use super::Algorithm;
use md5::Md5;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::digest::{Digest, Output};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

/// Read at once: some milliseconds of work between two looks at the clock.
const CHUNK: usize = 4 * 1024 * 1024;

/// A file whose checksum is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its name in the manifest.
    pub name: String,
    /// Where it is.
    pub path: String,
    /// How the checksum is made.
    pub algorithm: Algorithm,
    /// Where an earlier patrol was interrupted.
    pub from: Option<Progress>,
}

/// How far a checksum is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Bytes that are in it.
    pub offset: u64,
    /// The hash's state, hexadecimal.
    pub state: String,
}

/// What came of the jobs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SumFacts {
    /// Names and checksums of those that are done; `Err` says why one could not be read.
    pub done: Vec<(String, Result<String, String>)>,
    /// The one that was interrupted.
    pub open: Option<(String, Progress)>,
}

pub(super) fn read(jobs: Vec<Job>, budget: Duration) -> SumFacts {
    let until = Instant::now() + budget;
    let mut facts = SumFacts::default();
    for job in jobs {
        if Instant::now() >= until {
            break;
        }
        let sum = match job.algorithm {
            Algorithm::Sha256 => sum::<Sha256>(&job, until),
            Algorithm::Md5 => sum::<Md5>(&job, until),
        };
        match sum {
            Ok(Sum::Whole(digest)) => facts.done.push((job.name, Ok(digest))),
            Ok(Sum::Part(progress)) => {
                facts.open = Some((job.name, progress));
                break;
            }
            Err(error) => facts.done.push((job.name, Err(format!("{}: {error}", job.path)))),
        }
    }
    facts
}

enum Sum {
    Whole(String),
    Part(Progress),
}

fn sum<D: Digest + SerializableState>(job: &Job, until: Instant) -> std::io::Result<Sum> {
    let mut file = File::open(&job.path)?;
    let resumed = job.from.as_ref().and_then(|from| Some((restore::<D>(&from.state)?, from.offset)));
    let (mut hash, mut offset) = resumed.unwrap_or_else(|| (D::new(), 0));
    file.seek(SeekFrom::Start(offset))?;
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = match file.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if read == 0 {
            let digest: Output<D> = hash.finalize();
            return Ok(Sum::Whole(hexadecimal(&digest)));
        }
        hash.update(&chunk[..read]);
        offset += read as u64;
        if Instant::now() >= until {
            return Ok(Sum::Part(Progress { offset, state: hexadecimal(&hash.serialize()) }));
        }
    }
}

fn restore<D: SerializableState>(text: &str) -> Option<D> {
    let byte = |at: usize| u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..text.len() / 2).map(byte).collect();
    let state = SerializedState::<D>::try_from(bytes?.as_slice()).ok()?;
    D::deserialize(&state).ok()
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn job(path: &std::path::Path, algorithm: Algorithm, from: Option<Progress>) -> Job {
        Job { name: "a".into(), path: path.to_string_lossy().into_owned(), algorithm, from }
    }

    #[test]
    fn known_texts_have_their_known_checksums() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        for (algorithm, digest) in [
            (Algorithm::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        ] {
            let facts = read(vec![job(file.path(), algorithm, None)], Duration::from_mins(1));
            assert_eq!(facts.done, [("a".to_owned(), Ok(digest.to_owned()))]);
        }
    }

    #[test]
    fn a_checksum_that_is_interrupted_ends_as_one_that_is_not() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&(0..3 * CHUNK + 5).map(|at| (at % 251) as u8).collect::<Vec<u8>>()).unwrap();
        for algorithm in [Algorithm::Sha256, Algorithm::Md5] {
            let whole = read(vec![job(file.path(), algorithm, None)], Duration::from_mins(1)).done;
            let mut progress = None;
            let mut parts = 0;
            let done = loop {
                let until = Instant::now();
                let next = match algorithm {
                    Algorithm::Sha256 => sum::<Sha256>(&job(file.path(), algorithm, progress), until),
                    Algorithm::Md5 => sum::<Md5>(&job(file.path(), algorithm, progress), until),
                };
                match next.unwrap() {
                    Sum::Whole(digest) => break digest,
                    Sum::Part(at) => progress = Some(at),
                }
                parts += 1;
            };
            assert_eq!(vec![("a".to_owned(), Ok(done))], whole);
            assert_eq!(parts, 4, "each time a chunk");
        }
    }

    #[test]
    fn a_state_that_is_no_state_begins_anew() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"abc").unwrap();
        let from = Some(Progress { offset: 2, state: "00ff".into() });
        let facts = read(vec![job(file.path(), Algorithm::Md5, from)], Duration::from_mins(1));
        assert_eq!(facts.done[0].1.as_deref(), Ok("900150983cd24fb0d6963f7d28e17f72"));
    }
}
