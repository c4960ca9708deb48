//! EC keys (FIPS 186-5, SEC 2): generate, load, sign, verify.

#[cfg(test)]
mod vectors;

use std::fmt;

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED,
    ECDSA_P256K1_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    EcdsaVerificationAlgorithm, KeyPair, VerificationAlgorithm,
};
use zeroize::Zeroizing;

use super::algorithm::Curve;
use super::{CryptoError, Material};

/// An EC key with its private half, parsed once and usable from any thread at the same time.
pub struct EcKey {
    public: EcPublic,
    pair: EcdsaKeyPair,
}

/// The public half of an EC key: a point of its curve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EcPublic {
    /// The curve.
    pub curve: Curve,
    /// The first coordinate, big-endian, of [`Curve::number_len`] bytes.
    pub x: Vec<u8>,
    /// The second coordinate, likewise.
    pub y: Vec<u8>,
    /// The point as SEC 1, section 2.3.3, writes it without compression: what verification takes.
    point: Vec<u8>,
}

const UNUSABLE: CryptoError = CryptoError::InvalidMaterial("not an EC private key of this curve");

impl EcKey {
    /// A new key, and the same key as an unencrypted PKCS #8 document (DER, RFC 5208) to store.
    ///
    /// # Errors
    /// [`CryptoError::Failed`].
    pub fn generate(curve: Curve) -> Result<(Self, Material), CryptoError> {
        const FAILED: CryptoError = CryptoError::Failed("generate an EC key");
        let pair = EcdsaKeyPair::generate(signing(curve)).map_err(|_| FAILED)?;
        Self::with_material(curve, pair).map_err(|_| FAILED)
    }

    /// The key in an unencrypted PKCS #8 document (DER, RFC 5208).
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] unless it is a private key of `curve`.
    pub fn from_pkcs8(curve: Curve, der: &[u8]) -> Result<Self, CryptoError> {
        Self::new(curve, EcdsaKeyPair::from_private_key_der(signing(curve), der).map_err(|_| UNUSABLE)?)
    }

    /// The key with the private number `d` and, when it is given, the point `(x, y)`, which must be its own. Numbers
    /// are big-endian and may have too few or too many leading zeros (the Java SDK sends both). The key comes with the
    /// document to store, as from [`EcKey::generate`].
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] when `d` is 0 or not below the curve's order, or the point is not the key's.
    pub fn from_numbers(
        curve: Curve,
        d: &[u8],
        point: Option<(&[u8], &[u8])>,
    ) -> Result<(Self, Material), CryptoError> {
        let document = private_number(&number(curve, d)?);
        let key = Self::from_pkcs8(curve, &document)?;
        if let Some((x, y)) = point
            && (number(curve, x)?.as_slice(), number(curve, y)?.as_slice()) != (&key.public.x, &key.public.y)
        {
            return Err(CryptoError::InvalidMaterial("x and y are not those of this private key"));
        }
        Self::with_material(curve, key.pair)
    }

    /// The public half.
    pub fn public(&self) -> &EcPublic {
        &self.public
    }

    /// The signature, r and s one after the other in [`Curve::number_len`] bytes each (RFC 7518, section 3.4), of a
    /// `digest` of [`Curve::digest_len`] bytes.
    ///
    /// # Errors
    /// [`CryptoError::DigestLength`].
    pub fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
        let digest = self.public.digest(digest)?;
        let signature = self.pair.sign_digest(&digest).map_err(|_| CryptoError::Failed("sign"))?;
        Ok(signature.as_ref().to_vec())
    }

    fn new(curve: Curve, pair: EcdsaKeyPair) -> Result<Self, CryptoError> {
        let public = EcPublic::from_point(curve, pair.public_key().as_ref())?;
        Ok(Self { public, pair })
    }

    fn with_material(curve: Curve, pair: EcdsaKeyPair) -> Result<(Self, Material), CryptoError> {
        let document = pair.to_pkcs8v1().map_err(|_| UNUSABLE)?;
        let material = Zeroizing::new(document.as_ref().to_vec());
        Ok((Self::new(curve, pair)?, material))
    }
}

impl EcPublic {
    /// Whether `signature` is this key's signature of `digest`, both as [`EcKey::sign`] has them. A signature of the
    /// wrong length, or any other bytes, is simply not one.
    ///
    /// # Errors
    /// [`CryptoError::DigestLength`].
    pub fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<bool, CryptoError> {
        let digest = self.digest(digest)?;
        Ok(verifying(self.curve).verify_digest_sig(&self.point, &digest, signature).is_ok())
    }

    /// The key at the uncompressed `point`.
    fn from_point(curve: Curve, point: &[u8]) -> Result<Self, CryptoError> {
        let numbers = point.strip_prefix(&[4]).filter(|numbers| numbers.len() == 2 * curve.number_len());
        let (x, y) = numbers.ok_or(UNUSABLE)?.split_at(curve.number_len());
        Ok(Self { curve, x: x.to_vec(), y: y.to_vec(), point: point.to_vec() })
    }

    fn digest(&self, bytes: &[u8]) -> Result<Digest, CryptoError> {
        let required = self.curve.digest_len();
        Digest::import_less_safe(bytes, hash(self.curve))
            .map_err(|_| CryptoError::DigestLength { given: bytes.len(), required })
    }
}

impl fmt::Debug for EcKey {
    /// The public half alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EcKey").field("curve", &self.public.curve).finish_non_exhaustive()
    }
}

/// `bytes` as a number of the curve's length.
fn number(curve: Curve, bytes: &[u8]) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
    let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
    let digits = &bytes[zeros..];
    let missing = curve.number_len().checked_sub(digits.len());
    let missing = missing.ok_or(CryptoError::InvalidMaterial("a number is longer than those of the curve"))?;
    let mut number = Zeroizing::new(vec![0; missing]);
    number.reserve_exact(digits.len());
    number.extend_from_slice(digits);
    Ok(number)
}

/// The private number alone as RFC 5915 writes it: a sequence of the version 1 and an octet string. No length here
/// reaches 128, so each is one byte.
fn private_number(number: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = number.len() as u8;
    let mut document = Zeroizing::new(Vec::with_capacity(number.len() + 7));
    document.extend_from_slice(&[0x30, length + 5, 0x02, 0x01, 0x01, 0x04, length]);
    document.extend_from_slice(number);
    document
}

const fn signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED_SIGNING,
        Curve::P256K | Curve::Secp256k1 => &ECDSA_P256K1_SHA256_FIXED_SIGNING,
    }
}

const fn verifying(curve: Curve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &ECDSA_P521_SHA512_FIXED,
        Curve::P256K | Curve::Secp256k1 => &ECDSA_P256K1_SHA256_FIXED,
    }
}

const fn hash(curve: Curve) -> &'static digest::Algorithm {
    match curve {
        Curve::P256 | Curve::P256K | Curve::Secp256k1 => &SHA256,
        Curve::P384 => &SHA384,
        Curve::P521 => &SHA512,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_key_is_loaded_from_its_document_and_from_its_numbers() {
        for curve in Curve::ALL {
            let (key, der) = EcKey::generate(curve).unwrap();
            let loaded = EcKey::from_pkcs8(curve, &der).unwrap();
            assert_eq!(loaded.public(), key.public());
            assert_eq!((key.public().x.len(), key.public().y.len()), (curve.number_len(), curve.number_len()));

            let digest = vec![7; curve.digest_len()];
            let signature = loaded.sign(&digest).unwrap();
            assert_eq!(signature.len(), 2 * curve.number_len());
            assert_eq!(key.public().verify(&digest, &signature), Ok(true));
        }
    }

    #[test]
    fn a_key_of_another_curve_is_refused() {
        for curve in Curve::ALL {
            let (_, der) = EcKey::generate(curve).unwrap();
            // One curve has two names.
            let secp256k1 = [Curve::P256K, Curve::Secp256k1];
            let same = |other: &Curve| *other == curve || [*other, curve].iter().all(|one| secp256k1.contains(one));
            for other in Curve::ALL.into_iter().filter(|other| !same(other)) {
                assert!(EcKey::from_pkcs8(other, &der).is_err(), "{curve:?} {other:?}");
            }
        }
    }

    #[test]
    fn numbers_may_have_too_few_and_too_many_zeros() {
        for curve in Curve::ALL {
            let (small, _) = EcKey::from_numbers(curve, &[5], None).unwrap();
            let padded = [vec![0; curve.number_len() + 3], vec![5]].concat();
            let (x, y) = (&small.public().x, [&[0, 0], &small.public().y[..]].concat());
            let (same, der) = EcKey::from_numbers(curve, &padded, Some((x, &y))).unwrap();
            assert_eq!(same.public(), small.public());
            assert_eq!(EcKey::from_pkcs8(curve, &der).unwrap().public(), small.public());
        }
    }

    #[test]
    fn numbers_that_are_no_key_are_refused() {
        for curve in Curve::ALL {
            let (key, _) = EcKey::generate(curve).unwrap();
            let (x, y) = (&key.public().x[..], &key.public().y[..]);
            let beyond = vec![0xFF; curve.number_len()];
            let long = vec![1; curve.number_len() + 1];
            for (d, point) in [
                (&[][..], None),
                (&[0], None),
                (&beyond, None),
                (&long, None),
                (&[5], Some((x, y))),
                (&[5], Some((y, x))),
                (&[5], Some((&[][..], &[][..]))),
            ] {
                assert!(
                    matches!(EcKey::from_numbers(curve, d, point), Err(CryptoError::InvalidMaterial(_))),
                    "{curve:?}"
                );
            }
        }
    }

    #[test]
    fn only_the_signature_of_that_digest_is_good() {
        for curve in Curve::ALL {
            let (key, _) = EcKey::generate(curve).unwrap();
            let digest = vec![3; curve.digest_len()];
            let signature = key.sign(&digest).unwrap();
            let mut altered = signature.clone();
            altered[20] ^= 1;
            for bad in [&altered, &signature[1..], &[&signature[..], &[0]].concat(), &[], &vec![0; signature.len()]] {
                assert_eq!(key.public().verify(&digest, bad), Ok(false), "{curve:?}");
            }
            assert_eq!(key.public().verify(&vec![4; digest.len()], &signature), Ok(false));
            let required = curve.digest_len();
            for given in [0, 20, required - 1, required + 1] {
                let refusal = CryptoError::DigestLength { given, required };
                assert_eq!(key.sign(&vec![1; given]), Err(refusal));
                assert_eq!(key.public().verify(&vec![1; given], &signature), Err(refusal));
            }
        }
    }

    #[test]
    fn nothing_private_is_printed() {
        let (key, _) = EcKey::from_numbers(Curve::P256, &[5], None).unwrap();
        assert_eq!(format!("{key:?}"), "EcKey { curve: P256, .. }");
    }
}
