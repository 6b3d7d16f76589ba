//! Which metric file goes on from which: the files of one writer count their steps together.

use super::memory::FileMemory;
use crate::metrics::file::Format;
use crate::metrics::text::FileContext;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What was read last of each writer's files.
#[derive(Debug, Default)]
pub(super) struct Writers {
    /// TensorBoard writes a new file into the same directory at every start; W&B's link to its newest run
    /// leads to another one.
    directories: HashMap<PathBuf, FileContext>,
    /// Each checkpoint has a copy of the whole history in a directory of its own.
    document: Option<FileContext>,
}

impl Writers {
    /// Those of earlier patrols, in order of path.
    pub(super) fn of(entries: &[FileMemory]) -> Self {
        let mut writers = Self::default();
        for entry in entries {
            writers.keep(Path::new(&entry.path), entry);
        }
        writers
    }

    /// A file was read so far.
    pub(super) fn keep(&mut self, path: &Path, entry: &FileMemory) {
        match entry.format {
            Format::Events | Format::Wandb => {
                let directory = path.parent().unwrap_or(path).to_owned();
                self.directories.insert(directory, entry.context.clone());
            }
            Format::Document => {
                let further = |before: &FileContext| !entry.context.reached_less_than(before);
                if self.document.as_ref().is_none_or(further) {
                    self.document = Some(entry.context.clone());
                }
            }
            Format::Text => {}
        }
    }

    /// What a new file goes on from.
    pub(super) fn next(&self, path: &Path, format: Format) -> FileContext {
        match format {
            Format::Events | Format::Wandb => path
                .parent()
                .and_then(|directory| self.directories.get(directory))
                .map(FileContext::continued)
                .unwrap_or_default(),
            Format::Document => self.document.as_ref().map(FileContext::read_again).unwrap_or_default(),
            Format::Text => FileContext::default(),
        }
    }
}
