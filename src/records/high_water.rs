//! A high-water mark: a number that only rises, stored with the commits of records and never by a commit of its own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use super::RecordError;
use crate::store::{Batch, EntryKey, Value};

/// A high-water mark: the record at `key` holds the highest number at the time of any commit.
pub struct HighWaterMark {
    /// Where it is kept.
    pub key: EntryKey,
    /// The number now. It must not fall.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// The record that holds a number.
    pub value: fn(i64) -> Result<Value, RecordError>,
}

/// The mark of one store's records, if they have one, and what of it has been committed.
pub(super) struct HighWaterState {
    mark: OnceLock<HighWaterMark>,
    committed: AtomicI64,
}

impl HighWaterState {
    pub(super) const fn none() -> Self {
        Self { mark: OnceLock::new(), committed: AtomicI64::new(i64::MIN) }
    }

    /// Sets the mark; the first one stays.
    pub(super) fn set(&self, mark: HighWaterMark) {
        let _ = self.mark.set(mark);
    }

    /// `batch` with the mark's record, where the number has risen since the last commit, and that number.
    pub(super) fn add_to(&self, batch: Batch) -> Result<(Batch, Option<i64>), RecordError> {
        let Some(mark) = self.mark.get() else { return Ok((batch, None)) };
        let now = (mark.now)();
        if now <= self.committed.load(Ordering::Relaxed) || batch.put.iter().any(|(key, _)| *key == mark.key) {
            return Ok((batch, None));
        }
        Ok((batch.put(mark.key.clone(), (mark.value)(now)?), Some(now)))
    }

    /// A batch that the number was `added` to has been committed.
    pub(super) fn committed(&self, added: Option<i64>) {
        // A commit that was slower than a later one may have put its lower number in the place of the higher: the next commit
        // brings it again.
        if added.is_some_and(|added| self.committed.fetch_max(added, Ordering::Relaxed) > added) {
            self.forget();
        }
    }

    /// Other records took the place of these: which number they hold is not known.
    pub(super) fn forget(&self) {
        self.committed.store(i64::MIN, Ordering::Relaxed);
    }
}
