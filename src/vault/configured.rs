//! The record of what a configuration made: vaults, and keys and secrets in them. What a later configuration no longer names
//! can be deleted then; what others made never is.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::Keys;
use super::object::ObjectKind;
use super::secrets::Secrets;
use super::store_key::{StoreKey, Table};
use super::{Call, Kind, ObjectId, ObjectName, Refusal, Vault, VaultName, Vaults, Version};
use crate::clock::Timestamp;
use crate::records::{RecordError, encode};
use crate::store::Batch;

/// The record of one thing. Its ids are those of the thing that was made: another one that has its name later is not it.
#[derive(Serialize, Deserialize)]
struct ConfiguredRecord {
    /// The vault's internal id.
    vault: Uuid,
    /// The first version of the object; none of a vault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
}

/// Something that a configuration made and that is still there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Configured {
    /// The vault.
    pub vault: VaultName,
    /// The object in it; none when it is the vault itself.
    pub object: Option<ObjectId>,
}

/// `batch`, recording that a configuration made `vault`.
pub(super) fn recording_vault(batch: Batch, vault: &Vault) -> Result<Batch, RecordError> {
    let record = ConfiguredRecord { vault: vault.id, version: None };
    Ok(batch.put(StoreKey::Configured { vault: vault.name.as_str(), object: None }.to_key(), encode(&record)?))
}

impl Vaults {
    /// Records that a configuration made these objects of `vault`, each with its first version.
    pub(super) async fn record_configured(&self, vault: &Vault, made: &[(ObjectId, Version)]) -> Result<(), Refusal> {
        let mut batch = Batch::default();
        for (object, version) in made {
            let record = ConfiguredRecord { vault: vault.id, version: Some(version.clone()) };
            let object = Some((object.kind, object.name.as_str()));
            batch = batch.put(StoreKey::Configured { vault: vault.name.as_str(), object }.to_key(), encode(&record)?);
        }
        Ok(self.records().commit_pieces(batch).await?)
    }

    /// What configurations made and is still there.
    ///
    /// # Errors
    /// Only when the store cannot be read.
    pub(crate) async fn configured(&self, now: Timestamp) -> Result<Vec<Configured>, Refusal> {
        let view = self.records().view().await?;
        let mut found = Vec::new();
        for (key, _) in view.keys(&Table::Configured.prefix(), None, usize::MAX).await? {
            let (text, record) = (key.to_string(), self.records().get::<ConfiguredRecord>(&view, &key).await?);
            let (Some(StoreKey::Configured { vault, object }), Some(record)) = (StoreKey::parse(&text), record) else {
                continue;
            };
            let object = object.and_then(|(kind, name)| Some(ObjectId { kind, name: ObjectName::parse(name)? }));
            let Some(vault) = VaultName::parse(vault) else { continue };
            found.extend(self.still_there(Configured { vault, object }, &record, now).await?);
        }
        Ok(found)
    }

    /// What was `made`, with its name as it is written, unless it is gone or another has its name.
    async fn still_there(
        &self,
        made: Configured,
        record: &ConfiguredRecord,
        now: Timestamp,
    ) -> Result<Option<Configured>, Refusal> {
        let Some(vault) = self.find(&made.vault).await?.filter(|vault| vault.id == record.vault) else {
            return Ok(None);
        };
        let call = &Call::by_server(vault, now);
        let (Some(object), Some(version)) = (&made.object, &record.version) else { return Ok(Some(made)) };
        let name = match object.kind {
            Kind::Key => self.written_name::<Keys>(call, &object.name, version).await?,
            Kind::Secret => self.written_name::<Secrets>(call, &object.name, version).await?,
        };
        let object = name.map(|name| ObjectId { kind: object.kind, name });
        Ok(object.map(|object| Configured { vault: made.vault, object: Some(object) }))
    }

    /// The name of the object that has this version, if there is one.
    async fn written_name<K: ObjectKind>(
        &self,
        call: &Call,
        name: &ObjectName,
        version: &Version,
    ) -> Result<Option<ObjectName>, Refusal> {
        match self.objects::<K>(call).get(name, Some(version)).await {
            Ok(found) => Ok(Some(found.name)),
            Err(Refusal::NotFound { .. }) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Deletes something that a configuration made: a vault for good, an object as its vault has it.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn delete_configured(&self, made: &Configured, now: Timestamp) -> Result<(), Refusal> {
        let Some(vault) = self.find(&made.vault).await? else { return Ok(()) };
        let call = &Call::by_server(vault, now);
        match &made.object {
            None => self.delete_vault(&made.vault).await.map(drop)?,
            Some(ObjectId { kind: Kind::Key, name }) => self.keys(call).delete(name).await.map(drop)?,
            Some(ObjectId { kind: Kind::Secret, name }) => self.secrets(call).delete(name).await.map(drop)?,
        }
        self.forget_configured(made).await
    }

    /// Deletes the record of something; a vault's with those of its objects.
    async fn forget_configured(&self, made: &Configured) -> Result<(), Refusal> {
        let object = made.object.as_ref().map(|object| (object.kind, object.name.as_str()));
        let key = StoreKey::Configured { vault: made.vault.as_str(), object }.to_key();
        let mut batch = Batch::default().delete(key);
        if made.object.is_none() {
            let view = self.records().view().await?;
            let objects = view.keys(&Table::configured_in(&made.vault), None, usize::MAX).await?;
            batch = objects.into_iter().fold(batch, |batch, (key, _)| batch.delete(key));
        }
        Ok(self.records().commit_pieces(batch).await?)
    }
}
