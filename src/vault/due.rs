//! The index of what falls due, ordered by time, written in the same commit as what it follows from. So a restart
//! forgets nothing; and an action deletes its entry in its own commit, so it happens once.
//!
//! An entry names the layer that it was written into. Where copies share that layer, it is due in each vault that reads
//! it.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::store_key::{StoreKey, Table};
use super::{Call, Guarded, Kind, ObjectId, Refusal, Vault, VaultName, Vaults};
use crate::clock::Timestamp;
use crate::records::{Change, View};
use crate::store::{Batch, EntryKey};

/// How often an action is tried because its vault was changed meanwhile.
const ATTEMPTS: usize = 16;

/// An entry of the index: one action that falls due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DueEntry {
    /// When, on the vault clock.
    pub at: Timestamp,
    /// The vault that it was written in; it may be due in copies of it too.
    vault: VaultName,
    /// Of an object: the layer that it was written into, which is the vault's own id until it is copied. Of a vault: its id.
    layer: Uuid,
    subject: DueSubject,
}

/// What is due for an object, or for a vault itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum DueSubject {
    Object(ObjectId, DueAction),
    Vault(VaultAction),
}

/// What is to be done with a vault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum VaultAction {
    /// Delete the vault for good, with its content.
    Purge,
}

/// The first entry of the index, as it was read.
#[derive(Debug)]
pub(crate) struct NextDue {
    /// Its store key.
    pub key: EntryKey,
    /// The entry; none when it was deleted meanwhile.
    pub due: Result<Option<DueEntry>, Refusal>,
}

/// What is to be done with an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum DueAction {
    /// Announce that the latest version has expired.
    Expired,
    /// Announce that the latest version is about to expire.
    NearExpiry,
    /// Purge the deleted object.
    Purge,
    /// Add the next version, when the object's policy has it.
    Renew,
}

/// What is due for an object in each vault that reads it, and when.
type DueInVault<'a> = (&'a ObjectId, DueAction, Timestamp);

impl DueAction {
    /// The name in the entry's key. What falls due at one moment runs in the order of these names, so that the end of a
    /// version is announced before the next one replaces it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NearExpiry => "near-expiry",
            Self::Purge => "purge",
            Self::Renew => "renew",
        }
    }
}

impl DueEntry {
    /// An action on an object in the layer that `vault` writes into.
    pub(super) fn new(vault: &Vault, object: ObjectId, action: DueAction, at: Timestamp) -> Self {
        let subject = DueSubject::Object(object, action);
        Self { at, vault: vault.name.clone(), layer: vault.layer(), subject }
    }

    /// The entry's store key. A moment before 1970 is due at once whatever its number.
    pub(super) fn key(&self) -> EntryKey {
        let (at, layer) = (u64::try_from(self.at.unix()).unwrap_or(0), self.layer);
        let (object, action) = match &self.subject {
            DueSubject::Object(object, action) => (Some((object.kind, object.name.as_str())), action.name()),
            DueSubject::Vault(VaultAction::Purge) => (None, "purge"),
        };
        StoreKey::Due { at, layer, object, action }.to_key()
    }

    fn affects(&self, vault: &Vault) -> bool {
        vault.id == self.layer || vault.layer() == self.layer || vault.below.contains(&self.layer)
    }
}

impl Vaults {
    /// What falls due first, or first behind `after`, if anything does.
    ///
    /// # Errors
    /// What the store reports.
    pub(crate) async fn next_due(&self, after: Option<&EntryKey>) -> Result<Option<NextDue>, Refusal> {
        let view = self.records().view().await?;
        let Some((key, _)) = view.keys(&Table::Due.prefix(), after, 1).await?.pop() else { return Ok(None) };
        let due = self.records().get::<DueEntry>(&view, &key).await.map_err(Refusal::from);
        Ok(Some(NextDue { due: due.map(|due| due.as_deref().cloned()), key }))
    }

    /// Runs what is due, in every vault that it affects; returns in how many there was still something to do. What was
    /// due in a vault that is deleted is dropped.
    ///
    /// # Errors
    /// What the store reports; the entry stays then, where the action was not run yet.
    pub(crate) async fn run_due(&self, due: &DueEntry, key: &EntryKey) -> Result<usize, Refusal> {
        let ran = match &due.subject {
            DueSubject::Object(object, action) => self.run_in_all(due, object, *action).await?,
            DueSubject::Vault(VaultAction::Purge) => usize::from(self.purge_vault(&due.vault, due.layer).await?),
        };
        self.delete_entry(key).await?;
        Ok(ran)
    }

    async fn run_in_all(&self, due: &DueEntry, object: &ObjectId, action: DueAction) -> Result<usize, Refusal> {
        let (mut ran, mut seen) = (0, HashSet::new());
        loop {
            let mut vaults = self.affected_vaults(due).await?;
            vaults.retain(|vault| seen.insert(vault.id));
            if vaults.is_empty() {
                return Ok(ran);
            }
            for vault in vaults {
                ran += usize::from(self.run_with_retries((object, action, due.at), &vault).await?);
            }
        }
    }

    /// The vaults that read the entry's layer: one at the most, where it is not shared.
    async fn affected_vaults(&self, due: &DueEntry) -> Result<Vec<Arc<Vault>>, Refusal> {
        let view = self.records().view().await?;
        let is_shared = view.revision_of(&StoreKey::FrozenLayer(due.layer).to_key()).await?.is_some();
        let mut vaults: Vec<Arc<Vault>> = if is_shared {
            self.records().scan(&view, &Table::Vault.prefix(), None, usize::MAX).await?
        } else {
            self.records().get(&view, &StoreKey::of_vault(&due.vault)).await?.into_iter().collect()
        };
        vaults.retain(|vault| due.affects(vault));
        Ok(vaults)
    }

    /// Tries again when the vault is changed or copied at the same moment.
    async fn run_with_retries(&self, due: DueInVault<'_>, vault: &Vault) -> Result<bool, Refusal> {
        for _ in 0..ATTEMPTS {
            match self.find(&vault.name).await? {
                Some(current) if current.id == vault.id => match self.run_in_vault(due, current).await {
                    Err(Refusal::Busy) => {}
                    ran => return ran,
                },
                _ => return Ok(false),
            }
        }
        Err(Refusal::Busy)
    }

    async fn run_in_vault(&self, due: DueInVault<'_>, vault: Guarded<Vault>) -> Result<bool, Refusal> {
        let (object, action, at) = due;
        let call = &Call::by_server(vault, at);
        match object.kind {
            Kind::Key => self.keys(call).run_action(&object.name, action, at).await,
            Kind::Secret => self.secrets(call).run_action(&object.name, action, at).await,
        }
    }

    /// Runs what is overdue for an object at the moment of `call`.
    pub(super) async fn run_overdue(&self, call: &Call, object: &ObjectId) -> Result<(), Refusal> {
        match object.kind {
            Kind::Key => self.keys(call).run_overdue(&object.name).await,
            Kind::Secret => self.secrets(call).run_overdue(&object.name).await,
        }
    }

    /// Deletes the entry if it is still there: an action with nothing to do must not be due for ever.
    async fn delete_entry(&self, key: &EntryKey) -> Result<(), Refusal> {
        self.records()
            .update(|view: View| async move {
                let revision = view.revision_of(key).await?;
                let batch = revision.map(|revision| Batch::default().expect(key.clone(), revision).delete(key.clone()));
                Ok::<_, Refusal>(Change { batch: batch.unwrap_or_default(), answer: () })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{memory, open, records};
    use super::super::{InitialVault, Pool, Sku};
    use super::*;
    use crate::records::encode;

    #[tokio::test]
    async fn a_vault_is_purged_when_it_is_due_and_another_of_its_name_is_not() {
        let (store, pool, at) = (memory(), Pool::start(1, 10), Timestamp::from_unix(1));
        let (vaults, name) = (open(&store, &pool, 1), VaultName::local());
        vaults.apply(InitialVault::named(name.clone(), Sku::Premium), at).await.unwrap();
        let vault = vaults.find(&name).await.unwrap().unwrap();
        for (layer, ran) in [(Uuid::nil(), 0), (vault.id, 1)] {
            let due = DueEntry { at, vault: name.clone(), layer, subject: DueSubject::Vault(VaultAction::Purge) };
            store.commit(Batch::default().put(due.key(), encode(&due).unwrap())).await.unwrap();
            let NextDue { key, due: read } = vaults.next_due(None).await.unwrap().unwrap();
            assert_eq!(read.unwrap().as_ref(), Some(&due));
            assert_eq!(vaults.run_due(&due, &key).await.unwrap(), ran);
            assert_eq!(vaults.find(&name).await.unwrap().is_none(), ran == 1);
        }
        vaults.sweep().await.unwrap();
        assert_eq!(records(&store, "").await, []);
    }
}
