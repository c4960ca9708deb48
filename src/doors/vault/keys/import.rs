//! Keys that callers bring: a JSON Web Key, or a transfer blob.

use serde::Deserialize;
use zeroize::Zeroizing;

use super::super::attributes::AttributesIn;
use super::super::authorized_request::AuthorizedRequest;
use super::super::{State, input, refusal};
use super::request::{CommonMembers, ReleasePolicyIn, key_type};
use crate::crypto::algorithm::Curve;
use crate::crypto::jwk::{ExpectedKey, PrivateJwk};
use crate::crypto::rsa::RsaComponents;
use crate::crypto::transfer_blob::TransferBlob;
use crate::crypto::{Material, base64url};
use crate::http::authority::Authority;
use crate::http::error::ApiError;
use crate::vault::Kind;
use crate::vault::keys::{ImportSource, KeyExchangeKey, KeyType, NewKey};
use crate::vault::object::Tags;

/// The body of an import.
#[derive(Deserialize)]
pub(super) struct ImportKey {
    #[serde(rename = "Hsm", alias = "hsm")]
    hsm: Option<bool>,
    key: Option<Jwk>,
    attributes: Option<AttributesIn>,
    tags: Option<Tags>,
    release_policy: Option<ReleasePolicyIn>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<Zeroizing<String>>,
    p: Option<Zeroizing<String>>,
    q: Option<Zeroizing<String>>,
    dp: Option<Zeroizing<String>>,
    dq: Option<Zeroizing<String>>,
    qi: Option<Zeroizing<String>>,
    k: Option<Zeroizing<String>>,
    key_hsm: Option<String>,
}

/// Two coordinates.
type Point = (Vec<u8>, Vec<u8>);

impl ImportKey {
    /// What the key shall be, and where it comes from.
    pub(super) async fn parse(
        self,
        state: &State,
        request: &AuthorizedRequest,
    ) -> Result<(NewKey, ImportSource), ApiError> {
        let mut required = input::Required::default();
        required.check("key", self.key.as_ref());
        required.finish()?;
        let jwk = self.key.ok_or_else(|| refusal::invalid_key("key is missing"))?;
        let kty = jwk.key_type(self.hsm.unwrap_or_default(), request)?;
        let described =
            CommonMembers { attributes: self.attributes, tags: self.tags, release_policy: self.release_policy };
        let new = described.new_key(kty, jwk.key_ops.as_deref())?;
        let from = match &jwk.key_hsm {
            Some(blob) => jwk.transfer(kty, blob, state, request).await?,
            None => ImportSource::Jwk(jwk.private(kty)?),
        };
        Ok((new, from))
    }
}

impl Jwk {
    /// The type that the key will present as: `Hsm` or the key itself may ask for an HSM type.
    fn key_type(&self, hsm: bool, request: &AuthorizedRequest) -> Result<KeyType, ApiError> {
        let name = self.kty.as_deref().ok_or_else(|| refusal::invalid_key("key.kty is missing"))?;
        let name = if hsm && name == "oct" { KeyType::OctHsm.name() } else { name };
        let kty = key_type(name, request.api_version)?;
        Ok(if hsm { kty.in_hsm() } else { kty })
    }

    fn private(&self, kty: KeyType) -> Result<PrivateJwk, ApiError> {
        Ok(match kty {
            KeyType::Rsa | KeyType::RsaHsm => PrivateJwk::Rsa(self.rsa()?),
            KeyType::Ec | KeyType::EcHsm => {
                let curve = self.curve()?.ok_or_else(|| refusal::invalid_key("key.crv is missing"))?;
                PrivateJwk::Ec { curve, d: required("d", self.d.as_ref())?, point: self.point()? }
            }
            KeyType::OctHsm => PrivateJwk::Oct(required("k", self.k.as_ref())?),
        })
    }

    fn rsa(&self) -> Result<RsaComponents, ApiError> {
        let primes = match (optional("p", self.p.as_ref())?, optional("q", self.q.as_ref())?) {
            (Some(p), Some(q)) => Some((p, q)),
            (None, None) => None,
            _ => return Err(refusal::invalid_key("key.p and key.q belong together")),
        };
        Ok(RsaComponents {
            n: public("n", self.n.as_ref())?.ok_or_else(|| refusal::invalid_key("key.n is missing"))?,
            e: public("e", self.e.as_ref())?.ok_or_else(|| refusal::invalid_key("key.e is missing"))?,
            d: required("d", self.d.as_ref())?,
            primes,
            crt: [
                optional("dp", self.dp.as_ref())?,
                optional("dq", self.dq.as_ref())?,
                optional("qi", self.qi.as_ref())?,
            ],
        })
    }

    fn curve(&self) -> Result<Option<Curve>, ApiError> {
        let parse = |name: &String| {
            Curve::parse(name).ok_or_else(|| refusal::invalid_key("key.crv is no curve of the service"))
        };
        self.crv.as_ref().map(parse).transpose()
    }

    fn point(&self) -> Result<Option<Point>, ApiError> {
        match (public("x", self.x.as_ref())?, public("y", self.y.as_ref())?) {
            (Some(x), Some(y)) => Ok(Some((x, y))),
            (None, None) => Ok(None),
            _ => Err(refusal::invalid_key("key.x and key.y belong together")),
        }
    }

    /// "Bring your own key": the blob names a key-exchange key, which must be one of this vault.
    async fn transfer(
        &self,
        kty: KeyType,
        blob: &str,
        state: &State,
        request: &AuthorizedRequest,
    ) -> Result<ImportSource, ApiError> {
        if !kty.is_hsm() {
            return Err(refusal::invalid_key("key.key_hsm: only HSM keys can be transferred so"));
        }
        let blob = base64url::decode(blob).ok_or_else(|| refusal::invalid_key("key.key_hsm is not base64url"))?;
        let blob =
            TransferBlob::parse(&blob).map_err(|cause| refusal::invalid_key(&format!("key.key_hsm: {cause}")))?;
        let kek = key_exchange_key(blob.kid(), state, request).await?;
        let wanted = match kty {
            KeyType::Rsa | KeyType::RsaHsm => ExpectedKey::Rsa,
            KeyType::Ec | KeyType::EcHsm => ExpectedKey::Ec(self.curve()?),
            KeyType::OctHsm => ExpectedKey::Oct,
        };
        Ok(ImportSource::Transfer { blob, kek, wanted })
    }
}

async fn key_exchange_key(kid: &str, state: &State, request: &AuthorizedRequest) -> Result<KeyExchangeKey, ApiError> {
    let foreign = || refusal::invalid_key("key.key_hsm: header.kid is not the id of a key of this vault");
    let (host, path) = kid.strip_prefix("https://").and_then(|rest| rest.split_once('/')).ok_or_else(foreign)?;
    let host = Authority::parse(host).ok_or_else(foreign)?;
    let vault = state.hosts.find(&state.vaults, &host).await.map_err(refusal::error)?;
    let (name, version) = Kind::Key.parse_path(&format!("/{path}")).ok_or_else(foreign)?;
    match vault {
        Some(vault) if vault.id == request.call.vault.id => Ok(KeyExchangeKey { name, version }),
        _ => Err(foreign()),
    }
}

fn public(name: &str, text: Option<&String>) -> Result<Option<Vec<u8>>, ApiError> {
    text.map(|text| base64url::decode(text).ok_or_else(|| not_base64url(name))).transpose()
}

fn optional(name: &str, text: Option<&Zeroizing<String>>) -> Result<Option<Material>, ApiError> {
    let decode = |text: &Zeroizing<String>| base64url::decode(text).map(Zeroizing::new);
    text.map(|text| decode(text).ok_or_else(|| not_base64url(name))).transpose()
}

fn required(name: &str, text: Option<&Zeroizing<String>>) -> Result<Material, ApiError> {
    optional(name, text)?.ok_or_else(|| refusal::invalid_key(&format!("key.{name} is missing")))
}

fn not_base64url(name: &str) -> ApiError {
    refusal::invalid_key(&format!("key.{name} is not base64url"))
}

#[cfg(any(test, fuzzing))]
impl ImportKey {
    /// Loads the JSON Web Key of the body, as an import without a transfer blob does.
    pub(super) fn fuzz(self) {
        use super::super::api_version::ApiVersion;
        let Some(jwk) = self.key else { return };
        let Ok(kty) = key_type(jwk.kty.as_deref().unwrap_or_default(), ApiVersion::NEWEST) else { return };
        let _ = (jwk.key_ops.as_deref(), jwk.private(kty).is_ok_and(|private| private.load().is_ok()));
    }
}
