//! The BYOK transfer blob: a key exported from an HSM, wrapped for a key-exchange key of the vault.
//!
//! The form is Microsoft's BYOK specification (learn.microsoft.com, "Bring your own key specification"): JSON that names
//! the key-exchange key and holds the output of PKCS #11's CKM_RSA_AES_KEY_WRAP: an AES key of 256 bits encrypted with
//! RSA-OAEP (SHA-1), and behind it the target key wrapped with that AES key (RFC 5649).

use serde::Deserialize;

use super::aes::AesKey;
use super::algorithm::RsaEncryption;
use super::jwk::{ExpectedKey, from_material};
use super::{CryptoError, Key, Material, base64url};

/// A transfer blob, its outer form checked.
#[derive(Clone, Debug)]
pub(crate) struct TransferBlob {
    kid: String,
    ciphertext: Vec<u8>,
}

#[derive(Deserialize)]
struct Document {
    schema_version: String,
    header: Header,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Header {
    kid: String,
    alg: String,
    enc: String,
}

const FORM: CryptoError = CryptoError::InvalidMaterial(
    "not a transfer blob: JSON with schema_version 1.0.0, a header of kid, alg dir and enc CKM_RSA_AES_KEY_WRAP, and \
     ciphertext",
);
const FOREIGN: CryptoError = CryptoError::InvalidMaterial("the transfer blob was not made for this key-exchange key");

impl TransferBlob {
    /// The blob in `json`; unknown members are let be.
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`].
    pub(crate) fn parse(json: &[u8]) -> Result<Self, CryptoError> {
        let document: Document = serde_json::from_slice(json).map_err(|_| FORM)?;
        let Header { kid, alg, enc } = document.header;
        if document.schema_version != "1.0.0" || alg != "dir" || enc != "CKM_RSA_AES_KEY_WRAP" {
            return Err(FORM);
        }
        let ciphertext = base64url::decode(&document.ciphertext).ok_or(FORM)?;
        Ok(Self { kid, ciphertext })
    }

    /// The id of the key-exchange key that it was made for, as an URL.
    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// The key inside, and its material to store; `kek` is the key-exchange key. A private operation: run it on the
    /// pool.
    ///
    /// # Errors
    /// [`CryptoError::InvalidMaterial`] and [`CryptoError::KeySize`].
    pub(crate) fn open(&self, kek: &Key, wanted: ExpectedKey) -> Result<(Key, Material), CryptoError> {
        from_material(wanted, &self.target(kek)?)
    }

    fn target(&self, kek: &Key) -> Result<Material, CryptoError> {
        let Key::Rsa(kek) = kek else { return Err(FOREIGN) };
        let (wrapping, target) = self.ciphertext.split_at_checked(kek.public().n.len()).ok_or(FOREIGN)?;
        let wrapping = kek.decrypt(RsaEncryption::RsaOaep, wrapping).map_err(|_| FOREIGN)?;
        AesKey::from_bytes(&wrapping).and_then(|wrapping| wrapping.unwrap(target, true)).map_err(|_| FOREIGN)
    }
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::crypto::algorithm::{AesSize, Curve};
    use crate::crypto::ec::EcKey;
    use crate::crypto::rsa::{RsaKey, test_keys};

    fn kek() -> Key {
        Key::Rsa(RsaKey::from_pkcs8(test_keys::RSA_2048).unwrap())
    }

    fn blob(target: &[u8]) -> String {
        let Key::Rsa(kek) = kek() else { unreachable!() };
        let (wrapping, bytes) = AesKey::generate(AesSize::Bits256);
        let head = kek.encrypt(RsaEncryption::RsaOaep, &bytes).unwrap();
        let ciphertext = base64url::encode(&[head, wrapping.wrap(target, true).unwrap()].concat());
        let header = r#"{"kid":"https://v.vault.azure.net/keys/kek/1","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"}"#;
        format!(r#"{{"schema_version":"1.0.0","header":{header},"ciphertext":"{ciphertext}","generator":"a test"}}"#)
    }

    #[test]
    fn a_key_of_each_type_arrives() {
        let (_, ec) = EcKey::generate(Curve::P521).unwrap();
        for (target, wanted) in [
            (test_keys::RSA_4096, ExpectedKey::Rsa),
            (ec.as_slice(), ExpectedKey::Ec(Some(Curve::P521))),
            (&[7; 24], ExpectedKey::Oct),
        ] {
            let parsed = TransferBlob::parse(blob(target).as_bytes()).unwrap();
            assert_eq!(parsed.kid(), "https://v.vault.azure.net/keys/kek/1");
            let (_, material) = parsed.open(&kek(), wanted).unwrap();
            assert_eq!(material.as_slice(), target);
        }
    }

    #[test]
    fn a_blob_for_another_key_or_altered_on_the_way_is_refused() {
        let parsed = TransferBlob::parse(blob(test_keys::RSA_2048).as_bytes()).unwrap();
        let other = Key::Rsa(RsaKey::from_pkcs8(test_keys::RSA_3072).unwrap());
        let symmetric = Key::Aes(AesKey::from_bytes(&[0; 16]).unwrap());
        for kek in [other, symmetric] {
            assert_eq!(parsed.open(&kek, ExpectedKey::Rsa).err(), Some(FOREIGN));
        }
        for at in [0, 255, 256, 300, parsed.ciphertext.len() - 1] {
            let mut altered = parsed.clone();
            altered.ciphertext[at] ^= 1;
            assert_eq!(altered.open(&kek(), ExpectedKey::Rsa).err(), Some(FOREIGN), "{at}");
            altered.ciphertext.truncate(at);
            assert_eq!(altered.open(&kek(), ExpectedKey::Rsa).err(), Some(FOREIGN), "{at}");
        }
    }

    #[test]
    fn another_form_is_refused() {
        let good = blob(&[7; 16]);
        for (part, by) in [
            ("1.0.0", "2.0.0"),
            ("\"dir\"", "\"RSA-OAEP\""),
            ("CKM_RSA_AES_KEY_WRAP", "CKM_RSA"),
            ("\"kid\"", "\"kidd\""),
            ("ciphertext\":\"", "ciphertext\":\"!"),
            ("{", "["),
        ] {
            let bad = good.replacen(part, by, 1);
            assert_ne!(bad, good);
            assert_eq!(TransferBlob::parse(bad.as_bytes()).err(), Some(FORM), "{part}");
        }
        assert_eq!(Zeroizing::new(TransferBlob::parse(good.as_bytes()).unwrap().ciphertext).len(), 256 + 24);
    }
}
