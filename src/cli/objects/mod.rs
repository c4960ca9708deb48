//! What `keyhaven secret` and `keyhaven key` share: the vault that they ask, deletion, and how objects are listed.

mod connection;
mod deletion;
mod list;
mod secret_argument;

use clap::Args;
use serde_json::Value;

use super::Failure;
use super::client::AdminClient;
use crate::app::ObjectName;
use crate::remote::{RequestError, VaultClient};

pub(super) use connection::Connection;
pub(super) use list::{latest_first, name_of, version_of, version_table};
pub(super) use secret_argument::SecretArgument;

/// Which vault is asked, and as which identity.
#[derive(Debug, Args)]
pub(super) struct VaultArgs {
    /// The vault: its name, or its URL [default: this shell's, of `keyhaven env`, else the server's default vault]
    #[arg(long, global = true, value_name = "NAME|URL")]
    vault: Option<String>,

    /// The identity to ask as [default: the server's default identity]
    #[arg(long, global = true, value_name = "NAME")]
    identity: Option<String>,

    #[command(flatten)]
    pub(super) client: AdminClient,
}

/// A kind of object, for the operations that every kind has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Secret,
    Key,
}

impl Kind {
    /// The sub-command of the kind, which is the word for one object too.
    const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Key => "key",
        }
    }

    /// Every object of the kind.
    fn list(self, vault: &VaultClient) -> Result<Vec<Value>, RequestError> {
        match self {
            Self::Secret => vault.secrets(),
            Self::Key => vault.keys(),
        }
    }

    /// Whether the vault says that it has no such object.
    fn is_not_found(self, error: &RequestError) -> bool {
        let code = match self {
            Self::Secret => "SecretNotFound",
            Self::Key => "KeyNotFound",
        };
        matches!(error, RequestError::Refused { code: given, .. } if given == code)
    }
}

/// Fails for a name that no object can have: the service's own text does not say what would be good.
pub(super) fn expect_name(name: &str) -> Result<(), Failure> {
    let wrong = || Failure::usage(format!("'{name}' is no name here: give 1 to 127 letters, digits and hyphens"));
    ObjectName::parse(name).map(|_| ()).ok_or_else(wrong)
}

impl VaultArgs {
    /// Connects to the vault, which is there.
    ///
    /// # Errors
    /// When no server is found, or none that has the vault and the identity.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let vault = Connection::open(self).await?;
        vault.expect_it_is_there()?;
        Ok(vault)
    }

    /// Connects to the vault for a request that the server may make it for.
    ///
    /// # Errors
    /// When no server is found, or none that has the identity.
    pub(super) async fn connect_to_write(&self) -> Result<Connection, Failure> {
        Connection::open(self).await
    }

    /// These options as they are written on a command line, each after a blank.
    fn as_written(&self) -> String {
        let written = |flag: &str, value: &Option<String>| {
            value.as_ref().map_or_else(String::new, |value| format!(" --{flag} {value}"))
        };
        written("vault", &self.vault) + &written("identity", &self.identity)
    }
}
