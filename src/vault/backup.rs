//! Backups: an object with all its versions as one sealed blob, in the service's outer form (a length-prefixed name of
//! the form, then a compact JWE; decoded from golden 017 and 045). The service seals for its own RSA key; here the key
//! is the backup key itself (`dir`), so that servers that share it take each other's blobs.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::object::{FoundVersion, ObjectDump, ObjectKind, Objects};
use super::{ObjectName, Refusal, Vaults};
use crate::crypto::backup_key::{BackupKey, Sealed};
use crate::crypto::base64url;
use crate::store::StoreError;

/// Supplies the backup key. It may have to generate it, so this may block.
pub(crate) type BackupKeySource = Arc<dyn Fn() -> Result<Arc<BackupKey>, StoreError> + Send + Sync>;

/// Why a backup cannot be restored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackupError {
    /// It is no backup of this kind of object.
    OtherKind,
    /// It is damaged.
    Damaged,
    /// It is sealed with another backup key.
    OtherBackupKey,
    /// Another version of the server made it.
    OtherServerVersion,
    /// The material of a version cannot be read.
    UnreadableMaterial,
    /// The record of a version and its material do not belong together.
    MaterialMismatch,
}

/// The purpose that backups are sealed for: part of the associated data.
const PURPOSE: &str = "object backup";

/// The header of the JWE.
#[derive(Serialize, Deserialize)]
struct Header {
    kid: String,
    alg: String,
    enc: String,
}

impl<K: ObjectKind> Objects<'_, K> {
    /// An object with all its versions, sealed.
    ///
    /// # Errors
    /// [`Refusal::NotFound`]; [`Refusal::TooManyVersions`]; what the store reports.
    pub(crate) async fn backup(&self, name: &ObjectName) -> Result<Vec<u8>, Refusal> {
        let view = self.vaults.records().view().await?;
        let dump = self.dump(&view, name).await?;
        drop(view);
        self.vaults.with_backup_key(move |key| seal(&key, &dump)).await?
    }

    /// Restores an object from its backup, with the same versions and dates; returns the latest version.
    ///
    /// # Errors
    /// [`Refusal::BadBackup`]; [`Refusal::RestoreConflict`] and its kin when the name is taken; what the kind refuses;
    /// what the store reports.
    pub(crate) async fn restore(&self, blob: Vec<u8>) -> Result<FoundVersion<K::Record>, Refusal> {
        let vault = self.call.vault.clone();
        let checked = move |key: Arc<BackupKey>| -> Result<ObjectDump<K>, Refusal> {
            let dump: ObjectDump<K> = open(&key, &blob)?;
            dump.check(&vault)?;
            Ok(dump)
        };
        let dump = self.vaults.with_backup_key(checked).await??;
        self.restore_dump(&dump).await
    }
}

impl Vaults {
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

fn seal<K: ObjectKind>(key: &BackupKey, dump: &ObjectDump<K>) -> Result<Vec<u8>, Refusal> {
    let failed = |why: String| Refusal::Internal(format!("a backup could not be made: {why}"));
    let header = Header { kid: key.id(), alg: "dir".to_owned(), enc: "A256GCM".to_owned() };
    let header = base64url::encode(&serde_json::to_vec(&header).map_err(|error| failed(error.to_string()))?);
    let plain = Zeroizing::new(serde_json::to_vec(dump).map_err(|error| failed(error.to_string()))?);
    let sealed = key.seal(PURPOSE, &context::<K>(&header), &plain).map_err(|error| failed(format!("{error:?}")))?;
    let [nonce, ciphertext, tag] = [&sealed.nonce[..], &sealed.ciphertext, &sealed.tag].map(base64url::encode);
    let jwe = format!("{header}..{nonce}.{ciphertext}.{tag}");
    Ok([K::BACKUP_FORM, jwe.as_bytes()].concat())
}

fn open<K: ObjectKind>(key: &BackupKey, blob: &[u8]) -> Result<ObjectDump<K>, Refusal> {
    let jwe = blob.strip_prefix(K::BACKUP_FORM).ok_or(Refusal::BadBackup(BackupError::OtherKind))?;
    let damaged = || Refusal::BadBackup(BackupError::Damaged);
    let jwe = std::str::from_utf8(jwe).map_err(|_| damaged())?;
    let parts: Vec<&str> = jwe.split('.').collect();
    let [header, "", nonce, ciphertext, tag] = parts[..] else { return Err(damaged()) };
    let known: Option<Header> = base64url::decode(header).and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if known.ok_or_else(damaged)?.kid != key.id() {
        return Err(Refusal::BadBackup(BackupError::OtherBackupKey));
    }
    let part = |text| base64url::decode(text).ok_or_else(damaged);
    let nonce = part(nonce)?.try_into().map_err(|_| damaged())?;
    let sealed = Sealed { nonce, ciphertext: part(ciphertext)?, tag: part(tag)? };
    let plain = key.open(PURPOSE, &context::<K>(header), sealed).map_err(|_| damaged())?;
    let dump: ObjectDump<K> = serde_json::from_slice(&plain).map_err(|_| damaged())?;
    if dump.is_consistent() { Ok(dump) } else { Err(damaged()) }
}

fn context<K: ObjectKind>(header: &str) -> Vec<u8> {
    [K::BACKUP_FORM, header.as_bytes()].concat()
}

/// Opens `bytes` as a backup, and as the content of one: who shares the backup key can seal any content.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz<K: ObjectKind>(bytes: &[u8]) {
    let key = BackupKey::from_bytes(Zeroizing::new([7; 32]));
    let _ = open::<K>(&key, bytes).is_ok();
    if let Ok(dump) = serde_json::from_slice::<ObjectDump<K>>(bytes) {
        let _ = dump.is_consistent();
    }
}
