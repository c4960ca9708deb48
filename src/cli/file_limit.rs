//! The limit of open files (RLIMIT_NOFILE): each connection is one, each tunnel two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Several times the connections and tunnels that the default limits allow.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit towards the hard one; returns the previous limit. When it cannot be raised, a busy server reaches
/// it and logs that.
pub(super) fn raise_limit() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let most = before.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if before.current.is_some_and(|current| current < most) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: before.maximum });
    }
    before
}

/// Restores the limit for a child process: some programs iterate over every possible descriptor.
#[cfg(target_os = "linux")]
pub(super) fn restore_limit(process: rustix::process::Pid, before: Rlimit) {
    let _ = rustix::process::prlimit(Some(process), Resource::Nofile, before);
}

/// Other systems cannot change it for another process.
#[cfg(not(target_os = "linux"))]
pub(super) const fn restore_limit(_: rustix::process::Pid, _: Rlimit) {}
