//! A vault as a client sees it: requests over HTTPS, signed in as the vault's challenge says. It knows nothing of how a vault
//! is built, so it speaks to any: this server, another one, the service itself.
//!
//! Every call blocks the thread that makes it.

mod challenge;
mod credential;
mod error;
mod http_client;
mod key;
mod keys;
mod secret;
mod secrets;
mod sign_in;
mod url;
mod vault;

pub use credential::{Credential, Which};
pub use error::Failure;
pub use http_client::Trust;
pub use key::{Key, Wrapped};
pub use secret::Secret;
pub use ureq::Agent;
pub use ureq::http::Method;
pub use url::{NotAVault, VaultUrl};
pub use vault::Vault;
