//! Garbage collection, in batches: the content of deleted vaults, frozen layers that no vault reads, and replaced
//! generations. A record of the table `sweep` says what is left to do, so that a restart continues it.

use std::collections::HashSet;

use uuid::Uuid;

use super::store_key::{StoreKey, Table};
use super::{Refusal, Vault, Vaults};
use crate::records::{Change, View, encode};
use crate::store::{Batch, EntryKey, PIECE_OPERATIONS};

/// Frozen layers that one commit retires, with two changes each.
const LAYERS_PER_BATCH: usize = 50;

/// Vaults that are read at a time.
const VAULTS_PER_SCAN: usize = 100;

impl Vaults {
    /// Deletes the records that nothing refers to; returns how many that were.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn sweep(&self) -> Result<usize, Refusal> {
        let mut swept = self.records().sweep().await?;
        self.retire_layers().await?;
        loop {
            let view = self.records().view().await?;
            let Some(id) = self.records().scan::<Uuid>(&view, &Table::Sweep.prefix(), None, 1).await?.first().cloned()
            else {
                return Ok(swept);
            };
            drop(view);
            swept += self.sweep_layer(*id).await?;
        }
    }

    /// Schedules the sweep of the frozen layers that no vault reads. None of them can come into use again: a copy shares
    /// only layers that its source reads.
    async fn retire_layers(&self) -> Result<(), Refusal> {
        let view = self.records().view().await?;
        if view.revision_of(&StoreKey::UnsweptLayers.to_key()).await?.is_none() {
            return Ok(());
        }
        drop(view);
        // No vault reads a layer yet that is being flattened.
        let _lock = self.lock(Table::FrozenLayer.prefix()).await;
        while self.records().update(|view: View| async move { self.retiring(&view).await }).await? {}
        Ok(())
    }

    /// Retires some layers; returns whether there are more.
    async fn retiring(&self, view: &View) -> Result<Change<bool>, Refusal> {
        let marker = StoreKey::UnsweptLayers.to_key();
        let Some(revision) = view.revision_of(&marker).await? else {
            return Ok(Change { batch: Batch::default(), answer: false });
        };
        let unused = self.unused(view).await?;
        let mut batch = Batch::default().expect(marker.clone(), revision);
        for layer in unused.iter().take(LAYERS_PER_BATCH) {
            batch = batch
                .delete(StoreKey::FrozenLayer(*layer).to_key())
                .put(StoreKey::Sweep(*layer).to_key(), encode(layer)?);
        }
        let has_more = unused.len() > LAYERS_PER_BATCH;
        let batch = if has_more { batch } else { batch.delete(marker) };
        Ok(Change { batch, answer: has_more })
    }

    /// The frozen layers that no vault reads. Where many vaults share a few, the first vaults decide.
    async fn unused(&self, view: &View) -> Result<HashSet<Uuid>, Refusal> {
        let all = self.records().scan::<Uuid>(view, &Table::FrozenLayer.prefix(), None, usize::MAX).await?;
        let (mut unused, mut after): (HashSet<Uuid>, Option<EntryKey>) =
            (all.iter().map(|layer| **layer).collect(), None);
        while !unused.is_empty() {
            let vaults =
                self.records().scan::<Vault>(view, &Table::Vault.prefix(), after.as_ref(), VAULTS_PER_SCAN).await?;
            let Some(last) = vaults.last() else { break };
            after = Some(StoreKey::of_vault(&last.name));
            for layer in vaults.iter().flat_map(|vault| &vault.below) {
                unused.remove(layer);
            }
        }
        Ok(unused)
    }

    async fn sweep_layer(&self, id: Uuid) -> Result<usize, Refusal> {
        let mut swept = 0;
        loop {
            let taken = self.records().update(|view: View| async move { sweeping(&view, id).await }).await?;
            swept += taken;
            if taken == 0 {
                return Ok(swept);
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Deletes a batch of the layer's records, and at the end the record of the sweep. Without that record it deletes nothing:
/// a snapshot from before may have replaced everything meanwhile, in which a vault has this layer.
async fn sweeping(view: &View, id: Uuid) -> Result<Change<usize>, Refusal> {
    let Some(revision) = view.revision_of(&StoreKey::Sweep(id).to_key()).await? else {
        return Ok(Change { batch: Batch::default(), answer: 0 });
    };
    let due = Batch::default().expect(StoreKey::Sweep(id).to_key(), revision);
    for table in Table::of_layers() {
        let found = view.keys(&table.prefix_in(id), None, PIECE_OPERATIONS).await?;
        if !found.is_empty() {
            let delete: Vec<EntryKey> = found.into_iter().map(|(key, _)| key).collect();
            let answer = delete.len();
            return Ok(Change { batch: Batch { delete, ..due }, answer });
        }
    }
    Ok(Change { batch: due.delete(StoreKey::Sweep(id).to_key()), answer: 0 })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{memory, open, secret};
    use super::super::{Call, InitialVault, ObjectName, Pool, Sku, VaultName};
    use crate::clock::Timestamp;

    #[tokio::test]
    async fn a_sweep_that_began_before_a_snapshot_was_loaded_takes_nothing_of_it() {
        let (store, pool) = (memory(), Pool::start(1, 10));
        let (vaults, name, now) = (open(&store, &pool, 1), VaultName::local(), Timestamp::from_unix(1));
        vaults.apply(InitialVault::named(name.clone(), Sku::Premium), now).await.unwrap();
        let call = Call::by_server(vaults.find(&name).await.unwrap().unwrap(), now);
        let object = ObjectName::parse("kept").unwrap();
        vaults.secrets(&call).set(&object, &secret()).await.unwrap();
        // A load replaces the generation that was being swept by one with the vault and no record of a sweep.
        assert_eq!(vaults.sweep_layer(call.vault.layer()).await.unwrap(), 0);
        assert!(vaults.secrets(&call).get_value(&object, None).await.is_ok());
    }
}
