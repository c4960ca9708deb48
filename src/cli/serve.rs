//! `keyhaven serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;
use super::server::{Defaults, Server};
use crate::app::{self, Listen, Ready, Running};

/// The port of the vaults when none is said.
const PORT: u16 = 8443;
/// The port of managed-identity tokens when none is said.
pub(super) const IDENTITY_PORT: u16 = 8080;
/// The port of the admin API when none is said.
pub(super) const ADMIN_PORT: u16 = 8081;
/// The ready file that every server with a data directory keeps there while it runs.
pub(super) const READY_FILE: &str = "ready.json";

/// Start a server and keep it running until it is told to stop.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    server: Server,
}

impl Serve {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let defaults = Defaults { ephemeral: false, listen: listen(), log_level: "info" };
        self.server.log(defaults.log_level)?;
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        let mut running = app::start(self.server.options(&defaults)?).await.map_err(Failure::failed)?;
        running.add_bundle().await.map_err(Failure::failed)?;
        let files = self.announce(&running)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        running.stop().await;
        for file in files {
            let _ = std::fs::remove_file(file);
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
        let _ = stdout.write_all(running.ready.lines().as_bytes()).and_then(|()| stdout.flush());
        Ok(files)
    }
}

fn listen() -> Listen {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Listen { vaults: loopback(PORT), identity: loopback(IDENTITY_PORT), admin: Some(loopback(ADMIN_PORT)), proxy: None }
}

/// Writes a ready file, or says which could not be written.
pub(super) fn write_ready(ready: &Ready, path: &Path) -> Result<(), Failure> {
    ready.write(path).map_err(|error| Failure::failed(format!("{}: {error}", path.display())))
}
