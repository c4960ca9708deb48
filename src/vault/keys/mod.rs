//! Keys: versioned, with operations that may be permitted or not, and private material that never leaves.

mod create;
mod import;
mod key_ops;
mod operate;
mod read;
pub mod release;
pub mod rotation;
mod spec;
mod types;

use serde::{Deserialize, Serialize};

pub use create::NewKey;
pub use import::{ExchangeKey, ImportSource};
pub use key_ops::KeyOperationsError;
pub use operate::{KeyUse, KeyUseOutput};
pub use read::KeyChange;
pub use spec::{KeySpec, KeySpecError};
pub use types::{KeyOperation, KeyType};

use super::object::{Attributes, AttributesPatch, DeletedObject, Found, Objects, Page, PageRequest, Tags, Versioned};
use super::{Call, Kind, Vaults, Version};
use crate::crypto::algorithm::Curve;
use crate::crypto::{Family, Key, PublicKey, base64url};
use release::ReleasePolicy;

/// One version of a key, without its private part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The type the key presents as.
    pub kty: KeyType,
    /// What the key may be used for, in the order it was given.
    pub key_ops: Vec<KeyOperation>,
    /// What may be known of the key itself.
    #[serde(flatten)]
    pub public: PublicPart,
    /// Whether, and from when to when, the key may be used.
    pub attributes: Attributes,
    /// The tags, if any were ever set.
    pub tags: Option<Tags>,
    /// Whether the key may be released; said when it is made, and never changed.
    #[serde(default)]
    pub exportable: bool,
    /// To whom the key may be released.
    #[serde(default)]
    pub release_policy: Option<ReleasePolicy>,
    /// Whether it was made elsewhere: such a key does not rotate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// What may be known of a key. Numbers are big-endian, in base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum PublicPart {
    /// Of an RSA key; neither number has leading zeros.
    Rsa {
        /// The modulus.
        n: String,
        /// The public exponent.
        e: String,
    },
    /// Of an EC key; the coordinates are as long as the curve's field.
    Ec {
        /// The curve.
        crv: Curve,
        /// The first coordinate.
        x: String,
        /// The second coordinate.
        y: String,
    },
    /// Of a symmetric key.
    Oct {
        /// Its size: 128, 192 or 256.
        bits: u32,
    },
}

impl PublicPart {
    /// What `key` shows.
    fn of(key: PublicKey<'_>) -> Self {
        match key {
            PublicKey::Rsa(key) => Self::Rsa { n: base64url::encode(&key.n), e: base64url::encode(&key.e) },
            PublicKey::Ec(key) => {
                Self::Ec { crv: key.curve, x: base64url::encode(&key.x), y: base64url::encode(&key.y) }
            }
            PublicKey::Aes(size) => Self::Oct { bits: size.bits() },
        }
    }

    /// How the key's material is to be read.
    const fn family(&self) -> Family {
        match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec { crv, .. } => Family::Ec(*crv),
            Self::Oct { .. } => Family::Aes,
        }
    }
}

impl Versioned for KeyRecord {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    fn rotates(&self) -> bool {
        !self.imported
    }

    /// A key says nothing of the version before.
    fn with_previous(self, _: Option<&Version>) -> Self {
        self
    }
}

impl KeyRecord {
    /// Whether `material` is this key's.
    pub(super) fn matches_material(&self, material: &[u8]) -> bool {
        Key::load(self.public.family(), material).is_ok_and(|key| PublicPart::of(key.public()) == self.public)
    }
}

impl Vaults {
    pub(super) fn keys<'a>(&'a self, call: &'a Call) -> Objects<'a> {
        self.objects(call, Kind::Key)
    }
}
