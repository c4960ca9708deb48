//! Backups: an object with all its versions as one sealed blob, in the service's outer form (a length-prefixed name of
//! the form, then a compact JWE; decoded from golden 017 and 045). The service seals for its own RSA key; here the key
//! is the backup key itself (`dir`), so that servers that share it take each other's blobs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::keys::KeyRecord;
use super::object::{Found, ObjectDump, Versioned};
use super::secrets::{MAX_VALUE, SecretRecord};
use super::{Call, Kind, ObjectName, Refusal, Sku, Vaults};
use crate::crypto::backup_key::{BackupKey, Sealed};
use crate::crypto::base64url;
use crate::store::StoreError;

/// Where the backup key comes from. It may have to be made, so this may block.
pub type BackupKeySource = Arc<dyn Fn() -> Result<Arc<BackupKey>, StoreError> + Send + Sync>;

/// What is said of a version that its record and its material do not agree about.
const UNFIT: Refusal = Refusal::BadBackup { why: "value: a version and its material do not fit" };

/// What backups are sealed for.
const PURPOSE: &str = "object backup";

/// The header of the JWE.
#[derive(Serialize, Deserialize)]
struct Header {
    kid: String,
    alg: String,
    enc: String,
}

impl Vaults {
    /// A key with all its versions, sealed.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::TooManyVersions`]; what the store reports.
    pub async fn backup_key(&self, call: &Call, name: &ObjectName) -> Result<Vec<u8>, Refusal> {
        self.backup(call, Kind::Key, name).await
    }

    /// A secret with all its versions, sealed.
    ///
    /// # Errors
    /// As [`Vaults::backup_key`].
    pub async fn backup_secret(&self, call: &Call, name: &ObjectName) -> Result<Vec<u8>, Refusal> {
        self.backup(call, Kind::Secret, name).await
    }

    /// Puts a key back from its backup, with the same versions and dates.
    ///
    /// # Errors
    /// [`Refusal::BadBackup`]; [`Refusal::RestoreConflict`] and its kin when the name is taken;
    /// [`Refusal::NeedsPremium`] when a version is of an HSM's type; what the store reports.
    pub async fn restore_key(&self, call: &Call, blob: Vec<u8>) -> Result<Found<KeyRecord>, Refusal> {
        let sku = call.vault.sku;
        self.restore(call, Kind::Key, blob, move |record: &KeyRecord, material| {
            if record.kty.is_hsm() && sku == Sku::Standard {
                return Err(Refusal::NeedsPremium { kty: record.kty.name() });
            }
            if record.matches_material(material) { Ok(()) } else { Err(UNFIT) }
        })
        .await
    }

    /// Puts a secret back from its backup, with the same versions and dates.
    ///
    /// # Errors
    /// As [`Vaults::restore_key`].
    pub async fn restore_secret(&self, call: &Call, blob: Vec<u8>) -> Result<Found<SecretRecord>, Refusal> {
        self.restore(call, Kind::Secret, blob, |_: &SecretRecord, material| {
            let fits = material.len() <= MAX_VALUE && std::str::from_utf8(material).is_ok();
            if fits { Ok(()) } else { Err(UNFIT) }
        })
        .await
    }

    async fn backup(&self, call: &Call, kind: Kind, name: &ObjectName) -> Result<Vec<u8>, Refusal> {
        let view = self.records().view().await?;
        let dump = self.objects(call, kind).dump(&view, name).await?;
        drop(view);
        self.with_backup_key(move |key| seal(&key, kind, &dump)).await?
    }

    /// Puts an object back whose versions are all `allowed` in the vault, each with its material.
    async fn restore<T: Versioned>(
        &self,
        call: &Call,
        kind: Kind,
        blob: Vec<u8>,
        allowed: impl Fn(&T, &[u8]) -> Result<(), Refusal> + Send + 'static,
    ) -> Result<Found<T>, Refusal> {
        let checked = move |key: Arc<BackupKey>| -> Result<ObjectDump, Refusal> {
            let dump = open(&key, kind, &blob)?;
            dump.check(allowed)?;
            Ok(dump)
        };
        let dump = self.with_backup_key(checked).await??;
        self.objects(call, kind).restore(&dump).await
    }

    /// Reading or making the key and sealing megabytes is no work for the runtime's threads.
    async fn with_backup_key<T: Send + 'static>(
        &self,
        work: impl FnOnce(Arc<BackupKey>) -> T + Send + 'static,
    ) -> Result<T, Refusal> {
        let source = self.inner.backup_key.clone();
        let done = tokio::task::spawn_blocking(move || source().map(work)).await;
        done.map_err(|error| Refusal::Internal(error.to_string()))?.map_err(Refusal::Store)
    }
}

/// The name of the form, as the service writes it.
const fn form(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Key => b"&AzureKeyVaultKeyBackupV1.microsoft.com",
        Kind::Secret => b")AzureKeyVaultSecretBackupV1.microsoft.com",
    }
}

fn seal(key: &BackupKey, kind: Kind, dump: &ObjectDump) -> Result<Vec<u8>, Refusal> {
    let failed = |why: String| Refusal::Internal(format!("a backup could not be made: {why}"));
    let header = Header { kid: key.id(), alg: "dir".to_owned(), enc: "A256GCM".to_owned() };
    let header = base64url::encode(&serde_json::to_vec(&header).map_err(|error| failed(error.to_string()))?);
    let plain = Zeroizing::new(serde_json::to_vec(dump).map_err(|error| failed(error.to_string()))?);
    let sealed = key.seal(PURPOSE, &context(kind, &header), &plain).map_err(|error| failed(format!("{error:?}")))?;
    let [nonce, ciphertext, tag] = [&sealed.nonce[..], &sealed.ciphertext, &sealed.tag].map(base64url::encode);
    let jwe = format!("{header}..{nonce}.{ciphertext}.{tag}");
    Ok([form(kind), jwe.as_bytes()].concat())
}

fn open(key: &BackupKey, kind: Kind, blob: &[u8]) -> Result<ObjectDump, Refusal> {
    let bad = |why| Refusal::BadBackup { why };
    let jwe = blob.strip_prefix(form(kind)).ok_or(bad("value: not a backup of this kind"))?;
    let damaged = || bad("value: the backup is damaged");
    let jwe = std::str::from_utf8(jwe).map_err(|_| damaged())?;
    let parts: Vec<&str> = jwe.split('.').collect();
    let [header, "", nonce, ciphertext, tag] = parts[..] else { return Err(damaged()) };
    let known: Option<Header> = base64url::decode(header).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if known.ok_or_else(damaged)?.kid != key.id() {
        return Err(bad("value: sealed under another backup key; give both servers the same backupKey"));
    }
    let part = |text| base64url::decode(text).ok_or_else(damaged);
    let nonce = part(nonce)?.try_into().map_err(|_| damaged())?;
    let sealed = Sealed { nonce, ciphertext: part(ciphertext)?, tag: part(tag)? };
    let plain = key.open(PURPOSE, &context(kind, header), sealed).map_err(|_| damaged())?;
    let dump: ObjectDump = serde_json::from_slice(&plain).map_err(|_| damaged())?;
    if dump.is_consistent(kind) { Ok(dump) } else { Err(damaged()) }
}

fn context(kind: Kind, header: &str) -> Vec<u8> {
    [form(kind), header.as_bytes()].concat()
}
