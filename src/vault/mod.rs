//! The domain: vaults and what they hold. Knows the rules of Key Vault; knows no HTTP, no JSON of the wire, and no
//! clock but [`Call::now`].

/// Declares an enum of plain variants and `ALL`, the list of them, so that the list cannot lack one.
macro_rules! listed_enum {
    ($(#[$outer:meta])* $vis:vis enum $name:ident { $($(#[$inner:meta])* $variant:ident),* $(,)? }) => {
        $(#[$outer])*
        $vis enum $name {
            $($(#[$inner])* $variant),*
        }

        impl $name {
            /// Every variant, in the order of the declaration.
            $vis const ALL: &'static [Self] = &[$(Self::$variant),*];
        }
    };
}

mod apply;
mod backup;
mod call;
mod changes;
mod configured;
mod consistency;
mod copy;
mod count;
mod due;
mod event;
pub(crate) mod keys;
mod layers;
mod locks;
mod manage;
mod name;
pub(crate) mod object;
mod observer;
mod on_demand;
mod orphans;
mod refusal;
mod resource;
pub(crate) mod secrets;
mod settings;
mod store_key;
mod sweep;
#[cfg(test)]
mod tests;
mod write;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use quick_cache::sync::Cache;
use tokio::sync::{MutexGuard, Notify};

use crate::crypto;
use crate::crypto::pool::Pool;
use crate::random::Random;
use crate::records::{Degraded, RecordError, Records, View};
use crate::store::{EntryKey, Revision};
use keys::Keys;
use locks::NameLocks;
use object::Objects;
use secrets::Secrets;
use store_key::{StoreKey, Table};

pub(crate) use apply::{Applied, Difference, InitialKey, InitialSecret, InitialVault};
pub(crate) use backup::{BackupError, BackupKeySource};
pub(crate) use call::{Call, Guard, Guarded};
pub(crate) use changes::{ObjectChange, VaultChange};
pub(crate) use configured::Configured;
pub(crate) use consistency::{ConsistencyCheck, Finding};
pub(crate) use count::ObjectCount;
pub(crate) use due::NextDue;
#[cfg(test)]
pub(crate) use event::EventSubject;
pub(crate) use event::{Event, NewEvents, Occurrence};
pub(crate) use name::{Kind, ObjectName, VaultName, Version};
pub(crate) use object::{DeletedUse, ObjectKind};
pub(crate) use observer::{Observer, Report, Reported};
pub(crate) use on_demand::OnDemand;
pub(crate) use refusal::{Attempt, Refusal};
pub(crate) use resource::{DEFAULT_LOCATION, VaultResource};
pub(crate) use settings::{Recovery, Setting, Sku, Vault};
pub(crate) use write::ObjectId;

/// Every vault of a server, and the means to work on them. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vaults {
    inner: Arc<Inner>,
}

struct Inner {
    records: Records,
    pool: Pool,
    random: Arc<dyn Random>,
    /// By the key of their material and the commit that put it there: a version id can come back with other material,
    /// in a backup or a snapshot of a server with the same seed.
    parsed_keys: Cache<(EntryKey, Revision), Arc<crypto::Key>>,
    name_locks: NameLocks,
    backup_key: BackupKeySource,
    /// Notified when something may fall due sooner than before.
    schedule: Arc<Notify>,
    outbox: event::Outbox,
    observer: Observer,
    /// Whether orphaned layers were looked for, and none found.
    no_orphans_found: AtomicBool,
}

/// The dependencies of [`Vaults`].
pub(crate) struct Deps {
    /// Where everything is kept.
    pub records: Records,
    /// The threads that private-key work runs on.
    pub pool: Pool,
    /// Where version ids come from.
    pub random: Arc<dyn Random>,
    /// The key that backups are sealed with.
    pub backup_key: BackupKeySource,
    /// The most parsed keys held in memory.
    pub parsed_keys: usize,
    /// Takes reports of what happens without a request.
    pub observer: Observer,
}

impl Vaults {
    /// The vaults that `deps` hold.
    pub(crate) fn new(deps: Deps) -> Self {
        Self {
            inner: Arc::new(Inner {
                records: deps.records,
                pool: deps.pool,
                random: deps.random,
                parsed_keys: Cache::new(deps.parsed_keys),
                name_locks: NameLocks::new(),
                backup_key: deps.backup_key,
                schedule: Arc::new(Notify::new()),
                outbox: event::Outbox::new(),
                observer: deps.observer,
                no_orphans_found: AtomicBool::new(false),
            }),
        }
    }

    /// Vaults with the same dependencies but other records: a generation that is to replace the current one.
    pub(crate) fn with_records(&self, records: Records) -> Self {
        Self {
            inner: Arc::new(Inner {
                records,
                pool: self.inner.pool.clone(),
                random: self.inner.random.clone(),
                parsed_keys: Cache::new(1),
                name_locks: NameLocks::new(),
                backup_key: self.inner.backup_key.clone(),
                schedule: self.inner.schedule.clone(),
                outbox: self.inner.outbox.continuing(),
                observer: self.inner.observer.clone(),
                no_orphans_found: AtomicBool::new(false),
            }),
        }
    }

    /// The vault called `name`, if there is one.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub(crate) async fn find(&self, name: &VaultName) -> Result<Option<Guarded<Vault>>, Refusal> {
        let (view, key) = (self.records().view().await?, StoreKey::of_vault(name));
        let entry = self.records().entry(&view, &key).await?;
        Ok(entry.map(|(record, revision)| Guarded { record, guard: (key, revision) }))
    }

    /// The vault that answers on the host name `alias` (lower case), if there is one.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub(crate) async fn find_alias(&self, alias: &str) -> Result<Option<Guarded<Vault>>, Refusal> {
        let (view, alias) = (self.records().view().await?, StoreKey::Alias(alias).to_key());
        let Some(name) = self.records().get::<VaultName>(&view, &alias).await? else { return Ok(None) };
        let key = StoreKey::of_vault(&name);
        let entry = self.records().entry(&view, &key).await?;
        Ok(entry.map(|(record, revision)| Guarded { record, guard: (key, revision) }))
    }

    /// Why nothing can be written while reads go on, if that is so.
    pub(crate) fn degraded(&self) -> Option<Degraded> {
        self.records().degraded()
    }

    /// Every vault, by name.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub(crate) async fn all(&self) -> Result<Vec<Arc<Vault>>, Refusal> {
        Ok(self.all_in(&self.records().view().await?).await?)
    }

    /// The same as they are in `view`, for a decision that depends on them.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn all_in(&self, view: &View) -> Result<Vec<Arc<Vault>>, RecordError> {
        self.records().scan(view, &Table::Vault.prefix(), None, usize::MAX).await
    }

    /// Every host name, in lower case, that vaults answer on besides their own; in order, each once.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub(crate) async fn aliases(&self) -> Result<Vec<String>, Refusal> {
        let view = self.records().view().await?;
        let found = view.keys(&Table::Alias.prefix(), None, usize::MAX).await?;
        let host = |key: &EntryKey| match StoreKey::parse(&key.to_string()) {
            Some(StoreKey::Alias(host)) => Some(host.to_owned()),
            _ => None,
        };
        Ok(found.iter().filter_map(|(key, _)| host(key)).collect())
    }

    /// The keys of a vault, as `call` sees them.
    pub(crate) fn keys<'a>(&'a self, call: &'a Call) -> Objects<'a, Keys> {
        self.objects(call)
    }

    /// The secrets of a vault, as `call` sees them.
    pub(crate) fn secrets<'a>(&'a self, call: &'a Call) -> Objects<'a, Secrets> {
        self.objects(call)
    }

    /// The objects of one kind in a vault, as `call` sees them.
    pub(crate) fn objects<'a, K: ObjectKind>(&'a self, call: &'a Call) -> Objects<'a, K> {
        Objects::new(self, call)
    }

    /// Waits until something may fall due sooner than was known.
    pub(crate) async fn wait_for_schedule_change(&self) {
        self.inner.schedule.notified().await;
    }

    fn notify_schedule_change(&self) {
        self.inner.schedule.notify_one();
    }

    /// Locks `key` against other writers of this process.
    async fn lock(&self, key: EntryKey) -> Vec<MutexGuard<'_, ()>> {
        self.inner.name_locks.lock([key]).await
    }

    fn records(&self) -> &Records {
        &self.inner.records
    }
}

/// Opens `bytes` as a backup of each kind.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_backup(bytes: &[u8]) {
    Kind::ALL.iter().for_each(|kind| match kind {
        Kind::Key => backup::fuzz::<keys::Keys>(bytes),
        Kind::Secret => backup::fuzz::<secrets::Secrets>(bytes),
    });
}
