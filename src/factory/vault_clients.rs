//! How a factory reaches vaults: over HTTPS, as an identity.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::remote::{Agent, Credential, Vault, VaultUrl};

/// A client and who it is. Vaults are remembered with their tokens, never with an answer.
pub struct Reach {
    agent: Agent,
    credential: Credential,
    known: Mutex<BTreeMap<Wanted, Arc<Vault>>>,
}

/// A vault, and the user-assigned identity that asks.
type Wanted = (VaultUrl, Option<String>);

impl Reach {
    /// Reaches vaults by `agent`, as `credential`.
    pub fn new(agent: Agent, credential: Credential) -> Self {
        Self { agent, credential, known: Mutex::default() }
    }

    /// The vault at `url`, as the user-assigned `identity`, or as the credential is.
    pub(super) fn vault(&self, url: &VaultUrl, identity: Option<&str>) -> Arc<Vault> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let wanted = (url.clone(), identity.map(str::to_owned));
        let new = || {
            let credential = self.credential.clone();
            let credential = identity.map_or_else(|| credential.clone(), |id| credential.clone().as_user_assigned(id));
            Arc::new(Vault::at(self.agent.clone(), url.clone(), credential))
        };
        known.entry(wanted).or_insert_with(new).clone()
    }
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reach({:?})", self.credential)
    }
}
