//! How many files the process may have open: each connection is one, each tunnel two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// As many as all listeners and tunnels at their bounds need, several times over.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit as far as the hard one lets it; answers the limit of before. Where it cannot be raised, a busy
/// server runs into it and says so in its log.
pub(super) fn raise_limit() -> Rlimit {
    let before = getrlimit(Resource::Nofile);
    let most = before.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    if before.current.is_some_and(|current| current < most) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: before.maximum });
    }
    before
}

/// Gives a process that was started the limit of before: some programs go through all files that they might have open.
#[cfg(target_os = "linux")]
pub(super) fn restore_limit(process: rustix::process::Pid, before: Rlimit) {
    let _ = rustix::process::prlimit(Some(process), Resource::Nofile, before);
}

/// Elsewhere nobody can change it for another process.
#[cfg(not(target_os = "linux"))]
pub(super) const fn restore_limit(_: rustix::process::Pid, _: Rlimit) {}
