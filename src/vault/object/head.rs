//! Heads: what says that an object is there, and in which state of its life.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::super::due::{DueAction, DueEntry};
use super::super::{Kind, ObjectId, ObjectName, Vault, Version};
use crate::clock::Timestamp;

/// The head of a live object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// The name as it was first written.
    pub(crate) name: ObjectName,
    /// The version that was added last: the one that a request without a version means.
    pub(crate) latest: Version,
    /// The number of versions, so that a missing record is noticed.
    pub(crate) versions: usize,
    /// Until when the object is being recovered, and invisible.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recovering: Option<Timestamp>,
}

/// The tombstone of a deleted object that can be recovered. Its state at a moment follows from its dates, so no task has
/// to run for the state to change; one reclaims the records in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tombstone {
    /// The head as it was.
    pub(crate) head: Head,
    /// When the object was deleted.
    pub(crate) deleted: Timestamp,
    /// When its retention ends; set at the deletion, and never changed.
    pub(crate) scheduled_purge: Timestamp,
    /// When the deletion is complete: from then on the deleted object is visible.
    pub(crate) visible_from: Timestamp,
    /// When a purge under way is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) purge_ends: Option<Timestamp>,
    /// Whether a restore writes the versions below it, and replaces it by the head when they are complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) restoring: bool,
}

/// The state of a name at one moment.
pub(super) enum State {
    /// Nothing.
    Free,
    /// An object.
    Live(Arc<Head>),
    /// An object that is being recovered.
    Recovering,
    /// An object that is being deleted, or purged.
    Deleting,
    /// A deleted object.
    Deleted(Arc<Tombstone>),
    /// A deleted object whose time is over; its records are still to be reclaimed.
    Gone,
}

impl Head {
    /// The head of a new object.
    pub(super) fn new(name: &ObjectName, version: &Version) -> Self {
        Self { name: name.clone(), latest: version.clone(), versions: 1, recovering: None }
    }

    /// This head with one more version, the latest from now on.
    pub(super) fn with(&self, version: &Version) -> Self {
        Self { latest: version.clone(), versions: self.versions + 1, ..self.clone() }
    }

    /// Whether the object is visible at `now`.
    pub(super) fn is_visible(&self, now: Timestamp) -> bool {
        self.recovering.is_none_or(|until| until <= now)
    }

    pub(super) fn state(head: &Arc<Self>, now: Timestamp) -> State {
        if head.is_visible(now) { State::Live(head.clone()) } else { State::Recovering }
    }
}

impl Tombstone {
    /// The entry that purges the object, of this kind, in the layer that `vault` writes into.
    pub(crate) fn purge_entry(&self, vault: &Vault, kind: Kind) -> DueEntry {
        let object = ObjectId { kind, name: self.head.name.clone() };
        DueEntry::new(vault, object, DueAction::Purge, self.purged_at())
    }

    /// When its time is over.
    pub(crate) fn purged_at(&self) -> Timestamp {
        self.purge_ends.unwrap_or(self.scheduled_purge).min(self.scheduled_purge)
    }

    /// Whether it is visible at `now`.
    pub(super) fn is_visible(&self, now: Timestamp) -> bool {
        self.visible_from <= now && now < self.purged_at()
    }

    pub(super) fn state(tombstone: &Arc<Self>, now: Timestamp) -> State {
        if tombstone.purged_at() <= now {
            State::Gone
        } else if tombstone.purge_ends.is_some() || now < tombstone.visible_from {
            State::Deleting
        } else {
            State::Deleted(tombstone.clone())
        }
    }
}
