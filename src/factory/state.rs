//! The state of a factory: one value, saved as JSON.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::credentials::Place;
use super::encryption::Encryption;
use super::seal::Sealed;
use super::system_key::SystemKey;
use crate::clock::Timestamp;

/// The saved state. The keys to open it are elsewhere: in the vault, and in the private key of the certificate.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct State {
    /// Incremented by each save.
    pub(super) revision: u64,
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) created: Timestamp,
    pub(super) managed_virtual_network: bool,
    pub(super) credentials_only_from_vault: bool,
    /// The last one is the newest; others exist only during a renewal.
    pub(super) system_keys: Vec<SystemKey>,
    pub(super) encryption: Option<Encryption>,
    pub(super) data: BTreeMap<String, Sealed>,
    pub(super) linked_services: BTreeMap<String, LinkedService>,
}

/// A linked service. Its credentials are taken out of the definition and sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LinkedService {
    /// `properties` of the definition, as they are shown.
    pub(super) properties: Value,
    /// The credentials, by their places in `properties`.
    pub(super) sealed: BTreeMap<Place, Sealed>,
}

impl State {
    pub(super) const fn new(name: String, tenant: String, managed_virtual_network: bool, created: Timestamp) -> Self {
        Self {
            revision: 0,
            name,
            tenant,
            created,
            managed_virtual_network,
            credentials_only_from_vault: false,
            system_keys: vec![],
            encryption: None,
            data: BTreeMap::new(),
            linked_services: BTreeMap::new(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.data.is_empty() && self.linked_services.is_empty()
    }

    /// The names of the linked services that have credentials outside of a vault.
    pub(super) fn linked_services_with_credentials(&self) -> Vec<String> {
        let own = self.linked_services.iter().filter(|(_, service)| service.credential().is_some());
        own.map(|(name, _)| name.clone()).collect()
    }

    /// All sealed content, with the associated data that it is bound to.
    pub(super) fn sealed(&self) -> impl Iterator<Item = (String, &Sealed)> {
        let data = self.data.iter().map(|(name, sealed)| (entry_associated_data(name), sealed));
        let credentials = self.linked_services.iter().flat_map(|(name, service)| {
            service.sealed.iter().map(|(place, sealed)| (credential_associated_data(name, place), sealed))
        });
        data.chain(credentials)
    }

    /// The same, mutable.
    pub(super) fn sealed_mut(&mut self) -> impl Iterator<Item = (String, &mut Sealed)> {
        let data = self.data.iter_mut().map(|(name, sealed)| (entry_associated_data(name), sealed));
        let credentials = self.linked_services.iter_mut().flat_map(|(name, service)| {
            service.sealed.iter_mut().map(|(place, sealed)| (credential_associated_data(name, place), sealed))
        });
        data.chain(credentials)
    }

    /// Drops all wrappings but the one in use.
    pub(super) fn drop_old_wrappings(&mut self) {
        if let Some(encryption) = &mut self.encryption {
            encryption.drop_old_wrappings();
        }
    }
}

/// The associated data of an entry. Names hold no slash, so it is unique.
pub(super) fn entry_associated_data(name: &str) -> String {
    format!("data/{name}")
}

/// The associated data of a credential.
pub(super) fn credential_associated_data(linked_service: &str, place: &Place) -> String {
    format!("linkedservice/{linked_service}{}", place.as_str())
}

/// Whether `name` is a valid name of an entry or a linked service.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=140).contains(&name.len()) && name.bytes().all(allowed)
}
