//! Records: typed values in the store, as JSON, with a bounded cache of decoded ones that is checked by revision. All
//! of them can be replaced at once ([`NewGeneration`]). Knows no vaults and no identities.
//!
//! A change of records is a function from a [`View`] to a [`Change`]: [`Records::update`] runs it, commits what it decides,
//! and runs it again on a new view when another commit came between.

use std::any::Any;
use std::sync::Arc;

use quick_cache::sync::Cache;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;
use zeroize::Zeroizing;

mod error;
mod generation;
mod high_water;
mod new_generation;
mod view;

use crate::store::{Batch, Entry, EntryKey, Revision, Store, StoreError};

pub(crate) use crate::store::Degraded;

pub(crate) use error::RecordError;
pub(crate) use generation::GenerationKey;
pub(crate) use high_water::HighWaterMark;
pub(crate) use new_generation::NewGeneration;
pub(crate) use view::View;

use generation::{CurrentGeneration, Generation};
use high_water::HighWaterState;

/// Decoded records held in memory; a record is a few hundred bytes.
const DECODED_RECORDS: usize = 10_000;

/// How often a change is decided anew because another commit came first.
const ATTEMPTS: usize = 16;

/// Values that are read at once, so that not all of a long list are in memory undecoded.
const READ_PAGE: usize = 100;

type Decoded = (Revision, Arc<dyn Any + Send + Sync>);

/// What a record must be able to do.
pub trait Record: Serialize + DeserializeOwned + Send + Sync + 'static {}

impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Record for T {}

/// A change that has been decided but not yet committed, and what to answer once it is.
pub struct Change<T> {
    /// What to commit.
    pub batch: Batch,
    /// What to answer.
    pub answer: T,
}

/// The store, seen as typed records. Cheap to clone.
#[derive(Clone)]
pub struct Records {
    inner: Arc<Inner>,
    /// The generation they lie under: the one that counts, unless these belong to one that is being built.
    generation: Option<Generation>,
}

struct Inner {
    store: Store,
    decoded: Cache<EntryKey, Decoded>,
    current: CurrentGeneration,
    generation_lock: Arc<Mutex<()>>,
    high_water: HighWaterState,
}

impl Records {
    /// Records over `store`.
    pub fn new(store: Store) -> Self {
        let inner = Inner {
            store,
            decoded: Cache::new(DECODED_RECORDS),
            current: CurrentGeneration::new(),
            generation_lock: Arc::new(Mutex::new(())),
            high_water: HighWaterState::none(),
        };
        Self { inner: Arc::new(inner), generation: None }
    }

    /// Why nothing can be written while reads go on, if that is so.
    pub fn degraded(&self) -> Option<Degraded> {
        self.inner.store.degraded()
    }

    /// Keeps `mark` with the commits of these records from now on.
    pub fn track_high_water_mark(&self, mark: HighWaterMark) {
        self.inner.high_water.set(mark);
    }

    /// A consistent read view of the records.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn view(&self) -> Result<View, RecordError> {
        let view = self.inner.store.view().await?;
        let generation = match &self.generation {
            Some(generation) => generation.clone(),
            None => self.inner.current.in_view(&view).await?,
        };
        Ok(View::new(view, generation))
    }

    /// The record at `key`, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read or the record is damaged.
    pub async fn get<T: Record>(&self, view: &View, key: &EntryKey) -> Result<Option<Arc<T>>, RecordError> {
        Ok(self.entry(view, key).await?.map(|(record, _)| record))
    }

    /// The records at `keys`, in the order of `keys`. The store is read once, or twice when the cache lacks some.
    ///
    /// # Errors
    /// When the store cannot be read or a record is damaged.
    pub async fn get_many<T: Record>(
        &self,
        view: &View,
        keys: &[EntryKey],
    ) -> Result<Vec<Option<Arc<T>>>, RecordError> {
        let revisions = view.revisions_of(keys).await?;
        self.load(view, keys.iter().zip(revisions)).await
    }

    /// The record at `key` with its revision, for a change that must not overwrite another.
    ///
    /// # Errors
    /// When the store cannot be read or the record is damaged.
    pub async fn entry<T: Record>(
        &self,
        view: &View,
        key: &EntryKey,
    ) -> Result<Option<(Arc<T>, Revision)>, RecordError> {
        let Some(revision) = view.revision_of(key).await? else { return Ok(None) };
        if let Some(known) = self.cached(key, revision) {
            return Ok(Some((known, revision)));
        }
        let Some(entry) = view.get(key).await? else { return Ok(None) };
        Ok(Some((self.decoded(&entry)?, revision)))
    }

    /// The bytes at `key` as they are, for material that no cache may keep.
    ///
    /// # Errors
    /// When the store cannot be read or there is no such record.
    pub async fn bytes(&self, view: &View, key: &EntryKey) -> Result<Zeroizing<Vec<u8>>, RecordError> {
        view.get(key).await?.map(|entry| entry.value).ok_or_else(|| missing(key))
    }

    /// At most `limit` records below `prefix`, those after `after` alone, in the order of their keys.
    ///
    /// # Errors
    /// When the store cannot be read or a record is damaged.
    pub async fn scan<T: Record>(
        &self,
        view: &View,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
    ) -> Result<Vec<Arc<T>>, RecordError> {
        let keys = view.keys(prefix, after, limit).await?;
        let mut records = Vec::with_capacity(keys.len());
        for page in keys.chunks(READ_PAGE) {
            let revisions = page.iter().map(|(key, revision)| (key, Some(*revision)));
            records.extend(self.load(view, revisions).await?.into_iter().flatten());
        }
        Ok(records)
    }

    /// The records at keys whose revisions are known: from the cache, or read from the store in one call.
    async fn load<'k, T: Record>(
        &self,
        view: &View,
        keys: impl Iterator<Item = (&'k EntryKey, Option<Revision>)>,
    ) -> Result<Vec<Option<Arc<T>>>, RecordError> {
        let (mut records, mut positions, mut missing) = (Vec::new(), Vec::new(), Vec::new());
        for (key, revision) in keys {
            let cached = revision.and_then(|revision| self.cached(key, revision));
            if revision.is_some() && cached.is_none() {
                positions.push(records.len());
                missing.push(key.clone());
            }
            records.push(cached);
        }
        if missing.is_empty() {
            return Ok(records);
        }
        for (position, entry) in positions.into_iter().zip(view.get_many(&missing).await?) {
            records[position] = entry.map(|entry| self.decoded(&entry)).transpose()?;
        }
        Ok(records)
    }

    /// Runs `decide` on a view, commits what it decides, and runs it again when another commit came between.
    ///
    /// # Errors
    /// What `decide` refuses; [`RecordError::Busy`] after a bounded number of attempts.
    pub async fn update<T, E, F>(&self, decide: impl Fn(View) -> F) -> Result<T, E>
    where
        E: From<RecordError>,
        F: Future<Output = Result<Change<T>, E>> + Send,
    {
        for _ in 0..ATTEMPTS {
            let view = self.view().await?;
            let generation = view.generation().clone();
            let change = decide(view).await?;
            if change.batch.is_empty() {
                return Ok(change.answer);
            }
            let (batch, added) = self.inner.high_water.add_to(change.batch)?;
            match self.inner.store.commit(generation.scope(batch)).await {
                Ok(_) => {
                    self.inner.high_water.committed(added);
                    return Ok(change.answer);
                }
                Err(StoreError::Conflict) => {}
                Err(error) => return Err(RecordError::from(error).into()),
            }
        }
        Err(RecordError::Busy.into())
    }

    /// Commits changes that need not be made together, in as many commits as they need, one after the other.
    ///
    /// # Errors
    /// As [`Records::update`]; the pieces before the one that failed are committed then.
    pub async fn commit_pieces(&self, batch: Batch) -> Result<(), RecordError> {
        for piece in &batch.into_pieces() {
            self.update(|_| async move { Ok::<_, RecordError>(Change { batch: piece.clone(), answer: () }) }).await?;
        }
        Ok(())
    }

    fn decoded<T: Record>(&self, entry: &Entry) -> Result<Arc<T>, RecordError> {
        let record: Arc<T> = Arc::new(decode(&entry.key, &entry.value)?);
        self.inner.decoded.insert(entry.key.clone(), (entry.revision, record.clone()));
        Ok(record)
    }

    fn cached<T: Record>(&self, key: &EntryKey, revision: Revision) -> Option<Arc<T>> {
        let (known, record) = self.inner.decoded.get(key)?;
        (known == revision).then(|| record.downcast().ok()).flatten()
    }
}

/// A record's bytes.
///
/// # Errors
/// When the record cannot be written as JSON.
pub(crate) fn encode<T: Record>(record: &T) -> Result<Zeroizing<Vec<u8>>, RecordError> {
    let bytes = serde_json::to_vec(record)
        .map_err(|error| RecordError::Damaged { record: "a new record".into(), why: error.to_string() })?;
    Ok(Zeroizing::new(bytes))
}

fn decode<T: Record>(key: &EntryKey, bytes: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(bytes)
        .map_err(|error| RecordError::Damaged { record: printable(key), why: error.to_string() })
}

/// A record that others say must be there is not.
pub(crate) fn missing(key: &EntryKey) -> RecordError {
    RecordError::Damaged { record: printable(key), why: "the record is missing".into() }
}

fn printable(key: &EntryKey) -> String {
    String::from_utf8_lossy(key.as_bytes()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::random;
    use crate::store::{DataKey, MasterKey, RedbOptions};

    fn records() -> Records {
        Records::new(Store::memory(DataKey::from_bytes(random::secret())).unwrap())
    }

    async fn value(records: &Records, key: &str) -> Option<String> {
        let view = records.view().await.unwrap();
        records.get::<String>(&view, &EntryKey::from(key)).await.unwrap().map(|text| text.as_ref().clone())
    }

    #[tokio::test]
    async fn a_change_that_was_decided_before_everything_was_replaced_is_decided_again() {
        let records = &records();
        let attempts = &AtomicUsize::new(0);
        let decide = |view: View| async move {
            if attempts.fetch_add(1, Ordering::SeqCst) == 0 {
                let generation = records.begin_generation().await?;
                generation.commit(Batch::default().put("there", encode(&"new".to_owned())?)).await?;
                generation.publish().await?;
            }
            let seen = records.get::<String>(&view, &EntryKey::from("there")).await?;
            let copy = seen.map_or_else(|| "nothing".to_owned(), |text| text.as_ref().clone());
            Ok::<_, RecordError>(Change { batch: Batch::default().put("copy", encode(&copy)?), answer: copy })
        };
        assert_eq!(records.update(decide).await.unwrap(), "new");
        assert_eq!(attempts.load(Ordering::SeqCst), 2);
        assert_eq!(value(records, "copy").await.as_deref(), Some("new"));
    }

    #[tokio::test]
    async fn the_generation_of_a_view_is_that_of_its_commit() {
        let directory = tempfile::tempdir().unwrap();
        let (master, fresh) = (MasterKey::from_bytes(random::secret()), DataKey::from_bytes(random::secret()));
        let store = Store::redb(&directory.path().join("store"), &master, fresh, RedbOptions::default()).unwrap();
        assert!(store.view().await.unwrap().number().is_some());
        let records = Records::new(store);
        for text in ["1", "2"] {
            let generation = records.begin_generation().await.unwrap();
            assert_ne!(value(&records, "a").await.as_deref(), Some(text));
            let former = records.view().await.unwrap();
            generation.commit(Batch::default().put("a", encode(&text.to_owned()).unwrap())).await.unwrap();
            generation.publish().await.unwrap();
            for _ in 0..2 {
                assert_eq!(value(&records, "a").await.as_deref(), Some(text));
            }
            let seen = records.get::<String>(&former, &EntryKey::from("a")).await.unwrap();
            assert_ne!(seen.as_deref().map(String::as_str), Some(text), "the former view is of the former one");
        }
    }

    #[tokio::test]
    async fn a_second_new_generation_waits_for_the_first() {
        let records = records();
        let first = records.begin_generation().await.unwrap();
        let waiting = tokio::spawn({
            let records = records.clone();
            async move { records.begin_generation().await.unwrap().publish().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        first.commit(Batch::default().put("a", encode(&"1".to_owned()).unwrap())).await.unwrap();
        first.publish().await.unwrap();
        waiting.await.unwrap().unwrap();
        assert_eq!(value(&records, "a").await, None, "the second replaced what the first had put");
    }
}
