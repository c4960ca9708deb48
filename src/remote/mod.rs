//! A blocking client of vaults, over HTTPS; it signs in as the vault's challenge says. It knows nothing of how a vault is
//! built, so it works with this server, another one, and the service itself.
//!
//! Every call blocks its thread.

mod challenge;
mod credential;
mod error;
mod http_client;
mod ids;
mod key;
mod keys;
mod path;
mod retry;
mod secret;
mod secrets;
mod sign_in;
mod url;
mod vault_client;

pub use credential::{Credential, ManagedIdentity};
pub use error::RequestError;
pub use http_client::TrustStore;
pub(crate) use http_client::is_local;
pub use key::{Key, Wrapped};
pub use secret::Secret;
pub use ureq::Agent;
pub use ureq::http::Method;
pub use url::{NotAVault, VaultUrl};
pub use vault_client::VaultClient;
