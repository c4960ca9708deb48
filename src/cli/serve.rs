//! `keyhaven serve`: a server that runs until it is stopped.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;

use super::address::{ADMIN_PORT, IDENTITY_PORT, PROXY_PORT, VAULTS_PORT};
use super::banner::Banner;
use super::ready_file::{self, READY_FILE};
use super::server_args::{ServerArgs, ServerDefaults};
use super::signals::StopSignals;
use super::{Failure, file_limit, headings, server_args, stale, variables};
use crate::app::{self, Listen, Options, ReadyFile, Running, StartError};

/// Start a server and keep it running until it is stopped.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    #[command(flatten)]
    server: ServerArgs,

    /// Apply the configuration's file each time it changes, as `keyhaven apply FILE` does
    #[arg(long, help_heading = headings::VAULTS, env = "KEYHAVEN_WATCH", value_parser = clap::builder::BoolishValueParser::new())]
    watch: bool,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven serve                     then, in a shell: eval \"$(keyhaven env)\"
  keyhaven serve --create-vaults     any vault that a program asks for is made
  keyhaven serve --config keyhaven.json      vaults and identities of your own
  keyhaven serve --ephemeral --clock virtual   keeps nothing; time can be moved
In a container:
  keyhaven serve --listen 0.0.0.0:8443 --identity-listen 0.0.0.0:8080";

impl Serve {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let begun = Instant::now();
        let defaults = ServerDefaults {
            ephemeral: false,
            listen: default_addresses(),
            create_vaults: false,
            create_identities: false,
            log_level: "info",
            tenant: None,
        };
        self.server.log(defaults.log_level)?;
        stale::warn_of_shell(self.kept_ready_file().as_deref());
        file_limit::raise_limit();
        let mut signals = StopSignals::listen()?;
        let options = Options { watch: self.watch, keeps_environment: true, ..self.server.options(&defaults)? };
        if options.watch && options.config_file.is_none() {
            return Err(Failure::usage("--watch follows the configuration's file: give --config FILE too"));
        }
        let has_policies = options.config_file.is_some();
        let mut server = app::build(options).await.map_err(|why| self.not_started(&why))?;
        server.add_trust(&variables::own()).await.map_err(Failure::failed)?;
        let files = self.write_ready_files(server.ready())?;
        let running = server.listen();
        running.ready_files.keep(running.ready.clone(), files.clone());
        self.print_banner(&running, has_policies, begun.elapsed()).await?;
        let signal = signals.received().await;
        tracing::info!(signal, "stopping");
        running.stop().await;
        for file in files {
            ready_file::remove(&file);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Why it does not start; a server of the same data that runs already is the likely reason.
    fn not_started(&self, why: &StartError) -> Failure {
        match self.kept_ready_file().filter(|file| ready_file::is_live_at(file)) {
            Some(file) => {
                let status = format!("keyhaven status{}", self.target(file.parent()));
                Failure::failed(format!("{why}; a server of this data directory runs already: {status}"))
            }
            None => Failure::failed(why),
        }
    }

    /// The ready file in the data directory.
    fn kept_ready_file(&self) -> Option<PathBuf> {
        self.server.data().and_then(|data| std::path::absolute(data.join(READY_FILE)).ok())
    }

    /// Writes the ready files: where other commands look for it, and the one that the user named. That comes last: a program that
    /// waits for it then finds both. The server answers when both are there: a program that waits for an answer finds them too.
    fn write_ready_files(&self, ready: &ReadyFile) -> Result<Vec<PathBuf>, Failure> {
        let found = match self.kept_ready_file() {
            Some(kept) => ready_file::write(ready, &kept).map(|()| Some(kept))?,
            None => ready_file::write_of_ephemeral_server(ready),
        };
        let named = self.server.ready_file();
        if let Some(file) = &named {
            ready_file::write(ready, file)?;
        }
        Ok(found.into_iter().chain(named).collect())
    }

    async fn print_banner(&self, running: &Running, has_policies: bool, took: Duration) -> Result<(), Failure> {
        let data = self.server.data().and_then(|data| std::path::absolute(data).ok());
        let banner = Banner {
            ready: &running.ready,
            target: self.target(data.as_deref()),
            has_policies,
            data: data.map(|data| data.display().to_string()),
            counts: running.count_objects().await.map_err(Failure::failed)?,
            took,
        };
        let mut stdout = std::io::stdout().lock();
        // A closed stdout is no failure: the server is up.
        let _ = stdout.write_all(banner.text().as_bytes()).and_then(|()| stdout.flush());
        Ok(())
    }

    /// The option by which other commands find this server, unless they look for it there by themselves.
    fn target(&self, data: Option<&Path>) -> String {
        let usual = server_args::data_dir(None).ok();
        match (data, self.server.ready_file()) {
            (Some(data), _) if usual.as_deref() != Some(data) => format!(" --data {}", data.display()),
            (None, Some(file)) => format!(" --ready-file {}", file.display()),
            _ => String::new(),
        }
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
