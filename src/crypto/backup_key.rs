//! The key under which things leave a server and come back: backups of objects, snapshots of everything.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

/// Bytes of a key: AES-256.
const KEY_BYTES: usize = 32;
/// Bytes of a tag.
const TAG_BYTES: usize = 16;

/// 32 bytes that two servers share so that one takes what the other gave out.
pub struct BackupKey(Zeroizing<[u8; KEY_BYTES]>);

/// Sealing failed, or the bytes were not sealed under this key, purpose and context.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealError;

/// Something sealed: AES-256-GCM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// 12 bytes, never used twice.
    pub nonce: [u8; NONCE_LEN],
    /// As long as what was sealed.
    pub ciphertext: Vec<u8>,
    /// 16 bytes.
    pub tag: Vec<u8>,
}

impl BackupKey {
    /// The key of these bytes.
    pub fn from_bytes(bytes: Zeroizing<[u8; KEY_BYTES]>) -> Self {
        Self(bytes)
    }

    /// A name for the key that tells nothing of it: 16 hexadecimal digits.
    pub fn id(&self) -> String {
        let label = [b"keyhaven backup key id".as_slice(), self.0.as_slice()].concat();
        let hash = digest::digest(&digest::SHA256, &Zeroizing::new(label));
        hash.as_ref()[..8].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Seals `plain` for `purpose`, and binds `context` to it.
    ///
    /// # Errors
    /// When AES-256-GCM fails, which it does for more than 64 GiB.
    pub fn seal(&self, purpose: &str, context: &[u8], plain: &[u8]) -> Result<Sealed, SealError> {
        let mut bytes = Vec::with_capacity(plain.len() + TAG_BYTES);
        bytes.extend_from_slice(plain);
        let sealed = self.cipher(purpose)?.seal_in_place_append_tag(Aad::from(context), &mut bytes);
        let nonce = *sealed.map_err(|_| SealError)?.as_ref();
        let tag = bytes.split_off(bytes.len() - TAG_BYTES);
        Ok(Sealed { nonce, ciphertext: bytes, tag })
    }

    /// What was sealed for `purpose` with `context`.
    ///
    /// # Errors
    /// When it was not sealed so, or has been changed since.
    pub fn open(&self, purpose: &str, context: &[u8], sealed: Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let nonce = Nonce::from(&sealed.nonce);
        let mut bytes = Zeroizing::new(sealed.ciphertext);
        bytes.extend_from_slice(&sealed.tag);
        let opened = self.cipher(purpose)?.open_in_place(nonce, Aad::from(context), &mut bytes);
        let length = opened.map_err(|_| SealError)?.len();
        bytes.truncate(length);
        Ok(bytes)
    }

    /// Each use has a key of its own, so that nothing made for one opens as another.
    fn cipher(&self, purpose: &str) -> Result<RandomizedNonceKey, SealError> {
        struct Length;
        impl KeyType for Length {
            fn len(&self) -> usize {
                KEY_BYTES
            }
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        let extracted = Salt::new(HKDF_SHA256, b"keyhaven").extract(self.0.as_slice());
        let expanded = extracted.expand(&[purpose.as_bytes()], Length).and_then(|okm| okm.fill(key.as_mut_slice()));
        expanded.map_err(|_| SealError)?;
        RandomizedNonceKey::new(&AES_256_GCM, key.as_slice()).map_err(|_| SealError)
    }
}

impl fmt::Debug for BackupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BackupKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> BackupKey {
        BackupKey::from_bytes(Zeroizing::new([byte; KEY_BYTES]))
    }

    #[test]
    fn what_is_sealed_opens_under_the_same_key_for_the_same_use_alone() {
        let sealed = || key(1).seal("backup", b"head", b"secret").unwrap();
        assert_eq!(key(1).open("backup", b"head", sealed()).unwrap().as_slice(), b"secret");
        assert_eq!(key(2).open("backup", b"head", sealed()), Err(SealError));
        assert_eq!(key(1).open("snapshot", b"head", sealed()), Err(SealError));
        assert_eq!(key(1).open("backup", b"tail", sealed()), Err(SealError));
        let mut changed = sealed();
        changed.ciphertext[0] ^= 1;
        assert_eq!(key(1).open("backup", b"head", changed), Err(SealError));
        assert_ne!(sealed().nonce, sealed().nonce);
    }

    #[test]
    fn a_key_is_named_and_not_shown() {
        assert_eq!(format!("{:?}", key(1)), format!("BackupKey({})", key(1).id()));
        assert_ne!(key(1).id(), key(2).id());
        assert!(!key(1).id().contains("0101"));
    }
}
