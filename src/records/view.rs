//! A read view of the records of one generation.

use std::fmt;

use super::generation::{Generation, is_reserved};
use crate::store::{self, Entry, EntryKey, Revision, StoreError};

/// A consistent read view: the records as they were at one commit. Keys are those of records, without the prefix of the
/// generation.
pub struct View {
    store_view: store::View,
    generation: Generation,
}

impl View {
    pub(super) fn new(store_view: store::View, generation: Generation) -> Self {
        Self { store_view, generation }
    }

    /// The entry at `key`, if there is one.
    ///
    /// # Errors
    /// When the store cannot be read or the value is damaged.
    pub async fn get(&self, key: &EntryKey) -> Result<Option<Entry>, StoreError> {
        let entry = self.store_view.get(&self.generation.to_store_key(key)).await?;
        Ok(entry.map(|entry| Entry { key: key.clone(), ..entry }))
    }

    /// The entries of `keys`, in the order of `keys`.
    ///
    /// # Errors
    /// When the store cannot be read or a value is damaged.
    pub async fn get_many(&self, keys: &[EntryKey]) -> Result<Vec<Option<Entry>>, StoreError> {
        let found = self.store_view.get_many(&self.generation.to_store_keys(keys)).await?;
        let with_key =
            |(entry, key): (Option<Entry>, &EntryKey)| entry.map(|entry| Entry { key: key.clone(), ..entry });
        Ok(found.into_iter().zip(keys).map(with_key).collect())
    }

    /// The revisions of `keys`, in the order of `keys`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn revisions_of(&self, keys: &[EntryKey]) -> Result<Vec<Option<Revision>>, StoreError> {
        self.store_view.revisions_of(&self.generation.to_store_keys(keys)).await
    }

    /// The revision of `key`: what a cache of decoded records is checked by.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn revision_of(&self, key: &EntryKey) -> Result<Option<Revision>, StoreError> {
        self.store_view.revision_of(&self.generation.to_store_key(key)).await
    }

    /// The first `limit` keys that begin with `prefix`, in ascending order, strictly behind `after`.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn keys(
        &self,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
    ) -> Result<Vec<(EntryKey, Revision)>, StoreError> {
        let after = after.map(|key| self.generation.to_store_key(key));
        let found = self.store_view.keys(&self.generation.to_store_key(prefix), after.as_deref(), limit).await?;
        Ok(found.into_iter().map(|(key, revision)| (self.generation.to_record_key(&key), revision)).collect())
    }

    /// As [`View::keys`], with the values. They may be secret.
    ///
    /// # Errors
    /// When the store cannot be read or a value is damaged.
    pub async fn entries(
        &self,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
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
        after: Option<&EntryKey>,
        limit: usize,
    ) -> Result<(Vec<Entry>, Option<EntryKey>), StoreError> {
        let mut found = self.entries(&EntryKey::from(""), after, limit).await?;
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
