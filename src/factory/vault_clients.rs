//! The clients that a factory uses vaults by, cached with their tokens.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::remote::{Agent, Credential, VaultClient, VaultUrl};

/// Creates a client for each vault and identity, and caches it with its token; answers are never cached.
pub struct VaultClients {
    agent: Agent,
    credential: Credential,
    clients: Mutex<BTreeMap<ClientKey, Arc<VaultClient>>>,
}

/// A vault, and the user-assigned identity that it is used as.
type ClientKey = (VaultUrl, Option<String>);

impl VaultClients {
    /// Clients that send requests by `agent` and sign in with `credential`.
    pub fn new(agent: Agent, credential: Credential) -> Self {
        Self { agent, credential, clients: Mutex::default() }
    }

    /// The client of the vault at `url`, as the user-assigned `identity` if there is one.
    pub(super) fn vault(&self, url: &VaultUrl, identity: Option<&str>) -> Arc<VaultClient> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (url.clone(), identity.map(str::to_owned));
        let new = || {
            let credential = self.credential.clone();
            let credential = identity.map_or_else(|| credential.clone(), |id| credential.clone().as_user_assigned(id));
            Arc::new(VaultClient::at(self.agent.clone(), url.clone(), credential))
        };
        clients.entry(key).or_insert_with(new).clone()
    }
}

impl fmt::Debug for VaultClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VaultClients({:?})", self.credential)
    }
}
