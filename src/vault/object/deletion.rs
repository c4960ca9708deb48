//! Deleting, recovering, purging. A deletion moves the head alone; what an object is at a moment follows from the dates
//! in it. State changes at once, unless the vault's `deletionDelay` asks for the service's states in between.

use super::super::write::Write;
use super::super::{Attempt, ObjectName, Refusal};
use super::head::State;
use super::kind::ObjectKind;
use super::{FoundVersion, Head, Objects, Tombstone};
use crate::clock::Timestamp;
use crate::records::{View, encode};
use crate::store::Batch;

/// Seconds of a day of retention.
const DAY: i64 = 86_400;

/// When an object was deleted, and when it goes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Deletion {
    /// When it was deleted.
    pub deleted: Timestamp,
    /// When it goes by itself.
    pub scheduled_purge: Timestamp,
}

/// What can be done with deleted objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedUse {
    Get,
    List,
    Recover,
    Purge,
}

/// A deleted object, with its latest version.
#[derive(Clone, Debug)]
pub(crate) struct DeletedObject<T> {
    /// The latest version.
    pub found: FoundVersion<T>,
    /// The dates; none in a vault without soft delete, where it is gone.
    pub deletion: Option<Deletion>,
}

impl From<&Tombstone> for Deletion {
    fn from(deleted: &Tombstone) -> Self {
        Self { deleted: deleted.deleted, scheduled_purge: deleted.scheduled_purge }
    }
}

impl<K: ObjectKind> Objects<'_, K> {
    /// Deletes an object with all its versions.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::BeingRecovered`]; what the store reports.
    pub(crate) async fn delete(&self, name: &ObjectName) -> Result<DeletedObject<K::Record>, Refusal> {
        let decide = |view: View| async move { self.deleting(&view, name).await };
        let (deleted, is_complete) = self.vaults.write(self.call, &[self.id(name)], decide).await?;
        if !is_complete {
            self.reclaim(name).await?;
        }
        Ok(deleted)
    }

    /// The answer has whether nothing is left to delete now.
    async fn deleting(
        &self,
        view: &View,
        name: &ObjectName,
    ) -> Result<Write<(DeletedObject<K::Record>, bool)>, Refusal> {
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
            let tombstone = Tombstone { purge_ends: Some(self.call.now), ..self.tombstone(&head) };
            let Write { batch, events, answer } = self.deleting_object(view, batch, &tombstone).await?;
            return Ok(Write { batch, events, answer: (DeletedObject { found, deletion: None }, answer) });
        }
        let deleted = self.tombstone(&head);
        let batch = self.putting_tombstone(batch, &deleted)?;
        let deletion = Some(Deletion::from(&deleted));
        Ok(Write::new(batch, (DeletedObject { found, deletion }, true)))
    }

    fn tombstone(&self, head: &Head) -> Tombstone {
        let (now, vault) = (self.call.now, &self.call.vault);
        Tombstone {
            head: head.clone(),
            deleted: now,
            scheduled_purge: now.plus_seconds(i64::from(vault.retention_days) * DAY),
            visible_from: now.plus_seconds(i64::from(vault.deletion_delay)),
            purge_ends: None,
            restoring: false,
        }
    }

    /// A deleted object, with its latest version.
    ///
    /// # Errors
    /// [`Refusal::DeletedNotFound`]; [`Refusal::NoSoftDelete`]; what the store reports.
    pub(crate) async fn get_deleted(&self, name: &ObjectName) -> Result<DeletedObject<K::Record>, Refusal> {
        self.require_soft_delete(DeletedUse::Get)?;
        let view = self.vaults.records().view().await?;
        self.check_unchanged(&view).await?;
        match self.record::<Tombstone>(&view, &self.deleted_key(name)).await? {
            Some(deleted) if deleted.is_visible(self.call.now) => {
                let found = self.version_of(&view, &deleted.head, None).await?;
                Ok(DeletedObject { found, deletion: Some(deleted.as_ref().into()) })
            }
            _ => Err(self.not_deleted(name)),
        }
    }

    /// Brings a deleted object back with all its versions; returns the latest.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], [`Refusal::NotDeleted`], [`Refusal::BeingDeleted`], [`Refusal::BeingRecovered`],
    /// [`Refusal::NoSoftDelete`]; what the store reports.
    pub(crate) async fn recover(&self, name: &ObjectName) -> Result<FoundVersion<K::Record>, Refusal> {
        self.require_soft_delete(DeletedUse::Recover)?;
        let decide = |view: View| async move { self.recovering(&view, name).await };
        self.vaults.write(self.call, &[self.id(name)], decide).await
    }

    async fn recovering(&self, view: &View, name: &ObjectName) -> Result<Write<FoundVersion<K::Record>>, Refusal> {
        let deleted = match self.state(view, name).await? {
            State::Deleted(deleted) => deleted,
            State::Live(..) => return Err(Refusal::NotDeleted { kind: K::KIND, name: name.clone() }),
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
        Ok(Write::new(batch.put(self.head_key(name), encode(&head)?), found))
    }

    /// Deletes a deleted object for good.
    ///
    /// # Errors
    /// [`Refusal::PurgeProtected`], [`Refusal::DeletedNotFound`]; otherwise as [`Objects::recover`].
    pub(crate) async fn purge(&self, name: &ObjectName) -> Result<(), Refusal> {
        self.require_soft_delete(DeletedUse::Purge)?;
        if self.call.vault.purge_protection {
            return Err(Refusal::PurgeProtected);
        }
        let decide = |view: View| async move { self.purging(&view, name).await };
        if !self.vaults.write(self.call, &[self.id(name)], decide).await? {
            self.reclaim(name).await?;
        }
        Ok(())
    }

    /// The answer is whether nothing is left to delete now.
    async fn purging(&self, view: &View, name: &ObjectName) -> Result<Write<bool>, Refusal> {
        let deleted = match self.state(view, name).await? {
            State::Deleted(deleted) => deleted,
            State::Live(..) => return Err(self.not_deleted(name)),
            other => return Err(self.unchangeable(name, &other, Attempt::Purge)),
        };
        let batch = self.deleting_purge_entry(view, &deleted).await?;
        let delay = self.call.vault.deletion_delay;
        let purge_ends = Some(self.call.now.plus_seconds(i64::from(delay)));
        let next = Tombstone { purge_ends, ..deleted.as_ref().clone() };
        if delay == 0 {
            return self.deleting_object(view, batch, &next).await;
        }
        Ok(Write::new(self.putting_tombstone(batch, &next)?, true))
    }

    /// A batch that may delete or replace the tombstone, and deletes the entry that would purge it.
    pub(super) async fn deleting_purge_entry(&self, view: &View, deleted: &Tombstone) -> Result<Batch, Refusal> {
        let name = &deleted.head.name;
        let batch = self.guarded_batch(view, [&self.deleted_key(name), &self.head_key(name)]).await?;
        Ok(batch.delete(deleted.purge_entry(&self.call.vault, K::KIND).key()))
    }

    /// Why an object in this state can be neither recovered nor purged. The recovery of an object that does not exist has
    /// the text of a missing live object (recorded twice for keys; secrets follow them).
    fn unchangeable(&self, name: &ObjectName, state: &State, attempt: Attempt) -> Refusal {
        let kind = K::KIND;
        match state {
            State::Deleting => Refusal::BeingDeleted { kind, name: name.clone(), attempt },
            State::Recovering => Refusal::BeingRecovered { kind, name: name.clone(), attempt },
            State::Free | State::Gone if attempt == Attempt::Recover => self.not_found(name, None),
            State::Free | State::Live(..) | State::Deleted(..) | State::Gone => self.not_deleted(name),
        }
    }

    fn not_deleted(&self, name: &ObjectName) -> Refusal {
        Refusal::DeletedNotFound { kind: K::KIND, name: name.clone() }
    }

    /// Refuses what needs soft delete in a vault without it.
    pub(super) fn require_soft_delete(&self, wanted: DeletedUse) -> Result<(), Refusal> {
        if self.call.vault.soft_delete { Ok(()) } else { Err(Refusal::NoSoftDelete(wanted)) }
    }
}
