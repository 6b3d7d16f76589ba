//! Whole files: written beside the target, synced, renamed over it, and the directory synced.
//! A kill at any instant leaves the old content or the new, never half of either.
//!
//! Several files of one directory may share the directory's sync, which is the dearest step: a
//! power cut before it brings back old files, each of them whole.

use crate::persist::step;
use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Replaces `path` by `bytes` with the given mode, durably. A symlink at `path` is replaced, not followed.
pub fn replace(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    exchange(path, bytes, mode)?;
    sync_directory(parent(path))
}

/// The same without the directory's sync, which the caller owes.
pub fn exchange(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let directory = parent(path);
    // One name for each target, which its lock guards: what a killed patrol left behind goes with
    // the next one, and does not gather over the months.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    step("remove an old temporary file");
    match std::fs::remove_file(directory.join(&name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    step("create a temporary file");
    let mut file = tempfile::Builder::new().prefix(&name).rand_bytes(0).tempfile_in(directory)?;
    step("write a temporary file");
    file.write_all(bytes)?;
    step("set the mode of a temporary file");
    file.as_file().set_permissions(Permissions::from_mode(mode))?;
    step("sync a temporary file");
    file.as_file().sync_all()?;
    step("rename a temporary file");
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// Makes a rename or an unlink in a directory durable.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    step("sync a directory");
    File::open(directory)?.sync_all()
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_writer_left_goes_with_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        File::create(dir.path().join("state.json.tmp")).unwrap().write_all(b"half of a longer st").unwrap();
        replace(&path, b"new", 0o600).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_replaced_file_has_the_new_content_the_mode_and_no_leftovers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.json");
        replace(&path, b"old", 0o600).unwrap();
        replace(&path, b"new", 0o640).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
