//! Deleting, recovering, purging. A deletion moves the head alone; what an object is at a moment follows from the dates
//! in it. State changes at once, unless the vault's `deletionDelay` asks for the service's states in between.

use super::super::due::Due;
use super::super::layers::within;
use super::super::{Attempt, ObjectName, Refusal};
use super::head::State;
use super::objects::Objects;
use super::{Deleted, Found, Head};
use crate::clock::Timestamp;
use crate::records::{Change, Record, View, encode};
use crate::store::{Batch, Key};

/// Seconds of a day of retention.
const DAY: i64 = 86_400;

/// When an object was deleted, and when it goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deletion {
    /// When it was deleted.
    pub deleted: Timestamp,
    /// When it goes by itself.
    pub scheduled_purge: Timestamp,
}

/// A deleted object, with its latest version.
#[derive(Clone, Debug)]
pub struct Removed<T> {
    /// The latest version.
    pub found: Found<T>,
    /// The dates; none in a vault without soft delete, where it is gone.
    pub deletion: Option<Deletion>,
}

impl From<&Deleted> for Deletion {
    fn from(deleted: &Deleted) -> Self {
        Self { deleted: deleted.deleted, scheduled_purge: deleted.scheduled_purge }
    }
}

impl Objects<'_> {
    /// Deletes an object with all its versions.
    pub(in super::super) async fn delete<T: Record>(&self, name: &ObjectName) -> Result<Removed<T>, Refusal> {
        self.settle(name).await?;
        let _turn = self.vaults.turn(&self.head_key(name)).await;
        self.reclaim(name).await?;
        let removed = self.vaults.records().update(|view: View| async move { self.deleting(&view, name).await }).await;
        self.vaults.schedule_changed();
        removed
    }

    async fn deleting<T: Record>(&self, view: &View, name: &ObjectName) -> Result<Change<Removed<T>>, Refusal> {
        let head = match self.state(view, name).await? {
            State::Live(head) => head,
            State::Recovering => return Err(self.unchangeable(name, &State::Recovering, Attempt::Delete)),
            _ => return Err(self.not_found(name, None)),
        };
        let found = self.version_of(view, &head, None).await?;
        let batch = self.expecting(view, [&self.head_key(name), &self.deleted_key(name)]).await?;
        let batch = self.layers().without(view, batch, &self.head_key(name)).await?;
        let batch = self.suspended(view, batch, name).await?;
        if !self.call.vault.soft_delete {
            let batch = self.without_versions(view, &head, batch).await?;
            return Ok(Change { batch, answer: Removed { found, deletion: None } });
        }
        let deleted = self.deleted(&head);
        let due = Due::purge(&self.call.vault, self.kind, &head.name, deleted.ends());
        let batch = batch.put(self.deleted_key(name), encode(&deleted)?);
        let batch = batch.put(due.key(), encode(&due)?);
        Ok(Change { batch, answer: Removed { found, deletion: Some(Deletion::from(&deleted)) } })
    }

    fn deleted(&self, head: &Head) -> Deleted {
        let (now, vault) = (self.call.now, &self.call.vault);
        Deleted {
            head: head.clone(),
            deleted: now,
            scheduled_purge: now.plus_seconds(i64::from(vault.retention_days) * DAY),
            settled: now.plus_seconds(i64::from(vault.deletion_delay)),
            purged: None,
        }
    }

    /// A deleted object.
    pub(in super::super) async fn find_deleted<T: Record>(
        &self,
        view: &View,
        name: &ObjectName,
    ) -> Result<Removed<T>, Refusal> {
        self.with_soft_delete("get deleted")?;
        self.standing(view).await?;
        match self.get::<Deleted>(view, &self.deleted_key(name)).await? {
            Some(deleted) if deleted.is_seen(self.call.now) => {
                let found = self.version_of(view, &deleted.head, None).await?;
                Ok(Removed { found, deletion: Some(deleted.as_ref().into()) })
            }
            _ => Err(self.not_deleted(name)),
        }
    }

    /// Brings a deleted object back with all its versions; answers the latest.
    pub(in super::super) async fn recover<T: Record>(&self, name: &ObjectName) -> Result<Found<T>, Refusal> {
        self.with_soft_delete("recover")?;
        let _turn = self.vaults.turn(&self.head_key(name)).await;
        let recover = |view: View| async move { self.recovering(&view, name).await };
        let recovered = self.vaults.records().update(recover).await;
        self.vaults.schedule_changed();
        recovered
    }

    async fn recovering<T: Record>(&self, view: &View, name: &ObjectName) -> Result<Change<Found<T>>, Refusal> {
        let deleted = match self.state(view, name).await? {
            State::Deleted(deleted) => deleted,
            State::Live(..) => return Err(Refusal::NotDeleted { kind: self.kind, name: name.clone() }),
            other => return Err(self.unchangeable(name, &other, Attempt::Recover)),
        };
        let found = self.version_of(view, &deleted.head, None).await?;
        let delay = self.call.vault.deletion_delay;
        let seen = self.call.now.plus_seconds(i64::from(delay));
        let until = (delay > 0).then_some(seen);
        let head = Head { recovering: until, ..deleted.head.clone() };
        let batch = self.unscheduled(view, &deleted).await?;
        let batch = self.layers().without(view, batch, &self.deleted_key(name)).await?;
        let batch = self.resumed(view, batch, name, seen).await?;
        Ok(Change { batch: batch.put(self.head_key(name), encode(&head)?), answer: found })
    }

    /// Takes a deleted object away for good.
    pub(in super::super) async fn purge(&self, name: &ObjectName) -> Result<(), Refusal> {
        self.with_soft_delete("purge")?;
        if self.call.vault.purge_protection {
            return Err(Refusal::PurgeProtected);
        }
        let _turn = self.vaults.turn(&self.head_key(name)).await;
        let purged = self.vaults.records().update(|view: View| async move { self.purging(&view, name).await }).await;
        self.vaults.schedule_changed();
        purged
    }

    async fn purging(&self, view: &View, name: &ObjectName) -> Result<Change<()>, Refusal> {
        let deleted = match self.state(view, name).await? {
            State::Deleted(deleted) => deleted,
            State::Live(..) => return Err(self.not_deleted(name)),
            other => return Err(self.unchangeable(name, &other, Attempt::Purge)),
        };
        let batch = self.unscheduled(view, &deleted).await?;
        let delay = self.call.vault.deletion_delay;
        if delay == 0 {
            let batch = self.layers().without(view, batch, &self.deleted_key(name)).await?;
            return Ok(Change { batch: self.without_versions(view, &deleted.head, batch).await?, answer: () });
        }
        let purged = Some(self.call.now.plus_seconds(i64::from(delay)));
        let next = Deleted { purged, ..deleted.as_ref().clone() };
        let due = Due::purge(&self.call.vault, self.kind, &next.head.name, next.ends());
        let mut batch = batch.put(self.deleted_key(name), encode(&next)?);
        // It may be due at the very moment that it was due before.
        batch.delete.retain(|key| *key != due.key());
        Ok(Change { batch: batch.put(due.key(), encode(&due)?), answer: () })
    }

    /// Takes away what is left of an object whose time is over at the moment of this call; answers whether anything was.
    pub(in super::super) async fn reclaim(&self, name: &ObjectName) -> Result<bool, Refusal> {
        self.vaults.records().update(|view: View| async move { self.reclaiming(&view, name).await }).await
    }

    async fn reclaiming(&self, view: &View, name: &ObjectName) -> Result<Change<bool>, Refusal> {
        let key = &self.deleted_key(name);
        match self.get::<Deleted>(view, key).await? {
            Some(deleted) if deleted.ends() <= self.call.now => {
                let batch = self.layers().without(view, self.unscheduled(view, &deleted).await?, key).await?;
                Ok(Change { batch: self.without_versions(view, &deleted.head, batch).await?, answer: true })
            }
            _ => Ok(Change { batch: Batch::default(), answer: false }),
        }
    }

    /// A batch that may take the deleted head away or replace it, and takes what it had scheduled off.
    async fn unscheduled(&self, view: &View, deleted: &Deleted) -> Result<Batch, Refusal> {
        let name = &deleted.head.name;
        let due = Due::purge(&self.call.vault, self.kind, name, deleted.ends());
        let batch = self.expecting(view, [&self.deleted_key(name), &self.head_key(name)]).await?;
        Ok(batch.delete(due.key()))
    }

    /// `batch`, taking every version away too, and what there is besides.
    async fn without_versions(&self, view: &View, head: &Head, mut batch: Batch) -> Result<Batch, Refusal> {
        for prefix in [self.versions_of(&head.name), self.materials_of(&head.name)] {
            for (key, _) in self.layers().keys(view, &Key::from(prefix), None, usize::MAX).await? {
                batch = self.layers().without(view, batch, &within(&key, self.layers().own())).await?;
            }
        }
        self.without_schedule(view, batch, &head.name).await
    }

    /// Why what a name stands for can be neither recovered nor purged. A recovery of what is not there at all has the text
    /// of a live object that is missing (recorded twice for keys; secrets follow them).
    fn unchangeable(&self, name: &ObjectName, state: &State, attempt: Attempt) -> Refusal {
        let kind = self.kind;
        match state {
            State::Deleting => Refusal::BeingDeleted { kind, name: name.clone(), attempt },
            State::Recovering => Refusal::BeingRecovered { kind, name: name.clone(), attempt },
            State::Free | State::Gone if attempt == Attempt::Recover => self.not_found(name, None),
            State::Free | State::Live(..) | State::Deleted(..) | State::Gone => self.not_deleted(name),
        }
    }

    fn not_deleted(&self, name: &ObjectName) -> Refusal {
        Refusal::DeletedNotFound { kind: self.kind, name: name.clone() }
    }

    /// Refuses what only a vault with soft delete can do.
    pub(super) fn with_soft_delete(&self, operation: &'static str) -> Result<(), Refusal> {
        if self.call.vault.soft_delete { Ok(()) } else { Err(Refusal::NoSoftDelete { operation }) }
    }
}
