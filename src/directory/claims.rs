//! The claims of access tokens and of federated tokens, and how long each is valid.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The lifetime of an access token in seconds.
pub(super) const LIFETIME: i64 = 3599;
/// The lifetime of a federated token in seconds: a day, the longest of a Kubernetes service account's token.
pub(super) const FEDERATED_LIFETIME: i64 = 86_400;

/// The claims of an access token, as Entra writes them for an application (version 1 with `azp` besides).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Claims {
    /// The resource the token is for.
    pub aud: String,
    /// The issuer.
    pub iss: String,
    /// When it was issued, in Unix seconds.
    pub iat: i64,
    /// The first second of its validity, in Unix seconds.
    pub nbf: i64,
    /// The first second after its validity, in Unix seconds.
    pub exp: i64,
    /// The application id.
    pub appid: Uuid,
    /// The application id, under the name of version 2.
    pub azp: Uuid,
    /// `app`: the caller is no person.
    pub idtyp: String,
    /// The principal id.
    pub oid: Uuid,
    /// The principal id again.
    pub sub: Uuid,
    /// The tenant.
    pub tid: Uuid,
    /// The version of this form.
    pub ver: String,
    /// How the client authenticated: 1 by a secret, 2 by an assertion. Tokens of managed identities have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appidacr: Option<String>,
    /// The number of its identity's session (ours: Entra compares times).
    #[serde(default)]
    pub session: i64,
    /// The resource id, in the token of a managed identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xms_mirid: Option<String>,
}

/// The claims of a federated token, which a workload exchanges for an access token.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct FederatedClaims {
    pub(super) iss: String,
    pub(super) sub: String,
    pub(super) aud: String,
    pub(super) iat: i64,
    pub(super) nbf: i64,
    pub(super) exp: i64,
}
