//! The engine in memory: everything is gone when the process ends.
//!
//! The records live in a persistent tree: a view is a clone of its root, a commit copies only the path to what it
//! changes, so neither waits for the other however long a view is held.

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rpds::RedBlackTreeMapSync;

use super::batch::Revision;
use super::error::StoreError;
use super::key::EntryKey;
use super::sealed::{SealedBatch, Sealer};

pub(super) struct Memory {
    state: Mutex<State>,
    sealer: Arc<Sealer>,
}

struct State {
    records: RecordTree,
    revision: Revision,
    closed: bool,
}

/// Sealed records by their keys; a clone costs nothing.
pub(super) type RecordTree = RedBlackTreeMapSync<EntryKey, Record>;

/// A value as it is stored, sealed and stamped, with the commit that put it.
pub(super) struct Record {
    pub(super) revision: Revision,
    pub(super) stored: Vec<u8>,
}

impl Memory {
    pub(super) fn new(sealer: Arc<Sealer>) -> Self {
        let state = State { records: RedBlackTreeMapSync::new_sync(), revision: 0, closed: false };
        Self { state: Mutex::new(state), sealer }
    }

    pub(super) fn view(&self) -> Result<TreeView, StoreError> {
        let state = self.open_state()?;
        Ok(TreeView { number: Some(state.revision), records: state.records.clone() })
    }

    pub(super) fn commit(&self, batch: SealedBatch) -> Result<Revision, StoreError> {
        let mut state = self.open_state()?;
        check(&state.records, &batch.expect)?;
        let revision = state.revision + 1;
        state.revision = revision;
        for (key, sealed) in batch.put {
            let stored = self.sealer.stamped(revision, sealed);
            state.records.insert_mut(key, Record { revision, stored });
        }
        for key in &batch.delete {
            state.records.remove_mut(key);
        }
        Ok(revision)
    }

    pub(super) fn close(&self) {
        self.state().closed = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_state(&self) -> Result<MutexGuard<'_, State>, StoreError> {
        let state = self.state();
        if state.closed { Err(StoreError::Closed) } else { Ok(state) }
    }
}

/// Whether each key still has the revision that is expected.
pub(super) fn check(records: &RecordTree, expect: &[(EntryKey, Revision)]) -> Result<(), StoreError> {
    let holds =
        |(key, expected): &(EntryKey, Revision)| records.get(key).map_or(0, |found| found.revision) == *expected;
    if expect.iter().all(holds) { Ok(()) } else { Err(StoreError::Conflict) }
}

/// A read view: the tree as it was at one commit.
pub(super) struct TreeView {
    /// The revision of the commit, where the engine says it.
    pub(super) number: Option<Revision>,
    pub(super) records: RecordTree,
}

impl TreeView {
    pub(super) fn read<T>(
        &self,
        key: &EntryKey,
        visit: impl FnOnce(Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.records.get(key).map(|found| visit(found.revision, &found.stored)).transpose()
    }

    pub(super) fn read_many<T>(
        &self,
        keys: &[EntryKey],
        mut visit: impl FnMut(&EntryKey, Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<Option<T>>, StoreError> {
        keys.iter().map(|key| self.read(key, |revision, stored| visit(key, revision, stored))).collect()
    }

    pub(super) fn scan<T>(
        &self,
        prefix: &EntryKey,
        after: Option<&EntryKey>,
        limit: usize,
        mut visit: impl FnMut(EntryKey, Revision, &[u8]) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.records
            .range::<EntryKey, _>((EntryKey::start_of_scan(prefix, after), Bound::Unbounded))
            .take_while(|(key, _)| key.starts_with(prefix))
            .take(limit)
            .map(|(key, found)| visit(key.clone(), found.revision, &found.stored))
            .collect()
    }
}
