//! The write path: lock the objects' names, do what is overdue, decide, commit, notify. Every write of objects takes it,
//! of one object or of several, of one kind or of several: what is decided in one call lands in one commit or not at all.
//!
//! Functions whose names are imperative (`delete`) run a write; the gerund (`deleting`) decides one: a view in, a
//! [`Write`] out, nothing changed.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::layers::Layers;
use super::store_key::{ObjectKey, Table};
use super::{Call, Kind, ObjectName, Refusal, Vault, Vaults, Version};
use crate::records::{Change, View};
use crate::store::Batch;

/// An object, by its kind and its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectId {
    /// The kind.
    pub kind: Kind,
    /// The name.
    pub name: ObjectName,
}

impl fmt::Display for ObjectId {
    /// In words: `key cmk`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.singular(), self.name)
    }
}

/// What was decided: what to commit, and what to answer once it is.
pub(super) struct Write<T> {
    /// What to commit; nothing is, when it is empty.
    pub(super) batch: Batch,
    /// The numbers of the events in the batch.
    pub(super) events: Vec<u64>,
    /// The answer.
    pub(super) answer: T,
}

impl<T> Write<T> {
    /// A write without events.
    pub(super) const fn new(batch: Batch, answer: T) -> Self {
        Self { batch, events: vec![], answer }
    }

    /// No write, and an answer all the same.
    pub(super) fn nothing(answer: T) -> Self {
        Self::new(Batch::default(), answer)
    }
}

impl ObjectId {
    /// The key in `table` of this object in the layer that `vault` writes into.
    pub(super) fn key<'k>(&'k self, vault: &Vault, table: Table) -> ObjectKey<'k> {
        ObjectKey::new(table, vault.layer(), self.kind, &self.name)
    }
}

impl Vaults {
    /// Runs a write of `objects`, after what is overdue for them at the moment of the call. The decision may run several
    /// times, as long as other processes are faster.
    ///
    /// # Errors
    /// What `decide` refuses; [`Refusal::Busy`] when what the call was decided by has changed; what the store reports.
    pub(super) async fn write<T, F>(
        &self,
        call: &Call,
        objects: &[ObjectId],
        decide: impl Fn(View) -> F + Sync,
    ) -> Result<T, Refusal>
    where
        T: Send,
        F: Future<Output = Result<Write<T>, Refusal>> + Send,
    {
        for object in objects {
            self.run_overdue(call, object).await?;
        }
        self.commit(call, objects, decide).await
    }

    /// As [`Vaults::write`], for what is due itself.
    pub(super) async fn commit<T, F>(
        &self,
        call: &Call,
        objects: &[ObjectId],
        decide: impl Fn(View) -> F + Sync,
    ) -> Result<T, Refusal>
    where
        T: Send,
        F: Future<Output = Result<Write<T>, Refusal>> + Send,
    {
        let heads = objects.iter().map(|object| object.key(&call.vault, Table::Object).to_key());
        let _locks = self.inner.name_locks.lock(heads).await;
        let (decide, is_retry) = (&decide, &AtomicBool::new(false));
        let decided = |view: View| async move {
            // A first decision whose guards are broken fails when it commits.
            if is_retry.swap(true, Ordering::Relaxed) {
                call.check_guards(&view).await?;
            }
            let Write { batch, events, answer } = decide(view).await?;
            Ok::<_, Refusal>(Change { batch, answer: (answer, events) })
        };
        let (answer, events) = self.records().update(decided).await?;
        // Not of a failure: an action that fails must not wake the scheduler that runs it.
        self.notify_schedule_change();
        events.into_iter().for_each(|number| self.event_committed(number));
        Ok(answer)
    }

    /// A version id that none of `objects` has. A seed gives the same ids at every start, so some are in use.
    pub(super) async fn unused_version(
        &self,
        view: &View,
        vault: &Vault,
        objects: &[ObjectId],
    ) -> Result<Version, Refusal> {
        let layers = Layers::of(vault);
        'next: loop {
            let version = Version::random(&*self.inner.random);
            for object in objects {
                let key = object.key(vault, Table::Object).of_version(Table::Version, &version);
                if layers.locate(view, &key.to_key()).await?.is_some() {
                    continue 'next;
                }
            }
            return Ok(version);
        }
    }
}
