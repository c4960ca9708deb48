//! Specifications of keys to generate: family, size or curve.

use super::{KeyType, PublicPart};
use crate::crypto::aes::AesKey;
use crate::crypto::algorithm::{AesSize, Curve};
use crate::crypto::ec::EcKey;
use crate::crypto::rsa::{RsaKey, RsaSize};
use crate::crypto::{CryptoError, Key, Material, base64url};

/// The specification of a key to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySpec {
    /// An RSA key.
    Rsa {
        /// The size of the modulus.
        size: RsaSize,
        /// The public exponent.
        exponent: u32,
    },
    /// An EC key on this curve.
    Ec(Curve),
    /// A symmetric key of this size.
    Oct(AesSize),
}

/// Why no key can be generated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySpecError {
    /// The type has no keys of this size.
    Size {
        /// The size asked for.
        bits: u32,
        /// The sizes there are.
        known: &'static [u32],
    },
    /// There is no such curve.
    Curve,
    /// The public exponent is not odd and from 3 to 2147483647.
    Exponent,
}

impl KeySpec {
    /// What a caller asks for with these members, each as far as it is given; the service's defaults for the rest. What
    /// the type has no use for is ignored, as the service ignores it: cosign makes its EC keys with a size of 2048.
    ///
    /// # Errors
    /// The member that does not do.
    pub(crate) fn new(
        kty: KeyType,
        key_size: Option<u32>,
        crv: Option<&str>,
        public_exponent: Option<u64>,
    ) -> Result<Self, KeySpecError> {
        match kty {
            KeyType::Rsa | KeyType::RsaHsm => {
                let bits = key_size.unwrap_or(RsaSize::Bits2048.bits());
                let size = RsaSize::from_bits(bits).ok_or(KeySpecError::Size { bits, known: &[2048, 3072, 4096] })?;
                Ok(Self::Rsa { size, exponent: exponent(public_exponent)? })
            }
            KeyType::Ec | KeyType::EcHsm => curve(key_size, crv).map(Self::Ec),
            KeyType::OctHsm => {
                let bits = key_size.unwrap_or(AesSize::Bits256.bits());
                let size = AesSize::from_bits(bits).ok_or(KeySpecError::Size { bits, known: &[128, 192, 256] })?;
                Ok(Self::Oct(size))
            }
        }
    }

    /// The specification that generates keys like `key`, if there is one: imported keys may have other sizes.
    pub(super) fn of(key: &PublicPart) -> Option<Self> {
        match key {
            PublicPart::Rsa { n, e } => {
                // A modulus of as many bits as whole bytes has no leading zero: 4 characters for 3 bytes.
                let size = RsaSize::from_bits(u32::try_from(n.len() * 6 / 8 * 8).ok()?)?;
                let bytes = base64url::decode(e).filter(|bytes| bytes.len() <= 4)?;
                let exponent = bytes.iter().fold(0, |value, byte| value << 8 | u32::from(*byte));
                Some(Self::Rsa { size, exponent })
            }
            PublicPart::Ec { crv, .. } => Some(Self::Ec(*crv)),
            PublicPart::Oct { bits } => AesSize::from_bits(*bits).map(Self::Oct),
        }
    }

    /// Whether this specification generates keys like `key`.
    pub(crate) fn matches(self, key: &PublicPart) -> bool {
        match (self, key) {
            // A modulus of as many bits as whole bytes has no leading zero: 4 characters for 3 bytes.
            (Self::Rsa { size, .. }, PublicPart::Rsa { n, .. }) => n.len() * 6 / 8 == size.bits() as usize / 8,
            (Self::Ec(curve), PublicPart::Ec { crv, .. }) => curve == *crv,
            (Self::Oct(size), PublicPart::Oct { bits }) => size.bits() == *bits,
            _ => false,
        }
    }

    /// A new key, and its material to store.
    pub(super) fn generate(self) -> Result<(Key, Material), CryptoError> {
        Ok(match self {
            Self::Rsa { size, exponent } => {
                let (key, material) = RsaKey::generate(size, exponent)?;
                (Key::Rsa(key), material)
            }
            Self::Ec(curve) => {
                let (key, material) = EcKey::generate(curve)?;
                (Key::Ec(key), material)
            }
            Self::Oct(size) => {
                let (key, material) = AesKey::generate(size);
                (Key::Aes(key), material)
            }
        })
    }
}

/// The Java SDK sends 0 for "not said".
fn exponent(given: Option<u64>) -> Result<u32, KeySpecError> {
    match given {
        None | Some(0) => Ok(RsaKey::USUAL_EXPONENT),
        Some(exponent) if exponent >= 3 && !exponent.is_multiple_of(2) && exponent <= i32::MAX as u64 => {
            u32::try_from(exponent).map_err(|_| KeySpecError::Exponent)
        }
        Some(_) => Err(KeySpecError::Exponent),
    }
}

/// The curve that is named; without a name that of the size, where there is one. The service gives the sizes of EC keys as
/// 256, 384 and 521 (MicrosoftDocs/azure-docs issue 115129); whether one of them alone names the curve is not public.
fn curve(key_size: Option<u32>, crv: Option<&str>) -> Result<Curve, KeySpecError> {
    if let Some(name) = crv {
        return Curve::parse(name).ok_or(KeySpecError::Curve);
    }
    let sized = key_size.and_then(|bits| Curve::ALL.into_iter().find(|curve| curve.bits() == bits));
    Ok(sized.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_the_services_defaults() {
        let usual = KeySpec::Rsa { size: RsaSize::Bits2048, exponent: 65537 };
        assert_eq!(KeySpec::new(KeyType::RsaHsm, None, None, Some(0)), Ok(usual));
        assert_eq!(KeySpec::new(KeyType::Ec, None, None, None), Ok(KeySpec::Ec(Curve::P256)));
        assert_eq!(KeySpec::new(KeyType::OctHsm, None, None, None), Ok(KeySpec::Oct(AesSize::Bits256)));
    }

    #[test]
    fn a_curve_is_named_or_follows_from_the_size() {
        let ec = |size, crv| KeySpec::new(KeyType::EcHsm, size, crv, None);
        assert_eq!(ec(Some(521), None), Ok(KeySpec::Ec(Curve::P521)));
        assert_eq!(ec(Some(256), None), Ok(KeySpec::Ec(Curve::P256)));
        assert_eq!(ec(Some(256), Some("P-256K")), Ok(KeySpec::Ec(Curve::P256K)));
        assert_eq!(ec(None, Some("SECP256K1")), Ok(KeySpec::Ec(Curve::Secp256k1)));
        for crv in ["", "p-256", "P-255", "secp256k1", "P256"] {
            assert_eq!(ec(None, Some(crv)), Err(KeySpecError::Curve), "{crv}");
        }
    }

    #[test]
    fn what_a_type_has_no_use_for_is_ignored() {
        for size in [0, 1, 2048, 4096, u32::MAX] {
            assert_eq!(KeySpec::new(KeyType::Ec, Some(size), None, Some(4)), Ok(KeySpec::Ec(Curve::P256)), "{size}");
            let named = KeySpec::new(KeyType::Ec, Some(size), Some("P-384"), None);
            assert_eq!(named, Ok(KeySpec::Ec(Curve::P384)), "{size}");
        }
        assert_eq!(KeySpec::new(KeyType::Ec, Some(384), Some("P-256"), None), Ok(KeySpec::Ec(Curve::P256)));
        let usual = KeySpec::Rsa { size: RsaSize::Bits2048, exponent: 65537 };
        assert_eq!(KeySpec::new(KeyType::Rsa, None, Some("no curve"), None), Ok(usual));
        let oct = KeySpec::new(KeyType::OctHsm, None, Some("P-256"), Some(4));
        assert_eq!(oct, Ok(KeySpec::Oct(AesSize::Bits256)));
    }

    #[test]
    fn a_key_like_another_has_its_curve_under_the_same_name() {
        for crv in Curve::ALL {
            let key = PublicPart::Ec { crv, x: String::new(), y: String::new() };
            assert_eq!(KeySpec::of(&key), Some(KeySpec::Ec(crv)));
        }
    }

    #[test]
    fn sizes_and_exponents_have_their_limits() {
        for bits in [0, 1024, 2056, 8192] {
            let known: &[u32] = &[2048, 3072, 4096];
            assert_eq!(KeySpec::new(KeyType::Rsa, Some(bits), None, None), Err(KeySpecError::Size { bits, known }));
        }
        assert!(KeySpec::new(KeyType::OctHsm, Some(512), None, None).is_err());
        for exponent in [1, 2, 65536, 1 << 31, u64::MAX] {
            assert_eq!(KeySpec::new(KeyType::Rsa, None, None, Some(exponent)), Err(KeySpecError::Exponent));
        }
        for exponent in [3, 17, i32::MAX as u64] {
            assert!(KeySpec::new(KeyType::Rsa, None, None, Some(exponent)).is_ok());
        }
    }
}
