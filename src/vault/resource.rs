//! A vault as a resource of Azure: resource group, location, tags, and when it was created.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::resource_id::DEFAULT_RESOURCE_GROUP;

/// The location of every vault that is given no other.
pub(crate) const DEFAULT_LOCATION: &str = "local";

/// What Azure Resource Manager knows of a vault besides its settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VaultResource {
    /// Its subscription; none means the tenant's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<Uuid>,
    /// The name of its resource group.
    pub resource_group: String,
    /// Its location, for example `westeurope`.
    pub location: String,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// When it was created, on the vault clock.
    pub created: Timestamp,
}

impl VaultResource {
    /// The resource of a vault that is `created` in the default group and location.
    pub(super) fn new(created: Timestamp) -> Self {
        Self {
            subscription: None,
            resource_group: DEFAULT_RESOURCE_GROUP.to_owned(),
            location: DEFAULT_LOCATION.to_owned(),
            tags: BTreeMap::new(),
            created,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{memory, open};
    use super::super::{InitialVault, Sku, VaultName};
    use super::*;
    use crate::crypto::pool::Pool;

    #[tokio::test]
    async fn a_vault_keeps_its_time_of_creation_when_its_settings_change() {
        let (store, pool) = (memory(), Pool::start(1, 10));
        let vaults = open(&store, &pool, 1);
        let (first, later) = (Timestamp::from_unix(1_000), Timestamp::from_unix(2_000));
        let wanted = |deletion_delay| {
            let named = InitialVault::named(VaultName::local(), Sku::Premium);
            InitialVault { deletion_delay, ..named }
        };
        let (created, _) = vaults.put_vault(wanted(0), None, first).await.unwrap();
        assert_eq!(created.resource, VaultResource::new(first));
        let (changed, _) = vaults.put_vault(wanted(5), Some(&*created), later).await.unwrap();
        assert_eq!((changed.deletion_delay, &changed.resource), (5, &created.resource));
    }
}
