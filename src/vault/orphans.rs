//! Orphaned layers: objects whose vault's record is missing. No vault is created then: under the same name it would seem
//! empty, and writes into it could not be distinguished from what is restored later.

use std::collections::HashSet;
use std::sync::atomic::Ordering;

use uuid::Uuid;

use super::store_key::{StoreKey, Table, behind_all_below};
use super::{Refusal, Vault, VaultName, Vaults};
use crate::records::View;

impl Vaults {
    /// Refuses when there are objects that belong to no vault and are not being swept. Checked before the first vault is
    /// created, by a seek for each layer and table; not again once none was found: a running server loses no record.
    ///
    /// # Errors
    /// [`Refusal::OrphanedLayer`]; what the store reports.
    pub(super) async fn refuse_orphaned_layers(&self, view: &View) -> Result<(), Refusal> {
        if self.inner.no_orphans_found.load(Ordering::Relaxed) {
            return Ok(());
        }
        let known = self.known_layers(view).await?;
        for table in Table::of_layers() {
            if let Some(record) = first_unknown(view, table, &known).await? {
                return Err(Refusal::OrphanedLayer { record });
            }
        }
        if let Some(record) = self.alias_of_nothing(view).await? {
            return Err(Refusal::OrphanedLayer { record });
        }
        self.inner.no_orphans_found.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// A host name that points to a missing vault. The deletion of a vault deletes its host names.
    async fn alias_of_nothing(&self, view: &View) -> Result<Option<String>, Refusal> {
        for (key, _) in view.keys(&StoreKey::Alias("").to_key(), None, usize::MAX).await? {
            let name = self.records().get::<VaultName>(view, &key).await?;
            let Some(name) = name else { continue };
            if view.revision_of(&StoreKey::of_vault(&name)).await?.is_none() {
                return Ok(Some(key.to_string()));
            }
        }
        Ok(None)
    }

    /// The layers of vaults, and those that are being swept.
    async fn known_layers(&self, view: &View) -> Result<HashSet<Uuid>, Refusal> {
        let vaults = self.records().scan::<Vault>(view, &Table::Vault.prefix(), None, usize::MAX).await?;
        let stood_on = vaults.iter().flat_map(|vault| vault.below.iter().copied().chain([vault.layer()]));
        let mut known: HashSet<Uuid> = stood_on.collect();
        let swept = self.records().scan::<Uuid>(view, &Table::Sweep.prefix(), None, usize::MAX).await?;
        known.extend(swept.iter().map(|layer| **layer));
        if view.revision_of(&StoreKey::UnsweptLayers.to_key()).await?.is_some() {
            let frozen = self.records().scan::<Uuid>(view, &Table::FrozenLayer.prefix(), None, usize::MAX).await?;
            known.extend(frozen.iter().map(|layer| **layer));
        }
        Ok(known)
    }
}

/// The first record in `table` of a layer that is not `known`.
async fn first_unknown(view: &View, table: Table, known: &HashSet<Uuid>) -> Result<Option<String>, Refusal> {
    let mut after = None;
    while let Some((key, _)) = view.keys(&table.prefix(), after.as_ref(), 1).await?.pop() {
        let text = key.to_string();
        match StoreKey::parse(&text).and_then(|key| key.layer()).filter(|layer| known.contains(layer)) {
            Some(layer) => after = Some(behind_all_below(&table.prefix_in(layer))),
            None => return Ok(Some(text)),
        }
    }
    Ok(None)
}
