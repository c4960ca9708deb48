//! `keyhaven env`: prints the environment variables of a running server for a shell, a file or a program.

use std::process::ExitCode;

use clap::Args;

use super::client::AdminClient;
use super::credential::Credential;
use super::env_format::Format;
use super::environment::{Changes, FormerVariables};
use super::target::Target;
use super::{Failure, environment, failed_env, ready_file, stale, variables};
use crate::app::{NO_VAULT_NAME, Variables, client_files_are_there, vault_of_host};
use crate::directory::CredentialKind;
use crate::remote::{NotAVault, VaultUrl};

/// Print the environment that programs need to use a running server.
///
/// A shell keeps what it had before, and --unset puts that back. A .env file holds the server's admin key: keep it to yourself. It
/// works with `node --env-file` and with readers of other languages; Node's package dotenv comes too late for the trust.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Env {
    /// How to print them
    #[arg(long, value_name = "FORMAT", default_value = "sh")]
    format: Format,

    /// The identity that programs are by default: its client id becomes AZURE_CLIENT_ID
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,

    /// What programs find to sign in with, in their environment
    #[arg(long, value_name = "KIND", default_value = "managed-identity")]
    credential: Credential,

    /// The vault that VAULT_URL, AZURE_KEYVAULT_URL, KEYHAVEN_VAULT_URL and KEY_VAULT_NAME name [default: this shell's own where it
    /// is taken over, else the server's default vault]
    #[arg(long, value_name = "NAME|URL", value_parser = parse_vault)]
    vault: Option<String>,

    /// Put back what the shell had before `keyhaven env`; this needs no server
    #[arg(long, conflicts_with_all = ["identity", "credential", "vault"])]
    unset: bool,

    #[command(flatten)]
    target: Target,
}

const EXAMPLES: &str = "\
Examples:
  eval \"$(keyhaven env)\"                 this shell uses the running server
  eval \"$(keyhaven env --unset)\"         the shell as it was before
  keyhaven env --format fish | source    the same in fish
  (umask 077; keyhaven env --format dotenv > .env)   a file for yourself alone
  keyhaven env --vault orders            another vault than the default one
  keyhaven env --identity reader --credential client-secret";

impl Env {
    pub(super) async fn execute(self) -> Result<ExitCode, Failure> {
        let format = self.format;
        self.print().await.inspect_err(|_| failed_env::print(format))
    }

    async fn print(self) -> Result<ExitCode, Failure> {
        let all = variables::all();
        let former = FormerVariables::of(&all);
        if self.unset {
            return Ok(self.put_back(&former));
        }
        let (ready, file) = (self.target.ready()?, self.target.ready_file_path()?);
        if !ready_file::is_live(&ready) {
            let remedy = stale::remedy("start one with `keyhaven serve`");
            let why = format!("{}: the server of this ready file is gone; {remedy}", file.display());
            return Err(Failure::failed(why));
        }
        let file = std::path::absolute(file).map_err(Failure::failed)?;
        let client = AdminClient::new(self.target);
        if !client_files_are_there(&ready.env) {
            client.restore_trust_files().await?;
        }
        let (server, own) = environment::with_vault(ready.env, former.before(&all), self.vault.as_deref());
        let mut changes = changes(&client, (self.identity.as_deref(), self.credential.kind()), &server, &own).await?;
        changes.keep_vault_with_a_note(&own);
        changes.set.insert("KEYHAVEN_READY_FILE".to_owned(), file.display().to_string());
        if let (Some(name), None) = (&self.identity, self.credential.kind()) {
            changes.set.insert("AZURE_CLIENT_ID".to_owned(), client.client_id(name).await?);
        }
        match self.format {
            Format::Dotenv => changes.trust_in_node(&own),
            Format::Json => {}
            Format::Sh | Format::Fish | Format::Powershell => former.keep(&mut changes, &own),
        }
        for note in &changes.notes {
            eprintln!("keyhaven: {note}");
        }
        print!("{}", self.format.print(&changes));
        Ok(ExitCode::SUCCESS)
    }

    /// Prints what puts back the shell's former variables.
    fn put_back(&self, former: &FormerVariables) -> ExitCode {
        if former.is_empty() {
            eprintln!("keyhaven: there is nothing to put back: `keyhaven env` has set nothing in this shell");
        }
        print!("{}", self.format.print(&former.restoring()));
        ExitCode::SUCCESS
    }
}

/// What `own`, the variables of the shell, become; with a credential of an identity where one is asked for.
async fn changes(
    client: &AdminClient,
    (identity, kind): (Option<&str>, Option<CredentialKind>),
    server: &Variables,
    own: &Variables,
) -> Result<Changes, Failure> {
    let Some(kind) = kind else { return Ok(environment::for_shell(server, own)) };
    let name = match identity {
        Some(name) => name.to_owned(),
        None => client.identity_with(server.get("AZURE_CLIENT_ID").map_or("", String::as_str)).await?,
    };
    Ok(environment::for_shell_with(server, own, client.credential(&name, kind).await?))
}

/// Parses the name of a vault, or its URL; answers the name.
pub(super) fn parse_vault(text: &str) -> Result<String, String> {
    if text.contains("://") {
        let url: VaultUrl = text.parse().map_err(|why: NotAVault| why.to_string())?;
        return vault_of_host(url.host()).ok_or_else(|| NotAVault.to_string());
    }
    vault_of_host(&format!("{text}.vault.azure.net")).ok_or_else(|| NO_VAULT_NAME.to_owned())
}
