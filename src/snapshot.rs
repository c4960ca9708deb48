//! Snapshots: all records of a server as one file, sealed under the backup key. Loading one replaces all records at once, or
//! none. Knows no vaults.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::crypto::backup_key::{BackupKey, Sealed};
use crate::records::{NewGeneration, RecordError, Records, View};
use crate::store::{Batch, EntryKey};

/// The first bytes of a file.
const MAGIC: &[u8] = b"KEYHAVEN-SNAPSHOT 1\n";
/// The purpose that snapshots are sealed for.
const PURPOSE: &str = "snapshot";
/// Records that are read at a time.
const PAGE: usize = 1000;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The header of a snapshot, readable without the key and authenticated by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SnapshotHeader {
    /// The tenant whose tokens and policies it holds.
    pub tenant: Uuid,
    /// When it was created, in RFC 3339.
    #[serde(rename = "made")]
    pub created: String,
    /// The version of the server that created it.
    pub version: String,
    /// The name of the key it is sealed under.
    pub backup_key: String,
}

/// Why a snapshot was not made or not loaded; nothing has changed.
#[derive(Debug)]
pub(crate) enum SnapshotError {
    /// The file is no snapshot.
    NotASnapshot,
    /// It is sealed under another key.
    OtherKey(SnapshotHeader),
    /// It is of another tenant, whose tokens this server does not accept.
    OtherTenant(SnapshotHeader),
    /// It has been changed, or is not whole.
    Damaged,
    /// The records could not be read or written.
    Record(RecordError),
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotASnapshot => f.write_str("this is no snapshot of a keyhaven server"),
            Self::OtherKey(header) => write!(
                f,
                "the snapshot of {} is sealed under another backup key ({}); give this server the backupKey of the one \
                 that made it",
                header.created, header.backup_key
            ),
            Self::OtherTenant(header) => write!(
                f,
                "the snapshot is of the tenant {0}; load it into a server that was started with --tenant {0} (or that \
                 tenantId) and data of its own",
                header.tenant
            ),
            Self::Damaged => f.write_str("the snapshot is damaged: it has been changed, or is not whole"),
            Self::Record(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for SnapshotError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Record(error) => Some(error),
            _ => None,
        }
    }
}

impl<E: Into<RecordError>> From<E> for SnapshotError {
    fn from(error: E) -> Self {
        Self::Record(error.into())
    }
}

/// Records as a snapshot holds them: key and value, each behind its length in four bytes, big-endian.
pub(crate) type Plaintext = Zeroizing<Vec<u8>>;

/// All records of `view`.
///
/// # Errors
/// When it cannot be read.
pub(crate) async fn export(view: &View) -> Result<Plaintext, SnapshotError> {
    let (mut all, mut after) = (Zeroizing::new(Vec::new()), None);
    loop {
        let (entries, next) = view.all_entries(after.as_ref(), PAGE).await?;
        for entry in &entries {
            write(&mut all, entry.key.as_bytes());
            write(&mut all, &entry.value);
        }
        if next.is_none() {
            return Ok(all);
        }
        after = next;
        tokio::task::yield_now().await;
    }
}

/// The file of exported records. Takes as long as their bytes: not for the runtime's threads.
///
/// # Errors
/// When it cannot be sealed.
pub(crate) fn seal(all: &Plaintext, header: &SnapshotHeader, key: &BackupKey) -> Result<Vec<u8>, SnapshotError> {
    let mut file = MAGIC.to_vec();
    file.extend(serde_json::to_vec(header).map_err(|_| SnapshotError::Damaged)?);
    file.push(b'\n');
    let sealed = key.seal(PURPOSE, &file, all).map_err(|_| SnapshotError::Damaged)?;
    file.extend_from_slice(&sealed.nonce);
    file.extend(sealed.ciphertext);
    file.extend(sealed.tag);
    Ok(file)
}

/// The records of a file, if it is unchanged and may be loaded by a server of `tenant`. Not for the runtime's threads.
///
/// # Errors
/// As [`SnapshotError`] says.
pub(crate) fn open(file: &[u8], tenant: Uuid, key: &BackupKey) -> Result<Batch, SnapshotError> {
    let rest = file.strip_prefix(MAGIC).ok_or(SnapshotError::NotASnapshot)?;
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or(SnapshotError::NotASnapshot)?;
    let header: SnapshotHeader = serde_json::from_slice(&rest[..end]).map_err(|_| SnapshotError::NotASnapshot)?;
    if header.backup_key != key.id() {
        return Err(SnapshotError::OtherKey(header));
    }
    if header.tenant != tenant {
        return Err(SnapshotError::OtherTenant(header));
    }
    let (head, body) = file.split_at(MAGIC.len() + end + 1);
    let (nonce, body) = body.split_first_chunk::<NONCE_BYTES>().ok_or(SnapshotError::Damaged)?;
    let (ciphertext, tag) = body.split_last_chunk::<TAG_BYTES>().ok_or(SnapshotError::Damaged)?;
    let sealed = Sealed { nonce: *nonce, ciphertext: ciphertext.to_vec(), tag: tag.to_vec() };
    let all = key.open(PURPOSE, head, sealed).map_err(|_| SnapshotError::Damaged)?;
    parse(&all)
}

/// Writes the records of a snapshot to a new generation. Published, it replaces all others in one commit.
///
/// # Errors
/// When it cannot be written.
pub(crate) async fn stage(records: &Records, contents: Batch) -> Result<NewGeneration, SnapshotError> {
    let generation = records.begin_generation().await?;
    generation.commit(contents).await?;
    Ok(generation)
}

/// The records of an opened snapshot, in ascending order, each once.
fn parse(mut all: &[u8]) -> Result<Batch, SnapshotError> {
    let mut contents = Batch::default();
    while !all.is_empty() {
        let (key, value);
        (key, all) = read(all).ok_or(SnapshotError::Damaged)?;
        (value, all) = read(all).ok_or(SnapshotError::Damaged)?;
        let key = EntryKey::from(key);
        if contents.put.last().is_some_and(|(before, _)| *before >= key) {
            return Err(SnapshotError::Damaged);
        }
        contents.put.push((key, Zeroizing::new(value.to_vec())));
    }
    Ok(contents)
}

fn write(all: &mut Vec<u8>, bytes: &[u8]) {
    // A record is far below 4 GiB: the largest holds a value of 25,600 bytes.
    all.extend(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    all.extend_from_slice(bytes);
}

fn read(all: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = all.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Opens `bytes` as a file, and as the content of one: who shares the backup key can seal any content.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz(bytes: &[u8]) {
    let key = BackupKey::from_bytes(Zeroizing::new([7; 32]));
    let _ = open(bytes, Uuid::nil(), &key).is_ok();
    let _ = parse(bytes).is_ok();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random;
    use crate::store::{DataKey, Store};

    fn key(byte: u8) -> BackupKey {
        BackupKey::from_bytes(Zeroizing::new([byte; 32]))
    }

    async fn filled(count: usize) -> Records {
        let store = Store::memory(DataKey::from_bytes(random::secret())).unwrap();
        let put = (0..count).map(|n| (EntryKey::from(format!("a/{n}")), vec![7; n % 100].into())).collect();
        store.commit_pieces(Batch { put, ..Batch::default() }).await.unwrap();
        Records::new(store)
    }

    async fn file(records: &Records, tenant: Uuid) -> Vec<u8> {
        let all = export(&records.view().await.unwrap()).await.unwrap();
        let header =
            SnapshotHeader { tenant, created: "now".to_owned(), version: "1".to_owned(), backup_key: key(1).id() };
        seal(&all, &header, &key(1)).unwrap()
    }

    async fn content(records: &Records) -> Vec<(EntryKey, Vec<u8>)> {
        let view = records.view().await.unwrap();
        let found = view.entries(&EntryKey::from("a/"), None, usize::MAX).await.unwrap();
        found.into_iter().map(|entry| (entry.key, entry.value.to_vec())).collect()
    }

    #[tokio::test]
    async fn what_was_saved_replaces_what_is_there() {
        let tenant = Uuid::from_u128(1);
        for count in [0, 1, PAGE, 2 * PAGE + 5] {
            let (one, other) = (filled(count).await, filled(3).await);
            let contents = open(&file(&one, tenant).await, tenant, &key(1)).unwrap();
            stage(&other, contents).await.unwrap().publish().await.unwrap();
            assert_eq!(content(&other).await, content(&one).await, "{count}");
            assert_eq!(file(&other, tenant).await.len(), file(&one, tenant).await.len(), "nothing else is in it");
            assert_eq!(other.sweep().await.unwrap(), 3, "what was there before");
            assert_eq!(content(&other).await.len(), count);
            let contents = open(&file(&one, tenant).await, tenant, &key(1)).unwrap();
            stage(&other, contents).await.unwrap().publish().await.unwrap();
            assert_eq!(other.sweep().await.unwrap(), count, "and so again");
        }
    }

    #[tokio::test]
    async fn what_is_foreign_or_changed_is_refused() {
        let tenant = Uuid::from_u128(1);
        let file = file(&filled(5).await, tenant).await;
        assert!(matches!(open(&file, tenant, &key(2)), Err(SnapshotError::OtherKey(_))));
        assert!(matches!(open(&file, Uuid::nil(), &key(1)), Err(SnapshotError::OtherTenant(_))));
        assert!(matches!(open(b"{}", tenant, &key(1)), Err(SnapshotError::NotASnapshot)));
        for at in 0..file.len() {
            let mut changed = file.clone();
            changed[at] ^= 1;
            assert!(open(&changed, tenant, &key(1)).is_err(), "byte {at}");
            assert!(open(&file[..at], tenant, &key(1)).is_err(), "length {at}");
        }
    }

    #[tokio::test]
    async fn a_generation_that_was_never_published_is_swept_away() {
        let records = filled(5).await;
        let generation = records.begin_generation().await.unwrap();
        generation.commit(Batch::default().put("a/new", vec![1])).await.unwrap();
        assert_eq!(content(&records).await.len(), 5, "no reader sees a generation");
        drop(generation);
        assert_eq!(records.sweep().await.unwrap(), 1);
        assert_eq!(records.sweep().await.unwrap(), 0);
        assert_eq!(content(&records).await.len(), 5);
    }
}
