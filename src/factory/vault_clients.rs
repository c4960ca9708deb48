//! The clients that a factory uses vaults by, cached with their tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::remote::{Credential, Transport, VaultClient, VaultUrl};

/// Creates a client for each vault and identity, and caches it with its token; answers are never cached.
///
/// Cheap to clone: clones share what is cached.
#[derive(Clone)]
pub struct VaultClients {
    shared: Arc<Shared>,
    /// The identity that vaults are used as where no other is named.
    own: Option<String>,
}

struct Shared {
    transport: Transport,
    credential: Credential,
    clients: Mutex<BTreeMap<ClientKey, Arc<VaultClient>>>,
}

/// The most clients that are cached; all are forgotten when there are more.
const MOST_CLIENTS: usize = 1000;

/// A vault, and the user-assigned identity that it is used as.
type ClientKey = (VaultUrl, Option<String>);

impl VaultClients {
    /// Clients that send requests by `transport`, such as an [`Agent`](crate::remote::Agent), and sign in with `credential`.
    pub fn new(transport: impl Into<Transport>, credential: Credential) -> Self {
        let (transport, clients) = (transport.into(), Mutex::default());
        Self { shared: Arc::new(Shared { transport, credential, clients }), own: None }
    }

    /// These clients, which use vaults as the managed identity `own` (a client id or a resource id) where no other is named.
    #[must_use]
    pub fn acting_as(&self, own: impl Into<String>) -> Self {
        Self { shared: self.shared.clone(), own: Some(own.into()) }
    }

    /// The client of the vault at `url`, as the user-assigned `identity` if there is one.
    pub(crate) fn vault(&self, url: &VaultUrl, identity: Option<&str>) -> Arc<VaultClient> {
        let mut clients = self.shared.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let identity = identity.or(self.own.as_deref());
        let key = (url.clone(), identity.map(str::to_owned));
        if clients.len() >= MOST_CLIENTS && !clients.contains_key(&key) {
            clients.clear();
        }
        let new = || {
            let credential = self.shared.credential.clone();
            let credential = match identity {
                Some(id) => credential.as_user_assigned(id),
                None => credential,
            };
            Arc::new(VaultClient::at(self.shared.transport.clone(), url.clone(), credential))
        };
        clients.entry(key).or_insert_with(new).clone()
    }
}

impl fmt::Debug for VaultClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultClients({:?}, {:?})", self.shared.credential, self.own)
    }
}
