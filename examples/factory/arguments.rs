//! The command line.

use std::io::Read;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Parser, Subcommand};
use keyhaven::clock::Timestamp;
use serde_json::Value;
use zeroize::Zeroizing;

/// The reference factory: data under a system key and a customer-managed key
///
/// It reaches vaults as the environment says: AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET, or a managed identity
/// (IDENTITY_ENDPOINT and IDENTITY_HEADER, or the metadata service). It trusts the system's CAs and SSL_CERT_FILE.
///
/// With a server of its own:
///   keyhaven run -- cargo run --example factory -- --home f create --name demo
/// With one that is running:
///   eval "$(keyhaven env)" && cargo run --example factory -- --home f status
#[derive(Parser)]
#[command(name = "factory", version, verbatim_doc_comment, arg_required_else_help = true)]
pub(crate) struct Arguments {
    /// The factory's directory
    #[arg(long, env = "FACTORY_HOME", default_value = "factory", global = true)]
    pub(crate) home: PathBuf,

    /// The moment to take for the present (RFC 3339), for certificates
    #[arg(long, value_parser = moment, global = true)]
    pub(crate) now: Option<Timestamp>,

    #[command(subcommand)]
    pub(crate) action: Action,
}

#[derive(Subcommand)]
pub(crate) enum Action {
    /// Make a new, empty factory
    Create(Create),
    /// Enable a customer-managed key: only while the factory is empty and has no managed virtual network
    EnableKey {
        /// https://VAULT/keys/NAME[/VERSION]; without a version the latest is followed
        uri: String,
        /// The identity that reaches the key (resource id or client id); else the system-assigned one does
        #[arg(long, value_name = "ID")]
        user_assigned_identity: Option<String>,
    },
    /// Try to give the customer-managed key up (it is refused)
    DisableKey,
    /// Move to another version, another key or another vault
    MoveKey {
        /// https://VAULT/keys/NAME[/VERSION]
        uri: String,
    },
    /// Follow the latest version of the key: wrap the data key anew
    Refresh,
    /// Store data
    Put(Put),
    /// Print data
    Show {
        /// Its name
        name: String,
    },
    /// Store a linked service
    Link(Link),
    /// Print the credentials of a linked service, as they are at this moment
    Resolve {
        /// Its name
        name: String,
    },
    /// Accept credentials only as references to vault secrets
    RequireReferences {
        /// Accept secure strings again
        #[arg(long)]
        off: bool,
    },
    /// Print the factory's ARM template
    Export(Export),
    /// Renew the system key: a new certificate for two years, under which everything moves
    RenewSystemKey {
        /// Only when the certificate expires within 30 days
        #[arg(long)]
        if_due: bool,
    },
    /// Say what the factory is
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args)]
pub(crate) struct Create {
    /// Its name
    #[arg(long, default_value = "reference-factory")]
    pub(crate) name: String,
    /// The id of its tenant
    #[arg(long, env = "AZURE_TENANT_ID")]
    pub(crate) tenant: String,
    /// With a managed virtual network
    #[arg(long)]
    pub(crate) managed_virtual_network: bool,
    /// A customer-managed key from the beginning
    #[arg(long, value_name = "URI", requires = "user_assigned_identity")]
    pub(crate) key: Option<String>,
    /// The identity that reaches the key: a resource id or a client id
    #[arg(long, value_name = "ID", requires = "key")]
    pub(crate) user_assigned_identity: Option<String>,
}

#[derive(Args)]
pub(crate) struct Put {
    /// Its name
    pub(crate) name: String,
    /// What to store; '-' reads the standard input
    #[arg(default_value = "-")]
    pub(crate) value: Input,
}

#[derive(Args)]
pub(crate) struct Link {
    /// Its name
    pub(crate) name: String,
    /// Its definition as JSON, '@FILE', or '-' for the standard input
    #[arg(default_value = "-")]
    pub(crate) definition: Input,
}

#[derive(Args)]
pub(crate) struct Export {
    /// With the settings of the customer-managed key
    #[arg(long)]
    pub(crate) include_key: bool,
}

/// Text of the command line, or of somewhere else.
#[derive(Clone)]
pub(crate) struct Input(Zeroizing<String>);

impl FromStr for Input {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl Input {
    /// The text, or the standard input for `-`.
    pub(crate) fn or_stdin(self) -> std::io::Result<Zeroizing<String>> {
        if self.0.as_str() != "-" {
            return Ok(self.0);
        }
        let mut text = Zeroizing::new(String::new());
        std::io::stdin().read_to_string(&mut text)?;
        Ok(text)
    }

    /// The JSON, read from a file for `@FILE`.
    pub(crate) fn read(self) -> Result<Value, Box<dyn std::error::Error>> {
        let text = match self.0.strip_prefix('@') {
            Some(file) => Zeroizing::new(std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?),
            None => self.or_stdin()?,
        };
        Ok(serde_json::from_str(&text).map_err(|error| format!("the definition is no JSON: {error}"))?)
    }
}

fn moment(text: &str) -> Result<Timestamp, &'static str> {
    Timestamp::parse(text).ok_or("not a moment; write it as 2028-01-01T00:00:00Z")
}
