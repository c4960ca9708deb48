//! A dump of an object: every version with its record and its material, as a backup holds it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::backup::BackupError;
use super::super::{Kind, ObjectName, Refusal, Vault, Version};
use super::kind::ObjectKind;
use super::list::version_in;
use super::{FoundVersion, Head, Objects};
use crate::crypto::base64url;
use crate::records::View;
use crate::store::EntryKey;

/// The most versions that are backed up (the service's backup page).
const MAX_VERSIONS: usize = 500;

/// An object with all its versions. It holds secrets: deliberately no `Debug`.
#[derive(Serialize, Deserialize)]
#[serde(bound = "")]
pub(crate) struct ObjectDump<K: ObjectKind> {
    kind: Kind,
    pub(super) name: ObjectName,
    pub(super) latest: Version,
    pub(super) versions: Vec<VersionDump>,
    /// The object's lifetime policy, if it was ever given one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) policy: Option<K::Policy>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct VersionDump {
    pub(super) version: Version,
    pub(super) record: Value,
    /// In base64url.
    material: Zeroizing<String>,
}

impl<K: ObjectKind> ObjectDump<K> {
    /// Whether it is of this kind, and its latest version is among its versions, each once.
    pub(crate) fn is_consistent(&self) -> bool {
        let mut ids: Vec<_> = self.versions.iter().map(|one| &one.version).collect();
        ids.sort();
        ids.dedup();
        let counted = ids.len() == self.versions.len() && ids.len() <= MAX_VERSIONS;
        self.kind == K::KIND && counted && ids.contains(&&self.latest)
    }

    /// Checks that every version may be restored into `vault`. Parsing keys takes its time: not for the runtime's threads.
    pub(crate) fn check(&self, vault: &Vault) -> Result<(), Refusal> {
        for one in &self.versions {
            K::check_restored(vault, &one.record::<K>()?, &one.material()?)?;
        }
        Ok(())
    }

    /// The latest version, as it is found once it is restored.
    pub(super) fn latest(&self) -> Result<FoundVersion<K::Record>, Refusal> {
        let latest = self.versions.iter().find(|one| one.version == self.latest);
        let record = latest.ok_or(Refusal::BadBackup(BackupError::Damaged))?.record::<K>()?;
        Ok(FoundVersion { name: self.name.clone(), version: self.latest.clone(), record: Arc::new(record) })
    }

    pub(super) fn head(&self) -> Head {
        let (name, latest, versions) = (self.name.clone(), self.latest.clone(), self.versions.len());
        Head { name, latest, versions, recovering: None }
    }
}

impl VersionDump {
    fn record<K: ObjectKind>(&self) -> Result<K::Record, Refusal> {
        let unknown = |_| Refusal::BadBackup(BackupError::OtherServerVersion);
        K::Record::deserialize(&self.record).map_err(unknown)
    }

    pub(super) fn material(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let unread = Refusal::BadBackup(BackupError::UnreadableMaterial);
        base64url::decode(&self.material).map(Zeroizing::new).ok_or(unread)
    }
}

impl<K: ObjectKind> Objects<'_, K> {
    /// Dumps an object.
    pub(crate) async fn dump(&self, view: &View, name: &ObjectName) -> Result<ObjectDump<K>, Refusal> {
        self.check_unchanged(view).await?;
        let Some(head) = self.record::<Head>(view, &self.head_key(name)).await? else {
            self.check_no_orphaned_versions(view, name).await?;
            return Err(self.not_found(name, None));
        };
        if !head.is_visible(self.call.now) {
            return Err(self.not_found(name, None));
        }
        if head.versions > MAX_VERSIONS {
            return Err(Refusal::TooManyVersions { most: MAX_VERSIONS });
        }
        let versions = self.dump_versions(view, name).await?;
        if versions.len() != head.versions {
            return Err(self.version_count_mismatch(name));
        }
        let policy = self.policy(view, name).await?.map(|policy| policy.as_ref().clone());
        Ok(ObjectDump { kind: K::KIND, name: head.name.clone(), latest: head.latest.clone(), versions, policy })
    }

    async fn dump_versions(&self, view: &View, name: &ObjectName) -> Result<Vec<VersionDump>, Refusal> {
        let mut versions = Vec::new();
        for (key, _) in self.layers().keys(view, &self.versions_of(name), None, MAX_VERSIONS + 1).await? {
            let record = self.vaults.records().bytes(view, &key).await?;
            versions.push(self.dump_version(view, name, &key, &record).await?);
        }
        Ok(versions)
    }

    async fn dump_version(
        &self,
        view: &View,
        name: &ObjectName,
        key: &EntryKey,
        record: &[u8],
    ) -> Result<VersionDump, Refusal> {
        let damaged = |why: &str| Refusal::Damaged { record: key.to_string(), why: why.to_owned() };
        let version = version_in(key).ok_or_else(|| damaged("it has no version"))?;
        let record = serde_json::from_slice(record).map_err(|error| damaged(&error.to_string()))?;
        let material = Zeroizing::new(base64url::encode(&self.material(view, name, &version).await?));
        Ok(VersionDump { version, record, material })
    }
}
