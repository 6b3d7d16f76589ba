//! Who a process is, for people: its owner, its command and since when it runs. Reading a command
//! line may block on a process that hangs, so it is asked in the probe child.

use super::matching::Table;
use super::{Who, proc};
use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

/// Bytes of a list of users: ten thousand of them.
const PASSWD: u64 = 1 << 20;

/// Looks these pids up. May block for ever.
pub fn who(pids: &[u32]) -> Vec<Who> {
    let mut names = HashMap::new();
    pids.iter().map(|pid| one(*pid, &mut names)).collect()
}

/// This process and those that it was started from, the nearest first.
pub fn own_line() -> Vec<i32> {
    let own = std::process::id() as i32;
    let above = Table::parents().map(|table| table.ancestors(own).collect::<Vec<i32>>());
    std::iter::once(own).chain(above.unwrap_or_default()).collect()
}

fn one(pid: u32, names: &mut HashMap<u32, String>) -> Who {
    let mut who = Who { pid, user: None, command: None, started: None };
    let Some(stat) = i32::try_from(pid).ok().and_then(|pid| proc::Stat::read(pid).ok().flatten()) else {
        return who;
    };
    let owner = std::fs::metadata(format!("/proc/{pid}")).ok().map(|meta| meta.uid());
    who.user = owner.map(|uid| names.entry(uid).or_insert_with(|| name(uid)).clone());
    who.command = Some(proc::command(stat.pid).unwrap_or_else(|| format!("[{}]", stat.comm)));
    who.started = proc::started(&stat).ok().map(DateTime::<Utc>::from);
    who
}

/// From the machine's own list; a cluster's users stand elsewhere, and `getent` knows where.
fn name(uid: u32) -> String {
    let local = std::fs::File::open("/etc/passwd").map(text).unwrap_or_default();
    let asked = || {
        let mut getent = Command::new("getent");
        getent.args(["passwd", &uid.to_string()]).stdin(Stdio::null()).stderr(Stdio::null());
        getent.output().map(|output| text(output.stdout.as_slice())).unwrap_or_default()
    };
    named(&local, uid).or_else(|| named(&asked(), uid)).unwrap_or_else(|| uid.to_string())
}

fn text(source: impl Read) -> String {
    let mut bytes = Vec::new();
    drop(source.take(PASSWD).read_to_end(&mut bytes));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The name in a line `NAME:x:UID:…`.
fn named(passwd: &str, uid: u32) -> Option<String> {
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    })?;
    Some(found.chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_the_name_of_the_list_and_the_number_without_one() {
        let passwd = "root:x:0:0::/root:/bin/sh\nalice:x:1000:1000:Alice,,,:/home/alice:/bin/bash\n";
        assert_eq!(named(passwd, 1000).as_deref(), Some("alice"));
        assert_eq!(named(passwd, 1), None);
        assert_eq!(name(3_999_999_999), "3999999999");
    }

    #[test]
    fn this_very_process_is_known_and_one_that_is_not_there_is_only_a_pid() {
        let [own, gone] = <[Who; 2]>::try_from(who(&[std::process::id(), 4_194_305])).unwrap();
        assert!(own.user.is_some() && own.started.is_some());
        assert!(own.command.is_some_and(|command| command.contains("trainguard")));
        assert_eq!(gone, Who { pid: 4_194_305, user: None, command: None, started: None });
    }
}
