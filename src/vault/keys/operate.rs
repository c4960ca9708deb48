//! Using a key: whether it may be used now and for this, then the cryptography.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{FoundVersion, KeyOperation, KeyRecord, Keys, Objects};
use crate::clock::Timestamp;
use crate::crypto::algorithm::{EncryptionAlgorithm, SignatureAlgorithm};
use crate::crypto::{CipherParams, CryptoError, Encrypted, Family, Key};
use crate::records::View;
use crate::vault::{Kind, ObjectName, Refusal, Version};

/// A use of a key, with its input. The bytes may be secret: deliberately no `Debug`.
pub(crate) enum KeyUse {
    Encrypt { alg: EncryptionAlgorithm, value: Zeroizing<Vec<u8>>, extras: CipherParams },
    Decrypt { alg: EncryptionAlgorithm, value: Zeroizing<Vec<u8>>, extras: CipherParams },
    WrapKey { alg: EncryptionAlgorithm, value: Zeroizing<Vec<u8>>, extras: CipherParams },
    UnwrapKey { alg: EncryptionAlgorithm, value: Zeroizing<Vec<u8>>, extras: CipherParams },
    Sign { alg: SignatureAlgorithm, digest: Vec<u8> },
    Verify { alg: SignatureAlgorithm, digest: Vec<u8>, signature: Vec<u8> },
}

/// The output of a use. The bytes may be secret: deliberately no `Debug`.
pub(crate) enum KeyUseOutput {
    /// A ciphertext or a wrapped key.
    Encrypted(Encrypted),
    /// A plaintext or an unwrapped key.
    Decrypted(Zeroizing<Vec<u8>>),
    /// A signature.
    Signed(Vec<u8>),
    /// Whether a signature is good; a bad one is an answer, not an error.
    Verified(bool),
}

impl Objects<'_, Keys> {
    /// Uses a version of a key, the latest when none is named.
    ///
    /// # Errors
    /// When there is no such version, it may not be used now or not for this, or the bytes do not fit it.
    pub(crate) async fn operate(
        &self,
        name: &ObjectName,
        version: Option<&Version>,
        key_use: KeyUse,
    ) -> Result<(FoundVersion<KeyRecord>, KeyUseOutput), Refusal> {
        let view = self.vaults.records().view().await?;
        let found = self.find(&view, name, version).await?;
        if self.call.public_keys_only && found.record.public.family() == Family::Aes {
            return Err(Refusal::PublicKeysOnly);
        }
        found.record.permits(key_use.key_operation(), self.call.now)?;
        let key = self.parsed(&view, &found).await?;
        drop(view);
        let algorithm = key_use.algorithm();
        let done = if key.is_slow(key_use.is_private()) {
            self.vaults.inner.pool.run(move || key_use.apply(&key)).await?
        } else {
            key_use.apply(&key)
        };
        match done {
            Ok(done) => Ok((found, done)),
            Err((input, cause)) => Err(Refusal::Crypto { key: Box::new(found), input, algorithm, cause }),
        }
    }

    /// The key's parsed form: from memory, else read and parsed on the pool (0.2 to 1.3 ms).
    pub(super) async fn parsed(&self, view: &View, found: &FoundVersion<KeyRecord>) -> Result<Arc<Key>, Refusal> {
        let key = self.material_key(&found.name, &found.version);
        let location = self.layers().locate(view, &key).await?.unwrap_or((key, 0));
        if let Some(key) = self.vaults.inner.parsed_keys.get(&location) {
            return Ok(key);
        }
        let material = self.material(view, &found.name, &found.version).await?;
        let family = found.record.public.family();
        let parsed = self.vaults.inner.pool.run(move || Key::load(family, &material)).await?;
        let key = Arc::new(parsed.map_err(|error| damaged(&location.0, &error))?);
        self.vaults.inner.parsed_keys.insert(location, key.clone());
        Ok(key)
    }
}

impl KeyRecord {
    /// May the key be used for `operation` at `now`? A disabled key is refused for everything; outside its window a
    /// key still decrypts, unwraps and verifies, so that old data stays readable (the service's key-attributes page).
    pub(super) fn permits(&self, operation: KeyOperation, now: Timestamp) -> Result<(), Refusal> {
        let name = operation.name();
        if !self.attributes.enabled {
            return Err(Refusal::Disabled { kind: Kind::Key, operation: name });
        }
        if operation.produces_new_data() {
            self.within_window(name, now)?;
        }
        if !self.key_ops.contains(&operation) {
            return Err(Refusal::OperationNotPermitted { operation: name });
        }
        Ok(())
    }

    fn within_window(&self, operation: &'static str, now: Timestamp) -> Result<(), Refusal> {
        if self.attributes.nbf.is_some_and(|nbf| now < nbf) {
            return Err(Refusal::NotYetValid { operation });
        }
        if self.attributes.exp.is_some_and(|exp| now >= exp) {
            return Err(Refusal::Expired { operation });
        }
        Ok(())
    }
}

impl KeyOperation {
    /// Whether the operation makes something that did not exist before.
    const fn produces_new_data(self) -> bool {
        matches!(self, Self::Encrypt | Self::Sign | Self::WrapKey)
    }
}

/// The input of a use, as far as it can be at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyInput {
    /// Of encryption, decryption and wrapping.
    Value,
    /// Of signatures.
    Digest,
}

/// Which input does not fit, and why.
type InputError = (KeyInput, CryptoError);

impl KeyUse {
    const fn key_operation(&self) -> KeyOperation {
        match self {
            Self::Encrypt { .. } => KeyOperation::Encrypt,
            Self::Decrypt { .. } => KeyOperation::Decrypt,
            Self::WrapKey { .. } => KeyOperation::WrapKey,
            Self::UnwrapKey { .. } => KeyOperation::UnwrapKey,
            Self::Sign { .. } => KeyOperation::Sign,
            Self::Verify { .. } => KeyOperation::Verify,
        }
    }

    const fn is_private(&self) -> bool {
        matches!(self, Self::Decrypt { .. } | Self::UnwrapKey { .. } | Self::Sign { .. })
    }

    const fn algorithm(&self) -> &'static str {
        match self {
            Self::Encrypt { alg, .. }
            | Self::Decrypt { alg, .. }
            | Self::WrapKey { alg, .. }
            | Self::UnwrapKey { alg, .. } => alg.name(),
            Self::Sign { alg, .. } | Self::Verify { alg, .. } => alg.name(),
        }
    }

    fn apply(&self, key: &Key) -> Result<KeyUseOutput, InputError> {
        let of_value = |cause| (KeyInput::Value, cause);
        match self {
            Self::Encrypt { alg, value, extras } | Self::WrapKey { alg, value, extras } => {
                key.encrypt(*alg, value, extras).map(KeyUseOutput::Encrypted).map_err(of_value)
            }
            Self::Decrypt { alg, value, extras } | Self::UnwrapKey { alg, value, extras } => {
                key.decrypt(*alg, value, extras).map(KeyUseOutput::Decrypted).map_err(of_value)
            }
            Self::Sign { alg, digest } => key.sign(*alg, digest).map(KeyUseOutput::Signed).map_err(of_value),
            Self::Verify { alg, digest, signature } => key
                .verify(*alg, digest, signature)
                .map(KeyUseOutput::Verified)
                .map_err(|cause| (KeyInput::Digest, cause)),
        }
    }
}

fn damaged(key: &crate::store::EntryKey, error: &CryptoError) -> Refusal {
    Refusal::Damaged { record: String::from_utf8_lossy(key.as_bytes()).into_owned(), why: error.to_string() }
}
