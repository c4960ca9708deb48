//! The domain: vaults and what they hold. Knows the rules of Key Vault; knows no HTTP, no JSON of the wire, and no
//! clock but [`Call::now`].

mod apply;
mod backup;
mod consistency;
mod copy;
mod due;
mod event;
pub mod keys;
mod layers;
mod manage;
mod name;
pub mod object;
mod on_demand;
mod orphans;
mod refusal;
pub mod secrets;
mod settings;
mod sweep;
#[cfg(test)]
mod tests;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use quick_cache::sync::Cache;
use tokio::sync::{Mutex, MutexGuard, Notify};
use uuid::Uuid;

use crate::access::Identity;
use crate::clock::Timestamp;
use crate::crypto;
use crate::crypto::pool::Pool;
use crate::random::Random;
use crate::records::{Degraded, Records};
use crate::store::{Key, Revision};
use object::Objects;

pub use apply::{Applied, InitialKey, InitialSecret, InitialVault};
pub use backup::BackupKeySource;
pub use consistency::{CheckReport, ConsistencyCheck, Finding};
pub use due::{Due, DueEntry};
pub use event::{Event, EventSubject, NewEvents, Occurrence};
pub use name::{Kind, ObjectName, VaultName, Version};
pub use on_demand::OnDemand;
pub use refusal::{Attempt, Refusal};
pub use settings::{Recovery, Sku, Vault};

/// Queues that writers stand in; writers of one name always share one.
const NAME_LOCKS: usize = 64;

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

impl Call {
    /// A call of the server itself, `now`: because of its configuration, or of the time.
    pub fn by_server(vault: Arc<Vault>, now: Timestamp) -> Self {
        let nil = Uuid::nil();
        let who = Identity { tenant: nil, object_id: nil, app_id: nil, groups: vec![] };
        Self { now, who, vault, id: Uuid::nil() }
    }
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
    /// By where their material lies and which commit put it there: the same version id can come back with other
    /// material, in a backup or a snapshot of a server with the same seed.
    parsed_keys: Cache<(Key, Revision), Arc<crypto::Key>>,
    name_locks: [Mutex<()>; NAME_LOCKS],
    backup_key: BackupKeySource,
    /// Told when something may fall due sooner than before.
    schedule: Arc<Notify>,
    outbox: event::Outbox,
    /// Whether it was found that no vault's record is missing.
    no_orphans_found: AtomicBool,
}

/// What vaults are made of.
pub struct Deps {
    /// Where everything is kept.
    pub records: Records,
    /// Where private-key work runs.
    pub pool: Pool,
    /// Where version ids come from.
    pub random: Arc<dyn Random>,
    /// What backups are sealed under.
    pub backup_key: BackupKeySource,
    /// The most parsed_keys keys held in memory.
    pub parsed_keys: usize,
}

impl Vaults {
    /// The vaults that are built of `means`.
    pub fn new(deps: Deps) -> Self {
        Self {
            inner: Arc::new(Inner {
                records: deps.records,
                pool: deps.pool,
                random: deps.random,
                parsed_keys: Cache::new(deps.parsed_keys),
                name_locks: std::array::from_fn(|_| Mutex::new(())),
                backup_key: deps.backup_key,
                schedule: Arc::new(Notify::new()),
                outbox: event::Outbox::new(),
                no_orphans_found: AtomicBool::new(false),
            }),
        }
    }

    /// The same vaults' means over other records: a draft that is to replace these.
    pub fn with_records(&self, records: Records) -> Self {
        Self {
            inner: Arc::new(Inner {
                records,
                pool: self.inner.pool.clone(),
                random: self.inner.random.clone(),
                parsed_keys: Cache::new(1),
                name_locks: std::array::from_fn(|_| Mutex::new(())),
                backup_key: self.inner.backup_key.clone(),
                schedule: self.inner.schedule.clone(),
                outbox: self.inner.outbox.continuing(),
                no_orphans_found: AtomicBool::new(false),
            }),
        }
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

    /// Why nothing can be written while reads go on, if that is so.
    pub fn degraded(&self) -> Option<Degraded> {
        self.records().degraded()
    }

    /// Every vault, by name.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub async fn all(&self) -> Result<Vec<Arc<Vault>>, Refusal> {
        let view = self.records().view().await?;
        Ok(self.records().scan(&view, &settings::prefix(), None, usize::MAX).await?)
    }

    /// Every host name, in lower case, that vaults answer on besides their own; in order, each once.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub async fn aliases(&self) -> Result<Vec<String>, Refusal> {
        let (view, prefix) = (self.records().view().await?, settings::alias_key(""));
        let found = view.keys(&prefix, None, usize::MAX).await?;
        let host = |key: &Key| String::from_utf8_lossy(&key.as_bytes()[prefix.as_bytes().len()..]).into_owned();
        Ok(found.iter().map(|(key, _)| host(key)).collect())
    }

    /// Waits until no other writer of this process works on the record at `key`, so that only other processes can
    /// be faster.
    async fn lock_name(&self, key: &Key) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.as_bytes().hash(&mut hasher);
        self.inner.name_locks[hasher.finish() as usize % NAME_LOCKS].lock().await
    }

    /// Resolves when something may fall due sooner than was known.
    pub async fn wait_for_schedule_change(&self) {
        self.inner.schedule.notified().await;
    }

    fn notify_schedule_change(&self) {
        self.inner.schedule.notify_one();
    }

    fn objects<'a>(&'a self, call: &'a Call, kind: Kind) -> Objects<'a> {
        Objects { vaults: self, call, kind }
    }

    fn records(&self) -> &Records {
        &self.inner.records
    }

    fn new_version(&self) -> Version {
        Version::random(&*self.inner.random)
    }
}
