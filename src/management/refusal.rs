//! Why a change of a resource was not made.

use super::group_id::GroupId;
use crate::records::RecordError;
use crate::vault;

/// Why a resource or a group was not changed.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// There is no such resource group.
    NoGroup(GroupId),
    /// The location of what there is cannot change.
    FixedLocation {
        /// Where it is.
        current: String,
        /// Where it was wanted.
        wanted: String,
    },
    /// The group holds these resources, which are not deleted with it.
    Holds(Vec<String>),
    /// The group is the one of all that name no other.
    DefaultGroup,
    /// The limit of groups is reached.
    TooManyGroups,
    /// Too many tags, or too long ones.
    InvalidTags,
    /// The vaults could not be read.
    Vaults(vault::Refusal),
    /// The store failed, or what allowed the change has changed.
    Record(RecordError),
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<vault::Refusal> for Refusal {
    fn from(refusal: vault::Refusal) -> Self {
        Self::Vaults(refusal)
    }
}
