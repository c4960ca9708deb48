//! A private key as a JSON Web Key has it (RFC 7517), once its text has been decoded.

use super::aes::AesKey;
use super::algorithm::Curve;
use super::ec::EcKey;
use super::rsa::{RsaComponents, RsaKey, RsaSize};
use super::{CryptoError, Family, Key, Material};

/// The private key of a JSON Web Key; numbers are big-endian. It has no `Debug`.
pub(crate) enum PrivateJwk {
    /// RSA (RFC 7518, section 6.3).
    Rsa(RsaComponents),
    /// EC (RFC 7518, section 6.2).
    Ec {
        /// The curve.
        curve: Curve,
        /// The private number.
        d: Material,
        /// The public point, when it is given.
        point: Option<(Vec<u8>, Vec<u8>)>,
    },
    /// Symmetric (RFC 7518, section 6.4): the key itself.
    Oct(Material),
}

impl PrivateJwk {
    /// The key, and its material to store. May take milliseconds: run it on the pool.
    ///
    /// # Errors
    /// [`CryptoError::KeySize`] and [`CryptoError::InvalidMaterial`].
    pub(crate) fn load(&self) -> Result<(Key, Material), CryptoError> {
        match self {
            Self::Rsa(numbers) => numbers.load().map(|(key, material)| (Key::Rsa(key), material)),
            Self::Ec { curve, d, point } => {
                let point = point.as_ref().map(|(x, y)| (x.as_slice(), y.as_slice()));
                let (key, material) = EcKey::from_numbers(*curve, d, point)?;
                Ok((Key::Ec(key), material))
            }
            Self::Oct(bytes) => symmetric(bytes),
        }
    }
}

/// The key in material that came from elsewhere: of the service's sizes, and of `curve` when one is named.
///
/// # Errors
/// As [`PrivateJwk::load`].
pub(super) fn from_material(wanted: ExpectedKey, material: &Material) -> Result<(Key, Material), CryptoError> {
    match wanted {
        ExpectedKey::Rsa => {
            let key = RsaKey::from_pkcs8(material)?;
            let bits = key.public().n.len() * 8;
            let known = RsaSize::ALL.iter().any(|size| size.bits() as usize == bits);
            if known { Ok((Key::Rsa(key), material.clone())) } else { Err(CryptoError::KeySize(bits)) }
        }
        ExpectedKey::Ec(curve) => {
            let curves = curve.map_or(Curve::ALL.to_vec(), |curve| vec![curve]);
            let key = curves.into_iter().find_map(|curve| Key::load(Family::Ec(curve), material).ok());
            let key = key.ok_or(CryptoError::InvalidMaterial("not a PKCS #8 EC private key of this curve"))?;
            Ok((key, material.clone()))
        }
        ExpectedKey::Oct => symmetric(material),
    }
}

/// What material that came from elsewhere shall be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExpectedKey {
    /// An RSA key in a PKCS #8 document.
    Rsa,
    /// An EC key in a PKCS #8 document, of this curve when it is named.
    Ec(Option<Curve>),
    /// The bytes of a symmetric key.
    Oct,
}

fn symmetric(bytes: &Material) -> Result<(Key, Material), CryptoError> {
    let key = AesKey::from_bytes(bytes).map_err(|_| CryptoError::KeySize(bytes.len() * 8))?;
    Ok((Key::Aes(key), bytes.clone()))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::crypto::rsa::test_keys;

    #[test]
    fn symmetric_keys_have_three_sizes() {
        for length in 0..40 {
            let loaded = PrivateJwk::Oct(Zeroizing::new(vec![1; length])).load().map(|(_, material)| material.len());
            let expected =
                if [16, 24, 32].contains(&length) { Ok(length) } else { Err(CryptoError::KeySize(length * 8)) };
            assert_eq!(loaded, expected);
        }
    }

    #[test]
    fn material_is_what_it_was_said_to_be() {
        let (_, ec) = EcKey::generate(Curve::P384).unwrap();
        let rsa = Zeroizing::new(test_keys::RSA_2048.to_vec());
        let taken = |wanted, material: &Material| from_material(wanted, material).is_ok();
        assert!(taken(ExpectedKey::Rsa, &rsa) && !taken(ExpectedKey::Rsa, &ec));
        assert!(taken(ExpectedKey::Ec(None), &ec) && taken(ExpectedKey::Ec(Some(Curve::P384)), &ec));
        assert!(!taken(ExpectedKey::Ec(Some(Curve::P256)), &ec) && !taken(ExpectedKey::Ec(None), &rsa));
        assert!(taken(ExpectedKey::Oct, &Zeroizing::new(vec![0; 32])) && !taken(ExpectedKey::Oct, &rsa));
    }
}
