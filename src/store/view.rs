//! Reading: the store as it was at one commit, whatever engine keeps it.

use std::fmt;
use std::sync::Arc;

use super::batch::{Entry, Revision};
use super::error::StoreError;
use super::key::EntryKey;
use super::sealed::Sealer;
use super::{memory, redb};

/// A consistent read view: the store as it was at one commit. Later commits are not in it.
pub struct View {
    engine_view: EngineView,
    sealer: Arc<Sealer>,
}

impl View {
    /// The view of an engine whose values `sealer` opens.
    pub(super) const fn new(engine_view: EngineView, sealer: Arc<Sealer>) -> Self {
        Self { engine_view, sealer }
    }

    /// A number that views have in common only when they are of one commit; none where the engine has none.
    pub fn number(&self) -> Option<u64> {
        match &self.engine_view {
            EngineView::Memory(view) => view.number,
            EngineView::Redb(view) => view.number(),
        }
    }

    /// The entry of `key`, if there is one.
    pub async fn get(&self, key: &EntryKey) -> Result<Option<Entry>, StoreError> {
        self.engine_view.read(key, |revision, stored| self.entry(key.clone(), revision, stored))
    }

    /// The entries of `keys`, in the order of `keys`, in one call of the engine.
    pub async fn get_many(&self, keys: &[EntryKey]) -> Result<Vec<Option<Entry>>, StoreError> {
        self.engine_view.read_many(keys, |key, revision, stored| self.entry(key.clone(), revision, stored))
    }

    /// The revision of `key`, without unsealing its value: what a cache of decoded records is checked by.
    pub async fn revision_of(&self, key: &EntryKey) -> Result<Option<Revision>, StoreError> {
        self.engine_view.read(key, |revision, _| Ok(revision))
    }

    /// The revisions of `keys`, in the order of `keys`, in one call of the engine.
    pub async fn revisions_of(&self, keys: &[EntryKey]) -> Result<Vec<Option<Revision>>, StoreError> {
        self.engine_view.read_many(keys, |_, revision, _| Ok(revision))
    }

    /// The first `limit` entries whose keys begin with `prefix`, in ascending order, strictly behind `after`.
    pub async fn scan(
        &self,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        self.engine_view.scan(prefix, after, limit, |key, revision, stored| self.entry(key, revision, stored))
    }

    /// What [`View::scan`] gives, as keys and revisions alone: no value is unsealed.
    pub async fn keys(
        &self,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
    ) -> Result<Vec<(EntryKey, Revision)>, StoreError> {
        self.engine_view.scan(prefix, after, limit, |key, revision, _| Ok((key, revision)))
    }

    fn entry(&self, key: EntryKey, revision: Revision, stored: &[u8]) -> Result<Entry, StoreError> {
        let value = self.sealer.open(&key, revision, stored)?;
        Ok(Entry { key, value, revision })
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("View")
    }
}

/// What an engine gives to read from.
pub(super) enum EngineView {
    Memory(memory::TreeView),
    Redb(Arc<redb::FileView>),
}

impl EngineView {
    /// Passes the revision and the stored value of `key` to `visit`, if there is such a key.
    fn read<T>(
        &self,
        key: &EntryKey,
        visit: impl FnOnce(Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match self {
            Self::Memory(view) => view.read(key, visit),
            Self::Redb(view) => view.read(key, visit),
        }
    }

    /// Passes the key, the revision and the stored value of each of `keys` that exists to `visit`, in their order.
    fn read_many<T>(
        &self,
        keys: &[EntryKey],
        visit: impl FnMut(&EntryKey, Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        match self {
            Self::Memory(view) => view.read_many(keys, visit),
            Self::Redb(view) => view.read_many(keys, visit),
        }
    }

    /// Passes the records that [`View::scan`] returns to `visit`, in their order.
    fn scan<T>(
        &self,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
        visit: impl FnMut(EntryKey, Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        match self {
            Self::Memory(view) => view.scan(prefix, after, limit, visit),
            Self::Redb(view) => view.scan(prefix, after, limit, visit),
        }
    }
}
