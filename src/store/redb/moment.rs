//! Reading: the records as they lie in the file, at one moment.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{Database, ReadOnlyTable, ReadableDatabase, TableDefinition};

use super::fault::FILE;
use crate::store::batch::Revision;
use crate::store::error::StoreError;
use crate::store::guard::guarded;
use crate::store::key::Key;

/// Key to revision (8 bytes, big endian) and sealed value.
pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// A read transaction of redb, which the open table holds.
pub(in crate::store) struct Moment {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
}

impl Moment {
    pub(super) fn begin(database: &Database) -> Result<Self, StoreError> {
        guarded(FILE, || Ok(Self { table: database.begin_read()?.open_table(RECORDS)? }))
    }

    pub(in crate::store) fn read<T>(
        &self,
        key: &Key,
        visit: impl FnOnce(Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        guarded(key, || {
            let Some(record) = self.table.get(key.as_bytes())? else { return Ok(None) };
            let (revision, sealed) = split(key, record.value())?;
            visit(revision, sealed).map(Some)
        })
        .map_err(interrupted)
    }

    pub(in crate::store) fn walk<T>(
        &self,
        prefix: &Key,
        after: Option<&Key>,
        limit: usize,
        mut visit: impl FnMut(Key, Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        guarded(format_args!("the keys from {prefix}"), || {
            let start = Key::start_of_scan(prefix, after).map(Key::as_bytes);
            let mut found = Vec::new();
            for record in self.table.range::<&[u8]>((start, Bound::Unbounded))?.take(limit) {
                let (key, record) = record?;
                let key = Key::from(key.value());
                if !key.starts_with(prefix) {
                    break;
                }
                let (revision, sealed) = split(&key, record.value())?;
                found.push(visit(key, revision, sealed)?);
            }
            Ok(found)
        })
        .map_err(interrupted)
    }
}

/// A moment whose file was closed under it, because a write had failed: the read may be asked again.
fn interrupted(error: StoreError) -> StoreError {
    if matches!(error, StoreError::Closed) { StoreError::Busy } else { error }
}

/// The moment begun last, handed out again as long as nothing was committed since: most requests read, and beginning
/// a read transaction costs as much as several reads.
#[derive(Default)]
pub(super) struct Latest {
    commits: AtomicU64,
    begun: Mutex<Option<(u64, Arc<Moment>)>>,
}

impl Latest {
    /// The present moment; `begin` begins one when something was committed since the last.
    pub(super) fn get(&self, begin: impl FnOnce() -> Result<Moment, StoreError>) -> Result<Arc<Moment>, StoreError> {
        // Read before beginning: what is begun can only be newer than it says, and is then begun once more.
        let commits = self.commits.load(Ordering::SeqCst);
        if let Some((at, moment)) = &*self.begun()
            && *at == commits
        {
            return Ok(Arc::clone(moment));
        }
        let moment = Arc::new(begin()?);
        *self.begun() = Some((commits, Arc::clone(&moment)));
        Ok(moment)
    }

    /// To be called after each commit and before it is acknowledged, and before the file is closed.
    pub(super) fn forget(&self) {
        self.commits.fetch_add(1, Ordering::SeqCst);
        *self.begun() = None;
    }

    fn begun(&self) -> MutexGuard<'_, Option<(u64, Arc<Moment>)>> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record as it lies in the file.
pub(super) fn join(revision: Revision, sealed: &[u8]) -> Vec<u8> {
    [&revision.to_be_bytes(), sealed].concat()
}

/// The revision and the sealed value of a record.
pub(super) fn split<'a>(key: &Key, record: &'a [u8]) -> Result<(Revision, &'a [u8]), StoreError> {
    let (revision, sealed) = record.split_first_chunk().ok_or_else(|| StoreError::Damaged {
        record: key.to_string(),
        why: "the record is too short to hold a revision".into(),
    })?;
    Ok((Revision::from_be_bytes(*revision), sealed))
}
