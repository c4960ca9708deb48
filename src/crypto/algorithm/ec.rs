//! Elliptic curves and the algorithms that sign with them: their names (RFC 7518, RFC 8812) and the sizes of their
//! numbers.

use serde::{Deserialize, Serialize};

/// A curve that keys can lie on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Curve {
    /// NIST P-256, secp256r1; the service's default.
    #[default]
    #[serde(rename = "P-256")]
    P256,
    /// NIST P-384, secp384r1.
    #[serde(rename = "P-384")]
    P384,
    /// NIST P-521, secp521r1.
    #[serde(rename = "P-521")]
    P521,
    /// secp256k1; the service calls it so.
    #[serde(rename = "P-256K")]
    P256K,
    /// secp256k1 too, under the name that the service gave it in a preview and that the Azure CLI gives every key that it
    /// imports from a PEM file (Azure/azure-cli issue 18462). The service keeps the two apart by their names alone.
    #[serde(rename = "SECP256K1")]
    Secp256k1,
}

impl Curve {
    /// Every curve; of two names for one curve the usual one first.
    pub const ALL: [Self; 5] = [Self::P256, Self::P384, Self::P521, Self::P256K, Self::Secp256k1];

    /// The curve called exactly `name`, if there is one.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|curve| curve.name() == name)
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::P256K => "P-256K",
            Self::Secp256k1 => "SECP256K1",
        }
    }

    /// The length of the field in bits: 256, 384 or 521.
    pub const fn bits(self) -> u32 {
        match self {
            Self::P256 | Self::P256K | Self::Secp256k1 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// The length in bytes of a coordinate, of the private number, and of each half of a signature: 32, 48 or 66.
    pub const fn number_len(self) -> usize {
        self.bits().div_ceil(8) as usize
    }

    /// The length in bytes of the digest that is signed: 32, 48 or 64.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::P256 | Self::P256K | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 64,
        }
    }
}

/// A way to sign a digest with an EC key. The digest is as long as the curve asks for ([`Curve::digest_len`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum EcSignature {
    /// ECDSA on P-256 with SHA-256 (RFC 7518, section 3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// ECDSA on secp256k1 with SHA-256 (RFC 8812, section 3.2).
    Es256k,
    /// The service's name of the preview for ECDSA with SHA-256. It goes with the curve names of that time
    /// (celo-org/celo-monorepo pull request 5703 has the service's text).
    Ecdsa256,
}

impl EcSignature {
    /// Every signature algorithm.
    pub(crate) const ALL: [Self; 5] = [Self::Es256, Self::Es384, Self::Es512, Self::Es256k, Self::Ecdsa256];

    /// The name on the wire.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::Es512 => "ES512",
            Self::Es256k => "ES256K",
            Self::Ecdsa256 => "ECDSA256",
        }
    }

    /// The curves that it signs on.
    pub(crate) const fn curves(self) -> &'static [Curve] {
        match self {
            Self::Es256 => &[Curve::P256],
            Self::Es384 => &[Curve::P384],
            Self::Es512 => &[Curve::P521],
            Self::Es256k => &[Curve::P256K],
            Self::Ecdsa256 => &[Curve::P256, Curve::Secp256k1],
        }
    }
}
