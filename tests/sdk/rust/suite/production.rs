//! What every test uses: clients of the vault, and what they are told.

use std::collections::BTreeMap;
use std::env;
use std::fmt::Debug;
use std::sync::Arc;

use azure_core::Error;
use azure_core::base64::decode_url_safe;
use azure_core::credentials::TokenCredential;
use azure_core::error::ErrorResponse;
use azure_core::http::StatusCode;
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use azure_security_keyvault_keys::KeyClient;
use azure_security_keyvault_secrets::SecretClient;
use serde_json::Value;

pub const VAULT: &str = "https://contoso-prod.vault.azure.net";
pub const COPY: &str = "https://contoso-copy.vault.azure.net";
/// The identity that may do nothing.
pub const NOBODY: &str = "6b9e7c1a-0000-4000-8000-00000000c11f";

/// How this run of the suite finds its managed identity.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    AppService,
    Imds,
}

pub fn source() -> Source {
    if env::var_os("IDENTITY_ENDPOINT").is_some() { Source::AppService } else { Source::Imds }
}

pub fn tenant() -> String {
    env::var("AZURE_TENANT_ID").unwrap()
}

/// The managed identity of where this runs: the default identity, which may do everything.
pub fn credential() -> Arc<ManagedIdentityCredential> {
    ManagedIdentityCredential::new(None).unwrap()
}

/// One of the managed identities that a user has assigned.
pub fn assigned(id: UserAssignedId) -> azure_core::Result<Arc<ManagedIdentityCredential>> {
    let options = ManagedIdentityCredentialOptions { user_assigned_id: Some(id), ..Default::default() };
    ManagedIdentityCredential::new(Some(options))
}

pub fn nobody() -> Arc<ManagedIdentityCredential> {
    assigned(UserAssignedId::ClientId(NOBODY.to_owned())).unwrap()
}

pub fn keys(vault: &str, credential: Arc<dyn TokenCredential>) -> KeyClient {
    KeyClient::new(vault, credential, None).unwrap()
}

pub fn secrets(vault: &str, credential: Arc<dyn TokenCredential>) -> SecretClient {
    SecretClient::new(vault, credential, None).unwrap()
}

/// The claims of a token that `credential` gets for the vaults.
pub async fn claims(credential: &dyn TokenCredential) -> BTreeMap<String, Value> {
    let token = credential.get_token(&["https://vault.azure.net/.default"], None).await.unwrap();
    let claims = token.token.secret().split('.').nth(1).unwrap();
    serde_json::from_slice(&decode_url_safe(claims).unwrap()).unwrap()
}

/// Status, code and inner code of a refusal.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused(pub StatusCode, pub String, pub Option<String>);

/// Of a refusal: what the SDK makes of it.
pub fn refused<T: Debug>(answer: Result<T, Error>) -> Refused {
    let error = answer.unwrap_err();
    let status = error.http_status().unwrap_or_else(|| panic!("not an answer of the service: {error:?}"));
    let detail = ErrorResponse::try_from(error).unwrap().error.unwrap();
    Refused(status, detail.code.unwrap(), detail.inner_error.and_then(|inner| inner.code))
}

/// The refusal of somebody without permission.
pub fn forbidden() -> Refused {
    Refused(StatusCode::Forbidden, "Forbidden".to_owned(), Some("ForbiddenByPolicy".to_owned()))
}

/// The refusal of what is not there.
pub fn not_found(code: &str) -> Refused {
    Refused(StatusCode::NotFound, code.to_owned(), None)
}
