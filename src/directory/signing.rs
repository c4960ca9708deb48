//! Signs and verifies JSON Web Tokens (RFC 7519), and decodes unverified ones.

use std::sync::Arc;

use aws_lc_rs::digest;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use pem::Pem;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Deserializer, Serialize};
use zeroize::Zeroizing;

use crate::crypto::base64url;
use crate::crypto::rsa::RsaKey;
use crate::records::RecordError;

/// Why no token is issued.
#[derive(Clone, Debug)]
pub(crate) enum IssuerError {
    /// The identity of this name is disabled.
    Disabled(String),
    /// The store failed.
    Record(Arc<RecordError>),
    /// The key could not be generated or used.
    Key(String),
}

impl From<RecordError> for IssuerError {
    fn from(error: RecordError) -> Self {
        Self::Record(Arc::new(error))
    }
}

impl std::fmt::Display for IssuerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Disabled(name) => write!(f, "the identity '{name}' is disabled"),
            Self::Record(error) => write!(f, "{error}"),
            Self::Key(why) => write!(f, "the token issuer's key cannot be used: {why}"),
        }
    }
}

impl std::error::Error for IssuerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Record(error) => Some(error.as_ref()),
            Self::Disabled(_) | Self::Key(_) => None,
        }
    }
}

/// The public half of an issuer's key, as JWKS publishes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// The key's id.
    pub kid: String,
    /// The modulus in base64url without padding.
    pub n: String,
    /// The exponent in base64url without padding.
    pub e: String,
}

/// A key that signs with RS256.
pub(super) struct SigningKey {
    encoding: EncodingKey,
    pub(super) verifying: VerifyingKey,
}

/// The public half, which verifies signatures; published as JWKS.
pub(super) struct VerifyingKey {
    pub(super) public: PublicKey,
    decoding: DecodingKey,
}

/// Why a token does not verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadToken {
    /// It is not a JWT with the expected claims.
    Malformed,
    /// The signature does not verify.
    Signature,
}

impl SigningKey {
    /// The key in a PKCS#8 document.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, IssuerError> {
        let parsed = RsaKey::from_pkcs8(pkcs8).map_err(|error| IssuerError::Key(error.to_string()))?;
        let text = Zeroizing::new(pem::encode(&Pem::new("PRIVATE KEY", pkcs8)));
        let encoding =
            EncodingKey::from_rsa_pem(text.as_bytes()).map_err(|error| IssuerError::Key(error.to_string()))?;
        Ok(Self { encoding, verifying: VerifyingKey::new(&parsed.public().n, &parsed.public().e) })
    }

    /// A signed token with these claims.
    pub(super) fn sign<C: Serialize>(&self, claims: &C) -> Result<String, IssuerError> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.verifying.public.kid.clone());
        header.x5t = Some(self.verifying.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|error| IssuerError::Key(error.to_string()))
    }
}

impl VerifyingKey {
    /// The key of this modulus and exponent, big-endian.
    pub(super) fn new(n: &[u8], e: &[u8]) -> Self {
        let kid = base64url::encode(&digest::digest(&digest::SHA256, n).as_ref()[..20]);
        let public = PublicKey { kid, n: base64url::encode(n), e: base64url::encode(e) };
        Self { public, decoding: DecodingKey::from_rsa_raw_components(n, e) }
    }

    /// Verifies a token and returns its claims.
    pub(super) fn verify<C: DeserializeOwned>(&self, token: &str) -> Result<C, BadToken> {
        verify(token, &self.decoding, &[Algorithm::RS256])
    }
}

/// The claims of `token` if `key` signed it with one of `algorithms`. Only the signature is verified: all other checks depend
/// on the time and the request.
pub(super) fn verify<C: DeserializeOwned>(
    token: &str,
    key: &DecodingKey,
    algorithms: &[Algorithm],
) -> Result<C, BadToken> {
    let header = header(token)?;
    if !algorithms.contains(&header.alg) {
        return Err(BadToken::Signature);
    }
    let mut validation = Validation::new(header.alg);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    match jsonwebtoken::decode(token, key, &validation) {
        Ok(checked) => Ok(checked.claims),
        Err(error) if matches!(error.kind(), jsonwebtoken::errors::ErrorKind::Json(_)) => Err(BadToken::Malformed),
        Err(_) => Err(BadToken::Signature),
    }
}

/// The header of a token. A header with `crit` is refused, whatever it names: no extension is supported, and a recipient must
/// reject what it does not support (RFC 7515, section 4.1.11). jsonwebtoken parses `crit` and ignores it.
pub(super) fn header(token: &str) -> Result<Header, BadToken> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| BadToken::Malformed)?;
    let encoded = token.split('.').next().unwrap_or_default();
    let Critical { crit } = parsed(encoded).ok_or(BadToken::Malformed)?;
    if crit { Err(BadToken::Malformed) } else { Ok(header) }
}

fn parsed(encoded: &str) -> Option<Critical> {
    serde_json::from_slice(&base64url::decode(encoded)?).ok()
}

/// Whether a header has a member `crit`, of whatever value: `null` and an empty list are malformed and refused too.
#[derive(Deserialize)]
struct Critical {
    #[serde(default, deserialize_with = "present")]
    crit: bool,
}

fn present<'de, D: Deserializer<'de>>(value: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(value).map(|_| true)
}

/// The claims of a token whose signature is not verified.
pub(super) fn decode_unverified<C: DeserializeOwned>(token: &str) -> Result<C, BadToken> {
    let said = jsonwebtoken::dangerous::insecure_decode_claims(token);
    said.map_err(|_| BadToken::Malformed)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::crypto::rsa::RsaSize;

    /// A token with this header, which `key` signed.
    fn signed(key: &SigningKey, header: &Value) -> String {
        let encoded = |value: &Value| base64url::encode(value.to_string().as_bytes());
        let message = format!("{}.{}", encoded(header), encoded(&json!({"sub": "someone"})));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key.encoding, Algorithm::RS256).unwrap();
        format!("{message}.{signature}")
    }

    #[test]
    fn a_token_that_demands_an_extension_is_refused_though_its_signature_is_good() {
        let (_, pkcs8) = RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT).unwrap();
        let key = SigningKey::from_pkcs8(&pkcs8).unwrap();
        let check = |header: &Value| key.verifying.verify::<Value>(&signed(&key, header));
        assert!(check(&json!({"alg": "RS256"})).is_ok());
        assert!(
            check(&json!({"alg": "RS256", "b64": true, "x": {"crit": []}})).is_ok(),
            "what is not demanded is ignored"
        );
        for crit in
            [json!(["b64"]), json!(["exp"]), json!([]), json!(null), json!("b64"), json!({"b64": true}), json!([1])]
        {
            let header = json!({"alg": "RS256", "b64": true, "crit": crit});
            assert_eq!(check(&header), Err(BadToken::Malformed), "{header}");
        }
    }
}
