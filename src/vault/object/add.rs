//! Adding a version, the object too if it is new.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::super::event::{Event, EventSubject, Occurrence};
use super::super::write::Write;
use super::super::{Attempt, ObjectName, Refusal, Version};
use super::head::State;
use super::kind::{ObjectKind, VersionRecord};
use super::{FoundVersion, Head, Objects};
use crate::records::{View, encode};
use crate::store::Batch;

/// A version that is added.
pub(crate) struct Added<T> {
    /// The version.
    pub(crate) found: FoundVersion<T>,
    /// The number of its event.
    pub(crate) event: u64,
}

impl<K: ObjectKind> Objects<'_, K> {
    /// Adds a version, the object too if it is new; returns the version.
    pub(crate) async fn add(
        &self,
        name: &ObjectName,
        record: &K::Record,
        material: &Zeroizing<Vec<u8>>,
    ) -> Result<FoundVersion<K::Record>, Refusal> {
        let objects = &[self.id(name)];
        let add = |view: View| async move {
            let version = &self.vaults.unused_version(&view, &self.call.vault, objects).await?;
            let (batch, added) =
                self.adding(&view, self.call.guarded_batch(), (name, version), record, material).await?;
            Ok(Write { batch, events: vec![added.event], answer: added.found })
        };
        self.vaults.write(self.call, objects, add).await
    }

    /// `batch`, adding a version, its schedule and its event. The version's id must be unused, the name locked. Several
    /// objects, of different kinds too, can be added to one batch.
    pub(crate) async fn adding(
        &self,
        view: &View,
        batch: Batch,
        (name, version): (&ObjectName, &Version),
        record: &K::Record,
        material: &Zeroizing<Vec<u8>>,
    ) -> Result<(Batch, Added<K::Record>), Refusal> {
        let (head, previous) = self.head_with(view, name, version).await?;
        let record = record.clone().with_previous(previous.as_ref());
        let (key, material_key) = (self.version_key(name, version), self.material_key(name, version));
        let guarded = [&self.head_key(name), &self.deleted_key(name), &key];
        let batch = self
            .guarding(view, batch, guarded)
            .await?
            .expect(material_key.clone(), 0)
            .put(self.head_key(name), encode(&head)?)
            .put(key, encode(&record)?)
            .put(material_key, material.clone());
        let batch = self.rescheduling(view, batch, (&head.name, version, &record)).await?;
        let subject = EventSubject::new(K::KIND, &head.name, version, record.attributes());
        let event = Event::of_version(&self.call.vault, Occurrence::NewVersionCreated, subject, self.call.now);
        let (batch, event) = self.vaults.append_event(view, batch, &event).await?;
        let found = FoundVersion { name: head.name, version: version.clone(), record: Arc::new(record) };
        Ok((batch, Added { found, event }))
    }

    /// The head with this version added, and the latest version before it.
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

    /// Why a name in this state cannot be given to a new object.
    pub(super) fn name_taken(&self, name: &ObjectName, state: &State) -> Refusal {
        let (kind, name) = (K::KIND, name.clone());
        match state {
            State::Deleted(..) => Refusal::DeletedButRecoverable { kind, name },
            State::Deleting => Refusal::BeingDeleted { kind, name, attempt: Attempt::Create },
            State::Recovering => Refusal::BeingRecovered { kind, name, attempt: Attempt::Create },
            // It was reclaimed a moment ago: another writer was faster.
            State::Free | State::Live(..) | State::Gone => Refusal::Busy,
        }
    }
}
