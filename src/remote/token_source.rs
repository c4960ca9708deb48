//! Tokens of managed identities that are issued within the process, without a request.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::error::RequestError;
use super::managed_identity::ManagedIdentity;

/// A token that was issued. A bearer credential: deliberately no `Debug`.
pub(crate) struct IssuedToken {
    /// The token.
    pub(crate) text: Zeroizing<String>,
    /// How long it is good, in seconds.
    pub(crate) lifetime: u64,
}

/// Issues a token of an identity for a resource. Blocks its thread.
type Issue = dyn Fn(&ManagedIdentity, &str) -> Result<IssuedToken, RequestError> + Send + Sync;

/// Issues tokens of one identity. Cheap to clone.
#[derive(Clone)]
pub struct TokenSource {
    issue: Arc<Issue>,
    identity: ManagedIdentity,
}

impl TokenSource {
    /// Tokens that `issue` issues, of the system-assigned identity until another one is selected.
    pub(crate) fn new(
        issue: impl Fn(&ManagedIdentity, &str) -> Result<IssuedToken, RequestError> + Send + Sync + 'static,
    ) -> Self {
        Self { issue: Arc::new(issue), identity: ManagedIdentity::SystemAssigned }
    }

    /// The same source for another identity.
    pub(super) fn of(self, identity: ManagedIdentity) -> Self {
        Self { identity, ..self }
    }

    /// A token for `resource`.
    pub(super) fn token(&self, resource: &str) -> Result<IssuedToken, RequestError> {
        (self.issue)(&self.identity, resource)
    }
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.identity)
    }
}
