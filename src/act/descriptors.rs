//! What this process was started with and must not hand on.
//!
//! A crontab line such as `flock -n /tmp/patrol.lock trainguard patrol` gives its lock's descriptor to
//! the patrol; a restarted training that inherits it would hold that lock for days, and no patrol
//! would run any more. The standard library closes nothing that it did not open, and marking a
//! descriptor takes it by number: hence this one small module.

use rustix::fd::BorrowedFd;
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};

/// The first descriptor behind standard input, output and error.
const FIRST: i32 = 3;

/// Marks every open descriptor as not to be handed on to the programs that are started from now on.
pub(super) fn seal() {
    let Ok(listing) = std::fs::read_dir("/proc/self/fd") else { return };
    let numbers: Vec<i32> =
        listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    numbers.into_iter().filter(|number| *number >= FIRST).for_each(mark);
}

#[allow(unsafe_code, reason = "a descriptor that was inherited is known by its number only")]
fn mark(number: i32) {
    // SAFETY: the number was listed as open a moment ago and is borrowed for two calls that change a
    // flag and neither close nor read it. One that was closed meanwhile fails with EBADF; one that was
    // opened anew by another thread gets a flag that the standard library sets on all it opens.
    let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
    if let Ok(flags) = fcntl_getfd(descriptor) {
        // One that is closed meanwhile needs no mark.
        let _ = fcntl_setfd(descriptor, flags | FdFlags::CLOEXEC);
    }
}
