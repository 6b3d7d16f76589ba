//! Which commit a run is of. It is good to know and nothing rests on it.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// A large tree on a slow disk is not waited for: it is looked through for changed files.
const PATIENCE: Duration = Duration::from_secs(3);
/// Hex digits of a commit's name.
const DIGITS: &str = "--abbrev=40";
/// Bytes of an answer.
const ANSWER: u64 = 256;

/// The commit that a directory has checked out, with `-dirty` where files differ from it; `None`
/// where there is no repository, no commit, no `git`, or no answer in time.
pub fn commit(directory: &Path) -> Option<String> {
    let mut git = Command::new("git");
    // `--exclude=*`: a commit's name, not the distance from a tag.
    git.args(["describe", "--always", "--dirty", "--exclude=*", DIGITS]).current_dir(directory);
    git.env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut git = git.spawn().ok()?;
    let said = git.stdout.take()?;
    let (send, answer) = mpsc::channel();
    let reads = thread::Builder::new().spawn(move || {
        let mut text = String::new();
        let read = said.take(ANSWER).read_to_string(&mut text);
        drop(send.send(read.ok().map(|_| text)));
    });
    let text = reads.ok().and_then(|_| answer.recv_timeout(PATIENCE).ok().flatten());
    leave(git);
    let commit = text?.trim().to_owned();
    (!commit.is_empty()).then_some(commit)
}

/// Ends it where it still runs, and does not wait for one that hangs in the kernel.
fn leave(mut git: Child) {
    drop(git.kill());
    drop(thread::Builder::new().spawn(move || git.wait()));
}
