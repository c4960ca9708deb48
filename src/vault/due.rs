//! What falls due, when: an ordered index in the store, written in the same commit as what it is about. So a restart
//! forgets nothing, and whoever takes an entry away has done the thing, once.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::object::Objects;
use super::{Call, Kind, ObjectName, Refusal, Vault, VaultName, Vaults};
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
    vault: VaultName,
    vault_id: Uuid,
    kind: Kind,
    name: ObjectName,
    what: What,
}

/// An entry of the index.
#[derive(Debug)]
pub struct Scheduled {
    /// Where it lies.
    pub place: Key,
    /// What it says; nothing when somebody has just taken it away.
    pub due: Result<Option<Due>, Refusal>,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    /// The deleted object goes.
    Purge,
}

impl Due {
    /// The end of a deleted object's retention.
    pub(super) fn purge(vault: &Vault, kind: Kind, name: &ObjectName, at: Timestamp) -> Self {
        let (vault, vault_id) = (vault.name.clone(), vault.id);
        Self { at, vault, vault_id, kind, name: name.clone(), what: What::Purge }
    }

    /// Ordered by time. A moment before 1970 is due at once whatever its number.
    pub(super) fn key(&self) -> Key {
        let (at, collection) = (self.at.unix().max(0), self.kind.collection());
        Key::from(format!("due/{at:020}/{}/{collection}/{}/purge", self.vault_id.simple(), self.name.upper()))
    }
}

impl Vaults {
    /// What falls due first, or first behind `after`, if anything does.
    ///
    /// # Errors
    /// What the store reports.
    pub async fn next_due(&self, after: Option<&Key>) -> Result<Option<Scheduled>, Refusal> {
        let view = self.records().view().await?;
        let Some((place, _)) = view.keys(&Key::from("due/"), after, 1).await?.pop() else { return Ok(None) };
        let due = self.records().get::<Due>(&view, &place).await.map_err(Refusal::from);
        Ok(Some(Scheduled { due: due.map(|due| due.as_deref().cloned()), place }))
    }

    /// Does what is due; answers whether there was still something to do. What was due in a vault that is gone is
    /// forgotten.
    ///
    /// # Errors
    /// What the store reports; the thing stays due then.
    pub async fn run(&self, due: &Due, place: &Key) -> Result<bool, Refusal> {
        let done = self.attempted(due).await?;
        self.forget(place).await?;
        Ok(done)
    }

    /// A vault that is changed or copied at the same moment is asked for again.
    async fn attempted(&self, due: &Due) -> Result<bool, Refusal> {
        for _ in 0..ATTEMPTS {
            match self.find(&due.vault).await? {
                Some(vault) if vault.id == due.vault_id => match self.run_in(due, vault).await {
                    Err(Refusal::Busy) => {}
                    done => return done,
                },
                _ => return Ok(false),
            }
        }
        Err(Refusal::Busy)
    }

    async fn run_in(&self, due: &Due, vault: Arc<Vault>) -> Result<bool, Refusal> {
        let call = Call::of_the_server(vault, due.at);
        let objects = Objects { vaults: self, call: &call, kind: due.kind };
        let _turn = self.turn(&objects.head_key(&due.name)).await;
        match due.what {
            What::Purge => objects.reclaim(&due.name).await,
        }
    }

    /// Takes the entry away if it is still there: a thing that could not be done must not be due for ever.
    async fn forget(&self, key: &Key) -> Result<(), Refusal> {
        self.records()
            .update(|view: View| async move {
                let there = view.revision_of(key).await?;
                let batch = there.map(|revision| Batch::default().expect(key.clone(), revision).delete(key.clone()));
                Ok::<_, Refusal>(Change { batch: batch.unwrap_or_default(), answer: () })
            })
            .await
    }
}
