//! The record of an identity, and the credentials it signs in with.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::credential;

/// An identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityRecord {
    /// The name that people use.
    pub name: String,
    /// The application id (`appid`).
    pub client_id: Uuid,
    /// The principal id (`oid`) that policies name.
    pub object_id: Uuid,
    /// The resource id of the user-assigned identity or of the resource it is assigned to.
    pub resource_id: String,
    /// Whether a token request that names no identity gets this one.
    pub system_assigned: bool,
    /// The client secret that it signs in with.
    pub client_secret: Option<ClientSecret>,
    /// The groups, by principal id, whose access policies apply to it too.
    #[serde(default)]
    pub groups: Vec<Uuid>,
    /// The certificates it signs in with, as DER in base64.
    #[serde(default)]
    pub certificates: Vec<String>,
    /// The external tokens that it signs in with.
    #[serde(default)]
    pub federated: Vec<FederatedCredential>,
    /// Whether it is one of the services that vaults' firewalls let pass.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trusted_service: bool,
    /// The addresses that its requests count as coming from in vaults' network rules; the connection's when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Whether it was created by a token request instead of the configuration or the admin API.
    #[serde(default)]
    pub auto_created: bool,
    /// Whether it is a resource's own, such as a factory's: no token request can name it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub of_resource: bool,
    /// Whether a configuration's file made it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub configured: bool,
    /// Whether it gets no token, and those that it has do not count.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// The number of its session, which its tokens carry: those of an earlier one do not count. 0 until its sessions are
    /// revoked, then the time of that, in Unix seconds.
    #[serde(default)]
    pub session: i64,
    /// Its position in the configuration.
    pub order: usize,
}

/// A federated identity credential: tokens of another issuer sign an identity in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederatedCredential {
    /// The issuer (`iss`): an `https` URL below which its OpenID configuration lies.
    pub issuer: String,
    /// The subject (`sub`).
    pub subject: String,
    /// The audience (`aud`).
    pub audience: String,
}

impl IdentityRecord {
    /// Whether no credential is configured for it.
    pub(super) fn has_no_credentials(&self) -> bool {
        self.client_secret.is_none() && self.certificates.is_empty() && self.federated.is_empty()
    }

    /// Whether it has the name or an id of `other`.
    pub(crate) fn shares_with(&self, other: &Self) -> bool {
        self.name == other.name || self.client_id == other.client_id || self.object_id == other.object_id
    }
}

/// A client secret. Its `Debug` shows nothing.
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

    /// Whether `given` is this secret, compared in constant time.
    pub(super) fn matches(&self, given: &str) -> bool {
        credential::matches(given.as_bytes(), self.0.as_bytes())
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(..)")
    }
}
