//! What the activities of runs need of the world: HTTP, and tokens of the factory's identities.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;

use uuid::Uuid;
use zeroize::Zeroizing;

use crate::activity::{Received, Sending};

/// An answer that is not there yet.
pub(crate) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Sends what activities send. The service's own integration runtime.
pub(crate) trait Outside: Send + Sync {
    /// Sends a request. Hosts that are taken over are answered within the process; link-local addresses and this server's own admin,
    /// identity and proxy listeners are never asked.
    fn send(&self, request: Sending) -> Waiting<Result<Received, String>>;

    /// Where a node sends a request to `url`, by the same rules.
    ///
    /// # Errors
    /// A sentence that says why it is not sent.
    fn route(&self, url: &str) -> Result<NodeRoute, String>;

    /// Whether `host` (lower case) is one of a vault, here or in the cloud's place.
    fn is_vault(&self, host: &str) -> bool;

    /// Ends when the server stops.
    fn stopped(&self) -> Waiting<()>;

    /// A token of an identity of the factory, for `resource`.
    fn token(&self, identity: Holder, resource: String) -> Waiting<Result<Zeroizing<String>, String>>;
}

/// Where a node sends a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeRoute {
    /// Whether to this server, in the cloud's place.
    pub at_server: bool,
    /// The listeners of this server that are never asked.
    pub listeners: Vec<SocketAddr>,
}

/// Whose a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The factory's own identity, by its principal id.
    Own(Uuid),
    /// A user-assigned identity, by its resource id.
    UserAssigned(String),
}
