//! What falls due, when: an ordered index in the store, written in the same commit as what it is about. So a restart
//! forgets nothing, and whoever takes an entry away has done the thing, once.
//!
//! An entry names the layer that it was written into. Where copies share that layer, the thing is due in each vault
//! that sees it.

use std::collections::HashSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::event::{Event, EventSubject, Occurrence};
use super::keys::KeyRecord;
use super::object::{Objects, Versioned};
use super::secrets::SecretRecord;
use super::{Call, Kind, ObjectName, Refusal, Vault, VaultName, Vaults, settings, sweep};
use crate::clock::Timestamp;
use crate::records::{Change, View};
use crate::store::{Batch, Key};

/// How often a thing is tried because its vault was changed meanwhile.
const ATTEMPTS: usize = 16;

/// One thing that falls due.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Due {
    /// When, on the vault clock.
    pub at: Timestamp,
    /// The vault that it was written in; copies of it may be affected_vaults too.
    vault: VaultName,
    /// The layer that it was written into: the vault's own id, until it is copied.
    #[serde(rename = "vault_id")]
    layer: Uuid,
    kind: Kind,
    name: ObjectName,
    what: DueAction,
}

/// An entry of the index.
#[derive(Debug)]
pub struct DueEntry {
    /// Where it lies.
    pub key: Key,
    /// What it says; nothing when somebody has just taken it away.
    pub due: Result<Option<Due>, Refusal>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum DueAction {
    /// It is told that the latest version has expired.
    Expired,
    /// It is told that the latest version is about to expire.
    NearExpiry,
    /// The deleted object goes.
    Purge,
    /// The key gets another version, when its policy has it.
    Rotate,
}

impl DueAction {
    /// The last part of an entry's key: what falls due at one moment is done in this order, so that it is told of a
    /// version's end before the next one takes its key.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NearExpiry => "near-expiry",
            Self::Purge => "purge",
            Self::Rotate => "rotate",
        }
    }
}

impl Due {
    /// What is to be done with an object in the layer that `vault` writes into.
    pub(super) fn new(vault: &Vault, kind: Kind, name: &ObjectName, what: DueAction, at: Timestamp) -> Self {
        Self { at, vault: vault.name.clone(), layer: vault.layer(), kind, name: name.clone(), what }
    }

    /// The end of a deleted object's retention.
    pub(super) fn purge(vault: &Vault, kind: Kind, name: &ObjectName, at: Timestamp) -> Self {
        Self::new(vault, kind, name, DueAction::Purge, at)
    }

    /// Ordered by time. A moment before 1970 is due at once whatever its number.
    pub(super) fn key(&self) -> Key {
        let (at, collection, word) = (self.at.unix().max(0), self.kind.collection(), self.what.word());
        Key::from(format!("due/{at:020}/{}/{collection}/{}/{word}", self.layer.simple(), self.name.upper()))
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
    pub async fn next_due(&self, after: Option<&Key>) -> Result<Option<DueEntry>, Refusal> {
        let view = self.records().view().await?;
        let Some((key, _)) = view.keys(&Key::from("due/"), after, 1).await?.pop() else { return Ok(None) };
        let due = self.records().get::<Due>(&view, &key).await.map_err(Refusal::from);
        Ok(Some(DueEntry { due: due.map(|due| due.as_deref().cloned()), key }))
    }

    /// Does what is due, in every vault that it affects; answers in how many there was still something to do. What was
    /// due in a vault that is gone is forgotten.
    ///
    /// # Errors
    /// What the store reports; the thing stays due then, where it was not done yet.
    pub async fn run_due(&self, due: &Due, key: &Key) -> Result<usize, Refusal> {
        let (mut done, mut seen) = (0, HashSet::new());
        loop {
            let mut vaults = self.affected_vaults(due).await?;
            vaults.retain(|vault| seen.insert(vault.id));
            if vaults.is_empty() {
                self.delete_entry(key).await?;
                return Ok(done);
            }
            for vault in vaults {
                done += usize::from(self.run_with_retries(due, &vault).await?);
            }
        }
    }

    /// The vaults that stand on the layer; where nobody shares it, there can be one alone.
    async fn affected_vaults(&self, due: &Due) -> Result<Vec<Arc<Vault>>, Refusal> {
        let view = self.records().view().await?;
        let shared = view.revision_of(&sweep::frozen(due.layer)).await?.is_some();
        let mut vaults: Vec<Arc<Vault>> = if shared {
            self.records().scan(&view, &settings::prefix(), None, usize::MAX).await?
        } else {
            self.records().get(&view, &settings::key_of(&due.vault)).await?.into_iter().collect()
        };
        vaults.retain(|vault| due.affects(vault));
        Ok(vaults)
    }

    /// A vault that is changed or copied at the same moment is asked for again.
    async fn run_with_retries(&self, due: &Due, vault: &Vault) -> Result<bool, Refusal> {
        for _ in 0..ATTEMPTS {
            match self.find(&vault.name).await? {
                Some(there) if there.id == vault.id => match self.run_in_vault(due, there).await {
                    Err(Refusal::Busy) => {}
                    done => return done,
                },
                _ => return Ok(false),
            }
        }
        Err(Refusal::Busy)
    }

    pub(super) async fn run_in_vault(&self, due: &Due, vault: Arc<Vault>) -> Result<bool, Refusal> {
        let call = Call::by_server(vault, due.at);
        let objects = Objects { vaults: self, call: &call, kind: due.kind };
        match (due.what, due.kind) {
            (DueAction::Rotate, _) => self.rotate_when_due(&call, &due.name, due.at).await,
            (DueAction::Purge, _) => {
                let _lock = self.lock_name(&objects.head_key(&due.name)).await;
                objects.reclaim(&due.name).await
            }
            (what, Kind::Key) => objects.announce::<KeyRecord>(&due.name, what, due.at).await,
            (what, Kind::Secret) => objects.announce::<SecretRecord>(&due.name, what, due.at).await,
        }
    }

    /// Takes the entry away if it is still there: a thing that could not be done must not be due for ever.
    async fn delete_entry(&self, key: &Key) -> Result<(), Refusal> {
        self.records()
            .update(|view: View| async move {
                let there = view.revision_of(key).await?;
                let batch = there.map(|revision| Batch::default().expect(key.clone(), revision).delete(key.clone()));
                Ok::<_, Refusal>(Change { batch: batch.unwrap_or_default(), answer: () })
            })
            .await
    }
}

impl Objects<'_> {
    /// Tells once what became of the latest version, if that is still to be told; answers whether it was.
    async fn announce<T: Versioned>(&self, name: &ObjectName, what: DueAction, at: Timestamp) -> Result<bool, Refusal> {
        let _lock = self.vaults.lock_name(&self.head_key(name)).await;
        let announce = |view: View| async move { self.announcing::<T>(&view, name, what, at).await };
        let number = self.vaults.records().update(announce).await?;
        number.inspect(|number| self.vaults.event_committed(*number));
        Ok(number.is_some())
    }

    async fn announcing<T: Versioned>(
        &self,
        view: &View,
        name: &ObjectName,
        what: DueAction,
        at: Timestamp,
    ) -> Result<Change<Option<u64>>, Refusal> {
        let nothing = Change { batch: Batch::default(), answer: None };
        if !self.still_due(view, name, what, at).await? {
            return Ok(nothing);
        }
        let found = match self.find::<T>(view, name, None).await {
            Err(Refusal::NotFound { .. }) => return Ok(nothing),
            found => found?,
        };
        let batch = self.guarded_batch(view, [&self.head_key(name)]).await?;
        let batch = self.marking_done(view, batch, &found.name, what).await?;
        let happened = if what == DueAction::Expired { Occurrence::Expired } else { Occurrence::NearExpiry };
        let about = EventSubject::new(self.kind, &found.name, &found.version, found.record.attributes());
        let event = Event::of_version(&self.call.vault.name, happened, about, at);
        let (batch, number) = self.vaults.append_event(view, batch, &event).await?;
        Ok(Change { batch, answer: Some(number) })
    }
}
