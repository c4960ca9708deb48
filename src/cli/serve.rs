//! `keyhaven serve`.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use rustix::process::{Pid, test_kill_process};

use super::server_args::{ServerArgs, ServerDefaults};
use super::signals::StopSignals;
use super::{Failure, file_limit};
use crate::app::{self, Listen, ReadyFile, Running};

/// The port of the vaults when none is said.
const PORT: u16 = 8443;
/// The port of managed-identity tokens when none is said.
pub(super) const IDENTITY_PORT: u16 = 8080;
/// The port of the admin API when none is said.
pub(super) const ADMIN_PORT: u16 = 8081;
/// How long a server that is there may take to be connected to.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The ready file that every server with a data directory keeps there while it runs.
pub(super) const READY_FILE: &str = "ready.json";

/// Start a server and keep it running until it is told to stop.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    server: ServerArgs,
}

impl Serve {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let defaults = ServerDefaults {
            ephemeral: false,
            listen: default_addresses(),
            create_vaults: false,
            log_level: "info",
            tenant: None,
        };
        self.server.log(defaults.log_level)?;
        file_limit::raise_limit();
        let mut signals = StopSignals::listen()?;
        let mut running = app::start(self.server.options(&defaults)?).await.map_err(Failure::failed)?;
        running.add_trust().await.map_err(Failure::failed)?;
        let files = self.announce(&running)?;
        let signal = signals.received().await;
        tracing::info!(signal, "stopping");
        running.stop().await;
        for file in files {
            remove_ready(&file);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the ready files and tells a person.
    fn announce(&self, running: &Running) -> Result<Vec<PathBuf>, Failure> {
        let kept = self.server.data().map(|data| data.join(READY_FILE));
        // The one that somebody waits for comes last: by then the other is there too.
        let files: Vec<_> = kept.into_iter().chain(self.server.ready_file.clone()).collect();
        for file in &files {
            write_ready(&running.ready, file)?;
        }
        let mut stdout = std::io::stdout().lock();
        // Nobody may be reading; the server is up all the same.
        let _ = stdout.write_all(running.ready.summary().as_bytes()).and_then(|()| stdout.flush());
        Ok(files)
    }
}

fn default_addresses() -> Listen {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Listen { vaults: loopback(PORT), identity: loopback(IDENTITY_PORT), admin: Some(loopback(ADMIN_PORT)), proxy: None }
}

/// Writes a ready file, or says which could not be written. That of another server which runs is left alone: a variable
/// that is still set would take it away from everybody who looks for that server.
pub(super) fn write_ready(ready: &ReadyFile, path: &Path) -> Result<(), Failure> {
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
    read_ready(path).filter(|other| other.pid != ready.pid && other.identity != ready.identity && is_live(other))
}

/// Removes the ready file that this process has written.
pub(super) fn remove_ready(path: &Path) {
    if read_ready(path).is_some_and(|ready| ready.pid == std::process::id()) {
        let _ = std::fs::remove_file(path);
    }
}

/// What a ready file says, if it is one. Something else than a file might never be read to its end.
fn read_ready(path: &Path) -> Option<ReadyFile> {
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
