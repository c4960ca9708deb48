//! What the activities of runs need of the world: HTTP, and tokens of the factory's identity.

use std::future::Future;
use std::pin::Pin;

use uuid::Uuid;
use zeroize::Zeroizing;

/// An answer that is not there yet.
pub(crate) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Sends what activities send. The service's own integration runtime.
pub(crate) trait Outside: Send + Sync {
    /// Sends a request. Hosts that are taken over are answered within the process; link-local addresses and this server's own admin,
    /// identity and proxy listeners are never asked.
    fn send(&self, request: Sending) -> Waiting<Result<Received, String>>;

    /// Ends when the server stops.
    fn stopped(&self) -> Waiting<()>;

    /// A token of the identity whose principal id is `principal`, for `resource`.
    fn token(&self, principal: Uuid, resource: String) -> Waiting<Result<Zeroizing<String>, String>>;
}

/// A request. Deliberately no `Debug`: its headers may hold a credential.
pub(crate) struct Sending {
    /// Whether it has a token of the factory's own identity: then, and only then, it is a trusted service's.
    pub is_own: bool,
    /// The method.
    pub method: &'static str,
    /// The URL, `http` or `https`.
    pub url: String,
    /// The headers.
    pub headers: Vec<(String, Zeroizing<String>)>,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

/// An answer. Deliberately no `Debug`: its body may be a secret.
pub(crate) struct Received {
    /// The status.
    pub status: u16,
    /// The headers, in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, at most [`MAX_ANSWER_BYTES`].
    pub body: Vec<u8>,
}

/// The largest answer of a call, in bytes. Ours: the service's own bound is about 4 MB, and a commit here takes less.
pub(crate) const MAX_ANSWER_BYTES: usize = 512 * 1024;
