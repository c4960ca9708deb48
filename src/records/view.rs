//! One moment of the records, as its generation has them.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use super::generation::is_reserved;
use crate::store::{self, Batch, Entry, Key, Revision, StoreError};

/// One consistent moment. Keys are those of the rooms above; the generation they lie under stays in here.
pub struct View {
    store_view: store::View,
    generation: Generation,
}

/// Where a generation lies, and what must hold for a change of it to count.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    /// What its keys begin with; nothing for the first.
    pub(super) prefix: Arc<str>,
    /// The revision of the pointer that names it; none for a generation, which nobody points to yet.
    pub(super) pointer_revision: Option<Revision>,
}

impl View {
    pub(super) fn new(store_view: store::View, generation: Generation) -> Self {
        Self { store_view, generation }
    }

    /// The entry at `key`, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read or the value is damaged.
    pub async fn get(&self, key: &Key) -> Result<Option<Entry>, StoreError> {
        let entry = self.store_view.get(&self.generation.to_store_key(key)).await?;
        Ok(entry.map(|entry| Entry { key: key.clone(), ..entry }))
    }

    /// The revision of `key`: what a cache of decoded records is checked by.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn revision_of(&self, key: &Key) -> Result<Option<Revision>, StoreError> {
        self.store_view.revision_of(&self.generation.to_store_key(key)).await
    }

    /// The first `limit` keys that begin with `prefix`, in ascending order, strictly behind `after`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn keys(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Revision)>, StoreError> {
        let after = after.map(|key| self.generation.to_store_key(key));
        let found = self.store_view.keys(&self.generation.to_store_key(prefix), after.as_deref(), limit).await?;
        Ok(found.into_iter().map(|(key, revision)| (self.generation.to_record_key(&key), revision)).collect())
    }

    /// As [`View::keys`], with the values. They may be secret.
    ///
    /// # Errors
    /// When the store cannot be read or a value is damaged.
    pub async fn entries(&self, prefix: &Key, after: Option<&Key>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let after = after.map(|key| self.generation.to_store_key(key));
        let found = self.store_view.scan(&self.generation.to_store_key(prefix), after.as_deref(), limit).await?;
        Ok(found.into_iter().map(|entry| Entry { key: self.generation.to_record_key(&entry.key), ..entry }).collect())
    }

    /// Everything there is, a piece at a time: at most `limit` entries strictly behind `after`, and where the next piece
    /// begins. They may be secret.
    ///
    /// # Errors
    /// When the store cannot be read or a value is damaged.
    pub async fn all_entries(
        &self,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<Key>), StoreError> {
        let mut found = self.entries(&Key::from(""), after, limit).await?;
        let next = (found.len() == limit).then(|| found.last().map(|entry| entry.key.clone())).flatten();
        if self.generation.prefix.is_empty() {
            found.retain(|entry| !is_reserved(&entry.key));
        }
        Ok((found, next))
    }

    pub(super) const fn generation(&self) -> &Generation {
        &self.generation
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "View({})", self.generation.prefix)
    }
}

impl Generation {
    /// The key of the store for the record key `key`. The first generation's prefix is nothing, and costs nothing.
    fn to_store_key<'k>(&self, key: &'k Key) -> Cow<'k, Key> {
        if self.prefix.is_empty() {
            return Cow::Borrowed(key);
        }
        let mut store_key = Vec::with_capacity(self.prefix.len() + key.as_bytes().len());
        store_key.extend_from_slice(self.prefix.as_bytes());
        store_key.extend_from_slice(key.as_bytes());
        Cow::Owned(Key::from(store_key))
    }

    fn to_record_key(&self, store_key: &Key) -> Key {
        Key::from(&store_key.as_bytes()[self.prefix.len()..])
    }

    /// `batch` in this generation, if it is still the one that counts.
    pub(super) fn scope(&self, batch: Batch, pointer: &Key) -> Batch {
        let within = |key: Key| self.to_store_key(&key).into_owned();
        let mut expect: Vec<_> = batch.expect.into_iter().map(|(key, revision)| (within(key), revision)).collect();
        expect.extend(self.pointer_revision.map(|revision| (pointer.clone(), revision)));
        Batch {
            expect,
            put: batch.put.into_iter().map(|(key, value)| (within(key), value)).collect(),
            delete: batch.delete.into_iter().map(within).collect(),
        }
    }
}
