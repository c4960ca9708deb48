//! Importing a key: in the clear, or wrapped for a key-exchange key of the vault.

use super::{FoundVersion, KeyOperation, KeyRecord, KeyType, Keys, NewKey, Objects};
use crate::crypto::jwk::{ExpectedKey, PrivateJwk};
use crate::crypto::transfer_blob::TransferBlob;
use crate::crypto::{CryptoError, Key, Material};
use crate::vault::{ObjectName, Refusal, Version};

/// The key to import.
pub(crate) enum ImportSource {
    /// In the clear.
    Jwk(PrivateJwk),
    /// Wrapped ("bring your own key").
    Transfer {
        /// The blob.
        blob: TransferBlob,
        /// The key of this vault that the blob names.
        kek: KeyExchangeKey,
        /// The key that the blob must hold.
        wanted: ExpectedKey,
    },
}

/// The key-exchange key that a transfer blob is wrapped for.
#[derive(Clone, Debug)]
pub(crate) struct KeyExchangeKey {
    /// Its name.
    pub name: ObjectName,
    /// Its version; the latest when none is named.
    pub version: Option<Version>,
}

impl Objects<'_, Keys> {
    /// Imports a key, as a new version when the name is in use.
    ///
    /// # Errors
    /// As [`Objects::create`]; [`Refusal::Import`] when the key is none that can be used; what
    /// [`Objects::operate`] refuses when the key-exchange key cannot be used.
    pub(crate) async fn import(
        &self,
        name: &ObjectName,
        new: NewKey,
        from: ImportSource,
    ) -> Result<FoundVersion<KeyRecord>, Refusal> {
        new.check(self.call)?;
        let kty = new.kty;
        let (key, material) = match from {
            ImportSource::Jwk(jwk) => self.vaults.inner.pool.run(move || jwk.load()).await?,
            ImportSource::Transfer { blob, kek, wanted } => self.unpack(blob, &kek, wanted).await?,
        }
        .map_err(|cause| Refusal::Import { kty, cause })?;
        self.add_key(name, NewKey { imported: true, ..new }, key, material).await
    }

    /// A key-exchange key is an RSA-HSM key whose one operation is `import` (the BYOK specification).
    async fn unpack(
        &self,
        blob: TransferBlob,
        kek: &KeyExchangeKey,
        wanted: ExpectedKey,
    ) -> Result<Result<(Key, Material), CryptoError>, Refusal> {
        let view = self.vaults.records().view().await?;
        let found = self.find(&view, &kek.name, kek.version.as_ref()).await?;
        found.record.permits(KeyOperation::Import, self.call.now)?;
        if found.record.kty != KeyType::RsaHsm {
            return Err(Refusal::OperationNotPermitted { operation: KeyOperation::Import.name() });
        }
        let key = self.parsed(&view, &found).await?;
        drop(view);
        Ok(self.vaults.inner.pool.run(move || blob.open(&key, wanted)).await?)
    }
}
