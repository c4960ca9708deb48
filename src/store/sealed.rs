//! Sealed values: AES-256-GCM under the data key, with the entry's key as associated data.
//!
//! A value is sealed by the task that commits it, before its commit has a revision: engines receive ciphertext, and no
//! writer thread encrypts a value of a batch. What is stored is
//!
//! ```text
//! ciphertext | tag (16 bytes) | nonce (12 bytes) | stamp (8 bytes)
//! ```
//!
//! - The nonce is 96 random bits, new for each write and authenticated by the tag, so it already identifies the write. A
//!   random id beside it would bind nothing that the nonce does not.
//! - The stamp binds the revision. The engine adds it once it knows the revision: the first half of one AES-256 block,
//!   under a key derived from the data key, over the revision and the first 8 bytes of the nonce.
//!
//! Detected when a value is opened: a changed bit anywhere, a value moved to another key, a value stored under another
//! revision than its own. Not detected: a record that is missing, or an old record put back together with its old
//! revision. The first is found by records that name each other (`keyhaven check`), and a database that was replaced as
//! a whole by [`super::last_seen`]. An engine whose server assigns the revisions (and so stores no stamp) would lose the
//! third detection and nothing else.
//!
//! The data key is random, made once per database, and stored beside the records, wrapped by the master key (RFC 3394): a
//! new master key means to wrap 32 bytes again, not to seal every value again.

use std::fmt;

use aes_kw::KeyInit as _;
use aes_kw::aes::Aes256;
use aes_kw::cipher::BlockCipherEncrypt as _;
use aes_kw::cipher::consts::U32;
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use super::batch::{Batch, Revision, Value};
use super::error::StoreError;
use super::key::EntryKey;
use super::master::{KEY_BYTES, MasterKey};

/// The authentication tag of GCM, in bytes.
const TAG_BYTES: usize = 16;
/// The stamp, in bytes.
const STAMP_BYTES: usize = 8;
/// The bytes that a stored value has beside its ciphertext.
const OVERHEAD: usize = TAG_BYTES + NONCE_LEN + STAMP_BYTES;

/// What binds a sealed value to the revision that it was committed with.
pub(super) type Stamp = [u8; STAMP_BYTES];

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
    ///
    /// # Errors
    /// [`StoreError::WrongMasterKey`].
    pub(super) fn unwrap(wrapped: &[u8], master: &MasterKey) -> Result<Self, StoreError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        let opened = master.cipher().unwrap_key(wrapped, bytes.as_mut_slice()).map(<[u8]>::len);
        if opened == Ok(KEY_BYTES) { Ok(Self(bytes)) } else { Err(StoreError::WrongMasterKey) }
    }

    /// The key of the stamps: one key serves one algorithm.
    fn stamp_key(&self) -> Result<Aes256, StoreError> {
        let failed = |_| StoreError::Engine { why: "the key of the stamps cannot be derived".into() };
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let extracted = Salt::new(HKDF_SHA256, b"keyhaven store").extract(self.0.as_slice());
        let expanded = extracted.expand(&[b"revision stamp"], HKDF_SHA256).map_err(failed)?;
        expanded.fill(key.as_mut_slice()).map_err(failed)?;
        Ok(Aes256::new((&*key).into()))
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

/// A batch whose values are sealed: what an engine receives.
#[derive(Clone, Default)]
pub(super) struct SealedBatch {
    /// As in [`Batch`].
    pub(super) expect: Vec<(EntryKey, Revision)>,
    /// The keys that are put, with sealed values that have no stamp yet.
    pub(super) put: Vec<(EntryKey, Vec<u8>)>,
    /// As in [`Batch`].
    pub(super) delete: Vec<EntryKey>,
}

/// Seals and opens values. The ciphers are set up once: that costs as much as sealing a small value.
///
/// Random nonces of 96 bits allow for 2^32 values under one data key before a repetition becomes likelier than the
/// usual bound of 2^-32: a thousand writes a second for 49 days without a pause.
pub(super) struct Sealer {
    cipher: RandomizedNonceKey,
    stamps: Aes256,
}

impl Sealer {
    /// The sealer of one database.
    ///
    /// # Errors
    /// When the library refuses the key, which it does for no key of 32 bytes.
    pub(super) fn new(key: &DataKey) -> Result<Self, StoreError> {
        let refused = |_| StoreError::Engine { why: "AES-256-GCM does not take the data key".into() };
        let cipher = RandomizedNonceKey::new(&AES_256_GCM, key.0.as_slice()).map_err(refused)?;
        Ok(Self { cipher, stamps: key.stamp_key()? })
    }

    /// `batch` with every value sealed. The values are wiped from memory.
    ///
    /// # Errors
    /// When a value cannot be sealed; nothing was committed then.
    pub(super) fn seal_batch(&self, batch: Batch) -> Result<SealedBatch, StoreError> {
        let sealed = batch.put.into_iter().map(|(key, value)| {
            let sealed = self.seal(&key, &value)?;
            Ok((key, sealed))
        });
        let put = sealed.collect::<Result<_, StoreError>>()?;
        Ok(SealedBatch { expect: batch.expect, put, delete: batch.delete })
    }

    /// `value` as it is stored at `key`, but for its stamp.
    ///
    /// # Errors
    /// When the library refuses it.
    pub(super) fn seal(&self, key: &EntryKey, value: &[u8]) -> Result<Vec<u8>, StoreError> {
        // Room for all of it at once: growing would leave a copy of the value behind.
        let mut sealed = Vec::with_capacity(value.len() + OVERHEAD);
        sealed.extend_from_slice(value);
        let (nonce, tag) = self
            .cipher
            .seal_in_place_separate_tag(Aad::from(key.as_bytes()), &mut sealed)
            .map_err(|_| StoreError::Engine { why: format!("the value of {key} could not be sealed") })?;
        sealed.extend_from_slice(tag.as_ref());
        sealed.extend_from_slice(nonce.as_ref());
        Ok(sealed)
    }

    /// The stamp of a `sealed` value that the commit `revision` stores.
    pub(super) fn stamp(&self, revision: Revision, sealed: &[u8]) -> Stamp {
        let (mut block, mut stamp) = ([0; 16], Stamp::default());
        block[..8].copy_from_slice(&revision.to_be_bytes());
        let nonce = &sealed[sealed.len().saturating_sub(NONCE_LEN)..];
        block[8..].iter_mut().zip(nonce).for_each(|(to, from)| *to = *from);
        let mut block = block.into();
        self.stamps.encrypt_block(&mut block);
        stamp.copy_from_slice(&block[..STAMP_BYTES]);
        stamp
    }

    /// A `sealed` value with the stamp of `revision`: what is stored.
    pub(super) fn stamped(&self, revision: Revision, mut sealed: Vec<u8>) -> Vec<u8> {
        let stamp = self.stamp(revision, &sealed);
        sealed.extend_from_slice(&stamp);
        sealed
    }

    /// The value that is `stored` at `key` with `revision`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not what was stored there.
    pub(super) fn open(&self, key: &EntryKey, revision: Revision, stored: &[u8]) -> Result<Value, StoreError> {
        let damaged = |why: &str| StoreError::Damaged { record: key.to_string(), why: why.into() };
        let cut_short = || damaged("the value is cut short");
        let (sealed, stamp) = stored.split_last_chunk::<STAMP_BYTES>().ok_or_else(cut_short)?;
        let (encrypted, nonce) = sealed.split_last_chunk::<NONCE_LEN>().ok_or_else(cut_short)?;
        let mut value = Zeroizing::new(encrypted.to_vec());
        let opened = self.cipher.open_in_place(Nonce::from(nonce), Aad::from(key.as_bytes()), &mut value);
        let length = opened.map_err(|_| damaged("the value is not the one that was sealed here"))?.len();
        if *stamp != self.stamp(revision, sealed) {
            return Err(damaged("the value was stored with another revision"));
        }
        value.truncate(length);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealer() -> Sealer {
        Sealer::new(&DataKey::from_bytes([7; KEY_BYTES])).unwrap()
    }

    fn stored(sealer: &Sealer, key: &EntryKey, revision: Revision, value: &[u8]) -> Vec<u8> {
        sealer.stamped(revision, sealer.seal(key, value).unwrap())
    }

    #[test]
    fn a_sealed_value_opens_at_its_key_and_revision_alone() {
        let sealer = sealer();
        let key = EntryKey::from("1/keys/APP");
        let sealed = stored(&sealer, &key, 5, b"secret");
        assert_eq!(sealed.len(), 6 + OVERHEAD);
        assert_eq!(sealer.open(&key, 5, &sealed).unwrap().as_slice(), b"secret");
        assert!(matches!(sealer.open(&key, 6, &sealed), Err(StoreError::Damaged { .. })));
        assert!(matches!(sealer.open(&EntryKey::from("1/keys/APQ"), 5, &sealed), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn an_old_value_does_not_open_with_the_stamp_of_the_new_one() {
        let (sealer, key) = (sealer(), EntryKey::from("a"));
        let (old, new) = (stored(&sealer, &key, 1, b"old"), stored(&sealer, &key, 2, b"new"));
        let mixed = [&old[..old.len() - STAMP_BYTES], &new[new.len() - STAMP_BYTES..]].concat();
        for revision in [1, 2] {
            assert!(matches!(sealer.open(&key, revision, &mixed), Err(StoreError::Damaged { .. })), "{revision}");
        }
    }

    #[test]
    fn a_value_is_sealed_before_its_revision_is_known() {
        let (sealer, key) = (sealer(), EntryKey::from("a"));
        let sealed = sealer.seal(&key, b"secret").unwrap();
        for revision in [1, 2, Revision::MAX] {
            let stored = sealer.stamped(revision, sealed.clone());
            assert_eq!(sealer.open(&key, revision, &stored).unwrap().as_slice(), b"secret");
        }
    }

    #[test]
    fn the_same_value_is_sealed_differently_each_time() {
        let (sealer, key) = (sealer(), EntryKey::from("a"));
        assert_ne!(sealer.seal(&key, b"secret").unwrap(), sealer.seal(&key, b"secret").unwrap());
    }

    #[test]
    fn no_flipped_bit_and_no_missing_byte_goes_unseen() {
        let sealer = sealer();
        let key = EntryKey::from("a");
        let sealed = stored(&sealer, &key, 1, b"secret");
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
