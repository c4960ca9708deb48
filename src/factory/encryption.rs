//! The record of a customer-managed key: its settings, and the data key that it wraps. It holds no key in the open.

use serde::{Deserialize, Serialize};

use super::key_uri::KeyUri;
use super::refusal::Refusal;
use crate::remote::VaultUrl;

/// The customer-managed key, and the data key that it wraps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Encryption {
    /// The URI as it was set.
    pub(crate) key: KeyUri,
    /// The user-assigned identity that it is used as; by default the system-assigned one.
    pub(crate) identity: Option<String>,
    /// The id of the data key.
    pub(crate) data_key: String,
    /// The wrapped data key; the last one is in use. There are two only during a re-wrap.
    pub(super) wrapped: Vec<Wrapping>,
}

/// The data key, wrapped under one version of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Wrapping {
    pub(super) vault: VaultUrl,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) algorithm: String,
    /// Base64url.
    pub(super) value: String,
}

impl Encryption {
    /// The wrapping in use.
    pub(super) fn current(&self) -> Result<&Wrapping, Refusal> {
        self.wrapped.last().ok_or_else(|| Refusal::Damaged("the data key is gone".to_owned()))
    }

    /// The URI of the version that wraps the data key.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn wrapped_by(&self) -> Result<KeyUri, Refusal> {
        self.current().map(Wrapping::uri)
    }

    /// Drops all wrappings but the one in use.
    pub(crate) fn drop_old_wrappings(&mut self) {
        let old = self.wrapped.len().saturating_sub(1);
        self.wrapped.drain(..old);
    }
}

impl Wrapping {
    /// The URI of the exact version.
    pub(super) fn uri(&self) -> KeyUri {
        KeyUri {
            vault_base_url: self.vault.clone(),
            key_name: self.name.clone(),
            key_version: Some(self.version.clone()),
        }
    }
}
