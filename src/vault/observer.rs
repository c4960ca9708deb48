//! Reports to the observer that the server installs, once it is committed, what vaults did by their clock, and changed policies.
//! What a server that is killed right after a commit has not reported is never reported.

use std::sync::Arc;

use super::due::DueAction;
use super::{Kind, ObjectName, Vault, Vaults};
use crate::clock::Timestamp;

/// Takes reports. It must return soon: writes wait for it.
pub(crate) type Observer = Arc<dyn Fn(&Report<'_>) + Send + Sync>;

/// Something that happened in a vault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// What.
    pub what: Reported,
    /// The vault.
    pub vault: &'a Vault,
    /// The object; none where it happened to the vault.
    pub object: Option<(Kind, &'a ObjectName)>,
    /// When it was due, on the vault clock.
    pub at: Timestamp,
}

/// What is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reported {
    /// A key has a new version, which its policy had due.
    Renewed,
    /// The latest version is about to expire.
    NearExpiry,
    /// The latest version has expired.
    Expired,
    /// The vault's access policies were changed.
    AccessPolicyChanged,
}

impl Reported {
    /// What is reported of an action that ran; nothing of a purge.
    pub(super) const fn of(action: DueAction) -> Option<Self> {
        match action {
            DueAction::Expired => Some(Self::Expired),
            DueAction::NearExpiry => Some(Self::NearExpiry),
            DueAction::Renew => Some(Self::Renewed),
            DueAction::Purge => None,
        }
    }
}

impl Vaults {
    pub(super) fn report(&self, report: &Report<'_>) {
        (self.inner.observer)(report);
    }
}
