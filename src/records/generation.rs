//! Generations: everything that is kept lies under one, and a pointer says which counts. Replacing all of it (a reset,
//! a snapshot that is loaded) is building another beside it and moving the pointer; what is left behind is swept away
//! afterwards.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::view::Generation;
use super::{RecordError, Records};
use crate::store::{Batch, Key, Revision, Store, StoreError};

/// Keys that one commit of the sweep takes away.
const SWEPT_AT_ONCE: usize = 1000;

/// What the prefixes of all generations but the first begin with; no key of a record does.
const GENERATIONS: &str = "generation/";

/// The generation that counts, as last seen.
pub(super) struct Current(Mutex<(Revision, Arc<str>)>);

impl Current {
    pub(super) fn new() -> Self {
        Self(Mutex::new((0, Arc::from(""))))
    }

    /// The generation that the pointer names in `view`.
    pub(super) async fn at(&self, view: &crate::store::View) -> Result<Generation, StoreError> {
        let pointer_revision = view.revision_of(&pointer()).await?.unwrap_or(0);
        let (known, prefix) = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if pointer_revision == known {
            return Ok(Generation { prefix, pointer_revision: Some(pointer_revision) });
        }
        let prefix: Arc<str> = match view.get(&pointer()).await? {
            Some(entry) => Arc::from(String::from_utf8_lossy(&entry.value).as_ref()),
            None => Arc::from(""),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (pointer_revision, prefix.clone());
        Ok(Generation { prefix, pointer_revision: Some(pointer_revision) })
    }
}

/// Where the pointer lies, outside of all generations.
pub(super) fn pointer() -> Key {
    Key::from("generation")
}

/// What says that something may be left to sweep away: a start need not look through everything.
fn sweep_marker() -> Key {
    Key::from("generation-unswept")
}

/// A generation that is being built; nobody sees it until it is published. Dropped before, it is swept away later.
pub struct NewGeneration {
    records: Records,
    store: Store,
    generation: Generation,
    /// The revision of the pointer when the generation was begun.
    before: Revision,
    /// Excludes sweeps, and the building of another generation.
    lock: OwnedMutexGuard<()>,
}

impl NewGeneration {
    pub(super) async fn begin(records: &Records) -> Result<Self, RecordError> {
        let lock = records.inner.generation_lock.clone().lock_owned().await;
        let before = records.view().await?.generation().pointer_revision.unwrap_or_default();
        let prefix = format!("{GENERATIONS}{}/", Uuid::from_bytes(crate::random::secret()).simple());
        let generation = Generation { prefix: Arc::from(prefix), pointer_revision: None };
        records.inner.store.commit(Batch::default().put(sweep_marker(), vec![])).await?;
        let new_records = records.under(generation.clone());
        Ok(Self { records: new_records, store: records.inner.store.clone(), generation, before, lock })
    }

    /// The records of the generation, to build it with.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Puts entries into the generation, as they were in another generation.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn commit(&self, batch: Batch) -> Result<(), RecordError> {
        self.store.commit(self.generation.scope(batch, &pointer())).await?;
        Ok(())
    }

    /// Makes the generation what counts, in one commit.
    ///
    /// # Errors
    /// [`RecordError::Busy`] when something else was published meanwhile; what the store reports.
    pub async fn publish(self) -> Result<(), RecordError> {
        let value = self.generation.prefix.as_bytes().to_vec();
        let batch = Batch::default().expect(pointer(), self.before).put(pointer(), value);
        match self.store.commit(batch).await {
            Ok(_) => Ok(()),
            Err(StoreError::Conflict) => Err(RecordError::Busy),
            Err(error) => Err(error.into()),
        }?;
        self.records.inner.high_water.forget();
        drop(self.lock);
        Ok(())
    }
}

/// What a key of the store is to the records, for those that look at a store from outside.
#[derive(Debug, PartialEq, Eq)]
pub enum GenerationKey {
    /// The pointer to the generation that counts.
    Pointer,
    /// What says that something may be left to sweep away.
    SweepMarker,
    /// A record, under its own key, in the generation of this prefix.
    Record(String, Key),
}

impl GenerationKey {
    /// Splits a key of the store.
    pub fn parse(key: &Key) -> Self {
        if *key == pointer() {
            return Self::Pointer;
        }
        if *key == sweep_marker() {
            return Self::SweepMarker;
        }
        let text = key.as_bytes();
        let id = text.strip_prefix(GENERATIONS.as_bytes());
        let end = id.and_then(|id| id.iter().position(|byte| *byte == b'/'));
        let (prefix, rest) = text.split_at(end.map_or(0, |end| GENERATIONS.len() + end + 1));
        Self::Record(String::from_utf8_lossy(prefix).into_owned(), Key::from(rest))
    }

    /// The prefix of the generation that counts, as the value of the pointer has it.
    pub fn pointed_prefix(pointer: &[u8]) -> String {
        String::from_utf8_lossy(pointer).into_owned()
    }
}

impl Records {
    /// Begins another generation. Others wait for their turn until it is published or dropped.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn begin_generation(&self) -> Result<NewGeneration, RecordError> {
        NewGeneration::begin(self).await
    }

    /// Takes away what belongs to no generation that counts: those before, and new ones that were dropped before they were published. Answers how
    /// many records that were.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self) -> Result<usize, RecordError> {
        let _lock = self.inner.generation_lock.lock().await;
        if self.inner.store.view().await?.revision_of(&sweep_marker()).await?.is_none() {
            return Ok(0);
        }
        let swept = self.sweep_all().await?;
        self.inner.store.commit(Batch::default().delete(sweep_marker())).await?;
        Ok(swept)
    }

    async fn sweep_all(&self) -> Result<usize, RecordError> {
        let (mut after, mut swept) = (None, 0);
        loop {
            let view = self.inner.store.view().await?;
            let generation = self.inner.current.at(&view).await?;
            let found = view.keys(&Key::from(""), after.as_ref(), SWEPT_AT_ONCE).await?;
            let Some((last, _)) = found.last() else { return Ok(swept) };
            after = Some(last.clone());
            let stale: Vec<Key> =
                found.into_iter().map(|(key, _)| key).filter(|key| is_stale(key, &generation)).collect();
            swept += stale.len();
            if !stale.is_empty() {
                self.inner.store.commit(Batch { delete: stale, ..Batch::default() }).await?;
            }
            tokio::task::yield_now().await;
        }
    }
}

fn is_stale(key: &Key, generation: &Generation) -> bool {
    let text = key.as_bytes();
    let current =
        text.starts_with(generation.prefix.as_bytes()) && (!generation.prefix.is_empty() || !is_reserved(key));
    !current && *key != pointer() && *key != sweep_marker()
}

/// Whether a key is no record of the first generation, whose keys begin with nothing of their own.
pub(super) fn is_reserved(key: &Key) -> bool {
    *key == pointer() || *key == sweep_marker() || key.as_bytes().starts_with(GENERATIONS.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_key_is_split_into_generation_and_record_key() {
        let record = |prefix: &str, key: &str| GenerationKey::Record(prefix.to_owned(), Key::from(key));
        assert_eq!(GenerationKey::parse(&"vault/acme".into()), record("", "vault/acme"));
        assert_eq!(GenerationKey::parse(&"generation/7f/vault/acme".into()), record("generation/7f/", "vault/acme"));
        assert_eq!(GenerationKey::parse(&"generation/7f".into()), record("", "generation/7f"));
        assert_eq!(GenerationKey::parse(&pointer()), GenerationKey::Pointer);
        assert_eq!(GenerationKey::parse(&sweep_marker()), GenerationKey::SweepMarker);
        let generation = Generation { prefix: Arc::from("generation/7f/"), pointer_revision: None };
        let store_key = generation.scope(Batch::default().delete("object/x"), &pointer()).delete.remove(0);
        assert_eq!(GenerationKey::parse(&store_key), record(&generation.prefix, "object/x"));
    }
}
