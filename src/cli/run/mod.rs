//! `keyhaven run`: starts a private server, runs one command against it as if it were Azure, and stops.

mod own_options;
mod placeholders;
mod summary;
mod usage;

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::atomic::Ordering;

use clap::Args;
use rustix::process::{Pid, Rlimit, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use uuid::Uuid;

use super::credential::Credential;
use super::env::parse_vault;
use super::environment::{self, CommandFiles, Placeholders};
use super::server_args::{ServerArgs, ServerDefaults};
use super::signals::Sighup;
use super::{Failure, file_limit, headings, ready_file, stale, variables};
use crate::app::{self, Listen, Options, Running, Variables};
use crate::usage::Usage;

use own_options::CommandLine;
use summary::CommandOutcome;
use usage::Required;

/// Start a private server, run COMMAND against it as if it were Azure, and stop.
///
/// The server keeps nothing (unless --data is given) and listens on free ports. COMMAND finds the vault at
/// https://NAME.vault.azure.net (in KEYHAVEN_VAULT_URL) and signs in as a managed identity, with nothing changed.
/// Other vaults are made as they are asked for, like that one.
/// When it has ended, stderr says which hosts were taken over, tunnelled and refused. The exit status is COMMAND's.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Run {
    #[command(flatten)]
    server: ServerArgs,

    /// The identity that the command is by default: its client id becomes AZURE_CLIENT_ID
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,

    /// What the command finds to sign in with, in its environment
    #[arg(long, value_name = "KIND", default_value = "managed-identity")]
    credential: Credential,

    /// The vault that VAULT_URL, AZURE_KEYVAULT_URL, KEYHAVEN_VAULT_URL and KEY_VAULT_NAME name [default: your own where it is taken
    /// over, else the server's default vault]
    #[arg(long, value_name = "NAME|URL", value_parser = parse_vault)]
    vault: Option<String>,

    /// Show the server's log on stderr, not its warnings alone
    #[arg(long, help_heading = headings::LOG)]
    show_log: bool,

    /// Leave the credentials of your real Azure in the command's environment; without it, placeholders that are good here
    /// take their place
    #[arg(long)]
    keep_secrets: bool,

    /// Write the least access that grants what COMMAND used into FILE: a configuration with access policies, and with roles for
    /// vaults in which roles decide
    #[arg(long, value_name = "FILE")]
    suggest_policy: Option<PathBuf>,

    /// Fail when COMMAND used more than FILE grants: what --suggest-policy wrote, or any configuration
    #[arg(long, value_name = "FILE")]
    require_policy: Option<PathBuf>,

    /// The command to run, and its arguments; options before it are of `run`, what follows it is its own
    #[arg(trailing_var_arg = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven run python3 app.py          nothing changed, nothing to set up
  keyhaven run --offline --pass pypi.org:443 -- pytest -x
  keyhaven run --config keyhaven.json --clock virtual npm test
  keyhaven run --show-log --data ./vault-data bash
  keyhaven secret list --data ./vault-data     look in, from a second terminal";

impl Run {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        self.check_options()?;
        let required = self.require_policy.as_deref().map(Required::read).transpose()?;
        let mut own = variables::own();
        stale::warn_of_shell(None);
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let listen = Listen { proxy: Some(free), ..Listen::on_free_ports() };
        let tenant = own.get("AZURE_TENANT_ID").and_then(|id| Uuid::parse_str(id).ok());
        let log_level = if self.show_log { "info" } else { "warn" };
        let defaults =
            ServerDefaults { ephemeral: true, listen, create_vaults: true, create_identities: true, log_level, tenant };
        self.server.log(defaults.log_level)?;
        CommandLine::of(&self.command).warn();
        let file_limit_before = file_limit::raise_limit();
        let mut signals = ForwardedSignals::new()?;
        let collects_usage = self.suggest_policy.is_some() || required.is_some();
        let options = Options { collects_usage, ..self.server.options(&defaults)? };
        let mut server = app::build(options).await.map_err(Failure::failed)?;
        server.add_trust(&own).await.map_err(Failure::failed)?;
        let mut running = server.listen();
        (running.ready.env, own) = environment::with_vault(running.ready.env, own, self.vault.as_deref());
        let file = self.ready_file_path(&running, &own)?;
        let ended = self.run_command(&mut running, &file, &own, &mut signals, file_limit_before).await;
        let (traffic, direct_request_seen) = (running.traffic.clone(), running.direct_request_seen.clone());
        let usage = running.usage.clone();
        running.stop().await;
        ready_file::remove(&file);
        let status = ended.map(exit_status)?;
        if let Some(traffic) = traffic {
            let ending = CommandOutcome {
                command: self.command[0].to_string_lossy().into_owned(),
                status,
                was_offline: self.server.is_offline(),
                direct_request_seen: direct_request_seen.load(Ordering::Relaxed),
            };
            summary::print(&traffic.report(), &ending);
        }
        self.report_usage(&usage.take(), required.as_ref(), status)?;
        Ok(ExitCode::from(status))
    }

    fn check_options(&self) -> Result<(), Failure> {
        match self.credential.kind() {
            Some(_) if self.keep_secrets => {
                let why =
                    "--keep-secrets leaves your own credentials in place, --credential sets another: give one of them";
                Err(Failure::usage(why))
            }
            _ => Ok(()),
        }
    }

    /// Writes what was used, and fails when that cannot be done or was too much; a command that failed keeps its own status.
    fn report_usage(&self, usage: &Usage, required: Option<&Required>, status: u8) -> Result<(), Failure> {
        let suggested = self.suggest_policy.as_ref().map_or(Ok(()), |file| usage::suggest(file, usage));
        let checked = required.map_or(Ok(()), |required| required.check(usage));
        match suggested.and(checked) {
            Err(failure) if status != 0 => {
                failure.report();
                Ok(())
            }
            reported => reported,
        }
    }

    async fn run_command(
        &self,
        running: &mut Running,
        ready_file: &Path,
        own: &Variables,
        signals: &mut ForwardedSignals,
        file_limit_before: Rlimit,
    ) -> Result<ExitStatus, Failure> {
        let client = match &self.identity {
            Some(name) => Some(client_id_of(running, name).await?),
            None => placeholders::configured_client_id(running, own).await?,
        };
        running.ready.env.extend(client.map(|client| ("AZURE_CLIENT_ID".to_owned(), client)));
        // Programs take the client id from the environment and the secret from their own configuration.
        if let Some(client_id) = running.ready.env.get("AZURE_CLIENT_ID").and_then(|id| Uuid::parse_str(id).ok()) {
            running.accept_any_credential_of(client_id);
        }
        let placeholders = match self.keep_secrets {
            true => None,
            false => Some(placeholders::create(running, own, self.credential.kind()).await?),
        };
        ready_file::write(&running.ready, ready_file)?;
        let mut child = self.start_command(running, ready_file, own, placeholders.as_ref())?;
        if let Some(process) = pid_of(&child) {
            file_limit::restore_limit(process, file_limit_before);
        }
        signals.forward_until_exit(&mut child).await
    }

    fn start_command(
        &self,
        running: &Running,
        ready_file: &Path,
        own: &Variables,
        placeholders: Option<&Placeholders>,
    ) -> Result<Child, Failure> {
        let private = CommandFiles { dir: running.private_dir(), ready_file };
        DirBuilder::new().mode(0o700).create(private.azure()).map_err(Failure::failed)?;
        let changes = environment::for_command(&running.ready.env, own, &private, placeholders, self.credential.kind());
        for note in &changes.notes {
            tracing::warn!("{note}");
        }
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        // What `keyhaven env` set in this shell is put back first.
        for changes in [environment::FormerVariables::of(&variables::all()).restoring(), changes] {
            for name in &changes.remove {
                command.env_remove(name);
            }
            command.envs(&changes.set);
        }
        let name = self.command[0].to_string_lossy();
        command.spawn().map_err(|error| Failure {
            // The shell's convention: 127 for a command that is not found, 126 for one that cannot be executed.
            status: if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 },
            message: format!("{name} cannot be started: {error}{}", CommandLine::of(&self.command).hint()),
        })
    }

    /// The path of the ready file: the named one, else in the data directory, where other commands look for it, else one for
    /// this command alone. A path that the shell got from another server's `env` belongs to that server and is not used.
    fn ready_file_path(&self, running: &Running, own: &Variables) -> Result<PathBuf, Failure> {
        let from_shell = |file: &PathBuf| own.get("KEYHAVEN_READY_FILE").is_some_and(|named| Path::new(named) == file);
        let named = self.server.ready_file();
        let named =
            named.filter(|file| !(from_shell(file) && ready_file::belongs_to_other_server(file, &running.ready)));
        let dir = || self.server.named_data().unwrap_or_else(|| running.private_dir());
        let file = named.unwrap_or_else(|| dir().join(ready_file::READY_FILE));
        std::path::absolute(&file).map_err(Failure::failed)
    }
}

/// The client id of the identity called `name`.
async fn client_id_of(running: &Running, name: &str) -> Result<String, Failure> {
    let directory = running.directory();
    if let Some(identity) = directory.find_by_name(name).await.map_err(Failure::failed)? {
        return Ok(identity.client_id.to_string());
    }
    let all = directory.identities().await.map_err(Failure::failed)?;
    let names: Vec<&str> = all.iter().map(|identity| identity.name.as_str()).collect();
    Err(Failure::usage(format!("--identity {name}: no identity is called so; there are {}", names.join(", "))))
}

/// The command's process id, while it runs.
fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
}

/// The command's exit status; 128 and the signal's number when a signal ended it, as in shells.
fn exit_status(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// The signals that are forwarded to the command.
struct ForwardedSignals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: Sighup,
    quit: tokio::signal::unix::Signal,
}

impl ForwardedSignals {
    fn new() -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(Failure::failed);
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
            hang_up: Sighup::listen()?,
            quit: listen(SignalKind::quit())?,
        })
    }

    async fn forward_until_exit(&mut self, child: &mut Child) -> Result<ExitStatus, Failure> {
        let pid = pid_of(child);
        // A terminal sends these two to the whole process group, the command included.
        let at_terminal = std::io::stdin().is_terminal();
        loop {
            let (signal, sent_already) = tokio::select! {
                ended = child.wait() => return ended.map_err(Failure::failed),
                _ = self.terminate.recv() => (Signal::TERM, false),
                () = self.hang_up.received() => (Signal::HUP, false),
                _ = self.interrupt.recv() => (Signal::INT, at_terminal),
                _ = self.quit.recv() => (Signal::QUIT, at_terminal),
            };
            if let (Some(pid), false) = (pid, sent_already) {
                let _ = kill_process(pid, signal);
            }
        }
    }
}
