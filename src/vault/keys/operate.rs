//! Using a key: whether it may be used now and for this, then the cryptography.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{Call, Found, KeyOperation, KeyRecord, Vaults};
use crate::clock::Timestamp;
use crate::crypto::CryptoError;
use crate::crypto::algorithm::{EncryptionAlgorithm, SignatureAlgorithm};
use crate::crypto::rsa::RsaKey;
use crate::store::View;
use crate::vault::{Kind, ObjectName, Refusal, Version};

/// What to do with a key, and on which bytes. They may be secret, so it has no `Debug`.
#[expect(missing_docs, reason = "the service's own words")]
pub enum Operation {
    Encrypt { alg: EncryptionAlgorithm, value: Vec<u8> },
    Decrypt { alg: EncryptionAlgorithm, value: Vec<u8> },
    WrapKey { alg: EncryptionAlgorithm, value: Vec<u8> },
    UnwrapKey { alg: EncryptionAlgorithm, value: Vec<u8> },
    Sign { alg: SignatureAlgorithm, digest: Vec<u8> },
    Verify { alg: SignatureAlgorithm, digest: Vec<u8>, signature: Vec<u8> },
}

/// What came of it. The bytes may be secret, so it has no `Debug`.
pub enum Operated {
    /// A ciphertext, a plaintext, a wrapped or unwrapped key, a signature.
    Bytes(Zeroizing<Vec<u8>>),
    /// Whether a signature is good; a bad one is an answer, not an error.
    Verified(bool),
}

impl Vaults {
    /// Does `operation` with a version of a key, the latest when none is named.
    ///
    /// # Errors
    /// When there is no such version, it may not be used now or not for this, or the bytes do not fit it.
    pub async fn operate(
        &self,
        call: &Call,
        name: &ObjectName,
        version: Option<&Version>,
        operation: Operation,
    ) -> Result<(Found<KeyRecord>, Operated), Refusal> {
        let view = self.records().view().await?;
        let found: Found<KeyRecord> = self.keys(&call.vault).find(&view, name, version).await?;
        found.record.permits(operation.needs(), call.now)?;
        let key = self.parsed(call, &view, &found).await?;
        drop(view);
        let done = if operation.is_private() {
            self.inner.pool.run(move || operation.apply(&key)).await??
        } else {
            operation.apply(&key)?
        };
        Ok((found, done))
    }

    /// The key's parsed form: from memory, else read and parsed on the pool (0.2 to 1.3 ms).
    async fn parsed(&self, call: &Call, view: &View, found: &Found<KeyRecord>) -> Result<Arc<RsaKey>, Refusal> {
        let keys = self.keys(&call.vault);
        let place = keys.material_key(&found.name, &found.version);
        if let Some(key) = self.inner.parsed.get(&place) {
            return Ok(key);
        }
        let material = keys.material(view, &found.name, &found.version).await?;
        let parsed = self.inner.pool.run(move || RsaKey::from_pkcs8(&material)).await?;
        let key = Arc::new(parsed.map_err(|error| damaged(&place, &error))?);
        self.inner.parsed.insert(place, key.clone());
        Ok(key)
    }
}

impl KeyRecord {
    /// May the key be used for `operation` at `now`? A disabled key is refused for everything; outside its window a
    /// key still decrypts, unwraps and verifies, so that old data stays readable (the service's key-attributes page).
    fn permits(&self, operation: KeyOperation, now: Timestamp) -> Result<(), Refusal> {
        let name = operation.name();
        if !self.attributes.enabled {
            return Err(Refusal::Disabled { kind: Kind::Key, operation: name });
        }
        if operation.makes_new() {
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
    const fn makes_new(self) -> bool {
        matches!(self, Self::Encrypt | Self::Sign | Self::WrapKey)
    }
}

impl Operation {
    const fn needs(&self) -> KeyOperation {
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

    fn apply(&self, key: &RsaKey) -> Result<Operated, Refusal> {
        match self {
            Self::Encrypt { alg, value } | Self::WrapKey { alg, value } => {
                bytes("value", alg.name(), key.encrypt(*alg, value).map(Zeroizing::new))
            }
            Self::Decrypt { alg, value } | Self::UnwrapKey { alg, value } => {
                bytes("value", alg.name(), key.decrypt(*alg, value))
            }
            Self::Sign { alg, digest } => bytes("value", alg.name(), key.sign(*alg, digest).map(Zeroizing::new)),
            Self::Verify { alg, digest, signature } => {
                let verified = key.verify(*alg, digest, signature);
                verified.map(Operated::Verified).map_err(|cause| refused("digest", alg.name(), cause))
            }
        }
    }
}

fn bytes(
    member: &'static str,
    algorithm: &'static str,
    outcome: Result<Zeroizing<Vec<u8>>, CryptoError>,
) -> Result<Operated, Refusal> {
    outcome.map(Operated::Bytes).map_err(|cause| refused(member, algorithm, cause))
}

fn refused(member: &'static str, algorithm: &'static str, cause: CryptoError) -> Refusal {
    Refusal::Crypto { member, algorithm, cause }
}

fn damaged(place: &crate::store::Key, error: &CryptoError) -> Refusal {
    Refusal::Damaged { record: String::from_utf8_lossy(place.as_bytes()).into_owned(), why: error.to_string() }
}
