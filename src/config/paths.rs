//! Paths as users write them, made absolute.

use super::expand::Env;
use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

/// The path from `base`, with `~/` as `$HOME` and without `.` components. Nothing is looked up.
pub fn absolute(path: &Path, base: &Path, env: Env<'_>) -> PathBuf {
    let joined = match (path.strip_prefix("~"), directory(env, "HOME")) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => base.join(path),
    };
    joined.components().filter(|component| *component != Component::CurDir).collect()
}

/// An environment variable that holds an absolute path. Empty and relative ones do not count, as the
/// XDG base directory specification says.
pub(super) fn directory(env: Env<'_>, name: &str) -> Option<PathBuf> {
    env(name).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// `$XDG_CONFIG_HOME/trainguard`.
pub(super) fn xdg_config(env: Env<'_>) -> Option<PathBuf> {
    let home = || directory(env, "HOME").map(|home| home.join(".config"));
    directory(env, "XDG_CONFIG_HOME").or_else(home).map(|dir| dir.join("trainguard"))
}

/// `$XDG_STATE_HOME/trainguard`.
pub(super) fn xdg_state(env: Env<'_>) -> Option<PathBuf> {
    let home = || directory(env, "HOME").map(|home| home.join(".local/state"));
    directory(env, "XDG_STATE_HOME").or_else(home).map(|dir| dir.join("trainguard"))
}

/// Whether this is a glob rather than a path: it has `*`, `?` or `[`, and no file of that very name exists.
pub fn is_glob(path: &Path) -> bool {
    has_wildcard(path.as_os_str()) && path.symlink_metadata().is_err()
}

fn has_wildcard(name: &OsStr) -> bool {
    name.as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

/// The directory of a log: a path's parent, a glob's parent without wildcards.
pub fn log_directory(log: &Path) -> PathBuf {
    let parent = log.parent().unwrap_or(log);
    if !is_glob(log) {
        return parent.to_owned();
    }
    parent.components().take_while(|component| !has_wildcard(component.as_os_str())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsString;

    fn env(name: &str) -> Option<OsString> {
        match name {
            "HOME" => Some("/home/ada".into()),
            "XDG_STATE_HOME" => Some("relative".into()),
            _ => None,
        }
    }

    #[test]
    fn paths_become_absolute() {
        let table = [
            ("a.log", "/base/a.log"),
            ("./x/./a.log", "/base/x/a.log"),
            ("../a.log", "/base/../a.log"),
            ("/a.log", "/a.log"),
            ("~/a.log", "/home/ada/a.log"),
            ("~bob/a.log", "/base/~bob/a.log"),
            ("x/~/a.log", "/base/x/~/a.log"),
        ];
        for (path, expected) in table {
            assert_eq!(absolute(path.as_ref(), "/base".as_ref(), &env), Path::new(expected));
        }
    }

    #[test]
    fn a_relative_xdg_directory_does_not_count() {
        assert_eq!(xdg_state(&env).unwrap(), Path::new("/home/ada/.local/state/trainguard"));
    }

    #[test]
    fn a_globs_directory_is_the_part_without_wildcards() {
        assert_eq!(log_directory("/a/b/rank*.log".as_ref()), Path::new("/a/b"));
        assert_eq!(log_directory("/a/run-*/b/x.log".as_ref()), Path::new("/a"));
        assert_eq!(log_directory("/a/b/x.log".as_ref()), Path::new("/a/b"));
    }

    #[test]
    fn a_file_whose_name_looks_like_a_glob_is_a_file() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("train[1].log");
        assert!(is_glob(&log));
        std::fs::File::create(&log).unwrap();
        assert!(!is_glob(&log));
    }
}
