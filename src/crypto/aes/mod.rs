//! AES keys (FIPS 197): encrypt, decrypt, wrap, unwrap, and HMAC with the same bytes.

#[cfg(test)]
mod vectors;
mod wrap;

use std::fmt;

use aws_lc_rs::aead::{AES_128_GCM, AES_192_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, AES_128, AES_192, AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext,
    PaddedBlockDecryptingKey, PaddedBlockEncryptingKey, UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use zeroize::Zeroizing;

use super::algorithm::{AesAlgorithm, AesMode, AesSize, HmacAlgorithm};
use super::{CipherParams, CryptoError, Encrypted, Material};
use crate::random::{OsRandom, Random};

/// Bytes of a block, and of the initialisation vector of CBC.
const BLOCK: usize = 16;
/// Bytes of the nonce of GCM (NIST SP 800-38D, section 8.2).
const NONCE: usize = 12;
/// Bytes of the tag of GCM.
const TAG: usize = 16;

/// A symmetric key.
pub(crate) struct AesKey {
    size: AesSize,
    bytes: Material,
}

const FAILED: CryptoError = CryptoError::Failed("use an AES key");

impl AesKey {
    /// A new key of the system's generator, and its bytes to store.
    pub(crate) fn generate(size: AesSize) -> (Self, Material) {
        let mut bytes = Zeroizing::new(vec![0; size.bytes()]);
        OsRandom.fill(&mut bytes);
        (Self { size, bytes: bytes.clone() }, bytes)
    }

    /// The key of these bytes.
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] unless they are 16, 24 or 32.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, CryptoError> {
        let size = AesSize::ALL.into_iter().find(|size| size.bytes() == bytes.len());
        let size = size.ok_or(CryptoError::InvalidMaterial("a symmetric key has 128, 192 or 256 bits"))?;
        Ok(Self { size, bytes: Zeroizing::new(bytes.to_vec()) })
    }

    /// The size.
    pub(crate) fn size(&self) -> AesSize {
        self.size
    }

    /// `plaintext` encrypted or wrapped. GCM makes its own nonce and gives it back with the tag; CBC takes the vector
    /// of the caller, 16 bytes that were never used before.
    ///
    /// # Errors
    /// [`CryptoError::WrongKeySize`]; when extras are missing, not wanted or of the wrong length; when the
    /// plaintext has a length that the mode cannot take.
    pub(crate) fn encrypt(
        &self,
        algorithm: AesAlgorithm,
        plaintext: &[u8],
        extras: &CipherParams,
    ) -> Result<Encrypted, CryptoError> {
        self.fits(algorithm)?;
        match algorithm.mode {
            AesMode::Gcm => self.seal(plaintext, extras),
            AesMode::Cbc | AesMode::CbcPad => {
                let iv = vector(extras)?;
                extras.allow_only(&["iv"])?;
                let value = self.cbc_encrypt(plaintext, iv, algorithm.mode == AesMode::CbcPad)?;
                Ok(Encrypted { value, iv: Some(iv.to_vec()), tag: None })
            }
            AesMode::Kw | AesMode::Kwp => {
                extras.allow_only(&[])?;
                let value = self.wrap(plaintext, algorithm.mode == AesMode::Kwp)?;
                Ok(Encrypted { value, iv: None, tag: None })
            }
        }
    }

    /// The plaintext of `ciphertext`.
    ///
    /// # Errors
    /// As [`AesKey::encrypt`]; [`CryptoError::DecryptionFailed`] for whatever does not decrypt.
    pub(crate) fn decrypt(
        &self,
        algorithm: AesAlgorithm,
        ciphertext: &[u8],
        extras: &CipherParams,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        self.fits(algorithm)?;
        match algorithm.mode {
            AesMode::Gcm => self.open(ciphertext, extras),
            AesMode::Cbc | AesMode::CbcPad => {
                let iv = vector(extras)?;
                extras.allow_only(&["iv"])?;
                self.cbc_decrypt(ciphertext, iv, algorithm.mode == AesMode::CbcPad)
            }
            AesMode::Kw | AesMode::Kwp => {
                extras.allow_only(&[])?;
                self.unwrap(ciphertext, algorithm.mode == AesMode::Kwp)
            }
        }
    }

    /// The authentication code of `value` (RFC 2104): 32, 48 or 64 bytes.
    pub(crate) fn authenticate(&self, algorithm: HmacAlgorithm, value: &[u8]) -> Vec<u8> {
        hmac::sign(&self.hmac(algorithm), value).as_ref().to_vec()
    }

    /// Whether `code` is the authentication code of `value`; compared in constant time.
    pub(crate) fn is_authentic(&self, algorithm: HmacAlgorithm, value: &[u8], code: &[u8]) -> bool {
        hmac::verify(&self.hmac(algorithm), value, code).is_ok()
    }

    fn hmac(&self, algorithm: HmacAlgorithm) -> hmac::Key {
        let algorithm = match algorithm {
            HmacAlgorithm::Hs256 => hmac::HMAC_SHA256,
            HmacAlgorithm::Hs384 => hmac::HMAC_SHA384,
            HmacAlgorithm::Hs512 => hmac::HMAC_SHA512,
        };
        hmac::Key::new(algorithm, &self.bytes)
    }

    fn fits(&self, algorithm: AesAlgorithm) -> Result<(), CryptoError> {
        match algorithm.size {
            Some(wanted) if wanted != self.size => {
                Err(CryptoError::WrongKeySize { key: self.size.bits(), wanted: wanted.bits() })
            }
            _ => Ok(()),
        }
    }

    fn seal(&self, plaintext: &[u8], extras: &CipherParams) -> Result<Encrypted, CryptoError> {
        extras.allow_only(&["aad"])?;
        let mut nonce = [0; NONCE];
        OsRandom.fill(&mut nonce);
        let mut value = plaintext.to_vec();
        let aad = Aad::from(extras.aad.as_deref().unwrap_or_default());
        let sealed = self.gcm()?.seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), aad, &mut value);
        let tag = sealed.map_err(|_| FAILED)?;
        Ok(Encrypted { value, iv: Some(nonce.to_vec()), tag: Some(tag.as_ref().to_vec()) })
    }

    fn open(&self, ciphertext: &[u8], extras: &CipherParams) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let nonce = extras.required("iv", extras.iv.as_deref(), NONCE)?;
        let tag = extras.required("tag", extras.tag.as_deref(), TAG)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| FAILED)?;
        let aad = Aad::from(extras.aad.as_deref().unwrap_or_default());
        let mut plaintext = Zeroizing::new(vec![0; ciphertext.len()]);
        let opened = self.gcm()?.open_separate_gather(nonce, aad, ciphertext, tag, &mut plaintext);
        opened.map_err(|_| CryptoError::DecryptionFailed)?;
        Ok(plaintext)
    }

    fn gcm(&self) -> Result<LessSafeKey, CryptoError> {
        let algorithm = match self.size {
            AesSize::Bits128 => &AES_128_GCM,
            AesSize::Bits192 => &AES_192_GCM,
            AesSize::Bits256 => &AES_256_GCM,
        };
        UnboundKey::new(algorithm, &self.bytes).map(LessSafeKey::new).map_err(|_| FAILED)
    }

    fn cbc_encrypt(&self, plaintext: &[u8], iv: &[u8; BLOCK], padded: bool) -> Result<Vec<u8>, CryptoError> {
        let iv = EncryptionContext::Iv128(FixedLength::from(iv));
        // Room for the padding at once: growing would leave a copy of the plaintext behind.
        let mut value = Vec::with_capacity(plaintext.len() + BLOCK);
        value.extend_from_slice(plaintext);
        if padded {
            let key = PaddedBlockEncryptingKey::cbc_pkcs7(self.cipher()?).map_err(|_| FAILED)?;
            key.less_safe_encrypt(&mut value, iv).map_err(|_| FAILED)?;
        } else {
            whole_blocks(plaintext)?;
            let key = EncryptingKey::cbc(self.cipher()?).map_err(|_| FAILED)?;
            key.less_safe_encrypt(&mut value, iv).map_err(|_| FAILED)?;
        }
        Ok(value)
    }

    fn cbc_decrypt(
        &self,
        ciphertext: &[u8],
        iv: &[u8; BLOCK],
        padded: bool,
    ) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        whole_blocks(ciphertext)?;
        let iv = DecryptionContext::Iv128(FixedLength::from(iv));
        let mut plaintext = Zeroizing::new(ciphertext.to_vec());
        let length = if padded {
            let key = PaddedBlockDecryptingKey::cbc_pkcs7(self.cipher()?).map_err(|_| FAILED)?;
            key.decrypt(&mut plaintext, iv).map_err(|_| CryptoError::DecryptionFailed)?.len()
        } else {
            let key = DecryptingKey::cbc(self.cipher()?).map_err(|_| FAILED)?;
            key.decrypt(&mut plaintext, iv).map_err(|_| CryptoError::DecryptionFailed)?.len()
        };
        plaintext.truncate(length);
        Ok(plaintext)
    }

    fn cipher(&self) -> Result<UnboundCipherKey, CryptoError> {
        let algorithm: &'static cipher::Algorithm = match self.size {
            AesSize::Bits128 => &AES_128,
            AesSize::Bits192 => &AES_192,
            AesSize::Bits256 => &AES_256,
        };
        UnboundCipherKey::new(algorithm, &self.bytes).map_err(|_| FAILED)
    }

    /// `key` wrapped (RFC 3394; with `padding` RFC 5649).
    ///
    /// # Errors
    /// [`CryptoError::WrapLength`].
    pub(super) fn wrap(&self, key: &[u8], padding: bool) -> Result<Vec<u8>, CryptoError> {
        wrap::wrap(self.size, &self.bytes, key, padding)
    }

    /// The key that [`AesKey::wrap`] has wrapped.
    ///
    /// # Errors
    /// [`CryptoError::DecryptionFailed`].
    pub(super) fn unwrap(&self, wrapped: &[u8], padding: bool) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        wrap::unwrap(self.size, &self.bytes, wrapped, padding)
    }
}

impl fmt::Debug for AesKey {
    /// The size alone.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AesKey").field("size", &self.size).finish_non_exhaustive()
    }
}

/// The vector that the caller gave for CBC.
fn vector(extras: &CipherParams) -> Result<&[u8; BLOCK], CryptoError> {
    let iv = extras.required("iv", extras.iv.as_deref(), BLOCK)?;
    iv.try_into().map_err(|_| FAILED)
}

fn whole_blocks(bytes: &[u8]) -> Result<(), CryptoError> {
    if bytes.len().is_multiple_of(BLOCK) {
        Ok(())
    } else {
        Err(CryptoError::BlockLength { given: bytes.len(), of: BLOCK })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(size: AesSize) -> AesKey {
        AesKey::from_bytes(&vec![7; size.bytes()]).unwrap()
    }

    fn named(name: &str) -> AesAlgorithm {
        AesAlgorithm::all().find(|algorithm| algorithm.name() == name).unwrap()
    }

    fn with_iv(length: usize) -> CipherParams {
        CipherParams { iv: Some(vec![9; length]), ..CipherParams::default() }
    }

    #[test]
    fn an_algorithm_takes_its_own_key_size_alone() {
        for algorithm in AesAlgorithm::all() {
            for size in AesSize::ALL {
                let refused = key(size).encrypt(algorithm, &[0; 16], &CipherParams::default()).err();
                let misfit = matches!(refused, Some(CryptoError::WrongKeySize { .. }));
                assert_eq!(misfit, algorithm.size.is_some_and(|wanted| wanted != size), "{}", algorithm.name());
            }
        }
    }

    #[test]
    fn a_sealed_text_opens_with_its_nonce_tag_and_data_alone() {
        let (key, gcm) = (key(AesSize::Bits256), named("A256GCM"));
        let aad = CipherParams { aad: Some(b"about".to_vec()), ..CipherParams::default() };
        let Encrypted { value, iv, tag } = key.encrypt(gcm, b"secret", &aad).unwrap();
        let whole = CipherParams { iv, tag, ..aad };
        assert_eq!(&**key.decrypt(gcm, &value, &whole).unwrap(), b"secret");
        let mut altered = value.clone();
        altered[0] ^= 1;
        assert_eq!(key.decrypt(gcm, &altered, &whole), Err(CryptoError::DecryptionFailed));
        for (wrong, refusal) in [
            (CipherParams { aad: None, ..whole.clone() }, CryptoError::DecryptionFailed),
            (CipherParams { tag: Some(vec![0; 16]), ..whole.clone() }, CryptoError::DecryptionFailed),
            (CipherParams { iv: Some(vec![0; 12]), ..whole.clone() }, CryptoError::DecryptionFailed),
            (CipherParams { iv: None, ..whole.clone() }, CryptoError::MissingMember("iv")),
            (CipherParams { tag: None, ..whole.clone() }, CryptoError::MissingMember("tag")),
            (
                CipherParams { tag: Some(vec![0; 12]), ..whole },
                CryptoError::MemberLength { member: "tag", given: 12, required: 16 },
            ),
        ] {
            assert_eq!(key.decrypt(gcm, &value, &wrong), Err(refusal));
        }
    }

    #[test]
    fn the_nonce_is_the_servers_and_never_the_same() {
        let (key, gcm) = (key(AesSize::Bits128), named("A128GCM"));
        assert_eq!(key.encrypt(gcm, b"", &with_iv(12)).err(), Some(CryptoError::UnexpectedMember("iv")));
        let nonce = || key.encrypt(gcm, b"", &CipherParams::default()).unwrap().iv.unwrap();
        assert_ne!(nonce(), nonce());
    }

    #[test]
    fn chaining_needs_a_vector_of_sixteen_bytes_and_whole_blocks() {
        let key = key(AesSize::Bits192);
        for name in ["A192CBC", "A192CBCPAD"] {
            let missing = key.encrypt(named(name), &[0; 16], &CipherParams::default()).err();
            assert_eq!(missing, Some(CryptoError::MissingMember("iv")));
            let short = CryptoError::MemberLength { member: "iv", given: 12, required: 16 };
            assert_eq!(key.encrypt(named(name), &[0; 16], &with_iv(12)).err(), Some(short));
            let blocks = CryptoError::BlockLength { given: 15, of: 16 };
            assert_eq!(key.decrypt(named(name), &[0; 15], &with_iv(16)), Err(blocks));
        }
        let blocks = CryptoError::BlockLength { given: 15, of: 16 };
        assert_eq!(key.encrypt(named("A192CBC"), &[0; 15], &with_iv(16)).err(), Some(blocks));
        assert_eq!(key.decrypt(named("A192CBCPAD"), &[], &with_iv(16)), Err(CryptoError::DecryptionFailed));
    }

    #[test]
    fn a_wrapped_key_that_was_altered_is_refused() {
        let key = key(AesSize::Bits256);
        for name in ["A256KW", "CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD"] {
            let mut wrapped = key.encrypt(named(name), &[1; 32], &CipherParams::default()).unwrap().value;
            wrapped[3] ^= 1;
            assert_eq!(
                key.decrypt(named(name), &wrapped, &CipherParams::default()),
                Err(CryptoError::DecryptionFailed)
            );
            for length in [0, 8, 39] {
                let refused = key.decrypt(named(name), &vec![0; length], &CipherParams::default());
                assert_eq!(refused, Err(CryptoError::DecryptionFailed), "{name} {length}");
            }
        }
        for given in [0, 8, 15, 33] {
            let refused = key.encrypt(named("A256KW"), &vec![0; given], &CipherParams::default()).err();
            assert_eq!(refused, Some(CryptoError::WrapLength { given }));
        }
    }

    #[test]
    fn nothing_private_is_printed() {
        assert_eq!(format!("{:?}", key(AesSize::Bits128)), "AesKey { size: Bits128, .. }");
    }

    proptest! {
        #[test]
        fn what_is_encrypted_is_decrypted(
            algorithm in prop::sample::select(AesAlgorithm::all().collect::<Vec<_>>()),
            bytes in prop::collection::vec(any::<u8>(), 1..200),
        ) {
            let key = key(algorithm.size.unwrap_or(AesSize::Bits192));
            let whole = match algorithm.mode {
                AesMode::Cbc | AesMode::Kw => bytes.repeat(16),
                _ => bytes,
            };
            let chained = matches!(algorithm.mode, AesMode::Cbc | AesMode::CbcPad);
            let extras = if chained { with_iv(16) } else { CipherParams::default() };
            let Encrypted { value, iv, tag } = key.encrypt(algorithm, &whole, &extras)?;
            let extras = CipherParams { iv, tag, aad: None };
            prop_assert_eq!(&*key.decrypt(algorithm, &value, &extras)?, &whole);
        }
    }
}
