//! Building another generation beside the current one, publishing it, and sweeping away what is left behind.

use std::sync::Arc;

use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

use super::Records;
use super::error::RecordError;
use super::generation::{Generation, pointer, prefix_of, sweep_marker};
use crate::random;
use crate::store::{Batch, EntryKey, Revision, Store, StoreError};

/// Keys that a sweep reads at once.
const SWEEP_PAGE: usize = 1000;

/// A generation that is being built; no reader sees it until it is published. Dropped before, it is swept away later.
pub struct NewGeneration {
    records: Records,
    store: Store,
    generation: Generation,
    /// The revision of the pointer when this was begun.
    pointer_revision: Revision,
    /// Excludes sweeps, and the building of another generation.
    lock: OwnedMutexGuard<()>,
}

impl NewGeneration {
    /// The records of the generation, to build it with.
    pub fn records(&self) -> &Records {
        &self.records
    }

    /// Commits `batch` to the generation, in as many pieces as it needs.
    ///
    /// # Errors
    /// When the store fails; some of it may have been committed then.
    pub async fn commit(&self, batch: Batch) -> Result<(), RecordError> {
        Ok(self.store.commit_pieces(self.generation.scope(batch)).await?)
    }

    /// Makes this the current generation, in one commit.
    ///
    /// # Errors
    /// [`RecordError::Busy`] when another was published meanwhile; what the store reports.
    pub async fn publish(self) -> Result<(), RecordError> {
        let prefix = self.generation.prefix.as_bytes().to_vec();
        let batch = Batch::default().expect(pointer(), self.pointer_revision).put(pointer(), prefix);
        match self.store.commit(batch).await {
            Ok(_) => {}
            Err(StoreError::Conflict) => return Err(RecordError::Busy),
            Err(error) => return Err(error.into()),
        }
        self.records.inner.high_water.forget();
        drop(self.lock);
        Ok(())
    }
}

impl Records {
    /// Begins another generation. Waits until one that is being built is published or dropped.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn begin_generation(&self) -> Result<NewGeneration, RecordError> {
        let lock = Arc::clone(&self.inner.generation_lock).lock_owned().await;
        let pointer_revision = self.view().await?.generation().pointer_revision.unwrap_or_default();
        let store = self.inner.store.clone();
        store.commit(Batch::default().put(sweep_marker(), vec![])).await?;
        let prefix = prefix_of(Uuid::from_bytes(random::secret()));
        let generation = Generation { prefix, pointer_revision: None };
        let records = Self { inner: Arc::clone(&self.inner), generation: Some(generation.clone()) };
        Ok(NewGeneration { records, store, generation, pointer_revision, lock })
    }

    /// Deletes the records of all generations but the current one. Returns how many records those were.
    ///
    /// # Errors
    /// When the store fails; the next sweep goes on.
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
            let generation = self.inner.current.in_view(&view).await?;
            let found = view.keys(&EntryKey::from(""), after.as_ref(), SWEEP_PAGE).await?;
            let Some((last, _)) = found.last() else { return Ok(swept) };
            after = Some(last.clone());
            let keys = found.into_iter().map(|(key, _)| key);
            let stale: Vec<EntryKey> = keys.filter(|key| generation.excludes(key)).collect();
            swept += stale.len();
            self.inner.store.commit_pieces(Batch { delete: stale, ..Batch::default() }).await?;
            tokio::task::yield_now().await;
        }
    }
}
