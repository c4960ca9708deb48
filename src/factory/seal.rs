//! The two layers around what is stored.

use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// The bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// The random nonce at the end of a layer.
const NONCE_BYTES: usize = 12;
/// The tag before it.
const TAG_BYTES: usize = 16;

/// A key of either layer, wiped when dropped.
pub(super) type LayerKey = Zeroizing<[u8; KEY_BYTES]>;

/// Something stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Sealed {
    /// The thumbprint of the system key around the outer layer.
    pub(super) system_key: String,
    /// The id of the data key around the inner layer; none while no customer's key was enabled.
    pub(super) data_key: Option<String>,
    /// Base64url.
    pub(super) value: String,
}

/// `plain` under `key`, bound to `place` and to the key's `id`: ciphertext, tag, nonce.
pub(super) fn put_on(key: &LayerKey, id: &str, place: &str, plain: &[u8]) -> Option<Vec<u8>> {
    // Room for all of it at once: growing would leave a copy behind.
    let mut layer = Vec::with_capacity(plain.len() + TAG_BYTES + NONCE_BYTES);
    layer.extend_from_slice(plain);
    let (nonce, tag) = cipher(key)?.seal_in_place_separate_tag(bound(id, place), &mut layer).ok()?;
    layer.extend_from_slice(tag.as_ref());
    layer.extend_from_slice(nonce.as_ref());
    Some(layer)
}

/// What [`put_on`] was given, if the key, its id and the place are the same and nothing was changed.
pub(super) fn take_off(key: &LayerKey, id: &str, place: &str, layer: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (layer, nonce) = layer.split_last_chunk::<NONCE_BYTES>()?;
    let mut plain = Zeroizing::new(layer.to_vec());
    let length = cipher(key)?.open_in_place(Nonce::from(nonce), bound(id, place), &mut plain).ok()?.len();
    plain.truncate(length);
    Some(plain)
}

fn cipher(key: &LayerKey) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).ok()
}

/// Ids hold no line end, so that the two cannot run into each other.
fn bound(id: &str, place: &str) -> Aad<Vec<u8>> {
    Aad::from(format!("{id}\n{place}").into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_comes_off_with_its_key_at_its_place_alone() {
        let (key, other) = (LayerKey::new([1; KEY_BYTES]), LayerKey::new([2; KEY_BYTES]));
        let layer = put_on(&key, "id", "data/a", b"plain").unwrap();
        assert_eq!(layer.len(), 5 + TAG_BYTES + NONCE_BYTES);
        assert_eq!(take_off(&key, "id", "data/a", &layer).unwrap().as_slice(), b"plain");
        assert!(take_off(&other, "id", "data/a", &layer).is_none());
        assert!(take_off(&key, "ie", "data/a", &layer).is_none());
        assert!(take_off(&key, "id", "data/b", &layer).is_none());
        for at in 0..layer.len() {
            let mut flipped = layer.clone();
            flipped[at] ^= 1;
            assert!(take_off(&key, "id", "data/a", &flipped).is_none(), "byte {at}");
            assert!(take_off(&key, "id", "data/a", &layer[..at]).is_none(), "length {at}");
        }
    }
}
