//! The algorithms by the names the wire gives them (RFC 7518), and the sizes they demand. No key and no library here.

mod aes;
mod ec;
mod hmac;
mod rsa;

pub use aes::AesSize;
pub(crate) use aes::{AesAlgorithm, AesMode};
pub use ec::Curve;
pub(crate) use ec::EcSignature;
pub(crate) use hmac::HmacAlgorithm;
pub(crate) use rsa::{RsaEncryption, RsaSignature};

/// A way to encrypt, or to wrap a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EncryptionAlgorithm {
    /// With an RSA key.
    Rsa(RsaEncryption),
    /// With an AES key.
    Aes(AesAlgorithm),
}

impl EncryptionAlgorithm {
    /// Every encryption algorithm.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        RsaEncryption::ALL.into_iter().map(Self::Rsa).chain(AesAlgorithm::all().map(Self::Aes))
    }

    /// The algorithm called exactly `name` (case counts), if there is one.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::all().find(|algorithm| algorithm.name() == name)
    }

    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa(algorithm) => algorithm.name(),
            Self::Aes(algorithm) => algorithm.name(),
        }
    }

    /// The type of the keys that it is for, in RFC 7518's words.
    pub(crate) const fn key_type(self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::Aes(_) => "oct",
        }
    }
}

/// A way to sign a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum SignatureAlgorithm {
    /// With an RSA key.
    Rsa(RsaSignature),
    /// With an EC key.
    Ec(EcSignature),
    /// With an AES key, as the key of an HMAC.
    Hmac(HmacAlgorithm),
}

impl SignatureAlgorithm {
    /// Every signature algorithm.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let asymmetric = RsaSignature::ALL.into_iter().map(Self::Rsa).chain(EcSignature::ALL.into_iter().map(Self::Ec));
        asymmetric.chain(HmacAlgorithm::ALL.into_iter().map(Self::Hmac))
    }

    /// The algorithm called exactly `name` (case counts), if there is one.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::all().find(|algorithm| algorithm.name() == name)
    }

    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa(algorithm) => algorithm.name(),
            Self::Ec(algorithm) => algorithm.name(),
            Self::Hmac(algorithm) => algorithm.name(),
        }
    }

    /// The type of the keys that it is for, in RFC 7518's words.
    pub(crate) const fn key_type(self) -> &'static str {
        match self {
            Self::Rsa(_) => "RSA",
            Self::Ec(_) => "EC",
            Self::Hmac(_) => "oct",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_parsed_to_its_algorithm() {
        for algorithm in EncryptionAlgorithm::all() {
            assert_eq!(EncryptionAlgorithm::parse(algorithm.name()), Some(algorithm));
        }
        for algorithm in SignatureAlgorithm::all() {
            assert_eq!(SignatureAlgorithm::parse(algorithm.name()), Some(algorithm));
        }
        assert_eq!((EncryptionAlgorithm::all().count(), SignatureAlgorithm::all().count()), (17, 14));
    }

    #[test]
    fn only_the_exact_name_is_parsed() {
        for name in ["", "rsa1_5", "RSA1_5 ", "RSA-OAEP-1", "RSA-OAEP-384", "A128gcm", "A64KW", "RS256"] {
            assert_eq!(EncryptionAlgorithm::parse(name), None, "{name}");
        }
        for name in ["", "rs256", "RS1", "PS256 ", "ES521", "ecdsa256", "HS1", "RSNULL", "RSA-OAEP"] {
            assert_eq!(SignatureAlgorithm::parse(name), None, "{name}");
        }
    }
}
