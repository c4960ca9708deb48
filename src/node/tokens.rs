//! Tokens of the service for this node, as its listener checks them: with a key that the service and this node alone have.

use std::sync::{Arc, PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::AUTHORIZATION;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::aes::AesKey;
use crate::crypto::signed_token;
use crate::http::Request;
use crate::node_protocol::ServiceToken;

/// The key that tokens of the service for this node are checked with: none before the service was asked. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct TokenKey(Arc<RwLock<Option<AesKey>>>);

impl TokenKey {
    /// Takes the key that the service gives, base64.
    pub(crate) fn set(&self, text: &str) {
        let bytes = STANDARD.decode(text).ok().map(Zeroizing::new);
        let key = bytes.and_then(|bytes| AesKey::from_bytes(&bytes).ok());
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = key;
    }

    /// What the token of `request` says, if it is the service's, for `node`, and good at `now` (Unix seconds).
    pub(super) fn claims_of(&self, request: &Request, (node, now): (Uuid, i64)) -> Option<ServiceToken> {
        let given = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
        let (_, token) = given.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))?;
        let key = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let claims = signed_token::verify(key.as_ref()?, token.trim())?;
        let claims: ServiceToken = serde_json::from_slice(&claims).ok()?;
        (claims.node == node && now < claims.expires).then_some(claims)
    }
}
