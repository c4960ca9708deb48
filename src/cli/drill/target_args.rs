//! Where a drill takes place: a private server, or the vault that was named, with its admin API.

use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use crate::app::{AdminKey, ReadyFile, Variables};
use crate::cli::client::UNKNOWN_KEY;
use crate::cli::target::Target;
use crate::cli::{Failure, admin_url, environment, headings, variables};
use crate::drills::{AdminEndpoint, DrillTarget, Environment, PrivateServer};

/// The options that say where.
#[derive(Debug, Args)]
pub(super) struct TargetArgs {
    /// The vault to drill at, by its URL, or by its name where its server is found or --admin names it [default: one of a
    /// private server]. Without --admin you sign in as your programs do, by AZURE_TENANT_ID, AZURE_CLIENT_ID and
    /// AZURE_CLIENT_SECRET, or by IDENTITY_ENDPOINT and IDENTITY_HEADER
    #[arg(long, value_name = "NAME|URL", help_heading = headings::VAULTS)]
    pub(super) vault: Option<String>,

    /// The admin API of its server, for policies, identities, clock and faults; its key comes from KEYHAVEN_ADMIN_KEY, the
    /// ready file or the data directory. The drills then make identities of their own
    #[arg(long, value_name = "URL", value_parser = admin_url::parse, help_heading = headings::VAULTS)]
    admin: Option<String>,

    /// A PEM file with the CA of that vault, trusted besides those of the system, of SSL_CERT_FILE and of the server that is
    /// found on this machine
    #[arg(long, value_name = "FILE", help_heading = headings::VAULTS)]
    ca: Option<PathBuf>,

    #[command(flatten)]
    target: Target,
}

impl TargetArgs {
    /// Refuses options that say something of a vault that is not named.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let option = match (&self.vault, &self.admin, &self.ca) {
            (None, Some(_), _) => "--admin",
            (None, None, Some(_)) => "--ca",
            _ => return Ok(()),
        };
        let hint = "name the vault, by --vault NAME or URL; without both a private server is drilled";
        Err(Failure::usage(format!("{option} is given, and --vault is missing: {hint}")))
    }

    /// The environment to drill in, and the variables for `--exec`. `program` is a private server's, and a node's.
    pub(super) fn environment(&self, program: &Path) -> Result<(Environment, Variables), Failure> {
        let Some(vault) = &self.vault else {
            let server = PrivateServer::start(program).map_err(Failure::failed)?;
            let ready = serde_json::from_value(server.ready().clone()).map_err(Failure::failed)?;
            let variables = env_variables(&ready, &server.ready_file());
            return Ok((Environment::private(server).map_err(Failure::failed)?, variables));
        };
        let found = self.target.has_ready_file().then(|| self.target.ready()).transpose()?;
        let port = found.as_ref().and_then(|ready| vaults_port(ready).parse().ok());
        let ready = found.filter(|ready| has_vault(ready, vault));
        let key = |url: &String| self.admin_key(url, ready.as_ref()).map(|key| AdminEndpoint { url: url.clone(), key });
        let admin = self.admin.as_ref().map(key).transpose()?;
        let ca_file = self.ca.as_ref().map(|file| file.display().to_string());
        let program = program.to_owned();
        let target =
            DrillTarget { vault: vault.clone(), port, admin, trusted: self.ca_certificates()?, ca_file, program };
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
        let data = self.target.data().map_err(|_| Failure::usage(UNKNOWN_KEY))?;
        let unknown = |error| Failure::usage(format!("{UNKNOWN_KEY} ({error})"));
        AdminKey::read(&data).map(|key| Zeroizing::new(key.text().to_owned())).map_err(unknown)
    }

    /// The CA that was named, that of the server on this machine, if one is found, and those of `SSL_CERT_FILE`, which a node trusts no other
    /// way.
    fn ca_certificates(&self) -> Result<Vec<String>, Failure> {
        let found = self.target.ca(None).ok().and_then(|path| std::fs::read_to_string(path).ok());
        let named = self.ca.as_deref().map(read_certificates).transpose()?;
        let of_variable = variables::path("SSL_CERT_FILE").and_then(|path| read_certificates(&path).ok());
        Ok(found.into_iter().chain(named).chain(of_variable).collect())
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

/// The port of a server's vaults.
fn vaults_port(ready: &ReadyFile) -> &str {
    ready.listen.rsplit(':').next().unwrap_or_default()
}

/// Whether the vault that was named is one of this server's: by its name, its URL or its port.
fn has_vault(ready: &ReadyFile, named: &str) -> bool {
    let url = named.trim_end_matches('/');
    !named.contains("://")
        || ready.vaults.values().any(|one| one == url)
        || ready.env.get("KEYHAVEN_VAULT_URL").is_some_and(|one| one == url)
        || url.rsplit(':').next() == Some(vaults_port(ready))
}
