//! Creating a key, or a new version of one: the slow work first, then one commit.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Attributes, Call, Found, GivenAttributes, KeyOperation, KeyRecord, KeyType, Tags, Vaults};
use crate::crypto::base64url;
use crate::crypto::rsa::{RsaKey, RsaSize};
use crate::vault::{ObjectName, Refusal, Sku, Version};

/// What a new key shall be.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// The type.
    pub kty: KeyType,
    /// The modulus size.
    pub size: RsaSize,
    /// What it may be used for; the type's default when left out.
    pub key_ops: Option<Vec<KeyOperation>>,
    /// Attributes given.
    pub attributes: GivenAttributes,
    /// Tags, if any.
    pub tags: Option<Tags>,
}

impl Vaults {
    /// Makes a key, or a new version when the name is in use.
    ///
    /// # Errors
    /// When the vault's sku does not have the type, when too much waits, or when the store fails.
    pub async fn create_key(&self, call: &Call, name: &ObjectName, new: NewKey) -> Result<Found<KeyRecord>, Refusal> {
        if new.kty.is_hsm() && call.vault.sku == Sku::Standard {
            return Err(Refusal::NeedsPremium { kty: new.kty.name() });
        }
        let size = new.size;
        let (key, material) = self.generate(size).await?;
        let record = new.record(&key, call);
        self.add_key(call, name, record, key, material).await
    }

    async fn generate(&self, size: RsaSize) -> Result<(RsaKey, Zeroizing<Vec<u8>>), Refusal> {
        let made = self.inner.pool.generate(move || RsaKey::generate(size)).await?;
        made.map_err(|error| Refusal::Internal(error.to_string()))
    }

    async fn add_key(
        &self,
        call: &Call,
        name: &ObjectName,
        record: KeyRecord,
        key: RsaKey,
        material: Zeroizing<Vec<u8>>,
    ) -> Result<Found<KeyRecord>, Refusal> {
        let version: Version = self.new_version();
        let keys = self.keys(&call.vault);
        let name = keys.add(name, &version, &record, &material).await?;
        self.inner.parsed.insert(keys.material_key(&name, &version), Arc::new(key));
        Ok(Found { name, version, record: Arc::new(record) })
    }
}

impl NewKey {
    /// Whether `key` has the type and the size that are wanted here.
    pub fn describes(&self, key: &KeyRecord) -> bool {
        let bits = base64url::decode(&key.n).map(|n| n.len() * 8);
        key.kty == self.kty && bits == usize::try_from(self.size.bits()).ok()
    }

    fn record(self, key: &RsaKey, call: &Call) -> KeyRecord {
        let public = key.public();
        KeyRecord {
            kty: self.kty,
            key_ops: self.key_ops.unwrap_or_else(|| KeyOperation::RSA_DEFAULT.to_vec()),
            n: base64url::encode(&public.n),
            e: base64url::encode(&public.e),
            attributes: Attributes::new(self.attributes, call.now),
            tags: self.tags,
        }
    }
}
