//! The event log (a transactional outbox): an event is written in the same commit as the change that it reports, so
//! neither is there without the other. This room does not know who listens.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use super::object::Attributes;
use super::store_key::{StoreKey, Table};
use super::{Kind, ObjectName, Refusal, Vault, VaultName, Vaults, Version};
use crate::clock::Timestamp;
use crate::records::{View, encode};
use crate::store::{Batch, EntryKey};

/// The namespace of event ids.
const IDS: Uuid = Uuid::from_u128(0x6b9e_7c1a_0000_4000_8000_0000_0000_e7e7);
/// The most numbers of new events that are kept for the listener; beyond, it reads the whole log.
const MAX_NEW_EVENTS: usize = 100_000;

/// Something that happened in a vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Unique, and the same at each delivery.
    pub id: Uuid,
    /// When it happened, on the vault clock.
    pub at: Timestamp,
    /// What happened.
    pub occurrence: Occurrence,
    /// The vault.
    pub vault: VaultName,
    /// The vault's resource group.
    pub resource_group: String,
    /// The version that it is about; none when it is about the vault itself.
    pub subject: Option<EventSubject>,
}

/// What an event reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Occurrence {
    /// An object was created, or a new version of one.
    NewVersionCreated,
    /// The latest version is about to expire: 30 days before, or as the object's lifetime policy says.
    NearExpiry,
    /// The latest version has expired.
    Expired,
    /// The vault's access policies were changed.
    AccessPolicyChanged,
}

/// The version of an object that an event is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EventSubject {
    /// The kind.
    pub kind: Kind,
    /// The name as it was first written.
    pub name: ObjectName,
    /// The version.
    pub version: Version,
    /// Not to be used before.
    pub nbf: Option<Timestamp>,
    /// Not to be used from this moment on.
    pub exp: Option<Timestamp>,
}

/// The events that were committed since they were last taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NewEvents {
    /// These, by number, in the order of their commits.
    Numbers(Vec<u64>),
    /// Unknown, or everything was replaced: the whole log must be read.
    All,
}

/// Numbers events and notifies of new ones.
pub(super) struct Outbox {
    /// The next number.
    next: AtomicU64,
    /// Whether `next` is known to be higher than every number in the store.
    counter_is_valid: AtomicBool,
    new_events: Mutex<NewEvents>,
    committed: Notify,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            next: AtomicU64::new(1),
            counter_is_valid: AtomicBool::new(false),
            new_events: Mutex::new(NewEvents::All),
            committed: Notify::new(),
        }
    }

    /// An outbox for records that are to replace these. Its numbers continue, so a listener that asks for events after
    /// some number misses none.
    pub(super) fn continuing(&self) -> Self {
        Self { next: AtomicU64::new(self.next.load(Ordering::Relaxed)), ..Self::new() }
    }

    /// An unused number. Those of one object ascend, because its name is locked.
    async fn next_number(&self, view: &View) -> Result<u64, Refusal> {
        if !self.counter_is_valid.load(Ordering::Relaxed) {
            self.raise_to_highest(view).await?;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if view.revision_of(&store_key(number)).await?.is_none() {
            return Ok(number);
        }
        self.raise_to_highest(view).await?;
        Ok(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Continues behind the highest number in the store.
    async fn raise_to_highest(&self, view: &View) -> Result<(), Refusal> {
        let highest =
            view.keys(&Table::Event.prefix(), None, usize::MAX).await?.last().and_then(|(key, _)| number_of(key));
        self.next.fetch_max(highest.unwrap_or_default() + 1, Ordering::Relaxed);
        self.counter_is_valid.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn notify(&self, number: u64) {
        let mut new_events = self.new_events.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *new_events {
            NewEvents::Numbers(numbers) if numbers.len() < MAX_NEW_EVENTS => numbers.push(number),
            new_events => *new_events = NewEvents::All,
        }
        drop(new_events);
        self.committed.notify_one();
    }

    fn notify_all(&self) {
        *self.new_events.lock().unwrap_or_else(PoisonError::into_inner) = NewEvents::All;
        self.counter_is_valid.store(false, Ordering::Relaxed);
        self.committed.notify_one();
    }
}

impl Event {
    /// The event of an `occurrence` to the latest version of an object in `vault`.
    pub(super) fn of_version(vault: &Vault, occurrence: Occurrence, subject: EventSubject, at: Timestamp) -> Self {
        // A changed expiry is announced again, perhaps at the same moment.
        let exp = subject.exp.map_or_else(String::new, |exp| exp.to_string());
        let path = format!("{}/{}/{}/{exp}", subject.kind.collection(), subject.name.upper(), subject.version.as_str());
        Self::new(vault, &path, occurrence, Some(subject), at)
    }

    /// The event that the access policies of `vault` were changed; `change` is no other change's.
    pub(super) fn of_policies(vault: &Vault, change: Uuid, at: Timestamp) -> Self {
        Self::new(vault, &change.to_string(), Occurrence::AccessPolicyChanged, None, at)
    }

    fn new(vault: &Vault, path: &str, occurrence: Occurrence, subject: Option<EventSubject>, at: Timestamp) -> Self {
        let (id, resource_group) = (id(&vault.name, path, occurrence, at), vault.resource.resource_group.clone());
        Self { id, at, occurrence, vault: vault.name.clone(), resource_group, subject }
    }
}

impl EventSubject {
    pub(super) fn new(kind: Kind, name: &ObjectName, version: &Version, attributes: &Attributes) -> Self {
        let (nbf, exp) = (attributes.nbf, attributes.exp);
        Self { kind, name: name.clone(), version: version.clone(), nbf, exp }
    }
}

/// Version ids are unique, so what is derived from them is.
fn id(vault: &VaultName, path: &str, occurrence: Occurrence, at: Timestamp) -> Uuid {
    Uuid::new_v5(&IDS, format!("{vault}/{path}/{occurrence:?}/{}", at.unix()).as_bytes())
}

impl Vaults {
    /// `batch`, appending `event`; returns its number too, for [`Vaults::event_committed`] after the commit.
    pub(super) async fn append_event(&self, view: &View, batch: Batch, event: &Event) -> Result<(Batch, u64), Refusal> {
        let number = self.inner.outbox.next_number(view).await?;
        Ok((batch.expect(store_key(number), 0).put(store_key(number), encode(event)?), number))
    }

    /// Notifies the listener of a committed event.
    pub(super) fn event_committed(&self, number: u64) {
        self.inner.outbox.notify(number);
    }

    /// Notifies the listener that all records were replaced, the events too.
    pub(crate) fn events_replaced(&self) {
        self.inner.outbox.notify_all();
    }

    /// Waits until events may have been committed since [`Vaults::take_new_events`].
    pub(crate) async fn wait_for_events(&self) {
        self.inner.outbox.committed.notified().await;
    }

    /// Takes the numbers of the events that were committed since the last call; unknown at the first.
    pub(crate) fn take_new_events(&self) -> NewEvents {
        let mut new_events = self.inner.outbox.new_events.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *new_events, NewEvents::Numbers(vec![]))
    }

    /// At most `limit` events that are kept, those numbered higher than `after` alone, in the order of their numbers.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn events(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, Refusal> {
        let (view, mut events) = (self.records().view().await?, Vec::new());
        for (key, _) in view.keys(&Table::Event.prefix(), Some(&store_key(after)), limit).await? {
            let event = self.records().get::<Event>(&view, &key).await?;
            events.extend(number_of(&key).zip(event.map(|event| event.as_ref().clone())));
        }
        Ok(events)
    }

    /// The numbers of all events that are kept, ascending.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn event_numbers(&self) -> Result<Vec<u64>, Refusal> {
        let view = self.records().view().await?;
        let keys = view.keys(&Table::Event.prefix(), None, usize::MAX).await?;
        Ok(keys.iter().filter_map(|(key, _)| number_of(key)).collect())
    }

    /// The event of this number, if it is kept.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn event(&self, number: u64) -> Result<Option<Event>, Refusal> {
        let view = self.records().view().await?;
        Ok(self.records().get::<Event>(&view, &store_key(number)).await?.map(|event| event.as_ref().clone()))
    }

    /// Deletes events that were delivered to every listener.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn delete_events(&self, numbers: &[u64]) -> Result<(), Refusal> {
        let delete = numbers.iter().map(|number| store_key(*number)).collect();
        Ok(self.records().commit_pieces(Batch { delete, ..Batch::default() }).await?)
    }
}

/// The store key of the event of this number.
fn store_key(number: u64) -> EntryKey {
    StoreKey::Event(number).to_key()
}

fn number_of(key: &EntryKey) -> Option<u64> {
    match StoreKey::parse(&key.to_string())? {
        StoreKey::Event(number) => Some(number),
        _ => None,
    }
}
