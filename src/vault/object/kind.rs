//! What tells one kind of object from another. A new kind implements [`ObjectKind`] once; where a value of [`Kind`] has
//! to choose an implementation, an exhaustive `match` lists what else there is to do.

use serde::{Deserialize, Serialize};

use super::super::{Kind, ObjectName, Refusal, Vault, Version};
use super::{Attributes, Objects};
use crate::clock::Timestamp;
use crate::records::Record;

/// Seconds that the notice of a version's end comes before it, where no policy says another time (the document "Azure
/// Key Vault as Event Grid source": 30 days).
const NOTICE: i64 = 30 * 86_400;

/// A kind of object, as a type.
pub(crate) trait ObjectKind: Sized + Send + Sync + 'static {
    /// The kind as a value.
    const KIND: Kind;
    /// The name of a backup's form, as the service writes it: its length as one character, then the name.
    const BACKUP_FORM: &'static [u8];
    /// The public part of a version.
    type Record: VersionRecord;
    /// What an update can change of a version.
    type Update: Sync;
    /// How the kind's objects are renewed: [`NoPolicy`] where they are not.
    type Policy: LifetimePolicy<Self::Record>;

    /// The version's record after an update at `now`.
    ///
    /// # Errors
    /// What the update may not change.
    fn updated(record: &Self::Record, update: &Self::Update, now: Timestamp) -> Result<Self::Record, Refusal>;

    /// Whether a version of a backup may be restored into `vault`. Parsing material takes its time: not for the
    /// runtime's threads.
    ///
    /// # Errors
    /// Why it may not.
    fn check_restored(vault: &Vault, record: &Self::Record, material: &[u8]) -> Result<(), Refusal>;

    /// Adds the version that the policy has due at the moment `at`, if it still is; returns whether it was.
    fn renew_when_due(
        objects: &Objects<'_, Self>,
        name: &ObjectName,
        at: Timestamp,
    ) -> impl Future<Output = Result<bool, Refusal>> + Send;
}

/// The public part of a version.
pub(crate) trait VersionRecord: Record + Clone {
    /// The version's attributes.
    fn attributes(&self) -> &Attributes;

    /// This record, for a version that follows `previous`; none is the object's first.
    #[must_use]
    fn with_previous(self, previous: Option<&Version>) -> Self;
}

/// How long versions live, and when the next one is made. `R` is the record of a version.
pub(crate) trait LifetimePolicy<R>: Record + Clone {
    /// Whether objects of the kind can have a policy at all: otherwise none is looked for.
    const EXISTS: bool;

    /// When the notice of an end at `exp` is due.
    fn notify_at(&self, exp: Timestamp) -> Option<Timestamp>;

    /// When the version after `latest` is due.
    fn renew_at(&self, latest: &R) -> Option<Timestamp>;
}

/// The policy of kinds whose objects are not renewed: there is none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum NoPolicy {}

impl<R> LifetimePolicy<R> for NoPolicy {
    const EXISTS: bool = false;

    fn notify_at(&self, _: Timestamp) -> Option<Timestamp> {
        match *self {}
    }

    fn renew_at(&self, _: &R) -> Option<Timestamp> {
        match *self {}
    }
}

/// When the notice of an end at `exp` is due, under the object's policy if it has one.
pub(super) fn notify_at<R, P: LifetimePolicy<R>>(policy: Option<&P>, exp: Timestamp) -> Option<Timestamp> {
    match policy {
        Some(policy) => policy.notify_at(exp),
        None => Some(exp.plus_seconds(-NOTICE)),
    }
}
