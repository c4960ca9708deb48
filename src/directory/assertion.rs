//! Client assertions (RFC 7523): signed tokens by which an application says who it is. They are signed with a certificate
//! of the application's own, by this server, or by another issuer whose keys somebody else fetches.

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

/// Seconds that clocks may differ, as Entra allows it.
const SKEW: i64 = 300;
/// The longest assertion, in bytes.
const LONGEST: usize = 16 * 1024;

/// The keys of another issuer (RFC 7517).
pub type ExternalKeys = Arc<JwkSet>;

/// Where the keys of other issuers come from.
pub trait ExternalIssuers: Send + Sync {
    /// The keys that `issuer` (an `https` URL) signs with. `kid` is the one that is wanted: keys that are remembered and
    /// lack it are fetched again.
    fn keys(
        &self,
        issuer: &str,
        kid: Option<&str>,
    ) -> Pin<Box<dyn Future<Output = Result<ExternalKeys, String>> + Send>>;
}

/// An assertion, and what it says; nobody has checked the signature yet.
pub(super) struct Assertion<'a> {
    token: &'a str,
    header: Header,
    pub(super) claims: AssertionClaims,
}

/// What an assertion says.
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
    /// Takes `token` apart; white space around it (a file's last line end) does not count.
    pub(super) fn parse(token: &'a str) -> Result<Self, SignInRefusal> {
        let token = token.trim();
        if token.len() > LONGEST {
            return Err(SignInRefusal::Malformed);
        }
        let header = signing::header(token)?;
        Ok(Self { token, header, claims: signing::unchecked(token)? })
    }

    /// Whether the moment is right.
    pub(super) fn is_timely(&self, now: i64) -> Result<(), SignInRefusal> {
        #[expect(clippy::cast_precision_loss, reason = "Unix seconds are far below 2^52")]
        let (now, skew) = (now as f64, SKEW as f64);
        let begun = self.claims.nbf.is_none_or(|nbf| now + skew >= nbf);
        if begun && now - skew < self.claims.exp { Ok(()) } else { Err(SignInRefusal::Untimely) }
    }

    /// Whether it is for one of `audiences`, compared without a last slash.
    pub(super) fn is_for(&self, audiences: &[String]) -> Result<(), SignInRefusal> {
        let trimmed = |text: &str| text.trim_end_matches('/').to_owned();
        let said = match &self.claims.aud {
            Audiences::One(one) => std::slice::from_ref(one),
            Audiences::Several(several) => several,
        };
        let fits = said.iter().any(|said| audiences.iter().any(|wanted| trimmed(wanted) == trimmed(said)));
        if fits { Ok(()) } else { Err(SignInRefusal::Audience(said.first().cloned().unwrap_or_default())) }
    }

    /// Whether one of `certificates` (DER in base64) signed it: the one whose thumbprint it names.
    pub(super) fn is_signed_by_one_of(&self, certificates: &[String]) -> Result<(), SignInRefusal> {
        let certificates = certificates.iter().filter_map(|text| STANDARD.decode(text).ok());
        let Some(der) = certificates.into_iter().find(|der| self.names(der)) else {
            let thumbprint = self.header.x5t_s256.as_ref().or(self.header.x5t.as_ref()).or(self.header.kid.as_ref());
            return Err(SignInRefusal::UnknownCertificate(thumbprint.cloned().unwrap_or_default()));
        };
        let key = certified_key(&der).ok_or(SignInRefusal::Signature)?;
        let algorithms = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256];
        Ok(signing::check::<AssertionClaims>(self.token, &key, &algorithms).map(drop)?)
    }

    fn names(&self, der: &[u8]) -> bool {
        let thumbprint = |algorithm| base64url::encode(digest::digest(algorithm, der).as_ref());
        if let Some(named) = &self.header.x5t_s256 {
            return unpadded(named) == thumbprint(&digest::SHA256);
        }
        let sha1 = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, der);
        let hex: String = sha1.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
        let by_kid = self.header.kid.as_ref().is_some_and(|kid| kid.eq_ignore_ascii_case(&hex));
        self.header.x5t.as_ref().map_or(by_kid, |named| unpadded(named) == base64url::encode(sha1.as_ref()))
    }

    /// The id of the key that signed it, as it says.
    pub(super) fn kid(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Whether one of an issuer's keys signed it.
    pub(super) fn is_signed_by_issuer(&self, keys: &JwkSet) -> Result<(), SignInRefusal> {
        let named = |kid: &str| keys.find(kid).into_iter().collect::<Vec<_>>();
        let candidates = self.kid().map_or_else(|| keys.keys.iter().collect(), named);
        let algorithms = [Algorithm::RS256, Algorithm::PS256, Algorithm::ES256, Algorithm::RS384, Algorithm::RS512];
        let fits = candidates.into_iter().filter_map(|jwk| DecodingKey::from_jwk(jwk).ok());
        let mut checked = fits.map(|key| signing::check::<AssertionClaims>(self.token, &key, &algorithms));
        if checked.any(|checked| checked.is_ok()) { Ok(()) } else { Err(SignInRefusal::Signature) }
    }
}

/// A thumbprint as RFC 7515 has it: MSAL for Python pads it.
fn unpadded(thumbprint: &str) -> &str {
    thumbprint.trim_end_matches('=')
}

/// The key that a certificate (DER) speaks of.
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
            BadToken::Signature => Self::Signature,
        }
    }
}
