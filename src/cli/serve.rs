//! `keyhaven serve`: a server that runs until it is stopped.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::address::{ADMIN_PORT, IDENTITY_PORT, PROXY_PORT, VAULTS_PORT};
use super::ready_file::{self, READY_FILE};
use super::server_args::{ServerArgs, ServerDefaults};
use super::signals::StopSignals;
use super::{Failure, file_limit, variables};
use crate::app::{self, Listen, Options, Running};

/// Start a server and keep it running until it is told to stop.
#[derive(Debug, Args)]
pub(super) struct Serve {
    #[command(flatten)]
    server: ServerArgs,

    /// Apply the configuration's file each time it changes, as `keyhaven apply FILE` does
    #[arg(long, env = "KEYHAVEN_WATCH", value_parser = clap::builder::BoolishValueParser::new())]
    watch: bool,
}

impl Serve {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let defaults = ServerDefaults {
            ephemeral: false,
            listen: default_addresses(),
            create_vaults: false,
            create_identities: false,
            log_level: "info",
            tenant: None,
        };
        self.server.log(defaults.log_level)?;
        file_limit::raise_limit();
        let mut signals = StopSignals::listen()?;
        let options = Options { watch: self.watch, ..self.server.options(&defaults)? };
        if options.watch && options.config_file.is_none() {
            return Err(Failure::usage("--watch follows the configuration's file: give --config FILE too"));
        }
        let mut running = app::start(options).await.map_err(Failure::failed)?;
        running.add_trust(&variables::all()).await.map_err(Failure::failed)?;
        let files = self.announce(&running)?;
        let signal = signals.received().await;
        tracing::info!(signal, "stopping");
        running.stop().await;
        for file in files {
            ready_file::remove(&file);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Writes the ready files and prints the summary.
    fn announce(&self, running: &Running) -> Result<Vec<PathBuf>, Failure> {
        let kept = self.server.data().map(|data| data.join(READY_FILE));
        // The user's own file comes last: a program that waits for it then finds both.
        let files: Vec<_> = kept.into_iter().chain(self.server.ready_file.clone()).collect();
        for file in &files {
            ready_file::write(&running.ready, file)?;
        }
        let mut stdout = std::io::stdout().lock();
        // A closed stdout is no failure: the server is up.
        let _ = stdout.write_all(running.ready.summary().as_bytes()).and_then(|()| stdout.flush());
        Ok(files)
    }
}

fn default_addresses() -> Listen {
    let loopback = |port| SocketAddr::from(([127, 0, 0, 1], port));
    Listen {
        vaults: loopback(VAULTS_PORT),
        identity: loopback(IDENTITY_PORT),
        admin: Some(loopback(ADMIN_PORT)),
        proxy: Some(loopback(PROXY_PORT)),
        proxy_is_optional: true,
    }
}
