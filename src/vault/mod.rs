//! The domain: vaults and what they hold. Knows the rules of Key Vault; knows no HTTP, no JSON of the wire, and no
//! clock but [`Call::now`].

mod apply;
pub mod keys;
mod name;
pub mod object;
mod refusal;
pub mod secrets;
mod settings;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use quick_cache::sync::Cache;
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

use crate::access::Identity;
use crate::clock::Timestamp;
use crate::crypto;
use crate::crypto::pool::Pool;
use crate::random::Random;
use crate::records::Records;
use crate::store::{Key, Store};

pub use apply::{Applied, InitialKey, InitialSecret, InitialVault};
pub use name::{Kind, ObjectName, VaultName, Version};
pub use refusal::Refusal;
pub use settings::{Recovery, Sku, Vault};

/// Queues that writers stand in; writers of one name always share one.
const QUEUES: usize = 64;

/// All that a decision may see besides the state itself.
#[derive(Clone, Debug)]
pub struct Call {
    /// The moment the request is judged at, on the vault clock.
    pub now: Timestamp,
    /// Who calls; already found to be allowed.
    pub who: Identity,
    /// The vault, as it stood when the request arrived.
    pub vault: Arc<Vault>,
    /// The request's id, as answered in `x-ms-request-id`.
    pub id: Uuid,
}

/// Every vault of a server, and the means to work on them. Cheap to clone.
#[derive(Clone)]
pub struct Vaults {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    pool: Pool,
    random: Arc<dyn Random>,
    parsed: Cache<Key, Arc<crypto::Key>>,
    queues: [Mutex<()>; QUEUES],
}

impl Vaults {
    /// The vaults kept in `store`. Private-key work runs on `pool`, new version ids come from `random`, and at most
    /// `parsed_keys` parsed keys are held in memory.
    pub fn new(store: Store, pool: Pool, random: Arc<dyn Random>, parsed_keys: usize) -> Self {
        let parsed = Cache::new(parsed_keys);
        let queues = std::array::from_fn(|_| Mutex::new(()));
        Self { inner: Arc::new(Inner { records: Records::new(store), pool, random, parsed, queues }) }
    }

    /// The vault called `name`, if there is one.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub async fn find(&self, name: &VaultName) -> Result<Option<Arc<Vault>>, Refusal> {
        let view = self.records().view().await?;
        Ok(self.records().get(&view, &settings::key_of(name)).await?)
    }

    /// The vault that answers on the host name `alias` (lower case), if there is one.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub async fn find_alias(&self, alias: &str) -> Result<Option<Arc<Vault>>, Refusal> {
        let view = self.records().view().await?;
        let pointer: Option<Arc<VaultName>> = self.records().get(&view, &settings::alias_key(alias)).await?;
        match pointer {
            Some(name) => Ok(self.records().get(&view, &settings::key_of(&name)).await?),
            None => Ok(None),
        }
    }

    /// Every vault, by name.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub async fn all(&self) -> Result<Vec<Arc<Vault>>, Refusal> {
        let view = self.records().view().await?;
        Ok(self.records().scan(&view, &settings::prefix(), None, usize::MAX).await?)
    }

    /// Waits until no other writer of this process works on the record at `key`, so that only other processes can
    /// be faster.
    async fn turn(&self, key: &Key) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.as_bytes().hash(&mut hasher);
        self.inner.queues[hasher.finish() as usize % QUEUES].lock().await
    }

    fn records(&self) -> &Records {
        &self.inner.records
    }

    fn new_version(&self) -> Version {
        Version::random(&*self.inner.random)
    }
}
