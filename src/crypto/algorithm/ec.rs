//! Elliptic curves: their names (RFC 7518, RFC 8812), the algorithm each signs with, and the sizes of its numbers.

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
}

impl Curve {
    /// Every curve.
    pub const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::P256K];

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
        }
    }

    /// The name of the one algorithm that keys on this curve sign with.
    pub const fn signature(self) -> &'static str {
        match self {
            Self::P256 => "ES256",
            Self::P384 => "ES384",
            Self::P521 => "ES512",
            Self::P256K => "ES256K",
        }
    }

    /// The length of the field in bits: 256, 384 or 521.
    pub const fn bits(self) -> u32 {
        match self {
            Self::P256 | Self::P256K => 256,
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
            Self::P256 | Self::P256K => 32,
            Self::P384 => 48,
            Self::P521 => 64,
        }
    }
}
