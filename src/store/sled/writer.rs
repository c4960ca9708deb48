//! The one thread that writes: it drains the queue, writes all batches that wait in one batch of sled's, and syncs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use sled::Db;

use super::Published;
use super::disk::{self, Disk};
use super::open::{DIRECTORY, Opened, put_state, record_key, record_value, store_error};
use crate::store::batch::Revision;
use crate::store::degraded::Health;
use crate::store::error::StoreError;
use crate::store::last_seen::LastSeen;
use crate::store::memory::{Record, RecordTree, check};
use crate::store::panics::catch_panic;
use crate::store::queue::{Job, Outcome, Request, collect_group};
use crate::store::sealed::{SealedBatch, Sealer};

pub(super) struct Writer {
    path: PathBuf,
    db: Db,
    disk: Disk,
    sealer: Arc<Sealer>,
    /// What is on the disk.
    records: RecordTree,
    /// The last revision that was given.
    revision: Revision,
    last_seen: LastSeen,
    published: Published,
    health: Health,
    /// Why nothing can be written any more: what sled holds after a failure is not known until it is opened again.
    failed: Option<StoreError>,
}

impl Writer {
    pub(super) fn new(opened: Opened, last_seen: LastSeen, published: Published, health: Health) -> Self {
        let Opened { path, db, disk, sealer, records, revision } = opened;
        Self { path, db, disk, sealer, records, revision, last_seen, published, health, failed: None }
    }

    /// How often the files were synced.
    #[cfg(test)]
    pub(super) fn syncs(&self) -> u64 {
        self.disk.syncs
    }

    /// Answers requests until the store is closed or gone.
    pub(super) fn run(mut self, requests: &Receiver<Request>) {
        // Dropped last: its receiver may open the directory again.
        let _done = loop {
            match requests.recv() {
                Ok(Request::Commit(first)) => {
                    let (group, close) = collect_group(first, requests);
                    self.write(group);
                    if close.is_some() {
                        break close;
                    }
                }
                Ok(Request::Close(done)) => break Some(done),
                Err(_) => break None,
            }
        };
        self.published.set(None);
        // After a failure it is not known which revision is on the disk.
        if self.failed.is_none() {
            self.last_seen.write(self.revision);
        }
        tracing::debug!(syncs = self.disk.syncs, "the store is closed");
        drop(self.db);
        // sled may have written a snapshot while it closed.
        if let Err(error) = disk::keep_private(&self.path) {
            tracing::warn!(%error, "the database directory could not be kept private");
        }
    }

    fn write(&mut self, group: Vec<Job>) {
        let (batches, replies): (Vec<_>, Vec<_>) = group.into_iter().map(|job| (job.batch, job.reply)).unzip();
        let outcomes = match catch_panic(DIRECTORY, || self.transaction(&batches)) {
            Ok(outcomes) => outcomes,
            Err(error) => {
                tracing::error!(%error, "the store could not write; nothing more is written until it is started again");
                if error.is_full() {
                    self.health.set_full();
                }
                self.failed = Some(error.clone());
                vec![Err(error); replies.len()]
            }
        };
        for (reply, outcome) in replies.into_iter().zip(outcomes) {
            // A caller that went away does not need the answer.
            let _ = reply.send(outcome);
        }
    }

    /// Writes batches as one, published when they are on the disk.
    pub(super) fn transaction(&mut self, batches: &[SealedBatch]) -> Result<Vec<Outcome>, StoreError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        let (mut records, mut written, before) = (self.records.clone(), sled::Batch::default(), self.revision);
        let apply = |batch: &SealedBatch| self.apply(&mut records, &mut written, batch);
        let outcomes = batches.iter().map(apply).collect::<Result<Vec<Outcome>, StoreError>>()?;
        if self.revision != before {
            put_state(&mut written, &self.sealer, self.revision, records.size())?;
            self.db.apply_batch(written).and_then(|()| self.db.flush()).map_err(store_error)?;
            self.disk.sync().map_err(|error| StoreError::io("syncing the database directory", error))?;
            self.records = records;
            self.published.set(Some(self.records.clone()));
        }
        Ok(outcomes)
    }

    /// Applies one batch, or nothing of it when an expectation fails.
    fn apply(
        &mut self,
        records: &mut RecordTree,
        written: &mut sled::Batch,
        batch: &SealedBatch,
    ) -> Result<Outcome, StoreError> {
        if let Err(conflict) = check(records, &batch.expect) {
            return Ok(Err(conflict));
        }
        self.revision += 1;
        for (key, sealed) in &batch.put {
            let stored = self.sealer.stamped(self.revision, sealed.clone());
            let record = Record { revision: self.revision, stored };
            written.insert(record_key(key), record_value(&record));
            records.insert_mut(key.clone(), record);
        }
        for key in &batch.delete {
            written.remove(record_key(key));
            records.remove_mut(key);
        }
        Ok(Ok(self.revision))
    }
}
