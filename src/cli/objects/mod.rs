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

pub(super) use crate::app::Kind;

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

/// The kinds in the order that people read them in: what most vaults hold most of comes first.
pub(super) fn kinds() -> impl DoubleEndedIterator<Item = Kind> + Clone {
    Kind::ALL.iter().copied().rev()
}

/// How many objects of a kind the admin API's answer about a vault counts, `live` or `deleted`.
pub(super) fn count_of(vault: &Value, kind: Kind, state: &str) -> u64 {
    vault["objects"][kind.collection()][state].as_u64().unwrap_or_default()
}

/// Every object of a kind.
fn list_of(kind: Kind, vault: &VaultClient) -> Result<Vec<Value>, RequestError> {
    match kind {
        Kind::Key => vault.keys(),
        Kind::Secret => vault.secrets(),
    }
}

/// Whether the vault says that it has no such object of this kind.
fn is_not_found(kind: Kind, error: &RequestError) -> bool {
    let expected = match kind {
        Kind::Key => "KeyNotFound",
        Kind::Secret => "SecretNotFound",
    };
    matches!(error, RequestError::Refused { code, .. } if code == expected)
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
