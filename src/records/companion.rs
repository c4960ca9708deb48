//! A number that goes with commits: the highest that was true when anything was written, at no commit of its own.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use super::RecordError;
use crate::store::{Batch, Key, Value};

/// What goes with the commits of records.
pub struct Companion {
    /// Where it lies.
    pub key: Key,
    /// What it is now. It must not fall.
    pub now: Arc<dyn Fn() -> i64 + Send + Sync>,
    /// The record that holds it.
    pub value: fn(i64) -> Result<Value, RecordError>,
}

/// The companion of one store's records, if they have one, and what of it has been committed.
pub(super) struct Companionship {
    companion: OnceLock<Companion>,
    committed: AtomicI64,
}

impl Companionship {
    pub(super) const fn none() -> Self {
        Self { companion: OnceLock::new(), committed: AtomicI64::new(i64::MIN) }
    }

    /// Sets the companion; the first one stays.
    pub(super) fn set(&self, companion: Companion) {
        let _ = self.companion.set(companion);
    }

    /// `batch` with the companion's record, where that has risen since the last commit, and what it then is.
    pub(super) fn join(&self, batch: Batch) -> Result<(Batch, Option<i64>), RecordError> {
        let Some(companion) = self.companion.get() else { return Ok((batch, None)) };
        let now = (companion.now)();
        if now <= self.committed.load(Ordering::Relaxed) || batch.put.iter().any(|(key, _)| *key == companion.key) {
            return Ok((batch, None));
        }
        Ok((batch.put(companion.key.clone(), (companion.value)(now)?), Some(now)))
    }

    /// It has been committed as `joined`.
    pub(super) fn committed(&self, joined: Option<i64>) {
        // A commit that was slower than a later one may have put its lower number in the place of the higher: the next commit
        // brings it again.
        if joined.is_some_and(|joined| self.committed.fetch_max(joined, Ordering::Relaxed) > joined) {
            self.forget();
        }
    }

    /// Other records took the place of these: what they hold of it is not known.
    pub(super) fn forget(&self) {
        self.committed.store(i64::MIN, Ordering::Relaxed);
    }
}
