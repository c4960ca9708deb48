//! Deleting, recovering, purging. A deletion moves the head alone; what an object is at a moment follows from the dates
//! in it. State changes at once, unless the vault's `deletionDelay` asks for the service's states in between.

use super::super::due::Due;
use super::super::layers::in_layer;
use super::super::{Attempt, ObjectName, Refusal};
use super::head::State;
use super::objects::Objects;
use super::{Found, Head, Tombstone};
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
pub struct DeletedObject<T> {
    /// The latest version.
    pub found: Found<T>,
    /// The dates; none in a vault without soft delete, where it is gone.
    pub deletion: Option<Deletion>,
}

impl From<&Tombstone> for Deletion {
    fn from(deleted: &Tombstone) -> Self {
        Self { deleted: deleted.deleted, scheduled_purge: deleted.scheduled_purge }
    }
}

impl Objects<'_> {
    /// Deletes an object with all its versions.
    pub(in super::super) async fn delete<T: Record>(&self, name: &ObjectName) -> Result<DeletedObject<T>, Refusal> {
        self.run_overdue(name).await?;
        let _lock = self.vaults.lock_name(&self.head_key(name)).await;
        self.reclaim(name).await?;
        let removed = self.vaults.records().update(|view: View| async move { self.deleting(&view, name).await }).await;
        self.vaults.notify_schedule_change();
        removed
    }

    async fn deleting<T: Record>(&self, view: &View, name: &ObjectName) -> Result<Change<DeletedObject<T>>, Refusal> {
        let head = match self.state(view, name).await? {
            State::Live(head) => head,
            State::Recovering => return Err(self.unchangeable(name, &State::Recovering, Attempt::Delete)),
            _ => return Err(self.not_found(name, None)),
        };
        let found = self.version_of(view, &head, None).await?;
        let batch = self.guarded_batch(view, [&self.head_key(name), &self.deleted_key(name)]).await?;
        let batch = self.layers().deleting(view, batch, &self.head_key(name)).await?;
        let batch = self.suspending_schedule(view, batch, name).await?;
        if !self.call.vault.soft_delete {
            let batch = self.deleting_versions(view, &head, batch).await?;
            return Ok(Change { batch, answer: DeletedObject { found, deletion: None } });
        }
        let deleted = self.deleted(&head);
        let due = Due::purge(&self.call.vault, self.kind, &head.name, deleted.gone_at());
        let batch = batch.put(self.deleted_key(name), encode(&deleted)?);
        let batch = batch.put(due.key(), encode(&due)?);
        Ok(Change { batch, answer: DeletedObject { found, deletion: Some(Deletion::from(&deleted)) } })
    }

    fn deleted(&self, head: &Head) -> Tombstone {
        let (now, vault) = (self.call.now, &self.call.vault);
        Tombstone {
            head: head.clone(),
            deleted: now,
            scheduled_purge: now.plus_seconds(i64::from(vault.retention_days) * DAY),
            visible_from: now.plus_seconds(i64::from(vault.deletion_delay)),
            purge_ends: None,
        }
    }

    /// A deleted object.
    pub(in super::super) async fn find_deleted<T: Record>(
        &self,
        view: &View,
        name: &ObjectName,
    ) -> Result<DeletedObject<T>, Refusal> {
        self.require_soft_delete("get deleted")?;
        self.check_unchanged(view).await?;
        match self.get::<Tombstone>(view, &self.deleted_key(name)).await? {
            Some(deleted) if deleted.is_visible(self.call.now) => {
                let found = self.version_of(view, &deleted.head, None).await?;
                Ok(DeletedObject { found, deletion: Some(deleted.as_ref().into()) })
            }
            _ => Err(self.not_deleted(name)),
        }
    }

    /// Brings a deleted object back with all its versions; answers the latest.
    pub(in super::super) async fn recover<T: Record>(&self, name: &ObjectName) -> Result<Found<T>, Refusal> {
        self.require_soft_delete("recover")?;
        let _lock = self.vaults.lock_name(&self.head_key(name)).await;
        let recover = |view: View| async move { self.recovering(&view, name).await };
        let recovered = self.vaults.records().update(recover).await;
        self.vaults.notify_schedule_change();
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
        let batch = self.deleting_purge_entry(view, &deleted).await?;
        let batch = self.layers().deleting(view, batch, &self.deleted_key(name)).await?;
        let batch = self.resuming_schedule(view, batch, name, seen).await?;
        Ok(Change { batch: batch.put(self.head_key(name), encode(&head)?), answer: found })
    }

    /// Takes a deleted object away for good.
    pub(in super::super) async fn purge(&self, name: &ObjectName) -> Result<(), Refusal> {
        self.require_soft_delete("purge")?;
        if self.call.vault.purge_protection {
            return Err(Refusal::PurgeProtected);
        }
        let _lock = self.vaults.lock_name(&self.head_key(name)).await;
        let purged = self.vaults.records().update(|view: View| async move { self.purging(&view, name).await }).await;
        self.vaults.notify_schedule_change();
        purged
    }

    async fn purging(&self, view: &View, name: &ObjectName) -> Result<Change<()>, Refusal> {
        let deleted = match self.state(view, name).await? {
            State::Deleted(deleted) => deleted,
            State::Live(..) => return Err(self.not_deleted(name)),
            other => return Err(self.unchangeable(name, &other, Attempt::Purge)),
        };
        let batch = self.deleting_purge_entry(view, &deleted).await?;
        let delay = self.call.vault.deletion_delay;
        if delay == 0 {
            let batch = self.layers().deleting(view, batch, &self.deleted_key(name)).await?;
            return Ok(Change { batch: self.deleting_versions(view, &deleted.head, batch).await?, answer: () });
        }
        let purge_ends = Some(self.call.now.plus_seconds(i64::from(delay)));
        let next = Tombstone { purge_ends, ..deleted.as_ref().clone() };
        let due = Due::purge(&self.call.vault, self.kind, &next.head.name, next.gone_at());
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
        match self.get::<Tombstone>(view, key).await? {
            Some(deleted) if deleted.gone_at() <= self.call.now => {
                let batch = self.layers().deleting(view, self.deleting_purge_entry(view, &deleted).await?, key).await?;
                Ok(Change { batch: self.deleting_versions(view, &deleted.head, batch).await?, answer: true })
            }
            _ => Ok(Change { batch: Batch::default(), answer: false }),
        }
    }

    /// A batch that may take the deleted head away or replace it, and takes what it had scheduled off.
    async fn deleting_purge_entry(&self, view: &View, deleted: &Tombstone) -> Result<Batch, Refusal> {
        let name = &deleted.head.name;
        let due = Due::purge(&self.call.vault, self.kind, name, deleted.gone_at());
        let batch = self.guarded_batch(view, [&self.deleted_key(name), &self.head_key(name)]).await?;
        Ok(batch.delete(due.key()))
    }

    /// `batch`, taking every version away too, and what there is besides.
    async fn deleting_versions(&self, view: &View, head: &Head, mut batch: Batch) -> Result<Batch, Refusal> {
        for prefix in [self.versions_of(&head.name), self.materials_of(&head.name)] {
            for (key, _) in self.layers().keys(view, &Key::from(prefix), None, usize::MAX).await? {
                batch = self.layers().deleting(view, batch, &in_layer(&key, self.layers().own())).await?;
            }
        }
        self.deleting_schedule(view, batch, &head.name).await
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
    pub(super) fn require_soft_delete(&self, operation: &'static str) -> Result<(), Refusal> {
        if self.call.vault.soft_delete { Ok(()) } else { Err(Refusal::NoSoftDelete { operation }) }
    }
}
