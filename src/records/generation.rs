//! Generations: every record lies under one, and a pointer names the current one. Replacing all records (a reset, a
//! snapshot that is loaded) is building another generation beside it and moving the pointer.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::store::{self, Batch, EntryKey, Revision, StoreError};

/// What the prefixes of all generations but the first begin with; no key of a record does.
const GENERATIONS: &str = "generation/";
/// The key of the pointer, outside of all generations.
const POINTER: &str = "generation";
/// The key of the sweep marker, outside of all generations: without it a sweep need not look through everything.
const SWEEP_MARKER: &str = "generation-unswept";

/// A generation: what the keys of its records begin with in the store, and what must hold for a change of it to count.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    /// The prefix of its keys; empty for the first generation.
    pub(super) prefix: Arc<str>,
    /// The revision of the pointer that names it; none for a new one, which nothing points to yet.
    pub(super) pointer_revision: Option<Revision>,
}

impl Generation {
    /// The key of the store for the record key `key`. The first generation's prefix is empty, and costs nothing.
    pub(super) fn to_store_key<'k>(&self, key: &'k EntryKey) -> Cow<'k, EntryKey> {
        if self.prefix.is_empty() {
            return Cow::Borrowed(key);
        }
        let mut store_key = Vec::with_capacity(self.prefix.len() + key.as_bytes().len());
        store_key.extend_from_slice(self.prefix.as_bytes());
        store_key.extend_from_slice(key.as_bytes());
        Cow::Owned(EntryKey::from(store_key))
    }

    /// The keys of the store for the record keys `keys`.
    pub(super) fn to_store_keys<'k>(&self, keys: &'k [EntryKey]) -> Cow<'k, [EntryKey]> {
        if self.prefix.is_empty() {
            return Cow::Borrowed(keys);
        }
        keys.iter().map(|key| self.to_store_key(key).into_owned()).collect()
    }

    /// The record key of `store_key`, which lies in this generation.
    pub(super) fn to_record_key(&self, store_key: &EntryKey) -> EntryKey {
        EntryKey::from(&store_key.as_bytes()[self.prefix.len()..])
    }

    /// `batch` with the keys of the store, if this generation is still the current one.
    pub(super) fn scope(&self, batch: Batch) -> Batch {
        let to_store_key = |key: EntryKey| self.to_store_key(&key).into_owned();
        let mut expect: Vec<_> =
            batch.expect.into_iter().map(|(key, revision)| (to_store_key(key), revision)).collect();
        expect.extend(self.pointer_revision.map(|revision| (pointer(), revision)));
        Batch {
            expect,
            put: batch.put.into_iter().map(|(key, value)| (to_store_key(key), value)).collect(),
            delete: batch.delete.into_iter().map(to_store_key).collect(),
        }
    }

    /// Whether `store_key` belongs to a generation other than this one.
    pub(super) fn excludes(&self, store_key: &EntryKey) -> bool {
        let is_in_it = store_key.as_bytes().starts_with(self.prefix.as_bytes())
            && (!self.prefix.is_empty() || !is_reserved(store_key));
        !is_in_it && ![POINTER.as_bytes(), SWEEP_MARKER.as_bytes()].contains(&store_key.as_bytes())
    }
}

/// The current generation as it was read last: a cache, valid for one revision of the pointer. In the same view of the store again
/// even that need not be looked up: most requests read, and have several views of one commit.
pub(super) struct CurrentGeneration(Mutex<LastRead>);

#[derive(Clone)]
struct LastRead {
    /// The number of the store's view.
    view: Option<u64>,
    /// The revision of the pointer.
    revision: Revision,
    prefix: Arc<str>,
}

impl CurrentGeneration {
    pub(super) fn new() -> Self {
        Self(Mutex::new(LastRead { view: None, revision: 0, prefix: Arc::from("") }))
    }

    /// The generation that the pointer names in `view`.
    pub(super) async fn in_view(&self, view: &store::View) -> Result<Generation, StoreError> {
        let last = self.last_read().clone();
        let number = view.number();
        if number.is_some() && number == last.view {
            return Ok(last.into());
        }
        let pointer = pointer();
        let revision = view.revision_of(&pointer).await?.unwrap_or(0);
        let prefix = match revision == last.revision {
            true => last.prefix,
            false => view
                .get(&pointer)
                .await?
                .map_or_else(String::new, |entry| GenerationKey::pointed_prefix(&entry.value))
                .into(),
        };
        let read = LastRead { view: number, revision, prefix };
        *self.last_read() = read.clone();
        Ok(read.into())
    }

    fn last_read(&self) -> MutexGuard<'_, LastRead> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl From<LastRead> for Generation {
    fn from(LastRead { prefix, revision, .. }: LastRead) -> Self {
        Self { prefix, pointer_revision: Some(revision) }
    }
}

/// A key of the store, split: for those that read a store without its records.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GenerationKey {
    /// The pointer to the current generation.
    Pointer,
    /// The marker that says that something may be left to sweep.
    SweepMarker,
    /// A record: the prefix of its generation, and its own key.
    Record(String, EntryKey),
}

impl GenerationKey {
    /// Splits a key of the store.
    pub(crate) fn parse(key: &EntryKey) -> Self {
        let bytes = key.as_bytes();
        if bytes == POINTER.as_bytes() {
            return Self::Pointer;
        }
        if bytes == SWEEP_MARKER.as_bytes() {
            return Self::SweepMarker;
        }
        let id = bytes.strip_prefix(GENERATIONS.as_bytes());
        let end = id.and_then(|id| id.iter().position(|byte| *byte == b'/'));
        let (prefix, rest) = bytes.split_at(end.map_or(0, |end| GENERATIONS.len() + end + 1));
        Self::Record(String::from_utf8_lossy(prefix).into_owned(), EntryKey::from(rest))
    }

    /// The prefix of the current generation, from the value of the pointer.
    pub(crate) fn pointed_prefix(pointer: &[u8]) -> String {
        String::from_utf8_lossy(pointer).into_owned()
    }
}

pub(super) fn pointer() -> EntryKey {
    EntryKey::from(POINTER)
}

pub(super) fn sweep_marker() -> EntryKey {
    EntryKey::from(SWEEP_MARKER)
}

/// The prefix of the new generation with this `id`.
pub(super) fn prefix_of(id: Uuid) -> Arc<str> {
    Arc::from(format!("{GENERATIONS}{}/", id.simple()))
}

/// Whether a key of the store is no record of the first generation, whose keys have no prefix.
pub(super) fn is_reserved(key: &EntryKey) -> bool {
    let key = key.as_bytes();
    key == POINTER.as_bytes() || key == SWEEP_MARKER.as_bytes() || key.starts_with(GENERATIONS.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_key_is_split_into_generation_and_record_key() {
        let record = |prefix: &str, key: &str| GenerationKey::Record(prefix.to_owned(), EntryKey::from(key));
        assert_eq!(GenerationKey::parse(&"vault/acme".into()), record("", "vault/acme"));
        assert_eq!(GenerationKey::parse(&"generation/7f/vault/acme".into()), record("generation/7f/", "vault/acme"));
        assert_eq!(GenerationKey::parse(&"generation/7f".into()), record("", "generation/7f"));
        assert_eq!(GenerationKey::parse(&pointer()), GenerationKey::Pointer);
        assert_eq!(GenerationKey::parse(&sweep_marker()), GenerationKey::SweepMarker);
        let generation = Generation { prefix: Arc::from("generation/7f/"), pointer_revision: None };
        let store_key = generation.scope(Batch::default().delete("object/x")).delete.remove(0);
        assert_eq!(GenerationKey::parse(&store_key), record(&generation.prefix, "object/x"));
    }
}
