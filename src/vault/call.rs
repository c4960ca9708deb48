//! A call: what a decision may see besides the state itself, and what must still be so when it commits.

use std::ops::Deref;
use std::sync::Arc;

use super::{Refusal, Vault};
use crate::clock::Timestamp;
use crate::records::View;
use crate::store::{Batch, EntryKey, Revision};

/// The most guards of a call: the vault, the role assignments, the networks.
const MOST_GUARDS: usize = 3;

/// What was read for a decision, and must still be so when its write commits: a key and its revision, 0 where there was nothing.
pub(crate) type Guard = (EntryKey, Revision);

/// A record as it was read, with the guard that it has not changed since.
#[derive(Debug)]
pub(crate) struct Guarded<T> {
    pub(super) record: Arc<T>,
    pub(super) guard: Guard,
}

impl<T> Deref for Guarded<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.record
    }
}

/// All that a decision may see besides the state itself.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The moment the request is decided at, on the vault clock.
    pub now: Timestamp,
    /// The vault, as access was decided by it.
    pub vault: Arc<Vault>,
    /// The records that access was decided by. Every batch of a write expects these revisions: a policy that is
    /// withdrawn, or a vault that is deleted, takes effect before any write that comes after.
    guards: Vec<Guard>,
    /// Whether the caller may use public keys alone.
    pub(super) public_keys_only: bool,
}

impl Call {
    /// A call in `vault`, whose policies allowed it.
    pub(crate) fn new(now: Timestamp, vault: Guarded<Vault>) -> Self {
        let mut guards = Vec::with_capacity(MOST_GUARDS);
        guards.push(vault.guard);
        Self { now, vault: vault.record, guards, public_keys_only: false }
    }

    /// This call, which access was decided by other records too; `public_keys_only` if it may use no secret key.
    pub(crate) fn guarded_by(mut self, guards: impl IntoIterator<Item = Guard>, public_keys_only: bool) -> Self {
        self.guards.extend(guards);
        Self { public_keys_only, ..self }
    }

    /// A call of the server itself, `now`: because of its configuration, or of the time.
    pub(crate) fn by_server(vault: Guarded<Vault>, now: Timestamp) -> Self {
        Self::new(now, vault)
    }

    /// A call of the server itself at another moment, under the same guards.
    pub(super) fn by_server_at(&self, now: Timestamp) -> Self {
        Self { now, ..self.clone() }
    }

    /// An empty batch that commits only while the guards hold.
    pub(super) fn guarded_batch(&self) -> Batch {
        Batch { expect: self.guards.clone(), ..Batch::default() }
    }

    /// Refuses a call whose guards are broken: the client must send the request again, so that access is decided again.
    pub(super) async fn check_guards(&self, view: &View) -> Result<(), Refusal> {
        for (key, revision) in &self.guards {
            if view.revision_of(key).await?.unwrap_or(0) != *revision {
                return Err(Refusal::Busy);
            }
        }
        Ok(())
    }
}
