//! Using keys on the wire: encrypt, decrypt, wrapKey, unwrapKey, sign, verify.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::api_version::ApiVersion;
use super::super::authorized_request::AuthorizedRequest;
use super::super::{State, input};
use crate::crypto::algorithm::{EncryptionAlgorithm, SignatureAlgorithm};
use crate::crypto::{CipherParams, Encrypted, base64url};
use crate::http::error::ApiError;
use crate::http::{Incoming, Response, body};
use crate::operation::{Operation, Permission};
use crate::vault::Kind;
use crate::vault::keys::{KeyUse, KeyUseOutput};

pub(crate) static ENCRYPT: Operation = Operation {
    name: "KeyEncrypt",
    method: Method::POST,
    path: "/keys/{name}/{version?}/encrypt",
    permission: Permission::keys("encrypt", "keys/encrypt/action"),
};

pub(crate) async fn encrypt(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    cipher(state, request, body, |alg, value, extras| KeyUse::Encrypt { alg, value, extras }).await
}

pub(crate) static DECRYPT: Operation = Operation {
    name: "KeyDecrypt",
    method: Method::POST,
    path: "/keys/{name}/{version?}/decrypt",
    permission: Permission::keys("decrypt", "keys/decrypt/action"),
};

pub(crate) async fn decrypt(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    cipher(state, request, body, |alg, value, extras| KeyUse::Decrypt { alg, value, extras }).await
}

pub(crate) static WRAP: Operation = Operation {
    name: "KeyWrap",
    method: Method::POST,
    path: "/keys/{name}/{version?}/wrapkey",
    permission: Permission::keys("wrapKey", "keys/wrap/action"),
};

pub(crate) async fn wrap(state: Arc<State>, request: AuthorizedRequest, body: Incoming) -> Result<Response, ApiError> {
    cipher(state, request, body, |alg, value, extras| KeyUse::WrapKey { alg, value, extras }).await
}

pub(crate) static UNWRAP: Operation = Operation {
    name: "KeyUnwrap",
    method: Method::POST,
    path: "/keys/{name}/{version?}/unwrapkey",
    permission: Permission::keys("unwrapKey", "keys/unwrap/action"),
};

pub(crate) async fn unwrap(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    cipher(state, request, body, |alg, value, extras| KeyUse::UnwrapKey { alg, value, extras }).await
}

pub(crate) static SIGN: Operation = Operation {
    name: "KeySign",
    method: Method::POST,
    path: "/keys/{name}/{version?}/sign",
    permission: Permission::keys("sign", "keys/sign/action"),
};

pub(crate) async fn sign(state: Arc<State>, request: AuthorizedRequest, body: Incoming) -> Result<Response, ApiError> {
    let parameters: KeyOperationParameters = input::object(body, &state.limits).await?;
    let mut required = input::Required::default();
    required.check("alg", parameters.alg.as_ref());
    let digest = required.bytes("value", parameters.value.as_deref().map(String::as_str));
    required.finish()?;
    let alg = signature_algorithm(parameters.alg.as_deref(), &request)?;
    operate(state, request, KeyUse::Sign { alg, digest }, None).await
}

pub(crate) static VERIFY: Operation = Operation {
    name: "KeyVerify",
    method: Method::POST,
    path: "/keys/{name}/{version?}/verify",
    permission: Permission::keys("verify", "keys/verify/action"),
};

pub(crate) async fn verify(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
) -> Result<Response, ApiError> {
    let parameters: KeyOperationParameters = input::object(body, &state.limits).await?;
    let mut required = input::Required::default();
    required.check("alg", parameters.alg.as_ref());
    let digest = required.bytes("digest", parameters.digest.as_deref());
    let signature = required.bytes("value", parameters.value.as_deref().map(String::as_str));
    required.finish()?;
    let alg = signature_algorithm(parameters.alg.as_deref(), &request)?;
    operate(state, request, KeyUse::Verify { alg, digest, signature }, None).await
}

#[derive(Deserialize)]
struct KeyOperationParameters {
    alg: Option<String>,
    value: Option<Zeroizing<String>>,
    digest: Option<String>,
    iv: Option<String>,
    aad: Option<String>,
    tag: Option<String>,
}

type Cipher = fn(EncryptionAlgorithm, Zeroizing<Vec<u8>>, CipherParams) -> KeyUse;

async fn cipher(
    state: Arc<State>,
    request: AuthorizedRequest,
    body: Incoming,
    operation: Cipher,
) -> Result<Response, ApiError> {
    let parameters: KeyOperationParameters = input::object(body, &state.limits).await?;
    let mut required = input::Required::default();
    required.check("alg", parameters.alg.as_ref());
    let value = Zeroizing::new(required.bytes("value", parameters.value.as_deref().map(String::as_str)));
    let extras = CipherParams {
        iv: required.optional("iv", parameters.iv.as_deref()),
        aad: required.optional("aad", parameters.aad.as_deref()),
        tag: required.optional("tag", parameters.tag.as_deref()),
    };
    required.finish()?;
    let alg = encryption_algorithm(parameters.alg.as_deref(), &request)?;
    operate(state, request, operation(alg, value, extras), parameters.aad).await
}

/// The algorithm, if there is one that the request's api-version knows.
fn encryption_algorithm(name: Option<&str>, request: &AuthorizedRequest) -> Result<EncryptionAlgorithm, ApiError> {
    let known = EncryptionAlgorithm::parse(name.unwrap_or_default());
    let since = |algorithm: &EncryptionAlgorithm| match algorithm {
        EncryptionAlgorithm::Rsa(_) => ApiVersion::FIRST,
        // The service's own names carry a size, PKCS #11's do not.
        EncryptionAlgorithm::Aes(algorithm) if algorithm.size.is_some() => ApiVersion::SYMMETRIC,
        EncryptionAlgorithm::Aes(_) => ApiVersion::MECHANISMS,
    };
    let known = known.filter(|algorithm| since(algorithm) <= request.api_version);
    known.ok_or_else(|| input::invalid("alg: no encryption algorithm that this api-version knows"))
}

/// The algorithm, if there is one that the request's api-version knows.
fn signature_algorithm(name: Option<&str>, request: &AuthorizedRequest) -> Result<SignatureAlgorithm, ApiError> {
    let known = SignatureAlgorithm::parse(name.unwrap_or_default());
    let since = |algorithm: &SignatureAlgorithm| match algorithm {
        SignatureAlgorithm::Rsa(_) | SignatureAlgorithm::Ec(_) => ApiVersion::FIRST,
        SignatureAlgorithm::Hmac(_) => ApiVersion::MECHANISMS,
    };
    let known = known.filter(|algorithm| since(algorithm) <= request.api_version);
    known.ok_or_else(|| input::invalid("alg: no signature algorithm that this api-version knows"))
}

/// Runs the operation and answers its result. Associated data (`aad`) is echoed as it was sent.
async fn operate(
    state: Arc<State>,
    request: AuthorizedRequest,
    operation: KeyUse,
    aad: Option<String>,
) -> Result<Response, ApiError> {
    let (name, version) = (request.name()?, request.version()?);
    let done = state.vaults.keys(&request.call).operate(&name, version.as_ref(), operation).await;
    let (found, operated) = done.map_err(|refusal| request.error(refusal))?;
    let kid = request.id(Kind::Key, &found.name, Some(&found.version));
    let result = match operated {
        KeyUseOutput::Verified(value) => return Ok(body::json(StatusCode::OK, &KeyVerifyResult { value })),
        KeyUseOutput::Decrypted(bytes) => KeyOperationResult::new(kid, &bytes),
        KeyUseOutput::Signed(bytes) => KeyOperationResult::new(kid, &bytes),
        KeyUseOutput::Encrypted(Encrypted { value, iv, tag }) => KeyOperationResult {
            iv: iv.as_deref().map(base64url::encode),
            tag: tag.as_deref().map(base64url::encode),
            aad,
            ..KeyOperationResult::new(kid, &value)
        },
    };
    Ok(body::json(StatusCode::OK, &result))
}

#[derive(Serialize)]
struct KeyOperationResult {
    kid: String,
    value: Zeroizing<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aad: Option<String>,
}

impl KeyOperationResult {
    fn new(kid: String, value: &[u8]) -> Self {
        Self { kid, value: Zeroizing::new(base64url::encode(value)), iv: None, tag: None, aad: None }
    }
}

#[derive(Serialize)]
struct KeyVerifyResult {
    value: bool,
}
