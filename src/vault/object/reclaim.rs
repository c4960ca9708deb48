//! Deleting all that is left of an object. One with more versions than a commit may hold is deleted in pieces: its tombstone
//! stays until the last one, its time over, so that no version is visible meanwhile. After a kill the entry that purges it
//! has the task delete the rest.

use super::super::store_key::in_layer;
use super::super::write::Write;
use super::super::{ObjectName, Refusal, Version};
use super::kind::ObjectKind;
use super::list::version_in;
use super::{Head, Objects, Tombstone};
use crate::records::{View, encode};
use crate::store::Batch;

/// Versions that one commit deletes or restores. A version is a record and its material, and each of them may take a whiteout
/// besides; a material has up to 25 KiB.
pub(super) const VERSIONS_PER_COMMIT: usize = 25;

impl<K: ObjectKind> Objects<'_, K> {
    /// Deletes what is left of an object whose time is over at the moment of this call; returns whether anything was.
    pub(crate) async fn reclaim(&self, name: &ObjectName) -> Result<bool, Refusal> {
        let mut reclaimed = false;
        loop {
            let decide = |view: View| async move { self.reclaiming(&view, name).await };
            match self.vaults.commit(self.call, &[self.id(name)], decide).await? {
                None => return Ok(reclaimed),
                Some(true) => return Ok(true),
                Some(false) => reclaimed = true,
            }
        }
    }

    /// The answer is none when there is nothing to delete, else whether this deletes all.
    async fn reclaiming(&self, view: &View, name: &ObjectName) -> Result<Write<Option<bool>>, Refusal> {
        match self.record::<Tombstone>(view, &self.deleted_key(name)).await? {
            Some(deleted) if deleted.purged_at() <= self.call.now => {
                let batch = self.deleting_purge_entry(view, &deleted).await?;
                let Write { batch, events, answer } = self.deleting_object(view, batch, &deleted).await?;
                Ok(Write { batch, events, answer: Some(answer) })
            }
            _ => Ok(Write::nothing(None)),
        }
    }

    /// `batch`, deleting the tombstone, every version, the schedule and the policy; or, when those are more than one commit
    /// holds, some of the versions, and keeping `tombstone`. The answer is whether it deletes all.
    pub(super) async fn deleting_object(
        &self,
        view: &View,
        batch: Batch,
        tombstone: &Tombstone,
    ) -> Result<Write<bool>, Refusal> {
        let head = &tombstone.head;
        let versions = self.layers().keys(view, &self.versions_of(&head.name), None, VERSIONS_PER_COMMIT + 1).await?;
        if versions.len() <= VERSIONS_PER_COMMIT {
            let batch = self.layers().deleting(view, batch, &self.deleted_key(&head.name)).await?;
            return Ok(Write::new(self.deleting_versions(view, head, batch).await?, true));
        }
        let versions = versions.iter().filter_map(|(key, _)| version_in(key));
        let some: Vec<Version> = versions.filter(|id| *id != head.latest).take(VERSIONS_PER_COMMIT).collect();
        let mut batch = batch;
        for version in &some {
            for key in [self.version_key(&head.name, version), self.material_key(&head.name, version)] {
                batch = self.layers().deleting(view, batch, &key).await?;
            }
        }
        let head = Head { versions: head.versions.saturating_sub(some.len()), ..head.clone() };
        let rest = Tombstone { head, ..tombstone.clone() };
        Ok(Write::new(self.putting_tombstone(batch, &rest)?, false))
    }

    /// `batch`, putting the tombstone and the entry that purges it.
    pub(super) fn putting_tombstone(&self, mut batch: Batch, tombstone: &Tombstone) -> Result<Batch, Refusal> {
        let due = tombstone.purge_entry(&self.call.vault, K::KIND);
        // It may be due at the very moment that it was due before.
        batch.delete.retain(|key| *key != due.key());
        let batch = batch.put(self.deleted_key(&tombstone.head.name), encode(tombstone)?);
        Ok(batch.put(due.key(), encode(&due)?))
    }

    /// `batch`, deleting every version too, the schedule and the policy.
    async fn deleting_versions(&self, view: &View, head: &Head, mut batch: Batch) -> Result<Batch, Refusal> {
        for prefix in [self.versions_of(&head.name), self.materials_of(&head.name)] {
            for (key, _) in self.layers().keys(view, &prefix, None, usize::MAX).await? {
                batch = self.layers().deleting(view, batch, &in_layer(&key, self.layers().own())).await?;
            }
        }
        self.deleting_schedule(view, batch, &head.name).await
    }
}
