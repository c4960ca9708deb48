//! All that a factory knows, as one value.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::key_uri::KeyUri;
use super::seal::Sealed;
use super::system_key::SystemKey;
use crate::clock::Timestamp;
use crate::remote::VaultUrl;

/// The state, as it is saved. Nothing in it opens without keys that lie elsewhere.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct State {
    /// Counts the savings.
    pub(super) revision: u64,
    pub(super) name: String,
    pub(super) tenant: String,
    pub(super) created: Timestamp,
    pub(super) managed_virtual_network: bool,
    pub(super) credentials_only_from_vault: bool,
    /// The newest is the last; others are there only while a renewal is under way.
    pub(super) system_keys: Vec<SystemKey>,
    pub(super) encryption: Option<Encryption>,
    pub(super) data: BTreeMap<String, Sealed>,
    pub(super) linked_services: BTreeMap<String, LinkedService>,
}

/// The customer's key, and what it wraps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Encryption {
    /// The key as it was given.
    pub(super) key: KeyUri,
    /// The user-assigned identity that reaches it; else the system-assigned one does.
    pub(super) identity: Option<String>,
    /// The id of the data key.
    pub(super) data_key: String,
    /// The data key, wrapped; the last counts. Two are there for the moment in which one takes the other's place.
    pub(super) wrapped: Vec<Wrapping>,
}

/// The data key as one exact version of a key wrapped it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Wrapping {
    pub(super) vault: VaultUrl,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) algorithm: String,
    /// Base64url.
    pub(super) value: String,
}

/// A linked service. Its plain credentials are taken out of the definition and sealed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LinkedService {
    /// `properties` of the definition, without the values of secure strings.
    pub(super) properties: Value,
    /// The secure strings, by their JSON pointer in `properties`.
    pub(super) sealed: BTreeMap<String, Sealed>,
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

    /// The linked services that have plain credentials.
    pub(super) fn linked_services_with_plain_credentials(&self) -> Vec<String> {
        let plain = self.linked_services.iter().filter(|(_, service)| !service.sealed.is_empty());
        plain.map(|(name, _)| name.clone()).collect()
    }

    /// Everything that is sealed, with the place that it is bound to.
    pub(super) fn sealed(&self) -> impl Iterator<Item = (String, &Sealed)> {
        let data = self.data.iter().map(|(name, sealed)| (place_of_data(name), sealed));
        let credentials = self.linked_services.iter().flat_map(|(name, service)| {
            service.sealed.iter().map(|(pointer, sealed)| (place_of_credential(name, pointer), sealed))
        });
        data.chain(credentials)
    }

    /// The same, to be changed.
    pub(super) fn sealed_mut(&mut self) -> impl Iterator<Item = (String, &mut Sealed)> {
        let data = self.data.iter_mut().map(|(name, sealed)| (place_of_data(name), sealed));
        let credentials = self.linked_services.iter_mut().flat_map(|(name, service)| {
            service.sealed.iter_mut().map(|(pointer, sealed)| (place_of_credential(name, pointer), sealed))
        });
        data.chain(credentials)
    }

    /// Drops what a new wrapping has taken the place of.
    pub(super) fn forget_former_wrappings(&mut self) {
        if let Some(encryption) = &mut self.encryption {
            let former = encryption.wrapped.len().saturating_sub(1);
            encryption.wrapped.drain(..former);
        }
    }
}

/// The place that a datum is bound to. Names hold no slash, so no two places are alike.
pub(super) fn place_of_data(name: &str) -> String {
    format!("data/{name}")
}

/// The place that a credential is bound to.
pub(super) fn place_of_credential(linked_service: &str, pointer: &str) -> String {
    format!("linkedservice/{linked_service}{pointer}")
}

/// Whether `name` can be one of a datum or a linked service.
pub(super) fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=140).contains(&name.len()) && name.bytes().all(allowed)
}
