//! The system key: an AES key that the factory's certificate protects. It models the key of the platform itself.

use aws_lc_rs::digest::{SHA256, digest};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, KeyUsagePurpose, PKCS_RSA_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use super::refusal::Refusal;
use super::seal::{KEY_BYTES, LayerKey};
use super::system_layer::SystemLayer;
use crate::clock::{Period, Timestamp};
use crate::crypto::algorithm::RsaEncryption;
use crate::crypto::base64url;
use crate::crypto::rsa::{RsaKey, RsaSize};
use crate::random;

/// The lifetime of a certificate, as at the service.
const LIFETIME: &str = "P2Y";
/// How long before its expiry a certificate is renewed, in seconds: 30 days.
const RENEWAL_MARGIN: i64 = 30 * 86_400;
/// The algorithm by which the certificate's key protects the system key.
const PROTECTION: RsaEncryption = RsaEncryption::RsaOaep256;

/// A system key, wrapped under its certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SystemKey {
    /// The SHA-256 of the certificate, in hexadecimal.
    pub(super) thumbprint: String,
    /// The certificate, as PEM.
    pub(super) certificate: String,
    /// When the certificate expires.
    pub(super) not_after: Timestamp,
    /// The AES key under the certificate's key (RSA-OAEP-256), in base64url.
    wrapped: String,
}

impl SystemKey {
    /// Generates a system key for the factory `name`, with a certificate that is valid for two years from `now`, and the
    /// certificate's private key (PKCS #8, DER). Takes some 100 ms.
    ///
    /// # Errors
    /// When no key can be made, or the calendar ends before.
    pub(crate) fn generate(name: &str, now: Timestamp) -> Result<(Self, Zeroizing<Vec<u8>>), Refusal> {
        let failed = |error: &dyn std::error::Error| Refusal::Failed(format!("no system key could be made: {error}"));
        let (key, private) =
            RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT).map_err(|error| failed(&error))?;
        let not_after = end(now).ok_or_else(|| Refusal::Failed("the calendar ends before two years".to_owned()))?;
        let (certificate, thumbprint) = certificate(name, &private, now, not_after).map_err(|error| failed(&error))?;
        let system_key = Zeroizing::new(random::secret::<KEY_BYTES>());
        let wrapped = key.encrypt(PROTECTION, system_key.as_slice()).map_err(|error| failed(&error))?;
        let wrapped = base64url::encode(&wrapped);
        Ok((Self { thumbprint, certificate, not_after, wrapped }, private))
    }

    /// Unwraps the AES key with the private key (PKCS #8, DER) of the certificate.
    ///
    /// # Errors
    /// [`Refusal::Damaged`] when it is another one's.
    pub(crate) fn open(&self, private: &[u8]) -> Result<SystemLayer, Refusal> {
        let damaged = || Refusal::Damaged(format!("the system key {} does not open", self.thumbprint));
        let private = RsaKey::from_pkcs8(private).map_err(|_| damaged())?;
        let wrapped = base64url::decode(&self.wrapped).ok_or_else(damaged)?;
        let bytes = private.decrypt(PROTECTION, &wrapped).map_err(|_| damaged())?;
        let bytes: [u8; KEY_BYTES] = bytes.as_slice().try_into().map_err(|_| damaged())?;
        Ok(SystemLayer::new(self.thumbprint.clone(), LayerKey::new(bytes)))
    }

    /// Whether the certificate should be renewed by `now`.
    pub(crate) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.not_after.plus_seconds(-RENEWAL_MARGIN)
    }

    /// Whether the certificate has expired by `now`.
    pub(super) fn is_expired(&self, now: Timestamp) -> bool {
        now >= self.not_after
    }
}

fn end(now: Timestamp) -> Option<Timestamp> {
    let lifetime: Period = LIFETIME.parse().ok()?;
    lifetime.after(now)
}

/// A self-signed certificate in PEM, and its thumbprint.
fn certificate(
    name: &str,
    private: &[u8],
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<(String, String), rcgen::Error> {
    let pair = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(private), &PKCS_RSA_SHA256)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{name} system key"));
    params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
    (params.not_before, params.not_after) = (date(not_before), date(not_after));
    let certificate = params.self_signed(&pair)?;
    let thumbprint = digest(&SHA256, certificate.der()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok((certificate.pem(), thumbprint))
}

fn date(moment: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(moment.unix()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    #[test]
    fn the_certificate_is_valid_for_two_years_by_the_calendar() {
        let now = Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
        let (key, private) = SystemKey::generate("f", now).unwrap();
        assert_eq!(key.not_after.to_string(), "2028-03-01T00:00:00Z");
        let der = pem::parse(&key.certificate).unwrap().into_contents();
        let (_, certificate) = X509Certificate::from_der(&der).unwrap();
        let validity = certificate.validity();
        assert_eq!(validity.not_before.timestamp(), now.unix());
        assert_eq!(validity.not_after.timestamp(), key.not_after.unix());
        assert_eq!(certificate.subject().to_string(), "CN=f system key");
        assert_eq!(
            RsaKey::from_pkcs8(&private).unwrap().public().n,
            certificate.public_key().parsed().map(modulus).unwrap()
        );
    }

    fn modulus(key: x509_parser::public_key::PublicKey<'_>) -> Vec<u8> {
        let x509_parser::public_key::PublicKey::RSA(key) = key else { panic!("an RSA key") };
        key.modulus.strip_prefix(&[0]).unwrap_or(key.modulus).to_vec()
    }

    #[test]
    fn it_is_due_before_it_expires() {
        let now = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let (key, _) = SystemKey::generate("f", now).unwrap();
        let at =
            |text: &str| (key.is_due(Timestamp::parse(text).unwrap()), key.is_expired(Timestamp::parse(text).unwrap()));
        assert_eq!(at("2027-12-01T23:59:59Z"), (false, false));
        assert_eq!(at("2027-12-02T00:00:00Z"), (true, false));
        assert_eq!(at("2027-12-31T23:59:59Z"), (true, false));
        assert_eq!(at("2028-01-01T00:00:00Z"), (true, true));
    }
}
