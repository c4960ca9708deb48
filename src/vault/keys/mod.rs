//! Keys: versioned, with operations that may be permitted or not, and private material that never leaves.

mod create;
mod import;
mod key_ops;
mod operate;
pub(crate) mod release;
pub(crate) mod rotation;
mod spec;
mod types;
mod update;

use serde::{Deserialize, Serialize};

pub(crate) use create::NewKey;
pub(crate) use import::{ImportSource, KeyExchangeKey};
pub(crate) use key_ops::KeyOperationsError;
pub(crate) use operate::{KeyInput, KeyUse, KeyUseOutput};
pub(crate) use spec::{KeySpec, KeySpecError};
pub(crate) use types::{KeyOperation, KeyType};
pub(crate) use update::KeyUpdate;

use super::backup::BackupError;
use super::object::{Attributes, AttributesPatch, FoundVersion, ObjectKind, Objects, Tags, VersionRecord};
use super::{Kind, ObjectName, Refusal, Sku, Vault, Version};
use crate::clock::Timestamp;
use crate::crypto::algorithm::Curve;
use crate::crypto::{Family, Key, PublicKey, base64url};
use release::ReleasePolicy;
use rotation::RotationPolicy;

/// Keys, as a kind of object.
pub(crate) enum Keys {}

/// One version of a key, without its private part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRecord {
    /// The type the key presents as.
    pub kty: KeyType,
    /// What the key may be used for, in the order it was given.
    pub key_ops: Vec<KeyOperation>,
    /// The public part of the key.
    #[serde(flatten)]
    pub public: PublicPart,
    /// Whether, and from when to when, the key may be used.
    pub attributes: Attributes,
    /// The tags, if any were ever set.
    pub tags: Option<Tags>,
    /// Whether the key may be released; set at its creation, and never changed.
    #[serde(default)]
    pub exportable: bool,
    /// To whom the key may be released.
    #[serde(default)]
    pub release_policy: Option<ReleasePolicy>,
    /// Whether it was imported: such a key does not rotate.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub imported: bool,
}

/// The public part of a key. Numbers are big-endian, in base64url without padding.
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

    /// The bits of an RSA or a symmetric key; an EC key's follow from its curve.
    pub(crate) const fn size(&self) -> Option<u32> {
        match self {
            // A modulus has no leading zeros: 4 characters for 3 bytes.
            Self::Rsa { n, .. } => Some((n.len() * 6 / 8 * 8) as u32),
            Self::Ec { .. } => None,
            Self::Oct { bits } => Some(*bits),
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

impl VersionRecord for KeyRecord {
    fn attributes(&self) -> &Attributes {
        &self.attributes
    }

    /// A key's record does not name the version before.
    fn with_previous(self, _: Option<&Version>) -> Self {
        self
    }
}

impl ObjectKind for Keys {
    const KIND: Kind = Kind::Key;
    const BACKUP_FORM: &'static [u8] = b"&AzureKeyVaultKeyBackupV1.microsoft.com";

    type Record = KeyRecord;
    type Update = KeyUpdate;
    type Policy = RotationPolicy;

    fn updated(record: &KeyRecord, update: &KeyUpdate, now: Timestamp) -> Result<KeyRecord, Refusal> {
        update.apply(record, now)
    }

    fn check_restored(vault: &Vault, record: &KeyRecord, material: &[u8]) -> Result<(), Refusal> {
        if record.kty.is_hsm() && vault.sku == Sku::Standard {
            return Err(Refusal::NeedsPremium { kty: record.kty.name() });
        }
        let fits = record.matches_material(material);
        if fits { Ok(()) } else { Err(Refusal::BadBackup(BackupError::MaterialMismatch)) }
    }

    async fn renew_when_due(keys: &Objects<'_, Self>, name: &ObjectName, at: Timestamp) -> Result<bool, Refusal> {
        keys.rotate_when_due(name, at).await
    }
}

impl KeyRecord {
    /// Whether `material` is this key's.
    fn matches_material(&self, material: &[u8]) -> bool {
        Key::load(self.public.family(), material).is_ok_and(|key| PublicPart::of(key.public()) == self.public)
    }
}
