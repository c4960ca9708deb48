//! RSA keys (RFC 8017): generate, load, encrypt, decrypt, sign, verify.

mod fallback;
mod public;
mod scheme;

#[cfg(test)]
mod cross_check;
#[cfg(test)]
pub(crate) mod test_keys;
#[cfg(test)]
mod vectors;

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeySize, OaepPrivateDecryptingKey, Pkcs1PrivateDecryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
use zeroize::Zeroizing;

pub(crate) use fallback::RsaComponents;
pub(crate) use public::RsaPublic;
use public::oaep;
use scheme::Scheme;

use super::algorithm::{RsaEncryption, RsaSignature};
use super::{CryptoError, Material};

/// The sizes in which a key can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum RsaSize {
    /// A modulus of 2048 bits.
    Bits2048,
    /// A modulus of 3072 bits.
    Bits3072,
    /// A modulus of 4096 bits.
    Bits4096,
}

impl RsaSize {
    /// Every size.
    pub(crate) const ALL: [Self; 3] = [Self::Bits2048, Self::Bits3072, Self::Bits4096];

    /// The size of exactly `bits` bits, if there is one.
    pub(crate) fn from_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|size| size.bits() == bits)
    }

    /// The length of the modulus in bits.
    pub(crate) const fn bits(self) -> u32 {
        match self {
            Self::Bits2048 => 2048,
            Self::Bits3072 => 3072,
            Self::Bits4096 => 4096,
        }
    }
}

/// An RSA key with its private half, parsed once and usable from any thread at the same time.
///
/// Loading one costs about as much as half an operation with it, so that it pays to keep it.
pub(crate) struct RsaKey {
    public: RsaPublic,
    // The library has one type for signing and others for decrypting; each holds the key in its own way.
    signing: RsaKeyPair,
    pkcs1: Pkcs1PrivateDecryptingKey,
    oaep: OaepPrivateDecryptingKey,
}

impl RsaKey {
    /// The public exponent of nearly every key.
    pub(crate) const USUAL_EXPONENT: u32 = 65537;

    /// A new key with the public exponent `exponent` (65537 unless there is a reason), and the same key as an
    /// unencrypted PKCS #8 document (DER, RFC 5208) to store. Takes from tenths of a second to seconds.
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] unless the exponent is odd and from 3 to 2^31-1; [`CryptoError::Failed`].
    pub(crate) fn generate(size: RsaSize, exponent: u32) -> Result<(Self, Material), CryptoError> {
        if exponent != Self::USUAL_EXPONENT {
            return fallback::generate(size, exponent);
        }
        const FAILED: CryptoError = CryptoError::Failed("generate an RSA key");
        let size = match size {
            RsaSize::Bits2048 => KeySize::Rsa2048,
            RsaSize::Bits3072 => KeySize::Rsa3072,
            RsaSize::Bits4096 => KeySize::Rsa4096,
        };
        let der: Pkcs8V1Der<'_> =
            PrivateDecryptingKey::generate(size).and_then(|key| key.as_der()).map_err(|_| FAILED)?;
        let der = Zeroizing::new(der.as_ref().to_vec());
        Ok((Self::from_pkcs8(&der)?, der))
    }

    /// The key in an unencrypted PKCS #8 document (DER, RFC 5208).
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] unless it is a two-prime RSA key of 2048 to 8192 bits whose numbers fit together.
    pub(crate) fn from_pkcs8(der: &[u8]) -> Result<Self, CryptoError> {
        const UNUSABLE: CryptoError =
            CryptoError::InvalidMaterial("not a PKCS #8 RSA private key of 2048 to 8192 bits");
        let signing = RsaKeyPair::from_pkcs8(der).map_err(|_| UNUSABLE)?;
        let decrypting = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| UNUSABLE)?;
        Ok(Self {
            public: RsaPublic::new(signing.public_key())?,
            signing,
            pkcs1: Pkcs1PrivateDecryptingKey::new(decrypting.clone()).map_err(|_| UNUSABLE)?,
            oaep: OaepPrivateDecryptingKey::new(decrypting).map_err(|_| UNUSABLE)?,
        })
    }

    /// The public half.
    pub(crate) fn public(&self) -> &RsaPublic {
        &self.public
    }

    /// [`RsaPublic::encrypt`] with the public half.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn encrypt(&self, algorithm: RsaEncryption, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.public.encrypt(algorithm, plaintext)
    }

    /// The plaintext of `ciphertext`, which must be as long as the modulus. A private operation: run it on the pool.
    ///
    /// # Errors
    /// [`CryptoError::CiphertextLength`], and [`CryptoError::DecryptionFailed`] for whatever else is wrong.
    pub(crate) fn decrypt(
        &self,
        algorithm: RsaEncryption,
        ciphertext: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let required = self.public.n.len();
        if ciphertext.len() != required {
            return Err(CryptoError::CiphertextLength { given: ciphertext.len(), required });
        }
        let mut plaintext = Zeroizing::new(vec![0; required]);
        let length = match oaep(algorithm) {
            Some(oaep) => self.oaep.decrypt(oaep, ciphertext, &mut plaintext, None),
            None => self.pkcs1.decrypt(ciphertext, &mut plaintext),
        }
        .map_err(|_| CryptoError::DecryptionFailed)?
        .len();
        plaintext.truncate(length);
        Ok(plaintext)
    }

    /// The signature, as long as the modulus, of a `digest` already computed, which must have
    /// [`RsaSignature::digest_len`] bytes. A private operation: run it on the pool.
    ///
    /// # Errors
    /// [`CryptoError::DigestLength`].
    pub(crate) fn sign(&self, algorithm: RsaSignature, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let scheme = Scheme::of(algorithm);
        let digest = scheme.digest(digest)?;
        let mut signature = vec![0; self.public.n.len()];
        self.signing.sign_digest(scheme.signing, &digest, &mut signature).map_err(|_| CryptoError::Failed("sign"))?;
        Ok(signature)
    }

    /// [`RsaPublic::verify`] with the public half.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn verify(&self, algorithm: RsaSignature, digest: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        self.public.verify(algorithm, digest, signature)
    }
}

impl fmt::Debug for RsaKey {
    /// The size alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RsaKey").field("modulus_bytes", &self.public.n.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_size_is_named_by_its_bits() {
        assert_eq!(RsaSize::ALL.map(RsaSize::bits), [2048, 3072, 4096]);
        assert_eq!(RsaSize::from_bits(3072), Some(RsaSize::Bits3072));
        for bits in [0, 1024, 2047, 2056, 8192] {
            assert_eq!(RsaSize::from_bits(bits), None);
        }
    }

    #[test]
    fn a_generated_key_is_loaded_from_its_document() {
        let (key, der) = RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT).unwrap();
        let loaded = RsaKey::from_pkcs8(&der).unwrap();
        assert_eq!((key.public().n.len(), &key.public().e), (256, &vec![1, 0, 1]));
        assert_eq!((&key.public().n, &key.public().e), (&loaded.public().n, &loaded.public().e));

        let signature = key.sign(RsaSignature::Ps256, &[7; 32]).unwrap();
        assert_eq!(loaded.verify(RsaSignature::Ps256, &[7; 32], &signature), Ok(true));
    }

    #[test]
    fn a_damaged_document_is_refused() {
        let der = test_keys::RSA_2048;
        // The last byte belongs to a number that follows from the others.
        let altered = [&der[..der.len() - 1], &[!der[der.len() - 1]]].concat();
        for der in [&[][..], &der[..100], &altered] {
            assert!(matches!(RsaKey::from_pkcs8(der), Err(CryptoError::InvalidMaterial(_))));
        }
    }

    #[test]
    fn the_longest_plaintext_fits_and_one_byte_more_does_not() {
        for key in test_keys::all() {
            for algorithm in RsaEncryption::ALL {
                let max = algorithm.max_plaintext(key.public().n.len());
                let plaintext = vec![0xA5; max + 1];
                let ciphertext = key.encrypt(algorithm, &plaintext[..max]).unwrap();
                assert_eq!(*key.decrypt(algorithm, &ciphertext).unwrap(), plaintext[..max]);
                assert_eq!(
                    key.encrypt(algorithm, &plaintext),
                    Err(CryptoError::PlaintextTooLong { given: max + 1, max })
                );
            }
        }
    }

    #[test]
    fn a_ciphertext_that_is_not_one_is_refused_in_one_way() {
        let key = test_keys::rsa_2048();
        for algorithm in RsaEncryption::ALL {
            let mut altered = key.encrypt(algorithm, b"secret").unwrap();
            altered[100] ^= 1;
            let beyond_the_modulus = vec![0xFF; 256];
            for ciphertext in [altered, vec![0; 256], beyond_the_modulus] {
                assert_eq!(key.decrypt(algorithm, &ciphertext), Err(CryptoError::DecryptionFailed));
            }
            for given in [0, 255, 257] {
                assert_eq!(
                    key.decrypt(algorithm, &vec![1; given]),
                    Err(CryptoError::CiphertextLength { given, required: 256 })
                );
            }
        }
    }

    #[test]
    fn a_digest_of_another_length_is_refused() {
        let key = test_keys::rsa_2048();
        for algorithm in RsaSignature::ALL {
            let required = algorithm.digest_len();
            for given in [0, 20, required - 1, required + 1] {
                let refusal = CryptoError::DigestLength { given, required };
                assert_eq!(key.sign(algorithm, &vec![1; given]), Err(refusal));
                assert_eq!(key.verify(algorithm, &vec![1; given], &[1; 256]), Err(refusal));
            }
        }
    }

    #[test]
    fn only_the_signature_of_that_digest_by_that_algorithm_is_good() {
        let key = test_keys::rsa_2048();
        for algorithm in RsaSignature::ALL {
            let digest = vec![3; algorithm.digest_len()];
            let signature = key.sign(algorithm, &digest).unwrap();
            assert_eq!(key.verify(algorithm, &digest, &signature), Ok(true));

            let mut altered = signature.clone();
            altered[255] ^= 1;
            for signature in [&altered, &signature[..255], &[&signature[..], &[0]].concat(), &[]] {
                assert_eq!(key.verify(algorithm, &digest, signature), Ok(false));
            }
            assert_eq!(key.verify(algorithm, &vec![4; digest.len()], &signature), Ok(false));
            for other in RsaSignature::ALL.into_iter().filter(|&other| other != algorithm) {
                assert_eq!(key.verify(other, &vec![3; other.digest_len()], &signature), Ok(false));
            }
        }
    }

    #[test]
    fn nothing_private_is_printed() {
        assert_eq!(format!("{:?}", test_keys::rsa_2048()), "RsaKey { modulus_bytes: 256, .. }");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_wrapped_is_unwrapped(
            (algorithm, plaintext) in prop::sample::select(&RsaEncryption::ALL[..]).prop_flat_map(|algorithm| {
                (Just(algorithm), prop::collection::vec(any::<u8>(), 0..=algorithm.max_plaintext(256)))
            })
        ) {
            let key = test_keys::rsa_2048();
            let ciphertext = key.encrypt(algorithm, &plaintext)?;
            prop_assert_eq!(ciphertext.len(), 256);
            prop_assert_eq!(&*key.decrypt(algorithm, &ciphertext)?, &plaintext);
        }
    }
}
