//! The records of objects: their store keys, and what is visible of them through the vault's layers.

use std::sync::Arc;

use super::super::layers::Layers;
use super::super::store_key::{ObjectKey, StoreKey, Table};
use super::super::{ObjectId, ObjectName, Refusal, Vault, Version};
use super::Objects;
use super::kind::ObjectKind;
use crate::records::{Record, View};
use crate::store::{Batch, EntryKey};

/// What is visible through the vault's layers.
impl<K: ObjectKind> Objects<'_, K> {
    pub(crate) fn layers(&self) -> Layers<'_> {
        Layers::of(&self.call.vault)
    }

    /// The record that is visible at `key`.
    pub(crate) async fn record<T: Record>(&self, view: &View, key: &EntryKey) -> Result<Option<Arc<T>>, Refusal> {
        let records = self.vaults.records();
        if let Some(record) = records.get(view, key).await? {
            return Ok(Some(record));
        }
        match self.layers().find_below(view, key).await? {
            Some((located, _)) => Ok(records.get(view, &located).await?),
            None => Ok(None),
        }
    }

    /// Refuses a call whose vault has other layers by now: those that the call reads may be swept already. A vault that has
    /// nothing to do with copies is not read again for this.
    pub(super) async fn check_unchanged(&self, view: &View) -> Result<(), Refusal> {
        if self.call.vault.below.is_empty() { Ok(()) } else { self.check_layers_unchanged(view).await }
    }

    pub(super) async fn check_layers_unchanged(&self, view: &View) -> Result<(), Refusal> {
        let (before, key) = (&self.call.vault, StoreKey::of_vault(&self.call.vault.name));
        let vault = self.vaults.records().get::<Vault>(view, &key).await?;
        let unchanged = vault.is_some_and(|vault| vault.has_layers_of(before));
        if unchanged { Ok(()) } else { Err(Refusal::Busy) }
    }

    /// An empty batch that commits only while the call's guards hold and these `keys` have not changed.
    pub(crate) async fn guarded_batch<const N: usize>(
        &self,
        view: &View,
        keys: [&EntryKey; N],
    ) -> Result<Batch, Refusal> {
        self.guarding(view, self.call.guarded_batch(), keys).await
    }

    /// `batch`, committing only while these `keys` have not changed.
    pub(crate) async fn guarding<const N: usize>(
        &self,
        view: &View,
        mut batch: Batch,
        keys: [&EntryKey; N],
    ) -> Result<Batch, Refusal> {
        for key in keys {
            batch = self.layers().guarding(view, batch, key).await?;
        }
        Ok(batch)
    }
}

/// The store keys of an object.
impl<K: ObjectKind> Objects<'_, K> {
    pub(crate) fn id(&self, name: &ObjectName) -> ObjectId {
        ObjectId { kind: K::KIND, name: name.clone() }
    }

    fn key<'k>(&self, table: Table, name: &'k ObjectName) -> ObjectKey<'k> {
        ObjectKey::new(table, self.call.vault.layer(), K::KIND, name)
    }

    pub(crate) fn head_key(&self, name: &ObjectName) -> EntryKey {
        self.key(Table::Object, name).to_key()
    }

    pub(super) fn deleted_key(&self, name: &ObjectName) -> EntryKey {
        self.key(Table::Deleted, name).to_key()
    }

    pub(crate) fn version_key(&self, name: &ObjectName, version: &Version) -> EntryKey {
        self.key(Table::Version, name).of_version(Table::Version, version).to_key()
    }

    pub(crate) fn material_key(&self, name: &ObjectName, version: &Version) -> EntryKey {
        self.key(Table::Material, name).of_version(Table::Material, version).to_key()
    }

    pub(super) fn schedule_key(&self, name: &ObjectName) -> EntryKey {
        self.key(Table::Schedule, name).to_key()
    }

    pub(crate) fn policy_key(&self, name: &ObjectName) -> EntryKey {
        self.key(Table::Policy, name).to_key()
    }

    /// What the keys of all objects begin with in `table`.
    pub(super) fn prefix(&self, table: Table) -> EntryKey {
        table.prefix_of_kind(self.call.vault.layer(), K::KIND)
    }

    pub(super) fn versions_of(&self, name: &ObjectName) -> EntryKey {
        self.key(Table::Version, name).prefix_of_versions(Table::Version)
    }

    pub(super) fn materials_of(&self, name: &ObjectName) -> EntryKey {
        self.key(Table::Material, name).prefix_of_versions(Table::Material)
    }
}
