//! Which process a regex means: the topmost of those whose command line matches, and never
//! something that only carries the training's command line around.

use super::proc::printable;
use regex::bytes::Regex;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System, UpdateKind};

/// Programs whose arguments name a training, its script or its log, and that are not it: this one,
/// editors, pagers, searchers, terminals, and clients that start it elsewhere.
const BYSTANDERS: &[&str] = &[
    "trainguard", // this program, patrolling from another crontab
    "vi",
    "vim",
    "nvim",
    "nano",
    "emacs",
    "emacsclient",
    "code",
    "code-server",
    "micro",
    "hx",
    "ed",
    "tail",
    "head",
    "less",
    "more",
    "cat",
    "tee",
    "watch",
    "man",
    "bat",
    "grep",
    "egrep",
    "fgrep",
    "zgrep",
    "rg",
    "ag",
    "sed",
    "awk",
    "gawk",
    "mawk",
    "find",
    "git",
    "diff",
    "ps",
    "pgrep",
    "pkill",
    "top",
    "htop",
    "strace",
    "tmux",
    "tmux: server",
    "screen",
    "script",
    "zellij",
    "ssh",
    "sshd",
    "mosh",
    "scp",
    "sftp",
    "rsync",
    "cron",
    "crond",
    "srun",
    "salloc",
    "sbatch",
    "docker",
    "podman",
    "kubectl",
];

/// Shells: with `-c` they carry a command line, and what they start matches by itself.
const SHELLS: &[&str] = &["sh", "bash", "dash", "zsh", "ksh", "fish", "ash", "busybox"];

struct Process {
    parent: i32,
    /// Arguments, joined by spaces.
    command: Vec<u8>,
    bystander: bool,
}

/// All processes.
pub(super) struct Table(HashMap<i32, Process>);

impl Table {
    /// All processes with their command lines; this one and its ancestors are bystanders, so that
    /// cron's `sh -c 'trainguard patrol --match …'` does not find itself.
    pub(super) fn read() -> Result<Self, String> {
        let mut table = Self::refreshed(ProcessRefreshKind::nothing().with_cmd(UpdateKind::Always))?;
        let own = std::process::id() as i32;
        for pid in std::iter::once(own).chain(table.ancestors(own).collect::<Vec<i32>>()) {
            if let Some(process) = table.0.get_mut(&pid) {
                process.bystander = true;
            }
        }
        Ok(table)
    }

    /// All processes with their parents and nothing else.
    pub(super) fn parents() -> Result<Self, String> {
        Self::refreshed(ProcessRefreshKind::nothing())
    }

    fn refreshed(what: ProcessRefreshKind) -> Result<Self, String> {
        let mut system = System::new().map_err(|error| format!("cannot list processes: {error}"))?;
        system.refresh_processes_specifics(ProcessesToUpdate::All, false, what.without_tasks());
        if system.processes().is_empty() {
            return Err("the table of processes is empty".to_owned());
        }
        let processes = system.processes().iter().map(|(pid, process)| {
            let arguments: Vec<&[u8]> = process.cmd().iter().map(|argument| argument.as_bytes()).collect();
            let parent = process.parent().map_or(0, |parent| parent.as_u32() as i32);
            (
                pid.as_u32() as i32,
                Process { parent, bystander: is_bystander(&arguments), command: arguments.join(&b' ') },
            )
        });
        Ok(Self(processes.collect()))
    }

    pub(super) fn is_match(&self, pid: i32, regex: &Regex) -> bool {
        self.0.get(&pid).is_some_and(|process| !process.bystander && regex.is_match(&process.command))
    }

    /// The matches that have no match above them, in order of pid.
    pub(super) fn roots(&self, regex: &Regex) -> Vec<i32> {
        let matches: Vec<i32> = self.0.keys().copied().filter(|pid| self.is_match(*pid, regex)).collect();
        let mut roots: Vec<i32> = matches
            .iter()
            .copied()
            .filter(|pid| !self.ancestors(*pid).any(|above| matches.contains(&above)))
            .collect();
        roots.sort_unstable();
        roots
    }

    pub(super) fn ancestors(&self, pid: i32) -> impl Iterator<Item = i32> + '_ {
        let parent = |pid: &i32| self.0.get(pid).map(|process| process.parent).filter(|parent| *parent > 0);
        // A table that changed while it was read may hold a ring.
        std::iter::successors(parent(&pid), move |pid| parent(pid)).take(self.0.len())
    }

    pub(super) fn descendants(&self, pid: i32) -> Vec<i32> {
        self.0.keys().copied().filter(|other| self.ancestors(*other).any(|above| above == pid)).collect()
    }

    pub(super) fn command(&self, pid: i32) -> String {
        self.0.get(&pid).map(|process| printable(&process.command)).unwrap_or_default()
    }
}

/// Whether a command line belongs to something that only carries a training's name around.
fn is_bystander(arguments: &[&[u8]]) -> bool {
    let Some(program) = arguments.first() else {
        return true;
    };
    // `tmux: server (…)` and login shells (`-bash`) rewrite their name.
    let base = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
    let name = String::from_utf8_lossy(base.strip_prefix(b"-").unwrap_or(base)).to_lowercase();
    if BYSTANDERS.contains(&name.as_str()) || name.starts_with("tmux: ") {
        return true;
    }
    let is_command_flag = |argument: &&[u8]| {
        argument.starts_with(b"-") && !argument.starts_with(b"--") && argument.ends_with(b"c")
    };
    SHELLS.contains(&name.as_str())
        && arguments.iter().skip(1).take_while(|argument| argument.starts_with(b"-")).any(is_command_flag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(processes: &[(i32, i32, &[&str])]) -> Table {
        let process = |parent: i32, arguments: &[&str]| {
            let bytes: Vec<&[u8]> = arguments.iter().map(|argument| argument.as_bytes()).collect();
            Process { parent, bystander: is_bystander(&bytes), command: bytes.join(&b' ') }
        };
        Table(processes.iter().map(|(pid, parent, arguments)| (*pid, process(*parent, arguments))).collect())
    }

    fn roots(processes: &[(i32, i32, &[&str])]) -> Vec<i32> {
        table(processes).roots(&Regex::new(r"train\.py").unwrap())
    }

    #[test]
    fn of_a_launcher_and_its_workers_the_launcher_is_the_run() {
        assert_eq!(
            roots(&[
                (10, 1, &["/usr/bin/python", "/opt/torchrun", "--nproc", "2", "train.py"]),
                (11, 10, &["python", "-u", "train.py"]),
                (12, 10, &["sh", "-c", "exec python wrapper"]),
                (13, 12, &["python", "train.py"]),
            ]),
            [10]
        );
    }

    #[test]
    fn whoever_only_names_the_training_is_not_it() {
        let bystanders: &[&[&str]] = &[
            &["/bin/sh", "-c", "trainguard patrol --match train.py"],
            &["bash", "-lc", "python train.py"],
            &["-bash", "-c", "python train.py"],
            &["/usr/bin/vim", "train.py"],
            &["tail", "-f", "train.py.log"],
            &["grep", "-r", "train.py"],
            &["tmux", "new", "-d", "python train.py"],
            &["SCREEN", "-dmS", "x", "python", "train.py"],
            &["ssh", "node1", "python train.py"],
            &["srun", "python", "train.py"],
            &["/opt/bin/trainguard", "patrol", "--match", "train.py"],
        ];
        for arguments in bystanders {
            assert_eq!(roots(&[(10, 1, arguments)]), [0; 0], "{arguments:?}");
        }
        let trainings: &[&[&str]] = &[
            &["python3", "train.py"],
            &["bash", "run.sh", "train.py", "-c"],
            &["bash", "-x", "train.py.sh"],
            &["python", "-c", "import train.py"],
        ];
        for arguments in trainings {
            assert_eq!(roots(&[(10, 1, arguments)]), [10], "{arguments:?}");
        }
    }

    #[test]
    fn two_trainings_are_two_and_a_bystander_between_them_changes_nothing() {
        assert_eq!(roots(&[(20, 1, &["python", "train.py"]), (10, 1, &["python", "train.py"])]), [10, 20]);
        assert_eq!(
            roots(&[
                (1, 0, &["tmux", "train.py"]),
                (10, 1, &["python", "train.py"]),
                (11, 10, &["python", "train.py"])
            ]),
            [10]
        );
    }

    #[test]
    fn a_ring_of_parents_ends() {
        assert_eq!(roots(&[(10, 11, &["a", "train.py"]), (11, 10, &["a", "train.py"])]), [0; 0]);
        assert_eq!(table(&[(10, 11, &["a"]), (11, 10, &["b"])]).descendants(10).len(), 2);
    }
}
