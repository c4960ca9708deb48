//! Taking in a key that was made elsewhere: in the plain, or wrapped for a key-exchange key of the vault.

use super::{Call, Found, KeyOperation, KeyRecord, KeyType, NewKey, Vaults};
use crate::crypto::jwk::{ExpectedKey, PrivateJwk};
use crate::crypto::transfer_blob::TransferBlob;
use crate::crypto::{CryptoError, Key, Material};
use crate::vault::{ObjectName, Refusal, Version};

/// Where a key is taken from.
pub enum ImportSource {
    /// It came in the plain.
    Jwk(PrivateJwk),
    /// It came wrapped ("bring your own key").
    Transfer {
        /// The blob.
        blob: TransferBlob,
        /// The key of this vault that the blob names.
        kek: ExchangeKey,
        /// What the blob shall hold.
        wanted: ExpectedKey,
    },
}

/// The key-exchange key that a transfer blob was made for.
#[derive(Clone, Debug)]
pub struct ExchangeKey {
    /// Its name.
    pub name: ObjectName,
    /// Its version; the latest when none is named.
    pub version: Option<Version>,
}

impl Vaults {
    /// Takes in a key, as a new version when the name is in use.
    ///
    /// # Errors
    /// As [`Vaults::create_key`]; [`Refusal::Import`] when the key is none that can be used; what
    /// [`Vaults::operate`] refuses when the key-exchange key cannot be used.
    pub async fn import_key(
        &self,
        call: &Call,
        name: &ObjectName,
        new: NewKey,
        from: ImportSource,
    ) -> Result<Found<KeyRecord>, Refusal> {
        new.check(call)?;
        let kty = new.kty;
        let (key, material) = match from {
            ImportSource::Jwk(jwk) => self.inner.pool.run(move || jwk.load()).await?,
            ImportSource::Transfer { blob, kek, wanted } => self.unpack(call, blob, &kek, wanted).await?,
        }
        .map_err(|cause| Refusal::Import { kty, cause })?;
        self.add_key(call, name, NewKey { imported: true, ..new }, key, material).await
    }

    /// A key-exchange key is an RSA-HSM key whose one operation is `import` (the BYOK specification).
    async fn unpack(
        &self,
        call: &Call,
        blob: TransferBlob,
        kek: &ExchangeKey,
        wanted: ExpectedKey,
    ) -> Result<Result<(Key, Material), CryptoError>, Refusal> {
        let view = self.records().view().await?;
        let found: Found<KeyRecord> = self.keys(call).find(&view, &kek.name, kek.version.as_ref()).await?;
        found.record.permits(KeyOperation::Import, call.now)?;
        if found.record.kty != KeyType::RsaHsm {
            return Err(Refusal::OperationNotPermitted { operation: KeyOperation::Import.name() });
        }
        let key = self.parsed(call, &view, &found).await?;
        drop(view);
        Ok(self.inner.pool.run(move || blob.open(&key, wanted)).await?)
    }
}
