//! A list of checksums: lines of `sha256sum` and `md5sum`, or in the style of BSD.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Component, Path, PathBuf};

/// Bytes of a manifest, and files in it: what is remembered of each has to fit into a state.
const SIZE_MAX: u64 = 4 * 1024 * 1024;
const ENTRIES: usize = 20_000;

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// 64 hexadecimal digits.
    Sha256,
    /// 32 hexadecimal digits.
    Md5,
}

/// A file that the manifest asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wanted {
    /// Its name in the manifest.
    pub name: String,
    /// Where it is or will be.
    pub path: String,
    /// How its checksum is made.
    pub algorithm: Algorithm,
    /// The checksum that it ought to have, in lower case.
    pub digest: String,
    /// Its size and when it was written, where it is there.
    pub there: Option<(u64, DateTime<Utc>)>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Line {
    name: String,
    algorithm: Algorithm,
    digest: String,
}

impl Line {
    pub(super) fn at(self, directory: &Path, sizes: &HashMap<PathBuf, (u64, DateTime<Utc>)>) -> Wanted {
        let Self { name, algorithm, digest } = self;
        let relative: PathBuf =
            Path::new(&name).components().filter(|component| *component != Component::CurDir).collect();
        let path = directory.join(relative);
        let there = sizes.get(&path).copied();
        Wanted { name, path: path.to_string_lossy().into_owned(), algorithm, digest, there }
    }
}

pub(super) fn read(path: &Path) -> Result<Vec<Line>, String> {
    let shown = path.display();
    let file = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => format!("the manifest {shown} is not there"),
        _ => format!("{shown}: {error}"),
    })?;
    let mut text = Vec::new();
    file.take(SIZE_MAX + 1).read_to_end(&mut text).map_err(|error| format!("{shown}: {error}"))?;
    if text.len() as u64 > SIZE_MAX {
        return Err(format!("{shown} is larger than {SIZE_MAX} bytes"));
    }
    parse(&String::from_utf8_lossy(&text)).map_err(|why| format!("{shown}: {why}"))
}

fn parse(text: &str) -> Result<Vec<Line>, String> {
    let mut lines = Vec::new();
    for (number, text) in text.lines().enumerate() {
        if text.trim().is_empty() || text.starts_with('#') {
            continue;
        }
        let wrong = || format!("line {} is no checksum of SHA-256 or MD5 with a name", number + 1);
        lines.push(line(text).ok_or_else(wrong)?);
    }
    match lines.len() {
        0 => Err("it lists no files".to_owned()),
        1..=ENTRIES => Ok(lines),
        more => Err(format!("it lists {more} files, more than {ENTRIES}")),
    }
}

fn line(text: &str) -> Option<Line> {
    // `SHA256 (name) = digest`
    let bsd = text.split_once(" (").and_then(|(_, rest)| rest.rsplit_once(") = "));
    // `digest  name`, or `digest *name` of a binary file.
    let (name, digest) = if let Some(pair) = bsd {
        pair
    } else {
        let (digest, name) = text.trim_end().split_once(' ')?;
        (name.strip_prefix([' ', '*'])?, digest)
    };
    let hexadecimal = digest.bytes().all(|byte| byte.is_ascii_hexdigit());
    let algorithm = match digest.len() {
        64 if hexadecimal => Algorithm::Sha256,
        32 if hexadecimal => Algorithm::Md5,
        _ => return None,
    };
    Some(Line { name: name.to_owned(), algorithm, digest: digest.to_lowercase() })
        .filter(|line| !line.name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sha256sum_md5sum_and_bsd_are_read_and_others_are_named() {
        let (sha, md5) = ("A".repeat(64), "b".repeat(32));
        let text = format!("# note\n{sha}  a b.bin\n{md5} *c.bin\n\nSHA256 (d (1).bin) = {sha}\n");
        let lines = parse(&text).unwrap();
        let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
        assert_eq!(names, ["a b.bin", "c.bin", "d (1).bin"]);
        assert_eq!(lines[0].digest, "a".repeat(64));
        assert_eq!(lines[1].algorithm, Algorithm::Md5);
        assert!(parse("").unwrap_err().contains("no files"));
        for wrong in ["abc  a.bin", &sha, &format!("{}  x", "g".repeat(64))] {
            assert!(parse(wrong).unwrap_err().contains("line 1"), "{wrong}");
        }
    }
}
