//! A key of any type: what can be done with it, whatever it is.

use zeroize::Zeroizing;

use super::CryptoError;
use super::aes::AesKey;
use super::algorithm::{AesSize, Curve, EncryptionAlgorithm, SignatureAlgorithm};
use super::ec::{EcKey, EcPublic};
use super::rsa::{RsaKey, RsaPublic};

/// A key with its secret part, parsed once and usable from any thread at the same time.
#[derive(Debug)]
pub(crate) enum Key {
    /// An RSA key.
    Rsa(RsaKey),
    /// An EC key.
    Ec(EcKey),
    /// A symmetric key.
    Aes(AesKey),
}

/// What may be known of a key.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PublicKey<'k> {
    /// The public half of an RSA key.
    Rsa(&'k RsaPublic),
    /// The public half of an EC key.
    Ec(&'k EcPublic),
    /// A symmetric key has a size and nothing else to show.
    Aes(AesSize),
}

/// The types of key, as far as their material differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// RSA.
    Rsa,
    /// EC, on this curve.
    Ec(Curve),
    /// Symmetric.
    Aes,
}

/// What an algorithm may take besides the text. It may tell something of the text, so it has no `Debug`.
#[derive(Clone, Default)]
pub(crate) struct CipherParams {
    /// The initialisation vector or nonce.
    pub iv: Option<Vec<u8>>,
    /// What is authenticated but not encrypted.
    pub aad: Option<Vec<u8>>,
    /// The authentication tag.
    pub tag: Option<Vec<u8>>,
}

/// What an encryption gives.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Encrypted {
    /// The ciphertext.
    pub value: Vec<u8>,
    /// The initialisation vector or nonce, where the algorithm has one.
    pub iv: Option<Vec<u8>>,
    /// The authentication tag, where the algorithm has one.
    pub tag: Option<Vec<u8>>,
}

impl Key {
    /// The key of this family in its material (see [`super::Material`]).
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] when the material is not one of such a key.
    pub(crate) fn load(family: Family, material: &[u8]) -> Result<Self, CryptoError> {
        match family {
            Family::Rsa => RsaKey::from_pkcs8(material).map(Self::Rsa),
            Family::Ec(curve) => EcKey::from_pkcs8(curve, material).map(Self::Ec),
            Family::Aes => AesKey::from_bytes(material).map(Self::Aes),
        }
    }

    /// What may be known of it.
    pub(crate) fn public(&self) -> PublicKey<'_> {
        match self {
            Self::Rsa(key) => PublicKey::Rsa(key.public()),
            Self::Ec(key) => PublicKey::Ec(key.public()),
            Self::Aes(key) => PublicKey::Aes(key.size()),
        }
    }

    /// `plaintext` encrypted, or a key wrapped.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyType`] when the algorithm is for another type of key; what the type refuses.
    pub(crate) fn encrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        plaintext: &[u8],
        extras: &CipherParams,
    ) -> Result<Encrypted, CryptoError> {
        match (self, algorithm) {
            (Self::Rsa(key), EncryptionAlgorithm::Rsa(algorithm)) => {
                extras.allow_only(&[])?;
                let value = key.encrypt(algorithm, plaintext)?;
                Ok(Encrypted { value, iv: None, tag: None })
            }
            (Self::Aes(key), EncryptionAlgorithm::Aes(algorithm)) => key.encrypt(algorithm, plaintext, extras),
            _ => Err(self.incompatible(algorithm.key_type())),
        }
    }

    /// The plaintext of `ciphertext`, or an unwrapped key.
    ///
    /// # Errors
    /// As [`Key::encrypt`].
    pub(crate) fn decrypt(
        &self,
        algorithm: EncryptionAlgorithm,
        ciphertext: &[u8],
        extras: &CipherParams,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        match (self, algorithm) {
            (Self::Rsa(key), EncryptionAlgorithm::Rsa(algorithm)) => {
                extras.allow_only(&[])?;
                key.decrypt(algorithm, ciphertext)
            }
            (Self::Aes(key), EncryptionAlgorithm::Aes(algorithm)) => key.decrypt(algorithm, ciphertext, extras),
            _ => Err(self.incompatible(algorithm.key_type())),
        }
    }

    /// The signature of a `digest` already computed; with HMAC the code of whatever is given.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeyType`] and [`CryptoError::WrongCurve`] when the algorithm is for other keys;
    /// [`CryptoError::DigestLength`].
    pub(crate) fn sign(&self, algorithm: SignatureAlgorithm, digest: &[u8]) -> Result<Vec<u8>, CryptoError> {
        match (self, algorithm) {
            (Self::Rsa(key), SignatureAlgorithm::Rsa(algorithm)) => key.sign(algorithm, digest),
            (Self::Ec(key), SignatureAlgorithm::Ec(algorithm)) => {
                on(key.public(), algorithm.curves())?;
                key.sign(digest)
            }
            (Self::Aes(key), SignatureAlgorithm::Hmac(algorithm)) => Ok(key.authenticate(algorithm, digest)),
            _ => Err(self.incompatible(algorithm.key_type())),
        }
    }

    /// Whether `signature` is this key's of `digest`.
    ///
    /// # Errors
    /// As [`Key::sign`]. A bad signature is none.
    pub(crate) fn verify(
        &self,
        algorithm: SignatureAlgorithm,
        digest: &[u8],
        signature: &[u8],
    ) -> Result<bool, CryptoError> {
        match (self, algorithm) {
            (Self::Rsa(key), SignatureAlgorithm::Rsa(algorithm)) => key.verify(algorithm, digest, signature),
            (Self::Ec(key), SignatureAlgorithm::Ec(algorithm)) => {
                on(key.public(), algorithm.curves())?;
                key.public().verify(digest, signature)
            }
            (Self::Aes(key), SignatureAlgorithm::Hmac(algorithm)) => Ok(key.is_authentic(algorithm, digest, signature)),
            _ => Err(self.incompatible(algorithm.key_type())),
        }
    }

    /// Whether an operation takes so long (a tenth of a millisecond and more) that it belongs on the
    /// [`pool`](super::pool): private RSA operations, and all of the curves that the library has no fast arithmetic for.
    pub(crate) fn is_slow(&self, private: bool) -> bool {
        match self {
            Self::Rsa(_) => private,
            Self::Ec(key) => key.public().curve != Curve::P256,
            Self::Aes(_) => false,
        }
    }

    fn incompatible(&self, wanted: &'static str) -> CryptoError {
        let key = match self {
            Self::Rsa(_) => "RSA",
            Self::Ec(_) => "EC",
            Self::Aes(_) => "oct",
        };
        CryptoError::WrongKeyType { key, wanted }
    }
}

impl CipherParams {
    /// Nothing is given but members among `wanted`.
    pub(super) fn allow_only(&self, wanted: &[&'static str]) -> Result<(), CryptoError> {
        let given = [("iv", &self.iv), ("aad", &self.aad), ("tag", &self.tag)];
        match given.into_iter().find(|(name, value)| value.is_some() && !wanted.contains(name)) {
            Some((name, _)) => Err(CryptoError::UnexpectedMember(name)),
            None => Ok(()),
        }
    }

    /// The value of `member`, which must be there and have `length` bytes.
    pub(super) fn required<'v>(
        &self,
        member: &'static str,
        value: Option<&'v [u8]>,
        length: usize,
    ) -> Result<&'v [u8], CryptoError> {
        match value {
            None => Err(CryptoError::MissingMember(member)),
            Some(value) if value.len() == length => Ok(value),
            Some(value) => Err(CryptoError::MemberLength { member, given: value.len(), required: length }),
        }
    }
}

fn on(key: &EcPublic, wanted: &'static [Curve]) -> Result<(), CryptoError> {
    if wanted.contains(&key.curve) { Ok(()) } else { Err(CryptoError::WrongCurve { key: key.curve, wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::algorithm::EcSignature;
    use crate::crypto::rsa::test_keys;

    fn keys() -> [Key; 3] {
        let rsa = RsaKey::from_pkcs8(test_keys::RSA_2048).unwrap();
        let (ec, _) = EcKey::generate(Curve::P256).unwrap();
        let (aes, _) = AesKey::generate(AesSize::Bits256);
        [Key::Rsa(rsa), Key::Ec(ec), Key::Aes(aes)]
    }

    #[test]
    fn an_algorithm_works_with_its_own_type_alone() {
        for key in keys() {
            let name = key.incompatible("").to_string();
            for algorithm in EncryptionAlgorithm::all() {
                let refused = key.encrypt(algorithm, &[], &CipherParams::default()).err();
                let misfit = matches!(refused, Some(CryptoError::WrongKeyType { .. }));
                assert_eq!(misfit, !name.contains(algorithm.key_type()), "{name} {}", algorithm.name());
                let refused = key.decrypt(algorithm, &[], &CipherParams::default()).err();
                assert_eq!(matches!(refused, Some(CryptoError::WrongKeyType { .. })), misfit);
            }
            for algorithm in SignatureAlgorithm::all() {
                let refused = key.sign(algorithm, &[]).err();
                let misfit = matches!(refused, Some(CryptoError::WrongKeyType { .. }));
                assert_eq!(misfit, !name.contains(algorithm.key_type()), "{name} {}", algorithm.name());
                let refused = key.verify(algorithm, &[], &[]).err();
                assert_eq!(matches!(refused, Some(CryptoError::WrongKeyType { .. })), misfit);
            }
        }
    }

    #[test]
    fn a_curve_signs_with_its_own_algorithms_alone() {
        for curve in Curve::ALL {
            let key = Key::Ec(EcKey::generate(curve).unwrap().0);
            for algorithm in EcSignature::ALL {
                let wanted = algorithm.curves();
                let digest = vec![1; wanted[0].digest_len()];
                let refusal = (!wanted.contains(&curve)).then_some(CryptoError::WrongCurve { key: curve, wanted });
                assert_eq!(key.sign(SignatureAlgorithm::Ec(algorithm), &digest).err(), refusal);
                assert_eq!(key.verify(SignatureAlgorithm::Ec(algorithm), &digest, &[]).err(), refusal);
            }
        }
    }

    #[test]
    fn an_algorithm_signs_digests_of_one_length() {
        for algorithm in EcSignature::ALL {
            let mut lengths: Vec<_> = algorithm.curves().iter().map(|curve| curve.digest_len()).collect();
            lengths.dedup();
            assert_eq!(lengths.len(), 1, "{}", algorithm.name());
        }
    }

    #[test]
    fn rsa_takes_no_extras() {
        let [rsa, ..] = keys();
        for (extras, member) in [
            (CipherParams { iv: Some(vec![]), ..CipherParams::default() }, "iv"),
            (CipherParams { aad: Some(vec![]), ..CipherParams::default() }, "aad"),
            (CipherParams { tag: Some(vec![]), ..CipherParams::default() }, "tag"),
        ] {
            let algorithm = EncryptionAlgorithm::parse("RSA-OAEP").unwrap();
            assert_eq!(rsa.encrypt(algorithm, &[], &extras).err(), Some(CryptoError::UnexpectedMember(member)));
            assert_eq!(rsa.decrypt(algorithm, &[], &extras).err(), Some(CryptoError::UnexpectedMember(member)));
        }
    }
}
