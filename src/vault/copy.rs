//! Copies of vaults, copy-on-write: the source's layer is frozen and shared, and source and copy each write into a new
//! layer above it. So a copy costs the same whatever the source holds; no object is read for it, and nothing is
//! scheduled.

use std::sync::Arc;

use uuid::Uuid;

use super::due::DueEntry;
use super::layers::{self, Layers};
use super::object::{Schedule, Tombstone};
use super::store_key::{StoreKey, Table, in_layer};
use super::{Applied, Call, InitialSecret, InitialVault, Refusal, Vault, VaultName, Vaults};
use crate::clock::Timestamp;
use crate::records::{Change, View, encode};
use crate::store::{Batch, EntryKey, PIECE_OPERATIONS};

/// The most frozen layers below a vault. Before a copy that would need one more, they are flattened into one, so that
/// reading never becomes slower than this.
const MAX_LAYERS: usize = 4;

impl Vaults {
    /// Creates the vault that `wanted` describes with the content of `source` at this moment: its objects with the same
    /// versions and dates, the deleted ones too. Of the objects that `wanted` lists besides, keys are created where their names
    /// are free, and secrets get the values listed, as a new version where the source has another. When a secret is refused,
    /// there is no copy.
    ///
    /// # Errors
    /// [`Refusal::VaultTaken`]; [`Refusal::NoSuchVault`]; [`Refusal::AliasTaken`]; what making keys and secrets refuses;
    /// what the store reports.
    pub(crate) async fn copy_vault(
        &self,
        source: &Vault,
        mut wanted: InitialVault,
        now: Timestamp,
    ) -> Result<(Arc<Vault>, Applied), Refusal> {
        let (copy, layer) = (&wanted.vault(layers::new_id(), now), layers::new_id());
        self.flatten_when_deep(&source.name).await?;
        self.records().update(|view: View| async move { self.copying(&view, source, copy, layer).await }).await?;
        let (name, secrets) = (wanted.name.clone(), std::mem::take(&mut wanted.secrets));
        let applied = self.apply(wanted, now).await?;
        let vault = self.find(&name).await?.ok_or(Refusal::Busy)?;
        let copy = vault.record.clone();
        if let Err(refusal) = self.set_values(&Call::by_server(vault, now), &secrets).await {
            self.delete_vault(&name).await?;
            return Err(refusal);
        }
        Ok((copy, applied))
    }

    /// Gives each secret the value listed, unless it has that already.
    async fn set_values(&self, call: &Call, wanted: &[InitialSecret]) -> Result<(), Refusal> {
        let secrets = self.secrets(call);
        for InitialSecret { name, new } in wanted {
            match secrets.get_value(name, None).await {
                Ok((_, value)) if value == new.value => {}
                Ok(_) | Err(Refusal::NotFound { .. } | Refusal::Disabled { .. }) => {
                    secrets.set(name, new).await?;
                }
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    async fn copying(&self, view: &View, seen: &Vault, copy: &Vault, layer: Uuid) -> Result<Change<()>, Refusal> {
        let (from, to) = (StoreKey::of_vault(&seen.name), StoreKey::of_vault(&copy.name));
        if view.revision_of(&to).await?.is_some() {
            return Err(Refusal::VaultTaken { name: copy.name.clone() });
        }
        self.refuse_orphaned_layers(view).await?;
        let source = self.records().entry::<Vault>(view, &from).await?.filter(|(vault, _)| vault.id == seen.id);
        let Some((source, revision)) = source else {
            return Err(Refusal::NoSuchVault { name: seen.name.clone() });
        };
        let mut batch = Batch::default().expect(from.clone(), revision).expect(to.clone(), 0);
        let mut below = source.below.clone();
        if is_written_to(view, &source).await? {
            if below.len() >= MAX_LAYERS {
                return Err(Refusal::Busy);
            }
            below.insert(0, source.layer());
            let above = Vault { upper: Some(layer), below: below.clone(), ..source.as_ref().clone() };
            batch = batch
                .put(from, encode(&above)?)
                .put(StoreKey::FrozenLayer(source.layer()).to_key(), encode(&source.layer())?);
        }
        let copy = Vault { below, ..copy.clone() };
        let batch = self.with_aliases(view, &copy, &[], batch.put(to, encode(&copy)?)).await?;
        Ok(Change { batch, answer: () })
    }

    /// Flattens the frozen layers of a vault when there may be no more of them and the next copy needs one.
    async fn flatten_when_deep(&self, name: &VaultName) -> Result<(), Refusal> {
        let deep = async || Ok::<_, Refusal>(self.find(name).await?.filter(|vault| vault.below.len() >= MAX_LAYERS));
        if deep().await?.is_none() {
            return Ok(());
        }
        let lock = self.lock(Table::FrozenLayer.prefix()).await;
        // Another call may have flattened them meanwhile.
        let Some(vault) = deep().await? else { return Ok(()) };
        let view = self.records().view().await?;
        let Some(frozen) = Layers::frozen(&vault) else { return Ok(()) };
        if !is_written_to(&view, &vault).await? {
            return Ok(());
        }
        drop(view);
        self.flatten(&vault, frozen).await?;
        drop(lock);
        self.sweep().await.map(drop)
    }

    /// Copies what is visible through the `frozen` layers of `vault` into a new one, and replaces them by it. No vault reads
    /// it before; one that stays unfinished is swept.
    async fn flatten(&self, vault: &Vault, frozen: Layers<'_>) -> Result<(), Refusal> {
        let into = layers::new_id();
        let flattened = &Vault { upper: Some(into), ..vault.clone() };
        let begin = |_: View| async move {
            let batch = Batch::default()
                .put(StoreKey::FrozenLayer(into).to_key(), encode(&into)?)
                .put(StoreKey::UnsweptLayers.to_key(), vec![]);
            Ok::<_, Refusal>(Change { batch, answer: () })
        };
        self.records().update(begin).await?;
        for table in Table::of_objects() {
            let prefix = &table.prefix_in(frozen.own());
            let mut after: Option<EntryKey> = None;
            loop {
                let behind = after.as_ref();
                let piece = |view: View| async move { self.flattening(&view, frozen, prefix, behind, flattened).await };
                after = self.records().update(piece).await?;
                if after.is_none() {
                    break;
                }
            }
        }
        self.records().update(|view: View| async move { self.replacing_layers(&view, vault, into).await }).await
    }

    async fn replacing_layers(&self, view: &View, seen: &Vault, into: Uuid) -> Result<Change<()>, Refusal> {
        let key = StoreKey::of_vault(&seen.name);
        let there = self.records().entry::<Vault>(view, &key).await?;
        let (vault, revision) = there.filter(|(vault, _)| vault.below == seen.below).ok_or(Refusal::Busy)?;
        let next = Vault { below: vec![into], ..vault.as_ref().clone() };
        let batch = layer_guard(view, into).await?.expect(key.clone(), revision);
        Ok(Change { batch: batch.put(key, encode(&next)?).put(StoreKey::UnsweptLayers.to_key(), vec![]), answer: () })
    }

    /// Copies a batch of the records below `prefix`, behind `after`, into the layer that `flattened` writes into, with their
    /// entries of what falls due; returns where the next batch begins.
    async fn flattening(
        &self,
        view: &View,
        frozen: Layers<'_>,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        flattened: &Vault,
    ) -> Result<Change<Option<EntryKey>>, Refusal> {
        let found = frozen.keys(view, prefix, after, PIECE_OPERATIONS).await?;
        let mut batch = layer_guard(view, flattened.layer()).await?;
        let (mut last, mut has_more) = (None, found.len() == PIECE_OPERATIONS);
        for (key, _) in &found {
            let record = self.flattened_record(view, key, flattened).await?;
            if !batch.has_room_for(&record) {
                has_more = true;
                break;
            }
            (batch, last) = (batch.and(record), Some(key));
        }
        let next = last.filter(|_| has_more).map(|key| in_layer(key, frozen.own()));
        Ok(Change { batch, answer: next })
    }

    /// The record at `key`, put into the layer that `flattened` writes into, with what falls due because of it.
    async fn flattened_record(&self, view: &View, key: &EntryKey, flattened: &Vault) -> Result<Batch, Refusal> {
        let entry = view.get(key).await?.ok_or(Refusal::Busy)?;
        let mut batch = Batch::default().put(in_layer(key, flattened.layer()), entry.value);
        for due in self.due_of(view, key, flattened).await? {
            batch = batch.put(due.key(), encode(&due)?);
        }
        Ok(batch)
    }

    /// What falls due because of the record at `key`, in the layer that `flattened` writes into.
    async fn due_of(&self, view: &View, key: &EntryKey, flattened: &Vault) -> Result<Vec<DueEntry>, Refusal> {
        let text = key.to_string();
        let Some(StoreKey::Object(object)) = StoreKey::parse(&text) else { return Ok(vec![]) };
        match object.table {
            Table::Schedule => {
                let schedule = self.records().get::<Schedule>(view, key).await?;
                Ok(schedule.iter().flat_map(|schedule| schedule.due_entries(flattened)).collect())
            }
            Table::Deleted => {
                let deleted = self.records().get::<Tombstone>(view, key).await?;
                Ok(deleted.iter().map(|deleted| deleted.purge_entry(flattened, object.kind)).collect())
            }
            _ => Ok(vec![]),
        }
    }
}

/// Whether the vault's own layer has any records.
async fn is_written_to(view: &View, vault: &Vault) -> Result<bool, Refusal> {
    for table in Table::of_layers() {
        if !view.keys(&table.prefix_in(vault.layer()), None, 1).await?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An empty batch that commits only while `layer` exists: a sweep or a reset may come between.
async fn layer_guard(view: &View, layer: Uuid) -> Result<Batch, Refusal> {
    let key = StoreKey::FrozenLayer(layer).to_key();
    let revision = view.revision_of(&key).await?.ok_or(Refusal::Busy)?;
    Ok(Batch::default().expect(key, revision))
}
