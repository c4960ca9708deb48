//! The status of a factory, which is read without opening any content.

use serde::Serialize;

use super::Factory;
use super::refusal::Refusal;
use crate::clock::Timestamp;

/// The status of a factory. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its tenant.
    pub tenant: String,
    /// Whether it has a managed virtual network.
    pub managed_virtual_network: bool,
    /// Whether it accepts credentials only as references to vault secrets.
    pub credentials_only_from_vault: bool,
    /// The customer-managed key, if one is enabled.
    pub customer_key: Option<KeyStatus>,
    /// The system key.
    pub system_key: SystemKeyStatus,
    /// The names of its entries.
    pub data: Vec<String>,
    /// The names of its linked services.
    pub linked_services: Vec<String>,
}

/// The status of the customer-managed key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KeyStatus {
    /// The URI as it was set.
    pub uri: String,
    /// The URI of the version that wraps the data key.
    pub wrapped_by: String,
    /// The user-assigned identity that it is used as; by default the system-assigned one.
    pub identity: Option<String>,
}

/// The status of the system key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SystemKeyStatus {
    /// The thumbprint of its certificate.
    pub thumbprint: String,
    /// When the certificate expires, as Unix seconds.
    pub not_after: Timestamp,
    /// Whether it should be renewed.
    pub due: bool,
    /// Whether an old key still exists.
    pub renewal_under_way: bool,
}

impl Factory {
    /// The status of the factory; `now` decides whether the system key is due.
    ///
    /// # Errors
    /// When its state cannot be read.
    pub fn status(&self, now: Timestamp) -> Result<Status, Refusal> {
        let state = self.dir.load()?;
        let newest = state.newest_system_key()?;
        let system_key = SystemKeyStatus {
            thumbprint: newest.thumbprint.clone(),
            not_after: newest.not_after,
            due: newest.is_due(now),
            renewal_under_way: state.system_keys.len() > 1,
        };
        let customer_key = state.encryption.as_ref().map(|encryption| {
            let wrapped_by = encryption.wrapped_by()?.to_string();
            Ok(KeyStatus { uri: encryption.key.to_string(), wrapped_by, identity: encryption.identity.clone() })
        });
        Ok(Status {
            customer_key: customer_key.transpose()?,
            system_key,
            data: state.data.into_keys().collect(),
            linked_services: state.linked_services.into_keys().collect(),
            name: state.name,
            tenant: state.tenant,
            managed_virtual_network: state.managed_virtual_network,
            credentials_only_from_vault: state.credentials_only_from_vault,
        })
    }
}
