//! A blocking client of vaults, over HTTPS; it signs in as the vault's challenge says. It knows nothing of how a vault is
//! built, so it works with this server, another one, and the service itself.
//!
//! Every call blocks its thread.

mod challenge;
mod credential;
mod error;
mod exchange;
mod http_client;
mod ids;
mod key;
mod keys;
mod managed_identity;
mod path;
mod retry;
mod secret;
mod secrets;
mod sign_in;
mod token_source;
mod transport;
mod url;
mod vault_client;

pub use credential::Credential;
pub use error::RequestError;
pub(crate) use exchange::{JsonRequest, ask_json, post_json};
pub use http_client::TrustStore;
pub(crate) use http_client::{Answer, is_local};
pub use key::{Key, Wrapped};
pub use managed_identity::ManagedIdentity;
pub use secret::Secret;
pub(crate) use token_source::IssuedToken;
pub use token_source::TokenSource;
pub use transport::Transport;
pub use ureq::Agent;
pub use ureq::http::Method;
pub use url::{NotAVault, VaultUrl};
pub use vault_client::VaultClient;
