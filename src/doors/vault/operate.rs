//! Using keys on the wire: encrypt, decrypt, wrapKey, unwrapKey, sign, verify.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::exchange::Exchange;
use super::{VaultDoor, input, refusal};
use crate::crypto::algorithm::{EncryptionAlgorithm, SignatureAlgorithm};
use crate::crypto::base64url;
use crate::http::error::ApiError;
use crate::http::{Response, body};
use crate::operation::{Operation, Permission};
use crate::vault::Kind;
use crate::vault::keys::{Operated, Operation as KeyUse};

pub(super) static ENCRYPT: Operation = Operation {
    name: "KeyEncrypt",
    method: Method::POST,
    path: "/keys/{name}/{version?}/encrypt",
    permission: Permission::keys("encrypt", "keys/encrypt/action"),
};

pub(super) async fn encrypt(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    cipher(door, exchange, body, |alg, value| KeyUse::Encrypt { alg, value }).await
}

pub(super) static DECRYPT: Operation = Operation {
    name: "KeyDecrypt",
    method: Method::POST,
    path: "/keys/{name}/{version?}/decrypt",
    permission: Permission::keys("decrypt", "keys/decrypt/action"),
};

pub(super) async fn decrypt(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    cipher(door, exchange, body, |alg, value| KeyUse::Decrypt { alg, value }).await
}

pub(super) static WRAP: Operation = Operation {
    name: "KeyWrap",
    method: Method::POST,
    path: "/keys/{name}/{version?}/wrapkey",
    permission: Permission::keys("wrapKey", "keys/wrap/action"),
};

pub(super) async fn wrap(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    cipher(door, exchange, body, |alg, value| KeyUse::WrapKey { alg, value }).await
}

pub(super) static UNWRAP: Operation = Operation {
    name: "KeyUnwrap",
    method: Method::POST,
    path: "/keys/{name}/{version?}/unwrapkey",
    permission: Permission::keys("unwrapKey", "keys/unwrap/action"),
};

pub(super) async fn unwrap(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    cipher(door, exchange, body, |alg, value| KeyUse::UnwrapKey { alg, value }).await
}

pub(super) static SIGN: Operation = Operation {
    name: "KeySign",
    method: Method::POST,
    path: "/keys/{name}/{version?}/sign",
    permission: Permission::keys("sign", "keys/sign/action"),
};

pub(super) async fn sign(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let given: AlgAndBytes = input::object(body, &door.limits).await?;
    let mut required = input::Required::default();
    required.check("alg", given.alg.as_ref());
    let digest = required.bytes("value", given.value.as_deref().map(String::as_str));
    required.finish()?;
    let alg = signature_algorithm(given.alg.as_deref())?;
    operate(door, exchange, KeyUse::Sign { alg, digest }).await
}

pub(super) static VERIFY: Operation = Operation {
    name: "KeyVerify",
    method: Method::POST,
    path: "/keys/{name}/{version?}/verify",
    permission: Permission::keys("verify", "keys/verify/action"),
};

pub(super) async fn verify(door: Arc<VaultDoor>, exchange: Exchange, body: Incoming) -> Result<Response, ApiError> {
    let given: AlgAndBytes = input::object(body, &door.limits).await?;
    let mut required = input::Required::default();
    required.check("alg", given.alg.as_ref());
    let digest = required.bytes("digest", given.digest.as_deref());
    let signature = required.bytes("value", given.value.as_deref().map(String::as_str));
    required.finish()?;
    let alg = signature_algorithm(given.alg.as_deref())?;
    operate(door, exchange, KeyUse::Verify { alg, digest, signature }).await
}

#[derive(Deserialize)]
struct AlgAndBytes {
    alg: Option<String>,
    value: Option<Zeroizing<String>>,
    digest: Option<String>,
}

async fn cipher(
    door: Arc<VaultDoor>,
    exchange: Exchange,
    body: Incoming,
    operation: fn(EncryptionAlgorithm, Vec<u8>) -> KeyUse,
) -> Result<Response, ApiError> {
    let given: AlgAndBytes = input::object(body, &door.limits).await?;
    let mut required = input::Required::default();
    required.check("alg", given.alg.as_ref());
    let value = required.bytes("value", given.value.as_deref().map(String::as_str));
    required.finish()?;
    let alg = EncryptionAlgorithm::parse(given.alg.as_deref().unwrap_or_default());
    let alg = alg.ok_or_else(|| input::invalid("alg: RSA keys encrypt with RSA1_5, RSA-OAEP and RSA-OAEP-256"))?;
    operate(door, exchange, operation(alg, value)).await
}

fn signature_algorithm(name: Option<&str>) -> Result<SignatureAlgorithm, ApiError> {
    let known = SignatureAlgorithm::parse(name.unwrap_or_default());
    known.ok_or_else(|| input::invalid("alg: RSA keys sign with RS256, RS384, RS512, PS256, PS384 and PS512"))
}

async fn operate(door: Arc<VaultDoor>, exchange: Exchange, operation: KeyUse) -> Result<Response, ApiError> {
    let (name, version) = (exchange.name()?, exchange.version()?);
    let done = door.vaults.operate(&exchange.call, &name, version.as_ref(), operation).await;
    let (found, operated) = done.map_err(refusal::error)?;
    Ok(match operated {
        Operated::Bytes(bytes) => {
            let kid = exchange.id(Kind::Key, &found.name, Some(&found.version));
            body::json(StatusCode::OK, &KeyOperationResult { kid, value: Zeroizing::new(base64url::encode(&bytes)) })
        }
        Operated::Verified(value) => body::json(StatusCode::OK, &KeyVerifyResult { value }),
    })
}

#[derive(Serialize)]
struct KeyOperationResult {
    kid: String,
    value: Zeroizing<String>,
}

#[derive(Serialize)]
struct KeyVerifyResult {
    value: bool,
}
