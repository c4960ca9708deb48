//! Read views of the file.

use std::ops::Bound;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{
    AccessGuard, Database, ReadOnlyTable, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition,
};

use super::error::FILE;
use crate::store::batch::Revision;
use crate::store::error::StoreError;
use crate::store::key::EntryKey;
use crate::store::panics::catch_panic;

/// Key to revision (8 bytes, big endian) and stored value.
pub(super) const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");

/// A read transaction of redb, which the open table holds.
pub(crate) struct FileView {
    table: ReadOnlyTable<&'static [u8], &'static [u8]>,
    /// Which of the shared views it is; none for one that is not shared.
    number: Option<u64>,
}

impl FileView {
    pub(super) fn begin(database: &Database) -> Result<Self, StoreError> {
        catch_panic(FILE, || Ok(Self { table: database.begin_read()?.open_table(RECORDS)?, number: None }))
    }

    /// The number that no other view of the store has.
    pub(crate) const fn number(&self) -> Option<u64> {
        self.number
    }

    pub(crate) fn read<T>(
        &self,
        key: &EntryKey,
        visit: impl FnOnce(Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        catch_panic(key, || {
            let Some(record) = self.table.get(key.as_bytes())? else { return Ok(None) };
            let (revision, sealed) = split(key, record.value())?;
            visit(revision, sealed).map(Some)
        })
        .map_err(interrupted)
    }

    pub(crate) fn read_many<T>(
        &self,
        keys: &[EntryKey],
        mut visit: impl FnMut(&EntryKey, Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        keys.iter().map(|key| self.read(key, |revision, stored| visit(key, revision, stored))).collect()
    }

    pub(crate) fn scan<T>(
        &self,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
        mut visit: impl FnMut(EntryKey, Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        catch_panic(format_args!("the keys from {prefix}"), || {
            let start = EntryKey::start_of_scan(prefix, after).map(EntryKey::as_bytes);
            let mut found = Vec::new();
            let mut records = self.table.range::<&[u8]>((start, Bound::Unbounded))?;
            let mut former: Option<AccessGuard<'_, &[u8]>> = None;
            for _ in 0..limit {
                let Some(record) = records.next() else { break };
                let (at, record) = record?;
                let follows = match &former {
                    None => is_behind(at.value(), start),
                    Some(former) => is_behind(at.value(), Bound::Excluded(former.value())),
                };
                if !follows {
                    return Err(out_of_order(at.value()));
                }
                if !at.value().starts_with(prefix.as_bytes()) {
                    // A key that damage has moved would end the list before its end: what follows it shows that.
                    let next = records.next().transpose()?;
                    let moved = next.is_some_and(|(next, _)| next.value() <= at.value());
                    return if moved { Err(out_of_order(at.value())) } else { Ok(found) };
                }
                let key = EntryKey::from(at.value());
                let (revision, sealed) = split(&key, record.value())?;
                found.push(visit(key, revision, sealed)?);
                former = Some(at);
            }
            Ok(found)
        })
        .map_err(interrupted)
    }

    /// Passes every record as it is stored to `visit`, from the first on or `backwards` from the last, until `visit` returns
    /// false.
    pub(super) fn each(&self, backwards: bool, mut visit: impl FnMut(&[u8], &[u8]) -> bool) -> Result<(), StoreError> {
        catch_panic(FILE, || {
            let mut records = self.table.iter()?;
            while let Some(record) = if backwards { records.next_back() } else { records.next() } {
                let (key, record) = record?;
                if !visit(key.value(), record.value()) {
                    break;
                }
            }
            Ok(())
        })
    }

    /// How many records the table says that it has.
    pub(super) fn count(&self) -> Result<u64, StoreError> {
        catch_panic(FILE, || Ok(self.table.len()?))
    }
}

/// Whether `key` lies where a range that begins at `start` may go on.
fn is_behind(key: &[u8], start: Bound<&[u8]>) -> bool {
    match start {
        Bound::Included(start) => key >= start,
        Bound::Excluded(former) => key > former,
        Bound::Unbounded => true,
    }
}

fn out_of_order(key: &[u8]) -> StoreError {
    let why = "its key is out of order, so a page is damaged";
    StoreError::Damaged { record: EntryKey::from(key).to_string(), why: why.into() }
}

/// The error of a view whose file was closed under it, because a write had failed: the read may be repeated.
fn interrupted(error: StoreError) -> StoreError {
    if matches!(error, StoreError::Closed) { StoreError::Busy } else { error }
}

/// A cache of the newest view, shared until something is committed: most requests read, and beginning a read transaction
/// costs as much as several reads.
#[derive(Default)]
pub(super) struct CachedView {
    commits: AtomicU64,
    begun: AtomicU64,
    cached: Mutex<Option<(u64, Arc<FileView>)>>,
}

impl CachedView {
    /// The cached view; `begin` begins another when something was committed since.
    pub(super) fn get_or_begin(
        &self,
        begin: impl FnOnce() -> Result<FileView, StoreError>,
    ) -> Result<Arc<FileView>, StoreError> {
        // Read before beginning: what is begun can only be newer than it says, and is then begun once more.
        let commits = self.commits.load(Ordering::SeqCst);
        if let Some((at, view)) = &*self.cached()
            && *at == commits
        {
            return Ok(Arc::clone(view));
        }
        let number = Some(self.begun.fetch_add(1, Ordering::Relaxed));
        let view = Arc::new(FileView { number, ..begin()? });
        *self.cached() = Some((commits, Arc::clone(&view)));
        Ok(view)
    }

    /// To be called after each commit and before it is acknowledged, and before the file is closed.
    pub(super) fn invalidate(&self) {
        self.commits.fetch_add(1, Ordering::SeqCst);
        *self.cached() = None;
    }

    fn cached(&self) -> MutexGuard<'_, Option<(u64, Arc<FileView>)>> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A record as it lies in the file.
pub(super) fn join(revision: Revision, sealed: &[u8], stamp: &[u8]) -> Vec<u8> {
    [&revision.to_be_bytes(), sealed, stamp].concat()
}

/// The revision and the stored value of a record.
pub(super) fn split<'a>(key: &EntryKey, record: &'a [u8]) -> Result<(Revision, &'a [u8]), StoreError> {
    let (revision, sealed) = record.split_first_chunk().ok_or_else(|| StoreError::Damaged {
        record: key.to_string(),
        why: "the record is too short to hold a revision".into(),
    })?;
    Ok((Revision::from_be_bytes(*revision), sealed))
}
