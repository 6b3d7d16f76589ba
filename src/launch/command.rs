//! The command that a person typed: its variables, its name, and why it cannot be started.

use crate::config::name_fault;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{Error, ErrorKind};
use std::path::Path;

/// Endings of scripts: what a run is named after, rather than after `python` or `torchrun`.
const SCRIPTS: &[&str] = &["py", "sh", "bash", "zsh", "pl", "rb", "jl", "R", "r", "lua", "js", "ts", "m"];
/// Characters of a name that is made up; the time and a number come behind it.
const STEM_CHARS: usize = 60;

/// `A=1 B=2 python …` as a shell takes it: the variables, and the command behind them.
pub fn split(typed: Vec<String>) -> (BTreeMap<String, String>, Vec<String>) {
    let mut variables = BTreeMap::new();
    let mut command = typed.into_iter().peekable();
    while let Some((name, value)) = command.peek().and_then(|word| assignment(word)) {
        variables.insert(name.to_owned(), value.to_owned());
        command.next();
    }
    (variables, command.collect())
}

fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty()
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    is_name(name).then_some((name, value))
}

/// What a run is called that nobody named: the first script's stem, else the program's.
pub fn stem(command: &[String]) -> String {
    let path = |word: &String| -> Option<String> {
        let path = Path::new(word);
        let ending = path.extension()?.to_str()?;
        let script = SCRIPTS.contains(&ending) && !word.starts_with('-') && !word.contains('=');
        script.then(|| path.file_stem()?.to_str().map(str::to_owned)).flatten()
    };
    let program = || Some(Path::new(command.first()?).file_name()?.to_string_lossy().into_owned());
    let stem = command.iter().find_map(path).or_else(program).unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let stem: String = stem.chars().take(STEM_CHARS).map(plain).collect();
    let stem = stem.trim_start_matches(['.', '-']);
    if name_fault(stem).is_none() { stem.to_owned() } else { "run".to_owned() }
}

/// A command as people write it: words that a shell would take apart are quoted.
pub fn shown(command: &[String]) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@=:,%".contains(c);
    let word = |word: &String| {
        if !word.is_empty() && word.chars().all(plain) {
            word.clone()
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    command.iter().map(word).collect::<Vec<_>>().join(" ")
}

/// Why a command cannot be started, where its program is not there at all: what is waited for before a
/// start is not waited for in vain. `path` is the value of `PATH`.
pub fn missing(command: &[String], directory: &Path, path: Option<&OsStr>) -> Option<String> {
    let program = command.first()?;
    // Without a PATH the system has one of its own.
    let there = match path {
        _ if program.contains('/') => directory.join(program).exists(),
        None => true,
        Some(path) => std::env::split_paths(path).any(|place| directory.join(place).join(program).exists()),
    };
    (!there).then(|| unstartable(command, directory, &Error::from_raw_os_error(NOT_THERE)))
}

/// `ENOENT`.
const NOT_THERE: i32 = rustix::io::Errno::NOENT.raw_os_error();

/// Why a command could not be started, and what to type instead.
pub(super) fn unstartable(command: &[String], directory: &Path, error: &Error) -> String {
    let program = command.first().map(String::as_str).unwrap_or_default();
    let path = directory.join(program);
    let named = program.contains('/');
    let next = match error.kind() {
        _ if program.contains(char::is_whitespace) && !path.exists() => {
            let words = "this is one word with spaces in it: leave the quotes away";
            format!("{words}, or give it to a shell: trainguard launch -- sh -c {}", shown(command))
        }
        ErrorKind::NotFound if !directory.is_dir() => {
            format!("the working directory {} is gone", directory.display())
        }
        ErrorKind::NotFound if named && path.exists() => {
            "the program that its first line (#!) names is not there: install it, or start the script by it"
                .to_owned()
        }
        ErrorKind::NotFound if named => format!("there is no {}: check the path", path.display()),
        ErrorKind::NotFound if path.is_file() => {
            format!("it is not in $PATH, but in this directory: write ./{program}, or `python {program}`")
        }
        ErrorKind::NotFound => {
            "no directory of $PATH has it: check the spelling, activate its environment, or give its path"
                .to_owned()
        }
        ErrorKind::PermissionDenied if path.is_dir() => "it is a directory".to_owned(),
        ErrorKind::PermissionDenied => {
            format!("make it executable (chmod +x {program}), or start it by its interpreter")
        }
        ErrorKind::ArgumentListTooLong => {
            "arguments and environment are too long together: read them from a file".to_owned()
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::NOEXEC.raw_os_error()) => {
            "it is neither a program nor a script with a first line (#!): start it by its interpreter"
                .to_owned()
        }
        _ => "try the same command without trainguard".to_owned(),
    };
    format!("cannot start `{program}`: {error}; {next}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn variables_before_the_command_are_its_environment() {
        let (variables, command) = split(words("A=1 CUDA_VISIBLE_DEVICES=0,2 python t.py lr=3"));
        assert_eq!(variables.get("CUDA_VISIBLE_DEVICES").map(String::as_str), Some("0,2"));
        assert_eq!((variables.len(), command), (2, words("python t.py lr=3")));
        assert_eq!(split(words("./a=b c")).1, words("./a=b c"));
        assert_eq!(split(words("1A=2 c")).1, words("1A=2 c"));
        assert_eq!(split(words("A=1")).1, words(""));
    }

    #[test]
    fn a_run_is_named_after_its_script() {
        for (command, name) in [
            ("python train.py --config a.yaml", "train"),
            ("torchrun --nproc-per-node=2 src/pretrain_gpt.py x.py", "pretrain_gpt"),
            ("./run.sh", "run"),
            ("env A=1 python3 -u train.v2.py", "train.v2"),
            ("/opt/bin/trainer --script=x.py", "trainer"),
            ("python -m package.train", "python"),
            ("./.hidden", "hidden"),
            ("über", "_ber"),
            ("...", "run"),
            ("x.json", "run"),
        ] {
            assert_eq!(stem(&words(command)), name, "{command}");
        }
    }

    #[test]
    fn a_command_is_shown_as_a_shell_would_take_it() {
        let command = ["sh", "-c", "it's a b", ""].map(str::to_owned);
        assert_eq!(shown(&command), r"sh -c 'it'\''s a b' ''");
    }

    #[test]
    fn a_program_that_is_nowhere_is_known_before_it_is_started() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bin")).unwrap();
        std::fs::File::create(dir.path().join("bin/train")).unwrap();
        let missing = |program: &str, path: Option<&str>| {
            missing(&[program.to_owned()], dir.path(), path.map(OsStr::new)).is_some()
        };
        assert!(missing("train", Some("/nowhere:")) && missing("./train", Some("bin")));
        assert!(!missing("train", Some("/nowhere:bin")) && !missing("bin/train", None));
        assert!(!missing("train", None), "the system's own PATH is not known");
    }

    #[test]
    fn what_cannot_be_started_says_what_to_type_instead() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::File::create(dir.path().join("train.py")).unwrap();
        let why = |program: &str, error| {
            unstartable(&[program.to_owned()], dir.path(), &Error::from_raw_os_error(error))
        };
        let (none, denied, format) = (2, 13, 8);
        for (program, error, says) in [
            ("python train.py", none, "sh -c 'python train.py'"),
            ("pyhton", none, "$PATH"),
            ("train.py", none, "./train.py"),
            ("./train.py", none, "(#!)"),
            ("./other", none, "check the path"),
            ("./train.py", denied, "chmod +x ./train.py"),
            ("./train.py", format, "interpreter"),
        ] {
            let why = why(program, error);
            assert!(why.contains(says) && why.contains(program), "{why}");
        }
    }
}
