//! The objects of one kind in one vault: finding a version, updating one.

use std::marker::PhantomData;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::write::Write;
use super::super::{Call, ObjectName, Refusal, Vaults, Version};
use super::head::State;
use super::kind::ObjectKind;
use super::{FoundVersion, Head, Tombstone};
use crate::records::{View, encode, missing};

/// The objects of the kind `K` in one vault, as one call sees them.
pub(crate) struct Objects<'a, K> {
    pub(crate) vaults: &'a Vaults,
    pub(crate) call: &'a Call,
    kind: PhantomData<fn() -> K>,
}

/// What a name belongs to at one moment.
pub(crate) enum NameState {
    /// Nothing.
    Free,
    /// An object.
    Live,
    /// A deleted object that can be recovered.
    Deleted,
    /// An object that is being deleted, purged or recovered.
    InTransition,
}

impl<'a, K: ObjectKind> Objects<'a, K> {
    pub(crate) const fn new(vaults: &'a Vaults, call: &'a Call) -> Self {
        Self { vaults, call, kind: PhantomData }
    }

    /// A version, the latest when none is named. A disabled one is found too.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; what the store reports.
    pub(crate) async fn get(
        &self,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<FoundVersion<K::Record>, Refusal> {
        let view = self.vaults.records().view().await?;
        self.find(&view, name, version).await
    }

    /// Updates a version, the latest when none is named; never its material.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; what the kind refuses to change; what the store reports.
    pub(crate) async fn update(
        &self,
        name: &ObjectName,
        version: Option<&Version>,
        update: &K::Update,
    ) -> Result<FoundVersion<K::Record>, Refusal> {
        let decide = |view: View| async move { self.updating(&view, name, version, update).await };
        self.vaults.write(self.call, &[self.id(name)], decide).await
    }

    /// A version, the latest when none is named.
    pub(crate) async fn find(
        &self,
        view: &View,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<FoundVersion<K::Record>, Refusal> {
        self.check_unchanged(view).await?;
        match self.record::<Head>(view, &self.head_key(name)).await? {
            Some(head) if head.is_visible(self.call.now) => self.version_of(view, &head, version).await,
            Some(_) => Err(self.not_found(name, version)),
            None => {
                self.check_no_orphaned_versions(view, name).await?;
                Err(self.not_found(name, version))
            }
        }
    }

    /// A version of the object with this head, live or deleted.
    pub(super) async fn version_of(
        &self,
        view: &View,
        head: &Head,
        version: Option<&Version>,
    ) -> Result<FoundVersion<K::Record>, Refusal> {
        let wanted = version.unwrap_or(&head.latest);
        match self.record(view, &self.version_key(&head.name, wanted)).await? {
            Some(record) => Ok(FoundVersion { name: head.name.clone(), version: wanted.clone(), record }),
            None => Err(self.version_absent(view, head, version).await?),
        }
    }

    async fn updating(
        &self,
        view: &View,
        name: &ObjectName,
        version: Option<&Version>,
        update: &K::Update,
    ) -> Result<Write<FoundVersion<K::Record>>, Refusal> {
        let found = self.find(view, name, version).await?;
        let key = self.version_key(name, &found.version);
        let next = K::updated(&found.record, update, self.call.now)?;
        let batch = self.guarded_batch(view, [&self.head_key(name), &key]).await?.put(key, encode(&next)?);
        let head = self.record::<Head>(view, &self.head_key(name)).await?;
        let batch = match head.filter(|head| head.latest == found.version) {
            Some(head) => self.rescheduling(view, batch, (&head.name, &head.latest, &next)).await?,
            None => batch,
        };
        Ok(Write::new(batch, FoundVersion { record: Arc::new(next), ..found }))
    }

    /// What `name` belongs to at the moment of the call.
    pub(crate) async fn name_state(&self, name: &ObjectName) -> Result<NameState, Refusal> {
        let view = self.vaults.records().view().await?;
        Ok(match self.state(&view, name).await? {
            State::Free | State::Gone => NameState::Free,
            State::Live(_) => NameState::Live,
            State::Deleted(_) => NameState::Deleted,
            State::Recovering | State::Deleting => NameState::InTransition,
        })
    }

    /// A version's secret bytes.
    pub(crate) async fn material(
        &self,
        view: &View,
        name: &ObjectName,
        version: &Version,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let mut key = self.material_key(name, version);
        if !self.call.vault.below.is_empty()
            && let Some((located, _)) = self.layers().locate(view, &key).await?
        {
            key = located;
        }
        Ok(self.vaults.records().bytes(view, &key).await?)
    }

    /// The state of `name` at the moment of the call.
    pub(super) async fn state(&self, view: &View, name: &ObjectName) -> Result<State, Refusal> {
        self.check_unchanged(view).await?;
        if let Some(head) = self.record::<Head>(view, &self.head_key(name)).await? {
            return Ok(Head::state(&head, self.call.now));
        }
        if let Some(deleted) = self.record::<Tombstone>(view, &self.deleted_key(name)).await? {
            return Ok(Tombstone::state(&deleted, self.call.now));
        }
        self.check_no_orphaned_versions(view, name).await?;
        Ok(State::Free)
    }

    /// A missing head is a 404 only when no version is left without it; otherwise it is damage.
    pub(super) async fn check_no_orphaned_versions(&self, view: &View, name: &ObjectName) -> Result<(), Refusal> {
        self.check_layers_unchanged(view).await?;
        let orphans = self.layers().keys(view, &self.versions_of(name), None, 1).await?;
        if orphans.is_empty() || self.layers().locate(view, &self.deleted_key(name)).await?.is_some() {
            return Ok(());
        }
        // A deleted vault is swept in batches, heads first.
        self.call.check_guards(view).await?;
        Err(missing(&self.head_key(name)).into())
    }

    /// A missing version is a 404 only when all that the head counts are there.
    async fn version_absent(&self, view: &View, head: &Head, version: Option<&Version>) -> Result<Refusal, Refusal> {
        let Some(version) = version else {
            return Err(missing(&self.version_key(&head.name, &head.latest)).into());
        };
        let prefix = self.versions_of(&head.name);
        let there = self.layers().keys(view, &prefix, None, head.versions.saturating_add(1)).await?;
        if there.len() == head.versions {
            return Ok(self.not_found(&head.name, Some(version)));
        }
        Err(self.version_count_mismatch(&head.name))
    }

    pub(super) fn version_count_mismatch(&self, name: &ObjectName) -> Refusal {
        let record = String::from_utf8_lossy(self.head_key(name).as_bytes()).into_owned();
        Refusal::Damaged { record, why: "it counts other versions than there are".into() }
    }

    pub(super) fn not_found(&self, name: &ObjectName, version: Option<&Version>) -> Refusal {
        Refusal::NotFound { kind: K::KIND, name: name.clone(), version: version.cloned() }
    }
}
