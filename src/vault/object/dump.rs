//! An object dump: every version with its record and its material, as a backup holds it.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use super::super::keys::rotation::RotationPolicy;
use super::super::{Kind, ObjectName, Refusal, Version};
use super::head::State;
use super::objects::Objects;
use super::schedule::Versioned;
use super::{Found, Head};
use crate::crypto::base64url;
use crate::records::{Change, Record, View, encode};
use crate::store::Key;

/// The most versions that are backed up (the service's backup page).
const MAX_VERSIONS: usize = 500;

/// An object with all its versions. It holds secrets, so it has no `Debug`.
#[derive(Serialize, Deserialize)]
pub(in super::super) struct ObjectDump {
    kind: Kind,
    pub(in super::super) name: ObjectName,
    pub(in super::super) latest: Version,
    versions: Vec<VersionDump>,
    /// How a key rotates, if that was ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationPolicy>,
}

#[derive(Serialize, Deserialize)]
struct VersionDump {
    version: Version,
    record: Value,
    /// In base64url.
    material: Zeroizing<String>,
}

impl ObjectDump {
    /// Whether it is one of `kind`, and its own latest version is among its versions, each once.
    pub(in super::super) fn is_consistent(&self, kind: Kind) -> bool {
        let mut ids: Vec<_> = self.versions.iter().map(|one| &one.version).collect();
        ids.sort();
        ids.dedup();
        let counted = ids.len() == self.versions.len() && ids.len() <= MAX_VERSIONS;
        self.kind == kind && counted && ids.contains(&&self.latest)
    }

    /// The record of the latest version.
    fn latest<T: Record>(&self) -> Option<T> {
        let latest = self.versions.iter().find(|one| one.version == self.latest)?;
        T::deserialize(&latest.record).ok()
    }

    /// Has every version `allowed`, its record and its material. Parsing keys takes its time: not for the runtime's
    /// threads.
    pub(in super::super) fn check<T: Record>(
        &self,
        allowed: impl Fn(&T, &[u8]) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let unknown = |_| Refusal::BadBackup { why: "value: the backup was made by another version of the server" };
        for one in &self.versions {
            allowed(&T::deserialize(&one.record).map_err(unknown)?, &one.material()?)?;
        }
        Ok(())
    }
}

impl VersionDump {
    fn material(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let unread = Refusal::BadBackup { why: "value: a version's material is not base64url" };
        base64url::decode(&self.material).map(Zeroizing::new).ok_or(unread)
    }
}

impl Objects<'_> {
    /// An object with everything that it is.
    pub(in super::super) async fn dump(&self, view: &View, name: &ObjectName) -> Result<ObjectDump, Refusal> {
        self.check_unchanged(view).await?;
        let Some(head) = self.get::<Head>(view, &self.head_key(name)).await? else {
            self.check_no_orphaned_versions(view, name).await?;
            return Err(self.not_found(name, None));
        };
        if !head.is_visible(self.call.now) {
            return Err(self.not_found(name, None));
        }
        if head.versions > MAX_VERSIONS {
            return Err(Refusal::TooManyVersions { most: MAX_VERSIONS });
        }
        let mut versions = Vec::new();
        let prefix = Key::from(self.versions_of(name));
        for (key, _) in self.layers().keys(view, &prefix, None, MAX_VERSIONS + 1).await? {
            let record = self.vaults.records().bytes(view, &key).await?;
            versions.push(self.version_dump(view, name, &key, &record).await?);
        }
        if versions.len() != head.versions {
            return Err(self.version_count_mismatch(name));
        }
        let rotation = self.get::<RotationPolicy>(view, &self.rotation_key(name)).await?;
        let rotation = rotation.map(|rotation| rotation.as_ref().clone());
        Ok(ObjectDump { kind: self.kind, name: head.name.clone(), latest: head.latest.clone(), versions, rotation })
    }

    async fn version_dump(
        &self,
        view: &View,
        name: &ObjectName,
        key: &Key,
        record: &[u8],
    ) -> Result<VersionDump, Refusal> {
        let text = key.to_string();
        let damaged = |why: &str| Refusal::Damaged { record: text.clone(), why: why.to_owned() };
        let version = text.rsplit('/').next().and_then(Version::parse).ok_or_else(|| damaged("it has no version"))?;
        let record = serde_json::from_slice(record).map_err(|error| damaged(&error.to_string()))?;
        let material = Zeroizing::new(base64url::encode(&self.material(view, name, &version).await?));
        Ok(VersionDump { version, record, material })
    }

    /// Puts an object back as it was, with the same versions and dates, when its name is free; answers the latest
    /// version.
    pub(in super::super) async fn restore<T: Versioned>(&self, dump: &ObjectDump) -> Result<Found<T>, Refusal> {
        let name = &dump.name;
        let _lock = self.vaults.lock_name(&self.head_key(name)).await;
        self.reclaim(name).await?;
        let restore = |view: View| async move { self.restoring::<T>(&view, dump).await };
        self.vaults.records().update(restore).await?;
        self.vaults.notify_schedule_change();
        let view = self.vaults.records().view().await?;
        self.find(&view, name, None).await
    }

    async fn restoring<T: Versioned>(&self, view: &View, dump: &ObjectDump) -> Result<Change<()>, Refusal> {
        let name = &dump.name;
        match self.state(view, name).await? {
            State::Free => {}
            State::Live(..) => {
                let (kind, name, version) = (self.kind, name.clone(), dump.latest.clone());
                return Err(Refusal::RestoreConflict { kind, name, version });
            }
            taken => return Err(self.name_taken(name, &taken)),
        }
        let head =
            Head { name: name.clone(), latest: dump.latest.clone(), versions: dump.versions.len(), recovering: None };
        let mut batch = self.guarded_batch(view, [&self.head_key(name), &self.deleted_key(name)]).await?;
        batch = batch.put(self.head_key(name), encode(&head)?);
        for one in &dump.versions {
            let material = one.material()?;
            batch = batch.put(self.version_key(name, &one.version), encode(&one.record)?);
            batch = batch.put(self.material_key(name, &one.version), material);
        }
        if let Some(rotation) = &dump.rotation {
            batch = batch.put(self.rotation_key(name), encode(rotation)?);
        }
        if let Some(latest) = dump.latest::<T>() {
            let latest = (name, &dump.latest, &latest);
            batch = self.scheduling(view, batch, latest, dump.rotation.as_ref()).await?;
        }
        Ok(Change { batch, answer: () })
    }
}
