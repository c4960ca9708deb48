//! One layer of sealing: AES-256-GCM with associated data.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::refusal::Refusal;

/// The length of a key, in bytes.
pub(super) const KEY_BYTES: usize = 32;
/// The length of the random nonce at the end of a layer.
const NONCE_BYTES: usize = 12;
/// The length of the tag before it.
const TAG_BYTES: usize = 16;

/// A key of either layer, wiped when dropped.
pub(super) type LayerKey = Zeroizing<[u8; KEY_BYTES]>;

/// The data key of a factory, in the open. Deliberately no `Debug`.
pub(crate) struct DataKey {
    id: String,
    key: LayerKey,
}

impl DataKey {
    pub(super) const fn new(id: String, key: LayerKey) -> Self {
        Self { id, key }
    }

    /// Its id.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Seals `plain`, bound to `associated_data`.
    ///
    /// # Errors
    /// When the cipher fails.
    pub(crate) fn seal(&self, associated_data: &str, plain: &[u8]) -> Result<Vec<u8>, Refusal> {
        let sealed = seal_layer(&self.key, &self.id, associated_data, plain);
        sealed.ok_or_else(|| Refusal::Failed(format!("{associated_data} could not be sealed")))
    }

    /// Opens what was sealed so.
    ///
    /// # Errors
    /// [`Refusal::Damaged`] when the key, the associated data or any byte differs.
    pub(crate) fn open(&self, associated_data: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        open_layer(&self.key, &self.id, associated_data, sealed).ok_or_else(|| damaged(associated_data))
    }
}

/// Sealed content that does not open.
pub(super) fn damaged(associated_data: &str) -> Refusal {
    Refusal::Damaged(format!("{associated_data} is not what was sealed there"))
}

/// Sealed content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Sealed {
    /// The thumbprint of the system key around the outer layer.
    pub(crate) system_key: String,
    /// The id of the data key around the inner layer; `None` before a customer-managed key was enabled.
    pub(super) data_key: Option<String>,
    /// Base64url.
    pub(super) value: String,
}

/// Seals `plain` under `key`, bound to `associated_data` and to the key's `id`. Returns ciphertext, tag, nonce.
pub(super) fn seal_layer(key: &LayerKey, id: &str, associated_data: &str, plain: &[u8]) -> Option<Vec<u8>> {
    // With its final capacity: growing would leave a copy of the plaintext in memory.
    let mut layer = Vec::with_capacity(plain.len() + TAG_BYTES + NONCE_BYTES);
    layer.extend_from_slice(plain);
    let (nonce, tag) = cipher(key)?.seal_in_place_separate_tag(combined(id, associated_data), &mut layer).ok()?;
    layer.extend_from_slice(tag.as_ref());
    layer.extend_from_slice(nonce.as_ref());
    Some(layer)
}

/// Opens a layer of [`seal_layer`]; `None` if the key, its id, the associated data or any byte differs.
pub(super) fn open_layer(key: &LayerKey, id: &str, associated_data: &str, layer: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (layer, nonce) = layer.split_last_chunk::<NONCE_BYTES>()?;
    let mut plain = Zeroizing::new(layer.to_vec());
    let length = cipher(key)?.open_in_place(Nonce::from(nonce), combined(id, associated_data), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

fn cipher(key: &LayerKey) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).ok()
}

/// The associated data of the cipher. Ids hold no line end, so the concatenation is unambiguous.
fn combined(id: &str, associated_data: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{id}\n{associated_data}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_opens_with_its_key_and_associated_data_only() {
        let (key, other) = (LayerKey::new([1; KEY_BYTES]), LayerKey::new([2; KEY_BYTES]));
        let layer = seal_layer(&key, "id", "data/a", b"plain").unwrap();
        assert_eq!(layer.len(), 5 + TAG_BYTES + NONCE_BYTES);
        assert_eq!(open_layer(&key, "id", "data/a", &layer).unwrap().as_slice(), b"plain");
        assert!(open_layer(&other, "id", "data/a", &layer).is_none());
        assert!(open_layer(&key, "ie", "data/a", &layer).is_none());
        assert!(open_layer(&key, "id", "data/b", &layer).is_none());
        for at in 0..layer.len() {
            let mut flipped = layer.clone();
            flipped[at] ^= 1;
            assert!(open_layer(&key, "id", "data/a", &flipped).is_none(), "byte {at}");
            assert!(open_layer(&key, "id", "data/a", &layer[..at]).is_none(), "length {at}");
        }
    }
}
