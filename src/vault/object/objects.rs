//! The objects of one kind in one vault: finding a version, adding one, changing one.

use std::sync::Arc;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::super::layers::Layers;
use super::super::{Attempt, Call, Kind, ObjectName, Refusal, Vault, Vaults, Version, settings};
use super::schedule::Versioned;
use super::{Found, Head, Tombstone, head::State};
use crate::records::{Change, Record, View, encode, missing};
use crate::store::{Batch, Key, Revision};
use crate::vault::event::{Event, EventSubject, Occurrence};

/// The objects of one kind in one vault, as one call sees them.
pub(in super::super) struct Objects<'a> {
    pub(in super::super) vaults: &'a Vaults,
    pub(in super::super) call: &'a Call,
    pub(in super::super) kind: Kind,
}

/// A version that is added.
pub(in super::super) struct Added<T> {
    /// The version.
    pub(in super::super) found: Found<T>,
    /// The number of the event that tells of it.
    pub(in super::super) event: u64,
}

impl Objects<'_> {
    /// The version asked for, the latest when none is.
    pub(in super::super) async fn find<T: Record>(
        &self,
        view: &View,
        name: &ObjectName,
        version: Option<&Version>,
    ) -> Result<Found<T>, Refusal> {
        self.check_unchanged(view).await?;
        match self.get::<Head>(view, &self.head_key(name)).await? {
            Some(head) if head.is_visible(self.call.now) => self.version_of(view, &head, version).await,
            Some(_) => Err(self.not_found(name, version)),
            None => {
                self.check_no_orphaned_versions(view, name).await?;
                Err(self.not_found(name, version))
            }
        }
    }

    /// A version of the object that `head` stands for, whether it is deleted or not.
    pub(super) async fn version_of<T: Record>(
        &self,
        view: &View,
        head: &Head,
        version: Option<&Version>,
    ) -> Result<Found<T>, Refusal> {
        let wanted = version.unwrap_or(&head.latest);
        match self.get(view, &self.version_key(&head.name, wanted)).await? {
            Some(record) => Ok(Found { name: head.name.clone(), version: wanted.clone(), record }),
            None => Err(self.version_absent(view, head, version).await?),
        }
    }

    /// Adds a version, the object too if it is new; answers the version. An id that is in use (a seed gives the same ones
    /// at every start) is never given again.
    pub(in super::super) async fn add<T: Versioned>(
        &self,
        name: &ObjectName,
        record: &T,
        material: &Zeroizing<Vec<u8>>,
    ) -> Result<Found<T>, Refusal> {
        self.run_overdue(name).await?;
        let _lock = self.vaults.lock_name(&self.head_key(name)).await;
        self.reclaim(name).await?;
        let add = |view: View| async move { self.adding(&view, name, record, material).await };
        let added = self.vaults.records().update(add).await?;
        self.vaults.event_committed(added.event);
        self.vaults.notify_schedule_change();
        Ok(added.found)
    }

    /// The change that adds a version, schedules what happens to it, and tells of it.
    pub(in super::super) async fn adding<T: Versioned>(
        &self,
        view: &View,
        name: &ObjectName,
        record: &T,
        material: &Zeroizing<Vec<u8>>,
    ) -> Result<Change<Added<T>>, Refusal> {
        let version = self.unused_version(view, name).await?;
        let (head, previous) = self.head_with(view, name, &version).await?;
        let record = record.clone().with_previous(previous.as_ref());
        let (key, place) = (self.version_key(name, &version), self.material_key(name, &version));
        let seen = [&self.head_key(name), &self.deleted_key(name), &key];
        let batch = self
            .guarded_batch(view, seen)
            .await?
            .expect(place.clone(), 0)
            .put(self.head_key(name), encode(&head)?)
            .put(key, encode(&record)?)
            .put(place, material.clone());
        let batch = self.rescheduling(view, batch, (&head.name, &version, &record)).await?;
        let about = EventSubject::new(self.kind, &head.name, &version, record.attributes());
        let event = Event::of_version(&self.call.vault.name, Occurrence::NewVersionCreated, about, self.call.now);
        let (batch, event) = self.vaults.append_event(view, batch, &event).await?;
        let found = Found { name: head.name, version, record: Arc::new(record) };
        Ok(Change { batch, answer: Added { found, event } })
    }

    async fn unused_version(&self, view: &View, name: &ObjectName) -> Result<Version, Refusal> {
        loop {
            let version = self.vaults.new_version();
            if self.locate(view, &self.version_key(name, &version)).await?.is_none() {
                return Ok(version);
            }
        }
    }

    /// The head with one version more, and the version that was the latest until then.
    async fn head_with(
        &self,
        view: &View,
        name: &ObjectName,
        version: &Version,
    ) -> Result<(Head, Option<Version>), Refusal> {
        match self.state(view, name).await? {
            State::Live(head) => Ok((head.with(version), Some(head.latest.clone()))),
            State::Free => Ok((Head::new(name, version), None)),
            taken => Err(self.name_taken(name, &taken)),
        }
    }

    /// Why a name cannot be given to a new object.
    pub(super) fn name_taken(&self, name: &ObjectName, state: &State) -> Refusal {
        let (kind, name) = (self.kind, name.clone());
        match state {
            State::Deleted(..) => Refusal::DeletedButRecoverable { kind, name },
            State::Deleting => Refusal::BeingDeleted { kind, name, attempt: Attempt::Create },
            State::Recovering => Refusal::BeingRecovered { kind, name, attempt: Attempt::Create },
            // Its records were reclaimed a moment ago: somebody was faster.
            State::Free | State::Live(..) | State::Gone => Refusal::Busy,
        }
    }

    /// Replaces a version's record by what `decide` makes of it.
    pub(in super::super) async fn change<T: Versioned>(
        &self,
        name: &ObjectName,
        version: Option<&Version>,
        decide: impl Fn(&T) -> Result<T, Refusal> + Sync,
    ) -> Result<Found<T>, Refusal> {
        let decide = &decide;
        self.run_overdue(name).await?;
        let _lock = self.vaults.lock_name(&self.head_key(name)).await;
        let change = |view: View| async move { self.changing(&view, name, version, decide).await };
        let changed = self.vaults.records().update(change).await;
        self.vaults.notify_schedule_change();
        changed
    }

    async fn changing<T: Versioned>(
        &self,
        view: &View,
        name: &ObjectName,
        version: Option<&Version>,
        decide: &(impl Fn(&T) -> Result<T, Refusal> + Sync),
    ) -> Result<Change<Found<T>>, Refusal> {
        let found = self.find::<T>(view, name, version).await?;
        let key = self.version_key(name, &found.version);
        let next = decide(&found.record)?;
        let batch = self.guarded_batch(view, [&self.head_key(name), &key]).await?.put(key, encode(&next)?);
        let head = self.get::<Head>(view, &self.head_key(name)).await?;
        let batch = match head.filter(|head| head.latest == found.version) {
            Some(head) => self.rescheduling(view, batch, (&head.name, &head.latest, &next)).await?,
            None => batch,
        };
        Ok(Change { batch, answer: Found { record: Arc::new(next), ..found } })
    }

    /// A version's secret bytes.
    pub(in super::super) async fn material(
        &self,
        view: &View,
        name: &ObjectName,
        version: &Version,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let mut place = self.material_key(name, version);
        if !self.call.vault.below.is_empty()
            && let Some((seen, _)) = self.locate(view, &place).await?
        {
            place = seen;
        }
        Ok(self.vaults.records().bytes(view, &place).await?)
    }

    /// What `name` stands for now.
    pub(super) async fn state(&self, view: &View, name: &ObjectName) -> Result<State, Refusal> {
        self.check_unchanged(view).await?;
        if let Some(head) = self.get::<Head>(view, &self.head_key(name)).await? {
            return Ok(Head::state(&head, self.call.now));
        }
        if let Some(deleted) = self.get::<Tombstone>(view, &self.deleted_key(name)).await? {
            return Ok(Tombstone::state(&deleted, self.call.now));
        }
        self.check_no_orphaned_versions(view, name).await?;
        Ok(State::Free)
    }

    /// An empty batch that is good only while the vault is as this call was judged by: a policy that is withdrawn, a
    /// vault that is deleted or replaced, takes effect before any write that comes after.
    pub(super) async fn vault_guard(&self, view: &View) -> Result<Batch, Refusal> {
        let key = settings::key_of(&self.call.vault.name);
        match self.vaults.records().entry::<Vault>(view, &key).await? {
            Some((vault, revision)) if vault == self.call.vault => Ok(Batch::default().expect(key, revision)),
            // The policy may not allow it any more, the vault may be gone: to be asked, and judged, again.
            _ => Err(Refusal::Busy),
        }
    }

    /// A missing head means that there is no such object only when no version is left without it.
    pub(super) async fn check_no_orphaned_versions(&self, view: &View, name: &ObjectName) -> Result<(), Refusal> {
        self.check_layers_unchanged(view).await?;
        let orphans = self.layers().keys(view, &Key::from(self.versions_of(name)), None, 1).await?;
        if orphans.is_empty() || self.locate(view, &self.deleted_key(name)).await?.is_some() {
            return Ok(());
        }
        // A vault that was just deleted is taken away in pieces, heads first.
        self.vault_guard(view).await?;
        Err(missing(&self.head_key(name)).into())
    }

    /// A missing version is a 404 only when all that the head counts are there.
    async fn version_absent(&self, view: &View, head: &Head, version: Option<&Version>) -> Result<Refusal, Refusal> {
        let Some(version) = version else {
            return Err(missing(&self.version_key(&head.name, &head.latest)).into());
        };
        let prefix = Key::from(self.versions_of(&head.name));
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
        Refusal::NotFound { kind: self.kind, name: name.clone(), version: version.cloned() }
    }
}

/// What is seen through the vault's layers.
impl Objects<'_> {
    pub(super) fn layers(&self) -> Layers<'_> {
        Layers::of(&self.call.vault)
    }

    /// The record that is seen at `key`.
    pub(in super::super) async fn get<T: Record>(&self, view: &View, key: &Key) -> Result<Option<Arc<T>>, Refusal> {
        let records = self.vaults.records();
        if let Some(record) = records.get(view, key).await? {
            return Ok(Some(record));
        }
        match self.layers().below(view, key).await? {
            Some((place, _)) => Ok(records.get(view, &place).await?),
            None => Ok(None),
        }
    }

    /// Refuses a call whose vault stands on other layers by now: those of before may be swept away already. A vault that
    /// has nothing to do with copies is not looked up for it.
    pub(super) async fn check_unchanged(&self, view: &View) -> Result<(), Refusal> {
        if self.call.vault.below.is_empty() { Ok(()) } else { self.check_layers_unchanged(view).await }
    }

    async fn check_layers_unchanged(&self, view: &View) -> Result<(), Refusal> {
        let (before, key) = (&self.call.vault, settings::key_of(&self.call.vault.name));
        let vault = self.vaults.records().get::<Vault>(view, &key).await?;
        let stands = vault.is_some_and(|vault| vault.has_layers_of(before));
        if stands { Ok(()) } else { Err(Refusal::Busy) }
    }

    /// Where what is seen at `key` lies, and which commit put it there.
    pub(in super::super) async fn locate(&self, view: &View, key: &Key) -> Result<Option<(Key, Revision)>, Refusal> {
        match view.revision_of(key).await? {
            Some(revision) => Ok(Some((key.clone(), revision))),
            None => Ok(self.layers().below(view, key).await?),
        }
    }

    /// An empty batch that is good only while the vault is as this call was judged by, and what is `seen` is so.
    pub(in super::super) async fn guarded_batch<const N: usize>(
        &self,
        view: &View,
        seen: [&Key; N],
    ) -> Result<Batch, Refusal> {
        let mut batch = self.vault_guard(view).await?;
        for key in seen {
            batch = self.layers().guarding(view, batch, key).await?;
        }
        Ok(batch)
    }
}

/// Where things lie.
impl Objects<'_> {
    pub(in super::super) fn head_key(&self, name: &ObjectName) -> Key {
        Key::from(self.path("object/", &[&name.upper()]))
    }

    pub(super) fn deleted_key(&self, name: &ObjectName) -> Key {
        Key::from(self.path("deleted/", &[&name.upper()]))
    }

    pub(in super::super) fn version_key(&self, name: &ObjectName, version: &Version) -> Key {
        Key::from(self.path("version/", &[&name.upper(), "/", version.as_str()]))
    }

    pub(in super::super) fn material_key(&self, name: &ObjectName, version: &Version) -> Key {
        Key::from(self.path("material/", &[&name.upper(), "/", version.as_str()]))
    }

    pub(super) fn heads(&self) -> String {
        self.path("object/", &[])
    }

    pub(super) fn deleted_heads(&self) -> String {
        self.path("deleted/", &[])
    }

    pub(super) fn versions_of(&self, name: &ObjectName) -> String {
        self.path("version/", &[&name.upper(), "/"])
    }

    pub(super) fn materials_of(&self, name: &ObjectName) -> String {
        self.path("material/", &[&name.upper(), "/"])
    }

    /// `START/VAULT-ID/COLLECTION/REST`, in one allocation: every request builds some.
    pub(super) fn path(&self, start: &str, rest: &[&str]) -> String {
        let mut path = String::with_capacity(start.len() + 48 + rest.iter().map(|part| part.len()).sum::<usize>());
        path.push_str(start);
        path.push_str(self.call.vault.layer().simple().encode_lower(&mut Uuid::encode_buffer()));
        path.extend(["/", self.kind.collection(), "/"].iter().chain(rest).copied());
        path
    }
}
