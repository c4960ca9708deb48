//! Keys that sign and check JSON Web Tokens (RFC 7519), and what a token says before anybody believes it.

use aws_lc_rs::digest;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use pem::Pem;
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::{IssuerError, PublicKey};
use crate::crypto::base64url;
use crate::crypto::rsa::RsaKey;

/// A key that signs with RS256.
pub(super) struct SigningKey {
    encoding: EncodingKey,
    pub(super) checking: CheckingKey,
}

/// The public half: what checks a signature, as JWKS shows it.
pub(super) struct CheckingKey {
    pub(super) public: PublicKey,
    decoding: DecodingKey,
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadToken {
    /// It is no JWT of the claims wanted.
    Malformed,
    /// The signature does not fit.
    Signature,
}

impl SigningKey {
    /// The key in a PKCS#8 document.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, IssuerError> {
        let parsed = RsaKey::from_pkcs8(pkcs8).map_err(|error| IssuerError::Key(error.to_string()))?;
        let text = Zeroizing::new(pem::encode(&Pem::new("PRIVATE KEY", pkcs8)));
        let encoding =
            EncodingKey::from_rsa_pem(text.as_bytes()).map_err(|error| IssuerError::Key(error.to_string()))?;
        Ok(Self { encoding, checking: CheckingKey::new(&parsed.public().n, &parsed.public().e) })
    }

    /// A signed token with these claims.
    pub(super) fn sign<C: Serialize>(&self, claims: &C) -> Result<String, IssuerError> {
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.checking.public.kid.clone());
        header.x5t = Some(self.checking.public.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).map_err(|error| IssuerError::Key(error.to_string()))
    }
}

impl CheckingKey {
    /// The key of this modulus and exponent, big-endian.
    pub(super) fn new(n: &[u8], e: &[u8]) -> Self {
        let kid = base64url::encode(&digest::digest(&digest::SHA256, n).as_ref()[..20]);
        let public = PublicKey { kid, n: base64url::encode(n), e: base64url::encode(e) };
        Self { public, decoding: DecodingKey::from_rsa_raw_components(n, e) }
    }

    /// The claims of a token that this key signed.
    pub(super) fn check<C: DeserializeOwned>(&self, token: &str) -> Result<C, BadToken> {
        check(token, &self.decoding, &[Algorithm::RS256])
    }
}

/// The claims of `token` when `key` signed it with one of `algorithms`. The signature alone is checked: everything else
/// depends on the moment and the request.
pub(super) fn check<C: DeserializeOwned>(
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

/// The header of a token.
pub(super) fn header(token: &str) -> Result<Header, BadToken> {
    jsonwebtoken::decode_header(token).map_err(|_| BadToken::Malformed)
}

/// What a token says, whoever may have signed it.
pub(super) fn unchecked<C: DeserializeOwned>(token: &str) -> Result<C, BadToken> {
    let said = jsonwebtoken::dangerous::insecure_decode_claims(token);
    said.map_err(|_| BadToken::Malformed)
}
