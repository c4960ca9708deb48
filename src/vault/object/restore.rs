//! Restoring an object from its dump. One with more versions than a commit may hold is restored in pieces: they are written
//! under a tombstone, so that no version is visible, and the last commit replaces it by the head. After a kill the entry
//! that purges the tombstone has the task delete what was written; another restore of that name deletes it at once.

use super::super::write::Write;
use super::super::{ObjectName, Refusal};
use super::dump::{ObjectDump, VersionDump};
use super::head::State;
use super::kind::ObjectKind;
use super::reclaim::VERSIONS_PER_COMMIT;
use super::{FoundVersion, Head, Objects, Tombstone};
use crate::records::{View, encode};
use crate::store::Batch;

/// Seconds of the vault clock after which a restore that was killed is undone.
const RESTORE_TIMEOUT: i64 = 600;

impl<K: ObjectKind> Objects<'_, K> {
    /// Restores an object as it was dumped, with the same versions and dates, when its name is free; returns the latest
    /// version.
    pub(crate) async fn restore_dump(&self, dump: &ObjectDump<K>) -> Result<FoundVersion<K::Record>, Refusal> {
        self.undo_restore(&dump.name).await?;
        if dump.versions.len() > VERSIONS_PER_COMMIT {
            return self.restore_in_pieces(dump).await;
        }
        let decide = |view: View| async move { self.restoring(&view, dump).await };
        self.vaults.write(self.call, &[self.id(&dump.name)], decide).await
    }

    async fn restoring(&self, view: &View, dump: &ObjectDump<K>) -> Result<Write<FoundVersion<K::Record>>, Refusal> {
        let batch = self.restorable_batch(view, dump).await?;
        let batch = self.putting_versions(batch, &dump.name, dump.versions.iter())?;
        self.putting_head(view, batch, dump).await
    }

    async fn restore_in_pieces(&self, dump: &ObjectDump<K>) -> Result<FoundVersion<K::Record>, Refusal> {
        let ids = &[self.id(&dump.name)];
        let mut versions: Vec<&VersionDump> = dump.versions.iter().collect();
        // Whatever is there of an object, its latest version is.
        versions.sort_by_key(|one| one.version != dump.latest);
        let (first, rest) = versions.split_at(VERSIONS_PER_COMMIT);
        let begin = |view: View| async move { self.beginning_restore(&view, dump, first).await };
        let mut tombstone = self.vaults.write(self.call, ids, begin).await?;
        for piece in rest.chunks(VERSIONS_PER_COMMIT) {
            let current = &tombstone;
            let proceed = |view: View| async move { self.continuing_restore(&view, current, piece).await };
            tombstone = self.vaults.commit(self.call, ids, proceed).await?;
        }
        let current = &tombstone;
        let complete = |view: View| async move { self.completing_restore(&view, current, dump).await };
        self.vaults.commit(self.call, ids, complete).await
    }

    /// Deletes what a restore of this name has written that was not completed.
    async fn undo_restore(&self, name: &ObjectName) -> Result<(), Refusal> {
        let view = self.vaults.records().view().await?;
        if !self.record::<Tombstone>(&view, &self.deleted_key(name)).await?.is_some_and(|found| found.restoring) {
            return Ok(());
        }
        drop(view);
        let decide = |view: View| async move { self.undoing_restore(&view, name).await };
        if !self.vaults.write(self.call, &[self.id(name)], decide).await? {
            self.reclaim(name).await?;
        }
        Ok(())
    }

    /// The answer is whether nothing is left to delete.
    async fn undoing_restore(&self, view: &View, name: &ObjectName) -> Result<Write<bool>, Refusal> {
        match self.record::<Tombstone>(view, &self.deleted_key(name)).await? {
            Some(tombstone) if tombstone.restoring => {
                let batch = self.deleting_purge_entry(view, &tombstone).await?;
                let gone = Tombstone { purge_ends: Some(self.call.now), ..tombstone.as_ref().clone() };
                self.deleting_object(view, batch, &gone).await
            }
            _ => Ok(Write::nothing(true)),
        }
    }

    async fn beginning_restore(
        &self,
        view: &View,
        dump: &ObjectDump<K>,
        first: &[&VersionDump],
    ) -> Result<Write<Tombstone>, Refusal> {
        let batch = self.restorable_batch(view, dump).await?;
        let batch = self.putting_versions(batch, &dump.name, first.iter().copied())?;
        let (now, until) = (self.call.now, self.call.now.plus_seconds(RESTORE_TIMEOUT));
        let tombstone = Tombstone {
            head: Head { versions: first.len(), ..dump.head() },
            deleted: now,
            scheduled_purge: until,
            visible_from: until,
            purge_ends: Some(until),
            restoring: true,
        };
        Ok(Write::new(self.putting_tombstone(batch, &tombstone)?, tombstone))
    }

    async fn continuing_restore(
        &self,
        view: &View,
        current: &Tombstone,
        piece: &[&VersionDump],
    ) -> Result<Write<Tombstone>, Refusal> {
        let batch = self.restoring_batch(view, current).await?;
        let batch = self.putting_versions(batch, &current.head.name, piece.iter().copied())?;
        let head = Head { versions: current.head.versions + piece.len(), ..current.head.clone() };
        let next = Tombstone { head, ..current.clone() };
        Ok(Write::new(self.putting_tombstone(batch, &next)?, next))
    }

    async fn completing_restore(
        &self,
        view: &View,
        current: &Tombstone,
        dump: &ObjectDump<K>,
    ) -> Result<Write<FoundVersion<K::Record>>, Refusal> {
        let batch = self.restoring_batch(view, current).await?;
        let batch = self.layers().deleting(view, batch, &self.deleted_key(&dump.name)).await?;
        self.putting_head(view, batch, dump).await
    }

    /// A batch that commits only while the tombstone of this restore is there: another restore, or the task after the
    /// timeout, may have deleted it. It deletes the tombstone's purge entry.
    async fn restoring_batch(&self, view: &View, current: &Tombstone) -> Result<Batch, Refusal> {
        match self.record::<Tombstone>(view, &self.deleted_key(&current.head.name)).await? {
            Some(found) if *found == *current => self.deleting_purge_entry(view, current).await,
            _ => Err(Refusal::Busy),
        }
    }

    /// A batch that commits only while the name is free.
    async fn restorable_batch(&self, view: &View, dump: &ObjectDump<K>) -> Result<Batch, Refusal> {
        let name = &dump.name;
        match self.state(view, name).await? {
            State::Free => self.guarded_batch(view, [&self.head_key(name), &self.deleted_key(name)]).await,
            State::Live(..) => {
                let (kind, name, version) = (K::KIND, name.clone(), dump.latest.clone());
                Err(Refusal::RestoreConflict { kind, name, version })
            }
            taken => Err(self.name_taken(name, &taken)),
        }
    }

    fn putting_versions<'v>(
        &self,
        mut batch: Batch,
        name: &ObjectName,
        versions: impl Iterator<Item = &'v VersionDump>,
    ) -> Result<Batch, Refusal> {
        for one in versions {
            let material = one.material()?;
            batch = batch.put(self.version_key(name, &one.version), encode(&one.record)?);
            batch = batch.put(self.material_key(name, &one.version), material);
        }
        Ok(batch)
    }

    /// `batch`, putting the head, the policy and the schedule of the dump.
    async fn putting_head(
        &self,
        view: &View,
        batch: Batch,
        dump: &ObjectDump<K>,
    ) -> Result<Write<FoundVersion<K::Record>>, Refusal> {
        let name = &dump.name;
        let mut batch = batch.put(self.head_key(name), encode(&dump.head())?);
        if let Some(policy) = &dump.policy {
            batch = batch.put(self.policy_key(name), encode(policy)?);
        }
        let latest = dump.latest()?;
        let version = (name, &dump.latest, latest.record.as_ref());
        let batch = self.scheduling(view, batch, version, dump.policy.as_ref()).await?;
        Ok(Write::new(batch, latest))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::Timestamp;
    use crate::store::Store;
    use crate::vault::secrets::Secrets;
    use crate::vault::tests::{memory, open, records, secret};
    use crate::vault::{Call, InitialVault, Pool, Sku, VaultName, Vaults};

    /// Versions for three commits.
    const VERSIONS: usize = 2 * VERSIONS_PER_COMMIT + 1;
    const OBJECTS: [&str; 6] = ["object/", "deleted/", "version/", "material/", "due/", "schedule/"];

    /// A vault, as the server calls it at the second `now`.
    async fn vault(store: &Store, soft_delete: bool) -> Vaults {
        let vaults = open(store, &Pool::start(1, 10), 1);
        let initial = InitialVault { soft_delete, ..InitialVault::named(VaultName::local(), Sku::Premium) };
        vaults.apply(initial, Timestamp::from_unix(1)).await.unwrap();
        vaults
    }

    async fn call(vaults: &Vaults, now: i64) -> Call {
        Call::by_server(vaults.find(&VaultName::local()).await.unwrap().unwrap(), Timestamp::from_unix(now))
    }

    fn name() -> ObjectName {
        ObjectName::parse("s").unwrap()
    }

    /// A secret of [`VERSIONS`] versions, and its dump.
    async fn with_secret(vaults: &Vaults, call: &Call) -> Arc<ObjectDump<Secrets>> {
        for _ in 0..VERSIONS {
            vaults.secrets(call).set(&name(), &secret()).await.unwrap();
        }
        let view = vaults.records().view().await.unwrap();
        Arc::new(vaults.secrets(call).dump(&view, &name()).await.unwrap())
    }

    async fn assert_nothing_left(store: &Store) {
        for prefix in OBJECTS {
            assert_eq!(records(store, prefix).await, [], "{prefix}");
        }
    }

    #[tokio::test]
    async fn an_object_of_many_versions_is_deleted_and_restored_in_pieces() {
        for soft_delete in [true, false] {
            let store = memory();
            let vaults = vault(&store, soft_delete).await;
            let call = &call(&vaults, 2).await;
            let (secrets, dump) = (vaults.secrets(call), with_secret(&vaults, call).await);
            secrets.delete(&name()).await.unwrap();
            if soft_delete {
                secrets.purge(&name()).await.unwrap();
            }
            assert_nothing_left(&store).await;
            let restored = secrets.restore_dump(&dump).await.unwrap();
            assert_eq!(restored.version, dump.latest);
            let view = vaults.records().view().await.unwrap();
            let again = secrets.dump(&view, &name()).await.unwrap();
            assert_eq!((again.versions.len(), again.latest == dump.latest), (VERSIONS, true));
            assert_eq!(records(&store, "deleted/").await, []);
            assert!(matches!(secrets.restore_dump(&dump).await, Err(Refusal::RestoreConflict { .. })));
        }
    }

    /// The state after a kill in the middle of a restore.
    async fn begun(vaults: &Vaults, call: &Call) -> Arc<ObjectDump<Secrets>> {
        let dump = with_secret(vaults, call).await;
        vaults.secrets(call).delete(&name()).await.unwrap();
        vaults.secrets(call).purge(&name()).await.unwrap();
        let (objects, some) = (vaults.secrets(call), dump.versions.iter().filter(|one| one.version == dump.latest));
        let first: Vec<_> = some.collect();
        let view = vaults.records().view().await.unwrap();
        let begin = objects.beginning_restore(&view, &dump, &first).await.unwrap();
        vaults.records().commit_pieces(begin.batch).await.unwrap();
        dump
    }

    #[tokio::test]
    async fn a_restore_that_was_killed_is_invisible_and_can_be_repeated() {
        let store = memory();
        let vaults = vault(&store, true).await;
        let call = &call(&vaults, 2).await;
        let dump = begun(&vaults, call).await;
        let secrets = vaults.secrets(call);
        assert!(matches!(secrets.get(&name(), None).await, Err(Refusal::NotFound { .. })));
        assert!(matches!(secrets.get_deleted(&name()).await, Err(Refusal::DeletedNotFound { .. })));
        assert!(matches!(secrets.set(&name(), &secret()).await, Err(Refusal::BeingDeleted { .. })));
        secrets.restore_dump(&dump).await.unwrap();
        let view = vaults.records().view().await.unwrap();
        assert_eq!(secrets.dump(&view, &name()).await.unwrap().versions.len(), VERSIONS);
    }

    #[tokio::test]
    async fn a_restore_that_was_killed_is_undone_when_its_time_is_over() {
        let store = memory();
        let vaults = vault(&store, true).await;
        begun(&vaults, &call(&vaults, 2).await).await;
        let later = &call(&vaults, 2 + RESTORE_TIMEOUT).await;
        let due = vaults.next_due(None).await.unwrap().unwrap();
        vaults.run_due(&due.due.unwrap().unwrap(), &due.key).await.unwrap();
        assert_nothing_left(&store).await;
        vaults.secrets(later).set(&name(), &secret()).await.unwrap();
    }
}
