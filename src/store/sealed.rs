//! The seal on every value: nobody reads it without the data key, and nobody changes it unseen.
//!
//! A value is encrypted with AES-256-GCM under the data key. What is authenticated with it is the revision and the
//! key, so a value moved to another key, or put back under another revision, does not open. The data key is random,
//! made once per database, and stored beside the records, wrapped by the master key (RFC 3394): a new master key means
//! to wrap 32 bytes again, not to seal every value again.

use std::fmt;

use aes_kw::cipher::consts::U32;
use aws_lc_rs::aead::{AES_256_GCM, Aad, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::batch::{Revision, Value};
use super::error::StoreError;
use super::key::Key;
use super::master::{KEY_BYTES, MasterKey};

/// The random nonce, which stands at the end of a sealed value.
const NONCE_BYTES: usize = 12;
/// The authentication tag, which stands before the nonce.
const TAG_BYTES: usize = 16;

/// The key that seals the values of one database.
pub struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    /// The key of these bytes, which come fresh from the system's generator.
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// This key as it is stored: readable with `master` alone.
    pub(super) fn wrap(&self, master: &MasterKey) -> Vec<u8> {
        master.cipher().wrap_fixed_key::<U32>((&*self.0).into()).to_vec()
    }

    /// The key that [`DataKey::wrap`] made `wrapped` of.
    pub(super) fn unwrap(wrapped: &[u8], master: &MasterKey) -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let opened = master.cipher().unwrap_key(wrapped, bytes.as_mut_slice()).map(<[u8]>::len);
        if opened == Ok(KEY_BYTES) { Ok(Self(bytes)) } else { Err(StoreError::WrongMasterKey) }
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// Seals and opens values. The cipher is set up once: that costs as much as sealing a small value.
///
/// Random nonces of 96 bits allow for 2^32 values under one data key before a repetition becomes likelier than the
/// usual bound of 2^-32: a thousand writes a second for 49 days without a pause.
pub(super) struct Sealer(RandomizedNonceKey);

impl Sealer {
    pub(super) fn new(key: &DataKey) -> Result<Self, StoreError> {
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.0.as_slice());
        cipher.map(Self).map_err(|_| StoreError::Engine { why: "AES-256-GCM does not take the data key".into() })
    }

    /// `value` as it is stored at `key` by the commit `revision`: ciphertext, tag, nonce.
    pub(super) fn seal(&self, key: &Key, revision: Revision, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        // Room for all of it at once: growing would leave a copy of the value behind.
        let mut sealed = Vec::with_capacity(value.len() + TAG_BYTES + NONCE_BYTES);
        sealed.extend_from_slice(value);
        let (nonce, tag) = self
            .0
            .seal_in_place_separate_tag(Aad::from(place(key, revision)), &mut sealed)
            .map_err(|_| StoreError::Engine { why: format!("the value of {key} could not be sealed") })?;
        sealed.extend_from_slice(tag.as_ref());
        sealed.extend_from_slice(nonce.as_ref());
        Ok(sealed)
    }

    /// The value that was sealed for exactly this place, or the complaint that the record is damaged.
    pub(super) fn open(&self, key: &Key, revision: Revision, sealed: &[u8]) -> Result<Value, StoreError> {
        let damaged = |why: &str| StoreError::Damaged { record: key.to_string(), why: why.into() };
        let (sealed, nonce) =
            sealed.split_last_chunk::<NONCE_BYTES>().ok_or_else(|| damaged("the value is cut short"))?;
        let mut value = Zeroizing::new(sealed.to_vec());
        let length = self
            .0
            .open_in_place(Nonce::from(nonce), Aad::from(place(key, revision)), &mut value)
            .map(|opened| opened.len())
            .map_err(|_| damaged("the value is not the one that was sealed here"))?;
        value.truncate(length);
        Ok(value)
    }
}

/// Where a value belongs, as bytes that mean one place only: the revision has a fixed width, the key is the rest.
fn place(key: &Key, revision: Revision) -> Vec<u8> {
    [&revision.to_be_bytes(), key.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&DataKey::from_bytes([7; KEY_BYTES])).unwrap()
    }

    #[test]
    fn a_sealed_value_opens_at_its_place_alone() {
        let sealer = sealer();
        let key = Key::from("1/keys/APP");
        let sealed = sealer.seal(&key, 5, b"secret").unwrap();
        assert_eq!(sealed.len(), 6 + TAG_BYTES + NONCE_BYTES);
        assert_eq!(sealer.open(&key, 5, &sealed).unwrap().as_slice(), b"secret");
        assert!(matches!(sealer.open(&key, 6, &sealed), Err(StoreError::Damaged { .. })));
        assert!(matches!(sealer.open(&Key::from("1/keys/APQ"), 5, &sealed), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn no_flipped_bit_and_no_missing_byte_goes_unseen() {
        let sealer = sealer();
        let key = Key::from("a");
        let sealed = sealer.seal(&key, 1, b"secret").unwrap();
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(matches!(sealer.open(&key, 1, &flipped), Err(StoreError::Damaged { .. })), "byte {at}");
            assert!(matches!(sealer.open(&key, 1, &sealed[..at]), Err(StoreError::Damaged { .. })), "length {at}");
        }
    }

    #[test]
    fn a_data_key_unwraps_with_its_master_key_alone() {
        let (master, other) = (MasterKey::from_bytes([1; 32]), MasterKey::from_bytes([2; 32]));
        let wrapped = DataKey::from_bytes([7; 32]).wrap(&master);
        assert_eq!(wrapped.len(), 40);
        assert_eq!(*DataKey::unwrap(&wrapped, &master).unwrap().0, [7; 32]);
        assert!(matches!(DataKey::unwrap(&wrapped, &other), Err(StoreError::WrongMasterKey)));
        assert!(matches!(DataKey::unwrap(&wrapped[..32], &master), Err(StoreError::WrongMasterKey)));
        assert!(matches!(DataKey::unwrap(b"", &master), Err(StoreError::WrongMasterKey)));
    }
}
