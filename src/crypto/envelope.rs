//! A text encrypted for the holder of an RSA key: a new AES key for each text, itself encrypted for the holder (RSA-OAEP-256), and the
//! text under it (AES-256-GCM). The text may be of any length, and what it belongs to is authenticated with it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::aes::AesKey;
use super::algorithm::{AesAlgorithm, AesSize, RsaEncryption};
use super::rsa::{RsaKey, RsaPublic};
use super::{CipherParams, CryptoError};

/// An encrypted text; each member in base64.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Envelope {
    key: String,
    nonce: String,
    tag: String,
    value: String,
}

impl Envelope {
    /// `text`, which belongs to `context`, encrypted for the holder of `key`.
    ///
    /// # Errors
    /// When the library refuses.
    pub(crate) fn seal(key: &RsaPublic, context: &str, text: &[u8]) -> Result<Self, CryptoError> {
        let (once, bytes) = AesKey::generate(AesSize::Bits256);
        let sealed = once.encrypt(AesAlgorithm::A256GCM, text, &belonging_to(context))?;
        let part = |part: Option<Vec<u8>>| STANDARD.encode(part.unwrap_or_default());
        Ok(Self {
            key: STANDARD.encode(key.encrypt(RsaEncryption::RsaOaep256, &bytes)?),
            nonce: part(sealed.iv),
            tag: part(sealed.tag),
            value: STANDARD.encode(&sealed.value),
        })
    }

    /// The text, which must belong to `context`.
    ///
    /// # Errors
    /// [`CryptoError::DecryptionFailed`] for whatever does not decrypt.
    pub(crate) fn open(&self, key: &RsaKey, context: &str) -> Result<Zeroizing<Vec<u8>>, CryptoError> {
        let part = |part: &String| STANDARD.decode(part).map_err(|_| CryptoError::DecryptionFailed);
        let opened = key.decrypt(RsaEncryption::RsaOaep256, &part(&self.key)?);
        let once = AesKey::from_bytes(&opened.map_err(|_| CryptoError::DecryptionFailed)?);
        let params =
            CipherParams { iv: Some(part(&self.nonce)?), tag: Some(part(&self.tag)?), ..belonging_to(context) };
        let once = once.map_err(|_| CryptoError::DecryptionFailed)?;
        let text = once.decrypt(AesAlgorithm::A256GCM, &part(&self.value)?, &params);
        text.map_err(|_| CryptoError::DecryptionFailed)
    }
}

fn belonging_to(context: &str) -> CipherParams {
    CipherParams { aad: Some(context.as_bytes().to_vec()), ..CipherParams::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::rsa::RsaSize;

    #[test]
    fn an_envelope_opens_for_its_holder_and_its_context_alone() {
        let generate = || RsaKey::generate(RsaSize::Bits2048, RsaKey::USUAL_EXPONENT).unwrap().0;
        let (holder, other) = (generate(), generate());
        let public = RsaPublic::from_der(&holder.public().to_der().unwrap()).unwrap();
        let text = vec![b'x'; 10_000];
        let sealed = Envelope::seal(&public, "credential 1", &text).unwrap();
        assert_eq!(sealed.open(&holder, "credential 1").unwrap().as_slice(), text);
        assert!(sealed.open(&holder, "credential 2").is_err());
        assert!(sealed.open(&other, "credential 1").is_err());
        let broken = Envelope { value: STANDARD.encode(b"y"), ..sealed.clone() };
        assert_eq!(broken.open(&holder, "credential 1"), Err(CryptoError::DecryptionFailed));
        let broken = Envelope { key: "?".to_owned(), ..sealed };
        assert_eq!(broken.open(&holder, "credential 1"), Err(CryptoError::DecryptionFailed));
    }
}
