//! The ready file on disk: `serve` and `run` write it when the server is ready and remove it when it stops; other commands
//! read it to find the server.

use std::fs::DirBuilder;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, geteuid, test_kill_process};

use super::{Failure, variables};
use crate::app::ReadyFile;

/// The time limit of a connection to a server that may have died.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The name of the ready file in a data directory.
pub(super) const READY_FILE: &str = "ready.json";

/// Writes the ready file. Refuses to overwrite that of another running server: a leftover KEYHAVEN_READY_FILE would hide that
/// server from its users.
pub(super) fn write(ready: &ReadyFile, path: &Path) -> Result<(), Failure> {
    if let Some(other) = other_live_server(path, ready) {
        let why = "it is the ready file of a server that runs";
        let hint = "give another --ready-file, or unset KEYHAVEN_READY_FILE";
        return Err(Failure::failed(format!("{}: {why} (process {}); {hint}", path.display(), other.pid)));
    }
    match ready.write(path) {
        // The server still serves reads; its summary on stdout names the addresses.
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
    // Whatever answers at this server's own address is this server.
    read(path).filter(|other| other.pid != ready.pid && other.identity != ready.identity && is_live(other))
}

/// Removes the ready file if this process wrote it.
pub(super) fn remove(path: &Path) {
    if read(path).is_some_and(|ready| ready.pid == std::process::id()) {
        let _ = std::fs::remove_file(path);
    }
}

/// The ready file of a server that keeps nothing. Its directory must be the user's alone: what others write there would lead
/// commands to their server.
pub(super) fn of_ephemeral_server() -> Option<PathBuf> {
    let dir = runtime_dir();
    let about = dir.symlink_metadata().ok()?;
    let is_private = about.is_dir() && about.uid() == geteuid().as_raw() && about.mode() & 0o077 == 0;
    is_private.then(|| dir.join(READY_FILE))
}

/// Writes the ready file of a server that keeps nothing, unless that of another such server is there. Returns its path.
pub(super) fn write_of_ephemeral_server(ready: &ReadyFile) -> Option<PathBuf> {
    // It may be there; of_ephemeral_server looks at what it is.
    let _ = DirBuilder::new().mode(0o700).create(runtime_dir());
    let file = of_ephemeral_server()?;
    match write(ready, &file) {
        Ok(()) => Some(file),
        Err(failure) => {
            tracing::info!(why = failure.message, "other commands find this server by a --ready-file of its own alone");
            None
        }
    }
}

/// `$XDG_RUNTIME_DIR/keyhaven`, else a directory of the user's in the temporary directory.
fn runtime_dir() -> PathBuf {
    match variables::path("XDG_RUNTIME_DIR").filter(|dir| dir.is_dir()) {
        Some(dir) => dir.join("keyhaven"),
        None => std::env::temp_dir().join(format!("keyhaven-{}", geteuid().as_raw())),
    }
}

/// Reads a ready file; none if it is not one. A pipe or device is not read: that could block for ever.
fn read(path: &Path) -> Option<ReadyFile> {
    std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Whether `path` is the ready file of a server that runs.
pub(super) fn is_live_at(path: &Path) -> bool {
    read(path).is_some_and(|ready| is_live(&ready))
}

/// Whether the server of a ready file runs: its process exists and its address accepts connections. A killed server leaves
/// its file behind, and its process id can be reused.
pub(super) fn is_live(ready: &ReadyFile) -> bool {
    let process = i32::try_from(ready.pid).ok().and_then(Pid::from_raw);
    let address = ready.identity.parse::<SocketAddr>().ok();
    process.is_some_and(|process| test_kill_process(process).is_ok())
        && address.is_some_and(|address| TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).is_ok())
}
