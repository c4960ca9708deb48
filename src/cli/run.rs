//! `keyhaven run`: a private server around one command, which finds Azure where it expects it.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitCode, ExitStatus};

use clap::Args;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::server::{Defaults, Server};
use super::{Failure, serve};
use crate::app::{self, Listen, Running};

/// What the command must not find in its environment: the keys that open the server's data and backups, credentials of
/// the user's real Azure and endpoints of other identity sources, and two CGI variables with which Rust, Go and .NET clients
/// ignore every proxy.
const REMOVED: [&str; 14] = [
    "AZURE_TOKEN_CREDENTIALS",
    "KEYHAVEN_SEAL_KEY",
    "KEYHAVEN_BACKUP_KEY",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "MSI_ENDPOINT",
    "MSI_SECRET",
    "IMDS_ENDPOINT",
    "IDENTITY_SERVER_THUMBPRINT",
    "REQUEST_METHOD",
    "GATEWAY_INTERFACE",
];

/// Start a private server, run COMMAND against it as if it were Azure, and stop.
///
/// The server keeps nothing (unless --data is given) and listens on free ports. COMMAND finds the vault at
/// https://NAME.vault.azure.net (in KEYHAVEN_VAULT_URL) and signs in as a managed identity, with nothing changed.
/// Other vaults are made as they are asked for, like that one.
/// The exit status is COMMAND's.
#[derive(Debug, Args)]
pub(super) struct Run {
    #[command(flatten)]
    server: Server,

    /// The command to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

impl Run {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = Listen { proxy: Some(free), ..Listen::on_free_ports() };
        let defaults = Defaults { ephemeral: true, listen, create_vaults: true, log_level: "warn" };
        self.server.log(defaults.log_level)?;
        let mut signals = Signals::new()?;
        let mut running = app::start(self.server.options(&defaults)?).await.map_err(Failure::failed)?;
        let ended = self.around(&mut running, &mut signals).await;
        running.stop().await;
        if let Some(file) = &self.server.ready_file {
            serve::remove_ready(file);
        }
        ended.map(exit_code)
    }

    async fn around(&self, running: &mut Running, signals: &mut Signals) -> Result<ExitStatus, Failure> {
        running.add_bundle().await.map_err(Failure::failed)?;
        if let Some(file) = &self.server.ready_file {
            serve::write_ready(&running.ready, file)?;
        }
        let mut child = self.start_command(running)?;
        signals.pass_on_until_end(&mut child).await
    }

    fn start_command(&self, running: &Running) -> Result<Child, Failure> {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        for name in REMOVED {
            command.env_remove(name);
        }
        command.envs(&running.ready.env);
        if let Some(file) = &self.server.ready_file {
            command.env("KEYHAVEN_READY_FILE", file);
        }
        let name = self.command[0].to_string_lossy();
        command.spawn().map_err(|error| Failure {
            // As shells have it: 127 for a command that is not there, 126 for one that cannot be run.
            status: if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 },
            message: format!("{name} cannot be started: {error}"),
        })
    }
}

/// The command's exit status, in the shell's convention when a signal ended it.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The signals that are passed on to the command.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::failed);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: listen(SignalKind::hangup())?,
            quit: listen(SignalKind::quit())?,
        })
    }

    async fn pass_on_until_end(&mut self, child: &mut Child) -> Result<ExitStatus, Failure> {
        let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        // A terminal sends these two to the command itself; twice would be once too often.
        let at_terminal = std::io::stdin().is_terminal();
        loop {
            let (signal, sent_already) = tokio::select! {
                ended = child.wait() => return ended.map_err(Failure::failed),
                _ = self.terminate.recv() => (Signal::TERM, false),
                _ = self.hang_up.recv() => (Signal::HUP, false),
                _ = self.interrupt.recv() => (Signal::INT, at_terminal),
                _ = self.quit.recv() => (Signal::QUIT, at_terminal),
            };
            if let (Some(pid), false) = (pid, sent_already) {
                let _ = kill_process(pid, signal);
            }
        }
    }
}
