//! An object whole: every version with its record and its material, as a backup holds it.

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
pub(in super::super) struct Whole {
    kind: Kind,
    pub(in super::super) name: ObjectName,
    pub(in super::super) latest: Version,
    versions: Vec<OneVersion>,
    /// How a key rotates, if that was ever said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rotation: Option<RotationPolicy>,
}

#[derive(Serialize, Deserialize)]
struct OneVersion {
    version: Version,
    record: Value,
    /// In base64url.
    material: Zeroizing<String>,
}

impl Whole {
    /// Whether it is one of `kind`, and its own latest version is among its versions, each once.
    pub(in super::super) fn is_sound(&self, kind: Kind) -> bool {
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

impl OneVersion {
    fn material(&self) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let unread = Refusal::BadBackup { why: "value: a version's material is not base64url" };
        base64url::decode(&self.material).map(Zeroizing::new).ok_or(unread)
    }
}

impl Objects<'_> {
    /// An object with everything that it is.
    pub(in super::super) async fn whole(&self, view: &View, name: &ObjectName) -> Result<Whole, Refusal> {
        self.standing(view).await?;
        let Some(head) = self.get::<Head>(view, &self.head_key(name)).await? else {
            self.no_orphans(view, name).await?;
            return Err(self.not_found(name, None));
        };
        if !head.is_seen(self.call.now) {
            return Err(self.not_found(name, None));
        }
        if head.versions > MAX_VERSIONS {
            return Err(Refusal::TooManyVersions { most: MAX_VERSIONS });
        }
        let mut versions = Vec::new();
        let prefix = Key::from(self.versions_of(name));
        for (key, _) in self.layers().keys(view, &prefix, None, MAX_VERSIONS + 1).await? {
            let record = self.vaults.records().bytes(view, &key).await?;
            versions.push(self.one_version(view, name, &key, &record).await?);
        }
        if versions.len() != head.versions {
            return Err(self.miscounted(name));
        }
        let rotation = self.get::<RotationPolicy>(view, &self.rotation_key(name)).await?;
        let rotation = rotation.map(|rotation| rotation.as_ref().clone());
        Ok(Whole { kind: self.kind, name: head.name.clone(), latest: head.latest.clone(), versions, rotation })
    }

    async fn one_version(
        &self,
        view: &View,
        name: &ObjectName,
        key: &Key,
        record: &[u8],
    ) -> Result<OneVersion, Refusal> {
        let text = key.to_string();
        let damaged = |why: &str| Refusal::Damaged { record: text.clone(), why: why.to_owned() };
        let version = text.rsplit('/').next().and_then(Version::parse).ok_or_else(|| damaged("it has no version"))?;
        let record = serde_json::from_slice(record).map_err(|error| damaged(&error.to_string()))?;
        let material = Zeroizing::new(base64url::encode(&self.material(view, name, &version).await?));
        Ok(OneVersion { version, record, material })
    }

    /// Puts an object back as it was, with the same versions and dates, when its name is free; answers the latest
    /// version.
    pub(in super::super) async fn put_back<T: Versioned>(&self, whole: &Whole) -> Result<Found<T>, Refusal> {
        let name = &whole.name;
        let _turn = self.vaults.turn(&self.head_key(name)).await;
        self.reclaim(name).await?;
        let put_back = |view: View| async move { self.putting_back::<T>(&view, whole).await };
        self.vaults.records().update(put_back).await?;
        self.vaults.schedule_changed();
        let view = self.vaults.records().view().await?;
        self.find(&view, name, None).await
    }

    async fn putting_back<T: Versioned>(&self, view: &View, whole: &Whole) -> Result<Change<()>, Refusal> {
        let name = &whole.name;
        match self.state(view, name).await? {
            State::Free => {}
            State::Live(..) => {
                let (kind, name, version) = (self.kind, name.clone(), whole.latest.clone());
                return Err(Refusal::RestoreConflict { kind, name, version });
            }
            taken => return Err(self.taken(name, &taken)),
        }
        let head =
            Head { name: name.clone(), latest: whole.latest.clone(), versions: whole.versions.len(), recovering: None };
        let mut batch = self.expecting(view, [&self.head_key(name), &self.deleted_key(name)]).await?;
        batch = batch.put(self.head_key(name), encode(&head)?);
        for one in &whole.versions {
            let material = one.material()?;
            batch = batch.put(self.version_key(name, &one.version), encode(&one.record)?);
            batch = batch.put(self.material_key(name, &one.version), material);
        }
        if let Some(rotation) = &whole.rotation {
            batch = batch.put(self.rotation_key(name), encode(rotation)?);
        }
        if let Some(latest) = whole.latest::<T>() {
            let latest = (name, &whole.latest, &latest);
            batch = self.scheduling(view, batch, latest, whole.rotation.as_ref()).await?;
        }
        Ok(Change { batch, answer: () })
    }
}
