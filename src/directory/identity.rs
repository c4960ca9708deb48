//! The record of an identity, and the credentials it signs in with.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::credential;

/// An identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRecord {
    /// What people call it.
    pub name: String,
    /// The application id (`appid`).
    pub client_id: Uuid,
    /// The principal id (`oid`) that policies name.
    pub object_id: Uuid,
    /// The ARM id of the user-assigned identity or of the resource it was assigned to.
    pub resource_id: String,
    /// Whether a request that names no identity gets this one.
    pub system_assigned: bool,
    /// The secret it signs in with.
    pub client_secret: Option<ClientSecret>,
    /// Principals (groups) whose access policies are its too.
    #[serde(default)]
    pub groups: Vec<Uuid>,
    /// The certificates it signs in with, as DER in base64.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// Whose tokens it signs in with.
    #[serde(default)]
    pub federated: Vec<FederatedCredential>,
    /// Whether it was created by a token request instead of the configuration or the admin API.
    #[serde(default)]
    pub auto_created: bool,
    /// Its place in the configuration.
    pub order: usize,
}

/// Tokens of another issuer that stand for an identity (a federated identity credential).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederatedCredential {
    /// Who signs them (`iss`): an `https` URL below which its OpenID configuration lies.
    pub issuer: String,
    /// Whom they speak of (`sub`).
    pub subject: String,
    /// What they are for (`aud`).
    pub audience: String,
}

impl IdentityRecord {
    /// Whether nothing was said about how it proves who it is.
    pub(super) fn has_no_credentials(&self) -> bool {
        self.client_secret.is_none() && self.certificates.is_empty() && self.federated.is_empty()
    }

    pub(super) fn shares_with(&self, other: &Self) -> bool {
        self.name == other.name || self.client_id == other.client_id || self.object_id == other.object_id
    }
}

/// A client secret: shown by nothing.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClientSecret(Zeroizing<String>);

impl ClientSecret {
    /// The secret `text`.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    /// The secret's text.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// Whether `given` is this secret; takes as long whatever they share.
    pub(super) fn is(&self, given: &str) -> bool {
        credential::matches(given.as_bytes(), self.0.as_bytes())
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}
