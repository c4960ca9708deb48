//! `keyhaven drill`: rehearsals of key handling, against a private server or any vault.

use std::io::{Stdout, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Args, ValueEnum};
use tokio::signal::unix::{SignalKind, signal};
use zeroize::Zeroizing;

use super::signals::HangUp;
use super::target::Target;
use super::{Failure, environment, variables};
use crate::app::{AdminKey, ReadyFile, Variables};
use crate::drills::{self, AdminEndpoint, Drill, DrillTarget, Environment, Hooks, PrivateServer, Report, TextReport};

/// The exit status of an interrupted command, by the shell's convention.
const INTERRUPTED: u8 = 130;

/// Rehearse key handling, step by step: done, expected, seen, time, verdict.
///
/// The program that is watched is the factory: a small one of Keyhaven's own that keeps data encrypted under a key of the vault,
/// as Azure Data Factory and other services do with a customer's key. Without --vault it runs against a server of the drill's
/// own, which is gone afterwards. A step that something is missing for is reported as "not run", with what to give. The exit
/// status is 1 when a step failed.
///
/// Drills use names of their own in each run. They put policies, identities and faults back as they were and delete what they
/// made; in a vault with purge protection, deleted keys stay until their time is over. A virtual clock is moved forward, by
/// two years and more in `system-key`, and stays there: what else lives in that server grows older too.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct DrillCommand {
    /// Which drill
    #[arg(value_name = "DRILL", default_value = "all", hide_default_value = true)]
    drill: DrillChoice,

    /// The vault to drill at [default: one of a private server]. Without --admin you sign in as your programs do, by
    /// AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or by IDENTITY_ENDPOINT and IDENTITY_HEADER
    #[arg(long, value_name = "URL")]
    vault: Option<String>,

    /// The admin API of its server, for policies, identities, clock and faults; its key comes from KEYHAVEN_ADMIN_KEY, the
    /// ready file or the data directory. The drills then make identities of their own
    #[arg(long, value_name = "URL", requires = "vault")]
    admin: Option<String>,

    /// A PEM file with the CA of that vault, when this machine does not trust it
    #[arg(long, value_name = "FILE", requires = "vault")]
    ca: Option<PathBuf>,

    /// Fail each step that is not run, for a CI job that must not leave one out
    #[arg(long)]
    require_all: bool,

    /// The form of the report on stdout
    #[arg(long, value_name = "FORM", default_value = "text")]
    report: ReportFormat,

    /// A command for `sh -c`, run before and after each step; when it fails, so does the step. It finds KEYHAVEN_DRILL,
    /// KEYHAVEN_DRILL_STEP, KEYHAVEN_DRILL_MOMENT (before, after), KEYHAVEN_VAULT_URL and the variables of `keyhaven env`; besides
    /// KEYHAVEN_DRILL_KEY or KEYHAVEN_DRILL_SECRET (the URL of what is drilled) and KEYHAVEN_DRILL_CLIENT_ID (the identity that
    /// loses access in `revocation`)
    #[arg(long, value_name = "CMD")]
    exec: Option<String>,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  keyhaven drill                                     everything, on a private server
  keyhaven drill all --vault https://local.vault.localhost:8443 --admin http://127.0.0.1:8081
  keyhaven drill rotation --exec './read-my-data'    your own program reads its data before and after every step
  keyhaven drill --require-all --report junit > drills.xml";

/// The drills by name, and all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DrillChoice {
    /// A key gets new versions, by hand and by policy; data is re-wrapped, and old versions are disabled
    Rotation,
    /// Access ends: the policy withdrawn, the key disabled or expired, the identity deleted; and comes back
    Revocation,
    /// A key is deleted, recovered, restored elsewhere; the server dies in the middle of a rotation and of a re-wrap
    Recovery,
    /// A stored secret gets new versions while readers run; it is deleted and recovered
    Credentials,
    /// The factory's own certificate-protected key is renewed after two years, and all stored credentials migrate
    SystemKey,
    /// All of them
    All,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ReportFormat {
    /// Plain lines for people, as the steps end
    Text,
    /// One JSON document
    Json,
    /// JUnit's XML
    Junit,
}

impl DrillCommand {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, program) = (stop.clone(), std::env::current_exe().map_err(Failure::failed)?);
        let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
        let mut hang_up = HangUp::listen()?;
        let mut drilling = tokio::task::spawn_blocking(move || self.drill(&program, &stop));
        let report = loop {
            tokio::select! {
                report = &mut drilling => break report.map_err(Failure::failed)??,
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = hang_up.received() => {}
            }
            let state = if stopped.swap(true, Ordering::Relaxed) { "still" } else { "interrupted:" };
            eprintln!("keyhaven: {state} waiting for the step under way; then everything is put back");
        };
        Ok(match (stopped.load(Ordering::Relaxed), report.counts().failed) {
            (true, _) => ExitCode::from(INTERRUPTED),
            (false, 0) => ExitCode::SUCCESS,
            (false, _) => ExitCode::FAILURE,
        })
    }

    fn drill(&self, program: &Path, stop: &AtomicBool) -> Result<Report, Failure> {
        let (environment, variables) = self.environment(program)?;
        let hooks = self.exec.clone().map(|command| Hooks::new(command, variables));
        let mut text = TextReport::new((self.report == ReportFormat::Text).then(std::io::stdout));
        text.begin(&environment.vault(), environment.description());
        let report = drills::run(environment, self.drill.drills(), self.require_all, hooks, stop, &mut text);
        self.end(&mut text, &report)?;
        Ok(report)
    }

    /// Prints the report. An incomplete one is a failure: its reader would take it for a success.
    fn end(&self, text: &mut TextReport<Stdout>, report: &Report) -> Result<(), Failure> {
        let mut stdout = std::io::stdout();
        let mut whole = |text: String| stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
        let written = match self.report {
            ReportFormat::Text => text.end(report),
            ReportFormat::Json => whole(report.json()),
            ReportFormat::Junit => whole(report.junit()),
        };
        written.map_err(|error| Failure::failed(format!("the report could not be written: {error}")))
    }

    /// The environment to drill in, and the variables for `--exec`.
    fn environment(&self, program: &Path) -> Result<(Environment, Variables), Failure> {
        let Some(vault) = &self.vault else {
            let server = PrivateServer::start(program).map_err(Failure::failed)?;
            let ready = serde_json::from_value(server.ready().clone()).map_err(Failure::failed)?;
            let variables = env_variables(&ready, &server.ready_file());
            return Ok((Environment::private(server).map_err(Failure::failed)?, variables));
        };
        let ready = self.target.has_ready_file().then(|| self.target.ready()).transpose()?;
        let ready = ready.filter(|ready| has_vault(ready, vault));
        let admin =
            self.admin.clone().map(|url| self.admin_key(&url, ready.as_ref()).map(|key| AdminEndpoint { url, key }));
        let target = DrillTarget { vault: vault.clone(), admin: admin.transpose()?, trusted: self.ca_certificates()? };
        let variables = match (&ready, self.target.ready_file_path()) {
            (Some(ready), Ok(file)) => env_variables(ready, &file),
            _ => Variables::new(),
        };
        Ok((Environment::at(target).map_err(Failure::failed)?, variables))
    }

    /// The admin key: from the environment, else that server's ready file, else the data directory.
    fn admin_key(&self, url: &str, ready: Option<&ReadyFile>) -> Result<Zeroizing<String>, Failure> {
        if let Some(key) = variables::non_empty("KEYHAVEN_ADMIN_KEY") {
            return Ok(key);
        }
        let is_of = |ready: &&ReadyFile| ready.admin.as_ref().is_some_and(|address| url.ends_with(address.as_str()));
        if let Some(ready) = ready.filter(is_of) {
            return Ok(Zeroizing::new(ready.admin_key.clone()));
        }
        let hint = "set KEYHAVEN_ADMIN_KEY, or name the server's --ready-file or --data";
        let key = AdminKey::read(&self.target.data()?);
        key.map(|key| Zeroizing::new(key.text().to_owned()))
            .map_err(|error| Failure::usage(format!("no key for --admin ({error}); {hint}")))
    }

    /// The CA that was named, and that of the server on this machine, if one is found.
    fn ca_certificates(&self) -> Result<Vec<String>, Failure> {
        let found = self.target.ca(None).ok().and_then(|path| std::fs::read_to_string(path).ok());
        let named = self.ca.as_deref().map(read_certificates).transpose()?;
        Ok(found.into_iter().chain(named).collect())
    }
}

impl DrillChoice {
    fn drills(self) -> &'static [Drill] {
        match self {
            Self::Rotation => &[Drill::Rotation],
            Self::Revocation => &[Drill::Revocation],
            Self::Recovery => &[Drill::Recovery],
            Self::Credentials => &[Drill::Credentials],
            Self::SystemKey => &[Drill::SystemKey],
            Self::All => &Drill::ALL,
        }
    }
}

/// The variables that `keyhaven env` prints for the server of this ready file.
fn env_variables(ready: &ReadyFile, file: &Path) -> Variables {
    let mut set = environment::for_shell(&ready.env, &variables::own()).set;
    set.insert("KEYHAVEN_READY_FILE".to_owned(), file.display().to_string());
    set
}

/// The certificates in a PEM file.
fn read_certificates(file: &Path) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::usage(format!("--ca {}: {why}; name a PEM file with the CA of the vault", file.display()))
    };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(&error))?;
    match text.contains("-----BEGIN CERTIFICATE-----") {
        true => Ok(text),
        false => Err(wrong(&"it holds no certificate")),
    }
}

/// Whether the vault at `url` is one of this server's: by its URL or its port.
fn has_vault(ready: &ReadyFile, url: &str) -> bool {
    let url = url.trim_end_matches('/');
    let port = ready.listen.rsplit(':').next().unwrap_or_default();
    ready.vaults.values().any(|one| one == url)
        || ready.env.get("KEYHAVEN_VAULT_URL").is_some_and(|one| one == url)
        || url.rsplit(':').next() == Some(port)
}
