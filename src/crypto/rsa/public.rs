//! The public half of an RSA key: what anyone may do with it.

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
#[cfg(test)]
use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OaepAlgorithm, OaepPublicEncryptingKey, Pkcs1PublicEncryptingKey,
    PublicEncryptingKey,
};
use aws_lc_rs::signature::{RsaSubjectPublicKey, VerificationAlgorithm};

use super::scheme::Scheme;
use crate::crypto::CryptoError;
use crate::crypto::algorithm::{RsaEncryption, RsaSignature};

/// An RSA public key, parsed once. Its operations take tens of microseconds and may run on any thread.
#[derive(Debug)]
pub(crate) struct RsaPublic {
    /// The modulus, big-endian without a leading zero byte: 256 bytes for a key of 2048 bits.
    pub n: Vec<u8>,
    /// The public exponent, big-endian without a leading zero byte: `01 00 01` for 65537.
    pub e: Vec<u8>,
    // Verification parses this anew each time, for 4 us of its 21: the library ties a parsed key to one algorithm.
    verifying: RsaSubjectPublicKey,
    pkcs1: Pkcs1PublicEncryptingKey,
    oaep: OaepPublicEncryptingKey,
}

impl RsaPublic {
    /// The key of modulus `n` and exponent `e`, both big-endian; leading zero bytes are dropped.
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] unless the modulus is odd and has 2048 to 8192 bits, and the exponent is odd, above 1
    /// and below 2^33.
    #[cfg(test)]
    pub(crate) fn from_components(n: &[u8], e: &[u8]) -> Result<Self, CryptoError> {
        let components = PublicKeyComponents { n: without_leading_zeros(n), e: without_leading_zeros(e) };
        let der: PublicKeyX509Der<'_> = components.as_der().map_err(|_| UNUSABLE)?;
        Self::new(&RsaSubjectPublicKey::from_der(der.as_ref()).map_err(|_| UNUSABLE)?)
    }

    /// The key that the library has already parsed.
    pub(super) fn new(key: &RsaSubjectPublicKey) -> Result<Self, CryptoError> {
        let der: PublicKeyX509Der<'_> = key.as_der().map_err(|_| UNUSABLE)?;
        let encrypting = PublicEncryptingKey::from_der(der.as_ref()).map_err(|_| UNUSABLE)?;
        Ok(Self {
            n: key.modulus().big_endian_without_leading_zero().to_vec(),
            e: key.exponent().big_endian_without_leading_zero().to_vec(),
            verifying: key.clone(),
            pkcs1: Pkcs1PublicEncryptingKey::new(encrypting.clone()).map_err(|_| UNUSABLE)?,
            oaep: OaepPublicEncryptingKey::new(encrypting).map_err(|_| UNUSABLE)?,
        })
    }

    /// The key in a SubjectPublicKeyInfo (DER, RFC 5280).
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] unless it is an RSA key of 2048 to 8192 bits.
    pub(crate) fn from_der(der: &[u8]) -> Result<Self, CryptoError> {
        Self::new(&RsaSubjectPublicKey::from_der(der).map_err(|_| UNUSABLE)?)
    }

    /// The key as a SubjectPublicKeyInfo (DER, RFC 5280).
    ///
    /// # Errors
    /// [`CryptoError::Failed`].
    pub(crate) fn to_der(&self) -> Result<Vec<u8>, CryptoError> {
        let der: PublicKeyX509Der<'_> =
            self.verifying.as_der().map_err(|_| CryptoError::Failed("write a public key"))?;
        Ok(der.as_ref().to_vec())
    }

    /// `plaintext` encrypted; the ciphertext is as long as the modulus and differs on every call.
    ///
    /// # Errors
    /// [`CryptoError::PlaintextTooLong`] beyond [`RsaEncryption::max_plaintext`].
    pub(crate) fn encrypt(&self, algorithm: RsaEncryption, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let max = algorithm.max_plaintext(self.n.len());
        if plaintext.len() > max {
            return Err(CryptoError::PlaintextTooLong { given: plaintext.len(), max });
        }
        let mut ciphertext = vec![0; self.n.len()];
        match oaep(algorithm) {
            Some(oaep) => self.oaep.encrypt(oaep, plaintext, &mut ciphertext, None),
            None => self.pkcs1.encrypt(plaintext, &mut ciphertext),
        }
        .map_err(|_| CryptoError::Failed("encrypt"))?;
        Ok(ciphertext)
    }

    /// Whether `signature` is this key's signature of `digest` (already computed, of [`RsaSignature::digest_len`]
    /// bytes). A signature of the wrong length, or any other bytes, is simply not one.
    ///
    /// # Errors
    /// [`CryptoError::DigestLength`].
    pub(crate) fn verify(&self, algorithm: RsaSignature, digest: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        let scheme = Scheme::of(algorithm);
        let digest = scheme.digest(digest)?;
        Ok(scheme.verifying.verify_digest_sig(self.verifying.as_ref(), &digest, signature).is_ok())
    }
}

const UNUSABLE: CryptoError = CryptoError::InvalidMaterial("not an RSA public key of 2048 to 8192 bits");

/// The library's name for an OAEP algorithm; `None` for PKCS #1 v1.5, which has a type of its own there.
pub(super) fn oaep(algorithm: RsaEncryption) -> Option<&'static OaepAlgorithm> {
    match algorithm {
        RsaEncryption::Rsa15 => None,
        RsaEncryption::RsaOaep => Some(&OAEP_SHA1_MGF1SHA1),
        RsaEncryption::RsaOaep256 => Some(&OAEP_SHA256_MGF1SHA256),
    }
}

#[cfg(test)]
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::test_keys;

    #[test]
    fn components_are_kept_minimal() {
        let key = test_keys::rsa_2048();
        let padded = [&[0, 0], &key.public().n[..]].concat();
        let public = RsaPublic::from_components(&padded, &[0, 1, 0, 1]).unwrap();
        assert_eq!((&public.n, &public.e), (&key.public().n, &vec![1, 0, 1]));
    }

    #[test]
    fn components_that_are_no_key_are_refused() {
        let n = &test_keys::rsa_2048().public().n;
        let even = [&n[..255], &[n[255] & 0xFE]].concat();
        for (n, e) in
            [(&n[..], &[][..]), (&[], &[1, 0, 1]), (&n[..255], &[1, 0, 1]), (n, &[1]), (n, &[2]), (&even, &[1, 0, 1])]
        {
            assert_eq!(RsaPublic::from_components(n, e).unwrap_err(), UNUSABLE);
        }
    }
}
