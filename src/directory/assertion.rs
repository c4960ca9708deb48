//! Client assertions (RFC 7523): JWTs that an application authenticates with. They are signed with a certificate of the
//! application, by this server, or by an external issuer, whose keys another room fetches.

use std::pin::Pin;
use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Header};
use serde::Deserialize;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey as CertifiedKey;

use super::SignInRefusal;
use super::signing::{self, BadToken};
use crate::crypto::base64url;

/// The clock skew in seconds that Entra allows.
const SKEW: i64 = 300;
/// The longest assertion, in bytes.
const MAX_ASSERTION_BYTES: usize = 16 * 1024;

/// The keys of an external issuer (RFC 7517).
pub(crate) type ExternalKeys = Arc<JwkSet>;

/// Fetches the keys of external issuers.
pub(crate) trait ExternalIssuers: Send + Sync {
    /// The keys of `issuer` (an `https` URL). If cached keys lack `kid`, they are fetched again.
    fn keys(
        &self,
        issuer: &str,
        kid: Option<&str>,
    ) -> Pin<Box<dyn Future<Output = Result<ExternalKeys, String>> + Send>>;
}

/// A parsed assertion. Its signature is not verified.
pub(super) struct Assertion<'a> {
    token: &'a str,
    header: Header,
    pub(super) claims: AssertionClaims,
}

/// The claims of an assertion.
#[derive(Debug, Deserialize)]
pub(super) struct AssertionClaims {
    pub(super) iss: String,
    pub(super) sub: String,
    aud: Audiences,
    exp: f64,
    nbf: Option<f64>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Audiences {
    One(String),
    Several(Vec<String>),
}

impl<'a> Assertion<'a> {
    /// Parses `token`; surrounding white space (a file's last line end) is ignored.
    pub(super) fn parse(token: &'a str) -> Result<Self, SignInRefusal> {
        let token = token.trim();
        if token.len() > MAX_ASSERTION_BYTES {
            return Err(SignInRefusal::Malformed);
        }
        let header = signing::header(token)?;
        Ok(Self { token, header, claims: signing::decode_unverified(token)? })
    }

    /// Checks `nbf` and `exp` against `now`, in Unix seconds.
    pub(super) fn check_validity(&self, now: i64) -> Result<(), SignInRefusal> {
        #[expect(clippy::cast_precision_loss, reason = "Unix seconds are far below 2^52")]
        let (now, skew) = (now as f64, SKEW as f64);
        let begun = self.claims.nbf.is_none_or(|nbf| now + skew >= nbf);
        if begun && now - skew < self.claims.exp { Ok(()) } else { Err(SignInRefusal::OutsideValidity) }
    }

    /// Checks that it has one of `audiences`, compared without trailing slashes.
    pub(super) fn check_audience(&self, audiences: &[String]) -> Result<(), SignInRefusal> {
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        let said = match &self.claims.aud {
            Audiences::One(one) => std::slice::from_ref(one),
            Audiences::Several(several) => several,
        };
        let fits = said.iter().any(|said| audiences.iter().any(|wanted| trimmed(wanted) == trimmed(said)));
        if fits { Ok(()) } else { Err(SignInRefusal::WrongAudience(said.first().cloned().unwrap_or_default())) }
    }

    /// Verifies the signature with the one of `certificates` (DER in base64) whose thumbprint the header names.
    pub(super) fn verify_with_certificates(&self, certificates: &[String]) -> Result<(), SignInRefusal> {
        let certificates = certificates.iter().filter_map(|text| STANDARD.decode(text).ok());
        let Some(der) = certificates.into_iter().find(|der| self.names_certificate(der)) else {
            let thumbprint = self.header.x5t_s256.as_ref().or(self.header.x5t.as_ref()).or(self.header.kid.as_ref());
            return Err(SignInRefusal::UnknownCertificate(thumbprint.cloned().unwrap_or_default()));
        };
        let key = certified_key(&der).ok_or(SignInRefusal::BadSignature)?;
        let algorithms = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];
        Ok(signing::verify::<AssertionClaims>(self.token, &key, &algorithms).map(drop)?)
    }

    fn names_certificate(&self, der: &[u8]) -> bool {
        let thumbprint = |algorithm| base64url::encode(digest::digest(algorithm, der).as_ref());
        if let Some(named) = &self.header.x5t_s256 {
            return canonical(named) == thumbprint(&digest::SHA256);
        }
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der);
        let hex: String = sha1.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let by_kid = self.header.kid.as_ref().is_some_and(|kid| kid.eq_ignore_ascii_case(&hex));
        self.header.x5t.as_ref().map_or(by_kid, |named| canonical(named) == base64url::encode(sha1.as_ref()))
    }

    /// The `kid` of its header.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Verifies the signature with the issuer's key that the header names, or with any of them if it names none.
    pub(super) fn verify_with_issuer_keys(&self, keys: &JwkSet) -> Result<(), SignInRefusal> {
        let named = |kid: &str| keys.find(kid).into_iter().collect::<Vec<_>>();
        let candidates = self.kid().map_or_else(|| keys.keys.iter().collect(), named);
        let algorithms = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::RS384, Algorithm::RS512];
        let fits = candidates.into_iter().filter_map(|jwk| DecodingKey::from_jwk(jwk).ok());
        let mut checked = fits.map(|key| signing::verify::<AssertionClaims>(self.token, &key, &algorithms));
        if checked.any(|checked| checked.is_ok()) { Ok(()) } else { Err(SignInRefusal::BadSignature) }
    }
}

/// A thumbprint in base64url without padding (RFC 7515). MSAL for Python pads it; MSAL for Go writes plain base64.
fn canonical(thumbprint: &str) -> String {
    thumbprint.trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// The public key of a certificate (DER).
fn certified_key(der: &[u8]) -> Option<DecodingKey> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let bits = &certificate.public_key().subject_public_key.data;
    match certificate.public_key().parsed().ok()? {
        // The bits are a PKCS#1 public key.
        CertifiedKey::RSA(_) => Some(DecodingKey::from_rsa_der(bits)),
        CertifiedKey::EC(point) => Some(DecodingKey::from_ec_der(point.data())),
        _ => None,
    }
}

impl From<BadToken> for SignInRefusal {
    fn from(why: BadToken) -> Self {
        match why {
            BadToken::Malformed => Self::Malformed,
            BadToken::Signature => Self::BadSignature,
        }
    }
}

/// Parses `bytes` as an assertion without its signature.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(assertion) = Assertion::parse(text) {
        let _ = assertion.check_validity(0).is_ok();
    }
}
