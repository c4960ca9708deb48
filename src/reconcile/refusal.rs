//! Why a configuration was not applied.

use std::fmt;

use crate::management::{self, MAX_GROUPS};
use crate::records::RecordError;
use crate::vault;

/// Why a configuration was not applied.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// A vault, an object in one, or the store.
    Vault(vault::Refusal),
    /// The factory of this name cannot be as the configuration wants it: the text says why.
    Factory(String, String),
}

impl Refusal {
    /// Why the factory called `name` was not changed.
    pub(super) fn of_factory(name: &str, refusal: management::Refusal) -> Self {
        let why = match refusal {
            management::Refusal::Record(error) => return error.into(),
            management::Refusal::Vaults(refusal) => return refusal.into(),
            management::Refusal::IdentityTaken(by) => format!("the identity '{by}' has the name or an id of its own"),
            management::Refusal::TooManyGroups => {
                format!("its subscription has {MAX_GROUPS} resource groups, the most that there can be")
            }
            // Another request came in between.
            _ => return RecordError::Busy.into(),
        };
        Self::Factory(name.to_owned(), why)
    }
}

impl From<vault::Refusal> for Refusal {
    fn from(refusal: vault::Refusal) -> Self {
        Self::Vault(refusal)
    }
}

impl From<RecordError> for Refusal {
    fn from(error: RecordError) -> Self {
        Self::Vault(error.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vault(refusal) => refusal.fmt(f),
            Self::Factory(name, why) => write!(f, "the factory {name}: {why}"),
        }
    }
}

impl std::error::Error for Refusal {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Vault(refusal) => refusal.source(),
            Self::Factory(..) => None,
        }
    }
}
