//! Reading, listing and changing keys.

use super::release::{self, ReleasePolicy};
use super::{AttributesPatch, Call, DeletedObject, Found, KeyOperation, KeyRecord, Page, PageRequest, Tags, Vaults};
use crate::vault::{ObjectName, Refusal, Version};

/// What shall change of a key version; what is left out stays.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// What it may be used for. An empty list changes nothing: the Java SDK sends one with every update.
    pub key_ops: Option<Vec<KeyOperation>>,
    /// Attributes given.
    pub attributes: AttributesPatch,
    /// Replaces all tags.
    pub tags: Option<Tags>,
    /// Whether the key may be released; must be what it is.
    pub exportable: Option<bool>,
    /// Replaces the release policy.
    pub release_policy: Option<ReleasePolicy>,
}

impl Vaults {
    /// A version of a key, the latest when none is named. A disabled key can be read.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or what the store reports.
    pub async fn key(
        &self,
        call: &Call,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<Found<KeyRecord>, Refusal> {
        let view = self.records().view().await?;
        self.keys(call).find(&view, name, version).await
    }

    /// A page of the vault's keys, each with its latest version.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn list_keys(&self, call: &Call, page: &PageRequest) -> Result<Page<Found<KeyRecord>>, Refusal> {
        let view = self.records().view().await?;
        self.keys(call).list(&view, page).await
    }

    /// A page of a key's versions.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn list_key_versions(
        &self,
        call: &Call,
        name: &ObjectName,
        page: &PageRequest,
    ) -> Result<Page<Found<KeyRecord>>, Refusal> {
        let view = self.records().view().await?;
        self.keys(call).versions(&view, name, page).await
    }

    /// Deletes a key with all its versions.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::BeingRecovered`]; what the store reports.
    pub async fn delete_key(&self, call: &Call, name: &ObjectName) -> Result<DeletedObject<KeyRecord>, Refusal> {
        self.keys(call).delete(name).await
    }

    /// A deleted key, with its latest version.
    ///
    /// # Errors
    /// [`Refusal::DeletedNotFound`]; [`Refusal::NoSoftDelete`]; what the store reports.
    pub async fn deleted_key(&self, call: &Call, name: &ObjectName) -> Result<DeletedObject<KeyRecord>, Refusal> {
        let view = self.records().view().await?;
        self.keys(call).find_deleted(&view, name).await
    }

    /// A page of the vault's deleted keys.
    ///
    /// # Errors
    /// [`Refusal::NoSoftDelete`]; what the store reports.
    pub async fn list_deleted_keys(
        &self,
        call: &Call,
        page: &PageRequest,
    ) -> Result<Page<DeletedObject<KeyRecord>>, Refusal> {
        let view = self.records().view().await?;
        self.keys(call).list_deleted(&view, page).await
    }

    /// Brings a deleted key back with all its versions.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotDeleted`], [`Refusal::BeingDeleted`], [`Refusal::BeingRecovered`],
    /// [`Refusal::NoSoftDelete`]; what the store reports.
    pub async fn recover_key(&self, call: &Call, name: &ObjectName) -> Result<Found<KeyRecord>, Refusal> {
        self.keys(call).recover(name).await
    }

    /// Takes a deleted key away for good.
    ///
    /// # Errors
    /// [`Refusal::PurgeProtected`], [`Refusal::DeletedNotFound`]; otherwise as [`Vaults::recover_key`].
    pub async fn purge_key(&self, call: &Call, name: &ObjectName) -> Result<(), Refusal> {
        self.keys(call).purge(name).await
    }

    /// Changes a version of a key, the latest when none is named.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::Operations`] when the key's type does not have an operation; [`Refusal::Release`]
    /// when the release policy cannot be changed so; what the store reports.
    pub async fn update_key(
        &self,
        call: &Call,
        name: &ObjectName,
        version: Option<&Version>,
        change: &KeyChange,
    ) -> Result<Found<KeyRecord>, Refusal> {
        self.keys(call).change(name, version, |current| change.apply(current, call)).await
    }
}

impl KeyChange {
    fn apply(&self, current: &KeyRecord, call: &Call) -> Result<KeyRecord, Refusal> {
        let given = self.key_ops.as_ref().filter(|operations| !operations.is_empty());
        current.kty.check(given.map_or(&[], Vec::as_slice)).map_err(Refusal::Operations)?;
        let key_ops = given.unwrap_or(&current.key_ops);
        let policy = (current.exportable, current.release_policy.as_ref());
        Ok(KeyRecord {
            key_ops: key_ops.clone(),
            attributes: current.attributes.patched(self.attributes, call.now),
            tags: self.tags.clone().or_else(|| current.tags.clone()),
            release_policy: release::changed(policy, self.exportable, self.release_policy.as_ref())?,
            ..current.clone()
        })
    }
}
