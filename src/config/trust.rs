//! Who else could have written a file: nothing is executed or obeyed on a stranger's word. The
//! caller's primary group is trusted, for many systems give every user a group of their own.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const GROUP_WRITE: u32 = 0o020;
const OTHER_WRITE: u32 = 0o002;

/// Whoever runs this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Effective user id.
    pub uid: u32,
    /// Effective group id: the primary group.
    pub gid: u32,
}

impl Caller {
    /// The user and group in effect.
    pub fn current() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

/// Why a file or directory cannot be trusted, with the command that mends it; `None` where it can.
pub fn fault(path: &Path, metadata: &Metadata, caller: Caller) -> Option<String> {
    let reason = reason(metadata.uid(), metadata.gid(), metadata.mode(), caller)?;
    let shown = path.display();
    let typed = shown.to_string().replace('\'', r"'\''");
    Some(match reason {
        Reason::Owner(uid) => format!(
            "{shown} belongs to uid {uid}, who is neither root nor you: chown {} '{typed}'",
            caller.uid
        ),
        Reason::World => format!("{shown} is writable by everybody: chmod go-w '{typed}'"),
        Reason::Group(gid) => {
            format!("{shown} is writable by group {gid}, which is not your own: chmod g-w '{typed}'")
        }
    })
}

#[derive(Debug, PartialEq, Eq)]
enum Reason {
    Owner(u32),
    World,
    Group(u32),
}

fn reason(uid: u32, gid: u32, mode: u32, caller: Caller) -> Option<Reason> {
    if uid != 0 && uid != caller.uid {
        Some(Reason::Owner(uid))
    } else if mode & OTHER_WRITE != 0 {
        Some(Reason::World)
    } else if mode & GROUP_WRITE != 0 && gid != caller.gid {
        Some(Reason::Group(gid))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_and_the_caller_and_the_callers_own_group_are_trusted() {
        let caller = Caller { uid: 1000, gid: 1000 };
        let table = [
            ((1000, 1000, 0o644), None),
            ((1000, 1000, 0o664), None),
            ((0, 0, 0o644), None),
            ((1000, 50, 0o644), None),
            ((1000, 50, 0o664), Some(Reason::Group(50))),
            ((0, 0, 0o664), Some(Reason::Group(0))),
            ((1000, 1000, 0o646), Some(Reason::World)),
            ((0, 0, 0o777), Some(Reason::World)),
            ((1001, 1000, 0o600), Some(Reason::Owner(1001))),
        ];
        for ((uid, gid, mode), expected) in table {
            assert_eq!(reason(uid, gid, mode, caller), expected, "{uid} {gid} {mode:o}");
        }
    }

    #[test]
    fn the_message_names_the_file_and_the_command_that_mends_it() {
        use std::os::unix::fs::PermissionsExt;
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o666)).unwrap();
        let said = fault(path, &path.metadata().unwrap(), Caller::current()).unwrap();
        assert!(said.contains("writable by everybody"), "{said}");
        assert!(said.ends_with(&format!("chmod go-w '{}'", path.display())), "{said}");
    }
}
