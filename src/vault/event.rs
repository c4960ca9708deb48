//! What happened, for whoever wants to hear of it: written in the same commit as what it tells, so that nothing that
//! happened goes untold and nothing is told that did not happen. This room does not know who listens.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use super::object::Attributes;
use super::{Kind, ObjectName, Refusal, VaultName, Vaults, Version};
use crate::clock::Timestamp;
use crate::records::{Change, View, encode};
use crate::store::{Batch, Key};

/// What event ids are derived from.
const IDS: Uuid = Uuid::from_u128(0x6b9e_7c1a_0000_4000_8000_0000_0000_e7e7);
/// The most numbers of new events that wait to be asked for; beyond, whoever listens looks all of them up.
const MOST_FRESH: usize = 100_000;

/// Something that happened in a vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// The same each time the event is told, and no other event's.
    pub id: Uuid,
    /// When it happened, on the vault clock.
    pub at: Timestamp,
    /// What happened.
    pub what: Happened,
    /// The vault.
    pub vault: VaultName,
    /// The version it happened to; none of what happened to the vault itself.
    pub about: Option<About>,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Happened {
    /// A key or secret, or a new version of one, was made.
    NewVersionCreated,
    /// The latest version is about to expire: 30 days before, or as a key's rotation policy says.
    NearExpiry,
    /// The latest version has expired.
    Expired,
    /// The vault's access policies were changed.
    AccessPolicyChanged,
}

/// The version of an object that something happened to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Key or secret.
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

/// The events that were committed since the last time somebody asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fresh {
    /// These, by number, in the order of their commits.
    Some(Vec<u64>),
    /// Nobody has kept count, or everything was replaced: all that there are must be looked at.
    All,
}

/// What numbers events, and tells that there are new ones.
pub(super) struct Outbox {
    /// The number after the highest that was given.
    next: AtomicU64,
    /// Whether the store was looked at for higher ones.
    looked: AtomicBool,
    fresh: Mutex<Fresh>,
    news: Notify,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self {
            next: AtomicU64::new(1),
            looked: AtomicBool::new(false),
            fresh: Mutex::new(Fresh::All),
            news: Notify::new(),
        }
    }

    /// One for what is to replace everything: its numbers go on from these, so that whoever asks for later events than
    /// some number misses none.
    pub(super) fn going_on(&self) -> Self {
        Self { next: AtomicU64::new(self.next.load(Ordering::Relaxed)), ..Self::new() }
    }

    /// A number that no event has: those of one object ascend, because its writers stand in a queue.
    async fn number(&self, view: &View) -> Result<u64, Refusal> {
        if !self.looked.load(Ordering::Relaxed) {
            self.look(view).await?;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if view.revision_of(&place(number)).await?.is_none() {
            return Ok(number);
        }
        self.look(view).await?;
        Ok(self.next.fetch_add(1, Ordering::Relaxed))
    }

    /// Goes on behind the highest number that is there.
    async fn look(&self, view: &View) -> Result<(), Refusal> {
        let highest = view.keys(&prefix(), None, usize::MAX).await?.last().and_then(|(key, _)| number_of(key));
        self.next.fetch_max(highest.unwrap_or_default() + 1, Ordering::Relaxed);
        self.looked.store(true, Ordering::Relaxed);
        Ok(())
    }

    fn tell(&self, number: u64) {
        let mut fresh = self.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *fresh {
            Fresh::Some(numbers) if numbers.len() < MOST_FRESH => numbers.push(number),
            fresh => *fresh = Fresh::All,
        }
        drop(fresh);
        self.news.notify_one();
    }

    fn tell_all(&self) {
        *self.fresh.lock().unwrap_or_else(PoisonError::into_inner) = Fresh::All;
        self.looked.store(false, Ordering::Relaxed);
        self.news.notify_one();
    }
}

impl Event {
    /// The event that `what` happened to the latest version of an object in the vault called `vault`.
    pub(super) fn of_version(vault: &VaultName, what: Happened, about: About, at: Timestamp) -> Self {
        // An end that is changed is told anew, perhaps at the same moment.
        let exp = about.exp.map_or_else(String::new, |exp| exp.to_string());
        let path = format!("{}/{}/{}/{exp}", about.kind.collection(), about.name.upper(), about.version.as_str());
        Self { id: id(vault, &path, what, at), at, what, vault: vault.clone(), about: Some(about) }
    }

    /// The event that the access policies of the vault called `vault` were changed; `change` is no other change's.
    pub(super) fn of_policies(vault: &VaultName, change: Uuid, at: Timestamp) -> Self {
        let what = Happened::AccessPolicyChanged;
        Self { id: id(vault, &change.to_string(), what, at), at, what, vault: vault.clone(), about: None }
    }
}

impl About {
    pub(super) fn new(kind: Kind, name: &ObjectName, version: &Version, attributes: &Attributes) -> Self {
        let (nbf, exp) = (attributes.nbf, attributes.exp);
        Self { kind, name: name.clone(), version: version.clone(), nbf, exp }
    }
}

/// A version's id is never given twice, so neither is what is derived from it.
fn id(vault: &VaultName, path: &str, what: Happened, at: Timestamp) -> Uuid {
    Uuid::new_v5(&IDS, format!("{vault}/{path}/{what:?}/{}", at.unix()).as_bytes())
}

impl Vaults {
    /// `batch`, putting `event` down too; answers its number, for [`Vaults::told`] once the batch is committed.
    pub(super) async fn telling(&self, view: &View, batch: Batch, event: &Event) -> Result<(Batch, u64), Refusal> {
        let number = self.inner.outbox.number(view).await?;
        Ok((batch.expect(place(number), 0).put(place(number), encode(event)?), number))
    }

    /// The event of this number was committed.
    pub(super) fn told(&self, number: u64) {
        self.inner.outbox.tell(number);
    }

    /// Everything was replaced: the events that there are, are others.
    pub fn events_replaced(&self) {
        self.inner.outbox.tell_all();
    }

    /// Resolves when events may have been committed since [`Vaults::fresh_events`] was last asked.
    pub async fn events_committed(&self) {
        self.inner.outbox.news.notified().await;
    }

    /// Which events were committed since this was last asked; the first time, all must be looked at.
    pub fn fresh_events(&self) -> Fresh {
        let mut fresh = self.inner.outbox.fresh.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *fresh, Fresh::Some(vec![]))
    }

    /// At most `limit` events that are kept, those numbered higher than `after` alone, in the order of their numbers.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn events(&self, after: u64, limit: usize) -> Result<Vec<(u64, Event)>, Refusal> {
        let (view, mut events) = (self.records().view().await?, Vec::new());
        for (key, _) in view.keys(&prefix(), Some(&place(after)), limit).await? {
            let event = self.records().get::<Event>(&view, &key).await?;
            events.extend(number_of(&key).zip(event.map(|event| event.as_ref().clone())));
        }
        Ok(events)
    }

    /// The numbers of all events that are kept, ascending.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn event_numbers(&self) -> Result<Vec<u64>, Refusal> {
        let view = self.records().view().await?;
        let keys = view.keys(&prefix(), None, usize::MAX).await?;
        Ok(keys.iter().filter_map(|(key, _)| number_of(key)).collect())
    }

    /// The event of this number, if it is kept.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn event(&self, number: u64) -> Result<Option<Event>, Refusal> {
        let view = self.records().view().await?;
        Ok(self.records().get::<Event>(&view, &place(number)).await?.map(|event| event.as_ref().clone()))
    }

    /// Takes events away that nobody has to be told of any more.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn forget_events(&self, numbers: &[u64]) -> Result<(), Refusal> {
        let delete = || Batch { delete: numbers.iter().map(|number| place(*number)).collect(), ..Batch::default() };
        self.records().update(|_: View| async move { Ok(Change { batch: delete(), answer: () }) }).await
    }
}

fn prefix() -> Key {
    Key::from("event/")
}

fn place(number: u64) -> Key {
    Key::from(format!("event/{number:020}"))
}

fn number_of(place: &Key) -> Option<u64> {
    std::str::from_utf8(place.as_bytes()).ok()?.strip_prefix("event/")?.parse().ok()
}
