//! The ready file of a server on this machine: written when it is ready, read by the commands that talk to it, removed when
//! it stops.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use super::Failure;
use crate::app::ReadyFile;

/// How long a server that is there may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The ready file that every server with a data directory keeps there while it runs.
pub(super) const READY_FILE: &str = "ready.json";

/// Writes a ready file, or says which could not be written. That of another server which runs is left alone: a variable
/// that is still set would take it away from everybody who looks for that server.
pub(super) fn write(ready: &ReadyFile, path: &Path) -> Result<(), Failure> {
    if let Some(other) = other_live_server(path, ready) {
        let why = "it is the ready file of a server that runs";
        let hint = "give another --ready-file, or unset KEYHAVEN_READY_FILE";
        return Err(Failure::failed(format!("{}: {why} (process {}); {hint}", path.display(), other.pid)));
    }
    match ready.write(path) {
        // The server serves what it has all the same; its first lines say where.
        Err(error) if crate::files::is_full(&error) => {
            let file = path.display();
            tracing::warn!(%file, "the disk is full: the ready file is not written, and commands do not find this server by it");
            Ok(())
        }
        written => written.map_err(|error| Failure::failed(format!("{}: {error}", path.display()))),
    }
}

/// Whether `path` is the ready file of another server that runs.
pub(super) fn belongs_to_other_server(path: &Path, ready: &ReadyFile) -> bool {
    other_live_server(path, ready).is_some()
}

fn other_live_server(path: &Path, ready: &ReadyFile) -> Option<ReadyFile> {
    // Who answers at an address that is ours is no other.
    read(path).filter(|other| other.pid != ready.pid && other.identity != ready.identity && is_live(other))
}

/// Removes the ready file that this process has written.
pub(super) fn remove(path: &Path) {
    if read(path).is_some_and(|ready| ready.pid == std::process::id()) {
        let _ = std::fs::remove_file(path);
    }
}

/// What a ready file says, if it is one. Something else than a file might never be read to its end.
fn read(path: &Path) -> Option<ReadyFile> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether the server that a ready file tells of is there: a process of its number is, and somebody answers at its
/// address. One that was killed leaves its file behind, and its number may be another's.
pub(super) fn is_live(ready: &ReadyFile) -> bool {
    let process = i32::try_from(ready.pid).ok().and_then(Pid::from_raw);
    let address = ready.identity.parse::<SocketAddr>().ok();
    process.is_some_and(|process| test_kill_process(process).is_ok())
        && address.is_some_and(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok())
}
