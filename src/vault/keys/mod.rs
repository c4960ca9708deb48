//! Keys: versioned, with operations that may be permitted or not, and private material that never leaves.

mod create;
mod operate;
mod read;

use serde::{Deserialize, Serialize};

pub use create::NewKey;
pub use operate::{Operated, Operation};
pub use read::KeyChange;

use super::object::{Attributes, Found, GivenAttributes, Objects, Page, PageRequest, Tags};
use super::{Call, Kind, Vault, Vaults};

/// One version of a key, without its private part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The type the key presents as.
    pub kty: KeyType,
    /// What the key may be used for, in the order it was given.
    pub key_ops: Vec<KeyOperation>,
    /// The modulus, big-endian without leading zeros, in base64url without padding.
    pub n: String,
    /// The public exponent, big-endian without leading zeros, in base64url without padding.
    pub e: String,
    /// Whether, and from when to when, the key may be used.
    pub attributes: Attributes,
    /// The tags, if any were ever set.
    pub tags: Option<Tags>,
}

/// Key types. HSM types are software keys that present as the service's do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyType {
    /// RSA, protected by software.
    #[serde(rename = "RSA")]
    Rsa,
    /// RSA, presented as protected by an HSM.
    #[serde(rename = "RSA-HSM")]
    RsaHsm,
}

impl KeyType {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::RsaHsm => "RSA-HSM",
        }
    }

    /// The type called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Rsa, Self::RsaHsm].into_iter().find(|kty| kty.name() == name)
    }

    /// Whether the type presents as protected by an HSM.
    pub const fn is_hsm(self) -> bool {
        matches!(self, Self::RsaHsm)
    }
}

/// What a key may be used for (`key_ops`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "the service's own words")]
pub enum KeyOperation {
    Encrypt,
    Decrypt,
    Sign,
    Verify,
    WrapKey,
    UnwrapKey,
    Import,
    Export,
}

impl KeyOperation {
    /// What an RSA key may be used for when nothing is said, in the service's order.
    pub const RSA_DEFAULT: [Self; 6] =
        [Self::Encrypt, Self::Decrypt, Self::Sign, Self::Verify, Self::WrapKey, Self::UnwrapKey];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::WrapKey => "wrapKey",
            Self::UnwrapKey => "unwrapKey",
            Self::Import => "import",
            Self::Export => "export",
        }
    }

    /// The operation called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        Self::RSA_DEFAULT.into_iter().chain([Self::Import, Self::Export]).find(|operation| operation.name() == name)
    }
}

impl Vaults {
    pub(super) fn keys<'a>(&'a self, vault: &'a Vault) -> Objects<'a> {
        Objects { vaults: self, vault, kind: Kind::Key }
    }
}
